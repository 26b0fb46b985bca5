// The core of one Ipam: book.wasm on a memory of its own, with the host functions of the plugin.
// Owns the block through which the two talk (assembly/library/booknumbers.ts draws it), and turns a
// trap into the IpamError "damaged", after which the core isn't asked again.
//
// Cost: about 1 ms for an instance; the memory is address space until something is touched.
import { base64 } from "#book";
import {
  BLOCK_BYTES,
  IFNAME_AT,
  IFNAME_BYTES,
  NAME_AT,
  OUT_AT,
  OUT_WORDS,
  OWNER_AT,
  OWNER_BYTES,
} from "../../assembly/library/booknumbers.ts";
import { bytesOf } from "../embedded.ts";
import { IpamError } from "../errors.ts";
import { type Host, makeHost } from "../host.ts";
import { MEMORY_PAGES } from "../memory.ts";
import type { Exports } from "../wasm.ts";
import { bootSeconds } from "./clock.ts";

/** What a test puts in the place of the machine. */
export interface Around {
  /** Seconds of CLOCK_BOOTTIME. */
  clock?: () => number;
  /** Seconds of CLOCK_REALTIME; only with `clock`. */
  wall?: () => number;
  /** The kernel's boot id. */
  boot?: string;
  /** Stands between the core, whose memory this is, and the host functions. */
  between?: (imports: Host["imports"], memory: Uint8Array) => Host["imports"];
  /** Syncs the log for `flush`. */
  sync?: SyncFile;
}

/** What a sync comes to. (Not by Node's type of errors: users may be without its types.) */
type Synced = (Error & { errno?: number | undefined }) | null;
/** What the sync of a flush is: node:fs's, or a test's. */
export type SyncFile = (fd: number, done: (error: Synced) => void) => void;

const BOOT_PATH = "/proc/sys/kernel/random/boot_id";
const NAME_MAX = 512;
/** By so much the clocks drift apart before the wall clock counts as set. */
const DRIFT_MS = 500;
const encoder = new TextEncoder();

/** When CLOCK_BOOTTIME was 0, in milliseconds of the wall clock; the second of the last look. */
interface Started {
  at: number;
  looked: number;
}
const machine: Started = { at: Number.NaN, looked: -1 };

let compiled: WebAssembly.Module | undefined;

/** One instance of book.wasm. */
export class Core {
  readonly exports: Exports;
  readonly host: Host;
  readonly clock: () => number;
  /** The block as 64-bit words, and as bytes. */
  readonly words: BigUint64Array;
  readonly bytes: Uint8Array;
  /** The same as halves of words, low one first: no BigInt is made for a small number. */
  readonly halves: Uint32Array;
  readonly #out: number = OUT_AT / 8;
  readonly #started: Started;
  readonly #memory: WebAssembly.Memory;

  constructor(around: Around) {
    compiled ??= new WebAssembly.Module(bytesOf(base64));
    const pages = { initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true };
    this.#memory = new WebAssembly.Memory(pages);
    this.clock = around.clock ?? bootSeconds;
    this.#started = around.clock ? { at: Number.NaN, looked: -1 } : machine;
    this.host = makeHost({ env: {}, argv: [], stdin: new Uint8Array(0), write: () => {} });
    const all = new Uint8Array(this.#memory.buffer);
    this.host.attach(all);
    const between = around.between?.(this.host.imports, all);
    const imports = { ...this.host.imports, ...between, ...this.#replaced(around, all) };
    const instance = new WebAssembly.Instance(compiled, {
      env: { memory: this.#memory },
      host: imports,
    });
    this.exports = instance.exports as unknown as Exports;
    const block = this.exports.bookBlock!() >>> 0;
    this.words = new BigUint64Array(this.#memory.buffer, block, OUT_AT / 8 + OUT_WORDS);
    this.bytes = new Uint8Array(this.#memory.buffer, block, BLOCK_BYTES);
    this.halves = new Uint32Array(this.#memory.buffer, block, 2 * (OUT_AT / 8 + OUT_WORDS));
  }

  #replaced(around: Around, all: Uint8Array): WebAssembly.ModuleImports {
    const made: WebAssembly.ModuleImports = {};
    const { clock, wall, boot } = around;
    const { imports } = this.host;
    if (clock)
      made.clock = (which: number) => {
        const asked = which === 0 ? clock : wall;
        return asked ? BigInt(Math.floor(asked())) * 1_000_000_000n : imports.clock!(which);
      };
    if (boot !== undefined)
      made.slurp = (at: number, length: number, into: number, cap: number) => {
        if (Buffer.from(all.subarray(at, at + length)).toString() !== BOOT_PATH)
          return imports.slurp!(at, length, into, cap);
        const text = encoder.encode(`${boot}\n`).subarray(0, cap);
        all.set(text, into);
        return text.length;
      };
    return made;
  }

  /** Whole seconds of CLOCK_BOOTTIME. */
  now(): number {
    return Math.floor(this.clock()) >>> 0;
  }

  /**
   * The wall clock's time at which CLOCK_BOOTTIME says this. The same moment is the same Date in
   * all of a process as long as nobody sets the wall clock: both clocks are read one after the
   * other, and differ by some milliseconds each time. `now` is what now() has just told: a wall
   * clock that is set is noticed with the next second.
   */
  dateAt(seconds: number, now = this.now()): Date {
    if (now !== this.#started.looked) this.#look(now);
    return new Date(this.#started.at + seconds * 1000);
  }

  // Apart and once a second: reading the clocks would be a twentieth of an allocation.
  #look(now: number): void {
    this.#started.looked = now;
    const boot = Date.now() - this.clock() * 1000;
    if (!(Math.abs(boot - this.#started.at) < DRIFT_MS)) this.#started.at = boot;
  }

  /** Number `n` that the last call put out. */
  out(n: number): bigint {
    return this.words[this.#out + n]!;
  }

  /** The same where it fits 53 bits. */
  outNumber(n: number): number {
    const at = 2 * (this.#out + n);
    return this.halves[at]! + this.halves[at + 1]! * 2 ** 32;
  }

  /** Runs a call of the core. A trap becomes "damaged". */
  run<T>(work: (core: Core) => T): T {
    try {
      return work(this);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      throw new IpamError(
        "damaged",
        `the state contradicts itself: ${this.#why() || error.message}; nothing more is given ` +
          "from it, and nothing was deleted (docs: when the state is damaged)",
      );
    } finally {
      this.exports.bookRest!();
    }
  }

  #why(): string {
    return this.literal(this.exports.bookFault!() >>> 0);
  }

  /** An AssemblyScript string: UTF-16, its bytes counted 4 bytes before it. */
  literal(at: number): string {
    if (at === 0) return "";
    const length = new DataView(this.#memory.buffer).getUint32(at - 4, true);
    return Buffer.from(new Uint8Array(this.#memory.buffer, at, length)).toString("utf16le");
  }

  #put(at: number, text: string, cap: number, what: string): number {
    // Most texts are short and plain: no call into the encoder for them.
    if (text.length < 96 && text.length <= cap) {
      let i = 0;
      for (; i < text.length; i++) {
        const c = text.charCodeAt(i);
        if (c > 127) break;
        this.bytes[at + i] = c;
      }
      if (i === text.length) return i;
    }
    // Two texts with half a pair would be one owner, or one name.
    if (/\p{Surrogate}/u.test(text))
      throw new IpamError("invalid", `${what} has half of a surrogate pair in it`, text);
    const encoded = encoder.encode(text);
    if (encoded.length > cap)
      throw new IpamError("invalid", `${what} has ${encoded.length} bytes: at most ${cap}`, text);
    this.bytes.set(encoded, at);
    return encoded.length;
  }

  /** Puts an owner (1 to 4,096 bytes) into the block; its bytes. */
  putOwner(owner: unknown): number {
    return this.#put(OWNER_AT, textOf(owner, "an owner"), 4096, "the owner");
  }

  /** Puts the directory's path into the block; its bytes. */
  putPath(path: string): number {
    return this.#put(OWNER_AT, textOf(path, "the path"), OWNER_BYTES, "the path");
  }

  /** Puts an interface name (at most 15 bytes) into the block; its bytes. */
  putInterface(name: string | undefined): number {
    if (name === undefined || name === "") return 0;
    return this.#put(IFNAME_AT, textOf(name, "an interface"), 15, "the interface");
  }

  /** Puts a name (1 to `cap` bytes) into the block; its bytes, 0 for undefined. */
  putName(name: string | undefined, cap = NAME_MAX): number {
    if (name === undefined) return 0;
    return this.#put(NAME_AT, textOf(name, "a name"), cap, "the name");
  }

  #text(at: number, length: number): string {
    return Buffer.from(this.bytes.subarray(at, at + length)).toString();
  }

  /** The texts that bookRecord and bookPoolRead leave in the block. */
  ownerText(length: number): string {
    return this.#text(OWNER_AT, length);
  }

  interfaceText(length: number): string {
    return this.#text(IFNAME_AT, Math.min(length, IFNAME_BYTES));
  }

  nameText(length: number): string {
    return this.#text(NAME_AT, length);
  }
}

function textOf(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new IpamError("invalid", `${what} is a text that isn't empty`, value);
}

// The allocator on an image in memory: test/fixtures/book.ts, called from here. What it is told and
// what it answers can be written down as a script for the same fixture in C
// (test/native/book_driver.c):
//
//   t <where> <hexadecimal bytes>         writes a text into the block
//   r <code> <numbers>                    runs: answer and words put out, in hexadecimal, or "trap"
//   d                                     digest of the image
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import { compileNative } from "../../scripts/native.mjs";
import { type Exports, MEMORY_PAGES } from "../../src/wasm.ts";
import { fixtureModule, fixturePath, literalAt } from "./fixture.ts";
import type { Ask, Family, Reply, SetSpec, Value } from "./ledger.ts";

/** The codes of `run`. */
export const OP = {
  format: 0,
  setsBegin: 1,
  set: 2,
  range: 3,
  exclude: 4,
  wantedBegin: 5,
  wanted: 6,
  allocate: 7,
  release: 8,
  collect: 9,
  commit: 10,
  undo: 11,
  findOwner: 12,
  findAddress: 13,
  findName: 14,
  check: 15,
  count: 16,
  list: 17,
  room: 18,
  live: 19,
  cellMake: 20,
  trieAdd: 21,
  trieRemove: 22,
  trieReplace: 23,
  trieSeek: 24,
  cellFree: 25,
  trieCells: 26,
  collide: 27,
  hash: 28,
  bounds: 29,
} as const;

/** The core's bounds on collecting (records/due.ts), on looking, and the bytes of a cell. */
export interface Bounds {
  /** Due addresses that a call frees where nothing else is free. */
  many: number;
  /** Changed words after which only short records go, and after which none does. */
  words: number;
  manyWords: number;
  /** Cells of a short record. */
  short: number;
  /** Cooling addresses among which a call looks for one that yields. */
  look: number;
  /** Bytes of an id in the head; of a text in a further cell. */
  inHead: number;
  inCell: number;
}

const ID_AT = 2048;
const IFNAME_AT = ID_AT + 4224;
const NAME_AT = IFNAME_AT + 64;
const OUT_AT = 512;
const HALF = (1n << 64n) - 1n;
const CURSORS = { from: 1024, to: 1024 + 32 * 24 };
/** Block sizes of the arena. */
export const CLASSES = [16, 32, 40, 64, 72, 128, 136, 264, 552];

export class Book {
  readonly #exports: Exports;
  readonly #memory: WebAssembly.Memory;
  readonly #block: number;
  #bytes = 0;
  #script: string[] | null = null;
  #answers: string[] = [];
  /** Words that the last operation put out. */
  out: bigint[] = [];

  constructor(target: "core" | "rooms" = "core") {
    const pages = { initial: MEMORY_PAGES, maximum: MEMORY_PAGES };
    this.#memory = new WebAssembly.Memory({ ...pages, shared: target === "core" });
    // A record with host-local's files would ask for them; these have none.
    const host = new Proxy({}, { get: () => () => -2 });
    const imports = { env: { memory: this.#memory }, host };
    const instance = new WebAssembly.Instance(fixtureModule("book", target), imports);
    this.#exports = instance.exports as unknown as Exports;
    this.#block = this.#exports.block!();
  }

  /** From here on everything is written down, with its answer. */
  record(): void {
    this.#script = [];
    this.#answers = [];
  }

  /** What was written down: lines of a script, and the answers to them. */
  recorded(): { script: string; answers: string[] } {
    return { script: `${this.#script!.join("\n")}\n`, answers: this.#answers };
  }

  /** Does one operation. Throws what the core trapped with. */
  run(code: number, ...values: (bigint | number)[]): bigint {
    const view = new DataView(this.#memory.buffer);
    for (const [n, value] of values.entries())
      view.setBigUint64(this.#block + 8 * n, BigInt.asUintN(64, BigInt(value)), true);
    const line = () =>
      [
        "r",
        code.toString(16),
        ...values.map((v) => BigInt.asUintN(64, BigInt(v)).toString(16)),
      ].join(" ");
    this.#script?.push(line());
    let answer: bigint;
    try {
      answer = BigInt.asUintN(64, this.#exports.run!(code));
    } catch (error) {
      this.#answers.push("trap");
      const why = literalAt(this.#memory.buffer as ArrayBuffer, this.#exports.text!(-1));
      throw new Error(`trap: ${why || (error as Error).message}`);
    }
    this.out = [];
    for (let n = 0; n < this.#exports.outs!(); n++)
      this.out.push(view.getBigUint64(this.#block + OUT_AT + 8 * n, true));
    if (this.#script)
      this.#answers.push([answer, ...this.out].map((v) => v.toString(16)).join(" "));
    return answer;
  }

  #text(where: number, text: string): number {
    const bytes = Buffer.from(text);
    new Uint8Array(this.#memory.buffer).set(bytes, this.#block + where);
    if (bytes.length > 0) this.#script?.push(`t ${where.toString(16)} ${bytes.toString("hex")}`);
    return bytes.length;
  }

  #owner({ kind, id, ifname }: Ask): [number, number, number] {
    return [kind, this.#text(ID_AT, id), this.#text(IFNAME_AT, ifname)];
  }

  /** The core's own bounds. */
  bounds(): Bounds {
    const [many, words, manyWords, short, look, inHead, inCell] = [0, 1, 2, 3, 4, 5, 6].map((n) =>
      Number(this.run(OP.bounds, n)),
    ) as [number, number, number, number, number, number, number];
    return { many, words, manyWords, short, look, inHead, inCell };
  }

  /** An empty image of `bytes`. */
  format(bytes: number, key: readonly [bigint, bigint] = [1n, 2n]): void {
    this.#bytes = bytes;
    this.run(OP.format, bytes, ...key);
  }

  /** Tells the range sets of the next calls. */
  configure(sets: readonly SetSpec[]): void {
    this.run(OP.setsBegin);
    for (const set of sets) {
      this.run(OP.set, set.index, set.family);
      for (const range of set.ranges) {
        const [gateway, family] = range.gateway ?? [0n, set.family === 4 ? 6 : 4];
        const subnet = [...halves(range.start), 24, ...halves(gateway), family];
        this.run(OP.range, ...halves(range.start), ...halves(range.end), ...subnet);
        for (const [from, to] of range.excludes)
          this.run(OP.exclude, ...halves(from), ...halves(to));
      }
    }
  }

  /** ADD's part. The journal is left as it is: `commit` or `undo`. */
  allocate(ask: Ask): Reply {
    this.run(OP.wantedBegin);
    for (const { family, value } of ask.wanted) this.run(OP.wanted, ...halves(value), family);
    const owner = this.#owner(ask);
    const name = this.#text(NAME_AT, ask.name);
    const random = [ask.random[0], ask.random[1]];
    const status = Number(this.run(OP.allocate, ...owner, name, ask.policy, ...random, ask.now));
    const [failSet = 0n, , failHi = 0n, failLo = 0n, ...rest] = this.out;
    const reply: Reply = { status, given: [] };
    if (status === 0)
      for (let n = 0; n < rest.length; n += 4)
        reply.given.push({
          value: whole(rest[n]!, rest[n + 1]!),
          range: Number(rest[n + 2]),
          cell: Number(rest[n + 3]),
        });
    else if (status === 6) reply.unused = rest.map((used) => used === 0n);
    else if (status > 1) reply.set = Number(failSet);
    if (status >= 3 && status <= 5) reply.address = whole(failHi, failLo);
    return reply;
  }

  /** DEL's part: false if the owner has no allocation. */
  release(ask: Ask, cooldown: number): boolean {
    return this.run(OP.release, ...this.#owner(ask), cooldown, ask.now) === 1n;
  }

  /** What an owner holds: addresses as "family:value:set", sorted. */
  ofOwner(ask: Ask): string[] {
    this.run(OP.findOwner, ...this.#owner(ask));
    const found: string[] = [];
    for (let n = 0; n < this.out.length; n += 4) {
      const [family, hi, lo, set] = this.out.slice(n, n + 4) as [bigint, bigint, bigint, bigint];
      found.push(`${family}:${whole(hi, lo)}:${set}`);
    }
    return found.sort();
  }

  /** Records of a name, cooling ones included. */
  ofName(name: string): number {
    return Number(this.run(OP.findName, this.#text(NAME_AT, name)));
  }

  /** All taken addresses of a family, in order. */
  taken(family: Family): Value[] {
    const found: Value[] = [];
    let from: [bigint, bigint] = [0n, 0n];
    for (;;) {
      const count = Number(this.run(OP.list, family, ...from));
      for (let n = 0; n < count; n++) found.push(whole(this.out[2 * n]!, this.out[2 * n + 1]!));
      if (count < 64 || found.at(-1) === (1n << 128n) - 1n) return found;
      from = halves(found.at(-1)! + 1n);
    }
  }

  /** Words of the journal, which are committed. */
  commit(): number {
    return Number(this.run(OP.commit));
  }

  /** Every fault of the image. */
  faults(): string[] {
    const count = Number(this.run(OP.check));
    return Array.from({ length: Math.min(count, 256) }, (_, n) => {
      const text = literalAt(this.#memory.buffer as ArrayBuffer, this.#exports.text!(n));
      return `${text} at ${this.#exports.offset!(n) >>> 0}`;
    });
  }

  /** Blocks of every size that are in use. */
  live(): number[] {
    return CLASSES.map((bytes) => Number(this.run(OP.live, bytes)));
  }

  /** A copy of the image as far as it is used, without APPLIED and the cursors. */
  snapshot(): Buffer {
    const used = this.#bytes - Number(this.run(OP.room));
    const copy = Buffer.from(new Uint8Array(this.#memory.buffer, WINDOW_BASE, used).slice().buffer);
    copy.fill(0, 96, 128);
    copy.fill(0, CURSORS.from, CURSORS.to);
    return copy;
  }

  /** Where range set `index` goes on: the last address it gave. */
  cursor(index: number): { family: Family; value: Value } {
    const at = WINDOW_BASE + CURSORS.from + 24 * index;
    const view = new DataView(this.#memory.buffer, at, 24);
    const value = whole(view.getBigUint64(0, true), view.getBigUint64(8, true));
    return { family: Number(view.getBigUint64(16, true)) as Family, value };
  }

  /** Digest of the image (FNV-1a by words of 32 bits), as the driver in C makes it. */
  digest(): string {
    let hash = 0x811c9dc5;
    for (const word of new Uint32Array(this.#memory.buffer, WINDOW_BASE, this.#bytes >> 2))
      hash = Math.imul(hash ^ word, 0x01000193);
    const text = (hash >>> 0).toString(16);
    if (this.#script) {
      this.#script.push("d");
      this.#answers.push(text);
    }
    return text;
  }
}

/** A value's halves. */
export function halves(value: Value): [bigint, bigint] {
  return [value >> 64n, value & HALF];
}

function whole(hi: bigint, lo: bigint): Value {
  return (hi << 64n) | lo;
}

/** The fixture compiled to C with its driver: answers a script line by line. */
export class NativeBook {
  readonly #directory = mkdtempSync(join(tmpdir(), "berth-book-"));
  #program = "";

  async build(): Promise<void> {
    this.#program = await compileNative({
      wasm: fixturePath("book", "rooms"),
      name: "book",
      sources: ["test/native/book_driver.c"],
      out: join(this.#directory, "book"),
      dir: join(this.#directory, "c"),
      flags: ["-DWASM_RT_CHECKED=1", "-Wall", "-Wno-unused"],
    });
  }

  run(script: string): string[] {
    const done = spawnSync(this.#program, [], {
      input: script,
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    if (done.status !== 0) throw new Error(`the driver ended with ${done.status}: ${done.stderr}`);
    return done.stdout.trimEnd().split("\n");
  }

  close(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

// The state of a network as the tests look at it from outside: a copy of berth.state with the
// entries of berth.log that aren't applied yet laid over it, walked by the core's own check.
// Nothing in the directory changes, no lock is taken: stop the writers first.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import { type Exports, MEMORY_PAGES } from "../../src/wasm.ts";
import { format } from "../plugin/support/address.ts";
import { fixtureModule, literalAt } from "./fixture.ts";

const PAGE = 65536;

/** An address that an owner holds. */
export interface Held {
  address: string;
  family: number;
  set: number;
  kind: number;
  id: string;
  ifname: string;
}

/** An address that isn't free: who holds it, or whose it was and when it is free. */
export interface Place {
  family: 4 | 6;
  value: bigint;
  set: number;
  state: "held" | "reserved" | "cooling";
  /** Seconds of CLOCK_BOOTTIME, for what is reserved or cools. */
  due: number;
  id: string;
  ifname: string;
  /** namespace/name of the pod, "" for none. */
  name: string;
}

const STATES = ["held", "held", "reserved", "cooling"] as const;

function unused(): never {
  throw new Error("a walk of a copy calls no host function");
}

/** A copy in memory: opened by the core, read by nobody else. */
export class Copy {
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory;
  /** What the core said of files that it can't even begin to walk, or "". */
  readonly refusal: string = "";

  /** `memory`: one to be used again (its scratch part zeroed), by copies that aren't kept. */
  constructor(state: Uint8Array, log: Uint8Array, memory?: WebAssembly.Memory) {
    const pages = { initial: MEMORY_PAGES, maximum: MEMORY_PAGES };
    this.memory = memory ?? new WebAssembly.Memory(pages);
    const module = fixtureModule("store", "cni");
    const host: WebAssembly.ModuleImports = {};
    for (const entry of WebAssembly.Module.imports(module))
      if (entry.module === "host") host[entry.name] = unused;
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory }, host });
    this.exports = instance.exports as unknown as Exports;
    const bytes = new Uint8Array(this.memory.buffer);
    const logAt = (WINDOW_BASE + state.length + 2 * PAGE) & ~(PAGE - 1);
    bytes.set(state, WINDOW_BASE);
    bytes.set(log, logAt);
    this.exports.open!();
    this.refusal = this.#attempt(() => this.exports.copyOpen!(state.length, logAt, log.length));
  }

  /** "" or why the core trapped. */
  #attempt(work: () => void): string {
    try {
      work();
      return "";
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const text = literalAt(this.memory.buffer, this.exports.lastFault!());
      return text === "" ? `trap: ${error.message}` : text;
    }
  }

  /** Every fault of the image as "text at offset"; [] = sound. */
  faults(): string[] {
    if (this.refusal !== "") return [this.refusal];
    let count = 0;
    const trap = this.#attempt(() => {
      count = this.exports.check!();
    });
    if (trap !== "") return [trap];
    return Array.from({ length: Math.min(count, 256) }, (_, n) => {
      const text = literalAt(this.memory.buffer, this.exports.checkText!(n));
      return `${text} at ${this.exports.checkOffset!(n) >>> 0}`;
    });
  }

  /** What the allocations hold (no cooling addresses), in order of address. Throws on damage. */
  held(): Held[] {
    if (this.refusal !== "") throw new Error(this.refusal);
    const trap = this.#attempt(() => this.exports.heldList!());
    if (trap !== "") throw new Error(trap);
    const view = new DataView(this.memory.buffer);
    const word = (at: number) => view.getUint32(at, true);
    const text = (at: number, length: number) => Buffer.from(view.buffer, at, length).toString();
    const found: (Held & { value: bigint })[] = [];
    for (let at: number = this.exports.heldAt!(); at !== 0; at = word(at + 60)) {
      const value = (view.getBigUint64(at, true) << 64n) | view.getBigUint64(at + 8, true);
      const family = word(at + 16);
      found.push({
        value,
        address: format({ v6: family === 6, value }),
        family,
        set: word(at + 20),
        kind: word(at + 36),
        id: text(word(at + 32), word(at + 28)),
        ifname: text(word(at + 44), word(at + 40)),
      });
    }
    found.sort((a, b) => a.family - b.family || (a.value < b.value ? -1 : 1));
    return found.map(({ value: _, ...rest }) => rest);
  }

  /** Every address that isn't free; at most `most` of each family. Throws on damage. */
  places(most = 65_536): Place[] {
    if (this.refusal !== "") throw new Error(this.refusal);
    const trap = this.#attempt(() => this.exports.placeList!(most));
    if (trap !== "") throw new Error(trap);
    const view = new DataView(this.memory.buffer);
    const word = (at: number) => view.getUint32(at, true);
    const text = (at: number) => Buffer.from(view.buffer, word(at + 4), word(at)).toString();
    const found: Place[] = [];
    for (let at: number = this.exports.heldAt!(); at !== 0; at = word(at + 60))
      found.push({
        value: (view.getBigUint64(at, true) << 64n) | view.getBigUint64(at + 8, true),
        family: word(at + 16) === 4 ? 4 : 6,
        set: word(at + 20),
        state: STATES[word(at + 24)]!,
        due: word(at + 28),
        id: text(at + 32),
        ifname: text(at + 40),
        name: text(at + 48),
      });
    return found;
  }
}

/**
 * Reads a network's directory (`<dataDir>/<name>`). null: it has no berth.state and no berth.log.
 */
export async function copyNetwork(dir: string): Promise<Copy | null> {
  const read = (name: string) =>
    readFile(join(dir, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
  const [state, log] = await Promise.all([read("berth.state"), read("berth.log")]);
  if (!state) return null;
  return new Copy(state, log ?? new Uint8Array(0));
}

/** Every fault of a network's state; [] = sound, or there is no state yet. */
export async function checkNetwork(dir: string): Promise<string[]> {
  return (await copyNetwork(dir))?.faults() ?? [];
}

// take and give inside WebAssembly: the same module in V8 and through wasm2c and gcc -O3. Both give
// the same slots in the same order, which the hash shows. The program in C waits between its turns
// (many.c), so that each pair of turns takes some tens of milliseconds: this machine's processor
// has slower times, which come and go within a second.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MEMORY_PAGES } from "../../src/memory.ts";
import { buildPath, type Exports, packageRoot } from "../../src/wasm.ts";
import type { Aim } from "../method/aim.ts";
import { type Context, type Experiment, leftOut } from "../method/experiment.ts";
import { mix } from "../method/measure.ts";
import { compileNative, findCompiler, isFresh } from "../method/native.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { Waiting } from "../peers/waiting.ts";
import { FILLS, isFree } from "./hot.ts";

const MANY = 16_384;
const BATCH = 1024;
const BATCHES = 64;
/** Rounds until V8 has compiled the module a second time: a new process runs at half the speed. */
const WARM_ROUNDS = 150;
/** Rounds of a turn, and the first of them that don't count: the other's are in the caches. */
const TURN = { rounds: 5, cold: 1 };
const suite = "core";
const table = "take and give inside WebAssembly";
const wasm2c = "wasm2c, gcc -O3";

/** The work of many.c in V8, on a memory of its own. */
class OwnTurns {
  readonly #exports: Exports;
  readonly #slots: Uint32Array;
  readonly #cell: number;
  readonly #at: number;
  hash = 0;

  constructor(module: WebAssembly.Module, fill: number) {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const e = exports as Exports;
    this.#exports = e;
    e.deskSit!(0);
    e.heapFormat!();
    this.#cell = e.slotsMake!(24, 0, 0, 1n);
    this.#at = e.transferArea!();
    this.#slots = new Uint32Array(memory.buffer, this.#at, MANY);
    if (fill > 0) this.#fill(fill);
  }

  #fill(fill: number): void {
    const { slotsTakeMany, slotsGiveMany } = this.#exports;
    for (let from = 0; from < 1 << 24; from += MANY)
      slotsTakeMany!(this.#cell, 0, this.#at, MANY, 4);
    for (let from = 0; from < 1 << 24; ) {
      let n = 0;
      for (; n < MANY && from < 1 << 24; from++) if (isFree(from, fill)) this.#slots[n++] = from;
      slotsGiveMany!(this.#cell, 0, this.#at, n, 4);
    }
  }

  /** Nanoseconds for an operation of each round. */
  turn(rounds: number): number[] {
    return Array.from({ length: rounds }, () => {
      const begin = process.hrtime.bigint();
      this.#round();
      return Number(process.hrtime.bigint() - begin) / (BATCHES * 2 * BATCH);
    });
  }

  #round(): void {
    const { slotsTakeMany, slotsGiveMany } = this.#exports;
    for (let i = 0; i < BATCHES; i++) {
      slotsTakeMany!(this.#cell, 0, this.#at, BATCH, 4);
      this.hash = mix(this.hash, this.#slots[i]!);
      slotsGiveMany!(this.#cell, 0, this.#at, BATCH, 4);
    }
  }
}

/**
 * The driver many.c around rooms.wasm as C, which the build has translated; kept as
 * build/bench/many. Throws what lacks.
 */
export async function compileMany(): Promise<string> {
  const root = packageRoot();
  const out = join(root, "build/bench/many");
  const generated = join(root, "build/native/rooms.c");
  const source = join(root, "bench/core/many.c");
  if (!existsSync(generated)) throw new Error("build/native/rooms.c isn't built");
  if (isFresh(out, [generated, source])) return out;
  if (!findCompiler()) throw new Error("there is no C compiler");
  await compileNative({ name: "rooms", sources: [source, generated], out, flags: ["-O3"] });
  return out;
}

/** What both sides do on one memory each, with so much of it held. */
class Sides {
  readonly #own: OwnTurns;
  readonly #other: Waiting<{ hash: number }> | undefined;
  /** A list of nanoseconds for each turn. */
  readonly v8: number[][] = [];
  readonly native: number[][] = [];
  hashes: [v8: number, native: number] = [0, 0];

  /** Both fill their pools at the same time. Without a program V8 has its turns alone. */
  constructor(module: WebAssembly.Module, program: string, fill: number) {
    const args = ["24", String(fill)];
    if (program) this.#other = new Waiting(program, args, { name: wasm2c });
    this.#own = new OwnTurns(module, fill);
  }

  /** A turn of each; who begins changes from pair to pair. */
  async pair(number: number): Promise<void> {
    const turns = [
      () => void this.v8.push(this.#own.turn(TURN.rounds).slice(TURN.cold)),
      async () => {
        if (this.#other) this.native.push((await this.#other.turn(TURN.rounds)).slice(TURN.cold));
      },
    ];
    for (const turn of number % 2 === 1 ? turns : turns.toReversed()) await turn();
  }

  /** The first pair doesn't count: its turns may have begun while a pool was still being filled. */
  async end(): Promise<this> {
    this.v8.shift();
    this.native.shift();
    this.hashes = [this.#own.hash, this.#other ? (await this.#other.end()).hash : 0];
    return this;
  }

  kill(): void {
    this.#other?.kill();
  }
}

/**
 * A pass has several memories on both sides: in a nearly full pool the ways through the bitmap
 * depend on which pages of the processor's cache it got, and one memory's luck would be all of a
 * row. All fills have their pairs by turns, so that each row's lie all over the pass.
 */
async function run({ quick }: Context): Promise<Row[]> {
  const memories = quick ? 1 : 3;
  const pairs = quick ? 3 : 20;
  const fills = quick ? FILLS.slice(0, 1) : FILLS;
  let program = "";
  let missing = "";
  try {
    program = await compileMany();
  } catch (error) {
    missing = (error as Error).message;
  }
  // One module for all memories: what V8 has compiled is the module's.
  const module = new WebAssembly.Module(readFileSync(buildPath("rooms.wasm")));
  new OwnTurns(module, 0).turn(WARM_ROUNDS);
  const all = fills.map((): Sides[] => []);
  for (let memory = 0; memory < memories; memory++) {
    const sides = fills.map((fill) => new Sides(module, program, fill));
    try {
      for (let pair = 0; pair <= pairs; pair++) for (const one of sides) await one.pair(pair);
      for (const [at, one] of sides.entries()) all[at]!.push(await one.end());
    } finally {
      for (const one of sides) one.kill();
    }
  }
  return fills.flatMap((fill, at) =>
    rowsOf(`/8, ${fill / 100} % full, mean of take and give`, all[at]!, missing),
  );
}

function rowsOf(what: string, all: readonly Sides[], missing: string): Row[] {
  const v8 = all.flatMap((one) => one.v8);
  const native = all.flatMap((one) => one.native);
  const row = (who: string, turns: readonly number[][], side: 0 | 1): Row => {
    const hash = all.reduce((sum, { hashes }) => mix(sum, hashes[side]), 0).toString(16);
    return { suite, table, what, who, unit: "ns", ...timed(turns.flat()), hash };
  };
  const inside = row("V8", v8, 0);
  const aim: Aim = { text: "<= 1.5 x", of: "ratio", most: 1.5 };
  if (missing) return [inside, leftOut({ suite, table, what, who: wasm2c, aim }, missing)];
  const ratio = medianOf(v8.map((ns, at) => medianOf(ns) / medianOf(native[at]!)));
  return [{ ...inside, ratio, beside: "wasm2c", aim }, row(wasm2c, native, 1)];
}

/** Why it can't be compiled is asked again when it is measured. */
const prepare = () => compileMany().catch(() => "");

export const inside: Experiment = { suite, name: table, prepare, run };

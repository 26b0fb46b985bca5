// take and give inside WebAssembly: the same module in V8 and through wasm2c and gcc -O3. Both give
// the same slots in the same order, which the hash shows.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadRooms, packageRoot } from "../../src/wasm.ts";
import type { Aim } from "../method/aim.ts";
import { type Context, type Experiment, leftOut } from "../method/experiment.ts";
import { mix } from "../method/measure.ts";
import { compileNative, findCompiler, isFresh } from "../method/native.ts";
import { meanRatio } from "../method/passes.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { FILLS, isFree } from "./hot.ts";

const MANY = 16_384;
const BATCH = 1024;
const BATCHES = 64;
/** Rounds until V8 has compiled the module a second time: a new process runs at half the speed. */
const WARM_ROUNDS = 150;
const suite = "core";
const table = "take and give inside WebAssembly";

/** The work of many.c in V8, on the same module: nanoseconds for each operation, and a hash. */
function inV8(fill: number, rounds: number): { ns: number[]; hash: number } {
  const { exports: e, memory } = loadRooms();
  e.deskSit!(0);
  e.heapFormat!();
  const cell = e.slotsMake!(24, 0, 0, 1n);
  const at = e.transferArea!() as number;
  const slots = new Uint32Array(memory.buffer, at, MANY);
  if (fill > 0) {
    for (let from = 0; from < 1 << 24; from += MANY) e.slotsTakeMany!(cell, 0, at, MANY, 4);
    for (let from = 0; from < 1 << 24; ) {
      let n = 0;
      for (; n < MANY && from < 1 << 24; from++) if (isFree(from, fill)) slots[n++] = from;
      e.slotsGiveMany!(cell, 0, at, n, 4);
    }
  }
  const ns: number[] = [];
  let hash = 0;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < BATCHES; i++) {
      e.slotsTakeMany!(cell, 0, at, BATCH, 4);
      hash = mix(hash, slots[i]!);
      e.slotsGiveMany!(cell, 0, at, BATCH, 4);
    }
    ns.push(Number(process.hrtime.bigint() - begin) / (BATCHES * 2 * BATCH));
  }
  return { ns: ns.slice(Math.ceil(rounds / 10)), hash };
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

/** The same in a process of its own. */
function inC(program: string, fill: number, rounds: number): { ns: number[]; hash: number } {
  const words = ["24", String(fill), String(rounds)];
  const text = execFileSync(program, words, { encoding: "utf8" });
  const [hash = "", ...ns] = text.trim().split("\n");
  return { ns: ns.map(Number), hash: Number(hash) };
}

/**
 * Each turn has a new memory on both sides: in a nearly full pool the ways through the bitmap
 * depend on which pages of the processor's cache it got, and one memory's luck would be all of a
 * row.
 */
async function run({ quick, pass }: Context): Promise<Row[]> {
  const rounds = quick ? 20 : 40;
  const turns = quick ? 1 : 3;
  const fills = quick ? FILLS.slice(0, 1) : FILLS;
  const wasm2c = "wasm2c, gcc -O3";
  let program = "";
  let missing = "";
  try {
    program = await compileMany();
  } catch (error) {
    missing = (error as Error).message;
  }
  const rows: Row[] = [];
  inV8(0, WARM_ROUNDS);
  for (const fill of fills) {
    const what = `/8, ${fill / 100} % full, mean of take and give`;
    const v8: number[] = [];
    const native: number[] = [];
    const hashes: [v8: number, native: number] = [0, 0];
    const ratios: number[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const before = (turn + pass) % 2 === 1 && !missing ? inC(program, fill, rounds) : undefined;
      const own = inV8(fill, rounds);
      v8.push(...own.ns);
      hashes[0] = own.hash;
      if (missing) continue;
      const other = before ?? inC(program, fill, rounds);
      native.push(...other.ns);
      hashes[1] = other.hash;
      ratios.push(medianOf(own.ns) / medianOf(other.ns));
    }
    const row = (who: string, list: number[], hash: number): Row => {
      return { suite, table, what, who, unit: "ns", ...timed(list), hash: hash.toString(16) };
    };
    const inside = row("V8", v8, hashes[0]);
    if (missing) {
      rows.push(inside, leftOut({ suite, table, what, who: wasm2c }, missing));
      continue;
    }
    const aim: Aim = { text: "<= 1.5 x", of: "ratio", most: 1.5 };
    const beside = { ratio: meanRatio(ratios), beside: "wasm2c", aim };
    rows.push({ ...inside, ...beside }, row(wasm2c, native, hashes[1]));
  }
  return rows;
}

/** Why it can't be compiled is asked again when it is measured. */
const prepare = () => compileMany().catch(() => "");

export const inside: Experiment = { suite, name: table, prepare, run };

// take and give: from JavaScript by fill, and inside WebAssembly beside the same module through
// wasm2c and gcc -O3. All of them give the same slots in the same order, which the hash shows.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createPool, type Pool } from "../../src/index.ts";
import { loadRooms, packageRoot } from "../../src/wasm.ts";
import { digits, type Line, type Measured, measured, mix, nanoseconds } from "./measure.ts";

const BATCH = 256;
const FILLS = [0, 5000, 9900, 9999];

/** Is this slot among the free ones of a pool that is `fill` ten-thousandths full? */
function isFree(slot: number, fill: number): boolean {
  return (Math.imul(slot, 2654435761) >>> 0) % 10_000 >= fill;
}

function filled(prefix: string, fill: number): Pool {
  const pool = createPool(prefix);
  if (fill === 0) return pool;
  const all = new Uint32Array(pool.size);
  pool.takeMany(all);
  pool.giveMany(all.filter((slot) => isFree(slot, fill)));
  return pool;
}

/** Times batches of take and of give on one pool. */
function fromJavaScript(prefix: string, fill: number, samples: number) {
  using pool = filled(prefix, fill);
  const slots = new Uint32Array(BATCH);
  const takes: number[] = [];
  const gives: number[] = [];
  let hash = 0;
  for (let sample = -2000; sample < samples; sample++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) slots[i] = pool.take();
    const middle = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) pool.give(slots[i]!);
    const end = process.hrtime.bigint();
    if (sample < 0) continue;
    hash = mix(hash, slots[sample % BATCH]!);
    takes.push(Number(middle - begin) / BATCH);
    gives.push(Number(end - middle) / BATCH);
  }
  return { take: measured("take", takes), give: measured("give", gives), hash };
}

function javaScriptLines(samples: number): Line[] {
  const section = "take and give by slot, from JavaScript";
  const empty = fromJavaScript("10.0.0.0/24", 0, samples);
  const line = (what: string, m: Measured): Line => ({
    section,
    what,
    figure: nanoseconds(m),
    target: "< 12 ns",
    met: m.median < 12,
  });
  const lines = [line("/24, empty: take", empty.take), line("/24, empty: give", empty.give)];
  for (const fill of FILLS) {
    const { take, give } = fromJavaScript("10.0.0.0/8", fill, samples);
    const what = `/8, ${fill / 100} % full`;
    lines.push(line(`${what}: take`, take), line(`${what}: give`, give));
    if (fill !== 9999) continue;
    const worst = Math.max(take.p99 / empty.take.p99, give.p99 / empty.give.p99);
    lines.push({
      section,
      what: `${what}: p99 beside an empty /24's`,
      figure: `${worst.toFixed(2)} x`,
      target: "<= 2 x",
      met: worst <= 2,
    });
  }
  return lines;
}

const MANY = 16_384;

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
  const batch = 1024;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < 64; i++) {
      e.slotsTakeMany!(cell, 0, at, batch, 4);
      hash = mix(hash, slots[i]!);
      e.slotsGiveMany!(cell, 0, at, batch, 4);
    }
    ns.push(Number(process.hrtime.bigint() - begin) / (64 * 2 * batch));
  }
  return { ns: ns.slice(Math.ceil(rounds / 10)), hash };
}

async function insideLines(rounds: number): Promise<Line[]> {
  const section = "take and give inside WebAssembly (V8), beside wasm2c and gcc -O3";
  // From the package's root: this file runs as build/js/bench/library/hot.js.
  const path = join(packageRoot(), "scripts/native.mjs");
  const native = (await import(path)) as typeof import("../../scripts/native.mjs");
  if (!native.findCompiler())
    return [{ section, what: "all", figure: "left out: no C compiler on this machine" }];
  const out = join(packageRoot(), "build/bench/many");
  await native.compileNative({
    wasm: join(packageRoot(), "build/rooms.wasm"),
    name: "rooms",
    sources: ["bench/library/many.c"],
    out,
    flags: ["-O3"],
  });
  return FILLS.map((fill) => {
    // Two runs of each by turns; the medians of all.
    const runs = [0, 1].map(() => {
      const text = execFileSync(out, [String(fill), String(rounds)], { encoding: "utf8" });
      const [hash = "", ...ns] = text.trim().split("\n");
      return { native: ns.map(Number), nativeHash: Number(hash), v8: inV8(fill, rounds) };
    });
    const v8 = measured(
      "v8",
      runs.flatMap((run) => run.v8.ns),
    );
    const compiled = measured(
      "native",
      runs.flatMap((run) => run.native),
    );
    const same = runs.every((run) => run.nativeHash === run.v8.hash);
    if (!same) throw new Error("V8 and wasm2c gave different slots");
    const ratio = v8.median / compiled.median;
    return {
      section,
      what: `/8, ${fill / 100} % full, mean of take and give`,
      figure: `${nanoseconds(v8)}; wasm2c ${digits(compiled.median)} ns: ${ratio.toFixed(2)} x`,
      target: "<= 1.5 x",
      met: ratio <= 1.5,
    };
  });
}

/** Both tables. */
export async function measureHot(quick: boolean): Promise<Line[]> {
  return [...javaScriptLines(quick ? 2000 : 20_000), ...(await insideLines(quick ? 20 : 200))];
}

// IPv6: a /64 with dense and with scattered addresses, and a /48 cut into /64.

import { heapBytes } from "../../src/heap.ts";
import { createPool } from "../../src/index.ts";
import { digits, type Line, type Measured, measured, nanoseconds } from "./measure.ts";

const MANY = 8192;

/** xorshift of 64 bits: the same scattered slots in every run. */
function scattered(count: number): BigUint64Array {
  const out = new BigUint64Array(count);
  let x = 0x9e3779b97f4a7c15n;
  for (let i = 0; i < count; i++) {
    x ^= BigInt.asUintN(64, x << 13n);
    x ^= x >> 7n;
    x ^= BigInt.asUintN(64, x << 17n);
    out[i] = x;
  }
  return out;
}

/** take and give inside WebAssembly: thousands of slots with one call. */
function inside(rounds: number): { take: Measured; give: Measured } {
  using pool = createPool<bigint>("fd00::/64");
  const slots = new BigUint64Array(MANY);
  const takes: number[] = [];
  const gives: number[] = [];
  for (let round = -rounds / 10; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    pool.takeMany(slots);
    const middle = process.hrtime.bigint();
    pool.giveMany(slots);
    const end = process.hrtime.bigint();
    if (round < 0) continue;
    takes.push(Number(middle - begin) / MANY);
    gives.push(Number(end - middle) / MANY);
  }
  return { take: measured("take", takes), give: measured("give", gives) };
}

function outside(rounds: number): { take: Measured; give: Measured } {
  using pool = createPool<bigint>("fd00::/64");
  const slots = new BigUint64Array(256);
  const takes: number[] = [];
  const gives: number[] = [];
  for (let round = -rounds / 10; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < 256; i++) slots[i] = pool.take();
    const middle = process.hrtime.bigint();
    for (let i = 0; i < 256; i++) pool.give(slots[i]!);
    const end = process.hrtime.bigint();
    if (round < 0) continue;
    takes.push(Number(middle - begin) / 256);
    gives.push(Number(end - middle) / 256);
  }
  return { take: measured("take", takes), give: measured("give", gives) };
}

/** 1 M addresses: what they take, and what each cost. */
function million(what: string, fill: (pool: ReturnType<typeof createPool<bigint>>) => void) {
  const before = heapBytes();
  using pool = createPool<bigint>("fd00::/64");
  const begin = process.hrtime.bigint();
  fill(pool);
  const ns = Number(process.hrtime.bigint() - begin) / pool.used;
  return { what, bytes: heapBytes() - before, ns, used: pool.used };
}

/** The table. */
export function measureSparse(quick: boolean): Line[] {
  const section = "IPv6 /64 (radix)";
  const count = quick ? 100_000 : 1_000_000;
  const inner = inside(quick ? 50 : 500);
  const outer = outside(quick ? 100 : 2000);
  const random = scattered(count);
  const dense = million("dense", (pool) => void pool.takeMany(new BigUint64Array(count)));
  const sparse = million("scattered", (pool) => {
    for (const slot of random) pool.takeAt(slot);
  });
  const line = (what: string, m: Measured, target?: string): Line => ({
    section,
    what,
    figure: nanoseconds(m),
    ...(target ? { target, met: m.median < 60 } : {}),
  });
  const memory = (m: typeof dense, limit: number): Line => ({
    section,
    what: `${m.used.toLocaleString("en-US")} ${m.what} addresses`,
    figure: `${(m.bytes / 1e6).toFixed(2)} MB, ${digits(m.ns)} ns each to take`,
    ...(quick ? {} : { target: `< ${limit / 1e6} MB`, met: m.bytes < limit }),
  });
  return [
    line("inside WebAssembly: take", inner.take, "< 60 ns"),
    line("inside WebAssembly: give", inner.give, "< 60 ns"),
    line("from JavaScript, bigint: take", outer.take),
    line("from JavaScript, bigint: give", outer.give),
    memory(dense, 500_000),
    memory(sparse, 32_000_000),
  ];
}

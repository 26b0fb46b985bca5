// IPv6: a /64 with dense and with scattered addresses, by the radix set; and what they take.
import { heapBytes } from "../../src/heap.ts";
import { createPool } from "../../src/index.ts";
import type { Aim } from "../method/aim.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { type Task, takeTurns } from "../method/measure.ts";
import { type Row, timed } from "../method/row.ts";
import { takeAndGive } from "./hot.ts";

const MANY = 8192;
const suite = "core";
const table = "IPv6 /64 (radix)";

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

/** Thousands of slots with one call. */
function inside(pool: ReturnType<typeof createPool<bigint>>): Task[] {
  const slots = new BigUint64Array(MANY);
  const take = () => void pool.takeMany(slots);
  const give = () => void pool.giveMany(slots);
  const name = "inside WebAssembly";
  return [
    { name: `${name}: take`, operations: MANY, run: take, after: give },
    { name: `${name}: give`, operations: MANY, before: take, run: give },
  ];
}

/** Many addresses: what each cost to take, and the bytes of one. */
function fill(
  what: string,
  work: (pool: ReturnType<typeof createPool<bigint>>) => void,
  limit: number,
): Row[] {
  const before = heapBytes();
  using pool = createPool<bigint>("fd00::/64");
  const begin = process.hrtime.bigint();
  work(pool);
  const ns = Number(process.hrtime.bigint() - begin) / pool.used;
  const bytes = heapBytes() - before;
  const row: Omit<Row, "unit"> = {
    suite,
    table: "IPv6 /64 (radix): memory",
    what: `${pool.used.toLocaleString("en-US")} ${what} addresses`,
    who: "Berth",
  };
  const megabytes = limit / 1e6;
  const aim: Aim = { text: `< ${megabytes} MB`, of: "value", below: megabytes };
  const memory = { value: bytes / 1e6, bytesPerAddress: bytes / pool.used };
  return [
    { ...row, unit: "MB", ...memory, ...(limit > 0 && { aim }) },
    { ...row, what: `${row.what}, each to take`, unit: "ns", ...timed([ns]) },
  ];
}

function run({ quick, seed, pass }: Context): Row[] {
  using inner = createPool<bigint>("fd00::/64");
  using outer = createPool<bigint>("fd00::/64");
  const tasks = [...inside(inner), ...takeAndGive("from JavaScript, bigint", outer, [])];
  const turns = quick ? { rounds: 5, samples: 5 } : { rounds: 20, samples: 20 };
  const all = takeTurns(tasks, { ...turns, seed: seed + pass });
  const count = quick ? 100_000 : 1_000_000;
  const random = scattered(count);
  const dense = (pool: ReturnType<typeof createPool<bigint>>) =>
    void pool.takeMany(new BigUint64Array(count));
  const sparse = (pool: ReturnType<typeof createPool<bigint>>) => {
    for (const slot of random) pool.takeAt(slot);
  };
  return [
    ...all.map((m, at): Row => {
      const { name: what, figures, samples } = m;
      const row: Row = { suite, table, what, who: "Berth", unit: "ns", figures, samples };
      const aim: Aim = { text: "< 60 ns", of: "median", below: 60 };
      return at < 2 ? { ...row, aim } : row;
    }),
    ...fill("dense", dense, quick ? 0 : 500_000),
    ...fill("scattered", sparse, quick ? 0 : 32_000_000),
  ];
}

export const sparse: Experiment = { suite, name: table, run };

// take and give by slot from JavaScript, by fill: what the library's users call. The free slots are
// scattered over the pool, the policy is `next`, so every fill asks the bitmap's summary anew.
import { createPool, type Pool } from "../../src/index.ts";
import type { Aim } from "../method/aim.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { ratioOf, type Task, takeTurns } from "../method/measure.ts";
import type { Row } from "../method/row.ts";

const BATCH = 256;
/** In ten-thousandths. */
export const FILLS = [0, 5000, 9900, 9999];

/** Is this slot among the free ones of a pool that is `fill` ten-thousandths full? */
export function isFree(slot: number, fill: number): boolean {
  return (Math.imul(slot, 2654435761) >>> 0) % 10_000 >= fill;
}

/** A pool that is `fill` ten-thousandths full. */
function filled(prefix: string, fill: number): Pool {
  const pool = createPool(prefix);
  if (fill === 0) return pool;
  const all = new Uint32Array(pool.size);
  pool.takeMany(all);
  pool.giveMany(all.filter((slot) => isFree(slot, fill)));
  return pool;
}

/** The two calls on one pool: what one does the other undoes, outside of its time. */
export function takeAndGive<S extends number | bigint>(
  name: string,
  pool: { take(): S; give(slot: S): void },
  slots: S[],
): [take: Task, give: Task] {
  const take = () => {
    for (let i = 0; i < BATCH; i++) slots[i] = pool.take();
  };
  const give = () => {
    for (let i = 0; i < BATCH; i++) pool.give(slots[i]!);
  };
  return [
    { name: `${name}: take`, operations: BATCH, run: take, after: give },
    { name: `${name}: give`, operations: BATCH, before: take, run: give },
  ];
}

function run({ quick, seed, pass }: Context): Row[] {
  const suite = "core";
  const table = "take and give by slot, from JavaScript";
  const pools = [
    { what: "/24, empty", pool: filled("10.0.0.0/24", 0) },
    ...(quick ? FILLS.slice(0, 1) : FILLS).map((fill) => ({
      what: `/8, ${fill / 100} % full`,
      pool: filled("10.0.0.0/8", fill),
    })),
  ];
  const tasks = pools.flatMap(({ what, pool }) => takeAndGive(what, pool, new Array(BATCH)));
  const turns = quick ? { rounds: 10, samples: 20 } : { rounds: 20, samples: 200 };
  const all = takeTurns(tasks, { ...turns, seed: seed + pass });
  for (const { pool } of pools) pool.close();
  return all.map((m, at): Row => {
    const empty = all[at % 2]!;
    return {
      suite,
      table,
      what: m.name,
      who: "Berth",
      unit: "ns",
      figures: m.figures,
      samples: m.samples,
      ...(at > 1 && { ratio: ratioOf(empty, m), beside: "an empty /24" }),
      aim: aimOf(m.name, at < 2 ? undefined : empty.name),
      ...(m.coarse && { note: "clock too coarse" }),
    };
  });
}

/** Under 12 ns; and in the fullest pool a p99 of at most twice an empty one's. */
function aimOf(name: string, empty: string | undefined): Aim {
  const aim: Aim = { text: "< 12 ns", of: "median", below: 12 };
  if (!empty || !name.includes("99.99")) return aim;
  const than = { what: empty, who: "Berth" };
  return { ...aim, and: { text: "p99 <= 2 x", of: "p99", most: 2, than } };
}

export const hot: Experiment = { suite: "core", name: "take and give by slot", run };

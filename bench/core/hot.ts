// take and give by slot from JavaScript, by fill: what the library's users call. The free slots are
// scattered over the pool, the policy is `next`, so every fill asks the bitmap's summary anew.
import { createPool, type Pool } from "../../src/index.ts";
import type { Aim } from "../method/aim.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { ratioOf, type Task, takeTurns } from "../method/measure.ts";
import { medianOf, type Row, timed } from "../method/row.ts";

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

/** Calls that are timed one by one. */
const SINGLES = { full: 20_000, quick: 500 };

/**
 * What one call takes by the clock, whose own time is taken off: a sample's mean hides that one
 * take in 64 fetches the next 64. What is shorter than the clock's step comes out as 0 or a step.
 */
function singles(pool: Pool, count: number): { take: number[]; give: number[] } {
  const clock: number[] = [];
  const take: number[] = [];
  const give: number[] = [];
  const now = () => performance.now() * 1e6;
  const slots = new Array<number>(BATCH);
  for (let done = 0; done < count; done += BATCH) {
    for (let i = 0; i < BATCH; i++) {
      const begin = now();
      const between = now();
      slots[i] = pool.take();
      const end = now();
      clock.push(between - begin);
      take.push(end - between);
    }
    for (let i = 0; i < BATCH; i++) {
      const begin = now();
      pool.give(slots[i]!);
      give.push(now() - begin);
    }
  }
  const own = medianOf(clock);
  const without = (list: number[]) => list.map((ns) => Math.max(0, ns - own));
  return { take: without(take), give: without(give) };
}

function singleRows(pools: readonly { what: string; pool: Pool }[], count: number): Row[] {
  const table = "take and give by slot, from JavaScript: each call by the clock";
  return pools.flatMap(({ what, pool }) => {
    singles(pool, count);
    const found = singles(pool, count);
    return (["take", "give"] as const).map((verb): Row => {
      const head = {
        suite,
        table,
        what: `${what}: one ${verb}`,
        who: "Berth",
        unit: "ns",
      } as const;
      return { ...head, ...timed(found[verb]) };
    });
  });
}

const suite = "core";

function run({ quick, seed, pass }: Context): Row[] {
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
  const each = singleRows(pools, SINGLES[quick ? "quick" : "full"]);
  for (const { pool } of pools) pool.close();
  const batches = all.map((m, at): Row => {
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
  return [...batches, ...each];
}

/** Under 12 ns; and in the fullest pool a p99 (of samples) of at most twice an empty one's. */
function aimOf(name: string, empty: string | undefined): Aim {
  const aim: Aim = { text: "< 12 ns", of: "median", below: 12 };
  if (!empty || !name.includes("99.99")) return aim;
  const than = { what: empty, who: "Berth" };
  return { ...aim, and: { text: "p99 <= 2 x", of: "p99", most: 2, than } };
}

export const hot: Experiment = { suite: "core", name: "take and give by slot", run };

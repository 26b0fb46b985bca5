// Node prefixes: a /48 cut into 65,536 sub-prefixes of /64, filled and emptied.
import { createPool, createPrefixPool } from "../../src/index.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { ratioOf, takeTurns } from "../method/measure.ts";
import type { Row } from "../method/row.ts";

const PREFIXES = 65_536;
const suite = "core";

function run({ quick, seed }: Context): Row[] {
  using pool = createPrefixPool("fd00::/48", { length: 64 });
  using plain = createPool("10.0.0.0/16");
  const slots = new Uint32Array(PREFIXES);
  const task = (name: string, work: () => void) => ({ name, operations: 1, run: work });
  const tasks = [
    task("one by one", () => {
      for (let i = 0; i < PREFIXES; i++) slots[i] = pool.take() as number;
      for (let i = 0; i < PREFIXES; i++) pool.give(slots[i]!);
    }),
    task("takeMany, giveMany", () => {
      pool.takeMany(slots);
      pool.giveMany(slots);
    }),
    task("a Pool of as many addresses, one by one", () => {
      for (let i = 0; i < PREFIXES; i++) slots[i] = plain.take();
      for (let i = 0; i < PREFIXES; i++) plain.give(slots[i]!);
    }),
  ];
  const all = takeTurns(tasks, { rounds: quick ? 5 : 50, samples: 4, seed });
  return all.map((m, at): Row => {
    const { count, median, p99, max, spread } = m.figures;
    const figures = { count, median: median / 1e6, p99: p99 / 1e6, max: max / 1e6, spread };
    return {
      suite,
      table: "/48 into 65,536 of /64: fill and empty",
      what: m.name,
      who: "Berth",
      unit: "ms",
      figures,
      ...(at < 2 && { target: "< 3 ms", met: figures.median < 3 }),
      ...(at < 2 && { ratio: ratioOf(all[2]!, m), beside: "a Pool" }),
    };
  });
}

export const prefixes: Experiment = { suite, name: "/48 into 65,536 of /64", run };

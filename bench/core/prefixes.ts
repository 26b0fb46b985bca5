// Node prefixes: a /48 cut into 65,536 sub-prefixes of /64, filled and emptied.
import { createPool, createPrefixPool } from "../../src/index.ts";
import type { Aim } from "../method/aim.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { ratioOf, takeTurns } from "../method/measure.ts";
import { type Row, timed } from "../method/row.ts";

const PREFIXES = 65_536;
const suite = "core";

function run({ quick, seed, pass }: Context): Row[] {
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
  const all = takeTurns(tasks, { rounds: quick ? 5 : 25, samples: 4, seed: seed + pass });
  return all.map((m, at): Row => {
    const aim: Aim = { text: "< 3 ms", of: "median", below: 3 };
    return {
      suite,
      table: "/48 into 65,536 of /64: fill and empty",
      what: m.name,
      who: "Berth",
      unit: "ms",
      ...timed(m.samples.map((ns) => ns / 1e6)),
      ...(at < 2 && { ratio: ratioOf(all[2]!, m), beside: "a Pool", aim }),
    };
  });
}

export const prefixes: Experiment = { suite, name: "/48 into 65,536 of /64", run };

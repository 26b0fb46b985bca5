// Experiments: everything that the bench can measure, in the order of its tables.
import { churns } from "./churn/churn.ts";
import { firstFree } from "./core/firstfree.ts";
import { hot } from "./core/hot.ts";
import { inside } from "./core/inside.ts";
import { memory } from "./core/memory.ts";
import { prefixes } from "./core/prefixes.ts";
import { sparse } from "./core/sparse.ts";
import { threads } from "./core/threads.ts";
import { instructions } from "./instructions/instructions.ts";
import type { Experiment } from "./method/experiment.ts";
import { plugins } from "./plugin/plugin.ts";
import { stores } from "./store/store.ts";

/** By size of the run. */
export function experiments(quick: boolean): Experiment[] {
  return [
    ...firstFree(quick),
    hot,
    inside,
    sparse,
    prefixes,
    memory,
    threads,
    ...churns,
    ...plugins(quick),
    ...stores,
    ...instructions,
  ];
}

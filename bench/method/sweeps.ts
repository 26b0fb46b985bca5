// Sweeps: which experiment is measured when. Each sweep goes over the list and takes one pass of
// every experiment that still needs one; so an experiment's passes lie minutes apart, and a slow
// phase of the machine has a part of each row and no row as a whole.
//
//     sweep 1   all
//     sweep 2   all but those that are counted, not timed: short ones first
//     then      a minute of those with a row that isn't settled (passes.ts): first those where a
//               second of measuring settles most, until there are none or the time is over
//
// So the last minutes go to the rows that two runs would differ about, and not to those that are
// nearly settled.
import type { Experiment } from "./experiment.ts";
import { ERROR_MAX, gainOf, worstError } from "./passes.ts";
import type { Row } from "./row.ts";

export interface Limits {
  /** Passes of an experiment, at most. */
  passes: number;
  /** No pass is begun after the first that would take an experiment above this (seconds). */
  each: number;
  /** Nor one that would end after this (seconds from the first sweep's begin). */
  whole: number;
}

/** A whole run takes about 14 minutes, of the 15 that it may; a quick one has a single pass. */
export const FULL: Limits = { passes: 20, each: 120, whole: 800 };
export const QUICK: Limits = { ...FULL, passes: 1 };

/** A run ends after so many seconds, with what was installed and built for it. */
const RUN_MAX = 840;

/** The limits of sweeps that begin after so many seconds of a run: if they are many, less time. */
export function limitsAfter(seconds: number, limits: Limits): Limits {
  return { ...limits, whole: Math.max(0, Math.min(limits.whole, RUN_MAX - seconds)) };
}

/** Seconds after which a sweep from the third on begins no pass any more: what is due changes. */
const SWEEP_MAX = 60;

/** What a run's sweeps are given; tests bring a clock of their own. */
export interface Means {
  limits: Limits;
  /** One pass; its rows. */
  measure(one: Experiment, pass: number): Promise<Row[]> | Row[];
  /** After each sweep. */
  swept(sweep: number, passes: number): Promise<void> | void;
  /** Seconds. */
  now(): number;
}

interface State {
  one: Experiment;
  passes: Row[][];
  /** Seconds: of the last pass, and of all. */
  last: number;
  spent: number;
}

/** What is due, in the order in which it is measured. */
function dueOf(all: readonly State[], limits: Limits, sweep: number): State[] {
  const due = all.filter((state) => isDue(state, limits));
  if (sweep < 2) return due.sort((a, b) => a.last - b.last);
  const worth = new Map(due.map((state) => [state, gainOf(state.passes) / state.last]));
  return due.sort((a, b) => worth.get(b)! - worth.get(a)! || a.last - b.last);
}

/** May another pass be begun? */
function isDue({ one, passes, last, spent }: State, limits: Limits): boolean {
  if (one.counted || passes.length >= limits.passes || spent + last > limits.each) return false;
  return passes.length < 2 || worstError(passes) > ERROR_MAX;
}

/** The passes of every experiment, in the order of the list. */
export async function sweeps(list: readonly Experiment[], means: Means): Promise<Row[][][]> {
  const { limits, now } = means;
  const begun = now();
  const all = list.map((one): State => ({ one, passes: [], last: 0, spent: 0 }));
  let due = all;
  for (let sweep = 0; due.length > 0; sweep++) {
    let taken = 0;
    const from = now();
    for (const state of due) {
      if (sweep > 1 && now() - from > SWEEP_MAX) break;
      if (sweep > 0 && now() - begun + state.last > limits.whole) continue;
      const start = now();
      state.passes.push(await means.measure(state.one, sweep));
      state.last = now() - start;
      state.spent += state.last;
      taken++;
    }
    await means.swept(sweep, taken);
    if (taken === 0) break;
    due = dueOf(all, limits, sweep + 1);
  }
  return all.map(({ passes }) => passes);
}

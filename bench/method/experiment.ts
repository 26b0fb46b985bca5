// Experiment: a part of a suite that can be run alone, and what it is given to work with.
import type { Row } from "./row.ts";

export interface Context {
  /** Tiny counts: everything is run, nothing of it is to be quoted. */
  quick: boolean;
  seed: number;
  /** Measure peers, too. */
  peers: boolean;
  /** Peers that aren't there yet may be installed and built. */
  install: boolean;
  /** Operations of the law of two threads; 0 for none. */
  operations: number;
  /** Calls of one program in a row (plugin). */
  turn: number;
  /** The how manieth pass this is, from 0: the work is the same, who begins is drawn anew. */
  pass: number;
}

export interface Experiment {
  suite: string;
  /** What --filter is compared with, after the suite's name. */
  name: string;
  /** It counts, no clock runs: one pass says it all. */
  counted?: boolean;
  /** Builds and installs what it needs, before any clock runs. What fails shows in its rows. */
  prepare?(context: Context): Promise<unknown>;
  /** One pass (passes.ts): rows with aims that aren't judged yet. */
  run(context: Context): Row[] | Promise<Row[]>;
}

/** A row that says why something isn't measured. */
export function leftOut(row: Omit<Row, "unit" | "missing">, reason: string): Row {
  return { ...row, unit: "ns", missing: reason };
}

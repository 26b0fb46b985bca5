// Row: one figure of the bench, as the tables, --json and the page of results show it.
//
//     suite / table / what / who      "core" / "first free, from JavaScript" / "/16, 99 % full" /
//                                     "typedfastbitset 0.8.0": together the row's key
//
// Figures are in the row's unit. `ratio` is what two runs are compared by (compare.ts): figures of
// rows that took turns, so that what the machine does to one it does to the other. A row is
// measured in several passes (passes.ts); each answers a row with this key, merged into one.

import type { Aim } from "./aim.ts";

/** What a list of times says. */
export interface Figures {
  count: number;
  /** The middle one, or between the two in the middle. */
  median: number;
  /** Nearest rank; the maximum when there are fewer than 100 values. */
  p99: number;
  max: number;
  /** Distance of the quartiles as a share of the median: what the machine's noise amounts to. */
  spread: number;
}

export type Unit =
  | "ns"
  | "us"
  | "ms"
  | "bytes"
  | "KiB"
  | "MB"
  | "x"
  | "slots"
  | "s"
  | "instructions";

export interface Row {
  suite: string;
  table: string;
  /** The situation: "/16, 99 % full". */
  what: string;
  /** Whose figure it is: "Berth", "host-local 1.9.1". */
  who: string;
  unit: Unit;
  figures?: Figures;
  /** The values that the figures are of: until the passes are merged, never written down. */
  samples?: readonly number[];
  /** A figure that isn't a list of times. */
  value?: number;
  /**
   * This row's median beside another's of the same table, and whose. Of a pass: the median of its
   * rounds; of a run: the geometric mean of its passes.
   */
  ratio?: number;
  beside?: string;
  /** The ratio of each pass, and by what share of itself `ratio` is expected to be off. */
  passes?: number[];
  error?: number;
  /** Bytes that one address takes, where that can be told. */
  bytesPerAddress?: number;
  /** What was given, in which order: rows of one situation must agree. */
  hash?: string;
  /** What is asked for, until the passes are merged (aim.ts). */
  aim?: Aim;
  /** What is asked for in words, and whether it was reached. */
  target?: string;
  met?: boolean;
  /** What the figure doesn't say. */
  note?: string;
  /** Instead of figures: why there are none. */
  missing?: string;
}

/** The key by which two runs' rows are the same. */
export function keyOf(row: Row): string {
  return [row.suite, row.table, row.what, row.who].join(" / ");
}

/** Figures of a list of values. */
export function figuresOf(values: readonly number[]): Figures {
  if (values.length === 0) throw new Error("no values to take figures of");
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  const spread = median === 0 ? 0 : (rank(0.75) - rank(0.25)) / median;
  return { count: sorted.length, median, p99: rank(0.99), max: rank(1), spread };
}

/** The middle of a list, between the two where there is none. */
export function medianOf(values: readonly number[]): number {
  return figuresOf(values).median;
}

/** The value that a quarter of the list doesn't reach (nearest rank). */
export function lowerQuartileOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length / 4) - 1]!;
}

/** A row's figures with the values that they are of. */
export function timed(values: readonly number[]): Pick<Row, "figures" | "samples"> {
  return { figures: figuresOf(values), samples: values };
}

/**
 * Rows of one situation that claim to have done the same work: throws when one gave something
 * else. Rows without a hash claim nothing.
 */
export function sameWork(rows: readonly Row[]): void {
  const first = new Map<string, Row>();
  for (const row of rows) {
    if (row.hash === undefined) continue;
    const key = [row.suite, row.table, row.what].join(" / ");
    const other = first.get(key);
    if (other === undefined) first.set(key, row);
    else if (other.hash !== row.hash)
      throw new Error(
        `${key}: ${row.who} gave other slots (hash ${row.hash}) than ${other.who} (${other.hash})`,
      );
  }
}

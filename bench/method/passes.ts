// Passes: an experiment is measured several times in a run, minutes apart, each time by new
// processes on new state, and the passes are merged into one table.
//
//     figures    of all values of all passes
//     ratio      the geometric mean of the passes' ratios, each the median of its rounds
//     error      by what share of itself that mean is expected to be off
//
// Many rounds of one process all have its luck: which pages of memory it got, how its state lies on
// disk, what else the machine did in these seconds. Only passes show how much that is. Their mean
// is taken and not their median: where half of all processes are fast and half are slow, the median
// is the one or the other by chance.
import { figuresOf, keyOf, medianOf, type Row } from "./row.ts";

/** A row with a greater error isn't settled: two runs would differ by over a quarter at times. */
export const ERROR_MAX = 0.04;

/**
 * What is thought of a row before its passes say otherwise: that they spread by this, as certainly
 * as so many passes more would tell. So it takes three that agree to settle a row: where half of
 * all processes are slow, two agree by chance too often.
 */
const EXPECTED_SPREAD = 0.095;
const EXPECTED_WEIGHT = 2;

function logsOf(ratios: readonly number[]): number[] {
  for (const ratio of ratios)
    if (!(ratio > 0 && ratio < Number.POSITIVE_INFINITY)) throw new Error(`${ratio} is no ratio`);
  return ratios.map(Math.log);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The geometric mean: as fair to 2 times as to a half. */
export function meanRatio(ratios: readonly number[]): number {
  return Math.exp(mean(logsOf(ratios)));
}

/** The standard error of that mean, as a share of it; of one pass nothing is known. */
export function errorOf(ratios: readonly number[]): number | undefined {
  if (ratios.length < 2) return undefined;
  const logs = logsOf(ratios);
  const centre = mean(logs);
  const squares = logs.reduce((sum, log) => sum + (log - centre) ** 2, 0);
  const expected = EXPECTED_WEIGHT * EXPECTED_SPREAD ** 2;
  const variance = (expected + squares) / (EXPECTED_WEIGHT + ratios.length - 1);
  return Math.sqrt(variance / ratios.length);
}

/** One row of the passes that have it; throws when they didn't give the same slots. */
function merged(rows: readonly Row[]): Row {
  const there = rows.filter((row) => row.missing === undefined);
  const first = there[0];
  if (first === undefined) return rows[0]!;
  const other = there.find(({ hash }) => hash !== first.hash);
  if (other)
    throw new Error(
      `${keyOf(first)}: one pass gave other slots (hash ${other.hash}) than the first ` +
        `(${first.hash})`,
    );
  const values = there.flatMap(({ value }) => value ?? []);
  const samples = there.flatMap((row) => row.samples ?? []);
  const passes = there.flatMap(({ ratio }) => ratio ?? []);
  const notes = [...new Set(there.flatMap(({ note }) => note ?? []))];
  const error = errorOf(passes);
  const { samples: _, ...row } = first;
  return {
    ...row,
    ...(values.length > 0 && { value: medianOf(values) }),
    ...(samples.length > 0 && { figures: figuresOf(samples) }),
    ...(passes.length > 0 && { ratio: meanRatio(passes), passes }),
    ...(error !== undefined && { error }),
    ...(notes.length > 0 && { note: notes.join(", ") }),
  };
}

/** The rows of all passes, each once, in the order in which they first came. */
export function mergePasses(passes: readonly (readonly Row[])[]): Row[] {
  const found = new Map<string, Row[]>();
  for (const row of passes.flat()) {
    const key = keyOf(row);
    const rows = found.get(key) ?? [];
    rows.push(row);
    found.set(key, rows);
  }
  return [...found.values()].map(merged);
}

/** The largest error of these passes' ratios: infinite while nothing is known of one. */
export function worstError(passes: readonly (readonly Row[])[]): number {
  const rows = mergePasses(passes).filter(({ ratio }) => ratio !== undefined);
  return Math.max(0, ...rows.map(({ error }) => error ?? Number.POSITIVE_INFINITY));
}

/** Two runs agree about a ratio that moved by less than a quarter, up or down. */
const APART = Math.log(1.25);

/** How likely two runs are to differ about a ratio of this error: a bound of the normal law's. */
function riskOf(error: number): number {
  return Math.exp(-((APART / (2 * error)) ** 2));
}

/** By how many ratios fewer two runs would differ after one more pass. */
export function gainOf(passes: readonly (readonly Row[])[]): number {
  let gain = 0;
  for (const { error, passes: ratios } of mergePasses(passes)) {
    if (error === undefined || !ratios || error <= ERROR_MAX) continue;
    const after = error * Math.sqrt(ratios.length / (ratios.length + 1));
    gain += riskOf(error) - riskOf(after);
  }
  return gain;
}

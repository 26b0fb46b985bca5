// Aims: what the issues ask of a row. They are judged when all passes are merged, since a pass
// alone says too little.
import type { Row } from "./row.ts";

/** A bound of one figure, in a form that goes through JSON: experiments run in other processes. */
export interface Aim {
  /** As the page says it: "< 12 ns". */
  text: string;
  /**
   * ratio, median, value: the row's own. p99: how many times the p99 of `than` its own is. above:
   * by how much the median of `than` lies above its own, in the row's unit.
   */
  of: "ratio" | "median" | "value" | "p99" | "above";
  least?: number;
  most?: number;
  /** Less than this. */
  below?: number;
  /** Another row of the table; its situation is this row's where none is given. */
  than?: { what?: string; who: string };
  /** A second bound of the same row. */
  and?: Aim;
}

/** The figure that the aim is about, and what the row should say of it where nothing else does. */
function figureOf(row: Row, aim: Aim, rows: readonly Row[]): { figure: number; note?: string } {
  const { of, than } = aim;
  if (of === "ratio" || of === "value") return { figure: row[of] ?? Number.NaN };
  const median = row.figures?.median ?? Number.NaN;
  if (of === "median") return { figure: median };
  const { what = row.what, who } = than ?? { who: row.who };
  const other = rows.find((one) => one.table === row.table && one.what === what && one.who === who);
  if (!other?.figures || !row.figures) return { figure: Number.NaN };
  if (of === "p99") {
    const figure = row.figures.p99 / other.figures.p99;
    return { figure, note: `p99 ${figure.toFixed(2)} x that of ${what}` };
  }
  const figure = other.figures.median - median;
  const sign = figure < 0 ? "-" : "+";
  return { figure, note: `Berth ${sign}${Math.abs(figure).toFixed(3)} ${row.unit}` };
}

/** Does the figure keep to the aim? One that isn't there doesn't. */
function isMet(figure: number, { least, most, below }: Aim): boolean {
  if (least !== undefined && !(figure >= least)) return false;
  if (most !== undefined && !(figure <= most)) return false;
  return below === undefined || figure < below;
}

/** What is asked for in words: each bound. */
function targetOf({ text, and }: Aim): string {
  return and ? `${text}, ${targetOf(and)}` : text;
}

/** The rows with their targets, and whether each was met. */
export function judged(rows: readonly Row[]): Row[] {
  return rows.map(({ aim, ...row }): Row => {
    if (!aim) return row;
    if (row.missing !== undefined) return { ...row, target: targetOf(aim) };
    const notes = row.note ? [row.note] : [];
    let met = true;
    for (let one: Aim | undefined = aim; one; one = one.and) {
      const { figure, note } = figureOf(row, one, rows);
      if (note) notes.push(note);
      met &&= isMet(figure, one);
    }
    return {
      ...row,
      target: targetOf(aim),
      met,
      ...(notes.length > 0 && { note: notes.join(", ") }),
    };
  });
}

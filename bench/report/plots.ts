// Plots: the two drawings of the page. What an ADD costs over the pods that a node holds, and what
// an allocation costs over the size of a pool, beside every peer that has at least one point.
import { OWN_TURNS, OWNER_TURNS } from "../core/gorows.ts";
import { digits } from "../method/measure.ts";
import type { Row } from "../method/row.ts";
import { BEFORE_TABLE } from "../plugin/calls.ts";
import type { Plot, Series } from "./plot.ts";

const OWN = "Berth";

/** Rows as lines: one for each `who`, by the number that `at` finds in a row. */
function seriesOf(
  rows: readonly Row[],
  at: (row: Row) => number | undefined,
  nameOf: (row: Row) => string,
): Series[] {
  const found = new Map<string, [number, number][]>();
  for (const row of rows) {
    const x = at(row);
    if (x === undefined || row.figures === undefined) continue;
    const name = nameOf(row);
    const points = found.get(name) ?? [];
    points.push([x, row.figures.median]);
    found.set(name, points);
  }
  const all = [...found].map(
    ([name, points]): Series => ({
      name,
      own: name === OWN,
      points: points.sort(([a], [b]) => a - b),
    }),
  );
  return all.sort((a, b) => Number(b.own ?? false) - Number(a.own ?? false));
}

/** None held has no place on a logarithmic axis: it stands left of the rest. */
const NONE_AT = 40;

/** A point of that line is of so many calls at least: with 60,000 held a run has one or two. */
const AFTER_COUNT_MIN = 20;

function heldOf(row: Row): number | undefined {
  const held = /^ADD, ([\d,]+) held$/.exec(row.what)?.[1]?.replaceAll(",", "");
  if (held === undefined || row.who.endsWith("0 held")) return undefined;
  return held === "0" ? NONE_AT : Number(held);
}

/** ADD over held addresses. */
export function heldPlot(rows: readonly Row[]): Plot {
  const calls = rows.filter(
    (row) => row.suite === "plugin" && row.table.startsWith("one call, dual stack"),
  );
  const wanted = calls.filter(({ who }) => !who.startsWith("empty") && !who.includes("on Node"));
  // With many held the peers make few calls, and most of Berth's own come after a small program.
  // This line is of the others, and it shows the neighbour: a host-local with more held leaves
  // less of the caches, and an empty program after it takes longer as well.
  const after = rows.filter(
    ({ table, who, figures }) =>
      table === BEFORE_TABLE && who.startsWith("after host") && figures!.count >= AFTER_COUNT_MIN,
  );
  const nameOf = ({ who, table }: Row) => {
    if (table === BEFORE_TABLE) return "Berth right after one of them";
    return /^berth v?\d/.test(who) ? OWN : who;
  };
  const series = seriesOf([...wanted, ...after], heldOf, nameOf);
  const held = [...new Set(series.flatMap((one) => one.points.map(([x]) => x)))].sort(
    (a, b) => a - b,
  );
  return {
    title: "One ADD, both families, whole process",
    xLabel: "pods held on the node (logarithmic; 0 stands apart)",
    yLabel: "median (logarithmic)",
    xTicks: held.map((x) => [x, x === NONE_AT ? "0" : x.toLocaleString("en-US")]),
    yText: (ms) => `${digits(ms)} ms`,
    series,
  };
}

/** Release one, allocate one, in pools that are 99 % full, over their size. */
export function sizePlot(rows: readonly Row[]): Plot {
  const core = rows.filter(
    ({ suite, table, who }) =>
      suite === "core" && table.startsWith("first free: rel") && who !== OWN_TURNS,
  );
  const sizeOf = ({ what }: Row) => {
    const length = /^\/(\d+), 99 % full$/.exec(what)?.[1];
    return length === undefined ? undefined : 2 ** (32 - Number(length));
  };
  // Who gives another free address than the first says so in a note.
  const policies = new Map(
    core.flatMap((row) => {
      const policy = /own policy: ([^,]+)/.exec(row.note ?? "")?.[1];
      return policy === undefined || sizeOf(row) === undefined ? [] : [[row.who, policy]];
    }),
  );
  const others = policies.size > 0 ? " (*: own policy)" : "";
  const nameOf = ({ who }: Row) => {
    if (who === OWNER_TURNS) return "Berth with owners";
    return policies.has(who) ? `${who}, ${policies.get(who)} *` : who;
  };
  const series = seriesOf(core, sizeOf, nameOf);
  const sizes = [...new Set(series.flatMap((one) => one.points.map(([x]) => x)))].sort(
    (a, b) => a - b,
  );
  const unit = (ns: number) =>
    ns >= 1e6 ? `${ns / 1e6} ms` : ns >= 1000 ? `${ns / 1000} us` : `${ns} ns`;
  return {
    title: `One call, pool 99 % full, the first free address${others}`,
    xLabel: "size of the pool (logarithmic)",
    yLabel: "median (logarithmic)",
    xTicks: sizes.map((x) => [x, `/${32 - Math.log2(x)}`]),
    yText: unit,
    series,
  };
}

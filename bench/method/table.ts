// Table: rows as text in columns, one table after the other.
import { digits } from "./measure.ts";
import type { Figures, Row } from "./row.ts";

const HEAD = ["", "", "median", "p99", "spread", "beside", "passes", "target", ""];
/** What stands right of this column isn't aligned. */
const LAST = HEAD.length - 1;

/** "12.3 x": three digits that matter. */
export function timesText(ratio: number): string {
  return `${digits(ratio)} x`;
}

/** A figure and its unit: "8.31 ns". */
export function withUnit(value: number, unit: string): string {
  return unit === "instructions" ? digits(value) : `${digits(value)} ${unit}`;
}

/** What the row is compared with: "12.3 x Berth". */
export function besideText(row: Row): string {
  return row.ratio === undefined ? "" : `${timesText(row.ratio)} ${row.beside ?? ""}`.trim();
}

/** The least and the greatest ratio of the passes, and how many there were: "11.8 to 12.9, 4". */
export function passesText({ passes }: Row): string {
  if (!passes) return "";
  if (passes.length === 1) return "1";
  return `${digits(Math.min(...passes))} to ${digits(Math.max(...passes))}, ${passes.length}`;
}

/** p99 and spread as texts: none of a single value. */
export function scatter(figures?: Figures): [p99: string, spread: string] {
  if (figures === undefined || figures.count < 2) return ["", ""];
  return [digits(figures.p99), `${Math.round(figures.spread * 100)} %`];
}

/** "met", "MISSED" or nothing. */
export function verdict(row: Row): string {
  return row.met === undefined ? "" : row.met ? "met" : "MISSED";
}

/** What stands behind the columns: bytes of an address, notes, the hash. */
export function remarks(row: Row): string {
  const parts: string[] = [];
  if (row.bytesPerAddress !== undefined) parts.push(`${digits(row.bytesPerAddress)} bytes/address`);
  if (row.note) parts.push(row.note);
  if (row.hash) parts.push(`hash ${row.hash}`);
  return parts.join("; ");
}

function cells(row: Row, first: boolean): string[] {
  const name = [first ? row.what : "", row.who];
  if (row.missing) return [...name, `left out: ${row.missing}`];
  const { figures, value, unit } = row;
  const middle = figures?.median ?? value;
  const times = [middle === undefined ? "" : withUnit(middle, unit), ...scatter(figures)];
  const last = [verdict(row), remarks(row)].filter(Boolean).join("  ");
  return [...name, ...times, besideText(row), passesText(row), row.target ?? "", last];
}

/** The tables of a list of rows, in the order in which they come. */
export function tablesText(rows: readonly Row[]): string {
  const tables = new Map<string, Row[]>();
  for (const row of rows) {
    const title = `${row.suite}: ${row.table}`;
    tables.set(title, [...(tables.get(title) ?? []), row]);
  }
  return [...tables].map(([title, list]) => `\n${title}\n${columns(list)}`).join("\n");
}

function columns(rows: readonly Row[]): string {
  const lines = [
    HEAD,
    ...rows.map((row, at) => cells(row, at === 0 || rows[at - 1]!.what !== row.what)),
  ];
  const widths = HEAD.map((_, at) =>
    Math.max(
      ...lines.map((line) =>
        line[2]?.startsWith("left out") && at > 1 ? 0 : (line[at]?.length ?? 0),
      ),
    ),
  );
  const pad = (cell: string, at: number) =>
    at < 2 ? cell.padEnd(widths[at]!) : at < LAST ? cell.padStart(widths[at]!) : cell;
  return lines
    .map((line) => {
      const out = line[2]?.startsWith("left out");
      const cells = line.map((cell, at) => (out && at > 1 ? cell : pad(cell, at)));
      return `  ${cells.join("  ")}`.trimEnd();
    })
    .join("\n");
}

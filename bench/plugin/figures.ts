// Figures: what a list of times says (median, p99, spread), and the table that shows it.

export type Figures = {
  count: number;
  medianMs: number;
  /** Nearest rank; the maximum when there are fewer than 100 values. */
  p99Ms: number;
  maxMs: number;
  /** Distance of the quartiles as a share of the median: what the machine's noise amounts to. */
  spread: number;
};

/** One line of a table, and of --json. Times in milliseconds. */
export type Row = {
  section: string;
  /** The situation: "ADD, 250 held". Printed once for rows that follow each other. */
  situation: string;
  label: string;
  figures?: Figures;
  /** The columns as text, in the order of the section's head. */
  cells?: string[];
  /** Private anonymous memory of one call. */
  anonKib?: number;
  /** What is compared with the target: "18.2 x", "+0.03 ms". */
  compared?: string;
  /** What the issue asks for: "10 x". */
  target?: string;
  met?: boolean;
  /** Instead of figures: why there are none. */
  missing?: string;
};

export const CALL_HEAD = ["calls", "median ms", "p99 ms", "spread", "compared", "target"];

/** A spread above this makes a row too noisy to be quoted. */
export const SPREAD_MAX = 0.5;

export function figuresOf(ns: readonly number[]): Figures {
  if (ns.length === 0) throw new Error("no values to take figures of");
  const sorted = [...ns].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]! / 1e6;
  const median = rank(0.5);
  return {
    count: sorted.length,
    medianMs: median,
    p99Ms: rank(0.99),
    maxMs: rank(1),
    spread: (rank(0.75) - rank(0.25)) / median,
  };
}

/** Three digits that matter: 0.134, 2.46, 82.1, 1,204. */
export function milliseconds(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

/** "12.3 x": how many times the first is of the second. */
export function times(slow: number, fast: number): string {
  const ratio = slow / fast;
  return `${ratio >= 100 ? Math.round(ratio) : ratio.toFixed(ratio >= 10 ? 1 : 2)} x`;
}

/** A section of the table: its head line, then its rows in aligned columns. */
export function sectionText(title: string, head: readonly string[], rows: readonly Row[]): string {
  const cells = rows.map((row, at) => {
    const same = at > 0 && rows[at - 1]!.situation === row.situation;
    const name = [same ? "" : row.situation, row.label];
    if (row.missing) return [...name, `left out: ${row.missing}`];
    const verdict = row.met === undefined ? "" : row.met ? "met" : "MISSED";
    return [...name, ...(row.cells ?? []), row.compared ?? "", row.target ?? "", verdict];
  });
  const columns = ["", "", ...head, ""];
  const widths = columns.map((word, at) =>
    Math.max(
      word.length,
      ...cells.map((row) =>
        row[2]?.startsWith("left out") && at > 1 ? 0 : (row[at] ?? "").length,
      ),
    ),
  );
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, at) => pad(cell, widths[at]!, at)).join("  ")}`.trimEnd();
  return [title, line(columns), ...cells.map(line)].join("\n");
}

/** The columns that CALL_HEAD names. */
export function callCells(figures: Figures): string[] {
  return [
    figures.count.toLocaleString("en-US"),
    milliseconds(figures.medianMs),
    milliseconds(figures.p99Ms),
    `${Math.round(figures.spread * 100)} %`,
  ];
}

/** Names to the left, figures to the right; the verdict and a reason run on. */
function pad(cell: string, width: number, at: number): string {
  if (cell.startsWith("left out") || cell === "met" || cell === "MISSED") return cell;
  return at < 2 ? cell.padEnd(width) : cell.padStart(width);
}

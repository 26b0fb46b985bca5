// Compare: two runs' ratios side by side. A ratio is of two things that took turns in one run, so
// it should come out the same on the next day; what moved by more than a quarter is named, with the
// error that each run expected of it (passes.ts).
//
//     npm run bench -- --compare a.json b.json
import { readFileSync } from "node:fs";
import { UsageError } from "../../src/cli/arguments.ts";
import type { Machine } from "./machine.ts";
import { digits } from "./measure.ts";
import { keyOf, type Row } from "./row.ts";

/** Two runs agree when no ratio moved by more than this share. */
export const RATIO_MOVES_MAX = 0.25;

export interface Moved {
  key: string;
  a: Row;
  b: Row;
}

/** The rows whose ratio moved, and how many were compared. */
export function compareRows(a: readonly Row[], b: readonly Row[]) {
  const others = new Map(b.map((row) => [keyOf(row), row]));
  const moved: Moved[] = [];
  const changed: string[] = [];
  let compared = 0;
  for (const row of a) {
    const other = others.get(keyOf(row));
    if (other?.hash !== undefined && row.hash !== undefined && other.hash !== row.hash)
      changed.push(keyOf(row));
    if (row.ratio === undefined || other?.ratio === undefined) continue;
    compared++;
    const move = Math.max(row.ratio / other.ratio, other.ratio / row.ratio) - 1;
    if (!(move <= RATIO_MOVES_MAX)) moved.push({ key: keyOf(row), a: row, b: other });
  }
  // What was left out in one of them, or is called otherwise: nobody should take it for agreement.
  const ratios = (rows: readonly Row[]) => rows.filter(({ ratio }) => ratio !== undefined);
  const keys = [new Set(ratios(a).map(keyOf)), new Set(ratios(b).map(keyOf))] as const;
  const alone = [...keys[0], ...keys[1]].filter((key) => !keys[0].has(key) || !keys[1].has(key));
  return { compared, moved, changed, alone };
}

/** "12.3 x (+-3 % in 4 passes)". */
function ratioText({ ratio, error, passes }: Row): string {
  const text = `${digits(ratio!)} x`;
  if (error === undefined || !passes) return text;
  return `${text} (+-${digits(error * 100)} % in ${passes.length} passes)`;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`--compare wants two files of --json: ${(error as Error).message}`);
  }
}

/** What two results must have in common. */
const ALIKE = ["size", "seed", "turn"] as const;

/** And the machines that they are of: a ratio is of one processor, one system, one Node. */
const ALIKE_MACHINES = ["node", "system", "processor", "cores", "compiler", "fileSystem"] as const;

type Compared = { rows: Row[]; machine?: Partial<Record<keyof Machine, unknown>> } & Partial<
  Record<(typeof ALIKE)[number], unknown>
>;

/** "a.json: berth 0.1.0 (22b4d5d), Node v20.20.2, ...": what a result is of, in a line. */
function originText(path: string, { machine = {} }: Compared): string {
  const { berth, commit, node, processor, cores, system, compiler } = machine;
  if (node === undefined) return `${path}: doesn't tell its machine`;
  const where = `${processor}, ${cores} cores, ${system}, ${compiler}`;
  return `${path}: berth ${berth} (${commit}), Node ${node}, ${where}`;
}

/** What the two differ in, though their ratios should be of the same. */
function unlike(a: Compared, b: Compared): string[] {
  const pairs = [
    ...ALIKE.map((what) => [what, a[what], b[what]] as const),
    ...ALIKE_MACHINES.map((what) => [what, a.machine?.[what], b.machine?.[what]] as const),
  ];
  return pairs
    .filter(([, one, other]) => one !== other)
    .map(([what, one, other]) => `not alike: ${what} ${one} beside ${what} ${other}`);
}

function resultIn(path: string): Compared {
  const text = textOf(path);
  try {
    const result = JSON.parse(text) as Compared;
    if (Array.isArray(result.rows)) return result;
  } catch {
    // It is told below, with the file's name.
  }
  throw new UsageError(`${path} holds no rows: not a file of --json`);
}

/** Prints what moved; the exit status. */
export function compareFiles(first: string, second: string, say: (line: string) => void): number {
  const [a, b] = [resultIn(first), resultIn(second)];
  say(originText(first, a));
  say(originText(second, b));
  for (const line of unlike(a, b)) say(line);
  const { compared, moved, changed, alone } = compareRows(a.rows, b.rows);
  for (const { key, a: one, b: two } of moved)
    say(`${key}: ${ratioText(one)}, then ${ratioText(two)}`);
  for (const key of changed) say(`${key}: other addresses were given (another seed?)`);
  for (const key of alone) say(`${key}: in one of the two only`);
  const share = `${RATIO_MOVES_MAX * 100} %`;
  const only = alone.length > 0 ? `, ${alone.length} in one of the two only` : "";
  say(`${compared} ratios compared, ${moved.length} moved by more than ${share}${only}`);
  if (compared === 0) say("nothing in common to compare");
  return compared > 0 && moved.length + changed.length + alone.length === 0 ? 0 : 1;
}

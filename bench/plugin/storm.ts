// Storm: what a node that restarts sees. N pods are held and N ADDs are started at once; each
// one's time is counted from the first start, as its pod waits for it.
//
// host-local reads every file under one lock for each of them, so its storm grows with the square
// of N; a storm that would take longer than allowed is left out, with what it would have taken.

import { digits } from "../method/measure.ts";
import { figuresOf, type Row } from "../method/row.ts";
import { type Bench, suite } from "./calls.ts";
import { addressesIn, addressesOf, Network } from "./network.ts";
import type { Program } from "./programs.ts";
import type { Answer } from "./spawner.ts";

/** Storms of Berth per size. */
const REPEATS = 5;

/**
 * Rows of storms by size. The median is half the pods' wait, `max` the last one's; a ratio is of
 * the last answers.
 */
export async function measureStorms(
  bench: Bench,
  sizes: readonly number[],
  secondsMax: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  const last = new Map<Program, { size: number; ms: number }>();
  const table = "storm: N ADDs started at once, N held; ms until all are answered";
  for (const size of sizes) {
    let berthMs = 0;
    for (const program of bench.programs) {
      if (program.role === "node" || program.role === "floor" || program.role === "glibc") continue;
      const what = `${size.toLocaleString("en-US")} at once`;
      const row: Row = { suite, table, what, who: program.label, unit: "ms" };
      rows.push(row);
      const before = last.get(program);
      const expectedMs = before ? before.ms * (size / before.size) ** 2 : 0;
      if (expectedMs > secondsMax * 1000) {
        row.missing = `about ${Math.round(expectedMs / 1000)} s, over ${secondsMax} s`;
        continue;
      }
      const storms = await stormsOf(bench, program, size);
      // One value a storm: its last answer. The pods' own waits are in the note.
      row.figures = figuresOf(storms.map((storm) => Math.max(...storm) / 1e6));
      const waits = figuresOf(storms.flat().map((ns) => ns / 1e6));
      row.note = `a pod waits ${digits(waits.median)} ms, p99 ${digits(waits.p99)}`;
      const ms = row.figures.median;
      last.set(program, { size, ms });
      if (program.role === "berth") berthMs = ms;
      if (program.role === "peer" && berthMs > 0)
        Object.assign(row, { ratio: ms / berthMs, beside: "Berth" });
    }
  }
  return rows;
}

/** The times of each repeat, after the answers have been found right. */
async function stormsOf(bench: Bench, program: Program, size: number): Promise<number[][]> {
  const network = await Network.open(program, size, bench.workspace, bench.spawner);
  const pods = Array.from({ length: size }, (_, k) => `storm-${k}`);
  const storms: number[][] = [];
  const repeats = program.kind === "berth" ? REPEATS : 1;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const adds = pods.map((id) => network.step("ADD", id));
    const answers = await bench.spawner.run("storm", adds);
    verify(answers, program, size, repeat);
    storms.push(answers.map((answer) => answer.ns));
    if (repeat + 1 < repeats)
      await bench.spawner.run(
        "run",
        pods.map((id) => network.step("DEL", id)),
      );
  }
  return storms;
}

/** All answered, and together they got exactly the next addresses of each family. */
function verify(answers: readonly Answer[], program: Program, size: number, repeat: number): void {
  const failed = answers.find((answer) => addressesIn(answer).length !== 2);
  if (failed)
    throw new Error(`${program.label}, storm of ${size}: ${failed.stdout || "no answer"}`);
  const first = size + repeat * size;
  const expected = Array.from({ length: size }, (_, k) => addressesOf(first + k));
  for (const family of [0, 1] as const) {
    const given = answers.map((answer) => addressesIn(answer)[family]!).sort();
    const wanted = expected.map((pair) => pair[family]).sort();
    const at = given.findIndex((address, k) => address !== wanted[k]);
    if (at >= 0)
      throw new Error(
        `${program.label}, storm of ${size}: gave ${given[at]}, expected ${wanted[at]}`,
      );
  }
}

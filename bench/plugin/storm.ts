// Storm: what a node that restarts sees. N pods are held and N ADDs are started at once; each
// one's time is counted from the first start, as its pod waits for it.
//
// host-local reads every file under one lock for each of them, so its storm grows with the square
// of N; a storm that would take longer than allowed is left out, with what it would have taken.

import { digits } from "../method/measure.ts";
import { figuresOf, type Row } from "../method/row.ts";
import { shuffled } from "../method/schedule.ts";
import { type Bench, suite } from "./calls.ts";
import { addressesIn, addressesOf, Network } from "./network.ts";
import type { Program } from "./programs.ts";
import type { Answer } from "./spawner.ts";

/** Storms of a program per size, and the time after which no further one is begun. */
const REPEATS = 7;
const REPEAT_SECONDS_MAX = 4;

type Subject = { program: Program; network: Network; storms: number[][] };

/**
 * Rows of storms by size. The median is of the last answers; a ratio is of those medians. The
 * programs' storms take turns, so that all see the same machine.
 */
export async function measureStorms(
  bench: Bench,
  sizes: readonly number[],
  secondsMax: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  const programs = bench.programs.filter(({ role }) => role === "berth" || role === "peer");
  const last = new Map<Program, { size: number; ms: number }>();
  for (const size of sizes) {
    const expected = (program: Program) => {
      const before = last.get(program);
      return before ? before.ms * (size / before.size) ** 2 : 0;
    };
    const taken = programs.filter((program) => expected(program) <= secondsMax * 1000);
    const subjects = await stormsOf(bench, taken, size);
    let berthMs = 0;
    for (const program of programs) {
      const storms = subjects.find((subject) => subject.program === program)?.storms;
      const row = rowOf(program, size, storms, berthMs);
      if (!storms)
        row.missing = `about ${Math.round(expected(program) / 1000)} s, over ${secondsMax} s`;
      rows.push(row);
      const ms = row.figures?.median ?? 0;
      if (storms) last.set(program, { size, ms });
      if (program.role === "berth") berthMs = ms;
    }
  }
  return rows;
}

function rowOf(
  program: Program,
  size: number,
  storms: number[][] | undefined,
  berthMs: number,
): Row {
  const row: Row = {
    suite,
    table: "storm: N ADDs started at once, N held; ms until all are answered",
    what: `${size.toLocaleString("en-US")} at once`,
    who: program.label,
    unit: "ms",
  };
  if (!storms) return row;
  // One value a storm: its last answer. The pods' own waits are in the note.
  row.figures = figuresOf(storms.map((storm) => Math.max(...storm) / 1e6));
  const waits = figuresOf(storms.flat().map((ns) => ns / 1e6));
  row.note = `a pod waits ${digits(waits.median)} ms, p99 ${digits(waits.p99)}`;
  if (program.role === "peer" && berthMs > 0)
    Object.assign(row, { ratio: row.figures.median / berthMs, beside: "Berth" });
  return row;
}

/** The times of each storm, after the answers have been found right. */
async function stormsOf(bench: Bench, programs: Program[], size: number): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const program of programs) {
    const network = await Network.open(program, size, bench.workspace, bench.spawner);
    subjects.push({ program, network, storms: [] });
  }
  const pods = Array.from({ length: size }, (_, k) => `storm-${k}`);
  for (let repeat = 0; repeat < REPEATS; repeat++)
    for (const { program, network, storms } of shuffled(subjects, bench.random)) {
      const spent = storms.reduce((ns, storm) => ns + Math.max(...storm), 0);
      if (spent > REPEAT_SECONDS_MAX * 1e9) continue;
      const adds = pods.map((id) => network.step("ADD", id));
      const answers = await bench.spawner.run("storm", adds);
      verify(answers, program, size, repeat);
      storms.push(answers.map((answer) => answer.ns));
      await network.forget(bench.spawner, pods, answers);
    }
  return subjects;
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

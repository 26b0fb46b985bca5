// Storm: what a node that restarts sees. N pods are held and N ADDs are started at once; each
// one's time is counted from the first start, as its pod waits for it.
//
// host-local reads every file under one lock for each of them, so its storm grows with the square
// of N; a storm that would take longer than allowed is left out, with what it would have taken.

import { medianOf, type Row, timed } from "../method/row.ts";
import { shuffled } from "../method/schedule.ts";
import { type Bench, suite } from "./calls.ts";
import { addressesIn, addressesOf, Network } from "./network.ts";
import type { Program } from "./programs.ts";
import type { Answer } from "./spawner.ts";

/** Storms of a peer in a pass, and the time after which no further one is begun. */
const REPEATS = 4;
const REPEAT_SECONDS_MAX = 2;

type Subject = { program: Program; network: Network; storms: number[][]; ratios: number[] };

/** The largest storm that a program had so far, and how long it took. */
const known = new Map<string, { size: number; ms: number }>();

/** How long a storm of so many will take; 0 if nothing is known yet. */
function expected({ label }: Program, size: number): number {
  const before = known.get(label);
  return before ? before.ms * (size / before.size) ** 2 : 0;
}

/**
 * Rows of one size. Each storm of a peer has one of Berth before and one after it: its ratio is
 * that of the last answers, beside the mean of those two.
 */
export async function measureStorm(bench: Bench, size: number, secondsMax: number): Promise<Row[]> {
  const programs = bench.programs.filter(({ role }) => role === "berth" || role === "peer");
  const isShort = (program: Program) => expected(program, size) <= secondsMax * 1000;
  const taken = programs.filter((program) => program.role === "berth" || isShort(program));
  const subjects = await stormsOf(bench, taken, size);
  return programs.flatMap((program): Row[] => {
    const subject = subjects.find((one) => one.program === program);
    const what = `${size.toLocaleString("en-US")} at once`;
    const head = { suite, what, who: program.label, unit: "ms" } as const;
    const all = {
      ...head,
      table: "storm: N ADDs started at once, N held; ms until all are answered",
    };
    if (!subject) {
      const seconds = Math.round(expected(program, size) / 1000);
      return [{ ...all, missing: `about ${seconds} s, over ${secondsMax} s` }];
    }
    const { storms, ratios } = subject;
    const lasts = storms.map(lastOf);
    if (size >= (known.get(program.label)?.size ?? 0))
      known.set(program.label, { size, ms: medianOf(lasts) });
    const ratio = ratios.length > 0 && { ratio: medianOf(ratios), beside: "Berth" };
    const waits = storms.flat().map((ns) => ns / 1e6);
    return [
      { ...all, ...timed(lasts), ...ratio },
      { ...head, table: "storm: what each of its pods waits", ...timed(waits) },
    ];
  });
}

/** When the last one is answered (milliseconds). */
function lastOf(storm: readonly number[]): number {
  return storm.reduce((last, ns) => Math.max(last, ns), 0) / 1e6;
}

/** The times of each storm, after the answers have been found right. */
async function stormsOf(bench: Bench, programs: Program[], size: number): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const program of programs) {
    const network = await Network.open(program, size, bench.workspace, bench.spawner);
    subjects.push({ program, network, storms: [], ratios: [] });
  }
  await bench.workspace.settle();
  const own = subjects.find(({ program }) => program.role === "berth")!;
  const peers = subjects.filter((subject) => subject !== own);
  let before = await stormOf(bench, own, size);
  for (let repeat = 0; repeat < REPEATS; repeat++)
    for (const peer of shuffled(peers, bench.random)) {
      const spent = peer.storms.reduce((ms, storm) => ms + lastOf(storm), 0);
      if (spent > REPEAT_SECONDS_MAX * 1000) continue;
      const ms = await stormOf(bench, peer, size);
      const after = await stormOf(bench, own, size);
      peer.ratios.push(ms / Math.sqrt(before * after));
      before = after;
    }
  return subjects;
}

/** One storm, checked and let go of; until its last answer (milliseconds). */
async function stormOf(bench: Bench, subject: Subject, size: number): Promise<number> {
  const { program, network, storms } = subject;
  const pods = Array.from({ length: size }, (_, k) => `storm-${k}`);
  const adds = pods.map((id) => network.step("ADD", id));
  const answers = await bench.spawner.run("storm", adds);
  verify(answers, program, size, storms.length);
  storms.push(answers.map((answer) => answer.ns));
  await network.forget(bench.spawner, pods, answers);
  await bench.workspace.settle();
  return lastOf(storms.at(-1)!);
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

// Storm: what a node that restarts sees. N pods are held and N ADDs are started at once; each
// one's time is counted from the first start, as its pod waits for it.
//
// host-local reads every file under one lock for each of them, so its storm grows with the square
// of N. How many storms each has is laid down, not found out by a clock: two runs have the same.

import { STORM_WAITS } from "../method/machine.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { shuffled } from "../method/schedule.ts";
import { type Bench, suite } from "./calls.ts";
import { addressesIn, addressesOf, Network } from "./network.ts";
import type { Program } from "./programs.ts";
import type { Answer } from "./spawner.ts";

/** A size, and the storms of each peer in a pass. */
export interface StormPlan {
  size: number;
  peer: number;
  /**
   * One takes ten seconds or more: the newest peer has one in a run, and no ratio, which would have
   * to be of several to come out alike in the next run.
   */
  once?: boolean;
}

const ONCE = "one storm in a run: too long for a ratio";
const TOO_LONG = "10 s at 500 and 40 s at 1,000: the newest host-local stands for both";

/**
 * Storms of Berth in a turn of its own: one takes a hundredth of a peer's, and is over before the
 * machine has shown what it is like.
 */
const OWN_STORMS = 3;

type Subject = { program: Program; network: Network; storms: number[][]; ratios: number[] };

/**
 * Rows of one size. Each storm of a peer has a turn of Berth before and one after it: its ratio is
 * that of the last answers, beside the mean of those two.
 */
export async function measureStorm(bench: Bench, plan: StormPlan): Promise<Row[]> {
  const { size, once = false } = plan;
  const programs = bench.programs.filter(({ role }) => role === "berth" || role === "peer");
  // The newest comes last.
  const newest = programs.findLast(({ role }) => role === "peer");
  const hasTurn = (program: Program) => program === newest && bench.pass === 0;
  const taken = programs.filter((program) => program.role === "berth" || !once || hasTurn(program));
  const subjects = await stormsOf(bench, taken, plan);
  return programs.flatMap((program): Row[] => {
    const subject = subjects.find((one) => one.program === program);
    const what = `${size.toLocaleString("en-US")} at once`;
    const head = { suite, what, who: program.label, unit: "ms" } as const;
    const all = {
      ...head,
      table: "storm: N ADDs started at once, N held; ms until all are answered",
    };
    if (!subject) return program === newest ? [] : [{ ...all, missing: TOO_LONG }];
    const { storms, ratios } = subject;
    const isAlone = once && program.role === "peer";
    const ratio = !isAlone && ratios.length > 0 && { ratio: medianOf(ratios), beside: "Berth" };
    const waits = storms.flat().map((ns) => ns / 1e6);
    return [
      { ...all, ...timed(storms.map(lastOf)), ...ratio, ...(isAlone && { note: ONCE }) },
      { ...head, table: STORM_WAITS, ...timed(waits) },
    ];
  });
}

/** When the last one is answered (milliseconds). */
function lastOf(storm: readonly number[]): number {
  return storm.reduce((last, ns) => Math.max(last, ns), 0) / 1e6;
}

/** The times of each storm, after the answers have been found right. */
async function stormsOf(
  bench: Bench,
  programs: Program[],
  { size, peer }: StormPlan,
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const program of programs) {
    const network = await Network.open(program, size, bench.workspace, bench.spawner);
    subjects.push({ program, network, storms: [], ratios: [] });
  }
  await bench.workspace.settle();
  const own = subjects.find(({ program }) => program.role === "berth")!;
  const peers = subjects.filter((subject) => subject !== own);
  const ownTurn = async () => {
    const all: number[] = [];
    for (let n = 0; n < OWN_STORMS; n++) all.push(await stormOf(bench, own, size));
    return medianOf(all);
  };
  let before = await ownTurn();
  for (let repeat = 0; repeat < peer; repeat++)
    for (const other of shuffled(peers, bench.random)) {
      const ms = await stormOf(bench, other, size);
      const after = await ownTurn();
      other.ratios.push(ms / Math.sqrt(before * after));
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

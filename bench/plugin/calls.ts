// Calls: ADD and DEL of one more pod while others are held, and the memory that an ADD takes.
//
// Each measured ADD is followed by the DEL of the same pod, so the number held stays. All programs
// get the same work and their policy is the same (the next after the last given), so they must
// give the same addresses in the same order: what differs is an error of the bench's subject, and
// the bench fails.

import { callCells, type Figures, figuresOf, type Row, times } from "./figures.ts";
import { addressesIn, Network } from "./network.ts";
import type { Program } from "./programs.ts";
import { interleaved } from "./schedule.ts";
import type { Answer, Spawner, Step } from "./spawner.ts";
import type { Workspace } from "./workspace.ts";

/** How many calls each role makes with so many held; 0 leaves it out. */
export type Plan = {
  held: number;
  calls: Record<Program["role"], number>;
  /** Times that Berth is to be faster than a peer; 0 for no target. */
  faster: number;
};

/** What the issue asks of one process, beside the ratios in the plans. */
const ABOVE_EMPTY_MS_MAX = 0.15;
const CROWDED_TIMES_MAX = 1.2;
const ANON_KIB_MAX = 1024;

export type Bench = {
  workspace: Workspace;
  spawner: Spawner;
  programs: readonly Program[];
  random: () => number;
  /** Calls of one program in a row (schedule.ts). */
  turn: number;
};

export type CallRows = {
  rows: Row[];
  memory: Row[];
  /** The addresses in the order given, of the calls that every program makes. */
  given: string[];
};

type Subject = { network: Network; calls: number; crowd: boolean };

/** Rows of one plan. The last plan is run beside an empty Berth, to show what the crowd costs. */
export async function measureCalls(
  bench: Bench,
  plan: Plan,
  options: { besideNone: boolean; memory: boolean },
): Promise<CallRows> {
  const subjects: Subject[] = [];
  // The native plugin makes the held ones for the slow one on Node: their state is one format.
  const seeder = bench.programs.find(({ role }) => role === "berth")!.path;
  for (const program of bench.programs) {
    const calls = plan.calls[program.kind === "host-local" ? "peer" : program.role];
    if (calls === 0) continue;
    const open = (held: number, label = program.label) =>
      Network.open(program, held, bench.workspace, bench.spawner, {
        label,
        ...(program.role === "node" && { seeder }),
      });
    if (options.besideNone && program.role === "berth")
      subjects.push({ network: await open(0, `${program.label}, 0 held`), calls, crowd: false });
    subjects.push({ network: await open(plan.held), calls, crowd: true });
  }
  const turns = interleaved(
    subjects.map((subject) => subject.calls),
    bench.random,
    bench.turn,
  );
  const steps = turns.flatMap((at) => stepsOf(subjects[at]!.network));
  const answers = await bench.spawner.run("run", steps);
  const adds: Answer[][] = subjects.map(() => []);
  const dels: Answer[][] = subjects.map(() => []);
  let next = 0;
  for (const at of turns) {
    adds[at]!.push(answers[next++]!);
    if (stepsOf(subjects[at]!.network).length === 2) dels[at]!.push(answers[next++]!);
  }
  const given = compareGiven(subjects, adds, dels, plan);
  const rows = [...rowsOf("ADD", plan, subjects, adds), ...rowsOf("DEL", plan, subjects, dels)];
  return { rows, memory: options.memory ? await memoryRows(bench, plan, subjects) : [], given };
}

function stepsOf(network: Network): Step[] {
  if (network.program.kind === "empty") return [network.step("ADD", "pod")];
  return [network.step("ADD", "pod"), network.step("DEL", "pod")];
}

/** Every call worked, and all programs gave what the first one gave, as far as each went. */
function compareGiven(
  subjects: readonly Subject[],
  adds: readonly Answer[][],
  dels: readonly Answer[][],
  plan: Plan,
): string[] {
  let reference: string[] = [];
  for (const [at, { network, crowd }] of subjects.entries()) {
    const failed = [...adds[at]!, ...dels[at]!].find((answer) => answer.status !== 0);
    if (failed)
      throw new Error(`${network.label}, ${plan.held} held: a call failed: ${failed.stdout}`);
    if (network.program.kind === "empty") continue;
    const given = adds[at]!.map((answer) => addressesIn(answer).join(" "));
    if (given.some((pair) => pair.split(" ").length !== 2))
      throw new Error(`${network.label}, ${plan.held} held: an ADD gave other than two addresses`);
    if (!crowd) continue;
    if (reference.length === 0) reference = given;
    const differs = given.findIndex((pair, k) => k < reference.length && pair !== reference[k]);
    if (differs >= 0)
      throw new Error(
        `${network.label}, ${plan.held} held: ADD ${differs} gave ${given[differs]}, ` +
          `but ${subjects.find((s) => s.crowd)!.network.label} gave ${reference[differs]}`,
      );
  }
  return reference.slice(0, plan.calls.peer);
}

function rowsOf(
  command: "ADD" | "DEL",
  plan: Plan,
  subjects: readonly Subject[],
  answers: readonly Answer[][],
): Row[] {
  const figures = answers.map((list) => list.map((answer) => answer.ns)).map(figuresOrNone);
  const find = (test: (subject: Subject) => boolean) => figures[subjects.findIndex(test)];
  const berth = find(({ network, crowd }) => crowd && network.program.role === "berth");
  const none = find(({ crowd }) => !crowd);
  const situation = `${command}, ${plan.held.toLocaleString("en-US")} held`;
  const rows: Row[] = [];
  for (const [at, { network, crowd }] of subjects.entries()) {
    const own = figures[at];
    if (!own) continue;
    const row: Row = { section: "calls", situation, label: network.label };
    row.figures = own;
    row.cells = callCells(own);
    if (network.program.role === "peer" && berth)
      Object.assign(row, judgeFaster(own, berth, plan.faster));
    if (network.program.role === "berth" && crowd && none) {
      row.compared = times(own.medianMs, none.medianMs);
      row.target = `<= ${CROWDED_TIMES_MAX} x`;
      row.met = own.medianMs <= CROWDED_TIMES_MAX * none.medianMs;
    }
    if (network.program.label.endsWith("musl") && berth) {
      const above = berth.medianMs - own.medianMs;
      row.compared = `${above < 0 ? "-" : "+"}${Math.abs(above).toFixed(3)} ms`;
      row.target = `<= ${ABOVE_EMPTY_MS_MAX} ms`;
      row.met = above <= ABOVE_EMPTY_MS_MAX;
    }
    rows.push(row);
  }
  return rows;
}

function figuresOrNone(ns: readonly number[]): Figures | undefined {
  return ns.length > 0 ? figuresOf(ns) : undefined;
}

function judgeFaster(peer: Figures, berth: Figures, faster: number): Partial<Row> {
  const compared = times(peer.medianMs, berth.medianMs);
  if (faster === 0) return { compared };
  const met = peer.medianMs >= faster * berth.medianMs;
  return { compared, target: `>= ${faster} x`, met };
}

/** Private anonymous memory and peak resident memory of one ADD, at the moment it answers. */
async function memoryRows(bench: Bench, plan: Plan, subjects: readonly Subject[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { network, crowd } of subjects) {
    if (!crowd || network.program.kind === "empty") continue;
    const [answer] = await bench.spawner.run("memory", [network.step("ADD", "memory")]);
    const situation = `${plan.held.toLocaleString("en-US")} held`;
    const row: Row = { section: "memory", situation, label: network.label };
    if (answer!.status !== 0 || answer!.anonKib < 0)
      row.missing = `the process could not be looked at (status ${answer!.status})`;
    else {
      row.cells = [kib(answer!.peakKib), kib(answer!.anonKib)];
      row.anonKib = answer!.anonKib;
      if (network.program.role === "berth") {
        row.target = `< ${kib(ANON_KIB_MAX)}`;
        row.met = answer!.anonKib < ANON_KIB_MAX;
      }
    }
    rows.push(row);
  }
  return rows;
}

function kib(value: number): string {
  return `${value.toLocaleString("en-US")} KiB`;
}

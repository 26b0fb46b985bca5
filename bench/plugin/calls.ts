// Calls: ADD and DEL of one more pod while others are held, and the memory that an ADD takes.
//
// Each measured ADD is followed by the DEL of the same pod, so the number held stays. All programs
// get the same work and their policy is the same (the next after the last given), so it is known
// which addresses each ADD must give: what differs is an error of the bench's subject, and the
// bench fails.

import { createHash } from "node:crypto";
import type { Aim } from "../method/aim.ts";
import { ratioOfLists } from "../method/measure.ts";
import { type Row, timed } from "../method/row.ts";
import { interleaved } from "../method/schedule.ts";
import { addressesIn, addressesOf, Network, type NetworkOptions } from "./network.ts";
import type { Program, Role } from "./programs.ts";
import type { Answer, Mode, Spawner, Step } from "./spawner.ts";
import type { Workspace } from "./workspace.ts";

export const suite = "plugin";
export const COLD_TABLE = "one call, program and state dropped from the page cache before";
export const BEFORE_TABLE = "one ADD of Berth, by what ran right before it";

/** How many calls each role makes with so many held; 0 leaves it out. */
export type Plan = {
  held: number;
  calls: Partial<Record<Role, number>>;
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
  pass: number;
};

/** What one situation is beside the plain calls. */
export type Surroundings = {
  table: string;
  /** Berth's ADDs apart, too: those right after a large process and those after a small one. */
  byBefore?: boolean;
  /** Beside an empty Berth, to show what the crowd costs. */
  besideNone?: boolean;
  memory?: boolean;
  /** "cold": files are dropped from the page cache before each call. */
  mode?: Mode;
  network?: NetworkOptions;
};

type Subject = { network: Network; calls: number; crowd: boolean };

/** What is asked of Berth beside a peer. */
export function fasterAim(times: number): Aim {
  return { text: `>= ${times} x`, of: "ratio", least: times };
}

/** Rows of one plan. */
export async function measureCalls(
  bench: Bench,
  plan: Plan,
  surroundings: Surroundings,
): Promise<Row[]> {
  const subjects: Subject[] = [];
  // The native plugin makes the held ones for the slow one on Node: their state is one format.
  const seeder = bench.programs.find(({ role }) => role === "berth")!.path;
  for (const program of bench.programs) {
    const calls = plan.calls[program.kind === "host-local" ? "peer" : program.role] ?? 0;
    if (calls === 0) continue;
    const open = (held: number, label = program.label) =>
      Network.open(program, held, bench.workspace, bench.spawner, {
        ...surroundings.network,
        label,
        ...(program.role === "node" && { seeder }),
      });
    if (surroundings.besideNone && program.role === "berth")
      subjects.push({ network: await open(0, `${program.label}, 0 held`), calls, crowd: false });
    subjects.push({ network: await open(plan.held), calls, crowd: true });
  }
  await bench.workspace.settle();
  const counts = subjects.map((subject) => subject.calls);
  const turns = interleaved(counts, bench.random, bench.turn);
  const steps = turns.flatMap((at) => stepsOf(subjects[at]!.network));
  const answers = await bench.spawner.run(surroundings.mode ?? "run", steps);
  const adds: Answer[][] = subjects.map(() => []);
  const dels: Answer[][] = subjects.map(() => []);
  let next = 0;
  for (const at of turns) {
    adds[at]!.push(answers[next++]!);
    if (stepsOf(subjects[at]!.network).length === 2) dels[at]!.push(answers[next++]!);
  }
  const hash = compareGiven(subjects, adds, dels);
  const { table } = surroundings;
  const hashed = subjects.filter(({ network, crowd }) => crowd && network.program.kind !== "empty");
  const names = hashed.map(({ network }) => network.label);
  const rows = [
    ...rowsOf("ADD", table, plan, subjects, adds).map((row) =>
      names.includes(row.who) ? { ...row, hash } : row,
    ),
    ...rowsOf("DEL", table, plan, subjects, dels),
  ];
  if (surroundings.byBefore) rows.push(...beforeRows(plan, subjects, turns, adds));
  // It is much the same in every pass, and with 60,000 held it takes seconds.
  if (surroundings.memory && bench.pass === 0)
    rows.push(...(await memoryRows(bench, plan, subjects)));
  return rows;
}

function stepsOf(network: Network): Step[] {
  if (network.program.kind === "empty") return [network.step("ADD", "pod")];
  return [network.step("ADD", "pod"), network.step("DEL", "pod")];
}

/**
 * Every call worked, and each ADD gave the addresses that it must give: policy "next" goes on
 * behind the last that was given. The hash of those that all programs gave: as many as the slowest
 * made.
 */
function compareGiven(
  subjects: readonly Subject[],
  adds: readonly Answer[][],
  dels: readonly Answer[][],
): string {
  for (const [at, { network }] of subjects.entries()) {
    const { label, held, program } = network;
    const failed = [...adds[at]!, ...dels[at]!].find((answer) => answer.status !== 0);
    if (failed) throw new Error(`${label}, ${held} held: a call failed: ${failed.stdout}`);
    if (program.kind === "empty") continue;
    for (const [k, answer] of adds[at]!.entries()) {
      const [given, wanted] = [addressesIn(answer).join(" "), addressesOf(held + k).join(" ")];
      if (given !== wanted)
        throw new Error(`${label}, ${held} held: ADD ${k} gave ${given}, expected ${wanted}`);
    }
  }
  const crowd = subjects.findIndex(({ crowd }) => crowd);
  const fewest = Math.min(...adds.map((list) => list.length));
  const hash = createHash("sha256");
  for (const answer of adds[crowd]!.slice(0, fewest))
    hash.update(`${addressesIn(answer).join(" ")}\n`);
  return hash.digest("hex").slice(0, 16);
}

function rowsOf(
  command: "ADD" | "DEL",
  table: string,
  plan: Plan,
  subjects: readonly Subject[],
  answers: readonly Answer[][],
): Row[] {
  const ms = answers.map((list) => list.map((answer) => answer.ns / 1e6));
  const find = (test: (subject: Subject) => boolean) => {
    const at = subjects.findIndex(test);
    const list = at >= 0 ? ms[at]! : [];
    return list.length > 0 ? { list, label: subjects[at]!.network.label } : undefined;
  };
  const berth = find(({ network, crowd }) => crowd && network.program.role === "berth");
  const none = find(({ crowd }) => !crowd);
  const what = `${command}, ${plan.held.toLocaleString("en-US")} held`;
  const rows: Row[] = [];
  for (const [at, { network, crowd }] of subjects.entries()) {
    const own = ms[at]!;
    if (own.length === 0) continue;
    const { role, label } = network.program;
    const row: Row = {
      suite,
      table,
      what,
      who: network.label,
      unit: "ms",
      ...timed(own),
    };
    rows.push(row);
    if (!berth || (role === "berth" && !crowd)) continue;
    if (role === "berth" && none) {
      row.ratio = ratioOfLists(none.list, own);
      row.beside = "itself with 0 held";
      row.aim = { text: `<= ${CROWDED_TIMES_MAX} x`, of: "ratio", most: CROWDED_TIMES_MAX };
    }
    if (role === "berth") continue;
    row.ratio = ratioOfLists(berth.list, own);
    row.beside = "Berth";
    if (role === "peer" && plan.faster > 0) {
      row.aim = fasterAim(plan.faster);
    }
    if (role === "floor" && label.endsWith("musl")) {
      const text = `Berth <= +${ABOVE_EMPTY_MS_MAX} ms`;
      row.aim = { text, of: "above", most: ABOVE_EMPTY_MS_MAX, than: { who: berth.label } };
    }
  }
  return rows;
}

/**
 * Berth's ADDs by what ran before them: a large process leaves cold caches, a small one doesn't.
 * The fewer calls a slow peer makes, the more of Berth's come after a small one, so only these rows
 * can be compared from one situation to the next.
 */
function beforeRows(
  plan: Plan,
  subjects: readonly Subject[],
  turns: readonly number[],
  adds: readonly Answer[][],
): Row[] {
  const at = subjects.findIndex(({ network, crowd }) => crowd && network.program.role === "berth");
  if (at < 0) return [];
  const [large, small]: [number[], number[]] = [[], []];
  let call = 0;
  for (const [turn, subject] of turns.entries()) {
    if (subject !== at) continue;
    const before = subjects[turns[turn - 1] ?? at]!.network.program.role;
    (before === "peer" || before === "node" ? large : small).push(adds[at]![call++]!.ns / 1e6);
  }
  const what = `ADD, ${plan.held.toLocaleString("en-US")} held`;
  const row = { suite, table: BEFORE_TABLE, what, unit: "ms" } as const;
  const rows: Row[] = [];
  if (large.length > 0) rows.push({ ...row, who: "after host-local or Node", ...timed(large) });
  if (small.length > 0) rows.push({ ...row, who: "after a small program", ...timed(small) });
  return rows;
}

/** Private anonymous memory and peak resident memory of one ADD, at the moment it answers. */
async function memoryRows(bench: Bench, plan: Plan, subjects: readonly Subject[]): Promise<Row[]> {
  const rows: Row[] = [];
  const table = "private memory of one ADD when it answers";
  for (const { network, crowd } of subjects) {
    if (!crowd || network.program.kind === "empty") continue;
    const [answer] = await bench.spawner.run("memory", [network.step("ADD", "memory")]);
    const what = `${plan.held.toLocaleString("en-US")} held`;
    const row: Row = { suite, table, what, who: network.label, unit: "KiB" };
    rows.push(row);
    if (answer!.status !== 0 || answer!.anonKib < 0) {
      row.missing = `the process could not be looked at (status ${answer!.status})`;
      continue;
    }
    row.value = answer!.anonKib;
    if (bench.pass === 0) row.note = `peak resident ${answer!.peakKib.toLocaleString("en-US")} KiB`;
    if (network.program.role !== "berth") continue;
    row.aim = { text: `< ${ANON_KIB_MAX} KiB`, of: "value", below: ANON_KIB_MAX };
  }
  return rows;
}

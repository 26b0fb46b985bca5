// Whole plugin processes: Berth beside host-local in one run, spawned by a C program.
//
// Every program does the same work on the same policy (the next after the last given), so all must
// give the same addresses in the same order. BERTH names another plugin to measure (also a
// host-local, to try the bench itself), HOST_LOCAL another peer.
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { type Context, type Experiment, leftOut } from "../method/experiment.ts";
import { noDisk } from "../method/filesystem.ts";
import type { Row } from "../method/row.ts";
import { randomOf } from "../method/schedule.ts";
import { measureAdoption } from "./adoption.ts";
import { measureBridge } from "./bridge.ts";
import {
  BEFORE_TABLE,
  type Bench,
  COLD_TABLE,
  fasterAim,
  measureCalls,
  type Plan,
  type Surroundings,
  suite,
} from "./calls.ts";
import { HeldFiles } from "./held.ts";
import { findPrograms, type Program, type Role } from "./programs.ts";
import { Spawner } from "./spawner.ts";
import { measureStorm, type StormPlan } from "./storm.ts";
import { Workspace } from "./workspace.ts";

const CALLS = "one call, dual stack, spawn to exit";

/** What is measured when the annotations of a pod are on stdin, too. */
const ANNOTATION_BYTES = 20_000;

function plan(held: number, faster: number, calls: Plan["calls"]): Plan {
  return { held, faster, calls };
}

/**
 * Calls of a pass. The slower the peers, the more of Berth's lie between two of theirs: its calls
 * would be over before the machine has shown what it is like, and a peer's takes a second of it.
 */
const FULL: Plan[] = [
  plan(0, 10, { berth: 100, glibc: 100, node: 8, peer: 100, floor: 100 }),
  plan(250, 30, { berth: 80, peer: 60 }),
  plan(1_000, 80, { berth: 80, glibc: 80, node: 8, peer: 24 }),
  plan(4_000, 300, { berth: 120, peer: 8 }),
  plan(60_000, 0, { berth: 640, peer: 1 }),
];
const QUICK: Plan[] = [
  plan(0, 10, { berth: 20, glibc: 20, node: 2, peer: 20, floor: 20 }),
  plan(250, 30, { berth: 10, peer: 10 }),
];
const STORMS: Record<"full" | "quick", StormPlan[]> = {
  full: [
    { size: 110, peer: 3 },
    { size: 250, peer: 1 },
    { size: 500, peer: 1, once: true },
    { size: 1_000, peer: 1, once: true },
  ],
  quick: [{ size: 30, peer: 2 }],
};

/** What all experiments of a sweep share: made with the first, gone when it ends. */
let opened: Promise<Bench & { missing: readonly string[] }> | undefined;

/** What all sweeps of a run share. */
const held = new HeldFiles();

async function open(context: Context): Promise<Bench & { missing: readonly string[] }> {
  const root = packageRoot();
  const workspace = new Workspace(held);
  try {
    const spawner = await Spawner.open(workspace, join(root, "bench/plugin"));
    const { programs, missing } = await findPrograms(root, workspace, context);
    const { seed, turn, pass } = context;
    return { workspace, spawner, programs, random: randomOf(seed + pass), turn, pass, missing };
  } catch (error) {
    await workspace.close();
    throw error;
  }
}

/** The bench's tools; the reason where they can't be had. */
async function tools(context: Context): Promise<Awaited<ReturnType<typeof open>> | string> {
  opened ??= open(context);
  try {
    return await opened;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Removes what the experiments of a sweep have made. */
export async function closeSweep(): Promise<void> {
  const bench = await opened?.catch(() => undefined);
  opened = undefined;
  await bench?.workspace.close();
}

/** Removes what the run has made. */
export async function closePlugin(): Promise<void> {
  await closeSweep();
  await held.close();
}

/**
 * The rows, and in each situation the peers that couldn't be had, with the reason and with what is
 * asked for beside them.
 */
export function withAbsent(rows: readonly Row[], missing: readonly string[], faster = 0): Row[] {
  const peers = missing.filter((text) => roleOf(text) === "peer");
  return rows.flatMap((row, at) => {
    const next = rows[at + 1];
    const isLast = next?.table !== row.table || next.what !== row.what;
    if (!isLast || row.table === BEFORE_TABLE) return [row];
    const { suite, table, what } = row;
    const aim = table === CALLS && faster > 0 ? { aim: fasterAim(faster) } : {};
    const head = { suite, table, what, who: "", ...aim };
    return [row, ...peers.map((text) => named(leftOut(head, text)))];
  });
}

/** "host-local 1.9.1: why" as its row. */
function named(row: Row): Row {
  const [who = "", ...reason] = row.missing!.split(": ");
  return { ...row, who, missing: reason.join(": ") };
}

type Work = (bench: Awaited<ReturnType<typeof open>>, context: Context) => Promise<Row[]>;

function experiment(name: string, work: Work, faster = 0): Experiment {
  const run = async (context: Context) => {
    const bench = await tools(context);
    if (typeof bench === "string") {
      const aim = faster > 0 ? { aim: fasterAim(faster) } : {};
      return [leftOut({ suite, table: name, what: "all", who: "Berth", ...aim }, bench)];
    }
    const mark = bench.workspace.mark();
    try {
      return withAbsent(await work(bench, context), bench.missing, faster);
    } finally {
      await bench.workspace.clear(mark);
    }
  };
  return { suite, name, prepare: tools, run };
}

function single(one: Plan, surroundings: Partial<Surroundings>): Experiment {
  const name = `one call, ${one.held.toLocaleString("en-US")} held`;
  const work: Work = async (bench) => {
    const rows = await measureCalls(bench, one, { table: CALLS, ...surroundings });
    const what = `ADD, ${one.held.toLocaleString("en-US")} held`;
    const others = bench.missing.filter(
      (text) => roleOf(text) !== "peer" && one.calls[roleOf(text)],
    );
    const head = { suite, table: CALLS, what, who: "" };
    const left = others.map((text) => named(leftOut(head, text)));
    const last = rows.findLastIndex((row) => row.table === CALLS && row.what === what);
    const all = rows.toSpliced(last + 1, 0, ...left);
    return one.held === 0 ? all.map((row) => withOrigin(row, what, bench.programs)) : all;
  };
  return experiment(name, work, one.faster);
}

/** The first row of each program says where it is from: a package, a compiler. */
function withOrigin(row: Row, what: string, programs: readonly Program[]): Row {
  const from = programs.find(({ label }) => label === row.who)?.origin;
  if (!from || row.table !== CALLS || row.what !== what) return row;
  return { ...row, note: row.note ? `${row.note}, ${from}` : from };
}

/** Which plans a missing program is missed in. */
function roleOf(missing: string): Role {
  if (missing.startsWith("berth with")) return "glibc";
  if (missing.startsWith("berth on")) return "node";
  return missing.startsWith("empty") ? "floor" : "peer";
}

/** Berth and the peers only, with a table of their own. */
function special(name: string, table: string, helds: Plan[], more: Partial<Surroundings>) {
  return experiment(name, async (bench) => {
    const warm = more.mode === "cold" ? noDisk() : undefined;
    if (warm !== undefined) return [leftOut({ suite, table, what: "all", who: "Berth" }, warm)];
    const rows: Row[] = [];
    for (const one of helds) rows.push(...(await measureCalls(bench, one, { table, ...more })));
    return rows;
  });
}

/** The suite, by size of the run. */
export function plugins(quick: boolean): Experiment[] {
  const plans = quick ? QUICK : FULL;
  const few = (held: number, peer: number): Plan =>
    plan(held, 0, quick ? { berth: 5, peer: 3 } : { berth: 48, peer });
  const cold = (held: number): Plan =>
    plan(held, 0, quick ? { berth: 3, peer: 2 } : { berth: 24, glibc: 24, peer: held ? 12 : 24 });
  const size = quick ? "quick" : "full";
  return [
    ...plans.map((one, at) => {
      const last = at === plans.length - 1;
      return single(one, { besideNone: last, memory: at === 0 || last, byBefore: true });
    }),
    special(
      "annotations on stdin",
      `one call with ${ANNOTATION_BYTES / 1000} KB of annotations on stdin`,
      quick ? [few(0, 3)] : [few(0, 48), few(250, 24)],
      { network: { annotationBytes: ANNOTATION_BYTES } },
    ),
    special("cold page cache", COLD_TABLE, quick ? [cold(0)] : [cold(0), cold(250)], {
      mode: "cold",
    }),
    ...STORMS[size].map((one) =>
      experiment(`storm, ${one.size.toLocaleString("en-US")} at once`, (bench) =>
        measureStorm(bench, one),
      ),
    ),
    experiment("adoption", (bench) => measureAdoption(bench, quick ? 100 : 2_000, quick ? 2 : 7)),
    experiment("bridge", async (bench) => {
      const rows: Row[] = [];
      for (const held of quick ? [0] : [0, 1_000])
        rows.push(...(await measureBridge(bench, held, quick ? 2 : 20)));
      return rows;
    }),
  ];
}

// npm run bench:plugin: whole plugin processes, Berth beside host-local in one run.
//
//     npm run bench:plugin -- [--quick] [--only SECTION] [--seed N] [--turn N] [--json FILE]
//                             [--no-install]
//
// Goals: the figures of the README, from one command, with everything that makes them readable:
// machine, versions, seed, spread, the peers on the same work, the target beside each, and a
// check that all programs gave the same addresses. Non-goals: throughput of the allocator inside a
// process (the other benches), other IPAM plugins that need a server.
//
// BERTH names another plugin to measure (also a host-local, to try the bench itself), HOST_LOCAL
// another peer. Exits 0 when everything ran and was right, whether targets were met or not; 1 when
// a call failed or an address was wrong; 2 for wrong usage.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, release } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measureBridge } from "./bridge.ts";
import { type Bench, measureCalls, type Plan } from "./calls.ts";
import { CALL_HEAD, type Row, SPREAD_MAX, sectionText } from "./figures.ts";
import { findPrograms, type Program } from "./programs.ts";
import { randomOf } from "./schedule.ts";
import { Spawner } from "./spawner.ts";
import { measureStorms } from "./storm.ts";
import { execute, Workspace } from "./workspace.ts";

type Size = {
  name: "full" | "quick";
  plans: Plan[];
  storms: number[];
  stormSecondsMax: number;
  bridge: { held: number; calls: number }[];
};

/** A row of the plan: calls of Berth, of Berth on Node, of each peer, of each empty program. */
function plan(held: number, faster: number, calls: [number, number, number, number]): Plan {
  const [berth, node, peer, floor] = calls;
  return { held, faster, calls: { berth, node, peer, floor } };
}

const FULL: Size = {
  name: "full",
  plans: [
    plan(0, 10, [300, 20, 300, 300]),
    plan(250, 30, [200, 0, 200, 0]),
    plan(1_000, 80, [200, 20, 80, 0]),
    plan(4_000, 300, [200, 0, 25, 0]),
    plan(60_000, 0, [300, 0, 3, 0]),
  ],
  storms: [110, 250, 500, 1_000],
  stormSecondsMax: 90,
  bridge: [
    { held: 0, calls: 20 },
    { held: 1_000, calls: 20 },
  ],
};

const QUICK: Size = {
  name: "quick",
  plans: [plan(0, 10, [40, 2, 40, 40]), plan(250, 30, [20, 0, 20, 0])],
  storms: [30],
  stormSecondsMax: 5,
  bridge: [{ held: 0, calls: 2 }],
};

const STORM_HEAD = ["p50 ms", "p99 ms", "last ms", "compared", "target"];
const MEMORY_HEAD = ["peak resident", "private", "compared", "target"];

const SECTIONS = ["calls", "storm", "bridge"];

const root = findRoot();

function findRoot(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < 8; up++, at = dirname(at)) {
    try {
      readFileSync(join(at, "asconfig.json"));
      return at;
    } catch {
      // Not here: the file runs from bench/plugin and from build/js/bench/plugin.
    }
  }
  throw new Error("the bench runs inside a checkout of berth-ipam");
}

async function header(size: Size, seed: number, workspace: Workspace): Promise<string[]> {
  const pack = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const git = (...args: string[]) => execute("git", args, { cwd: root, timeoutMs: 10_000 });
  const commit = (await git("rev-parse", "--short", "HEAD")).stdout.trim() || "no commit";
  const changed = (await git("status", "--porcelain", "-uno")).stdout.trim() ? ", changed" : "";
  const [cpu] = cpus();
  return [
    `berth ${pack.version} (${commit}${changed})  node ${process.version}  ` +
      `${platform()} ${release()} ${arch()}  seed ${seed}  size ${size.name}`,
    `${cpu?.model.trim() ?? "unknown processor"}, ${cpus().length} cores  ` +
      `state on ${workspace.fileSystem()}`,
  ];
}

function programLines(programs: readonly Program[], missing: readonly string[]): string[] {
  const shown = programs.filter((program) => program.role !== "floor");
  const width = Math.max(...shown.map((program) => program.label.length));
  const path = (program: Program) => program.path.replace(`${root}/`, "");
  return [
    ...shown.map((program) =>
      `  ${program.label.padEnd(width)}  ${path(program)}  ${program.origin}`.trimEnd(),
    ),
    ...missing.map((line) => `  missing: ${line}`),
  ];
}

/** Load averages over which other work is running: before the bench, and beside its own. */
const LOAD_BEFORE_MAX = 0.5;
const LOAD_BESIDE_MAX = 3;

/**
 * What makes the figures unfit to be quoted. Other work isn't fair to both sides: a call of
 * 0.2 ms mostly ends within its time slice, one of 100 ms shares the processor, so ratios grow.
 */
function warnings(rows: readonly Row[], loadBefore: number, loadAfter: number): string[] {
  const measured = rows.filter((row) => row.section === "calls" && row.figures !== undefined);
  const over = measured.filter((row) => row.figures!.spread > SPREAD_MAX);
  const lines: string[] = [];
  if (loadBefore > LOAD_BEFORE_MAX || loadAfter > LOAD_BESIDE_MAX)
    lines.push(
      `warning: other work was running (load ${loadBefore.toFixed(1)} before, ` +
        `${loadAfter.toFixed(1)} after the calls): ratios are flattering, don't quote them`,
    );
  if (over.length > 0) {
    const worst = over.reduce((a, b) => (a.figures!.spread > b.figures!.spread ? a : b));
    lines.push(
      `warning: ${over.length} of ${measured.length} rows spread over ${SPREAD_MAX * 100} %: ` +
        `too noisy to quote (worst: ${worst.situation}, ${worst.label})`,
    );
  }
  return lines;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      seed: { type: "string", default: "42" },
      json: { type: "string" },
      only: { type: "string" },
      turn: { type: "string", default: "1" },
      "no-install": { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0) throw new TypeError("--seed wants a whole number");
  const turn = Number(values.turn);
  if (!Number.isInteger(turn) || turn < 1) throw new TypeError("--turn wants a number from 1 up");
  if (values.only !== undefined && !SECTIONS.includes(values.only))
    throw new TypeError(`--only wants one of ${SECTIONS.join(", ")}`);
  const size = values.quick ? QUICK : FULL;
  const workspace = new Workspace();
  try {
    await bench(size, seed, workspace, {
      turn,
      install: !values["no-install"] && !values.quick,
      sections: values.only === undefined ? SECTIONS : [values.only],
      ...(values.json !== undefined && { json: resolve(values.json) }),
    });
  } finally {
    await workspace.close();
  }
}

type Options = { turn: number; install: boolean; sections: readonly string[]; json?: string };

async function bench(
  size: Size,
  seed: number,
  workspace: Workspace,
  options: Options,
): Promise<void> {
  const load = loadavg()[0]!;
  const head = await header(size, seed, workspace);
  console.log(head.join("\n"));
  console.log(`${options.turn} call(s) of one program in a row (--turn)`);
  const spawner = await Spawner.open(workspace, join(root, "bench/plugin"));
  const { programs, missing } = await findPrograms(root, workspace, options);
  console.log(programLines(programs, missing).join("\n"));

  const run: Bench = { workspace, spawner, programs, random: randomOf(seed), turn: options.turn };
  const rows: Row[] = [];
  let result = "";
  let loadAfter = load;
  if (options.sections.includes("calls")) {
    result = await showCalls(run, size, rows);
    loadAfter = loadavg()[0]!; // the storms to come are a load of their own
  }
  if (options.sections.includes("storm")) {
    const storms = await measureStorms(run, size.storms, size.stormSecondsMax);
    show("storm: N ADDs started at once, N held; from the first start", STORM_HEAD, storms);
    rows.push(...storms);
  }
  if (options.sections.includes("bridge")) {
    const bridge: Row[] = [];
    for (const { held, calls } of size.bridge)
      bridge.push(...(await measureBridge(run, held, calls)));
    show("a whole interface: the plugin bridge with either", CALL_HEAD, bridge);
    rows.push(...bridge);
  }
  console.log("\nposix_spawn from C; a p99 of fewer than 100 calls is their maximum");
  if (result) console.log(`result hash ${result}: all gave the same addresses in the same order`);
  const judged = rows.filter((row) => row.met !== undefined);
  const met = judged.filter((row) => row.met).length;
  const noise = warnings(rows, load, loadAfter);
  const doubt = noise.length > 0 ? ", but see the warnings" : "";
  if (judged.length > 0) console.log(`targets: ${met} met, ${judged.length - met} missed${doubt}`);
  for (const line of noise) console.log(line);
  if (options.json === undefined) return;
  const all = { head, seed, size: size.name, programs, missing, result, noise, rows };
  writeFileSync(options.json, `${JSON.stringify(all, null, 2)}\n`);
}

/** Measures and shows the single calls and their memory; answers the hash of what was given. */
async function showCalls(run: Bench, size: Size, rows: Row[]): Promise<string> {
  const memory: Row[] = [];
  const hash = createHash("sha256");
  for (const [at, one] of size.plans.entries()) {
    const last = at === size.plans.length - 1;
    progress(`${one.held} held`);
    const made = await measureCalls(run, one, {
      besideNone: last && at > 0,
      memory: at === 0 || last,
    });
    rows.push(...made.rows);
    memory.push(...made.memory);
    for (const pair of made.given) hash.update(`${pair}\n`);
  }
  progress("");
  show("one call, dual stack, spawn to exit; spread: quartiles by median", CALL_HEAD, rows);
  show("memory of one ADD when it answers", MEMORY_HEAD, memory);
  rows.push(...memory);
  return hash.digest("hex").slice(0, 8);
}

function show(title: string, columns: readonly string[], rows: readonly Row[]): void {
  console.log(`\n${sectionText(title, columns, rows)}`);
}

/** What is being measured, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

try {
  await main();
} catch (error) {
  const usage = error instanceof TypeError;
  console.error(`bench:plugin: ${error instanceof Error ? error.message : error}`);
  process.exitCode = usage ? 2 : 1;
}

// npm run bench, npx berth bench: Berth's figures beside its peers', in one run.
//
//     bench [--quick] [--filter TEXT ...] [--seed N] [--peers | --no-peers] [--json FILE]
//           [--turn N] [--operations N]
//     bench --compare A.json B.json
//     bench --baseline
//     bench --publish
//     bench --page
//
// Suites: core (bitmap, radix, pools), churn (re-use of addresses), plugin (whole processes), store
// (durable commits, recovery), instructions (counted by valgrind, against a baseline of the same
// compiler and libc; --baseline counts and writes it).
//
// A full run goes over the list in sweeps (method/sweeps.ts), 13 to 14 minutes of them. --quick
// runs everything once with tiny counts in under a minute, without what would have to be installed.
// --peers (the default of a full run) installs what peers need below build/peers; --no-peers leaves
// them out. --turn: calls of one plugin in a row; --operations: how many the law of two threads is
// tried with.
//
// --publish is a full run whose results become bench/results/results.json, docs/BENCHMARKS.md and
// docs/plots; --page makes the page and the plots anew from those results.
//
// Exits 0 when everything ran, whether targets were met or not, or two results agree; 1 when
// something was wrong (a call failed, an allocator gave other addresses than its peers, more
// instructions than the baseline allows, two results don't agree); 2 for arguments that are refused
// before anything is measured or compared: also a file that can't be read or written.
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { readArguments, UsageError } from "../src/cli/arguments.ts";
import { prepareAlone, runAlone } from "./alone.ts";
import { threads } from "./core/threads.ts";
import { experiments } from "./experiments.ts";
import { HELP } from "./help.ts";
import { baselinePath, toolchain, writeBaseline } from "./instructions/baseline.ts";
import { suite as counted } from "./instructions/instructions.ts";
import { judged } from "./method/aim.ts";
import { compareFiles } from "./method/compare.ts";
import type { Context, Experiment } from "./method/experiment.ts";
import { noDisk } from "./method/filesystem.ts";
import { undoAtSignal } from "./method/leaving.ts";
import { machine, shareOf, ticks, warnings } from "./method/machine.ts";
import { mergePasses } from "./method/passes.ts";
import { type Row, sameWork } from "./method/row.ts";
import { FULL, limitsAfter, QUICK, sweeps } from "./method/sweeps.ts";
import { tablesText } from "./method/table.ts";
import { closePlugin, closeSweep } from "./plugin/plugin.ts";
import { pagePaths, writePage } from "./report/page.ts";
import { readResult, resultPath, resultText } from "./report/result.ts";

function whole(name: string, text: string, least: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${name} ${text} is not a whole number from ${least} up`);
  return value;
}

const OPTIONS = {
  quick: { type: "boolean", default: false },
  filter: { type: "string", multiple: true, default: [] as string[] },
  seed: { type: "string", default: "42" },
  peers: { type: "boolean" },
  "no-peers": { type: "boolean", default: false },
  json: { type: "string" },
  turn: { type: "string", default: "1" },
  operations: { type: "string", default: "0" },
  compare: { type: "boolean", default: false },
  baseline: { type: "boolean", default: false },
  publish: { type: "boolean", default: false },
  page: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

function read(argv: string[]) {
  const { values, positionals, given } = readArguments(argv, OPTIONS);
  const modes = (["compare", "baseline", "publish", "page"] as const).filter((one) => values[one]);
  if (modes.length > 1) throw new UsageError(`either --${modes[0]} or --${modes[1]}`);
  // What measures nothing takes no option of a measurement.
  const still = values.compare || values.page;
  const idle = [...given].find((one) =>
    still ? one !== modes[0] && one !== "help" : one === "filter" || one === "json",
  );
  if ((still || values.baseline) && idle !== undefined)
    throw new UsageError(`--${modes[0]} goes without --${idle}`);
  if (values.compare && positionals.length !== 2) throw new UsageError("--compare wants two files");
  if (!values.compare && positionals.length > 0)
    throw new UsageError(`${positionals[0]} is no option: --filter ${positionals[0]}?`);
  if (values.publish && (values.quick || values["no-peers"] || values.filter.length > 0))
    throw new UsageError("--publish is for a full run, without --quick, --no-peers and --filter");
  if (values.peers && values["no-peers"]) throw new UsageError("either --peers or --no-peers");
  const context: Context = {
    quick: values.quick,
    seed: whole("seed", values.seed, 0),
    peers: !values["no-peers"],
    install: values.peers ?? (!values.quick && !values["no-peers"]),
    operations: whole("operations", values.operations, 0),
    turn: whole("turn", values.turn, 1),
    pass: 0,
  };
  return { ...values, positionals, context };
}

function chosen(context: Context, filters: readonly string[]): Experiment[] {
  const all = experiments(context.quick);
  const suites = new Set(all.map(({ suite }) => suite));
  const matches = ({ suite, name }: Experiment, text: string) =>
    suites.has(text)
      ? suite === text
      : `${suite} ${name}`.toLowerCase().includes(text.toLowerCase());
  for (const text of filters)
    if (!all.some((one) => matches(one, text)))
      throw new UsageError(`nothing matches ${text}; there are:\n${listOf(all)}`);
  if (filters.length === 0) return all;
  return all.filter((one) => filters.some((text) => matches(one, text)));
}

/** An option that nothing chosen reads would do nothing. */
function needReaders(list: readonly Experiment[], { turn, operations }: Context): void {
  if (operations > 0 && !list.includes(threads))
    throw new UsageError(`--operations is for ${threads.name}, which --filter leaves out`);
  if (turn !== 1 && !list.some(({ suite }) => suite === "plugin"))
    throw new UsageError("--turn is for the suite plugin, which --filter leaves out");
}

/**
 * Where every tool has to be there (.ci/run), a row of Berth's own that was left out is an error. A
 * disk isn't a tool.
 */
function needRows(rows: readonly Row[]): void {
  if (process.env.BERTH_NEEDS !== "must") return;
  const isLeft = ({ who, missing }: Row) => missing && who === "Berth" && missing !== noDisk();
  const left = rows.find(isLeft);
  if (left) throw new Error(`${left.what}, ${left.who}: ${left.missing}, but has to be here`);
}

function listOf(all: readonly Experiment[]): string {
  return all.map(({ suite, name }) => `  ${suite} ${name}`).join("\n");
}

/** What is being measured, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** All but whole plugins, which are processes anyway, are measured in a process of their own. */
function isAlone({ suite }: Experiment): boolean {
  return suite !== "plugin";
}

/** Runs them all in sweeps, merges the passes of each, and shows every table. */
async function runAll(list: readonly Experiment[], context: Context): Promise<Row[]> {
  const now = () => performance.now() / 1000;
  const begun = now();
  const measure = (one: Experiment, pass: number) => {
    progress(`sweep ${pass + 1}: ${one.suite} ${one.name}`);
    const own = { ...context, pass };
    return isAlone(one) ? runAlone(one, own) : one.run(own);
  };
  const swept = async (sweep: number, taken: number) => {
    // The next sweep has new copies of all programs, new directories, new states.
    await closeSweep();
    progress("");
    if (!context.quick && taken > 0)
      console.log(`sweep ${sweep + 1}: ${taken} of ${list.length} experiments`);
  };
  try {
    // What is built now is no part of a pass: those that take long get fewer of them.
    progress("preparing");
    await prepareAlone(list.filter(isAlone), context);
    for (const one of list) if (!isAlone(one)) await one.prepare?.(context);
    const limits = limitsAfter(now() - begun, context.quick ? QUICK : FULL);
    const passes = await sweeps(list, { limits, measure, swept, now });
    const merged = passes.map((own, at) => (list[at]!.counted ? own.flat() : mergePasses(own)));
    const rows = judged(merged.flat());
    console.log(tablesText(rows));
    return rows;
  } finally {
    progress("");
    await closePlugin();
  }
}

/** Throws now where a result couldn't be written after the minutes that it takes. */
function needWritable(path: string): void {
  const isThere = existsSync(path);
  try {
    closeSync(openSync(path, "a"));
  } catch (error) {
    throw new UsageError(`no result can be written there: ${(error as Error).message}`);
  }
  if (!isThere) rmSync(path);
}

function say(written: readonly string[]): void {
  for (const path of written) console.log(`written: ${path}`);
}

/** So long it listens whether anything else runs, before it begins. */
const LISTEN_MS = 1000;

async function bench(argv: string[]): Promise<number> {
  const { context, filter, json, compare, baseline, publish, page, help, positionals } = read(argv);
  if (help) {
    console.log(HELP);
    return 0;
  }
  if (page) {
    const result = readResult();
    for (const path of pagePaths()) needWritable(path);
    say(writePage(result));
    return 0;
  }
  if (compare) return compareFiles(positionals[0]!, positionals[1]!, console.log);
  const list = chosen(context, baseline ? [counted] : filter);
  needReaders(list, context);
  const paths = [
    ...(json === undefined ? [] : [resolve(json)]),
    ...(publish ? [resultPath()] : []),
  ];
  for (const path of [
    ...paths,
    ...(publish ? pagePaths() : []),
    ...(baseline ? [baselinePath()] : []),
  ])
    needWritable(path);
  const load = loadavg()[0]!;
  const idle = ticks();
  await setTimeout(LISTEN_MS);
  const from = ticks();
  const begun = performance.now();
  const where = machine();
  const size = context.quick ? "quick" : "full";
  console.log(`berth ${where.berth} (${where.commit})  node ${where.node}  ${where.system}`);
  console.log(
    `${where.processor}, ${where.cores} cores  ${where.compiler}  files on ${where.fileSystem}`,
  );
  console.log(`seed ${context.seed}  size ${size}  load ${load.toFixed(2)}`);
  const rows = await runAll(list, context);
  const to = ticks();
  const beside = { others: shareOf("others", from, to), stolen: shareOf("stolen", from, to) };
  const before = shareOf("busy", idle, from);
  const noise = [
    ...(context.quick ? ["a quick run does everything once, hardly warm: don't quote it"] : []),
    ...warnings(rows, { before, ...beside }, where.clockStep),
  ];
  const targets = rows.filter((row) => row.met !== undefined);
  const met = targets.filter((row) => row.met).length;
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log(`\n${seconds} s; targets: ${met} met, ${targets.length - met} missed`);
  for (const line of noise) console.log(`warning: ${line}`);
  sameWork(rows);
  needRows(rows);
  if (baseline) {
    writeBaseline(rows, toolchain());
    console.log(`the baseline of ${toolchain()} is written`);
    return 0;
  }
  const { seed, turn } = context;
  const run = { machine: where, seed, size, turn, load, ...beside, seconds };
  const result = { ...run, warnings: noise, rows };
  for (const path of paths) writeFileSync(path, resultText(result));
  if (publish) say(writePage(result));
  const worse = rows.filter((row) => row.suite === counted && row.met === false);
  for (const { what, ratio } of worse)
    console.error(
      `bench: ${what}: ${(ratio! * 100 - 100).toFixed(1)} % more instructions than the baseline ` +
        "(--baseline accepts them)",
    );
  return worse.length > 0 ? 1 : 0;
}

/** The verb `bench`; its exit status. */
export async function benchCommand(argv: string[]): Promise<number> {
  // Who read the tables has gone (`| head`): the run goes on, since its results may be a file.
  process.stdout.on("error", () => {});
  // From the first moment on a signal finds a way out that leaves nothing.
  const forget = undoAtSignal(() => {});
  try {
    return await bench(argv);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
    if (!(error instanceof UsageError)) return 1;
    console.error("bench --help tells the options");
    return 2;
  } finally {
    forget();
  }
}

// Machine: where and with what a run's figures were made, and what makes them unfit to be quoted.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, cpus, platform, release } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { fileSystem } from "./filesystem.ts";
import { clockStep } from "./measure.ts";
import { findCompiler } from "./native.ts";
import type { Row } from "./row.ts";

export interface Machine {
  berth: string;
  /** The checkout's commit, with "changed" if files differ from it; "package" outside of one. */
  commit: string;
  node: string;
  v8: string;
  system: string;
  processor: string;
  cores: number;
  compiler: string;
  /** Of temporary files: every state is one. */
  fileSystem: string;
  /** Nanoseconds. */
  clockStep: number;
}

/** The first line that a command prints; "" if it fails. */
export function firstLine(command: string, args: readonly string[], cwd?: string): string {
  const done = spawnSync(command, args, { encoding: "utf8", ...(cwd && { cwd }) });
  return done.status === 0 ? done.stdout.split("\n")[0]!.trim() : "";
}

function commitOf(root: string): string {
  const top = firstLine("git", ["rev-parse", "--show-toplevel"], root);
  // An installed package may lie inside somebody else's repository.
  if (top !== root) return "package";
  const commit = firstLine("git", ["rev-parse", "--short", "HEAD"], root) || "no commit";
  return firstLine("git", ["status", "--porcelain", "-uno"], root) ? `${commit}, changed` : commit;
}

/** The compiler's name and version, as the native build uses it: "musl-gcc 14.2.0". */
export function compilerName(): string {
  const compiler = findCompiler();
  if (!compiler) return "none";
  const version = firstLine(compiler.command, ["-dumpfullversion", "-dumpversion"]);
  return `${compiler.command} ${version || "of unknown version"}`;
}

export function machine(): Machine {
  const root = packageRoot();
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return {
    berth: version,
    commit: commitOf(root),
    node: process.version,
    v8: process.versions.v8,
    system: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    compiler: compilerName(),
    fileSystem: fileSystem(),
    clockStep: clockStep(),
  };
}

/** What the processors did since the machine was started, in ticks of all of them together. */
export interface Ticks {
  busy: number;
  /** Busy with other work than this process and its children that have ended. */
  others: number;
  /** In which a virtual machine had work and another guest had the processor. */
  stolen: number;
  all: number;
}

/** Ticks of this process and of its children that have ended, with theirs. */
function ownTicks(path: string): number {
  const text = readFileSync(path, "utf8");
  // Behind the name, which may have blanks in it: state is field 3, times are fields 14 to 17.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

/** Undefined where the system doesn't tell (/proc). */
export function ticks(path = "/proc/stat", self = "/proc/self/stat"): Ticks | undefined {
  try {
    const line = readFileSync(path, "utf8").split("\n")[0]!;
    const [user, nice, system, idle, wait, irq, soft, stolen] = line
      .split(/ +/)
      .slice(1)
      .map(Number);
    const busy = user! + nice! + system! + irq! + soft!;
    const all = busy + idle! + wait! + stolen!;
    return { busy, others: busy - ownTicks(self), stolen: stolen!, all };
  } catch {
    return undefined;
  }
}

/** The share of one kind of ticks between two moments; never below 0. */
export function shareOf(
  kind: "busy" | "others" | "stolen",
  from?: Ticks,
  to?: Ticks,
): number | undefined {
  if (!from || !to || to.all === from.all) return undefined;
  return Math.max(0, (to[kind] - from[kind]) / (to.all - from.all));
}

/** What disturbed a run: shares of all processors' time, undefined where they can't be told. */
export interface Disturbance {
  /** By other work, in the second before it. */
  before?: number | undefined;
  /** By other work in the run, the kernel's own for it among that. */
  others?: number | undefined;
  /** By other guests of the machine, in the run. */
  stolen?: number | undefined;
}

/**
 * Above which other work is running before the bench, and beside it: measured, since a load average
 * remembers the build a minute ago and has the bench's own storms in it.
 */
const BEFORE_MAX = 0.1;
const OTHERS_MAX = 0.1;
const STOLEN_MAX = 0.02;
/** The table whose rows are of all pods of a storm. */
export const STORM_WAITS = "storm: what each of its pods waits";
/** A spread above this makes a row too noisy to be quoted. */
export const SPREAD_MAX = 0.5;

/**
 * What makes the figures unfit to be quoted. Other work isn't fair to both sides: a call of
 * 0.2 ms mostly ends within its time slice, one of 100 ms shares the processor, so ratios grow.
 */
export function warnings(
  rows: readonly Row[],
  { before = 0, others = 0, stolen = 0 }: Disturbance,
  step: number,
): string[] {
  const lines: string[] = [];
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  if (before > BEFORE_MAX || others > OTHERS_MAX)
    lines.push(
      `other work was running (${percent(before)} of the processors' time before, ` +
        `${percent(others)} meanwhile): don't quote these figures`,
    );
  if (stolen > STOLEN_MAX)
    lines.push(
      `other guests of this machine took ${percent(stolen)} of the processors' time: medians are ` +
        "of a machine that is slower by turns",
    );
  if (step > 1000) lines.push(`the clock's step is ${step} ns: too coarse for short samples`);
  const coarse = rows.filter((row) => row.note?.includes("clock too coarse"));
  if (coarse.length > 0)
    lines.push(
      `samples of ${coarse.length} row(s) are too short for the clock: ${coarse[0]!.what}`,
    );
  // How soon an address comes back spreads by the policy, what the pods of a storm wait by their
  // place in it: neither by the machine's noise.
  const isTimed = ({ figures, unit, table }: Row) =>
    figures && ["ns", "us", "ms"].includes(unit) && table !== STORM_WAITS;
  const timed = rows.filter(isTimed);
  const noisy = timed.filter((row) => row.figures!.spread > SPREAD_MAX);
  if (noisy.length > 0) {
    const worst = noisy.reduce((a, b) => (a.figures!.spread > b.figures!.spread ? a : b));
    lines.push(
      `${noisy.length} of ${timed.length} rows spread over ${SPREAD_MAX * 100} %: too noisy to ` +
        `quote (worst: ${worst.what}, ${worst.who})`,
    );
  }
  return lines;
}

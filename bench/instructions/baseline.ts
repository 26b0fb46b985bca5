// Baseline: the instruction counts that later ones are compared with, by compiler and libc, since
// each has its own. bench/results/instructions.json:
//
//     { "musl-gcc 12.2.0, musl 1.2.3": { "ADD, 0 held": 63370, ... }, ... }
//
// Written by `npm run bench -- --baseline`; keys of other compilers stay as they are.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { compilerName, firstLine } from "../method/machine.ts";
import { findCompiler } from "../method/native.ts";
import type { Row } from "../method/row.ts";

/** A count may be this many times its baseline. */
export const WORSE_MAX = 1.05;

export type Counts = Record<string, number>;
export type Baselines = Record<string, Counts>;

export function baselinePath(): string {
  return join(packageRoot(), "bench/results/instructions.json");
}

export function readBaselines(path = baselinePath()): Baselines {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Baselines) : {};
}

/** musl says its version only when its loader is run, on standard error. */
function muslVersion(): string {
  const { stderr } = spawnSync(`/lib/ld-musl-${machineName()}.so.1`, [], { encoding: "utf8" });
  return /^Version (\S+)/m.exec(stderr ?? "")?.[1] ?? "of unknown version";
}

function machineName(): string {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}

/** What the counts depend on beside our sources: "musl-gcc 12.2.0, musl 1.2.3, x64". */
export function toolchain(): string {
  const isMusl = findCompiler()?.command.includes("musl");
  const glibc = firstLine("ldd", ["--version"]).match(/(\S+)$/)?.[1] ?? "of unknown version";
  const libc = isMusl ? `musl ${muslVersion()}` : `glibc ${glibc}`;
  return `${compilerName()}, ${libc}, ${process.arch}`;
}

/**
 * Judges rows of counts by the baseline of their toolchain. Rows of another one, or without a
 * baseline, are only reported.
 */
export function judge(rows: readonly Row[], baselines: Baselines, tools: string): Row[] {
  const known = baselines[tools];
  return rows.map((row) => {
    const base = known?.[row.what];
    const target = `<= ${WORSE_MAX} x`;
    if (row.value === undefined) return base === undefined ? row : { ...row, target };
    if (base === undefined) return { ...row, note: `no baseline for ${tools}` };
    const ratio = row.value / base;
    return { ...row, ratio, beside: "the baseline", target, met: ratio <= WORSE_MAX };
  });
}

/** Takes the rows' counts for the baseline from now on. */
export function writeBaseline(rows: readonly Row[], tools: string, path = baselinePath()): void {
  const counts: Counts = {};
  for (const row of rows) if (row.value !== undefined) counts[row.what] = row.value;
  if (Object.keys(counts).length === 0) throw new Error("nothing was counted: no baseline written");
  const all = { ...readBaselines(path), [tools]: counts };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`);
}

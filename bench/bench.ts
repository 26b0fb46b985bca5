// npm run bench: the library's figures, each beside its target.
//
//     npm run bench -- [--quick] [--only SUITE ...] [--operations N] [--peers] [--json FILE]
//
// --peers installs SQLite and LMDB under bench/peers and measures them beside the store.
// Suites: hot (take and give by fill, V8 beside wasm2c), sparse (IPv6), prefixes, memory, threads,
// store (durable commits). Whole plugin processes: npm run bench:plugin. Exits 0 when everything
// ran, whether targets were met or not; 1 when something was wrong; 2 for wrong usage.
import { writeFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, release } from "node:os";
import { parseArgs } from "node:util";
import { measureHot } from "./library/hot.ts";
import type { Line } from "./library/measure.ts";
import { measureMemory } from "./library/memory.ts";
import { measurePrefixes } from "./library/prefixes.ts";
import { measureSparse } from "./library/sparse.ts";
import { measureStore } from "./library/store.ts";
import { measureThreads } from "./library/threads.ts";

type Suite = (quick: boolean, operations: number, peers: boolean) => Line[] | Promise<Line[]>;

const SUITES: Record<string, Suite> = {
  hot: measureHot,
  sparse: measureSparse,
  prefixes: measurePrefixes,
  memory: measureMemory,
  threads: measureThreads,
  store: measureStore,
};

function options() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
        operations: { type: "string", default: "0" },
        peers: { type: "boolean", default: false },
        json: { type: "string" },
      },
    });
    const operations = Number(values.operations);
    if (!Number.isSafeInteger(operations) || operations < 0)
      throw new Error(`--operations ${values.operations} is not a number`);
    const unknown = values.only?.find((name) => !(name in SUITES));
    if (unknown) throw new Error(`no suite ${unknown}: ${Object.keys(SUITES).join(", ")}`);
    return { ...values, operations };
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exit(2);
  }
}

/** A section's lines in columns. */
function print(lines: readonly Line[]): void {
  const width = Math.max(...lines.map((line) => line.what.length));
  console.log(`\n${lines[0]!.section}`);
  for (const { what, figure, target, met } of lines) {
    const verdict = met === undefined ? "" : met ? "  met" : "  MISSED";
    const wanted = target ? `  (${target})` : "";
    console.log(`  ${what.padEnd(width)}  ${figure}${wanted}${verdict}`);
  }
}

const { quick, only, operations, peers, json } = options();
const before = loadavg()[0]!;
console.log(`node ${process.version}  ${platform()} ${release()} ${arch()}  ${cpus()[0]?.model}`);
const all: Line[] = [];
for (const [name, suite] of Object.entries(SUITES)) {
  if (only && !only.includes(name)) continue;
  const lines = await suite(quick, operations, peers);
  all.push(...lines);
  const sections = [...new Set(lines.map((line) => line.section))];
  for (const section of sections) print(lines.filter((line) => line.section === section));
}
const judged = all.filter((line) => line.met !== undefined);
const met = judged.filter((line) => line.met).length;
console.log(`\ntargets: ${met} met, ${judged.length - met} missed`);
if (before > 0.5)
  console.log(`warning: the machine was busy when this began (load ${before.toFixed(2)})`);
if (json)
  writeFileSync(json, `${JSON.stringify({ node: process.version, lines: all }, null, 2)}\n`);

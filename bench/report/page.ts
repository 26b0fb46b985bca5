// Page: docs/BENCHMARKS.md from a run's JSON, with the plots beside it. Nothing in it is written by
// hand; what a reader should know about the method stands here.
//
//     bench/results/results.json -> docs/BENCHMARKS.md, docs/plots/{held,size}-{light,dark}.svg
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import type { Machine } from "../method/machine.ts";
import { digits } from "../method/measure.ts";
import type { Row } from "../method/row.ts";
import { besideText, remarks, verdict, withUnit } from "../method/table.ts";
import { type Plot, svg } from "./plot.ts";
import { heldPlot, sizePlot } from "./plots.ts";
import { reasonOf } from "./reasons.ts";

/** What --json writes. */
export interface Result {
  machine: Machine;
  seed: number;
  size: string;
  turn: number;
  load: number;
  seconds: number;
  warnings: string[];
  rows: Row[];
}

const METHOD = `\
Inside a process tinybench measures samples of many operations each. All that is compared takes
turns (A B A B, who begins is drawn by the seed); a figure is the median of all samples, p99 by
nearest rank, spread the distance of the quartiles as a share of the median. "Beside" is how many
times the row's time is of the other's: the median of the ratios of the rounds, so a slow second
moves both sides. Whole processes are spawned by a C program (posix_spawn, wait4), since Node's own
spawn costs more than what is measured; each ADD is followed by the DEL of the same pod. Programs
are copied into the run's directory first, each in one piece, so that the page cache holds all of
them alike.

Rows of one situation do the same work from the same seed, and a hash over every address given and
released shows it: a peer that gives something else fails the run. Rows that say "own policy" give
other free addresses than the first, by design; of those the number is checked.

"Cold" means that the program and its state were synced and dropped from the page cache by
\`posix_fadvise\` before each call. Dropping everything (\`drop_caches\`) would measure the whole
machine's misfortune; inodes and directory entries stay in memory. Instructions are counted by
\`valgrind --tool=callgrind\`, which noise can't touch.`;

const SUITES: Record<string, string> = {
  core: "Core: bitmap, radix, pools",
  churn: "Churn: pods that come and go",
  plugin: "Plugin: whole processes",
  store: "Store: durable allocations",
  instructions: "Instructions",
};

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function tableOf(rows: readonly Row[]): string {
  const lines = [
    "| situation | who | median | p99 | spread | beside | target | |",
    "|---|---|---|---|---|---|---|---|",
  ];
  for (const [at, row] of rows.entries()) {
    const what = at > 0 && rows[at - 1]!.what === row.what ? "" : row.what;
    const name = `| ${cell(what)} | ${cell(row.who)} |`;
    if (row.missing) {
      lines.push(`${name} left out: ${cell(row.missing)} | | | | | |`);
      continue;
    }
    const { figures, value, unit } = row;
    const median = figures?.median ?? value ?? 0;
    const p99 = figures ? digits(figures.p99) : "";
    const spread = figures ? `${Math.round(figures.spread * 100)} %` : "";
    const last = [verdict(row), remarks(row)].filter(Boolean).join("; ");
    lines.push(
      `${name} ${withUnit(median, unit)} | ${p99} | ${spread} | ${cell(besideText(row))} | ` +
        `${cell(row.target ?? "")} | ${cell(last)} |`,
    );
  }
  return lines.join("\n");
}

function shortfalls(rows: readonly Row[]): string {
  const missed = rows.filter((row) => row.met === false);
  if (missed.length === 0) return "Every target was met.";
  const lines = missed.map((row) => {
    const figure = withUnit(row.figures?.median ?? row.value ?? 0, row.unit);
    const beside = row.ratio === undefined ? "" : `, ${besideText(row)}`;
    const head = `- ${row.what}, ${row.who}: ${figure}${beside}`;
    return `${head}; asked for: ${row.target}. ${reasonOf(row)}`;
  });
  // One reason for rows that follow each other is said once.
  const said = new Set<string>();
  return lines
    .map((line, at) => {
      const reason = reasonOf(missed[at]!);
      if (!said.has(reason)) {
        said.add(reason);
        return line;
      }
      return line.replace(reason, "The same reason.");
    })
    .join("\n");
}

function picture(name: string, text: string): string {
  return [
    "<picture>",
    `  <source media="(prefers-color-scheme: dark)" srcset="plots/${name}-dark.svg">`,
    `  <img alt="${text}" src="plots/${name}-light.svg">`,
    "</picture>",
  ].join("\n");
}

/** The whole page. */
export function pageOf(result: Result): string {
  const { machine: m, rows } = result;
  const parts = [
    "# Benchmarks",
    "Made by `npm run bench -- --publish`; in an installed package `npx berth bench` measures too.",
    `Berth ${m.berth} (${m.commit}), Node ${m.node} (V8 ${m.v8}), ${m.system}, ${m.processor}, ` +
      `${m.cores} cores, ${m.compiler}. Seed ${result.seed}, load before ` +
      `${result.load.toFixed(2)}, ${result.seconds} s, ` +
      `${result.turn} call(s) of one plugin in a row.`,
    ...(result.size === "full" ? [] : ["**A quick run: figures not to be quoted.**"]),
    ...result.warnings.map((line) => `**Warning:** ${line}.`),
    picture("held", "Time of an ADD over the pods that a node holds, beside host-local"),
    picture("size", "Time of an allocation over the size of the pool, beside other allocators"),
    "## What falls short",
    shortfalls(rows),
    "## How it is measured",
    METHOD,
  ];
  for (const suite of new Set(rows.map((row) => row.suite))) {
    parts.push(`## ${SUITES[suite] ?? suite}`);
    const own = rows.filter((row) => row.suite === suite);
    for (const table of new Set(own.map((row) => row.table)))
      parts.push(`### ${table}`, tableOf(own.filter((row) => row.table === table)));
  }
  return `${parts.join("\n\n")}\n`;
}

/** Every file of the page, by its path in the package. */
export function filesOf(result: Result): Map<string, string> {
  const files = new Map([["docs/BENCHMARKS.md", pageOf(result)]]);
  const plots: [name: string, plot: Plot][] = [
    ["held", heldPlot(result.rows)],
    ["size", sizePlot(result.rows)],
  ];
  for (const [name, plot] of plots)
    for (const theme of ["light", "dark"] as const)
      files.set(`docs/plots/${name}-${theme}.svg`, svg(plot, theme));
  return files;
}

export function resultPath(): string {
  return join(packageRoot(), "bench/results/results.json");
}

export function readResult(path = resultPath()): Result {
  return JSON.parse(readFileSync(path, "utf8")) as Result;
}

/** One row a line, so that a difference of two runs can be read. */
export function resultText(result: Result): string {
  const { rows, ...rest } = result;
  const head = JSON.stringify(rest, null, 1).slice(0, -2);
  return `${head},\n "rows": [\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n ]\n}\n`;
}

/** Writes the page and its plots into the package; their paths. */
export function writePage(result: Result): string[] {
  const files = filesOf(result);
  mkdirSync(join(packageRoot(), "docs/plots"), { recursive: true });
  for (const [path, text] of files) writeFileSync(join(packageRoot(), path), text);
  return [...files.keys()];
}

// Page: docs/BENCHMARKS.md from a run's JSON, with the plots beside it. Nothing in it is written by
// hand; what a reader should know about the method stands here.
//
//     bench/results/results.json -> docs/BENCHMARKS.md, docs/plots/{held,size}-{light,dark}.svg
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { OWN_TURNS, OWNER_TURNS } from "../core/gorows.ts";
import { digits } from "../method/measure.ts";
import { ERROR_MAX } from "../method/passes.ts";
import type { Row } from "../method/row.ts";
import { besideText, passesText, remarks, scatter, verdict, withUnit } from "../method/table.ts";
import { COLD_TABLE } from "../plugin/calls.ts";
import { svg } from "./plot.ts";
import { heldPlot, sizePlot } from "./plots.ts";
import { reasonOf } from "./reasons.ts";
import type { Result } from "./result.ts";

const COLUMNS = `\
A row says what one program took in one situation; less is better, but for the two tables that
compare speeds ("of plain bytes' speed", "the speed of one"). **median**, **p99** (nearest rank:
the greatest of fewer than 100 values) and **spread** (distance of the quartiles as a share of the
median) are of all values measured; of a single value there is neither p99 nor spread. In ns and in
us a value is the mean of a sample of many operations, so that p99 is of such samples and not of
single calls, but for the tables that say "each call by the clock"; in ms it is of what the row
names, as a whole. The store's us with 64 at once are time divided by commits: how often one is
done. A caller waits about 64 times as long.
**beside** is the comparison: "12 x Berth" means that the row takes 12 times as long as Berth in
the same situation, 0.5 x that it takes half as long. **target** is what we asked for before we
measured, and the last column says whether it was met. Rows of one situation whose **hash** is the
same have given and released the same addresses in the same order. Compare within a situation and
by "beside": a median moves with the machine, and with what else ran in between.`;

const PASSES = `\
Everything is measured in passes, minutes apart, each by new processes, on new copies of the
programs and new states: many rounds of one process would all have its luck with memory, disk and
the moment. A pass's ratio is the median of its rounds; the row's is the geometric mean of its
passes, and **passes** shows the least and the greatest of them and their number. A row goes on,
two passes at least, until the standard error of that mean is under 4 %, or the row's two minutes
or the run's thirteen are over; after two passes the time goes first to the rows that two runs
would most likely differ about. What would take too long is left out by numbers that are laid down,
not by a clock: two runs have the same rows. Targets are judged by the merged figures.`;

const METHOD = `\
Inside a process tinybench measures samples of many operations each. All that is compared takes
turns (A B A B, who begins is drawn by the seed), and a ratio is taken of turns that lie together,
so a slow second moves both sides. Whole processes are spawned by a C program (posix_spawn,
wait4), since Node's own spawn costs more than what is measured; it is linked with musl where there
is musl-gcc, since glibc's posix_spawn maps a stack and makes 122 system calls about signals within
the time of either plugin. Each ADD is followed by the DEL of the same pod. Programs are copied into
the run's directory first, each in one piece, so that the page cache holds all of them alike, and
the disk has written what the making of a state left to write before anything is measured on it.

A slow peer makes fewer calls, so with 4,000 and 60,000 held most of Berth's calls come after a
small program, which leaves the caches warm, and its median is lower than with 250. The table "by
what ran right before it" has both apart. For the cost over held addresses look at its rows "after
a small program": they are about Berth. Those "after host-local or Node" grow with what is held
because host-local does: with more to read it leaves less of the caches to whoever comes next, and
an empty program after it takes longer just so.

Rows of one situation do the same work from the same seed, and a hash over every address given and
released shows it: a peer that gives something else fails the run, as does a pass that gives
something else than the first. Rows that say "own policy" give other free addresses than the
first, by design; of those the number is checked. The hash of whole plugins is over the ADDs that
all programs made; of each further one the addresses are known, and checked. What can't be measured
here is named with the reason.

"Cold" means that the program and its state were synced and dropped from the page cache by
\`posix_fadvise\` before each call. Dropping everything (\`drop_caches\`) would measure the whole
machine's misfortune; inodes and directory entries stay in memory. Instructions are counted by
\`valgrind --tool=callgrind\`, which noise can't touch.

To check it: \`npm run bench -- --json a.json\` twice, then \`npm run bench -- --compare a.json
b.json\` names every ratio that moved by more than 25 %, and each one whose addresses changed (exit
status 1; 2 where one of the files can't be read or is no result).`;

const GO = `\
The peers in Go have the situations that they do in seconds: /24 half full, /16 half and 99 % full,
and those that are filled and emptied. A peer's program keeps its allocator and does some rounds at
a time, by turns with the others; between them Berth has its turn. Alone with one of them Berth's
loop finds its list of held addresses in the cache, and between the peers in JavaScript it doesn't,
so "${OWN_TURNS}" has a row of its own, and the peers in Go are beside that.

Of Kubernetes' services the bitmap in memory is measured. Newer clusters keep their services'
addresses as IPAddress objects: each is a request to the API server, and that is the server's time,
which isn't measured here.`;

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
    "| situation | who | median | p99 | spread | beside | passes | target | notes |",
    "|---|---|---|---|---|---|---|---|---|",
  ];
  for (const [at, row] of rows.entries()) {
    const situation = rows.filter(({ what }) => what === row.what);
    const name = `| ${cell(situation[0] === row ? row.what : "")} | ${cell(row.who)} |`;
    if (row.missing) {
      lines.push(`${name} left out: ${cell(row.missing)} | | | | | | |`);
      continue;
    }
    const same = situation.some((one) => one.hash === row.hash && rows.indexOf(one) < at);
    const { figures, value, unit } = row;
    const median = figures?.median ?? value ?? 0;
    const [p99, spread] = scatter(figures);
    const { hash, ...unhashed } = row;
    const words = [remarks(same ? unhashed : row), ...(same && hash ? ["same hash"] : [])];
    const last = [verdict(row), ...words].filter(Boolean).join("; ");
    lines.push(
      `${name} ${withUnit(median, unit)} | ${p99} | ${spread} | ${cell(besideText(row))} | ` +
        `${passesText(row)} | ${cell(row.target ?? "")} | ${cell(last)} |`,
    );
  }
  return lines.join("\n");
}

/** Rows that were asked for something and couldn't be measured. */
function unmeasured(rows: readonly Row[]): string[] {
  return rows
    .filter(({ missing, target }) => missing !== undefined && target !== undefined)
    .map(
      (row) =>
        `- ${row.what}, ${row.who}: not measured (${row.missing}); asked for: ${row.target}.`,
    );
}

function shortfalls(rows: readonly Row[]): string {
  const left = unmeasured(rows);
  if (rows.every(({ met }) => met === undefined))
    return ["No target was measured.", ...left].join("\n\n");
  const missed = rows.filter((row) => row.met === false);
  const lines = missed.map((row) => {
    const figure = withUnit(row.figures?.median ?? row.value ?? 0, row.unit);
    const beside = row.ratio === undefined ? "" : `, ${besideText(row)}`;
    const head = `- ${row.what}, ${row.who}: ${figure}${beside}`;
    return `${head}; asked for: ${row.target}. ${reasonOf(row)}`;
  });
  // One reason for rows that follow each other is said once.
  const said = new Set<string>();
  const told = lines.map((line, at) => {
    const reason = reasonOf(missed[at]!);
    if (!said.has(reason)) {
      said.add(reason);
      return line;
    }
    return line.replace(reason, "The same reason.");
  });
  if (told.length + left.length === 0) return "Every target was met.";
  return [...told, ...left].join("\n");
}

/** Programs that allocate nothing, or not durably: nobody could be faster than some of them. */
const NO_PEER = /^(empty program|bare log|plain bytes|reading the bytes|closed properly|berth )/;

/** Who takes less time than Berth, and where: what a page like this is apt to hide. */
function faster(rows: readonly Row[]): string {
  const peers = rows.filter(
    ({ ratio, beside, who }) =>
      ratio !== undefined && beside?.startsWith("Berth") && !NO_PEER.test(who),
  );
  if (peers.length === 0) return "No peer was measured.";
  const found = new Map<string, Row[]>();
  for (const row of peers) {
    if (!(row.ratio! < 1)) continue;
    const key = `${row.who}, ${row.table}`;
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  if (found.size === 0) return "No peer was faster than Berth in any row.";
  return [...found]
    .map(([key, own]) => {
      const places = own.map((row) => `${row.what} (${besideText(row).replace(/ Berth.*$/, "")})`);
      return `- ${key}: ${places.join("; ")}`;
    })
    .join("\n");
}

/** Berth's other build where it is the faster one: no peer, and still to be known. */
function otherBuild(rows: readonly Row[]): string[] {
  const cold = rows.filter(
    ({ table, who, ratio }) =>
      table === COLD_TABLE && who === "berth with glibc" && ratio !== undefined,
  );
  const ratios = cold.flatMap(({ ratio }) => (ratio! < 1 ? [ratio!] : []));
  if (ratios.length === 0) return [];
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map(digits);
  const times = least === most ? least : `${least} to ${most}`;
  return [
    `With program and state dropped from the page cache Berth's build with glibc takes ${times} ` +
      `times as long as the shipped one with musl, in ${ratios.length} of ${cold.length} rows: ` +
      "the shipped program is padded to 2 MiB, so that the kernel maps all of it at one page " +
      "fault, and that much is read from the disk then (docs/ARCHITECTURE.md).",
  ];
}

const OWNERS = `\
A pool knows that an address is taken, and not by whom. Calico does, so it is beside
"${OWNER_TURNS}": an Ipam, which keeps an owner for each address and a log on disk, not synced.`;

/** How sure the run is of its ratios. */
function certainty(rows: readonly Row[]): string[] {
  const known = rows.filter(({ error }) => error !== undefined);
  if (known.length === 0) return [];
  const settled = known.filter(({ error }) => error! <= ERROR_MAX).length;
  const worst = known.reduce((a, b) => (a.error! > b.error! ? a : b));
  const share = (error: number) => `${(error * 100).toFixed(1)} %`;
  const single = rows.filter(({ passes }) => passes?.length === 1).length;
  return [
    `In this run ${settled} of ${known.length} ratios of several passes are settled to a ` +
      `standard error of ${ERROR_MAX * 100} %. The least sure one is ${worst.what}, ` +
      `${worst.who}: ${besideText(worst)}, standard error ${share(worst.error!)} in ` +
      `${worst.passes!.length} passes.` +
      (single > 0 ? ` ${single} ratios are of one pass only.` : ""),
  ];
}

function picture(name: string, text: string): string {
  return [
    "<picture>",
    `  <source media="(prefers-color-scheme: dark)" srcset="plots/${name}-dark.svg">`,
    `  <img alt="${text}" src="plots/${name}-light.svg">`,
    "</picture>",
  ].join("\n");
}

function turnText(turn: number): string {
  return turn === 1 ? "one call of a plugin in a row" : `${turn} calls of one plugin in a row`;
}

function disturbedText({ others, stolen }: Result): string {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const parts = [
    ...(others === undefined ? [] : [`${percent(others)} by other work and the kernel's`]),
    ...(stolen === undefined ? [] : [`${percent(stolen)} by other guests`]),
  ];
  return parts.length > 0 ? `, of the processors' time ${parts.join(", ")}` : "";
}

/** Where the states lay; a result of before it was looked at doesn't say. */
function filesText({ fileSystem }: Partial<Result["machine"]>): string {
  return fileSystem === undefined ? "" : `, temporary files on ${fileSystem}`;
}

/** The whole page. */
export function pageOf(result: Result): string {
  const { machine: m, rows } = result;
  const parts = [
    "# Benchmarks",
    "Made by `npm run bench -- --publish`; in an installed package `npx berth bench` measures too.",
    `Berth ${m.berth} (${m.commit}), Node ${m.node} (V8 ${m.v8}), ${m.system}, ${m.processor}, ` +
      `${m.cores} cores, ${m.compiler}${filesText(m)}. Seed ${result.seed}, load before ` +
      `${result.load.toFixed(2)}${disturbedText(result)}; the run took ${result.seconds} s, with ` +
      `${turnText(result.turn)}.`,
    ...(result.size === "full" ? [] : ["**A quick run: figures not to be quoted.**"]),
    ...result.warnings.map((line) => `**Warning:** ${line}.`),
    picture("held", "Time of an ADD over the pods that a node holds, beside host-local"),
    picture("size", "Time of an allocation over the size of the pool, beside other allocators"),
    "## What falls short",
    shortfalls(rows),
    "## Where a peer is faster",
    faster(rows),
    ...otherBuild(rows),
    "## How to read the tables",
    COLUMNS,
    "## How it is measured",
    ...(rows.some(({ passes }) => passes !== undefined) ? [PASSES] : []),
    ...certainty(rows),
    METHOD,
    ...(rows.some(({ who }) => who === OWN_TURNS) ? [GO] : []),
    ...(rows.some(({ who }) => who === OWNER_TURNS) ? [OWNERS] : []),
  ];
  for (const suite of new Set(rows.map((row) => row.suite))) {
    parts.push(`## ${SUITES[suite] ?? suite}`);
    const own = rows.filter((row) => row.suite === suite);
    for (const table of new Set(own.map((row) => row.table)))
      parts.push(`### ${table}`, tableOf(own.filter((row) => row.table === table)));
  }
  return `${parts.join("\n\n")}\n`;
}

const PAGE = "docs/BENCHMARKS.md";
const PLOTS = ["held", "size"] as const;
const THEMES = ["light", "dark"] as const;

function plotPath(name: string, theme: string): string {
  return `docs/plots/${name}-${theme}.svg`;
}

/** Where the page and its plots are written. */
export function pagePaths(): string[] {
  const plots = PLOTS.flatMap((name) => THEMES.map((theme) => plotPath(name, theme)));
  return [PAGE, ...plots].map((path) => join(packageRoot(), path));
}

/** Every file of the page, by its path in the package. */
export function filesOf(result: Result): Map<string, string> {
  const plots = { held: heldPlot(result.rows), size: sizePlot(result.rows) };
  const files = new Map([[PAGE, pageOf(result)]]);
  for (const name of PLOTS)
    for (const theme of THEMES) files.set(plotPath(name, theme), svg(plots[name], theme));
  return files;
}

/** Writes the page and its plots into the package; their paths from here. */
export function writePage(result: Result): string[] {
  const files = filesOf(result);
  for (const [path, text] of files) writeFileSync(join(packageRoot(), path), text);
  return [...files.keys()].map((path) => relative("", join(packageRoot(), path)));
}

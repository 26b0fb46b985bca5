// Peers in Go: builds the programs under bench/peers/go; gorun.ts runs them.
//
// Each peer is an executable of its own, so that one that can't be built takes no other along; it
// is named with the reason all the same. What is built is kept in build/peers/go, beside a key of
// the sources and of Go's version, and is built again when either changes:
//
//     build/peers/go/cidrset       the program
//     build/peers/go/cidrset.key   what it was built from
//
// The programs' protocol is described in bench/peers/go/README.md.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { execute } from "../plugin/execute.ts";
import { failureOf, makePlace, noteFailure } from "./failures.ts";

const BUILD_MS_MAX = 300_000;
const LIST_MS_MAX = 10_000;
const NOT_THERE = "it isn't there";

/** A row that a peer can do. */
export interface GoRow {
  row: string;
  /** Which free slot it gives: "first", "next", "random", "oldest" (free for the longest time). */
  policy: string;
  /** The policy gives the slots in the row's one order; the hash is every common peer's. */
  common: boolean;
  /** More operations than this would take too long. */
  operationsMax?: number;
  /** What a reader of the tables should know about how it did the row. */
  note?: string;
}

/** A row that a peer is not asked to do. */
export interface LeftRow {
  row: string;
  reason: string;
}

export type GoPeer =
  | { peer: string; version: string; rows: GoRow[]; left: LeftRow[] }
  | { peer: string; error: string };

interface Program {
  peer: string;
  /** Name of the executable. */
  name: string;
  /** Folder of its module and the package in it. */
  module: string;
  path: string;
}

const PROGRAMS: readonly Program[] = [
  { peer: "Kubernetes cidrset", name: "cidrset", module: "kubernetes", path: "./cidrset" },
  { peer: "Kubernetes services", name: "service", module: "kubernetes", path: "./service" },
  { peer: "go-ipam", name: "goipam", module: "goipam", path: "." },
  { peer: "Calico", name: "calico", module: "calico", path: "." },
];

/** How the bench finds and builds them; tests put their own in. */
export interface GoOptions {
  /** The go command. */
  go?: string;
  /** Where the programs are kept. */
  out?: string;
  buildMs?: number;
  /** false: what isn't built yet is left out. */
  build?: boolean;
}

interface Finished {
  stdout: string;
  /** Why it failed; undefined when it didn't. */
  failure?: string;
}

/** Runs a program without a shell, never longer than `ms`; doesn't throw. */
async function run(
  path: string,
  args: readonly string[],
  options: { ms: number; cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<Finished> {
  const { ms, cwd, env } = options;
  const began = performance.now();
  const { status, stdout, stderr } = await execute(path, args, { env, cwd, timeoutMs: ms });
  if (status === 0) return { stdout };
  if (status === 137 && performance.now() - began >= ms)
    return { stdout, failure: `took over ${ms / 1000} s` };
  if (status === 127 && stderr === "") return { stdout, failure: NOT_THERE };
  return { stdout, failure: lastWords(stderr) || `it ended with ${status}` };
}

/** What a failing command said last, without addresses of hosts, in one line. */
export function lastWords(stderr: string): string {
  const lines = stderr.trim().split("\n");
  // What go quotes from a server is indented below the line that says what it was doing.
  const last = lines.findLastIndex((line) => /^\S/.test(line));
  return lines
    .slice(Math.max(last, 0))
    .map((line) => line.trim())
    .join(" ")
    .replace(/"?https?:\/\/[^\s"]+"?/g, "the module proxy")
    .replace(/\b(lookup|dial tcp|on) [\w.:[\]-]*[.:][\w.:[\]-]*\w/g, "$1 a host")
    .replace(/\s+/g, " ")
    .slice(0, 300);
}

/** Everything that the executable depends on. */
function keyOf(folder: string, program: Program, version: string): string {
  const hash = createHash("sha256").update(`${version}\n${program.path}\n`);
  for (const module of ["protocol", program.module]) {
    const inside = join(folder, module);
    const names = readdirSync(inside, { recursive: true, encoding: "utf8" });
    for (const name of names.filter((one) => /\.(go|mod|sum)$/.test(one)).sort())
      hash.update(`${module}/${name}\n`).update(readFileSync(join(inside, name)));
  }
  return hash.digest("hex");
}

const outDefault = () => join(packageRoot(), "build/peers/go");

/** Builds the program unless it is there as it should be. */
async function build(program: Program, version: string, options: GoOptions): Promise<Finished> {
  const folder = join(packageRoot(), "bench/peers/go");
  const out = options.out ?? outDefault();
  const path = join(out, program.name);
  const key = keyOf(folder, program, version);
  const kept = `${path}.key`;
  if (existsSync(path) && existsSync(kept) && readFileSync(kept, "utf8") === key)
    return { stdout: "" };
  if (options.build === false)
    return { stdout: "", failure: "not built yet, and this run builds nothing (--peers does)" };
  const known = failureOf(path);
  if (known !== undefined) return { stdout: "", failure: known };
  const noPlace = makePlace(out, [kept]);
  if (noPlace !== undefined) return { stdout: "", failure: noPlace };
  const args = ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", path, program.path];
  const made = await run(options.go ?? "go", args, {
    ms: options.buildMs ?? BUILD_MS_MAX,
    cwd: join(folder, program.module),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  if (made.failure === undefined) writeFileSync(kept, key);
  else noteFailure(path, made.failure);
  return made;
}

/** One peer: built, and asked what it can do. */
async function ask(program: Program, version: string, options: GoOptions): Promise<GoPeer> {
  const { peer } = program;
  const made = await build(program, version, options);
  if (made.failure !== undefined) return { peer, error: `go build: ${made.failure}` };
  const path = join(options.out ?? outDefault(), program.name);
  const listed = await run(path, ["list"], { ms: LIST_MS_MAX });
  if (listed.failure !== undefined) return { peer, error: `list: ${listed.failure}` };
  try {
    return JSON.parse(listed.stdout) as GoPeer;
  } catch {
    return { peer, error: "list: it answered something other than JSON" };
  }
}

/**
 * Every peer in Go, built if it has to be (minutes at the first time, and the network): with its
 * version and rows, or with the reason why it isn't there. Doesn't throw.
 */
export async function goPeers(options: GoOptions = {}): Promise<GoPeer[]> {
  const about = await run(options.go ?? "go", ["version"], { ms: LIST_MS_MAX });
  const found: GoPeer[] = [];
  for (const program of PROGRAMS) {
    const error = about.failure === NOT_THERE ? "go isn't installed" : `go: ${about.failure}`;
    if (about.failure !== undefined) found.push({ peer: program.peer, error });
    else found.push(await ask(program, about.stdout.trim(), options));
  }
  return found;
}

/** The executable of a peer that goPeers() listed; throws for another. */
export function programOf(peer: string, out = outDefault()): string {
  const program = PROGRAMS.find((one) => one.peer === peer);
  if (!program) throw new Error(`${peer}: no such peer in Go`);
  return join(out, program.name);
}

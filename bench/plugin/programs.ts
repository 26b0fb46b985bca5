// Programs: what is measured. Berth's native plugin, the same on Node, every host-local that this
// machine has or can build, and the empty static programs that no process can undercut.
//
// Each carries a version that names it beyond doubt: host-local prints "version unknown" in most
// builds, so the Go build information and the package that owns the file are asked as well.

import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { findCompiler, isFresh } from "../method/native.ts";
import { failureOf, makePlace, noteFailure } from "../peers/failures.ts";
import { lastWords } from "../peers/go.ts";
import { execute } from "./execute.ts";
import { compile } from "./spawner.ts";
import type { Workspace } from "./workspace.ts";

/** How held addresses get into its state: by writing host-local's files, or by calls. */
export type Kind = "berth" | "host-local" | "empty";

/** What a program is in the tables: ours, ours with another libc or on Node, a peer, a floor. */
export type Role = "berth" | "glibc" | "node" | "peer" | "floor";

export type Program = {
  role: Role;
  kind: Kind;
  path: string;
  /** What the table calls it: "host-local 1.1.1". */
  label: string;
  /** Where it is from, when the label doesn't say it all: a package, a compiler. */
  origin: string;
};

export type Found = { programs: Program[]; missing: string[] };

/** The newest release of host-local, by which it is built where Go is. */
const NEWEST = "1.9.1";
const HOST_LOCAL = `github.com/containernetworking/plugins/plugins/ipam/host-local@v${NEWEST}`;
const GO_INSTALL_MS_MAX = 180_000;
export const CNI_DIRECTORIES = ["/opt/cni/bin", "/usr/lib/cni"];

/** Everything there is to measure, Berth first, and one line for each thing that is missing. */
export async function findPrograms(
  root: string,
  workspace: Workspace,
  options: { install: boolean; peers: boolean },
): Promise<Found> {
  const found: Found = { programs: [], missing: [] };
  await addBerth(found, root);
  await addGlibc(found, root, options.install, workspace);
  if (options.peers) await addPeers(found, root, options.install, workspace);
  await addFloors(found, join(root, "bench/plugin/empty.c"), workspace);
  for (const program of found.programs)
    if (program.role !== "node") program.path = copyOf(program.path, workspace);
  return found;
}

/**
 * A copy of a program, written in one piece. All programs are measured so: how the page cache holds
 * one (a linker's small pieces, what was read back after a boot) changes a call by up to 10 %, and
 * rows that drop a program from the page cache must not touch the rows of a later run.
 */
function copyOf(path: string, workspace: Workspace): string {
  const copy = join(workspace.path("program"), basename(path));
  mkdirSync(dirname(copy));
  writeFileSync(copy, readFileSync(path), { mode: 0o755 });
  return copy;
}

async function addBerth(found: Found, root: string): Promise<void> {
  const path = process.env.BERTH ?? join(root, "build/bin/berth");
  if (!existsSync(path)) throw new Error(`${path} isn't there: npm run build, or set BERTH`);
  const about = await aboutLine(path);
  const own = about.name === "berth";
  const label = own ? `berth ${about.version}` : "the stand-in";
  const origin = own ? "" : `${about.name}, measured in the place of berth`;
  const kind: Kind = about.name === "host-local" ? "host-local" : "berth";
  found.programs.push({ role: "berth", kind, path, label, origin });
  const node = join(root, "build/bin/berth-node");
  if (process.env.BERTH) return;
  if (existsSync(node))
    found.programs.push({
      role: "node",
      kind: "berth",
      path: node,
      label: "berth on Node",
      origin: process.version,
    });
  else found.missing.push("berth on Node: build/bin/berth-node isn't built");
}

/** The same plugin linked with glibc, where the native build took musl. */
async function addGlibc(
  found: Found,
  root: string,
  install: boolean,
  { directory }: Workspace,
): Promise<void> {
  const label = "berth with glibc";
  const compiler = findCompiler()?.command;
  if (process.env.BERTH || compiler !== "musl-gcc") {
    found.missing.push(
      `${label}: the native build used ${compiler ?? "no compiler"}, not musl-gcc`,
    );
    return;
  }
  const path = join(root, "build/bench/berth-glibc");
  const program: Program = { role: "glibc", kind: "berth", path, label, origin: "gcc -static" };
  if (isFresh(path, [join(root, "build/cni.wasm"), join(root, "native/host.c")])) {
    found.programs.push(program);
    return;
  }
  if (!install) {
    found.missing.push(`${label}: not built yet, and this run builds nothing (--peers does)`);
    return;
  }
  // The build looks for its compiler once in a process: this one has its own.
  const code =
    'import { compileHost } from "./scripts/native.mjs";' +
    'await compileHost({ wasm: "build/cni.wasm", dir: "build/bench/glibc", profiled: true,' +
    ' out: "build/bench/berth-glibc" });';
  const made = await execute(process.execPath, ["--input-type=module", "-e", code], {
    cwd: root,
    env: { ...process.env, CC: "gcc", TMPDIR: directory },
    timeoutMs: 120_000,
  });
  if (made.status === 0) found.programs.push(program);
  else found.missing.push(`${label}: ${reasonOf(made.stderr)}`);
}

/** The line of a failed program's words that says what was wrong. */
function reasonOf(stderr: string): string {
  const lines = stderr.trim().split("\n");
  return (
    lines.find((line) => /\b(\w*Error|error)\b/.test(line))?.trim() ?? lines.at(-1) ?? "failed"
  );
}

async function addPeers(
  found: Found,
  root: string,
  install: boolean,
  workspace: Workspace,
): Promise<void> {
  const named = process.env.HOST_LOCAL;
  if (named && !existsSync(named)) throw new Error(`HOST_LOCAL names ${named}, which isn't there`);
  const installed = [
    ...(named ? [named] : []),
    ...CNI_DIRECTORIES.map((directory) => join(directory, "host-local")),
  ];
  if (!installed.some((path) => existsSync(path)))
    found.missing.push(
      `host-local as installed: not in $HOST_LOCAL, ${CNI_DIRECTORIES.join(", ")} ` +
        "(Debian's is in containernetworking-plugins)",
    );
  const built = await newestRelease(root, install, workspace);
  if ("missing" in built) found.missing.push(`host-local ${NEWEST}: ${built.missing}`);
  const paths = [...installed, ...("path" in built ? [built.path] : [])];
  found.programs.push(...(await hostLocals(paths)));
}

/** Those that are there, each once, under a name that no other has. */
export async function hostLocals(paths: readonly string[]): Promise<Program[]> {
  const programs: Program[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    if (!existsSync(path) || seen.has(realpathSync(path))) continue;
    seen.add(realpathSync(path));
    const { version, origin } = await hostLocalVersion(path);
    const name = `host-local ${version}`;
    // Two builds of one release: rows of one name would be merged into one.
    const isTaken = programs.some(({ label }) => label === name);
    const label = isTaken ? `${name}, ${path}` : name;
    programs.push({ role: "peer", kind: "host-local", path, label, origin });
  }
  return programs;
}

/** What a plugin says of itself on stderr when it is started without CNI_COMMAND. */
async function aboutLine(path: string): Promise<{ name: string; version: string }> {
  const { stderr } = await execute(path, [], { env: {}, timeoutMs: 10_000 });
  const words = /^CNI (\S+) plugin (?:version )?(\S+)/m.exec(stderr);
  return { name: words?.[1] ?? "unknown plugin", version: words?.[2] ?? "unknown" };
}

async function hostLocalVersion(path: string): Promise<{ version: string; origin: string }> {
  const { version } = await aboutLine(path);
  if (version !== "unknown")
    return { version: version.replace(/^v/, ""), origin: "by its own words" };
  const go = await execute("go", ["version", "-m", path], { timeoutMs: 10_000 });
  const module = /\bmod\s+github\.com\/containernetworking\/plugins\s+v(\S+)/.exec(go.stdout);
  const compiler = /: (go\S+)/.exec(go.stdout)?.[1] ?? "Go";
  if (module) return { version: module[1]!, origin: `built with ${compiler}` };
  const owner = await execute("dpkg", ["-S", path], { timeoutMs: 10_000 });
  const name = owner.stdout.split(":")[0]?.trim();
  if (owner.status !== 0 || !name) return { version: "of unknown version", origin: compiler };
  const query = await execute("dpkg-query", ["-W", "-f", "$" + "{Version}", name]);
  const full = query.stdout.trim();
  return { version: full.replace(/[+-].*$/, ""), origin: `package ${name} ${full}` };
}

/** The pinned release of host-local, from Go's module proxy; built once into build/peers. */
async function newestRelease(
  root: string,
  install: boolean,
  workspace: Workspace,
): Promise<{ path: string } | { missing: string }> {
  const bin = join(root, "build/peers");
  const path = join(bin, "host-local");
  if (existsSync(path)) return { path };
  if (!install) return { missing: "not built yet, and this run builds nothing (--peers does)" };
  const known = failureOf(path);
  if (known !== undefined) return { missing: known };
  const missing = makePlace(bin) ?? (await installRelease(bin, path, workspace));
  if (missing === undefined) return { path };
  noteFailure(path, missing);
  return { missing };
}

/** Why it couldn't be built; undefined if it was. */
async function installRelease(
  bin: string,
  path: string,
  { directory }: Workspace,
): Promise<string | undefined> {
  const made = await execute("go", ["install", HOST_LOCAL], {
    env: { ...process.env, GOBIN: bin, CGO_ENABLED: "0", TMPDIR: directory },
    timeoutMs: GO_INSTALL_MS_MAX,
  });
  if (made.status === 0 && existsSync(path)) return undefined;
  if (made.status === 127) return "needs Go, which isn't installed";
  if (made.status === 137) return `go install took over ${GO_INSTALL_MS_MAX / 1000} s`;
  return `go install: ${lastWords(made.stderr)}`;
}

async function addFloors(found: Found, source: string, workspace: Workspace): Promise<void> {
  const kinds = [
    { libc: "musl", compilers: ["musl-gcc"] },
    { libc: "glibc", compilers: ["cc", "gcc"] },
  ];
  for (const { libc, compilers } of kinds) {
    const path = workspace.path(`empty-${libc}`);
    const label = `empty program, ${libc}`;
    const made = await compile(source, path, compilers, ["-static"]);
    if ("missing" in made) found.missing.push(`${label}: ${made.missing}`);
    else found.programs.push({ role: "floor", kind: "empty", path, label, origin: "" });
  }
}

// Test modules: the AssemblyScript of test/fixtures compiled with the options of a target of
// asconfig.json, kept in build/fixtures/ while they are newer than every source.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { root } from "../../scripts/native.mjs";

const made = join(root, "build/fixtures");
const compiled = new Map<string, WebAssembly.Module>();

function modified(path: string): number {
  return fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** When the youngest of a source and all that it imports was saved. */
function newestSource(fixture: string): number {
  const sources = new Set([fixture]);
  for (const source of sources)
    for (const [, name] of fs.readFileSync(source, "utf8").matchAll(/ from "(\.[^"]+)"/g))
      sources.add(join(dirname(source), `${name}.ts`));
  return Math.max(...[...sources, join(root, "asconfig.json")].map(modified));
}

/** Runs `work` while no other process compiles; a lock that is 3 minutes old is nobody's. */
function alone(work: () => void): void {
  fs.mkdirSync(made, { recursive: true });
  const lock = join(made, "lock");
  for (;;) {
    try {
      fs.mkdirSync(lock);
      break;
    } catch {
      if (Date.now() - modified(lock) > 180_000) fs.rmSync(lock, { recursive: true, force: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    work();
  } finally {
    fs.rmSync(lock, { recursive: true, force: true });
  }
}

/** Path of test/fixtures/`name`.ts, compiled for `target`: core (threads), rooms or cni. */
export function fixturePath(name: string, target: "core" | "rooms" | "cni"): string {
  const source = join(root, "test/fixtures", `${name}.ts`);
  const out = join(made, `${name}.${target}.wasm`);
  const stale = () => newestSource(source) >= modified(out);
  if (stale()) alone(() => stale() && compile(source, target, out));
  return out;
}

function compile(source: string, target: string, out: string): void {
  const begun = Date.now();
  const asc = createRequire(import.meta.url).resolve("assemblyscript/package.json");
  const tool = join(asc, "../bin/asc.js");
  const temporary = `${out}.${process.pid}`;
  const options = ["--config", "asconfig.json", "--target", target, "--outFile", temporary];
  execFileSync(process.execPath, [tool, source, ...options], { cwd: root, stdio: "pipe" });
  // As old as the work's begin: a source that was saved meanwhile is newer.
  fs.utimesSync(temporary, begun / 1000, begun / 1000);
  fs.renameSync(temporary, out);
}

/** The fixture as a module, compiled once in this process. */
export function fixtureModule(name: string, target: "core" | "rooms" | "cni"): WebAssembly.Module {
  // Asked for again and again: the sources are looked at once.
  const key = `${name}.${target}`;
  let module = compiled.get(key);
  if (!module) {
    module = new WebAssembly.Module(fs.readFileSync(fixturePath(name, target)));
    compiled.set(key, module);
  }
  return module;
}

/** The text of an AssemblyScript string at `at`: UTF-16, its bytes counted 4 bytes before it. */
export function literalAt(memory: ArrayBuffer, at: number): string {
  if (at === 0) return "";
  const length = new DataView(memory).getUint32(at - 4, true);
  return Buffer.from(memory, at, length).toString("utf16le");
}

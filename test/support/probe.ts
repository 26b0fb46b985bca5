// The probe: fixtures/probe.ts compiled, and a way to run its scripts on both hosts: in a process
// of the native host's C, and in this process on src/host.ts. One script, one answer.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect } from "vitest";
import { compileHost, findCompiler, root } from "../../scripts/native.mjs";
import { runPlugin } from "../../src/cli/plugin.ts";

const made = join(root, "build/probe");
/** The compiled probe. */
export const wasm = join(made, "probe.wasm");
/** The native host around it. */
export const program = join(made, "probe");
/** Null: there is no native host to test on this machine. */
export const compiler = findCompiler();

/** What a run of the probe came to: its lines, its exit status. */
export interface Outcome {
  lines: string[];
  status: number | null;
}

export interface Options {
  env?: Record<string, string>;
  argv?: string[];
  stdin?: string;
}

export interface HostUnderTest {
  name: string;
  run(script: string[], options?: Options): Promise<Outcome>;
}

function lines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

function environment(script: string[], options: Options): Record<string, string> {
  return { PROBE: script.join("\n"), ...options.env };
}

export const native: HostUnderTest = {
  name: "native",
  run: (script, options = {}) =>
    new Promise((resolve) => {
      const env = environment(script, options);
      const child = execFile(program, options.argv ?? [], { env }, (_, stdout) =>
        resolve({ lines: lines(stdout), status: child.exitCode }),
      );
      child.stdin?.on("error", () => {}); // a script needn't read it
      child.stdin?.end(options.stdin ?? "");
    }),
};

export const node: HostUnderTest = {
  name: "Node",
  async run(script, options = {}) {
    let printed = "";
    const around = {
      env: environment(script, options),
      argv: options.argv ?? [],
      stdin: Buffer.from(options.stdin ?? ""),
      write: (_: number, bytes: Uint8Array) => {
        printed += Buffer.from(bytes).toString();
      },
    };
    const status = await runPlugin(around, wasm);
    return { lines: lines(printed), status };
  },
};

export const hosts = compiler ? [native, node] : [node];

/** Is the probe newer than everything that it is made from? */
function fresh(): boolean {
  const names = ["native", "assembly"].flatMap((dir) =>
    fs
      .readdirSync(join(root, dir), { recursive: true, encoding: "utf8" })
      .map((name) => join(root, dir, name)),
  );
  const own = ["test/fixtures/probe.ts", "scripts/native.mjs", "asconfig.json"];
  const sources = [...names, ...own.map((name) => join(root, name))];
  const newest = Math.max(...sources.map((name) => fs.statSync(name).mtimeMs));
  const outputs = compiler ? [wasm, program] : [wasm];
  return outputs.every(
    (name) => (fs.statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0) > newest,
  );
}

/** Compiles the probe for both hosts, unless that was done since the sources changed. */
export async function buildProbe(): Promise<void> {
  if (fresh()) return;
  fs.mkdirSync(made, { recursive: true });
  const asc = createRequire(import.meta.url).resolve("assemblyscript/package.json");
  const temporary = `${wasm}.${process.pid}`;
  const options = ["--config", "asconfig.json", "--target", "cni", "--outFile", temporary];
  const tool = join(asc, "../bin/asc.js");
  execFileSync(process.execPath, [tool, "test/fixtures/probe.ts", ...options], { cwd: root });
  fs.renameSync(temporary, wasm);
  if (compiler) await compileHost({ wasm, out: program, dir: made });
}

/** A native process that waits for more of its stdin in the middle of its script. */
export interface Held {
  child: ChildProcess;
  /** Lets it go on, and waits until it is gone. */
  release(): Promise<void>;
}

/** Starts a native process that takes the lock of `dir`, makes one more call, and stays. */
export async function holdLock(dir: string, call = "output 1 -"): Promise<Held> {
  const env = { PROBE: `enter ${dir} 1\nlock\n${call}\nstdin 10` };
  const child = spawn(program, { env, stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let printed = "";
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (data) => {
      printed += String(data);
      if (lines(printed).length === 3) resolve();
    });
    child.once("close", () => resolve());
  });
  expect(printed, "enter, lock and the call").toMatch(/^0\n0\n-?0\n$/);
  const release = () => {
    child.stdin.end();
    return gone;
  };
  return { child, release };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

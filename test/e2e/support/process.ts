/**
 * Child processes of the end-to-end tests. Every one has a time limit; at the limit its whole
 * process group is killed, so that a plugin's own children don't outlive a hanging plugin.
 * Nothing else is ever killed: the group is one that this file made.
 */
import { type ChildProcess, spawn } from "node:child_process";

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

export interface StartOptions {
  input?: string;
  env?: Record<string, string>;
  cwd?: string;
  /** Milliseconds until the process group is killed; 30 s where nothing is said. */
  timeout?: number;
  /** Leaves stdin open until `closeInput` is called. */
  keepInput?: boolean;
}

export interface Running {
  readonly pid: number;
  readonly done: Promise<Outcome>;
  stdout(): string;
  stderr(): string;
  closeInput(): void;
  kill(): void;
}

/** What runs a command somewhere: on this machine, in a namespace, in the runtime's mounts. */
export type Exec = (argv: string[], options?: StartOptions) => Running;

const DEFAULT_TIMEOUT_MS = 30_000;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The environment of every child: a search path that has iptables, and nothing of the caller's. */
function environment(extra: Record<string, string> = {}): Record<string, string> {
  return { PATH: `${SYSTEM_PATH}:${process.env.PATH ?? ""}`, LC_ALL: "C", ...extra };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group ended between the look and the signal.
  }
}

/** Starts `argv` in a process group of its own. `done` never rejects. */
export function start(argv: string[], options: StartOptions = {}): Running {
  const [command, ...args] = argv;
  const child = spawn(command!, args, {
    env: environment(options.env),
    cwd: options.cwd,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let timedOut = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A child that ends without reading its input is no fault of the test's.
  child.stdin.on("error", () => {});
  if (options.input !== undefined) child.stdin.write(options.input);
  if (!options.keepInput) child.stdin.end();
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, options.timeout ?? DEFAULT_TIMEOUT_MS);
  const done = new Promise<Outcome>((resolve) => {
    const finish = (code: number | null, signal: NodeJS.Signals | null) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, timedOut });
    };
    child.on("error", (fault) => {
      stderr += `${fault.message}\n`;
      finish(null, null);
    });
    child.on("close", finish);
  });
  return {
    pid: child.pid ?? -1,
    done,
    stdout: () => stdout,
    stderr: () => stderr,
    closeInput: () => child.stdin.end(),
    kill: () => killGroup(child),
  };
}

/** Tells what a command did, for the message of a failing test. */
export function describeOutcome(argv: string[], outcome: Outcome): string {
  const end = outcome.timedOut ? "timed out" : `ended with ${outcome.code ?? outcome.signal}`;
  return `${argv.join(" ")} ${end}\nstdout: ${outcome.stdout}\nstderr: ${outcome.stderr}`;
}

/** Runs `argv` to its end and returns its standard output; any other exit code than 0 throws. */
export async function run(argv: string[], options: StartOptions = {}): Promise<string> {
  return runIn(start, argv, options);
}

/** As `run`, by another `exec`. */
export async function runIn(exec: Exec, argv: string[], options: StartOptions = {}) {
  const outcome = await exec(argv, options).done;
  if (outcome.code !== 0) throw new Error(describeOutcome(argv, outcome));
  return outcome.stdout;
}

/** Puts a command in front: `prefixed(["nsenter", …, "--"])` runs everything in there. */
export function prefixed(prefix: string[]): Exec {
  return (argv, options) => start([...prefix, ...argv], options);
}

/**
 * Asks `probe` until it answers something else than undefined, at most `limit` milliseconds;
 * then throws, naming what was waited for.
 */
export async function until<T>(
  what: string,
  limit: number,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + limit;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`waited ${limit} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

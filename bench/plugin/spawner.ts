// Spawner: the face of spawn.c. Writes a plan, runs it, reads the answers (both in spawn.c's head).

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execute } from "./execute.ts";
import type { Workspace } from "./workspace.ts";

export type Mode = "run" | "storm" | "memory" | "cold";

/**
 * One process: `env` is laid over COMMON_ENV. In mode "cold" the program and every file below
 * `cold` are dropped from the page cache first.
 */
export type Step = {
  program: string;
  input: string;
  env: Record<string, string>;
  cold?: string;
};

export type Answer = {
  /** Time of this process; in a storm, from the first start to this end. */
  ns: number;
  /** Exit status; 128 + signal. */
  status: number;
  /** RssAnon and VmHWM in KiB, mode "memory" only, else -1. */
  anonKib: number;
  peakKib: number;
  /** What it printed, white space folded. */
  stdout: string;
};

/** What every plugin call of the bench has in its environment, as a runtime sets it. */
export const COMMON_ENV: Record<string, string> = {
  CNI_NETNS: "/var/run/netns/berth-bench-none",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
};

/**
 * A C compiler that works here, with the flags for a static program when they are asked for.
 * Answers the error text instead when none does.
 */
export async function compile(
  source: string,
  out: string,
  compilers: readonly string[],
  flags: readonly string[],
): Promise<{ compiler: string } | { missing: string }> {
  const reasons: string[] = [];
  for (const compiler of compilers) {
    // What it leaves when it is killed goes with the workspace.
    const env = { ...process.env, TMPDIR: dirname(out) };
    const made = await execute(compiler, ["-O2", ...flags, "-o", out, source], { env });
    if (made.status === 0) return { compiler };
    const text = made.stderr.trim().split("\n").at(-1) ?? "";
    reasons.push(`${compiler}: ${made.status === 127 ? "not found" : text}`);
  }
  return { missing: reasons.join("; ") };
}

export class Spawner {
  readonly #tool: string;
  readonly #workspace: Workspace;

  private constructor(tool: string, workspace: Workspace) {
    this.#tool = tool;
    this.#workspace = workspace;
  }

  /**
   * Compiles spawn.c into the workspace, with $CC or musl first: glibc's posix_spawn maps a stack
   * and makes 122 system calls about signals, all within the time of either plugin. Throws when
   * there is no C compiler.
   */
  static async open(workspace: Workspace, sources: string): Promise<Spawner> {
    const tool = workspace.path("spawn");
    const source = join(sources, "spawn.c");
    const compilers = [process.env.CC, "musl-gcc", "cc", "gcc", "clang"].filter(
      (name) => name !== undefined,
    );
    let made = await compile(source, tool, compilers, ["-pthread", "-static"]);
    if ("missing" in made) made = await compile(source, tool, compilers, ["-pthread"]);
    if ("missing" in made) throw new Error(`the bench needs a C compiler: ${made.missing}`);
    return new Spawner(tool, workspace);
  }

  /**
   * Runs the steps and answers in their order.
   *
   * @param within a command that runs the whole spawner in another place (`ip netns exec X`)
   */
  async run(mode: Mode, steps: readonly Step[], within: readonly string[] = []): Promise<Answer[]> {
    const plan = this.#workspace.path("plan");
    const answers = `${plan}.answers`;
    writeFileSync(plan, planText(mode, steps));
    const [command, ...args] = [...within, this.#tool, mode, plan, answers];
    const done = await execute(command!, args);
    if (done.status !== 0)
      throw new Error(`spawn ${mode} ended with ${done.status}: ${done.stderr.trim()}`);
    const lines = readFileSync(answers, "utf8").split("\n").slice(0, -1);
    if (lines.length !== steps.length)
      throw new Error(`spawn ${mode} answered ${lines.length} of ${steps.length} steps`);
    return lines.map(parseAnswer);
  }
}

function planText(mode: Mode, steps: readonly Step[]): string {
  const programs = [...new Set(steps.map((step) => step.program))];
  const inputs = [...new Set(steps.map((step) => step.input))];
  const lines = [
    ...programs.map((path) => `program\t${path}`),
    ...inputs.map((path) => `input\t${path}`),
  ];
  const programAt = new Map(programs.map((path, at) => [path, at]));
  const inputAt = new Map(inputs.map((path, at) => [path, at]));
  for (const { program, input, env, cold } of steps) {
    if (mode === "cold") lines.push(`cold\t${program}`);
    if (mode === "cold" && cold) lines.push(`cold\t${cold}`);
    const extra = Object.entries({ ...COMMON_ENV, ...env }).map(
      ([key, value]) => `${key}=${value}`,
    );
    lines.push(["step", programAt.get(program), inputAt.get(input), ...extra].join("\t"));
  }
  return `${lines.join("\n")}\n`;
}

function parseAnswer(line: string): Answer {
  const [ns, status, anon, peak, ...stdout] = line.split("\t");
  return {
    ns: Number(ns),
    status: Number(status),
    anonKib: Number(anon),
    peakKib: Number(peak),
    stdout: stdout.join("\t").trim(),
  };
}

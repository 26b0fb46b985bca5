// Workspace: the temporary directory of one run and everything that has to be undone after it.
//
// Whatever is made outside the directory (a network namespace) is registered with `undo`. Clean-up
// runs on every way out: the end, an error, Ctrl-C.

import { type ChildProcess, execFile } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Output = { status: number; stdout: string; stderr: string };

/** What `execute` has under way, for the way out by a signal. */
const running = new Set<ChildProcess>();

/**
 * Runs a program to its end; never throws. `status` is 128 + 9 after a time-out, 127 if it could
 * not be started. Nothing is passed through a shell.
 */
export function execute(
  path: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number; cwd?: string } = {},
): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(
      path,
      args,
      {
        ...(options.env && { env: options.env }),
        ...(options.cwd && { cwd: options.cwd }),
        timeout: options.timeoutMs ?? 0,
        killSignal: "SIGKILL",
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, stdout, stderr) => {
        running.delete(child);
        const code = child.exitCode ?? (child.signalCode ? 137 : 127);
        const failed = code < 0 || (error !== null && code === 0); // not started, output cut
        resolve({ status: failed ? 127 : code, stdout, stderr });
      },
    );
    running.add(child);
    child.stdin?.on("error", () => {});
    child.stdin?.end();
  });
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const FILE_SYSTEMS: Record<number, string> = {
  61267: "ext4",
  16914836: "tmpfs",
  2435016766: "btrfs",
  1481003842: "xfs",
  2035054128: "overlay",
};

export class Workspace {
  readonly directory: string;
  #undo: (() => Promise<unknown>)[] = [];
  #made = 0;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "berth-bench-"));
    for (const signal of SIGNALS) process.on(signal, this.#stop);
  }

  readonly #stop = () => {
    this.close().finally(() => process.exit(130));
  };

  /** A path in the workspace that nobody else has; nothing is created. */
  path(name: string): string {
    this.#made += 1;
    return join(this.directory, `${this.#made}-${name}`);
  }

  /** The kind of file system that the states lie on, since that is part of every figure. */
  fileSystem(): string {
    const type = statfsSync(this.directory).type;
    return FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`;
  }

  /**
   * Has the disk write what the making of states has left to write, so that it doesn't do so while
   * calls are measured that commit to the same journal.
   */
  async settle(): Promise<void> {
    await execute("sync", ["-f", this.directory]);
  }

  undo(action: () => Promise<unknown>): void {
    this.#undo.push(action);
  }

  async close(): Promise<void> {
    for (const signal of SIGNALS) process.off(signal, this.#stop);
    for (const child of running) child.kill("SIGKILL");
    for (const action of this.#undo.splice(0).reverse()) await action().catch(() => {});
    // By rm: a quarter of a million files of host-local, which rmSync takes minutes for.
    const { status } = await execute("rm", ["-rf", this.directory]);
    if (status !== 0) rmSync(this.directory, { recursive: true, force: true });
  }
}

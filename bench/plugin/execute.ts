// Execute: a program run to its end, and the end of those that a signal finds under way.
import { type ChildProcess, execFile } from "node:child_process";

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

/** Ends what is under way. */
export function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

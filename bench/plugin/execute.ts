// Execute: a program run to its end.
import { begin, kill } from "../method/leaving.ts";

export type Output = { status: number; stdout: string; stderr: string };

/** More of either than this is cut off. */
const TEXT_MAX = 64 << 20;

/**
 * Runs a program to its end; never throws. `status` is 128 + 9 after a time-out, 127 if it could
 * not be started. Nothing is passed through a shell.
 */
export function execute(
  path: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number; cwd?: string } = {},
): Promise<Output> {
  const { env, cwd, timeoutMs = 0 } = options;
  return new Promise((resolve) => {
    const child = begin(path, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name]!.setEncoding("utf8").on("data", (text: string) => {
        if (output[name].length < TEXT_MAX) output[name] += text;
      });
    const timer = timeoutMs > 0 ? setTimeout(() => kill(child), timeoutMs) : undefined;
    const end = (status: number) => {
      clearTimeout(timer);
      resolve({ status, ...output });
    };
    child.once("error", () => end(127));
    child.once("close", (code) => end(code === null ? 137 : code < 0 ? 127 : code));
  });
}

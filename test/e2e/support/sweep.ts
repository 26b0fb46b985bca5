/**
 * The last broom: names everything that a run makes, and removes at its end, and at the beginning
 * of the next one, what a killed run left. A test cleans up by itself; this is for when it can't.
 *
 * A run is named by the process id of its vitest, so a namespace or directory of a run that still
 * goes on is never touched.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./process.ts";

const PREFIX = "berth-e2e-";
const NETNS_DIR = "/run/netns";

/** The name that every namespace and directory of this run begins with. */
export function runPrefix(): string {
  const pid = process.env.BERTH_E2E_RUN ?? String(process.pid);
  return `${PREFIX}${pid}-`;
}

/** Removes a directory of a run, unless something is still mounted below it. */
export function removeDirectory(path: string): void {
  const mounted = readFileSync("/proc/self/mountinfo", "utf8").includes(` ${path}`);
  if (mounted) throw new Error(`something is mounted below ${path}: not removed`);
  rmSync(path, { recursive: true, force: true });
}

/** True if `name` belongs to this run, or to one whose process is gone. */
function isStale(name: string): boolean {
  const pid = /^berth-e2e-(\d+)-/.exec(name)?.[1];
  if (pid === undefined) return false;
  return pid === process.env.BERTH_E2E_RUN || !existsSync(`/proc/${pid}`);
}

async function sweep(): Promise<void> {
  const names = existsSync(NETNS_DIR) ? readdirSync(NETNS_DIR).filter(isStale) : [];
  for (const name of names) await run(["ip", "netns", "del", name]).catch(console.error);
  for (const name of readdirSync(tmpdir()).filter(isStale)) removeDirectory(join(tmpdir(), name));
}

/** Vitest's global set-up: returns the tear-down. Without root there is nothing to sweep. */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  process.env.BERTH_E2E_RUN = String(process.pid);
  await sweep();
  return sweep;
}

// Leaving: what has to be undone on every way out of the bench, and the programs that are under
// way. An end, an error and a signal (Ctrl-C) all leave nothing behind: no process, no directory,
// no network namespace.
//
// Every program that is begun is the first of a group of its own, so that what it has begun itself
// ends with it: the plugins of a storm, the compilers of a build. A process of the bench's own that
// was begun so (alone.ts) stays in its group with all that it begins.
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

type Undo = () => unknown;

const undos = new Set<Undo>();
const running = new Set<ChildProcess>();
let isLeaving = false;
let hasGroups = true;

/** What is begun from now on is of this process's own group, and ends with it. */
export function stayInGroup(): void {
  hasGroups = false;
}

/**
 * The programs under way are ended, then all is undone, the last first; then the bench ends. Who
 * doesn't want to wait for that (a slow disk) says so by another signal.
 */
async function leave(signal: (typeof SIGNALS)[number]): Promise<void> {
  if (isLeaving) process.exit(128 + constants.signals[signal]);
  isLeaving = true;
  killRunning();
  for (const undo of [...undos].reverse())
    try {
      await undo();
    } catch {
      // The others are undone all the same.
    }
  process.exit(128 + constants.signals[signal]);
}

/** Has `undo` called when a signal ends the bench; until what is answered is called. */
export function undoAtSignal(undo: Undo): () => void {
  if (undos.size === 0) for (const signal of SIGNALS) process.on(signal, leave);
  undos.add(undo);
  return () => {
    if (undos.delete(undo) && undos.size === 0)
      for (const signal of SIGNALS) process.off(signal, leave);
  };
}

/** Begins a program, in a group of its own. */
export function begin(path: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(path, args, { ...options, detached: hasGroups });
  running.add(child);
  child.once("error", () => running.delete(child));
  child.once("close", () => running.delete(child));
  return child;
}

/** Ends a program that was begun, and all that it has begun. */
export function kill({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(hasGroups ? -pid : pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Ends every program under way. */
export function killRunning(): void {
  for (const child of running) kill(child);
}

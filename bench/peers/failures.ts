// Failures: what couldn't be built or installed in this run, and why. It isn't tried again: without
// a network each pass would wait for the same time-out. Every experiment runs in a process of its
// own, so they are handed on (alone.ts).

import { accessSync, constants, mkdirSync, rmSync } from "node:fs";

const known = new Map<string, string>();

export type Failures = [what: string, reason: string][];

/** Why it couldn't be had; undefined if it wasn't tried, or went well. */
export function failureOf(what: string): string | undefined {
  return known.get(what);
}

export function noteFailure(what: string, reason: string): void {
  known.set(what, reason);
}

/** All of them, to be handed on. */
export function failures(): Failures {
  return [...known];
}

export function noteFailures(list: Failures): void {
  for (const [what, reason] of list) known.set(what, reason);
}

/** A folder to build into, without what is stale there; the reason if there can be none. */
export function makePlace(folder: string, stale: readonly string[] = []): string | undefined {
  try {
    mkdirSync(folder, { recursive: true });
    for (const path of stale) rmSync(path, { recursive: true, force: true });
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch (error) {
    // Who installed the package may be somebody else than who runs it.
    return `no place to build it: ${(error as Error).message}`;
  }
}

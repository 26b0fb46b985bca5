// Failures: what couldn't be built or installed in this run, and why. It isn't tried again: without
// a network each pass would wait for the same time-out. Every experiment runs in a process of its
// own, so they are handed on (alone.ts).

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

// The clock of pools that are given none: holds and cool-downs are counted in its seconds.

/** Is it a clock: a function that tells numbers? */
export function isClock(clock: unknown): clock is () => number {
  return typeof clock === "function" && Number.isFinite(clock());
}

/** Seconds that only grow, the same for all threads of a process. */
export function seconds(): number {
  const hrtime = globalThis.process?.hrtime;
  return hrtime ? Number(hrtime.bigint()) / 1e9 : performance.now() / 1000;
}

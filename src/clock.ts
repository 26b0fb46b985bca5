// The clock of pools that are given none: holds and cool-downs are counted in its seconds.

/** Seconds that only grow, the same for all threads of a process. */
export function seconds(): number {
  const hrtime = globalThis.process?.hrtime;
  return hrtime ? Number(hrtime.bigint()) / 1e9 : performance.now() / 1000;
}

// Schedule: in which order the calls of several programs are made, so that all see the same
// machine: the same load, clock, and caches. Calls are spread evenly over the run for each program
// (A B A B; a slow program that is called less often gets its calls in between), and who is first
// in each turn is drawn by seed, since the process that follows a big one finds cold caches.

/** A small generator (mulberry32): the same seed gives the same schedule on every machine. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * The turns of a run.
 *
 * @param counts how many calls each program makes
 * @returns indexes into counts, each as often as counts says
 */
export function interleaved(counts: readonly number[], random: () => number): number[] {
  const turns = counts.flatMap((count, program) =>
    Array.from({ length: count }, (_, call) => ({ program, at: (call + random()) / count })),
  );
  return turns.sort((a, b) => a.at - b.at).map((turn) => turn.program);
}

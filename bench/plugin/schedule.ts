// Schedule: in which order the calls of several programs are made, so that all see the same
// machine: the same load, clock, and caches. Calls are spread evenly over the run for each program
// (A B A B; a slow program that is called less often gets its calls in between), and who is first
// in each turn is drawn by seed. A turn is a few calls in a row: what a process leaves behind (cold
// caches, thousands of closed files that the kernel frees after its end) falls on whoever comes
// next, so one call a turn would charge the small programs for the big ones; of five, the median
// sees none.

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

/** Calls of one program in a row. */
const TURN_CALLS = 5;

/**
 * The turns of a run.
 *
 * @param counts how many calls each program makes
 * @returns indexes into counts, each as often as counts says
 */
export function interleaved(counts: readonly number[], random: () => number): number[] {
  const turns = counts.flatMap((count, program) => {
    const blocks = Math.ceil(count / TURN_CALLS);
    return Array.from({ length: blocks }, (_, block) => ({
      program,
      calls: Math.min(TURN_CALLS, count - block * TURN_CALLS),
      at: (block + random()) / blocks,
    }));
  });
  turns.sort((a, b) => a.at - b.at);
  return turns.flatMap(({ program, calls }) => Array.from({ length: calls }, () => program));
}

// Schedule: in which order the calls of several programs are made, so that all see the same
// machine: the same load, clock, and caches. Calls are spread evenly over the run for each program
// (A B A B; a slow program that is called less often gets its calls in between), and who is first
// in each turn is drawn by seed. A turn is one call, as a strict A B A B wants it; `--turn N`
// makes it N calls of one program in a row. That matters to small programs: the first call after a
// big one is slower, and with one call a turn nearly every call is such a first one.

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
 * @param turn calls of one program in a row
 * @returns indexes into counts, each as often as counts says
 */
export function interleaved(
  counts: readonly number[],
  random: () => number,
  turn: number,
): number[] {
  const turns = counts.flatMap((count, program) => {
    const blocks = Math.ceil(count / turn);
    return Array.from({ length: blocks }, (_, block) => ({
      program,
      calls: Math.min(turn, count - block * turn),
      at: (block + random()) / blocks,
    }));
  });
  turns.sort((a, b) => a.at - b.at);
  return turns.flatMap(({ program, calls }) => Array.from({ length: calls }, () => program));
}

/** The list in an order drawn by `random`. */
export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const out = [...list];
  for (let at = out.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [out[at], out[other]] = [out[other]!, out[at]!];
  }
  return out;
}

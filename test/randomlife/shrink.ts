// Cuts a failing list of steps down, for as long as it still fails.

/** `fails` plays a list. Answers the shortest failing one that was found within `ms`. */
export function shrink<T>(steps: readonly T[], fails: (steps: T[]) => boolean, ms: number): T[] {
  const end = Date.now() + ms;
  let best = [...steps];
  for (let size = best.length >> 1; size > 0; ) {
    let cut = false;
    for (let at = best.length; at > 0 && Date.now() < end; at -= size) {
      const less = [...best.slice(0, Math.max(0, at - size)), ...best.slice(at)];
      if (less.length === best.length || !fails(less)) continue;
      best = less;
      cut = true;
    }
    if (Date.now() >= end) break;
    if (!cut || size > best.length) size = Math.min(size >> 1, best.length);
  }
  return best;
}

/** A step as one line; long runs of one letter are counted. */
export function line(step: unknown): string {
  return JSON.stringify(step).replace(/(.)\1{9,}/g, (run, letter) => `${letter}*${run.length}`);
}

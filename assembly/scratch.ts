// Scratch: the memory of one instance above the window, handed out upwards and never given back
// one by one. A plugin call fills it once and exits; a long-lived host rewinds it between calls.
//
//   SCRATCH_BASE                                              1 GiB + SCRATCH_BYTES
//   | notes, texts, ranges, results ... ->      <- large tables, error texts |
//
// The host maps it lazily, so what isn't touched costs nothing, and each page that is touched costs
// a page fault: what the usual call doesn't touch is taken from the far end, so that what it does
// touch lies together.
import { damaged } from "./fault";
import { SCRATCH_BASE, SCRATCH_BYTES, WINDOW_END } from "./numbers";

let top: usize = 0;
let limit: usize = 0;

/** Gives this instance its piece of memory: [from, from + bytes). */
export function scratchAssign(from: usize, bytes: usize): void {
  top = (from + 15) & ~15;
  limit = from + bytes;
}

/** The default piece of a module that runs alone: all of it. */
export function scratchAssignAll(): void {
  if (__heap_base > <usize>SCRATCH_BASE) damaged("static data reaches into scratch memory");
  scratchAssign(SCRATCH_BASE, <usize>WINDOW_END + <usize>SCRATCH_BYTES - <usize>SCRATCH_BASE);
}

/**
 * Reserves `bytes` (zero at the first use of an instance), 16-byte aligned. Traps when none are
 * left.
 */
export function scratchTake(bytes: usize): usize {
  const at = top;
  const next = (at + bytes + 15) & ~15;
  if (next > limit || next < at) damaged("out of scratch memory");
  top = next;
  return at;
}

/**
 * Reserves `bytes` at the far end (zero at the first use of an instance), 16-byte aligned, for what
 * few calls touch. Never given back: a rewind doesn't reach it. Traps when none are left.
 */
export function scratchTakeFar(bytes: usize): usize {
  const at = (limit - bytes) & ~15;
  if (at < top || at > limit) damaged("out of scratch memory");
  limit = at;
  return at;
}

/** The next piece begins on a page of its own: what fits on one page then touches only one. */
export function scratchTurnPage(): void {
  top = min(limit, (top + 4095) & ~4095);
}

/** Where the next piece would begin: pass it to `scratchRewind` later. */
export function scratchMark(): usize {
  return top;
}

/** Forgets everything taken since `mark`. The bytes aren't cleared. */
export function scratchRewind(mark: usize): void {
  top = mark;
}

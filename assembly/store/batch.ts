// The batch: words that a library's calls have changed since the last entry of the queue. A word
// that sixty calls change (a counter, a bucket of an index) goes to the log once, with its last
// value. Words are kept by line, a run of 128 bytes: a record's cell is one.
//
//   lines   | line u32 | words of it, a bit each, u16 | its slot u16 |          8 bytes each
//   slots   hash of line -> number in `lines` + 1, u16, open addressing
//
// A call adds its words when it commits, never before: one that fails is undone by its journal, and
// the batch doesn't know of it. Cost: constant for a word.
import { word } from "../image/image";
import { scratchTake } from "../scratch";

const LINE_SHIFT: u32 = 7;
const LINE_BYTES: u32 = 8;
const SLOTS: u32 = 16384;
/** Words in one entry of the log at most: 64 KiB with its header. */
export const BATCH_WORDS: u32 = 5458;

/** Words that the batch holds. */
export let batchWords: u32 = 0;

let lines: usize = 0;
let slots: usize = 0;
let count: u32 = 0;
// The line found last: a cell's words come one after the other.
let known: usize = 0;

/** Takes the batch's memory (it must be zero), once, before any rewind. */
export function batchReserve(): void {
  if (lines != 0) return;
  lines = scratchTake(<usize>(BATCH_WORDS * LINE_BYTES));
  slots = scratchTake(<usize>(SLOTS << 1));
}

/** Adds the word at `offset`; there must be room. */
export function batchAdd(offset: u32): void {
  const line = offset >> LINE_SHIFT;
  if (known == 0 || load<u32>(known) != line) known = find(line);
  const mask = <u32>load<u16>(known, 4);
  const bit = (<u32>1) << ((offset >> 3) & 15);
  if (mask & bit) return;
  store<u16>(known, <u16>(mask | bit), 4);
  batchWords++;
}

// The line's place in `lines`, a new one if it has none.
function find(line: u32): usize {
  // Neighbours lie side by side; what lies 2 MiB apart doesn't meet.
  let slot = (line ^ (line >> 14)) & (SLOTS - 1);
  for (let step: u32 = 0; step < SLOTS; step++) {
    const number = <u32>load<u16>(slots + ((<usize>slot) << 1));
    if (number == 0) break;
    const p = lines + <usize>((number - 1) * LINE_BYTES);
    if (load<u32>(p) == line) return p;
    slot = (slot + 1) & (SLOTS - 1);
  }
  const p = lines + <usize>(count * LINE_BYTES);
  store<u32>(p, line);
  store<u16>(p, 0, 4);
  store<u16>(p, <u16>slot, 6);
  count++;
  store<u16>(slots + ((<usize>slot) << 1), <u16>count);
  return p;
}

/** Lines that the batch touches. */
export function batchLines(): u32 {
  return count;
}

/** Offset of the first byte of line `n`. */
export function batchLine(n: u32): u32 {
  return load<u32>(lines + <usize>(n * LINE_BYTES)) << LINE_SHIFT;
}

/** Writes offset u32 and value u64 of every word to `at`, 12 bytes each. */
export function batchCopy(at: usize): void {
  for (let n: u32 = 0; n < count; n++) {
    const p = lines + <usize>(n * LINE_BYTES);
    const first = load<u32>(p) << LINE_SHIFT;
    for (let mask = <u32>load<u16>(p, 4); mask != 0; mask &= mask - 1) {
      const offset = first + (ctz(mask) << 3);
      store<u32>(at, offset);
      store<u64>(at, word(offset), 4);
      at += 12;
    }
  }
}

/** Forgets all words. */
export function batchClear(): void {
  for (let n: u32 = 0; n < count; n++) {
    const slot = <usize>load<u16>(lines + <usize>(n * LINE_BYTES), 6);
    store<u16>(slots + (slot << 1), 0);
  }
  count = 0;
  batchWords = 0;
  known = 0;
}

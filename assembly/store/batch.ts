// The batch: words that a library's calls have changed since the last entry of the queue. A word
// that sixty calls change (a counter, a bucket of an index) goes to the log once, with its last
// value. Words are kept by line, a run of 128 bytes of the image: a record's cell is one.
//
//   table   | line + 1 u32 | words of it, a bit each, u16 | - |     8 bytes for a slot; the line's
//           low bits are its slot, the next empty one where that is taken; 0 = empty
//   used    | slot u32 | slot u32 | ...                             of the lines that have words
//
// A call adds its words when it commits, never before: one that fails is undone by its journal, and
// the batch doesn't know of it. Cost: one look for a word; neighbours of the image are neighbours
// in the table. (A bit for every word of the image would be a sixty-fourth of it: scratch memory
// has no room for that beside the one that a check takes.)
import { word } from "../image/image";
import { scratchTake } from "../scratch";

const LINE_SHIFT: u32 = 7;
const SLOT_SHIFT: u32 = 3;
/** Six times as many as a batch can have words. */
const SLOTS: u32 = 32768;
/** Words in one entry of the log at most: 64 KiB with its header. */
export const BATCH_WORDS: u32 = 5458;

/** Words that the batch holds. */
export let batchWords: u32 = 0;

let table: usize = 0;
let used: usize = 0;
let count: u32 = 0;

/** Takes the batch's memory (it must be zero), once, before any rewind. */
export function batchReserve(): void {
  if (table != 0) return;
  used = scratchTake(<usize>(BATCH_WORDS * 4));
  table = scratchTake(<usize>(SLOTS << SLOT_SHIFT));
}

/** Adds the word at `offset`; there must be room. */
export function batchAdd(offset: u32): void {
  const p = lineAt(offset >> LINE_SHIFT);
  const words = <u32>load<u16>(p, 4);
  const bit = (<u32>1) << ((offset >> 3) & 15);
  if (words & bit) return;
  store<u16>(p, <u16>(words | bit), 4);
  batchWords++;
}

// The line's slot in memory; it gets one if it has none.
function lineAt(line: u32): usize {
  let slot = line & (SLOTS - 1);
  let p = table + <usize>(slot << SLOT_SHIFT);
  for (let step: u32 = 0; step < SLOTS; step++) {
    const there = load<u32>(p);
    if (there == line + 1) return p;
    if (there == 0) break;
    slot = (slot + 1) & (SLOTS - 1);
    p = table + <usize>(slot << SLOT_SHIFT);
  }
  store<u32>(p, line + 1);
  store<u32>(used + ((<usize>count) << 2), slot);
  count++;
  return p;
}

function usedAt(n: u32): usize {
  return table + <usize>(load<u32>(used + ((<usize>n) << 2)) << SLOT_SHIFT);
}

/** Lines that the batch touches. */
export function batchLines(): u32 {
  return count;
}

/** Offset of the first byte of line `n`. */
export function batchLine(n: u32): u32 {
  return (load<u32>(usedAt(n)) - 1) << LINE_SHIFT;
}

/** Writes offset u32 and value u64 of every word to `at`, 12 bytes each. */
export function batchCopy(at: usize): void {
  for (let n: u32 = 0; n < count; n++) {
    const first = batchLine(n);
    for (let left = <u32>load<u16>(usedAt(n), 4); left != 0; left &= left - 1) {
      const offset = first + (ctz(left) << 3);
      store<u32>(at, offset);
      store<u64>(at, word(offset), 4);
      at += 12;
    }
  }
}

/** Forgets all words. */
export function batchClear(): void {
  for (let n: u32 = 0; n < count; n++) store<u64>(usedAt(n), 0);
  count = 0;
  batchWords = 0;
}

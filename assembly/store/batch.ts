// The batch: words that a library's calls have changed since the last entry of the queue. A word
// that sixty calls change (a counter, a bucket of an index) goes to the log once, with its last
// value. Words are kept by line, a run of 128 bytes of the image: a record's cell is one.
//
//   map     | words of line 0 u16 | of line 1 u16 | ...    a bit for each word; 1/64 of the image
//   lines   | line u32 | line u32 | ...                    those that have words, in order
//
// A call adds its words when it commits, never before: one that fails is undone by its journal, and
// the batch doesn't know of it. Cost: one load and one store for a word; memory is touched where
// the image is.
import { word } from "../image/image";
import { WINDOW_BASE, WINDOW_END } from "../numbers";
import { scratchTake, scratchTakeFar } from "../scratch";

const LINE_SHIFT: u32 = 7;
/** Words in one entry of the log at most: 64 KiB with its header. */
export const BATCH_WORDS: u32 = 5458;

/** Words that the batch holds. */
export let batchWords: u32 = 0;

let map: usize = 0;
let lines: usize = 0;
let count: u32 = 0;

/** Takes the batch's memory (it must be zero), once, before any rewind. */
export function batchReserve(): void {
  if (lines != 0) return;
  lines = scratchTake(<usize>(BATCH_WORDS * 4));
  map = scratchTakeFar(<usize>(((WINDOW_END - WINDOW_BASE) >> LINE_SHIFT) << 1));
}

/** Adds the word at `offset`; there must be room. */
export function batchAdd(offset: u32): void {
  const p = map + <usize>((offset >> LINE_SHIFT) << 1);
  const words = <u32>load<u16>(p);
  const bit = (<u32>1) << ((offset >> 3) & 15);
  if (words & bit) return;
  if (words == 0) {
    store<u32>(lines + ((<usize>count) << 2), offset >> LINE_SHIFT);
    count++;
  }
  store<u16>(p, <u16>(words | bit));
  batchWords++;
}

/** Lines that the batch touches. */
export function batchLines(): u32 {
  return count;
}

/** Offset of the first byte of line `n`. */
export function batchLine(n: u32): u32 {
  return load<u32>(lines + ((<usize>n) << 2)) << LINE_SHIFT;
}

/** Writes offset u32 and value u64 of every word to `at`, 12 bytes each. */
export function batchCopy(at: usize): void {
  for (let n: u32 = 0; n < count; n++) {
    const line = load<u32>(lines + ((<usize>n) << 2));
    const first = line << LINE_SHIFT;
    const words = <u32>load<u16>(map + <usize>(line << 1));
    for (let left = words; left != 0; left &= left - 1) {
      const offset = first + (ctz(left) << 3);
      store<u32>(at, offset);
      store<u64>(at, word(offset), 4);
      at += 12;
    }
  }
}

/** Forgets all words. */
export function batchClear(): void {
  for (let n: u32 = 0; n < count; n++) {
    store<u16>(map + <usize>(load<u32>(lines + ((<usize>n) << 2)) << 1), 0);
  }
  count = 0;
  batchWords = 0;
}

// Exclusions of one pool: intervals of slots that are never given, in a chain of blocks.
//
//   at      | first block u32 |
//   block   | next u32 | count u32 | 17 x (from hi u64, from lo u64, to hi u64, to lo u64) |  552 B
//
// They are part of a pool's options: a handful, so they are looked through one by one.
import { arenaFree, arenaTake } from "../image/arena";
import { half, putHalf, putWord, word } from "../image/image";

const BLOCK: u32 = 552;
const HEAD: u32 = 8;
const ENTRY: u32 = 32;
const ENTRIES: u32 = 17;

/** End of the exclusion that excludedAt found. */
export let excludedEndHi: u64 = 0;
export let excludedEndLo: u64 = 0;

/** Adds from..to (both included). false: no space. */
export function exclusionsAdd(at: u32, fHi: u64, fLo: u64, tHi: u64, tLo: u64): bool {
  let block = half(at);
  if (block == 0 || half(block + 4) == ENTRIES) {
    const fresh = arenaTake(BLOCK);
    if (fresh == 0) return false;
    putHalf(fresh, block);
    putHalf(at, fresh);
    block = fresh;
  }
  const entry = block + HEAD + half(block + 4) * ENTRY;
  putWord(entry, fHi);
  putWord(entry + 8, fLo);
  putWord(entry + 16, tHi);
  putWord(entry + 24, tLo);
  putHalf(block + 4, half(block + 4) + 1);
  return true;
}

/** Is the slot excluded? Then excludedEndHi and excludedEndLo tell where that ends. */
export function excludedAt(at: u32, hi: u64, lo: u64): bool {
  let block = half(at);
  while (block != 0) {
    for (let i: u32 = 0; i < half(block + 4); i++) {
      const entry = block + HEAD + i * ENTRY;
      const fromHi = word(entry);
      const toHi = word(entry + 16);
      if (hi < fromHi || hi > toHi) continue;
      if (hi == fromHi && lo < word(entry + 8)) continue;
      if (hi == toHi && lo > word(entry + 24)) continue;
      excludedEndHi = toHi;
      excludedEndLo = word(entry + 24);
      return true;
    }
    block = half(block);
  }
  return false;
}

/** Gives at most `blocks` blocks back. True: there are none left. */
export function exclusionsFree(at: u32, blocks: u32): bool {
  for (let i: u32 = 0; i < blocks && half(at) != 0; i++) {
    const block = half(at);
    putHalf(at, half(block));
    arenaFree(block, BLOCK);
  }
  return half(at) == 0;
}

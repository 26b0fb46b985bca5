// Cooling slots of one pool: released, not to be given before their time. All of a pool cool
// equally long, so they become due in the order in which they came: a queue; a radix set answers
// whether a slot is in it.
//
//   at      | queue: first block u32, last block u32 | root of the set, 16 B |      24 B
//   block   | next u32 | - | from u32 | to u32 | 22 x (hi u64, lo u64, due u32, -) |   544 of 552 B
//
// O(1) and one radix step. Where memory for a new block is missing the slot doesn't cool: a release
// never fails.
import { arenaFree, arenaTake } from "../image/arena";
import { half, imageBase, putHalf, putWord, word } from "../image/image";
import { RADIX_OK, radixCount, radixGive, radixHas, radixTake } from "../sets/radix";

const BLOCK: u32 = 552;
const HEAD: u32 = 16;
const ENTRY: u32 = 24;
const ENTRIES: u32 = 22;

/** The slot that coolingPop took out. */
export let cooledHi: u64 = 0;
export let cooledLo: u64 = 0;

/** Puts a slot into the queue until `due`. false: no space, or it cools already. */
export function coolingPush(at: u32, hi: u64, lo: u64, due: u32): bool {
  let block = half(at + 4);
  if (block == 0 || half(block + 12) == ENTRIES) {
    const fresh = arenaTake(BLOCK);
    if (fresh == 0) return false;
    if (block != 0) putHalf(block, fresh);
    else putHalf(at, fresh);
    putHalf(at + 4, fresh);
    block = fresh;
  }
  if (radixTake(at + 8, hi, lo) != RADIX_OK) return false;
  const entry = block + HEAD + half(block + 12) * ENTRY;
  putWord(entry, hi);
  putWord(entry + 8, lo);
  putWord(entry + 16, <u64>due);
  putHalf(block + 12, half(block + 12) + 1);
  return true;
}

/** Does the slot cool? */
export function coolingHas(at: u32, hi: u64, lo: u64): bool {
  return radixHas(at + 8, hi, lo);
}

/** How many slots cool. */
export function coolingCount(at: u32): u64 {
  return radixCount(at + 8);
}

// The entry that is due first, 0 = none. Blocks that are used up go back on the way.
function firstEntry(at: u32): u32 {
  const block = half(at);
  if (block == 0 || half(block + 8) == half(block + 12)) return 0;
  return block + HEAD + half(block + 8) * ENTRY;
}

/** When the first slot is due; u32.MAX_VALUE when none cools. */
export function coolingDue(at: u32): u32 {
  const entry = firstEntry(at);
  return entry == 0 ? u32.MAX_VALUE : <u32>word(entry + 16);
}

/** Takes the slot that is due first out of the queue: cooledHi, cooledLo. false: none cools. */
export function coolingPop(at: u32): bool {
  const entry = firstEntry(at);
  if (entry == 0) return false;
  const block = half(at);
  cooledHi = word(entry);
  cooledLo = word(entry + 8);
  radixGive(at + 8, cooledHi, cooledLo);
  putHalf(block + 8, half(block + 8) + 1);
  if (half(block + 8) < half(block + 12)) return true;
  const next = half(block);
  putHalf(at, next);
  if (next == 0) putHalf(at + 4, 0);
  arenaFree(block, BLOCK);
  return true;
}

/** When a cooling slot is due: looks through the queue. For explain, not for calls. */
export function coolingUntil(at: u32, hi: u64, lo: u64): u32 {
  let block = half(at);
  while (block != 0) {
    for (let i = half(block + 8); i < half(block + 12); i++) {
      const entry = block + HEAD + i * ENTRY;
      if (word(entry) == hi && word(entry + 8) == lo) return <u32>word(entry + 16);
    }
    block = half(block);
  }
  return 0;
}

/**
 * Copies the cooling slots number `from` and on, at most `n`, into memory: hi u64, lo u64, due u64,
 * the first that is due first. How many. For snapshots.
 */
export function coolingCopy(at: u32, from: u32, into: usize, n: u32): u32 {
  let block = half(at);
  let skip = from;
  let done: u32 = 0;
  while (block != 0 && done < n) {
    for (let i = half(block + 8); i < half(block + 12) && done < n; i++) {
      if (skip > 0) {
        skip--;
        continue;
      }
      const entry = imageBase() + block + HEAD + i * ENTRY;
      memory.copy(into + <usize>(done * ENTRY), entry, <usize>ENTRY);
      done++;
    }
    block = half(block);
  }
  return done;
}

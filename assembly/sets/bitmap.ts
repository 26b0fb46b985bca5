// The bitmap: which slots of a pool of up to 2^30 are taken. A tree of 64-bit words, lowest level
// first; a set bit of a leaf word means "slot taken", of an upper word "child word full":
//
//   at                                                                     at + bitmapBytes(slots)
//   | leaf words ceil(slots/64) | level 1 ceil(leaf words/64) | ... | top: one word |
//
//   slots up to    64   4,096   262,144   2^24   2^30
//   levels          1       2         3      4      5
//
// Zero = all free. Bits behind the last slot (and behind the last child) stay zero for ever: so a
// word with a tail never counts as full, and whoever finds a bit there knows that nothing is free.
//
// Cost: take, give and next free look at one word a level up and down, at most 5; slots/8 bytes and
// 1.6 % more. Refused: slots that don't exist (false or NONE, never a trap). How many are taken is
// for the caller to keep.
import { putWord, word } from "../image/image";

/** No slot: the answer of the searches. */
export const NONE: u32 = 0xffffffff;
/** The largest bitmap (slots). */
const BITMAP_SLOTS_MAX: u32 = 1 << 30;

const LEVELS: u32 = 5;
const FULL: u64 = 0xffffffffffffffff;

function wordsFor(bits: u32): u32 {
  return (bits + 63) >> 6;
}

/** Bytes of a bitmap of `slots` slots (1 to 2^30); 0 if there can be no such bitmap. */
export function bitmapBytes(slots: u32): u32 {
  if (slots == 0 || slots > BITMAP_SLOTS_MAX) return 0;
  let words: u32 = 0;
  let bits = slots;
  for (let level: u32 = 0; level < LEVELS; level++) {
    bits = wordsFor(bits);
    words += bits;
    if (bits == 1) break;
  }
  return words << 3;
}

/** Is `slot` taken? */
export function bitmapHas(at: u32, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  return ((word(at + ((slot >> 6) << 3)) >> (slot & 63)) & 1) != 0;
}

/** Takes `slot`. False: it was taken, or there is no such slot. */
export function bitmapTake(at: u32, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  const p = at + ((slot >> 6) << 3);
  const old = word(p);
  const now = old | ((<u64>1) << (slot & 63));
  if (now == old) return false;
  putWord(p, now);
  if (now == FULL) markFull(at, slots, slot);
  return true;
}

/** Gives `slot` back. False: it was free, or there is no such slot. */
export function bitmapGive(at: u32, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  const p = at + ((slot >> 6) << 3);
  const old = word(p);
  const now = old & ~((<u64>1) << (slot & 63));
  if (now == old) return false;
  putWord(p, now);
  if (old == FULL) clearFull(at, slots, slot);
  return true;
}

/** The leaf word of `slot` became full: tells the levels above, as far as they become full too. */
function markFull(at: u32, slots: u32, slot: u32): void {
  let level = at;
  let bits = slots;
  let index = slot;
  for (let step: u32 = 1; step < LEVELS; step++) {
    const words = wordsFor(bits);
    if (words == 1) return;
    level += words << 3;
    bits = words;
    index >>= 6;
    const p = level + ((index >> 6) << 3);
    const now = word(p) | ((<u64>1) << (index & 63));
    putWord(p, now);
    if (now != FULL) return;
  }
}

/** The leaf word of `slot` isn't full any more: tells the levels above that were full. */
function clearFull(at: u32, slots: u32, slot: u32): void {
  let level = at;
  let bits = slots;
  let index = slot;
  for (let step: u32 = 1; step < LEVELS; step++) {
    const words = wordsFor(bits);
    if (words == 1) return;
    level += words << 3;
    bits = words;
    index >>= 6;
    const p = level + ((index >> 6) << 3);
    const old = word(p);
    putWord(p, old & ~((<u64>1) << (index & 63)));
    if (old != FULL) return;
  }
}

/** The first free slot in [from, slots - 1], or NONE. Doesn't wrap. */
export function bitmapNextFree(at: u32, slots: u32, from: u32): u32 {
  if (from >= slots) return NONE;
  const free = ~word(at + ((from >> 6) << 3)) >> (from & 63);
  if (free == 0) return nextFreeAbove(at, slots, from);
  const slot = from + <u32>ctz(free);
  return slot < slots ? slot : NONE;
}

/** Nothing is free in the leaf word of `from`, from there on: climbs, then goes down. */
function nextFreeAbove(at: u32, slots: u32, from: u32): u32 {
  let level = at;
  let bits = slots;
  let index = from;
  let height: u32 = 0;
  for (let step: u32 = 1; step <= LEVELS; step++) {
    const words = wordsFor(bits);
    // The next word of the level below is the first candidate on this one.
    index = (index >> 6) + 1;
    if (index >= words) return NONE;
    level += words << 3;
    bits = words;
    height++;
    const free = ~word(level + ((index >> 6) << 3)) >> (index & 63);
    if (free != 0) {
      index += <u32>ctz(free);
      break;
    }
  }
  if (index >= bits) return NONE;
  for (; height > 0; height--) {
    // The level below has one word for each bit of this one.
    level -= bits << 3;
    const below = (height - 1) * 6;
    bits = (slots + ((<u32>1) << below) - 1) >> below;
    index = (index << 6) + <u32>ctz(~word(level + (index << 3)));
    if (index >= bits) return NONE;
  }
  return index;
}

/** Takes the first free slot at or after `from`, else the first of all: the slot, or NONE. */
export function bitmapTakeNext(at: u32, slots: u32, from: u32): u32 {
  let slot = bitmapNextFree(at, slots, from);
  if (slot == NONE) {
    slot = bitmapNextFree(at, slots, 0);
    if (slot == NONE) return NONE;
  }
  const p = at + ((slot >> 6) << 3);
  const now = word(p) | ((<u64>1) << (slot & 63));
  putWord(p, now);
  if (now == FULL) markFull(at, slots, slot);
  return slot;
}

/**
 * The first taken slot in [from, slots - 1], or NONE. Taken slots have no summary: this reads leaf
 * words one by one, up to slots/64 of them. For walks, not for calls.
 */
export function bitmapNextTaken(at: u32, slots: u32, from: u32): u32 {
  if (from >= slots) return NONE;
  const words = wordsFor(slots);
  let index = from >> 6;
  let taken = word(at + (index << 3)) & (FULL << (from & 63));
  while (taken == 0) {
    index++;
    if (index == words) return NONE;
    taken = word(at + (index << 3));
  }
  const slot = (index << 6) + <u32>ctz(taken);
  return slot < slots ? slot : NONE;
}

/** Slots that are taken, counted one leaf word after another: slots/64 steps. For the check. */
export function bitmapCount(at: u32, slots: u32): u32 {
  const words = wordsFor(slots);
  let count: u32 = 0;
  for (let i: u32 = 0; i < words; i++) count += <u32>popcnt(word(at + (i << 3)));
  return count;
}

// The bits of leaf word `index` that lie in [from, to].
function maskWithin(index: u32, from: u32, to: u32): u64 {
  let mask = FULL;
  if (index == from >> 6) mask &= FULL << (from & 63);
  if (index == to >> 6) mask &= FULL >> (63 - (to & 63));
  return mask;
}

/** Takes every free slot of [from, to], `to` below `slots`. How many it took. */
export function bitmapFill(at: u32, slots: u32, from: u32, to: u32): u32 {
  let taken: u32 = 0;
  for (let index = from >> 6; index <= to >> 6; index++) {
    const p = at + (index << 3);
    const old = word(p);
    const now = old | maskWithin(index, from, to);
    if (now == old) continue;
    taken += <u32>popcnt(now ^ old);
    putWord(p, now);
    if (now == FULL) markFull(at, slots, index << 6);
  }
  return taken;
}

/** Gives every taken slot of [from, to] back, `to` below `slots`. How many it gave. */
export function bitmapClear(at: u32, slots: u32, from: u32, to: u32): u32 {
  let given: u32 = 0;
  for (let index = from >> 6; index <= to >> 6; index++) {
    const p = at + (index << 3);
    const old = word(p);
    const now = old & ~maskWithin(index, from, to);
    if (now == old) continue;
    given += <u32>popcnt(now ^ old);
    putWord(p, now);
    if (old == FULL) clearFull(at, slots, index << 6);
  }
  return given;
}

/**
 * Walks all words. The number of faults: upper bits that contradict their child word, and bits set
 * where there is no slot or no child.
 */
export function bitmapCheck(at: u32, slots: u32): u32 {
  let faults: u32 = 0;
  let level = at;
  let bits = slots;
  for (let step: u32 = 0; step < LEVELS; step++) {
    const words = wordsFor(bits);
    const tail = bits & 63;
    const last = level + ((words - 1) << 3);
    if (tail != 0) faults += <u32>popcnt(word(last) >> tail);
    if (words == 1) break;
    const above = level + (words << 3);
    for (let i: u32 = 0; i < words; i++) {
      const full = word(level + (i << 3)) == FULL;
      const told = ((word(above + ((i >> 6) << 3)) >> (i & 63)) & 1) != 0;
      if (full != told) faults++;
    }
    level = above;
    bits = words;
  }
  return faults;
}

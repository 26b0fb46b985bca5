// The bitmap of a power of two slots, without a journal: bitmap.ts draws it. Addresses instead of
// offsets, loads and stores instead of word and putWord, levels by shifts instead of divisions.
//
// Why twice: through the journal's functions a take and a give at 99.99 % full cost about twice as
// much (npm run bench). test/library/bitmapquick.test.ts holds both to the same words.
// bitmapcrowded.ts has what is quicker where nearly all is taken, bitmapmany.ts many slots at once.
import { NONE } from "./bitmap";

const FULL: u64 = 0xffffffffffffffff;
const TOP: u32 = 5;

// Words of the level above one of `words` words.
function above(words: u32): u32 {
  return words >> 6 || 1;
}

/** The first free slot behind the leaf word of `from`, which has none left; NONE at the end. */
export function quickClimb(at: usize, slots: u32, from: u32): u32 {
  let level = at;
  let words = slots >> 6;
  let index = from >> 6;
  let height: u32 = 0;
  for (;;) {
    // The next word of this level is the first candidate in the level above.
    index++;
    if (index >= words) return NONE;
    level += (<usize>words) << 3;
    height++;
    const free = ~load<u64>(level + ((<usize>(index >> 6)) << 3)) >> (index & 63);
    if (free != 0) {
      index += <u32>ctz(free);
      if (index >= words) return NONE;
      break;
    }
    index >>= 6;
    words = above(words);
    if (height == TOP) return NONE;
  }
  for (; height > 0; height--) {
    level -= (<usize>words) << 3;
    index = (index << 6) + <u32>ctz(~load<u64>(level + ((<usize>index) << 3)));
    words = (slots >> 6) >> (6 * (height - 2));
  }
  return index;
}

/** The leaf word of `slot` is full now (or not any more): told upwards as far as words change. */
export function quickTell(at: usize, slots: u32, slot: u32, full: bool): void {
  let level = at;
  let words = slots >> 6;
  let index = slot >> 6;
  while (words > 1) {
    level += (<usize>words) << 3;
    const p = level + ((<usize>(index >> 6)) << 3);
    const old = load<u64>(p);
    const now = full ? old | ((<u64>1) << (index & 63)) : old & ~((<u64>1) << (index & 63));
    store<u64>(p, now);
    if ((full ? now : old) != FULL) return;
    index >>= 6;
    words = above(words);
  }
}

/** Takes the first free slot at or after `from`, else the first of all: the slot, or NONE. */
export function quickTakeNext(at: usize, slots: u32, from: u32): u32 {
  let slot = NONE;
  if (from < slots) {
    const free = ~load<u64>(at + ((<usize>(from >> 6)) << 3)) >> (from & 63);
    slot = free != 0 ? from + <u32>ctz(free) : quickClimb(at, slots, from);
  }
  if (slot >= slots) {
    const free = ~load<u64>(at);
    slot = free != 0 ? <u32>ctz(free) : quickClimb(at, slots, 0);
    if (slot >= slots) return NONE;
  }
  const p = at + ((<usize>(slot >> 6)) << 3);
  const now = load<u64>(p) | ((<u64>1) << (slot & 63));
  store<u64>(p, now);
  if (now == FULL) quickTell(at, slots, slot, true);
  return slot;
}

/**
 * Gives `slot` back. False: it was free, or there is no such slot, or more words than its own and
 * the one above would change (quickGiveFar does it all): what calls nothing has all in registers.
 */
export function quickGive(at: usize, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  const p = at + ((<usize>(slot >> 6)) << 3);
  const old = load<u64>(p);
  const now = old & ~((<u64>1) << (slot & 63));
  if (now == old) return false;
  if (old == FULL && slots > 64) {
    const q = at + ((<usize>((slots >> 6) + (slot >> 12))) << 3);
    const above = load<u64>(q);
    if (above == FULL) return false;
    store<u64>(q, above & ~((<u64>1) << ((slot >> 6) & 63)));
  }
  store<u64>(p, now);
  return true;
}

/** Gives `slot` back, whatever words that changes. False: it was free, or there is no such slot. */
export function quickGiveFar(at: usize, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  const p = at + ((<usize>(slot >> 6)) << 3);
  const old = load<u64>(p);
  const now = old & ~((<u64>1) << (slot & 63));
  if (now == old) return false;
  store<u64>(p, now);
  if (old == FULL) quickTell(at, slots, slot, false);
  return true;
}

// Counts the bits of whole groups of 64 leaf words and writes the level above: a quarter of a large
// snapshot's time, so by four, and what a pool in order has most of (none or all) first.
function settleLeaves(at: usize, words: u32): u32 {
  const end = at + ((<usize>words) << 3);
  let count: u64 = 0;
  let up = end;
  for (let p = at; p < end; up += 8) {
    let full: u64 = 0;
    for (let bit: u64 = 0; bit < 64; bit += 4, p += 32) {
      const a = load<u64>(p);
      const b = load<u64>(p, 8);
      const c = load<u64>(p, 16);
      const d = load<u64>(p, 24);
      if ((a | b | c | d) == 0) continue;
      if ((a & b & c & d) == FULL) {
        count += 256;
        full |= (<u64>15) << bit;
        continue;
      }
      count += popcnt(a) + popcnt(b) + popcnt(c) + popcnt(d);
      const low = <u64>(a == FULL) | ((<u64>(b == FULL)) << 1);
      full |= (low | ((<u64>(c == FULL)) << 2) | ((<u64>(d == FULL)) << 3)) << bit;
    }
    store<u64>(up, full);
  }
  return <u32>count;
}

/**
 * The leaf words were written from outside: makes the upper levels agree with them. How many slots
 * are taken; NONE if a bit is set where there is no slot.
 */
export function quickSettle(at: usize, slots: u32): u32 {
  if (slots < 64 && load<u64>(at) >> slots != 0) return NONE;
  let words = slots >> 6 || 1;
  if (words == 1) return <u32>popcnt(load<u64>(at));
  let count: u32 = 0;
  let level = at;
  if (words >= 64) {
    count = settleLeaves(at, words);
    level += (<usize>words) << 3;
    words = above(words);
  }
  while (words > 1) {
    let up = level + ((<usize>words) << 3);
    const end = up;
    for (let p = level; p < end; up += 8) {
      const until = min<usize>(end, p + 512);
      let full: u64 = 0;
      let bit: u64 = 0;
      for (; p < until; p += 8, bit++) {
        const word = load<u64>(p);
        // The leaves are counted on the way.
        if (level == at) count += <u32>popcnt(word);
        full |= (<u64>(word == FULL)) << bit;
      }
      store<u64>(up, full);
    }
    level = end;
    words = above(words);
  }
  return count;
}

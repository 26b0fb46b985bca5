// Crowded bitmaps: take and give where nearly all is taken, without a journal. bitmap.ts draws the
// levels; bitmapquick.ts serves emptier ones, and is asked where this file has no answer.
//
// There the way from a slot to the next free one costs most. Whether a leaf or the word above has
// something left is a coin's toss, and a branch that is foretold wrongly costs as much as ten
// steps: so what is left in the leaf and in the next one under the same word of level 1 is computed
// both, and levels 1 and 2 are written whether they change or not. bitmapmany.ts takes several.
import { NONE } from "./bitmap";

const FULL: u64 = 0xffffffffffffffff;

/** Slots from which on a bitmap has the three levels that these functions look at. */
export const CROWDED_SLOTS: u32 = 262144;

/** Is so much taken that many leaf words are full: 15/16? */
export function isCrowded(slots: u32, held: u64): bool {
  return slots >= CROWDED_SLOTS && <u32>held > slots - (slots >> 4);
}

// Where the words of levels 1 and 2 lie.
function level1(at: usize, slots: u32): usize {
  return at + ((<usize>(slots >> 6)) << 3);
}

function level2(at: usize, slots: u32): usize {
  return level1(at, slots) + ((<usize>(slots >> 12)) << 3);
}

/** Word `index` of level 2 is full now (or not any more): told upwards while words change. */
export function crowdedTell(at: usize, slots: u32, index: u32, full: bool): void {
  let level = level2(at, slots);
  let words = slots >> 18;
  let child = index;
  while (words > 1) {
    level += (<usize>words) << 3;
    const p = level + ((<usize>(child >> 6)) << 3);
    const old = load<u64>(p);
    const bit = (<u64>1) << (child & 63);
    const now = full ? old | bit : old & ~bit;
    store<u64>(p, now);
    if ((full ? now : old) != FULL) return;
    child >>= 6;
    words = words >> 6 || 1;
  }
}

// A slot of `leaf` was taken; is the leaf full now? True: its word of level 2 is, by that. (The
// call of crowdedTell is left to who asks: what calls nothing is compiled into its callers.)
function filled(at: usize, slots: u32, leaf: u32, full: bool): bool {
  const word1 = leaf >> 6;
  const p = level1(at, slots) + ((<usize>word1) << 3);
  const now1 = load<u64>(p) | ((<u64>full) << (leaf & 63));
  store<u64>(p, now1);
  const q = level2(at, slots) + ((<usize>(word1 >> 6)) << 3);
  const old = load<u64>(q);
  const now = old | ((<u64>(now1 == FULL)) << (word1 & 63));
  store<u64>(q, now);
  return now == FULL && old != FULL;
}

/** `leaf` isn't full any more: told upwards. */
export function crowdedFreed(at: usize, slots: u32, leaf: u32): void {
  const word1 = leaf >> 6;
  const p = level1(at, slots) + ((<usize>word1) << 3);
  store<u64>(p, load<u64>(p) & ~((<u64>1) << (leaf & 63)));
  const q = level2(at, slots) + ((<usize>(word1 >> 6)) << 3);
  const old = load<u64>(q);
  store<u64>(q, old & ~((<u64>1) << (word1 & 63)));
  if (old == FULL) crowdedTell(at, slots, word1 >> 6, false);
}

/**
 * Takes the first free slot at or after `from` that lies under the same word of level 1: the slot,
 * or NONE.
 */
export function crowdedTakeNear(at: usize, slots: u32, from: u32): u32 {
  if (from >= slots) return NONE;
  const own = from >> 6;
  const ownWord = load<u64>(at + ((<usize>own) << 3));
  const here = ~ownWord & (FULL << (from & 63));
  const word1 = load<u64>(level1(at, slots) + ((<usize>(own >> 6)) << 3));
  const later = ~word1 & ((FULL << (own & 63)) << 1);
  if ((here | later) == 0) return NONE;
  // Without later leaves this is the first one under the next word, or level 1: only looked at.
  const next = (own & ~63) + <u32>ctz(later);
  const nextWord = load<u64>(at + ((<usize>next) << 3));
  const goesOn = here == 0;
  const leaf = select<u32>(next, own, goesOn);
  const free = select<u64>(~nextWord, here, goesOn);
  const now = select<u64>(nextWord, ownWord, goesOn) | (free & -free);
  store<u64>(at + ((<usize>leaf) << 3), now);
  if (filled(at, slots, leaf, now == FULL)) crowdedTell(at, slots, leaf >> 12, true);
  return (leaf << 6) + <u32>ctz(free);
}

/**
 * Gives `slot` back. False: it was free, or there is no such slot, or a word above level 2 would
 * change (quickGiveFar does it all).
 */
export function crowdedGive(at: usize, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  const p = at + ((<usize>(slot >> 6)) << 3);
  const old = load<u64>(p);
  const now = old & ~((<u64>1) << (slot & 63));
  const q = level2(at, slots) + ((<usize>(slot >> 18)) << 3);
  const above = load<u64>(q);
  if (now == old || above == FULL) return false;
  const word1 = slot >> 12;
  const r = level1(at, slots) + ((<usize>word1) << 3);
  store<u64>(p, now);
  store<u64>(r, load<u64>(r) & ~((<u64>1) << ((slot >> 6) & 63)));
  store<u64>(q, above & ~((<u64>1) << (word1 & 63)));
  return true;
}

// Crowded bitmaps: take and give where nearly all is taken, without a journal. bitmap.ts draws the
// levels; bitmapquick.ts serves emptier ones, and is asked where this file has no answer.
//
// There the way from a slot to the next free one costs most, for two reasons. Whether a leaf or the
// word above has something left is a coin's toss, and a branch that is foretold wrongly costs as
// much as ten steps: so what is left in the leaf and in the next one under the same word of level 1
// is computed both, and levels 1 and 2 are written whether they change or not. And from one leaf to
// the next through level 2 each load waits for the one before: so four slots are sought at a time,
// whose loads don't wait for each other. Those found ahead are kept as
//
//   ahead    | step u16 | step u16 | step u16 | step u16 |      a step: to the place behind a slot
//
// from the cursor on, the first lowest, 0 = no more. Whoever keeps them forgets them when a slot
// among them is given back or the cursor moves; what is taken meanwhile crowdedTake tells.
import { NONE } from "./bitmap";

const FULL: u64 = 0xffffffffffffffff;

/** Slots from which on a bitmap has the three levels that these functions look at. */
export const CROWDED_SLOTS: u32 = 262144;
/** A slot that is found ahead lies fewer slots than this behind the cursor. */
export const AHEAD_SPAN: u32 = 4 * 0xffff;

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

// Word `index` of level 2 is full now (or not any more): told upwards as far as that changes words.
function tellAbove(at: usize, slots: u32, index: u32, full: bool): void {
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
// call of tellAbove is left to who asks: what calls nothing is compiled into its callers.)
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
  if (old == FULL) tellAbove(at, slots, word1 >> 6, false);
}

/** Takes `slot`. False: it is taken. */
export function crowdedTake(at: usize, slots: u32, slot: u32): bool {
  const p = at + ((<usize>(slot >> 6)) << 3);
  const old = load<u64>(p);
  const now = old | ((<u64>1) << (slot & 63));
  if (now == old) return false;
  store<u64>(p, now);
  if (filled(at, slots, slot >> 6, now == FULL)) tellAbove(at, slots, slot >> 18, true);
  return true;
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
  if (filled(at, slots, leaf, now == FULL)) tellAbove(at, slots, leaf >> 12, true);
  return (leaf << 6) + <u32>ctz(free);
}

/** The next free slots at or after `from` under the same word of level 2, at most four: `ahead`. */
export function crowdedAhead(at: usize, slots: u32, from: u32): u64 {
  if (from >= slots) return 0;
  const one = level1(at, slots);
  let leaf = from >> 6;
  let word1 = leaf >> 6;
  const word2 = word1 >> 6;
  // What is left in the leaf, under its word of level 1, under that one's of level 2.
  let free = ~load<u64>(at + ((<usize>leaf) << 3)) & (FULL << (from & 63));
  let leaves = ~load<u64>(one + ((<usize>word1) << 3)) & ((FULL << (leaf & 63)) << 1);
  const words = load<u64>(level2(at, slots) + ((<usize>word2) << 3));
  let rest = ~words & ((FULL << (word1 & 63)) << 1);
  let ahead: u64 = 0;
  let place = from;
  for (let i: u64 = 0; i < 64; i += 16) {
    if (free == 0) {
      if (leaves == 0) {
        if (rest == 0) break;
        word1 = (word2 << 6) + <u32>ctz(rest);
        rest &= rest - 1;
        leaves = ~load<u64>(one + ((<usize>word1) << 3));
      }
      leaf = (word1 << 6) + <u32>ctz(leaves);
      leaves &= leaves - 1;
      free = ~load<u64>(at + ((<usize>leaf) << 3));
    }
    const behind = (leaf << 6) + <u32>ctz(free) + 1;
    free &= free - 1;
    if (behind - place > 0xffff) break;
    ahead |= (<u64>(behind - place)) << i;
    place = behind;
  }
  return ahead;
}

/** Gives `slot` back. False: it was free, or there is no such slot. */
export function crowdedGive(at: usize, slots: u32, slot: u32): bool {
  if (slot >= slots) return false;
  const p = at + ((<usize>(slot >> 6)) << 3);
  const old = load<u64>(p);
  const now = old & ~((<u64>1) << (slot & 63));
  if (now == old) return false;
  store<u64>(p, now);
  crowdedFreed(at, slots, slot >> 6);
  return true;
}

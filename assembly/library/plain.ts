// Plain pools: take and give where they are simple, a set that no other thread uses, without band,
// exclusions or cool-down. Loads and stores instead of the journal's functions, which are twice as
// slow. Whatever isn't simple is answered with "ask poolTake", "ask poolGive" (slots.ts).
import { WINDOW_BASE } from "../numbers";
import { NONE } from "../sets/bitmap";
import { CROWDED_SLOTS, crowdedGive, quickGive, quickTakeNext } from "../sets/bitmapquick";
import { quickLeafGive, quickLeafTake } from "../sets/radixquick";
import {
  CURSOR,
  HELD,
  PLAIN_GIVE,
  PLAIN_TAKE,
  SET,
  SLOTS,
  slotIs,
  WIDE_GIVE,
  WIDE_TAKE,
} from "./slots";

// Where the heap lies: always at the window's begin.
const BASE: usize = <usize>WINDOW_BASE;

// From 15/16 on many leaf words are full: then giving without branches is quicker.
function isCrowded(slots: u32, held: u64): bool {
  return slots >= CROWDED_SLOTS && <u32>held > slots - (slots >> 4);
}

/**
 * poolTake where it is simple: a plain bitmap. The slot, or NONE: ask poolTake. Not for shared
 * heaps: nothing is noted.
 */
export function plainTake(cell: u32): u32 {
  const c = BASE + cell;
  if ((load<u64>(c) & PLAIN_TAKE) == 0) return NONE;
  const from = load<u32>(c, CURSOR + 8);
  const at = BASE + load<u32>(c, SET);
  const slots = load<u32>(c, SLOTS);
  const held = load<u64>(c, HELD);
  const slot = quickTakeNext(at, slots, from);
  if (slot == NONE) return NONE;
  store<u32>(c, slot + 1, CURSOR + 8);
  store<u64>(c, held + 1, HELD);
  return slot;
}

/** poolGive where it is simple; false: ask poolGive. Not for shared heaps. */
export function plainGive(cell: u32, slot: u32): bool {
  const c = BASE + cell;
  if ((load<u64>(c) & PLAIN_GIVE) == 0) return false;
  const at = BASE + load<u32>(c, SET);
  const slots = load<u32>(c, SLOTS);
  const held = load<u64>(c, HELD);
  const given = isCrowded(slots, held) ? crowdedGive(at, slots, slot) : quickGive(at, slots, slot);
  if (given) store<u64>(c, held - 1, HELD);
  return given;
}

/**
 * poolTake where it is simple: a plain radix pool whose cursor lies in a leaf with a free slot.
 * True: slotHi, slotLo; false: ask poolTake. Not for shared heaps.
 */
export function plainTakeWide(cell: u32): bool {
  const c = BASE + cell;
  if ((load<u64>(c) & WIDE_TAKE) == 0) return false;
  const hi = load<u64>(c, CURSOR);
  const from = load<u64>(c, CURSOR + 8);
  const key = quickLeafTake(BASE, cell + SET, hi, from);
  if (key == NONE) return false;
  const lo = (from & ~0xfff) | <u64>key;
  store<u64>(c, lo + 1, CURSOR + 8);
  if (lo + 1 == 0) store<u64>(c, hi + 1, CURSOR);
  store<u64>(c, load<u64>(c, HELD) + 1, HELD);
  slotIs(hi, lo);
  return true;
}

/** poolGive where it is simple; false: ask poolGive. Not for shared heaps. */
export function plainGiveWide(cell: u32, hi: u64, lo: u64): bool {
  const c = BASE + cell;
  if ((load<u64>(c) & WIDE_GIVE) == 0) return false;
  if (!quickLeafGive(BASE, cell + SET, hi, lo)) return false;
  store<u64>(c, load<u64>(c, HELD) - 1, HELD);
  return true;
}

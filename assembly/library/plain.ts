// Plain pools: take and give where they are simple, a set that no other thread uses, without band,
// exclusions or cool-down. Loads and stores instead of the journal's functions, which are twice as
// slow. Whatever isn't simple is answered with "ask poolTake", "ask poolGive" (slots.ts).
import { WINDOW_BASE } from "../numbers";
import { NONE } from "../sets/bitmap";
import { crowdedGive, crowdedTakeNear, isCrowded } from "../sets/bitmapcrowded";
import { manyGive, manyTake } from "../sets/bitmapmany";
import { quickGive, quickGiveFar, quickTakeNext } from "../sets/bitmapquick";
import { quickLeafGive, quickLeafTake } from "../sets/radixquick";
import { shared } from "./desk";
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
} from "./slotcell";

// Where the heap lies: always at the window's begin.
const BASE: usize = <usize>WINDOW_BASE;

/** poolTake where it is simple: a plain bitmap. The slot, or NONE: ask poolTake. */
export function plainTake(cell: u32): u32 {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & PLAIN_TAKE) == 0) return NONE;
  const from = load<u32>(c, CURSOR + 8);
  const at = BASE + load<u32>(c, SET);
  const slots = load<u32>(c, SLOTS);
  const held = load<u64>(c, HELD);
  if (isCrowded(slots, held)) {
    const slot = crowdedTakeNear(at, slots, from);
    if (slot != NONE) return taken(c, slot, held);
  }
  const slot = quickTakeNext(at, slots, from);
  return slot == NONE ? NONE : taken(c, slot, held);
}

// Counts the slot and puts the cursor behind it.
function taken(c: usize, slot: u32, held: u64): u32 {
  store<u32>(c, slot + 1, CURSOR + 8);
  store<u64>(c, held + 1, HELD);
  return slot;
}

/** poolGive where it is simplest, calling nothing; false: ask plainGiveFar, then poolGive. */
export function plainGive(cell: u32, slot: u32): bool {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & PLAIN_GIVE) == 0) return false;
  const at = BASE + load<u32>(c, SET);
  const slots = load<u32>(c, SLOTS);
  const held = load<u64>(c, HELD);
  const given = isCrowded(slots, held) ? crowdedGive(at, slots, slot) : quickGive(at, slots, slot);
  if (given) store<u64>(c, held - 1, HELD);
  return given;
}

/** poolGive where it is simple; false: ask poolGive. */
export function plainGiveFar(cell: u32, slot: u32): bool {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & PLAIN_GIVE) == 0) return false;
  if (!quickGiveFar(BASE + load<u32>(c, SET), load<u32>(c, SLOTS), slot)) return false;
  store<u64>(c, load<u64>(c, HELD) - 1, HELD);
  return true;
}

/** As many plainTake: up to `n` slots, listed at `list`, 4 bytes each. How many it took. */
export function plainTakeMany(cell: u32, list: usize, n: u32): u32 {
  return takeMany(cell, list, n, false);
}

/** The same of slots that ascend: fewer before the pool's end, too. */
export function plainTakeRow(cell: u32, list: usize, n: u32): u32 {
  return takeMany(cell, list, n, true);
}

function takeMany(cell: u32, list: usize, n: u32, isRow: bool): u32 {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & PLAIN_TAKE) == 0) return 0;
  const slots = load<u32>(c, SLOTS);
  const from = load<u32>(c, CURSOR + 8);
  const took = manyTake(BASE + load<u32>(c, SET), slots, from, list, n, isRow);
  if (took == 0) return 0;
  store<u32>(c, load<u32>(list + ((<usize>(took - 1)) << 2)) + 1, CURSOR + 8);
  store<u64>(c, load<u64>(c, HELD) + took, HELD);
  return took;
}

/** As many plainGive: up to `n` listed slots. How many: it stops at one that wasn't held. */
export function plainGiveMany(cell: u32, list: usize, n: u32): u32 {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & PLAIN_GIVE) == 0) return 0;
  const slots = load<u32>(c, SLOTS);
  const gave = manyGive(BASE + load<u32>(c, SET), slots, list, n);
  store<u64>(c, load<u64>(c, HELD) - gave, HELD);
  return gave;
}

/**
 * poolTake where it is simple: a plain radix pool whose cursor lies in a leaf with a free slot.
 * True: slotHi, slotLo; false: ask poolTake.
 */
export function plainTakeWide(cell: u32): bool {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & WIDE_TAKE) == 0) return false;
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

/** The same for radix pools. */
export function plainGiveWide(cell: u32, hi: u64, lo: u64): bool {
  const c = BASE + cell;
  if (shared || (load<u64>(c) & WIDE_GIVE) == 0) return false;
  if (!quickLeafGive(BASE, cell + SET, hi, lo)) return false;
  store<u64>(c, load<u64>(c, HELD) - 1, HELD);
  return true;
}

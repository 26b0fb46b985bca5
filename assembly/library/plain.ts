// Plain pools: take and give where they are simple, a bitmap that no other thread uses, without
// band, exclusions or cool-down. Loads and stores instead of the journal's functions, which are
// twice as slow. Whatever isn't simple is answered with "ask poolTake", "ask poolGive" (slots.ts).
import { WINDOW_BASE } from "../numbers";
import { NONE } from "../sets/bitmap";
import { CROWDED_SLOTS, crowdedGive, quickGive, quickTakeNext } from "../sets/bitmapquick";
import { CURSOR, HELD, PLAIN_GIVE, PLAIN_TAKE, SET, SLOTS } from "./slots";

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

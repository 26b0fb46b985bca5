// Slots: makes and closes a pool of 2^bits slots in the heap, takes and gives its slots. The cell
// (slotcell.ts draws it) says everything about the pool; slotpick.ts chooses which slot is next.
//
// Cost: bitmap and radix as they say; plus one look at each exclusion in `give` and in radix pools.
import { arenaFree, arenaTake } from "../image/arena";
import { half, putWord, word } from "../image/image";
import {
  bitmapBytes,
  bitmapGive,
  bitmapHas,
  bitmapNextTaken,
  bitmapTake,
  NONE,
} from "../sets/bitmap";
import {
  foundHi,
  foundLo,
  RADIX_NO_SPACE,
  RADIX_OK,
  radixFree,
  radixGive,
  radixHas,
  radixNextTaken,
  radixTake,
  radixTakeFound,
} from "../sets/radix";
import { heapReady, nextMade, runFree, runTake } from "./buddy";
import {
  cooledHi,
  cooledLo,
  coolingCut,
  coolingHas,
  coolingIsDue,
  coolingPop,
  coolingPush,
  coolingUntil,
  coolingWaits,
  POP_NONE,
  POP_SLOT,
} from "./cooling";
import { PUT_NO_SPACE, PUT_OK, PUT_SAME } from "./coolingtree";
import { excludedAt, excludedEndHi, excludedEndLo, exclusionsFree } from "./exclusions";
import {
  bitsOf,
  CELL,
  COOLDOWN,
  COOLING,
  CURSOR,
  EXCLUSIONS,
  HELD,
  INLINE,
  isBitmap,
  isInside,
  KIND_BITMAP,
  KIND_RADIX,
  lastHi,
  lastLo,
  NUMBER,
  PLAIN_GIVE,
  PLAIN_TAKE,
  RANDOM,
  SET,
  SLOTS,
  slotHi,
  slotIs,
  slotLo,
  WIDE_GIVE,
  WIDE_TAKE,
  YIELDS,
} from "./slotcell";
import { pickBitmap, pickDue, pickRadix } from "./slotpick";

const BITMAP_BITS: u32 = 30;
const ARENA_BITS: u32 = 12;
/** Due cool-downs that one call collects. */
const COLLECT: u32 = 8;
/** Blocks, leaves, lists or keys that one part of a close frees: it notes each word of them. */
const EMPTYING: u32 = 16;

/** Answers. */
export const OK: i32 = 0;
export const TAKEN: i32 = 1;
const IS_COOLING: i32 = 2;
const IS_EXCLUDED: i32 = 3;
export const OUTSIDE: i32 = 4;
export const NO_SPACE: i32 = 5;
export const FREE: i32 = 6;

/** States. */
export const STATE_FREE: i32 = 0;
export const STATE_HELD: i32 = 1;

/** Where the bitmap of `slots` slots lies that belongs to the cell; 0 = no space. */
function bitmapPlace(cell: u32, bits: u32): u32 {
  if (bits <= 6) return cell + INLINE;
  const bytes = bitmapBytes((<u32>1) << bits);
  return bits <= ARENA_BITS ? arenaTake(arenaClass(bytes)) : runTake(bytes);
}

// The arena's class for a bitmap of 128 to 4,096 slots.
function arenaClass(bytes: u32): u32 {
  return bytes == 24 ? 32 : bytes == 520 ? 552 : bytes;
}

/** A pool of 2^bits slots (0 to 128): its cell, or 0 where the heap is full. */
export function poolMake(bits: u32, policy: u32, cooldown: u32, seed: u64): u32 {
  const cell = arenaTake(CELL);
  if (cell == 0) return 0;
  const kind = bits <= BITMAP_BITS ? KIND_BITMAP : KIND_RADIX;
  putWord(cell, kind | ((<u64>policy) << 8) | ((<u64>bits) << 16) | ((<u64>cooldown) << 32));
  putWord(cell + RANDOM, seed | 1);
  putWord(cell + NUMBER, nextMade());
  if (kind == KIND_RADIX) {
    if (cooldown == 0) putWord(cell, word(cell) | WIDE_GIVE | (policy == 0 ? WIDE_TAKE : 0));
    return cell;
  }
  const at = bitmapPlace(cell, bits);
  if (at == 0) {
    arenaFree(cell, CELL);
    return 0;
  }
  putWord(cell + SET, <u64>at | ((<u64>1) << (32 + <u64>bits)));
  if (cooldown == 0) putWord(cell, word(cell) | PLAIN_GIVE | (policy == 0 ? PLAIN_TAKE : 0));
  return cell;
}

/** Gives a part of what the pool took back. True: it was the last one, the cell is gone. */
export function poolClose(cell: u32): bool {
  for (let i: u32 = 0; coolingPop(cell + COOLING, u32.MAX_VALUE) != POP_NONE; i++) {
    if (i == EMPTYING) return false;
  }
  if (!exclusionsFree(cell + EXCLUSIONS, EMPTYING)) return false;
  if (!isBitmap(cell)) {
    if (!radixFree(cell + SET, EMPTYING)) return false;
  } else {
    const bits = bitsOf(cell);
    const bytes = bitmapBytes(half(cell + SLOTS));
    if (bits > ARENA_BITS) runFree(half(cell + SET), bytes);
    else if (bits > 6) arenaFree(half(cell + SET), arenaClass(bytes));
  }
  arenaFree(cell, CELL);
  return true;
}

/** When a cooling slot is free again. */
export function poolUntil(cell: u32, hi: u64, lo: u64): u32 {
  return coolingUntil(cell + COOLING, hi, lo);
}

/** Can't the slot be given now, as the set says? (In radix pools exclusions aren't in it.) */
function isSet(cell: u32, hi: u64, lo: u64): bool {
  if (isBitmap(cell)) return bitmapHas(half(cell + SET), half(cell + SLOTS), <u32>lo);
  return radixHas(cell + SET, hi, lo);
}

/** One of the states, or IS_COOLING, IS_EXCLUDED, OUTSIDE. */
export function poolState(cell: u32, hi: u64, lo: u64): i32 {
  if (!isInside(cell, hi, lo)) return OUTSIDE;
  if (excludedAt(cell + EXCLUSIONS, hi, lo)) return IS_EXCLUDED;
  if (!isSet(cell, hi, lo)) return STATE_FREE;
  return half(cell + COOLDOWN) != 0 && coolingHas(cell + COOLING, hi, lo) ? IS_COOLING : STATE_HELD;
}

/** Takes this very slot: OK, TAKEN, IS_COOLING, IS_EXCLUDED, OUTSIDE or NO_SPACE. */
export function poolTakeAt(cell: u32, hi: u64, lo: u64, now: u32): i32 {
  if (half(cell + COOLDOWN) != 0) collect(cell, now);
  if (!isInside(cell, hi, lo)) return OUTSIDE;
  if (isBitmap(cell)) {
    if (!bitmapTake(half(cell + SET), half(cell + SLOTS), <u32>lo)) {
      const state = takeDue(cell, hi, lo, now);
      if (state != OK) return state;
    }
  } else {
    if (excludedAt(cell + EXCLUSIONS, hi, lo)) return IS_EXCLUDED;
    const status = heapReady() ? radixTake(cell + SET, hi, lo) : RADIX_NO_SPACE;
    if (status == RADIX_NO_SPACE) return NO_SPACE;
    if (status != RADIX_OK) {
      const state = takeDue(cell, hi, lo, now);
      if (state != OK) return state;
    }
  }
  putWord(cell + HELD, word(cell + HELD) + 1);
  return OK;
}

// A slot of the set: OK where it cools and is due, and then it cools no more; else its state.
function takeDue(cell: u32, hi: u64, lo: u64, now: u32): i32 {
  const state = poolState(cell, hi, lo);
  if (state != IS_COOLING || coolingUntil(cell + COOLING, hi, lo) > now) return state;
  coolingCut(cell + COOLING, hi, lo);
  return OK;
}

/** Gives a held slot back: OK, FREE (it was), IS_COOLING, IS_EXCLUDED or OUTSIDE. */
export function poolGive(cell: u32, hi: u64, lo: u64, now: u32): i32 {
  if (!isInside(cell, hi, lo)) return OUTSIDE;
  if (half(cell + EXCLUSIONS) != 0 && excludedAt(cell + EXCLUSIONS, hi, lo)) return IS_EXCLUDED;
  const cooldown = half(cell + COOLDOWN);
  if (cooldown != 0) {
    collect(cell, now);
    if (!isSet(cell, hi, lo)) return FREE;
    const due = now > u32.MAX_VALUE - cooldown ? u32.MAX_VALUE : now + cooldown;
    const put = heapReady() ? coolingPush(cell + COOLING, hi, lo, due) : PUT_NO_SPACE;
    if (put == PUT_SAME || (put != PUT_OK && coolingHas(cell + COOLING, hi, lo))) return IS_COOLING;
    if (put == PUT_OK) {
      putWord(cell + HELD, word(cell + HELD) - 1);
      return OK;
    }
  }
  if (!unset(cell, hi, lo)) return FREE;
  putWord(cell + HELD, word(cell + HELD) - 1);
  return OK;
}

function unset(cell: u32, hi: u64, lo: u64): bool {
  if (isBitmap(cell)) return bitmapGive(half(cell + SET), half(cell + SLOTS), <u32>lo);
  return radixGive(cell + SET, hi, lo);
}

/** Frees at most COLLECT slots whose cool-down is over. */
function collect(cell: u32, now: u32): void {
  for (let i: u32 = 0; i < COLLECT; i++) {
    const popped = coolingPop(cell + COOLING, now);
    if (popped == POP_NONE) return;
    if (popped == POP_SLOT) unset(cell, cooledHi, cooledLo);
  }
}

/** Frees some slots whose cool-down is over. Are there more? */
export function poolCollect(cell: u32, now: u32): bool {
  collect(cell, now);
  return coolingWaits(cell + COOLING, now);
}

/**
 * Picks and takes a slot by the pool's policy, as if all that is due were free: slotHi, slotLo. OK,
 * FREE (nothing is free), NO_SPACE.
 */
export function poolTake(cell: u32, now: u32): i32 {
  const cools = half(cell + COOLDOWN) != 0;
  if (cools) collect(cell, now);
  const isNarrow = isBitmap(cell);
  if (!isNarrow && !heapReady()) return NO_SPACE;
  const picked = isNarrow ? pickBitmap(cell) : pickRadix(cell);
  if (cools && coolingIsDue(cell + COOLING, now) && pickDue(cell, now, picked)) {
    // It is in the set already.
    coolingCut(cell + COOLING, slotHi, slotLo);
  } else if (!picked) {
    if (!cools || !yieldOne(cell)) return FREE;
  } else if (isNarrow) {
    bitmapTake(half(cell + SET), half(cell + SLOTS), <u32>slotLo);
  } else if (radixTakeFound(cell + SET, slotHi, slotLo) != RADIX_OK) return NO_SPACE;
  given(cell);
  return OK;
}

// The policy has given slotHi, slotLo: counts it and puts the cursor behind it.
function given(cell: u32): void {
  const hi = slotLo + 1 == 0 && !isBitmap(cell) ? slotHi + 1 : slotHi;
  if (word(cell + CURSOR) != hi) putWord(cell + CURSOR, hi);
  putWord(cell + CURSOR + 8, slotLo + 1);
  putWord(cell + HELD, word(cell + HELD) + 1);
}

// Nothing else is free or due: the slot that would be due first yields. false: none cools.
function yieldOne(cell: u32): bool {
  let popped: i32;
  do popped = coolingPop(cell + COOLING, u32.MAX_VALUE);
  while (popped != POP_NONE && popped != POP_SLOT);
  if (popped == POP_NONE) return false;
  putWord(cell + YIELDS, word(cell + YIELDS) + 1);
  slotIs(cooledHi, cooledLo);
  return true;
}

/** The first held slot at or after hi:lo: slotHi, slotLo. Passes what is excluded or cools. */
export function poolNext(cell: u32, fromHi: u64, fromLo: u64): bool {
  let hi = fromHi;
  let lo = fromLo;
  while (nextSet(cell, hi, lo)) {
    const isOut = excludedAt(cell + EXCLUSIONS, slotHi, slotLo);
    if (!isOut && !coolingHas(cell + COOLING, slotHi, slotLo)) return true;
    const endLo = isOut ? excludedEndLo : slotLo;
    lo = endLo + 1;
    hi = (isOut ? excludedEndHi : slotHi) + (lo == 0 ? 1 : 0);
    if (!isInside(cell, hi, lo) || (hi == 0 && lo == 0)) return false;
  }
  return false;
}

function nextSet(cell: u32, hi: u64, lo: u64): bool {
  const bits = bitsOf(cell);
  if (!isInside(cell, hi, lo)) return false;
  if (!isBitmap(cell)) {
    if (!radixNextTaken(cell + SET, hi, lo, lastHi(bits), lastLo(bits))) return false;
    slotIs(foundHi, foundLo);
    return true;
  }
  const slot = bitmapNextTaken(half(cell + SET), half(cell + SLOTS), <u32>lo);
  slotIs(0, <u64>slot);
  return slot != NONE;
}

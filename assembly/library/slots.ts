// Slots: a pool of 2^bits slots in the heap, what addresses of a prefix and sub-prefixes of one
// length both are. Up to 2^30 slots are a bitmap, more a radix set.
//
//   cell, 128 B
//      0  kind u8 | policy u8 | bits u8 | plain u8 (plain.ts) | cooldown u32
//      8  bitmap: offset u32 | slots u32         radix: root, 16 B
//     24  held u64         32  cursor, 16 B (hi, lo): where policy `next` goes on
//     48  random state     56  band u64: slots below it are given last
//     64  first block of exclusions u32 | -      72  slots excluded u64 (2^64 - 1 = that or more)
//     80  cooling, 24 B (cooling.ts)            104  bitmap of up to 64 slots; of more: found ahead
//    112  cooling slots that had to yield u64   120  number of the pool u64 (buddy.ts, nextMade)
//
//   block of exclusions   | next u32 | count u32 | 17 x (from hi, from lo, to hi, to lo) |  552 B
//
// A bit of the bitmap, or a key of the set, is there for whatever can't be given: held or cooling
// slots, in a bitmap excluded ones too (a search then needn't ask).
// Cost: bitmap and radix as they say; plus one look at each exclusion in `give` and in radix pools.
import { arenaFree, arenaTake } from "../image/arena";
import { half, putWord, word } from "../image/image";
import {
  bitmapBytes,
  bitmapGive,
  bitmapHas,
  bitmapNextFree,
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
  radixNextFree,
  radixNextTaken,
  radixTake,
  radixTakeFound,
} from "../sets/radix";
import { heapReady, nextMade, runFree, runTake } from "./buddy";
import {
  cooledHi,
  cooledLo,
  coolingCount,
  coolingDue,
  coolingHas,
  coolingPop,
  coolingPush,
  coolingUntil,
} from "./cooling";
import { excludedAt, excludedEndHi, excludedEndLo, exclusionsFree } from "./exclusions";

export const CELL: u32 = 128;
const POLICY: u32 = 1;
const BITS: u32 = 2;
const COOLDOWN: u32 = 4;
export const SET: u32 = 8;
export const SLOTS: u32 = 12;
export const HELD: u32 = 24;
export const CURSOR: u32 = 32;
const RANDOM: u32 = 48;
const BAND: u32 = 56;
export const EXCLUSIONS: u32 = 64;
export const EXCLUDED: u32 = 72;
export const COOLING: u32 = 80;
const INLINE: u32 = 104;
export const AHEAD: u32 = INLINE;
export const YIELDS: u32 = 112;
const NUMBER: u32 = 120;

const KIND_BITMAP: u64 = 1;
const KIND_RADIX: u64 = 2;
/** A bitmap whose take (give) needs nothing but the bitmap: no band, policy next; no exclusions. */
export const PLAIN_TAKE: u64 = 1 << 24;
export const PLAIN_GIVE: u64 = 1 << 25;
/** The same of a radix set; where exclusions are, takes must ask as well. */
export const WIDE_TAKE: u64 = 1 << 26;
export const WIDE_GIVE: u64 = 1 << 27;
const BITMAP_BITS: u32 = 30;
const ARENA_BITS: u32 = 12;
const FIRST: u32 = 1;
const RANDOMLY: u32 = 2;
/** Due cool-downs that one call collects. */
const COLLECT: u32 = 8;
/** Blocks, leaves, lists or keys that one part of a close frees: it notes each word of them. */
const EMPTYING: u32 = 16;

/** Answers. */
export const OK: i32 = 0;
export const TAKEN: i32 = 1;
export const IS_COOLING: i32 = 2;
export const IS_EXCLUDED: i32 = 3;
export const OUTSIDE: i32 = 4;
export const NO_SPACE: i32 = 5;
export const FREE: i32 = 6;

/** States. */
export const STATE_FREE: i32 = 0;
export const STATE_HELD: i32 = 1;

/** The slot that the last call found. */
export let slotHi: u64 = 0;
export let slotLo: u64 = 0;

/** The slot that plain.ts has found. */
export function slotIs(hi: u64, lo: u64): void {
  slotHi = hi;
  slotLo = lo;
}

/** Bits of the pool's slots. */
export function bitsOf(cell: u32): u32 {
  return (half(cell) >> 16) & 255;
}

/** Is the pool a bitmap? */
export function isBitmap(cell: u32): bool {
  return (word(cell) & 255) == KIND_BITMAP;
}

function lastHi(bits: u32): u64 {
  return bits <= 64 ? 0 : <u64>-1 >> (128 - <u64>bits);
}

function lastLo(bits: u32): u64 {
  return bits >= 64 ? <u64>-1 : ((<u64>1) << bits) - 1;
}

/** Is there such a slot? */
export function isInside(cell: u32, hi: u64, lo: u64): bool {
  const bits = bitsOf(cell);
  return hi < lastHi(bits) || (hi == lastHi(bits) && lo <= lastLo(bits));
}

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
  for (let i: u32 = 0; i < EMPTYING; i++) {
    if (!coolingPop(cell + COOLING)) break;
  }
  if (coolingCount(cell + COOLING) != 0) return false;
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

/** Slots below `band` are given only when no other is free, or to who asks for one. */
export function poolBand(cell: u32, band: u64): void {
  putWord(cell + BAND, band);
  putWord(cell, word(cell) & ~(PLAIN_TAKE | WIDE_TAKE));
}

/** Slots that callers hold. */
export function poolHeld(cell: u32): u64 {
  return word(cell + HELD);
}

/** Slots that cool. */
export function poolCooling(cell: u32): u64 {
  return coolingCount(cell + COOLING);
}

/** Slots that are excluded; 2^64 - 1 stands for that and more. */
export function poolExcluded(cell: u32): u64 {
  return word(cell + EXCLUDED);
}

/** Cooling slots that were given early because nothing else was free. */
export function poolYields(cell: u32): u64 {
  return word(cell + YIELDS);
}

/** Seconds of cool-down, 0 = none. */
export function cooldownOf(cell: u32): u32 {
  return half(cell + COOLDOWN);
}

/** Forgets what plain.ts has found ahead: a slot may be free again, or the cursor moves. */
export function forgetAhead(cell: u32): void {
  if (isBitmap(cell) && bitsOf(cell) > 6 && word(cell + AHEAD) != 0) putWord(cell + AHEAD, 0);
}

/** Counts slots that were taken or given as whole words. */
export function heldAdd(cell: u32, count: u64): void {
  forgetAhead(cell);
  putWord(cell + HELD, word(cell + HELD) + count);
}

/** When a cooling slot is free again. Looks through all that cool. */
export function poolUntil(cell: u32, hi: u64, lo: u64): u32 {
  return coolingUntil(cell + COOLING, hi, lo);
}

/** The set: a bitmap's offset, or a radix root. */
export function setOf(cell: u32): u32 {
  return isBitmap(cell) ? half(cell + SET) : cell + SET;
}

/** Slots of a bitmap pool. */
export function slotsOf(cell: u32): u32 {
  return half(cell + SLOTS);
}

/** Can't the slot be given now, as the set says? (In radix pools exclusions aren't in it.) */
export function isSet(cell: u32, hi: u64, lo: u64): bool {
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
    if (!bitmapTake(half(cell + SET), half(cell + SLOTS), <u32>lo)) return poolState(cell, hi, lo);
  } else {
    if (excludedAt(cell + EXCLUSIONS, hi, lo)) return IS_EXCLUDED;
    const status = heapReady() ? radixTake(cell + SET, hi, lo) : RADIX_NO_SPACE;
    if (status == RADIX_NO_SPACE) return NO_SPACE;
    if (status != RADIX_OK) return poolState(cell, hi, lo);
  }
  putWord(cell + HELD, word(cell + HELD) + 1);
  return OK;
}

/** Gives a held slot back: OK, FREE (it was), IS_COOLING, IS_EXCLUDED or OUTSIDE. */
export function poolGive(cell: u32, hi: u64, lo: u64, now: u32): i32 {
  if (!isInside(cell, hi, lo)) return OUTSIDE;
  if (half(cell + EXCLUSIONS) != 0 && excludedAt(cell + EXCLUSIONS, hi, lo)) return IS_EXCLUDED;
  const cooldown = half(cell + COOLDOWN);
  if (cooldown != 0) {
    if (!isSet(cell, hi, lo)) return FREE;
    if (coolingHas(cell + COOLING, hi, lo)) return IS_COOLING;
    collect(cell, now);
    const due = now > u32.MAX_VALUE - cooldown ? u32.MAX_VALUE : now + cooldown;
    if (heapReady() && coolingPush(cell + COOLING, hi, lo, due)) {
      putWord(cell + HELD, word(cell + HELD) - 1);
      return OK;
    }
  }
  if (!unset(cell, hi, lo)) return FREE;
  putWord(cell + HELD, word(cell + HELD) - 1);
  return OK;
}

function unset(cell: u32, hi: u64, lo: u64): bool {
  forgetAhead(cell);
  if (isBitmap(cell)) return bitmapGive(half(cell + SET), half(cell + SLOTS), <u32>lo);
  return radixGive(cell + SET, hi, lo);
}

/** Frees at most COLLECT slots whose cool-down is over. */
function collect(cell: u32, now: u32): void {
  for (let i: u32 = 0; i < COLLECT && coolingDue(cell + COOLING) <= now; i++) {
    if (coolingPop(cell + COOLING)) unset(cell, cooledHi, cooledLo);
  }
}

/** Frees some slots whose cool-down is over. Are there more? */
export function poolCollect(cell: u32, now: u32): bool {
  collect(cell, now);
  return coolingDue(cell + COOLING) <= now;
}

/**
 * Picks and takes a slot by the pool's policy: slotHi, slotLo. OK, FREE (nothing is free),
 * NO_SPACE.
 */
export function poolTake(cell: u32, now: u32): i32 {
  const cools = half(cell + COOLDOWN) != 0;
  if (cools) collect(cell, now);
  if (isBitmap(cell)) {
    const slot = pickBitmap(cell);
    if (slot == NONE) return cools ? yieldOne(cell, now) : FREE;
    slotLo = <u64>slot;
    slotHi = 0;
    bitmapTake(half(cell + SET), half(cell + SLOTS), slot);
  } else {
    if (!heapReady()) return NO_SPACE;
    if (!pickRadix(cell)) return cools ? yieldOne(cell, now) : FREE;
    if (radixTakeFound(cell + SET, slotHi, slotLo) != RADIX_OK) return NO_SPACE;
  }
  given(cell);
  return OK;
}

// The policy has given slotHi, slotLo: counts it and puts the cursor behind it.
function given(cell: u32): void {
  forgetAhead(cell);
  const hi = slotLo + 1 == 0 && !isBitmap(cell) ? slotHi + 1 : slotHi;
  if (word(cell + CURSOR) != hi) putWord(cell + CURSOR, hi);
  putWord(cell + CURSOR + 8, slotLo + 1);
  putWord(cell + HELD, word(cell + HELD) + 1);
}

// Nothing else is free: the slot that would be due first yields.
function yieldOne(cell: u32, now: u32): i32 {
  const due = coolingDue(cell + COOLING);
  if (!coolingPop(cell + COOLING)) return FREE;
  if (due > now) putWord(cell + YIELDS, word(cell + YIELDS) + 1);
  slotHi = cooledHi;
  slotLo = cooledLo;
  given(cell);
  return OK;
}

// xorshift64*: the state is never 0.
function random(cell: u32): u64 {
  let x = word(cell + RANDOM);
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  putWord(cell + RANDOM, x);
  return x * 0x2545f4914f6cdd1d;
}

// Where the search begins (above the band), round to the band, then the band itself.
function pickBitmap(cell: u32): u32 {
  const at = half(cell + SET);
  const slots = half(cell + SLOTS);
  const band = <u32>word(cell + BAND);
  const policy = (half(cell) >> 8) & 255;
  let from = policy == FIRST ? band : <u32>word(cell + CURSOR + 8);
  if (policy == RANDOMLY && slots > band) from = band + <u32>(random(cell) % <u64>(slots - band));
  if (from < band) from = band;
  let slot = bitmapNextFree(at, slots, from);
  if (slot == NONE && from > band) slot = bitmapNextFree(at, slots, band);
  if (slot == NONE && band != 0) slot = bitmapNextFree(at, slots, 0);
  return slot;
}

function pickRadix(cell: u32): bool {
  const bits = bitsOf(cell);
  const endHi = lastHi(bits);
  const endLo = lastLo(bits);
  const band = word(cell + BAND);
  const policy = (half(cell) >> 8) & 255;
  let hi = policy == FIRST ? 0 : word(cell + CURSOR);
  let lo = policy == FIRST ? band : word(cell + CURSOR + 8);
  if (policy == RANDOMLY) {
    hi = random(cell) & endHi;
    lo = random(cell) & endLo;
  }
  if (hi > endHi || (hi == 0 && lo < band) || (hi == endHi && lo > endLo)) {
    hi = 0;
    lo = band;
  }
  if (seekFree(cell, hi, lo, endHi, endLo) || seekFree(cell, 0, band, endHi, endLo)) return true;
  return band != 0 && seekFree(cell, 0, 0, 0, band - 1);
}

// The first slot in from..end that is neither in the set nor excluded: slotHi, slotLo.
function seekFree(cell: u32, fromHi: u64, fromLo: u64, endHi: u64, endLo: u64): bool {
  let hi = fromHi;
  let lo = fromLo;
  // Each round but the last passes an exclusion's end, so there are no more rounds than those.
  for (;;) {
    if (!radixNextFree(cell + SET, hi, lo, endHi, endLo)) return false;
    if (half(cell + EXCLUSIONS) == 0 || !excludedAt(cell + EXCLUSIONS, foundHi, foundLo)) break;
    lo = excludedEndLo + 1;
    hi = excludedEndHi + (lo == 0 ? 1 : 0);
    if (hi == 0 && lo == 0) return false;
    if (hi > endHi || (hi == endHi && lo > endLo)) return false;
  }
  slotHi = foundHi;
  slotLo = foundLo;
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
    slotHi = foundHi;
    slotLo = foundLo;
    return true;
  }
  const slot = bitmapNextTaken(half(cell + SET), half(cell + SLOTS), <u32>lo);
  slotHi = 0;
  slotLo = <u64>slot;
  return slot != NONE;
}

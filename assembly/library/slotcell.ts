// The cell of a pool of slots: where each of its values lies, and what tells of them without
// changing a slot. A pool has 2^bits slots; they stand for the addresses of a prefix, or for its
// sub-prefixes of one length. Up to 2^30 slots are a bitmap, more a radix set.
//
//   cell, 128 B
//      0  kind u8 | policy u8 | bits u8 | plain u8 (plain.ts) | cooldown u32
//      8  bitmap: offset u32 | slots u32         radix: root, 16 B
//     24  held u64         32  cursor, 16 B (hi, lo): where policy `next` goes on
//     48  random state     56  band u64: slots below it are given last
//     64  first block of exclusions u32 | -      72  slots excluded u64 (2^64 - 1 = that or more)
//     80  cooling, 24 B (cooling.ts)            104  bitmap of up to 64 slots
//    112  cooling slots that had to yield u64   120  number of the pool u64 (buddy.ts, nextMade)
//
//   block of exclusions   | next u32 | count u32 | 17 x (from hi, from lo, to hi, to lo) |  552 B
//
// A bit of the bitmap, or a key of the set, is there for whatever can't be given: held or cooling
// slots, in a bitmap excluded ones too (a search then needn't ask).
import { half, putWord, word } from "../image/image";
import { coolingCount } from "./cooling";

/** Bytes of a cell; where its values lie. */
export const CELL: u32 = 128;
export const COOLDOWN: u32 = 4;
export const SET: u32 = 8;
export const SLOTS: u32 = 12;
export const HELD: u32 = 24;
export const CURSOR: u32 = 32;
export const RANDOM: u32 = 48;
export const BAND: u32 = 56;
export const EXCLUSIONS: u32 = 64;
export const EXCLUDED: u32 = 72;
export const COOLING: u32 = 80;
export const INLINE: u32 = 104;
export const YIELDS: u32 = 112;
export const NUMBER: u32 = 120;

/** What the cell's first byte says. */
export const KIND_BITMAP: u64 = 1;
export const KIND_RADIX: u64 = 2;
/** A bitmap whose take (give) needs nothing but the bitmap: no band, policy next; no exclusions. */
export const PLAIN_TAKE: u64 = 1 << 24;
export const PLAIN_GIVE: u64 = 1 << 25;
/** The same of a radix set; where exclusions are, takes must ask as well. */
export const WIDE_TAKE: u64 = 1 << 26;
export const WIDE_GIVE: u64 = 1 << 27;

/** The slot that the last call found. */
export let slotHi: u64 = 0;
export let slotLo: u64 = 0;

/** That slot is found. */
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

/** The last slot of 2^bits, its upper half; */
export function lastHi(bits: u32): u64 {
  return bits <= 64 ? 0 : <u64>-1 >> (128 - <u64>bits);
}

/** ... its lower half. */
export function lastLo(bits: u32): u64 {
  return bits >= 64 ? <u64>-1 : ((<u64>1) << bits) - 1;
}

/** Is there such a slot? */
export function isInside(cell: u32, hi: u64, lo: u64): bool {
  const bits = bitsOf(cell);
  return hi < lastHi(bits) || (hi == lastHi(bits) && lo <= lastLo(bits));
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

/** Counts slots that were taken or given as whole words. */
export function heldAdd(cell: u32, count: u64): void {
  putWord(cell + HELD, word(cell + HELD) + count);
}

/** The set: a bitmap's offset, or a radix root. */
export function setOf(cell: u32): u32 {
  return isBitmap(cell) ? half(cell + SET) : cell + SET;
}

/** Slots of a bitmap pool. */
export function slotsOf(cell: u32): u32 {
  return half(cell + SLOTS);
}

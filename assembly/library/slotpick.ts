// Picks: which free slot a pool gives next, by its policy. Nothing is taken here: slots.ts does
// that with slotHi, slotLo. What cools is in the set, due or not, so pickDue asks for it.
//
// Cost: a search in the bitmap or the radix set for the cursor's place, one more from the beginning
// of what is above the band, one in the band; in a radix set another for each exclusion it meets.
// As many in the tree of cooling slots where one of them is due.
import { half, putWord, word } from "../image/image";
import { bitmapNextFree, NONE } from "../sets/bitmap";
import { foundHi, foundLo, radixNextFree } from "../sets/radix";
import { cooledHi, cooledLo, coolingNextDue } from "./cooling";
import { excludedAt, excludedEndHi, excludedEndLo } from "./exclusions";
import {
  BAND,
  bitsOf,
  COOLDOWN,
  COOLING,
  CURSOR,
  EXCLUSIONS,
  isBitmap,
  isInside,
  lastHi,
  lastLo,
  RANDOM,
  SET,
  SLOTS,
  slotHi,
  slotIs,
  slotLo,
} from "./slotcell";

const FIRST: u32 = 1;
const RANDOMLY: u32 = 2;

// Where the last pick began to search.
let beganHi: u64 = 0;
let beganLo: u64 = 0;

// xorshift64*: the state is never 0.
function random(cell: u32): u64 {
  let x = word(cell + RANDOM);
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  putWord(cell + RANDOM, x);
  return x * 0x2545f4914f6cdd1d;
}

/**
 * A bitmap's next slot, slotLo: where the search begins (above the band), round to the band, then
 * the band itself. false: nothing is free.
 */
export function pickBitmap(cell: u32): bool {
  const at = half(cell + SET);
  const slots = half(cell + SLOTS);
  const band = <u32>word(cell + BAND);
  const policy = (half(cell) >> 8) & 255;
  let from = policy == FIRST ? band : <u32>word(cell + CURSOR + 8);
  if (policy == RANDOMLY && slots > band) from = band + <u32>(random(cell) % <u64>(slots - band));
  if (from < band) from = band;
  beganHi = 0;
  beganLo = <u64>from;
  let slot = bitmapNextFree(at, slots, from);
  if (slot == NONE && from > band) slot = bitmapNextFree(at, slots, band);
  if (slot == NONE && band != 0) slot = bitmapNextFree(at, slots, 0);
  slotIs(0, <u64>slot);
  return slot != NONE;
}

/** The same of a radix set: slotHi, slotLo. false: nothing is free. */
export function pickRadix(cell: u32): bool {
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
  beganHi = hi;
  beganLo = lo;
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
  slotIs(foundHi, foundLo);
  return true;
}

/**
 * The slot that the last pick would have found if everything due were free, where that is one that
 * cools: slotHi, slotLo. false: it is what was picked, or (`picked` false) nothing is due.
 */
export function pickDue(cell: u32, now: u32, picked: bool): bool {
  const bits = bitsOf(cell);
  const endHi = lastHi(bits);
  const endLo = lastLo(bits);
  const band = word(cell + BAND);
  // The pick's ways in their order, the one on which it found its slot only up to that.
  const first = picked && !isBefore(slotHi, slotLo, beganHi, beganLo);
  if (first) return seekDue(cell, now, beganHi, beganLo, slotHi, slotLo);
  if (seekDue(cell, now, beganHi, beganLo, endHi, endLo)) return true;
  const second = picked && !isBefore(slotHi, slotLo, 0, band);
  if (second) return seekDue(cell, now, 0, band, slotHi, slotLo);
  if (seekDue(cell, now, 0, band, endHi, endLo)) return true;
  return band != 0 && seekDue(cell, now, 0, 0, 0, picked ? slotLo : band - 1);
}

/** Is a slot above the band free, or due by `now`? */
export function upperFree(cell: u32, now: u32): bool {
  const bits = bitsOf(cell);
  const band = word(cell + BAND);
  const isFree = isBitmap(cell)
    ? bitmapNextFree(half(cell + SET), half(cell + SLOTS), <u32>band) != NONE
    : isInside(cell, 0, band) && seekFree(cell, 0, band, lastHi(bits), lastLo(bits));
  return isFree || (half(cell + COOLDOWN) != 0 && coolingNextDue(cell + COOLING, 0, band, now));
}

// The first slot in from..end that is due: slotHi, slotLo.
function seekDue(cell: u32, now: u32, hi: u64, lo: u64, endHi: u64, endLo: u64): bool {
  if (!coolingNextDue(cell + COOLING, hi, lo, now)) return false;
  if (isBefore(endHi, endLo, cooledHi, cooledLo)) return false;
  slotIs(cooledHi, cooledLo);
  return true;
}

function isBefore(hi: u64, lo: u64, otherHi: u64, otherLo: u64): bool {
  return hi < otherHi || (hi == otherHi && lo < otherLo);
}

// The census of a range set: how many addresses it has, how many of them are held, reserved, cool,
// and are free. What can't be given (the gateway, what `exclude` names) is no part of its size.
// What is taken is walked through the tree, so a /64 costs what is held in it; what is free is
// calculated.
//
//   skips   intervals of a range that are never given, sorted, without overlaps
//
// What is due counts as free, whether it was collected or not, as in `show`.
import { H_HELD } from "../image/header";
import { word } from "../image/image";
import { poolReason, REASON_NONE, treeOf } from "../pool/pool";
import { below, excludeAt, Interval, Range, rangeAt } from "../pool/range";
import { recordByAddress } from "../records/record";
import { scratchTake } from "../scratch";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import {
  holdingHead,
  holdingOf,
  holdingSince,
  IS_COOLING,
  IS_FREE,
  IS_HELD,
  IS_RESERVED,
} from "./holding";
import { knownCount, knownRead, knownSet } from "./known";
import { isThisBoot } from "./place";
import { bootTime } from "./times";
import { wideHi, wideLo, wideMinus, widePlus } from "./wide";

/** What a range set holds. */
@unmanaged
export class Census {
  /** Addresses that can be given at all, and those of them that are free. */
  sizeHi: u64;
  sizeLo: u64;
  freeHi: u64;
  freeLo: u64;
  held: u64;
  reserved: u64;
  cooling: u64;
  family: i32;
  index: i32;
}

/** Seconds for which the oldest allocation in the sets that were counted is held. */
export let oldest: u32 = 0;

/** Reads the settings of the copied image: how many range sets there are. */
export function censusBegin(): i32 {
  oldest = 0;
  knownRead();
  return knownCount;
}

/** The intervals that the last `skipsOf` has found. */
export let skipCount: i32 = 0;
let skips: usize = 0;

/** Interval `i` of the last `skipsOf`. */
export function skipAt(i: i32): Interval {
  return changetype<Interval>(skips + <usize>i * offsetof<Interval>());
}

// Puts an interval into the sorted list, cut to the range.
function skipAdd(r: Range, startHi: u64, startLo: u64, endHi: u64, endLo: u64): void {
  if (below(endHi, endLo, r.startHi, r.startLo) || below(r.endHi, r.endLo, startHi, startLo))
    return;
  let i = skipCount;
  for (; i > 0; i--) {
    const other = skipAt(i - 1);
    if (!below(startHi, startLo, other.startHi, other.startLo)) break;
    memory.copy(changetype<usize>(skipAt(i)), changetype<usize>(other), offsetof<Interval>());
  }
  const at = skipAt(i);
  const early = below(startHi, startLo, r.startHi, r.startLo);
  at.startHi = early ? r.startHi : startHi;
  at.startLo = early ? r.startLo : startLo;
  const late = below(r.endHi, r.endLo, endHi, endLo);
  at.endHi = late ? r.endHi : endHi;
  at.endLo = late ? r.endLo : endLo;
  skipCount++;
}

// Joins what overlaps in the sorted list.
function skipJoin(): void {
  let kept = 0;
  for (let i = 0; i < skipCount; i++) {
    const next = skipAt(i);
    const last = kept > 0 ? skipAt(kept - 1) : next;
    if (kept == 0 || below(last.endHi, last.endLo, next.startHi, next.startLo)) {
      memory.copy(changetype<usize>(skipAt(kept)), changetype<usize>(next), offsetof<Interval>());
      kept++;
    } else if (below(last.endHi, last.endLo, next.endHi, next.endLo)) {
      last.endHi = next.endHi;
      last.endLo = next.endLo;
    }
  }
  skipCount = kept;
}

/** Finds what is never given of a range: skipCount of skipAt. */
export function skipsOf(r: Range): void {
  skips = scratchTake(<usize>(r.excludeCount + 1) * offsetof<Interval>());
  skipCount = 0;
  if (r.gatewayFamily == r.family) {
    skipAdd(r, r.gatewayHi, r.gatewayLo, r.gatewayHi, r.gatewayLo);
  }
  for (let i = 0; i < r.excludeCount; i++) {
    const e = excludeAt(r, i);
    skipAdd(r, e.startHi, e.startLo, e.endHi, e.endLo);
  }
  skipJoin();
}

// The size of the range without what is never given, added to the set's.
function countSize(c: Census, r: Range): void {
  skipsOf(r);
  wideMinus(r.endHi, r.endLo, r.startHi, r.startLo);
  widePlus(wideHi, wideLo, 0, 1);
  for (let i = 0; i < skipCount; i++) {
    const s = skipAt(i);
    const hi = wideHi;
    const lo = wideLo;
    wideMinus(s.endHi, s.endLo, s.startHi, s.startLo);
    widePlus(wideHi, wideLo, 0, 1);
    wideMinus(hi, lo, wideHi, wideLo);
  }
  widePlus(c.sizeHi, c.sizeLo, wideHi, wideLo);
  c.sizeHi = wideHi;
  c.sizeLo = wideLo;
}

// One taken address. Answers 1 if the set could give it, were it free.
function countTaken(c: Census, r: Range, hi: u64, lo: u64): u64 {
  const cell = recordByAddress(<u32>r.family, hi, lo);
  const state = cell == 0 ? IS_FREE : holdingOf(cell);
  if (state == IS_FREE) return 0;
  if (state == IS_HELD) {
    c.held++;
    const since = holdingSince(holdingHead);
    if (isThisBoot && since <= bootTime()) oldest = max<u32>(oldest, bootTime() - since);
  } else if (state == IS_RESERVED) c.reserved++;
  else if (state == IS_COOLING) c.cooling++;
  return poolReason(changetype<usize>(r), hi, lo) == REASON_NONE ? 1 : 0;
}

// Answers how many addresses of the range can't be given now.
function countRange(c: Census, r: Range): u64 {
  let hi = r.startHi;
  let lo = r.startLo;
  let taken: u64 = 0;
  // Each step finds a larger address (radixNextTaken traps otherwise), so it ends.
  while (radixNextTaken(treeOf(r.family), hi, lo, r.endHi, r.endLo)) {
    hi = foundHi;
    lo = foundLo;
    taken += countTaken(c, r, hi, lo);
    if (hi == r.endHi && lo == r.endLo) break;
    lo++;
    if (lo == 0) hi++;
  }
  return taken;
}

/** Counts range set `i` into `c`. */
export function censusOf(i: i32, c: Census): void {
  memory.fill(changetype<usize>(c), 0, offsetof<Census>());
  const set = knownSet(i);
  c.family = set.family;
  c.index = i;
  let taken: u64 = 0;
  for (let n = 0; n < set.count; n++) {
    countSize(c, rangeAt(set, n));
    taken += countRange(c, rangeAt(set, n));
  }
  wideMinus(c.sizeHi, c.sizeLo, 0, taken);
  c.freeHi = wideHi;
  c.freeLo = wideLo;
}

/** Allocations of the copied image, wherever their addresses lie. */
export function allocations(): u64 {
  return word(H_HELD);
}

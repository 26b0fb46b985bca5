// Pools: what a range set can give. Each family has one taken-tree for the whole network, keyed by
// the absolute address; a range set is a window on it, gateway and `exclude` are intervals to
// skip. So a changed config costs nothing, and overlapping configs of one network can't give an
// address twice.
//
// Policies choose where the search begins; the search itself is one walk of the tree per range,
// plus one for each skipped interval that is met.

import { CURSOR_BYTES, CURSORS, TREE4, TREE6 } from "../image/header";
import { half, putWord, word } from "../image/image";
import { C_DUE, cellByte, cellHasFamily, cellHi, cellLo } from "../records/cell";
import { eventOfAddress } from "../records/event";
import { EVENT_YIELDED } from "../records/eventcell";
import {
  coolingEnd,
  coolingFrom,
  coolingNext,
  coolingSet,
  dueSet,
  poolSet,
  YIELD_MAX,
} from "../records/expiry";
import { P_BASE, P_CURSOR, poolCursorPut } from "../records/poolcell";
import { unshareKey } from "../records/unshare";
import { foundHi, foundLo, radixNextFree } from "../sets/radix";
import { below, Interval, Range, RangeSet, rangeHolds, setHolds } from "./range";

/** Policies, as `ipam.policy` names them. */
export const POLICY_NEXT: i32 = 0;
export const POLICY_FIRST: i32 = 1;
export const POLICY_RANDOM: i32 = 2;

/** What the last successful pick found. */
export let pickHi: u64 = 0;
export let pickLo: u64 = 0;
/** The Range it lies in. */
export let pickRange: usize = 0;

/** The taken-tree of a family. */
export function treeOf(family: i32): u32 {
  return family == 4 ? TREE4 : TREE6;
}

/** Why a single address can't be given from its range, before asking whether it is taken. */
export const REASON_NONE: i32 = 0;
export const REASON_GATEWAY: i32 = 1;
export const REASON_EXCLUDED: i32 = 2;

// The exclude interval that holds the address, or 0.
function excludedBy(range: usize, hi: u64, lo: u64): usize {
  const r = changetype<Range>(range);
  for (let i = 0; i < r.excludeCount; i++) {
    const at = r.excludes + <usize>i * offsetof<Interval>();
    const e = changetype<Interval>(at);
    if (!below(hi, lo, e.startHi, e.startLo) && !below(e.endHi, e.endLo, hi, lo)) return at;
  }
  return 0;
}

/** REASON_GATEWAY, REASON_EXCLUDED or REASON_NONE for an address of `range`. */
export function poolReason(range: usize, hi: u64, lo: u64): i32 {
  const r = changetype<Range>(range);
  if (r.gatewayFamily == r.family && r.gatewayHi == hi && r.gatewayLo == lo) return REASON_GATEWAY;
  return excludedBy(range, hi, lo) != 0 ? REASON_EXCLUDED : REASON_NONE;
}

// The first address of range that may be given within from..end: pickHi, pickLo. Where there is no
// image nothing is taken.
function seekFree(
  range: usize,
  fHi: u64,
  fLo: u64,
  endHi: u64,
  endLo: u64,
  image: bool = true,
): bool {
  const r = changetype<Range>(range);
  const tree = treeOf(r.family);
  let hi = fHi;
  let lo = fLo;
  if (image) unshareKey(tree, hi, lo);
  for (let skips = r.excludeCount + 1; skips >= 0; skips--) {
    if (below(endHi, endLo, hi, lo)) return false;
    if (image) {
      if (!radixNextFree(tree, hi, lo, endHi, endLo)) return false;
      hi = foundHi;
      lo = foundLo;
    }
    const reason = poolReason(range, hi, lo);
    if (reason == REASON_NONE) {
      pickHi = hi;
      pickLo = lo;
      pickRange = range;
      return true;
    }
    if (reason == REASON_EXCLUDED) {
      const e = changetype<Interval>(excludedBy(range, hi, lo));
      hi = e.endHi;
      lo = e.endLo;
    }
    // An exclude may end behind the range, even at the last address that there is.
    if (!below(hi, lo, endHi, endLo)) return false;
    lo++;
    if (lo == 0) hi++;
  }
  return false;
}

function rangeAt(set: usize, i: i32): usize {
  return changetype<RangeSet>(set).ranges + <usize>i * offsetof<Range>();
}

// From (hi, lo) in range `first` upwards, through the other ranges, and round to where it began.
function seekRound(set: usize, first: i32, hi: u64, lo: u64): bool {
  const count = changetype<RangeSet>(set).count;
  const start = changetype<Range>(rangeAt(set, first));
  if (seekFree(rangeAt(set, first), hi, lo, start.endHi, start.endLo)) return true;
  for (let i = 1; i < count; i++) {
    const range = rangeAt(set, (first + i) % count);
    const r = changetype<Range>(range);
    if (seekFree(range, r.startHi, r.startLo, r.endHi, r.endLo)) return true;
  }
  if (hi == start.startHi && lo == start.startLo) return false;
  const lastLo = lo - 1;
  const lastHi = lo == 0 ? hi - 1 : hi;
  return seekFree(rangeAt(set, first), start.startHi, start.startLo, lastHi, lastLo);
}

function cursorAt(index: i32): u32 {
  return CURSORS + <u32>index * CURSOR_BYTES;
}

/** Remembers the last address given to a range set: where `next` goes on. */
export function cursorPut(set: usize, hi: u64, lo: u64): void {
  const s = changetype<RangeSet>(set);
  if (s.cell != 0) {
    poolCursorPut(s.cell, hi, lo);
    return;
  }
  const at = cursorAt(s.index);
  putWord(at, hi);
  putWord(at + 8, lo);
  putWord(at + 16, <u64>s.family);
}

// host-local: after the mark if it lies in one of the set's ranges, else from the very start.
function pickNext(set: usize): bool {
  const s = changetype<RangeSet>(set);
  if (s.cell != 0) return pickBehind(set);
  const at = cursorAt(s.index);
  const hi = word(at);
  const lo = word(at + 8);
  if (word(at + 16) == <u64>s.family) {
    for (let i = 0; i < s.count; i++) {
      const r = changetype<Range>(rangeAt(set, i));
      if (!rangeHolds(rangeAt(set, i), hi, lo)) continue;
      if (hi == r.endHi && lo == r.endLo) {
        const next = (i + 1) % s.count;
        const n = changetype<Range>(rangeAt(set, next));
        return seekRound(set, next, n.startHi, n.startLo);
      }
      return seekRound(set, i, lo + 1 == 0 ? hi + 1 : hi, lo + 1);
    }
  }
  return pickFirst(set);
}

// A pool of the library: from its cursor on, an offset from its base.
function pickBehind(set: usize): bool {
  const cell = changetype<RangeSet>(set).cell;
  const baseLo = word(cell + P_BASE + 8);
  const lo = baseLo + word(cell + P_CURSOR + 8);
  const hi = word(cell + P_BASE) + word(cell + P_CURSOR) + (lo < baseLo ? 1 : 0);
  return rangeHolds(rangeAt(set, 0), hi, lo) ? seekRound(set, 0, hi, lo) : pickFirst(set);
}

function pickFirst(set: usize): bool {
  const r = changetype<Range>(rangeAt(set, 0));
  return seekRound(set, 0, r.startHi, r.startLo);
}

// A random address of a random range; ranges are chosen by their size (a 1,024th of it where one
// has 2^54 addresses and more: the sum of 1,024 ranges must fit 64 bits).
function pickRandom(set: usize, random0: u64, random1: u64): bool {
  const s = changetype<RangeSet>(set);
  let shift: u64 = 0;
  for (let i = 0; i < s.count; i++) if (sizeOf(rangeAt(set, i)) >> 54 != 0) shift = 10;
  let total: u64 = 0;
  for (let i = 0; i < s.count; i++) total += sizeOf(rangeAt(set, i)) >> shift || 1;
  let ticket = random0 % total;
  for (let i = 0; i < s.count; i++) {
    const range = rangeAt(set, i);
    const size = sizeOf(range);
    const weight = size >> shift || 1;
    if (ticket >= weight) {
      ticket -= weight;
      continue;
    }
    const r = changetype<Range>(range);
    const lo = r.startLo + (size == u64.MAX_VALUE ? random1 : random1 % size);
    const hi = r.startHi + (lo < r.startLo ? 1 : 0);
    if (!rangeHolds(range, hi, lo)) return pickFirst(set);
    return seekRound(set, i, hi, lo);
  }
  return pickFirst(set);
}

// Addresses of a range; u64.MAX_VALUE stands for 2^64 - 1 and more.
function sizeOf(range: usize): u64 {
  const r = changetype<Range>(range);
  const lo = r.endLo - r.startLo;
  const hi = r.endHi - r.startHi - (r.endLo < r.startLo ? 1 : 0);
  return hi != 0 || lo == u64.MAX_VALUE ? u64.MAX_VALUE : lo + 1;
}

/**
 * Picks a free address for the set by policy (a pool of the library has its own): pickHi, pickLo,
 * pickRange. false: nothing is free.
 */
export function poolPick(set: usize, order: i32, random0: u64, random1: u64): bool {
  const cell = changetype<RangeSet>(set).cell;
  const policy = cell == 0 ? order : <i32>cellByte(cell, 5);
  if (policy == POLICY_FIRST) return pickFirst(set);
  if (policy == POLICY_RANDOM) return pickRandom(set, random0, random1);
  return pickNext(set);
}

/**
 * Has the set any address to give, whoever holds what: is it more than gateways and what is
 * excluded? Asks no image.
 */
export function poolHasAny(set: usize): bool {
  for (let i = 0; i < changetype<RangeSet>(set).count; i++) {
    const r = changetype<Range>(rangeAt(set, i));
    if (seekFree(rangeAt(set, i), r.startHi, r.startLo, r.endHi, r.endLo, false)) return true;
  }
  return false;
}

let yieldCell: u32 = 0;

/**
 * Does a cooling address lie in the set, so that it could yield? Looks at those that cooled under
 * the set's own number first, due next first, then at any (the config may have moved the sets):
 * YIELD_MAX of each at most.
 */
export function poolCanYield(set: usize): bool {
  const s = changetype<RangeSet>(set);
  if (s.cell != 0 && poolOwnYields(set)) return true;
  coolingFrom(<u64>s.index);
  for (let step: u32 = 0; step < 2 * YIELD_MAX; step++) {
    if (step == YIELD_MAX) coolingFrom(0);
    yieldCell = coolingNext();
    if (yieldCell == 0) {
      if (step >= YIELD_MAX) return false;
      step = YIELD_MAX - 1;
    } else if (isOfSet(yieldCell, set)) return true;
  }
  return false;
}

// What cools under a library pool's own number.
function poolOwnYields(set: usize): bool {
  const own = poolSet(changetype<RangeSet>(set).cell);
  const family = <u32>changetype<RangeSet>(set).family;
  coolingFrom(own);
  for (let step: u32 = 0; step < YIELD_MAX; step++) {
    yieldCell = coolingNext(own);
    if (yieldCell == 0) return false;
    if (!cellHasFamily(yieldCell, family)) continue;
    const range = setHolds(set, cellHi(yieldCell, family), cellLo(yieldCell, family));
    if (range == 0) continue;
    const reason = poolReason(range, cellHi(yieldCell, family), cellLo(yieldCell, family));
    if (reason == REASON_NONE) return true;
  }
  return false;
}

function isOfSet(cell: u32, set: usize): bool {
  const family = <u32>changetype<RangeSet>(set).family;
  // A cell's other address may cool no more, or cool under another number: this one must.
  if (!cellHasFamily(cell, family) || dueSet(cell, family) != coolingSet()) return false;
  const hi = cellHi(cell, family);
  const lo = cellLo(cell, family);
  const range = setHolds(set, hi, lo);
  return range != 0 && poolReason(range, hi, lo) == REASON_NONE;
}

/**
 * Nothing is free: ends the cool-down of the address that poolCanYield finds, so that the next pick
 * finds it. false: nothing yields.
 */
export function poolYield(set: usize, now: u32, number: u64): bool {
  if (!poolCanYield(set)) return false;
  const family = <u32>changetype<RangeSet>(set).family;
  const due = half(yieldCell + C_DUE);
  // What was due anyway has cooled long enough.
  if (due > now) eventOfAddress(EVENT_YIELDED, yieldCell, family, due - now, now, number);
  coolingEnd(yieldCell, family, number);
  return true;
}

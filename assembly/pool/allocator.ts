// The allocator: one address from each range set for an owner, both or none, and back. It works on
// the open journal only; whoever calls it commits what it changed, or undoes it (all but the
// cursors: a failing ADD moves them, as host-local's marks move).
//
// Cost: per range set one pick, one taken-tree, one index entry; per call one record.

import { damaged } from "../fault";
import { H_HELD } from "../image/header";
import { half, journalMust, journalUndo, putHalf, putWord, word } from "../image/image";
import {
  C_NETNS,
  cellHead,
  cellHi,
  cellLo,
  headAt,
  ownerHash,
  STATE_ALLOCATION,
  STATE_RESERVATION,
} from "../records/cell";
import { collectMore, isAnyOver, isOver, reservationOver } from "../records/due";
import { eventBack, eventOf } from "../records/event";
import { EVENT_GIVEN } from "../records/eventcell";
import { digest0, digest1, ownerDigests } from "../records/key";
import { SET_POOL } from "../records/poolcell";
import {
  recordAddAddress,
  recordByAddress,
  recordByDigest,
  recordHasName,
  recordMakeOf,
  recordPutName,
  recordReserveFor,
  recordSeal,
} from "../records/record";
import { recordSuits } from "../records/reservations";
import { scratchTake } from "../scratch";
import { RADIX_NO_SPACE, RADIX_OK, radixTake } from "../sets/radix";
import { claimOf, claimRest, claimTake } from "./named";
import { Order, orderSet } from "./order";
import {
  cursorPut,
  pickHi,
  pickLo,
  pickRange,
  poolPick,
  poolReason,
  poolYield,
  REASON_EXCLUDED,
  REASON_GATEWAY,
  REASON_NONE,
  treeOf,
} from "./pool";
import { Given, givenAt, RangeSet, setHolds, Wanted, wantedAt } from "./range";

/** Answers of `allocate`. */
export const ALLOCATED: i32 = 0;
/** The owner holds addresses already: `failCell` is its head. */
export const FAIL_DUPLICATE: i32 = 1;
/** Range set `failSet` has nothing free. */
export const FAIL_EXHAUSTED: i32 = 2;
/** The requested address failHi:failLo is the gateway of its range in set `failSet`. */
export const FAIL_GATEWAY: i32 = 3;
/** ... is excluded. */
export const FAIL_EXCLUDED: i32 = 4;
/** ... is held, reserved or cools for somebody else: `failCell` is its head. */
export const FAIL_TAKEN: i32 = 5;
/** Some requested addresses fit no range set: the Wanted that aren't `used`. */
export const FAIL_LEFTOVER: i32 = 6;
/** The arena has no room; the image can't grow further. */
export const FAIL_NO_SPACE: i32 = 7;
/**
 * The fixed address failHi:failLo is held by another container of the same name, `failCell`: it is
 * on its way out.
 */
export const FAIL_BUSY: i32 = 8;

export let failSet: i32 = 0;
export let failCell: u32 = 0;
export let failHi: u64 = 0;
export let failLo: u64 = 0;
/** FAIL_EXHAUSTED of an order that seeks: more is due, in this set or in others. */
export let failOver: bool = false;

// The first unused request that is fixed for the set, or lies in it: 0 = none.
function wantedFor(o: Order, i: i32): usize {
  const set = orderSet(o, i);
  for (let n = 0; n < o.wantedCount; n++) {
    const at = o.wanted + <usize>n * offsetof<Wanted>();
    const w = changetype<Wanted>(at);
    if (w.used || w.family != changetype<RangeSet>(set).family) continue;
    if (w.range != 0 ? w.set == i : setHolds(set, w.hi, w.lo) != 0) return at;
  }
  return 0;
}

// A requested address may be taken if it is free or due, or reserved or cooling for the very name
// that asks.
function pickWanted(o: Order, set: usize, w: Wanted, own: u32): i32 {
  const family = changetype<RangeSet>(set).family;
  const fixed = w.range != 0;
  const range = fixed ? w.range : setHolds(set, w.hi, w.lo);
  failHi = w.hi;
  failLo = w.lo;
  const reason = fixed ? REASON_NONE : poolReason(range, w.hi, w.lo);
  if (reason == REASON_GATEWAY) return FAIL_GATEWAY;
  if (reason == REASON_EXCLUDED) return FAIL_EXCLUDED;
  const cell = recordByAddress(<u32>family, w.hi, w.lo);
  if (cell != 0) {
    const head = headAt(cellHead(cell));
    const state = load8(head);
    failCell = head;
    const over = isOver(head, cell, o.now);
    const named = o.nameBytes != 0 && recordHasName(head, o.name, o.nameBytes);
    if (state == STATE_ALLOCATION) {
      const busy = fixed && named && recordSuits(head, o.ifname, o.ifBytes);
      return busy ? FAIL_BUSY : FAIL_TAKEN;
    }
    if (!over && !named) return FAIL_TAKEN;
    if (named) eventBack(true);
    if (over && state == STATE_RESERVATION) {
      reservationOver(head, o.now, o.number);
    } else claimTake(o, own, cell, <u32>family);
  }
  w.used = true;
  const g = changetype<Given>(scratchPick());
  g.hi = w.hi;
  g.lo = w.lo;
  g.range = range;
  g.still = fixed;
  return ALLOCATED;
}

let pickArea: usize = 0;

/** Takes the allocator's memory, once, before any rewind of scratch memory. */
export function allocatorReserve(): void {
  scratchPick();
}

function scratchPick(): usize {
  if (pickArea == 0) pickArea = scratchTake(offsetof<Given>());
  return pickArea;
}

function isLibrary(set: usize): bool {
  return changetype<RangeSet>(set).cell != 0;
}

// Takes an address to which the order's name has a claim into scratchPick.
function pickClaim(o: Order, set: usize, cell: u32, own: u32): void {
  const family = <u32>changetype<RangeSet>(set).family;
  const g = changetype<Given>(scratchPick());
  g.hi = cellHi(cell, family);
  g.lo = cellLo(cell, family);
  g.range = setHolds(set, g.hi, g.lo);
  // What comes back to a pod is no part of the round; the library's pools go on behind it.
  g.still = !isLibrary(set) || changetype<RangeSet>(set).still;
  eventBack(true);
  claimTake(o, own, cell, family);
}

function load8(head: u32): u32 {
  return (half(head + 4) >> 8) & 0xff;
}

// By the set's policy; where nothing is free, after a look at what has become due.
function pickByPolicy(o: Order, set: usize): bool {
  if (poolPick(set, o.policy, o.random0, o.random1)) return true;
  return collectMore(o.now, o.number) != 0 && poolPick(set, o.policy, o.random0, o.random1);
}

// Chooses the address of one set into `scratchPick`; `own` is the order's record.
function pickOne(o: Order, i: i32, own: u32): i32 {
  const set = orderSet(o, i);
  const wanted = wantedFor(o, i);
  if (wanted != 0) return pickWanted(o, set, changetype<Wanted>(wanted), own);
  const claim = claimOf(o, set);
  if (claim != 0) {
    pickClaim(o, set, claim, own);
    return ALLOCATED;
  }
  if (!pickByPolicy(o, set)) {
    failOver = o.seek && isAnyOver(o.now);
    if (failOver || changetype<RangeSet>(set).firm) return FAIL_EXHAUSTED;
    if (!poolYield(set, o.now, o.number)) return FAIL_EXHAUSTED;
    if (!poolPick(set, o.policy, o.random0, o.random1)) damaged("a yielded address isn't free");
  }
  const g = changetype<Given>(scratchPick());
  g.hi = pickHi;
  g.lo = pickLo;
  g.range = pickRange;
  g.still = changetype<RangeSet>(set).still;
  return ALLOCATED;
}

// Takes the chosen address for the record.
function takeOne(o: Order, i: i32, head: u32): i32 {
  const set = changetype<RangeSet>(orderSet(o, i));
  const g = changetype<Given>(scratchPick());
  // Two structures in different pages must agree before anything is given (DESIGN 3.4).
  if (recordByAddress(<u32>set.family, g.hi, g.lo) != 0) {
    damaged("a free address is held by a record");
  }
  const taken = radixTake(treeOf(set.family), g.hi, g.lo);
  if (taken == RADIX_NO_SPACE) return FAIL_NO_SPACE;
  if (taken != RADIX_OK) damaged("an address without a record is taken");
  const index = set.cell != 0 ? SET_POOL : <u32>set.index;
  const cell = recordAddAddress(head, <u32>set.family, g.hi, g.lo, index, o.number);
  if (cell == 0) return FAIL_NO_SPACE;
  const out = givenAt(o.given, i);
  out.hi = g.hi;
  out.lo = g.lo;
  out.range = g.range;
  out.still = g.still;
  moveCursor(o, i);
  return ALLOCATED;
}

// The set goes on after the address that it gave.
function moveCursor(o: Order, i: i32): void {
  const g = givenAt(o.given, i);
  if (!g.still) cursorPut(orderSet(o, i), g.hi, g.lo);
}

function allocateSets(o: Order, head: u32): i32 {
  for (let i = 0; i < o.setCount; i++) {
    failSet = i;
    let status = pickOne(o, i, head);
    if (status == ALLOCATED) status = takeOne(o, i, head);
    if (status != ALLOCATED) {
      keepCursors(o, i);
      return status;
    }
  }
  for (let i = 0; i < o.wantedCount; i++) {
    if (wantedAt(o.wanted, i).used) continue;
    keepCursors(o, o.setCount);
    return FAIL_LEFTOVER;
  }
  return ALLOCATED;
}

// Undoes the call, all but the cursors of the sets that had given an address.
function keepCursors(o: Order, sets: i32): void {
  journalUndo();
  for (let i = 0; i < sets; i++) moveCursor(o, i);
}

/**
 * One address from each set for the owner, or none. On failure the journal holds the moved cursors
 * only (commit them), `failSet` and the others say where. The journal must be open and empty but
 * for expired entries.
 */
export function allocate(order: usize): i32 {
  const o = changetype<Order>(order);
  ownerDigests(o.kind, o.id, o.idBytes, o.ifname, o.ifBytes);
  const key = ownerHash(digest0, digest1);
  failCell = recordByDigest(digest0, digest1);
  if (failCell != 0) return FAIL_DUPLICATE;
  const head = recordMakeOf(key, o, STATE_ALLOCATION, o.now, o.number);
  if (head == 0) return noSpace();
  putHalf(head + C_NETNS, o.netns);
  if (o.nameBytes != 0 && !putName(o, head)) return noSpace();
  eventBack(false);
  const status = allocateSets(o, head);
  if (status != ALLOCATED) return status;
  claimRest(o);
  if ((recordReserveFor(head) | o.flags) != 0) journalMust();
  recordSeal(head, o.number);
  putWord(H_HELD, word(H_HELD) + 1);
  eventOf(EVENT_GIVEN, head, 0, o.now, o.number);
  return ALLOCATED;
}

function putName(o: Order, head: u32): bool {
  return recordPutName(head, o.name, o.nameBytes, o.number, o.reserveFor, o.flags);
}

function noSpace(): i32 {
  journalUndo();
  return FAIL_NO_SPACE;
}

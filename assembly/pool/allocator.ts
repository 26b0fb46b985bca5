// The allocator: one address from each range set for an owner, both or none, and back. It works on
// the open journal only; whoever calls it commits what it changed, or undoes it (all but the
// cursors: a failing ADD moves them, as host-local's marks move).
//
// Cost: per range set one pick, one taken-tree, one index entry; per call one record.

import { damaged } from "../fault";
import { H_HELD, H_RESERVED } from "../image/header";
import { half, journalUndo, putHalf, putWord, word } from "../image/image";
import {
  C_DUE,
  C_NETNS,
  C_SINCE,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  cellPutByte,
  cellSeal,
  headAt,
  KIND_MORE,
  STATE_ALLOCATION,
  STATE_COOLING,
  STATE_RESERVATION,
} from "../records/cell";
import {
  coolingBegin,
  coolingEnd,
  DUE_RESERVED,
  expiryAdd,
  reservationDrop,
  reservationEnd,
} from "../records/expiry";
import { filesUnlink, headPutFiles } from "../records/file";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import { SET_POOL } from "../records/poolcell";
import {
  olderOfName,
  recordAddAddress,
  recordByAddress,
  recordByName,
  recordByOwner,
  recordDropAddress,
  recordDropOwner,
  recordFree,
  recordHasName,
  recordMake,
  recordPutName,
  recordSeal,
} from "../records/record";
import { scratchTake } from "../scratch";
import { RADIX_NO_SPACE, RADIX_OK, radixGive, radixTake } from "../sets/radix";
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
import { Given, RangeSet, setHolds, Wanted } from "./range";

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

/** Records of one name among which an allocation looks for its reservation. */
const NAMES_MAX: u32 = 256;

export let failSet: i32 = 0;
export let failCell: u32 = 0;
export let failHi: u64 = 0;
export let failLo: u64 = 0;

/** What is asked for; the texts are bytes in memory. */
@unmanaged
export class Order {
  kind: u32;
  id: usize;
  idBytes: u32;
  ifname: usize;
  ifBytes: u32;
  /** Name that the owner goes by (namespace/name); nameBytes = 0 for none. */
  name: usize;
  nameBytes: u32;
  /** Seconds for which the name is reserved when it is let go; 0 = it isn't. */
  reserveFor: u32;
  /** NAME_FIXED or 0. */
  flags: u32;
  /** Inode number of the container's network namespace; 0 = unknown. */
  netns: u32;
  /** `setCount` of RangeSet, and as many Given to be filled. */
  sets: usize;
  setCount: i32;
  given: usize;
  /** `wantedCount` of Wanted. */
  wanted: usize;
  wantedCount: i32;
  policy: i32;
  /** Two random words, for POLICY_RANDOM. */
  random0: u64;
  random1: u64;
  /** Seconds of CLOCK_BOOTTIME. */
  now: u32;
  /** Number of the commit that is being prepared. */
  number: u64;
}

function orderSet(o: Order, i: i32): usize {
  return o.sets + <usize>i * offsetof<RangeSet>();
}

function orderGiven(o: Order, i: i32): Given {
  return changetype<Given>(o.given + <usize>i * offsetof<Given>());
}

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

// A requested address may be taken if it is free, or cools for the very name that asks.
function pickWanted(o: Order, set: usize, w: Wanted): i32 {
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
    if (state == STATE_ALLOCATION) return FAIL_TAKEN;
    const over = isLibrary(set) && half(cell + C_DUE) <= o.now && half(head + C_DUE) <= o.now;
    const named = o.nameBytes != 0 && recordHasName(head, o.name, o.nameBytes);
    if (!over && !named) return FAIL_TAKEN;
    if (state == STATE_COOLING) coolingEnd(cell, <u32>family, o.number);
    else if (over) reservationEnd(head, o.number);
    else reservationDrop(cell, <u32>family, o.number);
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

// An address in the set that is reserved for the order's name: its cell, or 0. Looks at
// NAMES_MAX records of the name at most, newest first.
function reservedFor(o: Order, set: usize): u32 {
  const family = <u32>changetype<RangeSet>(set).family;
  let name = recordByName(o.name, o.nameBytes);
  for (let step: u32 = 0; step < NAMES_MAX && name != 0; step++) {
    // Not headAt: the order's own head is in the chain and not sealed yet.
    const head = cellHead(name);
    if (load8(head) == STATE_RESERVATION && half(head + C_DUE) > o.now) {
      let cell = headAt(head);
      for (let n: u32 = 0; n < CHAIN_MAX && cell != 0; n++) {
        if (cellHasFamily(cell, family) && mayGive(set, family, cell)) return cell;
        cell = nextOfKind(cell, KIND_MORE);
      }
    }
    name = olderOfName(name);
  }
  return 0;
}

function mayGive(set: usize, family: u32, cell: u32): bool {
  const range = setHolds(set, cellHi(cell, family), cellLo(cell, family));
  if (range == 0) return false;
  return poolReason(range, cellHi(cell, family), cellLo(cell, family)) == REASON_NONE;
}

// Takes a reserved address back into scratchPick.
function pickReserved(o: Order, set: usize, cell: u32): void {
  const family = <u32>changetype<RangeSet>(set).family;
  const g = changetype<Given>(scratchPick());
  g.hi = cellHi(cell, family);
  g.lo = cellLo(cell, family);
  g.range = setHolds(set, g.hi, g.lo);
  g.still = changetype<RangeSet>(set).still;
  reservationDrop(cell, family, o.number);
}

function load8(head: u32): u32 {
  return (half(head + 4) >> 8) & 0xff;
}

// Chooses the address of one set into `scratchPick`.
function pickOne(o: Order, i: i32): i32 {
  const set = orderSet(o, i);
  const wanted = wantedFor(o, i);
  if (wanted != 0) return pickWanted(o, set, changetype<Wanted>(wanted));
  if (o.nameBytes != 0 && word(H_RESERVED) != 0) {
    const reserved = reservedFor(o, set);
    if (reserved != 0) {
      pickReserved(o, set, reserved);
      return ALLOCATED;
    }
  }
  if (!poolPick(set, o.policy, o.random0, o.random1)) {
    if (!poolYield(set, o.number)) return FAIL_EXHAUSTED;
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
  const out = orderGiven(o, i);
  out.hi = g.hi;
  out.lo = g.lo;
  out.range = g.range;
  out.still = g.still;
  moveCursor(o, i);
  return ALLOCATED;
}

// The set goes on after the address that it gave.
function moveCursor(o: Order, i: i32): void {
  const g = orderGiven(o, i);
  if (!g.still) cursorPut(orderSet(o, i), g.hi, g.lo);
}

function allocateSets(o: Order, head: u32): i32 {
  for (let i = 0; i < o.setCount; i++) {
    failSet = i;
    let status = pickOne(o, i);
    if (status == ALLOCATED) status = takeOne(o, i, head);
    if (status != ALLOCATED) {
      keepCursors(o, i);
      return status;
    }
  }
  for (let i = 0; i < o.wantedCount; i++) {
    if (changetype<Wanted>(o.wanted + <usize>i * offsetof<Wanted>()).used) continue;
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
  failCell = recordByOwner(o.kind, o.id, o.idBytes, o.ifname, o.ifBytes);
  if (failCell != 0) return FAIL_DUPLICATE;
  const head = recordMake(
    o.kind,
    STATE_ALLOCATION,
    o.id,
    o.idBytes,
    o.ifname,
    o.ifBytes,
    o.now,
    o.number,
  );
  if (head == 0) return noSpace();
  putHalf(head + C_NETNS, o.netns);
  if (o.nameBytes != 0 && !putName(o, head)) return noSpace();
  const status = allocateSets(o, head);
  if (status != ALLOCATED) return status;
  recordSeal(head, o.number);
  putWord(H_HELD, word(H_HELD) + 1);
  return ALLOCATED;
}

function putName(o: Order, head: u32): bool {
  return recordPutName(head, o.name, o.nameBytes, o.number, o.reserveFor, o.flags);
}

function noSpace(): i32 {
  journalUndo();
  return FAIL_NO_SPACE;
}

// One address back: free at once, or cooling until `due`. true if it is cooling now.
function releaseAddress(cell: u32, family: u32, due: u32): bool {
  if (due != 0 && coolingBegin(cell, family, due)) return true;
  if (!radixGive(treeOf(<i32>family), cellHi(cell, family), cellLo(cell, family))) {
    damaged("a held address isn't taken");
  }
  recordDropAddress(cell, family);
  return false;
}

/**
 * Releases an allocation. With `cooldown` seconds its addresses stay taken until then (where memory
 * for that is missing they are free at once: a release never fails). `head` must be an allocation.
 */
export function release(head: u32, cooldown: u32, now: u32, number: u64): void {
  // A cool-down past the end of the clock (136 years) ends there.
  const due = cooldown == 0 ? 0 : now > u32.MAX_VALUE - cooldown ? u32.MAX_VALUE : now + cooldown;
  filesUnlink(head);
  recordDropOwner(head);
  putWord(H_HELD, word(H_HELD) - 1);
  putHalf(head + C_NETNS, 0);
  let cooling = false;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4) && releaseAddress(cell, 4, due)) cooling = true;
    if (cellHasFamily(cell, 6) && releaseAddress(cell, 6, due)) cooling = true;
    if (due != 0 && cell != head) cellSeal(cell, number);
    cell = nextOfKind(cell, KIND_MORE);
  }
  if (!cooling) {
    recordFree(head, number);
    return;
  }
  headPutFiles(head, false);
  cellPutByte(head, 5, STATE_COOLING);
  putHalf(head + C_SINCE, now);
  if (half(head + C_DUE) == 0) putHalf(head + C_DUE, due);
  cellSeal(head, number);
}

/**
 * Turns an allocation that has a name into a reservation for that name until `due` (seconds of
 * CLOCK_BOOTTIME). false = no space: undo the journal.
 */
export function reserve(head: u32, due: u32, now: u32, number: u64): bool {
  filesUnlink(head);
  recordDropOwner(head);
  putWord(H_HELD, word(H_HELD) - 1);
  if (!expiryAdd(head, DUE_RESERVED, due)) return false;
  putWord(H_RESERVED, word(H_RESERVED) + 1);
  headPutFiles(head, false);
  cellPutByte(head, 5, STATE_RESERVATION);
  putHalf(head + C_SINCE, now);
  putHalf(head + C_DUE, due);
  cellSeal(head, number);
  return true;
}

// Expiry: which addresses are cooling, and when they become free. One radix tree ordered by
//
//   hi = range set     lo = due (seconds of CLOCK_BOOTTIME) << 32 | offset of the cell
//
//   hi   0..31         range sets of the plugin
//        32, 33        addresses of the library's pools, IPv4 and IPv6, all pools together
//        34            reservations: the cell is a record's head
//        2^32 | pool   the addresses of 32 and 33 once more, for each pool: what yields first
//        2^63 | hash   the reservations once more, for each namespace (reservations.ts)
//
// so that the first key of a set is the one due next. A MORE or head cell appears once for each
// family that is cooling in it. Cost: a walk of the tree; a call collects a fixed number, never
// all.

import { damaged } from "../fault";
import { EXPIRY, H_COOLING, TREE4, TREE6 } from "../image/header";
import { half, putHalf, putWord, word } from "../image/image";
import { foundHi, foundLo, RADIX_OK, radixGive, radixNextTaken, radixTake } from "../sets/radix";
import {
  C_DUE,
  cellAt,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  cellSeal,
  cellSet,
  headAt,
} from "./cell";
import { poolByAddress, SET_POOL } from "./poolcell";
import { recordDropAddress, recordFree, recordHasAddress } from "./record";

/** Entries that a call looks at when nothing else is free. */
export const YIELD_MAX: u32 = 64;

const DUE_V6: u64 = 33;
/** The key of reservations. */
export const DUE_RESERVED: u64 = 34;
const POOL_BIT: u64 = 0x100000000;

/**
 * The family of the cell's address that cools under `set`. Two families of one cell can cool in
 * sets of the same number only if a set had both: never; the library's have two numbers. So the key
 * needs no family.
 */
export function familyInSet(cell: u32, set: u64): u32 {
  if (cellHasFamily(cell, 4) && dueSet(cell, 4) == set) return 4;
  if (cellHasFamily(cell, 6) && dueSet(cell, 6) == set) return 6;
  damaged("an expiry points to a record that doesn't have it");
  return 0;
}

/** The set number under which a cell's address of a family cools. */
export function dueSet(cell: u32, family: u32): u64 {
  const set = <u64>cellSet(cell, family);
  return set == <u64>SET_POOL && family == 6 ? DUE_V6 : set;
}

/** The set number under which a pool of the library finds what cools in it. */
export function poolSet(pool: u32): u64 {
  return POOL_BIT | pool;
}

/** What a list is ordered by: due time, then the cell. */
export function dueKey(cell: u32, due: u32): u64 {
  return ((<u64>due) << 32) | cell;
}

/** Puts a cell on the list of a set. false = no space. */
export function expiryAdd(cell: u32, set: u64, due: u32): bool {
  return radixTake(EXPIRY, set, dueKey(cell, due)) == RADIX_OK;
}

/** Takes it off the list again. */
export function expiryRemove(cell: u32, set: u64, due: u32): void {
  if (!radixGive(EXPIRY, set, dueKey(cell, due))) damaged("an expiry is missing");
}

// The pool of a cell's address, where the library gave it; 0: it is the plugin's, or the pool was
// lost in a power cut.
function poolOfAddress(cell: u32, family: u32): u32 {
  if (cellSet(cell, family) != SET_POOL) return 0;
  return poolByAddress(family, cellHi(cell, family), cellLo(cell, family));
}

/** Ends the cool-down of one address: it is free at once. */
export function coolingEnd(cell: u32, family: u32, number: u64): void {
  const head = headAt(cellHead(cellAt(cell)));
  const due = half(cell + C_DUE);
  expiryRemove(cell, dueSet(cell, family), due);
  const pool = poolOfAddress(cell, family);
  // Not there if the pool was defined after its address had begun to cool.
  if (pool != 0) radixGive(EXPIRY, poolSet(pool), dueKey(cell, due));
  const tree = family == 4 ? TREE4 : TREE6;
  if (!radixGive(tree, cellHi(cell, family), cellLo(cell, family))) {
    damaged("a cooling address isn't taken");
  }
  recordDropAddress(cell, family);
  putWord(H_COOLING, word(H_COOLING) - 1);
  if (!recordHasAddress(head)) recordFree(head, number);
  else cellSeal(cell, number);
}

/** Starts the cool-down of a cell's address. false = no space. */
export function coolingBegin(cell: u32, family: u32, due: u32): bool {
  const pool = poolOfAddress(cell, family);
  if (pool != 0 && !expiryAdd(cell, poolSet(pool), due)) return false;
  if (!expiryAdd(cell, dueSet(cell, family), due)) {
    if (pool != 0) radixGive(EXPIRY, poolSet(pool), dueKey(cell, due));
    return false;
  }
  putHalf(cell + C_DUE, due);
  putWord(H_COOLING, word(H_COOLING) + 1);
  return true;
}

let cursorSet: u64 = 0;
let cursorLo: u64 = 0;

/** Begins a look at what cools: the first of set `set`, then of the sets behind it. */
export function coolingFrom(set: u64): void {
  cursorSet = set;
  cursorLo = 0;
}

/**
 * The next cooling cell, in the order of sets, and in them of what is due first; 0 = no more. The
 * last set is `end`.
 */
export function coolingNext(end: u64 = DUE_V6): u32 {
  if (!radixNextTaken(EXPIRY, cursorSet, cursorLo, end, u64.MAX_VALUE)) return 0;
  cursorSet = foundHi;
  cursorLo = foundLo + 1;
  return cellAt(<u32>foundLo);
}

/** The set under whose number the last `coolingNext` cools. */
export function coolingSet(): u64 {
  return cursorSet;
}

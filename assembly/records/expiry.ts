// Expiry: which addresses are cooling, and when they become free. One radix tree ordered by
//
//   hi = range set     lo = due (seconds of CLOCK_BOOTTIME) << 32 | offset of the cell
//
// so that the first key of a set is the one due next. A MORE or head cell appears once for each
// family that is cooling in it. Cost: a walk of the tree; a call collects a fixed number, never
// all.

import { damaged } from "../fault";
import { EXPIRY, H_COOLING, SETS_MAX, TREE4, TREE6 } from "../image/header";
import { half, journalCount, putHalf, putWord, word } from "../image/image";
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
import { recordDropAddress, recordFree, recordHasAddress } from "./record";

/** Due entries that a call collects anyway. */
export const COLLECT_MAX: u32 = 8;
/** Changed words after which a call collects no more (NOTES_MAX bounds a commit). */
const COLLECT_WORDS: u32 = 600;
/** Entries that a call looks at when nothing else is free. */
export const YIELD_MAX: u32 = 64;

// Two families of one cell can cool in sets of the same number only if a set had both: never. So
// the key needs no family; the cell says which of its addresses belongs to the set.
function familyInSet(cell: u32, set: u32): u32 {
  if (cellHasFamily(cell, 4) && cellSet(cell, 4) == set) return 4;
  if (cellHasFamily(cell, 6) && cellSet(cell, 6) == set) return 6;
  damaged("an expiry points to a record that doesn't have it");
  return 0;
}

/** Puts a cell's address of `set` on the list. false = no space. */
export function expiryAdd(cell: u32, set: u32, due: u32): bool {
  return radixTake(EXPIRY, <u64>set, ((<u64>due) << 32) | cell) == RADIX_OK;
}

/** Takes it off the list again. */
export function expiryRemove(cell: u32, set: u32, due: u32): void {
  if (!radixGive(EXPIRY, <u64>set, ((<u64>due) << 32) | cell)) damaged("an expiry is missing");
}

/** Ends the cool-down of one address: it is free at once. */
export function coolingEnd(cell: u32, family: u32, number: u64): void {
  const head = headAt(cellHead(cellAt(cell)));
  const set = cellSet(cell, family);
  expiryRemove(cell, set, half(cell + C_DUE));
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
  if (!expiryAdd(cell, cellSet(cell, family), due)) return false;
  putHalf(cell + C_DUE, due);
  putWord(H_COOLING, word(H_COOLING) + 1);
  return true;
}

/**
 * Frees addresses whose cool-down is over, at most COLLECT_MAX, and fewer where their records are
 * so long that the call's own changes might not fit into the same commit.
 */
export function collectDue(now: u32, number: u64): void {
  let set: u64 = 0;
  let left = COLLECT_MAX;
  for (let step: u32 = 0; step < SETS_MAX + COLLECT_MAX && left > 0; step++) {
    if (journalCount() > COLLECT_WORDS) return;
    if (!radixNextTaken(EXPIRY, set, 0, <u64>SETS_MAX, u64.MAX_VALUE)) return;
    if (<u32>(foundLo >> 32) > now) {
      set = foundHi + 1;
      continue;
    }
    const cell = cellAt(<u32>foundLo);
    coolingEnd(cell, familyInSet(cell, <u32>foundHi), number);
    left--;
  }
}

let cursorSet: u64 = 0;
let cursorLo: u64 = 0;

/** Begins a look at what cools: the first of range set `set`, then of the sets behind it. */
export function coolingFrom(set: u64): void {
  cursorSet = set;
  cursorLo = 0;
}

/** The next cooling cell, in the order of sets, and in them of what is due first; 0 = no more. */
export function coolingNext(): u32 {
  if (!radixNextTaken(EXPIRY, cursorSet, cursorLo, <u64>SETS_MAX, u64.MAX_VALUE)) return 0;
  cursorSet = foundHi;
  cursorLo = foundLo + 1;
  return cellAt(<u32>foundLo);
}

/** The range set under whose number the last `coolingNext` cools. */
export function coolingSet(): u32 {
  return <u32>cursorSet;
}

// What is due: addresses whose cool-down is over and reservations that have expired. Nobody has to
// call anything for them to be free: a call frees a few along the way, and where nothing else is
// free it goes on. Readers ask `isOver`.
//
// Cost: a walk of the tree for each entry; a call collects a fixed number, never all.

import { EXPIRY, SETS_MAX } from "../image/header";
import { half, journalCount } from "../image/image";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { C_DUE, C_NEXT, cellAt, cellByte, cellHead, STATE_ALLOCATION, STATE_COOLING } from "./cell";
import { eventOf } from "./event";
import { EVENT_EXPIRED } from "./eventcell";
import { coolingEnd, DUE_RESERVED, familyInSet } from "./expiry";
import { reservationEnd } from "./reservations";

/** Due entries that a call collects anyway. */
const COLLECT_MAX: u32 = 8;
/** Changed words after which a call collects no more (NOTES_MAX bounds a commit). */
export const COLLECT_WORDS: u32 = 600;
/** Entries, and changed words, where nothing else is free. */
export const COLLECT_MANY: u32 = 64;
export const COLLECT_MANY_WORDS: u32 = 3600;
/** Cells of a record that may still go when COLLECT_WORDS are exceeded; freeing one is 16 words. */
export const SHORT_CELLS: u32 = 16;

/** Is the time of this cell's address over (it cools no more, or its reservation has expired)? */
export function isOver(head: u32, cell: u32, now: u32): bool {
  const state = cellByte(head, 5);
  if (state == STATE_ALLOCATION) return false;
  return half((state == STATE_COOLING ? cell : head) + C_DUE) <= now;
}

/** Ends a reservation whose time is over, and tells when that was. */
export function reservationOver(head: u32, now: u32, number: u64): void {
  eventOf(EVENT_EXPIRED, head, now - min<u32>(half(head + C_DUE), now), now, number);
  reservationEnd(head, number);
}

function isShort(head: u32): bool {
  let cell = head;
  for (let n: u32 = 0; n < SHORT_CELLS; n++) {
    cell = half(cell + C_NEXT);
    if (cell == 0) return true;
    cellAt(cell);
  }
  return false;
}

/** Is anything due that hasn't been collected? A walk of the tree for each set at most. */
export function isAnyOver(now: u32): bool {
  let set: u64 = 0;
  for (let step: u32 = 0; step < SETS_MAX + 3; step++) {
    if (!radixNextTaken(EXPIRY, set, 0, DUE_RESERVED, u64.MAX_VALUE)) return false;
    if (<u32>(foundLo >> 32) <= now) return true;
    set = foundHi + 1;
  }
  return false;
}

/**
 * Frees addresses whose cool-down is over and reservations that have expired, at most `most`, and
 * fewer where their records are so long that the call's own changes (`words` of them) might not fit
 * into the same commit. How many.
 */
export function collectMany(now: u32, number: u64, most: u32, words: u32 = COLLECT_WORDS): u32 {
  let set: u64 = 0;
  let done: u32 = 0;
  for (let step: u32 = 0; step < SETS_MAX + 3 + most && done < most; step++) {
    if (journalCount() > words) break;
    if (!radixNextTaken(EXPIRY, set, 0, DUE_RESERVED, u64.MAX_VALUE)) break;
    if (<u32>(foundLo >> 32) > now) {
      set = foundHi + 1;
      continue;
    }
    const cell = cellAt(<u32>foundLo);
    if (journalCount() > COLLECT_WORDS && !isShort(cellAt(cellHead(cell)))) break;
    if (foundHi == DUE_RESERVED) {
      reservationOver(cell, now, number);
    } else coolingEnd(cell, familyInSet(cell, foundHi), number);
    done++;
  }
  return done;
}

/** The same for COLLECT_MAX: what every call does. */
export function collectDue(now: u32, number: u64): void {
  collectMany(now, number, COLLECT_MAX);
}

/** The same for COLLECT_MANY: where nothing else is free. How many. */
export function collectMore(now: u32, number: u64): u32 {
  return collectMany(now, number, COLLECT_MANY, COLLECT_MANY_WORDS);
}

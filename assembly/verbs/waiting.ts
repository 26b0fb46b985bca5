// What waits: the reservations and the addresses that cool, without those whose time is over. Those
// are as good as free for everybody (holding.ts), whether a call has collected them or not; the
// header counts them until then. In an image of another boot no time can be told: all of them wait.
//
// Walks the expiry lists: O(what waits or is due).
import { EXPIRY } from "../image/header";
import { DUE_RESERVED } from "../records/expiry";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { isThisBoot } from "./place";
import { bootTime } from "./times";

/** The latest time at which one of those that were counted last is over; 0 = there is none. */
export let waitingLast: u32 = 0;

// Entries of the lists from `first` to `last` that aren't due.
function countLists(first: u64, last: u64): u64 {
  let found: u64 = 0;
  let hi = first;
  let lo: u64 = 0;
  waitingLast = 0;
  // Each step finds a larger key, so it ends.
  while (radixNextTaken(EXPIRY, hi, lo, last, u64.MAX_VALUE)) {
    const until = <u32>(foundLo >> 32);
    if (!isThisBoot || until > bootTime()) {
      found++;
      waitingLast = max<u32>(waitingLast, until);
    }
    hi = foundHi;
    lo = foundLo + 1;
    if (lo == 0) hi++;
    if (hi > last) break;
  }
  return found;
}

/** Addresses that cool. */
export function waitingCooling(): u64 {
  return countLists(0, DUE_RESERVED - 1);
}

/** Reservations. */
export function waitingReserved(): u64 {
  return countLists(DUE_RESERVED, DUE_RESERVED);
}

// Overdue: addresses of one range set that are due (a cool-down that is over, an expired
// reservation) and that nobody has collected. The expiry tree is ordered by time over all sets, so
// those of a set may lie behind many others; here the set's taken addresses are gone through
// instead, and each record is asked.
//
// Cost: LOOKS addresses at most, a walk of two trees each. Asked only where a set has nothing free
// and something is due.

import { cellAt, cellByte, cellHead, headAt, STATE_RESERVATION } from "../records/cell";
import { isOver, reservationOver } from "../records/due";
import { coolingEnd } from "../records/expiry";
import { recordByAddress } from "../records/record";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { poolReason, REASON_NONE, treeOf } from "./pool";
import { Range, RangeSet } from "./range";

/** Taken addresses that are looked at. */
const LOOKS: u32 = 16384;

let looks: u32 = 0;

/** Has the last `overdueOf` looked at every taken address of its set? */
export function overdueSawAll(): bool {
  return looks < LOOKS;
}

// The cell of a due address in a range, which may be given; 0 = none was found.
function inRange(range: usize, now: u32): u32 {
  const r = changetype<Range>(range);
  const tree = treeOf(r.family);
  let hi = r.startHi;
  let lo = r.startLo;
  for (; looks < LOOKS; looks++) {
    if (!radixNextTaken(tree, hi, lo, r.endHi, r.endLo)) return 0;
    hi = foundHi;
    lo = foundLo;
    const cell = recordByAddress(<u32>r.family, hi, lo);
    const over = cell != 0 && isOver(headAt(cellHead(cellAt(cell))), cell, now);
    if (over && poolReason(range, hi, lo) == REASON_NONE) return cell;
    if (hi == r.endHi && lo == r.endLo) return 0;
    lo++;
    if (lo == 0) hi++;
  }
  return 0;
}

/** The cell of an address that the set could give and that is due at `now`; 0 = none was found. */
export function overdueOf(set: usize, now: u32): u32 {
  const s = changetype<RangeSet>(set);
  looks = 0;
  for (let i = 0; i < s.count; i++) {
    const cell = inRange(s.ranges + <usize>i * offsetof<Range>(), now);
    if (cell != 0) return cell;
  }
  return 0;
}

/** Ends what `overdueOf` found for a set: its address is free, with all of its reservation's. */
export function overdueEnd(cell: u32, set: usize, now: u32, number: u64): void {
  const head = headAt(cellHead(cell));
  if (cellByte(head, 5) == STATE_RESERVATION) {
    reservationOver(head, now, number);
  } else coolingEnd(cell, <u32>changetype<RangeSet>(set).family, number);
}

// Overdue: addresses of one range set that are due (a cool-down that is over, an expired
// reservation) and that nobody has collected. The expiry tree is ordered by time over all sets, so
// those of a set may lie behind many others. Here the front of the set's own cool-downs is looked
// at, and then the set's taken addresses are gone through, and each record is asked.
//
// Cost: YIELD_MAX of the one and LOOKS addresses of the other at most, a walk of two trees each.
// Asked only where a set has nothing free and something is due.
//
// So an address that is due is overseen where all of this holds: the set has more than LOOKS taken
// addresses before it; it was reserved, or cools under another set's number (the config has moved
// the sets since). To find it always at such a cost, a tree over all taken addresses would have to
// know the earliest due time below each of its nodes: one word more for each level of two walks in
// the commit of every DEL, reservation and end of one, and another layout. What happens instead
// (protocol/seek.ts) needs neither, and ends after a few tries.

import { half } from "../image/image";
import {
  C_DUE,
  cellAt,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  headAt,
  STATE_RESERVATION,
} from "../records/cell";
import { isOver, reservationOver } from "../records/due";
import { coolingEnd, coolingFrom, coolingNext, dueSet, YIELD_MAX } from "../records/expiry";
import { recordByAddress } from "../records/record";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { poolReason, REASON_NONE, treeOf } from "./pool";
import { Range, RangeSet, setHolds } from "./range";

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

// What cools under the set's own number, due first: the cell of one that is due and that the set
// could give; 0 = none was found.
function amongOwn(set: usize, now: u32): u32 {
  const s = changetype<RangeSet>(set);
  const own = <u64>s.index;
  coolingFrom(own);
  for (let step: u32 = 0; step < YIELD_MAX; step++) {
    const cell = coolingNext(own);
    if (cell == 0 || half(cell + C_DUE) > now) return 0;
    const family = <u32>s.family;
    if (!cellHasFamily(cell, family) || dueSet(cell, family) != own) continue;
    const hi = cellHi(cell, family);
    const lo = cellLo(cell, family);
    const range = setHolds(set, hi, lo);
    if (range != 0 && poolReason(range, hi, lo) == REASON_NONE) return cell;
  }
  return 0;
}

/** The cell of an address that the set could give and that is due at `now`; 0 = none was found. */
export function overdueOf(set: usize, now: u32): u32 {
  const s = changetype<RangeSet>(set);
  looks = 0;
  const own = amongOwn(set, now);
  if (own != 0) return own;
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

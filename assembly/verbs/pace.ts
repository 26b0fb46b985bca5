// The pace at which a range set fills, by the recorder's history: what was given less what became
// free, since the oldest event that is kept or the last reboot. Held and reserved addresses both
// aren't free; what is let go counts as free although it may cool for a while.
//
//   given +1   released -1   reserved 0   expired -1
//   given back to its name: +1 if it had been released, 0 if it was reserved for it
//
// Cost: the events that are kept, and for each that gives back those before it.
import { half, word } from "../image/image";
import { RangeSet, setHolds } from "../pool/range";
import { cellByte, cellHasFamily, cellHi, cellLo } from "../records/cell";
import {
  E_BOOT,
  EVENT_ADOPTED,
  EVENT_EXPIRED,
  EVENT_GIVEN,
  EVENT_REBOOT,
  EVENT_RELEASED,
  EVENT_RETAKEN,
  EVENTS,
  eventAt,
  H_EVENT_NEXT,
} from "../records/eventcell";
import { bootTime } from "./times";

/** A pace of less than this long (seconds) tells nothing. */
const WINDOW_LEAST: u64 = 60;

/** Addresses by which a set got fuller (or, below 0, emptier) in `paceSeconds`. */
export let paceChange: i64 = 0;
/** How long the history is; 0 = too short to tell. */
export let paceSeconds: u64 = 0;

// The first event of this boot that is kept.
function firstEvent(): u64 {
  const next = word(H_EVENT_NEXT);
  let first = next > <u64>EVENTS ? next - <u64>EVENTS : 0;
  for (let n = first; n < next; n++) {
    const cell = eventAt(n);
    if (cell != 0 && cellByte(cell, 5) == EVENT_REBOOT) first = n + 1;
  }
  return first;
}

// What had become of the address before event `n`: EVENT_..., 0 = not known.
function before(n: u64, first: u64, family: u32, hi: u64, lo: u64): u32 {
  for (let i = n; i > first; i--) {
    const cell = eventAt(i - 1);
    if (cell == 0 || !cellHasFamily(cell, family)) continue;
    if (cellHi(cell, family) == hi && cellLo(cell, family) == lo) return cellByte(cell, 5);
  }
  return 0;
}

// By how much event `n` fills the set.
function changeOf(n: u64, first: u64, cell: u32, set: usize): i64 {
  const family = <u32>changetype<RangeSet>(set).family;
  if (!cellHasFamily(cell, family)) return 0;
  const hi = cellHi(cell, family);
  const lo = cellLo(cell, family);
  if (setHolds(set, hi, lo) == 0) return 0;
  switch (cellByte(cell, 5)) {
    case EVENT_GIVEN:
    case EVENT_ADOPTED:
      return 1;
    case EVENT_RELEASED:
    case EVENT_EXPIRED:
      return -1;
    case EVENT_RETAKEN:
      return before(n, first, family, hi, lo) == EVENT_RELEASED ? 1 : 0;
    default:
      return 0;
  }
}

/** Finds the pace of a range set: paceChange, paceSeconds. */
export function paceOf(set: usize): void {
  paceChange = 0;
  paceSeconds = 0;
  const next = word(H_EVENT_NEXT);
  const first = firstEvent();
  let begin: u64 = 0;
  for (let n = first; n < next; n++) {
    const cell = eventAt(n);
    if (cell == 0) continue;
    // The boot's own clock: the wall clock of a machine that booted without a time jumps by years.
    if (begin == 0) begin = <u64>half(cell + E_BOOT);
    paceChange += changeOf(n, first, cell, set);
  }
  if (begin == 0 || <u64>bootTime() < begin + WINDOW_LEAST) return;
  paceSeconds = <u64>bootTime() - begin;
}

/** Seconds until `free` addresses are gone at the pace found; below 0: never, or not known. */
export function paceEnd(free: f64): f64 {
  if (paceSeconds == 0 || paceChange <= 0) return -1;
  return (free * <f64>paceSeconds) / <f64>paceChange;
}

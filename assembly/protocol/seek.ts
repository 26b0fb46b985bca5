// Seeking: an allocation that goes on where a range set has nothing free while something is due.
// `allocate` itself frees what is due first, 64 entries at most, in its own commit; those of the
// set may lie behind them. Before a cool-down is cut short, and before a pod is refused:
//
//   the set's own due address, if it is among its first 16,384 taken ones      (pool/overdue.ts)
//   else what is due next of all sets, ROUNDS times, until the set has something free
//
// each a commit of its own, which stays whatever becomes of the call: what is collected once no
// later call pays for. Nothing of this is done as long as something is free.

import { journalUndo } from "../image/image";
import { allocate, FAIL_EXHAUSTED, failOver, failSet } from "../pool/allocator";
import { Order, orderSet } from "../pool/order";
import { overdueEnd, overdueOf, overdueSawAll } from "../pool/overdue";
import { POLICY_FIRST, poolPick } from "../pool/pool";
import { wantedAt } from "../pool/range";
import { collectMore } from "../records/due";
import { imageGrow } from "../store/files";
import { nextNumber, now, sessionPart } from "./session";

/** Commits of what is due in other sets, up to 64 entries (about 50 reservations) each. */
const ROUNDS: i32 = 64;
/**
 * Arena that a call may need: its record and the nodes of one index and tree walk per range set.
 */
const ROOM_CALL: u32 = 65536;
const ROOM_SET: u32 = 8192;
/** Answer of `seekAllocate`: an error has begun. */
export const SEEK_FAILED: i32 = -1;

/** Arena that an ADD with so many range sets may need. */
export function roomOf(sets: i32): u32 {
  return ROOM_CALL + <u32>sets * ROOM_SET;
}

/** Makes an order fresh for another try, after commits in between. */
export function orderFreshen(o: Order): void {
  for (let i = 0; i < o.wantedCount; i++) {
    wantedAt(o.wanted, i).used = false;
  }
  // What the journal undid may have been the room for it.
  imageGrow(roomOf(o.setCount));
  o.number = nextNumber();
}

// Frees something for the set. 1: it has something free; 0: it hasn't; SEEK_FAILED.
function freeFor(set: usize): i32 {
  const cell = overdueOf(set, now());
  if (cell != 0) {
    overdueEnd(cell, set, now(), nextNumber());
    return sessionPart() ? 1 : SEEK_FAILED;
  }
  for (let n = 0; n < ROUNDS && !overdueSawAll(); n++) {
    if (collectMore(now(), nextNumber()) == 0) return 0;
    if (!sessionPart()) return SEEK_FAILED;
    if (poolPick(set, POLICY_FIRST, 0, 0)) return 1;
  }
  return 0;
}

/** allocate: its answer, or SEEK_FAILED. */
export function seekAllocate(o: Order): i32 {
  o.seek = true;
  let status = allocate(changetype<usize>(o));
  // Each round frees something for one more set, or is the last.
  for (let n = 0; n <= o.setCount && status == FAIL_EXHAUSTED && failOver; n++) {
    // The cursors of sets that had given something: it is given again.
    journalUndo();
    const freed = freeFor(orderSet(o, failSet));
    if (freed == SEEK_FAILED) return SEEK_FAILED;
    o.seek = freed == 1 && n < o.setCount;
    orderFreshen(o);
    status = allocate(changetype<usize>(o));
  }
  return status;
}

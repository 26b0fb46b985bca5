// What a name has a claim to: the addresses that are reserved for it, and those that cool since it
// had them. A pod that comes back under its name gets them before the policy is asked. The names'
// index leads to the records, newest first; NAMES_MAX of them are looked at.
//
// Cost: nothing for a pod without a name, or while nothing is reserved and nothing cools; else a
// walk of the index and a look at each record of that name.

import { H_COOLING, H_RESERVED } from "../image/header";
import { half, journalMust, word } from "../image/image";
import {
  C_DUE,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellKind,
  cellLo,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
  STATE_COOLING,
  STATE_RESERVATION,
} from "../records/cell";
import { isOver, reservationOver } from "../records/due";
import { eventBy } from "../records/event";
import { CAUSE_NAME, EVENT_RELEASED } from "../records/eventcell";
import { coolingEnd } from "../records/expiry";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import { olderOfName, recordByName, recordPutReserve, recordReserveFor } from "../records/record";
import { recordSuits, reservationDrop, reservationEnd } from "../records/reservations";
import { Order } from "./order";
import { poolReason, REASON_NONE } from "./pool";
import { RangeSet, setHolds } from "./range";

/** Records of one name that are looked at. */
export const NAMES_MAX: u32 = 256;
/** Reservations of one name that one call ends. */
const ENDED_MAX: u32 = 8;

function mayGive(set: usize, family: u32, cell: u32): bool {
  const range = setHolds(set, cellHi(cell, family), cellLo(cell, family));
  if (range == 0) return false;
  return poolReason(range, cellHi(cell, family), cellLo(cell, family)) == REASON_NONE;
}

// An address of the record that the set may give: its cell, or 0.
function suitable(head: u32, set: usize, family: u32, now: u32): u32 {
  let cell = headAt(head);
  for (let n: u32 = 0; n < CHAIN_MAX && cell != 0; n++) {
    if (cellHasFamily(cell, family) && !isOver(head, cell, now) && mayGive(set, family, cell)) {
      return cell;
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
  return 0;
}

/**
 * The address in the set to which the order's name has a claim: its cell, or 0. What is reserved
 * goes before what cools; pools of the library give back only what is reserved.
 */
export function claimOf(o: Order, set: usize): u32 {
  const reserved = word(H_RESERVED) != 0;
  const cools = word(H_COOLING) != 0 && changetype<RangeSet>(set).cell == 0;
  if (o.nameBytes == 0 || (!reserved && !cools)) return 0;
  const family = <u32>changetype<RangeSet>(set).family;
  let cooling: u32 = 0;
  let name = recordByName(o.name, o.nameBytes);
  for (let step: u32 = 0; step < NAMES_MAX && name != 0; step++) {
    // Not headAt: the order's own head is in the chain and not sealed yet.
    const head = cellHead(name);
    const state = cellByte(head, 5);
    name = olderOfName(name);
    const wanted = state == STATE_RESERVATION || (cools && cooling == 0 && state == STATE_COOLING);
    if (!wanted || !suits(o, head)) continue;
    const cell = suitable(head, set, family, o.now);
    if (cell != 0 && state == STATE_RESERVATION) return cell;
    if (cell != 0) cooling = cell;
  }
  return cooling;
}

function suits(o: Order, head: u32): bool {
  return o.kind != KIND_CONTAINER || recordSuits(head, o.ifname, o.ifBytes);
}

/**
 * Takes the claimed address of a family out of its record for the order, whose own record is `own`:
 * it is free afterwards, in this call. What nobody's container had, an operator has reserved: the
 * new record remembers for how long.
 */
export function claimTake(o: Order, own: u32, cell: u32, family: u32): void {
  const head = headAt(cellHead(cell));
  if (cellByte(head, 5) == STATE_COOLING) {
    coolingEnd(cell, family, o.number);
    return;
  }
  const time: u32 = cellKind(head) == KIND_CONTAINER ? 0 : recordReserveFor(head);
  if (time > recordReserveFor(own)) recordPutReserve(own, time, o.number);
  reservationDrop(cell, family, o.number);
  journalMust();
}

/**
 * Gives up what is still reserved for the order's name once it has its addresses: a name has one
 * reservation, and these lie in no range set any more, or others were asked for.
 */
export function claimRest(o: Order): void {
  if (o.nameBytes == 0 || word(H_RESERVED) == 0) return;
  endReservations(recordByName(o.name, o.nameBytes), o.ifname, o.ifBytes, o.now, o.number);
}

/** Ends the reservations of a name and interface, from its NAME cell `from` on to older ones. */
export function endReservations(from: u32, ifname: usize, bytes: u32, now: u32, number: u64): void {
  let name = from;
  let ended: u32 = 0;
  for (let step: u32 = 0; step < NAMES_MAX && name != 0 && ended < ENDED_MAX; step++) {
    const head = cellHead(name);
    name = olderOfName(name);
    if (cellByte(head, 5) != STATE_RESERVATION || !recordSuits(head, ifname, bytes)) continue;
    if (isReserved(head, now)) {
      eventBy(CAUSE_NAME, EVENT_RELEASED, head, 0, now, number);
      reservationEnd(head, number);
    } else reservationOver(head, now, number);
    journalMust();
    ended++;
  }
}

/** Is a reservation of this head alive at `now`? */
export function isReserved(head: u32, now: u32): bool {
  return cellByte(head, 5) == STATE_RESERVATION && half(head + C_DUE) > now;
}

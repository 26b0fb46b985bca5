// Reservations: records without a running owner, kept for a name until they expire. Each is listed
// twice in the expiry tree (expiry.ts):
//
//   34             all of them, what expires next first
//   2^63 | hash    those of one namespace (the name up to its slash): so that the number of a
//                  namespace is counted in a walk of no more entries than it may have
//
// and found by name like any record. Cost: a walk of the indexes and two of the tree.

import { damaged } from "../fault";
import { EXPIRY, H_RESERVED, TREE4, TREE6 } from "../image/header";
import { half, imageBase, journalMust, putHalf, putWord, word } from "../image/image";
import { foundLo, RADIX_OK, radixGive, radixNextTaken, radixTake } from "../sets/radix";
import {
  C_DUE,
  C_IFNAME,
  C_SINCE,
  cellAt,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellKind,
  cellLo,
  cellPutByte,
  cellSeal,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
  KIND_NAME,
  nameHash,
  STATE_RESERVATION,
} from "./cell";
import { DUE_RESERVED, dueKey, expiryAdd, expiryRemove } from "./expiry";
import { filesUnlink, headPutFiles } from "./file";
import { CHAIN_MAX, nameText, nextOfKind, textAt } from "./key";
import { recordDropAddress, recordDropOwner, recordFree, recordHasAddress } from "./record";

const NAMESPACE_BIT: u64 = 0x8000000000000000;
const SLASH: u32 = 47;

/** The key under which the record's namespace lists its reservations; 0 = its name has none. */
export function namespaceKey(head: u32): u64 {
  const cell = nextOfKind(head, KIND_NAME);
  if (cell == 0) return 0;
  const bytes = nameText(cell);
  let slash: u32 = 0;
  while (slash < bytes && load<u8>(textAt + slash) != SLASH) slash++;
  return slash == bytes ? 0 : nameHash(textAt, slash) | NAMESPACE_BIT;
}

/** How many reservations a namespace has at `now`, counted up to `most`. */
export function namespaceCount(key: u64, now: u32, most: u32): u32 {
  let lo = (<u64>now + 1) << 32;
  for (let n: u32 = 0; n < most; n++) {
    if (!radixNextTaken(EXPIRY, key, lo, key, u64.MAX_VALUE)) return n;
    lo = foundLo + 1;
  }
  return most;
}

/**
 * Turns an allocation that has a name into a reservation for it until `due` (seconds of
 * CLOCK_BOOTTIME; u32.MAX_VALUE = never). false: no space, nothing is changed but nodes of the
 * expiry tree.
 */
export function reservationBegin(head: u32, due: u32, now: u32, number: u64): bool {
  if (!reservationList(head, due)) return false;
  filesUnlink(head);
  headPutFiles(head, false);
  recordDropOwner(head);
  cellPutByte(head, 5, STATE_RESERVATION);
  putHalf(head + C_SINCE, now);
  putHalf(head + C_DUE, due);
  cellSeal(head, number);
  journalMust();
  return true;
}

/** Lists and counts a reservation that is being made. false = no space. */
export function reservationList(head: u32, due: u32): bool {
  if (!expiryAdd(head, DUE_RESERVED, due)) return false;
  const space = namespaceKey(head);
  if (space != 0 && radixTake(EXPIRY, space, dueKey(head, due)) != RADIX_OK) {
    expiryRemove(head, DUE_RESERVED, due);
    return false;
  }
  putWord(H_RESERVED, word(H_RESERVED) + 1);
  return true;
}

// Gives one address of a reservation back; its record may be empty afterwards.
function dropReserved(cell: u32, family: u32): void {
  const tree = family == 4 ? TREE4 : TREE6;
  if (!radixGive(tree, cellHi(cell, family), cellLo(cell, family))) {
    damaged("a reserved address isn't taken");
  }
  recordDropAddress(cell, family);
}

function forgetReservation(head: u32, number: u64): void {
  const due = half(head + C_DUE);
  expiryRemove(head, DUE_RESERVED, due);
  const space = namespaceKey(head);
  // Not there if a core that knew no such list has made the reservation.
  if (space != 0) radixGive(EXPIRY, space, dueKey(head, due));
  putWord(H_RESERVED, word(H_RESERVED) - 1);
  recordFree(head, number);
}

/** Takes one address out of a reservation; with the last one the reservation ends. */
export function reservationDrop(cell: u32, family: u32, number: u64): void {
  const head = headAt(cellHead(cellAt(cell)));
  dropReserved(cell, family);
  if (!recordHasAddress(head)) forgetReservation(head, number);
  else cellSeal(cell, number);
}

/** Ends a reservation: its addresses are free. */
export function reservationEnd(head: u32, number: u64): void {
  let cell = headAt(head);
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4)) dropReserved(cell, 4);
    if (cellHasFamily(cell, 6)) dropReserved(cell, 6);
    cell = nextOfKind(cell, KIND_MORE);
  }
  forgetReservation(head, number);
}

/**
 * May what `head` has be that of a pod's interface (`bytes` at `ifname`)? A pod with two interfaces
 * in one network has two owners of one name. What no container had belongs to the name alone.
 */
export function recordSuits(head: u32, ifname: usize, bytes: u32): bool {
  if (cellKind(head) != KIND_CONTAINER || bytes == 0) return true;
  const own = min<u32>(cellByte(head, 6), 15);
  if (own == 0) return true;
  return own == bytes && memory.compare(imageBase() + head + C_IFNAME, ifname, bytes) == 0;
}

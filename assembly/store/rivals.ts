// Rivals: records of the new image that stand in a survivor's way, having its owner, its name or
// one of its addresses. The highest number wins, whatever their states: an older rival goes, a
// younger one has what the survivor had. Only what cools gives way one address at a time, since the
// addresses of such a record cool on one by one. Cost: a walk of an index for the owner, the name
// and each address.

import { release } from "../pool/leave";
import { NAMES_MAX } from "../pool/named";
import {
  cellByte,
  cellHasFamily,
  cellHead,
  cellNumber,
  cellSet,
  headAt,
  STATE_ALLOCATION,
  STATE_COOLING,
  STATE_RESERVATION,
} from "../records/cell";
import { coolingEnd } from "../records/expiry";
import { headPutFiles } from "../records/file";
import { SET_POOL } from "../records/poolcell";
import { olderOfName, recordByAddress, recordByName, recordByOwner } from "../records/record";
import { recordSuits, reservationEnd } from "../records/reservations";
import { placeAt, Survivor } from "./survivor";

// Of what cools goes the one address, `family` of `cell`.
function evict(head: u32, cell: u32, family: u32): void {
  // Its files may be those of the younger one.
  headPutFiles(head, false);
  if (cellByte(head, 5) == STATE_ALLOCATION) {
    release(head, 0, 0, cellNumber(head));
    return;
  }
  if (cellByte(head, 5) == STATE_RESERVATION) {
    reservationEnd(head, cellNumber(head));
  } else coolingEnd(cell, family, cellNumber(head));
}

// An owner has one allocation.
function clearOwner(s: Survivor): bool {
  const head = recordByOwner(s.kind, s.id, s.idBytes, s.ifname, s.ifBytes);
  if (head == 0) return true;
  if (cellNumber(head) >= s.number) return false;
  evict(head, 0, 0);
  return true;
}

// Is it of a library's pools? There a name may have several reservations, one from each owner.
function isOfPools(head: u32): bool {
  return cellSet(head, cellHasFamily(head, 4) ? 4 : 6) == SET_POOL;
}

// Of the plugin a name has one reservation: the younger of two stays.
function clearName(s: Survivor): bool {
  if (placeAt(s, 0).set == SET_POOL) return true;
  let cell: u32 = s.nameBytes == 0 ? 0 : recordByName(s.name, s.nameBytes);
  for (let step: u32 = 0; step < NAMES_MAX && cell != 0; step++) {
    const head = headAt(cellHead(cell));
    cell = olderOfName(cell);
    if (cellByte(head, 5) != STATE_RESERVATION || isOfPools(head)) continue;
    if (!recordSuits(head, s.ifname, s.ifBytes)) continue;
    if (cellNumber(head) >= s.number) return false;
    reservationEnd(head, cellNumber(head));
  }
  return true;
}

// An address has one record.
function clearPlaces(s: Survivor): bool {
  let left: u32 = 0;
  for (let i: u32 = 0; i < s.count; i++) {
    const p = placeAt(s, i);
    const cell = recordByAddress(p.family, p.hi, p.lo);
    const head = cell == 0 ? 0 : headAt(cellHead(cell));
    if (head != 0 && cellNumber(head) >= s.number) {
      if (s.state != STATE_COOLING) return false;
      continue;
    }
    if (head != 0) evict(head, cell, p.family);
    left++;
  }
  return left != 0;
}

/**
 * Makes way for `s`, which has an address. false: a younger record has its owner, its name's
 * reservation or one of its addresses; of what cools, all of them.
 */
export function makeWay(s: Survivor): bool {
  if (s.state == STATE_ALLOCATION && !clearOwner(s)) return false;
  if (s.state == STATE_RESERVATION && !clearName(s)) return false;
  return clearPlaces(s);
}

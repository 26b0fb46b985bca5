// Check of the expiry tree: each entry has its cooling cell or its reservation; what is listed for
// a namespace, or for a pool of the library, is on the list of all, too. Records that only this
// tree leads to are claimed here. Cost: O(entries).
import { EXPIRY, H_COOLING, H_RESERVED } from "../image/header";
import { half, word } from "../image/image";
import {
  C_DUE,
  C_NEXT,
  C_SINCE,
  cellByte,
  cellHasFamily,
  cellKind,
  KIND_OTHER,
  STATE_COOLING,
  STATE_RESERVATION,
} from "../records/cell";
import { DUE_RESERVED, dueSet } from "../records/expiry";
import { CHAIN_MAX } from "../records/key";
import { isPool, poolFamily } from "../records/poolcell";
import { namespaceKey } from "../records/reservations";
import { foundHi, foundLo, radixCount, radixHas, radixNextTaken } from "../sets/radix";
import { checkChain } from "./checkrecord";
import { fault, isCell } from "./faultlist";

/**
 * Cooling and reserved records aren't in the index by owner: they are found, and claimed, through
 * their expiries.
 */
export function checkExpiry(): void {
  let hi: u64 = 0;
  let lo: u64 = 0;
  let found: u64 = 0;
  let reserved: u64 = 0;
  const bound = radixCount(EXPIRY) + 1;
  for (let step: u64 = 0; step < bound; step++) {
    if (!radixNextTaken(EXPIRY, hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) break;
    hi = foundHi;
    lo = foundLo + 1;
    if (lo == 0) hi++;
    if (foundHi >> 63 != 0) checkNamespace(foundHi, foundLo);
    else if (foundHi > DUE_RESERVED) checkTwin(<u32>foundHi, foundLo);
    else if (foundHi == DUE_RESERVED) {
      reserved++;
      checkReserved(<u32>foundLo, foundLo);
    } else {
      found++;
      checkDue(foundHi, foundLo);
    }
  }
  if (found != word(H_COOLING)) fault("the header miscounts the cooling addresses", H_COOLING);
  if (reserved != word(H_RESERVED)) fault("the header miscounts the reservations", H_RESERVED);
}

// What cools in a pool of the library is on the list of all such pools, too.
function checkTwin(pool: u32, key: u64): void {
  if (!isPool(pool)) fault("an expiry names what is no pool", pool);
  else if (!radixHas(EXPIRY, poolFamily(pool) == 4 ? 32 : 33, key)) {
    fault("a pool's expiry isn't on the list of all", <u32>key);
  }
}

// A reservation is on the list of its namespace, too.
function checkNamespace(space: u64, key: u64): void {
  const head = <u32>key;
  if (!radixHas(EXPIRY, DUE_RESERVED, key) || !isCell(head)) {
    fault("a namespace lists what isn't reserved", head);
  } else if (namespaceKey(head) != space) {
    fault("a reservation is listed in another namespace", head);
  }
}

function checkReserved(head: u32, key: u64): void {
  if (!isCell(head) || half(head + C_DUE) != <u32>(key >> 32)) {
    fault("an expiry has no reservation", head);
  } else if (cellKind(head) > KIND_OTHER || cellByte(head, 5) != STATE_RESERVATION) {
    fault("an expiry isn't that of a reservation", head);
  } else checkChain(head);
}

function checkDue(set: u64, key: u64): void {
  const cell = <u32>key;
  if (!isCell(cell) || half(cell + C_DUE) != <u32>(key >> 32)) {
    fault("an expiry has no cell", cell);
    return;
  }
  const four = cellHasFamily(cell, 4) && dueSet(cell, 4) == set;
  const six = cellHasFamily(cell, 6) && dueSet(cell, 6) == set;
  if (!four && !six) fault("an expiry's cell has no address of its set", cell);
  const head = cellKind(cell) <= KIND_OTHER ? cell : half(cell + C_SINCE);
  if (!isCell(head) || cellByte(head, 5) != STATE_COOLING) fault("an expiry isn't cooling", cell);
  else if (firstCooling(head, cell, four)) checkChain(head);
}

// A record is claimed once: at its first cell with an address, at that cell's first family.
function firstCooling(head: u32, cell: u32, four: bool): bool {
  if (cellHasFamily(cell, 4) && !four) return false;
  let at = head;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0 && isCell(at); step++) {
    if (cellHasFamily(at, 4) || cellHasFamily(at, 6)) return at == cell;
    at = half(at + C_NEXT);
  }
  return false;
}

// Check of records: each cell sound and claimed once, chains that end, every address taken, in its
// index and in a range set, the records of a name linked both ways. Cost: O(cells) and one look-up
// for each address.
import { TREE4, TREE6 } from "../image/header";
import { half, imageLength } from "../image/image";
import {
  C_NEXT,
  C_SINCE,
  CELL_BYTES,
  cellHasFamily,
  cellHi,
  cellIsOf,
  cellKind,
  cellLo,
  cellSet,
  KIND_MORE,
  KIND_NAME,
  KIND_OTHER,
  KIND_TEXT,
} from "../records/cell";
import { CHAIN_MAX } from "../records/key";
import { SET_POOL } from "../records/poolcell";
import { recordByAddress } from "../records/record";
import { radixHas } from "../sets/radix";
import { claim, fault, isCell } from "./faultlist";

/** Claims a record's cells and looks at their chain. false: don't read further. */
export function checkChain(head: u32): bool {
  let at = head;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (!isCell(at)) {
      fault("a cell of a record doesn't match its checksum", at);
      return false;
    }
    const kind = cellKind(at);
    if (at != head && (kind < KIND_TEXT || !isOf(at, head))) {
      fault("a cell doesn't belong to its record", at);
      return false;
    }
    if (!claim(at, CELL_BYTES)) return false;
    if (kind <= KIND_OTHER || kind == KIND_MORE) checkAddresses(at);
    at = half(at + C_NEXT);
  }
  if (at != 0) fault("the chain of a record doesn't end", head);
  return at == 0;
}

// Cells of pools have no mark.
function isOf(cell: u32, head: u32): bool {
  return cellKind(head) > KIND_OTHER ? half(cell + C_SINCE) == head : cellIsOf(cell, head);
}

// A cell's addresses: taken, in the index, of a range set.
function checkAddresses(cell: u32): void {
  for (let family: u32 = 4; family <= 6; family += 2) {
    if (!cellHasFamily(cell, family)) continue;
    const hi = cellHi(cell, family);
    const lo = cellLo(cell, family);
    if (!radixHas(family == 4 ? TREE4 : TREE6, hi, lo)) fault("an address isn't taken", cell);
    if (recordByAddress(family, hi, lo) != cell) fault("an address has two records", cell);
    if (cellSet(cell, family) > SET_POOL) fault("an address has no range set", cell);
  }
}

/** The records of a name: linked both ways. */
export function checkNames(newest: u32): void {
  let at = newest;
  let newer: u32 = 0;
  for (let step: u32 = 0; step < imageLength() / CELL_BYTES && at != 0; step++) {
    if (!isCell(at) || cellKind(at) != KIND_NAME || half(at + 36) != newer) {
      fault("records of one name aren't linked", at);
      return;
    }
    newer = at;
    at = half(at + 32);
  }
}

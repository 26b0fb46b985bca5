// Survivors: which records of another boot's image are whole, and which of them outlive their boot.
// Asked while the old image is attached; its cells are of different ages.

import { HEADER_BYTES } from "../image/header";
import { half } from "../image/image";
import {
  C_NEXT,
  C_V4,
  CELL_BYTES,
  cellByte,
  cellIsOf,
  cellIsSound,
  cellKind,
  ID_HEAD_BYTES,
  KIND_CONTAINER,
  KIND_MORE,
  KIND_NAME,
  KIND_TEXT,
  STATE_ALLOCATION,
  TEXT_BYTES,
  TEXT_MAX,
} from "../records/cell";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import { recordReserveFor } from "../records/record";

// Have the cells of a text, one by one sound, the length that the first of them tells? Cells of
// different ages can follow each other: freed ones are taken again in the same places.
function textIsWhole(head: u32, kind: u32, have: u32): bool {
  let cell = nextOfKind(head, kind);
  if (cell == 0) return have <= ID_HEAD_BYTES;
  const total = half(cell + C_V4);
  let got = have > ID_HEAD_BYTES ? ID_HEAD_BYTES : 0;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    const bytes = cellByte(cell, 5);
    if (bytes == 0 || bytes > TEXT_BYTES) return false;
    got += bytes;
    cell = nextOfKind(cell, kind);
  }
  return got == total && total <= TEXT_MAX;
}

/** Are the head and all further cells of its record, in `bytes` of image, whole and its own? */
export function chainIsSound(head: u32, bytes: u32): bool {
  let at = half(head + C_NEXT);
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (at & (CELL_BYTES - 1) || at < HEADER_BYTES || at > bytes - CELL_BYTES) return false;
    const kind = cellKind(at);
    if (!cellIsSound(at) || kind < KIND_TEXT || kind > KIND_MORE) return false;
    if (!cellIsOf(at, head)) return false;
    at = half(at + C_NEXT);
  }
  if (at != 0) return false;
  return textIsWhole(head, KIND_TEXT, cellByte(head, 127)) && textIsWhole(head, KIND_NAME, 0);
}

/** Does the record stay as it is? Containers end with their boot unless `keep`. */
export function survives(head: u32, keep: bool): bool {
  if (cellByte(head, 5) != STATE_ALLOCATION) return true;
  return cellKind(head) != KIND_CONTAINER || keep;
}

/** Does a container that ends with its boot leave a reservation of its name? */
export function becomesReserved(head: u32): bool {
  return recordReserveFor(head) != 0;
}

// Keys of records: which text or address of a cell an index is ordered by, taken from the cell
// itself. The trie asks here when it splits a bucket; records asks here when it compares.

import { damaged } from "../fault";
import { half, imageBase, word } from "../image/image";
import { scratchTakeFar } from "../scratch";
import {
  addressKey,
  C_ID,
  C_IFNAME,
  C_NEXT,
  C_V4,
  cellAt,
  cellByte,
  cellHi,
  cellKind,
  cellLo,
  ID_HEAD_BYTES,
  KIND_LABEL,
  KIND_NAME,
  KIND_TEXT,
  nameHash,
  ownerDigest,
  ownerHash,
  TEXT_BYTES,
  TEXT_MAX,
} from "./cell";

/** Cells that one record may have: two texts of 4,096 bytes and 64 addresses. */
export const CHAIN_MAX: u32 = 256;
const TEXT_AT: u32 = 48;

let buffer: usize = 0;
/** Where the last text of `idText` or `nameText` lies. */
export let textAt: usize = 0;
/** Digest of the owner, by `ownerDigests`. */
export let digest0: u64 = 0;
export let digest1: u64 = 0;

/** Who holds an allocation; the texts are bytes in memory. */
@unmanaged
export class Owner {
  /** KIND_ ... of a head. */
  kind: u32;
  id: usize;
  /** At most TEXT_MAX. */
  idBytes: u32;
  ifname: usize;
  /** At most 15. */
  ifBytes: u32;
}

/** The next cell of the chain that has this kind, after `cell`; 0 = none. */
export function nextOfKind(cell: u32, kind: u32): u32 {
  let at = half(cell + C_NEXT);
  for (let step: u32 = 0; step < CHAIN_MAX; step++) {
    if (at == 0 || cellKind(cellAt(at)) == kind) return at;
    at = half(at + C_NEXT);
  }
  damaged("the chain of a record doesn't end");
  return 0;
}

function gather(cell: u32, kind: u32, have: u32, total: u32): void {
  let at = cell;
  let got = have;
  for (let step: u32 = 0; step < CHAIN_MAX && got < total; step++) {
    if (at == 0) damaged("the text of a record is cut");
    const bytes = min<u32>(cellByte(at, 5), TEXT_BYTES);
    if (got + bytes > total || bytes == 0) damaged("the text of a record is too long");
    memory.copy(buffer + got, imageBase() + at + TEXT_AT, bytes);
    got += bytes;
    at = nextOfKind(at, kind);
  }
}

/** Takes the text buffer from scratch memory, before any rewind. */
export function keyReserve(): void {
  if (buffer == 0) buffer = scratchTakeFar(<usize>TEXT_MAX);
}

function prepare(total: u32): void {
  if (total > TEXT_MAX) damaged("the text of a record is too long");
  keyReserve();
  textAt = buffer;
}

/** The id of a head: sets `textAt`, answers its length in bytes. */
export function idText(head: u32): u32 {
  const short = cellByte(head, 127);
  if (short <= ID_HEAD_BYTES) {
    textAt = imageBase() + head + C_ID;
    return short;
  }
  const rest = nextOfKind(head, KIND_TEXT);
  if (rest == 0) damaged("the text of a record is cut");
  const total = half(rest + C_V4);
  prepare(total);
  memory.copy(buffer, imageBase() + head + C_ID, ID_HEAD_BYTES);
  gather(rest, KIND_TEXT, ID_HEAD_BYTES, total);
  return total;
}

/** The name of a record from its first NAME cell: sets `textAt`, answers its length in bytes. */
export function nameText(cell: u32): u32 {
  const total = half(cell + C_V4);
  prepare(total);
  gather(cell, KIND_NAME, 0, total);
  return total;
}

/** Sets `digest0`, `digest1` for the owner (kind, id, interface). */
export function ownerDigests(kind: u32, id: usize, idBytes: u32, at: usize, bytes: u32): void {
  digest0 = ownerDigest(0, kind, id, idBytes, at, bytes);
  digest1 = ownerDigest(1, kind, id, idBytes, at, bytes);
}

/** Sets `digest0`, `digest1` for the owner of a head. */
export function headDigests(head: u32): void {
  const bytes = idText(head);
  const ifname = imageBase() + head + C_IFNAME;
  ownerDigests(cellKind(head), textAt, bytes, ifname, min<u32>(cellByte(head, 6), 15));
}

export const BY_OWNER: u32 = 0;
export const BY_V4: u32 = 1;
export const BY_V6: u32 = 2;
export const BY_NAME: u32 = 3;
export const BY_LAST: u32 = 4;
export const BY_LABEL: u32 = 5;

/** Where the last address of a POOL cell lies. */
export const P_LAST: u32 = 48;

// The label of a POOL cell, hashed as names are.
function labelKey(pool: u32): u64 {
  const cell = nextOfKind(pool, KIND_LABEL);
  if (cell == 0) damaged("a pool in the index by name has no name");
  return nameHash(imageBase() + cell + TEXT_AT, min<u32>(cellByte(cell, 5), TEXT_BYTES));
}

/**
 * Key of `cell` in an index: heads by owner, heads and MORE cells by address, NAME cells by name,
 * POOL cells by their last address or their name.
 */
export function keyOf(cell: u32, by: u32): u64 {
  cellAt(cell);
  if (by == BY_OWNER) {
    headDigests(cell);
    return ownerHash(digest0, digest1);
  }
  if (by == BY_NAME) {
    const bytes = nameText(cell);
    return nameHash(textAt, bytes);
  }
  if (by == BY_LAST) return addressKey(word(cell + P_LAST), word(cell + P_LAST + 8));
  if (by == BY_LABEL) return labelKey(cell);
  const family: u32 = by == BY_V4 ? 4 : 6;
  return addressKey(cellHi(cell, family), cellLo(cell, family));
}

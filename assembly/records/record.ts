// Records: allocations and cooling addresses, as chains of cells, and the four indexes that find
// them: by owner (allocations only), by IPv4, by IPv6 (whatever is not free), by name (newest
// first).
//
//   head -> MORE? -> TEXT* -> NAME*          (cell.ts draws the cells)
//   name index -> newest NAME cell <-> older <-> older ...
//
// Everything here runs inside an open journal: a false answer means "no space", and the caller
// undoes. Cost: the width of the texts and addresses plus one walk of each index.

import { damaged } from "../fault";
import { arenaFree, arenaTake } from "../image/arena";
import { INDEX_NAME, INDEX_OWNER, INDEX_V4, INDEX_V6 } from "../image/header";
import { half, putHalf } from "../image/image";
import {
  addressKey,
  C_ID,
  C_IFNAME,
  C_NEXT,
  C_SINCE,
  C_V4,
  CELL_BYTES,
  cellAt,
  cellDropAddress,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  cellNumber,
  cellPutAddress,
  cellPutByte,
  cellPutBytes,
  cellPutHead,
  cellSeal,
  headAt,
  ID_HEAD_BYTES,
  KIND_MORE,
  KIND_NAME,
  KIND_TEXT,
  nameHash,
  ownerHash,
  TEXT_BYTES,
} from "./cell";
import {
  BY_NAME,
  BY_OWNER,
  BY_V4,
  BY_V6,
  CHAIN_MAX,
  digest0,
  digest1,
  headDigests,
  nameText,
  nextOfKind,
  Owner,
  ownerDigests,
  textAt,
} from "./key";
import { seekCell, seekCount, trieAdd, trieRemove, trieReplace, trieSeek } from "./trie";
import { unshare } from "./unshare";

const NAME_OLDER: u32 = 32;
const NAME_NEWER: u32 = 36;
const NAME_RESERVE: u32 = 40;
const NAME_FLAGS: u32 = 44;
/** Flag of a name: the addresses are those that an annotation asked for. */
export const NAME_FIXED: u32 = 1;
/** ... the time for which it is reserved is what an annotation asked for. */
export const NAME_ASKED: u32 = 2;
const TEXT_AT: u32 = 48;

function indexOf(family: u32): u32 {
  return family == 4 ? INDEX_V4 : INDEX_V6;
}

/** The allocation of the owner whose digest is (d0, d1): its head, or 0. */
export function recordByDigest(d0: u64, d1: u64): u32 {
  trieSeek(INDEX_OWNER, ownerHash(d0, d1));
  for (let i: u32 = 0; i < seekCount; i++) {
    if (seekCell(i) == 0) continue;
    unshare(seekCell(i)); // who looks for an owner lets go of its addresses
    const head = headAt(seekCell(i));
    headDigests(head);
    if (digest0 == d0 && digest1 == d1) return head;
  }
  return 0;
}

/** The allocation of an owner: its head, or 0. */
export function recordByOwner(kind: u32, id: usize, idBytes: u32, at: usize, bytes: u32): u32 {
  ownerDigests(kind, id, idBytes, at, bytes);
  return recordByDigest(digest0, digest1);
}

/** The cell (head or MORE) that has this address, or 0: then the address is free. */
export function recordByAddress(family: u32, hi: u64, lo: u64): u32 {
  trieSeek(indexOf(family), addressKey(hi, lo));
  for (let i: u32 = 0; i < seekCount; i++) {
    if (seekCell(i) == 0) continue;
    const cell = cellAt(seekCell(i));
    if (cellHasFamily(cell, family) && cellHi(cell, family) == hi && cellLo(cell, family) == lo) {
      return cell;
    }
  }
  return 0;
}

/** The newest NAME cell of a name, or 0. */
export function recordByName(at: usize, bytes: u32): u32 {
  trieSeek(INDEX_NAME, nameHash(at, bytes));
  for (let i: u32 = 0; i < seekCount; i++) {
    if (seekCell(i) == 0) continue;
    const cell = cellAt(seekCell(i));
    if (nameText(cell) == bytes && memory.compare(textAt, at, bytes) == 0) return cell;
  }
  return 0;
}

/** Does the record carry exactly this name? */
export function recordHasName(head: u32, at: usize, bytes: u32): bool {
  const cell = nextOfKind(head, KIND_NAME);
  return cell != 0 && nameText(cell) == bytes && memory.compare(textAt, at, bytes) == 0;
}

// Appends a zeroed cell to the chain of `head` right behind `after`. 0 = no space.
function chain(head: u32, after: u32, kind: u32): u32 {
  const cell = arenaTake(CELL_BYTES);
  if (cell == 0) return 0;
  cellPutByte(cell, 4, kind);
  cellPutHead(cell, head);
  putHalf(cell + C_NEXT, half(after + C_NEXT));
  putHalf(after + C_NEXT, cell);
  return cell;
}

// Writes `bytes` of text into cells of `kind`; the first one tells `total`. Answers the first, 0 =
// no space.
function chainText(head: u32, kind: u32, from: usize, bytes: u32, total: u32, number: u64): u32 {
  let after = head;
  let first: u32 = 0;
  for (let got: u32 = 0; got < bytes; got += TEXT_BYTES) {
    const n = min<u32>(TEXT_BYTES, bytes - got);
    const cell = chain(head, after, kind);
    if (cell == 0) return 0;
    if (after != head) cellSeal(after, number); // its link has changed
    if (first == 0) {
      first = cell;
      putHalf(cell + C_V4, total);
    }
    cellPutByte(cell, 5, n);
    cellPutBytes(cell, TEXT_AT, from + got, n);
    cellSeal(cell, number);
    after = cell;
  }
  return first;
}

/**
 * Makes the record of an owner, without addresses, in the index by owner. Answers the head
 * (unsealed: call recordSeal when its addresses are in), 0 = no space.
 */
export function recordMake(owner: Owner, state: u32, since: u32, number: u64): u32 {
  ownerDigests(owner.kind, owner.id, owner.idBytes, owner.ifname, owner.ifBytes);
  return recordMakeOf(ownerHash(digest0, digest1), owner, state, since, number);
}

/** The same for who knows the owner's key in the index already. */
export function recordMakeOf(key: u64, owner: Owner, state: u32, since: u32, number: u64): u32 {
  const head = arenaTake(CELL_BYTES);
  if (head == 0) return 0;
  const idBytes = owner.idBytes;
  putHalf(head + 4, owner.kind | (state << 8) | (owner.ifBytes << 16));
  putHalf(head + C_SINCE, since);
  cellPutBytes(head, C_ID, owner.id, min<u32>(idBytes, ID_HEAD_BYTES));
  cellPutBytes(head, C_IFNAME, owner.ifname, owner.ifBytes);
  cellPutByte(head, 127, idBytes <= ID_HEAD_BYTES ? idBytes : 255);
  if (idBytes > ID_HEAD_BYTES) {
    const rest = idBytes - ID_HEAD_BYTES;
    const from = owner.id + ID_HEAD_BYTES;
    if (chainText(head, KIND_TEXT, from, rest, idBytes, number) == 0) return 0;
  }
  return trieAdd(INDEX_OWNER, BY_OWNER, key, head) ? head : 0;
}

// Behind which records of the name a record of commit `number` belongs: the oldest of those that
// are younger, 0 = none is. Only a rebuild brings them in another order than that of their age.
function youngerThan(first: u32, number: u64): u32 {
  let younger: u32 = 0;
  let at = first;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (cellNumber(cellHead(cellAt(at))) <= number) break;
    younger = at;
    at = half(at + NAME_OLDER);
  }
  return younger;
}

/**
 * Gives the record a name and puts it before older records of that name: `reserveFor` seconds are
 * what the name is reserved for when it is let go (0 = not at all), `flags` NAME_ ones. false = no
 * space.
 */
export function recordPutName(
  head: u32,
  at: usize,
  bytes: u32,
  number: u64,
  reserveFor: u32,
  flags: u32,
): bool {
  const first = recordByName(at, bytes);
  const newer = youngerThan(first, number);
  const older = newer == 0 ? first : half(newer + NAME_OLDER);
  const cell = chainText(head, KIND_NAME, at, bytes, bytes, number);
  if (cell == 0) return false;
  putHalf(cell + NAME_RESERVE, reserveFor);
  putHalf(cell + NAME_FLAGS, flags);
  putHalf(cell + NAME_OLDER, older);
  putHalf(cell + NAME_NEWER, newer);
  if ((reserveFor | flags | older | newer) != 0) cellSeal(cell, number);
  if (older != 0) {
    putHalf(older + NAME_NEWER, cell);
    cellSeal(older, number);
  }
  const hash = nameHash(at, bytes);
  if (first == 0) return trieAdd(INDEX_NAME, BY_NAME, hash, cell);
  if (newer == 0) trieReplace(INDEX_NAME, hash, first, cell);
  else {
    putHalf(newer + NAME_OLDER, cell);
    cellSeal(newer, number);
  }
  return true;
}

/** Seconds for which the record's name is reserved when it is let go; 0 = it isn't. */
export function recordReserveFor(head: u32): u32 {
  const cell = nextOfKind(head, KIND_NAME);
  return cell == 0 ? 0 : half(cell + NAME_RESERVE);
}

/** Sets that time in a record that has a name. */
export function recordPutReserve(head: u32, reserveFor: u32, number: u64): void {
  const cell = nextOfKind(head, KIND_NAME);
  if (cell == 0) return;
  putHalf(cell + NAME_RESERVE, reserveFor);
  cellSeal(cell, number);
}

/** The flags of the record's name, 0 without one. */
export function recordFlags(head: u32): u32 {
  const cell = nextOfKind(head, KIND_NAME);
  return cell == 0 ? 0 : half(cell + NAME_FLAGS);
}

/** The next older NAME cell of the same name, or 0. */
export function olderOfName(cell: u32): u32 {
  return half(cell + NAME_OLDER);
}

/** The next newer NAME cell of the same name, or 0. */
export function newerOfName(cell: u32): u32 {
  return half(cell + NAME_NEWER);
}

function dropName(cell: u32, number: u64): void {
  const older = half(cell + NAME_OLDER);
  const newer = half(cell + NAME_NEWER);
  if (older != 0) {
    putHalf(cellAt(older) + NAME_NEWER, newer);
    cellSeal(older, number);
  }
  if (newer != 0) {
    putHalf(cellAt(newer) + NAME_OLDER, older);
    cellSeal(newer, number);
    return;
  }
  const bytes = nameText(cell);
  const hash = nameHash(textAt, bytes);
  if (older != 0) trieReplace(INDEX_NAME, hash, cell, older);
  else trieRemove(INDEX_NAME, hash, cell);
}

/**
 * Adds an address to a record and its index: in the head if its place is empty. 0 = no space, else
 * the cell.
 */
export function recordAddAddress(
  head: u32,
  family: u32,
  hi: u64,
  lo: u64,
  set: u32,
  number: u64,
): u32 {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0 && cellHasFamily(cell, family); step++) {
    cell = nextOfKind(cell, KIND_MORE);
  }
  if (cell == 0) cell = chain(head, head, KIND_MORE);
  if (cell == 0) return 0;
  cellPutAddress(cell, family, hi, lo, set);
  if (cell != head) cellSeal(cell, number);
  const by = family == 4 ? BY_V4 : BY_V6;
  return trieAdd(indexOf(family), by, addressKey(hi, lo), cell) ? cell : 0;
}

/**
 * Takes an address out of its cell and its index. The caller seals and looks whether any is left.
 */
export function recordDropAddress(cell: u32, family: u32): void {
  const hash = addressKey(cellHi(cell, family), cellLo(cell, family));
  trieRemove(indexOf(family), hash, cell);
  cellDropAddress(cell, family);
}

/** Takes the owner out of the index: the record stays for its addresses' cool-down. */
export function recordDropOwner(head: u32): void {
  headDigests(head);
  trieRemove(INDEX_OWNER, ownerHash(digest0, digest1), head);
}

/** How many addresses has the record? */
export function recordCount(head: u32): u32 {
  let count: u32 = 0;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    count += <u32>cellHasFamily(cell, 4) + <u32>cellHasFamily(cell, 6);
    cell = nextOfKind(cell, KIND_MORE);
  }
  return count;
}

/** Does any cell of the record still have an address? */
export function recordHasAddress(head: u32): bool {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4) || cellHasFamily(cell, 6)) return true;
    cell = nextOfKind(cell, KIND_MORE);
  }
  return false;
}

/** Frees the cells of a record that has no addresses and no owner in the indexes any more. */
export function recordFree(head: u32, number: u64): void {
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0) dropName(name, number);
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    const next = half(cell + C_NEXT);
    arenaFree(cell, CELL_BYTES);
    cell = next;
  }
  if (cell != 0) damaged("the chain of a record doesn't end");
}

/** Closes a head after its changes. */
export function recordSeal(head: u32, number: u64): void {
  cellSeal(head, number);
}

// The address files of host-local, as far as a record has to do with them. They lie in the entered
// directory, one for each address, named by its canonical text:
//
//   10.1.2.2 | 2001:db8::2      content: id CR LF interface      (before 0.8.0: the id alone)
//
// A head with FILES_BIT in byte 7 says: host-local's files stand for my addresses. Then a file that
// has gone makes its address free (host-local deletes by unlinking), and whoever releases the
// record unlinks the files that are still its owner's. On Windows the names have `_` for `:`.
//
// A file that names no owner, or one that has OWNER_MAX addresses without it, is stood in for: its
// address is held by an owner of its own until the file has gone. The record of the latter has
// BEYOND_BIT: when it goes, what stands in for its files goes before (store/letgo.ts).
//
// Cost: an open, a size, a read and a close for each file that is looked at.

import { ADDRESS_BYTES, formatAddress } from "../address";
import * as host from "../host";
import { SETS_MAX } from "../image/header";
import { scratchTakeFar } from "../scratch";
import {
  cellByte,
  cellHasFamily,
  cellHi,
  cellKind,
  cellLo,
  cellPutByte,
  KIND_CONTAINER,
  KIND_MORE,
  KIND_OTHER,
  TEXT_MAX,
} from "./cell";
import {
  CHAIN_MAX,
  digest0,
  digest1,
  headDigests,
  idText,
  nextOfKind,
  ownerDigests,
  textAt,
} from "./key";
import { recordByOwner, recordCount } from "./record";

/** Addresses of an owner, as many as an ADD gives: what is let go must fit into one commit. */
export const OWNER_MAX: u32 = <u32>SETS_MAX;
/** How owners (KIND_OTHER) begin that stand in for a file; its name follows. */
export const STANDS_IN: string = "host-local:";

/** Byte 7 of a head, beside the families. */
const FILES_BIT: u32 = 4;
const BEYOND_BIT: u32 = 8;

/** What is known of an address's file. */
export const FILE_GONE: i32 = 0;
/** It names an owner: fileId, fileIfname. */
export const FILE_OWNED: i32 = 1;
/** It is there, but empty, no file or not ours to read: held by nobody knows whom. */
export const FILE_UNKNOWN: i32 = 2;

/** It couldn't be looked at (fileError): nothing is known. */
export const FILE_FAILED: i32 = 3;

/** Longest content that is read: id, CR LF, interface, white space around. */
const CONTENT_MAX: i32 = <i32>TEXT_MAX + 64;
const IFNAME_MAX: i32 = 15;
const ENOENT: i32 = -2;
/** The mark of range set 0. */
export const MARK_ZERO: string = "last_reserved_ip.0";
/** Another time than the one that foreign/marks.ts gives a mark (seconds after 1970). */
const LEFT_TIME: u32 = 2;

// What says of a name that it will never be read: the rest may go by (EIO, EMFILE, ENOMEM ...).
const ENXIO: i32 = -6; // a socket
const EACCES: i32 = -13;
const ENODEV: i32 = -19;
const EISDIR: i32 = -21;
const EINVAL: i32 = -22;
const ELOOP: i32 = -40;

let names: usize = 0;
let content: usize = 0;

/** Where the name of the last `fileNameOf` lies, and its length. */
export let fileNameAt: usize = 0;
export let fileNameBytes: i32 = 0;
/** The owner in the file that was read last; an interface of 0 bytes: the old format. */
export let fileIdAt: usize = 0;
export let fileIdBytes: i32 = 0;
export let fileIfAt: usize = 0;
export let fileIfBytes: i32 = 0;
/** -errno of what was FILE_FAILED last. */
export let fileError: i32 = 0;
/** filesUnsure was called, no file read anew since: no mark may say that all is known. */
export let filesAreUnsure: bool = false;

/** Takes the buffers from scratch memory, before any rewind. */
export function fileReserve(): void {
  if (names != 0) return;
  names = scratchTakeFar(<usize>ADDRESS_BYTES + 19);
  content = scratchTakeFar(<usize>CONTENT_MAX + 1);
}

/** Does host-local's directory speak for this record? */
export function headHasFiles(head: u32): bool {
  return (cellByte(head, 7) & FILES_BIT) != 0;
}

/** Sets or clears that mark. The caller seals the head. */
export function headPutFiles(head: u32, has: bool): void {
  const rest = cellByte(head, 7) & ~FILES_BIT;
  cellPutByte(head, 7, has ? rest | FILES_BIT : rest);
}

/** Do others stand in for files that name the owner of this record? */
export function headHasBeyond(head: u32): bool {
  return (cellByte(head, 7) & BEYOND_BIT) != 0;
}

/** Sets or clears that mark. The caller seals the head. */
export function headPutBeyond(head: u32, has: bool): void {
  const rest = cellByte(head, 7) & ~BEYOND_BIT;
  cellPutByte(head, 7, has ? rest | BEYOND_BIT : rest);
}

/** The name of an address's file: fileNameAt, fileNameBytes. */
export function fileNameOf(family: u32, hi: u64, lo: u64): void {
  fileReserve();
  fileNameAt = names;
  fileNameBytes = formatAddress(<i32>family, hi, lo, names);
}

// The name as Windows has it.
function underscored(): void {
  for (let i = 0; i < fileNameBytes; i++) {
    if (load<u8>(names + i) == 58) store<u8>(names + i, 95);
  }
}

// Opens the file that was named, in either spelling: a handle or -errno.
function openNamed(family: u32): i32 {
  const handle = host.open(fileNameAt, fileNameBytes, 0);
  if (handle != ENOENT || family == 4) return handle;
  underscored();
  const other = host.open(fileNameAt, fileNameBytes, 0);
  if (other == ENOENT) for (let i = 0; i < fileNameBytes; i++) colon(i);
  return other;
}

function colon(i: i32): void {
  if (load<u8>(names + i) == 95) store<u8>(names + i, 58);
}

// White space to Go, and what a crash leaves. An interface may have other control characters.
function isBlank(c: u32): bool {
  return c == 32 || c == 0 || (c >= 9 && c <= 13);
}

// Takes the content apart. FILE_OWNED or FILE_UNKNOWN.
function parse(bytes: i32): i32 {
  let from = 0;
  let end = bytes;
  while (from < end && isBlank(load<u8>(content + from))) from++;
  while (end > from && isBlank(load<u8>(content + end - 1))) end--;
  let line = from;
  while (line < end && load<u8>(content + line) > 32) line++;
  fileIdAt = content + from;
  fileIdBytes = line - from;
  fileIfAt = content + line;
  fileIfBytes = 0;
  if (fileIdBytes == 0 || fileIdBytes > <i32>TEXT_MAX) return FILE_UNKNOWN;
  if (line == end) return FILE_OWNED;
  if (load<u16>(content + line) != 0x0a0d) return FILE_UNKNOWN;
  fileIfAt = content + line + 2;
  fileIfBytes = end - line - 2;
  if (fileIfBytes <= 0 || fileIfBytes > IFNAME_MAX) return FILE_UNKNOWN;
  for (let i = 0; i < fileIfBytes; i++) {
    if (isBlank(load<u8>(fileIfAt + i))) return FILE_UNKNOWN;
  }
  return FILE_OWNED;
}

/** Reads the file of this name (bytes in memory): FILE_... */
export function fileReadName(at: usize, bytes: i32): i32 {
  fileReserve();
  const handle = host.open(at, bytes, 0);
  return handle < 0 ? failedAs(handle) : readOpen(handle);
}

// What an error (-errno) says of a file.
function failedAs(error: i32): i32 {
  if (error == ENOENT) return FILE_GONE;
  if (error == ENXIO || error == EACCES || error == ENODEV) return FILE_UNKNOWN;
  if (error == EISDIR || error == EINVAL || error == ELOOP) return FILE_UNKNOWN;
  fileError = error;
  return FILE_FAILED;
}

function readOpen(handle: i32): i32 {
  const got = host.read(handle, 0, content, <u32>CONTENT_MAX + 1);
  host.close(handle);
  if (got < 0) return failedAs(got);
  return got > CONTENT_MAX ? FILE_UNKNOWN : parse(got);
}

/** Reads the file of an address: FILE_... */
export function fileRead(family: u32, hi: u64, lo: u64): i32 {
  fileNameOf(family, hi, lo);
  const handle = openNamed(family);
  return handle < 0 ? failedAs(handle) : readOpen(handle);
}

/** Is there a file for the address? */
export function fileIsThere(family: u32, hi: u64, lo: u64): bool {
  fileNameOf(family, hi, lo);
  const handle = openNamed(family);
  if (handle >= 0) host.close(handle);
  return handle != ENOENT;
}

/** Puts an owner that another source names in the place of one that was read. FILE_OWNED. */
export function fileOwner(id: usize, idBytes: i32, ifname: usize, ifBytes: i32): i32 {
  fileIdAt = id;
  fileIdBytes = idBytes;
  fileIfAt = ifname;
  fileIfBytes = ifBytes;
  return FILE_OWNED;
}

/** The allocation of the container in the file that was read last: its head, or 0. */
export function fileOwnerRecord(): u32 {
  return recordByOwner(KIND_CONTAINER, fileIdAt, <u32>fileIdBytes, fileIfAt, <u32>fileIfBytes);
}

// Has that container as many addresses as one may have?
function isBeyond(): bool {
  const head = fileOwnerRecord();
  return head != 0 && recordCount(head) >= OWNER_MAX;
}

/** Does the owner of `head` stand in for a file? */
export function headStandsIn(head: u32): bool {
  if (cellKind(head) != KIND_OTHER || <i32>idText(head) < STANDS_IN.length) return false;
  const literal = changetype<usize>(STANDS_IN);
  for (let i = 0; i < STANDS_IN.length; i++) {
    if (load<u8>(textAt + i) != <u8>load<u16>(literal + ((<usize>i) << 1))) return false;
  }
  return true;
}

/**
 * Is the owner in the file that was read last the owner of `head`, or does that stand in for it?
 * (`state` = what was read)
 */
export function fileBelongs(state: i32, head: u32): bool {
  if (state == FILE_FAILED) return false;
  if (state == FILE_UNKNOWN) return cellKind(head) != KIND_CONTAINER;
  if (headStandsIn(head)) return isBeyond();
  ownerDigests(KIND_CONTAINER, fileIdAt, <u32>fileIdBytes, fileIfAt, <u32>fileIfBytes);
  const d0 = digest0;
  const d1 = digest1;
  headDigests(head);
  return cellKind(head) == KIND_CONTAINER && digest0 == d0 && digest1 == d1;
}

/**
 * There may be files that no record tells of: one that couldn't be unlinked, those that a power cut
 * has brought back. The mark of set 0 gets a time that isn't ours (foreign/marks.ts), also where
 * this call writes it anew, so that the next mirrored call reads all files again. It takes them for
 * what they say, and collection or another DEL frees it. Best effort.
 */
export function filesUnsure(): void {
  filesAreUnsure = true;
  fileReserve();
  for (let i = 0; i < MARK_ZERO.length; i++) {
    store<u8>(names + i, load<u8>(changetype<usize>(MARK_ZERO) + ((<usize>i) << 1)));
  }
  const handle = host.open(names, MARK_ZERO.length, 1);
  if (handle < 0) return;
  host.touch(handle, LEFT_TIME);
  host.close(handle);
}

/** All files are read from here on: what was unsure before is seen. */
export function filesReadAnew(): void {
  filesAreUnsure = false;
}

// Does the owner of `head` stand in for the file that was read last, whose own owner may have fewer
// than OWNER_MAX by now?
function standsInFor(state: i32, head: u32): bool {
  if (state != FILE_OWNED || !headStandsIn(head)) return false;
  const owner = fileOwnerRecord();
  return owner != 0 && headHasBeyond(owner);
}

// Unlinks the file that was read last.
function unlinkRead(): void {
  const status = host.unlink(fileNameAt, fileNameBytes);
  if (status < 0 && status != ENOENT) filesUnsure();
}

function unlinkOf(head: u32, cell: u32, family: u32): void {
  const state = fileRead(family, cellHi(cell, family), cellLo(cell, family));
  if (state == FILE_GONE) return;
  if (fileBelongs(state, head) || standsInFor(state, head)) unlinkRead();
  else if (state != FILE_OWNED) filesUnsure(); // else it is somebody else's by now
}

/**
 * Does `head`, which stands in for a file, end with one of the `count` owners whose digests lie at
 * `owners`, 16 bytes each? It does if the file names that owner, and the file is unlinked; and
 * where the file has gone.
 */
export function standInEnds(head: u32, owners: usize, count: u32): bool {
  const family: u32 = cellHasFamily(head, 4) ? 4 : 6;
  const state = fileRead(family, cellHi(head, family), cellLo(head, family));
  if (state == FILE_GONE) return headHasFiles(head);
  if (state != FILE_OWNED) return false;
  ownerDigests(KIND_CONTAINER, fileIdAt, <u32>fileIdBytes, fileIfAt, <u32>fileIfBytes);
  for (let i: u32 = 0; i < count; i++) {
    const p = owners + ((<usize>i) << 4);
    if (load<u64>(p) != digest0 || load<u64>(p, 8) != digest1) continue;
    unlinkRead();
    return true;
  }
  return false;
}

/**
 * Unlinks the files of a record's addresses that are still its owner's, if the record has files.
 * To be done before its release is committed: a record without files is free in any case, a file
 * without a record would be a leak. What can't be unlinked stays until a later call finds it.
 */
export function filesUnlink(head: u32): void {
  if (headHasFiles(head)) filesTake(head);
}

/** The same, whether the record says that it has files or not. */
export function filesTake(head: u32): void {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4)) unlinkOf(head, cell, 4);
    if (cellHasFamily(cell, 6)) unlinkOf(head, cell, 6);
    cell = nextOfKind(cell, KIND_MORE);
  }
}

// Mirroring: an address file of host-local for every address that a container holds, so that
// either program can take over at any moment. host-local's lock is held.
//
//   stage   berth.file.<n>: the owner, written before the commit, where a full disk can be told
//   commit  of the image
//   place   rename to the address's name
//
// Killed before the commit, nothing was given and the staged files are written over; killed
// between commit and rename, a record has no file, and a record without its file is free. Under
// the lock nobody makes the file that `mirrorMeets` has not found; where it finds one, that file
// decides: its address is another's.

import * as host from "../host";
import { appliedNumber, H_HELD, INDEX_OWNER } from "../image/header";
import { imageBase, journalCount, word } from "../image/image";
import { givenAt, setAt } from "../pool/range";
import {
  C_IFNAME,
  cellByte,
  cellHasFamily,
  cellHi,
  cellKind,
  cellLo,
  cellSeal,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
} from "../records/cell";
import {
  FILE_FAILED,
  FILE_GONE,
  fileBelongs,
  fileError,
  fileIsThere,
  fileNameAt,
  fileNameBytes,
  fileNameOf,
  fileRead,
  headHasFiles,
  headPutFiles,
  headStandsIn,
} from "../records/file";
import { CHAIN_MAX, idText, nextOfKind, textAt } from "../records/key";
import { trieCells } from "../records/trie";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { logCommit } from "../store/log";
import { fileName, nameAt, nameBytes } from "../store/names";
import { BULK_WORDS } from "./gone";

const STAGE_NAME: string = "berth.file.00";
const STAGE_PREFIX: i32 = 11;

// berth.file.<n>, n < 100: nameAt, nameBytes.
function stageName(n: i32): void {
  fileName(STAGE_NAME);
  store<u8>(nameAt + STAGE_PREFIX, <u8>(48 + n / 10));
  store<u8>(nameAt + STAGE_PREFIX + 1, <u8>(48 + (n % 10)));
}

let body: usize = 0;
let bodyBytes: u32 = 0;

// id CR LF interface, or the id alone for an owner of the old format.
function bodyOf(id: usize, idBytes: u32, ifname: usize, ifBytes: u32): void {
  body = scratchTake(<usize>(idBytes + ifBytes + 2));
  memory.copy(body, id, idBytes);
  bodyBytes = idBytes;
  if (ifBytes == 0) return;
  store<u16>(body + idBytes, 0x0a0d);
  memory.copy(body + idBytes + 2, ifname, ifBytes);
  bodyBytes += ifBytes + 2;
}

function stage(n: i32): i32 {
  stageName(n);
  host.unlink(nameAt, nameBytes);
  const handle = host.open(nameAt, nameBytes, 2);
  if (handle < 0) return handle;
  const status = host.write(handle, 0, body, bodyBytes);
  host.close(handle);
  return status;
}

function familyOf(sets: usize, i: i32): u32 {
  return <u32>setAt(sets, i).family;
}

/** Is there a file already for one of the addresses that are to be given? */
export function mirrorMeets(sets: usize, count: i32, given: usize): bool {
  for (let i = 0; i < count; i++) {
    const g = givenAt(given, i);
    if (fileIsThere(familyOf(sets, i), g.hi, g.lo)) return true;
  }
  return false;
}

/** Writes the files of an owner's new addresses under their temporary names. 0 or -errno. */
export function mirrorStage(count: i32, id: usize, idBytes: u32, ifname: usize, ifBytes: u32): i32 {
  bodyOf(id, idBytes, ifname, ifBytes);
  for (let i = 0; i < count; i++) {
    const status = stage(i);
    if (status < 0) return status;
  }
  return 0;
}

/** Puts the staged files in place. 0, or -errno: some may be missing. */
export function mirrorPlace(sets: usize, count: i32, given: usize): i32 {
  let failed = 0;
  for (let i = 0; i < count; i++) {
    const g = givenAt(given, i);
    fileNameOf(familyOf(sets, i), g.hi, g.lo);
    stageName(i);
    const status = host.rename(nameAt, nameBytes, fileNameAt, fileNameBytes);
    if (status < 0) failed = status;
  }
  return failed;
}

/** Files that the last `mirrorRecord` and its callers wrote, and found as they should be. */
export let mirrorWritten: u32 = 0;
export let mirrorFound: u32 = 0;
/** Files that named somebody else: left, and the address is theirs, too, unless replaced. */
export let mirrorConflicts: u32 = 0;

/** Begins counting anew. */
export function mirrorCount(): void {
  mirrorWritten = 0;
  mirrorFound = 0;
  mirrorConflicts = 0;
}

// The file of one address of a record. 0 or -errno.
function putFile(head: u32, family: u32, hi: u64, lo: u64, replace: bool): i32 {
  const state = fileRead(family, hi, lo);
  if (state == FILE_FAILED) return fileError;
  const isThere = state != FILE_GONE;
  // What stands in for a file has it, whoever that names by now.
  if (isThere && (fileBelongs(state, head) || (replace && headStandsIn(head)))) {
    mirrorFound++;
    return 0;
  }
  if (isThere) mirrorConflicts++;
  if (isThere && !replace) return 0;
  let status = stage(0);
  if (status < 0) return status;
  fileNameOf(family, hi, lo);
  stageName(0);
  status = host.rename(nameAt, nameBytes, fileNameAt, fileNameBytes);
  if (status >= 0) mirrorWritten++;
  return status;
}

/**
 * Makes the files that a record of any kind lacks in the entered directory: its owner for a
 * container, else an empty one, which holds the address against everybody. `replace`: also those
 * that name somebody else. 0 or -errno.
 */
export function mirrorRecord(head: u32, replace: bool): i32 {
  const mark = scratchMark();
  const idBytes = idText(head);
  const ifname = imageBase() + head + C_IFNAME;
  bodyOf(textAt, idBytes, ifname, min<u32>(cellByte(head, 6), 15));
  if (cellKind(head) != KIND_CONTAINER) bodyBytes = 0;
  let status = 0;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0 && status >= 0; step++) {
    if (cellHasFamily(cell, 4)) status = putFile(head, 4, 0, cellLo(cell, 4), replace);
    if (status >= 0 && cellHasFamily(cell, 6)) {
      status = putFile(head, 6, cellHi(cell, 6), cellLo(cell, 6), replace);
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
  scratchRewind(mark);
  return status;
}

/**
 * Gives every allocation that has none its files, containers also the mark that says so: what turns
 * an image into a mirrored one. 0; -errno or what logCommit said: what was done stands.
 */
export function mirrorAll(durable: bool): i32 {
  const held = <u32>word(H_HELD);
  const heads = scratchTake((<usize>held + 1) << 2);
  const found = trieCells(INDEX_OWNER, heads, held + 1);
  mirrorCount();
  for (let i: u32 = 0; i < found; i++) {
    const head = headAt(load<u32>(heads + ((<usize>i) << 2)));
    if (headHasFiles(head)) continue;
    const conflicts = mirrorConflicts;
    let status = mirrorRecord(head, false);
    if (status < 0) return status;
    if (cellKind(head) == KIND_CONTAINER && mirrorConflicts == conflicts) {
      headPutFiles(head, true);
      cellSeal(head, appliedNumber() + 1);
    }
    if (journalCount() < BULK_WORDS) continue;
    status = logCommit(false, durable);
    if (status != 0) return status;
  }
  return 0;
}

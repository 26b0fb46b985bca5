// The book: what one Ipam has open. Owns the block through which TypeScript talks to the core
// (booknumbers.ts draws it), how the files are opened in each mode, and how a call begins and
// commits.
//
//   exclusive   the lock is held while open; commits wait in the queue until flushed
//   per call    the lock is held for one call; commits go out as the plugin's do
//   reader      a copy without lock; what a call changes is forgotten with the copy
//
// A call: bookStart | work on the open journal | bookCommit or journalUndo. Scratch memory is
// rewound between calls (`bookRest`).

import * as host from "../host";
import { arenaFirstFree, arenaRoom } from "../image/arena";
import { appliedNumber, H_KEEP } from "../image/header";
import { journalClear, journalCount, journalUndo, putWord, word } from "../image/image";
import { allocatorReserve } from "../pool/allocator";
import { checkReserve } from "../pool/faultlist";
import { Manner, RESERVE_REMEMBERED } from "../pool/leave";
import { CELL_BYTES, KIND_CONTAINER } from "../records/cell";
import { collectMany } from "../records/due";
import { digest0, digest1, ownerDigests } from "../records/key";
import { recordByDigest } from "../records/record";
import { scratchAssignAll, scratchMark, scratchRewind, scratchTake } from "../scratch";
import { anchorTouch } from "../store/carry";
import { imageGrow } from "../store/files";
import { letGo } from "../store/letgo";
import { COMMITTED_IN_LOG, logCommit } from "../store/log";
import { noteExists, noteRemove, notesApply, notesRemove } from "../store/notes";
import {
  queueBegin,
  queueCheckpoint,
  queueCommit,
  queueDefer,
  queueMark,
  queueReady,
  queueReserve,
} from "../store/queue";
import { storeClose, storeCopy, storeForget, storeOpenFresh, storeRefresh } from "../store/refresh";
import { STORE_OPEN, storeReserve } from "../store/store";
import {
  BLOCK_BYTES,
  MODE_EXCLUSIVE,
  MODE_PER_CALL,
  MODE_READER,
  OUT_AT,
  OUT_WORDS,
  OWNER_AT,
} from "./booknumbers";

const EIO: i32 = -5;
/** Entries whose time is over that a call collects anyway, and where nothing else is free. */
const COLLECT_FEW: u32 = 8;
const COLLECT_MANY: u32 = 64;
/** Arena that a call may need, as for the plugin's ADD (protocol/add.ts). */
const ROOM_CALL: u32 = 65536;
const ROOM_SET: u32 = 8192;
const RESERVE: u32 = 40960;
/** Rounds of DEL notes at the opening: 64 each. */
const NOTE_ROUNDS: i32 = 65536;

/** The block. */
export let block: usize = 0;
let mark: usize = 0;
let mode: i32 = 0;
let synced: bool = false;
let roomStatus: i32 = 0;
// Seconds of CLOCK_BOOTTIME in this call.
let moment: u32 = 0;

/** Takes the memory of the instance; answers the block. To be called first, once. */
export function bookBlock(): usize {
  scratchAssignAll();
  storeReserve();
  queueReserve();
  allocatorReserve();
  checkReserve();
  block = scratchTake(<usize>BLOCK_BYTES);
  mark = scratchMark();
  return block;
}

/** Forgets the scratch memory of the last call. */
export function bookRest(): void {
  scratchRewind(mark);
}

/** Number `n` that the caller put in. */
export function input(n: u32): u64 {
  return load<u64>(block + ((<usize>n) << 3));
}

/** Puts out number `n`. */
export function output(n: u32, value: u64): void {
  if (n < <u32>OUT_WORDS) store<u64>(block + OUT_AT + ((<usize>n) << 3), value);
}

/** Enters the directory whose path lies in the block. 0 or -errno. */
export function bookEnter(pathBytes: i32, make: bool): i32 {
  return host.enter(block + OWNER_AT, pathBytes, make ? 1 : 0);
}

/** May anything more be written in this mode? */
function isReader(): bool {
  return mode == MODE_READER;
}

/**
 * Opens (per call: opens again) the files of the entered directory, the lock being held but for a
 * reader. `keep`: 0 = containers lapse at a new boot, 1 = they stay, 2 = as the image says.
 * STORE_OPEN (0), STORE_NONE (1), STORE_FUTURE (2), STORE_AGAIN (3), or -errno.
 */
export function bookOpen(how: i32, sync: bool, keep: i32): i32 {
  mode = how;
  synced = sync;
  if (how == MODE_READER) return storeCopy();
  if (how == MODE_EXCLUSIVE) queueDefer(true);
  const status =
    how == MODE_PER_CALL
      ? storeRefresh(true, keep == 1, synced)
      : storeOpenFresh(true, keep == 1, synced);
  if (status != STORE_OPEN) return status;
  queueBegin();
  const noted = applyNotes();
  if (noted < 0) return noted;
  queueBegin(); // what notes let go is on disk, and they are gone: no later failure undoes it
  if (keep != 2 && word(H_KEEP) != <u64>keep) {
    const ready = bookStart(0, 0);
    if (ready < 0) return ready;
    putWord(H_KEEP, <u64>keep);
    return bookCommit();
  }
  return STORE_OPEN;
}

// How the plugin's containers leave: an Ipam has no config of theirs, so the records decide.
function manner(): usize {
  const m = changetype<Manner>(scratchTake(offsetof<Manner>()));
  m.reserve = RESERVE_REMEMBERED;
  m.cooldown = 0;
  m.now = <u32>(host.clock(0) / 1000000000);
  return changetype<usize>(m);
}

// What DELs have left while somebody else had the lock. Written at once, so in exclusive mode on an
// empty log: a checkpoint in the middle would write words of a commit that isn't in it.
function applyNotes(): i32 {
  for (let round = 0; round < NOTE_ROUNDS; round++) {
    const names = scratchMark();
    store<u32>(scratchTake(4), 0x2d6c6564); // "del-"
    if (host.list(names, 4, scratchTake(512), 512) <= 0) return 0;
    if (mode == MODE_EXCLUSIVE && queueCheckpoint(synced) < 0) return EIO;
    const before = appliedNumber();
    const status = notesApply(manner(), synced, synced);
    if (status != 0) return status < 0 ? status : EIO;
    const last = logCommit(synced, synced);
    if (last != 0) return last < 0 ? last : EIO;
    const removed = notesRemove(synced);
    if (removed < 0) return removed;
    scratchRewind(names);
    // Only names that are no notes are left, or none that could be removed.
    if (appliedNumber() == before) return 0;
  }
  return 0;
}

/** Closes the files; the image stays in memory. */
export function bookClose(): void {
  storeClose();
}

/** Makes the next opening read everything. */
export function bookForget(): void {
  storeForget();
}

/** Marks the image as written to by the library. 0 or -errno. */
export function bookMark(): i32 {
  return isReader() ? 0 : queueMark(synced);
}

/** Number of the commit that is being prepared. */
export function nextNumber(): u64 {
  return appliedNumber() + 1;
}

/**
 * Commits what the journal holds. 0 or -errno: undone. Per call, a commit that is in the log but
 * couldn't be written into berth.state is good: the next opening applies it.
 */
export function bookCommit(): i32 {
  let status = 0;
  anchorTouch(moment, false);
  if (mode == MODE_READER) journalClear();
  else if (mode == MODE_EXCLUSIVE) status = queueCommit(synced);
  else status = logCommit(synced, synced);
  if (status < 0) journalUndo();
  if (status != COMMITTED_IN_LOG) return status;
  storeForget(); // memory has a commit that berth.state hasn't, and doesn't say so
  return 0;
}

// A commit in the middle of a call: one that is only in the log ends the call.
function commitPart(): i32 {
  if (journalCount() == 0) return 0;
  if (mode != MODE_PER_CALL) return bookCommit();
  const status = logCommit(synced, synced);
  if (status < 0) journalUndo();
  return status > 0 ? EIO : status;
}

function ready(): i32 {
  return mode == MODE_EXCLUSIVE ? queueReady(synced) : 0;
}

/**
 * Begins a call that changes something: frees what is due, makes room in the arena for `sets`
 * addresses. 0 or -errno. Room that the disk refuses is no error here: `bookIsFull` tells.
 */
export function bookStart(now: u32, sets: u32): i32 {
  moment = now;
  let status = ready();
  if (status < 0) return status;
  collectMany(now, nextNumber(), COLLECT_FEW);
  roomStatus = 0;
  if (mode != MODE_READER && sets != 0) roomStatus = imageGrow(ROOM_CALL + sets * ROOM_SET);
  status = commitPart();
  return status < 0 ? status : ready();
}

/** Frees more of what is due, in a commit of its own. How many, or -errno. */
export function bookCollect(now: u32): i32 {
  let status = ready();
  if (status < 0) return status;
  const count = collectMany(now, nextNumber(), COLLECT_MANY);
  status = commitPart();
  if (status >= 0) status = ready();
  return status < 0 ? status : <i32>count;
}

/**
 * Can't the file grow while what is left is kept for those who come after a release? 0 = no, else
 * -errno of the growth.
 */
export function bookIsFull(): i32 {
  if (roomStatus >= 0) return 0;
  return arenaRoom() < RESERVE && arenaFirstFree(CELL_BYTES) == 0 ? roomStatus : 0;
}

/**
 * A DEL note of the container that is about to be given something would free it: applied and
 * removed first. 0 or -errno.
 */
export function clearOwnNote(kind: u32, id: usize, bytes: u32, ifname: usize, ifBytes: u32): i32 {
  if (kind != KIND_CONTAINER || mode == MODE_READER) return 0;
  ownerDigests(kind, id, bytes, ifname, ifBytes);
  const d0 = digest0;
  const d1 = digest1;
  const exists = noteExists(d0, d1);
  if (exists <= 0) return exists;
  const head = recordByDigest(d0, d1);
  if (head != 0) {
    letGo(head, manner());
    let status = commitPart();
    // The note must not go before what it asked for is in the files.
    if (status >= 0 && mode == MODE_EXCLUSIVE) status = queueCheckpoint(synced);
    if (status < 0) return status;
  }
  const status = noteRemove(d0, d1, synced);
  return status < 0 ? status : ready();
}

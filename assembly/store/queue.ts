// The queue: commits of a library that alone holds the network's lock. They change the view at
// once and join the batch; `queueWrite` makes the batch an entry and appends what waits to the log,
// and the pages of berth.state wait for a checkpoint. What isn't written yet is lost with the
// process: only what the caller has flushed was promised.
//
//   calls -> batch (batch.ts) -> queue   | entry | entry | ...   -> berth.log at `queueAt`, one
//                                                                   pwrite
//
// So the calls between two writes are one commit with one number, whole or not at all, and a word
// that all of them change is hashed and written once. A batch that has no room for a call's words
// becomes an entry before them; then the call's words are exchanged for the old ones meanwhile, as
// they are when a call has ended half done, by a trap, and its words must never reach the log.
//
// Opening after a crash finds berth.state as of the last checkpoint (maybe with some pages of the
// next one, which the log has too) and replays the log: the plugin's code, and its files.
// Before a checkpoint the log is written and synced, so that no page is ahead of it.
// A log that is full is made larger first (to 16 MiB), where the disk has room.

import * as host from "../host";
import {
  A_TAIL,
  appliedGeneration,
  appliedNumber,
  appliedSet,
  FEATURE_LIBRARY,
  H_CHECK,
  H_INCOMPATIBLE,
  headerField,
  headerPut,
  headerSeal,
} from "../image/header";
import {
  imageBase,
  imageLength,
  journalClear,
  journalCount,
  journalOffset,
  journalSwap,
} from "../image/image";
import { scratchTake } from "../scratch";
import {
  BATCH_WORDS,
  batchAdd,
  batchClear,
  batchCopy,
  batchLine,
  batchLines,
  batchReserve,
  batchWords,
} from "./batch";
import { DIRTY_BYTES, dirtyTouch, logDefer } from "./dirty";
import {
  checkpoint,
  ENTRY_HEADER_BYTES,
  ENTRY_MAX,
  ENTRY_SUM,
  entryBuffer,
  entryBytes,
  entryClose,
  flagsAfter,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  logBytes,
  logFile,
  logHas,
  logLinkTo,
  logMakeRoom,
  stateFile,
} from "./log";

const EIO: i32 = -5;
/** Bytes of entries that wait at most. */
const QUEUE_BYTES: u32 = 524288;

let queue: usize = 0;
let dirty: usize = 0;
let used: u32 = 0;
// Where in the log the queue goes, and up to where the log is known to be on disk.
let queueAt: u32 = 0;
let safeTo: u32 = 0;
// Length of the image for which the file has room.
let roomFor: u32 = 0;
// Are the batch's calls to be synced?
let batchSynced: bool = false;

/** Takes the queue's memory, once, before any rewind. */
export function queueReserve(): void {
  if (queue != 0) return;
  queue = scratchTake(<usize>QUEUE_BYTES);
  dirty = scratchTake(<usize>DIRTY_BYTES);
  batchReserve();
}

/** From here on commits are deferred (true: pages wait) or written at once. */
export function queueDefer(defer: bool): void {
  if (defer) memory.fill(dirty, 0, DIRTY_BYTES);
  logDefer(defer ? dirty : 0);
}

/** Begins with an empty queue behind what the log holds. */
export function queueBegin(): void {
  used = 0;
  roomFor = 0;
  batchClear();
  safeTo = headerField(A_TAIL);
}

/** Bytes that wait, as they would be written now. */
export function queueWaiting(): u32 {
  return used + (batchWords == 0 ? 0 : entryBytes(batchWords));
}

// Makes the batch an entry of the queue, the next commit. 0, or -errno with nothing done.
function closeBatch(): i32 {
  if (batchWords == 0) return 0;
  if (used + ENTRY_MAX + ENTRY_HEADER_BYTES > QUEUE_BYTES) {
    const status = append();
    if (status < 0) return status;
  }
  const number = appliedNumber() + 1;
  const tail = headerField(A_TAIL);
  if (used == 0) queueAt = tail;
  const at = queue + used;
  store<u64>(at + entryBytes(batchWords) - 8, 0);
  // A call that isn't committed has no part in it.
  journalSwap();
  batchCopy(at + ENTRY_HEADER_BYTES);
  journalSwap();
  const bytes = entryClose(at, batchWords, number);
  logLinkTo(load<u64>(at, ENTRY_SUM));
  for (let n: u32 = 0; n < batchLines(); n++) dirtyTouch(batchLine(n));
  batchClear();
  used += bytes;
  appliedSet(number, appliedGeneration(), tail + bytes, tail, flagsAfter(batchSynced));
  return 0;
}

/** Appends what waits to the log, unsynced. 0 or -errno: it still waits. */
export function queueWrite(): i32 {
  const status = closeBatch();
  return status < 0 ? status : append();
}

function append(): i32 {
  if (used == 0) return 0;
  const status = host.write(logFile, queueAt, queue, used);
  if (status >= 0) used = 0;
  return status;
}

/** The log is on disk up to here. */
export function queueSafe(to: u32): void {
  safeTo = to;
}

/** Voids what was never known to be on disk: the next opening must not find it. Best effort. */
export function queueVoid(): void {
  const at = entryBuffer();
  store<u64>(at, 0);
  if (safeTo >= LOG_HEADER_BYTES && safeTo < logBytes) host.write(logFile, safeTo, at, 8);
}

/**
 * Marks the image as one that the library has written to: older releases must refuse it. 0 or
 * -errno with nothing changed.
 */
export function queueMark(durable: bool): i32 {
  if (headerField(H_INCOMPATIBLE) & FEATURE_LIBRARY) return 0;
  headerPut(H_INCOMPATIBLE, headerField(H_INCOMPATIBLE) | FEATURE_LIBRARY);
  headerSeal();
  let status = host.write(stateFile, 0, imageBase(), H_CHECK + 8);
  if (status >= 0 && durable) status = host.sync(stateFile);
  if (status >= 0) return 0;
  headerPut(H_INCOMPATIBLE, headerField(H_INCOMPATIBLE) & ~FEATURE_LIBRARY);
  headerSeal();
  return status;
}

// Makes the log four times as long. false: it is long enough, or the disk is full.
function widen(durable: bool): bool {
  if (logBytes >= LOG_BYTES_MAX) return false;
  const bytes = min<u32>(logBytes * 4, LOG_BYTES_MAX);
  if (queueMark(durable) < 0 || host.allocate(logFile, bytes) < 0) return false;
  if (durable && host.sync(logFile) < 0) return false;
  logHas(bytes);
  return true;
}

/** Makes room in the log for one commit; nothing may be noted yet. 0 or -errno. */
export function queueReady(durable: bool): i32 {
  // For the batch that waits and the call's own words, if they don't fit into it.
  if (headerField(A_TAIL) + 2 * ENTRY_MAX <= logBytes) return 0;
  return widen(durable) ? 0 : queueCheckpoint(durable);
}

/** Writes and syncs everything, and begins an empty log; nothing may be noted. 0 or -errno. */
export function queueCheckpoint(durable: bool): i32 {
  let status = queueWrite();
  if (status >= 0 && durable) status = host.sync(logFile);
  if (status < 0) return status;
  const generation = appliedGeneration();
  status = checkpoint(durable);
  // Stopped in the middle, memory and files are of different generations: not for another try.
  if (status < 0 && generation != appliedGeneration()) return EIO;
  if (status >= 0) safeTo = LOG_HEADER_BYTES;
  return status;
}

/**
 * Makes the noted words a part of the next commit, which waits. 0, or -errno with nothing committed
 * (the caller undoes).
 */
export function queueCommit(synced: bool): i32 {
  const words = journalCount();
  if (words == 0) return 0;
  if (roomFor != imageLength()) {
    const status = logMakeRoom(synced);
    if (status < 0) return status;
    roomFor = imageLength();
  }
  if (batchWords + words > BATCH_WORDS) {
    const status = closeBatch();
    if (status < 0) return status;
  }
  for (let n: u32 = 0; n < words; n++) batchAdd(journalOffset(n));
  batchSynced = synced;
  journalClear();
  return 0;
}

// The queue: commits of a library that alone holds the network's lock. They change the view at
// once; their entries wait in memory until `queueWrite` appends them together, and the pages of
// berth.state wait for a checkpoint. What isn't written yet is lost with the process: only what the
// caller has flushed was promised.
//
//   queue   | entry | entry | ...        -> berth.log at `queueAt`, one pwrite
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
  FEATURE_LIBRARY,
  H_CHECK,
  H_INCOMPATIBLE,
  headerField,
  headerPut,
  headerSeal,
} from "../image/header";
import { imageBase, journalCount } from "../image/image";
import { scratchTake } from "../scratch";
import { DIRTY_BYTES, logDefer } from "./dirty";
import {
  checkpoint,
  ENTRY_HEADER_BYTES,
  ENTRY_MAX,
  entryBuffer,
  entryDefer,
  entryMake,
  flagsAfter,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  logBytes,
  logFile,
  logHas,
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

/** Takes the queue's memory, once, before any rewind. */
export function queueReserve(): void {
  if (queue != 0) return;
  queue = scratchTake(<usize>QUEUE_BYTES);
  dirty = scratchTake(<usize>DIRTY_BYTES);
}

/** From here on commits are deferred (true: pages wait) or written at once. */
export function queueDefer(defer: bool): void {
  if (defer) memory.fill(dirty, 0, DIRTY_BYTES);
  logDefer(defer ? dirty : 0);
}

/** Begins with an empty queue behind what the log holds. */
export function queueBegin(): void {
  used = 0;
  safeTo = headerField(A_TAIL);
}

/** Bytes that wait. */
export function queueWaiting(): u32 {
  return used;
}

/** Appends what waits to the log, unsynced. 0 or -errno: it still waits. */
export function queueWrite(): i32 {
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
  if (headerField(A_TAIL) + ENTRY_MAX <= logBytes) return 0;
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
 * Makes the noted words the next commit, which waits. 0, or -errno with nothing committed (the
 * caller undoes).
 */
export function queueCommit(synced: bool): i32 {
  if (journalCount() == 0) return 0;
  const number = appliedNumber() + 1;
  let status = logMakeRoom(synced);
  if (status < 0) return status;
  if (used + ENTRY_MAX + ENTRY_HEADER_BYTES > QUEUE_BYTES) {
    status = queueWrite();
    if (status < 0) return status;
  }
  const tail = headerField(A_TAIL);
  if (used == 0) queueAt = tail;
  const bytes = entryMake(queue + used, number);
  used += bytes;
  entryDefer(number, tail, tail + bytes, flagsAfter(synced));
  return 0;
}

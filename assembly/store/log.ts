// The log: commits since the last checkpoint. A commit is valid once its entry with a right
// checksum is in the log; only then are its words written into berth.state, and APPLIED last of
// all.
//
//   0    | "BERTHLOG" | version u32 | - | key of the image, 16 B | generation u64 | link u64 | - |
//          56 checksum
//   64   | entry | entry | ...                         1 MiB, preallocated; the library's may grow
//
//   entry  0 "ENTR" | 4 bytes u32 | 8 generation u64 | 16 number u64 | 24 words u32 | 28 link u32
//          32 checksum u64 | 40 words x (offset u32, value u64) | zeros up to a multiple of 8
//
// The tail (where the next entry goes) stands in APPLIED. A full log is a checkpoint: the image is
// synced, the generation goes up, the log starts at 64 again and old entries are void.
// The link is the checksum of the entry before (28: its lower half); the header's is of the last
// entry of the log before. So the link of an image tells all of its history: two copies that went
// different ways from one backup have different ones, though number and generation may agree.
// Cost: one pwrite for the entry, one for each changed 4 KiB page (first to last changed word), the
// header's page last, together with APPLIED.

import * as host from "../host";
import {
  A_FLAGS,
  A_TAIL,
  APPLIED,
  APPLIED_BYTES,
  appliedGeneration,
  appliedNumber,
  appliedSet,
  FLAG_CHECKPOINT,
  FLAG_RENAMED,
  FLAG_SYNCED,
  flagPut,
  H_KEY,
  H_LENGTH,
  headerField,
  keyHigh,
  keyLow,
} from "../image/header";
import {
  imageBase,
  imageLength,
  journalClear,
  journalCount,
  journalIsMust,
  journalOffset,
  word,
} from "../image/image";
import { scratchTake, scratchTakeFar } from "../scratch";
import { sipHash } from "../siphash";
import { anchorTouch } from "./carry";
import { dirtyTouch, dirtyWrite, logIsDeferred } from "./dirty";
import { runCount, runFrom, runLast, runPage, runsClear, runsReserve, runTouch } from "./runs";

/** Size of a new berth.log (bytes), and how large the library makes it. */
export const LOG_BYTES: u32 = 1048576;
export const LOG_BYTES_MAX: u32 = 16777216;
export const LOG_HEADER_BYTES: u32 = 64;
/** Where a log's header has its link, and an entry its checksum. */
export const LOG_LINK: u32 = 40;
export const ENTRY_SUM: u32 = 32;
export const ENTRY_HEADER_BYTES: u32 = 40;
/** Largest entry (bytes). */
export const ENTRY_MAX: u32 = 65536;
/** "BERTHLOG" as a little-endian word. */
const LOG_MAGIC: u64 = 0x474f4c4854524542;
const ENTRY_MAGIC: u32 = 0x52544e45;
const LOG_VERSION: u32 = 1;
const WORD_BYTES: u32 = 12;
/**
 * What an entry of a usual call fits into, with the header of one behind it (bytes): with 64 more
 * than this the last bytes of that call's answer would lie on a page of their own.
 */
const ENTRY_FEW: u32 = 1152;
const EINVAL: i32 = -22;
const EIO: i32 = -5;

/** `logCommit`: the entry is valid, but the image couldn't be written: nothing more may follow. */
export const COMMITTED_IN_LOG: i32 = 1;

/** Handles of the open files. */
export let stateFile: i32 = -1;
export let logFile: i32 = -1;

/** Bytes of the open log. */
export let logBytes: u32 = LOG_BYTES;

// A commit is in the log and not in the image: the next opening applies it, nothing may follow.
let halfDone: bool = false;

// Commits stay in memory.
let forgone: bool = false;

/** Checksum of the last commit's entry: what the next one, or the next log, refers to. */
export let logLink: u64 = 0;

let buffer: usize = 0;
let bufferFew: usize = 0;

/** Bytes that berth.state is known to have on disk. */
let stateBytes: u32 = 0;

/** Tells the log its files. */
export function logAttach(state: i32, log: i32): void {
  stateFile = state;
  logFile = log;
  halfDone = false;
  forgone = false;
}

/** Tells how long the open log is. */
export function logHas(bytes: u32): void {
  logBytes = bytes;
}

/**
 * From here on no commit is written and no file grows: what is changed stays in this call's memory.
 */
export function logForgo(): void {
  forgone = true;
}

/** Tells the checksum of the last commit's entry. */
export function logLinkTo(sum: u64): void {
  logLink = sum;
}

/** Tells how many bytes of the state file are reserved on disk. */
export function stateHas(bytes: u32): void {
  stateBytes = bytes;
}

/** A buffer for one entry, and for reading the log. */
export function entryBuffer(): usize {
  if (buffer == 0) buffer = scratchTakeFar(<usize>(ENTRY_MAX + ENTRY_HEADER_BYTES));
  return buffer;
}

/**
 * A buffer for so many bytes of the log: those of a usual call lie beside what it touches anyway.
 */
export function entryRoom(bytes: u32): usize {
  if (bytes > ENTRY_FEW) return entryBuffer();
  if (bufferFew == 0) bufferFew = scratchTake(<usize>ENTRY_FEW);
  return bufferFew;
}

/** Makes a log header of this generation in memory. */
export function logHeaderMake(at: usize, generation: u64): void {
  memory.fill(at, 0, LOG_HEADER_BYTES);
  store<u64>(at, LOG_MAGIC);
  store<u32>(at, LOG_VERSION, 8);
  memory.copy(at + 16, imageBase() + H_KEY, 16);
  store<u64>(at, generation, 32);
  store<u64>(at, logLink, LOG_LINK);
  store<u64>(at, sipHash(keyLow(), keyHigh(), at, 56), 56);
}

/** Is this the header of a log of our image? Its generation is at + 32. */
export function logHeaderIsOurs(at: usize): bool {
  return (
    load<u64>(at) == LOG_MAGIC &&
    load<u32>(at, 8) == LOG_VERSION &&
    memory.compare(at + 16, imageBase() + H_KEY, 16) == 0 &&
    load<u64>(at, 56) == sipHash(keyLow(), keyHigh(), at, 56)
  );
}

/** Is this the header of some log that was never written to? For a start without a state file. */
export function logHeaderIsSound(at: usize): bool {
  return (
    load<u64>(at) == LOG_MAGIC &&
    load<u64>(at, 56) == sipHash(load<u64>(at, 16), load<u64>(at, 24), at, 56)
  );
}

function entryChecksum(at: usize, bytes: u32): u64 {
  const head = sipHash(keyLow(), keyHigh(), at, 32);
  return sipHash(keyLow() ^ head, keyHigh(), at + ENTRY_HEADER_BYTES, bytes - ENTRY_HEADER_BYTES);
}

/** Bytes of the entry at `at` in memory if it is whole and this is its number; else 0. */
export function entrySound(at: usize, have: u32, generation: u64, number: u64): u32 {
  if (have < ENTRY_HEADER_BYTES || load<u32>(at) != ENTRY_MAGIC) return 0;
  const bytes = load<u32>(at, 4);
  if (bytes > have || bytes < ENTRY_HEADER_BYTES || bytes & 7) return 0;
  if (load<u64>(at, 8) != generation || load<u64>(at, 16) != number) return 0;
  const room = (bytes - ENTRY_HEADER_BYTES) / WORD_BYTES;
  if (load<u32>(at, 24) > room) return 0;
  return load<u64>(at, ENTRY_SUM) == entryChecksum(at, bytes) ? bytes : 0;
}

/** Words of an entry. */
export function entryWords(at: usize): u32 {
  return load<u32>(at, 24);
}

/** Offset of word `n` of an entry. */
export function entryOffset(at: usize, n: u32): u32 {
  return load<u32>(at + ENTRY_HEADER_BYTES + <usize>(n * WORD_BYTES));
}

/** Value of word `n` of an entry. */
export function entryValue(at: usize, n: u32): u64 {
  return load<u64>(at + ENTRY_HEADER_BYTES + <usize>(n * WORD_BYTES), 4);
}

/** Bytes of an entry of so many words. */
export function entryBytes(words: u32): u32 {
  return (ENTRY_HEADER_BYTES + words * WORD_BYTES + 7) & ~7;
}

/** Writes the noted words down as an entry at `at` in memory. Answers its bytes. */
function entryMake(at: usize, number: u64): u32 {
  const words = journalCount();
  store<u64>(at + entryBytes(words) - 8, 0);
  for (let n: u32 = 0; n < words; n++) {
    const p = at + ENTRY_HEADER_BYTES + <usize>(n * WORD_BYTES);
    const offset = journalOffset(n);
    store<u32>(p, offset);
    store<u64>(p, word(offset), 4);
  }
  return entryClose(at, words, number);
}

/** Puts the header before `words` words that lie in their places. Answers the entry's bytes. */
export function entryClose(at: usize, words: u32, number: u64): u32 {
  const bytes = entryBytes(words);
  store<u32>(at, ENTRY_MAGIC);
  store<u32>(at, bytes, 4);
  store<u64>(at, appliedGeneration(), 8);
  store<u64>(at, number, 16);
  store<u32>(at, words, 24);
  store<u32>(at, <u32>logLink, 28);
  store<u64>(at, entryChecksum(at, bytes), ENTRY_SUM);
  return bytes;
}

/**
 * Writes an entry's words into the view (they may be there already) and the state file, page by
 * page, and last, in one pwrite with the header's words behind it, APPLIED: the entry at `at` of
 * the log is number `number` and ends at `tail`. 0 or -errno: then the entry stays in the log and
 * the next opening does it again. Deferred: into the view only.
 */
export function entryApply(entry: usize, number: u64, at: u32, tail: u32, flags: u32): i32 {
  runsReserve();
  runsClear(); // an entry that couldn't be applied may have left some
  const base = imageBase();
  const words = entryWords(entry);
  const limit = imageLength() - 8;
  const isDeferred = logIsDeferred();
  for (let n: u32 = 0; n < words; n++) {
    const offset = entryOffset(entry, n);
    if (offset > limit || offset & 7) return EINVAL;
    store<u64>(base + offset, entryValue(entry, n));
    if (isDeferred) dirtyTouch(offset);
    else runTouch(offset);
  }
  if (isDeferred) {
    logLink = load<u64>(entry, ENTRY_SUM);
    appliedSet(number, appliedGeneration(), tail, at, flags);
    return 0;
  }
  let failed = 0;
  let headerEnd = APPLIED + APPLIED_BYTES;
  for (let i: u32 = 0; i < runCount; i++) {
    const from = runFrom(i);
    const end = runLast(i) + 8;
    if (runPage(i) == 0) {
      headerEnd = end;
      continue;
    }
    const status = host.write(stateFile, from, base + from, end - from);
    if (status < 0) failed = status;
  }
  runsClear();
  if (failed < 0) return failed;
  logLink = load<u64>(entry, ENTRY_SUM);
  appliedSet(number, appliedGeneration(), tail, at, flags);
  return host.write(stateFile, APPLIED, base + APPLIED, headerEnd - APPLIED);
}

/** Writes APPLIED to the state file. 0 or -errno. */
function appliedWrite(): i32 {
  return host.write(stateFile, APPLIED, imageBase() + APPLIED, APPLIED_BYTES);
}

/** Marks that a checkpoint must come before anything more is given. Best effort. */
function appliedDistrust(): void {
  flagPut(FLAG_CHECKPOINT, true);
  appliedWrite();
}

/**
 * Syncs the image (unless `synced` is false and nothing in the log was) and begins the next
 * generation with an empty log. 0 or -errno.
 */
export function checkpoint(synced: bool): i32 {
  const promised = (headerField(A_FLAGS) & FLAG_SYNCED) != 0;
  let status = logIsDeferred() ? dirtyWrite(stateFile) : 0;
  if (status >= 0 && (synced || promised)) status = host.sync(stateFile);
  if (status < 0) return status;
  const generation = appliedGeneration() + 1;
  const flags = headerField(A_FLAGS) & FLAG_RENAMED;
  appliedSet(appliedNumber(), generation, LOG_HEADER_BYTES, 0, flags);
  status = appliedWrite();
  if (status < 0) return status;
  return logRestart(generation, synced);
}

/** Writes the log header of a generation. 0 or -errno. */
export function logRestart(generation: u64, synced: bool): i32 {
  const at = entryBuffer();
  logHeaderMake(at, generation);
  let status = host.write(logFile, 0, at, LOG_HEADER_BYTES);
  if (status < 0 || !synced) return status;
  status = host.sync(stateFile);
  return status < 0 ? status : host.sync(logFile);
}

/** Makes the state file at least `bytes` long, its blocks reserved. 0 or -errno. */
export function logGrow(bytes: u32): i32 {
  if (bytes <= stateBytes || forgone) return 0;
  const status = host.allocate(stateFile, bytes);
  if (status == 0) stateBytes = bytes;
  return status;
}

// Does this commit make the image longer? The file grew for it, maybe in a call that was killed.
function lengthens(): bool {
  const words = journalCount();
  for (let n: u32 = 0; n < words; n++) if (journalOffset(n) == H_LENGTH) return true;
  return false;
}

/** Grows the state file to what the noted words need, on disk if `synced`. 0 or -errno. */
export function logMakeRoom(synced: bool): i32 {
  const status = logGrow(imageLength());
  // A synced entry may name places behind the old end: after a power cut they must be there.
  return status >= 0 && synced && lengthens() ? host.sync(stateFile) : status;
}

/** A_FLAGS behind one more entry. */
export function flagsAfter(synced: bool): u32 {
  return headerField(A_FLAGS) | (synced ? FLAG_SYNCED : 0);
}

/**
 * Makes the noted words the next commit: grows the file, appends the entry, syncs it if `always` or
 * if what it changes must be on disk, applies it. 0, COMMITTED_IN_LOG, or -errno with nothing
 * committed (the caller undoes; so every commit behind a COMMITTED_IN_LOG, which it would write
 * over). `durable` = false never syncs, at checkpoints neither.
 */
export function logCommit(always: bool, durable: bool): i32 {
  if (journalCount() == 0) return 0;
  if (halfDone) return EIO;
  if (forgone) {
    journalClear();
    return 0;
  }
  anchorTouch(0, true);
  const synced = always || (durable && journalIsMust());
  const number = appliedNumber() + 1;
  let status = logMakeRoom(synced);
  if (status < 0) return status;
  const bytes = entryBytes(journalCount());
  const entry = entryRoom(bytes);
  entryMake(entry, number);
  if (headerField(A_TAIL) + bytes > logBytes) {
    // The view holds this commit's words, the file doesn't: the checkpoint is of the last commit.
    status = checkpoint(durable);
    if (status < 0) return status;
    entryMake(entry, number);
  }
  const tail = headerField(A_TAIL);
  status = host.write(logFile, tail, entry, bytes);
  if (status >= 0 && synced) status = host.sync(logFile);
  if (status < 0) {
    // Void the entry: what we report as failed must not come true at the next opening.
    store<u64>(entry, 0);
    host.write(logFile, tail, entry, 8);
    appliedDistrust();
    return status;
  }
  // The commit point is passed: a failure from here on is repaired by the next opening.
  status = entryApply(entry, number, tail, tail + bytes, flagsAfter(synced));
  journalClear();
  halfDone = status < 0;
  return halfDone ? COMMITTED_IN_LOG : 0;
}

// A copy of a network's state in memory, read without the lock, for verbs that only look. First the
// image, then every entry of the log above the image's APPLIED is laid over the copy, then APPLIED
// is read again. A word of a later commit that was met in the image is in the log by then, and the
// log is the right one as long as the generation hasn't moved: then the copy is whole. Else, or if
// anything looked torn, it is read again; what looks wrong COPY_TRIES times is damage.
//
// Nothing is written, no file is made, a page that a writer is changing is no fault.
// O(size of the image), by read, never by mapping: a mapped page would change under the walk.
import * as host from "../host";
import { arenaAttach } from "../image/arena";
import {
  A_FLAGS,
  A_GENERATION,
  A_LAST,
  A_TAIL,
  appliedGeneration,
  appliedIsSound,
  appliedNumber,
  checksum,
  FEATURE_LIBRARY,
  H_ARENA,
  H_CHECK,
  H_INCOMPATIBLE,
  H_LENGTH,
  H_READ_ONLY,
  H_VERSION,
  HEADER_BYTES,
  headerField,
  headerLoadKey,
  LAYOUT_VERSION,
  MAGIC,
} from "../image/header";
import { imageAttach, imageBase, imageLength, word } from "../image/image";
import { WINDOW_BASE, WINDOW_END } from "../numbers";
import { scratchTake } from "../scratch";
import { DIRTY_BYTES, logDefer } from "./dirty";
import {
  ENTRY_HEADER_BYTES,
  ENTRY_MAX,
  entryApply,
  entryBuffer,
  entrySound,
  LOG_BYTES,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  logHeaderIsOurs,
} from "./log";
import { STORE_AGAIN } from "./refresh";
import { lengthAfter, STORE_FUTURE, STORE_OPEN } from "./store";

/** How often a copy is tried before what looks wrong is damage. */
export const COPY_TRIES: i32 = 64;
const STEP: u32 = 1048576;
/** The files changed meanwhile, or are damaged. */
const AGAIN: i32 = STORE_AGAIN;

let dirty: usize = 0;
let wrong: string = "";
/** Was the header of what was copied last sound? Then it tells of which boot the image is. */
export let copyHasHeader: bool = false;

/** Takes the copy's memory, once, before any rewind. */
export function copyReserve(): void {
  if (dirty == 0) dirty = scratchTake(<usize>DIRTY_BYTES);
}

function again(what: string): i32 {
  wrong = what;
  return AGAIN;
}

// Reads the file into the window. 0, AGAIN or -errno.
function readImage(state: i32): i32 {
  const size = host.size(state);
  if (size < 0) return <i32>size;
  if (size < <i64>HEADER_BYTES) return again("it is shorter than its header");
  if (size > <i64>(WINDOW_END - WINDOW_BASE)) return again("it is larger than 1 GiB");
  const bytes = <u32>size & ~7;
  const status = host.extend(<usize>WINDOW_BASE, (bytes + 65535) & ~65535);
  if (status < 0) return status;
  for (let at: u32 = 0; at < bytes; at += STEP) {
    const n = host.read(state, at, <usize>WINDOW_BASE + at, min<u32>(STEP, bytes - at));
    if (n < 0) return n;
  }
  imageAttach(<usize>WINDOW_BASE, bytes);
  return 0;
}

// Looks at the header that was read. 0, AGAIN, STORE_FUTURE.
function checkHeader(): i32 {
  const base = imageBase();
  if (load<u64>(base) != MAGIC) return again("it doesn't begin with BERTHIMG");
  const features = (headerField(H_INCOMPATIBLE) & ~FEATURE_LIBRARY) | headerField(H_READ_ONLY);
  if (headerField(H_VERSION) > LAYOUT_VERSION || features != 0) return STORE_FUTURE;
  headerLoadKey();
  if (load<u64>(base, H_CHECK) != checksum(base, H_CHECK)) {
    return again("its header doesn't match its checksum");
  }
  if (!appliedIsSound()) return again("its applied mark doesn't match its checksum");
  copyHasHeader = true;
  return 0;
}

// Lays the entries above APPLIED over the copy. 0, AGAIN or -errno.
function layEntries(log: i32): i32 {
  const end = <u32>min<i64>(max<i64>(host.size(log), 0), <i64>LOG_BYTES_MAX);
  const buffer = entryBuffer();
  memory.fill(dirty, 0, DIRTY_BYTES);
  logDefer(dirty);
  const last = headerField(A_LAST);
  if (headerField(A_TAIL) > end) return again("berth.log is shorter than its applied mark says");
  if (last != 0) {
    const room = min<u32>(ENTRY_MAX, end - min<u32>(last, end));
    const have = host.read(log, last, buffer, room);
    if (have < 0) return have;
    if (entrySound(buffer, <u32>have, appliedGeneration(), appliedNumber()) == 0) {
      return again("berth.log has lost the last commit of berth.state");
    }
  }
  for (let step: u32 = 0; step < LOG_BYTES_MAX / ENTRY_HEADER_BYTES; step++) {
    const at = headerField(A_TAIL);
    const number = appliedNumber() + 1;
    if (at >= end) return 0;
    const have = host.read(log, at, buffer, min<u32>(ENTRY_MAX, end - at));
    if (have < 0) return have;
    const bytes = entrySound(buffer, <u32>have, appliedGeneration(), number);
    if (bytes == 0) return 0;
    const length = lengthAfter(buffer);
    // The file grew behind what was read: there is nothing but this commit's words.
    if (length > imageLength()) return again("berth.state is shorter than berth.log says");
    if (entryApply(buffer, number, at, at + bytes, headerField(A_FLAGS)) < 0) {
      return again("an entry of berth.log names a place outside the image");
    }
  }
  return 0;
}

// Is the log the one that continues the copy? 0: its entries count; 1: it is still to be begun.
function matchLog(log: i32): i32 {
  if (host.size(log) < <i64>LOG_BYTES) return again("berth.log is shorter than 1 MiB");
  const at = entryBuffer();
  if (host.read(log, 0, at, LOG_HEADER_BYTES) != <i32>LOG_HEADER_BYTES || !logHeaderIsOurs(at)) {
    return again("the header of berth.log isn't that of berth.state's log");
  }
  if (load<u64>(at, 32) == appliedGeneration()) return 0;
  // A checkpoint that isn't finished: the image is whole without the log.
  if (headerField(A_TAIL) == LOG_HEADER_BYTES && load<u64>(at, 32) < appliedGeneration()) return 1;
  return again("berth.log is of another generation than berth.state");
}

function copyOnce(state: i32, log: i32, alone: bool): i32 {
  copyHasHeader = false;
  let status = readImage(state);
  if (status == 0) status = checkHeader();
  if (status != 0) return status;
  if (log < 0 && !alone) return again("berth.log is missing");
  const generation = appliedGeneration();
  if (log >= 0) {
    status = matchLog(log);
    if (status == 0) status = layEntries(log);
    else if (status == 1) status = 0;
    if (status != 0) return status;
  }
  const length = word(H_LENGTH);
  if (length > <u64>imageLength() || length < <u64>HEADER_BYTES) {
    return again("it is shorter than its header says");
  }
  imageAttach(imageBase(), <u32>length);
  const mark = scratchTake(16);
  const read = host.read(state, A_GENERATION, mark, 8);
  return read == 8 && load<u64>(mark) == generation ? 0 : again("it changes while it is read");
}

/**
 * Copies the open files into memory; with `alone` the log may be missing (-1). STORE_OPEN,
 * STORE_FUTURE, STORE_AGAIN (open and copy again: a rebuild may have replaced the files) or -errno.
 */
export function storeCopyOf(state: i32, log: i32, alone: bool): i32 {
  arenaAttach(H_ARENA);
  const status = copyOnce(state, log, alone);
  logDefer(0);
  return status == 0 ? STORE_OPEN : status;
}

/** What looked wrong in the last copy that answered STORE_AGAIN. */
export function copyWrong(): string {
  return wrong;
}

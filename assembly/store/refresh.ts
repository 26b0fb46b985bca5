// Refresh: how a long-lived library looks at a network's files again, and how a reader copies them.
//
// `storeRefresh` is for a handle that takes the lock for each call: what it has in memory is good
// if key, boot and generation are those of berth.state and the log still has the last commit that
// memory has (log.ts: its link; a backup that was put back may have gone another way from there).
// Then the log holds every commit since, and they are applied in memory only. Otherwise it opens as
// a new process does. Cost of the first: a few system calls and what the new commits changed; of
// the second: reading the image. `storeCopy` takes no
// lock: it reads the image, then the log, and lays the log over the copy. A word of a later commit
// that it met in the image is in the log by then, so the copy is whole as long as no checkpoint
// came between; who finds the generation moved reads again.
//
// Invariant: memory behind the image is zero, so an image that grows meets nothing.

import { damaged } from "../fault";
import * as host from "../host";
import { arenaAttach } from "../image/arena";
import {
  A_CHECK,
  A_FLAGS,
  A_GENERATION,
  A_LAST,
  A_NUMBER,
  A_TAIL,
  APPLIED,
  APPLIED_BYTES,
  appliedGeneration,
  appliedNumber,
  appliedSet,
  checksum,
  FEATURE_LIBRARY,
  FLAG_CHECKPOINT,
  FLAG_RENAMED,
  H_ARENA,
  H_CHECK,
  H_INCOMPATIBLE,
  H_KEY,
  H_LENGTH,
  H_READ_ONLY,
  H_VERSION,
  headerField,
  LAYOUT_VERSION,
  MAGIC,
} from "../image/header";
import {
  imageAttach,
  imageBase,
  imageLength,
  journalClear,
  journalClose,
  journalOpen,
  word,
} from "../image/image";
import { scratchTake } from "../scratch";
import { openFile } from "./files";
import {
  ENTRY_MAX,
  ENTRY_SUM,
  entryApply,
  entryBuffer,
  entrySound,
  LOG_HEADER_BYTES,
  LOG_LINK,
  logAttach,
  logBytes,
  logFile,
  logHeaderIsOurs,
  logLink,
  stateFile,
  stateHas,
} from "./log";
import { queueDefer } from "./queue";
import {
  isPartial,
  lengthAfter,
  openLogFile,
  replay,
  STORE_NONE,
  STORE_OPEN,
  storeOpen,
  viewState,
} from "./store";

/** `storeCopy`: the files changed meanwhile. */
export const STORE_AGAIN: i32 = 3;
const ENOENT: i32 = -2;
/** Bytes of a header that tell where an image stands: up to its length. */
const HEAD: u32 = H_LENGTH + 8;

let attached: bool = false;
// End of the memory that an image has ever filled.
let top: usize = 0;

/** Forgets what is in memory: the next refresh reads everything. */
export function storeForget(): void {
  attached = false;
}

/** Closes the files that the last opening left open. */
export function storeClose(): void {
  if (stateFile >= 0) host.close(stateFile);
  if (logFile >= 0) host.close(logFile);
  logAttach(-1, -1);
}

/** Opens as a new process does, on memory that may have held another image. */
export function storeOpenFresh(make: bool, keep: bool, durable: bool): i32 {
  attached = false;
  journalClear();
  journalClose();
  if (stateFile >= 0) storeClose();
  if (imageLength() != 0) top = max<usize>(top, imageBase() + imageLength());
  const status = storeOpen(make, keep, durable);
  if (status != STORE_OPEN) return status;
  clearBehind();
  attached = true;
  return status;
}

function clearBehind(): void {
  const end = imageBase() + imageLength();
  if (end < top) memory.fill(end, 0, top - end);
  top = end;
}

// Is this the header of the image in memory, later or the same, with its log?
function isLater(head: usize): bool {
  const base = imageBase();
  const features =
    (load<u32>(head, H_INCOMPATIBLE) & ~FEATURE_LIBRARY) | load<u32>(head, H_READ_ONLY);
  if (load<u64>(head) != MAGIC || load<u32>(head, H_VERSION) != LAYOUT_VERSION) return false;
  if (features != 0 || memory.compare(head + H_KEY, base + H_KEY, 32) != 0) return false;
  if (load<u64>(head, H_CHECK) != checksum(head, H_CHECK)) return false;
  if (load<u32>(head, A_CHECK) != <u32>checksum(head + APPLIED, APPLIED_BYTES - 4)) return false;
  return (
    load<u64>(head, A_GENERATION) == appliedGeneration() &&
    load<u64>(head, A_NUMBER) >= appliedNumber()
  );
}

// Is this open log, whose header is at `header`, the one that went on from what memory has?
function logKnowsUs(header: usize): bool {
  if (!logHeaderIsOurs(header) || load<u64>(header, 32) != appliedGeneration()) return false;
  const last = headerField(A_LAST);
  if (last == 0) return load<u64>(header, LOG_LINK) == logLink;
  const at = scratchTake(8);
  return host.read(logFile, last + ENTRY_SUM, at, 8) == 8 && load<u64>(at) == logLink;
}

// Applies the entries up to number `last` in memory. false: the log doesn't hold them.
function catchUp(last: u64): bool {
  const buffer = entryBuffer();
  const generation = appliedGeneration();
  // What of the log lies in the buffer: many small entries are read together.
  let from: u32 = 0;
  let have: u32 = 0;
  for (let number = appliedNumber() + 1; number <= last; number++) {
    const at = headerField(A_TAIL);
    let entry = buffer + (at - from);
    let bytes = from == 0 ? 0 : entrySound(entry, have - (at - from), generation, number);
    if (bytes == 0) {
      const read = host.read(logFile, at, buffer, min<u32>(ENTRY_MAX, logBytes - at));
      from = at;
      have = <u32>max(read, 0);
      entry = buffer;
      bytes = entrySound(entry, have, generation, number);
    }
    if (bytes == 0) return false;
    imageAttach(imageBase(), lengthAfter(entry));
    if (entryApply(entry, number, at, at + bytes, headerField(A_FLAGS)) < 0) return false;
  }
  return true;
}

// The quick way; false: it must be opened anew.
function refreshed(): bool {
  journalClear(); // what was proven in the call before isn't any more
  const state = openFile("berth.state", 1);
  if (state < 0) return false;
  logAttach(state, -1);
  const head = scratchTake(<usize>HEAD);
  if (host.read(state, 0, head, HEAD) != <i32>HEAD || !isLater(head)) return false;
  const size = host.size(state);
  if (size < <i64>imageLength() || size < <i64>load<u64>(head, H_LENGTH)) return false;
  stateHas(<u32>size);
  openLogFile(1);
  const at = entryBuffer();
  if (host.read(logFile, 0, at, LOG_HEADER_BYTES) != <i32>LOG_HEADER_BYTES) return false;
  if (!logKnowsUs(at)) return false;
  memory.copy(imageBase(), head, APPLIED);
  queueDefer(true);
  const whole = catchUp(load<u64>(head, A_NUMBER));
  queueDefer(false);
  if (!whole) return false;
  const tail = load<u32>(head, A_TAIL);
  // What memory knows of the name: others may have written the flag as they found it.
  const flags = load<u32>(head, A_FLAGS) & (headerField(A_FLAGS) | ~FLAG_RENAMED);
  appliedSet(appliedNumber(), appliedGeneration(), tail, load<u32>(head, A_LAST), flags);
  if (replay() < 0 || isPartial()) return false;
  return (headerField(A_FLAGS) & FLAG_CHECKPOINT) == 0;
}

/**
 * Opens the files once more, under the lock, for a handle that had them open before. Answers as
 * storeOpen.
 */
export function storeRefresh(make: bool, keep: bool, durable: bool): i32 {
  if (attached && refreshed()) return STORE_OPEN;
  return storeOpenFresh(make, keep, durable);
}

/**
 * Copies image and log into memory, without the lock. STORE_OPEN, _NONE, _FUTURE, _AGAIN, -errno.
 */
export function storeCopy(): i32 {
  const status = copyFiles();
  if (stateFile >= 0) storeClose();
  if (status == STORE_OPEN) journalOpen();
  return status;
}

function copyFiles(): i32 {
  journalClear();
  journalClose();
  if (stateFile >= 0) storeClose();
  if (imageLength() != 0) top = max<usize>(top, imageBase() + imageLength());
  arenaAttach(H_ARENA);
  queueDefer(true);
  const state = openFile("berth.state", 0);
  if (state == ENOENT) return STORE_NONE;
  if (state < 0) return state;
  const status = viewState(state);
  if (status != STORE_OPEN) return status;
  openLogFile(0);
  const at = entryBuffer();
  if (host.read(logFile, 0, at, LOG_HEADER_BYTES) != <i32>LOG_HEADER_BYTES) return STORE_AGAIN;
  if (!logHeaderIsOurs(at)) damaged("the header of berth.log isn't that of berth.state's log");
  const begun = load<u64>(at, 32) == appliedGeneration();
  // A checkpoint that isn't finished: the image is whole without the log.
  if (!begun && headerField(A_TAIL) != LOG_HEADER_BYTES) return STORE_AGAIN;
  const length = word(H_LENGTH);
  if (length > <u64>imageLength()) return STORE_AGAIN;
  imageAttach(imageBase(), <u32>length);
  clearBehind();
  if (begun && replay() < 0) return STORE_AGAIN;
  const head = scratchTake(<usize>HEAD);
  if (host.read(state, 0, head, HEAD) != <i32>HEAD) return STORE_AGAIN;
  return load<u64>(head, A_GENERATION) == appliedGeneration() ? STORE_OPEN : STORE_AGAIN;
}

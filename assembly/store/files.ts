// Files of a network: opening, making and growing them. A new file is written under a temporary
// name, synced, and renamed, so that whoever finds berth.state or berth.log finds a whole one.

import * as host from "../host";
import { arenaFormat, arenaGrow, arenaRoom } from "../image/arena";
import {
  FLAG_RENAMED,
  flagPut,
  H_ARENA,
  H_LENGTH,
  H_VERSION,
  HEADER_BYTES,
  headerPut,
  LAYOUT_VERSION,
  MAGIC,
} from "../image/header";
import { imageAttach, imageBase, imageLength, putWord } from "../image/image";
import { WINDOW_END } from "../numbers";
import { logIsDeferred } from "./dirty";
import { entryBuffer, LOG_BYTES, LOG_HEADER_BYTES, logGrow, logHeaderMake, logLinkTo } from "./log";
import { fileName, nameAt, nameBytes } from "./names";

/** First size of an image, and the least step by which it grows (bytes). */
export const GROWTH_STEP: u32 = 262144;
/** The least step of a library that alone has the image open: its callers wait for each growth. */
const AMPLE_STEP: u32 = 1048576;
const ENOSPC: i32 = -28;

/** Opens a file by its literal name (modes as host.open). A handle or -errno. */
export function openFile(name: string, mode: i32): i32 {
  fileName(name);
  return host.open(nameAt, nameBytes, mode);
}

/** Renames a file within the directory. 0 or -errno. */
export function renameFile(from: string, to: string): i32 {
  fileName(from);
  const at = nameAt;
  const bytes = nameBytes;
  fileName(to);
  return host.rename(at, bytes, nameAt, nameBytes);
}

/** Opens a fresh file under a temporary name, in the place of what a crash left there. */
export function openNew(name: string): i32 {
  fileName(name);
  host.unlink(nameAt, nameBytes);
  return host.open(nameAt, nameBytes, 2);
}

/** Fills a zeroed image of `bytes` at `at` with an empty header and arena. Journal closed. */
export function imageFormat(at: usize, bytes: u32): void {
  imageAttach(at, bytes);
  store<u64>(at, MAGIC);
  headerPut(H_VERSION, LAYOUT_VERSION);
  putWord(H_LENGTH, <u64>bytes);
  arenaFormat(H_ARENA, HEADER_BYTES, bytes);
}

/** Makes berth.log for an image's generation and puts it in place. A handle or -errno. */
export function makeLog(generation: u64): i32 {
  const log = openNew("berth.log.new");
  if (log < 0) return log;
  let status = host.allocate(log, LOG_BYTES);
  logLinkTo(0); // nothing comes before
  logHeaderMake(entryBuffer(), generation);
  if (status >= 0) status = host.write(log, 0, entryBuffer(), LOG_HEADER_BYTES);
  if (status >= 0) status = host.sync(log);
  if (status >= 0) status = renameFile("berth.log.new", "berth.log");
  return status < 0 ? status : log;
}

/**
 * Writes the first `used` bytes of the image as a new state file and puts it in place. 0 or -errno.
 */
export function writeImage(state: i32, used: u32): i32 {
  flagPut(FLAG_RENAMED, true);
  let status = host.allocate(state, imageLength());
  for (let at: u32 = 0; status >= 0 && at < used; at += 1048576) {
    status = host.write(state, at, imageBase() + at, min<u32>(1048576, used - at));
  }
  if (status >= 0) status = host.sync(state);
  if (status >= 0) status = renameFile("berth.state.new", "berth.state");
  return status < 0 ? status : nameSync();
}

/** Syncs the directory, so that berth.state keeps its name. 0 or -errno. */
export function nameSync(): i32 {
  const status = host.syncDirectory();
  if (status >= 0) flagPut(FLAG_RENAMED, false);
  return status;
}

/**
 * Makes sure that `bytes` of the arena are unclaimed: grows the file first, so that a full disk is
 * seen here and not after the commit point, then the view. 0; -errno: nothing has changed.
 */
export function imageGrow(bytes: u32): i32 {
  if (arenaRoom() >= bytes) return 0;
  let step = logIsDeferred() ? growthStep(bytes, AMPLE_STEP, 4) : 0;
  // On a disk that is nearly full the small step may fit.
  if (step == 0 || logGrow(imageLength() + step) < 0) {
    step = growthStep(bytes, GROWTH_STEP, 8);
    if (step == 0) return ENOSPC;
    const status = logGrow(imageLength() + step);
    if (status < 0) return status;
  }
  return extend(step);
}

// By how much the image grows next: a part of it, as far as the window reaches; 0 = not at all.
function growthStep(bytes: u32, least: u32, part: u32): u32 {
  const left = <u32>WINDOW_END - <u32>imageBase() - imageLength();
  const wish = max<u32>(least, (max<u32>(imageLength() / part, bytes) + 65535) & ~65535);
  return min<u32>(wish, left) & ~65535;
}

function extend(step: u32): i32 {
  const length = imageLength();
  const status = host.extend(imageBase() + length, step);
  if (status < 0) return status;
  imageAttach(imageBase(), length + step);
  putWord(H_LENGTH, <u64>(length + step));
  arenaGrow(length + step);
  return 0;
}

/** The same in memory only: for an image that has no file yet. */
export function imageRoom(bytes: u32): i32 {
  if (arenaRoom() >= bytes) return 0;
  const step = growthStep(bytes, GROWTH_STEP, 8);
  return step == 0 ? ENOSPC : extend(step);
}

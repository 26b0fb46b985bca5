// The store: one network's files, opened under its lock. It decides whether what lies there may be
// believed. What can't be proven to hold every allocation of this boot is damage: the call traps,
// and `fault` of the entry answers (ADD fails and names the file; DEL leaves a note and succeeds).
//
//   berth.lock    taken by the host before this, never renamed, never removed
//   berth.state   the image            berth.log    commits since the last checkpoint
//   *.new         half-made files, replaced at the next start
//
// A fresh start makes the log first and the state last, each under a temporary name, so a directory
// with berth.state always had a whole log beside it.

import { damaged } from "../fault";
import * as host from "../host";
import { arenaAttach } from "../image/arena";
import {
  A_FLAGS,
  A_LAST,
  A_TAIL,
  appliedGeneration,
  appliedNumber,
  appliedSet,
  FEATURE_LIBRARY,
  FLAG_CHECKPOINT,
  FLAG_RENAMED,
  flagPut,
  H_ARENA,
  H_BOOT,
  H_CREATED,
  H_INCOMPATIBLE,
  H_KEY,
  H_LENGTH,
  H_PARTIAL,
  H_READ_ONLY,
  H_VERSION,
  HEADER_BYTES,
  headerField,
  headerLoadKey,
  headerSeal,
  headerVerify,
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
  journalReserve,
  word,
} from "../image/image";
import { WINDOW_BASE, WINDOW_END } from "../numbers";
import { eventReserve } from "../records/event";
import { fileReserve } from "../records/file";
import { keyReserve } from "../records/key";
import { scratchTake, scratchTurnPage } from "../scratch";
import {
  GROWTH_STEP,
  imageFormat,
  makeLog,
  nameSync,
  openFile,
  openNew,
  writeImage,
} from "./files";
import {
  checkpoint,
  ENTRY_HEADER_BYTES,
  ENTRY_MAX,
  ENTRY_SUM,
  entryApply,
  entryBuffer,
  entryOffset,
  entryRoom,
  entrySound,
  entryValue,
  entryWords,
  flagsAfter,
  LOG_BYTES,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  LOG_LINK,
  logAttach,
  logBytes,
  logFile,
  logHas,
  logHeaderIsOurs,
  logHeaderIsSound,
  logLinkTo,
  logRestart,
  stateFile,
  stateHas,
} from "./log";
import { fileName, nameAt, nameBytes } from "./names";
import { rebuild } from "./rebuild";
import { runsReserve } from "./runs";

/** Answers of `storeOpen`; anything negative is -errno. */
export const STORE_OPEN: i32 = 0;
/** There is nothing yet, and `create` was false. */
export const STORE_NONE: i32 = 1;
/** The image is of a newer layout: left untouched. */
export const STORE_FUTURE: i32 = 2;

const ENOENT: i32 = -2;
const BOOT_BYTES: i32 = 16;

let bootAt: usize = 0;

// The kernel's boot id as 16 bytes; false if it can't be read.
function readBoot(): bool {
  bootAt = scratchTake(<usize>BOOT_BYTES);
  memory.fill(bootAt, 0, BOOT_BYTES);
  fileName("/proc/sys/kernel/random/boot_id");
  const text = scratchTake(64);
  const n = host.slurp(nameAt, nameBytes, text, 64);
  let digits = 0;
  for (let i = 0; i < min(n, 64) && digits < 32; i++) {
    const c = <u32>load<u8>(text + i);
    const digit = c >= 97 && c <= 102 ? c - 87 : c - 48;
    if (digit > 15) continue;
    const p = bootAt + (digits >> 1);
    store<u8>(p, ((<u32>load<u8>(p)) << 4) | digit);
    digits++;
  }
  return digits == 32;
}

/**
 * Without berth.state, in the entered directory: what says that there was one, so that nothing may
 * begin afresh; empty: nothing does.
 */
export function trace(): string {
  const names = scratchTake(4096);
  fileName("berth.state.damaged");
  if (host.list(nameAt, nameBytes, names, 4096) > 0) {
    return "berth.state is missing and a damaged one was set aside";
  }
  const log = openFile("berth.log", 0);
  if (log == ENOENT) return "";
  if (log < 0) return "berth.state is missing and berth.log can't be read";
  const at = entryBuffer();
  const have = host.read(log, 0, at, ENTRY_MAX);
  host.close(log);
  const sound = have >= <i32>LOG_HEADER_BYTES && logHeaderIsSound(at) && load<u64>(at, 32) == 1;
  const fresh = sound && load<u32>(at + LOG_HEADER_BYTES) == 0;
  return fresh ? "" : "berth.state is missing but berth.log has been written to";
}

/**
 * Creates berth.log and berth.state anew, where the caller has put away what lay there. `partial`:
 * nobody opens it until H_PARTIAL is 0. STORE_OPEN or -errno.
 */
export function storeCreate(partial: bool): i32 {
  arenaAttach(H_ARENA);
  journalClear();
  const made = create(partial);
  if (made == STORE_OPEN) journalOpen();
  return made;
}

/**
 * An empty image in memory, which gets no files, in the place of what was attached: for a call that
 * only tells what another would do. STORE_OPEN or -errno.
 */
export function storeImagine(): i32 {
  arenaAttach(H_ARENA);
  journalClear();
  const status = format();
  if (status < 0) return status;
  journalOpen();
  return STORE_OPEN;
}

// An empty image of this boot in memory. 0 or -errno.
function format(): i32 {
  const base = <usize>WINDOW_BASE;
  let status = host.extend(base, GROWTH_STEP);
  if (status < 0) return status;
  imageFormat(base, GROWTH_STEP);
  status = host.random(base + H_KEY, 16);
  if (status < 0) return status;
  headerLoadKey();
  if (readBoot()) memory.copy(base + H_BOOT, bootAt, BOOT_BYTES);
  store<u64>(base, <u64>(host.clock(1) / 1000000000), H_CREATED);
  headerSeal();
  appliedSet(0, 1, LOG_HEADER_BYTES, 0, 0);
  return 0;
}

// Creates berth.log and berth.state. 0 or -errno.
function create(partial: bool): i32 {
  let status = format();
  if (status < 0) return status;
  store<u64>(imageBase(), <u64>partial, H_PARTIAL);
  logHas(LOG_BYTES);
  const log = makeLog(1);
  if (log < 0) return log;
  const state = openNew("berth.state.new");
  if (state < 0) return state;
  status = writeImage(state, HEADER_BYTES);
  if (status < 0) return status;
  logAttach(state, log);
  stateHas(GROWTH_STEP);
  return STORE_OPEN;
}

/** Maps berth.state and looks at its header. STORE_OPEN, STORE_FUTURE, or -errno. */
export function viewState(state: i32): i32 {
  const size = host.size(state);
  if (size < 0) return <i32>size;
  if (size < <i64>HEADER_BYTES) damaged("berth.state is shorter than its header");
  if (size > <i64>(WINDOW_END - WINDOW_BASE)) damaged("berth.state is larger than 1 GiB");
  const status = host.view(state, <u32>size, <usize>WINDOW_BASE);
  if (status < 0) return status;
  imageAttach(<usize>WINDOW_BASE, <u32>size);
  if (load<u64>(imageBase()) != MAGIC) damaged("berth.state doesn't begin with BERTHIMG");
  // Compatible features (16) are ignored; each of these asks for a release that knows them.
  const features = (headerField(H_INCOMPATIBLE) & ~FEATURE_LIBRARY) | headerField(H_READ_ONLY);
  if (headerField(H_VERSION) > LAYOUT_VERSION || features != 0) return STORE_FUTURE;
  headerVerify();
  logAttach(state, -1);
  stateHas(<u32>size);
  return STORE_OPEN;
}

/** Opens berth.log (`mode` as host.open). Traps unless there is one of at least 1 MiB. */
export function openLogFile(mode: i32): void {
  const log = openFile("berth.log", mode);
  if (log == ENOENT) damaged("berth.log is missing");
  if (log < 0) damaged("berth.log can't be opened");
  const size = host.size(log);
  if (size < <i64>LOG_BYTES) damaged("berth.log is shorter than 1 MiB");
  logAttach(stateFile, log);
  logHas(<u32>min<i64>(size, <i64>LOG_BYTES_MAX));
}

// Opens berth.log and compares its header with the image's.
function openLog(): void {
  openLogFile(1);
  const at = entryRoom(LOG_HEADER_BYTES);
  if (
    host.read(logFile, 0, at, LOG_HEADER_BYTES) != <i32>LOG_HEADER_BYTES ||
    !logHeaderIsOurs(at)
  ) {
    damaged("the header of berth.log isn't that of berth.state's log");
  }
  const generation = load<u64>(at, 32);
  logLinkTo(load<u64>(at, LOG_LINK));
  if (generation == appliedGeneration()) return;
  // A checkpoint that stopped between APPLIED and the log's header is finished here.
  const fresh = headerField(A_TAIL) == LOG_HEADER_BYTES;
  if (generation + 1 != appliedGeneration() || !fresh) {
    damaged("berth.log is of another generation than berth.state");
  }
  if (logRestart(appliedGeneration(), false) < 0) damaged("berth.log can't be written");
}

/** The length that the image has after this entry. */
export function lengthAfter(at: usize): u32 {
  const words = entryWords(at);
  for (let n: u32 = 0; n < words; n++) {
    if (entryOffset(at, n) == H_LENGTH) return <u32>entryValue(at, n);
  }
  return <u32>word(H_LENGTH);
}

// Can an entry of this generation begin here? Most calls end their look at the log with this.
function entryFollows(at: usize, have: u32): bool {
  return have >= ENTRY_HEADER_BYTES && load<u64>(at, 8) == appliedGeneration();
}

/** Applies the commits that a killed process left in the log. 0 or -errno. */
export function replay(): i32 {
  const last = headerField(A_LAST);
  const tail = headerField(A_TAIL);
  if (tail < LOG_HEADER_BYTES || tail > logBytes || last > tail) damaged("the applied mark");
  if (last != 0) {
    // The last applied entry must still be there: else the log isn't what it was. One read takes
    // the header of what may follow along.
    const bytes = min<u32>(tail - last, ENTRY_MAX);
    const buffer = entryRoom(bytes + ENTRY_HEADER_BYTES);
    const got = host.read(logFile, last, buffer, bytes + ENTRY_HEADER_BYTES);
    if (got < 0) return got;
    const have = <u32>got;
    if (entrySound(buffer, min(have, bytes), appliedGeneration(), appliedNumber()) == 0) {
      damaged("berth.log has lost the last commit of berth.state");
    }
    logLinkTo(load<u64>(buffer, ENTRY_SUM));
    if (!entryFollows(buffer + bytes, have - bytes)) return 0;
  }
  const buffer = entryBuffer();
  // More than one can only wait after a library's group commit; the log bounds them.
  for (let step: u32 = 0; step < logBytes / ENTRY_HEADER_BYTES; step++) {
    const at = headerField(A_TAIL);
    const number = appliedNumber() + 1;
    const have = host.read(logFile, at, buffer, min<u32>(ENTRY_MAX, logBytes - at));
    // Not the end of the log: a commit that may stand here would be written over.
    if (have < 0) return have;
    const bytes = entrySound(buffer, <u32>have, appliedGeneration(), number);
    if (bytes == 0) {
      // One that was torn or voided: whole ones may lie behind it, which nobody was promised. A new
      // commit in its place would make them its successors, so the log must begin anew before.
      if (entryFollows(buffer, <u32>have)) flagPut(FLAG_CHECKPOINT, true);
      return 0;
    }
    imageAttach(imageBase(), lengthAfter(buffer));
    // Whether it was synced it doesn't tell.
    const status = entryApply(buffer, number, at, at + bytes, flagsAfter(true));
    if (status < 0) return status;
  }
  return 0;
}

/**
 * Opens the network's files (the directory is entered, the lock is held). STORE_OPEN: the image
 * can be read and changed, the journal is open. Traps on damage. `keep` = allocations of
 * containers survive a reboot; `durable` = syncs may be done.
 */
export function storeOpen(make: bool, keep: bool, durable: bool): i32 {
  journalClose(); // a network before this one may have left it open, and a rebuild notes nothing
  arenaAttach(H_ARENA);
  const state = openFile("berth.state", 1);
  if (state == ENOENT) {
    const was = trace();
    if (was.length > 0) damaged(was);
    if (!make) return STORE_NONE;
    const made = create(false);
    if (made == STORE_OPEN) journalOpen();
    return made;
  }
  if (state < 0) return state;
  const status = viewState(state);
  if (status != STORE_OPEN) return status;
  if (readBoot() && !sameBoot()) {
    const rebuilt = rebuild(bootAt, keep);
    if (rebuilt < 0) return rebuilt;
  } else {
    openLog();
    // Not for another boot: a power cut may lose the growth of a file, and its records are scanned.
    const length = word(H_LENGTH);
    if (length > <u64>imageLength() || length < <u64>HEADER_BYTES) {
      damaged("berth.state is shorter than its header says");
    }
    imageAttach(imageBase(), <u32>length);
    const replayed = replay();
    if (replayed < 0) return replayed;
    if (headerField(A_FLAGS) & FLAG_CHECKPOINT) {
      const done = checkpoint(durable);
      if (done < 0) return done;
    }
    if (durable && headerField(A_FLAGS) & FLAG_RENAMED) {
      const done = nameSync();
      if (done < 0) return done;
    }
  }
  if (isPartial())
    damaged("berth adopt --from-cache, which makes it anew, hasn't ended: run it again");
  journalOpen();
  return STORE_OPEN;
}

/** Does the image hold only a part of what runs, since who makes it anew hasn't ended? */
export function isPartial(): bool {
  return word(H_PARTIAL) != 0;
}

/** Is the attached image of the boot that runs now? (Also where no boot id can be read.) */
export function isOfThisBoot(): bool {
  return !readBoot() || sameBoot();
}

function sameBoot(): bool {
  const at = imageBase() + H_BOOT;
  // An image made without a readable boot id belongs to every boot: it releases nothing.
  if (load<u64>(at) == 0 && load<u64>(at, 8) == 0) return true;
  return load<u64>(at) == load<u64>(bootAt) && load<u64>(at, 8) == load<u64>(bootAt, 8);
}

/**
 * Reserves the tables that must be zero at first use, before anything else takes scratch memory.
 */
export function storeReserve(): void {
  // In this order, what a usual call touches of them lies on one page, and the entry of its commit
  // with the first of what the call itself takes.
  eventReserve();
  runsReserve();
  journalReserve();
  scratchTurnPage();
  entryRoom(0);
  entryBuffer();
  keyReserve();
  fileReserve();
}

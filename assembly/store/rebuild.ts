// Rebuild: what the first opening of a boot does. After a power cut pages of different ages lie
// side by side, so trees, indexes and free lists of another boot's image aren't read. The records
// are scanned (every 128 bytes, each with kind, number and checksum), what is whole of the log is
// laid over them, the highest number wins, and a new image is written and renamed into place.
// (Entries that weren't synced too: where one survived it is true, and without the release in it a
// record that an earlier, synced entry made would come back.)
//
//   window   | old image (private view) | new image, 64 KiB-aligned behind it |
//
// survivor.ts tells which records outlive their boot, and carries one; rivals.ts, which of two that
// claim the same stays. O(size of the image), once a boot.

import * as host from "../host";
import { arenaBump } from "../image/arena";
import {
  appliedGeneration,
  appliedNumber,
  appliedSet,
  CURSOR_BYTES,
  CURSORS,
  H_ADOPTED,
  H_ANCHOR,
  H_BOOT,
  H_CREATED,
  H_INCOMPATIBLE,
  H_KEEP,
  H_KEY,
  H_PARTIAL,
  HEADER_BYTES,
  headerLoadKey,
  headerSeal,
  SETS_MAX,
} from "../image/header";
import { imageAttach, imageBase, imageLength, putWord, word } from "../image/image";
import { WINDOW_END } from "../numbers";
import { settingsCarry, settingsScan } from "../pool/settings";
import {
  CELL_BYTES,
  cellByte,
  cellIsSound,
  cellKind,
  cellNumber,
  KIND_CONTAINER,
  KIND_OTHER,
  KIND_POOL,
  STATE_ALLOCATION,
} from "../records/cell";
import {
  filesUnlink,
  filesUnsure,
  headHasBeyond,
  headStandsIn,
  standInEnds,
} from "../records/file";
import { digest0, digest1, headDigests } from "../records/key";
import {
  isPool,
  P_CURSOR,
  poolDefine,
  poolIsNew,
  poolIsWhole,
  poolRead,
} from "../records/poolcell";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { anchorOf } from "./carry";
import { eventsCarry, reservedBegin } from "./eventcarry";
import {
  GROWTH_STEP,
  imageFormat,
  imageRoom,
  makeLog,
  openFile,
  openNew,
  writeImage,
} from "./files";
import { layLog, layStatus } from "./lay";
import {
  LOG_BYTES,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  logAttach,
  logHas,
  logRestart,
  stateFile,
  stateHas,
} from "./log";
import { makeWay } from "./rivals";
import {
  becomesReserved,
  chainIsSound,
  Survivor,
  survives,
  survivorPut,
  survivorRead,
  survivorsBegin,
} from "./survivor";

/** Room that one record can need at most: cells, index nodes, tree nodes of 64 addresses. */
const RECORD_ROOM: u32 = 524288;
const ENOMEM: i32 = -12;
const ENOENT: i32 = -2;

let oldBase: usize = 0;
let oldBytes: u32 = 0;
let newBase: usize = 0;
let newBytes: u32 = 0;
// The old boot's log; ENOENT: there is none that is whole.
let log: i32 = 0;
// The youngest generation seen: the header's page may be older than the log.
let youngest: u64 = 0;
// Containers of the old boot that hold nothing any more.
let lapsed: u32 = 0;
// Digests, 16 bytes each, of those among them for whose files others stand in.
let beyond: usize = 0;
let beyondCount: u32 = 0;

function useOld(): void {
  newBytes = imageLength();
  imageAttach(oldBase, oldBytes);
}

function useNew(): void {
  imageAttach(newBase, newBytes);
}

// Lays the log over the old view. 0 or -errno.
function layOldLog(): i32 {
  youngest = appliedGeneration();
  log = openFile("berth.log", 1);
  // A log that is there but can't be read may hold what was promised: nothing is replaced then.
  if (log < 0 && log != ENOENT) return log;
  const size = log < 0 ? 0 : host.size(log);
  if (size < 0) return <i32>size;
  if (size < <i64>LOG_BYTES) log = ENOENT;
  logHas(log < 0 ? LOG_BYTES : <u32>min<i64>(size, <i64>LOG_BYTES_MAX));
  if (log < 0) return 0;
  youngest = layLog(log, oldBase, oldBytes);
  return layStatus;
}

// An empty image of this boot behind the old one, with what its header takes over. 0 or -errno.
function beginNew(boot: usize, keep: bool): i32 {
  newBase = (oldBase + oldBytes + 65535) & ~65535;
  newBytes = GROWTH_STEP;
  if (<u64>newBase + newBytes > <u64>WINDOW_END) return ENOMEM;
  const status = host.extend(newBase, newBytes);
  if (status < 0) return status;
  imageFormat(newBase, newBytes);
  memory.copy(newBase + H_KEY, oldBase + H_KEY, 16);
  memory.copy(newBase + H_BOOT, boot, 16);
  memory.copy(newBase + H_CREATED, oldBase + H_CREATED, 8);
  memory.copy(newBase + H_INCOMPATIBLE, oldBase + H_INCOMPATIBLE, 4);
  headerLoadKey();
  headerSeal();
  memory.copy(newBase + CURSORS, oldBase + CURSORS, SETS_MAX * CURSOR_BYTES);
  store<u64>(newBase, <u64>keep, H_KEEP);
  // Else the containers whose records are missing have gone with their boot.
  if (keep) store<u64>(newBase, load<u64>(oldBase, H_PARTIAL), H_PARTIAL);
  store<u64>(newBase, load<u64>(oldBase, H_ADOPTED), H_ADOPTED);
  if (load<u64>(oldBase, H_ADOPTED) != 0) filesUnsure();
  return 0;
}

// Writes the new image, which is attached, under its temporary name, and its log. 0 or -errno.
function writeNew(number: u64): i32 {
  const generation = youngest + 1;
  appliedSet(number, generation, LOG_HEADER_BYTES, 0, 0);
  // The log first: stopped between the two, the old image is still of another boot, and the next
  // opening rebuilds again; entries tell their own generation, so it finds them.
  if (log < 0) log = makeLog(generation);
  if (log < 0) return log;
  logAttach(stateFile, log);
  let status = logRestart(generation, true);
  if (status < 0) return status;
  const state = openNew("berth.state.new");
  if (state < 0) return state;
  status = writeImage(state, arenaBump());
  if (status < 0) return status;
  logAttach(state, log);
  stateHas(imageLength());
  return 0;
}

/**
 * Replaces the image of another boot (attached, its whole file in view) by one of this boot, whose
 * id is at `boot`; with `keep` containers stay. 0 or -errno; afterwards the new image is attached
 * and its files are open.
 */
export function rebuild(boot: usize, keep: bool): i32 {
  oldBase = imageBase();
  oldBytes = imageLength() & ~(CELL_BYTES - 1);
  const number = appliedNumber() + LOG_BYTES;
  let status = layOldLog();
  if (status < 0) return status;
  const kept = keep || load<u64>(oldBase, H_KEEP) != 0;
  status = beginNew(boot, kept);
  if (status == 0) status = moveAll(kept);
  if (status < 0) return status;
  useNew();
  eventsCarry(oldBase, oldBytes, lapsed, number);
  return writeNew(number);
}

// Pools before records: what cools in a pool is listed under its cell. 0 or -errno.
function movePools(): i32 {
  for (let at: u32 = HEADER_BYTES; at <= oldBytes - CELL_BYTES; at += CELL_BYTES) {
    if (cellKind(at) != KIND_POOL || !isPool(at) || !poolIsWhole(at)) continue;
    const mark = scratchMark();
    const spec = poolRead(at);
    const number = cellNumber(at);
    const cursorHi = word(at + P_CURSOR);
    const cursorLo = word(at + P_CURSOR + 8);
    useNew();
    let status = imageRoom(RECORD_ROOM);
    if (status == 0 && poolIsNew(spec)) {
      const cell = poolDefine(spec, number);
      if (cell == 0) status = ENOMEM;
      else {
        putWord(cell + P_CURSOR, cursorHi);
        putWord(cell + P_CURSOR + 8, cursorLo);
      }
    }
    useOld();
    scratchRewind(mark);
    if (status < 0) return status;
  }
  return 0;
}

// What the last ADD's config said; without room for it nobody knows until the next ADD.
function moveSettings(): void {
  if (!settingsScan()) return;
  useNew();
  if (imageRoom(RECORD_ROOM) == 0) settingsCarry();
  useOld();
}

// Moves the record at `head`. 0 or -errno.
function move(head: u32): i32 {
  const s = changetype<Survivor>(scratchTake(offsetof<Survivor>()));
  if (!survivorRead(s, head)) return 0;
  useNew();
  let status = imageRoom(RECORD_ROOM);
  if (status == 0 && makeWay(s)) status = survivorPut(s);
  useOld();
  return status;
}

// Is it the head of a record that is whole?
function isRecord(at: u32): bool {
  const kind = cellKind(at);
  if (kind == 0 || kind > KIND_OTHER || !cellIsSound(at)) return false;
  return chainIsSound(at, oldBytes);
}

// Scans the old image for containers that lapse and for whose files others stand in.
function findBeyond(): void {
  beyondCount = 0;
  for (let at: u32 = HEADER_BYTES; at <= oldBytes - CELL_BYTES; at += CELL_BYTES) {
    if (cellKind(at) != KIND_CONTAINER || !headHasBeyond(at)) continue;
    if (!isRecord(at) || survives(at)) continue;
    headDigests(at);
    const p = scratchTake(16); // nothing else is taken meanwhile: they lie one behind the other
    if (beyondCount++ == 0) beyond = p;
    store<u64>(p, digest0);
    store<u64>(p, digest1, 8);
  }
}

// Does the record stand in for a file of one of those? Then it ends with it, and so does the file.
function endsBeyond(head: u32): bool {
  if (beyondCount == 0 || cellByte(head, 5) != STATE_ALLOCATION) return false;
  return headStandsIn(head) && standInEnds(head, beyond, beyondCount);
}

// Scans the old image for records and moves what survives. 0 or -errno.
function moveRecords(): i32 {
  lapsed = 0;
  findBeyond();
  for (let at: u32 = HEADER_BYTES; at <= oldBytes - CELL_BYTES; at += CELL_BYTES) {
    if (!isRecord(at) || endsBeyond(at)) continue;
    if (!survives(at)) {
      lapsed++;
      filesUnlink(at);
      if (!becomesReserved(at)) continue;
    }
    const mark = scratchMark();
    const status = move(at);
    scratchRewind(mark);
    if (status < 0) return status;
  }
  return 0;
}

// 0 or -errno. Leaves the old image attached.
function moveAll(keep: bool): i32 {
  const now = <u32>(host.clock(0) / 1000000000);
  reservedBegin();
  imageAttach(oldBase, oldBytes);
  survivorsBegin(now, load<u64>(oldBase, H_ANCHOR), keep);
  store<u64>(newBase, anchorOf(now), H_ANCHOR);
  const status = movePools();
  if (status < 0) return status;
  moveSettings();
  return moveRecords();
}

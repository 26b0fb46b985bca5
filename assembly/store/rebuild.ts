// Rebuild: what the first opening of a boot does. After a power cut pages of different ages lie
// side by side, so trees, indexes and free lists of another boot's image aren't read. The records
// are scanned (every 128 bytes, each with kind, number and checksum), what is whole of the log is
// laid over them, the highest number wins, and a new image is written and renamed into place.
// (Entries that weren't synced too: where one survived it is true, and without the release in it a
// record that an earlier, synced entry made would come back.)
//
//   window   | old image (private view) | new image, 64 KiB-aligned behind it |
//
// Containers lapse (their network namespaces are gone) unless `reboot` is "keep": one whose name is
// reserved when it goes becomes a reservation with its full time. Other kinds stay, and so do
// reservations and cool-downs whose time isn't over (carry.ts). O(size of the image), once a boot.

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
  H_HELD,
  H_INCOMPATIBLE,
  H_KEEP,
  H_KEY,
  H_PIDNS,
  HEADER_BYTES,
  headerLoadKey,
  headerSeal,
  SETS_MAX,
} from "../image/header";
import { half, imageAttach, imageBase, imageLength, putHalf, putWord, word } from "../image/image";
import { WINDOW_END } from "../numbers";
import { dueAfter, release } from "../pool/leave";
import { NAMES_MAX } from "../pool/named";
import { treeOf } from "../pool/pool";
import { settingsCarry, settingsScan } from "../pool/settings";
import {
  C_DUE,
  C_SINCE,
  CELL_BYTES,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellIsSound,
  cellKind,
  cellLo,
  cellNumber,
  cellPutByte,
  cellSeal,
  cellSet,
  headAt,
  KIND_MORE,
  KIND_NAME,
  KIND_OTHER,
  KIND_POOL,
  STATE_ALLOCATION,
  STATE_COOLING,
  STATE_RESERVATION,
} from "../records/cell";
import { coolingBegin, coolingEnd } from "../records/expiry";
import { filesUnlink, filesUnsure, headHasFiles, headPutFiles } from "../records/file";
import { CHAIN_MAX, idText, nameText, nextOfKind, textAt } from "../records/key";
import {
  isPool,
  P_CURSOR,
  poolDefine,
  poolIsNew,
  poolIsWhole,
  poolRead,
} from "../records/poolcell";
import {
  olderOfName,
  recordAddAddress,
  recordByAddress,
  recordByName,
  recordByOwner,
  recordDropOwner,
  recordFlags,
  recordMake,
  recordPutName,
  recordReserveFor,
} from "../records/record";
import { recordSuits, reservationEnd, reservationList } from "../records/reservations";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { RADIX_OK, radixTake } from "../sets/radix";
import { anchorOf, carried, carriedLate, wallSeconds } from "./carry";
import { endedNote, eventsCarry, reservedBegin, reservedNote } from "./eventcarry";
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
import { fileName, nameAt, nameBytes } from "./names";
import { becomesReserved, chainIsSound, survives } from "./survivor";

/** Room that one record can need at most: cells, index nodes, tree nodes of 64 addresses. */
const RECORD_ROOM: u32 = 524288;
const ENOMEM: i32 = -12;
const ENOENT: i32 = -2;

let oldBase: usize = 0;
let oldBytes: u32 = 0;
// One moment of the old boot on both clocks, and the wall clock's now (carry.ts).
let anchor: u64 = 0;
let wall: u32 = 0;
let newBase: usize = 0;
let newBytes: u32 = 0;
// The youngest generation seen: the header's page may be older than the log.
let youngest: u64 = 0;
// Containers of the old boot that hold nothing any more.
let lapsed: u32 = 0;

function useOld(): void {
  newBytes = imageLength();
  imageAttach(oldBase, oldBytes);
}

function useNew(): void {
  imageAttach(newBase, newBytes);
}

// An older record stands in the way of a younger one: it goes, whatever its state. Of what cools
// goes the one address, `family` of `cell`: the addresses of a record cool on one by one.
function evict(head: u32, cell: u32, family: u32): void {
  // Its files may be those of the younger one.
  headPutFiles(head, false);
  if (cellByte(head, 5) == STATE_ALLOCATION) {
    release(head, 0, 0, cellNumber(head));
    return;
  }
  if (cellByte(head, 5) == STATE_RESERVATION) {
    reservationEnd(head, cellNumber(head));
  } else coolingEnd(cell, family, cellNumber(head));
}

// One record on its way from the old image to the new one, in scratch memory.
let count: u32 = 0;
let addresses: usize = 0;
let files: bool = false;
let reserveFor: u32 = 0;
let flags: u32 = 0;
let leaves: bool = false;
const ADDRESS_BYTES: u32 = 32;

// Copies the addresses of the old record: | hi | lo | family u32 | set u32 | - |
function collectAddresses(head: u32): void {
  count = 0;
  addresses = scratchTake(<usize>(2 * CHAIN_MAX * ADDRESS_BYTES));
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family)) continue;
      const p = addresses + <usize>(count * ADDRESS_BYTES);
      store<u64>(p, cellHi(cell, family));
      store<u64>(p, cellLo(cell, family), 8);
      store<u32>(p, family, 16);
      store<u32>(p, cellSet(cell, family), 20);
      count++;
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
}

// Makes way in the new image. false: a younger record has the owner or one of the addresses; of
// what cools, all of them.
function makeWay(number: u64, sameOwner: u32, cools: bool): bool {
  if (sameOwner != 0) {
    if (cellNumber(sameOwner) >= number) return false;
    evict(sameOwner, 0, 0);
  }
  let left: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const p = addresses + <usize>(i * ADDRESS_BYTES);
    const cell = recordByAddress(load<u32>(p, 16), load<u64>(p), load<u64>(p, 8));
    const head = cell == 0 ? 0 : headAt(cellHead(cell));
    if (head != 0 && cellNumber(head) >= number) {
      if (!cools) return false;
      continue;
    }
    if (head != 0) evict(head, cell, load<u32>(p, 16));
    left++;
  }
  return left != 0;
}

// A name has one reservation: the younger of two stays. false: that is another one.
function makeWayByName(name: usize, bytes: u32, ifname: usize, ifBytes: u32, number: u64): bool {
  let cell: u32 = bytes == 0 ? 0 : recordByName(name, bytes);
  for (let step: u32 = 0; step < NAMES_MAX && cell != 0; step++) {
    const head = headAt(cellHead(cell));
    cell = olderOfName(cell);
    if (cellByte(head, 5) != STATE_RESERVATION || !recordSuits(head, ifname, ifBytes)) continue;
    if (cellNumber(head) >= number) return false;
    reservationEnd(head, cellNumber(head));
  }
  return true;
}

// Moves the record at `head` of the old image into the new one. 0 or -errno.
function move(head: u32, now: u32, keep: bool): i32 {
  const kind = cellKind(head);
  const number = cellNumber(head);
  const ifBytes = min<u32>(cellByte(head, 6), 15);
  reserveFor = recordReserveFor(head);
  flags = recordFlags(head);
  let state = cellByte(head, 5);
  let due: u32 = 0;
  leaves = !survives(head, keep);
  if (leaves) {
    state = STATE_RESERVATION;
    due = dueAfter(now, reserveFor);
  } else if (state != STATE_ALLOCATION) {
    due = carried(half(head + C_SINCE), half(head + C_DUE), anchor, now, wall);
    if (due == 0) {
      if (state == STATE_RESERVATION) endedNote(head, carriedLate);
      return 0;
    }
  }
  const idBytes = idText(head);
  const id = scratchTake(<usize>(idBytes + 16));
  memory.copy(id, textAt, idBytes);
  const ifname = scratchTake(16);
  memory.copy(ifname, oldBase + head + 112, ifBytes);
  const nameCell = nextOfKind(head, KIND_NAME);
  const nameBytes: u32 = nameCell == 0 ? 0 : nameText(nameCell);
  const name = scratchTake(<usize>(nameBytes + 16));
  memory.copy(name, textAt, nameBytes);
  files = headHasFiles(head);
  collectAddresses(head);
  useNew();
  const status = put(kind, id, idBytes, ifname, ifBytes, name, nameBytes, state, now, due, number);
  useOld();
  return status;
}

function putName(head: u32, name: usize, bytes: u32, number: u64): bool {
  return recordPutName(head, name, bytes, number, reserveFor, flags);
}

function put(
  kind: u32,
  id: usize,
  idBytes: u32,
  ifname: usize,
  ifBytes: u32,
  name: usize,
  nameBytes: u32,
  state: u32,
  now: u32,
  due: u32,
  number: u64,
): i32 {
  if (count == 0) return 0;
  const status = imageRoom(RECORD_ROOM);
  if (status < 0) return status;
  const held = state == STATE_ALLOCATION;
  const same = recordByOwner(kind, id, idBytes, ifname, ifBytes);
  if (state == STATE_RESERVATION && !makeWayByName(name, nameBytes, ifname, ifBytes, number)) {
    return 0;
  }
  if (!makeWay(number, held ? same : 0, state == STATE_COOLING)) return 0;
  // Only an allocation has an entry by owner; while another record is made, an allocation of the
  // owner must not see it.
  const head = recordMake(kind, state, id, idBytes, ifname, ifBytes, now, number);
  if (head == 0) return ENOMEM;
  if (!held) recordDropOwner(head);
  if (nameBytes != 0 && !putName(head, name, nameBytes, number)) return ENOMEM;
  for (let i: u32 = 0; i < count; i++) {
    const p = addresses + <usize>(i * ADDRESS_BYTES);
    const family = load<u32>(p, 16);
    // A torn record can name an address twice; a younger one has it of one that cools.
    if (recordByAddress(family, load<u64>(p), load<u64>(p, 8)) != 0) continue;
    if (radixTake(treeOf(<i32>family), load<u64>(p), load<u64>(p, 8)) != RADIX_OK) return ENOMEM;
    const set = load<u32>(p, 20);
    const cell = recordAddAddress(head, family, load<u64>(p), load<u64>(p, 8), set, number);
    if (cell == 0) return ENOMEM;
    if (state == STATE_COOLING && !coolingBegin(cell, family, due)) return ENOMEM;
    if (cell != head) cellSeal(cell, number);
  }
  if (held) putWord(H_HELD, word(H_HELD) + 1);
  else if (half(head + C_DUE) == 0) putHalf(head + C_DUE, due);
  if (held && files) headPutFiles(head, true);
  if (state == STATE_RESERVATION && !reservationList(head, due)) return ENOMEM;
  cellPutByte(head, 5, state);
  cellSeal(head, number);
  if (leaves) reservedNote(head);
  return 0;
}

/**
 * Inode of the PID namespace of this process, 0 if it can't be told: `berth gc` must see the same
 * processes as the plugin's callers.
 */
export function pidNamespace(): u64 {
  const mark = scratchMark();
  fileName("/proc/self/ns/pid");
  const number = host.inode(nameAt, nameBytes);
  scratchRewind(mark);
  return <u64>max<i64>(number, 0);
}

/**
 * Replaces the image of another boot (attached, its whole file in view) by one of this boot, whose
 * id is at `boot`. 0 or -errno; afterwards the new image is attached and its files are open.
 */
export function rebuild(boot: usize, keep: bool): i32 {
  oldBase = imageBase();
  oldBytes = imageLength() & ~(CELL_BYTES - 1);
  const number = appliedNumber();
  youngest = appliedGeneration();
  let log = openFile("berth.log", 1);
  // A log that is there but can't be read may hold what was promised: nothing is replaced then.
  if (log < 0 && log != ENOENT) return log;
  const size = log < 0 ? 0 : host.size(log);
  if (size < 0) return <i32>size;
  if (size < <i64>LOG_BYTES) log = ENOENT;
  logHas(log < 0 ? LOG_BYTES : <u32>min<i64>(size, <i64>LOG_BYTES_MAX));
  if (log >= 0) youngest = layLog(log, oldBase, oldBytes);
  if (log >= 0 && layStatus < 0) return layStatus;
  newBase = (oldBase + oldBytes + 65535) & ~65535;
  newBytes = GROWTH_STEP;
  if (<u64>newBase + newBytes > <u64>WINDOW_END) return ENOMEM;
  let status = host.extend(newBase, newBytes);
  if (status < 0) return status;
  imageFormat(newBase, newBytes);
  memory.copy(newBase + H_KEY, oldBase + H_KEY, 16);
  memory.copy(newBase + H_BOOT, boot, 16);
  memory.copy(newBase + H_CREATED, oldBase + H_CREATED, 8);
  memory.copy(newBase + H_INCOMPATIBLE, oldBase + H_INCOMPATIBLE, 4);
  headerLoadKey();
  headerSeal();
  const generation = youngest + 1;
  memory.copy(newBase + CURSORS, oldBase + CURSORS, SETS_MAX * CURSOR_BYTES);
  const kept = keep || load<u64>(oldBase, H_KEEP) != 0;
  store<u64>(newBase, <u64>kept, H_KEEP);
  store<u64>(newBase, pidNamespace(), H_PIDNS);
  store<u64>(newBase, load<u64>(oldBase, H_ADOPTED), H_ADOPTED);
  if (load<u64>(oldBase, H_ADOPTED) != 0) filesUnsure();
  status = moveAll(kept);
  if (status < 0) return status;
  useNew();
  eventsCarry(oldBase, oldBytes, lapsed, number + LOG_BYTES);
  appliedSet(number + LOG_BYTES, generation, LOG_HEADER_BYTES, 0, 0);
  // The log first: stopped between the two, the old image is still of another boot, and the next
  // opening rebuilds again; entries tell their own generation, so it finds them.
  if (log < 0) log = makeLog(generation);
  if (log < 0) return log;
  logAttach(stateFile, log);
  status = logRestart(generation, true);
  if (status < 0) return status;
  const state = openNew("berth.state.new");
  if (state < 0) return state;
  status = writeImage(state, arenaBump());
  if (status < 0) return status;
  logAttach(state, log);
  stateHas(imageLength());
  return 0;
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

// Scans the old image and moves what survives. 0 or -errno. Leaves the old image attached.
function moveAll(keep: bool): i32 {
  const now = <u32>(host.clock(0) / 1000000000);
  lapsed = 0;
  reservedBegin();
  imageAttach(oldBase, oldBytes);
  anchor = load<u64>(oldBase, H_ANCHOR);
  wall = wallSeconds();
  store<u64>(newBase, anchorOf(now), H_ANCHOR);
  const pools = movePools();
  if (pools < 0) return pools;
  if (settingsScan()) {
    useNew();
    if (imageRoom(RECORD_ROOM) == 0) settingsCarry();
    useOld();
  }
  for (let at: u32 = HEADER_BYTES; at <= oldBytes - CELL_BYTES; at += CELL_BYTES) {
    const kind = cellKind(at);
    if (kind == 0 || kind > KIND_OTHER || !cellIsSound(at)) continue;
    if (!chainIsSound(at, oldBytes)) continue;
    if (!survives(at, keep)) {
      lapsed++;
      filesUnlink(at);
      if (!becomesReserved(at)) continue;
    }
    const mark = scratchMark();
    const status = move(at, now, keep);
    scratchRewind(mark);
    if (status < 0) return status;
  }
  return 0;
}

// Taking over a directory of host-local: every address file becomes an allocation of the owner that
// it names, every mark the cursor of its range set. Done again it brings the image up to date with
// what host-local has done since: files that are there win over records that aren't theirs.
//
//   file names an owner        allocation of that container and interface
//   id alone (before 0.8.0)    allocation of the container without interface
//   empty, unreadable, socket  held by KIND_OTHER "host-local:<address>" until the file has gone
//   a container's 33rd one     the same: no ADD gives so many, and which ones it has can't be told
//   last_reserved_ip.N         cursor of range set N
//   anything else              isn't looked at
//
// The directory is entered, our lock and host-local's are held. Bounded commits, each of which
// leaves a valid image; the last one says in H_ADOPTED that all is there, so what was cut short is
// done again. Cost: a read of each file, O(files); 4,000 in about 35 ms.

import { formatAddress, parseAddress, parsedFamily, parsedHi, parsedLo } from "../address";
import * as host from "../host";
import { appliedNumber, CURSOR_BYTES, CURSORS, H_ADOPTED, H_HELD, SETS_MAX } from "../image/header";
import { journalCount, journalMust, putHalf, putWord, word } from "../image/image";
import { NAMES_MAX } from "../pool/named";
import { treeOf } from "../pool/pool";
import { RangeSet, setHolds } from "../pool/range";
import {
  C_NETNS,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  cellSeal,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
  KIND_NAME,
  KIND_OTHER,
  STATE_ALLOCATION,
  STATE_COOLING,
} from "../records/cell";
import { eventMayBegin, eventOfAddress, eventRoom } from "../records/event";
import { EVENT_ADOPTED } from "../records/eventcell";
import { coolingEnd } from "../records/expiry";
import {
  FILE_FAILED,
  FILE_GONE,
  FILE_OWNED,
  FILE_UNKNOWN,
  fileBelongs,
  fileError,
  fileIdAt,
  fileIdBytes,
  fileIfAt,
  fileIfBytes,
  fileIsThere,
  fileOwnerRecord,
  fileReadName,
  filesReadAnew,
  headHasBeyond,
  headHasFiles,
  headPutBeyond,
  headPutFiles,
  headStandsIn,
  OWNER_MAX,
  STANDS_IN,
} from "../records/file";
import { CHAIN_MAX, nextOfKind, Owner } from "../records/key";
import {
  olderOfName,
  recordAddAddress,
  recordByAddress,
  recordByName,
  recordByOwner,
  recordCount,
  recordMake,
  recordPutName,
} from "../records/record";
import { recordSuits, reservationDrop } from "../records/reservations";
import { scratchTake } from "../scratch";
import { RADIX_OK, radixTake } from "../sets/radix";
import { imageGrow } from "../store/files";
import { logCommit } from "../store/log";
import { addressDrop, BULK_WORDS } from "./gone";
import { MARK_PREFIX_BYTES, markPrefix } from "./marks";

/** Values of H_ADOPTED: nothing; the directory was taken over; all we hold has a file, too. */
export const ADOPTED_NOT: u64 = 0;
export const ADOPTED: u64 = 1;
export const MIRRORED: u64 = 2;

/** Bytes of names that are looked at: 200,000 addresses and more. */
const NAMES_BYTES: i32 = 8388608;
/** Answer of `takeOver`: more names than that; nothing can be said about the rest. */
export const TOO_MANY_FILES: i32 = -7;
/** Answer of `takeAddress` without a file: the owner that was told has OWNER_MAX already. */
export const OWNER_FULL: i32 = -8;
const ROOM: u32 = 65536;
const ENOSPC: i32 = -28;
const NAME_MAX: i32 = 256;

/** What the last `takeOver` met. */
export let takenFiles: u32 = 0;
/** Addresses that weren't held by their file's owner before. */
export let takenNew: u32 = 0;
/** Files without a readable owner. */
export let takenUnknown: u32 = 0;
/** Files of containers that have OWNER_MAX addresses without them. */
export let takenBeyond: u32 = 0;
/** Files of addresses that we gave to somebody else: left as they are, ours stands. */
export let takenConflicts: u32 = 0;
/** Containers whose pod's name wasn't known before. */
export let takenNames: u32 = 0;
/** The name that couldn't be read, which ended the take-over; 0 bytes: none. */
export let takeUnreadAt: usize = 0;
export let takeUnreadBytes: i32 = 0;

/** How `takeOver` is to be done. */
@unmanaged
export class TakeOver {
  /** The range sets that tell under which number an address cools; `setCount` of RangeSet. */
  sets: usize;
  setCount: i32;
  now: u32;
  /** The directory is the network's own: its files keep standing for their addresses. */
  inPlace: bool;
  durable: bool;
}

function setOf(t: TakeOver, family: u32, hi: u64, lo: u64): u32 {
  for (let i = 0; i < t.setCount; i++) {
    const set = t.sets + <usize>i * offsetof<RangeSet>();
    const s = changetype<RangeSet>(set);
    if (s.family == <i32>family && setHolds(set, hi, lo) != 0) return <u32>s.index;
  }
  return 0;
}

// All files of the record there? Only then a missing one means something.
function hasAllFiles(head: u32): bool {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4) && !fileIsThere(4, 0, cellLo(cell, 4))) return false;
    if (cellHasFamily(cell, 6) && !fileIsThere(6, cellHi(cell, 6), cellLo(cell, 6))) return false;
    cell = nextOfKind(cell, KIND_MORE);
  }
  return true;
}

// The container of the file that was read last has more of them than a record has: when it goes,
// those that stand in for it go, too.
function markBeyond(t: TakeOver, number: u64): void {
  const head = fileOwnerRecord();
  if (!t.inPlace || headHasBeyond(head)) return;
  headPutBeyond(head, true);
  cellSeal(head, number);
}

// Is the address with its owner already? Else makes way. 1 = it is, 0 = it is free now, -1 = a
// record of ours without files stands in the way.
function settle(t: TakeOver, state: i32, family: u32, hi: u64, lo: u64): i32 {
  const cell = recordByAddress(family, hi, lo);
  if (cell == 0) return 0;
  const number = appliedNumber() + 1;
  const head = headAt(cellHead(cell));
  const held = cellByte(head, 5) == STATE_ALLOCATION;
  if (held && (state == FILE_UNKNOWN || fileBelongs(state, head))) {
    if (state == FILE_OWNED && headStandsIn(head)) {
      takenBeyond++;
      markBeyond(t, number);
    }
    if (t.inPlace && !headHasFiles(head) && hasAllFiles(head)) {
      headPutFiles(head, true);
      cellSeal(head, number);
    }
    return 1;
  }
  if (held && !headHasFiles(head)) return -1;
  if (held) addressDrop(cell, family, number);
  else if (cellByte(head, 5) == STATE_COOLING) coolingEnd(cell, family, number);
  else reservationDrop(cell, family, number);
  return 0;
}

// The owner of the address at hand, in scratch memory; "host-local:10.1.2.3" where nobody is known
// or the one who is has too many.
let owner: Owner = changetype<Owner>(0);
let unknownAt: usize = 0;

// The name of the pod whose container it is; 0 bytes = nobody tells it.
let podAt: usize = 0;
let podBytes: u32 = 0;
// How long that name is reserved when it is let go, and its NAME_ flags.
let podReserveFor: u32 = 0;
let podFlags: u32 = 0;
// Inode number of its network namespace; 0 = unknown.
let podNetns: u32 = 0;

function unknownId(name: usize, bytes: i32): u32 {
  const label = STANDS_IN;
  for (let i = 0; i < label.length; i++) {
    store<u8>(unknownAt + i, load<u16>(changetype<usize>(label) + ((<usize>i) << 1)));
  }
  memory.copy(unknownAt + label.length, name, bytes);
  return <u32>(label.length + bytes);
}

// One address to the owner that was read last, if it is known and may have more; else to the one
// that stands in for it by the name of the file, if there is one. 0, -errno or OWNER_FULL.
function give(t: TakeOver, owned: bool, name: usize, bytes: i32): i32 {
  let head = owned ? fileOwnerRecord() : 0;
  const known = owned && (head == 0 || recordCount(head) < OWNER_MAX);
  if (owned && !known) {
    if (bytes == 0) return OWNER_FULL;
    takenBeyond++;
  }
  const family = <u32>parsedFamily;
  const hi = parsedHi;
  const lo = parsedLo;
  const room = imageGrow(ROOM + eventRoom());
  if (room < 0) return room;
  eventMayBegin();
  const number = appliedNumber() + 1;
  if (owned && !known) markBeyond(t, number);
  const o = owner;
  o.kind = known ? KIND_CONTAINER : KIND_OTHER;
  o.idBytes = known ? <u32>fileIdBytes : unknownId(name, bytes);
  o.id = known ? fileIdAt : unknownAt;
  o.ifname = fileIfAt;
  o.ifBytes = known ? <u32>fileIfBytes : 0;
  if (!known) head = recordByOwner(o.kind, o.id, o.idBytes, o.ifname, o.ifBytes);
  const fresh = head == 0;
  if (fresh) {
    head = recordMake(o, STATE_ALLOCATION, t.now, number);
    if (head == 0) return ENOSPC;
    putWord(H_HELD, word(H_HELD) + 1);
    if (known && podNetns != 0) putHalf(head + C_NETNS, podNetns);
    if (known && mayBeNamed() && !putName(head, number)) return ENOSPC;
  }
  if (radixTake(treeOf(<i32>family), hi, lo) != RADIX_OK) return ENOSPC;
  const cell = recordAddAddress(head, family, hi, lo, setOf(t, family, hi, lo), number);
  if (cell == 0) return ENOSPC;
  // An owner whose other addresses we gave ourselves has no files for those.
  if (t.inPlace && (fresh || hasAllFiles(head))) headPutFiles(head, true);
  cellSeal(head, number);
  eventOfAddress(EVENT_ADOPTED, cell, family, 0, t.now, number);
  return 0;
}

// Has the owner's pod a name, and no other container's interface like its own that name? Two would
// be told apart by which is newer, which records of one take-over don't tell.
function mayBeNamed(): bool {
  if (podBytes == 0) return false;
  let name = recordByName(podAt, podBytes);
  for (let step: u32 = 0; step < NAMES_MAX && name != 0; step++) {
    const head = headAt(cellHead(name));
    const held = cellByte(head, 5) == STATE_ALLOCATION;
    if (held && recordSuits(head, fileIfAt, <u32>fileIfBytes)) return false;
    name = olderOfName(name);
  }
  return true;
}

// Gives the record the pod's name. The caller seals the head. false = no space.
function putName(head: u32, number: u64): bool {
  takenNames++;
  if ((podReserveFor | podFlags) != 0) journalMust();
  return recordPutName(head, podAt, podBytes, number, podReserveFor, podFlags);
}

/**
 * The pod's name goes to the container that was read last, if its record is there and has none;
 * nothing else of the record changes. 0 or -errno.
 */
export function takeName(): i32 {
  if (!mayBeNamed()) return 0;
  const head = fileOwnerRecord();
  if (head == 0 || nextOfKind(head, KIND_NAME) != 0) return 0;
  const room = imageGrow(ROOM);
  if (room < 0) return room;
  const number = appliedNumber() + 1;
  if (!putName(head, number)) return ENOSPC;
  cellSeal(head, number);
  return 0;
}

/**
 * From here on owners are containers of the pod of this name (0 bytes: none is known), reserved for
 * so many seconds when it is let go, with these NAME_ flags; `netns` is the inode number of its
 * network namespace, 0 = unknown.
 */
export function takePod(at: usize, bytes: u32, reserveFor: u32, flags: u32, netns: u32): void {
  podNetns = netns;
  podAt = at;
  podBytes = bytes;
  podReserveFor = reserveFor;
  podFlags = flags;
}

// One name of the directory. 0 or -errno.
function takeFile(t: TakeOver, name: usize, bytes: i32): i32 {
  const state = fileReadName(name, bytes);
  if (state == FILE_GONE) return 0;
  if (state == FILE_FAILED) {
    takeUnreadAt = name;
    takeUnreadBytes = bytes;
    return fileError;
  }
  takenFiles++;
  if (state == FILE_UNKNOWN) takenUnknown++;
  return takeAddress(t, state, name, bytes);
}

/** Begins counting anew. To be called before scratch memory is ever rewound. */
export function takeBegin(): void {
  if (spellAt == 0) spellAt = scratchTake(192);
  if (unknownAt == 0) {
    unknownAt = scratchTake(80);
    owner = changetype<Owner>(scratchTake(offsetof<Owner>()));
  }
  takenFiles = 0;
  takenNew = 0;
  takenUnknown = 0;
  takenBeyond = 0;
  takenConflicts = 0;
  takenNames = 0;
  takePod(0, 0, 0, 0, 0);
  takeUnreadBytes = 0;
}

/**
 * Gives the address that was parsed last to the owner that was read last (file.ts); `state` is what
 * was read, the file's name counts where that is nobody or has too many. 0; -errno; OWNER_FULL,
 * without a file.
 */
export function takeAddress(t: TakeOver, state: i32, name: usize, bytes: i32): i32 {
  const settled = settle(t, state, <u32>parsedFamily, parsedHi, parsedLo);
  if (settled == -1) takenConflicts++;
  if (settled != 0) return 0;
  takenNew++;
  return give(t, state != FILE_UNKNOWN, name, bytes);
}

// The cursor of a range set from its mark: `last_reserved_ip.N`.
function takeMark(name: usize, bytes: i32): void {
  let n: u32 = 0;
  for (let i = MARK_PREFIX_BYTES; i < bytes; i++) {
    const c = <u32>load<u8>(name + i);
    if (c < 48 || c > 57 || n >= SETS_MAX) return;
    n = n * 10 + (c - 48);
  }
  if (bytes == MARK_PREFIX_BYTES || n >= SETS_MAX) return;
  const handle = host.open(name, bytes, 0);
  if (handle < 0) return;
  const text = spellAt + 64;
  const got = host.read(handle, 0, text, 64);
  host.close(handle);
  if (got <= 0 || got == 64 || !parseAddress(text, got)) return;
  const at = CURSORS + n * CURSOR_BYTES;
  const same = word(at) == parsedHi && word(at + 8) == parsedLo;
  // A cursor that was never used has the words of `::` and 0.0.0.0.
  if (same && word(at + 16) == <u64>parsedFamily) return;
  putWord(at, parsedHi);
  putWord(at + 8, parsedLo);
  putWord(at + 16, <u64>parsedFamily);
}

let spellAt: usize = 0;
let names: usize = 0;

// Is the name an address as host-local spells it (`_` for `:` on Windows)? Sets parsedHi and so on.
function isAddressName(name: usize, bytes: i32): bool {
  if (bytes > 45 || bytes == 0) return false;
  const first = <u32>load<u8>(name) | 32;
  const hex = (first >= 48 && first <= 58) || (first >= 97 && first <= 102);
  if (!hex && load<u8>(name) != 95) return false;
  memory.copy(spellAt, name, bytes);
  for (let i = 0; i < bytes; i++) if (load<u8>(spellAt + i) == 95) store<u8>(spellAt + i, 58);
  if (!parseAddress(spellAt, bytes)) return false;
  const canonical = formatAddress(parsedFamily, parsedHi, parsedLo, spellAt + 64);
  return canonical == bytes && memory.compare(spellAt, spellAt + 64, bytes) == 0;
}

/**
 * Takes the entered directory's files over. 0; -errno, TOO_MANY_FILES: what was committed before
 * stands; or what logCommit said. The journal must be open and empty. The last
 * words (`value` for H_ADOPTED among them) are left in the journal for the caller's commit.
 */
export function takeOver(t: TakeOver, value: u64): i32 {
  takeBegin();
  if (t.inPlace) filesReadAnew();
  if (names == 0) names = scratchTake(<usize>NAMES_BYTES);
  const used = host.list(names, 0, names, NAMES_BYTES);
  if (used < 0) return used;
  if (used > NAMES_BYTES - NAME_MAX) return TOO_MANY_FILES;
  for (let at = 0; at < used; ) {
    let end = at;
    while (end < used && load<u8>(names + end) != 0) end++;
    const name = names + at;
    const bytes = end - at;
    at = end + 1;
    if (isAddressName(name, bytes)) {
      const status = takeFile(t, name, bytes);
      if (status < 0) return status;
    } else if (markPrefix(name, bytes)) takeMark(name, bytes);
    if (journalCount() < BULK_WORDS) continue;
    const status = logCommit(false, t.durable);
    if (status != 0) return status;
  }
  if (word(H_ADOPTED) != value) putWord(H_ADOPTED, value);
  return 0;
}

// Survivors: records on their way from another boot's image to the new one. While the old image is
// attached, its cells of different ages, is told which records are whole, which of them outlive
// their boot, and one is read into scratch memory; while the new one is attached it is put there.
//
//   Survivor  | owner | name | state, times, number | Place x count |   never stored
//
// Containers end with their boot (their network namespaces are gone) unless `keep`: one whose name
// is reserved when it goes becomes a reservation with its full time. Other kinds stay, and so do
// reservations and cool-downs whose time isn't over (carry.ts). Who stands in a survivor's way in
// the new image, rivals.ts knows. Cost: the texts, and for each address one tree and one index.

import { H_HELD, HEADER_BYTES } from "../image/header";
import { half, imageBase, putHalf, putWord, word } from "../image/image";
import { dueAfter } from "../pool/leave";
import { treeOf } from "../pool/pool";
import {
  C_DUE,
  C_IFNAME,
  C_NEXT,
  C_SINCE,
  C_V4,
  CELL_BYTES,
  cellByte,
  cellHasFamily,
  cellHi,
  cellIsOf,
  cellIsSound,
  cellKind,
  cellLo,
  cellNumber,
  cellPutByte,
  cellSeal,
  cellSet,
  ID_HEAD_BYTES,
  KIND_CONTAINER,
  KIND_MORE,
  KIND_NAME,
  KIND_TEXT,
  STATE_ALLOCATION,
  STATE_COOLING,
  STATE_RESERVATION,
  TEXT_BYTES,
  TEXT_MAX,
} from "../records/cell";
import { coolingBegin } from "../records/expiry";
import { headHasBeyond, headHasFiles, headPutBeyond, headPutFiles } from "../records/file";
import { CHAIN_MAX, idText, nameText, nextOfKind, Owner, textAt } from "../records/key";
import {
  recordAddAddress,
  recordByAddress,
  recordDropOwner,
  recordFlags,
  recordMake,
  recordPutName,
  recordReserveFor,
} from "../records/record";
import { reservationList } from "../records/reservations";
import { scratchTake } from "../scratch";
import { RADIX_OK, radixTake } from "../sets/radix";
import { carried, carriedLate, wallSeconds } from "./carry";
import { endedNote, reservedNote } from "./eventcarry";

/** An address of a survivor. */
@unmanaged
class Place {
  hi: u64;
  lo: u64;
  family: u32;
  set: u32;
}

/** The texts are copies. */
@unmanaged
export class Survivor extends Owner {
  name: usize;
  nameBytes: u32;
  /** Seconds for which the name is reserved when it is let go, and its NAME_ flags. */
  reserveFor: u32;
  flags: u32;
  /** STATE_ ..., as it is in the new image. */
  state: u32;
  /** Seconds of CLOCK_BOOTTIME at which it becomes free; 0 for an allocation. */
  due: u32;
  /** Number of the commit that changed it last. */
  number: u64;
  /** `count` of Place. */
  places: usize;
  count: u32;
  /** host-local's files stand for its addresses. */
  files: bool;
  /** Others stand in for more of its files. */
  beyond: bool;
  /** It is what a container of the old boot leaves. */
  leaves: bool;
}

const ENOMEM: i32 = -12;

// Of the old boot: one moment on both clocks (carry.ts), and whether its containers stay.
let anchor: u64 = 0;
let keep: bool = false;
// This moment, by the boot's clock and by the wall clock.
let now: u32 = 0;
let wall: u32 = 0;

/** Begins a rebuild at `moment` (seconds of CLOCK_BOOTTIME); the others as above. */
export function survivorsBegin(moment: u32, oldAnchor: u64, keepContainers: bool): void {
  now = moment;
  wall = wallSeconds();
  anchor = oldAnchor;
  keep = keepContainers;
}

// Have the cells of a text, one by one sound, the length that the first of them tells? Cells of
// different ages can follow each other: freed ones are taken again in the same places.
function textIsWhole(head: u32, kind: u32, have: u32): bool {
  let cell = nextOfKind(head, kind);
  if (cell == 0) return have <= ID_HEAD_BYTES;
  const total = half(cell + C_V4);
  let got = have > ID_HEAD_BYTES ? ID_HEAD_BYTES : 0;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    const bytes = cellByte(cell, 5);
    if (bytes == 0 || bytes > TEXT_BYTES) return false;
    got += bytes;
    cell = nextOfKind(cell, kind);
  }
  return got == total && total <= TEXT_MAX;
}

/** Are the head and all further cells of its record, in `bytes` of image, whole and its own? */
export function chainIsSound(head: u32, bytes: u32): bool {
  let at = half(head + C_NEXT);
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (at & (CELL_BYTES - 1) || at < HEADER_BYTES || at > bytes - CELL_BYTES) return false;
    const kind = cellKind(at);
    if (!cellIsSound(at) || kind < KIND_TEXT || kind > KIND_MORE) return false;
    if (!cellIsOf(at, head)) return false;
    at = half(at + C_NEXT);
  }
  if (at != 0) return false;
  return textIsWhole(head, KIND_TEXT, cellByte(head, 127)) && textIsWhole(head, KIND_NAME, 0);
}

/** Does the record stay as it is? */
export function survives(head: u32): bool {
  if (cellByte(head, 5) != STATE_ALLOCATION) return true;
  return cellKind(head) != KIND_CONTAINER || keep;
}

/** Does a container that ends with its boot leave a reservation of its name? */
export function becomesReserved(head: u32): bool {
  return recordReserveFor(head) != 0;
}

/** The address number `i` of a survivor. */
export function placeAt(s: Survivor, i: u32): Place {
  return changetype<Place>(s.places + <usize>i * offsetof<Place>());
}

function readPlaces(s: Survivor, head: u32): void {
  s.count = 0;
  s.places = scratchTake(<usize>(2 * CHAIN_MAX) * offsetof<Place>());
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family)) continue;
      const place = placeAt(s, s.count++);
      place.hi = cellHi(cell, family);
      place.lo = cellLo(cell, family);
      place.family = family;
      place.set = cellSet(cell, family);
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
}

// A copy of `bytes` of text, with room for none.
function copyOf(from: usize, bytes: u32): usize {
  const at = scratchTake(<usize>(bytes + 16));
  memory.copy(at, from, bytes);
  return at;
}

function readTexts(s: Survivor, head: u32): void {
  s.idBytes = idText(head);
  s.id = copyOf(textAt, s.idBytes);
  s.ifBytes = min<u32>(cellByte(head, 6), 15);
  s.ifname = copyOf(imageBase() + head + C_IFNAME, s.ifBytes);
  const name = nextOfKind(head, KIND_NAME);
  s.nameBytes = name == 0 ? 0 : nameText(name);
  s.name = copyOf(textAt, s.nameBytes);
}

// State and time in the new image: false = its time is over.
function readState(s: Survivor, head: u32): bool {
  s.leaves = !survives(head);
  s.state = s.leaves ? STATE_RESERVATION : cellByte(head, 5);
  s.due = s.leaves ? dueAfter(now, s.reserveFor) : 0;
  if (s.leaves || s.state == STATE_ALLOCATION) return true;
  s.due = carried(half(head + C_SINCE), half(head + C_DUE), anchor, now, wall);
  if (s.due == 0 && s.state == STATE_RESERVATION) endedNote(head, carriedLate);
  return s.due != 0;
}

/**
 * Reads the record at `head` of the old image, which is attached, into `s`. false: nothing is left
 * of it, since its time is over (a reservation's end is noted) or it has no address.
 */
export function survivorRead(s: Survivor, head: u32): bool {
  s.kind = cellKind(head);
  s.number = cellNumber(head);
  s.reserveFor = recordReserveFor(head);
  s.flags = recordFlags(head);
  if (!readState(s, head)) return false;
  readTexts(s, head);
  s.files = headHasFiles(head);
  s.beyond = headHasBeyond(head);
  readPlaces(s, head);
  return s.count != 0;
}

// Its addresses, in `head` of the new image. false = no space.
function putPlaces(s: Survivor, head: u32): bool {
  for (let i: u32 = 0; i < s.count; i++) {
    const p = placeAt(s, i);
    // A torn record can name an address twice; a younger one has it of one that cools.
    if (recordByAddress(p.family, p.hi, p.lo) != 0) continue;
    if (radixTake(treeOf(<i32>p.family), p.hi, p.lo) != RADIX_OK) return false;
    const cell = recordAddAddress(head, p.family, p.hi, p.lo, p.set, s.number);
    if (cell == 0) return false;
    if (s.state == STATE_COOLING && !coolingBegin(cell, p.family, s.due)) return false;
    if (cell != head) cellSeal(cell, s.number);
  }
  return true;
}

function putName(s: Survivor, head: u32): bool {
  if (s.nameBytes == 0) return true;
  return recordPutName(head, s.name, s.nameBytes, s.number, s.reserveFor, s.flags);
}

/**
 * Puts `s` into the new image, which is attached and where nothing stands in its way (rivals.ts).
 * 0 or -errno.
 */
export function survivorPut(s: Survivor): i32 {
  const held = s.state == STATE_ALLOCATION;
  // Only an allocation has an entry by owner; while another record is made, an allocation of the
  // owner must not see it.
  const head = recordMake(s, s.state, now, s.number);
  if (head == 0) return ENOMEM;
  if (!held) recordDropOwner(head);
  if (!putName(s, head) || !putPlaces(s, head)) return ENOMEM;
  if (held) putWord(H_HELD, word(H_HELD) + 1);
  else if (half(head + C_DUE) == 0) putHalf(head + C_DUE, s.due);
  if (held && s.files) headPutFiles(head, true);
  if (held && s.beyond) headPutBeyond(head, true);
  if (s.state == STATE_RESERVATION && !reservationList(head, s.due)) return ENOMEM;
  cellPutByte(head, 5, s.state);
  cellSeal(head, s.number);
  if (s.leaves) reservedNote(head);
  return 0;
}

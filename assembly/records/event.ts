// Events: the flight recorder writes down what became of addresses: given, released, reserved,
// refused and why (eventcell.ts draws an event). An event is written into the open journal, so it
// is in the same commit as what it tells, or it never was.
//
//   draft  a cell in scratch memory: begun, filled, closed with its checksum, put into the ring
//
// The ring is carved from the arena by the first ADD that has room for it. Cost: a cell, one word.

import * as host from "../host";
import { arenaCarve } from "../image/arena";
import { checksum } from "../image/header";
import { half, imageBase, putWord, word } from "../image/image";
import { scratchTake } from "../scratch";
import {
  C_IFNAME,
  C_V4,
  C_V6,
  CELL_BYTES,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellIsSound,
  cellKind,
  cellLo,
  cellNumber,
  KIND_CONTAINER,
  KIND_EVENT,
  KIND_MORE,
  KIND_NAME,
  nameHash,
  ownerDigest,
} from "./cell";
import {
  CAUSE_DEL,
  CAUSE_FILE,
  CAUSE_OPERATOR,
  E_BOOT,
  E_ENDED,
  E_EXTRA,
  E_ID,
  E_NAME,
  E_NAME_HASH,
  E_NUMBER,
  E_OWNER,
  E_TIMES,
  E_WALL,
  EVENT_ADOPTED,
  EVENT_GIVEN,
  EVENT_ID_BYTES,
  EVENT_NAME_BYTES,
  EVENT_REBOOT,
  EVENT_REFUSED,
  EVENT_RELEASED,
  EVENT_RETAKEN,
  EVENT_RING_BYTES,
  EVENT_YIELDED,
  EVENTS,
  H_EVENT_NEXT,
  H_EVENTS,
  H_YIELDS,
  REFUSALS,
  refusalCountAt,
} from "./eventcell";
import { CHAIN_MAX, idText, nameText, nextOfKind, textAt } from "./key";
import { unshare } from "./unshare";

/** Newest events among which a refusal looks for its like. */
const LIKE_MAX: u32 = 16;
/** Bytes of an IPv4 and an IPv6 address, from C_V4 on. */
const ADDRESS_BYTES: usize = 20;
const NUMBER_MASK: u64 = 0xffffffffffff;

let draft: usize = 0;
let cause: u32 = CAUSE_DEL;
let mayBegin: bool = false;
let back: bool = false;
let wallAt: u32 = 0;
let wall: u32 = 0;

/** Takes the memory of a draft, before any rewind. */
export function eventReserve(): void {
  if (draft == 0) draft = scratchTake(<usize>CELL_BYTES);
}

/** Who lets go from here on (CAUSE_...). */
export function eventCause(who: u32): void {
  cause = who;
}

/** Room in the arena that the ring still needs. */
export function eventRoom(): u32 {
  return word(H_EVENTS) == 0 ? EVENT_RING_BYTES + 4096 : 0;
}

/** There is room for the ring: this call may carve it. */
export function eventMayBegin(): void {
  mayBegin = true;
}

/** Does the next allocation take back what its name had? */
export function eventBack(does: bool): void {
  back = does;
}

function ring(): u32 {
  const at = <u32>word(H_EVENTS);
  if (at != 0 || !mayBegin) return at;
  const made = arenaCarve(EVENT_RING_BYTES);
  if (made != 0) putWord(H_EVENTS, <u64>made);
  return made;
}

// The wall clock is asked once for each second of the boot clock.
function wallFor(now: u32): u32 {
  if (now != wallAt || wall == 0) wall = <u32>(host.clock(1) / 1000000000);
  wallAt = now;
  return wall;
}

function draftBegin(what: u32, why: u32, now: u32, number: u64): void {
  eventReserve();
  memory.fill(draft, 0, CELL_BYTES);
  store<u8>(draft, KIND_EVENT, 4);
  store<u8>(draft, what, 5);
  store<u8>(draft, why, 6);
  store<u64>(draft, number & NUMBER_MASK, 8);
  const at = now != 0 ? now : <u32>(host.clock(0) / 1000000000);
  store<u32>(draft, at, E_BOOT);
  store<u32>(draft, wallFor(at), E_WALL);
  store<u32>(draft, 1, E_TIMES);
}

function draftName(at: usize, bytes: u32): void {
  if (bytes == 0) return;
  store<u8>(draft, min<u32>(bytes, 255), 15);
  store<u64>(draft, nameHash(at, bytes), E_NAME_HASH);
  memory.copy(draft + E_NAME, at, min<u32>(bytes, EVENT_NAME_BYTES));
}

function draftOwner(kind: u32, id: usize, bytes: u32, ifname: usize, ifBytes: u32): void {
  store<u8>(draft, min<u32>(bytes, 255), 14);
  store<u64>(draft, ownerDigest(0, kind, id, bytes, ifname, ifBytes), E_OWNER);
  memory.copy(draft + E_ID, id, min<u32>(bytes, EVENT_ID_BYTES));
}

function draftAddress(family: u32, hi: u64, lo: u64): void {
  store<u8>(draft, load<u8>(draft, 7) | (family == 4 ? 1 : 2), 7);
  if (family == 4) store<u32>(draft, <u32>lo, C_V4);
  else {
    store<u64>(draft, hi, C_V6);
    store<u64>(draft, lo, C_V6 + 8);
  }
}

// Puts the draft into the cell at `cell`, closed with its checksum.
function draftPut(cell: u32): void {
  store<u32>(draft, <u32>checksum(draft + 4, CELL_BYTES - 4));
  for (let i: u32 = 0; i < CELL_BYTES; i += 8) putWord(cell + i, load<u64>(draft + i));
}

// Appends the draft to the ring.
function draftAppend(at: u32): void {
  const n = word(H_EVENT_NEXT);
  store<u32>(draft, <u32>n, E_NUMBER);
  const cell = at + (<u32>n & (EVENTS - 1)) * CELL_BYTES;
  unshare(cell);
  draftPut(cell);
  putWord(H_EVENT_NEXT, n + 1);
}

function draftRecord(head: u32): void {
  const idBytes = idText(head);
  const ifname = imageBase() + head + C_IFNAME;
  draftOwner(cellKind(head), textAt, idBytes, ifname, min<u32>(cellByte(head, 6), 15));
  const name = nextOfKind(head, KIND_NAME);
  if (name == 0) return;
  const bytes = nameText(name);
  draftName(textAt, bytes);
}

// Of an event that gives: the owner's kind, 0 for a container (as events of before have it).
function ownerKind(head: u32): u32 {
  return cellKind(head) == KIND_CONTAINER ? 0 : cellKind(head);
}

/** `eventOf` of another cause (CAUSE_...) than the call's. */
export function eventBy(who: u32, what: u32, head: u32, extra: u32, now: u32, number: u64): void {
  const was = cause;
  cause = who;
  eventOf(what, head, extra, now, number);
  cause = was;
}

// The addresses of one cell. false: it has none.
function draftCell(cell: u32): bool {
  store<u8>(draft, 0, 7);
  if (cellHasFamily(cell, 4)) draftAddress(4, 0, cellLo(cell, 4));
  if (cellHasFamily(cell, 6)) draftAddress(6, cellHi(cell, 6), cellLo(cell, 6));
  return load<u8>(draft, 7) != 0;
}

/**
 * Tells what becomes of a record while it still has its addresses: an event for its head and each
 * MORE cell. `extra` as drawn above. Nothing without a ring.
 */
export function eventOf(what: u32, head: u32, extra: u32, now: u32, number: u64): void {
  // An operator reserves what is allocated first: one event tells it.
  if (what == EVENT_GIVEN && cause == CAUSE_OPERATOR) return;
  const at = ring();
  if (at == 0) return;
  const given = what == EVENT_GIVEN;
  draftBegin(given && back ? EVENT_RETAKEN : what, given ? ownerKind(head) : cause, now, number);
  if (given) back = false;
  store<u32>(draft, extra, E_EXTRA);
  draftRecord(head);
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (draftCell(cell)) draftAppend(at);
    cell = nextOfKind(cell, KIND_MORE);
  }
}

/**
 * Writes the events that `eventOf` would tell of a record to memory at `to`, `most` cells at most,
 * for eventAppend: the record's image isn't the one that is to tell them. How many.
 */
export function eventDrafts(what: u32, head: u32, extra: u32, to: usize, most: u32): u32 {
  draftBegin(what, 0, 0, cellNumber(head));
  store<u32>(draft, extra, E_EXTRA);
  draftRecord(head);
  let n: u32 = 0;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0 && n < most; step++) {
    if (draftCell(cell)) memory.copy(to + <usize>(n++ * CELL_BYTES), draft, CELL_BYTES);
    cell = nextOfKind(cell, KIND_MORE);
  }
  return n;
}

/** Appends what eventDrafts wrote at `from`, as part of commit `number`. */
export function eventAppend(from: usize, number: u64): void {
  const at = ring();
  if (at == 0) return;
  eventReserve();
  memory.copy(draft, from, CELL_BYTES);
  const owner = load<u64>(draft, 8) & ~NUMBER_MASK;
  store<u64>(draft, owner | (number & NUMBER_MASK), 8);
  draftAppend(at);
}

function count(at: u32): void {
  putWord(at, word(at) + 1);
}

/** Tells of one address of a record: a cool-down cut short, what host-local's files say. */
export function eventOfAddress(
  what: u32,
  cell: u32,
  family: u32,
  extra: u32,
  now: u32,
  number: u64,
): void {
  if (what == EVENT_YIELDED) count(H_YIELDS);
  const at = ring();
  if (at == 0) return;
  const head = cellHead(cell);
  const why = what == EVENT_RELEASED ? CAUSE_FILE : what == EVENT_ADOPTED ? ownerKind(head) : 0;
  draftBegin(what, why, now, number);
  store<u32>(draft, extra, E_EXTRA);
  draftRecord(head);
  draftAddress(family, cellHi(cell, family), cellLo(cell, family));
  draftAppend(at);
}

/** Tells of a reboot: E_EXTRA, E_TIMES - 1 and E_ENDED as drawn above. */
export function eventReboot(lapsed: u32, reserved: u32, ended: u32, number: u64): void {
  const at = ring();
  if (at == 0) return;
  draftBegin(EVENT_REBOOT, 0, 0, number);
  store<u32>(draft, lapsed, E_EXTRA);
  store<u32>(draft, reserved + 1, E_TIMES);
  store<u32>(draft, ended, E_ENDED);
  draftAppend(at);
}

/** Begins the event of a refusal: which code, and why (a number of the allocator's). */
export function refusalBegin(code: u32, why: u32, now: u32, number: u64): void {
  draftBegin(EVENT_REFUSED, why, now, number);
  store<u32>(draft, code, E_EXTRA);
}

/** ... who was refused; */
export function refusalOwner(kind: u32, id: usize, bytes: u32, at: usize, ifBytes: u32): void {
  draftOwner(kind, id, bytes, at, ifBytes);
}

/** ... its name; */
export function refusalName(at: usize, bytes: u32): void {
  draftName(at, bytes);
}

/** ... and the address that it asked for. */
export function refusalAddress(family: u32, hi: u64, lo: u64): void {
  draftAddress(family, hi, lo);
}

// Is the event at `cell` a refusal like the draft: same code, reason, address, name or owner?
function isLike(cell: u32): bool {
  if (!cellIsSound(cell) || cellByte(cell, 5) != EVENT_REFUSED) return false;
  if (cellByte(cell, 6) != <u32>load<u8>(draft, 6)) return false;
  if (half(cell + E_EXTRA) != load<u32>(draft, E_EXTRA)) return false;
  if (cellByte(cell, 7) != <u32>load<u8>(draft, 7)) return false;
  if (memory.compare(imageBase() + cell + C_V4, draft + C_V4, ADDRESS_BYTES) != 0) return false;
  const name = load<u64>(draft, E_NAME_HASH);
  if (word(cell + E_NAME_HASH) != name) return false;
  return name != 0 || word(cell + E_OWNER) == load<u64>(draft, E_OWNER);
}

/** Writes the refusal, or counts it where one of the newest events is its like. */
export function refusalEnd(): void {
  const why = <u32>load<u8>(draft, 6);
  if (why >= 1 && why <= REFUSALS) count(refusalCountAt(why));
  const at = ring();
  if (at == 0) return;
  const next = word(H_EVENT_NEXT);
  for (let n: u64 = 1; n <= LIKE_MAX && n <= next; n++) {
    const cell = at + (<u32>(next - n) & (EVENTS - 1)) * CELL_BYTES;
    if (!isLike(cell)) continue;
    store<u32>(draft, half(cell + E_NUMBER), E_NUMBER);
    store<u32>(draft, half(cell + E_TIMES) + 1, E_TIMES);
    draftPut(cell);
    return;
  }
  draftAppend(at);
}

/** Copies a sound event of another image (`cell` in memory) into the attached one's ring. */
export function eventCarry(cell: usize): void {
  const at = ring();
  if (at == 0) return;
  const n = <u64>load<u32>(cell, E_NUMBER);
  const place = at + (<u32>n & (EVENTS - 1)) * CELL_BYTES;
  if (cellKind(place) == KIND_EVENT && half(place + E_NUMBER) > <u32>n) return;
  for (let i: u32 = 0; i < CELL_BYTES; i += 8) putWord(place + i, load<u64>(cell + i));
  if (word(H_EVENT_NEXT) <= n) putWord(H_EVENT_NEXT, n + 1);
}

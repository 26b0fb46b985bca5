// Events: the flight recorder. A ring of EVENTS cells of 128 bytes tells what became of addresses:
// given, released, reserved, refused and why. An event is written into the open journal, so it is
// in the same commit as what it tells, or it never was. Number n lies in place n mod EVENTS; a new
// event takes the place of the oldest.
//
//         0        4     5       6       7         8                  14      15
//  EVENT  | check  | 0x87| what  | cause | families| number (48 bits) | id B  | name B |
//        16        20         24         28      32          48          56
//         | n u32  | boot s   | Unix s   | IPv4  | IPv6      | name hash | owner digest |
//        64        68         72                 84                    128
//         | extra  | times    | 12 bytes of id   | 44 bytes of the name  |
//
// `cause` is who let go, why it was refused, or what kind of owner got it (0 = a container).
// `extra` is a cool-down's or a reservation's seconds, a refusal's code, or for how long a
// reservation was over when a call noticed it. A reboot has the number of reservations that were
// over in the place of IPv4. Texts are cut; the
// keyed hash of the name and the digest of the owner find them whole. Many refusals of one kind for
// one name are one event that counts them. Two addresses of one family are two events.
//
// The ring is carved from the arena by the first ADD that has room for it. Cost: a cell, one word.
// The cell is sound like any other, so a rebuild carries the newest ones over.
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
import { CHAIN_MAX, idText, nameText, nextOfKind, textAt } from "./key";

/** Where the ring lies (0 = there is none), and the number of the next event. */
export const H_EVENTS: u32 = 808;
export const H_EVENT_NEXT: u32 = 816;
/** Counters that only grow: cool-downs cut short, refusals by the allocator's numbers. */
export const H_YIELDS: u32 = 920;
const H_REFUSALS: u32 = 928;
/** Refusals are counted under 1 .. REFUSALS. */
export const REFUSALS: u32 = 9;
/** Events that are kept. */
export const EVENTS: u32 = 1024;
export const EVENT_RING_BYTES: u32 = EVENTS * CELL_BYTES;

export const EVENT_GIVEN: u32 = 1;
export const EVENT_RELEASED: u32 = 2;
export const EVENT_RESERVED: u32 = 3;
/** Given to the name that it was reserved for, or that had it before. */
export const EVENT_RETAKEN: u32 = 4;
/** A reservation's time is over: since `extra` seconds, before anybody called. */
export const EVENT_EXPIRED: u32 = 5;
/** A cool-down was cut short, since nothing else was free. */
export const EVENT_YIELDED: u32 = 6;
export const EVENT_REFUSED: u32 = 7;
export const EVENT_ADOPTED: u32 = 8;
/**
 * Another boot began: `extra` containers of the one before hold nothing any more, `times` - 1 of
 * them left a reservation; E_ENDED reservations were over by then.
 */
export const EVENT_REBOOT: u32 = 9;
export const EVENT_LAST: u32 = 9;

/**
 * Who let go: the container's DEL, its DEL note, GC, an operator; host-local, whose file went;
 * another pod of the name, which has addresses; a reboot.
 */
export const CAUSE_DEL: u32 = 0;
export const CAUSE_NOTE: u32 = 1;
export const CAUSE_GC: u32 = 2;
export const CAUSE_OPERATOR: u32 = 3;
export const CAUSE_FILE: u32 = 4;
export const CAUSE_NAME: u32 = 5;
export const CAUSE_REBOOT: u32 = 6;

export const E_NUMBER: u32 = 16;
export const E_BOOT: u32 = 20;
export const E_WALL: u32 = 24;
export const E_ENDED: u32 = 32;
export const E_NAME_HASH: u32 = 48;
export const E_OWNER: u32 = 56;
export const E_EXTRA: u32 = 64;
export const E_TIMES: u32 = 68;
export const E_ID: u32 = 72;
export const E_NAME: u32 = 84;
export const EVENT_ID_BYTES: u32 = 12;
export const EVENT_NAME_BYTES: u32 = 44;
/** Newest events among which a refusal looks for its like. */
const LIKE_MAX: u32 = 16;
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
  draftPut(at + (<u32>n & (EVENTS - 1)) * CELL_BYTES);
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

/** Does the event give addresses to a container, whose boot's end is its own? */
export function eventIsOfContainer(cell: u32): bool {
  return cellByte(cell, 6) == 0;
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

/** When what the event tells was so, in Unix seconds by the wall clock of when it was written. */
export function eventWall(cell: u32): u32 {
  const late = cellByte(cell, 5) == EVENT_EXPIRED ? half(cell + E_EXTRA) : 0;
  return half(cell + E_WALL) - min<u32>(late, half(cell + E_WALL));
}

function count(at: u32): void {
  putWord(at, word(at) + 1);
}

/** Refusals of one of the allocator's numbers. */
export function refusalCount(why: u32): u64 {
  return word(H_REFUSALS + (why - 1) * 8);
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

// Is the event at `cell` a refusal like the draft: same code, reason, name or owner?
function isLike(cell: u32): bool {
  if (!cellIsSound(cell) || cellByte(cell, 5) != EVENT_REFUSED) return false;
  if (cellByte(cell, 6) != <u32>load<u8>(draft, 6)) return false;
  if (half(cell + E_EXTRA) != load<u32>(draft, E_EXTRA)) return false;
  const name = load<u64>(draft, E_NAME_HASH);
  if (word(cell + E_NAME_HASH) != name) return false;
  return name != 0 || word(cell + E_OWNER) == load<u64>(draft, E_OWNER);
}

/** Writes the refusal, or counts it where one of the newest events is its like. */
export function refusalEnd(): void {
  const why = <u32>load<u8>(draft, 6);
  if (why >= 1 && why <= REFUSALS) count(H_REFUSALS + (why - 1) * 8);
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

/** The cell of event `n`, or 0: it isn't kept any more, or doesn't match its checksum. */
export function eventAt(n: u64): u32 {
  const at = <u32>word(H_EVENTS);
  const next = word(H_EVENT_NEXT);
  if (at == 0 || n >= next || next - n > <u64>EVENTS) return 0;
  const cell = at + (<u32>n & (EVENTS - 1)) * CELL_BYTES;
  const sound = cellIsSound(cell) && cellKind(cell) == KIND_EVENT;
  return sound && half(cell + E_NUMBER) == <u32>n ? cell : 0;
}

/** Is place `i` of the ring empty, or has it a sound event whose number belongs there? */
export function eventIsSound(i: u32): bool {
  const cell = <u32>word(H_EVENTS) + i * CELL_BYTES;
  if (cellKind(cell) == 0 && word(cell) == 0) return true;
  const number = half(cell + E_NUMBER);
  if (!cellIsSound(cell) || cellKind(cell) != KIND_EVENT) return false;
  return (number & (EVENTS - 1)) == i && <u64>number < word(H_EVENT_NEXT);
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

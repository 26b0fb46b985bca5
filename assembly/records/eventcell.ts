// The cell of an event of the flight recorder (event.ts writes it): what it says where, and the
// ring in which it lies. Number n lies in place n mod EVENTS; a new event takes the place of the
// oldest.
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
// over in the place of IPv6. Texts are cut; the keyed hash of the name and the digest of the owner
// find them whole. Many refusals of one kind and one address for one name are one event that counts
// them. Two addresses of one family are two events.
//
// The cell is sound like any other, so a rebuild carries the newest ones over.
import { half, word } from "../image/image";
import { CELL_BYTES, cellByte, cellIsSound, cellKind, KIND_EVENT } from "./cell";

/** Where the ring lies (0 = there is none), and the number of the next event. */
export const H_EVENTS: u32 = 808;
export const H_EVENT_NEXT: u32 = 816;
/** Counters that only grow: cool-downs cut short, refusals by their numbers 1 to REFUSALS. */
export const H_YIELDS: u32 = 920;
const H_REFUSALS: u32 = 928;
/** The last one's lies elsewhere: it came later. */
const H_LAST_REFUSALS: u32 = 1016;
/** The allocator's FAIL_ numbers, REFUSED_FIXED and REFUSED_ANNOTATION (protocol/refusal.ts). */
export const REFUSALS: u32 = 10;
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

/** Does the event give addresses to a container, whose boot's end is its own? */
export function eventIsOfContainer(cell: u32): bool {
  return cellByte(cell, 6) == 0;
}

/** When what the event tells was so, in Unix seconds by the wall clock of when it was written. */
export function eventWall(cell: u32): u32 {
  const late = cellByte(cell, 5) == EVENT_EXPIRED ? half(cell + E_EXTRA) : 0;
  return half(cell + E_WALL) - min<u32>(late, half(cell + E_WALL));
}

/** Where the refusals of a number, 1 to REFUSALS, are counted. */
export function refusalCountAt(why: u32): u32 {
  return why == REFUSALS ? H_LAST_REFUSALS : H_REFUSALS + (why - 1) * 8;
}

/** Refusals of a number. */
export function refusalCount(why: u32): u64 {
  return word(refusalCountAt(why));
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

// What the copied image says of one address: the state of its record as of now, and the record's
// texts for people and for JSON. What is due counts as free, whether it was collected or not.
//
// In an image of another boot no time can be told: what was reserved or cooling there still is.
import { half, imageBase } from "../image/image";
import { member, valuePlain, valueText } from "../protocol/document";
import { RUNE_ERROR, runeAt, runeBytes, textByte, textRune } from "../protocol/text";
import {
  C_DUE,
  C_IFNAME,
  C_SINCE,
  cellByte,
  cellHead,
  cellKind,
  headAt,
  KIND_CONTAINER,
  KIND_NAME,
  KIND_NODE,
  KIND_SERVICE,
  STATE_ALLOCATION,
  STATE_COOLING,
} from "../records/cell";
import { idText, nameText, nextOfKind, textAt } from "../records/key";
import { isThisBoot } from "./place";
import { bootTime, sayMoment, wallOf } from "./times";

export const IS_FREE: i32 = 0;
export const IS_HELD: i32 = 1;
export const IS_RESERVED: i32 = 2;
export const IS_COOLING: i32 = 3;

/** A container's id is shown so far; JSON has all of it. */
const ID_SHOWN: i32 = 13;
/** A due time that never comes. */
export const NEVER: u32 = u32.MAX_VALUE;

/** The head that `holdingOf` has found. */
export let holdingHead: u32 = 0;
/** Until when it is reserved or cools (seconds of CLOCK_BOOTTIME). */
export let holdingDue: u32 = 0;

/** IS_... of the record to which `cell` belongs; sets holdingHead, holdingDue. */
export function holdingOf(cell: u32): i32 {
  const head = headAt(cellHead(cell));
  holdingHead = head;
  const state = cellByte(head, 5);
  if (state == STATE_ALLOCATION) return IS_HELD;
  holdingDue = half((state == STATE_COOLING ? cell : head) + C_DUE);
  if (isThisBoot && holdingDue <= bootTime()) return IS_FREE;
  return state == STATE_COOLING ? IS_COOLING : IS_RESERVED;
}

/** held, reserved, cooling, free. */
export function stateWord(state: i32): string {
  if (state == IS_HELD) return "held";
  if (state == IS_RESERVED) return "reserved";
  return state == IS_COOLING ? "cooling" : "free";
}

/** container, node, service, other. */
function kindWord(kind: u32): string {
  if (kind == KIND_CONTAINER) return "container";
  if (kind == KIND_NODE) return "node";
  return kind == KIND_SERVICE ? "service" : "other";
}

/** Bytes of a stored text with control characters and broken UTF-8 made harmless for a terminal. */
export function sayClean(at: usize, bytes: i32): void {
  const end = at + bytes;
  for (let p = at; p < end; p += runeBytes) {
    const rune = runeAt(p, end);
    // U+007F to U+009F are control characters, too; what isn't UTF-8 reads as U+FFFD.
    textRune(rune < 32 || (rune >= 127 && rune < 160) ? RUNE_ERROR : rune);
  }
}

/** Since when the record is as it is (seconds of CLOCK_BOOTTIME). */
export function holdingSince(head: u32): u32 {
  return half(head + C_SINCE);
}

/** Writes the record's name, or nothing. */
export function sayName(head: u32): void {
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0) sayClean(textAtAfter(name), lastBytes);
}

let lastBytes: i32 = 0;
function textAtAfter(name: u32): usize {
  lastBytes = <i32>nameText(name);
  return textAt;
}

/** Writes the owner's id as people read it, and its interface. */
export function sayOwner(head: u32): void {
  const bytes = <i32>idText(head);
  const cut = cellKind(head) == KIND_CONTAINER && bytes > 40;
  sayClean(textAt, cut ? ID_SHOWN : bytes);
}

/** Has the owner an interface? */
export function hasInterface(head: u32): bool {
  return cellByte(head, 6) != 0;
}

/** Writes the interface of the owner. */
export function sayInterface(head: u32): void {
  sayClean(imageBase() + head + C_IFNAME, min<i32>(<i32>cellByte(head, 6), 15));
}

/** The members owner, kind, interface, name, since, until of an open JSON object. */
export function jsonRecord(head: u32, state: i32): void {
  const bytes = <i32>idText(head);
  if (bytes != 0) {
    member("owner");
    valueText(textAt, bytes);
    member("kind");
    valuePlain(kindWord(cellKind(head)));
  }
  const ifBytes = min<i32>(<i32>cellByte(head, 6), 15);
  if (ifBytes != 0) {
    member("interface");
    valueText(imageBase() + head + C_IFNAME, ifBytes);
  }
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0) {
    const nameBytes = <i32>nameText(name);
    member("name");
    valueText(textAt, nameBytes);
  }
  if (!isThisBoot) return;
  member("since");
  jsonMoment(wallOf(holdingSince(head)));
  if (state == IS_HELD || holdingDue == NEVER) return;
  member("until");
  jsonMoment(wallOf(holdingDue));
}

/** A moment as a JSON string. */
export function jsonMoment(seconds: u64): void {
  textByte(34);
  sayMoment(seconds);
  textByte(34);
}

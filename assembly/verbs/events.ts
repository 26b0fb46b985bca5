// Events in words: what `history` and `explain` tell of the recorder, and which of its events
// belong to an address, a name or a container.

import { half, imageBase, word } from "../image/image";
import {
  FAIL_BUSY,
  FAIL_DUPLICATE,
  FAIL_EXCLUDED,
  FAIL_EXHAUSTED,
  FAIL_GATEWAY,
  FAIL_LEFTOVER,
  FAIL_NO_SPACE,
  FAIL_TAKEN,
} from "../pool/allocator";
import {
  close,
  item,
  member,
  open,
  valueNumber,
  valuePlain,
  valueText,
} from "../protocol/document";
import {
  ERROR_ANNOTATION,
  ERROR_DISK,
  ERROR_EXCLUDED,
  ERROR_PLUGIN,
  ERROR_TAKEN,
  ERROR_TRY_AGAIN,
} from "../protocol/errors";
import { REFUSED_ANNOTATION, REFUSED_FIXED } from "../protocol/refusal";
import { textNumber, textString } from "../protocol/text";
import { cellByte, cellHasFamily, cellHi, cellLo, cellNumber, nameHash } from "../records/cell";
import {
  CAUSE_FILE,
  CAUSE_GC,
  CAUSE_NAME,
  CAUSE_NOTE,
  CAUSE_OPERATOR,
  CAUSE_REBOOT,
  E_ENDED,
  E_EXTRA,
  E_ID,
  E_NAME,
  E_NAME_HASH,
  E_NUMBER,
  E_TIMES,
  E_WALL,
  EVENT_ADOPTED,
  EVENT_EXPIRED,
  EVENT_GIVEN,
  EVENT_ID_BYTES,
  EVENT_NAME_BYTES,
  EVENT_REBOOT,
  EVENT_REFUSED,
  EVENT_RELEASED,
  EVENT_RESERVED,
  EVENT_RETAKEN,
  EVENT_YIELDED,
  EVENTS,
  eventIsOfContainer,
  eventWall,
  H_EVENT_NEXT,
} from "../records/eventcell";
import { jsonMoment, NEVER, sayClean } from "./holding";
import { sayAddress, sayQuoted } from "./print";
import { isAddress, targetAt, targetBytes, targetFamily, targetHi, targetLo } from "./target";
import { saySpan } from "./times";

/** The word for what an event tells. */
export function eventWord(cell: u32): string {
  switch (cellByte(cell, 5)) {
    case EVENT_GIVEN:
      return "given";
    case EVENT_RELEASED:
      return "released";
    case EVENT_RESERVED:
      return "reserved";
    case EVENT_RETAKEN:
      return "given back";
    case EVENT_EXPIRED:
      return "expired";
    case EVENT_YIELDED:
      return "yielded";
    case EVENT_REFUSED:
      return "refused";
    case EVENT_ADOPTED:
      return "adopted";
    case EVENT_REBOOT:
      return "reboot";
    default:
      return "unknown";
  }
}

/** Why an ADD was refused. */
export function refusalWord(why: u32): string {
  switch (<i32>why) {
    case FAIL_DUPLICATE:
      return "it holds addresses already";
    case FAIL_EXHAUSTED:
      return "nothing was free";
    case FAIL_GATEWAY:
      return "the address is the gateway";
    case FAIL_EXCLUDED:
      return "the address is excluded";
    case FAIL_TAKEN:
    case REFUSED_FIXED:
      return "the address wasn't free";
    case FAIL_LEFTOVER:
      return "no range set has the address";
    case FAIL_NO_SPACE:
      return "the state couldn't grow";
    case REFUSED_ANNOTATION:
      return "an annotation can't be followed";
    default:
      return "another container of its name holds the address";
  }
}

/** The code of the error that a refusal is. */
export function refusalCode(why: u32): i32 {
  switch (<i32>why) {
    case FAIL_EXCLUDED:
      return ERROR_EXCLUDED;
    case FAIL_NO_SPACE:
      return ERROR_DISK;
    case FAIL_BUSY:
      return ERROR_TRY_AGAIN;
    case REFUSED_FIXED:
      return ERROR_TAKEN;
    case REFUSED_ANNOTATION:
      return ERROR_ANNOTATION;
    default:
      return ERROR_PLUGIN;
  }
}

function causeWord(cause: u32): string {
  if (cause == CAUSE_NOTE) return "DEL note";
  if (cause == CAUSE_GC) return "GC";
  if (cause == CAUSE_FILE) return "host-local";
  if (cause == CAUSE_NAME) return "another pod of its name";
  if (cause == CAUSE_REBOOT) return "reboot";
  return cause == CAUSE_OPERATOR ? "operator" : "DEL";
}

/** Events that may be kept: from this number on. */
export function eventsFrom(): u64 {
  const next = word(H_EVENT_NEXT);
  return next > <u64>EVENTS ? next - <u64>EVENTS : 0;
}

function idBytes(cell: u32): i32 {
  return min<i32>(<i32>cellByte(cell, 14), <i32>EVENT_ID_BYTES);
}

function nameBytes(cell: u32): i32 {
  return min<i32>(<i32>cellByte(cell, 15), <i32>EVENT_NAME_BYTES);
}

/** Does the event belong to the target: its address, its name, or the beginning of its id? */
export function eventIsOf(cell: u32): bool {
  if (targetBytes == 0) return true;
  if (isAddress) {
    const has = cellHasFamily(cell, <u32>targetFamily);
    const family = <u32>targetFamily;
    return has && cellHi(cell, family) == targetHi && cellLo(cell, family) == targetLo;
  }
  const hash = word(cell + E_NAME_HASH);
  if (hash != 0 && hash == nameHash(targetAt, <u32>targetBytes)) return true;
  const n = min<i32>(idBytes(cell), targetBytes);
  if (n < min<i32>(targetBytes, <i32>EVENT_ID_BYTES) || n == 0) return false;
  return memory.compare(imageBase() + cell + E_ID, targetAt, <usize>n) == 0;
}

/** Does a container hold addresses after this event? */
export function eventGives(cell: u32): bool {
  const what = cellByte(cell, 5);
  const gives = what == EVENT_GIVEN || what == EVENT_RETAKEN || what == EVENT_ADOPTED;
  return gives && eventIsOfContainer(cell);
}

/** Does the event end what containers of an earlier boot held? */
export function eventIsReboot(cell: u32): bool {
  return cellByte(cell, 5) == EVENT_REBOOT && half(cell + E_EXTRA) != 0;
}

/** Writes an event's addresses, one after the other. */
export function sayEventAddresses(cell: u32): void {
  if (cellHasFamily(cell, 4)) sayAddress(4, 0, cellLo(cell, 4));
  if (cellHasFamily(cell, 4) && cellHasFamily(cell, 6)) textString(" ");
  if (cellHasFamily(cell, 6)) sayAddress(6, cellHi(cell, 6), cellLo(cell, 6));
}

/** Writes the name as far as it is kept. */
export function sayEventName(cell: u32): void {
  sayClean(imageBase() + cell + E_NAME, nameBytes(cell));
  if (<i32>cellByte(cell, 15) > <i32>EVENT_NAME_BYTES) textString("...");
}

/** Is there a name? */
export function eventHasName(cell: u32): bool {
  return nameBytes(cell) > 0;
}

/** Writes the beginning of the owner's id. */
export function sayEventOwner(cell: u32): void {
  sayClean(imageBase() + cell + E_ID, idBytes(cell));
}

// Is it an event that no call has written yet (pending.ts)?
function isPending(cell: u32): bool {
  return cellNumber(cell) == 0;
}

function sayReboot(cell: u32): void {
  const lapsed = half(cell + E_EXTRA);
  textNumber(lapsed);
  textString(
    lapsed == 1 ? " container of the boot before holds" : " containers of the boot before hold",
  );
  textString(" nothing");
  if (half(cell + E_TIMES) > 1) {
    textString(", ");
    textNumber(half(cell + E_TIMES) - 1);
    textString(" of them left a reservation");
  }
  if (half(cell + E_ENDED) == 0) return;
  textString("; reservations that were over: ");
  textNumber(half(cell + E_ENDED));
}

/** Writes what else there is to say. */
export function sayEventNote(cell: u32): void {
  const extra = half(cell + E_EXTRA);
  switch (cellByte(cell, 5)) {
    case EVENT_RELEASED:
    case EVENT_RESERVED:
      textString("by ");
      textString(causeWord(cellByte(cell, 6)));
      if (extra == 0 || extra == NEVER) return;
      textString(cellByte(cell, 5) == EVENT_RELEASED ? ", cools for " : ", for ");
      saySpan(extra);
      return;
    case EVENT_YIELDED:
      textString("nothing else was free; ");
      saySpan(extra);
      textString(" of its cool-down were left");
      return;
    case EVENT_EXPIRED:
      if (isPending(cell)) textString("nobody has called since");
      else if (extra > 0) {
        saySpan(extra);
        textString(" before the next call");
      }
      return;
    case EVENT_REBOOT:
      sayReboot(cell);
      return;
    case EVENT_REFUSED:
      textString("code ");
      textNumber(extra);
      textString(": ");
      textString(refusalWord(cellByte(cell, 6)));
      if (half(cell + E_TIMES) < 2) return;
      textString(", ");
      textNumber(half(cell + E_TIMES));
      textString(" times");
  }
}

/** Does sayEventNote write anything? */
export function eventHasNote(cell: u32): bool {
  const what = cellByte(cell, 5);
  if (what == EVENT_EXPIRED) return isPending(cell) || half(cell + E_EXTRA) > 0;
  return what != EVENT_GIVEN && what != EVENT_RETAKEN && what != EVENT_ADOPTED;
}

/** An event as an item of a JSON list. */
export function jsonEvent(cell: u32): void {
  const what = cellByte(cell, 5);
  item();
  open(123);
  if (!isPending(cell)) {
    member("number");
    valueNumber(half(cell + E_NUMBER));
  }
  member("time");
  jsonMoment(eventWall(cell));
  member("event");
  valuePlain(eventWord(cell));
  member("addresses");
  open(91);
  for (let family: u32 = 4; family <= 6; family += 2) {
    if (!cellHasFamily(cell, family)) continue;
    item();
    sayQuoted(<i32>family, cellHi(cell, family), cellLo(cell, family));
  }
  close(93);
  if (idBytes(cell) > 0) {
    member("owner");
    valueText(imageBase() + cell + E_ID, idBytes(cell));
  }
  if (nameBytes(cell) > 0) {
    member("name");
    valueText(imageBase() + cell + E_NAME, nameBytes(cell));
  }
  jsonExtra(cell, what);
  close(125);
}

function jsonExtra(cell: u32, what: u32): void {
  const extra = half(cell + E_EXTRA);
  if (what == EVENT_RELEASED || what == EVENT_RESERVED) {
    member("by");
    valuePlain(causeWord(cellByte(cell, 6)));
  }
  if (what == EVENT_REFUSED) {
    member("code");
    valueNumber(extra);
    member("reason");
    valuePlain(refusalWord(cellByte(cell, 6)));
    member("times");
    valueNumber(half(cell + E_TIMES));
  } else if (what == EVENT_REBOOT) {
    member("lapsed");
    valueNumber(extra);
    member("reserved");
    valueNumber(half(cell + E_TIMES) - 1);
    member("expired");
    valueNumber(half(cell + E_ENDED));
  } else if (what == EVENT_EXPIRED) {
    if (isPending(cell)) return;
    member("noticed");
    jsonMoment(half(cell + E_WALL));
  } else if (extra != 0 && extra != NEVER) {
    member("seconds");
    valueNumber(extra);
  }
}

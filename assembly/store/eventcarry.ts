// Carrying the recorder over a reboot: the events of the old image, found by scanning as records
// are, go into a ring of the new one, the newest EVENTS of them, then those of the reservations
// whose time was over before anybody called again, those of the reservations that containers of the
// old boot leave (NOTED_MAX of each; the rest is counted), and one more says that another boot
// began. One pass over the old image's cells.
//
//   noted   | head u32 | - | number u64 |   x NOTED_MAX
//   ended   | event, as eventcell.ts draws it |  x NOTED_MAX
import { checksum } from "../image/header";
import { half, putWord } from "../image/image";
import {
  C_DUE,
  C_SINCE,
  C_V4,
  C_V6,
  CELL_BYTES,
  cellByte,
  cellHead,
  cellIsSound,
  cellNumber,
  headAt,
  KIND_EVENT,
  STATE_RESERVATION,
} from "../records/cell";
import {
  eventAppend,
  eventBy,
  eventCarry,
  eventDrafts,
  eventMayBegin,
  eventReboot,
} from "../records/event";
import {
  CAUSE_REBOOT,
  EVENT_EXPIRED,
  EVENT_RESERVED,
  EVENT_RING_BYTES,
  H_YIELDS,
  REFUSALS,
  refusalCountAt,
} from "../records/eventcell";
import { recordByAddress } from "../records/record";
import { scratchTake } from "../scratch";
import { imageRoom } from "./files";

/** Reservations that a reboot makes of which each is told: a quarter of the ring. */
const NOTED_MAX: u32 = 256;

let noted: usize = 0;
let count: u32 = 0;
let ended: usize = 0;
let endedCells: u32 = 0;
let endedCount: u32 = 0;

/** Begins to note the reservations that this reboot makes, and those that are over. */
export function reservedBegin(): void {
  noted = scratchTake(<usize>NOTED_MAX * 16);
  ended = scratchTake(<usize>(NOTED_MAX * CELL_BYTES));
  count = 0;
  endedCells = 0;
  endedCount = 0;
}

/** Notes one at `head` of the old image, which is attached, that is over since `late` seconds. */
export function endedNote(head: u32, late: u32): void {
  const at = ended + <usize>(endedCells * CELL_BYTES);
  endedCells += eventDrafts(EVENT_EXPIRED, head, late, at, NOTED_MAX - endedCells);
  endedCount++;
}

// Has a record that is younger than the event at `p` its address? Then the record that the event
// tells of was one of the old pages that a power cut leaves.
function isOutdone(p: usize, family: u32): bool {
  const bit: u32 = family == 4 ? 1 : 2;
  if ((<u32>load<u8>(p, 7) & bit) == 0) return false;
  const hi = family == 4 ? 0 : load<u64>(p, C_V6);
  const lo = family == 4 ? <u64>load<u32>(p, C_V4) : load<u64>(p, C_V6 + 8);
  const cell = recordByAddress(family, hi, lo);
  return cell != 0 && cellNumber(headAt(cellHead(cell))) > (load<u64>(p, 8) & 0xffffffffffff);
}

// Their events: they come before what this reboot reserves anew.
function endedTell(number: u64): void {
  for (let n: u32 = 0; n < endedCells; n++) {
    const p = ended + <usize>(n * CELL_BYTES);
    if (!isOutdone(p, 4) && !isOutdone(p, 6)) eventAppend(p, number);
  }
}

/** Notes one, at `head` of the new image. */
export function reservedNote(head: u32): void {
  if (count < NOTED_MAX) {
    const p = noted + ((<usize>count) << 4);
    store<u32>(p, head);
    store<u64>(p, cellNumber(head), 8);
  }
  count++;
}

// Their events, but of those that a younger record has ended since: those aren't counted either.
function reservedTell(number: u64): void {
  let gone: u32 = 0;
  for (let n: u32 = 0; n < min<u32>(count, NOTED_MAX); n++) {
    const p = noted + ((<usize>n) << 4);
    const head = load<u32>(p);
    const isThere = cellIsSound(head) && cellByte(head, 5) == STATE_RESERVATION;
    if (!isThere || cellNumber(head) != load<u64>(p, 8)) {
      gone++;
      continue;
    }
    eventBy(
      CAUSE_REBOOT,
      EVENT_RESERVED,
      head,
      half(head + C_DUE) - half(head + C_SINCE),
      0,
      number,
    );
  }
  count -= gone;
}

function isEvent(cell: usize): bool {
  if (load<u8>(cell, 4) != <u8>KIND_EVENT) return false;
  return load<u32>(cell) == <u32>checksum(cell + 4, CELL_BYTES - 4);
}

/**
 * Carries the events of the old image, `bytes` at `base` in memory, into the attached new one.
 * `lapsed` containers of the old boot hold nothing any more. Where there is no room they are lost.
 */
export function eventsCarry(base: usize, bytes: u32, lapsed: u32, number: u64): void {
  putWord(H_YIELDS, load<u64>(base + H_YIELDS));
  for (let why: u32 = 1; why <= REFUSALS; why++) {
    const at = refusalCountAt(why);
    putWord(at, load<u64>(base + at));
  }
  if (imageRoom(EVENT_RING_BYTES + 4096) < 0) return;
  eventMayBegin();
  for (let at: u32 = 4096; at <= bytes - CELL_BYTES; at += CELL_BYTES) {
    if (isEvent(base + at)) eventCarry(base + at);
  }
  endedTell(number);
  reservedTell(number);
  eventReboot(lapsed, count, endedCount, number);
}

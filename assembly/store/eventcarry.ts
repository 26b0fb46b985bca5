// Carrying the recorder over a reboot: the events of the old image, found by scanning as records
// are, go into a ring of the new one, the newest EVENTS of them, then those of the reservations
// that containers of the old boot leave (NOTED_MAX; the rest is counted), and one more says that
// another boot began. One pass over the old image's cells.
//
//   noted   | head u32 | - | number u64 |   x NOTED_MAX
import { checksum } from "../image/header";
import { half, putWord } from "../image/image";
import {
  C_DUE,
  C_SINCE,
  CELL_BYTES,
  cellByte,
  cellIsSound,
  cellNumber,
  KIND_EVENT,
  STATE_RESERVATION,
} from "../records/cell";
import {
  CAUSE_REBOOT,
  EVENT_REBOOT,
  EVENT_RESERVED,
  EVENT_RING_BYTES,
  eventBy,
  eventCarry,
  eventMayBegin,
  eventPlain,
  H_YIELDS,
  REFUSALS,
} from "../records/event";
import { scratchTake } from "../scratch";
import { imageRoom } from "./files";

/** Reservations that a reboot makes of which each is told: a quarter of the ring. */
const NOTED_MAX: u32 = 256;

let noted: usize = 0;
let count: u32 = 0;

/** Begins to note the reservations that this reboot makes. */
export function reservedBegin(): void {
  noted = scratchTake(<usize>NOTED_MAX * 16);
  count = 0;
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

// Their events, but of those that a younger record has ended since.
function reservedTell(number: u64): void {
  for (let n: u32 = 0; n < min<u32>(count, NOTED_MAX); n++) {
    const p = noted + ((<usize>n) << 4);
    const head = load<u32>(p);
    if (!cellIsSound(head) || cellByte(head, 5) != STATE_RESERVATION) continue;
    if (cellNumber(head) != load<u64>(p, 8)) continue;
    eventBy(
      CAUSE_REBOOT,
      EVENT_RESERVED,
      head,
      half(head + C_DUE) - half(head + C_SINCE),
      0,
      number,
    );
  }
}

function isEvent(cell: usize): bool {
  if (load<u8>(cell, 4) != <u8>KIND_EVENT) return false;
  return load<u32>(cell) == <u32>checksum(cell + 4, CELL_BYTES - 4);
}

/**
 * Carries the events of the old image, `bytes` at `base` in memory, into the attached new one.
 * `lapsed` containers of the old boot hold nothing any more. Where there is no room they are lost.
 */
export function eventsCarry(base: usize, bytes: u32, lapsed: u32, now: u32, number: u64): void {
  for (let at = H_YIELDS; at <= H_YIELDS + REFUSALS * 8; at += 8) {
    putWord(at, load<u64>(base + at));
  }
  if (imageRoom(EVENT_RING_BYTES + 4096) < 0) return;
  eventMayBegin();
  for (let at: u32 = 4096; at <= bytes - CELL_BYTES; at += CELL_BYTES) {
    if (isEvent(base + at)) eventCarry(base + at);
  }
  reservedTell(number);
  eventPlain(EVENT_REBOOT, lapsed, count + 1, now, number);
}

// Carrying the recorder over a reboot: the events of the old image, found by scanning as records
// are, go into a ring of the new one, the newest EVENTS of them, and one more says that another
// boot began. One pass over the old image's cells.
import { checksum } from "../image/header";
import { putWord } from "../image/image";
import { CELL_BYTES, KIND_EVENT } from "../records/cell";
import {
  EVENT_REBOOT,
  EVENT_RING_BYTES,
  eventCarry,
  eventMayBegin,
  eventPlain,
  H_YIELDS,
  REFUSALS,
} from "../records/event";
import { imageRoom } from "./files";

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
  eventPlain(EVENT_REBOOT, lapsed, now, number);
}

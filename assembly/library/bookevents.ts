// What an Ipam tells of the flight recorder: the numbers of the events that are kept, and each of
// them. Nothing here changes the image. Cost: one cell an event.

import { half, imageBase, word } from "../image/image";
import { cellByte, cellHasFamily, cellHi, cellLo } from "../records/cell";
import {
  E_EXTRA,
  E_ID,
  E_NAME,
  E_TIMES,
  EVENT_EXPIRED,
  EVENT_ID_BYTES,
  EVENT_NAME_BYTES,
  EVENTS,
  eventAt,
  eventWall,
  H_EVENT_NEXT,
} from "../records/eventcell";
import { block, output } from "./book";
import { NAME_AT, OWNER_AT } from "./booknumbers";

/** Out 0: the number of the oldest event that may be kept; out 1: that of the next to come. */
export function bookEvents(): void {
  const next = word(H_EVENT_NEXT);
  output(0, next > <u64>EVENTS ? next - <u64>EVENTS : 0);
  output(1, next);
}

/**
 * Tells event `n`: the beginnings of its owner's id and of its name in the block; out 0 what | 1
 * cause | 2 Unix seconds | 3 extra | 4 times | 5 has IPv4 | 6 it | 7 has IPv6 | 8 hi | 9 lo |
 * 10, 11 bytes of the texts. false: it isn't kept.
 */
export function bookEvent(n: u64): bool {
  const cell = eventAt(n);
  if (cell == 0) return false;
  output(0, cellByte(cell, 5));
  output(1, cellByte(cell, 6));
  output(2, eventWall(cell));
  output(3, cellByte(cell, 5) == EVENT_EXPIRED ? 0 : half(cell + E_EXTRA));
  output(4, half(cell + E_TIMES));
  const four = cellHasFamily(cell, 4);
  output(5, four ? 1 : 0);
  output(6, four ? cellLo(cell, 4) : 0);
  const six = cellHasFamily(cell, 6);
  output(7, six ? 1 : 0);
  output(8, six ? cellHi(cell, 6) : 0);
  output(9, six ? cellLo(cell, 6) : 0);
  const idBytes = min<u32>(cellByte(cell, 14), EVENT_ID_BYTES);
  memory.copy(block + OWNER_AT, imageBase() + cell + E_ID, idBytes);
  output(10, idBytes);
  const nameBytes = min<u32>(cellByte(cell, 15), EVENT_NAME_BYTES);
  memory.copy(block + NAME_AT, imageBase() + cell + E_NAME, nameBytes);
  output(11, nameBytes);
  return true;
}

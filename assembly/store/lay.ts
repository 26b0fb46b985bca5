// Laying the log of another boot over its image: what is whole of it, synced or not (rebuild.ts
// says why). Entries may be torn, so every 8 bytes can begin one. Cost: one pass over the log.
//
//   berth.log   | ... | LAY_BYTES in memory from `from` on | ... |

import * as host from "../host";
import { appliedGeneration, appliedNumber, H_LENGTH, HEADER_BYTES } from "../image/header";
import { CELL_BYTES, cellIsSound, cellNumber } from "../records/cell";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import {
  ENTRY_HEADER_BYTES,
  ENTRY_MAX,
  entryOffset,
  entrySound,
  entryValue,
  entryWords,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  logHeaderIsOurs,
} from "./log";

/** Bytes of the log that are looked at together. */
const LAY_BYTES: u32 = 1048576;

let base: usize = 0;
let bytes: u32 = 0;

// Lays one entry over the old view, cell by cell, where the cell there isn't younger; of the header
// what the journal writes (whether containers stay, cursors), where its page is older.
function layOver(entry: usize): void {
  const number = load<u64>(entry, 16);
  const words = entryWords(entry);
  for (let n: u32 = 0; n < words; n++) {
    const offset = entryOffset(entry, n);
    const cell = offset & ~(CELL_BYTES - 1);
    if (cell < HEADER_BYTES) {
      if (offset < H_LENGTH || number <= appliedNumber()) continue;
    } else {
      if (cell > bytes - CELL_BYTES) continue;
      if (cellIsSound(cell) && cellNumber(cell) > number) continue;
    }
    store<u64>(base + offset, entryValue(entry, n));
  }
}

/** -errno of the log's last `layLog`, 0 = all of it could be read. */
export let layStatus: i32 = 0;

function readLog(log: i32, from: u32, into: usize): u32 {
  const have = host.read(log, from, into, LAY_BYTES);
  if (have < 0) layStatus = have;
  return <u32>max(0, have);
}

/**
 * Lays the whole log of another boot over the view of its image (`imageBytes` at `imageAt`, its
 * header read). Answers the youngest generation seen: the header's page may be older than the log.
 * What couldn't be read is in `layStatus`: then the image must not be replaced, since what was
 * synced is in the log alone.
 */
export function layLog(log: i32, imageAt: usize, imageBytes: u32): u64 {
  base = imageAt;
  bytes = imageBytes;
  let youngest = appliedGeneration();
  const mark = scratchMark();
  const at = scratchTake(<usize>LAY_BYTES);
  const end = <u32>min<i64>(host.size(log), <i64>LOG_BYTES_MAX);
  let from: u32 = 0;
  layStatus = 0;
  let have = readLog(log, 0, at);
  if (have > LOG_HEADER_BYTES && logHeaderIsOurs(at)) {
    youngest = max<u64>(youngest, load<u64>(at, 32));
  }
  let p: u32 = LOG_HEADER_BYTES;
  let last: u64 = 0;
  for (let step: u32 = 0; step < LOG_BYTES_MAX / 8; step++) {
    if (p - from + ENTRY_MAX > have && from + have < end) {
      from = p;
      have = readLog(log, p, at);
    }
    if (p - from + ENTRY_HEADER_BYTES > have) break;
    const entry = at + (p - from);
    const room = min<u32>(have - (p - from), ENTRY_MAX);
    const generation = load<u64>(entry, 8);
    const old = generation < appliedGeneration();
    const size = old ? 0 : entrySound(entry, room, generation, load<u64>(entry, 16));
    // Behind the last entry lie those of the generation before: the checkpoint has them.
    if (size != 0 && load<u64>(entry, 16) < last) break;
    if (size != 0) last = load<u64>(entry, 16);
    if (size != 0 && generation > youngest) youngest = generation;
    if (size != 0) layOver(entry);
    p += size != 0 ? size : 8;
  }
  scratchRewind(mark);
  return youngest;
}

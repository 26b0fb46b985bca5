// What an Ipam tells: records by owner, address and name, why an address is free or not, walks in
// order, counts, faults. Nothing here changes the image. What is due counts as gone, whether it was
// collected or not.

import { arenaBump } from "../image/arena";
import {
  A_NUMBER,
  A_TAIL,
  appliedGeneration,
  EXPIRY,
  H_COOLING,
  H_HELD,
  H_POOLS,
  H_RESERVED,
  headerField,
  TREE4,
  TREE6,
} from "../image/header";
import { half, imageBase, imageLength, word } from "../image/image";
import { poolReason, REASON_EXCLUDED, REASON_GATEWAY, treeOf } from "../pool/pool";
import {
  C_DUE,
  C_IFNAME,
  C_SINCE,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellKind,
  cellLo,
  headAt,
  KIND_MORE,
  KIND_NAME,
  STATE_ALLOCATION,
  STATE_COOLING,
} from "../records/cell";
import { DUE_RESERVED } from "../records/expiry";
import { CHAIN_MAX, idText, nameText, nextOfKind, textAt } from "../records/key";
import { poolByAddress } from "../records/poolcell";
import { olderOfName, recordByAddress, recordByName, recordByOwner } from "../records/record";
import { foundHi, foundLo, radixCount, radixNextTaken } from "../sets/radix";
import { batchWords } from "../store/batch";
import { entryBytes, logBytes } from "../store/log";
import { block, output } from "./book";
import {
  IFNAME_AT,
  IS_ALLOCATED,
  IS_COOLING,
  IS_EXCLUDED,
  IS_FREE,
  IS_GATEWAY,
  IS_OUTSIDE,
  IS_RESERVED,
  NAME_AT,
  OWNER_AT,
} from "./booknumbers";
import { poolRange } from "./bookpools";

// State of a record as of `now`: IS_FREE if its time is over.
function stateOf(head: u32, cell: u32, now: u32): i32 {
  const state = cellByte(head, 5);
  if (state == STATE_ALLOCATION) return IS_ALLOCATED;
  const due = half((state == STATE_COOLING ? cell : head) + C_DUE);
  if (due <= now) return IS_FREE;
  return state == STATE_COOLING ? IS_COOLING : IS_RESERVED;
}

/** The allocation of an owner, or 0. */
export function bookFindOwner(kind: u32, idBytes: u32, ifBytes: u32): u32 {
  return recordByOwner(kind, block + OWNER_AT, idBytes, block + IFNAME_AT, ifBytes);
}

/** The newest record of a name, or 0; out 0: its NAME cell, for bookOlder. */
export function bookFindName(nameBytes: u32): u32 {
  return tellName(recordByName(block + NAME_AT, nameBytes));
}

/** The next older record of the same name, or 0; out 0: its NAME cell. */
export function bookOlder(cell: u32): u32 {
  return tellName(olderOfName(cell));
}

function tellName(cell: u32): u32 {
  output(0, cell);
  return cell == 0 ? 0 : headAt(cellHead(cell));
}

/**
 * Why an address is free or not (IS_ ...). Out 0: the record's head, or 0; out 1: the pool, or 0;
 * out 2: seconds of CLOCK_BOOTTIME until which it is cooling or reserved.
 */
export function bookExplain(family: u32, hi: u64, lo: u64, now: u32): i32 {
  const pool = poolByAddress(family, hi, lo);
  output(0, 0);
  output(1, pool);
  const cell = recordByAddress(family, hi, lo);
  if (cell != 0) {
    const head = headAt(cellHead(cell));
    const state = stateOf(head, cell, now);
    if (state != IS_FREE) {
      output(0, head);
      output(2, half((state == IS_COOLING ? cell : head) + C_DUE));
      return state;
    }
  }
  if (pool == 0) return IS_OUTSIDE;
  const reason = poolReason(poolRange(pool), hi, lo);
  if (reason == REASON_GATEWAY) return IS_GATEWAY;
  return reason == REASON_EXCLUDED ? IS_EXCLUDED : IS_FREE;
}

/**
 * Tells a record: its id, interface and name in the block; out 0 state as of `now` | 1 kind | 2
 * since | 3 due | 4 to 6 bytes of the texts | 7 addresses | from 8 on | hi | lo | family | pool |.
 */
export function bookRecord(head: u32, now: u32): void {
  headAt(head);
  output(1, cellKind(head));
  output(2, half(head + C_SINCE));
  output(3, cellByte(head, 5) == STATE_ALLOCATION ? 0 : half(head + C_DUE));
  const idBytes = idText(head);
  memory.copy(block + OWNER_AT, textAt, idBytes);
  const ifBytes = min<u32>(cellByte(head, 6), 15);
  memory.copy(block + IFNAME_AT, imageBase() + head + C_IFNAME, ifBytes);
  const name = nextOfKind(head, KIND_NAME);
  const nameBytes: u32 = name == 0 ? 0 : nameText(name);
  if (nameBytes != 0) memory.copy(block + NAME_AT, textAt, min<u32>(nameBytes, 512));
  output(4, idBytes);
  output(5, ifBytes);
  output(6, min<u32>(nameBytes, 512));
  tellAddresses(head, now);
}

// A record's cells in the order in which they got their addresses: head, then MORE cells, of which
// the last made is the first in the chain.
function tellAddresses(head: u32, now: u32): void {
  let count: u32 = 0;
  let state = IS_FREE;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family)) continue;
      if (state == IS_FREE) state = stateOf(head, cell, now);
      const hi = cellHi(cell, family);
      const lo = cellLo(cell, family);
      output(8 + count * 4, hi);
      output(9 + count * 4, lo);
      output(10 + count * 4, family);
      output(11 + count * 4, poolByAddress(family, hi, lo));
      count++;
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
  output(0, <u64>state);
  output(7, count);
}

// The first address of a record that a walk by address meets.
function isFirst(head: u32, cell: u32, family: u32, lo: u64, hi: u64): bool {
  let at = head;
  let first: u32 = 0;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    for (let f: u32 = 4; f <= family; f += 2) {
      if (!cellHasFamily(at, f)) continue;
      if (f < family) return false;
      const h = cellHi(at, f);
      if (h < hi || (h == hi && cellLo(at, f) < lo)) return false;
      if (at == cell) first = at;
    }
    at = nextOfKind(at, KIND_MORE);
  }
  return first == cell;
}

/**
 * The next allocation in order of its lowest address, IPv4 before IPv6, at or after (family, hi,
 * lo); 0 = no more. Out 0, 1: that address.
 */
export function bookNext(family: u32, fromHi: u64, fromLo: u64): u32 {
  let hi = fromHi;
  let lo = fromLo;
  const tree = treeOf(<i32>family);
  const bound = radixCount(tree);
  for (let step: u64 = 0; step < bound; step++) {
    if (!radixNextTaken(tree, hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) return 0;
    hi = foundHi;
    lo = foundLo;
    const cell = recordByAddress(family, hi, lo);
    const head = cell == 0 ? 0 : headAt(cellHead(cell));
    const held = head != 0 && cellByte(head, 5) == STATE_ALLOCATION;
    if (held && isFirst(head, cell, family, lo, hi)) {
      output(0, hi);
      output(1, lo);
      return head;
    }
    lo++;
    if (lo == 0) hi++;
    if (lo == 0 && hi == 0) return 0;
  }
  return 0;
}

/** The next reservation at or after (due << 32 | head), in the order of expiry; out 0: its key. */
export function bookNextReserved(from: u64): u32 {
  if (!radixNextTaken(EXPIRY, DUE_RESERVED, from, DUE_RESERVED, u64.MAX_VALUE)) return 0;
  output(0, foundLo);
  return headAt(<u32>foundLo);
}

/**
 * Out: allocations | addresses cooling | reservations | pools | IPv4 taken | IPv6 taken | bytes of
 * the image | of it used | tail of the log | bytes of the log | commits | generation.
 */
export function bookStats(): void {
  output(0, word(H_HELD));
  output(1, word(H_COOLING));
  output(2, word(H_RESERVED));
  output(3, word(H_POOLS));
  output(4, radixCount(TREE4));
  output(5, radixCount(TREE6));
  output(6, imageLength());
  output(7, arenaBump());
  output(8, headerField(A_TAIL) + (batchWords != 0 ? entryBytes(batchWords) : 0));
  output(9, logBytes);
  output(10, load<u64>(imageBase(), A_NUMBER) + (batchWords != 0 ? 1 : 0));
  output(11, appliedGeneration());
}

/**
 * Out 0, 1: tail of the log and its generation. While words wait that are in no entry yet, the tail
 * is odd, where no entry ever ends.
 */
export function bookMarkOut(): void {
  output(0, headerField(A_TAIL) + (batchWords != 0 ? 1 : 0));
  output(1, appliedGeneration());
}

// Pools of the library as the image keeps them: a cell of 128 bytes that tells prefix, policy and
// cursor, further cells for a name and for what is excluded. Pools of one image never overlap, and
// they are never removed.
//
//        0        4      5       6       7         8                  14      15
//  POOL  | check  | 0x84 | policy| -     | families| number (48 bits) | length| 1: has gateway |
//       16        20          24          32           48           64        80       112
//        | next   | cool-down | excludes  | base hi lo | last hi lo | gateway | -      | cursor |
//  LABEL  5: bytes, 48: name            SKIP  5: intervals, 48: start hi lo end hi lo, at most 2
//
// The cursor is what `next` tries first, counted from the base (0 = the base; it wraps to 0 behind
// the last address of ::/0 by itself). It lies outside the checksum, so an allocation changes one
// or two words here and not a cell.
//
// Found by address: a radix tree per family holds the last address of each pool, so the first of
// them at or after an address is the only pool that can hold it; an index leads from there to the
// cell. Cost: two walks.

import { arenaTake } from "../image/arena";
import {
  H_POOLS,
  INDEX_POOL_NAME,
  INDEX_POOL4,
  INDEX_POOL6,
  POOLS4,
  POOLS6,
} from "../image/header";
import { half, imageBase, imageLength, putHalf, putWord, word } from "../image/image";
import { scratchTake } from "../scratch";
import { foundHi, foundLo, RADIX_OK, radixNextTaken, radixTake } from "../sets/radix";
import {
  addressKey,
  C_NEXT,
  C_SINCE,
  CELL_BYTES,
  cellAt,
  cellByte,
  cellIsSound,
  cellKind,
  cellPutByte,
  cellPutBytes,
  cellSeal,
  KIND_LABEL,
  KIND_POOL,
  KIND_SKIP,
  nameHash,
  TEXT_BYTES,
} from "./cell";
import { BY_LABEL, BY_LAST, CHAIN_MAX, nextOfKind, P_LAST } from "./key";
import { seekCell, seekCount, trieAdd, trieSeek } from "./trie";

/** Longest name of a pool (bytes). */
export const LABEL_MAX: u32 = TEXT_BYTES;
/** Intervals that one pool may exclude. */
const SKIPS_MAX: u32 = 256;
/** The set number of addresses that came from a pool of the library. */
export const SET_POOL: u32 = 32;

export const P_COOLDOWN: u32 = 20;
const P_SKIPS: u32 = 24;
export const P_BASE: u32 = 32;
const P_GATEWAY: u32 = 64;
export const P_CURSOR: u32 = 112;
const PAYLOAD: u32 = 48;
const SKIPS_PER_CELL: u32 = 2;
const SKIP_BYTES: u32 = 32;

/** What a pool is to be. */
@unmanaged
export class PoolSpec {
  family: u32;
  length: u32;
  baseHi: u64;
  baseLo: u64;
  lastHi: u64;
  lastLo: u64;
  policy: u32;
  cooldown: u32;
  hasGateway: u32;
  skipCount: u32;
  gatewayHi: u64;
  gatewayLo: u64;
  /** `skipCount` of | start hi | start lo | end hi | end lo |. */
  skips: usize;
  name: usize;
  nameBytes: u32;
}

/** The tree of a family's pools. */
function poolsOf(family: u32): u32 {
  return family == 4 ? POOLS4 : POOLS6;
}

/** The index of a family's pools. */
function poolIndexOf(family: u32): u32 {
  return family == 4 ? INDEX_POOL4 : INDEX_POOL6;
}

/** Family of a pool. */
export function poolFamily(cell: u32): u32 {
  return cellByte(cell, 7) == 1 ? 4 : 6;
}

/** Is there a sound POOL cell? Never traps. */
export function isPool(cell: u32): bool {
  if (cell & (CELL_BYTES - 1) || cell == 0 || cell > imageLength() - CELL_BYTES) return false;
  return cellKind(cell) == KIND_POOL && cellIsSound(cell);
}

/** The pool whose last address this is, or 0. */
function poolByLast(family: u32, hi: u64, lo: u64): u32 {
  trieSeek(poolIndexOf(family), addressKey(hi, lo));
  for (let i: u32 = 0; i < seekCount; i++) {
    const cell = seekCell(i);
    if (cell == 0) continue;
    cellAt(cell);
    if (word(cell + P_LAST) == hi && word(cell + P_LAST + 8) == lo) return cell;
  }
  return 0;
}

/** The pool whose last address is the first at or after this one, or 0. */
export function poolFrom(family: u32, hi: u64, lo: u64): u32 {
  const tree = poolsOf(family);
  if (!radixNextTaken(tree, hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) return 0;
  return poolByLast(family, foundHi, foundLo);
}

/** The pool that holds an address, or 0. */
export function poolByAddress(family: u32, hi: u64, lo: u64): u32 {
  const cell = poolFrom(family, hi, lo);
  if (cell == 0) return 0;
  const baseHi = word(cell + P_BASE);
  return baseHi < hi || (baseHi == hi && word(cell + P_BASE + 8) <= lo) ? cell : 0;
}

/** The pool of a name, or 0. */
export function poolByName(at: usize, bytes: u32): u32 {
  trieSeek(INDEX_POOL_NAME, nameHash(at, bytes));
  for (let i: u32 = 0; i < seekCount; i++) {
    const cell = seekCell(i);
    if (cell == 0) continue;
    const label = nextOfKind(cellAt(cell), KIND_LABEL);
    if (label == 0 || cellByte(label, 5) != bytes) continue;
    if (memory.compare(imageBase() + label + PAYLOAD, at, bytes) == 0) return cell;
  }
  return 0;
}

/** Address in memory of interval `n` of a SKIP cell's two. */
function skipAt(cell: u32, n: u32): usize {
  return imageBase() + cell + PAYLOAD + n * SKIP_BYTES;
}

// Hangs a zeroed cell behind the pool's own. 0 = no space.
function hang(pool: u32, kind: u32): u32 {
  const cell = arenaTake(CELL_BYTES);
  if (cell == 0) return 0;
  cellPutByte(cell, 4, kind);
  putHalf(cell + C_SINCE, pool);
  putHalf(cell + C_NEXT, half(pool + C_NEXT));
  putHalf(pool + C_NEXT, cell);
  return cell;
}

function hangLabel(pool: u32, s: PoolSpec, number: u64): bool {
  const cell = hang(pool, KIND_LABEL);
  if (cell == 0) return false;
  cellPutByte(cell, 5, s.nameBytes);
  cellPutBytes(cell, PAYLOAD, s.name, s.nameBytes);
  cellSeal(cell, number);
  return true;
}

// The last intervals first: each cell goes before the others, so the chain has them in order.
function hangSkips(pool: u32, s: PoolSpec, number: u64): bool {
  let left = s.skipCount;
  for (let step: u32 = 0; step < SKIPS_MAX && left > 0; step++) {
    const n: u32 = (left & 1) != 0 ? 1 : SKIPS_PER_CELL;
    const cell = hang(pool, KIND_SKIP);
    if (cell == 0) return false;
    left -= n;
    cellPutByte(cell, 5, n);
    cellPutBytes(cell, PAYLOAD, s.skips + <usize>(left * SKIP_BYTES), n * SKIP_BYTES);
    cellSeal(cell, number);
  }
  return true;
}

/**
 * Writes a pool down (it must overlap none, and its name must be new). Answers its cell, 0 = no
 * space: undo the journal then.
 */
export function poolDefine(spec: usize, number: u64): u32 {
  const s = changetype<PoolSpec>(spec);
  const cell = arenaTake(CELL_BYTES);
  if (cell == 0) return 0;
  cellPutByte(cell, 4, KIND_POOL);
  cellPutByte(cell, 5, s.policy);
  cellPutByte(cell, 7, s.family == 4 ? 1 : 2);
  cellPutByte(cell, 14, s.length);
  cellPutByte(cell, 15, s.hasGateway);
  putHalf(cell + P_COOLDOWN, s.cooldown);
  putHalf(cell + P_SKIPS, s.skipCount);
  putWord(cell + P_BASE, s.baseHi);
  putWord(cell + P_BASE + 8, s.baseLo);
  putWord(cell + P_LAST, s.lastHi);
  putWord(cell + P_LAST + 8, s.lastLo);
  putWord(cell + P_GATEWAY, s.gatewayHi);
  putWord(cell + P_GATEWAY + 8, s.gatewayLo);
  if (!hangSkips(cell, s, number)) return 0;
  if (s.nameBytes != 0) {
    if (!hangLabel(cell, s, number)) return 0;
    const hash = nameHash(s.name, s.nameBytes);
    if (!trieAdd(INDEX_POOL_NAME, BY_LABEL, hash, cell)) return 0;
  }
  const key = addressKey(s.lastHi, s.lastLo);
  if (!trieAdd(poolIndexOf(s.family), BY_LAST, key, cell)) return 0;
  if (radixTake(poolsOf(s.family), s.lastHi, s.lastLo) != RADIX_OK) return 0;
  putWord(H_POOLS, word(H_POOLS) + 1);
  cellSeal(cell, number);
  return cell;
}

/** Are the pool's further cells whole and its own, and as many intervals as it tells? */
export function poolIsWhole(pool: u32): bool {
  let at = half(pool + C_NEXT);
  let skips: u32 = 0;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (at & (CELL_BYTES - 1) || at > imageLength() - CELL_BYTES) return false;
    if (!cellIsSound(at) || half(at + C_SINCE) != pool) return false;
    const kind = cellKind(at);
    if (kind == KIND_SKIP) skips += cellByte(at, 5);
    else if (kind != KIND_LABEL) return false;
    at = half(at + C_NEXT);
  }
  return at == 0 && skips == half(pool + P_SKIPS);
}

/** Does no pool overlap the one that is to be made, and has none its name? */
export function poolIsNew(spec: usize): bool {
  const s = changetype<PoolSpec>(spec);
  const next = poolFrom(s.family, s.baseHi, s.baseLo);
  if (next != 0) {
    const hi = word(next + P_BASE);
    if (hi < s.lastHi || (hi == s.lastHi && word(next + P_BASE + 8) <= s.lastLo)) return false;
  }
  return s.nameBytes == 0 || poolByName(s.name, s.nameBytes) == 0;
}

/** What a pool is, in scratch memory: a PoolSpec with its texts and intervals. */
export function poolRead(cell: u32): usize {
  const at = scratchTake(offsetof<PoolSpec>());
  const s = changetype<PoolSpec>(at);
  s.family = poolFamily(cell);
  s.length = cellByte(cell, 14);
  s.baseHi = word(cell + P_BASE);
  s.baseLo = word(cell + P_BASE + 8);
  s.lastHi = word(cell + P_LAST);
  s.lastLo = word(cell + P_LAST + 8);
  s.policy = cellByte(cell, 5);
  s.cooldown = half(cell + P_COOLDOWN);
  s.hasGateway = cellByte(cell, 15);
  s.gatewayHi = word(cell + P_GATEWAY);
  s.gatewayLo = word(cell + P_GATEWAY + 8);
  s.skipCount = 0;
  const skips = min<u32>(half(cell + P_SKIPS), SKIPS_MAX);
  s.skips = scratchTake(<usize>((skips + SKIPS_PER_CELL) * SKIP_BYTES));
  let more = nextOfKind(cell, KIND_SKIP);
  for (let step: u32 = 0; step < SKIPS_MAX && more != 0 && s.skipCount < skips; step++) {
    const n = min<u32>(cellByte(more, 5), SKIPS_PER_CELL);
    memory.copy(s.skips + <usize>(s.skipCount * SKIP_BYTES), skipAt(more, 0), n * SKIP_BYTES);
    s.skipCount += n;
    more = nextOfKind(more, KIND_SKIP);
  }
  const label = nextOfKind(cell, KIND_LABEL);
  s.nameBytes = label == 0 ? 0 : min<u32>(cellByte(label, 5), LABEL_MAX);
  s.name = scratchTake(<usize>LABEL_MAX);
  if (label != 0) memory.copy(s.name, imageBase() + label + PAYLOAD, s.nameBytes);
  return at;
}

/** Remembers that the pool has given (hi, lo): `next` goes on behind it. */
export function poolCursorPut(cell: u32, hi: u64, lo: u64): void {
  const baseLo = word(cell + P_BASE + 8);
  const offLo = lo - baseLo;
  const offHi = hi - word(cell + P_BASE) - (lo < baseLo ? 1 : 0);
  const nextHi = offLo + 1 == 0 ? offHi + 1 : offHi;
  if (word(cell + P_CURSOR + 8) != offLo + 1) putWord(cell + P_CURSOR + 8, offLo + 1);
  if (word(cell + P_CURSOR) != nextHi) putWord(cell + P_CURSOR, nextHi);
}

// Check of the indexes: nodes and buckets in order, every cell where its key says, no cell twice;
// what an index names is checked on the way, pools too. A walk with a stack of its own.
//
//   frame  | offset of an entry u32 | level u32 | path: the digits above it u64 |
//
// Cost: O(entries); at most a quarter of the image's bytes in steps.
import {
  H_POOLS,
  INDEX_POOL_NAME,
  INDEX_POOL4,
  INDEX_POOL6,
  POOLS4,
  POOLS6,
} from "../image/header";
import { half, imageLength, word } from "../image/image";
import {
  C_NEXT,
  CELL_BYTES,
  cellByte,
  cellHasFamily,
  cellKind,
  KIND_LABEL,
  KIND_NAME,
  KIND_OTHER,
  STATE_ALLOCATION,
} from "../records/cell";
import {
  BY_LABEL,
  BY_LAST,
  BY_NAME,
  BY_OWNER,
  BY_V4,
  CHAIN_MAX,
  keyOf,
  nextOfKind,
  P_LAST,
} from "../records/key";
import { isPool, P_BASE, poolFamily, poolIsWhole } from "../records/poolcell";
import {
  BUCKET_MAX,
  bucketRoom,
  cellOf,
  cellWithBits,
  isBucket,
  LEVELS_MAX,
  NODE_BYTES,
  nodeIsSound,
  TAG_CELL,
  TAG_NODE,
} from "../records/trie";
import { scratchTake } from "../scratch";
import { foundHi, foundLo, radixCount, radixNextTaken } from "../sets/radix";
import { checkChain, checkNames } from "./checkrecord";
import { claim, fault, isCell } from "./faultlist";

// One cell that an index names, found under the first `level` digits of `path`.
function checkEntry(item: u32, by: u32, level: u32, path: u64): void {
  const cell = cellOf(item);
  if (!isCell(cell)) {
    fault("an index names what is no cell", cell);
    return;
  }
  const kind = cellKind(cell);
  if (by >= BY_LAST) checkPool(cell, by);
  else if (by == BY_OWNER) {
    if (kind > KIND_OTHER) fault("the index by owner names a further cell", cell);
    else if (cellByte(cell, 5) != STATE_ALLOCATION) fault("an owner has no allocation", cell);
    else if (!checkChain(cell)) return;
  } else if (by == BY_NAME) {
    if (kind != KIND_NAME) {
      fault("the index by name names no name", cell);
      return;
    }
    checkNames(cell);
  } else if (!cellHasFamily(cell, by == BY_V4 ? 4 : 6)) {
    fault("an index names a cell without address", cell);
    return;
  }
  const key = keyOf(cell, by);
  if (cellWithBits(cell, key) != (item & ~7)) fault("the bits of a key are wrong", cell);
  if (level > 0 && key >> <u64>(64 - 6 * level) != path)
    fault("a key lies under a wrong node", cell);
}

// A pool is claimed where the index by address names it.
function checkPool(cell: u32, by: u32): void {
  if (!isPool(cell) || !poolIsWhole(cell)) {
    fault("an index of pools names what is no pool", cell);
    return;
  }
  if (by == BY_LABEL) {
    if (nextOfKind(cell, KIND_LABEL) == 0) fault("a pool in the index by name has none", cell);
    return;
  }
  let at = cell;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (!claim(at, CELL_BYTES)) return;
    at = half(at + C_NEXT);
  }
  const baseHi = word(cell + P_BASE);
  const baseLo = word(cell + P_BASE + 8);
  const tree = poolFamily(cell) == 4 ? POOLS4 : POOLS6;
  if (!radixNextTaken(tree, baseHi, baseLo, u64.MAX_VALUE, u64.MAX_VALUE)) {
    fault("a pool isn't in the tree of pools", cell);
  } else if (foundHi != word(cell + P_LAST) || foundLo != word(cell + P_LAST + 8)) {
    fault("pools overlap", cell);
  }
}

/** The indexes of pools, beside the tree of pools and the header's count. */
export function checkPools(): void {
  const four = checkIndex(INDEX_POOL4, BY_LAST);
  const six = checkIndex(INDEX_POOL6, BY_LAST);
  if (four != radixCount(POOLS4)) fault("index and tree of pools differ", INDEX_POOL4);
  if (six != radixCount(POOLS6)) fault("index and tree of pools differ", INDEX_POOL6);
  if (four + six != word(H_POOLS)) fault("the header miscounts the pools", H_POOLS);
  if (checkIndex(INDEX_POOL_NAME, BY_LABEL) > four + six) {
    fault("there are more names of pools than pools", INDEX_POOL_NAME);
  }
}

const FRAME: usize = 16;

/**
 * Walks an index with a stack of | entry's offset u32 | level u32 | path u64 |: the cells found.
 */
export function checkIndex(root: u32, by: u32): u64 {
  const stack = scratchTake(FRAME * <usize>(64 * (LEVELS_MAX + 2)));
  let depth = 0;
  let found: u64 = 0;
  push(stack, depth++, root, 0, 0);
  const bound = imageLength() / 4;
  for (let step: u32 = 0; step < bound && depth > 0; step++) {
    depth--;
    const at = load<u32>(stack + <usize>depth * FRAME);
    const level = load<u32>(stack + <usize>depth * FRAME, 4);
    const path = load<u64>(stack + <usize>depth * FRAME, 8);
    const entry = half(at);
    const tag = entry & 7;
    const block = entry & ~7;
    if (entry == 0) continue;
    if (tag == TAG_CELL) {
      checkEntry(entry, by, level, path);
      found++;
    } else if (tag == TAG_NODE && level < LEVELS_MAX) {
      if (!claim(block, NODE_BYTES)) continue;
      if (!nodeIsSound(block, level)) fault("a node of an index", block);
      else
        for (let i: u32 = 0; i < 64; i++) {
          push(stack, depth++, block + 8 + i * 4, level + 1, (path << 6) | i);
        }
    } else if (isBucket(tag)) found += checkBucket(block, tag, by, level, path);
    else fault("an entry of an index", at);
  }
  return found;
}

function push(stack: usize, depth: i32, at: u32, level: u32, path: u64): void {
  const p = stack + <usize>depth * FRAME;
  store<u32>(p, at);
  store<u32>(p, level, 4);
  store<u64>(p, path, 8);
}

function checkBucket(bucket: u32, tag: u32, by: u32, level: u32, path: u64): u64 {
  const room = bucketRoom(tag);
  if (!claim(bucket, room * 4)) return 0;
  let n: u32 = 0;
  while (n < room && n < BUCKET_MAX && half(bucket + n * 4) != 0) {
    checkEntry(half(bucket + n * 4), by, level, path);
    n++;
  }
  if (n < 2) fault("a bucket of an index holds less than two", bucket);
  for (let i = n; i < room; i++) {
    if (half(bucket + i * 4) != 0) fault("a bucket of an index has a gap", bucket);
  }
  return n;
}

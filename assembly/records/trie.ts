// The trie: an index from a 64-bit hash to cells, 64-ary, ordered by the hash's bits from the top.
// It stores no keys: a bucket holds up to 32 cells whose keys are read from the cells (key.ts).
//
//   entry u32 = offset | tag:   0 empty   1 a cell   2 node   3 to 6 bucket of 4, 8, 16, 32
//   node      | "trie" level u64 | 64 entries u32 |                     264 B
//   bucket    | cells u32, the first ones, then zeros |                 16 to 128 B
//   cell u32  | bits 5, 4 of the key | offset, a multiple of 128 | bits 3..0 | 000 or the tag |
//
// The 6 bits spare a look at 63 of 64 cells that only share a bucket: each look is a page of its
// own. (An image has at most 2^30 bytes, so offsets leave two bits above and seven below.)
// The root is one entry. Bound: log64 of what is held plus one for the hash's luck, at most 11
// levels; 4 to 16 bytes per cell. What empties goes back to the arena.

import { damaged } from "../fault";
import { arenaFree, arenaTake } from "../image/arena";
import { half, putHalf, putWord, word } from "../image/image";
import { scratchTake } from "../scratch";
import { keyOf } from "./key";
import { unshare } from "./unshare";

export const NODE_BYTES: u32 = 264;
const NODE_MAGIC: u64 = 0x65697274;
const TOP_SHIFT: u32 = 58;
/** Levels of nodes: 60 bits of the hash. */
export const LEVELS_MAX: u32 = 10;

export const TAG_CELL: u32 = 1;
export const TAG_NODE: u32 = 2;
export const TAG_BUCKET: u32 = 3;
const TAG_BUCKET_LAST: u32 = 6;
export const BUCKET_MAX: u32 = 32;
const CELL_MASK: u32 = 0x3fffff80;

/** Candidates of the last `trieSeek`: how many, and where the first entry lies. */
export let seekCount: u32 = 0;
let seekAt: u32 = 0;

/** A cell as buckets hold it: with the last 6 bits of its key. */
export function cellWithBits(cell: u32, hash: u64): u32 {
  return cell | ((<u32>hash & 15) << 3) | (((<u32>hash >> 4) & 3) << 30);
}

/** The cell of a bucket's word or of an entry with TAG_CELL. */
export function cellOf(item: u32): u32 {
  return item & CELL_MASK;
}

/** Does the tag say bucket? */
export function isBucket(tag: u32): bool {
  return tag >= TAG_BUCKET && tag <= TAG_BUCKET_LAST;
}

let seekHash: u64 = 0;

/** Cells that a bucket of this tag has room for. */
export function bucketRoom(tag: u32): u32 {
  return (<u32>4) << (tag - TAG_BUCKET);
}

/** Cells in a bucket. */
function bucketCount(bucket: u32, tag: u32): u32 {
  const room = bucketRoom(tag);
  let n: u32 = 0;
  for (; n < room; n += 2) {
    const pair = word(bucket + n * 4);
    if (pair >> 32 != 0) continue;
    if (<u32>pair != 0) n++;
    break;
  }
  if (n == 0) damaged("a bucket of an index is empty");
  return n;
}

/** Is this the header of a node of that level? */
export function nodeIsSound(node: u32, level: u32): bool {
  return word(node) == (NODE_MAGIC | ((<u64>level) << 32));
}

function nodeEntry(node: u32, level: u32, hash: u64): u32 {
  unshare(node);
  if (!nodeIsSound(node, level)) damaged("a node of an index");
  return node + 8 + (<u32>(hash >> <u64>(TOP_SHIFT - 6 * level)) & 63) * 4;
}

/**
 * Collects the cells that can have this key: `seekCount` of them from `seekAt` on, 4 bytes apart.
 */
export function trieSeek(root: u32, hash: u64): void {
  seekHash = hash;
  let at = root;
  for (let level: u32 = 0; level <= LEVELS_MAX; level++) {
    const entry = half(at);
    const tag = entry & 7;
    if (tag == TAG_NODE && level < LEVELS_MAX) {
      at = nodeEntry(entry & ~7, level, hash);
      continue;
    }
    if (entry == 0) seekCount = 0;
    else if (tag == TAG_CELL) {
      seekAt = at;
      seekCount = 1;
    } else if (isBucket(tag)) {
      seekAt = entry & ~7;
      unshare(seekAt);
      seekCount = bucketCount(seekAt, tag);
    } else damaged("an entry of an index");
    return;
  }
  damaged("an index is too deep");
}

/** Candidate `n` of the last seek; 0 if its bits say that it has another key. */
export function seekCell(n: u32): u32 {
  const item = half(seekAt + n * 4);
  const cell = cellOf(item);
  return (item & ~7) == cellWithBits(cell, seekHash) ? cell : 0;
}

// Adds a cell (with its bits) to what the entry at `at` holds, if that isn't a node. 1 done,
// 0 no space, -1 full.
function entryAdd(at: u32, cell: u32): i32 {
  const entry = half(at);
  const tag = entry & 7;
  if (entry == 0) {
    putHalf(at, cell | TAG_CELL);
    return 1;
  }
  if (tag == TAG_CELL) {
    const bucket = arenaTake(16);
    if (bucket == 0) return 0;
    putWord(bucket, <u64>(entry & ~7) | ((<u64>cell) << 32));
    putHalf(at, bucket | TAG_BUCKET);
    return 1;
  }
  const old = entry & ~7;
  const n = bucketCount(old, tag);
  if (n < bucketRoom(tag)) {
    putHalf(old + n * 4, cell);
    return 1;
  }
  if (n == BUCKET_MAX) return -1;
  const bucket = arenaTake(n * 8);
  if (bucket == 0) return 0;
  for (let i: u32 = 0; i < n * 4; i += 8) putWord(bucket + i, word(old + i));
  putHalf(bucket + n * 4, cell);
  putHalf(at, bucket | (tag + 1));
  arenaFree(old, n * 4);
  return 1;
}

// Replaces a full bucket at `at` by a node whose entries hold its cells.
function split(at: u32, level: u32, by: u32): bool {
  const bucket = half(at) & ~7;
  const node = arenaTake(NODE_BYTES);
  if (node == 0) return false;
  putWord(node, NODE_MAGIC | ((<u64>level) << 32));
  for (let i: u32 = 0; i < BUCKET_MAX; i++) {
    const item = half(bucket + i * 4);
    if (entryAdd(nodeEntry(node, level, keyOf(cellOf(item), by)), item) != 1) return false;
  }
  putHalf(at, node | TAG_NODE);
  arenaFree(bucket, BUCKET_MAX * 4);
  return true;
}

/**
 * Adds `cell`, whose key is `hash`. false: no space in the arena (undo the call's journal then).
 */
export function trieAdd(root: u32, by: u32, hash: u64, cell: u32): bool {
  let at = root;
  for (let level: u32 = 0; level <= LEVELS_MAX; level++) {
    if ((half(at) & 7) != TAG_NODE) {
      const done = entryAdd(at, cellWithBits(cell, hash));
      if (done >= 0) return done == 1;
      if (level == LEVELS_MAX) break;
      if (!split(at, level, by)) return false;
    }
    at = nodeEntry(half(at) & ~7, level, hash);
  }
  damaged("33 keys of an index share 60 bits of their hash");
  return false;
}

// Takes a cell out of a bucket and moves to a smaller one where that pays and memory allows.
function bucketRemove(at: u32, cell: u32): bool {
  const entry = half(at);
  const tag = entry & 7;
  const bucket = entry & ~7;
  unshare(bucket);
  const n = bucketCount(bucket, tag);
  let i: u32 = 0;
  while (i < n && cellOf(half(bucket + i * 4)) != cell) i++;
  if (i == n) return false;
  putHalf(bucket + i * 4, half(bucket + (n - 1) * 4));
  putHalf(bucket + (n - 1) * 4, 0);
  const left = n - 1;
  const room = bucketRoom(tag);
  if (left == 1) {
    putHalf(at, half(bucket) | TAG_CELL);
    arenaFree(bucket, room * 4);
  } else if (room > 4 && left * 3 <= room) {
    const smaller = arenaTake(room * 2);
    if (smaller == 0) return true;
    for (let k: u32 = 0; k < left; k++) putHalf(smaller + k * 4, half(bucket + k * 4));
    putHalf(at, smaller | (tag - 1));
    arenaFree(bucket, room * 4);
  }
  return true;
}

function nodeIsEmpty(node: u32): bool {
  for (let i: u32 = 8; i < NODE_BYTES; i += 8) if (word(node + i) != 0) return false;
  return true;
}

// The entry that leads to `cell` at depth `depth` of its key's path.
function entryAtDepth(root: u32, hash: u64, depth: u32): u32 {
  let at = root;
  for (let level: u32 = 0; level < depth; level++) at = nodeEntry(half(at) & ~7, level, hash);
  return at;
}

/** Removes `cell`, whose key is `hash`. Traps if it isn't there. Never needs memory. */
export function trieRemove(root: u32, hash: u64, cell: u32): void {
  let at = root;
  let depth: u32 = 0;
  while ((half(at) & 7) == TAG_NODE && depth < LEVELS_MAX) {
    at = nodeEntry(half(at) & ~7, depth, hash);
    depth++;
  }
  const entry = half(at);
  if ((entry & 7) == TAG_CELL && cellOf(entry) == cell) putHalf(at, 0);
  else if ((entry & 7) < TAG_BUCKET || !bucketRemove(at, cell)) damaged("an index lacks a record");
  while (depth > 0 && half(at) == 0) {
    depth--;
    at = entryAtDepth(root, hash, depth);
    const node = half(at) & ~7;
    if (!nodeIsEmpty(node)) return;
    putHalf(at, 0);
    arenaFree(node, NODE_BYTES);
  }
}

/** Puts `to` in the place of `from`; both have the key `hash`. */
export function trieReplace(root: u32, hash: u64, from: u32, to: u32): void {
  trieSeek(root, hash);
  for (let i: u32 = 0; i < seekCount; i++) {
    const at = seekAt + i * 4;
    if (cellOf(half(at)) == from) {
      putHalf(at, cellWithBits(to, hash) | (half(at) & 7));
      return;
    }
  }
  damaged("an index lacks a record");
}

const STACK_MAX: u32 = 64 * (LEVELS_MAX + 1);

/**
 * Copies every cell of an index into memory at `into` (u32 each), at most `cap`. Answers how many;
 * the stack lies in scratch memory. O(what is held).
 */
export function trieCells(root: u32, into: usize, cap: u32): u32 {
  const stack = scratchTake(<usize>(STACK_MAX * 8));
  let depth: u32 = 1;
  let found: u32 = 0;
  store<u64>(stack, <u64>root);
  while (depth > 0 && found < cap) {
    depth--;
    const frame = load<u64>(stack + ((<usize>depth) << 3));
    const level = <u32>(frame >> 32);
    const entry = half(<u32>frame);
    const tag = entry & 7;
    if (tag == TAG_NODE) {
      if (level == LEVELS_MAX || !nodeIsSound(entry & ~7, level)) damaged("a node of an index");
      for (let i: u32 = 0; i < 64; i++) {
        const child = (entry & ~7) + 8 + i * 4;
        if (half(child) == 0) continue;
        store<u64>(stack + ((<usize>depth) << 3), <u64>child | ((<u64>(level + 1)) << 32));
        depth++;
      }
      continue;
    }
    if (entry == 0) continue;
    const n: u32 = tag == TAG_CELL ? 1 : bucketCount(entry & ~7, tag);
    const from = tag == TAG_CELL ? <u32>frame : entry & ~7;
    for (let i: u32 = 0; i < n && found < cap; i++) {
      store<u32>(into + ((<usize>found) << 2), cellOf(half(from + i * 4)));
      found++;
    }
  }
  return found;
}

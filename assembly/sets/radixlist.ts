// Lists of a radix set as they grow and shrink: 2 to 32 keys (their low bits) in ascending order.
// The 33rd key turns a list into a leaf if one leaf holds them all, else into a node whose entries
// are lone keys and shorter lists. A list of one is a lone key again.
import { arenaFree, arenaTake } from "../image/arena";
import { putWord, word } from "../image/image";
import {
  AT_COUNT,
  AT_WORDS,
  childOf,
  entryBlock,
  entryTag,
  entryTo,
  freeEntry,
  LIST_MAX,
  leafTake,
  listBytes,
  listCapacity,
  listFind,
  maskLo,
  NODE_BYTES,
  newBlock,
  newList,
  newLone,
  putChild,
  putListHead,
  shiftFor,
  TAG_LEAF,
  TAG_LIST,
  TAG_NODE,
  visitList,
} from "./radixnode";

/** What taking a key can come to. */
export const RADIX_OK: i32 = 0;
/** The key was there already. */
export const RADIX_SAME: i32 = 1;
/** The arena has no block; nothing has changed. */
export const RADIX_NO_SPACE: i32 = 2;

function suffixAt(list: u32, i: u32): u64 {
  return word(list + 8 + (i << 3));
}

function putSuffix(list: u32, i: u32, suffix: u64): void {
  putWord(list + 8 + (i << 3), suffix);
}

/** A lone key at `at` and a second one: a list of two. */
export function listBegin(at: u32, rest: u32, lo: u64): i32 {
  const a = word(at) >> 4;
  const b = lo & maskLo(rest);
  if (a == b) return RADIX_SAME;
  const list = newList(2);
  if (list == 0) return RADIX_NO_SPACE;
  putSuffix(list, 0, min(a, b));
  putSuffix(list, 1, max(a, b));
  putWord(at, entryTo(list, TAG_LIST));
  return RADIX_OK;
}

/** Puts a key into the list at `at`, where `rest` bits are left. */
export function listTake(at: u32, rest: u32, hi: u64, lo: u64): i32 {
  let list = entryBlock(word(at));
  const head = visitList(list);
  const count = head & 0xffff;
  let capacity = head >> 16;
  const suffix = lo & maskLo(rest);
  const place = listFind(list, count, suffix);
  if (place < count && suffixAt(list, place) == suffix) return RADIX_SAME;
  if (count == LIST_MAX) return promote(at, list, place, hi, lo, suffix);
  if (count == capacity) {
    const larger = arenaTake(listBytes(capacity << 1));
    if (larger == 0) return RADIX_NO_SPACE;
    for (let i: u32 = 0; i < place; i++) putSuffix(larger, i, suffixAt(list, i));
    for (let i = place; i < count; i++) putSuffix(larger, i + 1, suffixAt(list, i));
    arenaFree(list, listBytes(capacity));
    putWord(at, entryTo(larger, TAG_LIST));
    list = larger;
    capacity <<= 1;
  } else {
    for (let i = count; i > place; i--) putSuffix(list, i, suffixAt(list, i - 1));
  }
  putSuffix(list, place, suffix);
  putListHead(list, capacity, count + 1);
  return RADIX_OK;
}

/** Key `i` of a full list with the new one at its place: i in 0..32. */
function merged(list: u32, place: u32, suffix: u64, i: u32): u64 {
  if (i == place) return suffix;
  return suffixAt(list, i < place ? i : i - 1);
}

/** The 33rd key: a leaf or a node takes the place of the list. */
function promote(at: u32, list: u32, place: u32, hi: u64, lo: u64, suffix: u64): i32 {
  const first = merged(list, place, suffix, 0);
  const last = merged(list, place, suffix, LIST_MAX);
  const shift = shiftFor(0, first ^ last);
  const block = newBlock(shift, hi, lo);
  if (block == 0) return RADIX_NO_SPACE;
  if (shift == 0) {
    for (let i: u32 = 0; i <= LIST_MAX; i++) leafTake(block, merged(list, place, suffix, i));
    putWord(at, entryTo(block, TAG_LEAF));
  } else {
    if (!spread(block, shift, list, place, suffix)) {
      abandon(block);
      return RADIX_NO_SPACE;
    }
    putWord(at, entryTo(block, TAG_NODE));
  }
  arenaFree(list, listBytes(LIST_MAX));
  return RADIX_OK;
}

/** Puts the 33 keys into a new node. False: no memory; some entries may be there. */
function spread(node: u32, shift: u32, list: u32, place: u32, suffix: u64): bool {
  const mask = maskLo(shift);
  let i: u32 = 0;
  while (i <= LIST_MAX) {
    const key = merged(list, place, suffix, i);
    const child = childOf(0, key, shift);
    let end = i + 1;
    while (end <= LIST_MAX && childOf(0, merged(list, place, suffix, end), shift) == child) end++;
    let entry: u64 = 0;
    if (end - i == 1) {
      entry = newLone(shift, 0, key);
    } else {
      const part = newList(end - i);
      if (part == 0) return false;
      for (let k = i; k < end; k++) putSuffix(part, k - i, merged(list, place, suffix, k) & mask);
      entry = entryTo(part, TAG_LIST);
    }
    putChild(node, child, entry);
    i = end;
  }
  putWord(node + AT_COUNT, <u64>(LIST_MAX + 1));
  return true;
}

/** Gives a node back that nobody has seen yet, and its lists. */
function abandon(node: u32): void {
  for (let i: u32 = 0; i < 64; i++) {
    const entry = word(node + AT_WORDS + (i << 3));
    if (entryTag(entry) == TAG_LIST) freeEntry(entry);
  }
  arenaFree(node, NODE_BYTES);
}

/** Takes a key that is there out of the list at `at`. Shrinks it if the arena has a block. */
export function listGive(at: u32, rest: u32, lo: u64): void {
  const list = entryBlock(word(at));
  const head = visitList(list);
  const capacity = head >> 16;
  const count = (head & 0xffff) - 1;
  const place = listFind(list, count + 1, lo & maskLo(rest));
  for (let i = place; i < count; i++) putSuffix(list, i, suffixAt(list, i + 1));
  putSuffix(list, count, 0);
  if (count == 1) {
    putWord(at, newLone(rest, 0, suffixAt(list, 0)));
    arenaFree(list, listBytes(capacity));
    return;
  }
  putListHead(list, capacity, count);
  // At a quarter, so that taking and giving one key in turn doesn't move the list each time.
  if (count > capacity >> 2 || listCapacity(count) == capacity) return;
  const smaller = arenaTake(listBytes(capacity >> 1));
  if (smaller == 0) return;
  for (let i: u32 = 0; i < count; i++) putSuffix(smaller, i, suffixAt(list, i));
  putListHead(smaller, capacity >> 1, count);
  arenaFree(list, listBytes(capacity));
  putWord(at, entryTo(smaller, TAG_LIST));
}

/** Puts `bits` on top of every key of a list: it moves up to an entry with more bits left. */
export function listWiden(list: u32, bits: u64): void {
  const count = visitList(list) & 0xffff;
  for (let i: u32 = 0; i < count; i++) putSuffix(list, i, suffixAt(list, i) | bits);
}

// What a radix set needs no more goes back: dead ways are freed, a node with one child gives its
// place to it, and a node or leaf with few keys becomes a list or a lone key. All of it may be
// left undone (the arena may be full): the set is valid either way, only larger.

import { damaged } from "../fault";
import { arenaFree } from "../image/arena";
import { putWord, word } from "../image/image";
import { listWiden } from "./radixlist";
import {
  AT_USED,
  AT_WORDS,
  childHi,
  childLo,
  entryBlock,
  entryTag,
  entryTo,
  freeEntry,
  LEAF_BITS,
  LEVELS,
  maskLo,
  NEAR_BITS,
  NODE_BYTES,
  newList,
  newLone,
  prefixLo,
  shiftOf,
  TAG_FAR,
  TAG_LEAF,
  TAG_LIST,
  TAG_LONE,
  TAG_NODE,
  visitLeaf,
  visitList,
  visitNode,
} from "./radixnode";
import { keysBelow } from "./radixseek";

/** With so many keys or fewer a node or leaf becomes a list again. */
export const LIST_AGAIN: u64 = 16;

function clearUsed(node: u32, at: u32): void {
  const i = (at - node - AT_WORDS) >> 3;
  putWord(node + AT_USED, word(node + AT_USED) & ~((<u64>1) << i));
}

/** The only child of a node. */
function onlyChild(node: u32): u32 {
  const used = word(node + AT_USED);
  if (popcnt(used) != 1) damaged("used marks of a radix node");
  return <u32>ctz(used);
}

/** Frees the entry at `at` in `holder` (0: in the root) with the single way that hangs below it. */
export function drop(at: u32, holder: u32): void {
  let entry = word(at);
  for (let step: u32 = 0; step < LEVELS && entryTag(entry) == TAG_NODE; step++) {
    const node = entryBlock(entry);
    const child = word(node + AT_WORDS + (onlyChild(node) << 3));
    freeEntry(entry);
    entry = child;
  }
  freeEntry(entry);
  putWord(at, 0);
  if (holder != 0) clearUsed(holder, at);
}

/** A node with one child gives its place to it, unless that is a list and the place is too far. */
export function hoist(at: u32, rest: u32): void {
  const node = entryBlock(word(at));
  const used = word(node + AT_USED);
  if (popcnt(used) != 1) return;
  const i = <u32>ctz(used);
  const entry = word(node + AT_WORDS + (i << 3));
  if (entryTag(entry) == TAG_LIST) {
    if (rest > NEAR_BITS) return;
    const shift = visitNode(node, rest);
    const above = prefixLo(node, shift + 6) & maskLo(rest);
    listWiden(entryBlock(entry), above | childLo(i, shift));
  }
  putWord(at, entry);
  arenaFree(node, NODE_BYTES);
}

/** What is left below the entry at `at` (1 to 16 keys) becomes a lone key or a list. */
export function shrink(at: u32, rest: u32): void {
  const count = <u32>keysBelow(word(at));
  if (count == 1) {
    shrinkToLone(at, rest);
    return;
  }
  const list = newList(count);
  if (list == 0) return;
  if (moveKeys(at, rest, list, count) != count) damaged("count of a radix node");
  putWord(at, entryTo(list, TAG_LIST));
}

function shrinkToLone(at: u32, rest: u32): void {
  let entry = word(at);
  let hi: u64 = 0;
  let lo: u64 = 0;
  for (let step: u32 = 0; step < LEVELS && entryTag(entry) == TAG_NODE; step++) {
    const node = entryBlock(entry);
    const shift = shiftOf(node);
    const i = onlyChild(node);
    hi = word(node) | childHi(i, shift);
    lo = prefixLo(node, shift + 6) | childLo(i, shift);
    entry = word(node + AT_WORDS + (i << 3));
  }
  const block = entryBlock(entry);
  const keep = entryTag(entry) == TAG_FAR && rest > NEAR_BITS;
  let lone = entry;
  if (!keep) {
    if (entryTag(entry) == TAG_LEAF) {
      const i = onlyChild(block);
      hi = word(block);
      lo = prefixLo(block, LEAF_BITS) | <u64>(i << 6) | ctz(word(block + AT_WORDS + (i << 3)));
    } else if (entryTag(entry) == TAG_LONE) {
      lo |= entry >> 4;
    } else {
      damaged("count of a radix node");
    }
    lone = newLone(rest, hi, lo);
    if (lone == 0) return;
  }
  // The way down isn't needed any more, nor is its end unless it was moved up.
  let way = word(at);
  for (let step: u32 = 0; step < LEVELS && entryTag(way) == TAG_NODE; step++) {
    const node = entryBlock(way);
    const next = word(node + AT_WORDS + (onlyChild(node) << 3));
    freeEntry(way);
    way = next;
  }
  if (!keep) freeEntry(way);
  putWord(at, lone);
}

/**
 * Takes everything below `at` apart, leftmost first, and stores the keys in the list's words. The
 * number of keys; stops at `count`. Each round frees a block or a lone key: few keys, few rounds.
 */
function moveKeys(at: u32, rest: u32, list: u32, count: u32): u32 {
  const rounds = <u32>LIST_AGAIN * LEVELS;
  const mask = maskLo(rest);
  let keys: u32 = 0;
  for (let round: u32 = 0; round < rounds && word(at) != 0; round++) {
    let place = at;
    let holder: u32 = 0;
    let left = rest;
    let lo: u64 = 0;
    while (entryTag(word(place)) == TAG_NODE) {
      const node = entryBlock(word(place));
      const used = word(node + AT_USED);
      if (used == 0) break;
      left = visitNode(node, left);
      const i = <u32>ctz(used);
      lo = prefixLo(node, left + 6) | childLo(i, left);
      holder = node;
      place = node + AT_WORDS + (i << 3);
    }
    const entry = word(place);
    keys = appendKeys(entry, lo, mask, list, keys, count);
    freeEntry(entry);
    putWord(place, 0);
    if (holder != 0) clearUsed(holder, place);
  }
  return keys;
}

/** Appends the keys of an entry to the list; those of a node that is empty by now are none. */
function appendKeys(entry: u64, lo: u64, mask: u64, list: u32, n: u32, count: u32): u32 {
  const block = entryBlock(entry);
  const into = list + 8;
  let keys = n;
  switch (entryTag(entry)) {
    case TAG_LONE:
      if (keys < count) putWord(into + (keys << 3), (lo | (entry >> 4)) & mask);
      keys++;
      break;
    case TAG_LIST: {
      const more = visitList(block) & 0xffff;
      for (let i: u32 = 0; i < more; i++, keys++) {
        if (keys < count) putWord(into + (keys << 3), (lo | word(block + 8 + (i << 3))) & mask);
      }
      break;
    }
    case TAG_LEAF: {
      visitLeaf(block);
      const prefix = prefixLo(block, LEAF_BITS);
      for (let i: u32 = 0; i < 64; i++) {
        let taken = word(block + AT_WORDS + (i << 3));
        for (; taken != 0; taken &= taken - 1, keys++) {
          if (keys == count) return keys + 1;
          putWord(into + (keys << 3), (prefix | <u64>(i << 6) | ctz(taken)) & mask);
        }
      }
      break;
    }
  }
  return keys;
}

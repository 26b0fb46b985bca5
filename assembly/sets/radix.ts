// The radix set: which keys of a large space are taken. Keys have 128 bits (hi, lo); IPv4 addresses
// are keys with hi = 0. A sparse, path-compressed, 64-ary tree (radixnode.ts draws its parts):
//
//   root     | entry | count |               16 B, where its owner wants it; zero = empty set
//     entry -> node (shift 60) -> node (shift 54) -> list of 2 to 32 keys
//                              -> lone key        -> leaf: the bits of 4,096 keys
//
// Two keys are enough for a node or leaf where more than 60 bits are left, 33 where fewer are. What
// empties goes back: a node or leaf with 16 keys or fewer becomes a list again, with one key a lone
// one, and a node with one child gives its place to it. Where that needs a block and the arena has
// none, it stays as it is: giving never fails.
//
// Cost: at most 22 levels down for every question and change (twice for a change: first to know how
// it ends, then to count). 1 M scattered keys of a /64 are 12.4 MB of blocks, in an arena of 18 MB
// if they came one by one (outgrown lists wait in its free lists); dense ones take 1.1 bits each.

import { damaged } from "../fault";
import { arenaFree } from "../image/arena";
import { putWord, word } from "../image/image";
import { listBegin, listGive, listTake, RADIX_NO_SPACE, RADIX_OK, RADIX_SAME } from "./radixlist";
import {
  AT_COUNT,
  AT_FULL,
  AT_USED,
  AT_WORDS,
  childOf,
  entryBlock,
  entryTag,
  entryTo,
  FAR_BYTES,
  FULL,
  holds,
  KEY_BITS,
  LEAF_BITS,
  LEAF_KEYS,
  LEVELS,
  leafGive,
  leafTake,
  maskLo,
  NEAR_BITS,
  NODE_BYTES,
  newBlock,
  newLone,
  prefixLo,
  putChild,
  shiftFor,
  shiftOf,
  TAG_FAR,
  TAG_LEAF,
  TAG_LIST,
  TAG_LONE,
  TAG_NODE,
  visitLeaf,
  visitNode,
} from "./radixnode";
import {
  foundHi,
  foundLo,
  freeAt,
  freeRest,
  keysBelow,
  radixCount,
  radixCountWithin,
  radixHas,
  radixNextFree,
  radixNextTaken,
  radixPlace,
  radixTop,
} from "./radixseek";
import { drop, hoist, LIST_AGAIN, shrink } from "./radixshrink";

export {
  foundHi,
  foundLo,
  RADIX_NO_SPACE,
  RADIX_OK,
  RADIX_SAME,
  radixCount,
  radixCountWithin,
  radixHas,
  radixNextFree,
  radixNextTaken,
  radixPlace,
  radixTop,
};

/** Puts a key into the set: RADIX_OK, RADIX_SAME (it was there) or RADIX_NO_SPACE. */
export function radixTake(root: u32, hi: u64, lo: u64): i32 {
  let at = root;
  let rest = KEY_BITS;
  let entry = word(at);
  while (entryTag(entry) == TAG_NODE) {
    const node = entryBlock(entry);
    const shift = visitNode(node, rest);
    if (!holds(node, shift + 6, hi, lo)) break;
    at = node + AT_WORDS + (childOf(hi, lo, shift) << 3);
    rest = shift;
    entry = word(at);
  }
  const result = takeAt(at, rest, hi, lo);
  if (result == RADIX_OK) countUp(root, at, hi, lo);
  return result;
}

/**
 * Puts the key into the set that the last radixNextFree has found in it; nothing has changed since.
 * Saves the way down. RADIX_OK or RADIX_NO_SPACE.
 */
export function radixTakeFound(root: u32, hi: u64, lo: u64): i32 {
  const at = freeAt;
  if (at == 0) return radixTake(root, hi, lo);
  const result = takeAt(at, freeRest, hi, lo);
  if (result == RADIX_OK) countUp(root, at, hi, lo);
  return result;
}

/** Puts a key into the entry at `at`. The counts above are for later. */
function takeAt(at: u32, rest: u32, hi: u64, lo: u64): i32 {
  const entry = word(at);
  const block = entryBlock(entry);
  switch (entryTag(entry)) {
    case TAG_LEAF:
      visitLeaf(block);
      if (!holds(block, LEAF_BITS, hi, lo)) return split(at, rest, LEAF_BITS, hi, lo);
      return leafTake(block, lo) ? RADIX_OK : RADIX_SAME;
    case TAG_LONE:
      return listBegin(at, rest, lo);
    case TAG_LIST:
      return listTake(at, rest, hi, lo);
    case TAG_NODE:
      return split(at, rest, shiftOf(block) + 6, hi, lo);
    case TAG_FAR:
      return pair(at, hi, lo);
    default: {
      if (entry != 0) damaged("radix entry");
      const lone = newLone(rest, hi, lo);
      if (lone == 0) return RADIX_NO_SPACE;
      putWord(at, lone);
      return RADIX_OK;
    }
  }
}

/** One more key in every node from the root to the entry at `at`. */
function countUp(root: u32, end: u32, hi: u64, lo: u64): void {
  putWord(root + 8, word(root + 8) + 1);
  let at = root;
  for (let step: u32 = 0; step < LEVELS && at != end; step++) {
    const node = entryBlock(word(at));
    const i = childOf(hi, lo, shiftOf(node));
    putWord(node + AT_COUNT, word(node + AT_COUNT) + 1);
    const used = word(node + AT_USED);
    if (((used >> i) & 1) == 0) putWord(node + AT_USED, used | ((<u64>1) << i));
    at = node + AT_WORDS + (i << 3);
  }
  const entry = word(at);
  if (entryTag(entry) == TAG_LEAF && word(entryBlock(entry) + AT_COUNT) == LEAF_KEYS) {
    markFull(root, at, hi, lo);
  }
}

/** The leaf at `end` became full: marks it, and what becomes full by that. Once in 4,096 keys. */
function markFull(root: u32, end: u32, hi: u64, lo: u64): void {
  // First the node from which on everything down to the leaf becomes full, then the marks.
  let from: u32 = 0;
  let at = root;
  for (let step: u32 = 0; step < LEVELS && at != end; step++) {
    const node = entryBlock(word(at));
    const shift = shiftOf(node);
    const i = childOf(hi, lo, shift);
    const child = node + AT_WORDS + (i << 3);
    const last = (word(node + AT_FULL) | ((<u64>1) << i)) == FULL;
    if (from == 0 || !last) from = at;
    at = child;
    if (spanOf(word(child)) != shift) from = at;
  }
  at = from;
  for (let step: u32 = 0; step < LEVELS && at != end && at != 0; step++) {
    const node = entryBlock(word(at));
    const i = childOf(hi, lo, shiftOf(node));
    putWord(node + AT_FULL, word(node + AT_FULL) | ((<u64>1) << i));
    at = node + AT_WORDS + (i << 3);
  }
}

/** Bits below a node or leaf. */
function spanOf(entry: u64): u32 {
  return entryTag(entry) == TAG_LEAF ? LEAF_BITS : shiftOf(entryBlock(entry)) + 6;
}

/** The key isn't under the prefix of the node or leaf at `at`: a node above tells them apart. */
function split(at: u32, rest: u32, span: u32, hi: u64, lo: u64): i32 {
  const entry = word(at);
  const block = entryBlock(entry);
  const blockHi = word(block);
  const blockLo = prefixLo(block, span);
  const shift = shiftFor(blockHi ^ hi, blockLo ^ (lo & ~maskLo(span)));
  if (shift >= rest || shift < span) damaged("prefix of a radix block");
  const node = newBlock(shift, hi, lo);
  if (node == 0) return RADIX_NO_SPACE;
  const lone = newLone(shift, hi, lo);
  if (lone == 0) {
    arenaFree(node, NODE_BYTES);
    return RADIX_NO_SPACE;
  }
  const i = childOf(blockHi, blockLo, shift);
  putChild(node, i, entry);
  putChild(node, childOf(hi, lo, shift), lone);
  putWord(node + AT_COUNT, word(block + AT_COUNT) + 1);
  if (span == shift && word(block + AT_FULL) == FULL) putWord(node + AT_FULL, (<u64>1) << i);
  putWord(at, entryTo(node, TAG_NODE));
  return RADIX_OK;
}

/** A far key at `at` and a second one: a leaf or a node. */
function pair(at: u32, hi: u64, lo: u64): i32 {
  const far = entryBlock(word(at));
  const farHi = word(far);
  const farLo = word(far + 8);
  if (farHi == hi && farLo == lo) return RADIX_SAME;
  const shift = shiftFor(farHi ^ hi, farLo ^ lo);
  const block = newBlock(shift, hi, lo);
  if (block == 0) return RADIX_NO_SPACE;
  if (shift == 0) {
    leafTake(block, farLo);
    leafTake(block, lo);
    putWord(at, entryTo(block, TAG_LEAF));
    arenaFree(far, FAR_BYTES);
    return RADIX_OK;
  }
  const lone = newLone(shift, hi, lo);
  if (lone == 0) {
    arenaFree(block, NODE_BYTES);
    return RADIX_NO_SPACE;
  }
  const near = shift <= NEAR_BITS;
  const old = near ? newLone(shift, farHi, farLo) : word(at);
  putChild(block, childOf(farHi, farLo, shift), old);
  putChild(block, childOf(hi, lo, shift), lone);
  putWord(block + AT_COUNT, 2);
  putWord(at, entryTo(block, TAG_NODE));
  if (near) arenaFree(far, FAR_BYTES);
  return RADIX_OK;
}

/** What the last countDown has found on its way. */
let holder: u32 = 0;
let holderAt: u32 = 0;
let holderRest: u32 = 0;
let lastRest: u32 = 0;
let smallAt: u32 = 0;
let smallRest: u32 = 0;

/**
 * Takes `keys` keys off every node on the way to hi:lo that keeps some. Answers the entry where
 * that ends: no node, or one that keeps nothing. Notes the node that holds the entry (`holder`, 0 =
 * the root holds it), the entry that points to that, and the topmost entry that is to become a list
 * or a lone key (`smallAt`, 0 = none).
 */
function countDown(root: u32, hi: u64, lo: u64, keys: u64): u32 {
  let at = root;
  let rest = KEY_BITS;
  holder = 0;
  smallAt = 0;
  putWord(root + 8, word(root + 8) - keys);
  for (let step: u32 = 0; step < LEVELS; step++) {
    const entry = word(at);
    const tag = entryTag(entry);
    if (tag != TAG_NODE && tag != TAG_LEAF) break;
    const block = entryBlock(entry);
    const count = word(block + AT_COUNT);
    if (count < keys) damaged("count of a radix node");
    const left = count - keys;
    if (left == 0) break;
    if (smallAt == 0 && (left == 1 || (left <= LIST_AGAIN && rest <= NEAR_BITS))) {
      smallAt = at;
      smallRest = rest;
    }
    if (tag == TAG_LEAF) break;
    putWord(block + AT_COUNT, left);
    const shift = visitNode(block, rest);
    const i = childOf(hi, lo, shift);
    const full = word(block + AT_FULL);
    if (((full >> i) & 1) != 0) putWord(block + AT_FULL, full & ~((<u64>1) << i));
    holder = block;
    holderAt = at;
    holderRest = rest;
    at = block + AT_WORDS + (i << 3);
    rest = shift;
  }
  lastRest = rest;
  return at;
}

/** Takes a key out of the set. False: it wasn't there. Never fails for want of memory. */
export function radixGive(root: u32, hi: u64, lo: u64): bool {
  if (!radixHas(root, hi, lo)) return false;
  const at = countDown(root, hi, lo, 1);
  const entry = word(at);
  const tag = entryTag(entry);
  if (tag == TAG_LIST) {
    listGive(at, lastRest, lo);
  } else if (tag == TAG_LEAF && word(entryBlock(entry) + AT_COUNT) > 1) {
    leafGive(entryBlock(entry), lo);
  } else {
    drop(at, holder);
    if (holder != 0 && smallAt == 0) hoist(holderAt, holderRest);
  }
  if (smallAt != 0) shrink(smallAt, smallRest);
  return true;
}

/**
 * Empties the set, at most `budget` leaves, lists and lone keys at a call, and gives their blocks
 * back. True: it is empty. Between two calls the set is valid. Overwrites foundHi and foundLo.
 */
export function radixFree(root: u32, budget: u32): bool {
  for (let step: u32 = 0; step < budget; step++) {
    if (!radixNextTaken(root, 0, 0, FULL, FULL)) break;
    let entry = word(root);
    let rest = KEY_BITS;
    while (entryTag(entry) == TAG_NODE) {
      const node = entryBlock(entry);
      rest = visitNode(node, rest);
      entry = word(node + AT_WORDS + (childOf(foundHi, foundLo, rest) << 3));
    }
    drop(countDown(root, foundHi, foundLo, keysBelow(entry)), holder);
  }
  return word(root) == 0;
}

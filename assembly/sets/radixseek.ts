// Questions to a radix set: is a key in it, what is the next free or taken key, how many are there.
// Nothing here writes.
//
// A search goes down once, and remembers the last place beside its way where there is certainly
// something (a child that isn't full, or one that isn't empty). If the way ends in nothing, it goes
// down a second time from there, and that can't fail: at most 2 x 22 blocks are visited.
import { damaged } from "../fault";
import { word } from "../image/image";
import {
  AT_COUNT,
  AT_FULL,
  AT_USED,
  AT_WORDS,
  childHi,
  childLo,
  childOf,
  entryBlock,
  entryTag,
  FULL,
  holds,
  KEY_BITS,
  LEAF_BITS,
  LEVELS,
  listFind,
  maskHi,
  maskLo,
  prefixBelow,
  prefixLo,
  TAG_FAR,
  TAG_LEAF,
  TAG_LIST,
  TAG_LONE,
  TAG_NODE,
  visitLeaf,
  visitList,
  visitNode,
} from "./radixnode";

/** What the last search that answered true has found. */
export let foundHi: u64 = 0;
export let foundLo: u64 = 0;

/** The entry where the key that radixNextFree found belongs, bits below it; 0 = not known. */
export let freeAt: u32 = 0;
export let freeRest: u32 = 0;

/** The place to go on from when the way down ends in nothing; node 0 = none. */
let backNode: u32 = 0;
let backChild: u32 = 0;
/** Or a key: the first one behind a node that is smaller than its place, where nothing is taken. */
let isGap: bool = false;
let gapHi: u64 = 0;
let gapLo: u64 = 0;

const STEPS: u32 = 3 * LEVELS;

/** Is the key in the set? */
export function radixHas(root: u32, hi: u64, lo: u64): bool {
  let entry = word(root);
  let rest = KEY_BITS;
  while (entryTag(entry) == TAG_NODE) {
    const node = entryBlock(entry);
    const shift = visitNode(node, rest);
    if (!holds(node, shift + 6, hi, lo)) return false;
    entry = word(node + AT_WORDS + (childOf(hi, lo, shift) << 3));
    rest = shift;
  }
  return hasBelow(entry, rest, hi, lo);
}

// The block of an entry that is a node, leaf or list; else 0.
function blockOf(entry: u64): u32 {
  return entryTag(entry) >= TAG_LIST ? entryBlock(entry) : 0;
}

/** The first block on the way down; 0 without one. */
export function radixTop(root: u32): u32 {
  return blockOf(word(root));
}

/** The leaf or list in which the key would lie, not looked at yet; 0 without one. */
export function radixPlace(root: u32, hi: u64, lo: u64): u32 {
  let entry = word(root);
  let rest = KEY_BITS;
  while (entryTag(entry) == TAG_NODE) {
    const node = entryBlock(entry);
    rest = visitNode(node, rest);
    if (!holds(node, rest + 6, hi, lo)) return 0;
    entry = word(node + AT_WORDS + (childOf(hi, lo, rest) << 3));
  }
  return blockOf(entry);
}

/** Is the key in an entry that isn't a node? */
function hasBelow(entry: u64, rest: u32, hi: u64, lo: u64): bool {
  const block = entryBlock(entry);
  switch (entryTag(entry)) {
    case TAG_LONE:
      return entry >> 4 == (lo & maskLo(rest));
    case TAG_FAR:
      return word(block) == hi && word(block + 8) == lo;
    case TAG_LIST: {
      const count = visitList(block) & 0xffff;
      const suffix = lo & maskLo(rest);
      const i = listFind(block, count, suffix);
      return i < count && word(block + 8 + (i << 3)) == suffix;
    }
    case TAG_LEAF:
      visitLeaf(block);
      if (!holds(block, LEAF_BITS, hi, lo)) return false;
      return ((word(block + AT_WORDS + ((<u32>(lo >> 6) & 63) << 3)) >> (lo & 63)) & 1) != 0;
    default:
      if (entry != 0) damaged("radix entry");
      return false;
  }
}

function found(hi: u64, lo: u64, endHi: u64, endLo: u64): bool {
  if (hi > endHi || (hi == endHi && lo > endLo)) return false;
  foundHi = hi;
  foundLo = lo;
  return true;
}

/** Keys in a row from `lo` on that an entry, no node, holds: at most 32, or a leaf's rest. */
function runFrom(entry: u64, rest: u32, hi: u64, lo: u64): u64 {
  const block = entryBlock(entry);
  if (entryTag(entry) == TAG_LIST) {
    const count = visitList(block) & 0xffff;
    const suffix = lo & maskLo(rest);
    const first = listFind(block, count, suffix);
    let i = first;
    while (i < count && word(block + 8 + (i << 3)) == suffix + <u64>(i - first)) i++;
    return <u64>(i - first);
  }
  if (entryTag(entry) != TAG_LEAF) return hasBelow(entry, rest, hi, lo) ? 1 : 0;
  visitLeaf(block);
  if (!holds(block, LEAF_BITS, hi, lo)) return 0;
  const from = <u32>lo & 0xfff;
  const index = from >> 6;
  const free = ~word(block + AT_WORDS + (index << 3)) >> (from & 63);
  if (free != 0) return ctz(free);
  const later = ~word(block + AT_FULL) & ((FULL << index) << 1);
  if (later == 0) return <u64>(4096 - from);
  const next = <u32>ctz(later);
  return <u64>((next << 6) + <u32>ctz(~word(block + AT_WORDS + (next << 3))) - from);
}

// Behind `node` (of 2^span keys) there may be more of its place (2^rest keys), all of it free:
// noted as where to go on, for whoever finds all of the node from hi:lo on taken.
function noteGap(span: u32, rest: u32, hi: u64, lo: u64): void {
  const lastLo = lo | maskLo(span);
  const nextLo = lastLo + 1;
  const nextHi = (hi | maskHi(span)) + (nextLo == 0 ? 1 : 0);
  if (((nextLo & maskLo(rest)) | (nextHi & maskHi(rest))) == 0) return;
  isGap = true;
  gapHi = nextHi;
  gapLo = nextLo;
}

/**
 * The first key >= hi:lo and <= endHi:endLo that isn't in the set, in foundHi, foundLo. False: all
 * of them are.
 */
export function radixNextFree(root: u32, hi: u64, lo: u64, endHi: u64, endLo: u64): bool {
  let at = root;
  let rest = KEY_BITS;
  backNode = 0;
  isGap = false;
  for (let step: u32 = 0; step < STEPS; step++) {
    freeAt = at;
    freeRest = rest;
    const entry = word(at);
    let run: u64 = 0;
    if (entryTag(entry) == TAG_NODE) {
      const node = entryBlock(entry);
      const shift = visitNode(node, rest);
      if (!holds(node, shift + 6, hi, lo)) return found(hi, lo, endHi, endLo);
      if (shift + 6 < rest) noteGap(shift + 6, rest, hi, lo);
      const i = childOf(hi, lo, shift);
      const open = ~word(node + AT_FULL) & maskLo((<u32>1) << min<u32>(6, KEY_BITS - shift));
      const later = open & ((FULL << i) << 1);
      if (((open >> i) & 1) != 0) {
        if (later != 0) {
          backNode = node;
          backChild = <u32>ctz(later);
          isGap = false;
        }
        at = node + AT_WORDS + (i << 3);
        rest = shift;
        continue;
      }
      if (later != 0) {
        backNode = node;
        backChild = <u32>ctz(later);
        isGap = false;
      } else {
        // All of the node from here on: the next key is the one behind its last.
        lo |= maskLo(shift + 6);
        hi |= maskHi(shift + 6);
        run = 1;
      }
    } else {
      run = runFrom(entry, rest, hi, lo);
      if (run == 0) return found(hi, lo, endHi, endLo);
    }
    if (run != 0) {
      lo += run;
      if (lo < run) hi++;
      // Still below this entry? It holds nothing there. Else go on beside the way down.
      if (((lo & maskLo(rest)) | (hi & maskHi(rest))) != 0) return found(hi, lo, endHi, endLo);
      freeAt = 0;
      if (isGap) return found(gapHi, gapLo, endHi, endLo);
      if (backNode == 0) return false;
    }
    const shift = visitNode(backNode, KEY_BITS);
    hi = word(backNode) | childHi(backChild, shift);
    lo = prefixLo(backNode, shift + 6) | childLo(backChild, shift);
    at = backNode + AT_WORDS + (backChild << 3);
    rest = shift;
    backNode = 0;
  }
  damaged("full marks of a radix node");
  return false;
}

/** The first key >= hi:lo of an entry without children, in foundHi, foundLo; false: it has none. */
function firstFrom(entry: u64, rest: u32, hi: u64, lo: u64): bool {
  const block = entryBlock(entry);
  const mask = maskLo(rest);
  switch (entryTag(entry)) {
    case TAG_LONE:
      if (entry >> 4 < (lo & mask)) return false;
      return found(hi, (lo & ~mask) | (entry >> 4), FULL, FULL);
    case TAG_FAR: {
      const farHi = word(block);
      const farLo = word(block + 8);
      if (farHi < hi || (farHi == hi && farLo < lo)) return false;
      return found(farHi, farLo, FULL, FULL);
    }
    case TAG_LIST: {
      const count = visitList(block) & 0xffff;
      const i = listFind(block, count, lo & mask);
      if (i == count) return false;
      return found(hi, (lo & ~mask) | word(block + 8 + (i << 3)), FULL, FULL);
    }
    case TAG_LEAF:
      visitLeaf(block);
      return leafFirst(block, hi, lo);
    default:
      if (entry != 0) damaged("radix entry");
      return false;
  }
}

function leafFirst(leaf: u32, hi: u64, lo: u64): bool {
  let from: u32 = 0;
  if (holds(leaf, LEAF_BITS, hi, lo)) from = <u32>lo & 0xfff;
  else if (prefixBelow(leaf, LEAF_BITS, hi, lo)) return false;
  let index = from >> 6;
  let taken = word(leaf + AT_WORDS + (index << 3)) & (FULL << (from & 63));
  if (taken == 0) {
    const later = word(leaf + AT_USED) & ((FULL << index) << 1);
    if (later == 0) return false;
    index = <u32>ctz(later);
    taken = word(leaf + AT_WORDS + (index << 3));
    if (taken == 0) damaged("used marks of a radix leaf");
  }
  const low = <u64>((index << 6) + <u32>ctz(taken));
  return found(word(leaf), prefixLo(leaf, LEAF_BITS) | low, FULL, FULL);
}

/**
 * The first key >= hi:lo and <= endHi:endLo of the set, in foundHi, foundLo. False: there is none.
 * From 0:0 it is the least key of all.
 */
export function radixNextTaken(root: u32, hi: u64, lo: u64, endHi: u64, endLo: u64): bool {
  let at = root;
  let rest = KEY_BITS;
  backNode = 0;
  for (let step: u32 = 0; step < STEPS; step++) {
    const entry = word(at);
    if (entryTag(entry) == TAG_NODE) {
      const node = entryBlock(entry);
      const shift = visitNode(node, rest);
      const span = shift + 6;
      if (!holds(node, span, hi, lo)) {
        if (!prefixBelow(node, span, hi, lo)) {
          // All its keys are above: its first one is wanted.
          hi = word(node);
          lo = prefixLo(node, span);
        }
      }
      if (holds(node, span, hi, lo)) {
        const i = childOf(hi, lo, shift);
        const used = word(node + AT_USED);
        const later = used & ((FULL << i) << 1);
        if (later != 0) {
          backNode = node;
          backChild = <u32>ctz(later);
        }
        if (((used >> i) & 1) != 0) {
          at = node + AT_WORDS + (i << 3);
          rest = shift;
          continue;
        }
      }
    } else if (firstFrom(entry, rest, hi, lo)) {
      // A walk from one key to the next must end, whatever the blocks hold.
      if (foundHi < hi || (foundHi == hi && foundLo < lo)) damaged("order of a radix set");
      return found(foundHi, foundLo, endHi, endLo);
    }
    if (backNode == 0) return false;
    const shift = visitNode(backNode, KEY_BITS);
    hi = word(backNode) | childHi(backChild, shift);
    lo = prefixLo(backNode, shift + 6) | childLo(backChild, shift);
    at = backNode + AT_WORDS + (backChild << 3);
    rest = shift;
    backNode = 0;
  }
  damaged("used marks of a radix node");
  return false;
}

/** Number of keys in the set. */
export function radixCount(root: u32): u64 {
  return word(root + 8);
}

/** Number of keys of one entry. */
export function keysBelow(entry: u64): u64 {
  switch (entryTag(entry)) {
    case TAG_LONE:
    case TAG_FAR:
      return 1;
    case TAG_LIST:
      return <u64>(visitList(entryBlock(entry)) & 0xffff);
    case TAG_NODE:
    case TAG_LEAF:
      return word(entryBlock(entry) + AT_COUNT);
    default:
      if (entry != 0) damaged("radix entry");
      return 0;
  }
}

/** Number of keys below hi:lo. At most 64 entries on each level are looked at. */
function rank(root: u32, hi: u64, lo: u64): u64 {
  let at = root;
  let rest = KEY_BITS;
  let keys: u64 = 0;
  for (let step: u32 = 0; step < LEVELS; step++) {
    const entry = word(at);
    if (entryTag(entry) != TAG_NODE) return keys + rankBelow(entry, rest, hi, lo);
    const node = entryBlock(entry);
    const shift = visitNode(node, rest);
    if (!holds(node, shift + 6, hi, lo)) {
      return prefixBelow(node, shift + 6, hi, lo) ? keys + word(node + AT_COUNT) : keys;
    }
    const i = childOf(hi, lo, shift);
    let before = word(node + AT_USED) & (((<u64>1) << i) - 1);
    for (; before != 0; before &= before - 1) {
      keys += keysBelow(word(node + AT_WORDS + ((<u32>ctz(before)) << 3)));
    }
    at = node + AT_WORDS + (i << 3);
    rest = shift;
  }
  return keys;
}

/** The same within an entry that isn't a node. */
function rankBelow(entry: u64, rest: u32, hi: u64, lo: u64): u64 {
  const block = entryBlock(entry);
  switch (entryTag(entry)) {
    case TAG_LIST:
      return <u64>listFind(block, visitList(block) & 0xffff, lo & maskLo(rest));
    case TAG_LONE:
      return entry >> 4 < (lo & maskLo(rest)) ? 1 : 0;
    case TAG_FAR: {
      const farHi = word(block);
      return farHi < hi || (farHi == hi && word(block + 8) < lo) ? 1 : 0;
    }
    case TAG_LEAF: {
      visitLeaf(block);
      if (!holds(block, LEAF_BITS, hi, lo)) {
        return prefixBelow(block, LEAF_BITS, hi, lo) ? word(block + AT_COUNT) : 0;
      }
      const index = <u32>(lo >> 6) & 63;
      let keys: u64 = 0;
      for (let i: u32 = 0; i < index; i++) keys += popcnt(word(block + AT_WORDS + (i << 3)));
      const last = word(block + AT_WORDS + (index << 3));
      return keys + popcnt(last & (((<u64>1) << (lo & 63)) - 1));
    }
    default:
      if (entry != 0) damaged("radix entry");
      return 0;
  }
}

/** Number of keys from start to end, both included; 0 if end < start. */
export function radixCountWithin(
  root: u32,
  startHi: u64,
  startLo: u64,
  endHi: u64,
  endLo: u64,
): u64 {
  if (endHi < startHi || (endHi == startHi && endLo < startLo)) return 0;
  const last: u64 = radixHas(root, endHi, endLo) ? 1 : 0;
  return rank(root, endHi, endLo) + last - rank(root, startHi, startLo);
}

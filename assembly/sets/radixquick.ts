// The radix set without a journal, for the usual take and give: the next free key of a leaf that
// stays a leaf. radixnode.ts draws nodes and leaves. Addresses instead of offsets, loads and stores
// instead of word and putWord, one way down to find the leaf and one to count.
//
// Whatever makes, fills, splits or shrinks a block is answered with "ask radix.ts": so of 4,096
// keys taken and given in a row some 50 are. Nothing is remembered between two calls, so there is
// nothing that a release, a shrink or another set could make wrong.
//
// Why twice: through the journal's functions a take and a give of a /64 cost two to three times as
// much (npm run bench). test/radixquick.test.ts holds both to the same bytes.
import { NONE } from "./bitmap";
import {
  AT_COUNT,
  AT_FULL,
  AT_USED,
  AT_WORDS,
  childOf,
  entryBlock,
  entryTag,
  FULL,
  LEAF_KEYS,
  LEAF_MAGIC,
  LEVELS,
  NODE_MAGIC,
  TAG_LEAF,
  TAG_NODE,
} from "./radixnode";
import { LIST_AGAIN } from "./radixshrink";

// The entry below a node for this key, 0 if that is no node: radix.ts will say so.
function below(node: usize, hi: u64, lo: u64): u64 {
  const meta = load<u32>(node, 8);
  if (((meta >> 7) & 0x7ff) != NODE_MAGIC) return 0;
  return load<u64>(node + ((<usize>childOf(hi, lo, meta & 127)) << 3), AT_WORDS);
}

/**
 * Address of the leaf that the key belongs to; 0 = there is none. A leaf's prefix is all of a key
 * but its last 12 bits, so nothing on the way has to be compared but that.
 */
function leafOf(base: usize, root: u32, hi: u64, lo: u64): usize {
  let entry = load<u64>(base + root);
  for (let step: u32 = 0; step < LEVELS && entryTag(entry) == TAG_NODE; step++) {
    entry = below(base + entryBlock(entry), hi, lo);
  }
  if (entryTag(entry) != TAG_LEAF) return 0;
  const leaf = base + entryBlock(entry);
  const isIt = load<u64>(leaf) == hi && load<u64>(leaf, 8) == ((lo & ~0xfff) | <u64>LEAF_MAGIC);
  return isIt ? leaf : 0;
}

/**
 * `by` keys more (or fewer: -1) on the way to a leaf that isn't full now: in the set, in each node,
 * in the leaf.
 */
function count(base: usize, root: u32, hi: u64, lo: u64, by: u64): void {
  store<u64>(base + root, load<u64>(base + root, 8) + by, 8);
  let entry = load<u64>(base + root);
  for (let step: u32 = 0; step < LEVELS && entryTag(entry) == TAG_NODE; step++) {
    const node = base + entryBlock(entry);
    store<u64>(node, load<u64>(node, AT_COUNT) + by, AT_COUNT);
    const i = childOf(hi, lo, load<u32>(node, 8) & 127);
    const full = load<u64>(node, AT_FULL);
    if (((full >> i) & 1) != 0) store<u64>(node, full & ~((<u64>1) << i), AT_FULL);
    entry = load<u64>(node + ((<usize>i) << 3), AT_WORDS);
  }
  const leaf = base + entryBlock(entry);
  store<u64>(leaf, load<u64>(leaf, AT_COUNT) + by, AT_COUNT);
}

/**
 * Takes the first free key at or after hi:lo in the leaf where hi:lo belongs: its low 12 bits. NONE
 * (nothing has changed): there is no such leaf, it has no such key, or it would be full.
 */
export function quickLeafTake(base: usize, root: u32, hi: u64, lo: u64): u32 {
  const leaf = leafOf(base, root, hi, lo);
  if (leaf == 0 || load<u64>(leaf, AT_COUNT) >= LEAF_KEYS - 1) return NONE;
  let index = <u32>(lo >> 6) & 63;
  let p = leaf + ((<usize>index) << 3);
  let old = load<u64>(p, AT_WORDS);
  let free = ~old & (FULL << (lo & 63));
  if (free == 0) {
    const later = ~load<u64>(leaf, AT_FULL) & ((FULL << index) << 1);
    if (later == 0) return NONE;
    index = <u32>ctz(later);
    p = leaf + ((<usize>index) << 3);
    old = load<u64>(p, AT_WORDS);
    free = ~old;
    if (free == 0) return NONE;
  }
  const now = old | (free & -free);
  store<u64>(p, now, AT_WORDS);
  const mark = (<u64>1) << index;
  if (old == 0) store<u64>(leaf, load<u64>(leaf, AT_USED) | mark, AT_USED);
  if (now == FULL) store<u64>(leaf, load<u64>(leaf, AT_FULL) | mark, AT_FULL);
  count(base, root, hi, lo, 1);
  return (index << 6) + <u32>ctz(free);
}

/**
 * Gives a key back to its leaf. False (nothing has changed): there is no such leaf, it doesn't hold
 * the key, or it would become a list.
 */
export function quickLeafGive(base: usize, root: u32, hi: u64, lo: u64): bool {
  const leaf = leafOf(base, root, hi, lo);
  if (leaf == 0 || load<u64>(leaf, AT_COUNT) <= LIST_AGAIN + 1) return false;
  const index = <u32>(lo >> 6) & 63;
  const p = leaf + ((<usize>index) << 3);
  const old = load<u64>(p, AT_WORDS);
  const now = old & ~((<u64>1) << (lo & 63));
  if (now == old) return false;
  store<u64>(p, now, AT_WORDS);
  const mark = (<u64>1) << index;
  if (now == 0) store<u64>(leaf, load<u64>(leaf, AT_USED) & ~mark, AT_USED);
  if (old == FULL) store<u64>(leaf, load<u64>(leaf, AT_FULL) & ~mark, AT_FULL);
  count(base, root, hi, lo, -1);
  return true;
}

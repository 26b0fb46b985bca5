// The check of a radix set: walks all of it, believes nothing, counts what is wrong, never traps.
// While a check of blocks is going on (blocks.ts) every block is claimed; that finds blocks which
// two entries point to.
import { blocksClaim, blocksOpen } from "../image/blocks";
import { imageLength, word } from "../image/image";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import {
  AT_COUNT,
  AT_FULL,
  AT_USED,
  AT_WORDS,
  childHi,
  childLo,
  entryBlock,
  entryTag,
  FAR_BYTES,
  FULL,
  KEY_BITS,
  LEAF_BITS,
  LEAF_MAGIC,
  LEVELS,
  LIST_MAGIC,
  LIST_MAX,
  leafKeys,
  listBytes,
  listCapacity,
  maskHi,
  maskLo,
  NEAR_BITS,
  NODE_BYTES,
  NODE_MAGIC,
  prefixLo,
  TAG_FAR,
  TAG_LEAF,
  TAG_LIST,
  TAG_LONE,
  TAG_NODE,
} from "./radixnode";

/** A node on the way down: where it is, what is above it, what was counted in it. */
@unmanaged
class Step {
  node: u32;
  shift: u32;
  next: u32;
  keys: u64;
}

let faults: i32 = 0;
/** Shift of the node that `look` has accepted; 0: the entry isn't a node to go into. */
let nodeShift: u32 = 0;

/**
 * Walks the whole set. The number of faults found; 0 = sound. Each block is visited once, so the
 * walk ends after as many entries as the image has words, whatever they say.
 */
export function radixCheck(root: u32): i32 {
  faults = 0;
  if (root & 7 || root > imageLength() - 16) return 1;
  const mark = scratchMark();
  const steps = scratchTake(<usize>LEVELS * offsetof<Step>());
  let depth: u32 = 0;
  let left = imageLength() >> 3;
  let keys = look(word(root), KEY_BITS, 0, 0);
  if (nodeShift != 0) {
    enter(steps, entryBlock(word(root)));
    depth = 1;
  }
  while (depth > 0) {
    const step = changetype<Step>(steps + <usize>(depth - 1) * offsetof<Step>());
    if (left == 0) {
      faults++;
      break;
    }
    left--;
    if (step.next == 64) {
      keys = step.keys;
      expect(word(step.node + AT_COUNT) == keys);
      depth--;
      if (depth > 0) changetype<Step>(steps + <usize>(depth - 1) * offsetof<Step>()).keys += keys;
      continue;
    }
    const i = step.next++;
    const entry = word(step.node + AT_WORDS + (i << 3));
    const shift = step.shift;
    expect((((word(step.node + AT_USED) >> i) & 1) != 0) == (entry != 0));
    const marked = ((word(step.node + AT_FULL) >> i) & 1) != 0;
    const hi = word(step.node) | childHi(i, shift);
    const lo = prefixLo(step.node, shift + 6) | childLo(i, shift);
    const found = look(entry, shift, hi, lo);
    expect(marked == isFull(entry, shift));
    if (nodeShift != 0 && depth < LEVELS) {
      enter(steps + <usize>depth * offsetof<Step>(), entryBlock(entry));
      depth++;
    } else {
      step.keys += found;
    }
  }
  expect(word(root + 8) == keys);
  scratchRewind(mark);
  return faults;
}

function expect(holds: bool): void {
  if (!holds) faults++;
}

function enter(step: usize, node: u32): void {
  const s = changetype<Step>(step);
  s.node = node;
  s.shift = nodeShift;
  s.next = 0;
  s.keys = 0;
}

/** Is the entry completely taken, and at the very next level? `lookFull` of the last look. */
function isFull(entry: u64, shift: u32): bool {
  if (!sound) return false;
  const tag = entryTag(entry);
  if (tag != TAG_NODE && tag != TAG_LEAF) return false;
  const span = tag == TAG_LEAF ? LEAF_BITS : nodeShift + 6;
  return span == shift && word(entryBlock(entry) + AT_FULL) == FULL;
}

/** Was the block of the last look worth reading? */
let sound: bool = false;

/** A block that lies in the image and that nobody else has claimed. */
function claim(block: u32, bytes: u32): bool {
  const length = imageLength();
  let good = (block & 7) == 0 && block != 0 && bytes <= length && block <= length - bytes;
  if (good && blocksOpen()) good = blocksClaim(block, bytes);
  expect(good);
  return good;
}

/**
 * Looks at one entry with `rest` bits left, below the prefix hi:lo. The keys it holds by itself;
 * for a node none, but nodeShift says that it is to be entered.
 */
function look(entry: u64, rest: u32, hi: u64, lo: u64): u64 {
  const block = entryBlock(entry);
  nodeShift = 0;
  sound = false;
  if (entry == 0) return 0;
  const tag = entryTag(entry);
  if (tag == TAG_LONE) {
    expect(rest <= NEAR_BITS && entry >> 4 <= maskLo(rest));
    return 1;
  }
  if (entry >> 36 != 0) {
    faults++;
    return 0;
  }
  switch (tag) {
    case TAG_FAR:
      if (!claim(block, FAR_BYTES)) return 0;
      expect(rest > NEAR_BITS && under(word(block), word(block + 8), rest, hi, lo));
      return 1;
    case TAG_LIST:
      return lookAtList(block, rest);
    case TAG_LEAF:
      return lookAtLeaf(block, rest, hi, lo);
    case TAG_NODE: {
      if (!claim(block, NODE_BYTES)) return 0;
      const meta = <u32>word(block + 8) & 0x3ffff;
      const shift = meta & 127;
      const good =
        meta >> 7 == NODE_MAGIC &&
        shift >= LEAF_BITS &&
        shift < rest &&
        shift % 6 == 0 &&
        shift < KEY_BITS &&
        under(word(block), prefixLo(block, shift + 6), rest, hi, lo);
      expect(good);
      if (!good) return 0;
      // Bits of the prefix that belong to the node's own keys.
      expect((word(block) & maskHi(shift + 6)) == 0);
      expect((word(block + 8) & maskLo(shift + 6)) == <u64>meta);
      expect(word(block + AT_USED) != 0);
      sound = true;
      nodeShift = shift;
      return 0;
    }
    default:
      faults++;
      return 0;
  }
}

/** Does the key lie under the prefix hi:lo, `rest` bits above its end? */
function under(keyHi: u64, keyLo: u64, rest: u32, hi: u64, lo: u64): bool {
  return (keyHi & ~maskHi(rest)) == hi && (keyLo & ~maskLo(rest)) == lo;
}

function lookAtLeaf(leaf: u32, rest: u32, hi: u64, lo: u64): u64 {
  if (!claim(leaf, NODE_BYTES)) return 0;
  const good =
    (<u32>word(leaf + 8) & 0xfff) == LEAF_MAGIC &&
    under(word(leaf), prefixLo(leaf, LEAF_BITS), rest, hi, lo);
  expect(good);
  if (!good) return 0;
  sound = true;
  let used: u64 = 0;
  let full: u64 = 0;
  for (let i: u32 = 0; i < 64; i++) {
    const taken = word(leaf + AT_WORDS + (i << 3));
    if (taken != 0) used |= (<u64>1) << i;
    if (taken == FULL) full |= (<u64>1) << i;
  }
  expect(word(leaf + AT_USED) == used);
  expect(word(leaf + AT_FULL) == full);
  const keys = leafKeys(leaf);
  expect(keys != 0 && word(leaf + AT_COUNT) == keys);
  return keys;
}

function lookAtList(list: u32, rest: u32): u64 {
  const length = imageLength();
  if (list & 7 || list == 0 || list > length - 16) {
    faults++;
    return 0;
  }
  const head = word(list);
  const count = <u32>head & 0xffff;
  const capacity = (<u32>head >> 16) & 0xffff;
  const good =
    head >> 32 == LIST_MAGIC &&
    count >= 2 &&
    count <= capacity &&
    capacity <= LIST_MAX &&
    listCapacity(capacity) == capacity &&
    rest <= NEAR_BITS;
  expect(good);
  if (!good || !claim(list, listBytes(capacity))) return 0;
  for (let i: u32 = 0; i < count; i++) {
    const suffix = word(list + 8 + (i << 3));
    expect(suffix <= maskLo(rest) && (i == 0 || word(list + (i << 3)) < suffix));
  }
  // What lies behind the last key is zero, as in a new block.
  for (let i = count; i < capacity; i++) expect(word(list + 8 + (i << 3)) == 0);
  return <u64>count;
}

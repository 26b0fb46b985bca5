// What a radix set is made of: entries, nodes, leaves, lists. This file knows the bytes; radix.ts
// knows what to do with them.
//
//   entry    | payload, 60 bits | tag, 4 bits |      0 = nothing here
//     LONE   one key: its low bits (all that the place doesn't tell; at most 60)
//     FAR    one key in a block of 16 bytes: hi, lo (where more than 60 bits are left)
//     LIST   2 to 32 keys, low bits in ascending order (where at most 60 bits are left)
//     NODE   64 entries, one for each value of the next 6 bits
//     LEAF   the bits of 4,096 keys
//
//   NODE, LEAF  | prefix hi | prefix lo, magic, shift | count | full | used | 64 words | 552 bytes
//   LIST        | magic, capacity, count | 4, 8, 16 or 32 words |          40, 72, 136, 264 bytes
//
// A node of shift s tells keys apart by bits s..s+5; s is 12, 18 ... 126. Its prefix is what its
// keys have in common above those; levels where all keys agree have no node. The low 18 bits of a
// node's prefix (12 of a leaf's) are zero by nature, so its magic number and shift live there.
// Bit i of `used`: entry (leaf: word) i isn't zero. Bit i of `full`: everything below it is taken,
// which a node can only say of a child at the very next level. `full` all ones = completely taken.
//
// Whoever visits a block proves its magic and that shifts fall on the way down, so that every walk
// ends and a zeroed or foreign block traps (damaged) instead of being believed.

import { damaged } from "../fault";
import { arenaFree, arenaTake } from "../image/arena";
import { imageBase, journalCall, journalIsOpen, putWord, word } from "../image/image";

export const TAG_LONE: u32 = 1;
export const TAG_FAR: u32 = 2;
export const TAG_LIST: u32 = 3;
export const TAG_NODE: u32 = 4;
export const TAG_LEAF: u32 = 5;

/** Bits of a key: what the root's entry leaves open. */
export const KEY_BITS: u32 = 128;
/** An entry with at most so many bits left holds lone keys itself, and may be a list. */
export const NEAR_BITS: u32 = 60;
/** Bits that a leaf covers. */
export const LEAF_BITS: u32 = 12;
/** Keys that a leaf holds. */
export const LEAF_KEYS: u64 = 4096;
/** Longest way from the root to a key: 20 shifts, the leaf, the root's entry. */
export const LEVELS: u32 = 22;
export const LIST_MAX: u32 = 32;

export const FAR_BYTES: u32 = 16;
export const NODE_BYTES: u32 = 552;
export const AT_COUNT: u32 = 16;
export const AT_FULL: u32 = 24;
export const AT_USED: u32 = 32;
export const AT_WORDS: u32 = 40;
export const FULL: u64 = 0xffffffffffffffff;

export const NODE_MAGIC: u32 = 0x5a3;
export const LEAF_MAGIC: u32 = 0xc96;
export const LIST_MAGIC: u64 = 0x7453494c;

/** The tag of an entry. */
export function entryTag(entry: u64): u32 {
  return <u32>entry & 15;
}

/** The block that an entry points to. */
export function entryBlock(entry: u64): u32 {
  return <u32>(entry >> 4);
}

/** An entry that points to a block. */
export function entryTo(block: u32, tag: u32): u64 {
  return ((<u64>block) << 4) | <u64>tag;
}

/** The low `bits` bits of a low half, all of it from 64 on. */
export function maskLo(bits: u32): u64 {
  return bits >= 64 ? FULL : ((<u64>1) << bits) - 1;
}

/** The same of the high half. */
export function maskHi(bits: u32): u64 {
  return bits <= 64 ? 0 : maskLo(bits - 64);
}

/** Which of a node's 64 entries the key belongs to (shift 12 to 126). */
export function childOf(hi: u64, lo: u64, shift: u32): u32 {
  if (shift >= 64) return <u32>(hi >> (shift - 64)) & 63;
  return <u32>((lo >> shift) | (hi << (64 - shift))) & 63;
}

/** High half of `index` at bits shift..shift+5. */
export function childHi(index: u32, shift: u32): u64 {
  return shift >= 64 ? (<u64>index) << (shift - 64) : <u64>index >> (64 - shift);
}

/** Low half of the same. */
export function childLo(index: u32, shift: u32): u64 {
  return shift >= 64 ? 0 : (<u64>index) << shift;
}

/** The shift that tells two keys apart, from the bits they differ in; 0 if one leaf holds both. */
export function shiftFor(differHi: u64, differLo: u64): u32 {
  const bit: u32 = differHi != 0 ? 127 - <u32>clz(differHi) : 63 - <u32>clz(differLo);
  return bit < LEAF_BITS ? 0 : bit - (bit % 6);
}

/** Shift of a node, unproven. */
export function shiftOf(node: u32): u32 {
  return <u32>word(node + 8) & 127;
}

/** Visits a node where `rest` bits are left: its shift. Traps on anything else. */
export function visitNode(node: u32, rest: u32): u32 {
  const meta = <u32>word(node + 8) & 0x3ffff;
  const shift = meta & 127;
  if (meta >> 7 != NODE_MAGIC || shift >= rest || shift < LEAF_BITS) damaged("radix node");
  return shift;
}

// The leaf whose count was proven last, and in which call.
let proven: u32 = 0;
let provenIn: u32 = 0;

/**
 * Visits a leaf. Traps on anything else. With an open journal (a plugin's call, one leaf a set) its
 * count is proven as well, once a call: that costs about 50 ns.
 */
export function visitLeaf(leaf: u32): void {
  if ((<u32>word(leaf + 8) & 0xfff) != LEAF_MAGIC) damaged("radix leaf");
  if (!journalIsOpen() || (leaf == proven && journalCall() == provenIn)) return;
  if (leafKeys(leaf) != word(leaf + AT_COUNT)) damaged("count of a radix leaf");
  proven = leaf;
  provenIn = journalCall();
}

/** Keys of a leaf, counted bit by bit. */
export function leafKeys(leaf: u32): u64 {
  let keys: u64 = 0;
  word(leaf + NODE_BYTES - 8); // the whole leaf lies in the image
  const from = imageBase() + leaf + AT_WORDS;
  for (let at = from; at < from + <usize>(NODE_BYTES - AT_WORDS); at += 8) {
    const bits = load<u64>(at);
    // Most words are empty or full, and counting bits is a dozen operations on many machines.
    if (bits == u64.MAX_VALUE) keys += 64;
    else if (bits != 0) keys += popcnt(bits);
  }
  return keys;
}

/** Does the prefix of this node or leaf, `span` bits wide (shift + 6, or 12), hold the key? */
export function holds(block: u32, span: u32, hi: u64, lo: u64): bool {
  const differHi = word(block) ^ hi;
  if (span >= 64) return span >= KEY_BITS || differHi >> (span - 64) == 0;
  return differHi == 0 && (word(block + 8) ^ lo) >> span == 0;
}

/** Is the block's prefix below the key? (One that holds the key isn't.) */
export function prefixBelow(block: u32, span: u32, hi: u64, lo: u64): bool {
  const keyHi = hi & ~maskHi(span);
  const prefix = word(block);
  if (prefix != keyHi) return prefix < keyHi;
  return (word(block + 8) & ~maskLo(span)) < (lo & ~maskLo(span));
}

/** Low half of a node's or leaf's prefix. */
export function prefixLo(block: u32, span: u32): u64 {
  return word(block + 8) & ~maskLo(span);
}

/** A node or leaf without keys that would hold the key, or 0: no memory. shift = 0: a leaf. */
export function newBlock(shift: u32, hi: u64, lo: u64): u32 {
  const block = arenaTake(NODE_BYTES);
  if (block == 0) return 0;
  const span = shift == 0 ? LEAF_BITS : shift + 6;
  const meta = shift == 0 ? LEAF_MAGIC : (NODE_MAGIC << 7) | shift;
  putWord(block, hi & ~maskHi(span));
  putWord(block + 8, (lo & ~maskLo(span)) | <u64>meta);
  return block;
}

/** The entry for one key where `rest` bits are left, or 0: no memory. */
export function newLone(rest: u32, hi: u64, lo: u64): u64 {
  if (rest <= NEAR_BITS) return ((lo & maskLo(rest)) << 4) | <u64>TAG_LONE;
  const block = arenaTake(FAR_BYTES);
  if (block == 0) return 0;
  putWord(block, hi);
  putWord(block + 8, lo);
  return entryTo(block, TAG_FAR);
}

/** Stores an entry of a node and notes that it is used. */
export function putChild(node: u32, index: u32, entry: u64): void {
  putWord(node + AT_WORDS + (index << 3), entry);
  putWord(node + AT_USED, word(node + AT_USED) | ((<u64>1) << index));
}

/** Sets the bit of a key in a leaf. False: it was set. */
export function leafTake(leaf: u32, lo: u64): bool {
  const index = <u32>(lo >> 6) & 63;
  const at = leaf + AT_WORDS + (index << 3);
  const old = word(at);
  const now = old | ((<u64>1) << (lo & 63));
  if (now == old) return false;
  putWord(at, now);
  putWord(leaf + AT_COUNT, word(leaf + AT_COUNT) + 1);
  if (old == 0) putWord(leaf + AT_USED, word(leaf + AT_USED) | ((<u64>1) << index));
  if (now == FULL) putWord(leaf + AT_FULL, word(leaf + AT_FULL) | ((<u64>1) << index));
  return true;
}

/** Clears the bit of a key that the leaf holds. */
export function leafGive(leaf: u32, lo: u64): void {
  const index = <u32>(lo >> 6) & 63;
  const at = leaf + AT_WORDS + (index << 3);
  const old = word(at);
  const now = old & ~((<u64>1) << (lo & 63));
  putWord(at, now);
  putWord(leaf + AT_COUNT, word(leaf + AT_COUNT) - 1);
  if (now == 0) putWord(leaf + AT_USED, word(leaf + AT_USED) & ~((<u64>1) << index));
  if (old == FULL) putWord(leaf + AT_FULL, word(leaf + AT_FULL) & ~((<u64>1) << index));
}

/** Bytes of the block for a list of `capacity` (4, 8, 16, 32). */
export function listBytes(capacity: u32): u32 {
  return 8 + (capacity << 3);
}

/** The smallest capacity that takes `count` keys. */
export function listCapacity(count: u32): u32 {
  return count <= 4 ? 4 : count <= 8 ? 8 : count <= 16 ? 16 : 32;
}

/** Visits a list: capacity << 16 | count. Traps on anything else. */
export function visitList(list: u32): u32 {
  const head = word(list);
  const count = <u32>head & 0xffff;
  const capacity = (<u32>head >> 16) & 0xffff;
  if (head >> 32 != LIST_MAGIC || count < 2 || count > capacity || capacity > LIST_MAX) {
    damaged("radix list");
  }
  return <u32>head;
}

/** Stores the head of a list. */
export function putListHead(list: u32, capacity: u32, count: u32): void {
  putWord(list, (LIST_MAGIC << 32) | <u64>((capacity << 16) | count));
}

/** Position of the first key of the list that is >= `suffix`; `count` if there is none. */
export function listFind(list: u32, count: u32, suffix: u64): u32 {
  let i: u32 = 0;
  while (i < count && word(list + 8 + (i << 3)) < suffix) i++;
  return i;
}

/** A list without keys yet that takes `count` of them, its head set; or 0: no memory. */
export function newList(count: u32): u32 {
  const capacity = listCapacity(count);
  const list = arenaTake(listBytes(capacity));
  if (list != 0) putListHead(list, capacity, count);
  return list;
}

/** Gives the block of an entry back (a lone key has none). What a node holds isn't followed. */
export function freeEntry(entry: u64): void {
  const block = entryBlock(entry);
  switch (entryTag(entry)) {
    case TAG_LONE:
      return;
    case TAG_FAR:
      arenaFree(block, FAR_BYTES);
      return;
    case TAG_LIST:
      arenaFree(block, listBytes(visitList(block) >> 16));
      return;
    case TAG_NODE:
    case TAG_LEAF:
      arenaFree(block, NODE_BYTES);
      return;
    default:
      damaged("radix entry");
  }
}

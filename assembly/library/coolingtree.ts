// The tree of a pool's cooling slots, in their order, each with the time at which it is due. It
// says which slot from a given one on is due, however many lie between that cool longer.
//
//   link  | ref u32 | due u32 |                                    0 = nothing hangs there
//     ref   a node's offset; or, + 1, that of a leaf: an entry of the queue (cooling.ts)
//     due   of the leaf; of a node, when the first slot below it is due
//   node  | shift u64 | 8 links, one for each value of the slots' bits shift..shift+2 |   72 B
//
// The slots below a node agree in all bits above those three, and a node has two links at least. So
// there are fewer nodes than slots, and no more of them on a way down than a third of the bits that
// slots have; usually a third of log2 of how many cool.
//
// Cost: one way down for each question, two for a change.
import { damaged } from "../fault";
import { arenaFree, arenaTake } from "../image/arena";
import { putWord, word } from "../image/image";

const NODE: u32 = 72;
const LINKS: u32 = 8;
const LEAF: u32 = 1;
const DIGIT: i32 = 3;
const SLOT_BITS: i32 = 128;

function refOf(link: u64): u32 {
  return <u32>link;
}

function dueOf(link: u64): u32 {
  return <u32>(link >> 32);
}

function linkTo(ref: u32, due: u32): u64 {
  return <u64>ref | ((<u64>due) << 32);
}

function isLeaf(link: u64): bool {
  return (link & <u64>LEAF) != 0;
}

function isDue(link: u64, now: u32): bool {
  return link != 0 && dueOf(link) <= now;
}

// Where the link of a slot hangs in a node.
function placeOf(node: u32, shift: i32, hi: u64, lo: u64): u32 {
  let digit = shift >= 64 ? hi >> (<u64>shift - 64) : lo >> <u64>shift;
  if (shift == 63) digit |= hi << 1;
  return node + LINKS + ((<u32>digit & 7) << 3);
}

// The shift of a node that hangs below one of the shift `above`.
function shiftOf(node: u32, above: i32): i32 {
  const shift = <i32>word(node);
  if (shift >= above || shift < 0) damaged("order of a pool's cooling slots");
  return shift;
}

// The first link of a node from `place` on, where something hangs; due by `now`. 0: there is none.
function linkFrom(node: u32, place: u32, now: u32): u64 {
  for (let at = place; at < node + NODE; at += 8) {
    const link = word(at);
    if (isDue(link, now)) return link;
  }
  return 0;
}

// The entry to which a slot's bits lead: its own, or one that agrees with it as far as any does.
function nearest(link: u64, hi: u64, lo: u64): u32 {
  for (let shift = SLOT_BITS; !isLeaf(link); ) {
    const node = refOf(link);
    shift = shiftOf(node, shift);
    link = word(placeOf(node, shift, hi, lo));
    if (link == 0) link = linkFrom(node, node + LINKS, u32.MAX_VALUE);
  }
  return refOf(link) - LEAF;
}

// The shift of a node that would tell an entry's slot from another slot; -1: it is that slot.
function differsAt(entry: u32, hi: u64, lo: u64): i32 {
  const differHi = word(entry) ^ hi;
  const differLo = word(entry + 8) ^ lo;
  if ((differHi | differLo) == 0) return -1;
  const bit = differHi != 0 ? 127 - <i32>clz(differHi) : 63 - <i32>clz(differLo);
  return bit - (bit % DIGIT);
}

/** The entry of a slot, 0 = it isn't there. */
export function treeFind(at: u32, hi: u64, lo: u64): u32 {
  const root = word(at);
  if (root == 0) return 0;
  const entry = nearest(root, hi, lo);
  return word(entry) == hi && word(entry + 8) == lo ? entry : 0;
}

/** What treePut answers. */
export const PUT_OK: i32 = 0;
export const PUT_SAME: i32 = 1;
export const PUT_NO_SPACE: i32 = 2;

/** Puts an entry into the tree: PUT_OK, PUT_SAME (its slot is there) or PUT_NO_SPACE. */
export function treePut(at: u32, entry: u32, due: u32): i32 {
  const leaf = linkTo(entry + LEAF, due);
  let place = at;
  let link = word(place);
  if (link == 0) {
    putWord(place, leaf);
    return PUT_OK;
  }
  const hi = word(entry);
  const lo = word(entry + 8);
  const near = nearest(link, hi, lo);
  const differs = differsAt(near, hi, lo);
  if (differs < 0) return PUT_SAME;
  let shift = SLOT_BITS;
  while (!isLeaf(link)) {
    shift = <i32>word(refOf(link));
    if (shift <= differs) break;
    if (due < dueOf(link)) putWord(place, linkTo(refOf(link), due));
    place = placeOf(refOf(link), shift, hi, lo);
    link = word(place);
  }
  let node = refOf(link);
  if (isLeaf(link) || shift != differs) {
    node = arenaTake(NODE);
    if (node == 0) return PUT_NO_SPACE;
    putWord(node, <u64>differs);
    putWord(placeOf(node, differs, word(near), word(near + 8)), link);
  }
  putWord(placeOf(node, differs, hi, lo), leaf);
  const first = min<u32>(due, dueOf(link));
  if (link != linkTo(node, first)) putWord(place, linkTo(node, first));
  return PUT_OK;
}

/** Takes a slot out of the tree: its entry, 0 = it isn't there. */
export function treeCut(at: u32, hi: u64, lo: u64): u32 {
  return word(at) == 0 ? 0 : cutBelow(at, SLOT_BITS, hi, lo);
}

// The same below the link at `place`, which isn't empty, and what that says of it.
function cutBelow(place: u32, above: i32, hi: u64, lo: u64): u32 {
  const link = word(place);
  if (isLeaf(link)) {
    const entry = refOf(link) - LEAF;
    if (word(entry) != hi || word(entry + 8) != lo) return 0;
    putWord(place, 0);
    return entry;
  }
  const node = refOf(link);
  const shift = shiftOf(node, above);
  const below = placeOf(node, shift, hi, lo);
  const old = word(below);
  if (old == 0) return 0;
  const entry = cutBelow(below, shift, hi, lo);
  if (entry != 0 && word(below) != old) amend(place, node);
  return entry;
}

// A link of the node has changed: it says when the first is due, and goes where it has one link.
function amend(place: u32, node: u32): void {
  let due = u32.MAX_VALUE;
  let links = 0;
  let last: u64 = 0;
  for (let at = node + LINKS; at < node + NODE; at += 8) {
    const link = word(at);
    if (link == 0) continue;
    due = min<u32>(due, dueOf(link));
    last = link;
    links++;
  }
  if (links == 1) {
    putWord(place, last);
    arenaFree(node, NODE);
  } else if (dueOf(word(place)) != due) putWord(place, linkTo(node, due));
}

/** Is something due by `now`? */
export function treeIsDue(at: u32, now: u32): bool {
  return isDue(word(at), now);
}

/** The entry of the first slot at or after hi:lo that is due by `now`; 0 = none is. */
export function treeNextDue(at: u32, hi: u64, lo: u64, now: u32): u32 {
  let link = word(at);
  if (!isDue(link, now)) return 0;
  const near = nearest(link, hi, lo);
  const differs = differsAt(near, hi, lo);
  // Beside the way, behind it: the last that is seen is the first in order.
  let found: u64 = 0;
  let shift = SLOT_BITS;
  while (!isLeaf(link)) {
    const node = refOf(link);
    shift = <i32>word(node);
    if (shift < differs) break;
    const place = placeOf(node, shift, hi, lo);
    const later = linkFrom(node, place + 8, now);
    if (later != 0) found = later;
    link = word(place);
    if (link == 0) break;
  }
  // What is left agrees with hi:lo down to where the way's end differs: it lies on one side of it.
  if (isDue(link, now)) {
    const nearHi = word(near);
    if (nearHi > hi || (nearHi == hi && word(near + 8) >= lo)) found = link;
  }
  if (found == 0) return 0;
  while (!isLeaf(found)) found = linkFrom(refOf(found), refOf(found) + LINKS, now);
  return refOf(found) - LEAF;
}

// Blocks: sub-prefixes of mixed lengths from one prefix without overlap; a buddy whose free lists
// are radix sets. A level is how many bits longer than the prefix a block is, an index counts the
// blocks of one level from 0: block (level, index) halves into (level + 1, 2 x index) and
// (level + 1, 2 x index + 1), which are buddies.
//
//   cell, a run of the heap
//      0  span u32, the deepest level | bytes of the run u32
//      8  -
//     16  levels that have a free block, a bit each: 24 B
//     40  levels that have a held block, the same
//     64  level 0: free, 16 B | held, 16 B     radix roots; the keys are indexes
//     96  level 1: free       | held
//     ..  level span
//
// Two free buddies are never left apart: what is free and whole is one block or lies in one. So a
// block is free exactly if it or one of those around it is in a free set, and what is neither free
// nor held is excluded.
//
// Cost: take and give O(span) steps of a radix set, mostly on empty ones; at most 16 B of memory
// for each free block that a split leaves, a bit to 16 B for a held one. Refused: levels and
// indexes that don't exist, what isn't wholly free.
import { damaged } from "../fault";
import { half, putWord, word } from "../image/image";
import {
  foundHi,
  foundLo,
  RADIX_OK,
  radixCount,
  radixFree,
  radixGive,
  radixHas,
  radixNextTaken,
  radixTake,
} from "../sets/radix";
import { arenaReady, heapGives, heapReady, runFree, runTake } from "./buddy";
import { BUSY } from "./calls";
import { enter, leave } from "./desk";
import { FREE, NO_SPACE, OK, OUTSIDE, STATE_FREE, STATE_HELD, TAKEN } from "./slots";

const FREES: u32 = 16;
const HELDS: u32 = 40;
const ROOTS: u32 = 64;
/** The two sets of a level. */
const FREE_SET: u32 = 0;
const HELD_SET: u32 = 16;
const LEVEL_BYTES: u32 = 32;
/** The deepest level that there can be. */
const SPAN_MAX: u32 = 128;
const MAX: u64 = 0xffffffffffffffff;
/** A carve puts one key into up to 128 sets: a node and lists of 33 keys each at the worst. */
const SLACK: u32 = 196608;
/** Leaves, lists and keys that blocksClose takes out under one lock: it notes each word of them. */
const EMPTYING: u32 = 16;

/** States beside STATE_FREE and STATE_HELD: something in it is held; excluded, or in part. */
const STATE_PARTLY: i32 = 5;
const STATE_EXCLUDED: i32 = 3;

/** The block that the last call found: its level and its index. */
export let blockLevel: u32 = 0;
export let blockHi: u64 = 0;
export let blockLo: u64 = 0;

function spanOf(cell: u32): u32 {
  return half(cell);
}

// High and low half of an index of a level that is `n` bits shorter (n = 0 to 128).
function upHi(hi: u64, n: u32): u64 {
  return n >= 64 ? 0 : hi >> n;
}

function upLo(hi: u64, lo: u64, n: u32): u64 {
  if (n == 0) return lo;
  if (n < 64) return (lo >> n) | (hi << (64 - n));
  return n >= 128 ? 0 : hi >> (n - 64);
}

// The same `n` bits longer: the first of those in it.
function downHi(hi: u64, lo: u64, n: u32): u64 {
  if (n == 0) return hi;
  if (n < 64) return (hi << n) | (lo >> (64 - n));
  return n >= 128 ? 0 : lo << (n - 64);
}

function downLo(lo: u64, n: u32): u64 {
  return n >= 64 ? 0 : lo << n;
}

function isInside(cell: u32, level: u32, hi: u64, lo: u64): bool {
  if (level > spanOf(cell)) return false;
  return (upHi(hi, level) | upLo(hi, lo, level)) == 0;
}

function rootOf(cell: u32, level: u32, kind: u32): u32 {
  return cell + ROOTS + level * LEVEL_BYTES + kind;
}

function hasLevel(cell: u32, field: u32, level: u32): bool {
  return ((word(cell + field + ((level >> 6) << 3)) >> (level & 63)) & 1) != 0;
}

function markLevel(cell: u32, kind: u32, level: u32, on: bool): void {
  const at = cell + (kind == HELD_SET ? HELDS : FREES) + ((level >> 6) << 3);
  const bit = (<u64>1) << (level & 63);
  putWord(at, on ? word(at) | bit : word(at) & ~bit);
}

// Puts a block into a set. Memory for it has been made sure of.
function put(cell: u32, kind: u32, level: u32, hi: u64, lo: u64): void {
  if (radixTake(rootOf(cell, level, kind), hi, lo) != RADIX_OK) damaged("a block is there twice");
  markLevel(cell, kind, level, true);
}

// Takes a block out of a set. false: it isn't in it.
function drop(cell: u32, kind: u32, level: u32, hi: u64, lo: u64): bool {
  const root = rootOf(cell, level, kind);
  if (!radixGive(root, hi, lo)) return false;
  if (radixCount(root) == 0) markLevel(cell, kind, level, false);
  return true;
}

// Memory for every set that a carve puts a key into. false: the heap is full.
function isReady(): bool {
  return heapReady() && arenaReady(SLACK);
}

function bytesFor(span: u32): u32 {
  return ROOTS + (span + 1) * LEVEL_BYTES;
}

/** Blocks of a prefix with `span` bits (0 to 128) below it: the cell; 0 = no space, -2 busy. */
export function blocksMake(span: u32): u32 {
  if (span > SPAN_MAX) return 0;
  if (!enter()) return <u32>BUSY;
  let cell: u32 = 0;
  if (isReady()) {
    cell = runTake(bytesFor(span));
    if (cell != 0) {
      putWord(cell, <u64>span | ((<u64>bytesFor(span)) << 32));
      put(cell, FREE_SET, 0, 0, 0);
    }
  }
  leave();
  return cell;
}

/** Gives everything back: OK, or BUSY (call again). */
export function blocksClose(cell: u32): i32 {
  for (let i: u32 = 0; i < 2 * (spanOf(cell) + 1); i++) {
    const root = cell + ROOTS + i * (LEVEL_BYTES / 2);
    let empty: bool = false;
    while (!empty) {
      if (!enter()) return BUSY;
      empty = radixFree(root, EMPTYING);
      leave();
    }
  }
  if (!enter()) return BUSY;
  runFree(cell, bytesFor(spanOf(cell)));
  leave();
  return OK;
}

// The deepest level up to `level` that has a free block; -1 = none.
function levelWithFree(cell: u32, level: u32): i32 {
  for (let i = <i32>(level >> 6); i >= 0; i--) {
    let bits = word(cell + FREES + ((<u32>i) << 3));
    if (<u32>i == level >> 6) bits &= MAX >> (63 - (level & 63));
    if (bits != 0) return (i << 6) + 63 - <i32>clz(bits);
  }
  return -1;
}

/** Can a block of this level be taken? 1 or 0. */
export function blocksRoom(cell: u32, level: u32): i32 {
  return level <= spanOf(cell) && levelWithFree(cell, level) >= 0 ? 1 : 0;
}

/**
 * Takes a block of `level`: from the smallest free block that holds one, of several the first.
 * OK: blockHi, blockLo are its index. FREE: there is none. OUTSIDE, NO_SPACE, BUSY.
 */
export function blocksTake(cell: u32, level: u32): i32 {
  if (level > spanOf(cell)) return OUTSIDE;
  if (!enter()) return BUSY;
  const status = isReady() ? takeOne(cell, level) : NO_SPACE;
  leave();
  return status;
}

function takeOne(cell: u32, level: u32): i32 {
  const from = levelWithFree(cell, level);
  if (from < 0) return FREE;
  const root = rootOf(cell, <u32>from, FREE_SET);
  if (!radixNextTaken(root, 0, 0, MAX, MAX)) damaged("levels of free blocks");
  const n = level - <u32>from;
  blockLevel = level;
  blockHi = downHi(foundHi, foundLo, n);
  blockLo = downLo(foundLo, n);
  if (!carve(cell, level, blockHi, blockLo)) damaged("a free block isn't free");
  put(cell, HELD_SET, level, blockHi, blockLo);
  return OK;
}

// The level of the free block that is this one or holds it; -1 = there is none.
function freeAround(cell: u32, level: u32, hi: u64, lo: u64, kind: u32): i32 {
  for (let m = <i32>level; m >= 0; m--) {
    if (!hasLevel(cell, kind == HELD_SET ? HELDS : FREES, <u32>m)) continue;
    const n = level - <u32>m;
    if (radixHas(rootOf(cell, <u32>m, kind), upHi(hi, n), upLo(hi, lo, n))) return m;
  }
  return -1;
}

// Takes a block out of the free block around it; what is left of that stays free, in halves.
function carve(cell: u32, level: u32, hi: u64, lo: u64): bool {
  const from = freeAround(cell, level, hi, lo, FREE_SET);
  if (from < 0) return false;
  drop(cell, FREE_SET, <u32>from, upHi(hi, level - from), upLo(hi, lo, level - from));
  for (let m = <u32>from + 1; m <= level; m++) {
    put(cell, FREE_SET, m, upHi(hi, level - m), upLo(hi, lo, level - m) ^ 1);
  }
  return true;
}

/** Takes this very block: OK, TAKEN (not wholly free), OUTSIDE, NO_SPACE, BUSY. */
export function blocksTakeAt(cell: u32, level: u32, hi: u64, lo: u64): i32 {
  return takeOut(cell, level, hi, lo, true);
}

/** The same, but nobody holds it: it is never given, and doesn't come back. */
export function blocksExclude(cell: u32, level: u32, hi: u64, lo: u64): i32 {
  return takeOut(cell, level, hi, lo, false);
}

function takeOut(cell: u32, level: u32, hi: u64, lo: u64, held: bool): i32 {
  if (!isInside(cell, level, hi, lo)) return OUTSIDE;
  if (!enter()) return BUSY;
  let status = NO_SPACE;
  if (isReady()) {
    status = carve(cell, level, hi, lo) ? OK : TAKEN;
    if (held && status == OK) put(cell, HELD_SET, level, hi, lo);
  }
  leave();
  return status;
}

/**
 * Gives a held block back and joins free buddies: OK, FREE (it wasn't held), BUSY. NO_SPACE when
 * the heap is full and what is kept for gives has been used up, too.
 */
export function blocksGive(cell: u32, level: u32, hi: u64, lo: u64): i32 {
  if (!isInside(cell, level, hi, lo)) return OUTSIDE;
  if (!enter()) return BUSY;
  const status = heapGives() ? giveOne(cell, level, hi, lo) : NO_SPACE;
  leave();
  return status;
}

function giveOne(cell: u32, level: u32, hi: u64, lo: u64): i32 {
  if (!drop(cell, HELD_SET, level, hi, lo)) return FREE;
  let m = level;
  for (; m > 0; m--) {
    const n = level - m;
    if (!drop(cell, FREE_SET, m, upHi(hi, n), upLo(hi, lo, n) ^ 1)) break;
  }
  put(cell, FREE_SET, m, upHi(hi, level - m), upLo(hi, lo, level - m));
  return OK;
}

/**
 * STATE_FREE; STATE_HELD (blockLevel, blockHi, blockLo: the held block that it is or lies in);
 * STATE_PARTLY (the first held block in it); STATE_EXCLUDED (at least in part, nothing held);
 * OUTSIDE; BUSY.
 */
export function blocksState(cell: u32, level: u32, hi: u64, lo: u64): i32 {
  if (!isInside(cell, level, hi, lo)) return OUTSIDE;
  if (!enter()) return BUSY;
  const state = stateOf(cell, level, hi, lo);
  leave();
  return state;
}

function stateOf(cell: u32, level: u32, hi: u64, lo: u64): i32 {
  const around = freeAround(cell, level, hi, lo, HELD_SET);
  if (around >= 0) {
    blockLevel = <u32>around;
    blockHi = upHi(hi, level - around);
    blockLo = upLo(hi, lo, level - around);
    return STATE_HELD;
  }
  if (freeAround(cell, level, hi, lo, FREE_SET) >= 0) return STATE_FREE;
  const below = spanOf(cell) - level;
  if (!nextHeld(cell, downHi(hi, lo, below), downLo(lo, below))) return STATE_EXCLUDED;
  // No held block lies around this one: what begins in it lies in it, deeper.
  if (blockLevel < level) return STATE_EXCLUDED;
  const n = blockLevel - level;
  const same = upHi(blockHi, n) == hi && upLo(blockHi, blockLo, n) == lo;
  return same ? STATE_PARTLY : STATE_EXCLUDED;
}

/**
 * The first held block that begins at or after address hi:lo of the prefix (an index of the deepest
 * level): OK (blockLevel, blockHi, blockLo), FREE (none), BUSY.
 */
export function blocksNext(cell: u32, hi: u64, lo: u64): i32 {
  if (!enter()) return BUSY;
  const found = nextHeld(cell, hi, lo);
  leave();
  return found ? OK : FREE;
}

function nextHeld(cell: u32, hi: u64, lo: u64): bool {
  const span = spanOf(cell);
  let bestHi: u64 = 0;
  let bestLo: u64 = 0;
  let found: bool = false;
  for (let level: u32 = 0; level <= span; level++) {
    if (!hasLevel(cell, HELDS, level)) continue;
    const n = span - level;
    let fromHi = upHi(hi, n);
    let fromLo = upLo(hi, lo, n);
    // A block that began before doesn't count: the next one of its level is asked for.
    if (downLo(fromLo, n) != lo || downHi(fromHi, fromLo, n) != hi) {
      fromLo++;
      if (fromLo == 0) fromHi++;
    }
    if (!radixNextTaken(rootOf(cell, level, HELD_SET), fromHi, fromLo, MAX, MAX)) continue;
    const startHi = downHi(foundHi, foundLo, n);
    const startLo = downLo(foundLo, n);
    if (found && (startHi > bestHi || (startHi == bestHi && startLo >= bestLo))) continue;
    found = true;
    bestHi = startHi;
    bestLo = startLo;
    blockLevel = level;
    blockHi = foundHi;
    blockLo = foundLo;
  }
  return found;
}

/** Free (held = 0) or held (1) blocks of exactly this level. */
export function blocksCount(cell: u32, level: u32, held: u32): u64 {
  if (level > spanOf(cell)) return 0;
  return radixCount(rootOf(cell, level, held != 0 ? HELD_SET : FREE_SET));
}

// Cooling slots of one pool: released, not to be given before their time. All of a pool cool
// equally long, so they become due in the order in which they came: a queue. A tree of its entries
// (coolingtree.ts) says whether a slot cools, and which slot is due where a policy looks for one.
//
//   at      | queue: first block u32, last block u32 | tree: a link | count u64 |   24 B
//   block   | next u32 | - | from u32 | to u32 | 22 x entry |                 544 of 552 B
//   entry   | hi u64 | lo u64 | due u32 | 1: taken out of the tree before its turn u32 |
//
// O(1) and some ways down the tree. Where memory for a new block is missing the slot doesn't cool:
// a release never fails.
import { arenaFree, arenaTake } from "../image/arena";
import { half, imageBase, putHalf, putWord, word } from "../image/image";
import {
  PUT_NO_SPACE,
  PUT_OK,
  treeCut,
  treeFind,
  treeIsDue,
  treeNextDue,
  treePut,
} from "./coolingtree";

const BLOCK: u32 = 552;
const HEAD: u32 = 16;
const ENTRY: u32 = 24;
const ENTRIES: u32 = 22;
const TREE: u32 = 8;
const COUNT: u32 = 16;
const GONE: u64 = 1 << 32;

/** The slot that coolingPop took out, or coolingNextDue found. */
export let cooledHi: u64 = 0;
export let cooledLo: u64 = 0;

/** What coolingPop has taken out of the queue: nothing, a slot, an entry without one. */
export const POP_NONE: i32 = 0;
export const POP_SLOT: i32 = 1;
const POP_GONE: i32 = 2;

/** Puts a slot into the queue until `due`: PUT_OK, PUT_SAME (it cools already), PUT_NO_SPACE. */
export function coolingPush(at: u32, hi: u64, lo: u64, due: u32): i32 {
  let block = half(at + 4);
  if (block == 0 || half(block + 12) == ENTRIES) {
    const fresh = arenaTake(BLOCK);
    if (fresh == 0) return PUT_NO_SPACE;
    if (block != 0) putHalf(block, fresh);
    else putHalf(at, fresh);
    putHalf(at + 4, fresh);
    block = fresh;
  }
  const entry = block + HEAD + half(block + 12) * ENTRY;
  putWord(entry, hi);
  putWord(entry + 8, lo);
  putWord(entry + 16, <u64>due);
  const put = treePut(at + TREE, entry, due);
  if (put != PUT_OK) return put;
  putHalf(block + 12, half(block + 12) + 1);
  putWord(at + COUNT, word(at + COUNT) + 1);
  return PUT_OK;
}

/** Does the slot cool? */
export function coolingHas(at: u32, hi: u64, lo: u64): bool {
  return treeFind(at + TREE, hi, lo) != 0;
}

/** How many slots cool. */
export function coolingCount(at: u32): u64 {
  return word(at + COUNT);
}

// The first entry of the queue, 0 = none.
function firstEntry(at: u32): u32 {
  const block = half(at);
  if (block == 0 || half(block + 8) == half(block + 12)) return 0;
  return block + HEAD + half(block + 8) * ENTRY;
}

function isGone(entry: u32): bool {
  return word(entry + 16) >> 32 != 0;
}

function waits(entry: u32, now: u32): bool {
  return entry != 0 && (isGone(entry) || <u32>word(entry + 16) <= now);
}

/** Has coolingPop something to do at that time? */
export function coolingWaits(at: u32, now: u32): bool {
  return waits(firstEntry(at), now);
}

/** Is a slot due by `now`? */
export function coolingIsDue(at: u32, now: u32): bool {
  return treeIsDue(at + TREE, now);
}

// Takes a slot out of the tree: its entry, 0 = it doesn't cool.
function cut(at: u32, hi: u64, lo: u64): u32 {
  const entry = treeCut(at + TREE, hi, lo);
  if (entry != 0) putWord(at + COUNT, word(at + COUNT) - 1);
  return entry;
}

/**
 * Takes the first entry out of the queue if it is due by `now`: POP_SLOT (cooledHi, cooledLo),
 * POP_GONE (coolingCut has had its slot) or POP_NONE. Blocks that are used up go back.
 */
export function coolingPop(at: u32, now: u32): i32 {
  const entry = firstEntry(at);
  if (!waits(entry, now)) return POP_NONE;
  const gone = isGone(entry);
  if (!gone) {
    cooledHi = word(entry);
    cooledLo = word(entry + 8);
    cut(at, cooledHi, cooledLo);
  }
  const block = half(at);
  putHalf(block + 8, half(block + 8) + 1);
  if (half(block + 8) == half(block + 12)) {
    const next = half(block);
    putHalf(at, next);
    if (next == 0) putHalf(at + 4, 0);
    arenaFree(block, BLOCK);
  }
  return gone ? POP_GONE : POP_SLOT;
}

/** Ends a slot's cool-down before its turn comes in the queue, where its entry stays. */
export function coolingCut(at: u32, hi: u64, lo: u64): void {
  const entry = cut(at, hi, lo);
  if (entry != 0) putWord(entry + 16, word(entry + 16) | GONE);
}

/** The first slot at or after hi:lo that is due by `now`: cooledHi, cooledLo. false: none is. */
export function coolingNextDue(at: u32, hi: u64, lo: u64, now: u32): bool {
  const entry = treeNextDue(at + TREE, hi, lo, now);
  if (entry == 0) return false;
  cooledHi = word(entry);
  cooledLo = word(entry + 8);
  return true;
}

/** When a cooling slot is due; 0 where it doesn't cool. */
export function coolingUntil(at: u32, hi: u64, lo: u64): u32 {
  const entry = treeFind(at + TREE, hi, lo);
  return entry == 0 ? 0 : <u32>word(entry + 16);
}

/**
 * Copies the cooling slots number `from` and on, at most `n`, into memory: hi u64, lo u64, due u64,
 * the first that is due first. How many. For snapshots.
 */
export function coolingCopy(at: u32, from: u32, into: usize, n: u32): u32 {
  let block = half(at);
  let skip = from;
  let done: u32 = 0;
  while (block != 0 && done < n) {
    for (let i = half(block + 8); i < half(block + 12) && done < n; i++) {
      const entry = block + HEAD + i * ENTRY;
      if (isGone(entry)) continue;
      if (skip > 0) {
        skip--;
        continue;
      }
      memory.copy(into + <usize>(done * ENTRY), imageBase() + entry, <usize>ENTRY);
      done++;
    }
    block = half(block);
  }
  return done;
}

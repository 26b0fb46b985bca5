// Many slots of a bitmap in one call, without a journal: takes leaf by leaf instead of slot by
// slot. bitmap.ts draws the levels. The slots are those that as many single takes would give, in
// their order, and the words are the same afterwards.
//
// What a take by itself looks up again (which leaf, which word above it, is that full now) is done
// once for a leaf and once for a word of level 1, so that a slot costs a bit of a word in a
// register and a store into the list. Where nearly all is taken the way to the next leaf is what
// costs: so the next word of level 1 and the first leaf under it are loaded before this one's are
// worked on, whose branches nobody can foretell.
import { CROWDED_SLOTS, crowdedFreed, crowdedTell } from "./bitmapcrowded";
import { quickClimb, quickTell } from "./bitmapquick";

const FULL: u64 = 0xffffffffffffffff;
/** Slots under a word of level 1: a group. */
const GROUP: u32 = 4096;

// Where the list goes on, and where it ends.
let out: usize = 0;
let outEnd: usize = 0;

// Takes what is free of `leaf`, whose word is `old`, from bit `first` on, as far as the list has
// room. Is it full then?
function takeLeaf(at: usize, leaf: u32, old: u64, first: u64): bool {
  const base = leaf << 6;
  const end = outEnd;
  const before = ~old & (FULL << first);
  let to = out;
  let free = before;
  while (free != 0 && to != end) {
    store<u32>(to, base + <u32>ctz(free));
    free &= free - 1;
    to += 4;
  }
  out = to;
  const now = old | (before ^ free);
  store<u64>(at + ((<usize>leaf) << 3), now);
  return now == FULL;
}

// Takes what is free of these leaves of a group, of the first one, whose word is `word`, from its
// bit `first` on. Is the group full then?
function takeGroup(at: usize, p: usize, group: u32, leaves: u64, word: u64, first: u64): bool {
  let filled: u64 = 0;
  for (let rest = leaves; ; ) {
    const leaf = (group << 6) + <u32>ctz(rest);
    if (takeLeaf(at, leaf, word, first)) filled |= rest & -rest;
    rest &= rest - 1;
    if (rest == 0 || out == outEnd) break;
    word = load<u64>(at + ((<usize>((group << 6) + <u32>ctz(rest))) << 3));
    first = 0;
  }
  const now = load<u64>(p) | filled;
  store<u64>(p, now);
  return now == FULL;
}

// Takes the only free slot of a group, in its only leaf that isn't full, whose word is `word`.
function takeLone(at: usize, p: usize, group: u32, leaves: u64, word: u64): void {
  const leaf = (group << 6) + <u32>ctz(leaves);
  store<u32>(out, (leaf << 6) + <u32>ctz(~word));
  out += 4;
  store<u64>(at + ((<usize>leaf) << 3), FULL);
  store<u64>(p, FULL);
}

// Takes what is free from `from` on, under its word of level 2 (the whole of a smaller bitmap), as
// far as the list has room. The last slot that it looked at.
function takeGroups(at: usize, slots: u32, from: u32): u32 {
  const words = slots >> 6;
  const level1 = at + ((<usize>words) << 3);
  const level2 = level1 + ((<usize>(slots >> 12)) << 3) + ((<usize>(from >> 18)) << 3);
  // In a bitmap of fewer leaves or groups than 64 the words above have bits that mean nothing.
  const real1 = words < 64 ? ((<u64>1) << words) - 1 : FULL;
  const real2 = slots < CROWDED_SLOTS ? ((<u64>1) << (slots >> 12)) - 1 : FULL;
  let group = from >> 12;
  let groups: u64 = 0;
  if (slots > GROUP) groups = ~load<u64>(level2) & real2 & ((FULL << (group & 63)) << 1);
  let p = level1 + ((<usize>group) << 3);
  let leaves = ~load<u64>(p) & real1 & (FULL << ((from >> 6) & 63));
  let word = load<u64>(at + ((<usize>((group << 6) + (<u32>ctz(leaves) & 63))) << 3));
  let first = (leaves >> ((from >> 6) & 63)) & 1 ? <u64>(from & 63) : 0;
  // Not 0: only a part of the group is looked at.
  let part: u64 = slots < GROUP ? 1 : <u64>(from & (GROUP - 1));
  let filled: u64 = 0;
  for (let isLast = false; !isLast && out != outEnd; ) {
    isLast = groups == 0;
    const nextGroup = isLast ? group : (group & ~63) + <u32>ctz(groups);
    const nextP = level1 + ((<usize>nextGroup) << 3);
    const nextLeaves = ~load<u64>(nextP) & real1;
    const nextLeaf = (nextGroup << 6) + (<u32>ctz(nextLeaves) & 63);
    const nextWord = load<u64>(at + ((<usize>nextLeaf) << 3));
    // One free bit in the only leaf of a whole group that isn't full, as nearly always where nearly
    // all is taken. One branch; a leaf that isn't marked as full has a free bit.
    const isMore = (~word & (~word - 1)) | (leaves & (leaves - 1)) | part;
    const isLone = isMore == 0 && leaves != 0;
    if (isLone) takeLone(at, p, group, leaves, word);
    const isFull = isLone || (leaves != 0 && takeGroup(at, p, group, leaves, word, first));
    filled |= (<u64>isFull) << (group & 63);
    part = 0;
    if (isLast) break;
    group = nextGroup;
    p = nextP;
    leaves = nextLeaves;
    word = nextWord;
    first = 0;
    groups &= groups - 1;
  }
  if (filled != 0 && slots > GROUP) {
    const now = load<u64>(level2) | filled;
    store<u64>(level2, now);
    if (now == FULL) crowdedTell(at, slots, from >> 18, true);
  }
  return (group << 12) | (GROUP - 1);
}

/**
 * Takes up to `n` slots in the order of policy `next` from the cursor `from` on and lists them at
 * `list`, 4 bytes each. How many it took: fewer where nothing is left, none in a bitmap of up to 64
 * slots. `isRow`: they ascend; at the bitmap's end it stops if it has any.
 */
export function manyTake(at: usize, slots: u32, from: u32, list: usize, n: u32, isRow: bool): u32 {
  if (slots <= 64 || n == 0) return 0;
  out = list;
  outEnd = list + ((<usize>n) << 2);
  let next = from < slots ? from : 0;
  for (let again = true; ; ) {
    const last = takeGroups(at, slots, next);
    if (out == outEnd) break;
    next = quickClimb(at, slots, last);
    if (next < slots) continue;
    // Once more from the begin, for what lies before the cursor.
    if (!again || (isRow && out != list)) break;
    again = false;
    next = 0;
  }
  return <u32>((out - list) >> 2);
}

/** Gives up to `n` listed slots back. How many: it stops at one that wasn't held. */
export function manyGive(at: usize, slots: u32, list: usize, n: u32): u32 {
  const end = list + ((<usize>n) << 2);
  let from = list;
  for (let held = true; held && from != end; ) {
    let slot = load<u32>(from);
    if (slot >= slots) break;
    const leaf = slot >> 6;
    const old = load<u64>(at + ((<usize>leaf) << 3));
    let now = old;
    // Those of one leaf that follow each other: a loop that calls nothing keeps all in registers.
    while (slot >> 6 == leaf) {
      const next = now & ~((<u64>1) << (slot & 63));
      held = next != now;
      if (!held) break;
      now = next;
      from += 4;
      if (from == end) break;
      slot = load<u32>(from);
    }
    giveLeaf(at, slots, leaf, old, now);
  }
  return <u32>((from - list) >> 2);
}

// A leaf has changed: its word, and what the levels above say of it.
function giveLeaf(at: usize, slots: u32, leaf: u32, old: u64, now: u64): void {
  store<u64>(at + ((<usize>leaf) << 3), now);
  if (old != FULL || now == FULL) return;
  if (slots >= CROWDED_SLOTS) crowdedFreed(at, slots, leaf);
  else quickTell(at, slots, leaf << 6, false);
}

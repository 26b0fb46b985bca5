// Many slots of a bitmap in one call, without a journal: takes leaf by leaf instead of slot by
// slot. bitmap.ts draws the levels. The slots are those that as many single takes would give, in
// their order, and the words are the same afterwards.
//
// What a take by itself looks up again (which leaf, which word above it, is that full now) is done
// once for a leaf and once for a word of level 1, so that a slot costs a bit of a word in a
// register and a store into the list. Where nearly all is taken the way to the next leaf is what
// costs: so the next word of level 1 and the first leaf under it are loaded before this one's are
// worked on, whose branches nobody can foretell.
import { CROWDED_SLOTS, crowdedFreed } from "./bitmapcrowded";
import { quickClimb, quickTell } from "./bitmapquick";

const FULL: u64 = 0xffffffffffffffff;
/** Slots under a word of level 1, less one. */
const GROUP_MASK: u32 = 0xfff;

// Where the list goes on, and where it ends.
let out: usize = 0;
let outEnd: usize = 0;

// Takes what is free of `leaf`, whose word is `old`, from bit `first` on, as far as the list has
// room. True: it is full by that.
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
  return now == FULL && old != FULL;
}

// The leaves of a group (those under one word of level 1) that aren't full, from `leaf` on.
function leavesOf(at: usize, words: u32, leaf: u32): u64 {
  const leaves = ~load<u64>(at + ((<usize>(words + (leaf >> 6))) << 3)) & (FULL << (leaf & 63));
  return words < 64 ? leaves & (((<u64>1) << words) - 1) : leaves;
}

// Groups behind that of `leaf` that aren't full, under the same word of level 2.
function groupsOf(at: usize, slots: u32, leaf: u32): u64 {
  if (slots < CROWDED_SLOTS) return 0;
  const group = leaf >> 6;
  const level2 = at + ((<usize>((slots >> 6) + (slots >> 12))) << 3);
  return ~load<u64>(level2 + ((<usize>(group >> 6)) << 3)) & ((FULL << (group & 63)) << 1);
}

// Takes what is free from `leaf` on, under its word of level 2 (of level 1 in a small bitmap), as
// far as the list has room. The last slot that it looked at.
function takeGroups(at: usize, slots: u32, leaf: u32): u32 {
  const words = slots >> 6;
  let group = leaf >> 6;
  let leaves = leavesOf(at, words, leaf);
  let word = load<u64>(at + ((<usize>((group << 6) + <u32>ctz(leaves))) << 3));
  let groups = groupsOf(at, slots, leaf);
  for (let isLast = false; !isLast && out != outEnd; ) {
    isLast = groups == 0;
    const nextGroup = isLast ? group : (group & ~63) + <u32>ctz(groups);
    const nextLeaves = leavesOf(at, words, nextGroup << 6);
    const nextFirst = (nextGroup << 6) + (<u32>ctz(nextLeaves) & 63);
    const nextWord = load<u64>(at + ((<usize>nextFirst) << 3));
    if (leaves != 0) takeGroup(at, slots, group, leaves, word);
    group = nextGroup;
    leaves = nextLeaves;
    word = nextWord;
    groups &= groups - 1;
  }
  return (group << 12) | GROUP_MASK;
}

// Takes what is free of these leaves of a group; `word` is the first one's.
function takeGroup(at: usize, slots: u32, group: u32, leaves: u64, word: u64): void {
  let filled: u64 = 0;
  let leaf: u32 = 0;
  for (;;) {
    leaf = (group << 6) + <u32>ctz(leaves);
    if (takeLeaf(at, leaf, word, 0)) filled |= leaves & -leaves;
    leaves &= leaves - 1;
    if (leaves == 0 || out == outEnd) break;
    word = load<u64>(at + ((<usize>((group << 6) + <u32>ctz(leaves))) << 3));
  }
  if (filled == 0) return;
  // All but one here; that one is told as far as it changes words.
  const p = at + ((<usize>((slots >> 6) + group)) << 3);
  const one = filled & -filled;
  store<u64>(p, load<u64>(p) | (filled ^ one));
  quickTell(at, slots, ((group << 6) + <u32>ctz(one)) << 6, true);
}

/**
 * Takes up to `n` slots in the order of policy `next` from the cursor `from` on and lists them at
 * `list`, 4 bytes each. How many it took: fewer where nothing is left, none in a bitmap of up to 64
 * slots.
 */
export function manyTake(at: usize, slots: u32, from: u32, list: usize, n: u32): u32 {
  if (slots <= 64) return 0;
  out = list;
  outEnd = list + ((<usize>n) << 2);
  let next = from < slots ? from : 0;
  if ((next & 63) != 0) {
    // The rest of the cursor's own leaf.
    const word = load<u64>(at + ((<usize>(next >> 6)) << 3));
    if (takeLeaf(at, next >> 6, word, next & 63)) quickTell(at, slots, next, true);
    next = (next | 63) + 1;
  }
  for (let again = true; out != outEnd; ) {
    if (next < slots) next = quickClimb(at, slots, takeGroups(at, slots, next >> 6));
    if (next < slots) continue;
    // Once more from the begin, for what lies before the cursor.
    if (!again) break;
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

// Snapshots of one pool: its set out of the heap and back, through the transfer area or, for
// bitmaps, straight from the leaf words.
//
//   radix pools, groups of 64 slots   | hi u64 | lo u64, multiple of 64 | bits u64 |
//   cooling, first to last due        | hi u64 | lo u64 | due u64 |
//
// Cooling slots are in the set too. On a shared heap each call is under the lock and answers BUSY
// as those of calls.ts do; what others do between two calls is in the snapshot or isn't.
import { imageBase, putWord, word } from "../image/image";
import { quickSettle } from "../sets/bitmapquick";
import { foundHi, foundLo, RADIX_OK, radixNextTaken, radixTake } from "../sets/radix";
import { heapReady } from "./buddy";
import { BUSY } from "./calls";
import { coolingCopy, coolingPush } from "./cooling";
import { PUT_OK } from "./coolingtree";
import { enter, leave, settle } from "./desk";
import {
  COOLING,
  CURSOR,
  cooldownOf,
  heldAdd,
  isBitmap,
  poolExcluded,
  setOf,
  slotsOf,
  YIELDS,
} from "./slotcell";
import { OK, poolState, STATE_FREE, STATE_HELD } from "./slots";

const GROUP: usize = 24;
const FULL: u64 = 0xffffffffffffffff;

// Odd constants with mixed bits (the primes of xxHash64): eight lanes of xor, rotate and multiply,
// 64 bytes a step. A snapshot has nobody's chosen keys in it, so a lane needs but one
// multiplication a word, and with eight none waits for another: over ten times as fast as SipHash.
const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;

// One to one in either of its two: a changed word changes its lane to the end.
function lane(acc: u64, value: u64): u64 {
  return rotl(acc ^ value, 31) * P1;
}

/**
 * Hash of `bytes` (a multiple of 8) in memory, going on from `seed`: the checksum of a snapshot.
 * Every change of a single word changes it.
 */
export function snapshotHash(seed: u64, at: usize, bytes: u32): u64 {
  let a = seed + P1;
  let b = seed ^ P1;
  let c = seed + P2;
  let d = seed ^ P2;
  let e = seed + P3;
  let f = seed ^ P3;
  let g = seed;
  let h = seed - P1;
  let p = at;
  const end = at + <usize>bytes;
  while (p + 64 <= end) {
    a = lane(a, load<u64>(p));
    b = lane(b, load<u64>(p, 8));
    c = lane(c, load<u64>(p, 16));
    d = lane(d, load<u64>(p, 24));
    e = lane(e, load<u64>(p, 32));
    f = lane(f, load<u64>(p, 40));
    g = lane(g, load<u64>(p, 48));
    h = lane(h, load<u64>(p, 56));
    p += 64;
  }
  let sum = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18) + <u64>bytes;
  sum += rotl(e, 25) + rotl(f, 33) + rotl(g, 41) + rotl(h, 52);
  for (; p < end; p += 8) sum = rotl(sum ^ lane(0, load<u64>(p)), 27) * P1 + P3;
  sum = (sum ^ (sum >> 33)) * P2;
  return (sum ^ (sum >> 29)) * P3;
}

/** Memory address of a bitmap's leaf words; 0 for radix pools. */
export function snapshotWords(cell: u32): usize {
  return isBitmap(cell) ? imageBase() + setOf(cell) : 0;
}

/**
 * The leaf words were written from outside: makes everything else agree. 0: a bit is set where
 * there is no slot, or fewer than are excluded.
 */
export function snapshotSettle(cell: u32): i32 {
  if (!enter()) return BUSY;
  const taken = quickSettle(imageBase() + setOf(cell), slotsOf(cell));
  const sound = taken != 0xffffffff && <u64>taken >= poolExcluded(cell);
  if (sound) heldAdd(cell, <u64>taken - poolExcluded(cell));
  leave();
  return <i32>sound;
}

/** The next at most `n` groups from hi:lo on; how many. The last call of a walk gives fewer. */
export function snapshotGroups(cell: u32, hi: u64, lo: u64, at: usize, n: u32): i32 {
  if (!enter()) return BUSY;
  const count = groups(cell, hi, lo, at, n);
  leave();
  return count;
}

function groups(cell: u32, hi: u64, lo: u64, at: usize, n: u32): u32 {
  const root = setOf(cell);
  let done: u32 = 0;
  let p = at - GROUP;
  let nextHi = hi;
  let nextLo = lo;
  while (radixNextTaken(root, nextHi, nextLo, FULL, FULL)) {
    const group = foundLo & ~63;
    if (done == 0 || load<u64>(p) != foundHi || load<u64>(p, 8) != group) {
      if (done == n) break;
      p += GROUP;
      done++;
      store<u64>(p, foundHi);
      store<u64>(p, group, 8);
      store<u64>(p, 0, 16);
    }
    store<u64>(p, load<u64>(p, 16) | ((<u64>1) << (foundLo & 63)), 16);
    nextLo = foundLo + 1;
    nextHi = foundHi + (nextLo == 0 ? 1 : 0);
    if (nextHi == 0 && nextLo == 0) break;
  }
  return done;
}

/** Puts `n` groups into the set of a radix pool. 0: no space, or a slot that isn't free. */
export function snapshotLoad(cell: u32, at: usize, n: u32): i32 {
  if (!enter()) return BUSY;
  const done = loadGroups(cell, at, n);
  leave();
  return <i32>done;
}

function loadGroups(cell: u32, at: usize, n: u32): bool {
  const root = setOf(cell);
  for (let i: u32 = 0; i < n; i++) {
    settle();
    const p = at + <usize>i * GROUP;
    const hi = load<u64>(p);
    const lo = load<u64>(p, 8);
    if ((lo & 63) != 0 || !heapReady()) return false;
    for (let bits = load<u64>(p, 16); bits != 0; bits &= bits - 1) {
      const slot = lo + <u64>ctz(bits);
      if (poolState(cell, hi, slot) != STATE_FREE) return false;
      if (radixTake(root, hi, slot) != RADIX_OK) return false;
      heldAdd(cell, 1);
    }
  }
  return true;
}

/** Cooling slots number `from` and on, at most `n`, into memory. How many. */
export function snapshotCooling(cell: u32, from: u32, at: usize, n: u32): i32 {
  if (!enter()) return BUSY;
  const count = coolingCopy(cell + COOLING, from, at, n);
  leave();
  return count;
}

/** Lets a slot of the set cool until `due`. 0: no space, or the slot isn't held. */
export function snapshotCool(cell: u32, hi: u64, lo: u64, due: u32): i32 {
  if (!enter()) return BUSY;
  const isHeld = cooldownOf(cell) != 0 && poolState(cell, hi, lo) == STATE_HELD;
  const cools = isHeld && heapReady() && coolingPush(cell + COOLING, hi, lo, due) == PUT_OK;
  if (cools) heldAdd(cell, -1);
  leave();
  return <i32>cools;
}

/** Sets how many had to yield. */
export function yieldsSet(cell: u32, count: u64): i32 {
  if (!enter()) return BUSY;
  putWord(cell + YIELDS, count);
  leave();
  return OK;
}

/** Upper half of the cursor. */
export function cursorHi(cell: u32): u64 {
  return word(cell + CURSOR);
}

/** Lower half of the cursor. */
export function cursorLo(cell: u32): u64 {
  return word(cell + CURSOR + 8);
}

/** Sets the cursor. */
export function cursorSet(cell: u32, hi: u64, lo: u64): i32 {
  if (!enter()) return BUSY;
  putWord(cell + CURSOR, hi);
  putWord(cell + CURSOR + 8, lo);
  leave();
  return OK;
}

// Calls: what core.wasm exports about pools of slots, each one under the heap's lock where the heap
// is shared. A slot crosses as u32 (bitmaps), as a number up to 2^53 (f64), or as (hi, lo).
//
// BUSY (or BUSY as the type can say it) means: the lock was held for 50 ms, nothing was done.
import { journalCount } from "../image/image";
import { bitmapClear, bitmapFill, NONE } from "../sets/bitmap";
import { heapReady } from "./buddy";
import { enter, leave } from "./desk";
import {
  plainGiveFar,
  plainGiveMany,
  plainGiveWide,
  plainTake,
  plainTakeMany,
  plainTakeWide,
} from "./plain";
import { poolExclude, poolExcludeBits } from "./poolexclude";
import {
  cooldownOf,
  heldAdd,
  isBitmap,
  poolBand,
  poolCooling,
  poolExcluded,
  poolHeld,
  poolYields,
  setOf,
  slotHi,
  slotLo,
  slotsOf,
} from "./slotcell";
import { upperFree } from "./slotpick";
import {
  FREE,
  NO_SPACE,
  OK,
  poolClose,
  poolCollect,
  poolGive,
  poolMake,
  poolNext,
  poolState,
  poolTake,
  poolTakeAt,
  poolUntil,
  TAKEN,
} from "./slots";

/** The lock was held for 50 ms: look after its holder and call again. */
export const BUSY: i32 = -2;
/** What slotsTake32 answers for FREE, NO_SPACE and BUSY, as u32. */
const NOTHING: u32 = 0xffffffff;
const BUSY_32: u32 = 0xfffffffe;
const FULL_32: u32 = 0xfffffffd;
/** Slots that one call of takeMany, fill or clear treats under one lock. */
const BATCH: u32 = 64;
const STRIDE: u64 = 512;
/** Slots of a bitmap that are excluded under one lock. */
const EXCLUDING: u64 = 65536;
/** Words after which a batch goes on under the next lock: what one slot may change still fits. */
const NOTED: u32 = 2000;

/** A pool of 2^bits slots: its cell, 0 = no space. Only the thread that made the heap. */
export function slotsMake(bits: u32, policy: u32, cooldown: u32, seed: u64): u32 {
  if (!enter()) return BUSY_32;
  const cell = heapReady() ? poolMake(bits, policy, cooldown, seed) : 0;
  leave();
  return cell;
}

/**
 * Ends a pool, in parts: OK, or BUSY (call again). Only the thread that made the heap, when nobody
 * else uses the pool.
 */
export function slotsClose(cell: u32): i32 {
  for (let done: bool = false; !done; ) {
    if (!enter()) return BUSY;
    done = poolClose(cell);
    leave();
  }
  return OK;
}

/** Slots below `band` go last. */
export function slotsBand(cell: u32, band: u64): i32 {
  if (!enter()) return BUSY;
  poolBand(cell, band);
  leave();
  return OK;
}

/** Excludes from..to: OK, TAKEN (the pool is in use), NO_SPACE. */
export function slotsExclude(cell: u32, fHi: u64, fLo: u64, tHi: u64, tLo: u64): i32 {
  if (isBitmap(cell)) {
    for (let from = fLo; from <= tLo; from += EXCLUDING) {
      if (!enter()) return BUSY;
      const part = poolExcludeBits(cell, <u32>from, <u32>min<u64>(tLo, from + EXCLUDING - 1));
      leave();
      if (part != OK) return part;
    }
  }
  if (!enter()) return BUSY;
  const status = heapReady() ? poolExclude(cell, fHi, fLo, tHi, tLo) : NO_SPACE;
  leave();
  return status;
}

/** Takes a slot by the policy: OK (lastHi, lastLo tell it), FREE (nothing left), NO_SPACE, BUSY. */
export function slotsTake(cell: u32, now: u32): i32 {
  if (plainTakeWide(cell)) return OK;
  if (!enter()) return BUSY;
  const status = poolTake(cell, now);
  leave();
  return status;
}

/** The same for bitmaps: the slot, or -1 exhausted, -2 busy, -3 no space (as u32). */
export function slotsTake32(cell: u32, now: u32): u32 {
  const quick = plainTake(cell);
  if (quick != NONE) return quick;
  if (!enter()) return BUSY_32;
  const status = poolTake(cell, now);
  const slot = <u32>slotLo;
  leave();
  return status == OK ? slot : status == FREE ? NOTHING : FULL_32;
}

/** The same for up to 2^53 slots: the slot, or -1 exhausted, -2 busy, -3 no space. */
export function slotsTakeF(cell: u32, now: u32): f64 {
  if (plainTakeWide(cell)) return <f64>slotLo;
  if (!enter()) return -2;
  const status = poolTake(cell, now);
  const slot = <f64>slotLo;
  leave();
  return status == OK ? slot : status == FREE ? -1 : -3;
}

/** Takes this slot. */
export function slotsTakeAt(cell: u32, hi: u64, lo: u64, now: u32): i32 {
  if (!enter()) return BUSY;
  const status = poolTakeAt(cell, hi, lo, now);
  leave();
  return status;
}

/** Gives a held slot back. */
export function slotsGive(cell: u32, hi: u64, lo: u64, now: u32): i32 {
  if (plainGiveWide(cell, hi, lo)) return OK;
  if (!enter()) return BUSY;
  const status = poolGive(cell, hi, lo, now);
  leave();
  return status;
}

/** The same for bitmaps. */
export function slotsGive32(cell: u32, slot: u32, now: u32): i32 {
  if (plainGiveFar(cell, slot)) return OK;
  if (!enter()) return BUSY;
  const status = poolGive(cell, 0, <u64>slot, now);
  leave();
  return status;
}

/** The same with a number of up to 2^53. */
export function slotsGiveF(cell: u32, slot: f64, now: u32): i32 {
  return slotsGive(cell, 0, <u64>slot, now);
}

/** 0 free, 1 held, 2 cooling, 3 excluded, 4 outside. */
export function slotsState(cell: u32, hi: u64, lo: u64): i32 {
  if (!enter()) return BUSY;
  const state = poolState(cell, hi, lo);
  leave();
  return state;
}

/**
 * Frees every slot whose cool-down is over, some under each lock: counts and states are exact then.
 */
export function slotsSweep(cell: u32, now: u32): i32 {
  for (let more = true; more; ) {
    if (!enter()) return BUSY;
    more = poolCollect(cell, now);
    leave();
  }
  return OK;
}

/** Is a slot above the band free, or due by `now`: OK, or TAKEN. */
export function slotsUpperFree(cell: u32, now: u32): i32 {
  if (!enter()) return BUSY;
  const isFree = upperFree(cell, now);
  leave();
  return isFree ? OK : TAKEN;
}

/** When a cooling slot is free again (the pool's clock). */
export function slotsUntil(cell: u32, hi: u64, lo: u64): u32 {
  if (!enter()) return BUSY_32;
  const until = poolUntil(cell, hi, lo);
  leave();
  return until;
}

// Width of what takeMany and giveMany exchange: 4 = u32, 8 = f64, 9 = u64.
function put(at: usize, index: u32, width: u32, slot: u64): void {
  if (width == 4) store<u32>(at + ((<usize>index) << 2), <u32>slot);
  else if (width == 8) store<f64>(at + ((<usize>index) << 3), <f64>slot);
  else store<u64>(at + ((<usize>index) << 3), slot);
}

function get(at: usize, index: u32, width: u32): u64 {
  if (width == 4) return <u64>load<u32>(at + ((<usize>index) << 2));
  if (width == 8) return <u64>load<f64>(at + ((<usize>index) << 3));
  return load<u64>(at + ((<usize>index) << 3));
}

let many: i32 = 0;

/** Why the last slotsTakeMany or slotsGiveMany did fewer than asked: BUSY, FREE, NO_SPACE ... */
export function manyStatus(): i32 {
  return many;
}

/**
 * Takes `n` slots one after the other into memory. How many it took: fewer where nothing is left,
 * there is no space, or the lock was held.
 */
export function slotsTakeMany(cell: u32, now: u32, at: usize, n: u32, width: u32): u32 {
  const narrow = isBitmap(cell);
  for (let done: u32 = width == 4 ? plainTakeMany(cell, at, n) : 0; done < n; ) {
    many = BUSY;
    if (!enter()) return done;
    const part = min<u32>(n, done + BATCH);
    while (done < part && journalCount() < NOTED) {
      const quick = narrow ? plainTake(cell) : NONE;
      many = quick != NONE || (!narrow && plainTakeWide(cell)) ? OK : poolTake(cell, now);
      if (many != OK) {
        leave();
        return done;
      }
      put(at, done++, width, quick != NONE ? <u64>quick : slotLo);
    }
    leave();
  }
  return n;
}

/** Gives `n` slots back. How many it gave: it stops at one that wasn't held. */
export function slotsGiveMany(cell: u32, now: u32, at: usize, n: u32, width: u32): u32 {
  const narrow = isBitmap(cell);
  for (let done: u32 = width == 4 ? plainGiveMany(cell, at, n) : 0; done < n; ) {
    many = BUSY;
    if (!enter()) return done;
    const part = min<u32>(n, done + BATCH);
    while (done < part && journalCount() < NOTED) {
      const slot = get(at, done, width);
      const quick =
        (narrow && slot >> 32 == 0 && plainGiveFar(cell, <u32>slot)) ||
        (!narrow && plainGiveWide(cell, 0, slot));
      many = quick ? OK : poolGive(cell, 0, slot, now);
      if (many != OK) {
        leave();
        return done;
      }
      done++;
    }
    leave();
  }
  return n;
}

// Takes or gives every slot of at most STRIDE under one lock. Words at once where a bit means
// nothing but "held", else each slot by itself.
function fillPart(cell: u32, hi: u64, from: u64, to: u64, take: bool, now: u32): u64 {
  if (isBitmap(cell) && poolExcluded(cell) == 0 && cooldownOf(cell) == 0) {
    const at = setOf(cell);
    const slots = slotsOf(cell);
    const count = take
      ? bitmapFill(at, slots, <u32>from, <u32>to)
      : bitmapClear(at, slots, <u32>from, <u32>to);
    heldAdd(cell, take ? <u64>count : -(<u64>count));
    reached = to;
    return <u64>count;
  }
  let count: u64 = 0;
  for (let lo = from; ; lo++) {
    const status = take ? poolTakeAt(cell, hi, lo, now) : poolGive(cell, hi, lo, now);
    if (status == NO_SPACE) {
      many = NO_SPACE;
      break;
    }
    if (status == OK) count++;
    reached = lo;
    if (lo == to || journalCount() >= NOTED) break;
  }
  return count;
}

// The last slot that fillPart has treated.
let reached: u64 = 0;
let resume: u64 = 0;

/** Where the last slotsFill stopped when manyStatus is BUSY: begin there again. */
export function fillNext(): u64 {
  return resume;
}

/**
 * Takes (or gives back) every slot of hi:from..hi:to that is free (held), inside the pool. How
 * many; manyStatus tells OK, NO_SPACE, or BUSY. In steps of STRIDE, each under the lock: 2^24 slots
 * take 1 ms in a bitmap, a second in a radix pool.
 */
export function slotsFill(cell: u32, hi: u64, from: u64, to: u64, take: bool, now: u32): u64 {
  let count: u64 = 0;
  resume = from;
  for (;;) {
    const end = min<u64>(to, resume | (STRIDE - 1));
    many = BUSY;
    if (!enter()) break;
    many = OK;
    count += fillPart(cell, hi, resume, end, take, now);
    leave();
    if (many != OK || reached == to) break;
    resume = reached + 1;
  }
  return count;
}

/** The first held slot at or after hi:lo: OK (lastHi, lastLo tell it), or FREE. */
export function slotsNext(cell: u32, hi: u64, lo: u64): i32 {
  if (!enter()) return BUSY;
  const found = poolNext(cell, hi, lo);
  leave();
  return found ? OK : FREE;
}

/** Slots that are held, cool, are excluded, or had to yield (`what` 0 to 3). */
export function slotsCount(cell: u32, what: u32): u64 {
  if (what == 0) return poolHeld(cell);
  if (what == 1) return poolCooling(cell);
  return what == 2 ? poolExcluded(cell) : poolYields(cell);
}

/** Slots that are held, as a number. */
export function slotsHeldF(cell: u32): f64 {
  return <f64>poolHeld(cell);
}

/** Upper half of the slot that the last call found. */
export function lastHi(): u64 {
  return slotHi;
}

/** Lower half of the slot that the last call found. */
export function lastLo(): u64 {
  return slotLo;
}

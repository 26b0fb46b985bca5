// Pools of an Ipam: defining and finding them, and handing them to the allocator as range sets of
// one range. What a pool may give are all addresses of its prefix but the gateway and what is
// excluded.
//
// Cost: defining and finding, a walk of the pools' tree and indexes; handing over, what it
// excludes.

import { TREE4, TREE6 } from "../image/header";
import { journalUndo, word } from "../image/image";
import { Interval, Range, RangeSet, setAt } from "../pool/range";
import { P_LAST } from "../records/key";
import {
  isPool,
  LABEL_MAX,
  P_BASE,
  PoolSpec,
  poolByName,
  poolDefine,
  poolFamily,
  poolFrom,
  poolRead,
  SET_POOL,
} from "../records/poolcell";
import { scratchTake } from "../scratch";
import { radixCountWithin } from "../sets/radix";
import {
  block,
  bookCommit,
  bookIsFull,
  bookMark,
  bookStart,
  input,
  nextNumber,
  output,
} from "./book";
import {
  BOOK_NO_POOL,
  GIVEN_COOLDOWN,
  GIVEN_EXCLUDE,
  GIVEN_GATEWAY,
  GIVEN_NAME,
  GIVEN_POLICY,
  IN_POOLS,
  NAME_AT,
  POOL_CONFLICT,
  POOL_FOUND,
  POOL_NAMED,
  POOL_OVERLAP,
} from "./booknumbers";

const ENOSPC: i32 = -28;
const IN_SKIPS: u32 = 16;

// The definition that the caller put in: 0 family | 1 length | 2, 3 base | 4, 5 last | 6 policy |
// 7 cool-down | 8 has gateway | 9, 10 gateway | 11 intervals | from 16 on four words each.
function specIn(nameBytes: u32): usize {
  const at = scratchTake(offsetof<PoolSpec>());
  const s = changetype<PoolSpec>(at);
  s.family = <u32>input(0);
  s.length = <u32>input(1);
  s.baseHi = input(2);
  s.baseLo = input(3);
  s.lastHi = input(4);
  s.lastLo = input(5);
  s.policy = <u32>input(6);
  s.cooldown = <u32>input(7);
  s.hasGateway = <u32>input(8);
  s.gatewayHi = input(9);
  s.gatewayLo = input(10);
  s.skipCount = <u32>input(11);
  s.skips = block + ((<usize>IN_SKIPS) << 3);
  s.name = block + NAME_AT;
  s.nameBytes = nameBytes;
  return at;
}

function sameSkips(a: PoolSpec, b: PoolSpec): bool {
  if (a.skipCount != b.skipCount) return false;
  return memory.compare(a.skips, b.skips, <usize>a.skipCount * offsetof<Interval>()) == 0;
}

function sameGateway(a: PoolSpec, b: PoolSpec): bool {
  if (a.hasGateway != b.hasGateway) return false;
  return a.gatewayHi == b.gatewayHi && a.gatewayLo == b.gatewayLo;
}

function sameName(a: PoolSpec, b: PoolSpec): bool {
  return a.nameBytes == b.nameBytes && memory.compare(a.name, b.name, a.nameBytes) == 0;
}

// Does the pool agree with what the caller named of it?
function agrees(cell: u32, s: PoolSpec, given: u32): bool {
  const old = changetype<PoolSpec>(poolRead(cell));
  if (given & GIVEN_POLICY && old.policy != s.policy) return false;
  if (given & GIVEN_COOLDOWN && old.cooldown != s.cooldown) return false;
  if (given & GIVEN_GATEWAY && !sameGateway(old, s)) return false;
  if (given & GIVEN_EXCLUDE && !sameSkips(old, s)) return false;
  return !(given & GIVEN_NAME) || sameName(old, s);
}

// The pool of exactly this prefix is found; one that shares addresses with it is in the way.
// POOL_FOUND, POOL_CONFLICT, POOL_OVERLAP, POOL_NAMED; 0 = it is new.
function compare(s: PoolSpec, given: u32): i32 {
  const next = poolFrom(s.family, s.baseHi, s.baseLo);
  if (next != 0) {
    const hi = word(next + P_BASE);
    const lo = word(next + P_BASE + 8);
    output(0, next);
    const last = word(next + P_LAST) == s.lastHi && word(next + P_LAST + 8) == s.lastLo;
    if (last && hi == s.baseHi && lo == s.baseLo) {
      return agrees(next, s, given) ? POOL_FOUND : POOL_CONFLICT;
    }
    if (hi < s.lastHi || (hi == s.lastHi && lo <= s.lastLo)) return POOL_OVERLAP;
  }
  const named = s.nameBytes == 0 ? 0 : poolByName(s.name, s.nameBytes);
  if (named == 0) return 0;
  output(0, named);
  return POOL_NAMED;
}

/**
 * Defines the pool that the caller put in, or finds it. `given`: bits of what was named. 0 =
 * defined, POOL_FOUND, POOL_CONFLICT, POOL_OVERLAP, POOL_NAMED, or -errno. Out 0: the cell.
 */
export function bookPool(nameBytes: u32, given: u32, now: u32): i32 {
  const spec = specIn(nameBytes);
  const s = changetype<PoolSpec>(spec);
  const found = compare(s, given);
  if (found != 0) return found;
  let status = bookMark();
  if (status == 0) status = bookStart(now, 4);
  if (status < 0) return status;
  const full = bookIsFull();
  if (full < 0) return full;
  const cell = poolDefine(spec, nextNumber());
  if (cell == 0) {
    journalUndo();
    return ENOSPC;
  }
  output(0, cell);
  return bookCommit();
}

/** The pool of a name, or 0. */
export function bookPoolByName(nameBytes: u32): u32 {
  return poolByName(block + NAME_AT, min<u32>(nameBytes, LABEL_MAX));
}

/** The first pool of a family whose last address is at or after this one, or 0. */
export function bookPoolFrom(family: u32, hi: u64, lo: u64): u32 {
  return poolFrom(family, hi, lo);
}

/**
 * Tells what a pool is: the numbers of `specIn` from out 0 on, its name in the block; out 12:
 * addresses taken in it; out 13: bytes of the name. 0, or BOOK_NO_POOL.
 */
export function bookPoolRead(cell: u32): i32 {
  if (!isPool(cell)) return BOOK_NO_POOL;
  const s = changetype<PoolSpec>(poolRead(cell));
  output(0, s.family);
  output(1, s.length);
  output(2, s.baseHi);
  output(3, s.baseLo);
  output(4, s.lastHi);
  output(5, s.lastLo);
  output(6, s.policy);
  output(7, s.cooldown);
  output(8, s.hasGateway);
  output(9, s.gatewayHi);
  output(10, s.gatewayLo);
  output(11, s.skipCount);
  const tree = s.family == 4 ? TREE4 : TREE6;
  output(12, radixCountWithin(tree, s.baseHi, s.baseLo, s.lastHi, s.lastLo));
  output(13, s.nameBytes);
  for (let i: u32 = 0; i < s.skipCount * 4; i++) {
    output(IN_SKIPS + i, load<u64>(s.skips + ((<usize>i) << 3)));
  }
  memory.copy(block + NAME_AT, s.name, s.nameBytes);
  return 0;
}

/** The range of a pool, in scratch memory. */
export function poolRange(cell: u32): usize {
  const s = changetype<PoolSpec>(poolRead(cell));
  const at = scratchTake(offsetof<Range>());
  const r = changetype<Range>(at);
  r.startHi = s.baseHi;
  r.startLo = s.baseLo;
  r.endHi = s.lastHi;
  r.endLo = s.lastLo;
  r.subnetHi = s.baseHi;
  r.subnetLo = s.baseLo;
  r.gatewayHi = s.gatewayHi;
  r.gatewayLo = s.gatewayLo;
  r.family = <i32>s.family;
  r.gatewayFamily = s.hasGateway ? <i32>s.family : 0;
  r.prefixLength = <i32>s.length;
  r.excludes = s.skips;
  r.excludeCount = <i32>s.skipCount;
  return at;
}

/** The caller's `count` pools as range sets in scratch memory; 0: one of them is none. */
export function poolSets(count: u32): usize {
  const sets = scratchTake(<usize>(count + 1) * offsetof<RangeSet>());
  for (let i: u32 = 0; i < count; i++) {
    const cell = <u32>input(IN_POOLS + i);
    if (!isPool(cell)) return 0;
    const s = setAt(sets, i);
    s.ranges = poolRange(cell);
    s.count = 1;
    s.index = <i32>SET_POOL;
    s.family = <i32>poolFamily(cell);
    s.cell = cell;
    s.still = false;
    s.firm = false;
  }
  return sets;
}

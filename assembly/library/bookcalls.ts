// What an Ipam changes: allocate, release, reserve, unreserve. Each is one commit, after commits of
// their own for what was due. Texts and numbers come through the block; bookpools.ts turns pools
// into what the allocator takes.

import { half, journalUndo } from "../image/image";
import {
  ALLOCATED,
  allocate,
  FAIL_EXHAUSTED,
  FAIL_NO_SPACE,
  failCell,
  failHi,
  failLo,
  failSet,
} from "../pool/allocator";
import { dueAfter, release, reserve } from "../pool/leave";
import { Order } from "../pool/order";
import { Given, givenAt, Wanted, wantedAt } from "../pool/range";
import {
  C_DUE,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  cellSet,
  headAt,
  KIND_MORE,
  KIND_NAME,
  KIND_OTHER,
  STATE_RESERVATION,
} from "../records/cell";
import { reservationOver } from "../records/due";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import { P_COOLDOWN, poolByAddress, SET_POOL } from "../records/poolcell";
import { olderOfName, recordByName, recordByOwner, recordPutName } from "../records/record";
import { reservationEnd } from "../records/reservations";
import { scratchTake } from "../scratch";
import {
  block,
  bookCollect,
  bookCommit,
  bookIsFull,
  bookMark,
  bookStart,
  clearOwnNote,
  input,
  nextNumber,
  output,
} from "./book";
import {
  BOOK_NO_NAME,
  BOOK_NO_POOL,
  BOOK_NOT_FOUND,
  BOOK_RESERVED,
  IFNAME_AT,
  IN_WANTED,
  NAME_AT,
  OWNER_AT,
} from "./booknumbers";
import { poolSets } from "./bookpools";

const ENOSPC: i32 = -28;
/** Rounds of collecting that one call may do: 64 entries each. */
const ROUNDS_MAX: i32 = 1048576;
/** Of them, before an address that cools is given instead: no call waits for all that is due. */
const ROUNDS_SEEK: i32 = 64;
/** Records of one name that a call looks at. */
const NAMES_MAX: u32 = 1048576;

/** Seconds of CLOCK_BOOTTIME after `ttl` more seconds; u32.MAX_VALUE = never. */
function dueOf(now: u32, ttl: u32): u32 {
  return ttl == u32.MAX_VALUE ? ttl : dueAfter(now, ttl);
}

function makeOrder(kind: u32, idBytes: u32, ifBytes: u32, nameBytes: u32, now: u32): Order {
  const o = changetype<Order>(scratchTake(offsetof<Order>()));
  o.kind = kind;
  o.id = block + OWNER_AT;
  o.idBytes = idBytes;
  o.ifname = block + IFNAME_AT;
  o.ifBytes = ifBytes;
  o.name = block + NAME_AT;
  o.nameBytes = nameBytes;
  o.policy = 0;
  o.netns = 0;
  o.reserveFor = 0;
  o.flags = 0;
  o.seek = true;
  o.now = now;
  return o;
}

// Pools, addresses and random words of the order: words 64 on are addresses, the last two random.
function orderSets(o: Order, pools: u32, wanted: u32): bool {
  o.sets = poolSets(pools);
  o.setCount = <i32>pools;
  o.given = scratchTake(<usize>(pools + 1) * offsetof<Given>());
  o.wanted = scratchTake(<usize>(wanted + 1) * offsetof<Wanted>());
  o.wantedCount = <i32>wanted;
  o.random0 = input(IN_WANTED - 2);
  o.random1 = input(IN_WANTED - 1);
  for (let i: u32 = 0; i < wanted; i++) {
    const w = wantedAt(o.wanted, i);
    w.hi = input(IN_WANTED + i * 3);
    w.lo = input(IN_WANTED + i * 3 + 1);
    w.family = <i32>input(IN_WANTED + i * 3 + 2);
    w.range = 0;
  }
  return o.sets != 0;
}

function attempt(o: Order): i32 {
  for (let i = 0; i < o.wantedCount; i++) {
    wantedAt(o.wanted, i).used = false;
  }
  o.number = nextNumber();
  const status = allocate(changetype<usize>(o));
  // The library moves no cursor for a call that fails.
  if (status != ALLOCATED) journalUndo();
  return status;
}

// Allocates; where a pool is exhausted, what is due is freed until something is free; from
// ROUNDS_SEEK on a cool-down yields before that. Out 0 to 3 tell why it failed: pool number,
// address, the owner's record.
function allocateOrder(o: Order, now: u32): i32 {
  let status = attempt(o);
  for (let round = 0; round < ROUNDS_MAX && status == FAIL_EXHAUSTED; round++) {
    const freed = bookCollect(now);
    if (freed < 0) return freed;
    if (freed == 0) break;
    if (round == ROUNDS_SEEK) o.seek = false;
    status = attempt(o);
  }
  if (status == ALLOCATED) {
    for (let i = 0; i < o.setCount; i++) {
      const g = givenAt(o.given, i);
      output(<u32>i * 2, g.hi);
      output(<u32>i * 2 + 1, g.lo);
    }
    return 0;
  }
  output(0, <u64>failSet);
  output(1, failHi);
  output(2, failLo);
  output(3, failCell);
  for (let i = 0; i < o.wantedCount; i++) {
    const w = wantedAt(o.wanted, i);
    output(4 + <u32>i, w.used ? 1 : 0);
  }
  return status;
}

function begin(now: u32, pools: u32): i32 {
  const status = bookStart(now, pools + 1);
  return status < 0 ? status : bookIsFull();
}

/**
 * One address from each pool for an owner, or none. 0 (out: hi, lo for each pool), the allocator's
 * FAIL_ number (out: see allocateOrder), BOOK_NO_POOL, or -errno.
 */
export function bookAllocate(
  kind: u32,
  idBytes: u32,
  ifBytes: u32,
  nameBytes: u32,
  pools: u32,
  wanted: u32,
  now: u32,
): i32 {
  let status = begin(now, pools);
  if (status < 0) return status;
  status = clearOwnNote(kind, block + OWNER_AT, idBytes, block + IFNAME_AT, ifBytes);
  if (status < 0) return status;
  const o = makeOrder(kind, idBytes, ifBytes, nameBytes, now);
  if (!orderSets(o, pools, wanted)) return BOOK_NO_POOL;
  status = allocateOrder(o, now);
  if (status == FAIL_NO_SPACE) return ENOSPC;
  return status == ALLOCATED ? bookCommit() : status;
}

// The longest cool-down of the pools that the record's addresses came from (seconds).
function longestCooldown(head: u32): u32 {
  let longest: u32 = 0;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family) || cellSet(cell, family) != SET_POOL) continue;
      const pool = poolByAddress(family, cellHi(cell, family), cellLo(cell, family));
      if (pool != 0) longest = max<u32>(longest, half(pool + P_COOLDOWN));
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
  return longest;
}

/**
 * Releases what an owner holds: with `ttl` != 0 into a reservation for its name. 0, BOOK_NOT_FOUND,
 * BOOK_NO_NAME (it has none and none was given), or -errno.
 */
export function bookRelease(
  kind: u32,
  idBytes: u32,
  ifBytes: u32,
  nameBytes: u32,
  ttl: u32,
  now: u32,
): i32 {
  const id = block + OWNER_AT;
  const ifname = block + IFNAME_AT;
  if (recordByOwner(kind, id, idBytes, ifname, ifBytes) == 0) return BOOK_NOT_FOUND;
  let status = ttl != 0 ? bookMark() : 0;
  if (status == 0) status = bookStart(now, ttl != 0 ? 1 : 0);
  if (status < 0) return status;
  const head = recordByOwner(kind, id, idBytes, ifname, ifBytes);
  const number = nextNumber();
  if (ttl == 0) {
    release(head, longestCooldown(head), now, number);
    return bookCommit();
  }
  if (nextOfKind(head, KIND_NAME) == 0) {
    if (nameBytes == 0) return BOOK_NO_NAME;
    if (!recordPutName(head, block + NAME_AT, nameBytes, number, 0, 0)) return noSpace();
  }
  return reserve(head, dueOf(now, ttl), now, number) ? bookCommit() : noSpace();
}

function noSpace(): i32 {
  journalUndo();
  return ENOSPC;
}

// A reservation of the name, or 0; with `now` only one that hasn't expired.
function reservationOf(nameBytes: u32, now: u32): u32 {
  let name = recordByName(block + NAME_AT, nameBytes);
  for (let step: u32 = 0; step < NAMES_MAX && name != 0; step++) {
    const head = headAt(cellHead(name));
    if (cellByte(head, 5) == STATE_RESERVATION && half(head + C_DUE) > now) return head;
    name = olderOfName(name);
  }
  return 0;
}

/**
 * Reserves one address from each pool for a name. 0 (out as bookAllocate), BOOK_RESERVED (the name
 * has a reservation), the allocator's FAIL_ number, BOOK_NO_POOL, or -errno.
 */
export function bookReserve(nameBytes: u32, pools: u32, wanted: u32, ttl: u32, now: u32): i32 {
  let status = bookMark();
  if (status == 0) status = begin(now, pools);
  if (status < 0) return status;
  if (reservationOf(nameBytes, now) != 0) return BOOK_RESERVED;
  const o = makeOrder(KIND_OTHER, 0, 0, nameBytes, now);
  if (!orderSets(o, pools, wanted)) return BOOK_NO_POOL;
  status = allocateOrder(o, now);
  if (status == FAIL_NO_SPACE) return ENOSPC;
  if (status != ALLOCATED) return status;
  const head = recordByOwner(KIND_OTHER, o.id, 0, o.ifname, 0);
  return reserve(head, dueOf(now, ttl), now, o.number) ? bookCommit() : noSpace();
}

/** Ends the reservations of a name. 0, BOOK_NOT_FOUND, or -errno. */
export function bookUnreserve(nameBytes: u32, now: u32): i32 {
  let live = false;
  for (let step: u32 = 0; step < NAMES_MAX; step++) {
    const status = bookStart(now, 0);
    if (status < 0) return status;
    const head = reservationOf(nameBytes, 0);
    if (head == 0) break;
    if (half(head + C_DUE) > now) {
      live = true;
      reservationEnd(head, nextNumber());
    } else reservationOver(head, now, nextNumber());
    const done = bookCommit();
    if (done < 0) return done;
  }
  return live ? 0 : BOOK_NOT_FOUND;
}

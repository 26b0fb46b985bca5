// Check: one walk over every invariant of an image that reports every fault and traps on none that
// it can foresee. The operator's verb, each test's clean-up and every crash test use it.
//
//   arena: free lists and chunks don't overlap anything, live counts match what is pointed to
//   trees: radixCheck;  indexes: nodes, buckets, every cell where its key says, no cell twice
//   records: checksums, chains, each address taken, in its index, and owned once; names linked
//   both ways expiry: each entry has its cooling cell, each cooling address its entry; header
//   counts
//
// O(size of what is held); scratch: a 64th of the image.
import { arenaBump, arenaFirstFree, arenaLive, CLASSES, classBytes } from "../image/arena";
import { blocksBegin, blocksClaim, blocksClaimed, blocksEnd } from "../image/blocks";
import {
  EXPIRY,
  H_COOLING,
  H_HELD,
  H_LENGTH,
  H_POOLS,
  H_RESERVED,
  H_SETTINGS,
  HEADER_BYTES,
  INDEX_NAME,
  INDEX_OWNER,
  INDEX_POOL_NAME,
  INDEX_POOL4,
  INDEX_POOL6,
  INDEX_V4,
  INDEX_V6,
  POOLS4,
  POOLS6,
  TREE4,
  TREE6,
} from "../image/header";
import { half, imageLength, word } from "../image/image";
import {
  C_DUE,
  C_NEXT,
  C_SINCE,
  CELL_BYTES,
  cellByte,
  cellHasFamily,
  cellHi,
  cellIsSound,
  cellKind,
  cellLo,
  cellSet,
  KIND_LABEL,
  KIND_MORE,
  KIND_NAME,
  KIND_OTHER,
  KIND_TEXT,
  STATE_ALLOCATION,
  STATE_COOLING,
  STATE_RESERVATION,
} from "../records/cell";
import { EVENT_RING_BYTES, EVENTS, eventIsSound, H_EVENTS } from "../records/event";
import { DUE_RESERVED, dueSet } from "../records/expiry";
import {
  BY_LABEL,
  BY_LAST,
  BY_NAME,
  BY_OWNER,
  BY_V4,
  BY_V6,
  CHAIN_MAX,
  keyOf,
  nextOfKind,
  P_LAST,
} from "../records/key";
import { isPool, P_BASE, poolFamily, poolIsWhole, SET_POOL } from "../records/poolcell";
import { recordByAddress } from "../records/record";
import { namespaceKey } from "../records/reservations";
import {
  BUCKET_MAX,
  bucketRoom,
  cellOf,
  cellWithBits,
  isBucket,
  LEVELS_MAX,
  NODE_BYTES,
  nodeIsSound,
  TAG_CELL,
  TAG_NODE,
} from "../records/trie";
import { scratchTake } from "../scratch";
import { foundHi, foundLo, radixCount, radixHas, radixNextTaken } from "../sets/radix";
import { radixCheck } from "../sets/radixcheck";
import { settingsAreWhole, settingsNext } from "./settings";

/** Faults that are kept with their text; more are only counted. */
const KEPT: i32 = 256;
const FAULT_BYTES: usize = 8;

let faults: i32 = 0;
let list: usize = 0;

function fault(what: string, at: u32): void {
  if (faults < KEPT) {
    store<u32>(list + <usize>faults * FAULT_BYTES, <u32>changetype<usize>(what));
    store<u32>(list + <usize>faults * FAULT_BYTES, at, 4);
  }
  faults++;
}

/** Takes the list of faults from scratch memory, once, before any rewind. */
export function checkReserve(): void {
  if (list == 0) list = scratchTake(<usize>KEPT * FAULT_BYTES);
}

/** Text of fault `n`: address of an AssemblyScript string (UTF-16, byte length at -4). */
export function checkText(n: i32): u32 {
  return load<u32>(list + <usize>n * FAULT_BYTES);
}

/** Image offset of fault `n`. */
export function checkOffset(n: i32): u32 {
  return load<u32>(list + <usize>n * FAULT_BYTES, 4);
}

function claim(at: u32, bytes: u32): bool {
  const ok = blocksClaim(at, bytes);
  if (!ok) fault("a block is outside the image or belongs to two", at);
  return ok;
}

function isCell(at: u32): bool {
  return (
    (at & 127) == 0 && at >= HEADER_BYTES && at <= imageLength() - CELL_BYTES && cellIsSound(at)
  );
}

// Claims a record's cells and looks at their chain. false: don't read further.
function checkChain(head: u32): bool {
  let at = head;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (!isCell(at)) {
      fault("a cell of a record doesn't match its checksum", at);
      return false;
    }
    const kind = cellKind(at);
    if (at != head && (kind < KIND_TEXT || half(at + C_SINCE) != head)) {
      fault("a cell doesn't belong to its record", at);
      return false;
    }
    if (!claim(at, CELL_BYTES)) return false;
    if (kind <= KIND_OTHER || kind == KIND_MORE) checkAddresses(at);
    at = half(at + C_NEXT);
  }
  if (at != 0) fault("the chain of a record doesn't end", head);
  return at == 0;
}

function checkAddresses(cell: u32): void {
  for (let family: u32 = 4; family <= 6; family += 2) {
    if (!cellHasFamily(cell, family)) continue;
    const hi = cellHi(cell, family);
    const lo = cellLo(cell, family);
    if (!radixHas(family == 4 ? TREE4 : TREE6, hi, lo)) fault("an address isn't taken", cell);
    if (recordByAddress(family, hi, lo) != cell) fault("an address has two records", cell);
    if (cellSet(cell, family) > SET_POOL) fault("an address has no range set", cell);
  }
}

// One cell that an index names, found under the first `level` digits of `path`.
function checkEntry(item: u32, by: u32, level: u32, path: u64): void {
  const cell = cellOf(item);
  if (!isCell(cell)) {
    fault("an index names what is no cell", cell);
    return;
  }
  const kind = cellKind(cell);
  if (by >= BY_LAST) checkPool(cell, by);
  else if (by == BY_OWNER) {
    if (kind > KIND_OTHER) fault("the index by owner names a further cell", cell);
    else if (cellByte(cell, 5) != STATE_ALLOCATION) fault("an owner has no allocation", cell);
    else if (!checkChain(cell)) return;
  } else if (by == BY_NAME) {
    if (kind != KIND_NAME) {
      fault("the index by name names no name", cell);
      return;
    }
    checkNames(cell);
  } else if (!cellHasFamily(cell, by == BY_V4 ? 4 : 6)) {
    fault("an index names a cell without address", cell);
    return;
  }
  const key = keyOf(cell, by);
  if (cellWithBits(cell, key) != (item & ~7)) fault("the bits of a key are wrong", cell);
  if (level > 0 && key >> <u64>(64 - 6 * level) != path)
    fault("a key lies under a wrong node", cell);
}

// A pool is claimed where the index by address names it.
function checkPool(cell: u32, by: u32): void {
  if (!isPool(cell) || !poolIsWhole(cell)) {
    fault("an index of pools names what is no pool", cell);
    return;
  }
  if (by == BY_LABEL) {
    if (nextOfKind(cell, KIND_LABEL) == 0) fault("a pool in the index by name has none", cell);
    return;
  }
  let at = cell;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0; step++) {
    if (!claim(at, CELL_BYTES)) return;
    at = half(at + C_NEXT);
  }
  const baseHi = word(cell + P_BASE);
  const baseLo = word(cell + P_BASE + 8);
  const tree = poolFamily(cell) == 4 ? POOLS4 : POOLS6;
  if (!radixNextTaken(tree, baseHi, baseLo, u64.MAX_VALUE, u64.MAX_VALUE)) {
    fault("a pool isn't in the tree of pools", cell);
  } else if (foundHi != word(cell + P_LAST) || foundLo != word(cell + P_LAST + 8)) {
    fault("pools overlap", cell);
  }
}

function checkPools(): void {
  const four = checkIndex(INDEX_POOL4, BY_LAST);
  const six = checkIndex(INDEX_POOL6, BY_LAST);
  if (four != radixCount(POOLS4)) fault("index and tree of pools differ", INDEX_POOL4);
  if (six != radixCount(POOLS6)) fault("index and tree of pools differ", INDEX_POOL6);
  if (four + six != word(H_POOLS)) fault("the header miscounts the pools", H_POOLS);
  if (checkIndex(INDEX_POOL_NAME, BY_LABEL) > four + six) {
    fault("there are more names of pools than pools", INDEX_POOL_NAME);
  }
}

function checkNames(newest: u32): void {
  let at = newest;
  let newer: u32 = 0;
  for (let step: u32 = 0; step < imageLength() / CELL_BYTES && at != 0; step++) {
    if (!isCell(at) || cellKind(at) != KIND_NAME || half(at + 36) != newer) {
      fault("records of one name aren't linked", at);
      return;
    }
    newer = at;
    at = half(at + 32);
  }
}

const FRAME: usize = 16;

// Walks an index with a stack of | entry's offset u32 | level u32 | path u64 |: the cells found.
function checkIndex(root: u32, by: u32): u64 {
  const stack = scratchTake(FRAME * <usize>(64 * (LEVELS_MAX + 2)));
  let depth = 0;
  let found: u64 = 0;
  push(stack, depth++, root, 0, 0);
  const bound = imageLength() / 4;
  for (let step: u32 = 0; step < bound && depth > 0; step++) {
    depth--;
    const at = load<u32>(stack + <usize>depth * FRAME);
    const level = load<u32>(stack + <usize>depth * FRAME, 4);
    const path = load<u64>(stack + <usize>depth * FRAME, 8);
    const entry = half(at);
    const tag = entry & 7;
    const block = entry & ~7;
    if (entry == 0) continue;
    if (tag == TAG_CELL) {
      checkEntry(entry, by, level, path);
      found++;
    } else if (tag == TAG_NODE && level < LEVELS_MAX) {
      if (!claim(block, NODE_BYTES)) continue;
      if (!nodeIsSound(block, level)) fault("a node of an index", block);
      else
        for (let i: u32 = 0; i < 64; i++) {
          push(stack, depth++, block + 8 + i * 4, level + 1, (path << 6) | i);
        }
    } else if (isBucket(tag)) found += checkBucket(block, tag, by, level, path);
    else fault("an entry of an index", at);
  }
  return found;
}

function push(stack: usize, depth: i32, at: u32, level: u32, path: u64): void {
  const p = stack + <usize>depth * FRAME;
  store<u32>(p, at);
  store<u32>(p, level, 4);
  store<u64>(p, path, 8);
}

function checkBucket(bucket: u32, tag: u32, by: u32, level: u32, path: u64): u64 {
  const room = bucketRoom(tag);
  if (!claim(bucket, room * 4)) return 0;
  let n: u32 = 0;
  while (n < room && n < BUCKET_MAX && half(bucket + n * 4) != 0) {
    checkEntry(half(bucket + n * 4), by, level, path);
    n++;
  }
  if (n < 2) fault("a bucket of an index holds less than two", bucket);
  for (let i = n; i < room; i++) {
    if (half(bucket + i * 4) != 0) fault("a bucket of an index has a gap", bucket);
  }
  return n;
}

// Cooling and reserved records aren't in the index by owner: they are found, and claimed, through
// their expiries.
function checkExpiry(): void {
  let hi: u64 = 0;
  let lo: u64 = 0;
  let found: u64 = 0;
  let reserved: u64 = 0;
  const bound = radixCount(EXPIRY) + 1;
  for (let step: u64 = 0; step < bound; step++) {
    if (!radixNextTaken(EXPIRY, hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) break;
    hi = foundHi;
    lo = foundLo + 1;
    if (lo == 0) hi++;
    if (foundHi >> 63 != 0) checkNamespace(foundHi, foundLo);
    else if (foundHi > DUE_RESERVED) checkTwin(<u32>foundHi, foundLo);
    else if (foundHi == DUE_RESERVED) {
      reserved++;
      checkReserved(<u32>foundLo, foundLo);
    } else {
      found++;
      checkDue(foundHi, foundLo);
    }
  }
  if (found != word(H_COOLING)) fault("the header miscounts the cooling addresses", H_COOLING);
  if (reserved != word(H_RESERVED)) fault("the header miscounts the reservations", H_RESERVED);
}

// What cools in a pool of the library is on the list of all such pools, too.
function checkTwin(pool: u32, key: u64): void {
  if (!isPool(pool)) fault("an expiry names what is no pool", pool);
  else if (!radixHas(EXPIRY, poolFamily(pool) == 4 ? 32 : 33, key)) {
    fault("a pool's expiry isn't on the list of all", <u32>key);
  }
}

// A reservation is on the list of its namespace, too.
function checkNamespace(space: u64, key: u64): void {
  const head = <u32>key;
  if (!radixHas(EXPIRY, DUE_RESERVED, key) || !isCell(head)) {
    fault("a namespace lists what isn't reserved", head);
  } else if (namespaceKey(head) != space) {
    fault("a reservation is listed in another namespace", head);
  }
}

function checkReserved(head: u32, key: u64): void {
  if (!isCell(head) || half(head + C_DUE) != <u32>(key >> 32)) {
    fault("an expiry has no reservation", head);
  } else if (cellKind(head) > KIND_OTHER || cellByte(head, 5) != STATE_RESERVATION) {
    fault("an expiry isn't that of a reservation", head);
  } else checkChain(head);
}

function checkDue(set: u64, key: u64): void {
  const cell = <u32>key;
  if (!isCell(cell) || half(cell + C_DUE) != <u32>(key >> 32)) {
    fault("an expiry has no cell", cell);
    return;
  }
  const four = cellHasFamily(cell, 4) && dueSet(cell, 4) == set;
  const six = cellHasFamily(cell, 6) && dueSet(cell, 6) == set;
  if (!four && !six) fault("an expiry's cell has no address of its set", cell);
  const head = cellKind(cell) <= KIND_OTHER ? cell : half(cell + C_SINCE);
  if (!isCell(head) || cellByte(head, 5) != STATE_COOLING) fault("an expiry isn't cooling", cell);
  else if (firstCooling(head, cell, four)) checkChain(head);
}

// A record is claimed once: at its first cell with an address, at that cell's first family.
function firstCooling(head: u32, cell: u32, four: bool): bool {
  if (cellHasFamily(cell, 4) && !four) return false;
  let at = head;
  for (let step: u32 = 0; step < CHAIN_MAX && at != 0 && isCell(at); step++) {
    if (cellHasFamily(at, 4) || cellHasFamily(at, 6)) return at == cell;
    at = half(at + C_NEXT);
  }
  return false;
}

function checkSettings(): void {
  const first = <u32>word(H_SETTINGS);
  if (first != 0 && !settingsAreWhole(first)) {
    fault("the settings aren't whole", first);
    return;
  }
  // A whole chain ends.
  for (let at = first; at != 0; at = settingsNext(at)) if (!claim(at, CELL_BYTES)) return;
}

function checkArena(claimedByUse: u64): void {
  let live: u64 = 0;
  for (let c: u32 = 0; c < CLASSES; c++) {
    const bytes = classBytes(c);
    live += <u64>arenaLive(bytes) * bytes;
    let at = arenaFirstFree(bytes);
    for (let step: u32 = 0; step <= imageLength() / 16 && at != 0; step++) {
      if (!claim(at, bytes)) break;
      at = <u32>word(at);
    }
  }
  if (live != claimedByUse) fault("blocks are in use that nothing points to", 0);
}

// The recorder's ring: each place is empty or has an event whose number belongs there.
function checkEvents(): void {
  const ring = <u32>word(H_EVENTS);
  const lies = ring == 0 || ((ring & 127) == 0 && claim(ring, EVENT_RING_BYTES));
  if (!lies) fault("the ring of events", H_EVENTS);
  for (let i: u32 = 0; lies && ring != 0 && i < EVENTS; i++) {
    if (!eventIsSound(i)) fault("an event is damaged or in a wrong place", ring + i * CELL_BYTES);
  }
}

function checkTree(root: u32): void {
  const bad = radixCheck(root);
  for (let i = 0; i < min(bad, 8); i++) fault("a tree of taken addresses contradicts itself", root);
}

/** Walks the attached image. Answers the number of faults; checkText and checkOffset tell each. */
export function check(): i32 {
  faults = 0;
  checkReserve();
  if (word(H_LENGTH) > <u64>imageLength() || arenaBump() > imageLength()) {
    fault("the header's lengths are beyond the image", H_LENGTH);
    return faults;
  }
  blocksBegin(imageLength());
  blocksClaim(8, HEADER_BYTES - 8);
  checkEvents();
  const own = blocksClaimed();
  checkTree(TREE4);
  checkTree(TREE6);
  checkTree(EXPIRY);
  checkTree(POOLS4);
  checkTree(POOLS6);
  if (faults == 0) {
    const held = checkIndex(INDEX_OWNER, BY_OWNER);
    if (held != word(H_HELD)) fault("the header miscounts the allocations", H_HELD);
    if (checkIndex(INDEX_V4, BY_V4) != radixCount(TREE4))
      fault("IPv4 index and tree differ", INDEX_V4);
    if (checkIndex(INDEX_V6, BY_V6) != radixCount(TREE6))
      fault("IPv6 index and tree differ", INDEX_V6);
    checkIndex(INDEX_NAME, BY_NAME);
    checkExpiry();
    checkPools();
    checkSettings();
    checkArena(blocksClaimed() - own);
  }
  blocksEnd();
  return faults;
}

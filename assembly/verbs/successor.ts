// Successor: the kernel gives the number of a network namespace again once that is gone, as a rule
// to the next pod's. So what a container without a DEL left would seem to live for as long as the
// pod lives that came next. It is gone if the namespace is shown to be that pod's:
//
//   a later allocation, of another container, was made for a namespace of the same number
//   of each family a thread in the namespace sees an address of the later one, none of its own:
//     /proc/<thread>/net/fib_trie     "|-- 10.1.2.3": addresses and routes of IPv4
//     /proc/<thread>/net/if_inet6     32 hexadecimal digits: addresses of IPv6
//
// Whatever of it can't be told is no proof, and it stays.
//
//   last   head u32 of the latest allocation for each number, open addressing, a power of two of
//          slots, half of them used at most

import { formatAddress } from "../address";
import { inode, slurp } from "../host";
import { half } from "../image/image";
import { Text, textClear, textNumber, textString, textTake, textTo } from "../protocol/text";
import {
  C_NETNS,
  cellHasFamily,
  cellHi,
  cellKind,
  cellLo,
  cellNumber,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
  TEXT_MAX,
} from "../records/cell";
import { CHAIN_MAX, idText, nextOfKind, textAt } from "../records/key";
import { scratchTake } from "../scratch";
import { aliveThread } from "./alive";

const PATH_BYTES: i32 = 64;
/** A namespace of so many routes is no pod's. */
const SEEN_BYTES: i32 = 1 << 18;
const ADDRESS_BYTES: i32 = 64;

let path: Text = changetype<Text>(0);
let id: usize = 0;
let wanted: Text = changetype<Text>(0);
let sees: usize = 0;
let seesBytes: i32 = 0;
let last: usize = 0;
let mask: u32 = 0;

/** Takes the memory of the texts, once. */
export function successorsReserve(): void {
  path = textTake(PATH_BYTES);
  wanted = textTake(ADDRESS_BYTES);
  id = scratchTake(<usize>TEXT_MAX);
  sees = scratchTake(<usize>SEEN_BYTES);
}

function slotOf(namespace: u32): usize {
  let slot = namespace * 0x9e3779b1;
  for (let step: u32 = 0; step <= mask; step++) {
    const p = last + ((<usize>(slot++ & mask)) << 2);
    const head = load<u32>(p);
    if (head == 0 || half(head + C_NETNS) == namespace) return p;
  }
  return 0; // never: half of the slots are free
}

/** Looks through `count` cells of allocations: which is the latest for each namespace. */
export function successorsFind(cells: usize, count: u32): void {
  let size: u32 = 16;
  while (size < 2 * count) size <<= 1;
  last = scratchTake((<usize>size) << 2);
  memory.fill(last, 0, (<usize>size) << 2);
  mask = size - 1;
  for (let i: u32 = 0; i < count; i++) {
    const head = headAt(load<u32>(cells + ((<usize>i) << 2)));
    if (cellKind(head) != KIND_CONTAINER || half(head + C_NETNS) == 0) continue;
    const p = slotOf(half(head + C_NETNS));
    const there = load<u32>(p);
    if (there == 0 || cellNumber(there) < cellNumber(head)) store<u32>(p, head);
  }
}

function isSameContainer(one: u32, other: u32): bool {
  const bytes = idText(one);
  memory.copy(id, textAt, bytes);
  return idText(other) == bytes && memory.compare(id, textAt, bytes) == 0;
}

// Starts the path of a file that a thread sees.
function pathOf(thread: u32, file: string): void {
  textClear(path);
  textTo(path);
  textString("/proc/");
  textNumber(thread);
  textString(file);
}

// What a thread sees of a family's addresses. false: that can't be read.
function look(thread: u32, family: u32): bool {
  pathOf(thread, family == 4 ? "/net/fib_trie" : "/net/if_inet6");
  seesBytes = slurp(path.at, path.length, sees, SEEN_BYTES);
  return seesBytes > 0 && seesBytes <= SEEN_BYTES;
}

function isPart(at: i32): bool {
  if (at < 0 || at >= seesBytes) return false;
  const c = <u32>load<u8>(sees + at);
  return c == 46 || (c >= 48 && c <= 57);
}

// Is the text in `wanted` there, not as a part of a longer address?
function hasWanted(): bool {
  const bytes = wanted.length;
  for (let at = 0; at + bytes <= seesBytes; at++) {
    if (memory.compare(sees + at, wanted.at, bytes) != 0) continue;
    if (bytes == 32 || (!isPart(at - 1) && !isPart(at + bytes))) return true;
  }
  return false;
}

function putHex(word: u64): void {
  for (let shift = 60; shift >= 0; shift -= 4) {
    const digit = <u32>(word >> shift) & 15;
    store<u8>(wanted.at + wanted.length++, digit < 10 ? 48 + digit : 87 + digit);
  }
}

function isSeen(family: u32, hi: u64, lo: u64): bool {
  textClear(wanted);
  if (family == 4) wanted.length = formatAddress(4, hi, lo, wanted.at);
  else {
    putHex(hi);
    putHex(lo);
  }
  return hasWanted();
}

// How many addresses of a family has the record (`seen` false), or are seen of them?
function countOf(head: u32, family: u32, seen: bool): u32 {
  let count: u32 = 0;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, family)) {
      if (!seen || isSeen(family, cellHi(cell, family), cellLo(cell, family))) count++;
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
  return count;
}

/**
 * Is the namespace of this allocation, as it is now, shown to be that of a later container? After
 * aliveGather and successorsFind. Cost: two files of /proc, where there is a later one.
 */
export function isSucceeded(head: u32): bool {
  const namespace = half(head + C_NETNS);
  const later = load<u32>(slotOf(namespace));
  if (later == 0 || later == head || isSameContainer(head, later)) return false;
  const thread = aliveThread(namespace);
  if (thread == 0) return false;
  for (let family: u32 = 4; family <= 6; family += 2) {
    if (countOf(head, family, false) == 0) continue;
    if (!look(thread, family)) return false;
    if (countOf(later, family, true) == 0 || countOf(head, family, true) > 0) return false;
  }
  // What was read is of this namespace only if the thread hasn't gone meanwhile.
  pathOf(thread, "/ns/net");
  return inode(path.at, path.length) == <i64>namespace;
}

// Collect (GC): lets every container's allocation go that the runtime's list doesn't name (SPEC
// 1.1, "GC: Garbage collect any stale resources"): a name that is reserved keeps its addresses, and
// no reservation is touched. Costs what it is told to keep plus what is held.
//
//   kept   | digest0 u64 | digest1 u64 |   open addressing, a power of two of slots

import { H_HELD, INDEX_OWNER } from "../image/header";
import { journalCount, word } from "../image/image";
import { cellKind, headAt, KIND_CONTAINER } from "../records/cell";
import { eventCause } from "../records/event";
import { CAUSE_GC } from "../records/eventcell";
import { digest0, digest1, headDigests, ownerDigests } from "../records/key";
import { trieCells } from "../records/trie";
import { scratchTake } from "../scratch";
import { letGoAll, PART_WORDS } from "../store/letgo";
import { logCommit } from "../store/log";
import { Attachment } from "./call";

let kept: usize = 0;
let slots: u32 = 0;

// Where the digests in key.ts are, or would be put.
function keptSlot(): usize {
  let slot = <u32>digest0 & (slots - 1);
  for (let step: u32 = 0; step < slots; step++) {
    const p = kept + ((<usize>slot) << 4);
    const empty = load<u64>(p) == 0 && load<u64>(p, 8) == 0;
    if (empty || (load<u64>(p) == digest0 && load<u64>(p, 8) == digest1)) return p;
    slot = (slot + 1) & (slots - 1);
  }
  return 0; // never: the table is twice as large as the list
}

function keepOne(a: Attachment, ifnameBytes: i32): void {
  ownerDigests(KIND_CONTAINER, a.idAt, <u32>a.idBytes, a.ifnameAt, <u32>ifnameBytes);
  const p = keptSlot();
  store<u64>(p, digest0);
  store<u64>(p, digest1, 8);
}

function keep(attachments: usize, count: i32): void {
  slots = 16;
  while (slots < <u32>count * 4) slots <<= 1;
  kept = scratchTake((<usize>slots) << 4);
  memory.fill(kept, 0, (<usize>slots) << 4);
  for (let i = 0; i < count; i++) {
    const a = changetype<Attachment>(attachments + <usize>i * offsetof<Attachment>());
    keepOne(a, a.ifnameBytes);
    // What host-local's old format wrote down has no interface.
    keepOne(a, 0);
  }
}

// A container that isn't among what is kept?
function isStale(head: u32): bool {
  if (cellKind(head) != KIND_CONTAINER) return false;
  headDigests(head);
  const p = keptSlot();
  return load<u64>(p) == 0 && load<u64>(p, 8) == 0;
}

/**
 * Lets go the containers that aren't among the `count` attachments, part by part, each part a
 * commit. 0, or what logCommit said: the parts before that stand.
 */
export function collect(
  attachments: usize,
  count: i32,
  manner: usize,
  synced: bool,
  durable: bool,
): i32 {
  keep(attachments, count);
  eventCause(CAUSE_GC);
  const held = <u32>word(H_HELD);
  const heads = scratchTake((<usize>held + 1) << 2);
  const found = trieCells(INDEX_OWNER, heads, held + 1);
  // All of them are found first: what stands in for the files of one goes with it.
  let stale: u32 = 0;
  for (let i: u32 = 0; i < found; i++) {
    const head = headAt(load<u32>(heads + ((<usize>i) << 2)));
    if (!isStale(head)) continue;
    store<u32>(heads + ((<usize>stale) << 2), head);
    stale++;
  }
  for (let i: u32 = 0; i < stale; i++) {
    const head = headAt(load<u32>(heads + ((<usize>i) << 2)));
    let status = letGoAll(head, manner, synced, durable);
    if (status != 0) return status;
    if (journalCount() < PART_WORDS) continue;
    status = logCommit(synced, durable);
    if (status != 0) return status;
  }
  return logCommit(synced, durable);
}

// Records whose files have gone: host-local deletes by unlinking, so an address that it held, or
// that we mirror, is free once its file isn't there or names somebody else. Nobody is told when
// that happens; whoever needs to know looks: an ADD that finds nothing free, the same owner or a
// requested address held, and collection.
//
// Cost: `goneOf` looks at the files of one record; `goneSweep` at all of them (O(held), only where
// an ADD would fail otherwise, or when the other program has worked meanwhile).

import { damaged } from "../fault";
import { appliedNumber, H_HELD, INDEX_OWNER } from "../image/header";
import { journalCount, putWord, word } from "../image/image";
import { treeOf } from "../pool/pool";
import {
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellKind,
  cellLo,
  cellSeal,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
  STATE_ALLOCATION,
} from "../records/cell";
import { eventOfAddress } from "../records/event";
import { EVENT_RELEASED } from "../records/eventcell";
import { FILE_FAILED, FILE_GONE, fileBelongs, fileRead, headHasFiles } from "../records/file";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import {
  recordDropAddress,
  recordDropOwner,
  recordFree,
  recordHasAddress,
} from "../records/record";
import { trieCells } from "../records/trie";
import { scratchTake } from "../scratch";
import { radixGive } from "../sets/radix";
import { logCommit } from "../store/log";

/** Bulk work is committed once it has changed so many words (NOTES_MAX bounds a commit). */
export const BULK_WORDS: u32 = 3600;

/**
 * Takes one address out of an allocation, since host-local's files say so: it is free at once. The
 * record goes with its last one.
 * true: there is a record left.
 */
export function addressDrop(cell: u32, family: u32, number: u64): bool {
  const head = headAt(cellHead(cell));
  eventOfAddress(EVENT_RELEASED, cell, family, 0, 0, number);
  if (!radixGive(treeOf(<i32>family), cellHi(cell, family), cellLo(cell, family))) {
    damaged("a held address isn't taken");
  }
  recordDropAddress(cell, family);
  if (cell != head) cellSeal(cell, number);
  if (recordHasAddress(head)) {
    cellSeal(head, number);
    return true;
  }
  recordDropOwner(head);
  recordFree(head, number);
  putWord(H_HELD, word(H_HELD) - 1);
  return false;
}

function isGone(head: u32, cell: u32, family: u32): bool {
  const state = fileRead(family, cellHi(cell, family), cellLo(cell, family));
  // Nothing is freed on a guess: a container may live behind what can't be looked at.
  if (state == FILE_FAILED) return false;
  if (state == FILE_GONE) return true;
  // What stands in for a file holds as long as that is there, whoever it names.
  return cellKind(head) == KIND_CONTAINER && !fileBelongs(state, head);
}

/** Is every file of the record there? For a record without files: yes. */
export function goneNot(head: u32): bool {
  if (!headHasFiles(head)) return true;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4) && isGone(head, cell, 4)) return false;
    if (cellHasFamily(cell, 6) && isGone(head, cell, 6)) return false;
    cell = nextOfKind(cell, KIND_MORE);
  }
  return true;
}

/** Frees the addresses of a record whose files have gone: how many. The record may be gone then. */
export function goneOf(head: u32): u32 {
  if (cellByte(head, 5) != STATE_ALLOCATION || !headHasFiles(head)) return 0;
  const number = appliedNumber() + 1;
  let dropped: u32 = 0;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    const next = nextOfKind(cell, KIND_MORE);
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family) || !isGone(head, cell, family)) continue;
      dropped++;
      if (!addressDrop(cell, family, number)) return dropped;
    }
    cell = next;
  }
  return dropped;
}

/** Addresses that the last `goneSweep` freed. */
export let goneCount: u32 = 0;

/** The same for every record, part by part, each part a commit. 0, or what logCommit said. */
export function goneSweep(durable: bool): i32 {
  const held = <u32>word(H_HELD);
  const heads = scratchTake((<usize>held + 1) << 2);
  const found = trieCells(INDEX_OWNER, heads, held + 1);
  goneCount = 0;
  for (let i: u32 = 0; i < found; i++) {
    goneCount += goneOf(headAt(load<u32>(heads + ((<usize>i) << 2))));
    if (journalCount() < BULK_WORDS) continue;
    const status = logCommit(false, durable);
    if (status != 0) return status;
  }
  return 0;
}

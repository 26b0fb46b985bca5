// Letting go as a whole: a container's record and, before it, the owners that stand in for those of
// its files that are beyond what one record has (records/file.ts). The record goes last: killed in
// between, it is still there, and whoever lets it go again finds the rest.
//
// Costs nothing where nobody stands in, which a bit of the record tells; else O(held) and a read of
// each file that is stood in for.

import { appliedNumber, H_HELD, INDEX_OWNER } from "../image/header";
import { journalCount, word } from "../image/image";
import { leave } from "../pool/leave";
import { cellSeal, headAt } from "../records/cell";
import { headHasBeyond, headPutBeyond, headStandsIn, standInEnds } from "../records/file";
import { digest0, digest1, headDigests } from "../records/key";
import { trieCells } from "../records/trie";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { imageGrow } from "./files";
import { logCommit } from "./log";

/**
 * A part of bulk work is committed once it has changed so many words (NOTES_MAX bounds a commit).
 */
export const PART_WORDS: u32 = 400;
/** Arena that the lists of expiries may need for one record. */
export const ROOM_LEAVE: u32 = 32768;

/**
 * Lets a record's addresses go (leave.ts), after a try to make room for its reservation or its
 * cool-down.
 */
export function letGo(head: u32, manner: usize): void {
  imageGrow(ROOM_LEAVE);
  leave(head, manner, appliedNumber() + 1);
}

// Those that stand in for files which name the owner of `head`. 0, or what logCommit said.
function standInsGo(head: u32, manner: usize, synced: bool, durable: bool): i32 {
  const owner = scratchTake(16);
  headDigests(head);
  store<u64>(owner, digest0);
  store<u64>(owner, digest1, 8);
  const held = <u32>word(H_HELD);
  const heads = scratchTake((<usize>held + 1) << 2);
  const found = trieCells(INDEX_OWNER, heads, held + 1);
  for (let i: u32 = 0; i < found; i++) {
    const other = headAt(load<u32>(heads + ((<usize>i) << 2)));
    if (!headStandsIn(other) || !standInEnds(other, owner, 1)) continue;
    letGo(other, manner);
    if (journalCount() < PART_WORDS) continue;
    const status = logCommit(synced, durable);
    if (status != 0) return status;
  }
  return 0;
}

/**
 * Lets go what stands in for files of the container of `head`, which is about to go, and unlinks
 * those: in parts, each a commit; the last one is left in the journal. 0, or what logCommit said.
 */
export function letGoBeyond(head: u32, manner: usize, synced: bool, durable: bool): i32 {
  if (!headHasBeyond(head)) return 0;
  const mark = scratchMark();
  const status = standInsGo(head, manner, synced, durable);
  scratchRewind(mark);
  if (status != 0) return status;
  headPutBeyond(head, false);
  cellSeal(head, appliedNumber() + 1);
  return 0;
}

/** Lets a container go with all that. 0, or what logCommit said of a part before the last one. */
export function letGoAll(head: u32, manner: usize, synced: bool, durable: bool): i32 {
  const status = letGoBeyond(head, manner, synced, durable);
  if (status == 0) letGo(head, manner);
  return status;
}

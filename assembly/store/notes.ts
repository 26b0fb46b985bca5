// DEL notes: what a DEL leaves when it can't commit (no lock, no space, damaged state): an empty
// file del-<digest of the owner> in the network's directory. The next writer applies at most
// NOTES_AT_ONCE of them and removes the files after its commit. An ADD always clears its own
// owner's note first, so that no old note frees a new allocation.
//
// Listing a directory costs 6 to 8 us, looking for one name 4 to 5, and there is hardly ever a
// note. So the header remembers the directory's time of change at which there was none (H_QUIET,
// in the next commit): while that stands, there is none now. Who leaves a note changes that time.

import * as host from "../host";
import { appliedNumber, H_QUIET } from "../image/header";
import { journalCount, putWord, word } from "../image/image";
import { leave } from "../pool/leave";
import { eventCause } from "../records/event";
import { CAUSE_DEL, CAUSE_NOTE } from "../records/eventcell";
import { headPutFiles } from "../records/file";
import { digest0, digest1 } from "../records/key";
import { recordByDigest } from "../records/record";
import { scratchTake } from "../scratch";
import { imageRoom } from "./files";
import { letGoAll, PART_WORDS, ROOM_LEAVE } from "./letgo";
import { logCommit } from "./log";
import { nameAt, nameBytes, noteDigest0, noteDigest1, noteName, noteParse } from "./names";

/** Notes that one call applies. */
const NOTES_AT_ONCE: i32 = 64;
// Room for them and for some strange names in between.
const NAMES_BYTES: i32 = 16384;
const EEXIST: i32 = -17;
const ENOENT: i32 = -2;

let names: usize = 0;
let namesUsed: i32 = 0;
// End of the names that have been gone through.
let namesDone: i32 = 0;

/** notesApply knows without looking that the directory holds no note. */
export let notesQuiet: bool = false;

/** Leaves a note for the owner whose digests are in key.ts. 0, or -errno if not even that works. */
export function noteLeave(): i32 {
  noteName(digest0, digest1);
  const handle = host.open(nameAt, nameBytes, 2);
  if (handle < 0) return handle == EEXIST ? 0 : handle;
  host.close(handle);
  return 0;
}

function namesForget(): void {
  namesUsed = 0;
  namesDone = 0;
}

// Lists what begins as notes do. Bytes of the names, or -errno.
function namesRead(): i32 {
  names = scratchTake(<usize>NAMES_BYTES);
  noteName(0, 0);
  const listed = host.list(nameAt, 4, names, NAMES_BYTES);
  namesUsed = max(0, listed);
  return listed;
}

// Goes past the next of these names. true: it is a note's: noteDigest0, noteDigest1.
function nameNext(): bool {
  const at = names + namesDone;
  const bytes = nameLength(namesDone);
  namesDone += bytes + 1;
  return noteParse(at, bytes);
}

/**
 * Lets go what the notes of the directory name, in this Manner, committing part by part. 0 or what
 * logCommit said. Remember to call notesRemove after the call's own commit.
 */
export function notesApply(manner: usize, synced: bool, durable: bool): i32 {
  namesForget();
  const known = word(H_QUIET);
  // Before the listing: what comes later changes it.
  const changed = <u64>host.settled(<u32>(known >> 32), <u32>known);
  notesQuiet = known != 0 && changed == known;
  if (notesQuiet) {
    eventCause(CAUSE_DEL);
    return 0;
  }
  // A directory that couldn't be listed isn't one without notes.
  if (namesRead() == 0 && changed != 0) putWord(H_QUIET, changed);
  eventCause(CAUSE_NOTE);
  for (let n = 0; n < NOTES_AT_ONCE && namesDone < namesUsed; ) {
    if (!nameNext()) continue;
    n++;
    const head = recordByDigest(noteDigest0, noteDigest1);
    const part = head == 0 ? 0 : letGoAll(head, manner, synced, durable);
    if (part != 0) return part;
    if (journalCount() < PART_WORDS) continue;
    const status = logCommit(synced, durable);
    if (status != 0) return status;
  }
  eventCause(CAUSE_DEL);
  return 0;
}

/**
 * Lets go in a copied image, of which nothing is written, what the next call lets go for the notes
 * of the entered directory. The files of its addresses stay.
 */
export function notesForesee(manner: usize): void {
  namesForget();
  namesRead();
  for (let n = 0; n < NOTES_AT_ONCE && namesDone < namesUsed; ) {
    if (!nameNext()) continue;
    n++;
    const head = recordByDigest(noteDigest0, noteDigest1);
    if (head == 0) continue;
    imageRoom(ROOM_LEAVE);
    headPutFiles(head, false);
    leave(head, manner, appliedNumber() + 1);
  }
  namesForget();
}

/** Has the last notesApply gone through any name? Then notesRemove is due, behind a commit. */
export function notesSeen(): bool {
  return namesDone > 0;
}

function nameLength(at: i32): i32 {
  let end = at;
  while (end < namesUsed && load<u8>(names + end) != 0) end++;
  return end - at;
}

/**
 * Removes the files of the notes that notesApply went through. `synced`: after a power cut, too,
 * they are gone; one that came back would free what its owner was given since. 0 or -errno: they
 * may come back.
 */
export function notesRemove(synced: bool): i32 {
  let removed = 0;
  for (let at = 0; at < namesDone; ) {
    const bytes = nameLength(at);
    if (noteParse(names + at, bytes) && host.unlink(names + at, bytes) == 0) removed++;
    at += bytes + 1;
  }
  return synced && removed > 0 ? host.syncDirectory() : 0;
}

/**
 * Removes the note of an owner, `synced` as in notesRemove. 0, also where there is none; -errno if
 * it is still there or may come back.
 */
export function noteRemove(d0: u64, d1: u64, synced: bool): i32 {
  noteName(d0, d1);
  const status = host.unlink(nameAt, nameBytes);
  if (status == ENOENT) return 0;
  return status == 0 && synced ? host.syncDirectory() : status;
}

/** Is there a note for this owner? 1 or 0; -errno where that can't be told. */
export function noteExists(d0: u64, d1: u64): i32 {
  noteName(d0, d1);
  const handle = host.open(nameAt, nameBytes, 0);
  if (handle < 0) return handle == ENOENT ? 0 : handle;
  host.close(handle);
  return 1;
}

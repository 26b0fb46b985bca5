// Beside host-local: what `adopt` and `mirror` add to a call. Both programs' files lie in one
// directory then.
//
//   adopt    the first call takes host-local's files over; from then on its address files are only
//            looked at where an ADD would fail otherwise (pods of before are deleted by unlinking)
//   mirror   each call holds host-local's lock too, reads its files again if it has given an
//            address since, and writes a file for each address that is given
//
// Our own lock comes first, host-local's second, both bounded. Costs nothing without the keys.

import { goneCount, goneNot, goneOf, goneSweep } from "../foreign/gone";
import { markClaim, markIsOurs, marksFollow, marksPut } from "../foreign/marks";
import { mirrorAll, mirrorMeets, mirrorPlace, mirrorStage } from "../foreign/mirror";
import {
  ADOPTED,
  ADOPTED_NOT,
  MIRRORED,
  TakeOver,
  takeOver,
  takeUnreadAt,
  takeUnreadBytes,
} from "../foreign/takeover";
import * as host from "../host";
import { H_ADOPTED } from "../image/header";
import { journalUndo, putWord, word } from "../image/image";
import {
  ALLOCATED,
  FAIL_DUPLICATE,
  FAIL_EXHAUSTED,
  FAIL_TAKEN,
  failCell,
  failHi,
  failLo,
  failSet,
} from "../pool/allocator";
import { Manner } from "../pool/leave";
import { Order } from "../pool/order";
import { RangeSet } from "../pool/range";
import { cellHead, cellSeal, headAt, KIND_CONTAINER } from "../records/cell";
import { headPutFiles } from "../records/file";
import { digest0, digest1, ownerDigests } from "../records/key";
import { recordByAddress, recordByDigest, recordByOwner } from "../records/record";
import { scratchTake } from "../scratch";
import { letGo } from "../store/letgo";
import { fileName, nameAt, nameBytes } from "../store/names";
import { STORE_OPEN } from "../store/store";
import { call, Span } from "./call";
import {
  ERROR_DISK,
  ERROR_TRY_AGAIN,
  errorBegin,
  errorBytes,
  errorErrno,
  errorNumber,
  errorText,
} from "./errors";
import { overfull } from "./overfull";
import { orderFreshen, seekAllocate } from "./seek";
import {
  diskError,
  isDurable,
  mannerOf,
  now,
  ownDigests,
  sessionDone,
  sessionOpen,
  sessionPart,
} from "./session";

const EAGAIN: i32 = -11;
const ENOSYS: i32 = -38;
// Times that a mirrored ADD begins anew when it meets a file that nobody knew of.
const MEET_MAX: i32 = 4;
// ... and that an ADD does when it has freed what has gone: a duplicate, requests, a full set.
const AGAIN_MAX: i32 = 8;
/** Answer of `coexistAllocate`: an error has begun. */
export const COEXIST_FAILED: i32 = -1;

let locked: bool = false;
/** Has this call begun a trial, by taking over what the other plugin holds? */
export let coexistBegan: bool = false;

/** Does the config say that host-local's files lie in our directory? */
export function coexists(): bool {
  return call.adopt || call.mirror;
}

/** Takes host-local's lock, once. false: an error has begun. */
export function coexistLock(): bool {
  if (locked) return true;
  fileName("lock");
  const status = host.flock(nameAt, nameBytes);
  locked = status == 0;
  if (locked) return true;
  if (status == EAGAIN) {
    errorBegin(ERROR_TRY_AGAIN);
    errorText("host-local's lock in ");
    errorBytes(call.directory.at, call.directory.bytes);
    errorText(" is held by another call: try again later");
    return false;
  }
  if (status == ENOSYS) diskError("lock host-local's files without the program flock in ", status);
  else diskError("lock host-local's files in ", status);
  return false;
}

/** Takes host-local's lock too, if the opened image is mirrored. false: an error has begun. */
export function coexistMirrored(): bool {
  return word(H_ADOPTED) != MIRRORED || coexistLock();
}

/** Gives both locks back. */
export function coexistUnlock(): void {
  host.unlock();
  locked = false;
}

// A trial begins: the image learns what the other plugin holds, this very call included, in whose
// directory we stand only meanwhile. false: it has, or an error has begun: there is nothing to do.
function takeOverForeign(): bool {
  const there = host.enter(call.foreign.at, call.foreign.bytes, 0);
  if (there < 0) {
    putWord(H_ADOPTED, ADOPTED);
    return true;
  }
  coexistBegan = coexistLock() && takeOverAs(ADOPTED, false);
  host.enter(call.directory.at, call.directory.bytes, 0);
  return false;
}

/** Begins the error for the file at which a take-over from the directory `where` ended. */
export function sayUnread(where: Span, errno: i32): void {
  errorBegin(ERROR_DISK);
  errorText("can't read host-local's file ");
  errorBytes(where.at, where.bytes);
  errorText("/");
  errorBytes(takeUnreadAt, takeUnreadBytes);
  errorText(": ");
  errorErrno(errno);
}

function takeOverHere(value: u64): bool {
  return takeOverAs(value, true);
}

function takeOverAs(value: u64, inPlace: bool): bool {
  const t = changetype<TakeOver>(scratchTake(offsetof<TakeOver>()));
  t.sets = call.sets;
  t.setCount = call.setCount;
  t.now = now();
  t.inPlace = inPlace;
  t.durable = isDurable();
  const status = takeOver(t, value);
  const where = inPlace ? call.directory : call.foreign;
  if (overfull(status, where)) return false;
  if (takeUnreadBytes > 0) {
    journalUndo();
    sayUnread(where, status);
    return false;
  }
  return sessionDone(status, false) && sessionPart();
}

// Everything that host-local knows into the image, everything that we hold into files.
function catchUpMirror(): bool {
  const before = word(H_ADOPTED);
  if (before == MIRRORED && markIsOurs()) return true;
  if (before != MIRRORED && !sessionDone(mirrorAll(isDurable()), false)) return false;
  if (before != ADOPTED_NOT && !sessionDone(goneSweep(isDurable()), false)) return false;
  if (!takeOverHere(MIRRORED)) return false;
  markClaim();
  return true;
}

/**
 * Opens the store as sessionOpen does, and takes over what host-local has done. An answer of
 * sessionOpen; negative: an error has begun.
 */
export function coexistOpen(make: bool): i32 {
  if (call.mirror && !coexistLock()) return -1;
  coexistBegan = false;
  const status = sessionOpen(make || coexists() || call.shadow);
  if (status != STORE_OPEN) return status;
  const adopted = word(H_ADOPTED);
  if (call.shadow && adopted == ADOPTED_NOT) return takeOverForeign() ? STORE_OPEN : -1;
  if (call.mirror) return catchUpMirror() ? STORE_OPEN : -1;
  if (call.adopt && adopted == ADOPTED_NOT) {
    return coexistLock() && takeOverHere(ADOPTED) ? STORE_OPEN : -1;
  }
  return STORE_OPEN;
}

/** What this container held before host-local wrote interfaces down: its head, or 0. */
export function oldOwner(): u32 {
  if (word(H_ADOPTED) == ADOPTED_NOT) return 0;
  const id = call.containerId;
  return recordByOwner(KIND_CONTAINER, id.at, <u32>id.bytes, id.at, 0);
}

/** The allocation of the call's owner, by either format of host-local's files: its head, or 0. */
export function ownRecord(): u32 {
  ownDigests();
  const head = recordByDigest(digest0, digest1);
  return head != 0 ? head : oldOwner();
}

/** Digests of the owner without interface, into key.ts. */
export function oldDigests(): void {
  const id = call.containerId;
  ownerDigests(KIND_CONTAINER, id.at, <u32>id.bytes, id.at, 0);
}

/** Are all files of a record there? Without files: yes. */
export function coexistHolds(head: u32): bool {
  return goneNot(head);
}

/** Frees what of this record has gone. */
export function coexistLook(head: u32): void {
  goneOf(head);
}

/** Frees the records whose files have gone. true: there were some. */
export function coexistSweep(): bool {
  if (word(H_ADOPTED) == ADOPTED_NOT) return false;
  return goneSweep(isDurable()) == 0 && goneCount > 0 && sessionPart();
}

function holderOf(): u32 {
  const set = call.sets + <usize>failSet * offsetof<RangeSet>();
  const cell = recordByAddress(<u32>changetype<RangeSet>(set).family, failHi, failLo);
  return cell == 0 ? 0 : headAt(cellHead(cell));
}

const AGAIN_NOT: i32 = 0;
const AGAIN: i32 = 1;

// An ADD has failed with `status` of allocate: were it records whose files have gone? They are free
// now, and the order is fresh again: AGAIN, allocate once more. Or AGAIN_NOT, or COEXIST_FAILED.
function again(o: Order, status: i32): i32 {
  if (word(H_ADOPTED) == ADOPTED_NOT) return AGAIN_NOT;
  let freed: u32 = 0;
  if (status == FAIL_DUPLICATE) freed = goneOf(failCell);
  else if (status == FAIL_TAKEN) {
    const head = holderOf();
    freed = head == 0 ? 0 : goneOf(head);
  } else if (status == FAIL_EXHAUSTED) {
    if (!sessionDone(goneSweep(isDurable()), false)) return COEXIST_FAILED;
    freed = goneCount;
  }
  if (freed == 0) return AGAIN_NOT;
  // What is free stays free, whatever becomes of this ADD.
  if (!sessionPart()) return COEXIST_FAILED;
  orderFreshen(o);
  return AGAIN;
}

// After MEET_MAX files that nobody knew of: somebody writes them without host-local's lock.
function sayMet(): void {
  errorBegin(ERROR_TRY_AGAIN);
  errorText("files in ");
  errorBytes(call.directory.at, call.directory.bytes);
  errorText(" change while host-local's lock is held, ");
  errorNumber(MEET_MAX);
  errorText(" times in this call: try again later");
}

const STAGED: i32 = 0;
// A file of somebody's was in the way; it is known now: allocate once more.
const STAGE_MET: i32 = 1;
// An error has begun.
const STAGE_FAILED: i32 = 2;

// mirror: prepares the files of what allocate has given, before it is committed.
function stageFiles(o: Order): i32 {
  if (mirrorMeets(o.sets, o.setCount, o.given)) {
    journalUndo();
    if (!takeOverHere(MIRRORED)) return STAGE_FAILED;
    orderFreshen(o);
    return STAGE_MET;
  }
  const status = mirrorStage(o.setCount, o.id, o.idBytes, o.ifname, o.ifBytes);
  if (status < 0) {
    journalUndo();
    diskError("write host-local's files in ", status);
    return STAGE_FAILED;
  }
  ownDigests();
  const head = recordByDigest(digest0, digest1);
  headPutFiles(head, true);
  cellSeal(head, o.number);
  return STAGED;
}

// allocate, and once more for each kind of record whose files may have gone.
function attempt(o: Order): i32 {
  let status = seekAllocate(o);
  for (let n = 0; n < AGAIN_MAX && status != ALLOCATED && status != COEXIST_FAILED; n++) {
    const more = again(o, status);
    if (more == COEXIST_FAILED) return COEXIST_FAILED;
    if (more == AGAIN_NOT) break;
    status = seekAllocate(o);
  }
  return status;
}

/**
 * allocate, where files count too: its answer, or COEXIST_FAILED with an error begun. What is given
 * has its files prepared where the config says mirror; they go in place after the commit.
 */
export function coexistAllocate(o: Order): i32 {
  let status = attempt(o);
  if (status == COEXIST_FAILED) return status;
  if (!call.mirror) {
    // Not mirrored in an image that was: files are missing from here on.
    if (word(H_ADOPTED) == MIRRORED) putWord(H_ADOPTED, ADOPTED);
    return status;
  }
  for (let n = 0; n < MEET_MAX && status == ALLOCATED; n++) {
    const staged = stageFiles(o);
    if (staged == STAGED) return ALLOCATED;
    if (staged == STAGE_FAILED) return COEXIST_FAILED;
    status = attempt(o);
  }
  if (status != ALLOCATED) return status;
  journalUndo();
  sayMet();
  return COEXIST_FAILED;
}

/** mirror: puts them in place, after the commit. false: an error has begun, nothing is held. */
export function coexistPlace(o: Order): bool {
  const status = mirrorPlace(o.sets, o.setCount, o.given);
  if (status == 0) {
    marksPut(o.sets, o.setCount, o.given);
    return true;
  }
  const head = ownRecord();
  const manner = mannerOf();
  changetype<Manner>(manner).cooldown = 0; // nobody has used it
  if (head != 0) letGo(head, manner);
  if (sessionPart()) diskError("write host-local's files in ", status);
  return false;
}

/** mirror: an ADD has failed, and what it changed, `changed` words, is committed. */
export function coexistFailed(o: Order, changed: u32): void {
  if (call.mirror && changed > 0) marksFollow(o.sets, o.setCount);
}

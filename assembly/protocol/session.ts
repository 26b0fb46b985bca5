// The session: what every verb does around its own work once the lock is held: open the store as
// the config says, apply DEL notes, commit, and turn what went wrong into an error.

import * as host from "../host";
import { appliedNumber } from "../image/header";
import { journalCount, journalUndo } from "../image/image";
import { Manner } from "../pool/leave";
import { KIND_CONTAINER } from "../records/cell";
import { collectDue } from "../records/due";
import { ownerDigests } from "../records/key";
import { unshareBegin } from "../records/unshare";
import { scratchTake } from "../scratch";
import { PART_WORDS } from "../store/letgo";
import { COMMITTED_IN_LOG, logCommit } from "../store/log";
import { notesApply, notesRemove, notesSeen } from "../store/notes";
import { STORE_FUTURE, STORE_NONE, STORE_OPEN, storeOpen } from "../store/store";
import { call, REBOOT_KEEP, SYNC_ALWAYS, SYNC_NEVER } from "./call";
import {
  ERROR_DISK,
  ERROR_NEWER_STATE,
  ERROR_TRY_AGAIN,
  errorBegin,
  errorBytes,
  errorErrno,
  errorText,
} from "./errors";
import { reserveRule } from "./reserve";

const EAGAIN: i32 = -11;
const EINVAL: i32 = -22;
const ELOOP: i32 = -40;
const EIO: i32 = -5;

let began: u32 = 0;

/** Seconds of CLOCK_BOOTTIME when the call first asked: one call is one moment. */
export function now(): u32 {
  if (began == 0) began = <u32>(host.clock(0) / 1000000000);
  return began;
}

/** Is every commit synced? (`"sync": "always"`) */
export function isSynced(): bool {
  return call.sync == SYNC_ALWAYS;
}

/** May anything be synced? (not with `"sync": "never"`) */
export function isDurable(): bool {
  return call.sync != SYNC_NEVER;
}

/** Begins the error for a lock that wasn't given (-errno). */
export function lockError(lock: i32): void {
  if (lock == EAGAIN) {
    errorBegin(ERROR_TRY_AGAIN);
    errorText("the lock of network ");
    errorBytes(call.network.at, call.network.bytes);
    errorText(" is held by another call: try again later");
    return;
  }
  diskError("open the lock file berth.lock in ", lock);
}

/** Begins the error for something that couldn't be done to the network's files. */
export function diskError(what: string, errno: i32): void {
  errorBegin(ERROR_DISK);
  errorText("can't ");
  errorText(what);
  errorBytes(call.directory.at, call.directory.bytes);
  errorText(": ");
  errorErrno(errno);
}

/** Begins the error for a network without a state. */
export function noStateError(): void {
  errorBegin(ERROR_DISK);
  errorText("there is no state in ");
  errorBytes(call.directory.at, call.directory.bytes);
}

// Names the file: what stands in its place may be a directory, a symlink (never followed), a FIFO.
function openError(errno: i32): void {
  errorBegin(ERROR_DISK);
  errorText("can't open ");
  errorBytes(call.directory.at, call.directory.bytes);
  errorText("/berth.state: ");
  if (errno == EINVAL) errorText("it is not a regular file");
  else if (errno == ELOOP) errorText("it is a symbolic link, which isn't followed");
  else errorErrno(errno);
}

/** The next commit's number. */
export function nextNumber(): u64 {
  return appliedNumber() + 1;
}

/** Opens the store. STORE_OPEN, STORE_NONE, or an error has begun (negative). */
export function sessionOpen(make: bool): i32 {
  unshareBegin();
  const status = storeOpen(make, call.reboot == REBOOT_KEEP, isDurable());
  if (status == STORE_OPEN || status == STORE_NONE) return status;
  if (status == STORE_FUTURE) {
    errorBegin(ERROR_NEWER_STATE);
    errorText("berth.state in ");
    errorBytes(call.directory.at, call.directory.bytes);
    errorText(" was written by a newer release of berth; it is left untouched: use that release");
    return -1;
  }
  openError(status);
  return -1;
}

/** Begins the error for what a commit said; a failed one is undone. true: there is none. */
export function sessionDone(status: i32, last: bool): bool {
  if (status == 0 || (last && status == COMMITTED_IN_LOG)) return true;
  if (status < 0) journalUndo();
  diskError("write the state in ", status < 0 ? status : EIO);
  return false;
}

/**
 * The call's last commit. false: an error has begun, nothing is changed. A commit that is in the
 * log but couldn't be written into the image is good: the next opening applies it.
 */
export function sessionCommit(): bool {
  return sessionDone(logCommit(isSynced(), isDurable()), true);
}

/**
 * A commit after which the call goes on. false: an error has begun and the call must end, also
 * where the commit is only in the log: another one would be written over it.
 */
export function sessionPart(): bool {
  return sessionDone(logCommit(isSynced(), isDurable()), false);
}

/** Digests of the call's own owner, into key.ts. */
export function ownDigests(): void {
  const id = call.containerId;
  const ifname = call.ifname;
  ownerDigests(KIND_CONTAINER, id.at, <u32>id.bytes, ifname.at, <u32>ifname.bytes);
}

/** How containers leave in this call: a Manner. */
export function mannerOf(): usize {
  const m = changetype<Manner>(scratchTake(offsetof<Manner>()));
  m.reserve = call.reserve;
  m.rule = reserveRule();
  m.cooldown = call.cooldown;
  m.now = now();
  return changetype<usize>(m);
}

/**
 * Applies DEL notes, and frees what has cooled long enough (that rides on the call's own commit
 * unless it is much). false: an error has begun.
 */
export function sessionCatchUp(): bool {
  const status = notesApply(mannerOf(), isSynced(), isDurable());
  if (!sessionDone(status, false)) return false;
  // What notes let go is committed before they go; all else rides on the call's own commit.
  if (notesSeen() && !sessionPart()) return false;
  const removed = notesRemove(isSynced());
  if (removed < 0) {
    diskError("remove DEL notes in ", removed);
    return false;
  }
  collectDue(now(), nextNumber());
  return journalCount() < PART_WORDS || sessionPart();
}

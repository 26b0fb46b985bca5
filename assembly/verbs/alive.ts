// Alive: which network namespaces exist, as far as this process can see. An address is configured
// inside a namespace; where the namespace is gone, nobody uses the address.
//
//   /proc/<pid>/task/<tid>/ns/net                  processes and their threads
//   /proc/<pid>/mountinfo, /proc/self/mountinfo    bind mounts: `net:[4026532567]`, read once for
//                                                  each mount namespace
//   /run/netns, /var/run/netns, /run/docker/netns  names, whatever they are
//
//   seen   | inode u32 | thread u32 |, open addressing, a power of two of slots, half of them used
//          at most: network namespaces, each with a thread that is in it (0: only a mount or a name
//          tells of it), and the mount namespaces that were read, as MOUNTS. All kinds share one
//          numbering: a mount namespace may have the number of a network namespace that has gone
//
// What can't be read is a reason to believe nothing, whatever the error: `aliveGather` answers
// false and tells what. Only what isn't there says nothing: a process that ended while we looked, a
// directory that nobody made. Cost: one stat for each thread.

import { inode, listAt, slurp } from "../host";
import { EINVAL, isAbsent } from "../protocol/errno";
import { Text, textBytes, textClear, textString, textTake, textTo } from "../protocol/text";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";

const SLOTS: u32 = 1 << 18;
/** In the place of a thread: this is a mount namespace. */
const MOUNTS: u32 = u32.MAX_VALUE;
const NAMES_BYTES: i32 = 1 << 20;
const THREADS_BYTES: i32 = 1 << 18;
const MOUNTS_BYTES: i32 = 8 << 20;
const PATH_MAX: i32 = 4096;
/** Inode of the first PID namespace of a kernel (PROC_PID_INIT_INO). */
export const PID_FIRST: i64 = 4026531836;

/** What couldn't be read; empty for a reason that isn't a path. */
export let aliveWhere: Text = changetype<Text>(0);
/** -errno that came of it. */
export let aliveErrno: i32 = 0;

let seen: usize = 0;
let used: u32 = 0;

function slotOf(number: u32): usize {
  let slot = (number * 0x9e3779b1) & (SLOTS - 1);
  for (let step: u32 = 0; step < SLOTS; step++) {
    const p = seen + ((<usize>slot) << 3);
    const there = load<u32>(p);
    if (there == 0 || there == number) return p;
    slot = (slot + 1) & (SLOTS - 1);
  }
  return 0; // never: half of the slots are free
}

/** Does a network namespace of this inode exist? */
export function aliveHas(number: u32): bool {
  const p = slotOf(number);
  return load<u32>(p) == number && load<u32>(p, 4) != MOUNTS;
}

/** A thread that was in this network namespace when we looked; 0: no thread was. */
export function aliveThread(number: u32): u32 {
  return aliveHas(number) ? load<u32>(slotOf(number), 4) : 0;
}

function remember(number: i64, thread: u32 = 0): bool {
  const p = slotOf(<u32>number);
  if (load<u32>(p) != 0) {
    const known = load<u32>(p, 4);
    if (thread != MOUNTS && (known == 0 || known == MOUNTS)) store<u32>(p, thread, 4);
    return true;
  }
  store<u32>(p, <u32>number);
  store<u32>(p, thread, 4);
  used++;
  return used < SLOTS / 2 || fail(0);
}

function fail(errno: i32): bool {
  aliveErrno = errno;
  return false;
}

// Starts a path in `aliveWhere`; what is written next goes on with it.
function path(head: string): void {
  textClear(aliveWhere);
  textTo(aliveWhere);
  textString(head);
}

// Is it unknown whether something is there?
function isUnknown(status: i64): bool {
  return status < 0 && !isAbsent(status);
}

function isNumber(at: usize, bytes: i32): bool {
  for (let i = 0; i < bytes; i++) {
    const c = <u32>load<u8>(at + i);
    if (c < 48 || c > 57) return false;
  }
  return bytes > 0;
}

// The number of a directory of /proc, 0 if the name isn't one.
function numberOf(at: usize, bytes: i32): u32 {
  let number: u32 = 0;
  if (!isNumber(at, bytes)) return 0;
  for (let i = 0; i < bytes; i++) {
    number = number * 10 + <u32>load<u8>(at + i) - 48;
  }
  return number;
}

// Bytes up to the next NUL.
function nameLength(at: usize, end: usize): i32 {
  let bytes = 0;
  while (at + bytes < end && load<u8>(at + bytes) != 0) bytes++;
  return bytes;
}

// The threads of one process. A thread may be in another namespace than its process.
function gatherThreads(pid: usize, pidBytes: i32): bool {
  const mark = scratchMark();
  const names = scratchTake(<usize>THREADS_BYTES);
  path("/proc/");
  textBytes(pid, pidBytes);
  textString("/task");
  const got = listAt(aliveWhere.at, aliveWhere.length, names, THREADS_BYTES);
  if (isUnknown(got)) return fail(got);
  if (got > THREADS_BYTES) return fail(0);
  const end = names + max(got, 0);
  for (let at = names; at < end; ) {
    const bytes = nameLength(at, end);
    path("/proc/");
    textBytes(pid, pidBytes);
    textString("/task/");
    textBytes(at, bytes);
    textString("/ns/net");
    const found = inode(aliveWhere.at, aliveWhere.length);
    if (isUnknown(found)) return fail(<i32>found);
    if (found > 0 && !remember(found, numberOf(at, bytes))) return false;
    at += bytes + 1;
  }
  scratchRewind(mark);
  return true;
}

// The mounts that a process sees, unless another one of its mount namespace was there before.
function gatherMountsOf(pid: usize, pidBytes: i32): bool {
  path("/proc/");
  textBytes(pid, pidBytes);
  textString("/ns/mnt");
  const found = inode(aliveWhere.at, aliveWhere.length);
  if (isUnknown(found)) return fail(<i32>found);
  if (found <= 0) return true;
  if (load<u32>(slotOf(<u32>found)) != 0) return true;
  if (!remember(found, MOUNTS)) return false;
  path("/proc/");
  textBytes(pid, pidBytes);
  textString("/mountinfo");
  return gatherMounts(false);
}

function gatherProcesses(): bool {
  const mark = scratchMark();
  const names = scratchTake(<usize>NAMES_BYTES);
  path("/proc");
  const got = listAt(aliveWhere.at, aliveWhere.length, names, NAMES_BYTES);
  if (got <= 0 || got > NAMES_BYTES) return fail(min(got, 0));
  for (let at = names; at < names + got; ) {
    const bytes = nameLength(at, names + got);
    if (isNumber(at, bytes)) {
      if (!gatherThreads(at, bytes) || !gatherMountsOf(at, bytes)) return false;
    }
    at += bytes + 1;
  }
  scratchRewind(mark);
  return true;
}

// The number behind each ` net:[` of the mountinfo whose path is in `aliveWhere`. Where `isOwn`, it
// must be there; else its process may have ended (then opening it is EINVAL, too), and with the
// last one its mounts.
function gatherMounts(isOwn: bool): bool {
  const mark = scratchMark();
  const text = scratchTake(<usize>MOUNTS_BYTES + 8);
  const got = slurp(aliveWhere.at, aliveWhere.length, text, MOUNTS_BYTES);
  if (!isOwn && (got == 0 || got == -EINVAL || (got < 0 && isAbsent(got)))) {
    scratchRewind(mark);
    return true;
  }
  if (got <= 0 || got > MOUNTS_BYTES) return fail(min(got, 0));
  store<u64>(text + got, 0);
  for (let i = 0; i + 6 < got; i++) {
    // " net:[" as little-endian words
    if (load<u32>(text + i) != 0x74656e20 || load<u16>(text + i, 4) != 0x5b3a) continue;
    let number: i64 = 0;
    for (let digit = i + 6; digit < min(got, i + 20); digit++) {
      const c = <i64>load<u8>(text + digit);
      if (c < 48 || c > 57) break;
      number = number * 10 + (c - 48);
    }
    if (number > 0 && !remember(number)) return false;
  }
  scratchRewind(mark);
  return true;
}

function gatherOwnMounts(): bool {
  path("/proc/self/mountinfo");
  return gatherMounts(true);
}

// A directory of names for namespaces: its absence says nothing.
function gatherNames(directory: string): bool {
  const mark = scratchMark();
  const names = scratchTake(<usize>NAMES_BYTES);
  path(directory);
  const got = listAt(aliveWhere.at, aliveWhere.length, names, NAMES_BYTES);
  if (isUnknown(got) || got > NAMES_BYTES) return fail(min(got, 0));
  for (let at = names; at < names + max(got, 0); ) {
    const bytes = nameLength(at, names + got);
    path(directory);
    textString("/");
    textBytes(at, bytes);
    const found = inode(aliveWhere.at, aliveWhere.length);
    if (isUnknown(found)) return fail(<i32>found);
    if (found > 0 && !remember(found)) return false;
    at += bytes + 1;
  }
  scratchRewind(mark);
  return true;
}

/** Inode of this process's PID namespace, or -errno. */
export function ownPidNamespace(): i64 {
  path("/proc/self/ns/pid");
  return inode(aliveWhere.at, aliveWhere.length);
}

/** Reserves the tables. To be done once, before the first `aliveGather`. */
export function aliveReserve(): void {
  aliveWhere = textTake(PATH_MAX);
  seen = scratchTake((<usize>SLOTS) << 3);
}

/**
 * Looks at the machine anew. false: something couldn't be read, `aliveWhere` and `aliveErrno` say
 * what; then nothing may be taken for dead.
 */
export function aliveGather(): bool {
  memory.fill(seen, 0, (<usize>SLOTS) << 3);
  used = 0;
  return (
    gatherProcesses() &&
    gatherOwnMounts() &&
    gatherNames("/run/netns") &&
    gatherNames("/var/run/netns") &&
    gatherNames("/run/docker/netns")
  );
}

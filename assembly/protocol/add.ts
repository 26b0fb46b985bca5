// ADD: one address from each range set, both or none, in one commit; and the words for what
// prevents it.

import * as host from "../host";
import { arenaFirstFree, arenaRoom } from "../image/arena";
import { H_KEEP } from "../image/header";
import { journalCount, journalUndo, putWord, word } from "../image/image";
import {
  ALLOCATED,
  FAIL_BUSY,
  FAIL_DUPLICATE,
  FAIL_EXCLUDED,
  FAIL_EXHAUSTED,
  FAIL_GATEWAY,
  FAIL_LEFTOVER,
  FAIL_TAKEN,
  failCell,
  failHi,
  failLo,
  failSet,
} from "../pool/allocator";
import { Order } from "../pool/order";
import { Given, RangeSet, setHolds, wantedAt } from "../pool/range";
import {
  CELL_BYTES,
  cellHasFamily,
  cellHi,
  cellLo,
  KIND_CONTAINER,
  KIND_MORE,
  TEXT_MAX,
} from "../records/cell";
import { eventMayBegin, eventRoom } from "../records/event";
import { CHAIN_MAX, digest0, digest1, nextOfKind } from "../records/key";
import { recordByDigest } from "../records/record";
import { scratchTake } from "../scratch";
import { imageGrow } from "../store/files";
import { letGoAll } from "../store/letgo";
import { logCommit } from "../store/log";
import { noteExists, noteRemove, notesQuiet } from "../store/notes";
import { STORE_OPEN } from "../store/store";
import { call, POLICY_RANDOM, REBOOT_KEEP } from "./call";
import { podNameAt, podNameBytes, podNameMake } from "./cniargs";
import {
  COEXIST_FAILED,
  coexistAllocate,
  coexistFailed,
  coexistLook,
  coexistOpen,
  coexistPlace,
  oldOwner,
} from "./coexist";
import {
  ERROR_EXCLUDED,
  ERROR_LIMIT,
  ERROR_PLUGIN,
  errorAddress,
  errorAside,
  errorBack,
  errorBegin,
  errorBytes,
  errorNumber,
  errorPrint,
  errorRangeSet,
  errorText,
} from "./errors";
import { isFixed, sayBusy, sayTaken } from "./holder";
import { configKeep, homeKeep } from "./keep";
import { REFUSED_ANNOTATION, refusalTell } from "./refusal";
import { nameFlags, reserveFor } from "./reserve";
import { resultPrint } from "./result";
import { roomOf } from "./seek";
import {
  diskError,
  isDurable,
  isSynced,
  mannerOf,
  nextNumber,
  now,
  ownDigests,
  sessionCatchUp,
  sessionCommit,
  sessionDone,
  sessionOpen,
  sessionPart,
} from "./session";

/**
 * Arena that is kept for ADDs after a DEL when the file can't grow: a chunk for each class of
 * blocks.
 */
const RESERVE: u32 = 40960;

// What the last try to grow the state said.
let room: i32 = 0;

// Where the file can't grow, what is left serves until RESERVE; the reserve serves only those who
// come after a release, so that on a full disk every DEL makes room for an ADD.
function isFull(): bool {
  return arenaRoom() < RESERVE && arenaFirstFree(CELL_BYTES) == 0;
}

function makeOrder(): Order {
  const o = changetype<Order>(scratchTake(offsetof<Order>()));
  o.kind = KIND_CONTAINER;
  o.id = call.containerId.at;
  o.idBytes = <u32>call.containerId.bytes;
  o.ifname = call.ifname.at;
  o.ifBytes = <u32>call.ifname.bytes;
  o.netns = call.netnsInode;
  podNameMake();
  o.name = podNameAt;
  o.nameBytes = podNameBytes;
  o.reserveFor = reserveFor(o.name, o.nameBytes);
  o.flags = nameFlags();
  o.sets = call.sets;
  o.setCount = call.setCount;
  o.given = scratchTake(<usize>call.setCount * offsetof<Given>());
  o.wanted = call.wanted;
  o.wantedCount = call.wantedCount;
  o.policy = call.policy;
  if (o.policy == POLICY_RANDOM) host.random(changetype<usize>(o) + offsetof<Order>("random0"), 16);
  o.seek = false;
  o.now = now();
  o.number = nextNumber();
  return o;
}

// A note of this very owner that is still there would free what we give: it is applied and removed
// first, and where it can't be removed nothing is given.
function clearOwnNote(): bool {
  if (notesQuiet) return true;
  ownDigests();
  const d0 = digest0;
  const d1 = digest1;
  const head = recordByDigest(d0, d1);
  const exists = head == 0 ? 0 : noteExists(d0, d1);
  if (exists < 0) {
    // A container that lives may stand behind this: nothing is released on a guess.
    journalUndo();
    diskError("read this container's DEL note in ", exists);
    return false;
  }
  if (exists != 0) {
    const part = letGoAll(head, mannerOf(), isSynced(), isDurable());
    if (!sessionDone(part, false) || !sessionPart()) return false;
  }
  const status = noteRemove(d0, d1, isSynced());
  if (status == 0) return true;
  journalUndo();
  diskError("remove this container's DEL note in ", status);
  return false;
}

// A file of host-local's old format, without interface, stands for every interface.
function holdsOld(): bool {
  const head = oldOwner();
  if (head == 0) return false;
  coexistLook(head);
  const held = oldOwner();
  if (held == 0) return false;
  sayDuplicate(held);
  return true;
}

/** ADD. Answers the exit status; the result or the error is printed. */
export function add(): i32 {
  if (call.containerId.bytes > <i32>TEXT_MAX) return idTooLong();
  if (call.setCount == 0) {
    // Mode static without an address: upstream answers so too. Nothing is held.
    host.unlock();
    return resultPrint(0);
  }
  if (coexistOpen(true) < 0) return errorPrint();
  if (!sessionCatchUp() || !clearOwnNote()) return errorPrint();
  room = imageGrow(roomOf(call.setCount) + eventRoom());
  if (room >= 0) eventMayBegin();
  if (room < 0 && isFull()) {
    diskError("hold another allocation: berth.state can't grow in ", room);
    return errorPrint();
  }
  const keep: u64 = call.reboot == REBOOT_KEEP ? 1 : 0;
  if (holdsOld()) return errorPrint();
  const o = makeOrder();
  const status = coexistAllocate(o);
  if (status == COEXIST_FAILED) return errorPrint();
  if (status == ALLOCATED) {
    if (word(H_KEEP) != keep) putWord(H_KEEP, keep);
    homeKeep();
    if (room >= 0) configKeep(o.number);
    if (!sessionCommit() || (call.mirror && !coexistPlace(o))) return errorPrint();
    host.unlock();
    return resultPrint(o.given);
  }
  const changed = journalCount();
  sayWhy(status);
  refusalTell(o, status);
  // Verbs that tell why nothing can be given go by the config that was refused.
  if (room >= 0) configKeep(o.number);
  // A failed ADD moves the cursors, as host-local's marks move; if even that fails, nothing is
  // lost.
  if (logCommit(isSynced(), isDurable()) == 0) coexistFailed(o, changed);
  host.unlock();
  return errorPrint();
}

/**
 * An ADD that an annotation of the pod has refused (the error is pending): tells the recorder, if
 * there is a state and `lock` says that it is ours, and answers that error whatever comes of it. No
 * files of host-local are taken over for it, or written; what is due and what notes ask
 * for waits.
 */
export function addRefused(lock: i32): i32 {
  errorAside();
  const there = lock == 0 && sessionOpen(false) == STORE_OPEN;
  errorBack();
  if (there) {
    if (imageGrow(eventRoom()) >= 0) eventMayBegin();
    refusalTell(makeOrder(), REFUSED_ANNOTATION);
    logCommit(isSynced(), isDurable());
  }
  if (lock == 0) host.unlock();
  return errorPrint();
}

// "failed to allocate for range N: ", upstream's words before most failures.
function forRange(code: i32, set: i32): void {
  errorBegin(code);
  errorText("failed to allocate for range ");
  errorNumber(set);
  errorText(": ");
}

function sayWhy(status: i32): void {
  const set = call.sets + <usize>failSet * offsetof<RangeSet>();
  const family = changetype<RangeSet>(set).family;
  if (status == FAIL_DUPLICATE) sayDuplicate(failCell);
  else if (status == FAIL_EXHAUSTED) {
    forRange(ERROR_PLUGIN, failSet);
    errorText("no IP addresses available in range set: ");
    errorRangeSet(set);
  } else if (status == FAIL_GATEWAY || status == FAIL_EXCLUDED) {
    forRange(status == FAIL_GATEWAY ? ERROR_PLUGIN : ERROR_EXCLUDED, failSet);
    errorText("requested ip ");
    errorAddress(family, failHi, failLo);
    errorText(status == FAIL_GATEWAY ? " is subnet's gateway" : " is excluded");
  } else if (status == FAIL_BUSY) sayBusy(failCell, family, failHi, failLo);
  else if (status == FAIL_TAKEN && isFixed(call.wanted, call.wantedCount, failHi, failLo)) {
    sayTaken(failCell, family, failHi, failLo);
  } else if (status == FAIL_TAKEN) {
    forRange(ERROR_PLUGIN, failSet);
    errorText("requested IP address ");
    errorAddress(family, failHi, failLo);
    errorText(" is not available in range set ");
    errorRangeSet(set);
  } else if (status == FAIL_LEFTOVER) sayLeftOver();
  else diskError("hold another allocation: berth.state can't grow in ", room);
}

function sayLeftOver(): void {
  errorBegin(ERROR_PLUGIN);
  errorText("failed to allocate all requested IPs:");
  for (let i = 0; i < call.wantedCount; i++) {
    const w = wantedAt(call.wanted, i);
    if (w.used) continue;
    errorText(" ");
    errorAddress(w.family, w.hi, w.lo);
  }
}

// Upstream names the set and the address in which it noticed; we name the first of the owner's
// addresses that lies in a set, else its first address at all.
function sayDuplicate(head: u32): void {
  for (let i = 0; i < call.setCount; i++) {
    const set = call.sets + <usize>i * offsetof<RangeSet>();
    const family = <u32>changetype<RangeSet>(set).family;
    let cell = head;
    for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
      const has = cellHasFamily(cell, family);
      if (has && setHolds(set, cellHi(cell, family), cellLo(cell, family)) != 0) {
        sayHeld(i, cell, family);
        return;
      }
      cell = nextOfKind(cell, KIND_MORE);
    }
  }
  sayHeld(0, head, cellHasFamily(head, 4) ? 4 : 6);
}

function sayHeld(set: i32, cell: u32, family: u32): void {
  forRange(ERROR_PLUGIN, set);
  errorAddress(<i32>family, cellHi(cell, family), cellLo(cell, family));
  errorText(" has been allocated to ");
  errorBytes(call.containerId.at, call.containerId.bytes);
  errorText(", duplicate allocation is not allowed");
}

function idTooLong(): i32 {
  errorBegin(ERROR_LIMIT);
  errorText("CNI_CONTAINERID has ");
  errorNumber(call.containerId.bytes);
  errorText(" characters: at most ");
  errorNumber(TEXT_MAX);
  errorText(" are kept");
  return errorPrint();
}

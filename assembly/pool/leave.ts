// Letting go: what becomes of a container's addresses when it leaves. The one place that decides;
// DEL, DEL notes, GC, the operator's verbs and a reboot all come here.
//
//                     its name is reserved ──────────────────────────> reservation
//   allocation ──────<  no, or a newer container has the name ─ cooldown ──> cooling
//                                                     └─ no cooldown ──> free
//
// A reservation needs a name, a time (what the record remembers, or what the config at hand says if
// that is longer), and room under `perNamespace`. Of two containers with one name the newer counts:
// a late DEL of the older one frees what that had and changes nothing else. Where memory for the
// lists is missing the addresses are free at once: leaving never fails.
//
// Cost: the record, its name's records, one walk of the expiry tree for each list.

import { damaged } from "../fault";
import { H_HELD } from "../image/header";
import { half, imageBase, journalMust, putHalf, putWord, word } from "../image/image";
import {
  C_DUE,
  C_IFNAME,
  C_NETNS,
  C_SINCE,
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  cellPutByte,
  cellSeal,
  headAt,
  KIND_MORE,
  KIND_NAME,
  STATE_ALLOCATION,
  STATE_COOLING,
} from "../records/cell";
import { eventOf } from "../records/event";
import { EVENT_RELEASED, EVENT_RESERVED } from "../records/eventcell";
import { coolingBegin } from "../records/expiry";
import { filesUnlink, headPutFiles } from "../records/file";
import { CHAIN_MAX, nameText, nextOfKind, textAt } from "../records/key";
import {
  NAME_ASKED,
  NAME_FIXED,
  newerOfName,
  olderOfName,
  recordDropAddress,
  recordDropOwner,
  recordFlags,
  recordFree,
  recordReserveFor,
} from "../records/record";
import {
  namespaceCount,
  namespaceKey,
  recordSuits,
  reservationBegin,
} from "../records/reservations";
import { unshareKey } from "../records/unshare";
import { radixGive } from "../sets/radix";
import { endReservations, isReserved, NAMES_MAX } from "./named";
import { ReserveRule, reserveTime } from "./podname";
import { treeOf } from "./pool";

/** What the config at hand knows about reserving: nothing, so the records decide; */
export const RESERVE_REMEMBERED: i32 = 0;
/** ... that nothing is reserved; */
export const RESERVE_NOTHING: i32 = 1;
/** ... a rule. */
export const RESERVE_RULE: i32 = 2;

/** How containers leave in this call. */
@unmanaged
export class Manner {
  /** RESERVE_ ... */
  reserve: i32;
  rule: ReserveRule;
  /** Seconds of the cool-down; 0 = none. */
  cooldown: u32;
  /** Seconds of CLOCK_BOOTTIME. */
  now: u32;
}

/** Seconds of CLOCK_BOOTTIME `more` seconds after `now`; never u32.MAX_VALUE, which is no time. */
export function dueAfter(now: u32, more: u32): u32 {
  return more >= u32.MAX_VALUE - now ? u32.MAX_VALUE - 1 : now + more;
}

// Seconds for which the record's name is to be reserved; 0 = not at all.
function timeOf(head: u32, m: Manner): u32 {
  if (m.reserve == RESERVE_NOTHING) return 0;
  const remembered = recordReserveFor(head);
  if (m.reserve == RESERVE_REMEMBERED) return remembered;
  let time = remembered;
  const flags = recordFlags(head);
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0 && (flags & NAME_ASKED) == 0) {
    const bytes = nameText(name);
    time = max<u32>(time, reserveTime(m.rule, textAt, bytes, (flags & NAME_FIXED) != 0, 0));
  }
  return m.rule.most != 0 ? min<u32>(time, m.rule.most) : time;
}

// Has a newer container the name, or is it reserved for what a newer one had?
function isOutlived(head: u32, now: u32): bool {
  const ifBytes = min<u32>(cellByte(head, 6), 15);
  let name = newerOfName(nextOfKind(head, KIND_NAME));
  for (let step: u32 = 0; step < NAMES_MAX && name != 0; step++) {
    const other = headAt(cellHead(name));
    const counts = cellByte(other, 5) == STATE_ALLOCATION || isReserved(other, now);
    if (counts && recordSuits(other, imageBase() + head + C_IFNAME, ifBytes)) return true;
    name = newerOfName(name);
  }
  return false;
}

function tryReserve(head: u32, time: u32, m: Manner, number: u64): bool {
  if (isOutlived(head, m.now)) return false;
  const ifBytes = min<u32>(cellByte(head, 6), 15);
  const older = olderOfName(nextOfKind(head, KIND_NAME));
  endReservations(older, imageBase() + head + C_IFNAME, ifBytes, m.now, number);
  const most: u32 = m.reserve == RESERVE_RULE ? m.rule.perNamespace : 0;
  if (most != 0) {
    const space = namespaceKey(head);
    if (space != 0 && namespaceCount(space, m.now, most) >= most) return false;
  }
  return reserve(head, dueAfter(m.now, time), m.now, number);
}

/**
 * Lets a container's addresses go. `head` is an allocation; `manner` a Manner; `number` that of the
 * commit.
 */
export function leave(head: u32, manner: usize, number: u64): void {
  const m = changetype<Manner>(manner);
  const time = timeOf(head, m);
  if (recordReserveFor(head) != 0 || recordFlags(head) != 0) journalMust();
  if (time != 0 && tryReserve(head, time, m, number)) return;
  release(head, m.cooldown, m.now, number);
}

// One address back: free at once, or cooling until `due`. true if it is cooling now.
function releaseAddress(cell: u32, family: u32, due: u32): bool {
  if (due != 0 && coolingBegin(cell, family, due)) return true;
  unshareKey(treeOf(<i32>family), cellHi(cell, family), cellLo(cell, family));
  if (!radixGive(treeOf(<i32>family), cellHi(cell, family), cellLo(cell, family))) {
    damaged("a held address isn't taken");
  }
  recordDropAddress(cell, family);
  return false;
}

/**
 * Releases an allocation. With `cooldown` seconds its addresses stay taken until then (where memory
 * for that is missing they are free at once: a release never fails). `head` must be an allocation.
 */
export function release(head: u32, cooldown: u32, now: u32, number: u64): void {
  eventOf(EVENT_RELEASED, head, cooldown, now, number);
  // A cool-down past the end of the clock (136 years) ends there.
  const due = cooldown == 0 ? 0 : now > u32.MAX_VALUE - cooldown ? u32.MAX_VALUE : now + cooldown;
  filesUnlink(head);
  recordDropOwner(head);
  putWord(H_HELD, word(H_HELD) - 1);
  putHalf(head + C_NETNS, 0);
  let cooling = false;
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4) && releaseAddress(cell, 4, due)) cooling = true;
    if (cellHasFamily(cell, 6) && releaseAddress(cell, 6, due)) cooling = true;
    if (due != 0 && cell != head) cellSeal(cell, number);
    cell = nextOfKind(cell, KIND_MORE);
  }
  if (!cooling) {
    recordFree(head, number);
    return;
  }
  headPutFiles(head, false);
  cellPutByte(head, 5, STATE_COOLING);
  putHalf(head + C_SINCE, now);
  if (half(head + C_DUE) == 0) putHalf(head + C_DUE, due);
  cellSeal(head, number);
}

/**
 * Turns an allocation that has a name into a reservation for that name until `due` (seconds of
 * CLOCK_BOOTTIME). false = no space: it is an allocation still.
 */
export function reserve(head: u32, due: u32, now: u32, number: u64): bool {
  if (!reservationBegin(head, due, now, number)) return false;
  eventOf(EVENT_RESERVED, head, due == u32.MAX_VALUE ? due : due - now, now, number);
  putWord(H_HELD, word(H_HELD) - 1);
  return true;
}

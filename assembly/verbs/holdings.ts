// What a name or an owner has, as `explain` tells it: a line for each address that is held,
// reserved or cooling. A name is found in its index; an owner by a walk of the taken-trees, since
// the index of owners wants the interface too. Costs: a name RECORDS_MAX records, an owner what is
// held.
import { treeOf } from "../pool/pool";
import { close, item, member, open, valuePlain } from "../protocol/document";
import {
  cellHasFamily,
  cellHead,
  cellHi,
  cellKind,
  cellLo,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
} from "../records/cell";
import { EVENT_ID_BYTES } from "../records/eventcell";
import {
  CHAIN_MAX,
  digest0,
  digest1,
  headDigests,
  idText,
  nextOfKind,
  textAt,
} from "../records/key";
import { olderOfName, recordByAddress, recordByName } from "../records/record";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { noteExists } from "../store/notes";
import {
  holdingDue,
  holdingHead,
  holdingOf,
  IS_FREE,
  IS_HELD,
  jsonRecord,
  NEVER,
  sayOwner,
  stateWord,
} from "./holding";
import { isThisBoot } from "./place";
import { isJson, say, sayAddress, sayQuoted } from "./print";
import { targetAt, targetBytes } from "./target";
import { bootTime, sayMoment, saySpan, wallOf } from "./times";

const RECORDS_MAX: i32 = 64;

/** Says until when the record that `holdingOf` has found is kept or cools. */
export function sayUntil(): void {
  if (!isThisBoot) say("for a time that can't be told (the state is of another boot)");
  else if (holdingDue == NEVER) say("for good");
  else {
    say("until ");
    sayMoment(wallOf(holdingDue));
    say(" (in ");
    saySpan(holdingDue - bootTime());
    say(")");
  }
}

/**
 * Has a DEL come for this owner, which could only leave a note? (The network's directory is
 * entered; beside a copied file there are none.)
 */
export function hasNote(head: u32): bool {
  headDigests(head);
  return noteExists(digest0, digest1) == 1;
}

/** The member delNote of an open JSON object, for what is held although its DEL has come. */
export function jsonNote(head: u32, state: i32): void {
  if (state != IS_HELD || !hasNote(head)) return;
  member("delNote");
  say("true");
}

// One address of a record, with what the record is.
function tellOne(cell: u32, family: u32, head: u32, state: i32): void {
  if (isJson) {
    item();
    open(123);
    member("address");
    sayQuoted(<i32>family, cellHi(cell, family), cellLo(cell, family));
    member("state");
    valuePlain(stateWord(state));
    jsonRecord(head, state);
    jsonNote(head, state);
    close(125);
    return;
  }
  say("  ");
  sayAddress(<i32>family, cellHi(cell, family), cellLo(cell, family));
  say("  ");
  say(stateWord(state));
  if (state == IS_HELD) {
    say(" by ");
    sayOwner(head);
    if (hasNote(head)) say(" until the next call (its DEL waits as a note)");
  } else {
    say(" ");
    sayUntil();
  }
  say("\n");
}

// Each address of a record.
function tellRecord(head: u32, state: i32): void {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (cellHasFamily(cell, family)) tellOne(cell, family, head, state);
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
}

/** Tells the records of the target's name. Answers how many there are. */
export function tellRecords(): i32 {
  let name = recordByName(targetAt, <u32>targetBytes);
  let told = 0;
  for (let step = 0; step < RECORDS_MAX && name != 0; step++) {
    const head = headAt(cellHead(name));
    const state = holdingOf(firstCell(head));
    if (state != IS_FREE) {
      tellRecord(head, state);
      told++;
    }
    name = olderOfName(name);
  }
  return told;
}

/** Is anything kept for the target's name: reserved, or cooling since it had it? */
export function isKept(): bool {
  let name = recordByName(targetAt, <u32>targetBytes);
  for (let step = 0; step < RECORDS_MAX && name != 0; step++) {
    const state = holdingOf(firstCell(headAt(cellHead(name))));
    if (state != IS_FREE && state != IS_HELD) return true;
    name = olderOfName(name);
  }
  return false;
}

// The first cell of a record that has an address: its due time counts.
function firstCell(head: u32): u32 {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    if (cellHasFamily(cell, 4) || cellHasFamily(cell, 6)) return cell;
    cell = nextOfKind(cell, KIND_MORE);
  }
  return head;
}

// Is the target the id of the record's owner? Of a container its beginning will do, as in history.
function isOwner(head: u32): bool {
  const bytes = <i32>idText(head);
  const cut = cellKind(head) == KIND_CONTAINER && targetBytes >= <i32>EVENT_ID_BYTES;
  if (bytes == 0 || (cut ? targetBytes > bytes : targetBytes != bytes)) return false;
  return memory.compare(textAt, targetAt, <usize>targetBytes) == 0;
}

// Goes through the addresses of a family: is there one of the target's, or (`tells`) which.
function walkOwned(family: u32, tells: bool): bool {
  let hi: u64 = 0;
  let lo: u64 = 0;
  let has = false;
  do {
    // Each step finds a larger address (radixNextTaken traps otherwise), so it ends.
    if (!radixNextTaken(treeOf(<i32>family), hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) return has;
    hi = foundHi;
    lo = foundLo;
    const cell = recordByAddress(family, hi, lo);
    const state = cell == 0 ? IS_FREE : holdingOf(cell);
    if (state != IS_FREE && isOwner(holdingHead)) {
      has = true;
      if (!tells) return true;
      tellOne(cell, family, holdingHead, state);
    }
    lo++;
    if (lo == 0) hi++;
  } while (lo != 0 || hi != 0);
  return has;
}

/** Is the target the id of an owner that has addresses, or had those that are kept or cool? */
export function hasOwned(): bool {
  return walkOwned(4, false) || walkOwned(6, false);
}

/** Tells each address of the owner that the target names. */
export function tellOwned(): void {
  walkOwned(4, true);
  walkOwned(6, true);
}

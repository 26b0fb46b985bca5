// `berth explain`: what an address is and why it can't be given, or when it can; for a name what it
// has, what is kept for it, and what an ADD would give it; for the id of a container (or another
// owner) what that has. The newest events follow.
import { appliedNumber } from "../image/header";
import { putWord, word } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { POLICY_RANDOM, pickHi, pickLo, poolPick } from "../pool/pool";
import { Range } from "../pool/range";
import { settingsTooLarge } from "../pool/settings";
import {
  close,
  item,
  member,
  open,
  valueNumber,
  valuePlain,
  valueText,
} from "../protocol/document";
import { reserveFrom } from "../protocol/reserve";
import { mannerOf } from "../protocol/session";
import { cellKind, KIND_CONTAINER, KIND_NAME } from "../records/cell";
import { collectDue, collectMore } from "../records/due";
import { eventAt, eventWall, H_EVENT_NEXT, H_EVENTS } from "../records/eventcell";
import {
  FILE_OWNED,
  fileBelongs,
  fileIdAt,
  fileIdBytes,
  fileRead,
  headHasFiles,
  OWNER_MAX,
} from "../records/file";
import { nextOfKind } from "../records/key";
import { recordByAddress, recordByName } from "../records/record";
import { notesForesee } from "../store/notes";
import {
  eventHasName,
  eventHasNote,
  eventIsOf,
  eventsFrom,
  eventWord,
  jsonEvent,
  sayEventAddresses,
  sayEventName,
  sayEventNote,
} from "./events";
import {
  hasInterface,
  holdingHead,
  holdingOf,
  holdingSince,
  IS_FREE,
  IS_HELD,
  IS_RESERVED,
  jsonRecord,
  sayClean,
  sayInterface,
  sayName,
  sayOwner,
  stateWord,
} from "./holding";
import { hasNote, hasOwned, isKept, jsonNote, sayUntil, tellOwned, tellRecords } from "./holdings";
import {
  findSet,
  freeWord,
  inRange,
  inSet,
  knownCount,
  knownPolicy,
  knownRead,
  knownSet,
  settings,
} from "./known";
import { pendingTell } from "./pending";
import { isThisBoot } from "./place";
import { isJson, say, sayAddress, sayBytes, sayNumber, sayQuoted } from "./print";
import {
  isAddress,
  targetAt,
  targetBytes,
  targetFamily,
  targetHi,
  targetLo,
  targetRead,
} from "./target";
import { bootTime, sayMoment, wallOf } from "./times";

const EVENTS_SHOWN: i32 = 8;

// Prints `first-last`.
function sayRange(range: usize): void {
  const r = changetype<Range>(range);
  sayAddress(r.family, r.startHi, r.startLo);
  say("-");
  sayAddress(r.family, r.endHi, r.endLo);
}

// Says why the range sets aren't known.
function sayNotKnown(): void {
  if (settingsTooLarge()) say("The config of the last ADD is too large to be kept in the state.\n");
  else say("The network's ranges aren't known yet: the next ADD keeps them in the state.\n");
}

function sayFree(known: bool): void {
  const what = freeWord(known);
  if (!known) {
    say("Nobody holds it. ");
    sayNotKnown();
  } else if (inSet < 0) {
    say("It can't be given: it lies in none of the ranges of the last ADD:\n");
    for (let i = 0; i < knownCount; i++) {
      const set = knownSet(i);
      for (let n = 0; n < set.count; n++) {
        say("  ");
        sayRange(set.ranges + <usize>n * offsetof<Range>());
        say("\n");
      }
    }
  } else if (what == "gateway") {
    say("It can't be given: it is the gateway of its subnet.\n");
  } else if (what == "excluded") {
    say("It can't be given: the config excludes it.\n");
  } else say("It is free: an ADD may get it.\n");
}

// Whom host-local's file names, for which the owner of this record only stands in.
function sayFile(head: u32): void {
  say("once host-local's file has gone, which names ");
  const state = fileRead(<u32>targetFamily, targetHi, targetLo);
  if (state != FILE_OWNED) {
    say("no owner.\n");
    return;
  }
  say("container ");
  sayClean(fileIdAt, fileIdBytes);
  if (!fileBelongs(state, head)) {
    say(".\n");
    return;
  }
  say(": that has ");
  sayNumber(OWNER_MAX);
  say(" addresses without it, and no container is given more.\n");
}

// Says when what is held will be free, or what comes before.
function sayEnd(head: u32): void {
  if (hasNote(head)) {
    say(". The next call lets it go: its DEL has come, and waits as a note.\n");
    return;
  }
  say(". It will be free ");
  if (cellKind(head) == KIND_CONTAINER) say("after that owner's DEL.\n");
  else if (headHasFiles(head)) sayFile(head);
  else say("when that owner releases it.\n");
}

function sayRecord(state: i32): void {
  const head = holdingHead;
  if (state == IS_HELD) {
    say("It can't be given: ");
    sayOwner(head);
    if (hasInterface(head)) say(" ");
    sayInterface(head);
    say(" holds it");
    if (isThisBoot) {
      say(" since ");
      sayMoment(wallOf(holdingSince(head)));
    }
    sayEnd(head);
    if (!isThisBoot) sayOtherBoot();
  } else if (state == IS_RESERVED) {
    say("It is kept for its name ");
    sayUntil();
    say("; nobody else gets it before.\n");
  } else {
    say("It cools down ");
    sayUntil();
    const named = nextOfKind(head, KIND_NAME) != 0;
    say(named ? ". Its name may have it back before; anybody" : ". Anybody may have it before");
    say(", if nothing else is free.\n");
  }
  if (nextOfKind(head, KIND_NAME) == 0) return;
  say("Name: ");
  sayName(head);
  say("\n");
}

function sayOtherBoot(): void {
  say("This state is of another boot: the next call of the plugin on its own node ends what\n");
  say("containers held, and keeps for their names what is to be kept.\n");
}

function sayEvents(): void {
  const next = word(H_EVENT_NEXT);
  let left = EVENTS_SHOWN;
  for (let n = next; n > eventsFrom() && left > 0; n--) {
    const cell = eventAt(n - 1);
    if (cell == 0 || !eventIsOf(cell)) continue;
    if (isJson) {
      jsonEvent(cell);
    } else {
      if (left == EVENTS_SHOWN) say("Newest events:\n");
      say("  ");
      sayMoment(eventWall(cell));
      say("  ");
      say(eventWord(cell));
      say("  ");
      sayEventAddresses(cell);
      if (eventHasName(cell)) {
        say("  ");
        sayEventName(cell);
      }
      if (eventHasNote(cell)) {
        say("  ");
        sayEventNote(cell);
      }
      say("\n");
    }
    left--;
  }
}

function jsonEvents(): void {
  member("events");
  open(91);
  sayEvents();
  close(93);
}

function explainAddress(known: bool): i32 {
  findSet();
  const cell = recordByAddress(<u32>targetFamily, targetHi, targetLo);
  const state = cell == 0 ? IS_FREE : holdingOf(cell);
  if (isJson) {
    member("address");
    sayQuoted(targetFamily, targetHi, targetLo);
    member("state");
    valuePlain(state == IS_FREE ? freeWord(known) : stateWord(state));
    if (inSet >= 0) {
      member("rangeSet");
      valueNumber(knownSet(inSet).index);
    }
    if (state != IS_FREE) jsonRecord(holdingHead, state);
    jsonNote(holdingHead, state);
    jsonEvents();
    return EXIT_OK;
  }
  sayAddress(targetFamily, targetHi, targetLo);
  say(": ");
  say(state == IS_FREE ? freeWord(known) : stateWord(state));
  say("\n");
  if (state == IS_FREE) sayFree(known);
  else sayRecord(state);
  if (inSet >= 0) {
    say("Range set ");
    sayNumber(knownSet(inSet).index);
    say(", ");
    sayRange(inRange);
    say("\n");
  }
  sayEvents();
  return EXIT_OK;
}

// Frees what is due in the copy, as an ADD does before it chooses: 8 entries, or many where nothing
// else is free.
function collectInCopy(many: bool): void {
  if (many) collectMore(bootTime(), appliedNumber() + 1);
  else collectDue(bootTime(), appliedNumber() + 1);
}

function pickNext(set: usize): bool {
  if (poolPick(set, knownPolicy, 0, 0)) return true;
  collectInCopy(true);
  return poolPick(set, knownPolicy, 0, 0);
}

// What an ADD of this name would get from the range sets, as the copy is by now.
function tellPicks(): void {
  collectInCopy(false);
  for (let i = 0; i < knownCount; i++) {
    const family = knownSet(i).family;
    const found = pickNext(changetype<usize>(knownSet(i)));
    if (isJson && found) {
      item();
      sayQuoted(family, pickHi, pickLo);
    } else if (!isJson) {
      say("  ");
      if (found) sayAddress(family, pickHi, pickLo);
      else say("nothing that is free now (what cools may be freed)");
      say("\n");
    }
  }
}

// The same, or why it can't be told.
function tellNextOf(known: bool): void {
  const kept = isKept();
  if (!isJson) {
    if (kept) say("An ADD of this name would get what is kept for it, if its ranges allow that.\n");
    else if (!known) sayNotKnown();
    else if (knownPolicy == POLICY_RANDOM) {
      say("An ADD of this name would get any free address (policy random).\n");
    } else say("An ADD of this name would get:\n");
  }
  if (!kept && known && knownPolicy != POLICY_RANDOM) tellPicks();
}

// What an ADD of this name would get, as far as it can be told. DEL notes are let go in the copy
// first, as the ADD will; no event of the copy tells of that, nor of what is due (pendingTell has
// put those in).
function tellNext(known: bool): void {
  if (isJson) {
    member("addWouldGive");
    open(91);
  }
  if (isThisBoot) {
    const events = word(H_EVENTS);
    putWord(H_EVENTS, 0);
    reserveFrom(settings);
    notesForesee(mannerOf());
    tellNextOf(known);
    putWord(H_EVENTS, events);
  } else if (!isJson) sayOtherBoot();
  if (isJson) close(93);
}

// A container or another owner, told by its id.
function explainOwner(): i32 {
  if (isJson) {
    member("owner");
    valueText(targetAt, targetBytes);
    member("records");
    open(91);
    tellOwned();
    close(93);
    jsonEvents();
    return EXIT_OK;
  }
  sayBytes(targetAt, targetBytes);
  say(":\n");
  tellOwned();
  sayEvents();
  return EXIT_OK;
}

function explainName(known: bool): i32 {
  if (isJson) {
    member("name");
    valueText(targetAt, targetBytes);
    member("records");
    open(91);
    const told = tellRecords();
    close(93);
    tellNext(known);
    jsonEvents();
    return told == 0 ? EXIT_ERROR : EXIT_OK;
  }
  sayBytes(targetAt, targetBytes);
  say(":\n");
  const told = tellRecords();
  if (told == 0) say("  has no address, and none is kept for it\n");
  tellNext(known);
  sayEvents();
  return told == 0 ? EXIT_ERROR : EXIT_OK;
}

/** Explains the target in the copied image. EXIT_ERROR: a name or an owner that has nothing. */
export function explain(): i32 {
  targetRead();
  pendingTell();
  const known = knownRead();
  if (isAddress) return explainAddress(known);
  // Names come first: a container whose id is a pod's namespace/name can't be (it has no slash).
  const isName = recordByName(targetAt, <u32>targetBytes) != 0;
  return !isName && hasOwned() ? explainOwner() : explainName(known);
}

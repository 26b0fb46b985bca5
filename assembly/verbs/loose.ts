// `berth release`: an operator lets go what an address, a name or a container has, under the
// network's lock, in one commit (in parts, where a name has many records or long ones), and the
// recorder says that it was an operator.
//
//   ADDRESS           the record that has the address: held, reserved or cooling
//   NAME              every record of the name, NAMES_MAX at most
//   --container ID    the allocation of a container and its --ifname (default eth0)
//
// What was held cools down as after a DEL; what was reserved or cooling is free at once. Releasing
// what a running container uses is for after damage: the verb does what it is told, and says it.

import { journalCount, journalMust } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { release } from "../pool/leave";
import { isReserved, NAMES_MAX } from "../pool/named";
import { call } from "../protocol/call";
import { close, item, member, open, valuePlain } from "../protocol/document";
import { ERROR_PLUGIN, errorBegin, errorBytes, errorText } from "../protocol/errors";
import {
  isDurable,
  mannerOf,
  nextNumber,
  now,
  sessionCommit,
  sessionDone,
  sessionPart,
} from "../protocol/session";
import {
  cellByte,
  cellHasFamily,
  cellHead,
  cellHi,
  cellLo,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
  STATE_ALLOCATION,
  STATE_RESERVATION,
} from "../records/cell";
import { reservationOver } from "../records/due";
import { eventCause, eventOf } from "../records/event";
import { CAUSE_OPERATOR, EVENT_RELEASED } from "../records/eventcell";
import { coolingEnd } from "../records/expiry";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import { olderOfName, recordByAddress, recordByName, recordByOwner } from "../records/record";
import { reservationEnd } from "../records/reservations";
import { scratchTake } from "../scratch";
import { letGoBeyond, PART_WORDS } from "../store/letgo";
import { askApart, askAt, askBytes, askMissing, askOption, askWords } from "./ask";
import { holdingOf, stateWord } from "./holding";
import { isJson, printHere, say, sayAddress, sayQuoted } from "./print";
import {
  isAddress,
  targetAt,
  targetBytes,
  targetFamily,
  targetHi,
  targetLo,
  targetRead,
} from "./target";

/** Is there exactly one thing to release: a word, or --container? */
export function releaseAccepts(): bool {
  if (askOption("container")) {
    if (askWords == 0) return true;
    return askApart("--container", "an address or a name", "say one thing to release");
  }
  if (askOption("ifname")) {
    return askMissing("--container ID", "--ifname says which of its interfaces");
  }
  if (askWords == 1) return true;
  return askMissing("what to release", "an address, a name (namespace/name), or --container ID");
}

// The heads to let go: `heads` of them at `list`.
let list: usize = 0;
let heads: i32 = 0;

function add(head: u32): void {
  store<u32>(list + ((<usize>heads) << 2), head);
  heads++;
}

function findNamed(): void {
  let name = recordByName(targetAt, <u32>targetBytes);
  for (let step = 0; step < <i32>NAMES_MAX && name != 0; step++) {
    add(headAt(cellHead(name)));
    name = olderOfName(name);
  }
}

function findContainer(): void {
  const id = askAt;
  const bytes = <u32>askBytes;
  const eth0 = scratchTake(4);
  store<u32>(eth0, 0x30687465);
  const given = askOption("ifname");
  const at = given ? askAt : eth0;
  const head = recordByOwner(KIND_CONTAINER, id, bytes, at, given ? <u32>askBytes : 4);
  if (head != 0) add(head);
}

function find(): void {
  list = scratchTake(<usize>NAMES_MAX * 4);
  heads = 0;
  targetRead();
  if (askOption("container")) findContainer();
  else if (isAddress) {
    const cell = recordByAddress(<u32>targetFamily, targetHi, targetLo);
    if (cell != 0) add(headAt(cellHead(cell)));
  } else findNamed();
}

// Says each address of a record and what it was.
function tell(head: u32): void {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family)) continue;
      const was = stateWord(holdingOf(cell));
      if (isJson) {
        item();
        open(123);
        member("address");
        sayQuoted(<i32>family, cellHi(cell, family), cellLo(cell, family));
        member("was");
        valuePlain(was);
        close(125);
        continue;
      }
      say("released ");
      sayAddress(<i32>family, cellHi(cell, family), cellLo(cell, family));
      say(" (it was ");
      say(was);
      say(")\n");
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
}

// Ends the cool-down of a record's addresses; with the last one the record is gone.
function warm(head: u32, number: u64): void {
  let cell = head;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    const next = nextOfKind(cell, KIND_MORE);
    const both = cellHasFamily(cell, 4) && cellHasFamily(cell, 6);
    const first: u32 = cellHasFamily(cell, 4) ? 4 : 6;
    if (cellHasFamily(cell, first)) coolingEnd(cell, first, number);
    if (both) coolingEnd(cell, 6, number);
    cell = next;
  }
}

function letGo(head: u32): void {
  const state = cellByte(head, 5);
  const number = nextNumber();
  // On disk before the answer: no power cut brings back what an operator has ended.
  journalMust();
  if (state == STATE_ALLOCATION) {
    release(head, call.cooldown, now(), number);
    return;
  }
  if (state == STATE_RESERVATION && !isReserved(head, now())) {
    reservationOver(head, now(), number);
    return;
  }
  eventOf(EVENT_RELEASED, head, 0, now(), number);
  if (state == STATE_RESERVATION) reservationEnd(head, number);
  else warm(head, number);
}

// What stands in for host-local's files beyond those that the container has: on disk, too. false:
// an error began, the container is still there.
function letGoOthers(head: u32): bool {
  return sessionDone(letGoBeyond(head, mannerOf(), isDurable(), isDurable()), false);
}

/** Releases what is asked for in the open store. EXIT_ERROR: an error began. */
export function loose(): i32 {
  find();
  if (heads == 0) {
    errorBegin(ERROR_PLUGIN);
    errorText("nothing is held, reserved or cooling for ");
    if (askOption("container")) {
      errorText("the container ");
      errorBytes(askAt, askBytes);
      errorText(": its whole id is wanted, as berth show tells it");
    } else errorBytes(targetAt, targetBytes);
    return EXIT_ERROR;
  }
  // Told as done before it is: an error follows where it isn't, and the exit status says so.
  printHere();
  if (isJson) {
    member("released");
    open(91);
  }
  for (let i = 0; i < heads; i++) tell(load<u32>(list + ((<usize>i) << 2)));
  if (isJson) close(93);
  eventCause(CAUSE_OPERATOR);
  for (let i = 0; i < heads; i++) {
    if (journalCount() > PART_WORDS && !sessionPart()) return EXIT_ERROR;
    const head = load<u32>(list + ((<usize>i) << 2));
    if (cellByte(head, 5) == STATE_ALLOCATION && !letGoOthers(head)) return EXIT_ERROR;
    letGo(head);
  }
  return sessionCommit() ? EXIT_OK : EXIT_ERROR;
}

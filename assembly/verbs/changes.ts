// Changes: how a verb works on networks that it changes, each under its own lock. The host locks
// the directory that was entered and calls; the next network is entered, and the host is asked
// again.
//
//   begin -> enter network 0 -> NEED_LOCK
//   next(lock) -> open the store, DEL notes -> the verb -> unlock -> enter network 1 -> NEED_LOCK
//   broken()  after a trap: tells it -> unlock -> enter network 1 -> NEED_LOCK
//
// Verbs have no config: what goes here goes as by a DEL under the config of the last ADD.
import { journalUndo } from "../image/image";
import { EXIT_OK, NEED_LOCK } from "../numbers";
import { configured } from "../pool/configured";
import { coexistMirrored, coexistUnlock } from "../protocol/coexist";
import { ERROR_ENVIRONMENT, errorBegin, errorText } from "../protocol/errors";
import { reserveFrom } from "../protocol/reserve";
import { lockError, noStateError, sessionCatchUp, sessionOpen } from "../protocol/session";
import { scratchMark, scratchRewind } from "../scratch";
import { STORE_NONE, STORE_OPEN } from "../store/store";
import {
  answerBegin,
  answerBroken,
  answerEnd,
  answerFailed,
  answerNetwork,
  answerNetworkEnd,
  answerNetworkOnce,
} from "./answer";
import { askOption } from "./ask";
import { placeCount, placeEnter, placeNone, placeOnly, placesFind } from "./place";
import { failed } from "./print";
import { KIND_EACH, KIND_FILES, verbKind, verbName, verbRun } from "./registry";
import { resetAside, resetFinds } from "./reset";

let verb: i32 = 0;
let place: i32 = 0;
let status: i32 = EXIT_OK;
let mark: usize = 0;

// Finds the networks, all of them for KIND_EACH. false: an error began.
function findPlaces(): bool {
  if (verbKind(verb) != KIND_EACH) return placeOnly();
  if (askOption("state")) {
    errorBegin(ERROR_ENVIRONMENT);
    errorText("this verb changes networks: it takes no --state");
    return false;
  }
  if (!placesFind()) return false;
  return placeCount == 0 ? placeNone() : true;
}

/** Begins with the first network: NEED_LOCK, or EXIT_ERROR. */
export function changesBegin(which: i32): i32 {
  verb = which;
  place = 0;
  status = EXIT_OK;
  if (!findPlaces()) return failed(verbName(verb));
  answerBegin();
  mark = scratchMark();
  return enterNext();
}

// Opens the store and applies DEL notes. What sets files aside needs neither the notes nor, with
// --force, that they can be opened. false: an error began.
function ready(lock: i32): bool {
  if (lock != 0) {
    lockError(lock);
    return false;
  }
  const files = verbKind(verb) == KIND_FILES;
  const blindly = files && askOption("force");
  const opened = blindly ? (resetFinds() ? STORE_OPEN : STORE_NONE) : sessionOpen(false);
  if (opened == STORE_NONE) noStateError();
  if (opened != STORE_OPEN) return false;
  if (files) return true;
  reserveFrom(configured());
  return coexistMirrored() && sessionCatchUp();
}

function work(lock: i32): i32 {
  if (!ready(lock)) return answerFailed(place, verbName(verb));
  answerNetwork(place);
  return workEnd(verbRun(verb));
}

function workEnd(done: i32): i32 {
  answerNetworkEnd(verbName(verb));
  return done;
}

/** The files are damaged: for a verb that sets them aside that is no fault. */
export function changesFault(): i32 {
  answerNetworkOnce(place);
  const done = answerEnd(workEnd(resetAside()));
  coexistUnlock();
  return done;
}

/** Does the verb's work on the network whose lock was asked for, and goes to the next. */
export function changesNext(lock: i32): i32 {
  return goOn(work(lock));
}

/** The network's state is damaged, which an error that began says: goes to the next. */
export function changesBroken(): i32 {
  return goOn(answerBroken(place, verbName(verb)));
}

function goOn(done: i32): i32 {
  status = max<i32>(status, done);
  journalUndo(); // what a verb didn't commit
  coexistUnlock();
  scratchRewind(mark);
  place++;
  return enterNext();
}

// Enters the next network that can be entered.
function enterNext(): i32 {
  for (; place < placeCount; place++) {
    if (placeEnter(place)) return NEED_LOCK;
    status = answerFailed(place, verbName(verb));
  }
  return answerEnd(status);
}

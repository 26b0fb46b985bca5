// Where a verb looks: the networks of a data directory (each a directory of its own with a
// berth.state in it, or a trace of one), one of them by --network, or a copied file by --state.
//
//   place   | name at | name bytes |     x PLACES_MAX, in order of their names
//
// A data directory that isn't there holds no network. Cost: one look at each name in it.
import { damaged } from "../fault";
import * as host from "../host";
import { call, spanSet } from "../protocol/call";
import { isName } from "../protocol/env";
import { EINVAL, ENOENT, ENOTDIR } from "../protocol/errno";
import {
  ERROR_DAMAGED,
  ERROR_DISK,
  ERROR_ENVIRONMENT,
  ERROR_NEWER_STATE,
  errorBegin,
  errorBytes,
  errorErrno,
  errorText,
} from "../protocol/errors";
import {
  Text,
  textByte,
  textBytes,
  textClear,
  textString,
  textTake,
  textTo,
} from "../protocol/text";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { COPY_TRIES, copyHasHeader, copyWrong, storeCopyOf } from "../store/copy";
import { openFile } from "../store/files";
import { STORE_AGAIN } from "../store/refresh";
import { isOfThisBoot, STORE_FUTURE, trace } from "../store/store";
import { askAt, askBytes, askOption } from "./ask";

/** Where networks lie unless told otherwise. */
export const DEFAULT_DIRECTORY: string = "/var/lib/cni/berth";
const PLACES_MAX: i32 = 4096;
const NAMES_BYTES: i32 = 1048576;
const PATH_BYTES: i32 = 16384;

let data: Text = changetype<Text>(0);
let path: Text = changetype<Text>(0);
let names: usize = 0;
let places: usize = 0;
let isFile: bool = false;
let copied: i32 = 0;
/** Networks that were found. */
export let placeCount: i32 = 0;
/** Is the copied image of the boot that runs now? Else its times can't be told. */
export let isThisBoot: bool = true;

/** Takes the tables' memory, once. */
export function placeReserve(): void {
  data = textTake(PATH_BYTES);
  path = textTake(PATH_BYTES);
  places = scratchTake(<usize>PLACES_MAX * 16);
  names = scratchTake(<usize>NAMES_BYTES);
  placeCount = 0;
  isFile = false;
}

function readDirectory(): void {
  textTo(data);
  let bytes = askOption("data-dir") ? askBytes : 0;
  while (bytes > 1 && load<u8>(askAt + bytes - 1) == 47) bytes--;
  if (bytes == 0) textString(DEFAULT_DIRECTORY);
  else textBytes(askAt, bytes);
}

function refuse(code: i32, what: string): bool {
  errorBegin(code);
  errorText(what);
  return false;
}

function refuseErrno(what: string, text: Text, status: i32): bool {
  errorBegin(ERROR_DISK);
  errorText(what);
  errorBytes(text.at, text.length);
  errorText(": ");
  if (status == -EINVAL) errorText("it is not a regular file");
  else errorErrno(status);
  return false;
}

// Makes `path` the directory of place `i`, and tells the session.
function setPath(i: i32): void {
  textClear(path);
  textTo(path);
  const p = places + ((<usize>i) << 4);
  textBytes(data.at, data.length);
  if (data.length != 1 || load<u8>(data.at) != 47) textByte(47);
  textBytes(load<usize>(p), load<i32>(p, 8));
  spanSet(call.directory, path.at, path.length);
  spanSet(call.network, load<usize>(p), load<i32>(p, 8));
}

function placeAdd(at: usize, bytes: i32): void {
  if (placeCount == PLACES_MAX) return;
  let i = placeCount;
  for (; i > 0; i--) {
    const p = places + ((<usize>(i - 1)) << 4);
    const other = load<i32>(p, 8);
    const order = memory.compare(load<usize>(p), at, min<i32>(other, bytes));
    if (order < 0 || (order == 0 && other <= bytes)) break;
    memory.copy(p + 16, p, 16);
  }
  const p = places + ((<usize>i) << 4);
  store<usize>(p, at);
  store<i32>(p, bytes, 8);
  placeCount++;
}

// The names in the data directory that have a state, or a trace of one.
function listPlaces(): bool {
  const entered = host.enter(data.at, data.length, 0);
  if (entered == -ENOENT || entered == -ENOTDIR) return true;
  if (entered < 0) return refuseErrno("open ", data, entered);
  const used = host.list(0, 0, names, NAMES_BYTES);
  if (used < 0) return refuseErrno("read ", data, used);
  for (let at = 0; at < used; ) {
    let bytes = 0;
    while (at + bytes < used && load<u8>(names + at + bytes) != 0) bytes++;
    if (isName(names + at, bytes)) placeAdd(names + at, bytes);
    at += bytes + 1;
  }
  let kept = 0;
  for (let i = 0; i < placeCount; i++) {
    setPath(i);
    if (!holdsState()) continue;
    memory.copy(places + ((<usize>kept) << 4), places + ((<usize>i) << 4), 16);
    kept++;
  }
  placeCount = kept;
  return true;
}

function holdsState(): bool {
  if (host.enter(path.at, path.length, 0) < 0) return false;
  const mark = scratchMark();
  const state = openFile("berth.state", 0);
  const holds = state != -ENOENT || trace().length > 0;
  scratchRewind(mark);
  if (state >= 0) host.close(state);
  return holds;
}

/** Finds the places that the options name. false: an error began. */
export function placesFind(): bool {
  readDirectory();
  if (askOption("state")) {
    isFile = true;
    placeAdd(askAt, askBytes);
    textTo(path);
    textBytes(askAt, askBytes);
    spanSet(call.network, path.at, path.length);
    spanSet(call.directory, path.at, path.length);
    // `export` is told whose files it writes.
    if (askOption("network")) spanSet(call.network, askAt, askBytes);
    return true;
  }
  if (!askOption("network")) return listPlaces();
  placeAdd(askAt, askBytes);
  return true;
}

/** The one network that a verb is to change: entered. false: an error began. */
export function placeOnly(): bool {
  if (askOption("state")) {
    return refuse(ERROR_ENVIRONMENT, "this verb changes a network: it takes no --state");
  }
  if (!placesFind()) return false;
  if (placeCount == 0) return placeNone();
  if (placeCount > 1) {
    refuse(ERROR_ENVIRONMENT, "there are several networks, say which with --network:");
    for (let i = 0; i < placeCount; i++) {
      errorText(" ");
      errorBytes(load<usize>(places + ((<usize>i) << 4)), load<i32>(places + ((<usize>i) << 4), 8));
    }
    return false;
  }
  return placeEnter(0);
}

/** Enters the directory of place `i`. false: an error began. */
export function placeEnter(i: i32): bool {
  setPath(i);
  const status = host.enter(path.at, path.length, 0);
  return status < 0 ? refuseErrno("open ", path, status) : true;
}

/** The error for a data directory without networks. */
export function placeNone(): bool {
  errorBegin(ERROR_DISK);
  errorText("there is no network in ");
  errorBytes(data.at, data.length);
  errorText(" (another directory: --data-dir)");
  return false;
}

// Enters the directory of a file by path and opens it there: a handle or -errno.
function openPath(at: usize, bytes: i32): i32 {
  let slash = bytes;
  while (slash > 0 && load<u8>(at + slash - 1) != 47) slash--;
  const mark = scratchMark();
  const dot = scratchTake(1);
  store<u8>(dot, 46);
  const entered = slash == 0 ? host.enter(dot, 1, 0) : host.enter(at, slash, 0);
  scratchRewind(mark);
  return entered < 0 ? entered : host.open(at + slash, bytes - slash, 0);
}

function openLog(): i32 {
  if (isFile && askOption("log")) return openPath(askAt, askBytes);
  const mark = scratchMark();
  const log = openFile("berth.log", 0);
  scratchRewind(mark);
  return log;
}

// A log that was named must be there. false: an error began.
function isLogThere(): bool {
  if (!isFile || !askOption("log")) return true;
  const log = openPath(askAt, askBytes);
  if (log >= 0) host.close(log);
  if (log >= 0) return true;
  errorBegin(ERROR_DISK);
  errorText("open the log ");
  errorBytes(askAt, askBytes);
  errorText(": ");
  errorErrno(log);
  return false;
}

function openState(): i32 {
  if (isFile) return openPath(path.at, path.length);
  const mark = scratchMark();
  const state = openFile("berth.state", 0);
  scratchRewind(mark);
  return state;
}

// Opens the state and its log and copies them. STORE_OPEN, STORE_FUTURE, STORE_AGAIN or -errno.
function copyFiles(): i32 {
  const state = openState();
  if (state < 0) return state;
  const log = openLog();
  const status = log < 0 && log != -ENOENT ? log : storeCopyOf(state, log, isFile);
  host.close(state);
  if (log >= 0) host.close(log);
  return status;
}

/** Copies the place that was copied last once more: what it is now. false: an error began. */
export function placeAgain(): bool {
  return placeCopy(copied);
}

/**
 * Copies the state of place `i` into memory. false: an error began. Traps on damage. A copied file
 * may come without its log, unless that was named.
 */
export function placeCopy(i: i32): bool {
  isThisBoot = true;
  copied = i;
  if (!isFile && !placeEnter(i)) return false;
  if (!isLogThere()) return false;
  let why = "";
  let isAnothers = false;
  for (let n = 0; n < COPY_TRIES; n++) {
    const status = copyFiles();
    const mark = scratchMark();
    if (status == STORE_AGAIN) {
      why = copyWrong();
      isAnothers = copyHasHeader && !isOfThisBoot();
    } else if (status == -ENOENT && !isFile) {
      // Renamed away at this moment, or a state that is lost.
      why = trace();
      isAnothers = false;
    }
    const isWhole = status == 0;
    if (isWhole) isThisBoot = isOfThisBoot();
    scratchRewind(mark);
    if (isWhole) return true;
    if (status == STORE_AGAIN) continue;
    if (status != -ENOENT || isFile || why.length == 0) return cannotCopy(status);
  }
  if (!isAnothers) damaged(why);
  placeTorn(why);
  return false;
}

/**
 * The error for a state of another boot that can't be read: a power cut leaves pages of different
 * ages, which the next opening doesn't read. `why` names what was wrong.
 */
export function placeTorn(why: string): void {
  refuse(ERROR_DISK, "the state in ");
  errorBytes(path.at, path.length);
  errorText(" is of another boot and not whole (");
  errorText(why.length > 0 ? why : "memory fault");
  errorText("): the next call of the plugin on its own node rebuilds it from its records");
}

/** The error for a copied file (--state) that is damaged: the verbs' ways out are none for it. */
export function placeDamaged(why: string): void {
  refuse(ERROR_DAMAGED, "the state in ");
  errorBytes(path.at, path.length);
  errorText(" is damaged (");
  errorText(why.length > 0 ? why : "memory fault");
  errorText("); nothing was changed");
}

function cannotCopy(status: i32): bool {
  if (status == STORE_FUTURE) {
    refuse(ERROR_NEWER_STATE, "the state in ");
    errorBytes(path.at, path.length);
    errorText(" was written by a newer release of berth: use that release");
    return false;
  }
  if (status != -ENOENT) return refuseErrno("read the state in ", path, status);
  refuse(ERROR_DISK, "there is no state in ");
  errorBytes(path.at, path.length);
  return false;
}

// `berth adopt`: takes over what somebody else knows of a network.
//
//   berth adopt [--from DIR]    host-local's directory DIR/<network>, in place unless --data-dir
//                               names another; done again, it brings the state up to date
//   berth adopt --from-cache    the runtime's results (libcni keeps one for each attachment): for
//                               a state that is damaged, which is set aside first
//
// Our lock first, then host-local's. What another owner of ours holds is left and told: exit 1.
import { goneCount, goneSweep } from "../foreign/gone";
import { markClaim } from "../foreign/marks";
import {
  ADOPTED,
  ADOPTED_NOT,
  MIRRORED,
  TakeOver,
  takeBegin,
  takenBeyond,
  takenConflicts,
  takenFiles,
  takenNames,
  takenNew,
  takenUnknown,
  takeOver,
  takeUnreadBytes,
} from "../foreign/takeover";
import * as host from "../host";
import { appliedNumber, H_ADOPTED, H_PARTIAL } from "../image/header";
import { putWord, word } from "../image/image";
import { EXIT_ERROR, EXIT_OK, NEED_LOCK } from "../numbers";
import { FOREIGN_DIRECTORY } from "../protocol/beside";
import { call, Span, spanSet, spanTake } from "../protocol/call";
import { coexistLock, sayUnread } from "../protocol/coexist";
import {
  close,
  documentBegin,
  item,
  member,
  open,
  valueNumber,
  valueText,
} from "../protocol/document";
import { isName } from "../protocol/env";
import { ENOENT } from "../protocol/errno";
import {
  ERROR_DISK,
  ERROR_LIMIT,
  errorBegin,
  errorBytes,
  errorErrno,
  errorNumber,
  errorText,
} from "../protocol/errors";
import { overfull } from "../protocol/overfull";
import { directoryJoin } from "../protocol/path";
import {
  isDurable,
  lockError,
  now,
  sessionDone,
  sessionOpen,
  sessionPart,
} from "../protocol/session";
import { OWN_DIRECTORY } from "../protocol/shadow";
import { scratchTake } from "../scratch";
import { ASIDE_FULL, ASIDE_MAX, setAside } from "../store/aside";
import { copyHasHeader, storeCopyOf } from "../store/copy";
import { openFile } from "../store/files";
import { logForgo } from "../store/log";
import { isOfThisBoot, STORE_NONE, STORE_OPEN, storeCreate, storeImagine } from "../store/store";
import { askAt, askBytes, askOption } from "./ask";
import {
  CACHE_REFUSED,
  cacheBegin,
  cacheFiles,
  cacheReads,
  skipped,
  takeCache,
  tellCache,
} from "./cache";
import { failed, isJson, printHere, say, sayBytes, sayNumber } from "./print";

const CACHE_DIRECTORY: string = "/var/lib/cni/results";
const NAMES_BYTES: i32 = 8388608;

let source: Span = changetype<Span>(0);
let fromCache: bool = false;
let dry: bool = false;
let inPlace: bool = false;
// The state is being opened: a trap now means that it is damaged.
let opening: bool = false;
let freed: u32 = 0;
let aside: i32 = 0;
// The state that was opened is damaged.
let isDamaged: bool = false;
let names: usize = 0;
let namesUsed: i32 = 0;

function option(name: string, into: Span): bool {
  spanSet(into, 0, 0);
  if (!askOption(name)) return false;
  spanSet(into, askAt, askBytes);
  return true;
}

function cannot(what: string, path: Span, status: i32): i32 {
  errorBegin(ERROR_DISK);
  errorText(what);
  errorBytes(path.at, path.bytes);
  errorText(": ");
  errorErrno(status);
  return failed("adopt");
}

// The only directory in the entered one, as the network's name. false: an error began.
function onlyNetwork(parent: Span): bool {
  let status = host.enter(parent.at, parent.bytes, 0);
  namesUsed = status < 0 ? 0 : max(0, host.list(0, 0, names, NAMES_BYTES));
  let count = 0;
  const name = call.network;
  const path = spanTake();
  for (let at = 0; at < namesUsed; ) {
    let bytes = 0;
    while (at + bytes < namesUsed && load<u8>(names + at + bytes) != 0) bytes++;
    spanSet(name, names + at, bytes);
    at += bytes + 1;
    if (!isName(name.at, name.bytes)) continue;
    directoryJoin(parent, "", path);
    status = host.enter(path.at, path.bytes, 0);
    if (status < 0) continue;
    if (count++ == 0) spanSet(source, name.at, name.bytes);
  }
  if (count == 1) {
    // The list of names is used again.
    const at = scratchTake(<usize>source.bytes);
    memory.copy(at, source.at, source.bytes);
    spanSet(name, at, source.bytes);
    return true;
  }
  errorBegin(ERROR_DISK);
  errorText(count == 0 ? "there is no network in " : "say with --network which network of ");
  errorBytes(parent.at, parent.bytes);
  return false;
}

function literal(s: string, into: Span): void {
  const at = scratchTake(<usize>s.length);
  for (let i = 0; i < s.length; i++) {
    store<u8>(at + i, load<u16>(changetype<usize>(s) + ((<usize>i) << 1)));
  }
  spanSet(into, at, s.length);
}

// Which directories and which network are meant. false: an error began.
function readPlaces(): bool {
  const from = spanTake();
  const data = spanTake();
  source = spanTake();
  fromCache = askOption("from-cache");
  dry = askOption("dry-run");
  if (!option("from", from)) literal(fromCache ? CACHE_DIRECTORY : FOREIGN_DIRECTORY, from);
  if (!option("data-dir", data)) {
    if (fromCache) literal(OWN_DIRECTORY, data);
    else spanSet(data, from.at, from.bytes);
  }
  if (!option("network", call.network)) {
    if (!onlyNetwork(fromCache ? data : from)) return false;
  }
  directoryJoin(data, "", call.directory);
  if (fromCache) spanSet(source, from.at, from.bytes);
  else directoryJoin(from, "", source);
  const own = call.directory;
  const same = source.bytes == own.bytes && memory.compare(source.at, own.at, own.bytes) == 0;
  inPlace = !fromCache && same;
  return true;
}

/** Finds the directories. NEED_LOCK: take the lock, then adoptRun; else the exit status. */
export function adoptBegin(): i32 {
  names = scratchTake(<usize>NAMES_BYTES);
  opening = false;
  cacheBegin();
  freed = 0;
  aside = 0;
  isDamaged = false;
  takeBegin();
  if (!readPlaces()) return failed("adopt");
  let status = host.enter(source.at, source.bytes, 0);
  if (status < 0) return cannot("open ", source, status);
  if (fromCache) {
    status = cacheReads(source, names, NAMES_BYTES);
    if (status == CACHE_REFUSED) return failed("adopt");
    if (overfull(status, source)) return failed("adopt");
    if (status < 0) return cannot("read ", source, status);
  }
  const own = call.directory;
  status = host.enter(own.at, own.bytes, dry ? 0 : 1);
  if (status == -ENOENT && dry) return adoptWith(STORE_NONE);
  return status < 0 ? cannot("open ", own, status) : NEED_LOCK;
}

// Is the state of another boot? To open it is to make it anew, and to unlink files of host-local.
function isOfAnotherBoot(): bool {
  const state = openFile("berth.state", 0);
  if (state < 0) return false;
  storeCopyOf(state, -1, true);
  host.close(state);
  return copyHasHeader && !isOfThisBoot();
}

/** Does it, under the lock (`lock` = 0, or why there is none). Answers the exit status. */
export function adoptRun(lock: i32): i32 {
  if (lock != 0) {
    lockError(lock);
    return failed("adopt");
  }
  if (dry && isOfAnotherBoot()) {
    errorBegin(ERROR_DISK);
    errorText("the state in ");
    errorBytes(call.directory.at, call.directory.bytes);
    errorText(" is of another boot: the next call of the plugin makes it anew, after which");
    errorText(" --dry-run can tell; nothing was changed");
    return failed("adopt");
  }
  opening = true;
  const status = sessionOpen(!dry);
  opening = false;
  if (status < 0 || !beginPart(status)) return failed("adopt");
  return adoptWith(status);
}

// A state that is new now is nobody's until all of the cache is in it. false: an error began.
function beginPart(opened: i32): bool {
  if (!fromCache || dry || opened != STORE_OPEN || appliedNumber() != 0) return true;
  putWord(H_PARTIAL, 1);
  return sessionPart();
}

/** Can a trap be answered by setting the state aside? */
export function adoptCatches(): bool {
  return opening && fromCache;
}

/** The state that was opened is damaged: it is set aside, and a new one built from the cache. */
export function adoptCaught(): i32 {
  opening = false;
  isDamaged = true;
  if (dry) return adoptWith(STORE_NONE);
  aside = setAside();
  if (aside == ASIDE_FULL) {
    errorBegin(ERROR_LIMIT);
    errorText("there are ");
    errorNumber(ASIDE_MAX);
    errorText(" damaged states already in ");
    errorBytes(call.directory.at, call.directory.bytes);
    errorText(": take some of berth.state.damaged.* and berth.log.damaged.* away");
    return failed("adopt");
  }
  if (aside < 0) return cannot("set the damaged state aside in ", call.directory, aside);
  const made = storeCreate(true);
  if (made != STORE_OPEN) return cannot("make a new state in ", call.directory, made);
  return adoptWith(STORE_OPEN);
}

function makeTakeOver(): TakeOver {
  const t = changetype<TakeOver>(scratchTake(offsetof<TakeOver>()));
  t.sets = 0;
  t.setCount = 0;
  t.now = now();
  t.inPlace = inPlace;
  t.durable = isDurable();
  return t;
}

// Takes over in the state that is open, or (a dry run only) in one that isn't there: then, and in
// every dry run, the work is done in memory and nothing is written. Answers the exit status.
function adoptWith(opened: i32): i32 {
  if (opened == STORE_NONE) {
    const made = storeImagine();
    if (made != STORE_OPEN) return cannot("make a state in memory for ", call.directory, made);
  }
  if (dry) logForgo();
  const before = word(H_ADOPTED);
  if (inPlace && before != ADOPTED_NOT) {
    if (!sessionDone(goneSweep(isDurable()), false)) return failed("adopt");
    freed = goneCount;
  }
  const there = host.enter(source.at, source.bytes, 0);
  if (there < 0) return cannot("open ", source, there);
  if (!fromCache && !coexistLock()) return failed("adopt");
  const t = makeTakeOver();
  const value = before == MIRRORED ? MIRRORED : ADOPTED;
  const status = fromCache
    ? takeCache(t, names, NAMES_BYTES)
    : takeOver(t, inPlace ? value : before);
  host.enter(call.directory.at, call.directory.bytes, 0);
  if (overfull(status, source)) return failed("adopt");
  if (takeUnreadBytes > 0) {
    sayUnread(source, status);
    return failed("adopt");
  }
  if (!sessionDone(status, false)) return failed("adopt");
  if (word(H_PARTIAL) != 0) putWord(H_PARTIAL, 0);
  if (!sessionPart()) return failed("adopt");
  if (!dry && inPlace && value == MIRRORED) markClaim();
  host.unlock();
  tell(t);
  return takenConflicts == 0 ? EXIT_OK : EXIT_ERROR;
}

function tellNumber(key: string, n: i64): void {
  member(key);
  valueNumber(n);
}

// What was taken from each result.
function tellResults(t: TakeOver): void {
  if (host.enter(source.at, source.bytes, 0) >= 0) tellCache(t);
  printHere();
}

function tellJson(t: TakeOver): void {
  documentBegin();
  open(123);
  member("networks");
  open(91);
  item();
  open(123);
  member("network");
  valueText(call.network.at, call.network.bytes);
  member("directory");
  valueText(call.directory.at, call.directory.bytes);
  member("from");
  valueText(source.at, source.bytes);
  tellNumber("files", fromCache ? cacheFiles : takenFiles);
  tellNumber("addresses", takenNew);
  tellNumber("unknown", takenUnknown);
  tellNumber("beyond", takenBeyond);
  tellNumber("conflicts", takenConflicts);
  tellNumber("skipped", skipped);
  tellNumber("freed", freed);
  member("dryRun");
  say(dry ? "true" : "false");
  if (aside > 0) tellNumber("setAside", aside);
  if (isDamaged && dry) {
    member("wouldSetAside");
    say("true");
  }
  if (fromCache) {
    tellNumber("names", takenNames);
    member("results");
    open(91);
    tellResults(t);
    close(93);
  }
  close(125);
  close(93);
  close(125);
  say("\n");
}

function tellCount(n: i64, one: string, more: string): void {
  sayNumber(n);
  say(n == 1 ? one : more);
}

function tellLine(n: u32, one: string, more: string): void {
  if (n != 0) tellCount(n, one, more);
}

// So many files, whose addresses are held until when?
function tellHeld(n: u32, one: string, more: string): void {
  if (n == 0) return;
  tellCount(n, one, more);
  if (inPlace) say(n == 1 ? " until the file goes\n" : " until the files go\n");
  else say(n == 1 ? " until berth release frees it\n" : " until berth release frees them\n");
}

function tell(t: TakeOver): void {
  printHere();
  if (isJson) {
    tellJson(t);
    return;
  }
  if (aside > 0) {
    say("the damaged state was set aside as berth.state.damaged.");
    sayNumber(aside);
    say("\n");
  }
  if (isDamaged && dry) say("the state is damaged: it would be set aside\n");
  say("network ");
  sayBytes(call.network.at, call.network.bytes);
  say(dry ? ": would take over " : ": took over ");
  tellCount(takenNew, " address", " addresses");
  say(" from ");
  if (fromCache) tellCount(cacheFiles, " result", " results");
  else tellCount(takenFiles, " file", " files");
  say(" in ");
  sayBytes(source.at, source.bytes);
  say("\n");
  if (fromCache && dry) tellResults(t);
  tellLine(takenNames, " pod's name with them\n", " pods' names with them\n");
  tellHeld(
    takenUnknown,
    " file names no owner: its address is held",
    " files name no owner: their addresses are held",
  );
  tellHeld(
    takenBeyond,
    " file names a container that has 32 addresses: its address is held",
    " files name a container that has 32 addresses: theirs are held",
  );
  tellLine(
    takenConflicts,
    " address is held by somebody else here and was left alone\n",
    " addresses are held by somebody else here and were left alone\n",
  );
  tellLine(
    skipped,
    " file is of another network or format\n",
    " files are of another network or format\n",
  );
  tellLine(
    freed,
    " address is free: its file has gone\n",
    " addresses are free: their files have gone\n",
  );
}

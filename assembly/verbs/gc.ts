// `berth gc`: lets go what containers hold that are gone without a DEL. To free the address of a
// pod that lives is worse than a leak, so everything that can't be told keeps it:
//
//   an allocation stays if    its network namespace exists (alive.ts) and isn't shown to be a later
//                             container's (successor.ts), or isn't known
//                             or a runtime has a directory for its container (runtimes.ts)
//                             or its record has changed since it was first seen without these
//                             or that was less than the grace ago, or in another boot
//   nothing at all is freed   if something couldn't be read, or if this process isn't in the PID
//                             namespace of the calls of the plugin: it wouldn't see their pods
//
//   lock -> look at the machine -> allocations -> free what is due, in parts -> berth.gc
//
// The look comes after the lock: a container whose ADD has ended has its namespace by then, and no
// other ADD or DEL ends before we do. With --dry-run a copy is judged, and nothing is written.

import { H_HELD, H_PIDNS, INDEX_OWNER } from "../image/header";
import { half, journalCount, word } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { close, item, member, open, valueNumber, valuePlain } from "../protocol/document";
import {
  ERROR_UNAVAILABLE,
  errorBegin,
  errorBytes,
  errorErrno,
  errorNumber,
  errorText,
} from "../protocol/errors";
import { secondsOf } from "../protocol/option";
import {
  diskError,
  isDurable,
  isSynced,
  mannerOf,
  sessionCommit,
  sessionDone,
  sessionPart,
} from "../protocol/session";
import { textString } from "../protocol/text";
import {
  C_NETNS,
  cellHasFamily,
  cellHi,
  cellKind,
  cellLo,
  cellNumber,
  headAt,
  KIND_CONTAINER,
  KIND_MORE,
} from "../records/cell";
import { eventCause } from "../records/event";
import { CAUSE_GC } from "../records/eventcell";
import {
  CHAIN_MAX,
  digest0,
  digest1,
  headDigests,
  idText,
  nextOfKind,
  textAt,
} from "../records/key";
import { trieCells } from "../records/trie";
import { scratchTake } from "../scratch";
import { letGoAll, PART_WORDS } from "../store/letgo";
import {
  aliveErrno,
  aliveGather,
  aliveHas,
  aliveReserve,
  aliveWhere,
  ownPidNamespace,
  PID_FIRST,
} from "./alive";
import { askApart, askAt, askBad, askBytes, askMissing, askOption } from "./ask";
import { IS_HELD, jsonMoment, jsonRecord, sayInterface, sayName, sayOwner } from "./holding";
import { isJson, printHere, printRoom, say, sayAddress, sayNumber, sayQuoted } from "./print";
import { runtimeKnows, runtimesLook, runtimesReserve } from "./runtimes";
import {
  sightingAdd,
  sightingOf,
  sightingsRead,
  sightingsReserve,
  sightingsWrite,
} from "./sightings";
import { isSucceeded, successorsFind, successorsReserve } from "./successor";
import { cellEnd, rowEnd, tableBegin, tablePrint } from "./table";
import { bootTime, saySpan, wallOf } from "./times";

const GRACE: u32 = 900;
const GRACE_MIN: u32 = 60;
/** Why an allocation stays, or that its time has come. Those above LIVES are shown. */
const LIVES: u32 = 0;
const UNKNOWN: u32 = 1;
const SEEN: u32 = 2;
const WAITS: u32 = 3;
const DUE: u32 = 4;

// judged   | head | verdict | first seen |   u32 each
const ENTRY: usize = 12;
let judged: usize = 0;
let count: u32 = 0;
let grace: u32 = GRACE;
let lives: u32 = 0;
let unknown: u32 = 0;
let waiting: u32 = 0;
let due: u32 = 0;
let freed: u32 = 0;

// Takes the tables' memory: of each network anew, since scratch is rewound between them.
function gcReserve(): void {
  aliveReserve();
  runtimesReserve();
  sightingsReserve();
  successorsReserve();
}

/** Does --grace name a time of 60 s and more, and are a timer's options for a timer? */
export function gcAccepts(): bool {
  grace = GRACE;
  const timer = askOption("install-timer");
  if (timer && askOption("dry-run")) {
    return askApart("--dry-run", "--install-timer", "the one writes nothing, the other two units");
  }
  if (!timer && (askOption("unit-dir") || askOption("program"))) {
    return askMissing("--install-timer", "--unit-dir and --program are for its units");
  }
  if (!askOption("grace")) return true;
  const seconds = secondsOf(askAt, askBytes);
  if (seconds < <i64>GRACE_MIN || seconds > <i64>u32.MAX_VALUE) {
    return askBad("grace", askAt, askBytes, "use a time from 60s on, as 90s, 15m or 1h");
  }
  grace = <u32>seconds;
  return true;
}

function refuse(text: string): bool {
  errorBegin(ERROR_UNAVAILABLE);
  errorText("nothing is freed: ");
  errorText(text);
  return false;
}

// Does this process see the pods of the plugin's calls?
function isAtHome(): bool {
  const own = ownPidNamespace();
  if (own < 0) return refuse("/proc/self/ns/pid can't be read");
  const home = <i64>word(H_PIDNS);
  if (own == home || (home == 0 && own == PID_FIRST)) return true;
  refuse("this process is in the PID namespace ");
  errorNumber(own);
  errorText(", the plugin is called in ");
  errorNumber(home == 0 ? PID_FIRST : home);
  errorText(": run it on the node itself (for a pod: hostPID)");
  return false;
}

function look(): bool {
  if (!isAtHome()) return false;
  runtimesLook();
  if (aliveGather()) return true;
  refuse("");
  errorBytes(aliveWhere.at, aliveWhere.length);
  if (aliveErrno == 0) errorText(" has more entries than can be read");
  else {
    errorText(" can't be read: ");
    errorErrno(aliveErrno);
  }
  return false;
}

function verdictOf(head: u32): u32 {
  const namespace = half(head + C_NETNS);
  if (namespace == 0) return UNKNOWN;
  if (aliveHas(namespace) && !isSucceeded(head)) return LIVES;
  const bytes = <i32>idText(head);
  return runtimeKnows(textAt, bytes) ? LIVES : SEEN;
}

// Judges one allocation; what may go later is noted for the next run.
function judge(head: u32): void {
  let verdict = verdictOf(head);
  let first: u32 = 0;
  if (verdict == SEEN) {
    headDigests(head);
    first = sightingOf(digest0, digest1, cellNumber(head), bootTime());
    if (first == 0) first = bootTime();
    else verdict = bootTime() - first >= grace ? DUE : WAITS;
    if (verdict != DUE) sightingAdd(digest0, digest1, cellNumber(head), first);
  }
  if (verdict == LIVES) lives++;
  else if (verdict == UNKNOWN) unknown++;
  else if (verdict == DUE) due++;
  else waiting++;
  if (verdict == LIVES) return;
  const p = judged + <usize>count * ENTRY;
  store<u32>(p, head);
  store<u32>(p, verdict, 4);
  store<u32>(p, first, 8);
  count++;
}

function judgeAll(): void {
  const held = <u32>word(H_HELD);
  const heads = scratchTake((<usize>held + 1) << 2);
  judged = scratchTake((<usize>held + 1) * ENTRY);
  count = 0;
  lives = 0;
  unknown = 0;
  waiting = 0;
  due = 0;
  const found = trieCells(INDEX_OWNER, heads, held + 1);
  successorsFind(heads, found);
  for (let i: u32 = 0; i < found; i++) {
    const head = headAt(load<u32>(heads + ((<usize>i) << 2)));
    if (cellKind(head) == KIND_CONTAINER) judge(head);
  }
}

function verdictWord(verdict: u32): string {
  if (verdict == UNKNOWN) return "unknown";
  if (verdict == SEEN) return "seen";
  return verdict == WAITS ? "waits" : "due";
}

function sayVerdict(verdict: u32, first: u32): void {
  if (verdict == UNKNOWN) textString("kept: its network namespace isn't known");
  else if (verdict == DUE) textString("no sign of life twice: goes");
  else {
    textString(verdict == SEEN ? "no sign of life: in " : "no sign of life still: in ");
    saySpan(<u64>grace - min<u64>(<u64>grace, <u64>(bootTime() - first)));
  }
}

// Writes the addresses of a record, one by one through `how`: 0 = text, 1 = JSON.
function addresses(head: u32, json: bool): void {
  let cell = head;
  let any = false;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family)) continue;
      if (json) item();
      else if (any) textString(" ");
      any = true;
      if (json) sayQuoted(<i32>family, cellHi(cell, family), cellLo(cell, family));
      else sayAddress(<i32>family, cellHi(cell, family), cellLo(cell, family));
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
}

function rows(): void {
  textString("ADDRESSES");
  cellEnd();
  textString("NAME");
  cellEnd();
  textString("OWNER");
  cellEnd();
  textString("INTERFACE");
  cellEnd();
  textString("VERDICT");
  cellEnd();
  rowEnd();
  for (let n: u32 = 0; n < count; n++) {
    const p = judged + <usize>n * ENTRY;
    const head = load<u32>(p);
    addresses(head, false);
    cellEnd();
    sayName(head);
    cellEnd();
    sayOwner(head);
    cellEnd();
    sayInterface(head);
    cellEnd();
    sayVerdict(load<u32>(p, 4), load<u32>(p, 8));
    cellEnd();
    rowEnd();
  }
}

function tell(): void {
  if (isJson) {
    tellJson();
    return;
  }
  printHere();
  sayNumber(lives);
  say(" live, ");
  sayNumber(unknown);
  say(" unknown, ");
  sayNumber(waiting);
  say(" wait, ");
  sayNumber(due);
  say(" due\n");
  if (count == 0) return;
  tableBegin();
  rows();
  tablePrint();
  rows();
  printHere();
}

function tellJson(): void {
  printHere();
  member("live");
  valueNumber(lives);
  member("unknown");
  valueNumber(unknown);
  member("waiting");
  valueNumber(waiting);
  member("due");
  valueNumber(due);
  member("allocations");
  open(91);
  for (let n: u32 = 0; n < count; n++) {
    const p = judged + <usize>n * ENTRY;
    item();
    open(123);
    member("addresses");
    open(91);
    addresses(load<u32>(p), true);
    close(93);
    jsonRecord(load<u32>(p), IS_HELD);
    member("verdict");
    valuePlain(verdictWord(load<u32>(p, 4)));
    if (load<u32>(p, 8) != 0) {
      member("firstSeen");
      jsonMoment(wallOf(load<u32>(p, 8)));
    }
    close(125);
    printRoom();
  }
  close(93);
}

/** `berth gc --dry-run` on the copied image: tells, and writes nothing. Answers the exit status. */
export function gcDry(): i32 {
  gcReserve();
  if (!look()) return EXIT_ERROR;
  sightingsRead();
  judgeAll();
  tell();
  return EXIT_OK;
}

// Lets go what is due, in parts that each leave a valid image. false: an error began; the parts
// before stand.
function freeDue(): bool {
  eventCause(CAUSE_GC);
  const manner = mannerOf();
  for (let n: u32 = 0; n < count; n++) {
    const p = judged + <usize>n * ENTRY;
    if (load<u32>(p, 4) != DUE) continue;
    const part = letGoAll(load<u32>(p), manner, isSynced(), isDurable());
    if (!sessionDone(part, false)) return false;
    freed++;
    if (journalCount() >= PART_WORDS && !sessionPart()) return false;
  }
  return sessionCommit();
}

function tellFreed(): void {
  printHere();
  if (isJson) {
    member("freed");
    valueNumber(freed);
  } else {
    sayNumber(freed);
    say(freed == 1 ? " container's addresses freed\n" : " containers' addresses freed\n");
  }
}

/** `berth gc` on the opened store. Answers the exit status; an error has begun for EXIT_ERROR. */
export function gc(): i32 {
  gcReserve();
  freed = 0;
  if (!look()) return EXIT_ERROR;
  sightingsRead();
  judgeAll();
  tell();
  if (!freeDue()) return EXIT_ERROR;
  tellFreed();
  const written = sightingsWrite();
  if (written >= 0) return EXIT_OK;
  diskError("write berth.gc in ", written);
  return EXIT_ERROR;
}

// `berth reserve NAME`: keeps addresses for a name that has none yet, or not now: the ADD of a pod
// of that name (namespace/name) within the time gets them. A free address of each range set, or
// those of --addresses, one of each family.
//
// Refuses: a name that holds or has reserved addresses already, addresses that aren't free, a
// network whose ranges aren't known (no ADD yet).
import { parseAddress, parsedFamily, parsedHi, parsedLo } from "../address";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { ALLOCATED, FAIL_EXHAUSTED, FAIL_LEFTOVER, failHi, failLo } from "../pool/allocator";
import { configured } from "../pool/configured";
import { dueAfter, reserve } from "../pool/leave";
import { isReserved, NAMES_MAX } from "../pool/named";
import { Order } from "../pool/order";
import { Given, givenAt, RangeSet, setAt, setHolds, Wanted, wantedAt } from "../pool/range";
import { Settings, settingsTooLarge } from "../pool/settings";
import { close, item, member, open } from "../protocol/document";
import {
  ERROR_ENVIRONMENT,
  ERROR_PLUGIN,
  errorAddress,
  errorBegin,
  errorBytes,
  errorQuote,
  errorText,
} from "../protocol/errors";
import { secondsOf } from "../protocol/option";
import { SEEK_FAILED, seekAllocate } from "../protocol/seek";
import { diskError, nextNumber, now, sessionCommit } from "../protocol/session";
import {
  cellByte,
  cellHead,
  headAt,
  KIND_OTHER,
  NAME_MAX,
  STATE_ALLOCATION,
} from "../records/cell";
import { eventCause } from "../records/event";
import { CAUSE_OPERATOR } from "../records/eventcell";
import { olderOfName, recordByName, recordByOwner } from "../records/record";
import { scratchTake } from "../scratch";
import { imageGrow } from "../store/files";
import { askAt, askBad, askBytes, askMissing, askOption, askWords } from "./ask";
import { jsonMoment } from "./holding";
import { isJson, printHere, say, sayAddress, sayQuoted } from "./print";
import { isAddress, targetAt, targetBytes, targetRead } from "./target";
import { sayMoment, wallOf } from "./times";

const WANTED_MAX: i32 = 8;
const ROOM: u32 = 131072;
const ENOSPC: i32 = -28;
const YEAR: i64 = 31536000;

let wanted: usize = 0;
let wantedCount: i32 = 0;
let seconds: i64 = 0;

// A length of time: seconds alone, or 15m, 24h ... false: it is none, and an error began.
function readTime(): bool {
  if (!askOption("for")) return askMissing("--for TIME", "how long to keep them, as 15m or 24h");
  seconds = secondsOf(askAt, askBytes);
  if (seconds > 0 && seconds < 100 * YEAR) return true;
  return askBad("for", askAt, askBytes, "use a time from 1s to 100 years, as 90s, 15m or 24h");
}

function readAddresses(): bool {
  wanted = scratchTake(<usize>WANTED_MAX * offsetof<Wanted>());
  memory.fill(wanted, 0, <usize>WANTED_MAX * offsetof<Wanted>());
  wantedCount = 0;
  if (!askOption("addresses")) return true;
  let from = 0;
  for (let i = 0; i <= askBytes; i++) {
    if (i < askBytes && load<u8>(askAt + i) != 44) continue;
    if (wantedCount == WANTED_MAX) {
      return askBad("addresses", askAt + from, i - from, "that is the ninth, 8 are taken");
    }
    if (!parseAddress(askAt + from, i - from)) {
      return askBad(
        "addresses",
        askAt + from,
        i - from,
        "that is no address: use a list as 10.1.0.9,fd00:1::9",
      );
    }
    const w = wantedAt(wanted, wantedCount);
    wantedCount++;
    w.family = parsedFamily;
    w.hi = parsedHi;
    w.lo = parsedLo;
    from = i + 1;
  }
  return true;
}

// Is the word namespace/name? An ADD has no other, so nothing would be kept for it.
function isPodName(): bool {
  for (let i = 1; i < targetBytes - 1; i++) if (load<u8>(targetAt + i) == 47) return true;
  return false;
}

function badName(): bool {
  errorBegin(ERROR_ENVIRONMENT);
  errorQuote(targetAt, targetBytes);
  errorText(" is no pod's name: use namespace/name, as default/web-0");
  return false;
}

/** Is there a name, a time, and nothing that is no address? Else an error begins. */
export function reserveAccepts(): bool {
  if (askWords != 1)
    return askMissing("NAME", "whose addresses these are to be, as namespace/name");
  targetRead();
  if (isAddress) return askMissing("NAME", "this is an address, which goes behind --addresses");
  if (!isPodName()) return badName();
  return readTime() && readAddresses();
}

// Does the name hold something, or is something reserved for it? Not only its newest record: an
// older container may live on, or a reservation for another interface.
function hasAlready(): bool {
  let name = recordByName(targetAt, <u32>targetBytes);
  for (let step: u32 = 0; step < NAMES_MAX && name != 0; step++) {
    const head = headAt(cellHead(name));
    const state = cellByte(head, 5);
    if (state == STATE_ALLOCATION || isReserved(head, now())) return true;
    name = olderOfName(name);
  }
  return false;
}

function isWanted(set: usize): bool {
  for (let i = 0; i < wantedCount; i++) {
    const w = wantedAt(wanted, i);
    if (w.family == changetype<RangeSet>(set).family && setHolds(set, w.hi, w.lo) != 0) return true;
  }
  return false;
}

// The range sets from which addresses are wanted: all, or those that hold one of --addresses.
function chooseSets(o: Order, s: Settings): void {
  o.sets = scratchTake(<usize>s.setCount * offsetof<RangeSet>());
  o.setCount = 0;
  for (let i = 0; i < s.setCount; i++) {
    const set = s.sets + <usize>i * offsetof<RangeSet>();
    if (wantedCount > 0 && !isWanted(set)) continue;
    memory.copy(o.sets + <usize>o.setCount * offsetof<RangeSet>(), set, offsetof<RangeSet>());
    o.setCount++;
  }
}

function makeOrder(s: Settings): Order {
  const o = changetype<Order>(scratchTake(offsetof<Order>()));
  memory.fill(changetype<usize>(o), 0, offsetof<Order>());
  o.kind = KIND_OTHER;
  o.id = targetAt;
  o.ifname = targetAt;
  o.name = targetAt;
  o.nameBytes = <u32>targetBytes;
  o.reserveFor = <u32>seconds;
  chooseSets(o, s);
  o.given = scratchTake(<usize>o.setCount * offsetof<Given>());
  o.wanted = wanted;
  o.wantedCount = wantedCount;
  o.policy = s.policy;
  o.now = now();
  o.number = nextNumber();
  return o;
}

function refuse(what: string): i32 {
  errorBegin(ERROR_PLUGIN);
  errorText(what);
  errorBytes(targetAt, targetBytes);
  return EXIT_ERROR;
}

// The address of --addresses that lies in no range set; if each does, two lie in one.
function sayLeftOver(o: Order): i32 {
  for (let i = 0; i < wantedCount; i++) {
    const w = wantedAt(wanted, i);
    let inOne = false;
    for (let n = 0; n < o.setCount && !inOne; n++) {
      const set = o.sets + <usize>n * offsetof<RangeSet>();
      inOne = changetype<RangeSet>(set).family == w.family && setHolds(set, w.hi, w.lo) != 0;
    }
    if (inOne) continue;
    refuse("can't be reserved for ");
    errorText(": ");
    errorAddress(w.family, w.hi, w.lo);
    errorText(" lies in no range set of the network");
    return EXIT_ERROR;
  }
  refuse("can't be reserved for ");
  errorText(": two of --addresses lie in one range set, which gives one");
  return EXIT_ERROR;
}

function sayWhy(o: Order, status: i32): i32 {
  if (status == FAIL_EXHAUSTED) return refuse("nothing is free to be reserved for ");
  if (status == FAIL_LEFTOVER) return sayLeftOver(o);
  refuse("can't be reserved for ");
  errorText(": ");
  let family = 4;
  for (let i = 0; i < wantedCount; i++) {
    const w = wantedAt(wanted, i);
    if (w.hi == failHi && w.lo == failLo) family = w.family;
  }
  errorAddress(family, failHi, failLo);
  errorText(" isn't free (berth explain tells why)");
  return EXIT_ERROR;
}

function tell(o: Order, due: u32): void {
  printHere();
  if (isJson) {
    member("reserved");
    open(91);
  }
  for (let i = 0; i < o.setCount; i++) {
    const g = givenAt(o.given, i);
    const set = setAt(o.sets, i);
    if (isJson) {
      item();
      sayQuoted(set.family, g.hi, g.lo);
    } else {
      say("reserved ");
      sayAddress(set.family, g.hi, g.lo);
      say("\n");
    }
  }
  if (isJson) {
    close(93);
    member("until");
    jsonMoment(wallOf(due));
  } else {
    say("until ");
    sayMoment(wallOf(due));
    say("\n");
  }
}

/** Reserves in the open store. EXIT_ERROR: an error began. */
export function keeping(): i32 {
  targetRead();
  if (targetBytes > <i32>NAME_MAX) return refuse("a name has 512 bytes at most: ");
  const settings = configured();
  if (settings == 0)
    return refuse(
      settingsTooLarge()
        ? "the network's ranges aren't known (they have more than 16 KiB), to reserve for "
        : "the network's ranges aren't known (no ADD yet), to reserve for ",
    );
  if (hasAlready()) return refuse("there are addresses held by or reserved for ");
  if (imageGrow(ROOM) < 0) {
    diskError("hold another reservation: berth.state can't grow in ", ENOSPC);
    return EXIT_ERROR;
  }
  eventCause(CAUSE_OPERATOR);
  const o = makeOrder(changetype<Settings>(settings));
  const status = seekAllocate(o);
  if (status == SEEK_FAILED) return EXIT_ERROR;
  if (status != ALLOCATED) return sayWhy(o, status);
  const head = recordByOwner(KIND_OTHER, o.id, 0, o.ifname, 0);
  const due = dueAfter(o.now, <u32>seconds);
  if (!reserve(head, due, o.now, o.number)) {
    diskError("hold another reservation: berth.state can't grow in ", ENOSPC);
    return EXIT_ERROR;
  }
  tell(o, due);
  return sessionCommit() ? EXIT_OK : EXIT_ERROR;
}

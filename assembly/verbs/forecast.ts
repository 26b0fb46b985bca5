// `berth forecast`: what will become free or run out, and when. For each range set what it holds
// and, at the pace of the recorder's history (pace.ts), when nothing is free any more; which
// reservations expire next, and how many on each of the days after; how long cool-downs last.
//
// Reservations and cool-downs lie in the expiry tree in the order of their times. Cost: what is
// held, reserved and cooling, once.
import { EXPIRY } from "../image/header";
import { EXIT_OK } from "../numbers";
import { close, item, member, open, valueNumber, valueText } from "../protocol/document";
import { textByte, textString } from "../protocol/text";
import { cellHasFamily, cellHi, cellLo, headAt, KIND_MORE, KIND_NAME } from "../records/cell";
import { DUE_RESERVED } from "../records/expiry";
import { CHAIN_MAX, nameText, nextOfKind, textAt } from "../records/key";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { foundLo, radixNextTaken } from "../sets/radix";
import { askAt, askBad, askBytes, askNumber, askOption } from "./ask";
import { sayCensus } from "./captions";
import { Census, censusBegin, censusOf } from "./census";
import { jsonMoment, NEVER, sayName } from "./holding";
import { knownSet, sayUnknown, settings } from "./known";
import { jsonCensus } from "./metrics";
import { paceChange, paceEnd, paceOf, paceSeconds } from "./pace";
import { isThisBoot } from "./place";
import { isJson, printHere, printRoom, say, sayAddress, sayNumber, sayQuoted } from "./print";
import { cellEnd, rowEnd, tableBegin, tablePrint } from "./table";
import { bootTime, sayMoment, saySpan, wallOf, wallTime } from "./times";
import { waitingCooling, waitingLast } from "./waiting";
import { wideNumber } from "./wide";

const DAY: u32 = 86400;
/** A pace that needs 100 years is none. */
const YEARS: u64 = 3153600000;
const DAYS: i32 = 14;
const NEXT_MOST: i32 = 1000;

// How many reservations are listed one by one.
let listed: i32 = 10;
// Reservations that end on each of the days from now on; the last counts all after.
let days: usize = 0;
let never: u64 = 0;
let listedNow: i32 = 0;

/** Is --next a number? */
export function forecastAccepts(): bool {
  listed = 10;
  days = scratchTake(<usize>(DAYS + 1) * 8);
  if (!askOption("next")) return true;
  listed = askNumber();
  if (listed >= 0 && listed <= NEXT_MOST) return true;
  return askBad("next", askAt, askBytes, "use a number from 0 to 1000");
}

/** Tells what is to come in the copied image. */
export function forecast(): i32 {
  const count = censusBegin();
  if (isJson) forecastJson(count);
  else forecastText(count);
  return EXIT_OK;
}

function forecastText(count: i32): void {
  const c = changetype<Census>(scratchTake(offsetof<Census>()));
  if (settings == 0) sayUnknown();
  for (let i = 0; i < count; i++) {
    const mark = scratchMark();
    censusOf(i, c);
    say("set ");
    sayNumber(i);
    say(": ");
    sayCensus(c);
    say("\n");
    if (isThisBoot) paceText(i, c);
    scratchRewind(mark);
  }
  if (!isThisBoot) {
    say("This state is of another boot: its times can't be told.\n");
    return;
  }
  coolingText();
  reservationsText();
}

// When the set runs out at the pace of the history.
function paceText(i: i32, c: Census): void {
  paceOf(changetype<usize>(knownSet(i)));
  if (paceSeconds == 0) {
    say("  too little history to tell a pace\n");
    return;
  }
  say("  in the last ");
  saySpan(paceSeconds);
  say(paceChange < 0 ? ", " : ", +");
  sayNumber(paceChange);
  say(": ");
  const end = paceEnd(wideNumber(c.freeHi, c.freeLo));
  if (end < 0) say("it doesn't run out at this pace\n");
  else if (end > <f64>YEARS) say("at this pace it lasts more than 100 years\n");
  else {
    say("at this pace nothing is free in ");
    saySpan(<u64>end);
    say("\n");
  }
}

function coolingText(): void {
  const cooling = waitingCooling();
  if (cooling == 0) return;
  say("cooling: ");
  sayNumber(<i64>cooling);
  say(cooling == 1 ? " address, free in " : " addresses, the last of them free in ");
  if (waitingLast == NEVER) say("136 years");
  else saySpan(waitingLast - bootTime());
  say("\n");
}

// The addresses of a record, with a blank between two; as JSON strings if that is wanted.
function sayAddresses(head: u32): void {
  let cell = head;
  let first = true;
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0; step++) {
    for (let family: u32 = 4; family <= 6; family += 2) {
      if (!cellHasFamily(cell, family)) continue;
      const hi = cellHi(cell, family);
      const lo = cellLo(cell, family);
      if (isJson) {
        item();
        sayQuoted(<i32>family, hi, lo);
      } else {
        if (!first) textByte(32);
        sayAddress(<i32>family, hi, lo);
      }
      first = false;
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
}

function sayRow(head: u32, until: u32): void {
  sayName(head);
  cellEnd();
  sayAddresses(head);
  cellEnd();
  textString("in ");
  saySpan(until - bootTime());
  cellEnd();
  sayMoment(wallOf(until));
  cellEnd();
  rowEnd();
}

function jsonRow(head: u32, until: u32): void {
  item();
  open(123);
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0) {
    member("name");
    const bytes = <i32>nameText(name);
    valueText(textAt, bytes);
  }
  member("addresses");
  open(91);
  sayAddresses(head);
  close(93);
  member("until");
  jsonMoment(wallOf(until));
  close(125);
  printRoom();
}

function heading(): void {
  textString("RESERVED FOR");
  cellEnd();
  textString("ADDRESSES");
  cellEnd();
  textString("FREE");
  cellEnd();
  textString("AT");
  cellEnd();
  rowEnd();
}

// Walks the reservations in the order of their ends: shows the first ones, counts the others by
// days. Due ones are as good as free.
function walkReservations(): void {
  let lo: u64 = 0;
  listedNow = 0;
  memory.fill(days, 0, <usize>(DAYS + 1) * 8);
  never = 0;
  while (radixNextTaken(EXPIRY, DUE_RESERVED, lo, DUE_RESERVED, u64.MAX_VALUE)) {
    const until = <u32>(foundLo >> 32);
    const head = <u32>foundLo;
    lo = foundLo + 1;
    if (lo == 0) return;
    if (until <= bootTime()) continue;
    if (until == NEVER) never++;
    else if (listedNow < listed) {
      listedNow++;
      if (isJson) jsonRow(headAt(head), until);
      else sayRow(headAt(head), until);
    } else {
      const day = min<u32>((until - bootTime()) / DAY, <u32>DAYS);
      const p = days + ((<usize>day) << 3);
      store<u64>(p, load<u64>(p) + 1);
    }
  }
}

function reservationsText(): void {
  tableBegin();
  heading();
  walkReservations();
  printHere();
  if (listedNow > 0) {
    say("\n");
    tablePrint();
    heading();
    walkReservations();
    printHere();
  }
  let hasMore = false;
  for (let day = 0; day <= DAYS; day++) {
    const count = load<u64>(days + ((<usize>day) << 3));
    if (count == 0) continue;
    hasMore = true;
    sayNumber(<i64>count);
    if (day == DAYS) say(" more after ");
    else say(" more within day ");
    sayNumber(day == DAYS ? day : day + 1);
    say(day == DAYS ? " days\n" : "\n");
  }
  if (never > 0) {
    sayNumber(<i64>never);
    say(" never end\n");
  } else if (listedNow == 0 && !hasMore) say("no reservations\n");
}

function jsonPace(i: i32, c: Census): void {
  paceOf(changetype<usize>(knownSet(i)));
  if (paceSeconds == 0) return;
  member("history");
  open(123);
  member("seconds");
  valueNumber(<i64>paceSeconds);
  member("change");
  valueNumber(paceChange);
  close(125);
  const end = paceEnd(wideNumber(c.freeHi, c.freeLo));
  if (end < 0 || end > <f64>YEARS) return;
  member("runsOut");
  jsonMoment(wallTime() + <u64>end);
}

function jsonSets(count: i32): void {
  const c = changetype<Census>(scratchTake(offsetof<Census>()));
  member("sets");
  if (settings == 0) {
    say("null");
    return;
  }
  open(91);
  for (let i = 0; i < count; i++) {
    const mark = scratchMark();
    censusOf(i, c);
    item();
    open(123);
    jsonCensus(c);
    if (isThisBoot) jsonPace(i, c);
    close(125);
    printRoom();
    scratchRewind(mark);
  }
  close(93);
}

function forecastJson(count: i32): void {
  jsonSets(count);
  if (!isThisBoot) return;
  member("cooling");
  open(123);
  member("addresses");
  valueNumber(<i64>waitingCooling());
  if (waitingLast != 0 && waitingLast != NEVER) {
    member("until");
    jsonMoment(wallOf(waitingLast));
  }
  close(125);
  member("reservations");
  open(123);
  member("next");
  open(91);
  walkReservations();
  close(93);
  member("moreByDay");
  open(91);
  for (let day = 0; day <= DAYS; day++) {
    item();
    valueNumber(load<i64>(days + ((<usize>day) << 3)));
  }
  close(93);
  member("never");
  valueNumber(<i64>never);
  close(125);
}

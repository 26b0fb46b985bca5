// `berth show`: what is held, reserved or cooling, in the order of the addresses, IPv4 first.
// Memory doesn't grow with what is shown: a walk of the taken-trees counts and measures, a second
// prints.

import { treeOf } from "../pool/pool";
import { close, item, member, open, valueNumber, valuePlain } from "../protocol/document";
import { sameText, textString } from "../protocol/text";
import { recordByAddress } from "../records/record";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { askAt, askBad, askBytes, askOption } from "./ask";
import {
  holdingDue,
  holdingHead,
  holdingOf,
  holdingSince,
  IS_COOLING,
  IS_FREE,
  IS_HELD,
  IS_RESERVED,
  jsonRecord,
  NEVER,
  sayInterface,
  sayName,
  sayOwner,
  stateWord,
} from "./holding";
import { isThisBoot } from "./place";
import { isJson, printHere, printRoom, say, sayAddress, sayNumber, sayQuoted } from "./print";
import { cellEnd, rowEnd, tableBegin, tablePrint } from "./table";
import { bootTime, saySpan } from "./times";

const COUNT: i32 = 0;
const ROWS: i32 = 1;
const JSON: i32 = 2;

let held: u64 = 0;
let reserved: u64 = 0;
let cooling: u64 = 0;
// IS_... that alone is wanted; IS_FREE = all.
let only: i32 = IS_FREE;

function count(state: i32): void {
  if (state == IS_HELD) held++;
  else if (state == IS_RESERVED) reserved++;
  else cooling++;
}

function sayRow(family: i32, hi: u64, lo: u64, state: i32): void {
  sayAddress(family, hi, lo);
  cellEnd();
  textString(stateWord(state));
  cellEnd();
  sayName(holdingHead);
  cellEnd();
  sayOwner(holdingHead);
  cellEnd();
  sayInterface(holdingHead);
  cellEnd();
  const since = holdingSince(holdingHead);
  if (isThisBoot && since <= bootTime()) saySpan(bootTime() - since);
  cellEnd();
  if (state != IS_HELD && isThisBoot && holdingDue != NEVER) {
    textString("in ");
    saySpan(holdingDue - bootTime());
  }
  cellEnd();
  rowEnd();
}

function jsonRow(family: i32, hi: u64, lo: u64, state: i32): void {
  item();
  open(123);
  member("address");
  sayQuoted(family, hi, lo);
  member("state");
  valuePlain(stateWord(state));
  jsonRecord(holdingHead, state);
  close(125);
  printRoom();
}

// Goes through the addresses of a family: what is to be done with each is `how`.
function walk(family: i32, how: i32): void {
  let hi: u64 = 0;
  let lo: u64 = 0;
  for (;;) {
    // Each step finds a larger address (radixNextTaken traps otherwise), so it ends.
    if (!radixNextTaken(treeOf(family), hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) return;
    hi = foundHi;
    lo = foundLo;
    const cell = recordByAddress(<u32>family, hi, lo);
    const state = cell == 0 ? IS_FREE : holdingOf(cell);
    if (state != IS_FREE && (only == IS_FREE || only == state)) {
      if (how == COUNT) count(state);
      if (how == JSON) jsonRow(family, hi, lo, state);
      else sayRow(family, hi, lo, state);
    }
    lo++;
    if (lo == 0) hi++;
    if (lo == 0 && hi == 0) return;
  }
}

function heading(): void {
  textString("ADDRESS");
  cellEnd();
  textString("STATE");
  cellEnd();
  textString("NAME");
  cellEnd();
  textString("OWNER");
  cellEnd();
  textString("INTERFACE");
  cellEnd();
  textString("FOR");
  cellEnd();
  textString("FREE");
  cellEnd();
  rowEnd();
}

/** Does --only name a state? */
export function showAccepts(): bool {
  only = IS_FREE;
  if (!askOption("only")) return true;
  for (let state = IS_HELD; state <= IS_COOLING; state++) {
    if (sameText(askAt, askBytes, stateWord(state))) only = state;
  }
  if (only != IS_FREE) return true;
  return askBad("only", askAt, askBytes, "use held, reserved or cooling");
}

/** Shows the copied image. Answers the exit status. */
export function show(): i32 {
  held = 0;
  reserved = 0;
  cooling = 0;
  tableBegin();
  heading();
  walk(4, COUNT);
  walk(6, COUNT);
  if (isJson) {
    printHere();
    showJson();
    return 0;
  }
  printHere();
  say("addresses: ");
  sayNumber(<i64>held);
  say(" held, ");
  sayNumber(<i64>reserved);
  say(" reserved, ");
  sayNumber(<i64>cooling);
  say(" cooling\n");
  if (!isThisBoot) {
    say("This state is of another boot: its times can't be told. The next call of the plugin on ");
    say("its own node ends what containers held.\n");
  }
  if (held + reserved + cooling == 0) return 0;
  tablePrint();
  heading();
  walk(4, ROWS);
  walk(6, ROWS);
  printHere();
  return 0;
}

function showJson(): void {
  member("held");
  valueNumber(<i64>held);
  member("reserved");
  valueNumber(<i64>reserved);
  member("cooling");
  valueNumber(<i64>cooling);
  member("addresses");
  open(91);
  walk(4, JSON);
  walk(6, JSON);
  close(93);
}

// `berth map`: pictures of the range sets (picture.ts), for a terminal in colours or plain letters,
// as JSON, or as one SVG document (svg.ts).
//
//   terminal   a character is two cells, one above the other (▀ in two colours): 64 x 64 cells
//   plain      a letter is a cell, a blank between two: 32 x 32 cells

import * as host from "../host";
import { SETS_MAX } from "../image/header";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { Range, RangeSet, rangeAt } from "../pool/range";
import { close, item, member, open, valueNumber } from "../protocol/document";
import { ERROR_PLUGIN, errorBegin, errorNumber, errorText } from "../protocol/errors";
import { textByte } from "../protocol/text";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { askApart, askAt, askBad, askBytes, askNumber, askOption } from "./ask";
import { sayCensus, sayFrame, sayRange } from "./captions";
import { Census, censusBegin, censusOf } from "./census";
import { knownSet, sayUnknown, settings } from "./known";
import { jsonCensus } from "./metrics";
import {
  pictureBits,
  pictureCellBits,
  pictureColumns,
  pictureHi,
  pictureLetter,
  pictureLo,
  pictureOf,
  pictureReserve,
  pictureRows,
} from "./picture";
import { failed, isJson, printRoom, say, sayAddress, sayNumber, sayQuoted } from "./print";
import { svg } from "./svg";

/** Cells of a picture in plain letters, and in colours (log2). */
const PLAIN_BITS: i32 = 10;
const COLOUR_BITS: i32 = 12;

let inColour: bool = false;
// The set that alone is wanted; -1 = all.
let only: i32 = -1;

function isSet(name: string): bool {
  const at = scratchTake(32);
  for (let i = 0; i < name.length; i++) {
    store<u8>(at + i, load<u8>(changetype<usize>(name) + ((<usize>i) << 1)));
  }
  return host.env(at, name.length, 0, 0) > 0;
}

/** Is the answer one SVG document? */
export function mapIsSvg(): bool {
  return askOption("svg");
}

/** Do the options fit together? */
export function mapAccepts(): bool {
  const plain = askOption("plain");
  const colour = askOption("color");
  if (plain && colour) return askApart("--plain", "--color", "letters or colours, say which");
  if (askOption("svg")) {
    const why = "the answer is one SVG document";
    if (plain) return askApart("--plain", "--svg", why);
    if (colour) return askApart("--color", "--svg", why);
    if (isJson) return askApart("--json", "--svg", why);
  }
  if (isJson) {
    const why = "the answer is no text";
    if (plain) return askApart("--plain", "--json", why);
    if (colour) return askApart("--color", "--json", why);
  }
  inColour = colour || (!plain && !isSet("NO_COLOR") && host.terminal(1) == 1);
  only = -1;
  if (askOption("set")) {
    only = askNumber();
    if (only < 0 || only >= <i32>SETS_MAX) {
      return askBad("set", askAt, askBytes, "use the number of a range set, from 0 to 31");
    }
  }
  pictureReserve();
  return true;
}

function noSet(count: i32): i32 {
  errorBegin(ERROR_PLUGIN);
  errorText("there is no range set ");
  errorNumber(only);
  errorText(", the network has ");
  errorNumber(count);
  errorText(", counted from 0");
  return askOption("svg") ? failed("map") : EXIT_ERROR;
}

// What is no document isn't written where one is expected.
function noPicture(): i32 {
  errorBegin(ERROR_PLUGIN);
  errorText(
    "the network's ranges aren't known, to be drawn: the state keeps those of the last ADD, ",
  );
  errorText("if they have no more than 16 KiB");
  return failed("map");
}

/** Draws the copied image. EXIT_ERROR: no range set of --set, or none for an SVG document. */
export function map(): i32 {
  const count = censusBegin();
  if (only >= count && settings != 0) return noSet(count);
  if (settings == 0 && askOption("svg")) return noPicture();
  if (isJson) mapJson(count);
  else if (settings == 0) sayUnknown();
  else if (askOption("svg")) svg(only, askOption("whole"));
  else mapText(count);
  return EXIT_OK;
}

function mapText(count: i32): void {
  const c = changetype<Census>(scratchTake(offsetof<Census>()));
  for (let i = 0; i < count; i++) {
    if (only >= 0 && only != i) continue;
    const mark = scratchMark();
    censusOf(i, c);
    const set = knownSet(i);
    say("\nset ");
    sayNumber(i);
    say(", ");
    sayCensus(c);
    say("\n");
    for (let n = 0; n < set.count; n++) mapRange(rangeAt(set, n));
    scratchRewind(mark);
  }
  legend();
}

function mapRange(r: Range): void {
  pictureOf(r, inColour ? COLOUR_BITS : PLAIN_BITS, askOption("whole"));
  say("\n");
  sayRange(r);
  say("\n");
  sayFrame(r);
  say("\n\n");
  if (inColour) drawColours();
  else drawLetters();
}

function drawLetters(): void {
  for (let y = 0; y < pictureRows; y++) {
    let width = pictureColumns;
    while (width > 0 && pictureLetter(width - 1, y) == 32) width--;
    for (let x = 0; x < width; x++) {
      textByte(32);
      textByte(pictureLetter(x, y));
    }
    say("\n");
    printRoom();
  }
}

// A letter's colour of the 256 that terminals know; 0 = none (outside).
function colour(letter: u32): i32 {
  switch (letter) {
    case 72:
      return 27;
    case 104:
      return 75;
    case 82:
      return 208;
    case 114:
      return 222;
    case 67:
      return 129;
    case 99:
      return 183;
    case 88:
      return 240;
    case 120:
      return 247;
    case 46:
      return 71;
    default:
      return 0;
  }
}

function sayColour(ground: string, number: i32): void {
  textByte(27);
  say("[");
  say(ground);
  say(";5;");
  sayNumber(number);
  say("m");
}

function sayReset(): void {
  textByte(27);
  say("[0m");
}

function drawColours(): void {
  for (let y = 0; y < pictureRows; y += 2) {
    let before = -1;
    for (let x = 0; x < pictureColumns; x++) {
      const top = colour(pictureLetter(x, y));
      const low = y + 1 < pictureRows ? colour(pictureLetter(x, y + 1)) : 0;
      if (((top << 8) | low) != before) {
        sayReset();
        if (top != 0) sayColour("38", top);
        if (low != 0) sayColour(top != 0 ? "48" : "38", low);
        before = (top << 8) | low;
      }
      say(top != 0 ? "▀" : low != 0 ? "▄" : " ");
    }
    sayReset();
    say("\n");
    printRoom();
  }
}

function entry(letter: u32, what: string): void {
  if (inColour) {
    sayColour("38", colour(letter));
    say("█");
    sayReset();
  } else textByte(letter);
  say(" ");
  say(what);
}

function legend(): void {
  say("\n");
  entry(72, "held  ");
  entry(82, "reserved  ");
  entry(67, "cooling  ");
  entry(88, "never given (gateway, excluded)  ");
  entry(46, "free\n");
  say(inColour ? "paler: " : "small letters: ");
  say("fewer than half of the cell's addresses; blank: outside the range\n");
}

function jsonPicture(r: Range): void {
  pictureOf(r, COLOUR_BITS, askOption("whole"));
  item();
  open(123);
  member("first");
  sayQuoted(r.family, r.startHi, r.startLo);
  member("last");
  sayQuoted(r.family, r.endHi, r.endLo);
  member("shown");
  textByte(34);
  sayAddress(r.family, pictureHi, pictureLo);
  say("/");
  sayNumber((r.family == 4 ? 32 : 128) - pictureBits);
  textByte(34);
  member("cellBits");
  valueNumber(pictureCellBits);
  member("columns");
  valueNumber(pictureColumns);
  member("rows");
  valueNumber(pictureRows);
  member("cells");
  open(91);
  for (let y = 0; y < pictureRows; y++) {
    item();
    textByte(34);
    for (let x = 0; x < pictureColumns; x++) textByte(pictureLetter(x, y));
    textByte(34);
    printRoom();
  }
  close(93);
  close(125);
}

function jsonSet(set: RangeSet): void {
  member("ranges");
  open(91);
  for (let n = 0; n < set.count; n++) jsonPicture(rangeAt(set, n));
  close(93);
}

function mapJson(count: i32): void {
  member("sets");
  if (settings == 0) {
    say("null");
    return;
  }
  const c = changetype<Census>(scratchTake(offsetof<Census>()));
  open(91);
  for (let i = 0; i < count; i++) {
    if (only >= 0 && only != i) continue;
    censusOf(i, c);
    item();
    open(123);
    jsonCensus(c);
    jsonSet(knownSet(i));
    close(125);
  }
  close(93);
}

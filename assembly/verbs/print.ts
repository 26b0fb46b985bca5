// What a verb prints: text for people or JSON, through one buffer to stdout, so that a list of any
// length needs a fixed memory. `say...` write to it; after each row `printRoom` empties it in time.
//
// JSON is laid out by protocol/document.ts. Errors go elsewhere (failed).
import { ADDRESS_BYTES, formatAddress } from "../address";
import { output, write } from "../host";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { documentBack, documentKeep } from "../protocol/document";
import { EPIPE } from "../protocol/errno";
import {
  ERROR_DISK,
  errorBegin,
  errorErrno,
  errorPlain,
  errorPrint,
  errorText,
} from "../protocol/errors";
import {
  Text,
  textByte,
  textBytes,
  textClear,
  textNumber,
  textString,
  textTake,
  textTo,
} from "../protocol/text";
import { scratchTake } from "../scratch";

const BUFFER_BYTES: i32 = 131072;

let out: Text = changetype<Text>(0);
let word: usize = 0;
// -errno of the first write to stdout that failed.
let unwritten: i32 = 0;
// Something is out already.
let begun: bool = false;
// A file instead of stdout, what it has already, and what writing said.
let into: i32 = -1;
let written: u32 = 0;
let status: i32 = 0;
// What of the buffer stays if the verb ends in the middle of a row.
let whole: i32 = 0;

/** Is the answer to be JSON? */
export let isJson: bool = false;

/** Takes the buffer, once. */
export function printReserve(json: bool): void {
  out = textTake(BUFFER_BYTES);
  word = scratchTake(ADDRESS_BYTES + 3);
  isJson = json;
  unwritten = 0;
  begun = false;
  into = -1;
  whole = 0;
  textTo(out);
}

/** What is written next goes to stdout (after an error or a table has had the word). */
export function printHere(): void {
  textTo(out);
}

/** What is printed from here on goes to an open file; -1: to stdout again. */
export function printInto(file: i32): void {
  printFlush();
  into = file;
  written = 0;
  status = 0;
}

/** -errno of the first write to the file that failed; 0 = none did. */
export function printIntoFailed(): i32 {
  return status;
}

/** Writes out what is in the buffer. */
export function printFlush(): void {
  whole = 0;
  if (out.length == 0) return;
  if (into >= 0) {
    if (status >= 0) status = write(into, written, out.at, <u32>out.length);
    written += <u32>out.length;
    textClear(out);
    return;
  }
  begun = true;
  const done = output(1, out.at, out.length);
  if (done < 0 && unwritten == 0) unwritten = done;
  textClear(out);
}

/** Writes out if the buffer is half full: to be called after each row. */
export function printRoom(): void {
  if (out.length > BUFFER_BYTES / 2) printFlush();
  whole = out.length;
  documentKeep();
}

/** Is something of the answer out already? */
export function printBegun(): bool {
  return begun;
}

/** Takes back what was printed since the last `printRoom`. */
export function printBack(): void {
  out.length = min(out.length, whole);
  textTo(out);
  documentBack();
}

/**
 * The end of a verb that has done its work: EXIT_ERROR where nobody could be told. Of a reader that
 * went away (`berth show | head`) nothing is said.
 */
export function printEnd(status: i32): i32 {
  printFlush();
  if (unwritten == 0 || status != EXIT_OK) return status;
  if (unwritten != -EPIPE) {
    errorBegin(ERROR_DISK);
    errorText("the answer can't be written to stdout: ");
    errorErrno(unwritten);
    errorPlain("");
  }
  return EXIT_ERROR;
}

/** A literal. */
export function say(s: string): void {
  textString(s);
}

/** Bytes as they are. */
export function sayBytes(at: usize, bytes: i32): void {
  textBytes(at, bytes);
}

/** A number. */
export function sayNumber(n: i64): void {
  textNumber(n);
}

/** An address. */
export function sayAddress(family: i32, hi: u64, lo: u64): void {
  textBytes(word, formatAddress(family, hi, lo, word));
}

/** An address in quotes, as a JSON string. */
export function sayQuoted(family: i32, hi: u64, lo: u64): void {
  textByte(34);
  sayAddress(family, hi, lo);
  textByte(34);
}

/**
 * The pending error, for a person on stderr, else as JSON on stdout unless a part of the answer is
 * out already. EXIT_ERROR.
 */
export function failed(verb: string): i32 {
  if (isJson && !begun) {
    textClear(out);
    errorPrint();
    store<u8>(word, 10);
    output(1, word, 1);
    return EXIT_ERROR;
  }
  printFlush();
  errorPlain(verb);
  return EXIT_ERROR;
}

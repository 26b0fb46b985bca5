// The error that a call answers with: a code, a message and details, put together piece by piece
// and printed once, as one JSON object on stdout. docs/ERRORS.md lists the codes.
//
//   errorBegin(999); errorText("mkdir "); errorBytes(at, bytes); ... return errorPrint();
//
// Message and details are cut at 64 KiB each: they may quote what the caller sent.
import { ADDRESS_BYTES, formatAddress } from "../address";
import { output } from "../host";
import { EXIT_ERROR } from "../numbers";
import { Range, RangeSet, rangeAt } from "../pool/range";
import { scratchTake } from "../scratch";
import { answer } from "./answer";
import { close, documentBegin, member, open, valueNumber, valueText } from "./document";
import { textErrno } from "./errno";
import {
  Text,
  textByte,
  textBytes,
  textClear,
  textFar,
  textHead,
  textNumber,
  textQuote,
  textQuoteRune,
  textString,
  textTake,
  textTo,
} from "./text";

/** Codes of the CNI specification, and 8 and 999, which upstream's library adds. */
export const ERROR_VERSION: i32 = 1;
export const ERROR_ENVIRONMENT: i32 = 4;
export const ERROR_STDIN: i32 = 5;
export const ERROR_DECODING: i32 = 6;
export const ERROR_NETWORK: i32 = 7;
export const ERROR_NETNS: i32 = 8;
export const ERROR_TRY_AGAIN: i32 = 11;
export const ERROR_UNAVAILABLE: i32 = 50;
export const ERROR_PLUGIN: i32 = 999;

/** Our own codes. */
export const ERROR_INPUT_SIZE: i32 = 100;
export const ERROR_LIMIT: i32 = 101;
export const ERROR_DAMAGED: i32 = 102;
export const ERROR_NEWER_STATE: i32 = 103;
export const ERROR_EXCLUDED: i32 = 105;
export const ERROR_DISK: i32 = 106;
export const ERROR_ANNOTATION: i32 = 110;
export const ERROR_TAKEN: i32 = 111;
/** A file lies there that berth didn't write (verb install). */
export const ERROR_FOREIGN_FILE: i32 = 120;

const MESSAGE_BYTES: i32 = 65536;
const OUTPUT_BYTES: i32 = 2 * 6 * MESSAGE_BYTES + 4096;

let code: i32 = 0;
let message: Text = changetype<Text>(0);
let details: Text = changetype<Text>(0);
let printed: Text = changetype<Text>(0);
let current: Text = changetype<Text>(0);
let word: usize = 0;

// An error that waits while others may begin: errorAside, errorBack. Code 0: none does.
let asideCode: i32 = 0;
let asideMessage: Text = changetype<Text>(0);
let asideDetails: Text = changetype<Text>(0);

/** Reserves the buffers, so that an error can be told even when scratch is used up later. */
export function errorPrepare(): void {
  message = textHead();
  details = textHead();
  printed = textHead();
  word = scratchTake(ADDRESS_BYTES);
  textFar(message, MESSAGE_BYTES);
  textFar(details, MESSAGE_BYTES);
  textFar(printed, OUTPUT_BYTES);
  current = message;
  code = 0;
  asideCode = 0;
}

/** Begins an error; what was begun before is forgotten. */
export function errorBegin(number: i32): void {
  code = number;
  textClear(message);
  textClear(details);
  current = message;
}

/** Begins the error of an annotation of the pod: `annotation <name>: `. */
export function errorAnnotation(name: string): void {
  errorBegin(ERROR_ANNOTATION);
  errorText("annotation ");
  errorText(name);
  errorText(": ");
}

/** Gives the pending error another code (STATUS answers 50 whatever was wrong). */
export function errorCode(number: i32): void {
  code = number;
}

/** What follows goes to `details`. */
export function errorDetails(): void {
  current = details;
}

/** Adds a literal. */
export function errorText(s: string): void {
  textTo(current);
  textString(s);
}

/** Adds bytes as they are. */
export function errorBytes(at: usize, bytes: i32): void {
  textTo(current);
  textBytes(at, bytes);
}

/** Adds a text in quotes, as Go's %q. */
export function errorQuote(at: usize, bytes: i32): void {
  textTo(current);
  textQuote(at, bytes);
}

/** Adds a byte in single quotes, as Go names the character where JSON breaks off. */
export function errorCharacter(byte: u32): void {
  textTo(current);
  textByte(39);
  textQuoteRune(byte, 39);
  textByte(39);
}

/** Adds a number in decimal. */
export function errorNumber(n: i64): void {
  textTo(current);
  textNumber(n);
}

/** Adds an address. */
export function errorAddress(family: i32, hi: u64, lo: u64): void {
  textTo(current);
  textBytes(word, formatAddress(family, hi, lo, word));
}

/** Adds a prefix: 10.1.2.0/24. */
export function errorPrefix(family: i32, hi: u64, lo: u64, length: i32): void {
  errorAddress(family, hi, lo);
  textByte(47);
  textNumber(length);
}

/** Adds a range: 10.1.2.1-10.1.2.254. */
export function errorRange(range: Range): void {
  errorAddress(range.family, range.startHi, range.startLo);
  textByte(45);
  errorAddress(range.family, range.endHi, range.endLo);
}

/** Adds all ranges of a set: 10.0.0.1-10.0.0.2,10.0.1.1-10.0.1.2. */
export function errorRangeSet(set: usize): void {
  const s = changetype<RangeSet>(set);
  for (let i = 0; i < s.count; i++) {
    if (i > 0) errorText(",");
    errorRange(rangeAt(s, i));
  }
}

/** Adds the words for a host's answer (-errno). */
export function errorErrno(negative: i32): void {
  textTo(current);
  textErrno(negative);
}

/** Puts the pending error aside: what is begun from now on is another one. */
export function errorAside(): void {
  asideCode = code;
  asideMessage = message;
  asideDetails = details;
  message = textTake(MESSAGE_BYTES);
  details = textTake(MESSAGE_BYTES);
  current = message;
  code = 0;
}

/** Takes the error that was put aside back; what was begun since is forgotten. */
export function errorBack(): void {
  if (asideCode == 0) return;
  code = asideCode;
  message = asideMessage;
  details = asideDetails;
  current = message;
}

/** Was an error begun? */
export function errorPending(): bool {
  return code != 0;
}

/** The code of the error that was begun; 0 = none was. */
export function errorBegun(): i32 {
  return code;
}

/** Forgets the error. */
export function errorClear(): void {
  code = 0;
}

/**
 * Writes the error to stdout: 4 spaces of indentation, no final newline, `details` only if there
 * are any. Answers EXIT_ERROR (also when stdout is gone: the exit status is all that is left then).
 */
export function errorPrint(): i32 {
  textClear(printed);
  textTo(printed);
  documentBegin();
  errorValue();
  answer(printed.at, printed.length);
  return EXIT_ERROR;
}

/** The pending error as a value of the JSON document that is being written. */
export function errorValue(): void {
  open(123);
  member("code");
  valueNumber(code);
  member("msg");
  valueText(message.at, message.length);
  if (details.length > 0) {
    member("details");
    valueText(details.at, details.length);
  }
  close(125);
}

/** Writes the error to stderr for a person: `berth <verb>: <message>`, then the details. */
export function errorPlain(verb: string): void {
  textClear(printed);
  textTo(printed);
  textString("berth");
  if (verb.length > 0) textByte(32);
  textString(verb);
  textString(": ");
  textBytes(message.at, message.length);
  textByte(10);
  if (details.length > 0) {
    textBytes(details.at, details.length);
    textByte(10);
  }
  output(2, printed.at, printed.length);
}

// What a person asked: the words and options behind the verb. Options are --name VALUE,
// --name=VALUE or --flag, in any order; everything behind -- is a word. Which there are is told by
// the verb, as a list like "for= force": a name with = takes a value, and is given once. What looks
// like an option is a value behind = only.
//
//   ask    | at | bytes | value at | value bytes |   x ASKED_MAX: options that were given
//   word   | at | bytes |                            x WORDS_MAX
//
// Linear in the arguments. Refuses what it doesn't know (the caller prints the error, exit status
// 2). What a verb finds wrong with an argument it says through askBad, askMissing and askApart, so
// that each text names the argument, what is wrong with it, and what would be right.
import { argument } from "../host";
import {
  ERROR_ENVIRONMENT,
  errorBegin,
  errorBytes,
  errorQuote,
  errorText,
} from "../protocol/errors";
import { scratchTake } from "../scratch";
import { nearAt, nearBegin, nearBytes, nearTry } from "./near";

/** Arguments that are read. */
const ARGUMENTS_MAX: i32 = 64;
/** Bytes that one argument may have. */
const ARGUMENT_BYTES: i32 = 4096;
const WORDS_MAX: i32 = 16;
const ENTRY: usize = 32;
/** What a network's name may be (protocol/env.ts isName). */
export const NETWORK_NAME: string =
  "use a name of letters, digits and _ . -, the first a letter or a digit";
const COMMON: string = "json help network= data-dir= state= log=";

let options: usize = 0;
let optionCount: i32 = 0;
let words: usize = 0;
/** Words behind the verb that aren't options. */
export let askWords: i32 = 0;

/** Was -h given, the short form of --help? */
export let askHelp: bool = false;

/** The text that the last of the functions below has found. */
export let askAt: usize = 0;
export let askBytes: i32 = 0;

/** Takes the memory of the tables, once. */
export function askReserve(): void {
  options = scratchTake(<usize>ARGUMENTS_MAX * ENTRY);
  words = scratchTake(<usize>WORDS_MAX * 16);
  optionCount = 0;
  askWords = 0;
  askHelp = false;
}

/** Reads argument `n` into memory of its own: askAt, askBytes. false: there is none. */
export function askArgument(n: i32): bool {
  const bytes = argument(n, 0, 0);
  if (bytes < 0) return false;
  askAt = scratchTake(<usize>min<i32>(bytes, ARGUMENT_BYTES) + 1);
  argument(n, askAt, min<i32>(bytes, ARGUMENT_BYTES));
  askBytes = min<i32>(bytes, ARGUMENT_BYTES + 1);
  return true;
}

// Is the text at `at` the name in the list that begins at `from`? Sets `listEnd`.
let listEnd: i32 = 0;
function sameName(list: string, from: i32, at: usize, bytes: i32): bool {
  const p = changetype<usize>(list);
  listEnd = from;
  while (listEnd < list.length && load<u16>(p + ((<usize>listEnd) << 1)) != 32) listEnd++;
  let end = listEnd;
  if (end > from && load<u16>(p + ((<usize>(end - 1)) << 1)) == 61) end--;
  if (end - from != bytes) return false;
  for (let i = 0; i < bytes; i++) {
    const c = load<u16>(p + ((<usize>(from + i)) << 1));
    if (<u32>c != <u32>load<u8>(at + i)) return false;
  }
  return true;
}

// 0 = the list has no such option, 1 = a flag, 2 = with a value.
function kindIn(list: string, at: usize, bytes: i32): i32 {
  let from = 0;
  for (let step = 0; step < 64 && from < list.length; step++) {
    const same = sameName(list, from, at, bytes);
    if (same)
      return load<u16>(changetype<usize>(list) + ((<usize>(listEnd - 1)) << 1)) == 61 ? 2 : 1;
    from = listEnd + 1;
  }
  return 0;
}

// Tries each name of a list.
function nearIn(list: string): void {
  for (let from = 0; from < list.length; from = listEnd + 1) {
    sameName(list, from, 0, 0);
    const takes = load<u16>(changetype<usize>(list) + ((<usize>(listEnd - 1)) << 1)) == 61;
    nearTry(list, from, takes ? listEnd - 1 : listEnd);
  }
}

// Begins the error for an option that there isn't. Answers -1.
function unknownOption(list: string, at: usize, bytes: i32): i32 {
  askRefuse("unknown option --", at, bytes);
  nearBegin(at, bytes);
  nearIn(list);
  nearIn(COMMON);
  if (nearBytes == 0) return -1;
  errorText(": use --");
  errorBytes(nearAt, nearBytes);
  return -1;
}

/** Begins the error "<what><the argument>". Answers false. */
function askRefuse(what: string, at: usize, bytes: i32): bool {
  errorBegin(ERROR_ENVIRONMENT);
  errorText(what);
  errorBytes(at, bytes);
  return false;
}

/** Begins `--name "value": right`; `at` is what of the value is wrong. Answers false. */
export function askBad(name: string, at: usize, bytes: i32, right: string): bool {
  errorBegin(ERROR_ENVIRONMENT);
  errorText("--");
  errorText(name);
  errorText(" ");
  errorQuote(at, bytes);
  errorText(": ");
  errorText(right);
  return false;
}

/** Begins `what is missing: right`. Answers false. */
export function askMissing(what: string, right: string): bool {
  errorBegin(ERROR_ENVIRONMENT);
  errorText(what);
  errorText(" is missing: ");
  errorText(right);
  return false;
}

/** Begins `what can't stand with other: why`. Answers false. */
export function askApart(what: string, other: string, why: string): bool {
  errorBegin(ERROR_ENVIRONMENT);
  errorText(what);
  errorText(" can't stand with ");
  errorText(other);
  errorText(": ");
  errorText(why);
  return false;
}

/** Are there at most `most` words (0 or 1), not empty? Else an error begins that tells which. */
export function askWordsFit(most: i32): bool {
  if (askWords <= most) {
    if (askWords == 0) return true;
    askWord(0);
    return askBytes > 0 || askRefuse("the word behind the verb is empty", 0, 0);
  }
  askWord(most);
  errorBegin(ERROR_ENVIRONMENT);
  errorQuote(askAt, askBytes);
  errorText(" is one word too many: this verb takes ");
  errorText(most == 0 ? "options only" : "one word and options");
  return false;
}

function equalsAt(at: usize, bytes: i32): i32 {
  for (let i = 0; i < bytes; i++) if (load<u8>(at + i) == 61) return i;
  return bytes;
}

function isGiven(at: usize, bytes: i32): bool {
  for (let i = 0; i < optionCount; i++) {
    const p = options + <usize>i * ENTRY;
    if (load<i32>(p, 8) == bytes && memory.compare(load<usize>(p), at, bytes) == 0) return true;
  }
  return false;
}

function isLikeOption(): bool {
  return askBytes > 1 && load<u8>(askAt) == 45;
}

// Begins the error for an option behind which another one comes. Answers -1.
function noValue(at: usize, bytes: i32): i32 {
  const shown = min<i32>(askBytes, ARGUMENT_BYTES);
  askRefuse("a value is missing behind --", at, bytes);
  errorText(": ");
  errorBytes(askAt, shown);
  errorText(" looks like an option (as the value it is --");
  errorBytes(at, bytes);
  errorText("=");
  errorBytes(askAt, shown);
  errorText(")");
  return -1;
}

// One option, its argument being number `n`: the number of the next argument, -1 = refused.
function readOption(list: string, n: i32): i32 {
  const at = askAt + 2;
  const bytes = askBytes - 2;
  const name = equalsAt(at, bytes);
  const own = kindIn(list, at, name);
  const kind = own != 0 ? own : kindIn(COMMON, at, name);
  if (kind == 0) return unknownOption(list, at, name);
  if (kind == 1 && name < bytes) {
    askRefuse("this option takes no value: --", at, name);
    return -1;
  }
  if (kind == 2 && isGiven(at, name)) {
    askRefuse("this option is there twice, say it once: --", at, name);
    return -1;
  }
  let next = n + 1;
  let valueAt = at + name + 1;
  let valueBytes = bytes - name - 1;
  if (kind == 2 && name == bytes) {
    if (!askArgument(next)) {
      askRefuse("a value is missing behind --", at, name);
      return -1;
    }
    if (isLikeOption()) return noValue(at, name);
    valueAt = askAt;
    valueBytes = askBytes;
    next++;
  }
  const p = options + <usize>optionCount * ENTRY;
  store<usize>(p, at);
  store<i32>(p, name, 8);
  store<usize>(p, valueAt, 16);
  // -1: a flag.
  store<i32>(p, valueBytes, 24);
  optionCount++;
  return next;
}

/** Reads all arguments behind the verb; `list` = the verb's own options. false: an error began. */
export function askRead(list: string): bool {
  let all = false;
  for (let n = 1; n < ARGUMENTS_MAX; ) {
    if (!askArgument(n)) return true;
    if (askBytes > ARGUMENT_BYTES) return askRefuse("an argument has more than 4096 bytes", 0, 0);
    const dashes = !all && askBytes >= 2 && load<u8>(askAt) == 45 && load<u8>(askAt + 1) == 45;
    if (dashes && askBytes > 2) {
      n = readOption(list, n);
      if (n < 0) return false;
      continue;
    }
    if (dashes) all = true;
    else if (!all && askBytes == 2 && load<u8>(askAt) == 45 && load<u8>(askAt + 1) == 104) {
      askHelp = true;
    } else if (!all && askBytes > 1 && load<u8>(askAt) == 45) {
      return askRefuse("unknown option ", askAt, askBytes);
    } else {
      if (askWords == WORDS_MAX) return askRefuse("too many words: ", askAt, askBytes);
      store<usize>(words + <usize>askWords * 16, askAt);
      store<i32>(words + <usize>askWords * 16, askBytes, 8);
      askWords++;
    }
    n++;
  }
  return askRefuse("more than 64 arguments", 0, 0);
}

/** Was the option given? Sets askAt, askBytes to its value. */
export function askOption(name: string): bool {
  for (let i = 0; i < optionCount; i++) {
    const p = options + <usize>i * ENTRY;
    if (!sameName(name, 0, load<usize>(p), load<i32>(p, 8))) continue;
    askAt = load<usize>(p, 16);
    askBytes = load<i32>(p, 24);
    return true;
  }
  return false;
}

/** Has no option an empty value? Else an error begins that tells which. */
export function askFilled(): bool {
  for (let i = 0; i < optionCount; i++) {
    const p = options + <usize>i * ENTRY;
    if (load<i32>(p, 24) != 0) continue;
    askRefuse("--", load<usize>(p), load<i32>(p, 8));
    errorText(' "": a value is missing, or the option is left out');
    return false;
  }
  return true;
}

/** The value that askOption read as a number of at most 4 digits; -1: it is none. */
export function askNumber(): i32 {
  if (askBytes < 1 || askBytes > 4) return -1;
  let n = 0;
  for (let i = 0; i < askBytes; i++) {
    const c = <i32>load<u8>(askAt + i);
    if (c < 48 || c > 57) return -1;
    n = n * 10 + c - 48;
  }
  return n;
}

/** Word `n` behind the verb: askAt, askBytes. */
export function askWord(n: i32): void {
  askAt = load<usize>(words + <usize>n * 16);
  askBytes = load<i32>(words + <usize>n * 16, 8);
}

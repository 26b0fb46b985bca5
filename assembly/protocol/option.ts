// Values of options: one of some words, a length of time, a count; and the words of their refusals.
// All refusals have code 999 and say what would be right.
import { errorBytes, errorNumber, errorQuote, errorText } from "./errors";
import { refuse } from "./field";
import { JSON_LIST, JSON_NUMBER, JSON_STRING, jsonAt, jsonBytes, jsonKind } from "./json";
import { jsonInteger, jsonNumber, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";
import { sameText } from "./text";

/** Adds the value as it was written, unless it is long. */
export function errorValue(node: i32): void {
  if (jsonKind(node) == JSON_STRING) {
    jsonText(node);
    errorQuote(jsonTextAt, jsonTextBytes);
  } else if (jsonKind(node) >= JSON_LIST) {
    errorText(jsonKind(node) == JSON_LIST ? "[...]" : "{...}");
  } else {
    errorBytes(jsonAt(node), jsonBytes(node));
  }
}

/** Begins the error for `ipam.<key>`, whose value is none of `right`. Answers false. */
export function unknown(node: i32, key: string, right: string): bool {
  refuse("ipam.");
  errorText(key);
  errorText(" ");
  errorValue(node);
  errorText(" is unknown: use ");
  errorText(right);
  return false;
}

/** Position of the value among up to three words; 0 if it is absent, -1 if it is none of them. */
export function choice(node: i32, a: string, b: string, c: string): i32 {
  if (node == 0) return 0;
  if (jsonKind(node) != JSON_STRING) return -1;
  jsonText(node);
  if (sameText(jsonTextAt, jsonTextBytes, a)) return 0;
  if (sameText(jsonTextAt, jsonTextBytes, b)) return 1;
  return c.length > 0 && sameText(jsonTextAt, jsonTextBytes, c) ? 2 : -1;
}

// Seconds in `<digits><unit>`, -1 if it isn't that.
function duration(at: usize, bytes: i32): i64 {
  if (bytes < 2 || bytes > 11) return -1;
  const unit = load<u8>(at + bytes - 1);
  const factor: i64 = unit == 115 ? 1 : unit == 109 ? 60 : unit == 104 ? 3600 : 0;
  if (factor == 0) return -1;
  let n: i64 = 0;
  for (let i = 0; i < bytes - 1; i++) {
    const c = <i64>load<u8>(at + i);
    if (c < 48 || c > 57) return -1;
    n = n * 10 + (c - 48);
  }
  return n * factor;
}

/** Seconds in a text: digits alone (ten at most), or as `duration` has it; -1 if it isn't that. */
export function secondsOf(at: usize, bytes: i32): i64 {
  let n: i64 = 0;
  for (let i = 0; i < bytes; i++) {
    const c = <i64>load<u8>(at + i);
    if (c < 48 || c > 57 || i == 10) return duration(at, bytes);
    n = n * 10 + (c - 48);
  }
  return bytes > 0 ? n : -1;
}

/** The length of time that `optionTime` read (seconds). */
export let optionSeconds: u32 = 0;

/**
 * Reads a length of time: seconds, or a text with a unit; `none` where the key is absent. False
 * with a pending error for `ipam.<key>`.
 */
export function optionTime(node: i32, key: string, none: u32): bool {
  optionSeconds = none;
  if (node == 0) return true;
  let seconds: i64 = -1;
  if (jsonKind(node) == JSON_NUMBER) {
    if (jsonInteger(node)) seconds = jsonNumber;
  } else if (jsonKind(node) == JSON_STRING) {
    jsonText(node);
    seconds = duration(jsonTextAt, jsonTextBytes);
  }
  if (seconds >= 0 && seconds <= <i64>u32.MAX_VALUE) {
    optionSeconds = <u32>seconds;
    return true;
  }
  refuse("ipam.");
  errorText(key);
  errorText(" ");
  errorValue(node);
  errorText(' is no length of time: use seconds (30) or a text with a unit ("30s", "5m", "24h")');
  return false;
}

/** The count that `optionCount` read. */
export let optionNumber: u32 = 0;

/** Reads a whole number from 0 to `most`; 0 where the key is absent. False with a pending error. */
export function optionCount(node: i32, key: string, most: i32): bool {
  optionNumber = 0;
  if (node == 0) return true;
  const whole = jsonKind(node) == JSON_NUMBER && jsonInteger(node);
  if (whole && jsonNumber >= 0 && jsonNumber <= <i64>most) {
    optionNumber = <u32>jsonNumber;
    return true;
  }
  refuse("ipam.");
  errorText(key);
  errorText(" ");
  errorValue(node);
  errorText(" is no number from 0 to ");
  errorNumber(most);
  return false;
}

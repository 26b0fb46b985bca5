// Keys of `ipam` that host-local doesn't have. All are optional; null counts as absent.
//
//   policy          "next" (default), "first", "random"
//   cooldown        seconds as a number, or a text with a unit: "30s", "5m", "24h"; default 0
//   sync            "named" (default), "always", "never"
//   reboot          "release" (default), "keep"
//   statusWhenFull  "ready" (default), "unavailable"
//
// Refuses: other values (code 999, saying what would be right), and keys of later releases (104).
import {
  call,
  MODE_HOST_LOCAL,
  MODE_STATIC,
  POLICY_FIRST,
  POLICY_NEXT,
  POLICY_RANDOM,
  REBOOT_KEEP,
  REBOOT_RELEASE,
  STATUS_READY,
  STATUS_UNAVAILABLE,
  SYNC_ALWAYS,
  SYNC_NAMED,
  SYNC_NEVER,
} from "./call";
import { ERROR_NOT_IN_RELEASE, errorBegin, errorBytes, errorQuote, errorText } from "./errors";
import { refuse } from "./field";
import {
  JSON_FALSE,
  JSON_LIST,
  JSON_NUMBER,
  JSON_STRING,
  jsonAt,
  jsonBytes,
  jsonKind,
} from "./json";
import {
  jsonInteger,
  jsonMember,
  jsonNumber,
  jsonText,
  jsonTextAt,
  jsonTextBytes,
} from "./jsonvalue";
import { sameText } from "./text";

/** Adds the value of a node as it was written, unless it is long. */
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

function unknown(node: i32, key: string, right: string): bool {
  refuse("ipam.");
  errorText(key);
  errorText(" ");
  errorValue(node);
  errorText(" is unknown: use ");
  errorText(right);
  return false;
}

// Position of the value among up to three words; 0 if it is absent, -1 if it is none of them.
function choice(node: i32, a: string, b: string, c: string): i32 {
  if (node == 0) return 0;
  if (jsonKind(node) != JSON_STRING) return -1;
  jsonText(node);
  if (sameText(jsonTextAt, jsonTextBytes, a)) return 0;
  if (sameText(jsonTextAt, jsonTextBytes, b)) return 1;
  return c.length > 0 && sameText(jsonTextAt, jsonTextBytes, c) ? 2 : -1;
}

function readPolicy(ipam: i32): bool {
  const node = jsonMember(ipam, "policy");
  const n = choice(node, "next", "first", "random");
  if (n < 0) return unknown(node, "policy", '"next", "first" or "random"');
  call.policy = n == 0 ? POLICY_NEXT : n == 1 ? POLICY_FIRST : POLICY_RANDOM;
  return true;
}

function readSync(ipam: i32): bool {
  const node = jsonMember(ipam, "sync");
  const n = choice(node, "named", "always", "never");
  if (n < 0) return unknown(node, "sync", '"named", "always" or "never"');
  call.sync = n == 0 ? SYNC_NAMED : n == 1 ? SYNC_ALWAYS : SYNC_NEVER;
  return true;
}

function readReboot(ipam: i32): bool {
  const node = jsonMember(ipam, "reboot");
  const n = choice(node, "release", "keep", "");
  if (n < 0) return unknown(node, "reboot", '"release" or "keep"');
  call.reboot = n == 0 ? REBOOT_RELEASE : REBOOT_KEEP;
  return true;
}

function readStatusWhenFull(ipam: i32): bool {
  const node = jsonMember(ipam, "statusWhenFull");
  const n = choice(node, "ready", "unavailable", "");
  if (n < 0) return unknown(node, "statusWhenFull", '"ready" or "unavailable"');
  call.statusWhenFull = n == 0 ? STATUS_READY : STATUS_UNAVAILABLE;
  return true;
}

/** Seconds in `<digits><unit>`, -1 if it isn't that. */
export function duration(at: usize, bytes: i32): i64 {
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

function readCooldown(ipam: i32): bool {
  const node = jsonMember(ipam, "cooldown");
  call.cooldown = 0;
  if (node == 0) return true;
  let seconds: i64 = -1;
  if (jsonKind(node) == JSON_NUMBER) {
    if (jsonInteger(node)) seconds = jsonNumber;
  } else if (jsonKind(node) == JSON_STRING) {
    jsonText(node);
    seconds = duration(jsonTextAt, jsonTextBytes);
  }
  if (seconds < 0 || seconds > <i64>u32.MAX_VALUE) {
    refuse("ipam.cooldown ");
    errorValue(node);
    errorText(' is no length of time: use seconds (30) or a text with a unit ("30s", "5m", "24h")');
    return false;
  }
  call.cooldown = <u32>seconds;
  return true;
}

// A key that a later release will know: only null and false are taken.
function readLater(ipam: i32, key: string): bool {
  const node = jsonMember(ipam, key);
  if (node == 0 || jsonKind(node) == JSON_FALSE) return true;
  errorBegin(ERROR_NOT_IN_RELEASE);
  errorText("ipam.");
  errorText(key);
  errorText(" isn't part of this release");
  return false;
}

/** Reads `ipam.mode`, which says what the other keys mean. False with a pending error. */
export function modeRead(ipam: i32): bool {
  const node = jsonMember(ipam, "mode");
  const n = choice(node, "host-local", "static", "");
  if (n < 0) return unknown(node, "mode", '"host-local" or "static"');
  call.mode = n == 0 ? MODE_HOST_LOCAL : MODE_STATIC;
  return true;
}

/**
 * Reads our own keys of `ipam` (a node, or 0) into the call. `strict`: false with a pending error
 * at the first fault; else a faulty key keeps its default.
 */
export function optionsRead(ipam: i32, strict: bool): bool {
  if (!readPolicy(ipam) && strict) return false;
  if (!readCooldown(ipam) && strict) return false;
  if (!readSync(ipam) && strict) return false;
  if (!readReboot(ipam) && strict) return false;
  if (!readStatusWhenFull(ipam) && strict) return false;
  if (!strict) return true;
  return readLater(ipam, "reserve");
}

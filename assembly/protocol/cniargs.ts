// CNI_ARGS: pairs `KEY=value` with `;` between them. We know IP and IgnoreUnknown as upstream does
// (mode static: GATEWAY too); K8S_POD_NAMESPACE and K8S_POD_NAME are unknown keys all the same (the
// runtime sends IgnoreUnknown with them), but we keep their values.
//
// Cost: linear. Refuses: bad pairs, unknown keys without IgnoreUnknown, bad values; code 999. DEL
// reads what it can and ignores the rest.
import { parseAddress, parsedFamily, parsedHi, parsedLo, parsePrefix } from "../address";
import { NAME_MAX } from "../records/cell";
import { scratchTake } from "../scratch";
import { call, MODE_STATIC, spanSet } from "./call";
import { errorBytes, errorQuote, errorText } from "./errors";
import { refuse } from "./field";
import { sameText } from "./text";

/** The address of the key IP; family 0 = none. */
export let argsFamily: i32 = 0;
export let argsHi: u64 = 0;
export let argsLo: u64 = 0;

/** Mode static: the texts of the keys IP and GATEWAY, lists with commas; 0 bytes = none. */
export let argsIpAt: usize = 0;
export let argsIpBytes: i32 = 0;
export let argsGatewayAt: usize = 0;
export let argsGatewayBytes: i32 = 0;

/** namespace/name of the pod (podNameMake); 0 bytes = none that is kept. */
export let podNameAt: usize = 0;
export let podNameBytes: u32 = 0;

let ignoreUnknown: bool = false;

// Position of the only `=` in the pair, -1 if there are none or more.
function split(at: usize, bytes: i32): i32 {
  let found = -1;
  for (let i = 0; i < bytes; i++) {
    if (load<u8>(at + i) != 61) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

/** Reads `<address>` or `<address>/<length>`; the length doesn't matter. */
export function parseRequest(at: usize, bytes: i32): bool {
  return parseAddress(at, bytes) || parsePrefix(at, bytes);
}

function badValue(at: usize, bytes: i32, why: string, value: usize, valueBytes: i32): bool {
  refuse("ARGS: error parsing value of pair ");
  errorQuote(at, bytes);
  errorText(": ");
  errorText(why);
  errorBytes(value, valueBytes);
  return false;
}

// Makes ASCII letters small where they are: what upstream shows of a value that it doesn't know.
function lower(at: usize, bytes: i32): void {
  for (let i: usize = at; i < at + bytes; i++) {
    const c = load<u8>(i);
    if (c >= 65 && c <= 90) store<u8>(i, c | 32);
  }
}

// 1 true, 0 false, -1 neither; letters in any case.
function truth(at: usize, bytes: i32): i32 {
  if (bytes == 1) {
    const c = load<u8>(at);
    return c == 49 ? 1 : c == 48 ? 0 : -1;
  }
  if (bytes == 4 && (load<u32>(at) | 0x20202020) == 0x65757274) return 1;
  const fals = bytes == 5 && (load<u32>(at) | 0x20202020) == 0x736c6166;
  return fals && (load<u8>(at, 4) | 32) == 101 ? 0 : -1;
}

function isKnown(at: usize, bytes: i32): bool {
  if (call.mode == MODE_STATIC && sameText(at, bytes, "GATEWAY")) return true;
  return sameText(at, bytes, "IP") || sameText(at, bytes, "IgnoreUnknown");
}

function readIp(at: usize, bytes: i32, value: usize, valueBytes: i32): bool {
  argsFamily = 0;
  argsIpAt = value;
  argsIpBytes = valueBytes;
  if (valueBytes == 0 || call.mode == MODE_STATIC) return true;
  if (!parseRequest(value, valueBytes)) {
    return badValue(at, bytes, "invalid IP address ", value, valueBytes);
  }
  argsFamily = parsedFamily;
  argsHi = parsedHi;
  argsLo = parsedLo;
  return true;
}

// One pair whose key has `key` bytes. False with a pending error.
function readPair(at: usize, bytes: i32, key: i32): bool {
  const value = at + key + 1;
  const valueBytes = bytes - key - 1;
  if (sameText(at, key, "IP")) {
    return readIp(at, bytes, value, valueBytes);
  } else if (call.mode == MODE_STATIC && sameText(at, key, "GATEWAY")) {
    argsGatewayAt = value;
    argsGatewayBytes = valueBytes;
  } else if (sameText(at, key, "IgnoreUnknown")) {
    const t = truth(value, valueBytes);
    if (t < 0) {
      badValue(at, bytes, "boolean unmarshal error: invalid input ", value, 0);
      lower(value, valueBytes);
      errorBytes(value, valueBytes);
      return false;
    }
    ignoreUnknown = t == 1;
  } else if (sameText(at, key, "K8S_POD_NAMESPACE")) {
    spanSet(call.podNamespace, value, valueBytes);
  } else if (sameText(at, key, "K8S_POD_NAME")) {
    spanSet(call.podName, value, valueBytes);
  } else if (sameText(at, key, "CommonArgs")) {
    // An embedded structure of upstream's arguments, found by its name: a quirk that is kept.
    refuse("ARGS: cannot unmarshal into field 'CommonArgs' - type '*types.CommonArgs' ");
    errorText("does not implement encoding.TextUnmarshaler");
    return false;
  }
  return true;
}

let pairBytes: i32 = 0;

// The pair that begins at `from` of `bytes` bytes: its length goes to pairBytes.
function pairAt(at: usize, from: i32, bytes: i32): void {
  let i = from;
  while (i < bytes && load<u8>(at + i) != 59) i++;
  pairBytes = i - from;
}

/** Reads CNI_ARGS. `strict`: answer false with a pending error at the first fault; else skip it. */
export function argsRead(strict: bool): bool {
  argsFamily = 0;
  argsIpBytes = 0;
  argsGatewayBytes = 0;
  ignoreUnknown = false;
  const at = call.args.at;
  const bytes = call.args.bytes;
  if (bytes == 0) return true;
  let unknown = 0;
  for (let from = 0; from <= bytes; from += pairBytes + 1) {
    pairAt(at, from, bytes);
    const key = split(at + from, pairBytes);
    if (key < 0) {
      if (!strict) continue;
      refuse("ARGS: invalid pair ");
      errorQuote(at + from, pairBytes);
      return false;
    }
    if (!isKnown(at + from, key)) unknown++;
    if (!readPair(at + from, pairBytes, key) && strict) return false;
  }
  if (unknown == 0 || ignoreUnknown || !strict) return true;
  refuse("ARGS: unknown args [");
  let named = 0;
  for (let from = 0; from <= bytes; from += pairBytes + 1) {
    pairAt(at, from, bytes);
    if (isKnown(at + from, split(at + from, pairBytes))) continue;
    if (named++ > 0) errorText(" ");
    errorQuote(at + from, pairBytes);
  }
  errorText("]");
  return false;
}

/** Puts namespace and name, as CNI_ARGS told them, together as the name that a record keeps. */
export function podNameMake(): void {
  const space = call.podNamespace.bytes;
  const name = call.podName.bytes;
  podNameBytes = 0;
  if (space == 0 || name == 0 || space + name + 1 > <i32>NAME_MAX) return;
  podNameBytes = <u32>(space + 1 + name);
  podNameAt = scratchTake(<usize>podNameBytes);
  memory.copy(podNameAt, call.podNamespace.at, space);
  store<u8>(podNameAt + space, 47);
  memory.copy(podNameAt + space + 1, call.podName.at, name);
}

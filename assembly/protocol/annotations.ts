// Annotations of the pod, as containerd and CRI-O hand them over to a network whose config says
// `"capabilities": {"io.kubernetes.cri.pod-annotations": true}`: an object of texts under that key
// of runtimeConfig. ADD reads four of them; no other call does, but a verb that takes over what an
// ADD has done.
//
//   cni.projectcalico.org/ipAddrs   JSON list in the text: ["10.0.0.5", "2001:db8::5"]
//   berth.dev/addresses             the same, or with commas: 10.0.0.5,2001:db8::5
//   berth.dev/pool                  names of ranges, or prefixes, in either form
//   berth.dev/reserve-for           a time: 24h, or seconds
//
// Tenants write them, so everything is bounded: one pass over the object, whatever its size, texts
// of TEXT_MAX bytes, lists of ENTRIES_MAX entries. An empty text counts as absent.
//
// Refuses (code 110): what can't be read. Each error begins with the annotation's name.
import { parseAddress, parsedFamily, parsedHi, parsedLo } from "../address";
import { Wanted, wantedAt } from "../pool/range";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { CMD_ADD, call, MODE_STATIC, Span, spanSet } from "./call";
import {
  ERROR_ANNOTATION,
  errorAddress,
  errorAnnotation,
  errorBegin,
  errorBytes,
  errorNumber,
  errorQuote,
  errorText,
} from "./errors";
import { fieldFound, fieldObject, kindWord } from "./field";
import { fixedSettle } from "./fixed";
import {
  JSON_LIST,
  JSON_NULL,
  JSON_STRING,
  JSON_TRUE,
  jsonAt,
  jsonBytes,
  jsonEnter,
  jsonKind,
  jsonLeave,
  jsonNext,
  jsonPlain,
} from "./json";
import { jsonMember, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";
import { secondsOf } from "./option";
import { podPoolSettle } from "./podpool";
import { sameText } from "./text";

const KEY: string = "io.kubernetes.cri.pod-annotations";
const FIELD: string = "Net.runtimeConfig.io.kubernetes.cri.pod-annotations";
const CALICO: string = "cni.projectcalico.org/ipAddrs";
const ADDRESSES: string = "berth.dev/addresses";
const POOL: string = "berth.dev/pool";
const RESERVE_FOR: string = "berth.dev/reserve-for";

/** Longest text of an annotation that is read (bytes). */
const TEXT_MAX: i32 = 4096;
/** Longest list in one. */
const ENTRIES_MAX: i32 = 32;

// Nodes of the values; 0 = absent.
let calico: i32 = 0;
let addresses: i32 = 0;
let pool: i32 = 0;
let reserveFor: i32 = 0;

function notText(key: i32): bool {
  jsonText(key);
  errorBegin(ERROR_ANNOTATION);
  errorText("annotation ");
  errorBytes(jsonTextAt, jsonTextBytes);
  errorText(": a text is wanted, not ");
  errorText(kindWord(key + 1));
  return false;
}

// Keeps the node of a value whose key we know; of equal keys the last counts.
function note(key: i32): void {
  const mark = scratchMark();
  let at = jsonAt(key);
  let bytes = jsonBytes(key);
  if (!jsonPlain(key)) {
    jsonText(key);
    at = jsonTextAt;
    bytes = jsonTextBytes;
  }
  const value = jsonKind(key + 1) == JSON_NULL ? 0 : key + 1;
  if (sameText(at, bytes, CALICO)) calico = value;
  else if (sameText(at, bytes, ADDRESSES)) addresses = value;
  else if (sameText(at, bytes, POOL)) pool = value;
  else if (sameText(at, bytes, RESERVE_FOR)) reserveFor = value;
  scratchRewind(mark);
}

function findAll(map: i32): bool {
  calico = 0;
  addresses = 0;
  pool = 0;
  reserveFor = 0;
  const last = map == 0 ? 0 : jsonNext(map);
  for (let key = map + 1; key < last; key = jsonNext(key + 1)) {
    const kind = jsonKind(key + 1);
    if (kind != JSON_STRING && kind != JSON_NULL) return notText(key);
    note(key);
  }
  return true;
}

let textFrom: usize = 0;
let textBytes: i32 = 0;

// The text of a value without blanks around it. False with a pending error; empty = absent.
function readText(name: string, value: i32): bool {
  textBytes = 0;
  if (value == 0) return true;
  if (jsonBytes(value) > TEXT_MAX) {
    errorAnnotation(name);
    errorText("the text has ");
    errorNumber(jsonBytes(value));
    errorText(" bytes, the limit is ");
    errorNumber(TEXT_MAX);
    return false;
  }
  jsonText(value);
  trim(jsonTextAt, jsonTextBytes);
  return true;
}

function isBlank(c: u32): bool {
  return c == 32 || (c >= 9 && c <= 13);
}

function trim(at: usize, bytes: i32): void {
  let from = at;
  let end = at + bytes;
  while (from < end && isBlank(load<u8>(from))) from++;
  while (from < end && isBlank(load<u8>(end - 1))) end--;
  textFrom = from;
  textBytes = <i32>(end - from);
}

// Entries of the list that was read last: `entryCount` of Span.
let entries: usize = 0;
let entryCount: i32 = 0;

function entryAt(list: usize, i: i32): Span {
  return changetype<Span>(list + <usize>i * offsetof<Span>());
}

function addEntry(name: string, at: usize, bytes: i32): bool {
  if (entryCount == ENTRIES_MAX) {
    errorAnnotation(name);
    errorText("more than ");
    errorNumber(ENTRIES_MAX);
    errorText(" entries");
    return false;
  }
  spanSet(entryAt(entries, entryCount++), at, bytes);
  return true;
}

function notList(name: string): bool {
  errorAnnotation(name);
  errorText("a JSON list of texts is wanted, for example ");
  errorText(name == POOL ? '["10.0.0.0/26"]' : '["10.0.0.5"]');
  return false;
}

// The inner document of a text: a list of texts.
function readInner(name: string): bool {
  if (jsonKind(0) != JSON_LIST) return notList(name);
  for (let e = 1; e < jsonNext(0); e = jsonNext(e)) {
    if (jsonKind(e) != JSON_STRING) return notList(name);
    jsonText(e);
    if (!addEntry(name, jsonTextAt, jsonTextBytes)) return false;
  }
  return true;
}

// The words between the commas.
function readCommas(name: string): bool {
  const end = textFrom + textBytes;
  for (let from = textFrom; from <= end; ) {
    let to = from;
    while (to < end && load<u8>(to) != 44) to++;
    trim(from, <i32>(to - from));
    if (!addEntry(name, textFrom, textBytes)) return false;
    from = to + 1;
  }
  return true;
}

// Reads a value as a list into `entries`. False with a pending error; absent: no entries.
function readList(name: string, value: i32, commas: bool): bool {
  entryCount = 0;
  if (!readText(name, value)) return false;
  if (textBytes == 0) return true;
  entries = scratchTake(<usize>ENTRIES_MAX * offsetof<Span>());
  if (commas && load<u8>(textFrom) != 91) return readCommas(name);
  const good = jsonEnter(textFrom, textBytes) ? readInner(name) : notList(name);
  jsonLeave();
  if (!good || entryCount > 0) return good;
  errorAnnotation(name);
  errorText("the list is empty: name an address or leave the annotation out");
  return false;
}

// Addresses of the list that was read last: `count` of Wanted, each once.
let count: i32 = 0;

function among(list: usize, hi: u64, lo: u64, family: i32): bool {
  for (let i = 0; i < count; i++) {
    const w = wantedAt(list, i);
    if (w.hi == hi && w.lo == lo && w.family == family) return true;
  }
  return false;
}

function readAddresses(name: string, value: i32, commas: bool): usize {
  count = 0;
  if (!readList(name, value, commas)) return 0;
  const list = scratchTake(<usize>entryCount * offsetof<Wanted>());
  for (let i = 0; i < entryCount; i++) {
    const e = entryAt(entries, i);
    if (!parseAddress(e.at, e.bytes)) {
      errorAnnotation(name);
      errorQuote(e.at, e.bytes);
      errorText(" is no address: write it alone, for example 10.0.0.5 or 2001:db8::5");
      return 0;
    }
    if (among(list, parsedHi, parsedLo, parsedFamily)) continue;
    const w = wantedAt(list, count);
    count++;
    w.hi = parsedHi;
    w.lo = parsedLo;
    w.family = parsedFamily;
    w.used = false;
    w.range = 0;
  }
  return list;
}

// Both Calico's list and ours are there: do they name the same?
function agree(theirs: usize, theirCount: i32, ours: usize, ourCount: i32): bool {
  for (let side = 0; side < 2; side++) {
    const from = side == 0 ? theirs : ours;
    count = side == 0 ? ourCount : theirCount;
    const most = side == 0 ? theirCount : ourCount;
    for (let i = 0; i < most; i++) {
      const w = wantedAt(from, i);
      if (among(side == 0 ? ours : theirs, w.hi, w.lo, w.family)) continue;
      errorAnnotation(ADDRESSES);
      errorText("disagrees with annotation ");
      errorText(CALICO);
      errorText(": only ");
      errorText(side == 0 ? CALICO : ADDRESSES);
      errorText(" names ");
      errorAddress(w.family, w.hi, w.lo);
      return false;
    }
  }
  return true;
}

// One IPv4 and one IPv6 address at most, as Calico has it.
function onePerFamily(list: usize): bool {
  let four = 0;
  for (let i = 0; i < count; i++) {
    if (wantedAt(list, i).family == 4) four++;
  }
  if (four <= 1 && count - four <= 1) return true;
  errorAnnotation(CALICO);
  errorText("more than one ");
  errorText(four > 1 ? "IPv4" : "IPv6");
  errorText(" address");
  return false;
}

function readFixed(): bool {
  const theirs = readAddresses(CALICO, calico, false);
  const theirCount = count;
  if (theirs == 0 || !onePerFamily(theirs)) return false;
  const ours = readAddresses(ADDRESSES, addresses, true);
  const ourCount = count;
  if (ours == 0) return false;
  if (theirCount > 0 && ourCount > 0 && !agree(theirs, theirCount, ours, ourCount)) return false;
  call.podFixed = theirCount + ourCount > 0;
  if (ourCount > 0) return fixedSettle(ADDRESSES, ours, ourCount);
  return theirCount == 0 || fixedSettle(CALICO, theirs, theirCount);
}

function readPool(): bool {
  if (!readList(POOL, pool, true)) return false;
  return entryCount == 0 || podPoolSettle(POOL, entries, entryCount);
}

function readReserveFor(): bool {
  if (!readText(RESERVE_FOR, reserveFor)) return false;
  if (textBytes == 0) return true;
  const seconds = secondsOf(textFrom, textBytes);
  if (seconds <= 0 || seconds > <i64>u32.MAX_VALUE) {
    errorAnnotation(RESERVE_FOR);
    errorQuote(textFrom, textBytes);
    errorText(' is no length of time above 0: use "30s", "5m", "24h" or seconds');
    return false;
  }
  if (call.reserveMax != 0 && seconds > <i64>call.reserveMax) {
    errorAnnotation(RESERVE_FOR);
    errorQuote(textFrom, textBytes);
    errorText(" is longer than this network allows: at most ");
    errorNumber(call.reserveMax);
    errorText(" s (ipam.reserve.max)");
    return false;
  }
  call.podReserveFor = <u32>seconds;
  return true;
}

// In mode "static" the config says which addresses there are.
function refuseInStatic(name: string, value: i32): bool {
  if (value == 0) return true;
  if (!readText(name, value)) return false;
  if (textBytes == 0) return true;
  errorAnnotation(name);
  errorText('this network has "mode": "static": its addresses come from its config');
  return false;
}

/** Reads the annotations in `runtime` (node of runtimeConfig, or 0). False: a pending error. */
export function annotationsRead(runtime: i32): bool {
  if (call.command != CMD_ADD) return true;
  if (!fieldObject(runtime, KEY, FIELD, "map[string]string")) return false;
  if (!findAll(fieldFound) || !readReserveFor()) return false;
  if (call.mode != MODE_STATIC) return readFixed() && readPool();
  return (
    refuseInStatic(CALICO, calico) &&
    refuseInStatic(ADDRESSES, addresses) &&
    refuseInStatic(POOL, pool)
  );
}

/** Do the capabilities of a plugin's config (a node, or 0) have annotations handed over to it? */
export function annotationsGranted(capabilities: i32): bool {
  const node = jsonMember(capabilities, KEY);
  return node != 0 && jsonKind(node) == JSON_TRUE;
}

function hasText(name: string, value: i32): bool {
  return readText(name, value) && textBytes > 0;
}

/**
 * Notes what the annotations in `runtime` (a node, or 0) meant for the pod's name in an ADD that
 * has succeeded: podFixed, podReserveFor. What can't be read says nothing.
 */
export function annotationsNote(runtime: i32): void {
  call.podFixed = false;
  call.podReserveFor = 0;
  if (!fieldObject(runtime, KEY, FIELD, "map[string]string") || !findAll(fieldFound)) return;
  readReserveFor();
  call.podFixed = hasText(CALICO, calico) || hasText(ADDRESSES, addresses);
}

// The runtime's results (libcni keeps one for each attachment), for `berth adopt --from-cache`:
// a file <network>-<container>-<interface> of JSON, 1 MiB at most.
//
//   { "kind": "cniCacheV1", "networkName", "containerId", "ifName", "config": "...",
//     "cniArgs": [ ... ], "capabilityArgs": { ... }, "result": { "ips": [ ... ] } }
//
// What is of another network, or of an older libcni, is left out and counted. A file that can't be
// read, or is no JSON (a full disk leaves them cut), may be of a container that runs: it stops the
// verb before anything is changed, since what is rebuilt without it would be given again.
import { parsedFamily, parsedHi, parsedLo, parsePrefix } from "../address";
import {
  OWNER_FULL,
  TakeOver,
  TOO_MANY_FILES,
  takeAddress,
  takeName,
  takenNames,
  takenNew,
  takePod,
} from "../foreign/takeover";
import * as host from "../host";
import { journalCount } from "../image/image";
import { call, Span } from "../protocol/call";
import { podNameAt, podNameBytes } from "../protocol/cniargs";
import { close, item, member, open, valueText } from "../protocol/document";
import { isName } from "../protocol/env";
import { EINVAL, ENOENT } from "../protocol/errno";
import {
  ERROR_DISK,
  ERROR_LIMIT,
  errorBegin,
  errorBytes,
  errorErrno,
  errorText,
} from "../protocol/errors";
import {
  JSON_LIST,
  JSON_NULL,
  JSON_OBJECT,
  JSON_STRING,
  jsonCount,
  jsonKind,
  jsonNext,
  jsonRead,
} from "../protocol/json";
import {
  jsonMember,
  jsonRootMember,
  jsonText,
  jsonTextAt,
  jsonTextBytes,
} from "../protocol/jsonvalue";
import { sayOwnerMax } from "../protocol/overfull";
import { nameFlags, reserveFor } from "../protocol/reserve";
import { sessionPart } from "../protocol/session";
import { sameText } from "../protocol/text";
import { fileOwner, OWNER_MAX } from "../records/file";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { PART_WORDS } from "../store/letgo";
import { cachedNetns, cachedNotesRead, cachedPodRead } from "./cachedpod";
import { CacheFile, cacheCount, cacheFileAt, cacheList } from "./cachelist";
import { sayClean } from "./holding";
import { isJson, printHere, printRoom, say, sayAddress, sayBytes, sayQuoted } from "./print";

const RESULT_MAX: i32 = 1048576;
/** Of checkResult, beside OWNER_FULL: something stands for an address that is none. */
const NO_ADDRESS: i32 = -9;
/** Of cacheReads: an error began. */
export const CACHE_REFUSED: i32 = 1;

/** Results that were read as JSON. */
export let cacheFiles: u32 = 0;
/** Files that are of another network or format. */
export let skipped: u32 = 0;
// Who a result is of.
let idAt: usize = 0;
let idBytes: i32 = 0;
let ifAt: usize = 0;
let ifBytes: i32 = 0;
// Its file, the number of its addresses that were met, and whether it is only told of.
let file: CacheFile = changetype<CacheFile>(0);
let met: u32 = 0;
let telling: bool = false;

// Is the member (of the root: object -1) a text? Then jsonText has read it.
function textOf(object: i32, key: string): bool {
  const node = object < 0 ? jsonRootMember(key) : jsonMember(object, key);
  if (node == 0 || jsonKind(node) != JSON_STRING) return false;
  jsonText(node);
  return true;
}

// Does the result belong to the network at hand?
function isThisNetwork(): bool {
  const name = call.network;
  return (
    textOf(-1, "networkName") &&
    jsonTextBytes == name.bytes &&
    memory.compare(jsonTextAt, name.at, name.bytes) == 0
  );
}

// One address of a result. 0 or -errno.
function meetIp(t: TakeOver, object: i32, key: string): i32 {
  if (object == 0 || jsonKind(object) != JSON_OBJECT || !textOf(object, key)) return 0;
  if (!parsePrefix(jsonTextAt, jsonTextBytes)) return 0;
  const bit: u32 = met < 32 ? (<u32>1) << met : 0;
  met++;
  if (telling) {
    if ((file.taken & bit) != 0) tellAddress();
    return 0;
  }
  const before = takenNew;
  const status = takeAddress(t, fileOwner(idAt, idBytes, ifAt, ifBytes), 0, 0);
  if (takenNew != before) file.taken |= bit;
  return status;
}

// Every address of the result at hand. 0 or -errno.
function meetAll(t: TakeOver, result: i32): i32 {
  met = 0;
  const list = jsonMember(result, "ips");
  let status = 0;
  if (list != 0 && jsonKind(list) == JSON_LIST) {
    for (let e = list + 1; e < jsonNext(list) && status >= 0; e = jsonNext(e)) {
      status = meetIp(t, e, "address");
    }
  }
  if (status >= 0) status = meetIp(t, jsonMember(result, "ip4"), "ip");
  return status < 0 ? status : meetIp(t, jsonMember(result, "ip6"), "ip");
}

// The result in the document at hand and whose it is; 0: it is of another network or format.
function resultOf(): i32 {
  const isOurs =
    jsonKind(0) == JSON_OBJECT &&
    textOf(-1, "kind") &&
    sameText(jsonTextAt, jsonTextBytes, "cniCacheV1") &&
    isThisNetwork() &&
    textOf(-1, "containerId");
  if (!isOurs) return 0;
  idAt = jsonTextAt;
  idBytes = jsonTextBytes;
  if (!textOf(-1, "ifName") || jsonTextBytes > 15 || !isName(idAt, idBytes)) return 0;
  ifAt = jsonTextAt;
  ifBytes = jsonTextBytes;
  const result = jsonRootMember("result");
  return result != 0 && jsonKind(result) == JSON_OBJECT ? result : 0;
}

// One cached result, read as JSON. 0 or -errno.
function takeResult(t: TakeOver): i32 {
  const result = resultOf();
  if (result == 0) return skip();
  cachedPodRead();
  cachedNotesRead();
  const time = reserveFor(podNameAt, podNameBytes);
  takePod(podNameAt, podNameBytes, time, nameFlags(), cachedNetns());
  const before = takenNames;
  let status = meetAll(t, result);
  fileOwner(idAt, idBytes, ifAt, ifBytes);
  if (status >= 0) status = takeName();
  file.named = takenNames != before;
  return status;
}

// Another network's, or of another format.
function skip(): i32 {
  skipped++;
  return 0;
}

// One file of the cache. 0 or -errno.
function takeCacheFile(t: TakeOver): i32 {
  const got = readResult(file);
  if (got < 0) return got == -ENOENT ? 0 : got;
  cacheFiles++;
  return takeResult(t);
}

// Reads a file of the cache as JSON. 0 or -errno: -ENOENT, it has gone meanwhile; -EINVAL, no JSON.
function readResult(f: CacheFile): i32 {
  const handle = host.open(f.at, f.bytes, 0);
  if (handle < 0) return handle;
  const text = scratchTake(<usize>RESULT_MAX + 16);
  const got = host.read(handle, 0, text, <u32>RESULT_MAX);
  host.close(handle);
  if (got < 0) return got;
  return got == 0 || got == RESULT_MAX || !jsonRead(text, got) ? -EINVAL : 0;
}

// Is there an address with its length? What isn't there at all is none.
function isAddress(object: i32, key: string): bool {
  if (object == 0 || jsonKind(object) == JSON_NULL) return true;
  if (jsonKind(object) != JSON_OBJECT || !textOf(object, key)) return false;
  return parsePrefix(jsonTextAt, jsonTextBytes);
}

// Can every address of the result at hand be taken? 0, NO_ADDRESS or OWNER_FULL.
function checkResult(): i32 {
  const result = resultOf();
  if (result == 0) return 0;
  if (!isAddress(jsonMember(result, "ip4"), "ip") || !isAddress(jsonMember(result, "ip6"), "ip")) {
    return NO_ADDRESS;
  }
  const list = jsonMember(result, "ips");
  if (list == 0 || jsonKind(list) == JSON_NULL) return 0;
  if (jsonKind(list) != JSON_LIST) return NO_ADDRESS;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) == JSON_NULL || !isAddress(e, "address")) return NO_ADDRESS;
  }
  return <u32>jsonCount(list) > OWNER_MAX ? OWNER_FULL : 0;
}

/**
 * Can every file of the network be read? The directory of the cache (named `where`) is entered.
 * 0; -errno or TOO_MANY_FILES: they can't be listed; CACHE_REFUSED: an error began that names the
 * first one that can't be read, or whose addresses can't be taken.
 */
export function cacheReads(where: Span, names: usize, room: i32): i32 {
  const all = scratchMark();
  const others = cacheList(names, room, TOO_MANY_FILES);
  if (others < 0) return others;
  for (let i = 0; i < cacheCount; i++) {
    const f = cacheFileAt(i);
    const mark = scratchMark();
    let status = readResult(f);
    if (status == 0) status = checkResult();
    scratchRewind(mark);
    if (status < 0 && status != -ENOENT) return refuseFile(where, f, status);
  }
  scratchRewind(all);
  return 0;
}

function refuseFile(where: Span, f: CacheFile, status: i32): i32 {
  errorBegin(status == OWNER_FULL ? ERROR_LIMIT : ERROR_DISK);
  errorText(status == OWNER_FULL ? "can't take over the result " : "can't read the result ");
  errorBytes(where.at, where.bytes);
  errorText("/");
  errorBytes(f.at, f.bytes);
  errorText(": ");
  if (status == OWNER_FULL) {
    errorText("it has");
    sayOwnerMax();
  } else if (status == NO_ADDRESS) errorText("what it has for an address is none");
  else if (status == -EINVAL) errorText("it is no whole JSON");
  else errorErrno(status);
  errorText("; nothing was changed, since its container may run: move the file away if it doesn't");
  return CACHE_REFUSED;
}

/** Forgets what a walk before has counted. */
export function cacheBegin(): void {
  cacheFiles = 0;
  skipped = 0;
}

/**
 * Takes over every result of the network in the entered directory; `room` bytes at `names` are for
 * the list of its files. 0, -errno, TOO_MANY_FILES or OWNER_FULL.
 */
export function takeCache(t: TakeOver, names: usize, room: i32): i32 {
  const others = cacheList(names, room, TOO_MANY_FILES);
  if (others < 0) return others;
  skipped = <u32>others;
  telling = false;
  for (let i = 0; i < cacheCount; i++) {
    file = cacheFileAt(i);
    const mark = scratchMark();
    const status = takeCacheFile(t);
    scratchRewind(mark);
    if (status < 0) return status;
    if (journalCount() < PART_WORDS * 4) continue;
    if (!sessionPart()) return -1;
  }
  return 0;
}

function tellAddress(): void {
  printHere();
  if (isJson) {
    item();
    sayQuoted(parsedFamily, parsedHi, parsedLo);
  } else {
    say(" ");
    sayAddress(parsedFamily, parsedHi, parsedLo);
  }
}

// What was taken from the result at hand.
function tellResult(t: TakeOver, result: i32): void {
  cachedPodRead();
  const named = file.named && podNameBytes != 0;
  printHere();
  if (isJson) {
    item();
    open(123);
    member("owner");
    valueText(idAt, idBytes);
    member("interface");
    valueText(ifAt, ifBytes);
    if (named) {
      member("name");
      valueText(podNameAt, <i32>podNameBytes);
    }
    member("addresses");
    open(91);
  } else say(" ");
  meetAll(t, result);
  printHere();
  if (isJson) {
    close(93);
    close(125);
  } else {
    say(file.taken != 0 ? "  " : " (held already)  ");
    if (named) {
      sayClean(podNameAt, <i32>podNameBytes);
      say(", ");
    }
    say("container ");
    sayBytes(idAt, idBytes);
    say(" ");
    sayClean(ifAt, ifBytes);
    say("\n");
  }
  printRoom();
}

/** Tells of each result from which something was taken. The directory of the cache is entered. */
export function tellCache(t: TakeOver): void {
  telling = true;
  for (let i = 0; i < cacheCount; i++) {
    file = cacheFileAt(i);
    if (file.taken == 0 && !file.named) continue;
    const mark = scratchMark();
    const result = readResult(file) < 0 ? 0 : resultOf();
    if (result != 0) tellResult(t, result);
    scratchRewind(mark);
  }
}

// The runtime's results (libcni keeps one for each attachment), for `berth adopt --from-cache`:
// a file <network>-<container>-<interface> of JSON, 1 MiB at most.
//
//   { "kind": "cniCacheV1", "networkName", "containerId", "ifName", "result": { "ips": [ ... ] } }
//
// What is of another network, or of an older libcni, is left out and counted. A file that can't be
// read, or is no JSON (a full disk leaves them cut), may be of a container that runs: it stops the
// verb before anything is changed, since what is rebuilt without it would be given again.
import { parsePrefix } from "../address";
import { TakeOver, TOO_MANY_FILES, takeAddress } from "../foreign/takeover";
import * as host from "../host";
import { journalCount } from "../image/image";
import { call, Span } from "../protocol/call";
import { close, open } from "../protocol/document";
import { isName } from "../protocol/env";
import { EINVAL, ENOENT } from "../protocol/errno";
import { ERROR_DISK, errorBegin, errorBytes, errorErrno, errorText } from "../protocol/errors";
import {
  JSON_LIST,
  JSON_OBJECT,
  JSON_STRING,
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
import { sessionPart } from "../protocol/session";
import { sameText } from "../protocol/text";
import { fileOwner } from "../records/file";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { PART_WORDS } from "../store/notes";

const RESULT_MAX: i32 = 1048576;

/** Results that were read as JSON. */
export let cacheFiles: u32 = 0;
/** Files that are of another network or format. */
export let skipped: u32 = 0;
// Who a result is of.
let idAt: usize = 0;
let idBytes: i32 = 0;
let ifAt: usize = 0;
let ifBytes: i32 = 0;

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
function takeIp(t: TakeOver, object: i32, key: string): i32 {
  if (object == 0 || jsonKind(object) != JSON_OBJECT || !textOf(object, key)) return 0;
  if (!parsePrefix(jsonTextAt, jsonTextBytes)) return 0;
  return takeAddress(t, fileOwner(idAt, idBytes, ifAt, ifBytes), 0, 0);
}

// One cached result, read as JSON. 0 or -errno.
function takeResult(t: TakeOver): i32 {
  const isOurs =
    jsonKind(0) == JSON_OBJECT &&
    textOf(-1, "kind") &&
    sameText(jsonTextAt, jsonTextBytes, "cniCacheV1") &&
    isThisNetwork() &&
    textOf(-1, "containerId");
  if (!isOurs) return skip();
  idAt = jsonTextAt;
  idBytes = jsonTextBytes;
  if (!textOf(-1, "ifName") || jsonTextBytes > 15 || !isName(idAt, idBytes)) return skip();
  ifAt = jsonTextAt;
  ifBytes = jsonTextBytes;
  const result = jsonRootMember("result");
  if (result == 0 || jsonKind(result) != JSON_OBJECT) return skip();
  const list = jsonMember(result, "ips");
  let status = 0;
  if (list != 0 && jsonKind(list) == JSON_LIST) {
    for (let e = list + 1; e < jsonNext(list) && status >= 0; e = jsonNext(e)) {
      status = takeIp(t, e, "address");
    }
  }
  if (status >= 0) status = takeIp(t, jsonMember(result, "ip4"), "ip");
  return status < 0 ? status : takeIp(t, jsonMember(result, "ip6"), "ip");
}

// Another network's, or of another format.
function skip(): i32 {
  skipped++;
  return 0;
}

// One file of the cache. 0 or -errno.
function takeCacheFile(t: TakeOver, name: usize, bytes: i32): i32 {
  if (!isOfNetwork(name, bytes)) return skip();
  const got = readResult(name, bytes);
  if (got < 0) return got == -ENOENT ? 0 : got;
  cacheFiles++;
  return takeResult(t);
}

// Reads a file of the cache as JSON. 0 or -errno: -ENOENT, it has gone meanwhile; -EINVAL, no JSON.
function readResult(name: usize, bytes: i32): i32 {
  const handle = host.open(name, bytes, 0);
  if (handle < 0) return handle;
  const text = scratchTake(<usize>RESULT_MAX + 16);
  const got = host.read(handle, 0, text, <u32>RESULT_MAX);
  host.close(handle);
  if (got < 0) return got;
  return got == 0 || got == RESULT_MAX || !jsonRead(text, got) ? -EINVAL : 0;
}

/**
 * Can every file of the network be read? The directory of the cache (named `where`) is entered.
 * false: an error began that names the first one that can't.
 */
export function cacheReads(where: Span, names: usize, room: i32): bool {
  const prefix = call.network;
  const used = host.list(prefix.at, prefix.bytes, names, room);
  for (let at = 0; at < used; ) {
    let bytes = 0;
    while (at + bytes < used && load<u8>(names + at + bytes) != 0) bytes++;
    const mark = scratchMark();
    const status = isOfNetwork(names + at, bytes) ? readResult(names + at, bytes) : 0;
    scratchRewind(mark);
    if (status < 0 && status != -ENOENT) return refuseFile(where, names + at, bytes, status);
    at += bytes + 1;
  }
  return true;
}

// Is the file called <network>-...?
function isOfNetwork(name: usize, bytes: i32): bool {
  const prefix = call.network.bytes;
  return bytes > prefix && load<u8>(name + prefix) == 45;
}

function refuseFile(where: Span, name: usize, bytes: i32, status: i32): bool {
  errorBegin(ERROR_DISK);
  errorText("can't read the result ");
  errorBytes(where.at, where.bytes);
  errorText("/");
  errorBytes(name, bytes);
  errorText(": ");
  if (status == -EINVAL) errorText("it is no whole JSON");
  else errorErrno(status);
  errorText("; nothing was changed, since its container may run: move the file away if it doesn't");
  return false;
}

/** Forgets what a walk before has counted. */
export function cacheBegin(): void {
  cacheFiles = 0;
  skipped = 0;
}

/**
 * Takes over every result of the network in the entered directory; `room` bytes at `names` are for
 * the list of its files. 0, -errno or TOO_MANY_FILES.
 */
export function takeCache(t: TakeOver, names: usize, room: i32): i32 {
  const prefix = call.network;
  const used = host.list(prefix.at, prefix.bytes, names, room);
  if (used < 0) return used;
  if (used > room - 256) return TOO_MANY_FILES;
  for (let at = 0; at < used; ) {
    let bytes = 0;
    while (at + bytes < used && load<u8>(names + at + bytes) != 0) bytes++;
    const mark = scratchMark();
    const status = takeCacheFile(t, names + at, bytes);
    scratchRewind(mark);
    if (status < 0) return status;
    at += bytes + 1;
    if (journalCount() < PART_WORDS * 4) continue;
    if (!sessionPart()) return -1;
  }
  return 0;
}

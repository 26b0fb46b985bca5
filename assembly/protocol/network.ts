// The head of the config: stdin as JSON, the network's name, the CNI version and what it lets a
// command do. Upstream's skeleton checks all this before it calls the plugin's body.
//
// Linear in stdin. Refuses: stdin over STDIN_MAX (100), what isn't JSON (6), names (7), versions
// (1).

import { stdin } from "../host";
import { STDIN_MAX } from "../numbers";
import { scratchRewind, scratchTake } from "../scratch";
import {
  CMD_ADD,
  CMD_CHECK,
  CMD_DEL,
  CMD_GC,
  CMD_OTHER,
  call,
  SPEC_0_4_0,
  SPEC_1_1_0,
  SPEC_COUNT,
  spanSet,
  specText,
} from "./call";
import { isName } from "./env";
import {
  ERROR_DECODING,
  ERROR_ENVIRONMENT,
  ERROR_INPUT_SIZE,
  ERROR_NETWORK,
  ERROR_STDIN,
  ERROR_VERSION,
  errorBegin,
  errorBytes,
  errorCharacter,
  errorDetails,
  errorErrno,
  errorNumber,
  errorQuote,
  errorText,
} from "./errors";
import { kindWord, typeText } from "./field";
import {
  JSON_NULL,
  JSON_OBJECT,
  JSON_STRING,
  jsonFault,
  jsonFaultByte,
  jsonKind,
  jsonRead,
} from "./json";
import { jsonScalar, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";
import { sameText } from "./text";

/** cniVersion as it was written; empty if absent. */
export let versionAt: usize = 0;
export let versionBytes: i32 = 0;

function undecodable(): void {
  errorBegin(ERROR_DECODING);
  errorText("error unmarshall network config: ");
}

/** stdin as it came. */
export let inputAt: usize = 0;
export let inputBytes: i32 = 0;

/** Reads stdin and lays down its nodes. False with a pending error. */
export function inputRead(): bool {
  const at = scratchTake(<usize>STDIN_MAX + 16);
  const bytes = stdin(at, STDIN_MAX);
  if (bytes < 0) {
    errorBegin(ERROR_STDIN);
    errorText("error reading from stdin: ");
    errorErrno(bytes);
    return false;
  }
  if (bytes > STDIN_MAX) {
    errorBegin(ERROR_INPUT_SIZE);
    errorText("the network config on stdin has more than ");
    errorNumber(STDIN_MAX);
    errorText(" bytes");
    return false;
  }
  scratchRewind((at + <usize>bytes + 15) & ~15);
  inputAt = at;
  inputBytes = bytes;
  if (jsonRead(at, bytes)) return true;
  undecodable();
  if (jsonFaultByte >= 0) {
    errorText("invalid character ");
    errorCharacter(<u32>jsonFaultByte);
  }
  errorText(jsonFault);
  return false;
}

function readName(): bool {
  if (jsonKind(0) != JSON_OBJECT && jsonKind(0) != JSON_NULL) {
    undecodable();
    errorText("json: cannot unmarshal ");
    errorText(kindWord(0));
    errorText(" into Go value of type struct { Name string }");
    return false;
  }
  const name = jsonScalar(0, "name");
  if (name != 0 && jsonKind(name) != JSON_STRING) {
    undecodable();
    typeText(name, ".name", "string");
    return false;
  }
  if (name != 0) {
    jsonText(name);
    spanSet(call.network, jsonTextAt, jsonTextBytes);
  }
  if (call.network.bytes == 0) {
    errorBegin(ERROR_NETWORK);
    errorText("missing network name");
    return false;
  }
  if (isName(call.network.at, call.network.bytes)) return true;
  errorBegin(ERROR_NETWORK);
  errorText("invalid characters found in network name");
  errorDetails();
  errorBytes(call.network.at, call.network.bytes);
  return false;
}

function readVersion(): bool {
  versionAt = 0;
  versionBytes = 0;
  const node = jsonScalar(0, "cniVersion");
  if (node == 0) return true;
  if (jsonKind(node) != JSON_STRING) {
    errorBegin(ERROR_DECODING);
    errorText("decoding version from network config: ");
    typeText(node, ".cniVersion", "string");
    return false;
  }
  jsonText(node);
  versionAt = jsonTextAt;
  versionBytes = jsonTextBytes;
  return true;
}

// Finds the version in the list of those we speak.
function matchVersion(): bool {
  call.specVersion = 0;
  if (versionBytes == 0) return true;
  for (let i = 0; i < SPEC_COUNT; i++) {
    if (!sameText(versionAt, versionBytes, specText(i))) continue;
    call.specVersion = i;
    return true;
  }
  errorBegin(ERROR_VERSION);
  errorText("incompatible CNI versions");
  errorDetails();
  errorText("config is ");
  errorQuote(versionAt, versionBytes);
  errorText(", plugin supports [");
  for (let i = 0; i < SPEC_COUNT; i++) {
    if (i > 0) errorText(" ");
    errorText('"');
    errorText(specText(i));
    errorText('"');
  }
  errorText("]");
  return false;
}

function badPart(which: string, at: usize, bytes: i32, why: string): bool {
  errorBegin(ERROR_DECODING);
  errorText("failed to convert ");
  errorText(which);
  errorText(" version part ");
  errorQuote(at, bytes);
  errorText(": strconv.Atoi: parsing ");
  errorQuote(at, bytes);
  errorText(why);
  return false;
}

let part: i64 = 0;

// One number of a version, as strconv.Atoi reads it.
function readPart(which: string, at: usize, bytes: i32): bool {
  const sign = bytes > 0 && (load<u8>(at) == 43 || load<u8>(at) == 45);
  const negative = sign && load<u8>(at) == 45;
  const first = sign ? 1 : 0;
  if (bytes == first) return badPart(which, at, bytes, ": invalid syntax");
  let n: i64 = 0;
  for (let i = first; i < bytes; i++) {
    const c = <i64>load<u8>(at + i);
    if (c < 48 || c > 57) return badPart(which, at, bytes, ": invalid syntax");
    // Large numbers are all the same to the comparison.
    if (n < 1000000000000) n = n * 10 + (c - 48);
  }
  part = negative ? -n : n;
  return true;
}

let order: i64 = 0;

// Compares the config's version with major.minor.0, `order` being < 0, 0 or > 0.
function compareVersion(major: i64, minor: i64): bool {
  order = 0;
  if (versionBytes == 0) {
    order = major > 0 ? -1 : 1 - minor;
    return true;
  }
  let dots = 0;
  for (let i = 0; i < versionBytes; i++) if (load<u8>(versionAt + i) == 46) dots++;
  if (dots > 2) {
    errorBegin(ERROR_DECODING);
    errorText("invalid version ");
    errorQuote(versionAt, versionBytes);
    errorText(": too many parts");
    return false;
  }
  let from = 0;
  for (let n = 0; n <= 2; n++) {
    let to = from;
    while (to < versionBytes && load<u8>(versionAt + to) != 46) to++;
    part = 0;
    const which = n == 0 ? "major" : n == 1 ? "minor" : "micro";
    if (n <= dots && !readPart(which, versionAt + from, to - from)) return false;
    const least = n == 0 ? major : n == 1 ? minor : 0;
    if (order == 0) order = part - least;
    from = to + 1;
  }
  return true;
}

function refuseVersion(who: string, verb: string): bool {
  errorBegin(ERROR_VERSION);
  errorText(who);
  errorText(" version does not allow ");
  errorText(verb);
  return false;
}

// A command that came with a later version of the specification.
function gate(verb: string, least: i32): bool {
  if (!compareVersion(least == SPEC_0_4_0 ? 0 : 1, least == SPEC_0_4_0 ? 4 : 1)) return false;
  if (order < 0) return refuseVersion("config", verb);
  if (!compareVersion(1, 1)) return false;
  if (order > 0) return refuseVersion("plugin", verb);
  return true;
}

/** Checks stdin up to the point where the plugin's body would begin. False: an error pends. */
export function networkRead(): bool {
  if (!readName()) return false;
  const command = call.command;
  if (command == CMD_OTHER) {
    errorBegin(ERROR_ENVIRONMENT);
    errorText("unknown CNI_COMMAND: ");
    errorBytes(call.commandText.at, call.commandText.bytes);
    return false;
  }
  if (!readVersion()) return false;
  if (command != CMD_ADD && command != CMD_DEL) {
    const verb = command == CMD_CHECK ? "CHECK" : command == CMD_GC ? "GC" : "STATUS";
    if (!gate(verb, command == CMD_CHECK ? SPEC_0_4_0 : SPEC_1_1_0)) return false;
  }
  return matchVersion();
}

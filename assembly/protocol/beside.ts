// Keys of `ipam` for a life beside host-local. All are optional; null and false count as absent.
//
//   adopt    true, or the dataDir of host-local: take its directory over at the first use
//   mirror   true, or the dataDir of host-local: keep its files beside ours at every call
//   shadow   "host-local", or {"plugin": name or path, "dataDir": path} (shadow.ts)
//
// With adopt or mirror both programs' files lie in one directory: `dataDir` if the config has it,
// else host-local's default. Refuses (999): other types, two different directories, shadow beside
// the others. DEL and GC take what can be read.
import { call, Span, spanSet, spanTake } from "./call";
import { errorBytes, errorText } from "./errors";
import { refuse } from "./field";
import { JSON_FALSE, JSON_OBJECT, JSON_STRING, JSON_TRUE, jsonKind } from "./json";
import { jsonMember, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";
import { errorValue } from "./option";

/** Where host-local keeps its files if nobody says otherwise. */
export const FOREIGN_DIRECTORY: string = "/var/lib/cni/networks";

// The directory that a key names; 0 bytes: none.
let named: Span = changetype<Span>(0);

// Reads `key` as true or a path. false: it is neither.
function readPlace(node: i32, path: Span): bool {
  spanSet(path, 0, 0);
  if (node == 0 || jsonKind(node) == JSON_FALSE || jsonKind(node) == JSON_TRUE) return true;
  if (jsonKind(node) != JSON_STRING) return false;
  jsonText(node);
  spanSet(path, jsonTextAt, jsonTextBytes);
  return path.bytes > 0 && load<u8>(path.at) == 47;
}

function isOn(node: i32): bool {
  return node != 0 && jsonKind(node) != JSON_FALSE;
}

function wrongPlace(key: string, node: i32): bool {
  refuse("ipam.");
  errorText(key);
  errorText(" ");
  errorValue(node);
  errorText(" is neither true nor a path: use true, or the dataDir of host-local ");
  errorText('("/var/lib/cni/networks")');
  return false;
}

function same(a: Span, b: Span): bool {
  return a.bytes == b.bytes && memory.compare(a.at, b.at, a.bytes) == 0;
}

function twoPlaces(key: string, path: Span, other: Span): bool {
  refuse("ipam.");
  errorText(key);
  errorText(" names ");
  errorBytes(path.at, path.bytes);
  errorText(", but the config also names ");
  errorBytes(other.at, other.bytes);
  errorText(": both programs' files lie in one directory, leave one of the two out");
  return false;
}

// One key: its value, and whether its directory agrees with those named before.
function readKey(ipam: i32, key: string, dataDir: Span): bool {
  const node = jsonMember(ipam, key);
  const path = spanTake();
  if (!readPlace(node, path)) return wrongPlace(key, node);
  if (path.bytes == 0) return true;
  if (dataDir.bytes > 0 && !same(path, dataDir)) return twoPlaces(key, path, dataDir);
  if (named.bytes > 0 && !same(path, named)) return twoPlaces(key, path, named);
  spanSet(named, path.at, path.bytes);
  return true;
}

function isText(node: i32): bool {
  if (jsonKind(node) != JSON_STRING) return false;
  jsonText(node);
  return jsonTextBytes > 0;
}

// Does it name a plugin? An object needn't: host-local is meant.
function isShadow(node: i32): bool {
  if (jsonKind(node) != JSON_OBJECT) return isText(node);
  const name = jsonMember(node, "plugin");
  return name == 0 || isText(name);
}

/** `dataDir` of an object under `shadow` that is no text; 0 = there is none. */
export function shadowDirectoryFault(node: i32): i32 {
  if (node == 0 || jsonKind(node) != JSON_OBJECT) return 0;
  const directory = jsonMember(node, "dataDir");
  return directory != 0 && jsonKind(directory) != JSON_STRING ? directory : 0;
}

function readShadow(ipam: i32): bool {
  const node = jsonMember(ipam, "shadow");
  if (!isOn(node)) return true;
  if (!isShadow(node)) {
    refuse("ipam.shadow ");
    errorValue(node);
    errorText(' names no plugin: use "host-local" or {"plugin": "host-local"}');
    return false;
  }
  const directory = shadowDirectoryFault(node);
  if (directory != 0) {
    refuse("ipam.shadow.dataDir ");
    errorValue(directory);
    errorText(' is no path: use a text ("/var/lib/cni/berth"), or leave it out');
    return false;
  }
  if (!call.adopt && !call.mirror) return true;
  refuse("ipam.shadow doesn't go with ");
  errorText(call.adopt ? "adopt" : "mirror");
  errorText(": in a trial host-local gives the addresses, leave one of the two out");
  return false;
}

/**
 * Reads the keys into the call; `dataDir` becomes the directory that they mean. `strict`: false
 * with a pending error at the first fault.
 */
export function besideRead(ipam: i32, dataDir: Span, strict: bool): bool {
  named = spanTake();
  spanSet(named, 0, 0);
  const adopts = readKey(ipam, "adopt", dataDir);
  if (!adopts && strict) return false;
  const mirrors = readKey(ipam, "mirror", dataDir);
  if (!mirrors && strict) return false;
  call.adopt = adopts && isOn(jsonMember(ipam, "adopt"));
  call.mirror = mirrors && isOn(jsonMember(ipam, "mirror"));
  if (named.bytes > 0) spanSet(dataDir, named.at, named.bytes);
  return !strict || readShadow(ipam);
}

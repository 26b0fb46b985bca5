// The config under which a cached result came: libcni keeps the network's whole list, in base64.
//
//   "config": "eyJjbmlWZXJzaW9uIjoi..."    { "plugins": [ { "ipam": ..., "capabilities": ... } ] }
//
// Its first plugin with `ipam` is the one that called us. What can't be read is a config that says
// nothing.
import { annotationsGranted } from "../protocol/annotations";
import { call } from "../protocol/call";
import {
  JSON_LIST,
  JSON_OBJECT,
  JSON_STRING,
  jsonEnter,
  jsonKind,
  jsonLeave,
  jsonNext,
} from "../protocol/json";
import {
  jsonMember,
  jsonRootMember,
  jsonText,
  jsonTextAt,
  jsonTextBytes,
} from "../protocol/jsonvalue";
import { reserveRead } from "../protocol/reserve";
import { scratchTake } from "../scratch";

/** Did that config let the plugin see the pod's annotations? */
export let configAnnotates: bool = false;

function digit(c: u32): i32 {
  if (c >= 65 && c <= 90) return <i32>c - 65;
  if (c >= 97 && c <= 122) return <i32>c - 71;
  if (c >= 48 && c <= 57) return <i32>c + 4;
  return c == 43 ? 62 : c == 47 ? 63 : -1;
}

// Decodes base64. Bytes written, -1: it is something else.
function decode(from: usize, bytes: i32, to: usize): i32 {
  let held: u32 = 0;
  let bits: u32 = 0;
  let n = 0;
  for (let i = 0; i < bytes; i++) {
    const c = <u32>load<u8>(from + i);
    if (c == 61) break;
    const value = digit(c);
    if (value < 0) return -1;
    held = (held << 6) | <u32>value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    store<u8>(to + n, <u8>(held >> bits));
    n++;
  }
  return n;
}

// An object, or 0.
function object(node: i32): i32 {
  return node != 0 && jsonKind(node) == JSON_OBJECT ? node : 0;
}

// Reads what the document at hand says, a list of plugins or one plugin's config.
function readConfig(): void {
  let ipam = object(jsonRootMember("ipam"));
  let capabilities = object(jsonRootMember("capabilities"));
  const plugins = jsonRootMember("plugins");
  const last = plugins != 0 && jsonKind(plugins) == JSON_LIST ? jsonNext(plugins) : 0;
  for (let e = plugins + 1; e < last && ipam == 0; e = jsonNext(e)) {
    ipam = object(jsonMember(e, "ipam"));
    capabilities = object(jsonMember(e, "capabilities"));
  }
  if (ipam == 0) return;
  reserveRead(ipam);
  configAnnotates = annotationsGranted(capabilities);
}

/** Reads what the result's own config said about reserving into the call. */
export function cachedConfigRead(): void {
  call.reserveFor = 0;
  call.reserveMax = 0;
  reserveRead(0);
  configAnnotates = false;
  const node = jsonRootMember("config");
  if (node == 0 || jsonKind(node) != JSON_STRING) return;
  jsonText(node);
  const at = scratchTake(<usize>jsonTextBytes + 16);
  const bytes = decode(jsonTextAt, jsonTextBytes, at);
  if (bytes <= 0) return;
  if (jsonEnter(at, bytes)) readConfig();
  jsonLeave();
}

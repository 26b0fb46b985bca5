// The pod of a cached result. libcni keeps what it was called with beside the result:
//
//   "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", "web-0"]]
//
// The pairs are put together again as the CNI_ARGS that the plugin was given, and read by the same
// reader. So are the annotations among "capabilityArgs", if the config let the plugin see them:
// libcni keeps all that the runtime knows. What is no pair of texts, or has a NUL (no variable can
// have one), is left out: nothing here stops an address from being taken over.

import { netns } from "../host";
import { annotationsNote } from "../protocol/annotations";
import { call, spanSet } from "../protocol/call";
import { argsRead, podNameMake } from "../protocol/cniargs";
import { JSON_LIST, JSON_STRING, jsonBytes, jsonCount, jsonKind, jsonNext } from "../protocol/json";
import { jsonRootMember, jsonText, jsonTextAt, jsonTextBytes } from "../protocol/jsonvalue";
import { sameText } from "../protocol/text";
import { scratchTake } from "../scratch";
import { cachedConfigRead, configAnnotates } from "./cachedconfig";

let args: usize = 0;
let argsBytes: i32 = 0;

// Appends the text of a node. false: it can't be part of a variable.
function append(node: i32): bool {
  jsonText(node);
  for (let i = 0; i < jsonTextBytes; i++) {
    if (load<u8>(jsonTextAt + i) == 0) return false;
  }
  memory.copy(args + argsBytes, jsonTextAt, jsonTextBytes);
  argsBytes += jsonTextBytes;
  return true;
}

// Appends KEY=value.
function appendPair(pair: i32): void {
  if (jsonCount(pair) != 2) return;
  const key = pair + 1;
  const value = jsonNext(key);
  if (jsonKind(key) != JSON_STRING || jsonKind(value) != JSON_STRING) return;
  const before = argsBytes;
  if (before > 0) store<u8>(args + argsBytes++, 59);
  let whole = append(key);
  store<u8>(args + argsBytes++, 61);
  whole = append(value) && whole;
  if (!whole) argsBytes = before;
}

/** Reads the name of the pod in the document at hand: podNameAt, podNameBytes (0 = none). */
export function cachedPodRead(): void {
  spanSet(call.podNamespace, 0, 0);
  spanSet(call.podName, 0, 0);
  argsBytes = 0;
  const list = jsonRootMember("cniArgs");
  if (list != 0 && jsonKind(list) == JSON_LIST) {
    // A byte of invalid UTF-8 becomes three.
    args = scratchTake(<usize>jsonBytes(list) * 3);
    for (let pair = list + 1; pair < jsonNext(list); pair = jsonNext(pair)) appendPair(pair);
    spanSet(call.args, args, argsBytes);
    argsRead(false);
  }
  podNameMake();
}

// Does the text that was read last begin with `head`?
function begins(head: string): bool {
  return jsonTextBytes >= head.length && sameText(jsonTextAt, head.length, head);
}

/**
 * Inode number of the network namespace that the document at hand names, where that is there; 0 =
 * unknown. Only a name that a runtime has made for it counts, not /proc/<pid>/ns/net: that number
 * may be another process's by now.
 */
export function cachedNetns(): u32 {
  const node = jsonRootMember("netns");
  if (node == 0 || jsonKind(node) != JSON_STRING) return 0;
  jsonText(node);
  if (!begins("/run/") && !begins("/var/run/")) return 0;
  const found = netns(jsonTextAt, jsonTextBytes);
  return found > 0 ? <u32>found : 0;
}

/** Reads what config and annotations said of that name into the call, for reserveFor, nameFlags. */
export function cachedNotesRead(): void {
  cachedConfigRead();
  annotationsNote(configAnnotates ? jsonRootMember("capabilityArgs") : 0);
}

// What GC is told to keep: a list of container ids and interfaces on stdin.
//
// `cni.dev/valid-attachments` decides. `cni.dev/attachments`, an older spelling that libcni sends
// beside it, counts where the first is absent; where both are there and differ, both are kept (err
// on keeping). A first that is null, or neither: the caller knows nothing, and nothing may be
// collected.
//
// Linear in the lists. Refuses a list that it can't read to its end, code 6: collecting on half a
// list would free what is in use.

import { scratchTake } from "../scratch";
import { Attachment, call } from "./call";
import { ERROR_DECODING, errorBegin, errorNumber, errorText } from "./errors";
import { kindWord } from "./field";
import { JSON_LIST, JSON_OBJECT, JSON_STRING, jsonCount, jsonKind, jsonNext } from "./json";
import {
  jsonMember,
  jsonRaw,
  jsonRootMember,
  jsonText,
  jsonTextAt,
  jsonTextBytes,
} from "./jsonvalue";

function bad(key: string, index: i32, what: string): bool {
  errorBegin(ERROR_DECODING);
  errorText("decoding ");
  errorText(key);
  if (index >= 0) {
    errorText(": entry ");
    errorNumber(index);
  }
  errorText(what);
  return false;
}

function isFilled(node: i32): bool {
  if (node == 0 || jsonKind(node) != JSON_STRING) return false;
  jsonText(node);
  return jsonTextBytes > 0;
}

function readList(list: i32, key: string): bool {
  if (list == 0) return true;
  let index = 0;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) != JSON_OBJECT) return bad(key, index, " is no object");
    const a = changetype<Attachment>(
      call.attachments + <usize>call.attachmentCount * offsetof<Attachment>(),
    );
    if (!isFilled(jsonMember(e, "containerID"))) return bad(key, index, " has no containerID");
    a.idAt = jsonTextAt;
    a.idBytes = jsonTextBytes;
    if (!isFilled(jsonMember(e, "ifname"))) return bad(key, index, " has no ifname");
    a.ifnameAt = jsonTextAt;
    a.ifnameBytes = jsonTextBytes;
    call.attachmentCount++;
    index++;
  }
  return true;
}

function isList(node: i32, key: string): bool {
  if (node == 0 || jsonKind(node) == JSON_LIST) return true;
  bad(key, -1, ": a list is wanted, not ");
  errorText(kindWord(node));
  return false;
}

function sameBytes(a: usize, aBytes: i32, b: usize, bBytes: i32): bool {
  return aBytes == bBytes && memory.compare(a, b, <usize>aBytes) == 0;
}

// Is the second list (from `half` on) the first once more?
function isTwice(half: i32): bool {
  if (call.attachmentCount != half * 2) return false;
  for (let i = 0; i < half; i++) {
    const at = call.attachments + <usize>i * offsetof<Attachment>();
    const a = changetype<Attachment>(at);
    const b = changetype<Attachment>(at + <usize>half * offsetof<Attachment>());
    if (!sameBytes(a.idAt, a.idBytes, b.idAt, b.idBytes)) return false;
    if (!sameBytes(a.ifnameAt, a.ifnameBytes, b.ifnameAt, b.ifnameBytes)) return false;
  }
  return true;
}

/** Reads the lists into the call. False with a pending error. */
export function attachmentsRead(): bool {
  const valid = jsonRootMember("cni.dev/valid-attachments");
  const older = jsonRootMember("cni.dev/attachments");
  call.attachmentsPresent = false;
  call.attachmentCount = 0;
  if (!isList(valid, "cni.dev/valid-attachments")) return false;
  if (!isList(older, "cni.dev/attachments")) return false;
  const most = (valid == 0 ? 0 : jsonCount(valid)) + (older == 0 ? 0 : jsonCount(older));
  call.attachments = scratchTake(<usize>most * offsetof<Attachment>());
  if (!readList(valid, "cni.dev/valid-attachments")) return false;
  const half = call.attachmentCount;
  if (!readList(older, "cni.dev/attachments")) return false;
  if (isTwice(half)) call.attachmentCount = half;
  const unknown = valid == 0 && jsonRaw(0, "cni.dev/valid-attachments") != 0;
  call.attachmentsPresent = (valid != 0 || older != 0) && !unknown;
  return true;
}

// The environment of a call: which variables a command needs, and what their values may be. The
// rules are those of upstream's skeleton (cni/pkg/skel), which checks values before it names what
// is missing.
//
// Cost: linear in the values. Refuses: bad values and missing variables, code 4.

import { env } from "../host";
import { scratchRewind, scratchTake } from "../scratch";
import {
  CMD_ADD,
  CMD_CHECK,
  CMD_DEL,
  CMD_GC,
  CMD_NONE,
  CMD_OTHER,
  CMD_STATUS,
  CMD_VERSION,
  call,
  Span,
  spanSet,
} from "./call";
import { ERROR_ENVIRONMENT, errorBegin, errorBytes, errorDetails, errorText } from "./errors";
import { overLimit } from "./field";
import {
  isSpace,
  runeAt,
  runeBytes,
  sameText,
  Text,
  textClear,
  textString,
  textTake,
  textTo,
} from "./text";

/** Longest value that is read: what Linux lets one variable hold. */
const VALUE_MAX: i32 = 131072;
/** A network interface's name has at most so many bytes. */
const IFNAME_MAX: i32 = 15;

/** CNI_NETNS_OVERRIDE is set: the network namespace may be our own. */
export let netnsOverride: bool = false;

let label: Text = changetype<Text>(0);

/** Reads a variable into `span`. False, with a pending error, if it is too long. */
export function envText(name: string, span: Span): bool {
  textClear(label);
  textTo(label);
  textString(name);
  const at = scratchTake(<usize>VALUE_MAX);
  const bytes = env(label.at, label.length, at, VALUE_MAX);
  if (bytes > VALUE_MAX) return overLimit(name, bytes, " bytes", VALUE_MAX);
  const used = max<i32>(bytes, 0);
  scratchRewind((at + <usize>used + 15) & ~15);
  spanSet(span, at, used);
  return true;
}

function commandOf(at: usize, bytes: i32): i32 {
  if (bytes == 0) return CMD_NONE;
  if (sameText(at, bytes, "ADD")) return CMD_ADD;
  if (sameText(at, bytes, "DEL")) return CMD_DEL;
  if (sameText(at, bytes, "CHECK")) return CMD_CHECK;
  if (sameText(at, bytes, "GC")) return CMD_GC;
  if (sameText(at, bytes, "STATUS")) return CMD_STATUS;
  if (sameText(at, bytes, "VERSION")) return CMD_VERSION;
  return CMD_OTHER;
}

/** Is it a name that CNI allows for containers and networks: [a-zA-Z0-9][a-zA-Z0-9_.-]*? */
export function isName(at: usize, bytes: i32): bool {
  for (let i = 0; i < bytes; i++) {
    const c = <u32>load<u8>(at + i);
    const letter = (c | 32) >= 97 && (c | 32) <= 122;
    const digit = c >= 48 && c <= 57;
    const sign = c == 95 || c == 46 || c == 45;
    if (!letter && !digit && (!sign || i == 0)) return false;
  }
  return bytes > 0;
}

function refuse(s: string): bool {
  errorBegin(ERROR_ENVIRONMENT);
  errorText(s);
  return false;
}

function checkContainer(): bool {
  const id = call.containerId;
  if (isName(id.at, id.bytes)) return true;
  refuse("invalid characters in containerID");
  errorDetails();
  errorBytes(id.at, id.bytes);
  return false;
}

function checkInterface(): bool {
  const at = call.ifname.at;
  const bytes = call.ifname.bytes;
  if (bytes > IFNAME_MAX) {
    refuse("interface name is too long");
    errorDetails();
    errorText("interface name should be less than 16 characters");
    return false;
  }
  if (sameText(at, bytes, ".") || sameText(at, bytes, "..")) {
    return refuse("interface name is . or ..");
  }
  const end = at + bytes;
  for (let p = at; p < end; p += runeBytes) {
    const rune = runeAt(p, end);
    if (rune == 47 || rune == 58 || isSpace(rune)) {
      return refuse("interface name contains / or : or whitespace characters");
    }
  }
  return true;
}

let missing: i32 = 0;

function need(needed: bool, bytes: i32, name: string): void {
  if (!needed || bytes > 0) return;
  if (missing == 0) refuse("required env variables [");
  else errorText(",");
  errorText(name);
  missing++;
}

// Is the value 1 or true, in any case?
function isTrue(at: usize, bytes: i32): bool {
  if (sameText(at, bytes, "1")) return true;
  if (bytes != 4) return false;
  return (load<u32>(at) | 0x20202020) == 0x65757274;
}

/**
 * Reads all variables into the call. False with a pending error, or without one if CNI_COMMAND is
 * not set (`call.command` is CMD_NONE then).
 */
export function envRead(): bool {
  label = textTake(32);
  missing = 0;
  if (!envText("CNI_COMMAND", call.commandText)) return false;
  const command = commandOf(call.commandText.at, call.commandText.bytes);
  call.command = command;
  if (command == CMD_NONE) return false;
  if (command == CMD_VERSION) return true;
  const attaches = command == CMD_ADD || command == CMD_DEL || command == CMD_CHECK;
  if (!envText("CNI_CONTAINERID", call.containerId)) return false;
  if (attaches && call.containerId.bytes > 0 && !checkContainer()) return false;
  if (!envText("CNI_NETNS", call.netns)) return false;
  if (!envText("CNI_IFNAME", call.ifname)) return false;
  if (attaches && call.ifname.bytes > 0 && !checkInterface()) return false;
  if (!envText("CNI_ARGS", call.args)) return false;
  const path = changetype<Span>(scratchTake(offsetof<Span>()));
  if (!envText("CNI_PATH", path)) return false;
  const pathBytes = path.bytes;
  if (!envText("CNI_NETNS_OVERRIDE", path)) return false;
  netnsOverride = isTrue(path.at, path.bytes);
  need(attaches, call.containerId.bytes, "CNI_CONTAINERID");
  need(attaches && command != CMD_DEL, call.netns.bytes, "CNI_NETNS");
  need(attaches, call.ifname.bytes, "CNI_IFNAME");
  need(command != CMD_OTHER, pathBytes, "CNI_PATH");
  if (missing > 0) errorText("] missing");
  return missing == 0;
}

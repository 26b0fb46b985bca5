// Keys of `ipam` that host-local doesn't have. All are optional; null counts as absent.
//
//   policy          "next" (default), "first", "random"
//   cooldown        seconds as a number, or a text with a unit: "30s", "5m", "24h"; default 0
//   sync            "named" (default), "always", "never"
//   reboot          "release" (default), "keep"
//   reserve         reserve.ts
//   statusWhenFull  "ready" (default), "unavailable"
//
// Refuses other values with code 999, saying what would be right.
import {
  call,
  MODE_HOST_LOCAL,
  MODE_STATIC,
  POLICY_FIRST,
  POLICY_NEXT,
  POLICY_RANDOM,
  REBOOT_KEEP,
  REBOOT_RELEASE,
  STATUS_READY,
  STATUS_UNAVAILABLE,
  SYNC_ALWAYS,
  SYNC_NAMED,
  SYNC_NEVER,
} from "./call";
import { jsonMember } from "./jsonvalue";
import { choice, optionSeconds, optionTime, unknown } from "./option";
import { reserveRead } from "./reserve";

function readPolicy(ipam: i32): bool {
  const node = jsonMember(ipam, "policy");
  const n = choice(node, "next", "first", "random");
  if (n < 0) return unknown(node, "policy", '"next", "first" or "random"');
  call.policy = n == 0 ? POLICY_NEXT : n == 1 ? POLICY_FIRST : POLICY_RANDOM;
  return true;
}

function readSync(ipam: i32): bool {
  const node = jsonMember(ipam, "sync");
  const n = choice(node, "named", "always", "never");
  if (n < 0) return unknown(node, "sync", '"named", "always" or "never"');
  call.sync = n == 0 ? SYNC_NAMED : n == 1 ? SYNC_ALWAYS : SYNC_NEVER;
  return true;
}

function readReboot(ipam: i32): bool {
  const node = jsonMember(ipam, "reboot");
  const n = choice(node, "release", "keep", "");
  if (n < 0) return unknown(node, "reboot", '"release" or "keep"');
  call.reboot = n == 0 ? REBOOT_RELEASE : REBOOT_KEEP;
  return true;
}

function readStatusWhenFull(ipam: i32): bool {
  const node = jsonMember(ipam, "statusWhenFull");
  const n = choice(node, "ready", "unavailable", "");
  if (n < 0) return unknown(node, "statusWhenFull", '"ready" or "unavailable"');
  call.statusWhenFull = n == 0 ? STATUS_READY : STATUS_UNAVAILABLE;
  return true;
}

function readCooldown(ipam: i32): bool {
  const good = optionTime(jsonMember(ipam, "cooldown"), "cooldown", 0);
  call.cooldown = good ? optionSeconds : 0;
  return good;
}

/** Reads `ipam.mode`, which says what the other keys mean. False with a pending error. */
export function modeRead(ipam: i32): bool {
  const node = jsonMember(ipam, "mode");
  const n = choice(node, "host-local", "static", "");
  if (n < 0) return unknown(node, "mode", '"host-local" or "static"');
  call.mode = n == 0 ? MODE_HOST_LOCAL : MODE_STATIC;
  return true;
}

/**
 * Reads our own keys of `ipam` (a node, or 0) into the call. `strict`: false with a pending error
 * at the first fault; else a faulty key keeps its default.
 */
export function optionsRead(ipam: i32, strict: bool): bool {
  if (!readPolicy(ipam) && strict) return false;
  if (!readCooldown(ipam) && strict) return false;
  if (!readSync(ipam) && strict) return false;
  if (!readReboot(ipam) && strict) return false;
  if (!readStatusWhenFull(ipam) && strict) return false;
  return reserveRead(ipam) || !strict;
}

// `ipam.reserve`: whether a pod's name keeps its addresses when the pod goes, and for how long.
//
//   "reserve": { "for": "24h", "pods": "annotated" | "ordinal" | "all", "max": "168h",
//                "perNamespace": 64 }
//
//   for            default 24h
//   pods           default "annotated" (pool/podname.ts has the rule)
//   max            the longest time that an annotation gets; default 168h, or `for` if that is
//                  more; 0 = no bound
//   perNamespace   reservations of one namespace; default 0 = no bound
//
// Absent, null or false: nothing is reserved. A DEL that can't read it leaves the decision to what
// the record remembers. Refuses other values with code 999.
import { slurp } from "../host";
import { RESERVE_NOTHING, RESERVE_REMEMBERED, RESERVE_RULE } from "../pool/leave";
import { PODS_ALL, PODS_ANNOTATED, PODS_ORDINAL, ReserveRule, reserveTime } from "../pool/podname";
import { Settings } from "../pool/settings";
import { NAME_ASKED, NAME_FIXED } from "../records/record";
import { scratchTake } from "../scratch";
import { fileName, nameAt, nameBytes } from "../store/names";
import { call } from "./call";
import { errorNumber, errorText } from "./errors";
import { refuse } from "./field";
import { JSON_FALSE, JSON_OBJECT, jsonKind } from "./json";
import { jsonMember } from "./jsonvalue";
import {
  choice,
  errorValue,
  optionCount,
  optionNumber,
  optionSeconds,
  optionTime,
  unknown,
} from "./option";

const FOR: u32 = 86400;
const MAX: u32 = 604800;
/** A DEL counts them, one by one. */
const PER_NAMESPACE_MAX: i32 = 4096;
const HOST_NAME_BYTES: i32 = 256;

let rule: usize = 0;

function readTimes(node: i32): bool {
  if (!optionTime(jsonMember(node, "for"), "reserve.for", FOR)) return false;
  const time = optionSeconds;
  if (time == 0) {
    refuse("ipam.reserve.for is 0: use a time from 1 s on, or leave `reserve` out");
    return false;
  }
  const max = jsonMember(node, "max");
  if (!optionTime(max, "reserve.max", time > MAX ? time : MAX)) return false;
  if (optionSeconds != 0 && optionSeconds < time) {
    refuse("ipam.reserve.max ");
    errorValue(max);
    errorText(" is less than ipam.reserve.for, ");
    errorNumber(time);
    errorText(" s");
    return false;
  }
  call.reserveFor = time;
  call.reserveMax = optionSeconds;
  return true;
}

function readObject(node: i32): bool {
  if (jsonKind(node) != JSON_OBJECT) {
    refuse("ipam.reserve ");
    errorValue(node);
    errorText(' is no object: use {"for": "24h"}');
    return false;
  }
  const pods = jsonMember(node, "pods");
  const n = choice(pods, "annotated", "ordinal", "all");
  if (n < 0) return unknown(pods, "reserve.pods", '"annotated", "ordinal" or "all"');
  const count = jsonMember(node, "perNamespace");
  if (!optionCount(count, "reserve.perNamespace", PER_NAMESPACE_MAX)) return false;
  call.reservePods = n == 0 ? PODS_ANNOTATED : n == 1 ? PODS_ORDINAL : PODS_ALL;
  call.reservePerNamespace = optionNumber;
  return readTimes(node);
}

/** Reads `reserve` of `ipam` (a node, or 0 = it can't be read). False with a pending error. */
export function reserveRead(ipam: i32): bool {
  rule = 0;
  call.reserve = RESERVE_REMEMBERED;
  if (ipam == 0) return true;
  const node = jsonMember(ipam, "reserve");
  if (node == 0 || jsonKind(node) == JSON_FALSE) {
    call.reserve = RESERVE_NOTHING;
    return true;
  }
  if (!readObject(node)) {
    call.reserveFor = 0;
    return false;
  }
  call.reserve = RESERVE_RULE;
  return true;
}

/**
 * For a verb, which has no config: its DEL notes and what it lets go are treated as by a DEL with
 * the config of the last ADD, a Settings at `at`; 0 = none is kept, so the records decide.
 */
export function reserveFrom(at: usize): void {
  reserveRead(0);
  call.cooldown = 0;
  if (at == 0) return;
  const s = changetype<Settings>(at);
  call.cooldown = s.cooldown;
  call.reserve = s.reserveFor != 0 ? RESERVE_RULE : RESERVE_NOTHING;
  call.reserveFor = s.reserveFor;
  call.reserveMax = s.reserveMax;
  call.reservePods = <i32>s.reservePods;
  call.reservePerNamespace = s.reservePerNamespace;
}

/** The rule of the call's config. Looks the node's name up where the rule needs it. */
export function reserveRule(): ReserveRule {
  if (rule != 0) return changetype<ReserveRule>(rule);
  const r = changetype<ReserveRule>(scratchTake(offsetof<ReserveRule>()));
  rule = changetype<usize>(r);
  r.time = call.reserveFor;
  r.most = call.reserveMax;
  r.pods = call.reservePods;
  r.perNamespace = call.reservePerNamespace;
  r.nodeBytes = 0;
  if (r.time != 0 && r.pods == PODS_ORDINAL) readNode(r);
  return r;
}

function readNode(r: ReserveRule): void {
  fileName("/proc/sys/kernel/hostname");
  r.node = scratchTake(<usize>HOST_NAME_BYTES);
  const bytes = slurp(nameAt, nameBytes, r.node, HOST_NAME_BYTES);
  if (bytes <= 0 || bytes > HOST_NAME_BYTES) return;
  r.nodeBytes = <u32>bytes;
  while (r.nodeBytes > 0 && load<u8>(r.node + r.nodeBytes - 1) <= 32) r.nodeBytes--;
}

/** Seconds for which the name of the call's own pod is reserved when it goes; 0 = it isn't. */
export function reserveFor(name: usize, bytes: u32): u32 {
  if (call.reserveFor == 0) return 0;
  return reserveTime(reserveRule(), name, bytes, call.podFixed, call.podReserveFor);
}

/** What the annotations of the call's own pod say of its name: NAME_ flags. */
export function nameFlags(): u32 {
  return (call.podFixed ? NAME_FIXED : 0) | (call.podReserveFor != 0 ? NAME_ASKED : 0);
}

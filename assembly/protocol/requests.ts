// Addresses that the caller asks for. The sources add up in this order: CNI_ARGS (key IP),
// args.cni.ips, runtimeConfig.ips; equal addresses count once. Bounded by WANTED_MAX, quadratic in
// it.
import { parsedFamily, parsedHi, parsedLo } from "../address";
import { Wanted, wantedAt } from "../pool/range";
import { scratchTake } from "../scratch";
import { call } from "./call";
import { argsFamily, argsHi, argsLo, parseRequest } from "./cniargs";
import { errorBytes } from "./errors";
import { overLimit, refuse, wrongType } from "./field";
import { JSON_NULL, JSON_STRING, jsonCount, jsonKind, jsonNext } from "./json";
import { jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";

const WANTED_MAX: i32 = 256;

// Where the list entry `e` is an empty text, upstream goes on and refuses later.
let empty: bool = false;

function checkList(list: i32, field: string): bool {
  if (list == 0) return true;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) == JSON_NULL) {
      refuse("invalid IP address null");
      return false;
    }
    if (jsonKind(e) != JSON_STRING) return wrongType(e, field, "*ip.IP");
    jsonText(e);
    if (jsonTextBytes == 0) {
      empty = true;
    } else if (!parseRequest(jsonTextAt, jsonTextBytes)) {
      refuse("invalid IP address ");
      errorBytes(jsonTextAt, jsonTextBytes);
      return false;
    }
  }
  return true;
}

/**
 * Checks the lists args.cni.ips and runtimeConfig.ips (nodes, or 0) without keeping anything: a
 * text that can't be read is refused before CNI_ARGS is looked at. False with a pending error.
 */
export function requestsCheck(args: i32, runtime: i32): bool {
  empty = false;
  const count = (args == 0 ? 0 : jsonCount(args)) + (runtime == 0 ? 0 : jsonCount(runtime));
  if (count > WANTED_MAX) return overLimit("ips", count, " requested addresses", WANTED_MAX);
  return checkList(args, "IPAMArgs.args.cni.ips") && checkList(runtime, "Net.runtimeConfig.ips");
}

function want(family: i32, hi: u64, lo: u64): void {
  for (let i = 0; i < call.wantedCount; i++) {
    const w = wantedAt(call.wanted, i);
    if (w.family == family && w.hi == hi && w.lo == lo) return;
  }
  const w = wantedAt(call.wanted, call.wantedCount);
  w.hi = hi;
  w.lo = lo;
  w.family = family;
  w.used = false;
  w.range = 0; // not fixed: whatever lay here before
  call.wantedCount++;
}

function wantList(list: i32): void {
  if (list == 0) return;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    jsonText(e);
    parseRequest(jsonTextAt, jsonTextBytes);
    want(parsedFamily, parsedHi, parsedLo);
  }
}

/** Keeps what requestsCheck let pass, and the address of CNI_ARGS. False with a pending error. */
export function requestsRead(args: i32, runtime: i32): bool {
  if (empty) {
    refuse("cannot understand ip: IP <nil> not v4 nor v6");
    return false;
  }
  const most = 1 + (args == 0 ? 0 : jsonCount(args)) + (runtime == 0 ? 0 : jsonCount(runtime));
  call.wanted = scratchTake(<usize>most * offsetof<Wanted>());
  call.wantedCount = 0;
  if (argsFamily != 0) want(argsFamily, argsHi, argsLo);
  wantList(args);
  wantList(runtime);
  return true;
}

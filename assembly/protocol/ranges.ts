// Range sets of the config, made canonical out of their drafts (rangedrafts.ts), in upstream's
// order of checks and with its words: subnet, ends, gateway, excludes; then ranges of a set against
// each other, then sets. Cost: comparisons of all pairs of ranges, within the drafts' limits.
import { lastHi, lastLo, maskHi, maskLo } from "../address";
import { below, Interval, inSubnet, Range, RangeSet, rangeAt, setAt } from "../pool/range";
import { scratchTake } from "../scratch";
import { call, SPEC_0_2_0 } from "./call";
import {
  errorAddress,
  errorBytes,
  errorNumber,
  errorPrefix,
  errorRange,
  errorText,
} from "./errors";
import { excludesCount, excludesRead } from "./excludes";
import { refuse } from "./field";
import { jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";
import { END, excludeNode, GATEWAY, ranges, START, SUBNET, Written, written } from "./rangedrafts";

function inSet(index: i32): void {
  refuse("invalid range set ");
  errorNumber(index);
  errorText(": ");
}

function outside(index: i32, what: string, family: i32, hi: u64, lo: u64, r: Range): bool {
  inSet(index);
  errorText(what);
  errorAddress(family, hi, lo);
  errorText(" not in network ");
  errorPrefix(r.family, r.subnetHi, r.subnetLo, r.prefixLength);
  return false;
}

// Subnet: big enough, without host bits.
function settleSubnet(index: i32, w: Written, r: Range): bool {
  if (w.family == 0) {
    inSet(index);
    errorText("IP <nil> not v4 nor v6");
    return false;
  }
  const bits = w.family == 6 || w.mapped ? 128 : 32;
  if (w.length > bits - 2) {
    inSet(index);
    errorText("Network ");
    errorPrefix(w.family, w.hi, w.lo, w.mapped ? w.length - 96 : w.length);
    errorText(" too small to allocate from");
    return false;
  }
  if (w.mapped) {
    inSet(index);
    errorText("IPNet IP and Mask version mismatch");
    return false;
  }
  r.family = w.family;
  r.prefixLength = w.length;
  r.subnetHi = w.hi & maskHi(w.family, w.length);
  r.subnetLo = w.lo & maskLo(w.family, w.length);
  if (r.subnetHi == w.hi && r.subnetLo == w.lo) return true;
  inSet(index);
  errorText("Network has host bits set. For a subnet mask of length ");
  errorNumber(w.length);
  errorText(" the network address is ");
  errorAddress(r.family, r.subnetHi, r.subnetLo);
  return false;
}

// Start and end: in the subnet, in order.
function settleEnds(index: i32, start: Written, end: Written, r: Range): bool {
  const family = r.family;
  r.startHi = start.family != 0 ? start.hi : r.subnetHi;
  r.startLo = start.family != 0 ? start.lo : r.subnetLo + 1;
  if (end.family != 0) {
    r.endHi = end.hi;
    r.endLo = end.lo;
  } else {
    // IPv4 leaves the broadcast address out; IPv6 has none.
    r.endHi = lastHi(family, r.prefixLength, r.subnetHi);
    r.endLo = lastLo(family, r.prefixLength, r.subnetLo) - (family == 4 ? 1 : 0);
  }
  const turned = below(r.endHi, r.endLo, r.startHi, r.startLo);
  const comparable = end.family == 0 || end.family == family;
  if (start.family != 0) {
    if (!inSubnet(r, start.family, start.hi, start.lo) || (comparable && turned)) {
      return outside(index, "RangeStart ", start.family, start.hi, start.lo, r);
    }
  }
  if (end.family != 0 && (!inSubnet(r, end.family, end.hi, end.lo) || turned)) {
    return outside(index, "RangeEnd ", end.family, end.hi, end.lo, r);
  }
  return true;
}

// What berth.dev/pool calls the range.
function settleName(name: i32, r: Range): void {
  r.nameBytes = 0;
  if (name == 0) return;
  jsonText(name);
  r.name = jsonTextAt;
  r.nameBytes = jsonTextBytes;
}

function settle(index: i32, d: i32, r: Range): bool {
  settleName(load<i32>(excludeNode(d), 4), r);
  if (!settleSubnet(index, written(d, SUBNET), r)) return false;
  const gateway = written(d, GATEWAY);
  r.gatewayFamily = gateway.family != 0 ? gateway.family : r.family;
  r.gatewayHi = gateway.family != 0 ? gateway.hi : r.subnetHi;
  r.gatewayLo = gateway.family != 0 ? gateway.lo : r.subnetLo + 1;
  if (!settleEnds(index, written(d, START), written(d, END), r)) return false;
  const list = load<i32>(excludeNode(d));
  r.excludeCount = 0;
  r.excludes = 0;
  if (list == 0) return true;
  r.excludes = scratchTake(<usize>excludesCount(list) * offsetof<Interval>());
  return excludesRead(list, r, index);
}

function overlap(a: Range, b: Range): bool {
  if (a.family != b.family) return false;
  if (below(a.endHi, a.endLo, b.startHi, b.startLo)) return false;
  return !below(b.endHi, b.endLo, a.startHi, a.startLo);
}

function settleSet(index: i32): bool {
  const set = setAt(call.sets, index);
  if (set.count == 0) {
    inSet(index);
    errorText("empty range set");
    return false;
  }
  const first = <i32>((set.ranges - ranges) / offsetof<Range>());
  for (let i = 0; i < set.count; i++) {
    if (!settle(index, first + i, rangeAt(set, i))) return false;
    if (rangeAt(set, i).family == rangeAt(set, 0).family) continue;
    inSet(index);
    errorText("mixed address families");
    return false;
  }
  set.family = rangeAt(set, 0).family;
  for (let i = 0; i < set.count; i++) {
    for (let j = i + 1; j < set.count; j++) {
      if (!overlap(rangeAt(set, i), rangeAt(set, j))) continue;
      inSet(index);
      errorText("subnets ");
      errorRange(rangeAt(set, i));
      errorText(" and ");
      errorRange(rangeAt(set, j));
      errorText(" overlap");
      return false;
    }
  }
  return true;
}

function setsOverlap(a: RangeSet, b: RangeSet): bool {
  for (let i = 0; i < a.count; i++)
    for (let j = 0; j < b.count; j++) if (overlap(rangeAt(a, i), rangeAt(b, j))) return true;
  return false;
}

/**
 * Makes the drafts canonical ranges and checks them against each other. `versionAt` is cniVersion
 * as it was written, for the error of an old one. False with a pending error.
 */
export function rangesSettle(versionAt: usize, versionBytes: i32): bool {
  if (call.setCount == 0) {
    refuse("no IP ranges specified");
    return false;
  }
  let four = 0;
  for (let i = 0; i < call.setCount; i++) {
    if (!settleSet(i)) return false;
    if (setAt(call.sets, i).family == 4) four++;
  }
  if (call.specVersion <= SPEC_0_2_0 && (four > 1 || call.setCount - four > 1)) {
    refuse("CNI version ");
    errorBytes(versionAt, versionBytes);
    errorText(" does not support more than 1 address per family");
    return false;
  }
  for (let i = 0; i < call.setCount; i++) {
    for (let j = i + 1; j < call.setCount; j++) {
      if (!setsOverlap(setAt(call.sets, i), setAt(call.sets, j))) continue;
      refuse("range set ");
      errorNumber(i);
      errorText(" overlaps with ");
      errorNumber(j);
      return false;
    }
  }
  return true;
}

// Range sets of the config: read into drafts first, since a text that can't be parsed is refused
// before any range is judged; then made canonical, in upstream's order of checks and with its
// words.
//
//   Draft  | subnet | start | end | gateway | exclude | name |   as written; family 0 = not written
//
// Order of the sets: runtimeConfig.ipRanges, the range written in `ipam` itself, ipam.ranges.
// Cost: linear in the config, and comparisons of all pairs of ranges, within the limits below.
import {
  lastHi,
  lastLo,
  maskHi,
  maskLo,
  parseAddress,
  parsedFamily,
  parsedHi,
  parsedLength,
  parsedLo,
  parsedMapped,
  parsePrefix,
} from "../address";
import { SETS_MAX } from "../image/header";
import { below, Interval, Range, RangeSet } from "../pool/range";
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
import { overLimit, refuse, wrongType } from "./field";
import {
  JSON_LIST,
  JSON_NULL,
  JSON_OBJECT,
  JSON_STRING,
  jsonCount,
  jsonKind,
  jsonNext,
} from "./json";
import { jsonMember, jsonRaw, jsonScalar, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";

export const RANGES_MAX: i32 = 1024;
export const EXCLUDES_MAX: i32 = 1024;

/** An address or a prefix as it was written. */
@unmanaged
class Written {
  hi: u64;
  lo: u64;
  /** 0 = not written */
  family: i32;
  length: i32;
  mapped: bool;
}

let drafts: usize = 0;
let draftCount: i32 = 0;
let ranges: usize = 0;
let excludeTotal: i32 = 0;

const SUBNET: i32 = 0;
const START: i32 = 1;
const END: i32 = 2;
const GATEWAY: i32 = 3;
// Four Written and the nodes of `exclude` and `name`.
const DRAFT_BYTES: usize = 4 * 32 + 16;

function written(draft: i32, field: i32): Written {
  return changetype<Written>(drafts + <usize>draft * DRAFT_BYTES + <usize>field * 32);
}

function excludeNode(draft: i32): usize {
  return drafts + <usize>draft * DRAFT_BYTES + 128;
}

function keep(w: Written): void {
  w.hi = parsedHi;
  w.lo = parsedLo;
  w.family = parsedFamily;
  w.length = parsedLength;
  w.mapped = parsedMapped;
}

/** Begins `invalid CIDR address: x` with the text that jsonText decoded. Always false. */
export function badPrefix(): bool {
  refuse("invalid CIDR address: ");
  errorBytes(jsonTextAt, jsonTextBytes);
  return false;
}

/** Begins `invalid IP address: x` with the text that jsonText decoded. Always false. */
export function badAddress(): bool {
  refuse("invalid IP address: ");
  errorBytes(jsonTextAt, jsonTextBytes);
  return false;
}

function readSubnet(node: i32, w: Written): bool {
  w.family = 0;
  const subnet = jsonRaw(node, "subnet");
  if (subnet == 0) return true;
  // null is the empty text for a type that decodes itself, as upstream's prefixes are.
  if (jsonKind(subnet) == JSON_NULL) {
    refuse("invalid CIDR address: ");
    return false;
  }
  if (jsonKind(subnet) != JSON_STRING) {
    return wrongType(subnet, "Range.ipam.ranges.subnet", "string");
  }
  jsonText(subnet);
  if (!parsePrefix(jsonTextAt, jsonTextBytes)) return badPrefix();
  keep(w);
  return true;
}

function readAddress(node: i32, name: string, field: string, w: Written): bool {
  w.family = 0;
  const value = jsonMember(node, name);
  if (value == 0) return true;
  if (jsonKind(value) != JSON_STRING) return wrongType(value, field, "net.IP");
  jsonText(value);
  if (jsonTextBytes == 0) return true;
  if (!parseAddress(jsonTextAt, jsonTextBytes)) return badAddress();
  keep(w);
  return true;
}

// The range written in an object (null: nothing is written); `field` is where it stands.
function readDraft(node: i32, field: string): bool {
  const d = draftCount++;
  if (jsonKind(node) != JSON_NULL && jsonKind(node) != JSON_OBJECT) {
    return wrongType(node, field, "allocator.Range");
  }
  if (!readSubnet(node, written(d, SUBNET))) return false;
  const startIn = "Range.ipam.ranges.rangeStart";
  if (!readAddress(node, "rangeStart", startIn, written(d, START))) return false;
  const endIn = "Range.ipam.ranges.rangeEnd";
  if (!readAddress(node, "rangeEnd", endIn, written(d, END))) return false;
  const gatewayIn = "Range.ipam.ranges.gateway";
  if (!readAddress(node, "gateway", gatewayIn, written(d, GATEWAY))) return false;
  const list = jsonMember(node, "exclude");
  if (list != 0 && jsonKind(list) != JSON_LIST) {
    return wrongType(list, "Range.ipam.ranges.exclude", "[]string");
  }
  store<i32>(excludeNode(d), list);
  const name = jsonScalar(node, "name");
  if (name != 0 && jsonKind(name) != JSON_STRING) {
    return wrongType(name, "Range.ipam.ranges.name", "string");
  }
  store<i32>(excludeNode(d), name, 4);
  excludeTotal += list == 0 ? 0 : excludesCount(list);
  return true;
}

function takeSet(count: i32): void {
  const index = call.setCount++;
  const set = changetype<RangeSet>(call.sets + <usize>index * offsetof<RangeSet>());
  set.ranges = ranges + <usize>draftCount * offsetof<Range>();
  set.count = count;
  set.index = index;
  set.family = 0;
  set.cell = 0;
  set.still = false;
}

function readSets(list: i32, field: string): bool {
  if (list == 0) return true;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) != JSON_LIST && jsonKind(e) != JSON_NULL) {
      return wrongType(e, field, "allocator.RangeSet");
    }
    takeSet(jsonCount(e));
    if (jsonKind(e) == JSON_NULL) continue;
    for (let r = e + 1; r < jsonNext(e); r = jsonNext(r)) if (!readDraft(r, field)) return false;
  }
  return true;
}

function countRanges(list: i32): i32 {
  let n = 0;
  if (list == 0) return 0;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) n += jsonCount(e);
  return n;
}

/**
 * Reads the sets of the config into drafts. `ipam`, `first` (runtimeConfig.ipRanges) and `last`
 * (ipam.ranges) are nodes or 0. False with a pending error.
 */
export function rangesRead(ipam: i32, first: i32, last: i32): bool {
  const old = jsonRaw(ipam, "subnet") != 0;
  const sets =
    (first == 0 ? 0 : jsonCount(first)) + (old ? 1 : 0) + (last == 0 ? 0 : jsonCount(last));
  if (sets > <i32>SETS_MAX) return overLimit("ipam.ranges", sets, " range sets", <i32>SETS_MAX);
  // One more: the range in `ipam` is read (and may be refused) even where it has no subnet.
  const most = countRanges(first) + countRanges(last) + 1;
  if (most - 1 > RANGES_MAX) return overLimit("ipam.ranges", most - 1, " ranges", RANGES_MAX);
  call.sets = scratchTake(<usize>(sets + 1) * offsetof<RangeSet>());
  call.setCount = 0;
  ranges = scratchTake(<usize>most * offsetof<Range>());
  drafts = scratchTake(<usize>most * DRAFT_BYTES);
  draftCount = 0;
  excludeTotal = 0;
  if (!readSets(first, "Net.runtimeConfig.ipRanges")) return false;
  if (old) takeSet(1);
  if (!readDraft(ipam, "Net.ipam")) return false;
  if (!old) {
    draftCount--;
    if (load<i32>(excludeNode(draftCount)) != 0) {
      refuse('ipam.exclude needs ipam.subnet beside it: put "exclude" into the range it is for');
      return false;
    }
  }
  if (!readSets(last, "IPAMConfig.ipam.ranges")) return false;
  if (excludeTotal > EXCLUDES_MAX) {
    return overLimit("exclude", excludeTotal, " entries", EXCLUDES_MAX);
  }
  return true;
}

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

function inSubnet(r: Range, family: i32, hi: u64, lo: u64): bool {
  if (family != r.family) return false;
  const mHi = maskHi(family, r.prefixLength);
  const mLo = maskLo(family, r.prefixLength);
  return (hi & mHi) == r.subnetHi && (lo & mLo) == r.subnetLo;
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

function rangeOf(set: RangeSet, i: i32): Range {
  return changetype<Range>(set.ranges + <usize>i * offsetof<Range>());
}

function setOf(i: i32): RangeSet {
  return changetype<RangeSet>(call.sets + <usize>i * offsetof<RangeSet>());
}

function settleSet(index: i32): bool {
  const set = setOf(index);
  if (set.count == 0) {
    inSet(index);
    errorText("empty range set");
    return false;
  }
  const first = <i32>((set.ranges - ranges) / offsetof<Range>());
  for (let i = 0; i < set.count; i++) {
    if (!settle(index, first + i, rangeOf(set, i))) return false;
    if (rangeOf(set, i).family == rangeOf(set, 0).family) continue;
    inSet(index);
    errorText("mixed address families");
    return false;
  }
  set.family = rangeOf(set, 0).family;
  for (let i = 0; i < set.count; i++) {
    for (let j = i + 1; j < set.count; j++) {
      if (!overlap(rangeOf(set, i), rangeOf(set, j))) continue;
      inSet(index);
      errorText("subnets ");
      errorRange(rangeOf(set, i));
      errorText(" and ");
      errorRange(rangeOf(set, j));
      errorText(" overlap");
      return false;
    }
  }
  return true;
}

function setsOverlap(a: RangeSet, b: RangeSet): bool {
  for (let i = 0; i < a.count; i++)
    for (let j = 0; j < b.count; j++) if (overlap(rangeOf(a, i), rangeOf(b, j))) return true;
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
    if (setOf(i).family == 4) four++;
  }
  if (call.specVersion <= SPEC_0_2_0 && (four > 1 || call.setCount - four > 1)) {
    refuse("CNI version ");
    errorBytes(versionAt, versionBytes);
    errorText(" does not support more than 1 address per family");
    return false;
  }
  for (let i = 0; i < call.setCount; i++) {
    for (let j = i + 1; j < call.setCount; j++) {
      if (!setsOverlap(setOf(i), setOf(j))) continue;
      refuse("range set ");
      errorNumber(i);
      errorText(" overlaps with ");
      errorNumber(j);
      return false;
    }
  }
  return true;
}

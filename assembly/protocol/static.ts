// Mode static: the addresses are those that the config, CNI_ARGS, args or runtimeConfig name, as
// the CNI project's `static` plugin reads them: `ipam.addresses`, to which CNI_ARGS adds (IP, with
// GATEWAY for those IPs in whose subnet it lies); args.cni.ips takes their place, and
// runtimeConfig.ips the place of those.
//
//   Static  | address, length | gateway | node of its text, if still to be read |
//
// Each address becomes a range set of one range of one address, and a request fixed to it, so that
// the allocator holds it as any other: in one commit, once per container, never for two.
// An address that is named twice counts once, with the length and the gateway that came last (what
// names none leaves the one of before; upstream would answer the address twice). Cost: linear in
// the config, quadratic in STATIC_MAX.
//
// Refuses: texts of upstream (code 999); more than STATIC_MAX addresses (101).
import {
  maskHi,
  maskLo,
  parseAddress,
  parsedFamily,
  parsedHi,
  parsedLo,
  parsePrefix,
  shownLength,
} from "../address";
import { SETS_MAX } from "../image/header";
import { Range, RangeSet, setAt, Wanted, wantedAt } from "../pool/range";
import { scratchTake } from "../scratch";
import { CMD_ADD, call, Previous, SPEC_0_2_0 } from "./call";
import { argsGatewayAt, argsGatewayBytes, argsIpAt, argsIpBytes } from "./cniargs";
import { errorAddress, errorBytes, errorText } from "./errors";
import { fieldAddress, fieldWritten, overLimit, refuse, wrongType } from "./field";
import { JSON_NULL, JSON_OBJECT, JSON_STRING, jsonCount, jsonKind, jsonNext } from "./json";
import { jsonScalar, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";
import { isSpace, runeAt, runeBytes } from "./text";

/** Most addresses of one container: a range set for each. */
const STATIC_MAX: i32 = <i32>SETS_MAX;

@unmanaged
class Static {
  hi: u64;
  lo: u64;
  gwHi: u64;
  gwLo: u64;
  family: i32;
  length: i32;
  gwFamily: i32;
  /** Element of ipam.addresses that isn't read yet; 0 = it is. */
  node: i32;
}

let statics: usize = 0;
let count: i32 = 0;

function staticAt(i: i32): Static {
  return changetype<Static>(statics + <usize>i * offsetof<Static>());
}

function checkTexts(list: i32, field: string): bool {
  if (list == 0) return true;
  const found = jsonCount(list);
  if (found > STATIC_MAX) return overLimit(field, found, " addresses", STATIC_MAX);
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) == JSON_STRING || jsonKind(e) == JSON_NULL) continue;
    return wrongType(e, field, "string");
  }
  return true;
}

function readGateway(node: i32): bool {
  return fieldAddress(node, "gateway", "Address.ipam.addresses.gateway");
}

/**
 * Checks the types of the three lists (nodes, or 0), and the gateways, which upstream's decoder
 * reads. False with a pending error.
 */
export function staticCheck(addresses: i32, args: i32, runtime: i32): bool {
  const found = addresses == 0 ? 0 : jsonCount(addresses);
  if (found > STATIC_MAX) return overLimit("ipam.addresses", found, " addresses", STATIC_MAX);
  const last = addresses == 0 ? 0 : jsonNext(addresses);
  for (let e = addresses + 1; e < last; e = jsonNext(e)) {
    if (jsonKind(e) == JSON_NULL) continue;
    if (jsonKind(e) != JSON_OBJECT) {
      return wrongType(e, "IPAMConfig.ipam.addresses", "main.Address");
    }
    const address = jsonScalar(e, "address");
    if (address != 0 && jsonKind(address) != JSON_STRING) {
      return wrongType(address, "Address.ipam.addresses.address", "string");
    }
    if (!readGateway(e)) return false;
  }
  return checkTexts(args, "IPAMArgs.args.cni.ips") && checkTexts(runtime, "runtimeConfig.ips");
}

function notPrefix(what: string, at: usize, bytes: i32): bool {
  refuse(what);
  errorText(" in CIDR notation, got: '");
  errorBytes(at, bytes);
  errorText("'");
  return false;
}

// What parsePrefix found.
function fill(s: Static): void {
  s.hi = parsedHi;
  s.lo = parsedLo;
  s.family = parsedFamily;
  s.length = shownLength();
  s.node = 0;
}

function add(): Static {
  const s = staticAt(count++);
  memory.fill(changetype<usize>(s), 0, offsetof<Static>());
  return s;
}

function readConfig(list: i32): void {
  const last = list == 0 ? 0 : jsonNext(list);
  for (let e = list + 1; e < last; e = jsonNext(e)) {
    const s = add();
    s.node = e;
    // staticCheck let it pass
    if (jsonKind(e) != JSON_OBJECT || !readGateway(e) || !fieldWritten) continue;
    s.gwHi = parsedHi;
    s.gwLo = parsedLo;
    s.gwFamily = parsedFamily;
  }
}

// A piece of a list with commas: itemBytes reach to the next comma, trimAt and trimBytes leave out
// the white space around it.
let itemBytes: i32 = 0;
let trimAt: usize = 0;
let trimBytes: i32 = 0;

function piece(at: usize, bytes: i32): void {
  itemBytes = 0;
  while (itemBytes < bytes && load<u8>(at + itemBytes) != 44) itemBytes++;
  const end = at + itemBytes;
  let from = end;
  let to = at;
  for (let p = at; p < end; p += runeBytes) {
    if (isSpace(runeAt(p, end))) continue;
    if (from == end) from = p;
    to = p + runeBytes;
  }
  trimAt = from;
  trimBytes = to > from ? <i32>(to - from) : 0;
}

function readIps(): bool {
  if (argsIpBytes == 0) return true;
  const end = argsIpAt + argsIpBytes;
  for (let at = argsIpAt; at <= end; at += itemBytes + 1) {
    piece(at, <i32>(end - at));
    if (!parsePrefix(trimAt, trimBytes)) {
      return notPrefix("the 'ip' field is expected to be", trimAt, trimBytes);
    }
    if (count == STATIC_MAX) {
      return overLimit("CNI_ARGS and ipam.addresses", count + 1, " addresses or more", STATIC_MAX);
    }
    fill(add());
  }
  return true;
}

function isInside(s: Static): bool {
  if (s.node != 0 || s.family != parsedFamily) return false;
  const mHi = maskHi(s.family, s.length);
  const mLo = maskLo(s.family, s.length);
  return (s.hi & mHi) == (parsedHi & mHi) && (s.lo & mLo) == (parsedLo & mLo);
}

function readGateways(): bool {
  if (argsGatewayBytes == 0) return true;
  const end = argsGatewayAt + argsGatewayBytes;
  for (let at = argsGatewayAt; at <= end; at += itemBytes + 1) {
    piece(at, <i32>(end - at));
    if (!parseAddress(trimAt, trimBytes)) {
      refuse("invalid gateway address: ");
      errorBytes(at, itemBytes);
      return false;
    }
    for (let i = 0; i < count; i++) {
      const s = staticAt(i);
      if (!isInside(s)) continue;
      s.gwHi = parsedHi;
      s.gwLo = parsedLo;
      s.gwFamily = parsedFamily;
    }
  }
  return true;
}

// A list of texts that takes the place of everything before it, if it isn't empty.
function replace(list: i32): bool {
  if (list == 0 || jsonCount(list) == 0) return true;
  count = 0;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    jsonText(e);
    const bytes = jsonKind(e) == JSON_STRING ? jsonTextBytes : 0;
    if (!parsePrefix(jsonTextAt, bytes)) {
      return notPrefix("an entry in the 'ips' field is NOT", jsonTextAt, bytes);
    }
    fill(add());
  }
  return true;
}

/** Reads all sources in upstream's order. The lists are nodes, or 0. False: a pending error. */
export function staticRead(addresses: i32, args: i32, runtime: i32): bool {
  statics = scratchTake(<usize>STATIC_MAX * offsetof<Static>());
  count = 0;
  readConfig(addresses);
  if (!readIps() || !readGateways() || !replace(args) || !replace(runtime)) return false;
  for (let i = 0; i < count; i++) {
    const s = staticAt(i);
    if (s.node == 0) continue;
    const address = jsonKind(s.node) == JSON_OBJECT ? jsonScalar(s.node, "address") : 0;
    if (address != 0) jsonText(address);
    const bytes = address == 0 ? 0 : jsonTextBytes;
    if (!parsePrefix(jsonTextAt, bytes)) {
      return notPrefix("the 'address' field is expected to be", jsonTextAt, bytes);
    }
    fill(s);
  }
  return true;
}

// Is an earlier one the same address? Then it takes this one's length and gateway.
function isAgain(i: i32): bool {
  const s = staticAt(i);
  for (let n = 0; n < call.setCount; n++) {
    const w = wantedAt(call.wanted, n);
    if (w.family != s.family || w.hi != s.hi || w.lo != s.lo) continue;
    const r = changetype<Range>(w.range);
    if (s.gwFamily == 0) {
      s.gwFamily = r.gatewayFamily;
      s.gwHi = r.gatewayHi;
      s.gwLo = r.gatewayLo;
    }
    fillRange(r, s);
    return true;
  }
  return false;
}

function fillRange(r: Range, s: Static): void {
  memory.fill(changetype<usize>(r), 0, offsetof<Range>());
  r.startHi = s.hi;
  r.startLo = s.lo;
  r.endHi = s.hi;
  r.endLo = s.lo;
  r.subnetHi = s.hi & maskHi(s.family, s.length);
  r.subnetLo = s.lo & maskLo(s.family, s.length);
  r.gatewayHi = s.gwHi;
  r.gatewayLo = s.gwLo;
  r.gatewayFamily = s.gwFamily;
  r.family = s.family;
  r.prefixLength = s.length;
}

function makeSet(s: Static): void {
  const i = call.setCount++;
  const r = changetype<Range>(scratchTake(offsetof<Range>()));
  fillRange(r, s);
  const set = setAt(call.sets, i);
  set.ranges = changetype<usize>(r);
  set.count = 1;
  set.index = i;
  set.family = s.family;
  set.cell = 0;
  set.still = true;
  set.firm = false;
  const w = wantedAt(call.wanted, i);
  w.hi = s.hi;
  w.lo = s.lo;
  w.family = s.family;
  w.used = false;
  w.range = changetype<usize>(r);
  w.set = i;
}

/** Makes the range sets and requests. `versionAt`: cniVersion as written. False: an error. */
export function staticSettle(versionAt: usize, versionBytes: i32): bool {
  call.sets = scratchTake(<usize>count * offsetof<RangeSet>());
  call.wanted = scratchTake(<usize>count * offsetof<Wanted>());
  call.setCount = 0;
  let four = 0;
  for (let i = 0; i < count; i++) {
    if (isAgain(i)) continue;
    makeSet(staticAt(i));
    if (staticAt(i).family == 4) four++;
  }
  call.wantedCount = call.setCount;
  if (call.specVersion > SPEC_0_2_0) return true;
  if (four > 1 || call.setCount - four > 1) {
    refuse("CNI version ");
    errorBytes(versionAt, versionBytes);
    errorText(" does not support more than 1 address per family");
    return false;
  }
  if (call.setCount > 0 || call.command != CMD_ADD) return true;
  refuse("cannot convert: no valid IP addresses");
  return false;
}

/**
 * CHECK: an address of the config that prevResult has with another gateway is refused, as upstream
 * does. That every held address is there, `check` sees. False with a pending error.
 */
export function staticMatches(): bool {
  for (let i = 0; i < call.setCount; i++) {
    const set = setAt(call.sets, i);
    const r = changetype<Range>(set.ranges);
    if (r.gatewayFamily == 0) continue;
    for (let n = 0; n < call.prevCount; n++) {
      const p = changetype<Previous>(call.prevs + <usize>n * offsetof<Previous>());
      if (p.family != r.family || p.hi != r.startHi || p.lo != r.startLo) continue;
      const same = p.gwFamily == r.gatewayFamily && p.gwHi == r.gatewayHi && p.gwLo == r.gatewayLo;
      if (same) break;
      refuse("static: Failed to match addr ");
      errorAddress(r.family, r.startHi, r.startLo);
      errorText(" on interface ");
      errorBytes(call.ifname.at, call.ifname.bytes);
      return false;
    }
  }
  return true;
}

// The result of an ADD, in the form that each CNI version has. Upstream prints the forms up to
// 0.4.0 in the order of its structures, those from 1.0.0 on with sorted keys; dns is left out of
// the latter when it is empty.
//
//   0.1.0, 0.2.0   cniVersion, ip4 {ip, gateway, routes}, ip6 {...}, dns
//   0.3.0 - 0.4.0  cniVersion, ips [{version, address, gateway}], routes, dns
//   1.0.0, 1.1.0   cniVersion, dns, ips [{address, gateway}], routes
//
// Linear in what is printed. Refuses: a result larger than RESULT_MAX (error 101).
import { ADDRESS_BYTES, formatAddress } from "../address";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { Given, givenAt, Range } from "../pool/range";
import { scratchTake } from "../scratch";
import { answer } from "./answer";
import { call, MODE_STATIC, SPEC_0_2_0, SPEC_1_0_0, specText } from "./call";
import { dnsHolds, dnsPrint } from "./dns";
import {
  close,
  documentBegin,
  item,
  member,
  open,
  valueNumber,
  valuePlain,
  valueText,
} from "./document";
import { ERROR_LIMIT, errorBegin, errorNumber, errorPrint, errorText } from "./errors";
import { resolvBegin, resolvHolds, resolvNext, wordAt, wordBytes } from "./resolv";
import { Route } from "./routes";
import { textByte, textBytes, textNumber, textString, textTake, textTo } from "./text";

/** Largest result (bytes). resolvConf and 4,096 routes fit. */
const RESULT_MAX: i32 = 6291456;

let word: usize = 0;

function textAddress(family: i32, hi: u64, lo: u64): void {
  textBytes(word, formatAddress(family, hi, lo, word));
}

function valueAddress(family: i32, hi: u64, lo: u64): void {
  textByte(34);
  textAddress(family, hi, lo);
  textByte(34);
}

function valuePrefix(family: i32, hi: u64, lo: u64, length: i32): void {
  textByte(34);
  textAddress(family, hi, lo);
  textByte(47);
  textNumber(length);
  textByte(34);
}

function optional(name: string, n: i64): void {
  if (n == 0) return;
  member(name);
  valueNumber(n);
}

function memberDst(route: Route): void {
  member("dst");
  if (route.dstFamily == 0) valuePlain("\\u003cnil\\u003e");
  else valuePrefix(route.dstFamily, route.dstHi, route.dstLo, route.dstLength);
}

function memberGw(route: Route): void {
  if (route.gwFamily == 0) return;
  member("gw");
  valueAddress(route.gwFamily, route.gwHi, route.gwLo);
}

function memberTable(route: Route): void {
  if (!route.hasTable) return;
  member("table");
  valueNumber(route.table);
}

function memberScope(route: Route): void {
  if (!route.hasScope) return;
  member("scope");
  valueNumber(route.scope);
}

function routeAt(i: i32): Route {
  return changetype<Route>(call.routes + <usize>i * offsetof<Route>());
}

function printRoute(route: Route, sorted: bool): void {
  if (route.isNull) {
    textString("null");
    return;
  }
  open(123);
  if (sorted) optional("advmss", route.advmss);
  memberDst(route);
  memberGw(route);
  optional("mtu", route.mtu);
  if (!sorted) optional("advmss", route.advmss);
  optional("priority", route.priority);
  if (sorted) memberScope(route);
  memberTable(route);
  if (!sorted) memberScope(route);
  close(125);
}

function printRoutes(sorted: bool): void {
  if (call.routeCount == 0) return;
  member("routes");
  open(91);
  for (let i = 0; i < call.routeCount; i++) {
    item();
    printRoute(routeAt(i), sorted);
  }
  close(93);
}

function printWords(keyword: string, name: string, all: bool): void {
  resolvBegin();
  if (!resolvNext(keyword, all)) return;
  member(name);
  open(91);
  // One word of the file each turn.
  do {
    item();
    valueText(wordAt, wordBytes);
  } while (resolvNext(keyword, all));
  close(93);
}

function printDomain(): void {
  resolvBegin();
  let at: usize = 0;
  let bytes = 0;
  while (resolvNext("domain", false)) {
    at = wordAt;
    bytes = wordBytes;
  }
  if (bytes == 0) return;
  member("domain");
  valueText(at, bytes);
}

function printDns(sorted: bool): void {
  member("dns");
  open(123);
  if (call.mode == MODE_STATIC) dnsPrint(sorted);
  else printResolv(sorted);
  close(125);
}

function printResolv(sorted: bool): void {
  if (sorted) printDomain();
  printWords("nameserver", "nameservers", false);
  if (!sorted) {
    printDomain();
    printWords("search", "search", true);
  }
  printWords("options", "options", true);
  if (sorted) printWords("search", "search", true);
}

function memberAddress(name: string, g: Given): void {
  const range = changetype<Range>(g.range);
  member(name);
  valuePrefix(range.family, g.hi, g.lo, range.prefixLength);
  if (range.gatewayFamily == 0) return; // mode static: there may be none
  member("gateway");
  valueAddress(range.gatewayFamily, range.gatewayHi, range.gatewayLo);
}

function printIps(given: usize, withVersion: bool): void {
  if (call.setCount == 0) return;
  member("ips");
  open(91);
  for (let i = 0; i < call.setCount; i++) {
    const g = givenAt(given, i);
    item();
    open(123);
    if (withVersion) {
      member("version");
      valuePlain(changetype<Range>(g.range).family == 4 ? "4" : "6");
    }
    memberAddress("address", g);
    close(125);
  }
  close(93);
}

// The first address of a family with the routes of that family; of a route only dst and gw are
// kept.
function printFamily(given: usize, family: i32): void {
  let i = 0;
  while (i < call.setCount && changetype<Range>(givenAt(given, i).range).family != family) i++;
  if (i == call.setCount) return;
  member(family == 4 ? "ip4" : "ip6");
  open(123);
  memberAddress("ip", givenAt(given, i));
  let opened = false;
  for (let n = 0; n < call.routeCount; n++) {
    const route = routeAt(n);
    if (route.isNull || (route.dstFamily == 4) != (family == 4)) continue;
    if (!opened) {
      member("routes");
      open(91);
      opened = true;
    }
    item();
    open(123);
    memberDst(route);
    memberGw(route);
    close(125);
  }
  if (opened) close(93);
  close(125);
}

/**
 * Prints the result for the call's version: `given` is one Given for each set of the call, in
 * order. EXIT_OK, or EXIT_ERROR when stdout doesn't take it (nothing can be said there then).
 */
export function resultPrint(given: usize): i32 {
  word = scratchTake(ADDRESS_BYTES);
  const text = textTake(RESULT_MAX);
  const version = call.specVersion;
  textTo(text);
  documentBegin();
  open(123);
  member("cniVersion");
  valuePlain(specText(version));
  if (version <= SPEC_0_2_0) {
    printFamily(given, 4);
    printFamily(given, 6);
    printDns(false);
  } else if (version < SPEC_1_0_0) {
    printIps(given, true);
    printRoutes(false);
    printDns(false);
  } else {
    if (call.mode == MODE_STATIC ? dnsHolds() : resolvHolds()) printDns(true);
    printIps(given, false);
    printRoutes(true);
  }
  close(125);
  if (text.full) {
    errorBegin(ERROR_LIMIT);
    errorText("the result has more than ");
    errorNumber(RESULT_MAX);
    errorText(" bytes");
    return errorPrint();
  }
  return answer(text.at, text.length) < 0 ? EXIT_ERROR : EXIT_OK;
}

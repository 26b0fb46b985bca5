// Routes of the config (`ipam.routes`): passed on into the result as they are, checked as
// upstream's decoder checks them. Linear in the list.
import { parsedFamily, parsedHi, parsedLo, shownLength } from "../address";
import { scratchTake } from "../scratch";
import { call } from "./call";
import {
  fieldAddress,
  fieldInteger,
  fieldPrefix,
  fieldWritten,
  overLimit,
  wrongType,
} from "./field";
import { JSON_NULL, JSON_OBJECT, jsonCount, jsonKind, jsonNext } from "./json";
import { jsonNumber, jsonScalar } from "./jsonvalue";

const ROUTES_MAX: i32 = 4096;

/** One route. Families are 0 where nothing was written. */
@unmanaged
export class Route {
  dstHi: u64;
  dstLo: u64;
  gwHi: u64;
  gwLo: u64;
  mtu: i64;
  advmss: i64;
  priority: i64;
  table: i64;
  scope: i64;
  dstFamily: i32;
  /** Host bits of dst are kept. */
  dstLength: i32;
  gwFamily: i32;
  /** The entry was null, and is printed as null. */
  isNull: bool;
  hasTable: bool;
  hasScope: bool;
}

function readDst(node: i32, route: Route): bool {
  if (!fieldPrefix(node, "dst", "IPAMConfig.ipam.routes")) return false;
  if (!fieldWritten) return true;
  route.dstHi = parsedHi;
  route.dstLo = parsedLo;
  route.dstFamily = parsedFamily;
  route.dstLength = shownLength();
  return true;
}

function readGw(node: i32, route: Route): bool {
  if (!fieldAddress(node, "gw", "IPAMConfig.ipam.routes.gw")) return false;
  if (!fieldWritten) return true;
  route.gwHi = parsedHi;
  route.gwLo = parsedLo;
  route.gwFamily = parsedFamily;
  return true;
}

// Was the number there? Its value is in jsonNumber; 0 if it wasn't.
let there: bool = false;
let value: i64 = 0;

function readNumber(node: i32, name: string, field: string): bool {
  const n = jsonScalar(node, name);
  there = n != 0;
  value = 0;
  if (n == 0) return true;
  if (!fieldInteger(n, field)) return false;
  value = jsonNumber;
  return true;
}

function readRoute(node: i32, route: Route): bool {
  memory.fill(changetype<usize>(route), 0, offsetof<Route>());
  if (jsonKind(node) == JSON_NULL) {
    route.isNull = true;
    return true;
  }
  if (jsonKind(node) != JSON_OBJECT)
    return wrongType(node, "IPAMConfig.ipam.routes", "types.route");
  if (!readDst(node, route) || !readGw(node, route)) return false;
  if (!readNumber(node, "mtu", "IPAMConfig.ipam.routes.mtu")) return false;
  route.mtu = value;
  if (!readNumber(node, "advmss", "IPAMConfig.ipam.routes.advmss")) return false;
  route.advmss = value;
  if (!readNumber(node, "priority", "IPAMConfig.ipam.routes.priority")) return false;
  route.priority = value;
  if (!readNumber(node, "table", "IPAMConfig.ipam.routes.table")) return false;
  route.table = value;
  route.hasTable = there;
  if (!readNumber(node, "scope", "IPAMConfig.ipam.routes.scope")) return false;
  route.scope = value;
  route.hasScope = there;
  return true;
}

/** Reads the list `ipam.routes` (a node, or 0) into the call. False with a pending error. */
export function routesRead(list: i32): bool {
  call.routeCount = 0;
  if (list == 0) return true;
  const count = jsonCount(list);
  if (count > ROUTES_MAX) return overLimit("ipam.routes", count, " routes", ROUTES_MAX);
  call.routes = scratchTake(<usize>count * offsetof<Route>());
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    const at = call.routes + <usize>call.routeCount * offsetof<Route>();
    if (!readRoute(e, changetype<Route>(at))) return false;
    call.routeCount++;
  }
  return true;
}

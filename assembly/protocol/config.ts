// The body of the config: what is under `ipam`, `runtimeConfig` and `args`, read into the call.
//
// ADD, CHECK and STATUS are strict: the first fault ends the call. DEL and GC must work whatever
// has become of the config, so they take what can be read (dataDir, cooldown, sync ...) and skip
// the rest.
//
// Order of checks as upstream: types and texts of the JSON, then `ipam` missing, CNI_ARGS,
// requests, ranges. Linear in the config but for the ranges.
import { annotationsRead } from "./annotations";
import { besideRead, FOREIGN_DIRECTORY } from "./beside";
import { CMD_CHECK, CMD_DEL, CMD_GC, call, MODE_STATIC, Span, spanSet, spanTake } from "./call";
import { argsRead } from "./cniargs";
import { coexists } from "./coexist";
import { dnsRead } from "./dns";
import { ERROR_ANNOTATION, errorBegun, errorClear } from "./errors";
import { fieldFound, fieldList, fieldObject, fieldText, refuse, wrongType } from "./field";
import { JSON_OBJECT, jsonKind } from "./json";
import { jsonRootMember } from "./jsonvalue";
import { versionAt, versionBytes } from "./network";
import { modeRead, optionsRead } from "./options";
import { directoryJoin, pathFault } from "./path";
import { previousRead } from "./previous";
import { rangesRead } from "./rangedrafts";
import { rangesSettle } from "./ranges";
import { requestsCheck, requestsRead } from "./requests";
import { routesRead } from "./routes";
import { OWN_DIRECTORY, shadowDirectory } from "./shadow";
import { staticCheck, staticMatches, staticRead, staticSettle } from "./static";

// Where the network's files lie: ours, and in a trial the plugin's.
function joinDirectory(dataDir: Span): void {
  if (!call.shadow) {
    directoryJoin(dataDir, coexists() ? FOREIGN_DIRECTORY : OWN_DIRECTORY, call.directory);
    return;
  }
  directoryJoin(dataDir, FOREIGN_DIRECTORY, call.foreign);
  directoryJoin(shadowDirectory(), OWN_DIRECTORY, call.directory);
}

// Texts under `ipam`. Those without a use here must have the right type all the same.
function readTexts(ipam: i32, dataDir: Span, strict: bool): bool {
  if (!fieldText(ipam, "dataDir", "IPAMConfig.ipam.dataDir", dataDir) && strict) return false;
  if (!strict) return true;
  const unused = spanTake();
  return (
    fieldText(ipam, "type", "IPAMConfig.ipam.type", unused) &&
    fieldText(ipam, "name", "IPAMConfig.ipam.name", unused) &&
    fieldText(ipam, "resolvConf", "IPAMConfig.ipam.resolvConf", call.resolvConf)
  );
}

// Is the node absent or an object?
function isObject(node: i32, field: string, type: string): bool {
  return node == 0 || jsonKind(node) == JSON_OBJECT || wrongType(node, field, type);
}

// Nodes that both modes look at.
let routes: i32 = 0;
let runtime: i32 = 0;
let runtimeIps: i32 = 0;
let argsIps: i32 = 0;

function readNodes(ipam: i32, ipsType: string): bool {
  if (!fieldList(ipam, "routes", "IPAMConfig.ipam.routes", "[]*types.Route")) return false;
  routes = fieldFound;
  runtime = jsonRootMember("runtimeConfig");
  if (!isObject(runtime, "Net.runtimeConfig", "RuntimeConfig")) return false;
  if (!fieldList(runtime, "ips", "Net.runtimeConfig.ips", ipsType)) return false;
  runtimeIps = fieldFound;
  const args = jsonRootMember("args");
  if (!isObject(args, "Net.args", "allocator.ArgsConfig")) return false;
  if (!fieldObject(args, "cni", "Net.args.cni", "allocator.IPAMArgs")) return false;
  if (!fieldList(fieldFound, "ips", "IPAMArgs.args.cni.ips", ipsType)) return false;
  argsIps = fieldFound;
  return true;
}

// Everything that has to be right for an ADD in mode host-local.
function readRanges(ipam: i32): bool {
  if (!readNodes(ipam, "[]*ip.IP")) return false;
  if (!fieldList(ipam, "ranges", "IPAMConfig.ipam.ranges", "[]allocator.RangeSet")) return false;
  const last = fieldFound;
  if (!fieldList(runtime, "ipRanges", "Net.runtimeConfig.ipRanges", "[]allocator.RangeSet")) {
    return false;
  }
  if (!rangesRead(ipam, fieldFound, last) || !routesRead(routes)) return false;
  if (!requestsCheck(argsIps, runtimeIps)) return false;
  if (!optionsRead(ipam, true) || !argsRead(true)) return false;
  if (!requestsRead(argsIps, runtimeIps)) return false;
  if (!rangesSettle(versionAt, versionBytes) || !annotationsRead(runtime)) return false;
  return call.command != CMD_CHECK || previousRead(jsonRootMember("prevResult"));
}

// The same in mode static.
function readStatic(ipam: i32): bool {
  spanSet(call.resolvConf, 0, 0); // upstream has `dns` instead
  if (!readNodes(ipam, "[]string")) return false;
  if (!fieldList(ipam, "addresses", "IPAMConfig.ipam.addresses", "[]main.Address")) return false;
  const addresses = fieldFound;
  if (!staticCheck(addresses, argsIps, runtimeIps)) return false;
  if (!routesRead(routes) || !dnsRead(ipam) || !optionsRead(ipam, true)) return false;
  if (!argsRead(true) || !staticRead(addresses, argsIps, runtimeIps)) return false;
  if (!staticSettle(versionAt, versionBytes) || !annotationsRead(runtime)) return false;
  if (call.command != CMD_CHECK) return true;
  const previous = jsonRootMember("prevResult");
  if (previous != 0) return previousRead(previous) && staticMatches();
  refuse("Required prevResult missing");
  return false;
}

/** Reads the body of the config into the call. False with a pending error. */
export function configRead(): bool {
  const strict = call.command != CMD_DEL && call.command != CMD_GC;
  const dataDir = spanTake();
  spanSet(dataDir, 0, 0);
  const found = jsonRootMember("ipam");
  const isThere = found != 0 && jsonKind(found) == JSON_OBJECT;
  if (strict && found == 0) {
    refuse("IPAM config missing 'ipam' key");
    return false;
  }
  if (strict && !isThere) return wrongType(found, "Net.ipam", "allocator.IPAMConfig");
  const ipam = isThere ? found : 0;
  if (!readTexts(ipam, dataDir, strict)) return false;
  // A dataDir that can't be a path holds nothing; the default is the likelier place.
  if (!strict && pathFault(dataDir) != 0) dataDir.bytes = 0;
  if (!besideRead(ipam, dataDir, strict)) return false;
  if (strict) {
    if (!modeRead(ipam)) return false;
    if (!(call.mode == MODE_STATIC ? readStatic(ipam) : readRanges(ipam))) {
      call.refused = errorBegun() == ERROR_ANNOTATION;
      if (call.refused) joinDirectory(dataDir); // where that is written down
      return false;
    }
  }
  if (!strict) {
    optionsRead(ipam, false);
    argsRead(false);
    errorClear();
  }
  joinDirectory(dataDir);
  return true;
}

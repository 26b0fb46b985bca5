// prevResult of a CHECK: the addresses that the caller believes the container has. Linear in the
// list. Upstream never looks at it; we refuse what can't be read (code 999), since it can't be
// compared.
import { parseAddress, parsedFamily, parsedHi, parsedLo, parsePrefix } from "../address";
import { scratchTake } from "../scratch";
import { call, Previous } from "./call";
import { badPrefix, fieldFound, fieldList, wrongType } from "./field";
import { JSON_OBJECT, JSON_STRING, jsonCount, jsonKind, jsonNext } from "./json";
import { jsonMember, jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";

// A gateway that can't be read is none: only mode static looks at it.
function readGateway(node: i32, p: Previous): void {
  p.gwFamily = 0;
  if (node == 0 || jsonKind(node) != JSON_STRING) return;
  jsonText(node);
  if (!parseAddress(jsonTextAt, jsonTextBytes)) return;
  p.gwHi = parsedHi;
  p.gwLo = parsedLo;
  p.gwFamily = parsedFamily;
}

/** Reads prevResult (a node, or 0) into the call. False with a pending error. */
export function previousRead(result: i32): bool {
  call.prevPresent = false;
  call.prevCount = 0;
  if (result == 0) return true;
  if (jsonKind(result) != JSON_OBJECT) return wrongType(result, "Net.prevResult", "Result");
  if (!fieldList(result, "ips", "Result.prevResult.ips", "[]*IPConfig")) return false;
  const list = fieldFound;
  if (list == 0) return true;
  call.prevs = scratchTake(<usize>jsonCount(list) * offsetof<Previous>());
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) != JSON_OBJECT) return wrongType(e, "Result.prevResult.ips", "IPConfig");
    const address = jsonMember(e, "address");
    if (address == 0 || jsonKind(address) != JSON_STRING) {
      return wrongType(address == 0 ? e : address, "IPConfig.prevResult.ips.address", "string");
    }
    jsonText(address);
    if (!parsePrefix(jsonTextAt, jsonTextBytes)) return badPrefix();
    const p = changetype<Previous>(call.prevs + <usize>call.prevCount * offsetof<Previous>());
    p.hi = parsedHi;
    p.lo = parsedLo;
    p.family = parsedFamily;
    readGateway(jsonMember(e, "gateway"), p);
    call.prevCount++;
  }
  call.prevPresent = true;
  return true;
}

// `exclude` of a range: prefixes ("10.1.2.64/26") and addresses that the range never gives. Each
// becomes an interval, in the order of the config; they may overlap. Linear in the list.
//
// Refuses (code 999, in the style of the range's own errors): what isn't in the range's subnet,
// host bits, texts that are neither an address nor a prefix.
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
import { excludeAt, Interval, inSubnet, Range } from "../pool/range";
import { errorAddress, errorBytes, errorNumber, errorPrefix, errorText } from "./errors";
import { kindWord, refuse } from "./field";
import { JSON_STRING, jsonCount, jsonKind, jsonNext } from "./json";
import { jsonText, jsonTextAt, jsonTextBytes } from "./jsonvalue";

/** Entries of the list. */
export function excludesCount(list: i32): i32 {
  return jsonCount(list);
}

function begin(index: i32): void {
  refuse("invalid range set ");
  errorNumber(index);
  errorText(": ");
}

function quoted(index: i32, why: string): bool {
  begin(index);
  errorText(why);
  errorBytes(jsonTextAt, jsonTextBytes);
  return false;
}

function hasSlash(): bool {
  for (let i = 0; i < jsonTextBytes; i++) if (load<u8>(jsonTextAt + i) == 47) return true;
  return false;
}

// The decoded text as an interval of the range.
function readEntry(range: Range, index: i32, into: Interval): bool {
  const prefix = hasSlash();
  if (prefix && !parsePrefix(jsonTextAt, jsonTextBytes)) {
    return quoted(index, "exclude: invalid CIDR address: ");
  }
  if (!prefix && !parseAddress(jsonTextAt, jsonTextBytes)) {
    return quoted(index, "exclude: invalid IP address: ");
  }
  const family = parsedFamily;
  if (prefix && parsedMapped) return quoted(index, "exclude: IPNet IP and Mask version mismatch: ");
  const length = prefix ? parsedLength : family == 4 ? 32 : 128;
  const baseHi = parsedHi & maskHi(family, length);
  const baseLo = parsedLo & maskLo(family, length);
  if (baseHi != parsedHi || baseLo != parsedLo) {
    quoted(index, "Exclude ");
    errorText(" has host bits set. For a subnet mask of length ");
    errorNumber(length);
    errorText(" the network address is ");
    errorAddress(family, baseHi, baseLo);
    return false;
  }
  if (length < range.prefixLength || !inSubnet(range, family, baseHi, baseLo)) {
    quoted(index, "Exclude ");
    errorText(" not in network ");
    errorPrefix(range.family, range.subnetHi, range.subnetLo, range.prefixLength);
    return false;
  }
  into.startHi = baseHi;
  into.startLo = baseLo;
  into.endHi = lastHi(family, length, baseHi);
  into.endLo = lastLo(family, length, baseLo);
  return true;
}

/**
 * Fills `range.excludes` (room for excludesCount of Interval) from a list node. `index` is the
 * number of the range set, for errors. False with a pending error.
 */
export function excludesRead(list: i32, range: Range, index: i32): bool {
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
    if (jsonKind(e) != JSON_STRING) {
      begin(index);
      errorText("exclude holds ");
      errorText(kindWord(e));
      errorText(" where an address or prefix in quotes is wanted");
      return false;
    }
    jsonText(e);
    if (!readEntry(range, index, excludeAt(range, range.excludeCount))) return false;
    range.excludeCount++;
  }
  return true;
}

// Drafts of ranges: what the config has written, before any range is judged, since a text that
// can't be parsed is refused first. ranges.ts makes them canonical.
//
//   draft, 144 B  | subnet | start | end | gateway | exclude: node | name: node | - |
//   each of the first four  | hi u64 | lo u64 | family | length | mapped | -  |  family 0 = none
//
// Order of the sets: runtimeConfig.ipRanges, the range written in `ipam` itself, ipam.ranges.
// Cost: linear in the config, within the limits below.
import { parsedFamily, parsedHi, parsedLength, parsedLo, parsedMapped } from "../address";
import { SETS_MAX } from "../image/header";
import { Range, RangeSet, setAt } from "../pool/range";
import { scratchTake } from "../scratch";
import { call } from "./call";
import { excludesCount } from "./excludes";
import { fieldAddress, fieldPrefix, fieldWritten, overLimit, refuse, wrongType } from "./field";
import {
  JSON_LIST,
  JSON_NULL,
  JSON_OBJECT,
  JSON_STRING,
  jsonCount,
  jsonKind,
  jsonNext,
} from "./json";
import { jsonMember, jsonRaw, jsonScalar } from "./jsonvalue";

const RANGES_MAX: i32 = 1024;
const EXCLUDES_MAX: i32 = 1024;

/** An address or a prefix as it was written. */
@unmanaged
export class Written {
  hi: u64;
  lo: u64;
  /** 0 = not written */
  family: i32;
  length: i32;
  mapped: bool;
}

// Where the drafts lie, and how many there are; where their ranges will.
let drafts: usize = 0;
let draftCount: i32 = 0;
/** The first set's first range. */
export let ranges: usize = 0;
let excludeTotal: i32 = 0;

/** Fields of a draft. */
export const SUBNET: i32 = 0;
export const START: i32 = 1;
export const END: i32 = 2;
export const GATEWAY: i32 = 3;
// Four Written and the nodes of `exclude` and `name`.
const DRAFT_BYTES: usize = 4 * 32 + 16;

/** What was written for a field of a draft. */
export function written(draft: i32, field: i32): Written {
  return changetype<Written>(drafts + <usize>draft * DRAFT_BYTES + <usize>field * 32);
}

/** Where a draft keeps the nodes of `exclude` (and `name`, 4 bytes on). */
export function excludeNode(draft: i32): usize {
  return drafts + <usize>draft * DRAFT_BYTES + 128;
}

// Keeps what a reader of field.ts has found.
function keep(w: Written): void {
  w.family = 0;
  if (!fieldWritten) return;
  w.hi = parsedHi;
  w.lo = parsedLo;
  w.family = parsedFamily;
  w.length = parsedLength;
  w.mapped = parsedMapped;
}

// The range written in an object (null: nothing is written); `field` is where it stands.
function readDraft(node: i32, field: string): bool {
  const d = draftCount++;
  if (jsonKind(node) != JSON_NULL && jsonKind(node) != JSON_OBJECT) {
    return wrongType(node, field, "allocator.Range");
  }
  if (!fieldPrefix(node, "subnet", "Range.ipam.ranges.subnet")) return false;
  keep(written(d, SUBNET));
  if (!fieldAddress(node, "rangeStart", "Range.ipam.ranges.rangeStart")) return false;
  keep(written(d, START));
  if (!fieldAddress(node, "rangeEnd", "Range.ipam.ranges.rangeEnd")) return false;
  keep(written(d, END));
  if (!fieldAddress(node, "gateway", "Range.ipam.ranges.gateway")) return false;
  keep(written(d, GATEWAY));
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
  const set = setAt(call.sets, index);
  set.ranges = ranges + <usize>draftCount * offsetof<Range>();
  set.count = count;
  set.index = index;
  set.family = 0;
  set.cell = 0;
  set.still = false;
  set.firm = false;
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

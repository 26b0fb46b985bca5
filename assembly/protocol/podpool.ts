// The pod's pool: annotation berth.dev/pool says from which ranges this pod's addresses come. An
// entry is the `name` of ranges in the config, or a prefix. For this one call each range set keeps
// those of its ranges that an entry names, cut to the prefix; a set of which none is named gives as
// always (so naming IPv4 ranges leaves IPv6 alone).
//
//   ranges [[{10.1.0.0/24, name blue}, {10.2.0.0/24, name red}], [{fd00::/64}]]
//   "red"            ->  10.2.0.0/24, fd00::/64
//   "10.1.0.64/26"   ->  10.1.0.64 to .127, fd00::/64
//
// The address moves no cursor: the round of the other pods goes on where it was. In a prefix no
// cool-down yields: it may be one address long, and then its tenant would choose what cools for
// another name. Addresses named by an annotation don't care about the pool. Cost: entries times
// ranges, both bounded.
//
// Refuses (code 110): an entry that names nothing.
import {
  hasHostBits,
  lastHi,
  lastLo,
  parsedFamily,
  parsedHi,
  parsedLength,
  parsedLo,
  parsedMapped,
  parsePrefix,
} from "../address";
import { below, Interval, Range, RangeSet, rangeAt, setAt } from "../pool/range";
import { scratchTake } from "../scratch";
import { call, Span } from "./call";
import { errorAnnotation, errorQuote, errorText } from "./errors";

/** What one entry means: a name, or (family != 0) the addresses of a prefix. */
@unmanaged
class Entry {
  startHi: u64;
  startLo: u64;
  endHi: u64;
  endLo: u64;
  at: usize;
  bytes: i32;
  family: i32;
  used: bool;
}

let list: usize = 0;
let count: i32 = 0;

function entryOf(i: i32): Entry {
  return changetype<Entry>(list + <usize>i * offsetof<Entry>());
}

function isNamed(r: Range, e: Entry): bool {
  if (r.nameBytes == 0 || r.nameBytes != e.bytes) return false;
  return memory.compare(r.name, e.at, <usize>e.bytes) == 0;
}

// Is it the name of any range?
function isName(e: Entry): bool {
  for (let i = 0; i < call.setCount; i++) {
    const set = setAt(call.sets, i);
    for (let n = 0; n < set.count; n++) if (isNamed(rangeAt(set, n), e)) return true;
  }
  return false;
}

// An entry that is no range's name must be a prefix without host bits.
function readEntry(name: string, at: usize, bytes: i32, e: Entry): bool {
  e.at = at;
  e.bytes = bytes;
  e.family = 0;
  e.used = false;
  if (isName(e)) return true;
  const isPrefix = parsePrefix(at, bytes) && !parsedMapped;
  if (!isPrefix || hasHostBits()) {
    errorAnnotation(name);
    errorQuote(at, bytes);
    errorText(isPrefix ? " has host bits set" : " is neither a range's name nor a prefix");
    return false;
  }
  e.family = parsedFamily;
  e.startHi = parsedHi;
  e.startLo = parsedLo;
  e.endHi = lastHi(e.family, parsedLength, parsedHi);
  e.endLo = lastLo(e.family, parsedLength, parsedLo);
  return true;
}

let cut: Interval = changetype<Interval>(0);

// What the entry leaves of the range, in `cut`: false = nothing.
function cutOf(r: Range, e: Entry): bool {
  cut.startHi = r.startHi;
  cut.startLo = r.startLo;
  cut.endHi = r.endHi;
  cut.endLo = r.endLo;
  if (e.family == 0) return isNamed(r, e);
  if (e.family != r.family) return false;
  if (below(cut.startHi, cut.startLo, e.startHi, e.startLo)) {
    cut.startHi = e.startHi;
    cut.startLo = e.startLo;
  }
  if (below(e.endHi, e.endLo, cut.endHi, cut.endLo)) {
    cut.endHi = e.endHi;
    cut.endLo = e.endLo;
  }
  return !below(cut.endHi, cut.endLo, cut.startHi, cut.startLo);
}

// Pieces of the set that the entries leave; written to `into` unless it is 0.
function pieces(set: RangeSet, into: usize): i32 {
  let found = 0;
  for (let n = 0; n < set.count; n++) {
    const r = rangeAt(set, n);
    for (let i = 0; i < count; i++) {
      if (!cutOf(r, entryOf(i))) continue;
      entryOf(i).used = true;
      if (into != 0) {
        const at = into + <usize>found * offsetof<Range>();
        memory.copy(at, changetype<usize>(r), offsetof<Range>());
        const piece = changetype<Range>(at);
        piece.startHi = cut.startHi;
        piece.startLo = cut.startLo;
        piece.endHi = cut.endHi;
        piece.endLo = cut.endLo;
      }
      found++;
    }
  }
  return found;
}

// Is one of the entries a prefix of the family?
function hasPrefix(family: i32): bool {
  for (let i = 0; i < count; i++) if (entryOf(i).family == family) return true;
  return false;
}

/**
 * Narrows the call's range sets to the `entryCount` entries (Span) of annotation `name`. False with
 * a pending error.
 */
export function podPoolSettle(name: string, entries: usize, entryCount: i32): bool {
  cut = changetype<Interval>(scratchTake(offsetof<Interval>()));
  list = scratchTake(<usize>entryCount * offsetof<Entry>());
  count = entryCount;
  for (let i = 0; i < count; i++) {
    const e = changetype<Span>(entries + <usize>i * offsetof<Span>());
    if (!readEntry(name, e.at, e.bytes, entryOf(i))) return false;
  }
  for (let i = 0; i < call.setCount; i++) {
    const set = setAt(call.sets, i);
    const found = pieces(set, 0);
    if (found == 0) continue;
    const ranges = scratchTake(<usize>found * offsetof<Range>());
    pieces(set, ranges);
    set.whole = set.ranges;
    set.wholeCount = set.count;
    set.ranges = ranges;
    set.count = found;
    set.still = true;
    set.firm = hasPrefix(set.family);
  }
  for (let i = 0; i < count; i++) {
    if (entryOf(i).used) continue;
    errorAnnotation(name);
    errorQuote(entryOf(i).at, entryOf(i).bytes);
    errorText(" holds no address of this network's ranges");
    return false;
  }
  return true;
}

// Fixed addresses: those that an annotation names. Each is given to one range set, in whose place
// it comes; it may lie outside the set's ranges, but must lie in the subnet of one of them. What
// the config alone can refuse is refused here, before the lock: gateways, excluded addresses, the
// network and broadcast address of a subnet. Whether somebody has it, the allocator sees.
//
// An address goes to the set in whose ranges it lies, else to the first set with such a subnet that
// has none yet. Cost: a walk of all ranges for each address, 32 of them at most.
//
// Refuses with code 110, naming the annotation.
import { lastLo } from "../address";
import { poolReason, REASON_EXCLUDED, REASON_GATEWAY } from "../pool/pool";
import {
  inSubnet,
  Range,
  RangeSet,
  rangeAt,
  rangeHolds,
  setAt,
  setHolds,
  Wanted,
  wantedAt,
} from "../pool/range";
import { scratchTake } from "../scratch";
import { call } from "./call";
import { errorAddress, errorAnnotation, errorNumber, errorPrefix, errorText } from "./errors";

function isNear(r: Range, w: Wanted): bool {
  return inSubnet(r, w.family, w.hi, w.lo);
}

// The first range of the set in whose subnet the address lies: 0 = none.
function subnetOf(set: RangeSet, w: Wanted): usize {
  for (let i = 0; i < set.count; i++) {
    if (isNear(rangeAt(set, i), w)) return changetype<usize>(rangeAt(set, i));
  }
  return 0;
}

function refuse(name: string, w: Wanted, why: string): bool {
  errorAnnotation(name);
  errorAddress(w.family, w.hi, w.lo);
  errorText(why);
  return false;
}

// The network's address, and in IPv4 the broadcast address, unless a range has them expressly.
function isEnd(r: Range, w: Wanted): bool {
  if (rangeHolds(changetype<usize>(r), w.hi, w.lo)) return false;
  if (w.hi == r.subnetHi && w.lo == r.subnetLo) return true;
  return r.family == 4 && w.lo == lastLo(4, r.prefixLength, r.subnetLo);
}

// What no annotation may take, whichever range of the network says so.
function mayBeFixed(name: string, w: Wanted): bool {
  for (let i = 0; i < call.setCount; i++) {
    const set = setAt(call.sets, i);
    if (set.family != w.family) continue;
    for (let n = 0; n < set.count; n++) {
      const r = rangeAt(set, n);
      const reason = poolReason(changetype<usize>(r), w.hi, w.lo);
      if (reason == REASON_GATEWAY) return refuse(name, w, " is a gateway of this network");
      if (reason == REASON_EXCLUDED) return refuse(name, w, " is excluded by the config");
      if (!isNear(r, w) || !isEnd(r, w)) continue;
      refuse(name, w, " is the network or broadcast address of ");
      errorPrefix(r.family, r.subnetHi, r.subnetLo, r.prefixLength);
      return false;
    }
  }
  return true;
}

function sayNoSubnet(name: string, w: Wanted): bool {
  let sets = 0;
  for (let i = 0; i < call.setCount; i++) if (setAt(call.sets, i).family == w.family) sets++;
  if (sets == 0) {
    refuse(name, w, " is refused: the network has no IPv");
    errorNumber(w.family);
    errorText(" range set");
    return false;
  }
  for (let i = 0; i < call.setCount; i++) {
    if (subnetOf(setAt(call.sets, i), w) == 0) continue;
    return refuse(name, w, " is one too many: the range set of its subnet gives one address");
  }
  refuse(name, w, " is in no subnet of this network: its IPv");
  errorNumber(w.family);
  errorText(" subnets are ");
  let named = 0;
  for (let i = 0; i < call.setCount; i++) {
    const set = setAt(call.sets, i);
    for (let n = 0; n < set.count && set.family == w.family; n++) {
      const r = rangeAt(set, n);
      if (named++ > 0) errorText(", ");
      errorPrefix(r.family, r.subnetHi, r.subnetLo, r.prefixLength);
    }
  }
  return false;
}

/** The annotation that named them. */
export let fixedBy: string = "";

let taken: u64 = 0;

function assign(w: Wanted, set: i32, range: usize): void {
  w.set = set;
  w.range = range;
  taken |= (<u64>1) << (<u64>set);
}

// One round over the sets that have no fixed address yet: by their ranges, or by their subnets.
function assignOne(w: Wanted, bySubnet: bool): void {
  for (let i = 0; i < call.setCount && w.range == 0; i++) {
    const set = setAt(call.sets, i);
    if (set.family != w.family || ((taken >> <u64>i) & 1) != 0) continue;
    const at = changetype<usize>(set);
    const range = bySubnet ? subnetOf(set, w) : setHolds(at, w.hi, w.lo);
    if (range != 0) assign(w, i, range);
  }
}

// Puts the fixed addresses before the other requests; what is asked for twice counts once.
function putFirst(list: usize, count: i32): void {
  const size = offsetof<Wanted>();
  const at = scratchTake(<usize>(count + call.wantedCount) * size);
  memory.copy(at, list, <usize>count * size);
  let n = count;
  for (let i = 0; i < call.wantedCount; i++) {
    const from = call.wanted + <usize>i * size;
    const w = changetype<Wanted>(from);
    let twice = false;
    for (let k = 0; k < count; k++) {
      const f = changetype<Wanted>(list + <usize>k * size);
      if (f.family == w.family && f.hi == w.hi && f.lo == w.lo) twice = true;
    }
    if (twice) continue;
    memory.copy(at + <usize>n * size, from, size);
    n++;
  }
  call.wanted = at;
  call.wantedCount = n;
}

/**
 * Gives each of the `count` Wanted in `list` its range set and puts them into the call. `name` is
 * the annotation. False with a pending error.
 */
export function fixedSettle(name: string, list: usize, count: i32): bool {
  fixedBy = name;
  taken = 0;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < count; i++) {
      assignOne(wantedAt(list, i), round == 1);
    }
  }
  for (let i = 0; i < count; i++) {
    const w = wantedAt(list, i);
    if (!mayBeFixed(name, w)) return false;
    if (w.range == 0) return sayNoSubnet(name, w);
  }
  putFirst(list, count);
  return true;
}

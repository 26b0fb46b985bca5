// Ranges as CNI means them, after validation: what the protocol hands to the allocator. They live
// in scratch memory and are never stored. Addresses are 128-bit values hi:lo; IPv4 has hi = 0.

import { maskHi, maskLo } from "../address";

/** Addresses start..end, both included. */
@unmanaged
export class Interval {
  startHi: u64;
  startLo: u64;
  endHi: u64;
  endLo: u64;
}

/** A piece of a subnet. Canonical: start <= end, both in the subnet, everything filled in. */
@unmanaged
export class Range {
  startHi: u64;
  startLo: u64;
  endHi: u64;
  endLo: u64;
  subnetHi: u64;
  subnetLo: u64;
  gatewayHi: u64;
  gatewayLo: u64;
  /** 4 or 6: the family of subnet, start and end. */
  family: i32;
  /** 4 or 6; host-local lets the gateway be of the other family. */
  gatewayFamily: i32;
  /** Length of the subnet's prefix (bits). */
  prefixLength: i32;
  /** Intervals that `exclude` names, in the order of the config: `excludeCount` of Interval. */
  excludeCount: i32;
  excludes: usize;
  /** `name` of the range in the config; 0 bytes = none. */
  name: usize;
  nameBytes: i32;
}

/** A range set gives one address per pod. All its ranges are of one family. */
@unmanaged
export class RangeSet {
  /** `count` of Range, in the order of the config. */
  ranges: usize;
  count: i32;
  /** Position among all sets of the network: names the cursor. */
  index: i32;
  family: i32;
  /** The POOL cell of a pool of the library; 0 = a range set of the plugin. */
  cell: u32;
  /** Its ranges were narrowed for one call, whose address moves no cursor. */
  still: bool;
  /** Nothing that cools yields, though nothing else is free: a tenant has said where to look. */
  firm: bool;
  /** While `still`: its ranges as the config has them. */
  whole: usize;
  wholeCount: i32;
}

/** An address that the caller asked for: CNI_ARGS, args, runtimeConfig.ips, an annotation. */
@unmanaged
export class Wanted {
  hi: u64;
  lo: u64;
  family: i32;
  /** Set by the allocator: a range set took it. */
  used: bool;
  /**
   * Fixed: the address goes to set number `set` and comes from this Range, whose start and end
   * don't matter; whoever fixed it has judged that it may be given. 0 = any set that holds it.
   */
  range: usize;
  set: i32;
}

/** What the allocator gave to one range set. */
@unmanaged
export class Given {
  hi: u64;
  lo: u64;
  /** The Range it comes from: prefix length and gateway of the result. */
  range: usize;
  /** The set's cursor stays where it is: the address isn't part of its round. */
  still: bool;
}

/** Set number `i` of some RangeSet. */
export function setAt(sets: usize, i: i32): RangeSet {
  return changetype<RangeSet>(sets + <usize>i * offsetof<RangeSet>());
}

/** Range number `i` of the set. */
export function rangeAt(set: RangeSet, i: i32): Range {
  return changetype<Range>(set.ranges + <usize>i * offsetof<Range>());
}

/** Number `i` of some Wanted. */
export function wantedAt(list: usize, i: i32): Wanted {
  return changetype<Wanted>(list + <usize>i * offsetof<Wanted>());
}

/** Number `i` of some Given. */
export function givenAt(list: usize, i: i32): Given {
  return changetype<Given>(list + <usize>i * offsetof<Given>());
}

/** Exclude number `i` of the range. */
export function excludeAt(r: Range, i: i32): Interval {
  return changetype<Interval>(r.excludes + <usize>i * offsetof<Interval>());
}

/** Is a < b, as 128-bit values? */
export function below(aHi: u64, aLo: u64, bHi: u64, bLo: u64): bool {
  return aHi < bHi || (aHi == bHi && aLo < bLo);
}

/** Does the address lie in the range's subnet? */
export function inSubnet(r: Range, family: i32, hi: u64, lo: u64): bool {
  if (family != r.family) return false;
  const mHi = maskHi(family, r.prefixLength);
  const mLo = maskLo(family, r.prefixLength);
  return (hi & mHi) == r.subnetHi && (lo & mLo) == r.subnetLo;
}

/** Does the range hold the address, by start..end? */
export function rangeHolds(range: usize, hi: u64, lo: u64): bool {
  const r = changetype<Range>(range);
  return !below(hi, lo, r.startHi, r.startLo) && !below(r.endHi, r.endLo, hi, lo);
}

/** The range of the set that holds the address, or 0. */
export function setHolds(set: usize, hi: u64, lo: u64): usize {
  const s = changetype<RangeSet>(set);
  for (let i = 0; i < s.count; i++) {
    const range = s.ranges + <usize>i * offsetof<Range>();
    if (rangeHolds(range, hi, lo)) return range;
  }
  return 0;
}

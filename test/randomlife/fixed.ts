// Addresses that are fixed: by an annotation of the pod, or by mode static. Which range set such an
// address takes the place of, and what refuses it before anybody looks at who has it: the rules of
// docs/ANNOTATIONS.md.

import type { Family, RangeSpec, SetSpec } from "../support/ledger.ts";
import { isExcluded, isGateway, rangeOf, type Wanted } from "./model.ts";
import { rangeName, subnetOf, type Variant } from "./network.ts";

export const OURS = "berth.dev/addresses";
export const CALICO = "cni.projectcalico.org/ipAddrs";
export const POOL = "berth.dev/pool";
export const RESERVE_FOR = "berth.dev/reserve-for";

function inSubnet(family: Family, range: RangeSpec, { family: own, value }: Wanted): boolean {
  const { base, length } = subnetOf(family, range);
  const bits = BigInt((family === 4 ? 32 : 128) - length);
  return own === family && value >> bits === base >> bits;
}

function isEnd(family: Family, range: RangeSpec, { value }: Wanted): boolean {
  if (value >= range.start && value <= range.end) return false;
  const { base, length } = subnetOf(family, range);
  return value === base || (family === 4 && value === base + (1n << BigInt(32 - length)) - 1n);
}

/** Why no annotation may have this address, whoever asks. */
function never({ sets }: Variant, wanted: Wanted): RegExp | undefined {
  for (const { family, ranges } of sets) {
    if (family !== wanted.family) continue;
    for (const range of ranges) {
      if (isGateway(range, family, wanted.value)) return / is a gateway of this network/;
      if (isExcluded(range, wanted.value)) return / is excluded by the config/;
      if (inSubnet(family, range, wanted) && isEnd(family, range, wanted))
        return / is the network or broadcast address of /;
    }
  }
  return undefined;
}

/**
 * The requests with their range sets: first where an address lies in the ranges of one, then where
 * it lies in a subnet. Or why they are refused.
 */
export function settle(config: Variant, addresses: readonly Wanted[]): Wanted[] | RegExp {
  const all: Wanted[] = addresses.map((one) => ({ ...one }));
  const isTaken = (set: SetSpec) => all.some(({ fixed }) => fixed?.set === set);
  const byRange = (set: SetSpec, { value }: Wanted) => rangeOf(set, value);
  const bySubnet = (set: SetSpec, one: Wanted) =>
    set.ranges.find((range) => inSubnet(set.family, range, one));
  for (const find of [byRange, bySubnet])
    for (const one of all) {
      if (one.fixed) continue;
      const set = config.sets.find(
        (it) => it.family === one.family && !isTaken(it) && find(it, one),
      );
      if (set) one.fixed = { set, range: find(set, one)! };
    }
  for (const one of all) {
    const why = never(config, one);
    if (why) return why;
    if (one.fixed) continue;
    const sets = config.sets.filter(({ family }) => family === one.family);
    if (sets.length === 0) return /: the network has no IPv[46] range set/;
    if (sets.some((set) => bySubnet(set, one))) return / is one too many: /;
    return / is in no subnet of this network: /;
  }
  return all;
}

/**
 * The config as a pod sees it whose annotation names these ranges: a set of which some are named has
 * only those. Which sets that are.
 */
export function narrow(config: Variant, names: readonly string[]): [Variant, Set<number>] {
  const narrowed = new Set<number>();
  const sets = config.sets.map((set) => {
    const ranges = set.ranges.filter((_, n) => names.includes(rangeName(set.index, n)));
    if (ranges.length === 0) return set;
    narrowed.add(set.index);
    return { ...set, ranges };
  });
  return [{ ...config, sets }, narrowed];
}

/** The requests of mode static: one for each range set. */
export function settleStatic({ sets }: Variant): Wanted[] {
  return sets.map((set) => {
    const range = set.ranges[0]!;
    return { family: set.family, value: range.start, fixed: { set, range } };
  });
}

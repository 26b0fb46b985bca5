// Reports of prefix pools: the figures of a family, what is known of a prefix, and what became of a
// list to occupy.
import { type Family, formatPrefix, type Prefix } from "../address.ts";
import { type IpamCode, IpamError, shown } from "../errors.ts";
import { needKeys, someKeysOf } from "../keys.ts";
import type { Owners } from "./owners.ts";
import type { Occupied, PrefixExplanation } from "./prefixtypes.ts";
import type { ClusterRange, RangeCounts } from "./ranges.ts";

/** Figures of one cluster prefix, in sub-prefixes of the pool's length. */
export interface ClusterPrefixStats extends RangeCounts {
  prefix: string;
  draining: boolean;
}

/** Figures of one family, in sub-prefixes of the pool's length; rounded from 2^53 on. */
export interface FamilyStats extends RangeCounts {
  family: Family;
  /** The pool's length. */
  length: number;
  /**
   * Those that could be given now: nothing of a draining prefix. With mixed lengths only what is
   * whole counts, so `used` counts every one of which a part is held.
   */
  free: number;
  /** Sub-prefixes taken and given back since the prefixes were added. */
  allocations: number;
  releases: number;
  /** The cluster prefixes of the family, in order. */
  prefixes: ClusterPrefixStats[];
}

/** The figures of a family. */
export function statsOf(family: Family, length: number, ranges: ClusterRange[]): FamilyStats {
  const prefixes = ranges.map((range) => ({
    prefix: range.text,
    draining: range.draining,
    ...range.counts(),
  }));
  const sum = (of: (one: ClusterPrefixStats) => number) =>
    prefixes.reduce((all, one) => all + of(one), 0);
  const open = prefixes.filter((one) => !one.draining && one.largest !== null);
  return {
    family,
    length,
    size: sum((one) => one.size),
    used: sum((one) => one.used),
    free: sum((one) => (one.draining ? 0 : one.free)),
    excluded: sum((one) => one.excluded),
    held: sum((one) => one.held),
    largest: open.length > 0 ? Math.min(...open.map((one) => one.largest!)) : null,
    allocations: ranges.reduce((all, range) => all + range.allocations, 0),
    releases: ranges.reduce((all, range) => all + range.releases, 0),
    prefixes,
  };
}

/** What is known of a prefix in a cluster prefix; `due`: when a hold on a sub-prefix lapses. */
export function explained(
  range: ClusterRange,
  p: Prefix,
  owners: Owners,
  due: (held: string) => number | undefined,
): PrefixExplanation {
  const text = formatPrefix(p);
  const clusterPrefix = range.text;
  const now = range.stateOf(p);
  if (now.state === "free") {
    const why = range.draining ? `${text} is free, but ${range.text} is draining` : "";
    return { state: "free", clusterPrefix, why: why || `${text} is free` };
  }
  if (now.state === "excluded")
    return { state: "excluded", clusterPrefix, why: `${text} is kept back` };
  const prefix = formatPrefix(now.prefix);
  const owner = owners.of(prefix);
  const by = owner === undefined ? "" : ` by ${shown(owner)}`;
  const known = { prefix, owner, clusterPrefix };
  if (now.state === "partly")
    return { state: "partly", ...known, why: `${prefix} in ${text} is held${by}` };
  const until = due(prefix);
  if (until === undefined)
    return { state: "allocated", ...known, why: `${prefix} is allocated${by}` };
  return { state: "held", ...known, until, why: `${prefix} is on hold${by}, not confirmed` };
}

/** The answer for a prefix that can't be occupied; `held` is in the way, undefined: kept back. */
export function conflicted(text: string, held: Prefix | undefined, owners: Owners): Occupied {
  if (!held) return { status: "conflict", why: `${text} is kept back (head, tail or exclude)` };
  const prefix = formatPrefix(held);
  const owner = owners.of(prefix);
  const who = owner === undefined ? "somebody without a name" : shown(owner);
  return { status: "conflict", owner, prefix, why: `${prefix} is held by ${who}` };
}

const ENTRY_KEYS = someKeysOf<{ prefix: string; owner?: string }>("entry", "a key of an entry", {
  prefix: true,
  owner: true,
});

/** What `occupyAll` answers. Each entry of the list is counted or listed exactly once. */
export interface OccupyReport {
  /** Entries that are held now and weren't, and those that the same owner had already. */
  added: number;
  same: number;
  /** Somebody else has it (`holder`; undefined: nobody with a name), or it is kept back. */
  conflicts: { prefix: string; owner?: string; holder?: string; held?: string; why: string }[];
  /** In no cluster prefix. */
  outsiders: { prefix: string; owner?: string }[];
  /** Not a prefix, not an owner, too large, no space: `code` as an IpamError has it. */
  invalid: { entry: unknown; code: IpamCode; why: string }[];
}

/** Occupies entry by entry and reports. Throws "invalid" where `list` isn't one, "closed". */
export function reportOf(
  list: Iterable<{ prefix: string; owner?: string | undefined }>,
  occupy: (prefix: string, owner: string | undefined) => Occupied,
): OccupyReport {
  const notEntries = typeof list === "string" || ArrayBuffer.isView(list);
  if (typeof list?.[Symbol.iterator] !== "function" || notEntries)
    throw new IpamError("invalid", `${shown(list)} is not a list of prefixes with owners`, list);
  const report: OccupyReport = { added: 0, same: 0, conflicts: [], outsiders: [], invalid: [] };
  for (const entry of list) {
    if (typeof entry !== "object" || entry === null) {
      const why = `${shown(entry)} is not { prefix, owner }`;
      report.invalid.push({ entry, code: "invalid", why });
      continue;
    }
    const { prefix, owner } = entry;
    try {
      if (owner === undefined) needKeys(entry, ENTRY_KEYS);
      const done = occupy(prefix, owner);
      if (done.status !== "conflict") report[done.status]++;
      else {
        const { owner: holder, prefix: held, why } = done;
        report.conflicts.push({ prefix, owner, holder, held, why });
      }
    } catch (error) {
      if (!(error instanceof IpamError) || error.code === "closed") throw error;
      if (error.code === "outside") report.outsiders.push({ prefix, owner });
      else report.invalid.push({ entry, code: error.code, why: error.message });
    }
  }
  return report;
}

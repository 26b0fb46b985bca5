// Snapshots of prefix pools: a frame as pools of addresses have it (../snapshot.ts).
//
//   head   options, cluster prefixes with cursor and bytes of their set, owners
//   set    the sets of the cluster prefixes one after the other, each a multiple of 8 bytes
import type { Bytes } from "../embedded.ts";
import { IpamError } from "../errors.ts";
import { heap } from "../heap.ts";
import { type SnapshotOptions, snapshotOptions } from "../pooloptions.ts";
import { frame, unframe } from "../snapshot.ts";
import type { Owners } from "./owners.ts";
import type { PrefixPoolOptions } from "./prefixoptions.ts";
import type { ClusterRange } from "./ranges.ts";

const MAGIC = "BERTHPFX";

interface SavedRange {
  prefix: string;
  draining: boolean;
  cursor: string;
  bytes: number;
  allocations: number;
  releases: number;
}

interface Head {
  options: PrefixPoolOptions;
  ranges: SavedRange[];
  owners: [owner: string, prefixes: string[]][];
}

/** What makes a prefix pool again. */
export interface SavedPool {
  options: PrefixPoolOptions;
  prefixes: string[];
  owners: Head["owners"];
  /** Fills the cluster prefixes, which are in the order of `prefixes`. Throws "damaged". */
  load(ranges: readonly ClusterRange[]): void;
}

/** A pool as bytes. */
export function writePrefixPool(
  options: PrefixPoolOptions,
  ranges: readonly ClusterRange[],
  owners: Owners,
): Bytes {
  const { length, mixed, head, tail, exclude, policy } = options;
  const saved = ranges.map((range) => ({ range, ...range.save() }));
  const set = new Uint8Array(saved.reduce((sum, each) => sum + each.set.length, 0));
  let at = 0;
  for (const each of saved) {
    set.set(each.set, at);
    at += each.set.length;
  }
  const json: Head = {
    options: { length, mixed, head, tail, exclude, policy },
    ranges: saved.map(({ range, set: { length: bytes }, cursor }) => {
      const { text, draining, allocations, releases } = range;
      return { prefix: text, draining, cursor, bytes, allocations, releases };
    }),
    owners: [...owners],
  };
  return frame(heap(), MAGIC, json, set);
}

/** Reads what writePrefixPool made. Throws "damaged", "newer", "invalid" (no bytes). */
export function readPrefixPool(bytes: Uint8Array, more: SnapshotOptions): SavedPool {
  const own = snapshotOptions(more);
  const { head, set } = unframe(heap(), MAGIC, bytes);
  const { options, ranges, owners } = head as Head;
  if (ranges.reduce((sum, each) => sum + each.bytes, 0) !== set.length)
    throw new IpamError("damaged", "the snapshot's sets aren't as long as its head says", bytes);
  return {
    options: { ...options, ...own },
    prefixes: ranges.map(({ prefix }) => prefix),
    owners,
    load(into) {
      let at = 0;
      for (const [i, saved] of ranges.entries()) {
        const range = into[i]!;
        range.load(set.subarray(at, at + saved.bytes), saved.cursor);
        range.draining = saved.draining;
        range.allocations = saved.allocations;
        range.releases = saved.releases;
        at += saved.bytes;
      }
    },
  };
}

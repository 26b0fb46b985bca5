// Service pools as bytes: the frame of snapshot.ts.
//
//   head   JSON: ranges, options, services with their names, of each range the length of its
//          pool's bytes (0: it has none) and its running totals
//   set    the bytes of all pools, one behind the other
import type { Bytes } from "../embedded.ts";
import { IpamError } from "../errors.ts";
import { heap } from "../heap.ts";
import { frame, unframe } from "../snapshot.ts";
import type { ServicePoolOptions } from "./service.ts";
import type { SavedRange, ServiceRange } from "./servicerange.ts";
import type { ServiceRecord } from "./servicespec.ts";

const MAGIC = "BERTHSVC";

interface Head {
  ranges: string[];
  options: ServicePoolOptions;
  services: [name: string, record: ServiceRecord][];
  pools: { length: number; totals: SavedRange["totals"] }[];
}

/** A service pool that was read. */
export interface SavedServices extends Pick<Head, "ranges" | "options" | "services"> {
  saved: SavedRange[];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A service pool as bytes. */
export function writeServices(
  ranges: readonly ServiceRange[],
  written: ServicePoolOptions,
  services: Iterable<[string, ServiceRecord]>,
): Bytes {
  const { clock: _, seed: __, ...options } = written;
  const saved = ranges.map((range) => range.save());
  const head: Head = {
    ranges: ranges.map(({ text }) => text),
    options,
    services: [...services],
    pools: saved.map(({ pool, totals }) => ({ length: pool?.length ?? 0, totals })),
  };
  const sets = saved.map(({ pool }) => pool).filter((pool) => pool !== undefined);
  return frame(heap(), MAGIC, head, joined(sets));
}

/** What makes a service pool again. Throws "damaged", "newer", "invalid". */
export function readServices(bytes: Uint8Array): SavedServices {
  const { head, set } = unframe(heap(), MAGIC, bytes);
  const { ranges, options, services, pools } = head as Head;
  let at = 0;
  const saved = pools.map(({ length, totals }) => {
    at += length;
    return { totals, pool: length === 0 ? undefined : set.slice(at - length, at) };
  });
  if (at !== set.length || saved.length !== ranges.length)
    throw new IpamError("damaged", "the snapshot's pools don't fit its ranges", bytes);
  return { ranges, options, services, saved };
}

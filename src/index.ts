// berth-ipam: pools, prefixes and owners for controllers of huge clusters.
export type { Family } from "./address.ts";
export type { PrefixPoolOptions } from "./cluster/prefixoptions.ts";
export { createPrefixPool, PrefixPool } from "./cluster/prefixpool.ts";
export type { FamilyStats, OccupyReport } from "./cluster/prefixreport.ts";
export type {
  Occupied,
  PrefixExplanation,
  PrefixRequest,
} from "./cluster/prefixtypes.ts";
export { type IpamCode, IpamError } from "./errors.ts";
export { heapBytes } from "./heap.ts";
export { Hold } from "./hold.ts";
export type { HoldOptions } from "./holds.ts";
export { createPool, type Explanation, Pool, type PoolOptions, type PoolToken } from "./pool.ts";
export type { Policy, SlotArray } from "./slots.ts";

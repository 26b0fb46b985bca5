// berth-ipam: pools, prefixes and owners for controllers of huge clusters.
export { type IpamCode, IpamError } from "./errors.ts";
export type { Hold } from "./hold.ts";
export type { HoldOptions } from "./holds.ts";
export { createPool, type Explanation, Pool, type PoolOptions } from "./pool.ts";
export type { Policy, SlotArray } from "./slots.ts";

// berth-ipam: pools, prefixes and owners for controllers of huge clusters. docs/LIBRARY.md says
// what each is for.
/// <reference lib="esnext.disposable" preserve="true" />

// Addresses of a prefix, in memory.

export { createPool, Pool } from "./pool.ts";
export type { PoolOptions } from "./pooloptions.ts";
export type { Explanation, PoolToken } from "./pooltypes.ts";

// Sub-prefixes for nodes and blocks.

export type { PerFamily, PrefixPoolOptions } from "./cluster/prefixoptions.ts";
export { createPrefixPool, PrefixPool } from "./cluster/prefixpool.ts";
export type { ClusterPrefixStats, FamilyStats, OccupyReport } from "./cluster/prefixreport.ts";
export type { Occupied, PrefixExplanation, PrefixRequest } from "./cluster/prefixtypes.ts";

// Services and load balancers.

export {
  createServicePool,
  type ServiceExplanation,
  ServicePool,
  type ServicePoolOptions,
} from "./cluster/service.ts";
export {
  type IpFamily,
  type ServiceRangeStats,
  staticBandFor,
  type Usable,
  usableAddresses,
} from "./cluster/servicerange.ts";
export type {
  IpFamilyPolicy,
  ServiceAllocation,
  ServiceRecord,
  ServiceSpec,
  ServiceType,
} from "./cluster/servicespec.ts";

// Owners, names and reservations, on disk.

export type { HistoryEvent, HistoryWord } from "./ipam/history.ts";
export { type Ipam, openIpam } from "./ipam/ipam.ts";
export type { IpamPool } from "./ipam/ipampool.ts";
export { type IpamCopy, readIpam } from "./ipam/reader.ts";
export { type AttachedIpam, attachIpam, type IpamToken, shareIpam } from "./ipam/share.ts";
export type {
  AllocateRequest,
  Allocation,
  FindBy,
  IpamExplanation,
  IpamOptions,
  IpamPoolOptions,
  IpamStats,
  OwnerKind,
  OwnerOf,
  ReleaseOptions,
  Reservation,
  ReserveRequest,
} from "./ipam/words.ts";

// What if: a history against another subnet, policy or cool-down.

export { type ReplayOptions, type ReplayReport, replayHistory } from "./replay.ts";

// Planning a cluster.

export {
  type ClusterNeeds,
  type ClusterPlan,
  type FamilyPlan,
  planCluster,
  prefixLengthFor,
  type ServicePlan,
} from "./cluster/plan.ts";
export type { PlanWarning } from "./cluster/planwarnings.ts";

// What they have in common.

export type { Family } from "./address.ts";
export { type IpamCode, IpamError } from "./errors.ts";
export { heapBytes } from "./heap.ts";
export { Hold } from "./hold.ts";
export type { HoldOptions } from "./holds.ts";
export type { Policy, SlotArray } from "./slots.ts";

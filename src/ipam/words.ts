// What goes in and out of an Ipam: requests, allocations, reservations, explanations, counts.
import { keysOf } from "../keys.ts";
import type { IpamPool } from "./ipampool.ts";

/** Who an owner is. Containers hold nothing after a reboot, unless the image says "keep". */
export type OwnerKind = "container" | "node" | "service" | "other";

/** How openIpam opens a directory. */
export interface IpamOptions {
  /**
   * "exclusive" (default): nobody else may open it until `close`. "per-call": each call takes the
   * lock, looks at what others have done, commits, gives the lock back: for a plugin's directory.
   */
  lock?: "exclusive" | "per-call";
  /** "always" (default): flush means fdatasync. "never": what a crash of the machine leaves. */
  sync?: "always" | "never";
  /** Containers at a new boot: "release" or "keep" them; by default as the image says. */
  reboot?: "release" | "keep";
  /**
   * Milliseconds to wait for the lock, 0 to 3,600,000; default 2,000, per call 60,000. An exclusive
   * opener doesn't wait for an exclusive holder unless this is given.
   */
  lockTimeout?: number;
}

/** What a durable pool is. What isn't given is next, nothing excluded, no gateway, 0, no name. */
export interface IpamPoolOptions {
  /** A name by which requests can call the pool (1 to 80 bytes; not a prefix). */
  name?: string;
  /** Which address comes next: round robin (default), the lowest free, a random one. */
  policy?: "next" | "first" | "random";
  /** Addresses, prefixes and "first-last" of the prefix, never given: 256 intervals at most. */
  exclude?: readonly string[];
  /** An address of the prefix that is never given. */
  gateway?: string;
  /**
   * Whole seconds, 0 (default) to 2^31 - 1, in which a released address is given to nobody but its
   * name, unless nothing else is free.
   */
  cooldown?: number;
}

/** Names an owner. */
export interface OwnerOf {
  /** Any text of 1 to 4,096 bytes. */
  owner: string;
  /** Default "other". */
  kind?: OwnerKind;
  /** An interface of the owner (15 bytes); the plugin's containers have one. Default none. */
  interface?: string;
}

/** What `find` looks for: an owner, the holder of an address, the newest of a name. */
export type FindBy = OwnerOf | { address: string } | { name: string };

/** What `release` is told beside the owner's text. */
export interface ReleaseOptions extends Omit<OwnerOf, "owner"> {
  /** Seconds for which the addresses are kept for the name: above 0, to 2^31 - 1, or Infinity. */
  reserveFor?: number;
  /** The name, if the allocation has none. */
  name?: string;
}

/** What `allocate` is asked for. */
export interface AllocateRequest extends OwnerOf {
  /** A name to find it by (1 to 512 bytes); what is reserved for it comes back. */
  name?: string;
  /** One address from each: pools, or their prefixes or names; 1 to 32. */
  pools: readonly (IpamPool | string)[];
  /** Addresses that are wanted, each from one of the pools; at most 64. */
  addresses?: readonly string[];
}

/** What `reserve` is asked for. */
export interface ReserveRequest {
  /** As of AllocateRequest. */
  pools: readonly (IpamPool | string)[];
  addresses?: readonly string[];
  /** Seconds until it expires: above 0, to 2^31 - 1; Infinity for never. */
  ttl: number;
}

/** Addresses that an owner holds. */
export interface Allocation {
  readonly owner: string;
  readonly kind: OwnerKind;
  readonly interface?: string;
  readonly name?: string;
  /** From `allocate` in the order of the pools; else IPv4 before IPv6, in order. */
  readonly addresses: readonly string[];
  /** When it was allocated, to the second. */
  readonly since: Date;
}

/** Addresses that are kept for a name. */
export interface Reservation {
  readonly name: string;
  readonly addresses: readonly string[];
  /** When it expires; undefined: never. */
  readonly until: Date | undefined;
  /** Who held the addresses before, if somebody did. */
  readonly owner?: string;
  readonly kind?: OwnerKind;
}

/** What an address is, and why. */
export interface IpamExplanation {
  state: "free" | "allocated" | "reserved" | "cooling" | "excluded" | "gateway" | "outside";
  /** The pool that holds it. */
  pool?: string;
  /** Who has it, or had it last. */
  owner?: string;
  kind?: OwnerKind;
  /** The name that it is reserved for, or that its owner goes by. */
  name?: string;
  /** Until when it is reserved or cooling; undefined in both: for ever. */
  until?: Date;
  /** The same in a sentence. */
  why: string;
}

/** Counts. */
export interface IpamStats {
  allocations: number;
  reservations: number;
  /** Addresses that cool. */
  cooling: number;
  pools: number;
  /** Addresses that aren't free: allocated, reserved, cooling. */
  taken4: number;
  taken6: number;
  /** Bytes of the image, and of it in use. */
  bytes: number;
  usedBytes: number;
  /** Bytes of the log that the next checkpoint ends, and how many there may be. */
  logBytes: number;
  logRoom: number;
  /** Commits since the image was made; calls that were flushed together are one. */
  commits: bigint;
  /** Checkpoints since then. */
  generation: bigint;
}

/** Kinds in the order of their numbers in the image. */
export const KINDS: readonly OwnerKind[] = ["container", "node", "service", "other"];

// What an Ipam has answered may be passed on as a request: `ipam.find(allocation)`. Keys that say
// so, and all that it may have.
const TELLING = ["since", "until", "why"];
const ANSWERED = keysOf<Allocation & Reservation & IpamExplanation>("", "", {
  owner: true,
  kind: true,
  interface: true,
  name: true,
  addresses: true,
  since: true,
  until: true,
  state: true,
  pool: true,
  why: true,
}).known;
const isAnswered = (key: string, value: object) =>
  ANSWERED.includes(key) && TELLING.some((telling) => Object.hasOwn(value, telling));

// The same of an IpamPool as the options of another one.
const OF_POOL = new Set(["prefix", "family", "size", "cell", "range"]);
const isOfPool = (key: string, value: object) => OF_POOL.has(key) && Object.hasOwn(value, "cell");

/** What openIpam, pool, allocate, reserve, release and find may be told. */
export const OPEN_KEYS = keysOf<IpamOptions>("options", "an option of openIpam", {
  lock: true,
  sync: true,
  reboot: true,
  lockTimeout: true,
});
export const POOL_KEYS = keysOf<IpamPoolOptions>(
  "options",
  "an option of a durable pool",
  { name: true, policy: true, exclude: true, gateway: true, cooldown: true },
  isOfPool,
);
const OWNER = { owner: true, kind: true, interface: true } as const;
export const ALLOCATE_KEYS = keysOf<AllocateRequest>(
  "request",
  "a key of a request to allocate",
  { ...OWNER, name: true, pools: true, addresses: true },
  isAnswered,
);
export const RESERVE_KEYS = keysOf<ReserveRequest>(
  "request",
  "a key of a request to reserve",
  { pools: true, addresses: true, ttl: true },
  isAnswered,
);
export const RELEASE_KEYS = keysOf<ReleaseOptions>(
  "options",
  "an option of release",
  { kind: true, interface: true, reserveFor: true, name: true },
  isAnswered,
);
export const FIND_KEYS = keysOf<OwnerOf & { address: string; name: string }>(
  "what to find",
  "a key to find by",
  { ...OWNER, address: true, name: true },
  isAnswered,
);

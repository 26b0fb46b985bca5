// A durable pool: its definition lies in the image, this is a handle. Owns how options become the
// numbers of a definition, and back.
import {
  GIVEN_COOLDOWN,
  GIVEN_EXCLUDE,
  GIVEN_GATEWAY,
  GIVEN_NAME,
  GIVEN_POLICY,
} from "../../assembly/library/booknumbers.ts";
import {
  type Family,
  formatAddress,
  formatPrefix,
  holdsAddress,
  lastOf,
  MAPPED,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
} from "../address.ts";
import { IpamError, shown } from "../errors.ts";
import { excludedOf } from "../pooloptions.ts";
import type { Core } from "./core.ts";
import type { IpamPoolOptions } from "./words.ts";

const POLICIES = ["next", "first", "random"] as const;
const COOLDOWN_MAX = 2 ** 31 - 1;
const SKIPS_MAX = 256;
const SKIPS_AT = 16;
const MASK = (1n << 64n) - 1n;

/** High and low half of an address. */
export function halves(value: bigint): [bigint, bigint] {
  return [value >> 64n, value & MASK];
}

/** The prefix that a text is; undefined: it isn't one. Throws "hostBits". */
export function prefixOf(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch (error) {
    if (error instanceof IpamError && error.code === "invalid") return undefined;
    throw error;
  }
}

/**
 * The prefix of a pool to be. An address in a request is read without its pool, and then a mapped
 * one is IPv4: no pool can have those. Throws "hostBits", "invalid".
 */
export function poolPrefix(text: string): Prefix {
  const range = parsePrefix(text);
  if (!overlaps(range, { family: 6, base: MAPPED, length: 96 })) return range;
  refuse(`${text} has addresses of ::ffff:0:0/96, which are IPv4: take a prefix without`, text);
}

/** What a pool asks its Ipam. */
export interface PoolHome {
  poolNow(pool: IpamPool): PoolFacts;
}

/** What the image tells of a pool. */
export interface PoolFacts {
  prefix: Prefix;
  policy: (typeof POLICIES)[number];
  cooldown: number;
  gateway: string | undefined;
  exclude: string[];
  name: string | undefined;
  taken: number;
}

/** A durable pool of an Ipam: made by `ipam.pool`, never removed. */
export class IpamPool {
  /** The prefix, canonical. */
  readonly prefix: string;
  readonly family: Family;
  readonly policy: "next" | "first" | "random";
  /** Seconds. */
  readonly cooldown: number;
  readonly gateway: string | undefined;
  /** Intervals that are never given, merged, as "first-last". */
  readonly exclude: readonly string[];
  readonly name: string | undefined;
  /** Addresses of the prefix, exact up to 2^53. */
  readonly size: number;
  /** For the Ipam that made it: where the definition lies. */
  readonly cell: number;
  /** For the Ipam that made it. */
  readonly range: Prefix;
  readonly #home: PoolHome;

  constructor(home: PoolHome, facts: PoolFacts, cell: number) {
    this.#home = home;
    this.range = facts.prefix;
    this.cell = cell;
    this.prefix = formatPrefix(facts.prefix);
    this.family = facts.prefix.family;
    this.policy = facts.policy;
    this.cooldown = facts.cooldown;
    this.gateway = facts.gateway;
    this.exclude = facts.exclude;
    this.name = facts.name;
    this.size = Number(lastOf(facts.prefix) - facts.prefix.base + 1n);
  }

  /** Is it a pool of this Ipam? */
  isOf(home: PoolHome): boolean {
    return this.#home === home;
  }

  /** Addresses of it that aren't free: allocated, reserved or cooling, as it stands now. */
  get used(): number {
    return this.#home.poolNow(this).taken;
  }
}

function refuse(message: string, value: unknown): never {
  throw new IpamError("invalid", message, value);
}

/** Puts a definition into the block. Answers the bytes of the name, and which parts were given. */
export function putPool(core: Core, range: Prefix, o: IpamPoolOptions): [number, number] {
  const { words } = core;
  const policy = POLICIES.indexOf(o.policy ?? "next");
  if (policy < 0) refuse(`policy ${shown(o.policy)} is none of next, first, random`, o.policy);
  // Requests call a pool by prefix or name: one must not be taken for the other.
  if (o.name !== undefined && prefixOf(o.name))
    refuse(`name ${shown(o.name)} is a prefix: another pool may have that`, o.name);
  const { cooldown = 0 } = o;
  if (!Number.isInteger(cooldown) || cooldown < 0 || cooldown > COOLDOWN_MAX)
    refuse(`cooldown ${shown(cooldown)} is not whole seconds from 0 to ${COOLDOWN_MAX}`, cooldown);
  const skips = excludedOf(range, o.exclude ?? []);
  if (skips.length > SKIPS_MAX)
    refuse(`${skips.length} intervals are excluded: at most ${SKIPS_MAX}`, o.exclude);
  words[0] = BigInt(range.family);
  words[1] = BigInt(range.length);
  [words[2], words[3]] = halves(range.base);
  [words[4], words[5]] = halves(lastOf(range));
  words[6] = BigInt(policy);
  words[7] = BigInt(cooldown);
  const gateway = gatewayOf(range, o.gateway);
  words[8] = gateway === undefined ? 0n : 1n;
  [words[9], words[10]] = halves(gateway ?? 0n);
  words[11] = BigInt(skips.length);
  let at = SKIPS_AT;
  for (const [from, to] of skips) {
    [words[at], words[at + 1]] = halves(range.base + from);
    [words[at + 2], words[at + 3]] = halves(range.base + to);
    at += 4;
  }
  const given =
    (o.policy === undefined ? 0 : GIVEN_POLICY) |
    (o.cooldown === undefined ? 0 : GIVEN_COOLDOWN) |
    (o.gateway === undefined ? 0 : GIVEN_GATEWAY) |
    (o.exclude === undefined ? 0 : GIVEN_EXCLUDE) |
    (o.name === undefined ? 0 : GIVEN_NAME);
  return [core.putName(o.name, 80), given];
}

function gatewayOf(range: Prefix, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const { family, value } = parseAddress(text, "gateway");
  if (holdsAddress(range, family, value)) return value;
  throw new IpamError("outside", `gateway ${text} is not inside ${formatPrefix(range)}`, text);
}

/** What bookPoolRead has put out. */
export function takePool(core: Core): PoolFacts {
  const family = core.outNumber(0) as Family;
  const whole = (at: number) => (core.out(at) << 64n) | core.out(at + 1);
  const text = (at: number) => formatAddress(family, whole(at));
  const count = core.outNumber(11);
  const spans = Array.from({ length: count }, (_, n) => [
    whole(SKIPS_AT + 4 * n),
    whole(SKIPS_AT + 4 * n + 2),
  ]);
  const nameBytes = core.outNumber(13);
  return {
    prefix: { family, length: core.outNumber(1), base: whole(2) },
    policy: POLICIES[core.outNumber(6)] ?? "next",
    cooldown: core.outNumber(7),
    gateway: core.outNumber(8) === 0 ? undefined : text(9),
    exclude: spans.map(
      ([from, to]) => `${formatAddress(family, from!)}-${formatAddress(family, to!)}`,
    ),
    name: nameBytes === 0 ? undefined : core.nameText(nameBytes),
    taken: core.outNumber(12),
  };
}

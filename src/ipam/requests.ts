// Requests on their way into the core, and what the core's refusals mean in words. The core
// decides; this file knows which number is which sentence.
import { constants } from "node:os";
import {
  BOOK_NO_NAME,
  BOOK_NO_POOL,
  BOOK_NOT_FOUND,
  BOOK_RESERVED,
  IN_WANTED,
  IS_COOLING,
  IS_RESERVED,
  POOLS_MAX,
  WANTED_MAX,
} from "../../assembly/library/booknumbers.ts";
import { type Address, formatAddress, parseAddress } from "../address.ts";
import { IpamError, shown } from "../errors.ts";
import type { Core } from "./core.ts";
import { halves, type IpamPool } from "./ipampool.ts";

const FAIL_DUPLICATE = 1;
const FAIL_EXHAUSTED = 2;
const FAIL_GATEWAY = 3;
const FAIL_EXCLUDED = 4;
const FAIL_TAKEN = 5;
const FAIL_LEFTOVER = 6;
const TTL_MAX = 2 ** 31 - 1;
const NEVER = 2 ** 32 - 1;
const NONE: Address[] = [];

/** Seconds of a reservation as the core takes them. Throws "invalid". */
export function ttlOf(ttl: unknown, what: string): number {
  if (ttl === Number.POSITIVE_INFINITY) return NEVER;
  if (typeof ttl === "number" && ttl > 0 && ttl <= TTL_MAX) return Math.ceil(ttl);
  throw new IpamError(
    "invalid",
    `${what} ${shown(ttl)} is not a time: seconds above 0 and up to ${TTL_MAX}, or Infinity`,
    ttl,
  );
}

/** What the request names, checked: pools and wanted addresses. */
export interface Wish {
  pools: readonly (IpamPool | string)[];
  wanted: Address[];
}

/** Checks the lists of a request. Throws "invalid". */
export function wishOf(pools: unknown, addresses: unknown = []): Wish {
  if (!Array.isArray(pools) || pools.length === 0 || pools.length > POOLS_MAX)
    throw new IpamError(
      "invalid",
      `pools ${shown(pools)} is not a list of 1 to ${POOLS_MAX} pools, prefixes or names`,
      pools,
    );
  if (!Array.isArray(addresses) || addresses.length > WANTED_MAX)
    throw new IpamError(
      "invalid",
      `addresses ${shown(addresses)} is not a list of at most ${WANTED_MAX} addresses`,
      addresses,
    );
  if (addresses.length === 0) return { pools, wanted: NONE };
  const wanted = addresses.map((text) => parseAddress(text));
  if (wanted.length > 1) needApart(wanted, addresses);
  return { pools, wanted };
}

// Two pools of a request may be the same one: it must not be asked for one address twice.
function needApart(wanted: readonly Address[], texts: readonly unknown[]): void {
  const seen = new Set<string>();
  for (const { family, value } of wanted) {
    const address = formatAddress(family, value);
    if (seen.has(address))
      throw new IpamError("invalid", `${address} is wanted twice: name it once`, texts);
    seen.add(address);
  }
}

/** Puts the pools that a wish names, and its addresses, into the block. */
export function putWish(core: Core, pools: readonly IpamPool[], wanted: readonly Address[]): void {
  const { words, halves: half } = core;
  let random = false;
  for (let n = 0; n < pools.length; n++) {
    half[2 * n] = pools[n]!.cell;
    half[2 * n + 1] = 0;
    random ||= pools[n]!.policy === "random";
  }
  if (random) {
    words[IN_WANTED - 2] = random64();
    words[IN_WANTED - 1] = random64();
  }
  for (let n = 0; n < wanted.length; n++) {
    const { family, value } = wanted[n]!;
    const at = IN_WANTED + 3 * n;
    [words[at], words[at + 1]] = halves(value);
    words[at + 2] = BigInt(family);
  }
}

function random64(): bigint {
  const high = Math.floor(Math.random() * 2 ** 32);
  const low = Math.floor(Math.random() * 2 ** 32);
  return (BigInt(high) << 32n) | BigInt(low);
}

/** The error for -errno. */
export function systemError(path: string, errno: number): IpamError {
  const name = Object.entries(constants.errno).find(([, n]) => n === -errno)?.[0] ?? `${-errno}`;
  if (errno === -constants.errno.ENOSPC || errno === -constants.errno.EDQUOT)
    return new IpamError("noSpace", `the state in ${path} can't grow: no space (${name})`, path);
  return new IpamError("io", `the state in ${path} can't be read or written: ${name}`, path);
}

/** The error for what allocate and reserve answered. */
export function allocateError(
  core: Core,
  path: string,
  wish: Wish,
  pools: readonly IpamPool[],
  status: number,
): IpamError {
  if (status < 0) return systemError(path, status);
  if (status === BOOK_NO_POOL)
    return new IpamError("notFound", "a pool of the request isn't there any more", wish.pools);
  const pool = textOfPool(wish.pools[core.outNumber(0)]);
  if (status === FAIL_EXHAUSTED)
    return new IpamError("exhausted", `nothing is free in ${pool}: release something first`, pool);
  if (status === FAIL_LEFTOVER) return leftOver(core, wish);
  if (status === FAIL_DUPLICATE)
    return new IpamError("duplicate", "the owner holds addresses already: release it, or find it");
  const family = pools[core.outNumber(0)]?.family ?? 4;
  const value = (core.out(1) << 64n) | core.out(2);
  const address = formatAddress(family, value);
  if (status === FAIL_GATEWAY)
    return new IpamError("excluded", `${address} is the gateway of ${pool}`, address);
  if (status === FAIL_EXCLUDED)
    return new IpamError("excluded", `${address} is excluded from ${pool}`, address);
  if (status === FAIL_TAKEN) return takenError(core, { family, value }, address);
  return new IpamError("io", `the core answered ${status}`, status);
}

function textOfPool(pool: IpamPool | string | undefined): string {
  return typeof pool === "string" ? pool : (pool?.prefix ?? "a pool");
}

function leftOver(core: Core, wish: Wish): IpamError {
  const n = wish.wanted.findIndex((_, i) => core.out(4 + i) === 0n);
  const { family, value } = wish.wanted[n] ?? { family: 4, value: 0n };
  const address = formatAddress(family, value);
  const pools = wish.pools.map(textOfPool).join(", ");
  return new IpamError(
    "outside",
    `${address} is in none of ${pools}, or they all give another address already`,
    address,
  );
}

function takenError(core: Core, { family, value }: Address, address: string): IpamError {
  const state = core.exports.bookExplain!(family, ...halves(value), core.now());
  if (state === IS_RESERVED)
    return new IpamError("reserved", `${address} is reserved for another name`, address);
  if (state === IS_COOLING)
    return new IpamError("cooling", `${address} was released lately and cools`, address);
  return new IpamError("taken", `${address} is allocated to somebody else`, address);
}

/** The error for what release answered. */
export function releaseError(path: string, owner: unknown, status: number): IpamError {
  if (status === BOOK_NOT_FOUND)
    return new IpamError("notAllocated", `${shown(owner)} holds nothing`, owner);
  if (status === BOOK_NO_NAME)
    return new IpamError("invalid", `${shown(owner)} has no name to reserve for: give one`, owner);
  return systemError(path, status);
}

/** The error for what reserve and unreserve answered about a name. */
export function nameError(path: string, name: unknown, status: number): IpamError {
  if (status === BOOK_RESERVED)
    return new IpamError("duplicate", `${shown(name)} has a reservation: unreserve it first`, name);
  if (status === BOOK_NOT_FOUND)
    return new IpamError("notFound", `nothing is reserved for ${shown(name)}`, name);
  return systemError(path, status);
}

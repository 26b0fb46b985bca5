// Options of a pool: what they may be, and the slots that `exclude` names.
import { formatPrefix, lastOf, type Prefix, parseInterval } from "./address.ts";
import { isClock } from "./clock.ts";
import { IpamError, shown } from "./errors.ts";
import { type Keys, keysOf, needKeys, ownOptions } from "./keys.ts";
import { POLICIES, type Policy } from "./slots.ts";

/** Seconds of a cool-down, at most. */
export const COOLDOWN_MAX = 31_536_000;

/** Options of createPool; all may be left out. */
export interface PoolOptions {
  /** `next` (round robin, the default), `first` (the lowest), `random`. */
  policy?: Policy;
  /** Never given: addresses, prefixes, or `first-last`, all inside the pool. */
  exclude?: readonly string[];
  /**
   * Seconds in which a released address is given to nobody, as long as another is free: 0 (the
   * default) to 31,536,000; never shorter, up to 0.1 s longer.
   */
  cooldown?: number;
  /**
   * The lowest `band` addresses are given last (then the lowest first, by any policy), or to who
   * asks for one (services); default 0.
   */
  band?: number;
  /** Start of policy `random`, for tests that repeat. */
  seed?: bigint;
  /** Seconds that only grow; default: the process's own clock. For tests. */
  clock?: () => number;
}

/** What isn't in a snapshot. */
export type SnapshotOptions = Pick<PoolOptions, "clock" | "seed">;

const KEYS = keysOf<PoolOptions>("options", "an option of createPool", {
  policy: true,
  exclude: true,
  cooldown: true,
  band: true,
  seed: true,
  clock: true,
});
const SNAPSHOT_KEYS = keysOf<SnapshotOptions>(
  "options",
  "an option of fromBytes, since the rest is in the bytes",
  { clock: true, seed: true },
);

/** Options of fromBytes: nothing else is taken, for the rest is in the bytes. Throws "invalid". */
export function snapshotOptions(options: SnapshotOptions): SnapshotOptions {
  needKeys(options, SNAPSHOT_KEYS);
  const { clock, seed } = options;
  return { ...(clock === undefined ? {} : { clock }), ...(seed === undefined ? {} : { seed }) };
}

/**
 * A copy of the options. Throws "invalid" for some that aren't as PoolOptions says, or have other
 * keys than `keys`.
 */
export function checkOptions<T extends PoolOptions>(options: T, keys: Keys = KEYS): T {
  needKeys(options, keys);
  const { policy = "next", cooldown = 0, band = 0, seed, clock } = options;
  if (!POLICIES.includes(policy))
    throw new IpamError(
      "invalid",
      `policy ${shown(policy)} is none of next, first, random`,
      policy,
    );
  if (typeof cooldown !== "number" || !(cooldown >= 0 && cooldown <= COOLDOWN_MAX))
    throw new IpamError(
      "invalid",
      `cooldown ${shown(cooldown)} is not a number of seconds from 0 to ${COOLDOWN_MAX}`,
      cooldown,
    );
  if (!Number.isSafeInteger(band) || band < 0)
    throw new IpamError("invalid", `band ${shown(band)} is not a number of addresses`, band);
  if (seed !== undefined && typeof seed !== "bigint")
    throw new IpamError("invalid", `seed ${shown(seed)} is not a bigint`, seed);
  if (clock !== undefined && !isClock(clock))
    throw new IpamError("invalid", `clock ${shown(clock)} is no function of seconds`, clock);
  return ownOptions(options, keys);
}

/**
 * The slots that `exclude` names, in order and joined where they meet: so each counts once. Throws
 * "invalid", "outside".
 */
export function excludedOf(range: Prefix, exclude: readonly string[]): [bigint, bigint][] {
  if (!Array.isArray(exclude))
    throw new IpamError("invalid", `exclude ${shown(exclude)} is not a list`, exclude);
  const list = exclude.map((text): [bigint, bigint] => {
    const { family, first, last } = parseInterval(text);
    if (family !== range.family || first < range.base || last > lastOf(range))
      throw new IpamError("outside", `exclude ${text} is not inside ${formatPrefix(range)}`, text);
    return [first - range.base, last - range.base];
  });
  const joined: [bigint, bigint][] = [];
  for (const [from, to] of list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    const end = joined.at(-1);
    if (end === undefined || from > end[1] + 1n) joined.push([from, to]);
    else if (to > end[1]) end[1] = to;
  }
  return joined;
}

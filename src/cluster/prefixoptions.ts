// Options of createPrefixPool, checked and by family.
import {
  type Family,
  formatPrefix,
  lastOf,
  type Prefix,
  parseInterval,
  parsePrefix,
  widthOf,
} from "../address.ts";
import { isClock, seconds } from "../clock.ts";
import { IpamError, shown } from "../errors.ts";
import { keysOf, needKeys, ownOptions } from "../keys.ts";
import { POLICIES, type Policy } from "../slots.ts";

/** One number for both families, or one for each. */
export type PerFamily = number | { readonly 4?: number; readonly 6?: number };

/** Options of createPrefixPool; all may be left out. */
export interface PrefixPoolOptions {
  /** Length of the sub-prefixes; default 24 for IPv4 and 64 for IPv6. */
  length?: PerFamily;
  /** Each request says its length, `length` is the default; policy `first` only. Default false. */
  mixed?: boolean;
  /** Sub-prefixes (of `length`) that each cluster prefix keeps back at its beginning; default 0. */
  head?: PerFamily;
  /** The same at its end. */
  tail?: PerFamily;
  /**
   * Kept back: prefixes, addresses, `first-last`; with one length every sub-prefix that one of them
   * touches. Each must touch a cluster prefix that the pool begins with (if it begins with one); it
   * applies to those that are added later, too.
   */
  exclude?: readonly string[];
  /** `next` (round robin, the default), `first`, `random`; with `mixed` it is `first`. */
  policy?: Policy;
  /** Start of policy `random`, for tests that repeat. */
  seed?: bigint;
  /** Seconds that only grow, for holds; default: the process's own clock. For tests. */
  clock?: () => number;
}

const KEYS = keysOf<PrefixPoolOptions>("options", "an option of createPrefixPool", {
  length: true,
  mixed: true,
  head: true,
  tail: true,
  exclude: true,
  policy: true,
  seed: true,
  clock: true,
});
const FAMILIES = keysOf<Exclude<PerFamily, number>>("family", "a family", { 4: true, 6: true });

/** An interval of addresses of one family, both ends included. */
export interface Interval {
  family: Family;
  first: bigint;
  last: bigint;
}

/** The options as the pool uses them. */
export interface Rules {
  /** As they were passed, for toBytes. */
  readonly options: PrefixPoolOptions;
  readonly mixed: boolean;
  readonly policy: Policy;
  readonly seed: bigint;
  readonly clock: () => number;
  readonly exclude: readonly Interval[];
  lengthOf(family: Family): number;
  /** Sub-prefixes kept back at the beginning and the end of a cluster prefix. */
  endsOf(family: Family): { head: number; tail: number };
}

const LENGTHS = { 4: 24, 6: 64 } as const;

function invalid(what: string, value: unknown, right: string): IpamError {
  return new IpamError("invalid", `${what} ${shown(value)} is not ${right}`, value);
}

/** The number for a family. Throws "invalid" unless it is a whole number from 0 to `most`. */
export function forFamily(
  what: string,
  value: PerFamily | undefined,
  family: Family,
  otherwise: number,
  most: number,
): number {
  if (value === null || (typeof value !== "object" && typeof value !== "number" && value))
    throw invalid(what, value, "a number or { 4: number, 6: number }");
  if (typeof value === "object") needKeys(value, FAMILIES);
  const number = (typeof value === "object" ? value[family] : value) ?? otherwise;
  if (Number.isSafeInteger(number) && number >= 0 && number <= most) return number;
  throw invalid(what, number, `a whole number from 0 to ${most}, as IPv${family} has it`);
}

/** The length that a request asks for. Throws "invalid". */
export function lengthFrom(value: PerFamily | undefined, family: Family, otherwise: number) {
  return forFamily("length", value, family, otherwise, widthOf(family));
}

function randomSeed(): bigint {
  return globalThis.crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

// A copy of the options, of their numbers for each family, too.
function copied(written: PrefixPoolOptions): PrefixPoolOptions {
  needKeys(written, KEYS);
  const options = ownOptions(written, KEYS);
  for (const key of ["length", "head", "tail"] as const) {
    const value = options[key];
    if (typeof value !== "object" || value === null) continue;
    needKeys(value, FAMILIES);
    options[key] = ownOptions(value, FAMILIES);
  }
  return options;
}

/** The options as the pool uses them. Throws "invalid". */
export function rulesOf(written: PrefixPoolOptions): Rules {
  const options = copied(written);
  const { length, mixed = false, head, tail, exclude = [], seed, clock = seconds } = options;
  const { policy = mixed ? "first" : "next" } = options;
  if (typeof mixed !== "boolean") throw invalid("mixed", mixed, "true or false");
  if (!POLICIES.includes(policy)) throw invalid("policy", policy, "next, first or random");
  if (mixed && policy !== "first") throw invalid("policy", policy, "first, as mixed lengths need");
  if (!Array.isArray(exclude)) throw invalid("exclude", exclude, "a list");
  if (seed !== undefined && typeof seed !== "bigint") throw invalid("seed", seed, "a bigint");
  if (!isClock(clock)) throw invalid("clock", clock, "a function of seconds");
  const most = Number.MAX_SAFE_INTEGER;
  const rules: Rules = {
    options,
    mixed,
    policy,
    seed: seed ?? (policy === "random" ? randomSeed() : 1n),
    clock,
    exclude: exclude.map(parseInterval),
    lengthOf: (family) => lengthFrom(length, family, LENGTHS[family]),
    endsOf: (family) => ({
      head: forFamily("head", head, family, 0, most),
      tail: forFamily("tail", tail, family, 0, most),
    }),
  };
  for (const family of [4, 6] as const) {
    // A number that only suits the other family is wrong when that family comes, not before.
    if (typeof length === "object") rules.lengthOf(family);
    rules.endsOf(family);
  }
  if (typeof length !== "object") lengthFrom(length, 6, 0);
  return rules;
}

/** Throws "outside" for an exclusion that touches none of the cluster prefixes, if there is one. */
export function checkExclude(options: PrefixPoolOptions, prefixes: readonly string[]): void {
  rulesOf(options);
  const clusters = prefixes.map((text) => parsePrefix(text));
  if (clusters.length === 0) return;
  for (const text of options.exclude ?? []) {
    const { family, first, last } = parseInterval(text);
    const touches = (p: Prefix) => p.family === family && p.base <= last && lastOf(p) >= first;
    if (clusters.some(touches)) continue;
    const few = prefixes.slice(0, 4).join(", ") + (prefixes.length > 4 ? ", ..." : "");
    throw new IpamError("outside", `exclude ${text} touches none of ${few}`, text);
  }
}

/** Sorted, and what touches joined. */
export function merged(intervals: [bigint, bigint][]): [bigint, bigint][] {
  const out: [bigint, bigint][] = [];
  for (const [first, last] of intervals.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    const before = out.at(-1);
    if (before && first <= before[1] + 1n) before[1] = last > before[1] ? last : before[1];
    else out.push([first, last]);
  }
  return out;
}

/**
 * What is kept back of a cluster prefix: intervals of pieces of 2^`shift` addresses, counted from
 * its base, in order and apart. Throws "tooSmall" where sub-prefixes of the pool's length don't fit
 * the prefix, "tooLarge" where head and tail leave nothing.
 */
export function keptBack(rules: Rules, prefix: Prefix, shift: bigint): [bigint, bigint][] {
  const { family, base } = prefix;
  const width = widthOf(family);
  const length = rules.lengthOf(family);
  const text = formatPrefix(prefix);
  if (length < prefix.length)
    throw new IpamError("tooSmall", `${text} is smaller than one /${length}`, text);
  const { head, tail } = rules.endsOf(family);
  const units = 1n << BigInt(length - prefix.length);
  if (BigInt(head) + BigInt(tail) >= units)
    throw new IpamError(
      "tooLarge",
      `head ${head} and tail ${tail} leave nothing of the ${units} /${length} of ${text}`,
      text,
    );
  const unit = BigInt(width - length);
  const end = 1n << BigInt(width - prefix.length);
  const all: [bigint, bigint][] = [];
  const keep = (first: bigint, last: bigint) => all.push([first >> shift, last >> shift]);
  if (head > 0) keep(0n, (BigInt(head) << unit) - 1n);
  if (tail > 0) keep(end - (BigInt(tail) << unit), end - 1n);
  for (const part of rules.exclude) {
    if (part.family !== family || part.last < base || part.first >= base + end) continue;
    const first = part.first < base ? 0n : part.first - base;
    keep(first, part.last >= base + end ? end - 1n : part.last - base);
  }
  return merged(all);
}

// Ranges of service addresses (and of load balancers): what of a range is usable, how large its
// static band is, and the pool that its addresses are given from. Rules of Kubernetes 1.34
// (pkg/registry/core/service/ipallocator; KEP-3070 for the band).
//
//   prefix      | network | band: given last, or by request |  dynamic: given first  | broadcast |
//   usable                ^ first                                                last ^
//
// A range that is no prefix has the smallest prefix around it as its pool, whose rest is excluded;
// where that doesn't suit (it would be more than four times the range's addresses, or its rest ends
// with the mapped addresses or is too much for a band), the range is moved to a place that does.
// Cost: of a pool.
import {
  type Family,
  formatAddress,
  formatPrefix,
  lastOf,
  MAPPED,
  maskPrefix,
  parseAddress,
  parseInterval,
  parsePrefix,
  widthOf,
} from "../address.ts";
import { IpamError, shown } from "../errors.ts";
import { createPool, Pool, upperFree } from "../pool.ts";
import type { PoolOptions } from "../pooloptions.ts";
import type { Explanation } from "../pooltypes.ts";
import { merged } from "./prefixoptions.ts";

/** Bounds of the static band, and the share of the range that it is. */
const BAND_MIN = 16;
const BAND_MAX = 256;
const BAND_SHARE = 16n;
const USABLE_MAX = (1n << 64n) - 1n;
/** A range's prefix may have this many times the range's addresses. */
const SLACK = 4n;
const MAPPED_LAST = MAPPED | 0xffff_ffffn;

/** IP family as Kubernetes writes it. */
export type IpFamily = "IPv4" | "IPv6";

/** `services`: a prefix as Kubernetes counts it; `all`: all of a prefix or of `first-last`. */
export type Usable = "services" | "all";

/** What a range is made of; the rest of PoolOptions goes to its pool. */
export interface RangeOptions extends Pick<PoolOptions, "policy" | "cooldown" | "seed" | "clock"> {
  usable: Usable;
  /** Lowest usable addresses that are given last; undefined: Kubernetes' rule. */
  band: number | undefined;
}

/** Addresses of one family, both ends included; none where last is below first. */
export interface Span {
  family: Family;
  first: bigint;
  last: bigint;
}

/** What a range has and gave. Numbers above 2^53 are rounded. */
export interface ServiceRangeStats {
  range: string;
  ipFamily: IpFamily;
  /** Addresses that services may have, excluded ones too. */
  usable: number;
  /** Size of the static band. */
  band: number;
  used: number;
  free: number;
  cooling: number;
  excluded: number;
  /** Running totals: addresses given, addresses released, requests that failed here. */
  allocations: number;
  releases: number;
  failures: number;
}

/** The family in Kubernetes' word. */
export function ipFamilyOf(family: Family): IpFamily {
  return family === 4 ? "IPv4" : "IPv6";
}

/**
 * Kubernetes' static band for a range of `size` addresses (network address included): 0 up to 16,
 * else a sixteenth, at least 16 and at most 256. Throws "invalid".
 */
export function staticBandFor(size: number | bigint): number {
  if (!(typeof size === "bigint" || Number.isSafeInteger(size)) || size < 0)
    throw new IpamError("invalid", `${shown(size)} is not a number of addresses`, size);
  const n = BigInt(size);
  if (n <= BigInt(BAND_MIN)) return 0;
  return Math.min(BAND_MAX, Math.max(BAND_MIN, Number(n / BAND_SHARE)));
}

/** The usable span of a prefix of services: IPv4 without first and last, IPv6 without first. */
function serviceSpan(family: Family, base: bigint, last: bigint): Span {
  return { family, first: base + 1n, last: family === 4 ? last - 1n : last };
}

function countOf({ first, last }: Span): bigint {
  return last < first ? 0n : last - first + 1n;
}

/**
 * How many addresses a service range can give; 2^64 - 1 stands for everything above, as upstream
 * has it. Host bits are ignored. Throws "invalid".
 */
export function usableAddresses(cidr: string): bigint {
  const prefix = maskPrefix(cidr);
  const n = countOf(serviceSpan(prefix.family, prefix.base, lastOf(prefix)));
  return n > USABLE_MAX ? USABLE_MAX : n;
}

/** The address `offset` after another. Throws "invalid"; "outside" past the end of the family. */
export function addOffset(address: string, offset: bigint): string {
  const { family, value } = parseAddress(address);
  const sum = value + offset;
  if (sum < 0n || sum >> BigInt(widthOf(family)) !== 0n)
    throw new IpamError("outside", `${address} + ${offset} is no IPv${family} address`, address);
  return formatAddress(family, sum);
}

/** The last address of a prefix (IPv4: broadcast). Host bits are ignored. Throws "invalid". */
export function lastAddress(cidr: string): string {
  const prefix = maskPrefix(cidr);
  return formatAddress(prefix.family, lastOf(prefix));
}

/**
 * Every address from `first` to `last` once, beginning `offset` after first and wrapping round. An
 * offset beyond last begins at first, as Kubernetes' walk does; a negative one counts back from
 * the end. Throws "invalid", "family".
 */
export function* walkAddresses(
  first: string,
  last: string,
  offset: bigint,
): IterableIterator<string> {
  const span = parseInterval(`${first}-${last}`);
  const n = countOf(span);
  const begin = offset < n ? ((offset % n) + n) % n : 0n;
  for (let i = 0n; i < n; i++) yield formatAddress(span.family, span.first + ((begin + i) % n));
}

// The usable addresses of a range as it is written, and all it covers. An address of a service is
// read without its range, and then a mapped one is IPv4: no range can have those.
function readRange(text: unknown, usable: Usable): { span: Span; whole: Span; text: string } {
  const read = readAnyRange(text, usable);
  const mapped = { family: 6, first: MAPPED, last: MAPPED_LAST } as const;
  if (!spansTouch(read.whole, mapped)) return read;
  const why = `${read.text} has addresses of ::ffff:0:0/96, which are IPv4: leave them out`;
  throw new IpamError("invalid", why, text);
}

function readAnyRange(text: unknown, usable: Usable): { span: Span; whole: Span; text: string } {
  if (usable === "all" && typeof text === "string" && !text.includes("/")) {
    const span = parseInterval(text);
    const [from, to] = [span.first, span.last].map((v) => formatAddress(span.family, v));
    return { span, whole: span, text: from === to ? `${from}` : `${from}-${to}` };
  }
  const prefix = parsePrefix(text);
  const { family, base } = prefix;
  const whole = { family, first: base, last: lastOf(prefix) };
  const span = usable === "all" ? whole : serviceSpan(family, base, whole.last);
  return { span, whole, text: formatPrefix(prefix) };
}

// The smallest prefix around a span: how many bits its addresses differ in.
function bitsAround({ first, last }: Span): bigint {
  return first === last ? 0n : BigInt((first ^ last).toString(2).length);
}

// How far a span is moved up in its pool. Where the prefix around it is too large: to begin at the
// boundary that makes it so. There it fits below the next one, and never reaches the mapped
// addresses. Else to begin at the next prefix of its size, where the rest of the prefix can't be
// told to the pool: behind the span it ends with the mapped addresses, if it has them, which are
// IPv4 as texts; a band in the pool begins with the rest in front, and is a number.
function shiftOf(span: Span, band: number): bigint {
  const bits = bitsAround(span);
  if (1n << bits > countOf(span) * SLACK)
    return ((span.last >> (bits - 1n)) << (bits - 1n)) - span.first;
  const base = (span.first >> bits) << bits;
  const next = base + (1n << bits);
  const isMapped = span.family === 6 && span.last < MAPPED && next > MAPPED;
  const isFar = band > 0 && span.first - base + BigInt(band) > BigInt(Number.MAX_SAFE_INTEGER);
  if (isFar && bits === 128n)
    throw new IpamError(
      "invalid",
      `band ${band}: so large a range with addresses on both sides of 8000:: can't have one`,
      band,
    );
  if (!isMapped && !isFar) return 0n;
  return (next >> 128n === 0n ? next : base - (1n << bits)) - span.first;
}

function moved({ family, first, last }: Span, by: bigint): Span {
  return { family, first: first + by, last: last + by };
}

function clipped(span: Span, to: Span): Span | undefined {
  if (span.family !== to.family) return undefined;
  const first = span.first > to.first ? span.first : to.first;
  const last = span.last < to.last ? span.last : to.last;
  return first <= last ? { family: to.family, first, last } : undefined;
}

/** Have two spans an address in common? */
export function spansTouch(a: Span, b: Span): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

// The rest in front of a span may end with the mapped addresses: then it begins with the first of
// all, and a prefix says it.
function textOf({ family, first, last }: Span): string {
  if (family === 6 && last === MAPPED_LAST) return "::/80";
  return `${formatAddress(family, first)}-${formatAddress(family, last)}`;
}

/** A range in a snapshot: its pool's bytes, if it has any; allocations, releases, failures. */
export interface SavedRange {
  pool: Uint8Array | undefined;
  totals: [number, number, number];
}

/** One range of service addresses. */
export class ServiceRange {
  readonly text: string;
  readonly family: Family;
  /** The usable addresses. */
  readonly span: Span;
  /** Every address of the range, unusable ones too. */
  readonly whole: Span;
  readonly band: number;
  /** Of all usable addresses; undefined: there are none. */
  readonly #pool: Pool<number | bigint> | undefined;
  /** In the pool an address is so much higher. */
  readonly #shift: bigint;
  /** Usable addresses that are excluded, and that aren't. */
  readonly #excluded: bigint;
  readonly #room: number;
  readonly #cools: boolean;
  #allocations = 0;
  #releases = 0;
  #failures = 0;

  /** `saved`: what `save` gave. Throws as createPool does. */
  constructor(
    written: unknown,
    options: RangeOptions,
    exclude: readonly Span[],
    saved?: SavedRange,
  ) {
    const { usable, band, ...poolOptions } = options;
    const { span, whole, text } = readRange(written, usable);
    this.text = text;
    this.family = span.family;
    this.span = span;
    this.whole = whole;
    const rule = usable === "services" ? staticBandFor(countOf(whole)) : 0;
    this.band = Math.min(band ?? rule, Number(countOf(span)));
    if (saved) [this.#allocations, this.#releases, this.#failures] = saved.totals;
    this.#shift = shiftOf(span, this.band);
    const kept = exclude.map((s) => clipped(s, span)).filter((s) => s !== undefined);
    const intervals = merged(kept.map(({ first, last }) => [first, last]));
    this.#excluded = intervals.reduce((sum, [from, to]) => sum + to - from + 1n, 0n);
    this.#room = Number(countOf(span) - this.#excluded);
    this.#cools = (options.cooldown ?? 0) > 0;
    const isEmpty = countOf(span) === 0n;
    if (saved && isEmpty !== (saved.pool === undefined))
      throw new IpamError("damaged", `the snapshot of ${text} hasn't its pool`, written);
    if (!isEmpty) this.#pool = this.#make(kept, poolOptions, saved?.pool);
  }

  #make(
    kept: readonly Span[],
    options: Omit<RangeOptions, "usable" | "band">,
    saved: Uint8Array | undefined,
  ): Pool<number | bigint> {
    const { family, first, last } = moved(this.span, this.#shift);
    const bits = bitsAround({ family, first, last });
    const base = (first >> bits) << bits;
    const end = base + (1n << bits) - 1n;
    const hidden = [
      { family, first: base, last: first - 1n },
      { family, first: last + 1n, last: end },
    ].filter((s) => s.first <= s.last);
    const band = this.band === 0 ? 0 : Number(first - base) + this.band;
    const text = formatPrefix({ family, base, length: widthOf(family) - Number(bits) });
    const { clock, seed } = options;
    const own = { ...(clock && { clock }), ...(seed !== undefined && { seed }) };
    const pool = saved
      ? Pool.fromBytes<number | bigint>(saved, own)
      : createPool<number | bigint>(text, {
          ...options,
          band,
          exclude: [...hidden, ...kept.map((s) => moved(s, this.#shift))].map(textOf),
        });
    if (pool.prefix === text) return pool;
    pool.close();
    throw new IpamError("damaged", `the snapshot of ${this.text} is of ${pool.prefix}`, saved);
  }

  /** Is the address one that services may have? */
  holds(family: Family, value: bigint): boolean {
    return family === this.family && value >= this.span.first && value <= this.span.last;
  }

  // The text of an address of the range in its pool, and back.
  #inPool(value: bigint): string {
    return formatAddress(this.family, value + this.#shift);
  }

  #outOf(text: string): string {
    if (this.#shift === 0n) return text;
    return formatAddress(this.family, parseAddress(text).value - this.#shift);
  }

  get used(): number {
    return this.#pool?.used ?? 0;
  }

  get free(): number {
    return this.#pool?.free ?? 0;
  }

  get cooling(): number {
    return this.#pool?.cooling ?? 0;
  }

  /** Addresses that are free or cool: what `allocate` can give. */
  get left(): number {
    return this.#room - this.used;
  }

  /** Is something free above the band? */
  get upperFree(): boolean {
    if (!this.#cools && this.left > this.band) return true;
    return this.#pool !== undefined && upperFree(this.#pool);
  }

  /** Gives an address by the pool's policy; undefined: there is none. Throws "noSpace". */
  allocate(): string | undefined {
    if (this.left <= 0) return undefined;
    const address = this.#outOf(this.#pool!.allocate());
    this.#allocations++;
    return address;
  }

  /** Takes this usable address. Throws as Pool.allocate(address). */
  allocateAt(value: bigint): string {
    const address = this.#outOf(this.#pool!.allocate(this.#inPool(value)));
    this.#allocations++;
    return address;
  }

  /** Counts a request that failed. */
  failed(): void {
    this.#failures++;
  }

  /** Takes a usable address back. Throws as Pool.release. */
  release(value: bigint): void {
    this.#pool!.release(this.#inPool(value));
    this.#releases++;
  }

  /** Why a usable address can or can't be given. */
  explain(value: bigint): Explanation {
    const inPool = this.#inPool(value);
    const explained = this.#pool!.explain(inPool);
    if (this.#shift === 0n) return explained;
    const text = formatAddress(this.family, value);
    return { ...explained, why: explained.why.replace(inPool, text) };
  }

  /** Held addresses in order. */
  *[Symbol.iterator](): IterableIterator<string> {
    for (const text of this.#pool ?? []) yield this.#outOf(text);
  }

  /** What the range has and gave. */
  stats(): ServiceRangeStats {
    return {
      range: this.text,
      ipFamily: ipFamilyOf(this.family),
      usable: Number(countOf(this.span)),
      band: this.band,
      used: this.used,
      free: this.free,
      cooling: this.cooling,
      excluded: Number(this.#excluded),
      allocations: this.#allocations,
      releases: this.#releases,
      failures: this.#failures,
    };
  }

  /** Everything but the range's text and options. */
  save(): SavedRange {
    return {
      pool: this.#pool?.toBytes(),
      totals: [this.#allocations, this.#releases, this.#failures],
    };
  }

  close(): void {
    this.#pool?.close();
  }
}

// replayHistory: what would have happened to the pods of a history with another subnet, policy,
// cool-down or reservation. Owns the bookkeeping between the addresses of then and those of the
// replay; which address is given decides a pool of this library, the same core as the plugin's.
//
// The prefixes lie one after the other in the slots of one pool, so that a policy goes over all of
// them; the rest of that pool is excluded. Its clock is the history's. Cost: O(events), and what a
// pool of that size costs.
import {
  type Family,
  formatAddress,
  formatPrefix,
  lastOf,
  parseAddress,
  parseInterval,
  parsePrefix,
  widthOf,
} from "./address.ts";
import { IpamError, needObject, shown } from "./errors.ts";
import { type HistoryEvent, NOTHING_FREE } from "./ipam/history.ts";
import { keysOf, needKeys } from "./keys.ts";
import { createPool, type Pool } from "./pool.ts";
import { COOLDOWN_MAX } from "./pooloptions.ts";
import type { Policy } from "./slots.ts";

/** What the replay has instead of what was. */
export interface ReplayOptions {
  /** Prefixes and "first-last", of one family: what can be given. Nothing is left out by itself. */
  prefixes: readonly string[];
  /** Addresses, prefixes and "first-last" of these that are never given (the gateway's). */
  exclude?: readonly string[];
  /** Default "next". */
  policy?: Policy;
  /** Seconds, 0 to 31,536,000; default: the longest cool-down in the history, or that. */
  cooldown?: number;
  /**
   * Seconds, 0 (never) to 2^31 - 1, for which what a named owner lets go is kept for its name;
   * default: as it was.
   */
  reserveFor?: number;
  /** Start of policy "random", for replays that repeat. */
  seed?: bigint;
}

const KEYS = keysOf<ReplayOptions>("options", "an option of replayHistory", {
  prefixes: true,
  exclude: true,
  policy: true,
  cooldown: true,
  reserveFor: true,
  seed: true,
});

/** What would have happened. */
export interface ReplayReport {
  family: Family;
  /** Addresses that can be given, and the cool-down that was replayed. */
  size: number;
  cooldown: number;
  /** Addresses that were given, and how often nothing was free. */
  given: number;
  refused: number;
  firstRefusal?: Date;
  /** Addresses held or reserved at one time, at most; addresses that could be given, at least. */
  mostHeld: number;
  leastFree: number;
  /**
   * Addresses given again, and the seconds since their last holder let them go (of two medians the
   * larger one). What a reservation brings back isn't among them.
   */
  reuses: number;
  shortestReuse?: number;
  medianReuse?: number;
  /** Cool-downs cut short. */
  yields: number;
  /** Addresses let go that were held before the first event: the replay doesn't know of them. */
  unseen: number;
  /** What was refused for want of addresses when it happened: it isn't replayed. */
  refusedThen: number;
}

const SECONDS_MAX = 2 ** 31 - 1;
const SLOTS_BITS_MAX = 120;
const SLOTS_BASE = 0xfdn << 120n;

interface Interval {
  first: bigint;
  last: bigint;
}

/** An address of the replay, for the address `then` of the history. */
interface Held {
  then: string;
  address: string;
  name: string;
  /** While it is kept for its name: since when, until when (seconds of the replay). */
  left: number;
  due: number;
}

function intervalsOf(options: ReplayOptions): { family: Family; list: Interval[] } {
  const { prefixes } = options;
  if (!Array.isArray(prefixes) || prefixes.length === 0)
    throw new IpamError("invalid", `prefixes ${shown(prefixes)} is no list of prefixes`, prefixes);
  let family: Family | undefined;
  const list: Interval[] = [];
  for (const text of prefixes) {
    const one = readInterval(text);
    family ??= one.family;
    if (one.family !== family)
      throw new IpamError("family", `${text} is of another family: replay it by itself`, text);
    if (list.some((old) => one.first <= old.last && old.first <= one.last))
      throw new IpamError("overlap", `${text} overlaps another of the prefixes`, text);
    list.push({ first: one.first, last: one.last });
  }
  return { family: family!, list };
}

function readInterval(text: unknown): { family: Family } & Interval {
  if (typeof text === "string" && text.includes("-")) return parseInterval(text);
  const prefix = parsePrefix(text);
  return { family: prefix.family, first: prefix.base, last: lastOf(prefix) };
}

const slotText = (slot: bigint) => formatAddress(6, SLOTS_BASE + slot);

// The slots of the excluded addresses.
function excludedSlots(family: Family, list: Interval[], exclude: readonly string[]): string[] {
  if (!Array.isArray(exclude))
    throw new IpamError("invalid", `exclude ${shown(exclude)} is not a list`, exclude);
  const slots: string[] = [];
  for (const text of exclude) {
    const out = parseInterval(text);
    let base = 0n;
    let met = false;
    for (const { first, last } of list) {
      const from = out.first > first ? out.first : first;
      const to = out.last < last ? out.last : last;
      if (out.family === family && from <= to) {
        slots.push(`${slotText(base + from - first)}-${slotText(base + to - first)}`);
        met = true;
      }
      base += last - first + 1n;
    }
    if (!met) throw new IpamError("outside", `exclude ${text} is in none of the prefixes`, text);
  }
  return slots;
}

function checkSeconds(what: string, value: unknown): void {
  if (value === undefined || (typeof value === "number" && value >= 0 && value <= SECONDS_MAX))
    return;
  const wanted = `a number of seconds from 0 to ${SECONDS_MAX}`;
  throw new IpamError("invalid", `${what} ${shown(value)} is not ${wanted}`, value);
}

// What the replay reads of an event, which may have come as JSON.
function checkEvent(event: unknown): void {
  needObject(event, "event");
  const { when, addresses } = event as Partial<HistoryEvent>;
  if (!(when instanceof Date) || Number.isNaN(when.getTime()))
    throw new IpamError("invalid", `when ${shown(when)} of an event is not a Date`, when);
  if (!Array.isArray(addresses) || !addresses.every((one) => typeof one === "string"))
    throw new IpamError("invalid", `addresses ${shown(addresses)} is no list of texts`, addresses);
}

/** One run over the events. */
class Replay {
  readonly #pool: Pool<bigint>;
  readonly #reserveFor: number | undefined;
  readonly #began: number;
  readonly #held = new Map<string, Held>();
  readonly #kept = new Set<Held>();
  // Addresses of then that the replay refused.
  readonly #missed = new Set<string>();
  readonly #freed = new Map<string, number>();
  readonly #reuses: number[] = [];
  readonly report: ReplayReport;
  #now = 0;

  constructor(events: readonly HistoryEvent[], options: ReplayOptions) {
    const { family, list } = intervalsOf(options);
    checkSeconds("reserveFor", options.reserveFor);
    this.#reserveFor = options.reserveFor;
    this.#began = (events[0]?.when.getTime() ?? 0) / 1000;
    const total = list.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
    const bits = (total - 1n).toString(2).length;
    if (bits > SLOTS_BITS_MAX)
      throw new IpamError("tooLarge", `more than 2^${SLOTS_BITS_MAX} addresses`, options.prefixes);
    const exclude = excludedSlots(family, list, options.exclude ?? []);
    const all = 1n << BigInt(bits);
    if (total < all) exclude.push(`${slotText(total)}-${slotText(all - 1n)}`);
    const cooldown = options.cooldown ?? longestCooldown(events);
    const { policy, seed } = options;
    const clock = () => this.#now;
    const prefix = formatPrefix({ family: 6, base: SLOTS_BASE, length: widthOf(6) - bits });
    this.#pool = createPool<bigint>(prefix, {
      ...(policy === undefined ? {} : { policy }),
      ...(seed === undefined ? {} : { seed }),
      exclude,
      cooldown,
      clock,
    });
    const { free } = this.#pool;
    const none = { given: 0, refused: 0, mostHeld: 0, reuses: 0, yields: 0 };
    const more = { leastFree: free, unseen: 0, refusedThen: 0 };
    this.report = { family, size: free, cooldown, ...none, ...more };
  }

  close(): void {
    this.#pool.close();
  }

  run(events: readonly HistoryEvent[]): ReplayReport {
    for (const event of events) {
      const at = event.when.getTime() / 1000 - this.#began;
      this.#lapse(at);
      // A wall clock that was put back stands still here.
      this.#now = Math.max(this.#now, at);
      this.#step(event);
      this.report.mostHeld = Math.max(this.report.mostHeld, this.#pool.used);
      this.report.leastFree = Math.min(this.report.leastFree, this.#pool.free);
    }
    this.report.yields = this.#pool.yields;
    this.report.reuses = this.#reuses.length;
    if (this.#reuses.length > 0) {
      const sorted = this.#reuses.sort((a, b) => a - b);
      this.report.shortestReuse = sorted[0]!;
      this.report.medianReuse = sorted[sorted.length >> 1]!;
    }
    return this.report;
  }

  #step(event: HistoryEvent): void {
    const { what } = event;
    if (what === "reboot" && event.count) {
      for (const one of this.#held.values()) this.#free(one, this.#now);
      this.#held.clear();
    } else if (what === "refused" && event.reason === NOTHING_FREE)
      this.report.refusedThen += event.count ?? 1;
    const then = event.addresses.find((text) => parseAddress(text).family === this.report.family);
    if (then === undefined) return;
    const name = event.name ?? "";
    if (what === "given" || what === "given back" || what === "adopted")
      this.#give(then, name, event);
    else if (what === "released" || what === "reserved") this.#letGo(then, name, event);
    else if (what === "expired" && this.#reserveFor === undefined) this.#unkeep(then);
  }

  // What is kept for the name, or what the policy gives.
  #give(then: string, name: string, event: HistoryEvent): void {
    const old = this.#held.get(then);
    if (old) this.#free(old, this.#now);
    this.#held.delete(then);
    this.#missed.delete(then);
    const kept = name === "" ? undefined : [...this.#kept].find((one) => one.name === name);
    if (kept) this.#kept.delete(kept);
    const address = kept?.address ?? this.#allocate(event);
    if (address === undefined) {
      this.#missed.add(then);
      return;
    }
    this.report.given++;
    this.#held.set(then, { then, address, name, left: 0, due: 0 });
  }

  #allocate(event: HistoryEvent): string | undefined {
    try {
      const address = this.#pool.allocate();
      const freed = this.#freed.get(address);
      if (freed !== undefined) this.#reuses.push(this.#now - freed);
      return address;
    } catch (error) {
      if (!(error instanceof IpamError) || error.code !== "exhausted") throw error;
      this.report.refused++;
      this.report.firstRefusal ??= event.when;
      return undefined;
    }
  }

  #letGo(then: string, name: string, event: HistoryEvent): void {
    const byOperator = event.by === "operator";
    const isReserved = event.what === "reserved";
    // An operator reserves what nobody holds, too.
    const isNew = byOperator && isReserved && !this.#held.has(then) && !this.#missed.has(then);
    if (isNew) this.#give(then, "", event);
    const one = this.#held.get(then);
    this.#held.delete(then);
    if (!one) {
      if (!this.#missed.delete(then) && !this.#unkeep(then)) this.report.unseen++;
      return;
    }
    const asItWas = isReserved ? (event.seconds ?? Number.POSITIVE_INFINITY) : 0;
    const seconds = byOperator || name === "" ? asItWas : (this.#reserveFor ?? asItWas);
    if (seconds === 0) this.#free(one, this.#now);
    else this.#kept.add({ ...one, name, left: this.#now, due: this.#now + seconds });
  }

  // The reservation for the address of then ends.
  #unkeep(then: string): boolean {
    const one = [...this.#kept].find((each) => each.then === then);
    if (one) this.#end(one);
    return one !== undefined;
  }

  #end(one: Held): void {
    this.#kept.delete(one);
    this.#free(one, one.left);
  }

  #free(one: Held, left: number): void {
    this.#pool.release(one.address);
    this.#freed.set(one.address, left);
  }

  // Reservations that end by `until`, each at its time.
  #lapse(until: number): void {
    const due = [...this.#kept].filter((one) => one.due <= until);
    for (const one of due.sort((a, b) => a.due - b.due)) {
      this.#now = Math.max(this.#now, one.due);
      this.#end(one);
    }
  }
}

function longestCooldown(events: readonly HistoryEvent[]): number {
  const released = events.filter(({ what }) => what === "released");
  const longest = released.reduce((most, { seconds }) => Math.max(most, seconds ?? 0), 0);
  return Math.min(longest, COOLDOWN_MAX); // the plugin's may be longer
}

/**
 * Replays a history (of `history()`, oldest first) against other prefixes, of one family: every
 * address that was given is asked for again, as "any", at the second at which it was given, and let
 * go when it was. What it can't know: who held what before the first event (the recorder keeps
 * 1,024): the replay begins empty and counts in `unseen` what of that is let go later; what those
 * would have done who were refused then (`refusedThen`); addresses that were asked for by number. A
 * reboot lets go of all that is held and not reserved. What a reservation's end or a reboot lets go
 * cools like all else. Names are compared by their first 44 bytes. Throws "invalid", "hostBits",
 * "family" (two of them), "overlap", "outside" (`exclude`), "tooLarge" (over 2^120 addresses).
 */
export function replayHistory(
  events: readonly HistoryEvent[],
  options: ReplayOptions,
): ReplayReport {
  if (!Array.isArray(events))
    throw new IpamError("invalid", `events ${shown(events)} are no list of events`, events);
  for (const event of events) checkEvent(event);
  needKeys(options, KEYS);
  const replay = new Replay(events, options);
  try {
    return replay.run(events);
  } finally {
    replay.close();
  }
}

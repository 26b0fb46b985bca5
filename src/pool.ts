// Pools: the addresses of one prefix, in memory. Which address is given is the core's decision
// (assembly/library/slots.ts); here are the words, the types and the errors.
//
//   address = first address of the prefix + slot
//
// Cost: give is one call into the core, as is take, or in a row one for up to 64 (slotwidths.ts);
// allocate and release read or write a text besides.
import {
  type Address,
  type Family,
  formatAddress,
  formatFour,
  formatPrefix,
  lastOf,
  MAPPED,
  type Prefix,
  parseAddress,
  parsePrefix,
  widthOf,
} from "./address.ts";
import { seconds } from "./clock.ts";
import type { Bytes } from "./embedded.ts";
import { IpamError } from "./errors.ts";
import { FREE } from "./heap.ts";
import { Hold } from "./hold.ts";
import { type HoldOptions, Holds, ttlOf } from "./holds.ts";
import {
  checkOptions,
  excludedOf,
  type PoolOptions,
  type SnapshotOptions,
  snapshotOptions,
} from "./pooloptions.ts";
import type { Explanation, PoolToken } from "./pooltypes.ts";
import { attachHeap, isHeapToken, lostToken, shareHeap } from "./share.ts";
import { type ExistingCell, type SlotArray, type Slots, TICK } from "./slots.ts";
import { makeSlots } from "./slotwidths.ts";
import { readPool, writePool } from "./snapshot.ts";

function randomSeed(): bigint {
  const word = new BigUint64Array(1);
  globalThis.crypto.getRandomValues(word);
  return word[0]!;
}

/** Is an address above the band free, or due? Not of the interface: for ranges of services. */
export let upperFree: (pool: Pool<number | bigint>) => boolean;

/** The addresses of one prefix. `S` is number up to 2^53 addresses, bigint up to 2^64. */
export class Pool<S extends number | bigint = number> implements Disposable {
  /** The prefix, in canonical text. */
  readonly prefix: string;
  readonly family: Family;
  /** Addresses of the prefix, excluded ones too: a power of two, exact up to 2^128. */
  readonly size: number;
  readonly #range: Prefix;
  readonly #first: number;
  readonly #excluded: number;
  // What isn't excluded. Of numbers that are rounded the difference may be 0, and isn't.
  readonly #room: number;
  readonly #slots: Slots;
  // Made with the first hold: most pools of a large process have none.
  #holds: Holds<bigint> | undefined;
  readonly #clock: () => number;
  readonly #options: PoolOptions;

  static {
    upperFree = (pool) => pool.#open().upperFree;
  }

  /** Use createPool, Pool.fromBytes or Pool.attach. */
  constructor(range: Prefix, written: PoolOptions, existing?: ExistingCell) {
    const options = checkOptions(written);
    const { policy = "next", cooldown = 0, band = 0, seed, clock = seconds } = options;
    const bits = widthOf(range.family) - range.length;
    this.#range = range;
    this.#options = options;
    this.prefix = formatPrefix(range);
    this.family = range.family;
    this.size = 2 ** bits;
    if (band > this.size)
      throw new IpamError("invalid", `band ${band} is more than ${this.prefix} has`, band);
    this.#first = range.family === 4 ? Number(range.base) : 0;
    const ticks = cooldown === 0 ? 0 : Math.ceil(cooldown / TICK) + 1;
    const made = {
      policy,
      cooldown: ticks,
      seed: seed ?? (policy === "random" ? randomSeed() : 1n),
      band: BigInt(band),
    };
    const intervals = excludedOf(range, options.exclude ?? []);
    const excluded = intervals.reduce((sum, [from, to]) => sum + to - from + 1n, 0n);
    this.#excluded = Number(excluded);
    this.#room = Number((1n << BigInt(bits)) - excluded);
    this.#slots = makeSlots(bits, made, ticks === 0 ? undefined : clock, existing);
    this.#clock = clock;
    if (existing) return;
    try {
      for (const [from, to] of intervals) this.#slots.exclude(from, to);
    } catch (error) {
      this.#slots.close();
      throw error;
    }
  }

  /** Addresses that callers hold (allocated, taken, or on hold). */
  get used(): number {
    this.#open();
    return this.#slots.held;
  }

  /** Released addresses that cool. */
  get cooling(): number {
    const slots = this.#open();
    slots.sweep();
    return slots.count(1);
  }

  /** Addresses that are never given. */
  get excluded(): number {
    this.#open();
    return this.#excluded;
  }

  /** Addresses that can be given now: size - used - cooling - excluded. Rounded above 2^53. */
  get free(): number {
    return this.#room - this.used - this.cooling;
  }

  /** Cooling addresses that were given before their time because nothing else was free. */
  get yields(): number {
    return this.#open().count(3);
  }

  // Looks after the sweep, since the user's clock may close the pool; a closed one has no holds.
  #open(): Slots {
    this.#holds?.sweep();
    if (!this.#slots.isGone) return this.#slots;
    throw new IpamError("closed", `the pool ${this.prefix} is closed`, this.prefix);
  }

  // A mapped address (::ffff:0:0/96) is IPv4, but in an IPv6 pool that has them.
  #read(text: unknown): Address {
    const read = parseAddress(text);
    if (read.family === this.family || this.family === 4) return read;
    const value = MAPPED | read.value;
    const { base } = this.#range;
    const isOurs = String(text).includes(":") && value >= base && value <= lastOf(this.#range);
    return isOurs ? { family: 6, value } : read;
  }

  // Slot of an address: throws "invalid", "family", "outside".
  #keyOf(text: unknown): bigint {
    const { family, value } = this.#read(text);
    if (family !== this.family)
      throw new IpamError("family", `${text} is IPv${family}, ${this.prefix} isn't`, text);
    const key = value - this.#range.base;
    if (key < 0n || value > lastOf(this.#range))
      throw new IpamError("outside", `${text} is not in ${this.prefix}`, text);
    return key;
  }

  #textOf(key: bigint): string {
    return formatAddress(this.family, this.#range.base + key);
  }

  /**
   * Gives an address: by the policy, or the one that is asked for. Throws "exhausted", "noSpace";
   * for a named one "taken", "held", "cooling", "excluded", "outside", "family", "invalid".
   */
  allocate(address?: string): string {
    if (address === undefined) return this.#next();
    const slots = this.#open();
    const key = this.#keyOf(address);
    if (slots.takeKey(key) !== 0) this.#refuse(key, address);
    return this.#textOf(key);
  }

  #next(): string {
    const slots = this.#open();
    try {
      if (this.family === 4 && slots.bits <= 30)
        return formatFour(this.#first + (slots.take() as number));
      return this.#textOf(slots.takeNextKey());
    } catch (error) {
      this.#explain(error);
    }
  }

  // Says which pool it was that had nothing.
  #explain(error: unknown): never {
    if (!(error instanceof IpamError) || error.code !== "exhausted") throw error;
    const excluded = this.excluded ? `, ${this.excluded} are excluded` : "";
    throw new IpamError(
      "exhausted",
      `nothing is free in ${this.prefix}: ${this.used} of ${this.size} are held${excluded}`,
      this.prefix,
    );
  }

  // Says why a slot that was asked for can't be had.
  #refuse(key: bigint, value: unknown): never {
    const { state, why } = this.#state(key);
    // Free: another thread had it, and has given it back since.
    if (state === "allocated" || state === "free") throw new IpamError("taken", why, value);
    throw new IpamError(state, why, value);
  }

  /**
   * Takes an address back. Throws "notAllocated" (also for a second time), "excluded", "outside",
   * "family", "invalid".
   */
  release(address: string): void {
    const slots = this.#open();
    const key = this.#keyOf(address);
    this.#released(slots.giveKey(key), key, address);
  }

  #released(status: number, key: bigint, value: unknown): void {
    this.#holds?.forget(String(key));
    if (status === 0) return;
    const { state, why } = this.#state(key);
    if (status === FREE || state === "cooling")
      throw new IpamError("notAllocated", `${why}: it can't be released`, value);
    throw new IpamError(state === "excluded" ? "excluded" : "notAllocated", why, value);
  }

  /** Does a caller hold this address? false for addresses elsewhere. Throws "invalid". */
  has(address: string): boolean {
    const slots = this.#open();
    const { family, value } = this.#read(address);
    const key = value - this.#range.base;
    if (family !== this.family || key < 0n || value > lastOf(this.#range)) return false;
    return slots.stateOf(key) === "held";
  }

  /** Takes a slot by the policy. Throws "exhausted", "noSpace"; "tooLarge" for pools above 2^64. */
  take(): S {
    const slots = this.#slots;
    if (slots.mayBeGone || this.#holds !== undefined) this.#open();
    return slots.take() as S;
  }

  /** Takes this slot. Throws as allocate(address) does; "tooLarge" for pools above 2^64. */
  takeAt(slot: S): void {
    const slots = this.#open();
    slots.check(slot);
    if (slots.takeKey(slots.keyOf(slot)) !== 0) this.#refuse(slots.keyOf(slot), slot);
  }

  /** Gives a slot back. Throws "notAllocated", "excluded", "invalid", "tooLarge". */
  give(slot: S): void {
    const slots = this.#slots;
    if (slots.mayBeGone || this.#holds !== undefined) this.#open();
    slots.check(slot);
    const status = slots.giveRaw(slot);
    if (status !== 0 || this.#holds !== undefined) this.#released(status, slots.keyOf(slot), slot);
  }

  /**
   * Fills an array with slots: Uint32Array up to 2^32 addresses, Float64Array up to 2^53,
   * BigUint64Array up to 2^64. How many: fewer than its length when the pool is exhausted. Throws
   * "invalid" (the array's type), "noSpace", "tooLarge".
   */
  takeMany(into: SlotArray): number {
    return this.#open().takeMany(into);
  }

  /**
   * Gives slots back. How many: it stops at the first that isn't held. Throws "invalid" (then none
   * was given back), "tooLarge".
   */
  giveMany(slots: SlotArray): number {
    const given = this.#open().giveMany(slots);
    if (this.#holds !== undefined && given > 0)
      for (const slot of slots.subarray(0, given)) this.#holds.forget(String(slot));
    return given;
  }

  /** Slot of an address. Throws "outside", "family", "invalid", "tooLarge". */
  slotOf(address: string): S {
    const { bits } = this.#open();
    const key = this.#keyOf(address);
    if (bits > 64) this.#slots.check(address);
    return (bits <= 53 ? Number(key) : key) as S;
  }

  /** Address of a slot. Throws "invalid", "tooLarge". */
  addressAt(slot: S): string {
    const slots = this.#open();
    slots.check(slot);
    return this.#textOf(slots.keyOf(slot));
  }

  /** Held addresses in order. What is given or released meanwhile may be in it or not. */
  *[Symbol.iterator](): IterableIterator<string> {
    for (const key of this.#open().keys()) yield this.#textOf(key);
    this.#open(); // who closed it meanwhile hasn't seen all
  }

  /**
   * Takes an address that isn't decided yet: confirm() keeps it, abort() or the end of its time
   * gives it back. Throws as allocate, and "invalid" for `ttl`.
   */
  hold(address?: string, options?: HoldOptions): Hold {
    const ttl = ttlOf(options);
    const text = this.allocate(address);
    const key = this.#keyOf(text);
    const name = String(key);
    // Where another pool lies by now, it is the other one's address.
    const back = (what: bigint) => {
      if (!this.#slots.isGone) this.#slots.giveKey(what);
    };
    this.#holds ??= new Holds(this.#clock);
    const holds = this.#holds;
    const id = holds.add(name, key, ttl, back);
    return new Hold(text, {
      has: () => holds.has(name, id) && !this.#slots.isGone,
      confirm: () => holds.end(name, id) && !this.#slots.isGone,
      abort: () => {
        if (holds.end(name, id)) back(key);
      },
    });
  }

  #state(key: bigint): Explanation {
    const text = this.#textOf(key);
    const state = this.#slots.stateOf(key);
    const until = this.#holds?.due(String(key));
    if (state === "held" && until !== undefined)
      return { state: "held", until, why: `${text} is on hold, neither confirmed nor aborted` };
    if (state === "held") return { state: "allocated", why: `${text} is allocated` };
    if (state === "cooling")
      return { state, until: this.#slots.until(key), why: `${text} was released and cools` };
    if (state === "excluded") return { state, why: `${text} is excluded` };
    return { state, why: `${text} is ${state}` };
  }

  /** Says why an address can or can't be given. Throws "invalid" only. */
  explain(address: string): Explanation {
    this.#open().sweep();
    const { family, value } = this.#read(address);
    if (family !== this.family || value < this.#range.base || value > lastOf(this.#range))
      return { state: "outside", why: `${address} is not in ${this.prefix}` };
    return this.#state(value - this.#range.base);
  }

  /**
   * Everything that the pool knows, but holds (they count as allocated), as bytes of one version.
   */
  toBytes(): Bytes {
    const slots = this.#open();
    slots.sweep();
    return writePool(slots, this.#range, this.#options, this.#clock());
  }

  /**
   * A pool from toBytes; `options` may give clock and seed. Throws "damaged", "newer", "invalid",
   * "noSpace".
   */
  static fromBytes<S extends number | bigint = number>(
    bytes: Uint8Array,
    options: SnapshotOptions = {},
  ): Pool<S> {
    const own = snapshotOptions(options);
    return readPool(bytes, (range, saved, load) => {
      const pool = new Pool<S>(range, { ...saved, ...own });
      try {
        load(pool.#slots, pool.#clock());
      } catch (error) {
        pool.close();
        throw error;
      }
      return pool;
    });
  }

  /**
   * What another thread needs to use this pool at the same time: send it with postMessage or as
   * workerData, and call Pool.attach there. From now on every call takes a lock (about 20 ns more).
   * Holds, exclusions and close stay with this thread. Throws "closed".
   */
  share(): PoolToken {
    const { cell, number, epoch } = this.#open();
    const { clock: _, ...options } = this.#options;
    const heap = shareHeap(this.#slots.heap);
    return { berth: "pool", heap, cell, number, epoch, prefix: this.prefix, options };
  }

  /**
   * The pool that another thread has shared. Its close() only ends the use here. When a thread ends
   * in the middle of a call, the next one that waits for the lock undoes that call (Linux;
   * elsewhere it throws "locked" after 10 s). Throws "invalid", "noSpace" (64 threads at one heap).
   */
  static attach<S extends number | bigint = number>(token: PoolToken): Pool<S> {
    if (token?.berth !== "pool")
      throw new IpamError("invalid", "this is not what Pool.share gave", token);
    if (!isHeapToken(token.heap)) throw lostToken(token);
    const { cell, number, epoch } = token;
    const existing = { heap: attachHeap(token.heap), cell, number, epoch };
    return new Pool<S>(parsePrefix(token.prefix), token.options, existing);
  }

  /** Gives the memory back; everything but close throws "closed" from now on. */
  close(): void {
    const { isGone, attached } = this.#slots;
    if (attached && !isGone) this.#holds?.abort();
    this.#holds?.clear();
    this.#slots.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A pool of the addresses of `prefix` (any length, IPv4 to /0, IPv6 to ::/0), none of them taken.
 * All pools of a process share 1 GiB of memory; close() gives a pool's part back. Throws "invalid",
 * "hostBits", "outside" (exclude), "noSpace".
 */
export function createPool<S extends number | bigint = number>(
  prefix: string,
  options: PoolOptions = {},
): Pool<S> {
  return new Pool<S>(parsePrefix(prefix), options);
}

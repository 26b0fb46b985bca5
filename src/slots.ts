// Slots: a pool of the core, from the side of TypeScript. What addresses of a prefix (pool.ts) and
// sub-prefixes of one length (cluster/) have in common: a cell of the heap. slotwidths.ts has a
// class for each width in which a slot crosses into the core.
//
// Errors say "slot N"; who knows addresses names those instead.
import { WINDOW_BASE } from "../assembly/numbers.ts";
import { closedMeanwhile, IpamError } from "./errors.ts";
import { BUSY, FREE, type Heap, heap, TRANSFER_BYTES } from "./heap.ts";
import type { CoreExports } from "./module.ts";

/** Where the search for a free slot begins. */
export type Policy = "next" | "first" | "random";
export const POLICIES: readonly Policy[] = ["next", "first", "random"];

/** Arrays that takeMany fills and giveMany reads. */
export type SlotArray = Uint32Array | Float64Array | BigUint64Array;

/** What a pool of slots is made of. */
export interface SlotOptions {
  policy: Policy;
  /** Ticks of TICK seconds; 0 = none. */
  cooldown: number;
  seed: bigint;
  band: bigint;
}

/** A pool that another thread has made, on this thread's view of its heap. */
export interface ExistingCell {
  heap: Heap;
  cell: number;
  /** The pool's number: another pool in its place has another. */
  number: number;
  /** Second at which the pool's ticks begin. */
  epoch: number;
}

/** States of a slot, as the core numbers them. */
export const STATES = ["free", "held", "cooling", "excluded", "outside"] as const;
export type SlotState = (typeof STATES)[number];

/**
 * Seconds that the core counts in: a cool-down is never shorter than asked, at most this longer.
 */
export const TICK = 0.1;
/** Where a cell holds its number (assembly/library/slotcell.ts). */
const NUMBER_AT = 120;
const MASK64 = (1n << 64n) - 1n;
const NONE = -1;
const NO_SPACE = 5;
/** Clocks that begin later than this, or below 0, are counted from where they begin. */
const LATE = 2 ** 27;
const MANY = TRANSFER_BYTES / 8;

function noSpace(): IpamError {
  return new IpamError("noSpace", "the heap of this process is full (1 GiB): close pools");
}

// An array whose buffer was sent away isn't an empty one: its slots are somewhere else.
function ifThere(array: SlotArray, width: number): number {
  try {
    if (array.length === 0) array.keys();
    return width;
  } catch {
    throw new IpamError("invalid", "this array is detached: its buffer was transferred", array);
  }
}

/** A pool of 2^bits slots. */
export abstract class Slots {
  readonly heap: Heap;
  readonly bits: number;
  /** Offset of the core's cell; 0 = closed. For calls that what is taken ahead doesn't change. */
  protected place: number;
  readonly clock: (() => number) | undefined;
  /** Second at which the ticks begin. */
  readonly epoch: number;
  /** Slots, as a number. */
  protected readonly limit: number;
  protected readonly core: CoreExports;

  /** Made by another thread: closing it gives nothing back. */
  readonly attached: boolean;
  #mayBeGone: boolean;
  /** The pool's number in its heap. */
  readonly number: number;

  constructor(
    bits: number,
    options: SlotOptions,
    clock: (() => number) | undefined,
    existing?: ExistingCell,
  ) {
    this.heap = existing?.heap ?? heap();
    this.core = this.heap.exports;
    this.bits = bits;
    this.limit = 2 ** bits;
    this.clock = clock;
    const begin = clock?.() ?? 0;
    this.epoch = existing?.epoch ?? (begin > LATE || begin < 0 ? Math.floor(begin) : 0);
    this.attached = existing !== undefined;
    this.#mayBeGone = this.attached;
    this.place = existing?.cell ?? this.#make(options);
    this.number = existing?.number ?? this.#numberNow();
  }

  /** Offset of the core's cell, which says now what callers hold. Throws "closed". */
  get cell(): number {
    if (this.place === 0) throw closedMeanwhile();
    this.settle();
    return this.place;
  }

  /** Gives back what was taken ahead of its callers; where a width does that. */
  protected settle(): void {}

  /** Slots that are taken ahead. */
  protected get ahead(): number {
    return 0;
  }

  get isClosed(): boolean {
    return this.place === 0;
  }

  // The number of the pool that lies at the cell now (its low half: 4 billion pools are enough).
  #numberNow(): number {
    return this.heap.u32[(WINDOW_BASE + this.place + NUMBER_AT) / 4]!;
  }

  /**
   * false: it is surely open, so that a call needn't ask isGone, which reads the heap. true: it is
   * closed, or another thread made it and may have closed it. A field of its own: each take and
   * give by slot asks this, and reads just one word.
   */
  get mayBeGone(): boolean {
    return this.#mayBeGone;
  }

  /** Has the thread that made it closed the pool? Then its place may be another one's. */
  get isGone(): boolean {
    return this.isClosed || (this.attached && this.#numberNow() !== this.number);
  }

  #make(options: SlotOptions): number {
    const { policy, cooldown, seed, band } = options;
    const number = POLICIES.indexOf(policy);
    const cell = this.heap.patiently(
      () => this.core.slotsMake!(this.bits, number, cooldown, seed) as number,
      BUSY,
    );
    if (cell === 0) throw noSpace();
    if (band > 0n) this.heap.patiently(() => this.core.slotsBand!(cell, band) as number, BUSY);
    return cell;
  }

  /**
   * The clock in ticks, 0 where the pool has no cool-down. A clock is the user's code, which may
   * close the pool: so it is asked before the cell is. Throws "closed".
   */
  protected now(): number {
    if (this.clock === undefined) return 0;
    const seconds = this.clock();
    if (this.place === 0) throw closedMeanwhile();
    return this.ticks(seconds);
  }

  /** A time of the clock in ticks, as the core counts them. */
  ticks(seconds: number): number {
    return Math.floor((seconds - this.epoch) / TICK);
  }

  /** Seconds of the clock at a tick. */
  seconds(ticks: number): number {
    return this.epoch + ticks * TICK;
  }

  /** Frees what has cooled long enough: counts and states are exact then. */
  sweep(): void {
    if (this.clock === undefined) return;
    const now = this.now();
    this.heap.patiently(() => this.core.slotsSweep!(this.cell, now) as number, BUSY);
  }

  /** Takes a slot by the policy. Throws "exhausted" or "noSpace". */
  abstract take(): number | bigint;
  /** What the core answers for giving a slot back. */
  abstract giveRaw(slot: number | bigint): number;
  /** Throws "invalid" unless `slot` is of the pool's type and inside. */
  abstract check(slot: unknown): void;
  /** A slot as a key of the core. */
  abstract keyOf(slot: number | bigint): bigint;

  /** The array must be able to hold every slot: 4 = u32, 8 = f64, 9 = u64. */
  protected widthOf(array: unknown): number {
    if (array instanceof Uint32Array && this.bits <= 32) return ifThere(array, 4);
    if (array instanceof Float64Array && this.bits <= 53) return ifThere(array, 8);
    if (array instanceof BigUint64Array && this.bits <= 64) return ifThere(array, 9);
    const fit =
      this.bits <= 32 ? "Uint32Array" : this.bits <= 53 ? "Float64Array" : "BigUint64Array";
    throw new IpamError("invalid", `slots of this pool go into a ${fit}`, array);
  }

  /** Fills the array from the front. How many slots it took: fewer when the pool is exhausted. */
  takeMany(into: SlotArray): number {
    const width = this.widthOf(into);
    const taken = this.#inParts(into, (from, n) => {
      const at = this.heap.transfer;
      const now = this.now();
      const got = this.core.slotsTakeMany!(this.cell, now, at, n, width) as number;
      this.#copy(into, from, got, width, false);
      return got;
    });
    if (taken === 0 && into.length > 0 && this.core.manyStatus!() === NO_SPACE) throw noSpace();
    return taken;
  }

  /** Gives the slots back from the front. How many: it stops at one that isn't held. */
  giveMany(slots: SlotArray): number {
    const width = this.widthOf(slots);
    if (slots.length === 0) return 0;
    // A bigint is a slot of any pool here: arrays of them may be used for all.
    const end = width === 9 ? 1n << BigInt(this.bits) : 0n;
    for (const slot of slots) if (typeof slot !== "bigint" || slot >= end) this.check(slot);
    return this.#inParts(slots, (from, n) => {
      // Before the list lies in the transfer area: a user's clock may call pools, which write it.
      const now = this.now();
      const { cell } = this;
      this.#copy(slots, from, n, width, true);
      return this.core.slotsGiveMany!(cell, now, this.heap.transfer, n, width) as number;
    });
  }

  #inParts(array: SlotArray, part: (from: number, n: number) => number): number {
    let begin = 0;
    for (let done = 0; done < array.length; ) {
      const n = Math.min(MANY, array.length - done);
      const got = part(done, n);
      done += got;
      if (got === n) continue;
      // Nothing left, or the lock was held: only the latter is tried again.
      if (this.core.manyStatus!() !== BUSY) return done;
      begin ||= performance.now();
      this.heap.lookAfterHolder(begin);
    }
    return array.length;
  }

  #copy(array: SlotArray, from: number, n: number, width: number, inwards: boolean): void {
    const { heap: h } = this;
    const view = width === 4 ? h.u32 : width === 8 ? h.f64 : h.u64;
    const at = h.transfer / (width === 4 ? 4 : 8);
    if (inwards) (view as Float64Array).set(array.subarray(from, from + n) as Float64Array, at);
    else (array as Float64Array).set((view as Float64Array).subarray(at, at + n), from);
  }

  /** Takes the slot of a key: 0, or why not. */
  takeKey(key: bigint): number {
    const status = this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsTakeAt!(this.cell, key >> 64n, key & MASK64, now) as number;
    }, BUSY);
    if (status === NO_SPACE) throw noSpace();
    return status;
  }

  /** Gives the slot of a key back: 0, or why not. */
  giveKey(key: bigint): number {
    return this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsGive!(this.cell, key >> 64n, key & MASK64, now) as number;
    }, BUSY);
  }

  /** Takes a slot by the policy and answers its key. Throws "exhausted" or "noSpace". */
  takeNextKey(): bigint {
    this.takeNext();
    return this.#lastKey();
  }

  /** The same; the core's lastHi and lastLo tell the slot. */
  protected takeNext(): void {
    const status = this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsTake!(this.cell, now) as number;
    }, BUSY);
    if (status !== 0) this.refuse(status === FREE ? NONE : -3);
  }

  #lastKey(): bigint {
    const hi = BigInt.asUintN(64, this.core.lastHi!());
    return (hi << 64n) | BigInt.asUintN(64, this.core.lastLo!());
  }

  /** State of the slot of a key. */
  stateOf(key: bigint): SlotState {
    const state = this.heap.patiently(
      () => this.core.slotsState!(this.cell, key >> 64n, key & MASK64) as number,
      BUSY,
    );
    return STATES[state]!;
  }

  /** When a cooling slot is free again (seconds of the pool's clock). */
  until(key: bigint): number {
    const ask = () => this.core.slotsUntil!(this.cell, key >> 64n, key & MASK64) as number;
    // The core's ticks have 32 bits: of the times that a tick may be, the one beside now.
    const now = this.now();
    return this.seconds(now + ((this.heap.patiently(ask, BUSY) - now) | 0));
  }

  /** Is a slot above the band free, or due? Frees nothing. */
  get upperFree(): boolean {
    const status = this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsUpperFree!(this.cell, now) as number;
    }, BUSY);
    return status === 0;
  }

  /** Excludes the keys first..last. Throws "taken" (the pool is in use) or "noSpace". */
  exclude(first: bigint, last: bigint): void {
    const [fromHi, fromLo] = [first >> 64n, first & MASK64];
    const [toHi, toLo] = [last >> 64n, last & MASK64];
    const status = this.heap.patiently(
      () => this.core.slotsExclude!(this.cell, fromHi, fromLo, toHi, toLo) as number,
      BUSY,
    );
    if (status === NO_SPACE) throw noSpace();
    if (status !== 0)
      throw new IpamError("taken", "exclusions come before the first allocation", first);
  }

  /** Takes (or gives) every free (held) slot of first..last, at most 2^24. How many. */
  fill(first: bigint, last: bigint, take: boolean): number {
    const hi = first >> 64n;
    let lo = first & MASK64;
    let count = 0n;
    const begin = performance.now();
    for (;;) {
      const now = this.now();
      const { core, cell } = this;
      count += core.slotsFill!(cell, hi, lo, last & MASK64, take, now) as bigint;
      const status = core.manyStatus!() as number;
      if (status === NO_SPACE) throw noSpace();
      if (status !== BUSY) return Number(count);
      this.heap.lookAfterHolder(begin);
      lo = BigInt.asUintN(64, core.fillNext!());
    }
  }

  /** The first held key at or after `from`; undefined: there is none. */
  next(from: bigint): bigint | undefined {
    const status = this.heap.patiently(
      () => this.core.slotsNext!(this.cell, from >> 64n, from & MASK64) as number,
      BUSY,
    );
    return status === 0 ? this.#lastKey() : undefined;
  }

  /** Held keys in order; what is given or released meanwhile may be in it or not. */
  *keys(): IterableIterator<bigint> {
    const end = 1n << BigInt(this.bits);
    for (let at = 0n; at < end; ) {
      const key = this.next(at);
      if (key === undefined) return;
      yield key;
      at = key + 1n;
    }
  }

  /** Slots that callers hold. */
  get held(): number {
    return (this.core.slotsHeldF!(this.place) as number) - this.ahead;
  }

  /** Slots that cool (1), are excluded (2), had to yield (3). */
  count(what: 1 | 2 | 3): number {
    return Number(BigInt.asUintN(64, this.core.slotsCount!(this.place, what)));
  }

  /** Gives the cell back. */
  close(): void {
    if (this.place === 0) return;
    const { cell } = this;
    this.place = 0;
    this.#mayBeGone = true;
    if (!this.attached) this.heap.patiently(() => this.core.slotsClose!(cell) as number, BUSY);
  }

  /** The error for a take that found nothing (-1) or no memory (-3). */
  protected refuse(code: number): never {
    if (code !== NONE) throw noSpace();
    const out = this.count(2) > 0 ? `, ${this.count(2)} are excluded` : "";
    throw new IpamError(
      "exhausted",
      `nothing is free: ${this.held} of ${this.limit} are held${out}`,
    );
  }
}

// Cluster prefixes: what sub-prefixes are given from. SlotRange gives one length (a pool of slots:
// slot = index of the sub-prefix), BlockRange (blockrange.ts) mixed ones. Which sub-prefix is given
// is decided in assembly/library (slots.ts, blocks.ts).
//
// Prefixes that come in have been cut to what lies here (`clip`).
import { formatPrefix, lastOf, type Prefix, widthOf } from "../address.ts";
import { IpamError } from "../errors.ts";
import type { Slots } from "../slots.ts";
import { makeSlots } from "../slotwidths.ts";
import { cursorOf, cursorTo, loadSet, readSet } from "../snapshot.ts";
import { keptBack, type Rules } from "./prefixoptions.ts";

/** Sub-prefixes that one prefix may occupy: with an owner or in a pool of over 2^30, else. */
const OCCUPY_EACH = 2n ** 20n;
const OCCUPY_FILL = 2n ** 24n;

/** What is known of a prefix in a cluster prefix. */
export type RangeState =
  | { state: "free" }
  | { state: "excluded" }
  /** `prefix`: the held one that it is or lies in; partly: the first held one in it. */
  | { state: "held" | "partly"; prefix: Prefix };

/** May a prefix be occupied? `held` is in the way; undefined: it is excluded. */
export type Fit = { status: "free" | "same" } | { status: "conflict"; held: Prefix | undefined };

/** Sub-prefixes of the pool's length, as numbers (rounded from 2^53 on). */
export interface RangeCounts {
  size: number;
  used: number;
  free: number;
  excluded: number;
  /** Held prefixes, of whatever length. */
  held: number;
  /** Length of the largest prefix that could be given; null: nothing is free. */
  largest: number | null;
}

/** One cluster prefix. */
export abstract class ClusterRange {
  readonly prefix: Prefix;
  readonly text: string;
  /** The pool's length. */
  readonly length: number;
  /** Gives nothing more. */
  draining = false;
  /** Sub-prefixes that were taken and given back so far. */
  allocations = 0;
  releases = 0;

  constructor(prefix: Prefix, rules: Rules) {
    this.prefix = prefix;
    this.text = formatPrefix(prefix);
    this.length = rules.lengthOf(prefix.family);
  }

  /** The part of `p` that lies here, as it would be held. */
  clip(p: Prefix): Prefix {
    return p.length < this.prefix.length ? this.prefix : p;
  }

  /** Could a sub-prefix of this length be taken? */
  abstract hasRoom(length: number): boolean;
  /** Takes one; undefined: nothing is free. Throws "noSpace". */
  abstract take(length: number): Prefix | undefined;
  /** Throws "tooLarge" where `p` is too many sub-prefixes to be occupied in one call. */
  abstract checkWidth(p: Prefix, owned: boolean): void;
  /** May `p` be occupied by whom `isMine` knows? */
  abstract fit(p: Prefix, isMine: (held: Prefix) => boolean): Fit;
  /**
   * Takes what is free in `p`, after a fit; `took` is told each one, if wanted. How many. Throws
   * "noSpace"; then nothing was taken.
   */
  abstract occupy(p: Prefix, took?: (p: Prefix) => void): number;
  /** Gives exactly this one back: was it held? Throws "noSpace". */
  abstract give(p: Prefix): boolean;
  /** Gives everything back that is held in `p`. How many; undefined: one by one is quicker. */
  clear(_p: Prefix): number | undefined {
    return undefined;
  }
  abstract stateOf(p: Prefix): RangeState;
  /** Held sub-prefixes that begin in `p`, in order. */
  abstract heldIn(p: Prefix): IterableIterator<Prefix>;
  abstract counts(): RangeCounts;
  /** How many are held. */
  abstract get held(): number;
  /** What is held, as bytes of a multiple of 8, and the cursor. */
  abstract save(): { set: Uint8Array; cursor: string };
  /** Into an empty range. Throws "damaged". */
  abstract load(set: Uint8Array, cursor: string): void;
  abstract close(): void;
}

/** A cluster prefix that gives one length. */
export class SlotRange extends ClusterRange {
  readonly slots: Slots;
  readonly size: number;
  readonly #shift: bigint;
  readonly #kept: readonly [bigint, bigint][];
  readonly #excluded: number;
  // Sub-prefixes that can be held. Of numbers that are rounded the difference may be 0, and isn't.
  readonly #room: number;

  constructor(prefix: Prefix, rules: Rules) {
    super(prefix, rules);
    this.#shift = BigInt(widthOf(prefix.family) - this.length);
    this.#kept = keptBack(rules, prefix, this.#shift);
    const kept = this.#keptIn(0n, -1n);
    this.#excluded = Number(kept);
    const { policy, seed } = rules;
    const bits = this.length - prefix.length;
    this.size = 2 ** bits;
    this.#room = Number((1n << BigInt(bits)) - kept);
    this.slots = makeSlots(bits, { policy, seed, cooldown: 0, band: 0n });
    try {
      for (const [first, last] of this.#kept) this.slots.exclude(first, last);
    } catch (error) {
      this.slots.close();
      throw error;
    }
  }

  // How many of first..last are kept back; last = -1: to the end.
  #keptIn(first: bigint, last: bigint): bigint {
    let sum = 0n;
    for (const [from, to] of this.#kept) {
      const begin = from > first ? from : first;
      const end = last >= 0n && to > last ? last : to;
      if (begin <= end) sum += end - begin + 1n;
    }
    return sum;
  }

  /** Index of the sub-prefix that `p` is, lies in, or begins with. */
  keyOf(p: Prefix): bigint {
    return (p.base - this.prefix.base) >> this.#shift;
  }

  /** The same of exactly a sub-prefix, for users. Throws "invalid", "tooLarge". */
  slotOf(p: Prefix, text: string): number | bigint {
    if (p.length !== this.length)
      throw new IpamError("invalid", `${text} isn't a /${this.length}`, text);
    if (this.slots.bits > 64) this.slots.check(0n);
    return this.slots.bits <= 53 ? Number(this.keyOf(p)) : this.keyOf(p);
  }

  #lastKey(p: Prefix): bigint {
    return (lastOf(p) - this.prefix.base) >> this.#shift;
  }

  /** The sub-prefix of an index. */
  prefixAt(key: bigint): Prefix {
    const base = this.prefix.base + (key << this.#shift);
    return { family: this.prefix.family, base, length: this.length };
  }

  override clip(p: Prefix): Prefix {
    return p.length > this.length ? this.prefixAt(this.keyOf(p)) : super.clip(p);
  }

  override get held(): number {
    return this.slots.held;
  }

  override hasRoom(): boolean {
    return this.#room > this.slots.held;
  }

  override take(): Prefix | undefined {
    return this.hasRoom() ? this.prefixAt(this.slots.takeNextKey()) : undefined;
  }

  override fit(p: Prefix, isMine: (held: Prefix) => boolean): Fit {
    if (p.length === this.length) {
      const now = this.stateOf(p);
      if (now.state === "held" || now.state === "partly")
        return isMine(now.prefix) ? { status: "same" } : { status: "conflict", held: now.prefix };
      return now.state === "free" ? { status: "free" } : { status: "conflict", held: undefined };
    }
    let mine = 0n;
    for (const held of this.heldIn(p)) {
      if (!isMine(held)) return { status: "conflict", held };
      mine++;
    }
    const [first, last] = [this.keyOf(p), this.#lastKey(p)];
    const rest = last - first + 1n - this.#keptIn(first, last) - mine;
    if (rest > 0n) return { status: "free" };
    return mine > 0n ? { status: "same" } : { status: "conflict", held: undefined };
  }

  override checkWidth(p: Prefix, owned: boolean): void {
    const count = this.#lastKey(p) - this.keyOf(p) + 1n;
    const most = !owned && this.slots.bits <= 30 ? OCCUPY_FILL : OCCUPY_EACH;
    if (count <= most) return;
    const text = formatPrefix(p);
    throw new IpamError(
      "tooLarge",
      `${text} is ${count} /${this.length}: occupy at most ${most} in one call`,
      text,
    );
  }

  override occupy(p: Prefix, took?: (p: Prefix) => void): number {
    const [first, last] = [this.keyOf(p), this.#lastKey(p)];
    if (took === undefined && this.slots.bits <= 30) return this.slots.fill(first, last, true);
    const taken: bigint[] = [];
    try {
      for (let key = first; key <= last; key++) if (this.slots.takeKey(key) === 0) taken.push(key);
    } catch (error) {
      for (const key of taken) this.slots.giveKey(key);
      throw error;
    }
    if (took) for (const key of taken) took(this.prefixAt(key));
    return taken.length;
  }

  // In a bitmap whole words at once; what is narrower than a sub-prefix holds none.
  override clear(p: Prefix): number | undefined {
    if (this.slots.bits > 30 || p.length > this.length) return undefined;
    return this.slots.fill(this.keyOf(p), this.#lastKey(p), false);
  }

  override give(p: Prefix): boolean {
    return p.length === this.length && this.slots.giveKey(this.keyOf(p)) === 0;
  }

  override stateOf(p: Prefix): RangeState {
    const first = this.keyOf(p);
    if (p.length >= this.length) {
      const state = this.slots.stateOf(first);
      if (state === "held") return { state, prefix: this.prefixAt(first) };
      return state === "free" ? { state } : { state: "excluded" };
    }
    const next = this.slots.next(first);
    const last = this.#lastKey(p);
    if (next !== undefined && next <= last) return { state: "partly", prefix: this.prefixAt(next) };
    return this.#keptIn(first, last) > 0n ? { state: "excluded" } : { state: "free" };
  }

  override *heldIn(p: Prefix): IterableIterator<Prefix> {
    const last = this.#lastKey(p);
    // The range may be closed between two of them: a part of a pool, once it is empty.
    for (let from = this.keyOf(p); from <= last && !this.slots.isClosed; ) {
      const key = this.slots.next(from);
      if (key === undefined || key > last) return;
      yield this.prefixAt(key);
      from = key + 1n;
    }
  }

  override counts(): RangeCounts {
    const { size, held } = this;
    const free = this.#room - held;
    const largest = free > 0 ? this.length : null;
    return { size, used: held, free, excluded: this.#excluded, held, largest };
  }

  override save(): { set: Uint8Array; cursor: string } {
    return { set: readSet(this.slots), cursor: cursorOf(this.slots) };
  }

  override load(set: Uint8Array, cursor: string): void {
    loadSet(this.slots, set);
    cursorTo(this.slots, cursor);
  }

  override close(): void {
    this.slots.close();
  }
}

// Prefix pools: sub-prefixes of cluster prefixes for nodes and blocks, in memory. Which cluster
// prefix serves a request is decided here: the families in the order in which they came, of a
// family the first prefix that isn't draining and has room. Which sub-prefix of it: the core
// (ranges.ts, blockrange.ts).
//
// Cost: a look at each cluster prefix of the family (few), then a call into the core; an owner is
// two entries of a map; take and give by slot neither.
import { formatPrefix, holdsPrefix, type Prefix, parsePrefix } from "../address.ts";
import type { Bytes } from "../embedded.ts";
import { IpamError, shown } from "../errors.ts";
import { Hold } from "../hold.ts";
import { type HoldOptions, Holds, ttlOf } from "../holds.ts";
import type { SlotArray } from "../slots.ts";
import { ClusterPrefixes, checkOwner, exhausted, type Given } from "./clusterprefixes.ts";
import { Owners } from "./owners.ts";
import { occupied } from "./prefixoccupy.ts";
import { checkExclude, type PrefixPoolOptions, type Rules, rulesOf } from "./prefixoptions.ts";
import {
  explained,
  type FamilyStats,
  type OccupyReport,
  reportOf,
  statsOf,
} from "./prefixreport.ts";
import { readPrefixPool, writePrefixPool } from "./prefixsnapshot.ts";
import {
  type Occupied,
  type PrefixExplanation,
  type PrefixRequest,
  requestOf,
} from "./prefixtypes.ts";
import type { ClusterRange, SlotRange } from "./ranges.ts";

/**
 * Sub-prefixes of one or several cluster prefixes. `S`: the type of a slot, for pools of one
 * cluster prefix and one length: number up to 2^53 sub-prefixes, bigint up to 2^64.
 */
export class PrefixPool<S extends number | bigint = number> implements Disposable {
  readonly #rules: Rules;
  readonly #prefixes: ClusterPrefixes;
  readonly #owners = new Owners();
  readonly #holds: Holds<Prefix>;
  /** What #numbered answers, as long as no hold may be due. */
  #sole: SlotRange | undefined;
  #closed = false;

  /** Use createPrefixPool or PrefixPool.fromBytes. */
  constructor(prefixes: readonly string[], options: PrefixPoolOptions) {
    this.#rules = rulesOf(options);
    this.#holds = new Holds(this.#rules.clock);
    this.#prefixes = new ClusterPrefixes(this.#rules);
    try {
      for (const prefix of prefixes) this.add(prefix);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  // Before every call that reads or changes: lapsed holds are given back, closed pools refuse. In
  // this order, since the user's clock may close the pool; a closed one has no holds.
  #open(): void {
    this.#holds.sweep();
    if (this.#closed) throw new IpamError("closed", "the prefix pool is closed");
  }

  /** The cluster prefixes: families as they came, of each its prefixes as they came. */
  get prefixes(): string[] {
    this.#open();
    return this.#prefixes.all().map((range) => range.text);
  }

  /**
   * Adds a cluster prefix, behind the others of its family. Throws "overlap" (with one that is
   * there), "tooSmall" (less than one sub-prefix), "tooLarge" (head and tail leave nothing),
   * "invalid", "hostBits", "noSpace".
   */
  add(prefix: string): void {
    this.#open();
    this.#prefixes.add(prefix);
    this.#sole = undefined;
  }

  /**
   * The cluster prefix gives nothing more and keeps what is held; occupy still works in it.
   * `on` = false: it gives again. Throws "notFound", "invalid", "hostBits".
   */
  drain(prefix: string, on = true): void {
    this.#open();
    if (typeof on !== "boolean")
      throw new IpamError("invalid", `drain ${shown(on)} is not true or false`, on);
    this.#prefixes.named(prefix).draining = on;
  }

  /**
   * Takes an empty cluster prefix out. Throws "taken" (something in it is held), "notFound",
   * "invalid", "hostBits".
   */
  remove(prefix: string): void {
    this.#open();
    this.#prefixes.remove(prefix);
    this.#sole = undefined;
  }

  #give(range: ClusterRange, p: Prefix): boolean {
    if (!range.give(p)) return false;
    range.releases++;
    const text = formatPrefix(p);
    this.#owners.delete(text);
    this.#holds.forget(text);
    return true;
  }

  #giveText(text: string): void {
    const p = parsePrefix(text, true);
    this.#give(this.#prefixes.around(p)!, p);
  }

  #take(request: PrefixRequest): readonly Given[] {
    const own = requestOf(request);
    this.#open();
    const taken = this.#prefixes.take(own);
    for (const { range, prefix } of taken) {
      range.allocations++;
      if (own.owner !== undefined) this.#owners.set(formatPrefix(prefix), own.owner);
    }
    return taken;
  }

  /**
   * Gives one sub-prefix of each family, in the order of the families: all of them or none. Throws
   * "exhausted", "invalid", "family" (no such cluster prefix), "tooLarge", "noSpace".
   */
  allocate(request: PrefixRequest = {}): string[] {
    return this.#take(request).map(({ prefix }) => formatPrefix(prefix));
  }

  /**
   * The first of two steps, for who must write elsewhere before it counts: confirm() keeps it,
   * abort() or the end of `ttl` seconds gives back what wasn't released since, nor occupied by its
   * owner. Errors as allocate.
   */
  hold(request: PrefixRequest = {}, options?: HoldOptions): Hold<string[]> {
    const ttl = ttlOf(options);
    const taken = this.#take(request);
    this.#sole = undefined;
    const parts = taken.map(({ range, prefix }) => {
      const text = formatPrefix(prefix);
      return [text, this.#holds.add(text, prefix, ttl, (p) => this.#give(range, p))] as const;
    });
    const texts = parts.map(([text]) => text);
    return new Hold(texts, {
      has: () => this.#holds.still(parts).length === parts.length,
      confirm: () => this.#holds.endAll(parts),
      abort: () => this.#holds.abortAll(parts),
    });
  }

  /**
   * Takes a held sub-prefix back, its owner with it. Throws "notAllocated" (also where it is only a
   * part of what is held, or more), "outside", "invalid", "hostBits"; mixed lengths: "noSpace".
   */
  release(prefix: string): void {
    this.#open();
    const p = parsePrefix(prefix, true);
    const range = this.#prefixes.around(p);
    if (!range) throw this.#prefixes.outside(prefix);
    if (this.#give(range, p)) return;
    throw new IpamError("notAllocated", `${this.#state(range, p).why}: no release`, prefix);
  }

  /** Takes back what the owner has: which. None for one that has nothing. Throws "invalid". */
  releaseOwner(owner: string): string[] {
    this.#open();
    checkOwner(owner);
    const mine = this.#owners.prefixes(owner);
    for (const text of mine) this.#giveText(text);
    return mine;
  }

  /**
   * Takes everything back that is held in a prefix of any length, which may reach beyond the
   * cluster prefixes. How many. Throws "invalid", "hostBits".
   */
  releaseWithin(prefix: string): number {
    this.#open();
    const p = parsePrefix(prefix, true);
    let count = 0;
    for (const range of this.#prefixes.touching(p)) {
      const part = p.length < range.prefix.length ? range.prefix : p;
      const isPlain = this.#owners.size === 0 && !this.#isNarrow(range, part);
      const cleared = isPlain ? range.clear(part) : undefined;
      if (cleared !== undefined) {
        this.#holds.forgetAll((held) => holdsPrefix(part, held));
        range.releases += cleared;
        count += cleared;
        continue;
      }
      const inside = [...range.heldIn(part)];
      for (const held of inside) if (held.length >= p.length && this.#give(range, held)) count++;
    }
    return count;
  }

  /**
   * Notes that somebody has a prefix: of a node that exists, of a service range. Kubernetes' rule
   * where the pool has one length: a wider prefix occupies every sub-prefix in it (kept-back ones
   * stay what they are), a narrower one the sub-prefix that holds it. With mixed lengths it is
   * occupied as it is. The same once more changes nothing. Throws "outside" (no cluster prefix has
   * a part of it), "tooLarge" (over 2^20 sub-prefixes; 2^24 without owner in a bitmap), "invalid",
   * "hostBits", "noSpace".
   */
  occupy(prefix: string, owner?: string): Occupied {
    this.#open();
    return this.#occupied(prefix, owner);
  }

  /**
   * occupy for a whole list, what a controller finds at its start: 150,000 entries in one call. A
   * bad entry is reported and changes nothing; the others count. Throws "invalid" if it isn't a
   * list, "closed" where the list closes the pool.
   */
  occupyAll(list: Iterable<{ prefix: string; owner?: string | undefined }>): OccupyReport {
    this.#open();
    // The list may be the caller's code, which may close the pool between two entries.
    return reportOf(list, (prefix, owner) => this.occupy(prefix, owner));
  }

  // What is on hold for the owner is in use by now.
  #occupied(prefix: string, owner: string | undefined): Occupied {
    const done = occupied(this.#prefixes, this.#owners, prefix, owner);
    if (this.#holds.size === 0 || done.status === "conflict") return done;
    const p = parsePrefix(prefix, true);
    const range = this.#prefixes.around(p);
    const now = range?.stateOf(p);
    if (now?.state === "held") this.#holds.keep(formatPrefix(now.prefix));
    else if (range && this.#isNarrow(range, p))
      for (const held of range.heldIn(p)) this.#holds.keep(formatPrefix(held));
    else this.#holds.keepAll((held) => holdsPrefix(p, held));
    return done;
  }

  // Has `p` fewer sub-prefixes than there are holds? Then it is walked, and not all the holds.
  #isNarrow(range: ClusterRange, p: Prefix): boolean {
    return 2 ** (range.length - p.length) < this.#holds.noted;
  }

  /** Is exactly this sub-prefix held? Throws "invalid", "hostBits". */
  has(prefix: string): boolean {
    this.#open();
    const p = parsePrefix(prefix, true);
    const now = this.#prefixes.around(p)?.stateOf(p);
    return now?.state === "held" && now.prefix.length === p.length;
  }

  /**
   * Who has what this prefix or address is or lies in; undefined: nobody that has a name. Throws
   * "invalid", "hostBits".
   */
  ownerOf(prefix: string): string | undefined {
    this.#open();
    const p = this.#prefixes.read(prefix);
    const now = this.#prefixes.around(p)?.stateOf(p);
    return now?.state === "held" ? this.#owners.of(formatPrefix(now.prefix)) : undefined;
  }

  /** What an owner has, in the order in which it came. Throws "invalid". */
  prefixesOf(owner: string): string[] {
    this.#open();
    checkOwner(owner);
    return this.#owners.prefixes(owner);
  }

  /** Figures of each family, in order. */
  stats(): FamilyStats[] {
    this.#open();
    return this.#prefixes.families().map(([family, ranges]) => {
      return statsOf(family, this.#rules.lengthOf(family), ranges);
    });
  }

  /** Held sub-prefixes: by family and cluster prefix as they came, then in order. */
  *[Symbol.iterator](): IterableIterator<string> {
    for (const [prefix] of this.entries()) yield prefix;
  }

  /** The same with the owners. */
  *entries(): IterableIterator<[prefix: string, owner: string | undefined]> {
    this.#open();
    for (const range of this.#prefixes.all())
      for (const held of range.heldIn(range.prefix)) {
        const text = formatPrefix(held);
        yield [text, this.#owners.of(text)];
      }
    this.#open(); // who closed it meanwhile hasn't seen all
  }

  /** Why a prefix or address can or can't be given, who has it. Throws "invalid", "hostBits". */
  explain(prefix: string): PrefixExplanation {
    this.#open();
    const p = this.#prefixes.read(prefix);
    const range = this.#prefixes.around(p);
    return range
      ? this.#state(range, p)
      : { state: "outside", why: this.#prefixes.outside(prefix).message };
  }

  #state(range: ClusterRange, p: Prefix): PrefixExplanation {
    return explained(range, p, this.#owners, (held) => this.#holds.due(held));
  }

  // The one cluster prefix of one length whose sub-prefixes have numbers.
  #numbered(): SlotRange {
    if (this.#sole) return this.#sole;
    this.#open();
    const sole = this.#prefixes.numbered();
    if (this.#holds.size === 0) this.#sole = sole;
    return sole;
  }

  /**
   * Takes a slot by the policy. Throws "exhausted", "noSpace", "tooLarge"; as all calls by slot
   * "invalid" in a pool of several cluster prefixes or of mixed lengths.
   */
  take(): S {
    const range = this.#sole ?? this.#numbered();
    if (range.draining) exhausted([range], range.length);
    const slot = range.slots.take();
    range.allocations++;
    return slot as S;
  }

  /** Gives a slot back, its owner with it. Throws "notAllocated", "invalid". */
  give(slot: S): void {
    const range = this.#sole ?? this.#numbered();
    range.slots.check(slot);
    if (range.slots.giveRaw(slot) !== 0)
      throw new IpamError("notAllocated", `slot ${slot} of ${range.text} isn't held`, slot);
    this.#gave(range, slot);
  }

  // Forgets who had a slot that was given back.
  #gave(range: SlotRange, slot: number | bigint): void {
    range.releases++;
    if (this.#owners.size === 0 && this.#holds.noted === 0) return;
    const text = formatPrefix(range.prefixAt(BigInt(slot)));
    this.#owners.delete(text);
    this.#holds.forget(text);
  }

  /**
   * Fills an array with slots: Uint32Array up to 2^32 sub-prefixes, Float64Array up to 2^53,
   * BigUint64Array up to 2^64. How many: fewer than its length when nothing is left. Throws
   * "invalid", "noSpace", "tooLarge".
   */
  takeMany(into: SlotArray): number {
    const range = this.#numbered();
    const count = range.draining ? 0 : range.slots.takeMany(into);
    range.allocations += count;
    return count;
  }

  /**
   * Gives slots back, their owners with them; in a BigUint64Array a slot may be a bigint in any
   * pool. How many: it stops at the first that isn't held. Throws "invalid" (then none was given
   * back), "tooLarge".
   */
  giveMany(slots: SlotArray): number {
    const range = this.#numbered();
    const count = range.slots.giveMany(slots);
    if (this.#owners.size === 0 && this.#holds.noted === 0) range.releases += count;
    else for (let i = 0; i < count; i++) this.#gave(range, slots[i]!);
    return count;
  }

  /** Slot of a sub-prefix. Throws "outside", "invalid", "hostBits", "tooLarge". */
  slotOf(prefix: string): S {
    const range = this.#numbered();
    const p = parsePrefix(prefix, true);
    if (p.family !== range.prefix.family || !holdsPrefix(range.prefix, p))
      throw this.#prefixes.outside(prefix);
    return range.slotOf(p, prefix) as S;
  }

  /** Sub-prefix of a slot. Throws "invalid", "tooLarge". */
  prefixAt(slot: S): string {
    const range = this.#numbered();
    range.slots.check(slot);
    return formatPrefix(range.prefixAt(BigInt(slot)));
  }

  /**
   * Everything that the pool knows, but holds (they count as allocated), as bytes of one version.
   */
  toBytes(): Bytes {
    this.#open();
    return writePrefixPool(this.#rules.options, this.#prefixes.all(), this.#owners);
  }

  /**
   * A pool from toBytes; `options` may give clock and seed. Throws "damaged", "newer", "invalid",
   * "noSpace".
   */
  static fromBytes<S extends number | bigint = number>(
    bytes: Uint8Array,
    options: Pick<PrefixPoolOptions, "clock" | "seed"> = {},
  ): PrefixPool<S> {
    const saved = readPrefixPool(bytes, options);
    const pool = new PrefixPool<S>(saved.prefixes, saved.options);
    try {
      saved.load(pool.#prefixes.all());
      for (const [owner, prefixes] of saved.owners)
        for (const prefix of prefixes) pool.#owners.set(prefix, owner);
    } catch (error) {
      pool.close();
      throw error;
    }
    return pool;
  }

  /** Gives the memory back; everything but close throws "closed" from now on. */
  close(): void {
    this.#closed = true;
    this.#holds.clear();
    this.#prefixes.close();
    this.#sole = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A pool of sub-prefixes of the cluster prefixes (any number of each family, which may not
 * overlap), none of them held: of one length per family, or of mixed ones. A list in which families
 * take turns counts by first appearance. Throws "invalid", "hostBits", "overlap", "tooSmall",
 * "tooLarge", "outside" (an exclusion that touches none of them), "noSpace".
 */
export function createPrefixPool<S extends number | bigint = number>(
  prefixes: string | readonly string[],
  options: PrefixPoolOptions = {},
): PrefixPool<S> {
  const list = typeof prefixes === "string" ? [prefixes] : prefixes;
  if (!Array.isArray(list))
    throw new IpamError("invalid", `${shown(prefixes)} is not a prefix or a list`, prefixes);
  checkExclude(options, list);
  return new PrefixPool<S>(list, options);
}

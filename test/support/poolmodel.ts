// The golden model of Pool: sets, maps and BigInt, slow and obvious, written from the docstrings of
// src/pool.ts alone. `Twin` runs operations on a pool and on the model and compares every answer,
// every error's code and every count. Slots are BigInts; time is a number that tests move by hand.
import { createPool, IpamError, Pool, type PoolOptions } from "../../src/index.ts";

/** What a refused call answers here: its code. */
export type Refusal = { code: string };

/** Runs a call: what it answers, or the code of the IpamError that it throws. */
export function outcome<T>(call: () => T): T | Refusal {
  try {
    return call();
  } catch (error) {
    if (error instanceof IpamError) return { code: error.code };
    throw error;
  }
}

/** Address `value` in words that the library must understand, but never answers for IPv6. */
export function textOf(family: 4 | 6, value: bigint): string {
  const parts: string[] = [];
  const [width, count, radix] = family === 4 ? [8n, 4n, 10] : [16n, 8n, 16];
  for (let at = count - 1n; at >= 0n; at--)
    parts.push(((value >> (width * at)) & ((1n << width) - 1n)).toString(radix));
  return parts.join(family === 4 ? "." : ":");
}

/** The one right text of an address: Node's URL parser writes IPv6 as RFC 5952 says. */
export function canonical(family: 4 | 6, value: bigint): string {
  const text = textOf(family, value);
  if (family === 4) return text;
  const host = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  return host;
}

/** What a pool of 2^bits slots must do. */
export class PoolModel {
  readonly last: bigint;
  readonly held = new Set<bigint>();
  /** Slots that cool, in the order of their release, and when each is due. */
  readonly cooling = new Map<bigint, number>();
  readonly excluded: readonly (readonly [bigint, bigint])[];
  readonly policy: string;
  readonly band: bigint;
  now = 0;
  yields = 0;
  /** The last slot that the policy gave. */
  cursor = -1n;

  constructor(
    bits: number,
    policy: string,
    band: number,
    excluded: readonly (readonly [bigint, bigint])[],
  ) {
    this.last = (1n << BigInt(bits)) - 1n;
    this.policy = policy;
    this.band = BigInt(band);
    this.excluded = merged(excluded);
  }

  get excludedCount(): bigint {
    return this.excluded.reduce((sum, [from, to]) => sum + to - from + 1n, 0n);
  }

  get free(): bigint {
    return this.last + 1n - BigInt(this.held.size + this.cooling.size) - this.excludedCount;
  }

  /** Time moves; what is due is free again. */
  tick(now: number): void {
    this.now = now;
    for (const [slot, due] of this.cooling) if (due <= now) this.cooling.delete(slot);
  }

  isExcluded(slot: bigint): boolean {
    return this.excluded.some(([from, to]) => slot >= from && slot <= to);
  }

  state(slot: bigint): "free" | "taken" | "cooling" | "excluded" | "outside" {
    if (slot < 0n || slot > this.last) return "outside";
    if (this.held.has(slot)) return "taken";
    if (this.isExcluded(slot)) return "excluded";
    return this.cooling.has(slot) ? "cooling" : "free";
  }

  /** The first free slot of an interval. */
  #seek(from: bigint, to: bigint): bigint | undefined {
    for (let slot = from; slot <= to; slot++) {
      const gap = this.excluded.find(([begin, end]) => slot >= begin && slot <= end);
      if (gap) slot = gap[1];
      else if (this.state(slot) === "free") return slot;
    }
    return undefined;
  }

  #within(from: bigint, to: bigint): bigint | undefined {
    if (from > to) return undefined;
    const start = this.policy === "next" ? this.cursor + 1n : from;
    const next = start > from && start <= to ? this.#seek(start, to) : undefined;
    return next ?? this.#seek(from, to);
  }

  /** The slot that `next` and `first` must give; for `random` one that may be given. */
  choice(): bigint | undefined {
    const above = this.#within(this.band, this.last);
    return above ?? (this.band > 0n ? this.#seek(0n, this.band - 1n) : undefined);
  }

  /** The cooling slot that yields: the earliest due, the first released of several. */
  yielding(): bigint | undefined {
    let best: bigint | undefined;
    for (const [slot, due] of this.cooling)
      if (best === undefined || due < this.cooling.get(best)!) best = slot;
    return best;
  }

  /** The pool has given `slot` by its policy: why that is wrong, or undefined. */
  given(slot: bigint): string | undefined {
    const right = this.choice();
    const yielded = right === undefined ? this.yielding() : undefined;
    if (right === undefined && yielded === undefined) return `${slot} of an exhausted pool`;
    if (right === undefined) {
      if (slot !== yielded) return `${slot} yielded, not ${yielded}`;
      this.cooling.delete(slot);
      this.yields++;
    } else if (this.policy === "random") {
      if (this.state(slot) !== "free") return `${slot} is ${this.state(slot)}`;
      if (right >= this.band && slot < this.band) return `${slot} of the band`;
    } else if (slot !== right) return `${slot}, not ${right}`;
    this.held.add(slot);
    this.cursor = slot;
    return undefined;
  }
}

/** Intervals in order, joined where they meet. */
function merged(intervals: readonly (readonly [bigint, bigint])[]): [bigint, bigint][] {
  const out: [bigint, bigint][] = [];
  for (const [from, to] of [...intervals].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const end = out.at(-1);
    if (end && from <= end[1] + 1n) end[1] = to > end[1] ? to : end[1];
    else out.push([from, to]);
  }
  return out;
}

/** What a pool is made of in a test. */
export interface Plan {
  prefix: string;
  policy: "next" | "first" | "random";
  cooldown: number;
  band: number;
  /** Slots. */
  exclude: readonly (readonly [bigint, bigint])[];
}

/** Operations. Slots are chosen by `at`, any number: see Twin.slot. */
export type Step =
  | readonly ["allocate" | "take" | "copy"]
  | readonly ["allocateAt" | "release" | "takeAt" | "give" | "has" | "explain", at: number]
  | readonly ["takeMany" | "giveMany", count: number, at: number]
  | readonly ["wait", seconds: number];

/** A pool and its model. */
export class Twin {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly bits: number;
  readonly plan: Plan;
  readonly model: PoolModel;
  pool: Pool<number | bigint>;
  now = 1000;

  constructor(plan: Plan) {
    const [address, length] = plan.prefix.split("/") as [string, string];
    this.plan = plan;
    this.family = address.includes(":") ? 6 : 4;
    this.base = numberOf(address);
    this.bits = (this.family === 4 ? 32 : 128) - Number(length);
    this.model = new PoolModel(this.bits, plan.policy, plan.band, plan.exclude);
    this.model.tick(this.now);
    const { policy, cooldown, band } = plan;
    const exclude = plan.exclude.map(([a, b]) => `${this.text(a)}-${this.text(b)}`);
    const options: PoolOptions = { policy, cooldown, band, exclude, clock: () => this.now };
    this.pool = createPool<number | bigint>(plan.prefix, { ...options, seed: 7n });
  }

  /** Text of a slot's address, never compressed. */
  text(slot: bigint): string {
    return textOf(this.family, this.base + slot);
  }

  /** The right text of a slot's address. */
  right(slot: bigint): string {
    return canonical(this.family, this.base + slot);
  }

  /** A slot as callers of the pool pass it. */
  number(slot: bigint): number | bigint {
    return this.bits > 53 ? slot : Number(slot);
  }

  /** A slot near a border, at the cursor, or one that is held or cooling. */
  slot(at: number): bigint {
    const n = BigInt(at >>> 3);
    const { model } = this;
    const known = [...(at & 1 ? model.cooling.keys() : model.held)];
    if ((at & 7) >= 4 && known.length > 0) return known[Number(n) % known.length]!;
    const anchors = [0n, model.last, model.cursor + 1n, model.band, 63n, 4095n, model.last >> 1n];
    const found = anchors[Number(n % 7n)]! + ((n / 7n) % 9n) - 4n;
    return ((found % (model.last + 1n)) + model.last + 1n) % (model.last + 1n);
  }

  /** Does one step on both; throws where they differ. */
  step(step: Step): void {
    const problem = this.#step(step);
    if (problem !== undefined)
      throw new Error(`${JSON.stringify(step)} of ${describe(this.plan)}: ${problem}`);
    this.counts();
  }

  #step(step: Step): string | undefined {
    switch (step[0]) {
      case "allocate":
      case "take":
        return this.#any(step[0]);
      case "allocateAt":
      case "takeAt":
        return this.#named(step[0], this.slot(step[1]));
      case "release":
      case "give":
        return this.#back(step[0], this.slot(step[1]));
      case "has":
      case "explain":
        return this.#asked(this.slot(step[1]));
      case "takeMany":
        return this.#takeMany(step[1], step[2]);
      case "giveMany":
        return this.#giveMany(step[1], step[2]);
      case "wait":
        this.now += step[1];
        this.model.tick(this.now);
        return undefined;
      case "copy": {
        const clock = () => this.now;
        const copy = Pool.fromBytes<number | bigint>(this.pool.toBytes(), { clock });
        this.pool.close();
        this.pool = copy;
        return undefined;
      }
    }
  }

  #any(how: "allocate" | "take"): string | undefined {
    const byText = how === "allocate" || this.bits > 64;
    const got = outcome(() => (byText ? this.pool.allocate() : this.pool.take()));
    if (typeof got === "object") {
      const right = this.model.choice() ?? this.model.yielding();
      return got.code === "exhausted" && right === undefined ? undefined : `${got.code}, ${right}`;
    }
    const slot = byText ? numberOf(String(got)) - this.base : BigInt(got);
    if (byText && got !== this.right(slot)) return `wrong text ${got}`;
    return this.model.given(slot);
  }

  #named(how: "allocateAt" | "takeAt", slot: bigint): string | undefined {
    const byText = how === "allocateAt" || this.bits > 64;
    const got = outcome(() =>
      byText ? this.pool.allocate(this.text(slot)) : this.pool.takeAt(this.number(slot)),
    );
    const state = this.model.state(slot);
    if (typeof got === "object") return got.code === state ? undefined : `${got.code} not ${state}`;
    if (state !== "free") return `gave ${slot}, which is ${state}`;
    this.model.held.add(slot);
    return !byText || got === this.right(slot) ? undefined : `wrong text ${got}`;
  }

  #back(how: "release" | "give", slot: bigint): string | undefined {
    const byText = how === "release" || this.bits > 64;
    const got = outcome(() =>
      byText ? this.pool.release(this.text(slot)) : this.pool.give(this.number(slot)),
    );
    const held = this.model.held.has(slot);
    if (typeof got === "object") {
      const right = this.model.state(slot) === "excluded" ? "excluded" : "notAllocated";
      return !held && got.code === right ? undefined : `${got.code}, held: ${held}`;
    }
    return held ? this.#released(slot) : `took ${slot} back, which is ${this.model.state(slot)}`;
  }

  #released(slot: bigint): string | undefined {
    const { model } = this;
    model.held.delete(slot);
    if (this.plan.cooldown === 0) return undefined;
    const due = this.now + this.plan.cooldown;
    const until = this.pool.explain(this.text(slot)).until ?? Number.NaN;
    // Binary fractions: a tick of 0.1 s may come out a little below.
    if (!(until >= due - 1e-6 && until <= due + 0.1 + 1e-6)) return `cools until ${until}: ${due}`;
    model.cooling.set(slot, until);
    return undefined;
  }

  #asked(slot: bigint): string | undefined {
    const { state, until, why } = this.pool.explain(this.text(slot));
    const known = this.model.state(slot);
    const right = known === "taken" ? "allocated" : known;
    if (this.pool.has(this.text(slot)) !== (known === "taken")) return `has(${slot}) is wrong`;
    if (state !== right || why.length === 0) return `${slot} is ${state} (${why}), not ${right}`;
    const due = this.model.cooling.get(slot);
    return until === due ? undefined : `${slot} cools until ${until}, not ${due}`;
  }

  #array(count: number, at: number): Uint32Array | Float64Array | BigUint64Array {
    if (this.bits > 53 || at % 3 === 0) return new BigUint64Array(count);
    return this.bits <= 32 && at % 3 === 1 ? new Uint32Array(count) : new Float64Array(count);
  }

  #takeMany(count: number, at: number): string | undefined {
    if (this.bits > 64) return undefined;
    const array = this.#array(count, at);
    const got = this.pool.takeMany(array);
    for (const slot of [...array].slice(0, got)) {
      const problem = this.model.given(BigInt(slot));
      if (problem !== undefined) return problem;
    }
    const more = this.model.choice() ?? this.model.yielding();
    return got < count && more !== undefined ? `only ${got}: ${more} can be given` : undefined;
  }

  #giveMany(count: number, at: number): string | undefined {
    if (this.bits > 64) return undefined;
    const array = this.#array(count, at);
    const held = [...this.model.held];
    for (let i = 0; i < count; i++) {
      const slot = (i + at) % 11 === 10 ? this.slot(at) : (held[(i + at) % (count + 3)] ?? 0n);
      array[i] = array instanceof BigUint64Array ? slot : Number(slot);
    }
    const got = this.pool.giveMany(array);
    for (const [i, slot] of [...array].entries()) {
      const isHeld = this.model.held.has(BigInt(slot));
      if (i >= got) return isHeld ? `stopped at ${slot}, which is held` : undefined;
      if (!isHeld) return `gave ${slot} back, which is ${this.model.state(BigInt(slot))}`;
      const problem = this.#released(BigInt(slot));
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** The counts of both. */
  counts(): void {
    const { pool, model } = this;
    const { used, cooling, excluded, free, yields } = pool;
    const is = [used, cooling, excluded, yields].join(" ");
    const { held, cooling: cools, excludedCount: out } = model;
    const right = [held.size, cools.size, Number(out), model.yields].join(" ");
    if (is !== right) throw new Error(`used, cooling, excluded, yields: ${is}, not ${right}`);
    // Sums of numbers above 2^53 are rounded.
    const off = Math.abs(free - Number(model.free));
    if (off > (this.bits > 53 ? pool.size * 2 ** -51 : 0))
      throw new Error(`free: ${free}, not ${model.free}`);
  }

  /** Everything that is held, in order. */
  listed(): void {
    const is = [...this.pool].join(" ");
    const held = [...this.model.held].sort((a, b) => (a < b ? -1 : 1));
    const right = held.map((slot) => this.right(slot)).join(" ");
    if (is !== right) throw new Error(`${describe(this.plan)} lists ${is}, not ${right}`);
  }
}

/** The value of an address, of any valid text. */
export function numberOf(text: string): bigint {
  if (!text.includes(":")) return text.split(".").reduce((sum, n) => sum * 256n + BigInt(n), 0n);
  const [head, tail] = text.split("::") as [string, string | undefined];
  const words = (part: string | undefined) => (part ? part.split(":") : []);
  const zeros = 8 - words(head).length - words(tail).length;
  const all =
    tail === undefined ? words(head) : [...words(head), ...Array(zeros).fill("0"), ...words(tail)];
  return all.reduce((sum, word) => sum * 65536n + BigInt(`0x${word}`), 0n);
}

/** A plan in words. */
export function describe(plan: Plan): string {
  return JSON.stringify(plan, (_, value) => (typeof value === "bigint" ? `${value}` : value));
}

// Takes while much is due at once: what each gives must be what it would give had all of that been
// freed before, by each policy, in pools of all widths; and none may work through it. The reference
// frees everything at each tick and asks slot by slot.
import { describe, expect, it } from "vitest";
import { heap } from "../../src/heap.ts";
import { createPool, Pool } from "../../src/index.ts";
import { TICK } from "../../src/slots.ts";
import { kept } from "../support/kept.ts";
import { numberOf, outcome, type Plan, PoolModel, textOf } from "../support/poolmodel.ts";

const MASK = (1n << 64n) - 1n;
const SEED = 77n;
const SECONDS = 30;

/** The model, with the very slot that each policy gives, also the one that draws lots. */
class Reference extends PoolModel {
  #lots = SEED | 1n;

  #draw(): bigint {
    let x = this.#lots;
    x ^= x >> 12n;
    x ^= (x << 25n) & MASK;
    x ^= x >> 27n;
    this.#lots = x;
    return (x * 0x2545f4914f6cdd1dn) & MASK;
  }

  // Where the search begins.
  #start(): bigint {
    const { last, band } = this;
    if (this.policy === "first") return band;
    const next = this.cursor + 1n;
    if (this.policy === "next") return next;
    const slots = last + 1n;
    if (slots <= 1n << 30n) return slots > band ? band + (this.#draw() % (slots - band)) : next;
    const high = this.#draw() & (last >> 64n);
    return (high << 64n) | (this.#draw() & last & MASK);
  }

  #seek(from: bigint, to: bigint): bigint | undefined {
    for (let slot = from; slot <= to; slot++) {
      const gap = this.excluded.find(([begin, end]) => slot >= begin && slot <= end);
      if (gap) slot = gap[1];
      else if (!this.held.has(slot) && !this.cooling.has(slot)) return slot;
    }
    return undefined;
  }

  /** Takes a slot by the policy; undefined: exhausted. */
  take(): bigint | undefined {
    const { last, band } = this;
    const start = this.#start();
    const right =
      this.#seek(start < band ? band : start, last) ??
      this.#seek(band, last) ??
      this.#seek(0n, band - 1n);
    const slot = right ?? this.yielding();
    if (slot === undefined) return undefined;
    if (right === undefined) this.yields++;
    this.cooling.delete(slot);
    this.held.add(slot);
    this.cursor = slot;
    return slot;
  }
}

/** A pool beside its reference. */
class Beside {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly bits: number;
  readonly plan: Plan;
  readonly model: Reference;
  pool: Pool<number | bigint>;
  now = 0;
  // What cooled before the clock moved last.
  #lately: bigint[] = [];
  #random: number;

  constructor(plan: Plan, seed: number) {
    const [address, length] = plan.prefix.split("/") as [string, string];
    this.plan = plan;
    this.family = address.includes(":") ? 6 : 4;
    this.base = numberOf(address);
    this.bits = (this.family === 4 ? 32 : 128) - Number(length);
    this.#random = (seed + 1) * 2654435761;
    const { policy, band, cooldown, prefix } = plan;
    this.model = new Reference(this.bits, policy, band, plan.exclude);
    const exclude = plan.exclude.map(([a, b]) => `${this.#text(a)}-${this.#text(b)}`);
    const clock = () => this.now;
    const options = { policy, band, cooldown, exclude, clock, seed: SEED };
    this.pool = createPool<number | bigint>(prefix, options);
  }

  below(n: number): number {
    let x = this.#random | 1;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (x >>> 0) % n;
  }

  #text(slot: bigint): string {
    return textOf(this.family, this.base + slot);
  }

  #number(slot: bigint): number | bigint {
    return this.bits > 53 ? slot : Number(slot);
  }

  #get(): bigint | undefined {
    const { pool } = this;
    const byText = this.bits > 64 || this.below(4) === 0;
    const got = outcome(() => (byText ? pool.allocate() : pool.take()));
    if (typeof got !== "object")
      return typeof got === "string" ? numberOf(got) - this.base : BigInt(got);
    expect(got.code).toBe("exhausted");
    return undefined;
  }

  take(): void {
    expect(this.#get()).toBe(this.model.take());
  }

  takeMany(count: number): void {
    if (this.bits > 64) {
      this.take();
      return;
    }
    const array = new BigUint64Array(count);
    const got = this.pool.takeMany(array);
    const right: bigint[] = [];
    for (let slot = this.model.take(); slot !== undefined; slot = this.model.take()) {
      right.push(slot);
      if (right.length === count) break;
    }
    expect([...array].slice(0, got)).toEqual(right);
  }

  /** This very slot, in whatever state it is. */
  takeAt(slot: bigint): void {
    const { model, pool } = this;
    const state = model.state(slot);
    const got = outcome(() => pool.allocate(this.#text(slot)));
    expect(typeof got === "object" ? got.code : "free").toBe(state);
    if (state === "free") model.held.add(slot);
  }

  give(slot: bigint): void {
    const { model, pool } = this;
    const byText = this.bits > 64 || this.below(4) === 0;
    const give = () => (byText ? pool.release(this.#text(slot)) : pool.give(this.#number(slot)));
    const isHeld = model.held.delete(slot);
    expect(outcome(give)).toEqual(isHeld ? undefined : { code: expect.any(String) });
    const ticks = Math.ceil(this.plan.cooldown / TICK) + 1;
    if (isHeld) model.cooling.set(slot, Math.floor(this.now / TICK) + ticks);
  }

  /** Gives some back: the last ones taken first, the first ones, or any. */
  giveSome(count: number): void {
    const held = [...this.model.held];
    const how = this.below(3);
    if (how === 0) held.reverse();
    if (how === 1) held.sort((a, b) => (this.below(2) ? 1 : a < b ? -1 : 1));
    for (const slot of held.slice(0, count)) this.give(slot);
  }

  wait(seconds: number): void {
    this.now += seconds;
    if (this.model.cooling.size > 0) this.#lately = [...this.model.cooling.keys()];
    this.model.tick(Math.floor(this.now / TICK));
  }

  /** One that cools, is due, was held lately: or near such a one. */
  any(): bigint {
    const known = [...this.model.held, ...this.model.cooling.keys(), ...this.#lately, 0n];
    const slot = known[this.below(known.length)]! + BigInt(this.below(4)) - 1n;
    return slot < 0n || slot > this.model.last ? 0n : slot;
  }

  /** The counts, which free what is due: seldom, that much may gather. */
  counts(): void {
    const { used, cooling, yields } = this.pool;
    const { model } = this;
    expect([used, cooling, yields]).toEqual([model.held.size, model.cooling.size, model.yields]);
    if (this.bits <= 53) expect(this.pool.free).toBe(Number(model.free));
    for (const [slot, due] of model.cooling) {
      const { state, until } = this.pool.explain(this.#text(slot));
      expect([state, Math.round(until! / TICK)]).toEqual(["cooling", due]);
    }
  }

  copy(): void {
    // The lots begin anew with a copy: its seed is another.
    if (this.plan.policy === "random") return;
    const before = this.pool;
    this.pool = Pool.fromBytes<number | bigint>(before.toBytes(), { clock: () => this.now });
    before.close();
  }

  step(): void {
    const n = this.below(100);
    if (n < 45) this.take();
    else if (n < 60) this.giveSome(1 + this.below(6));
    else if (n < 66) this.giveSome(20 + this.below(40));
    else if (n < 74) this.takeMany(1 + this.below(16));
    else if (n < 80) this.takeAt(this.any());
    else if (n < 83) this.give(this.any());
    else if (n < 90) this.wait(this.below(20) / 8);
    else if (n < 97) this.wait(this.below(2 * SECONDS));
    else if (n < 99) this.counts();
    else this.copy();
  }
}

/** Pools of every kind: inline, bitmaps of two to five levels, radix sets of all widths. */
const PREFIXES = [
  "192.0.2.1/32",
  "10.0.0.0/29",
  "10.0.0.0/26",
  "10.0.0.0/24",
  "10.0.0.0/20",
  "10.0.0.0/19",
  "10.0.0.0/12",
  "64.0.0.0/2",
  "128.0.0.0/1",
  "fd00::/88",
  "fd00::/75",
  "fd00::/74",
  "fd00::/64",
  "fd00::/63",
  "::/0",
];

function planOf(prefix: string, policy: Plan["policy"], seed: number): Plan {
  const bits = (prefix.includes(":") ? 128 : 32) - Number(prefix.split("/")[1]);
  const size = 1n << BigInt(bits);
  const cut = (n: bigint) => (n < size ? n : size - 1n);
  const band = [0, 3, 16, 100][seed & 3]!;
  const exclude: Plan["exclude"] =
    (seed & 4) === 0 || bits < 3
      ? []
      : [
          [1n, 2n],
          [cut(40n), cut(70n)],
          [size - 2n, size - 1n],
        ];
  return {
    prefix,
    policy,
    cooldown: SECONDS,
    band: Number(BigInt(band) < size ? band : 0),
    exclude,
  };
}

describe("takes while much is due", () => {
  it.each(["next", "first", "random"] as const)(
    "%s gives what it would if all were free",
    (policy) => {
      for (const [i, prefix] of PREFIXES.entries()) {
        for (const seed of [i, i + 3, i + 6]) {
          const plan = planOf(prefix, policy, seed);
          const beside = new Beside(plan, seed);
          try {
            for (let i = 0; i < 120; i++) beside.step();
            beside.counts();
          } catch (error) {
            throw new Error(`${prefix}, ${policy}, seed ${seed}`, { cause: error });
          }
          beside.pool.close();
        }
      }
    },
  );
});

describe("a take", () => {
  const { exports: core } = heap();
  const COOLING = 1;
  const SLOTS = 4096;
  const DUE = 100;

  /** A pool whose slots, all but 8, have been given back in an order and are due or cool on. */
  function cooled(
    policy: number,
    order: (slots: number[]) => number[],
    due: (i: number) => boolean,
  ) {
    const cell = core.slotsMake!(12, policy, DUE, 1n) as number;
    const slots = Array.from({ length: SLOTS }, (_, i) => i);
    for (const _ of slots) core.slotsTake32!(cell, 0);
    const given = order(slots.slice(8));
    for (const slot of given.filter((_, i) => due(i))) core.slotsGive32!(cell, slot, 0);
    for (const slot of given.filter((_, i) => !due(i))) core.slotsGive32!(cell, slot, 50);
    return cell;
  }

  it.each([
    ["in order", (slots: number[]) => slots],
    ["backwards", (slots: number[]) => slots.toReversed()],
  ])("frees at most eight that are due, released %s", (_, order) => {
    for (const policy of [0, 1, 2])
      for (const due of [() => true, (i: number) => i % 2 === 1, (i: number) => i < 2000]) {
        const cell = cooled(policy, order, due);
        const before = Number(core.slotsCount!(cell, COOLING));
        const first = Math.min(
          ...order(Array.from({ length: SLOTS - 8 }, (_, i) => i + 8)).filter((_, i) => due(i)),
        );
        const slot = core.slotsTake32!(cell, DUE) as number;
        if (policy !== 2) expect(slot).toBe(first);
        // Eight by their turn, and the one that was taken.
        expect(before - Number(core.slotsCount!(cell, COOLING))).toBeLessThanOrEqual(9);
        expect(core.slotsHeldF!(cell)).toBe(9);
        expect(core.slotsClose!(cell)).toBe(0);
      }
  });

  it("of one address that is due frees at most eight others", () => {
    const cell = cooled(
      1,
      (slots) => slots,
      () => true,
    );
    const before = Number(core.slotsCount!(cell, COOLING));
    expect(core.slotsTakeAt!(cell, 0n, 4000n, DUE)).toBe(0);
    expect(before - Number(core.slotsCount!(cell, COOLING))).toBe(9);
    expect(core.slotsTakeAt!(cell, 0n, 4000n, DUE)).toBe(1);
    expect(core.slotsClose!(cell)).toBe(0);
  });
});

it("a clock that goes back ends no call and hides nothing that is due", () => {
  let now = 100;
  const pool = kept(createPool("10.0.0.0/24", { cooldown: 10, policy: "first", clock: () => now }));
  const given = [pool.take(), pool.take(), pool.take()];
  pool.give(given[2]!);
  now = 50;
  pool.give(given[0]!);
  now = 62;
  expect(pool.take()).toBe(0);
  expect(pool.cooling).toBe(1);
});

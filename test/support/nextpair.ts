// A pool beside a model that knows single takes only, for tests of what takes in a row are served
// from.
import { expect } from "vitest";
import { createPool, Pool } from "../../src/index.ts";
import { outcome } from "./poolmodel.ts";

/** Policy `next` over a set: what is first at or behind the last slot that a take has given. */
class Model {
  readonly held: Uint8Array;
  used = 0;
  #cursor = 0;

  constructor(size: number) {
    this.held = new Uint8Array(size);
  }

  take(): number {
    const size = this.held.length;
    const from = this.#cursor < size ? this.#cursor : 0;
    let slot = this.held.indexOf(0, from);
    if (slot < 0) slot = this.held.indexOf(0);
    if (slot < 0) return -1;
    this.set(slot, 1);
    this.#cursor = slot + 1;
    return slot;
  }

  /** Takes (1) or gives (0) this slot; false: it was so already. */
  set(slot: number, to: 0 | 1): boolean {
    if (this.held[slot] === to) return false;
    this.held[slot] = to;
    this.used += to === 1 ? 1 : -1;
    return true;
  }
}

const CALLS = {
  row: 8,
  give: 6,
  giveLast: 3,
  giveBehind: 3,
  takeAt: 1,
  has: 1,
  counts: 3,
  takeMany: 1,
  giveMany: 1,
  allocate: 1,
  release: 1,
  bytes: 1,
  next: 1,
};
export type Call = keyof typeof CALLS;
/** Each call as often as it is likely. */
export const weighted = (Object.keys(CALLS) as Call[]).flatMap((call) =>
  new Array(CALLS[call]).fill(call),
);

/** The two, and every call on both. */
export class Pair {
  pool: Pool<number>;
  readonly model: Model;
  readonly size: number;
  readonly #first: number;
  #last = 0;

  constructor(length: number, free: number) {
    this.pool = createPool<number>(`10.0.0.0/${length}`);
    this.size = this.pool.size as number;
    this.model = new Model(this.size);
    this.#first = 10 * 2 ** 24;
    // All taken but some scattered ones: a row of takes has a long way then.
    if (free < this.size) {
      const all = new Uint32Array(this.size);
      this.pool.takeMany(all);
      for (let slot = 0; slot < this.size; slot++) this.model.take();
      for (let n = 0; n < free; n++) this.give(Math.imul(n, 2654435761) >>> (length as number));
    }
  }

  #text(slot: number): string {
    const value = this.#first + slot;
    return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
  }

  give(slot: number): void {
    const answer = outcome(() => this.pool.give(slot));
    expect(answer).toEqual(this.model.set(slot, 0) ? undefined : { code: "notAllocated" });
  }

  row(many: number): void {
    for (let n = 0; n < many; n++) {
      const right = this.model.take();
      const got = outcome(() => this.pool.take());
      expect(got).toEqual(right < 0 ? { code: "exhausted" } : right);
      if (right >= 0) this.#last = right;
    }
  }

  run(call: Call, a: number, b: number): void {
    const { pool, model, size } = this;
    const slot = a % size;
    if (call === "row") this.row(1 + (b % 150));
    if (call === "give") for (let n = 0; n < b % 9; n++) this.give((slot + n * 5) % size);
    if (call === "giveLast") this.give(this.#last);
    if (call === "giveBehind") this.give((this.#last + 1 + (b % 300)) % size);
    if (call === "takeAt") {
      const right = model.set(slot, 1) ? undefined : { code: "taken" };
      expect(outcome(() => pool.takeAt(slot))).toEqual(right);
    }
    if (call === "has") expect(pool.has(this.#text(slot))).toBe(model.held[slot] === 1);
    if (call === "counts") expect([pool.used, pool.free]).toEqual([model.used, size - model.used]);
    if (call === "takeMany") {
      const into = new Uint32Array(b % 70);
      const right = Array.from(into, () => model.take()).filter((one) => one >= 0);
      expect([...into.subarray(0, pool.takeMany(into))]).toEqual(right);
      this.#last = right.at(-1) ?? this.#last;
    }
    if (call === "giveMany") {
      const slots = Uint32Array.from({ length: b % 20 }, (_, n) => (slot + n) % size);
      let right = 0;
      while (right < slots.length && model.set(slots[right]!, 0)) right++;
      expect(pool.giveMany(slots)).toBe(right);
    }
    if (call === "allocate") {
      const right = model.take();
      const got = outcome(() => pool.allocate());
      expect(got).toEqual(right < 0 ? { code: "exhausted" } : this.#text(right));
      if (right >= 0) this.#last = right;
    }
    if (call === "release") {
      const answer = outcome(() => pool.release(this.#text(slot)));
      expect(answer).toEqual(model.set(slot, 0) ? undefined : { code: "notAllocated" });
    }
    if (call === "bytes" && b % 4 === 0) {
      const copy = Pool.fromBytes(pool.toBytes()) as Pool<number>;
      pool.close();
      this.pool = copy;
    }
    if (call === "next") {
      const right = model.held.indexOf(1);
      const first = pool[Symbol.iterator]().next();
      expect(first.value).toBe(right < 0 ? undefined : this.#text(right));
    }
  }
}

// Takes in a row are served from slots that the core gave several at a time (src/slotwidths.ts):
// nobody may see it. Pools beside a model that knows single takes only, by seed.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { IpamError } from "../../src/errors.ts";
import { heap } from "../../src/heap.ts";
import { createPool, type Pool } from "../../src/index.ts";
import { Pair, weighted } from "../support/nextpair.ts";
import { outcome } from "../support/poolmodel.ts";

describe("takes in a row", () => {
  const step = fc.tuple(fc.constantFrom(...weighted), fc.nat(), fc.nat());
  for (const [length, free] of [
    [20, 4096],
    [20, 90],
    [17, 1000],
    [13, 700],
  ] as const)
    it(`[model] /${length} with ${free} free: every call agrees with single takes`, () => {
      const pair = new Pair(length, free);
      const law = fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        for (const [call, a, b] of steps) pair.run(call, a, b);
      });
      fc.assert(law, { numRuns: 60, endOnFailure: true });
      expect([...pair.pool].length).toBe(pair.model.used);
      pair.pool.close();
    });

  it("[every] a slot that is taken ahead isn't held by anybody, nor is one before the cursor", () => {
    // 30 are free at the end, 60 at the begin: what is taken ahead reaches over the end.
    const open = (taken: number) => {
      const pool = createPool<number>("10.0.0.0/20");
      pool.takeMany(new Uint32Array(4066));
      pool.giveMany(Uint32Array.from({ length: 60 }, (_, n) => 100 + n));
      for (let n = 0; n < taken; n++) pool.take();
      return pool;
    };
    const order = Array.from({ length: 90 }, (_, n) => (n < 30 ? 4066 + n : 70 + n));
    for (const taken of [1, 2, 3, 4, 7, 8, 12, 20, 29, 30, 31, 40, 62, 63, 70])
      for (let behind = 0; taken + behind < 90; behind++) {
        const pool = open(taken);
        const answer = outcome(() => pool.give(order[taken + behind]!));
        expect([taken, behind, answer]).toEqual([taken, behind, { code: "notAllocated" }]);
        expect([pool.used, pool.take()]).toEqual([4066 - 60 + taken, order[taken]]);
        pool.close();
      }
    // A held slot that comes back before those is the next one.
    for (const taken of [3, 8, 20, 29]) {
      const pool = open(taken);
      pool.give(50);
      for (let n = taken; n < 30; n++) expect(pool.take()).toBe(4066 + n);
      expect([pool.take(), pool.take()]).toEqual([50, 100]);
      pool.close();
    }
  });

  it("what is taken ahead is given back to whoever else asks, and with the pool", () => {
    const pool = createPool<number>("10.0.0.0/16");
    for (let slot = 0; slot < 100; slot++) expect(pool.take()).toBe(slot);
    expect(outcome(() => pool.give(101))).toEqual({ code: "notAllocated" });
    expect([pool.used, pool.has("10.0.0.100"), pool.take()]).toEqual([100, false, 100]);
    for (let slot = 101; slot < 300; slot++) expect(pool.take()).toBe(slot);
    pool.takeAt(301);
    expect([pool.take(), pool.take(), pool.used]).toEqual([300, 302, 303]);
    pool.close();
    expect(outcome(() => pool.take())).toEqual({ code: "closed" });
  });

  it("a clock that takes from another pool in the midst of giveMany changes no list", () => {
    const other = createPool<number>("10.1.0.0/16");
    let isAsked = false;
    const clock = () => {
      if (isAsked) other.take();
      return 1000;
    };
    const pool = createPool<number>("10.0.0.0/16", { cooldown: 10, clock });
    const got = new Uint32Array(300);
    pool.takeMany(got);
    for (let from = 0; from < 296; from += 4) {
      isAsked = true;
      expect(pool.giveMany(got.subarray(from, from + 4))).toBe(4);
      isAsked = false;
      const states = [0, 1, 2, 3, 4].map((n) => pool.explain(pool.addressAt(from + n)).state);
      expect(states).toEqual([...new Array(4).fill("cooling"), "allocated"]);
    }
    for (const one of [pool, other]) one.close();
  });

  it("a lock that can't be had while slots go back leaves none twice, all in order, and counts right", () => {
    const own = heap();
    for (let fails = 1; fails < 40; fails++) {
      const pool = createPool<number>("10.0.0.0/16");
      let held = 0;
      const take = () => expect(pool.take()).toBe(held++);
      for (let n = 0; n < 40; n++) take();
      const { patiently } = own;
      let calls = 0;
      const spy = vi.spyOn(own, "patiently").mockImplementation((work, busy) => {
        if (++calls === fails) throw new IpamError("locked", "for a test");
        return patiently.call(own, work as () => unknown, busy) as never;
      });
      const answer = outcome(() => pool.has("10.0.0.3"));
      spy.mockRestore();
      if (calls >= fails) expect(answer).toEqual({ code: "locked" });
      expect(pool.used).toBe(held);
      for (let n = 0; n < 100; n++) take();
      expect([pool.used, pool.has("10.0.0.3")]).toEqual([140, true]);
      pool.close();
    }
  });

  it("what was taken ahead before another pool was shared is still in order", () => {
    const pools = [0, 1].map(() => createPool<number>("10.0.0.0/16"));
    for (const pool of pools) for (let slot = 0; slot < 40; slot++) expect(pool.take()).toBe(slot);
    const [own, shared] = pools as [Pool<number>, Pool<number>];
    shared.share();
    expect([own.take(), shared.take(), own.used, shared.used]).toEqual([40, 40, 41, 41]);
    own.give(7);
    for (let slot = 41; slot < 200; slot++)
      expect([own.take(), shared.take()]).toEqual([slot, slot]);
    expect(outcome(() => own.give(200))).toEqual({ code: "notAllocated" });
    for (const pool of pools) pool.close();
  });
});

// A prefix on hold that somebody turns out to have: `occupy` says so before the hold is confirmed.
import { afterEach, describe, expect, it, vi } from "vitest";
import { SlotRange } from "../../src/cluster/ranges.ts";
import { Holds } from "../../src/holds.ts";
import { createPrefixPool, type PrefixPool } from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";

let now = 0;
const clock = () => now;
const open: PrefixPool[] = [];

function kept(pool: PrefixPool): PrefixPool {
  open.push(pool);
  return pool;
}

afterEach(() => {
  for (const pool of open.splice(0)) pool.close();
  now = 0;
});

describe("what is on hold and is occupied by its owner", () => {
  it("is in use: it doesn't lapse, an abort leaves it, confirm is right still", () => {
    for (const mixed of [false, true])
      for (const end of ["wait", "abort", "confirm", "release"]) {
        const prefixes = ["10.0.0.0/22", "fd00::/62"];
        const pool = kept(createPrefixPool(prefixes, { mixed, clock }));
        const held = pool.hold({ owner: "a" }, { ttl: 5 });
        const other = pool.hold({ owner: "b" }, { ttl: 50 });
        const [four, six] = held.address as [string, string];
        expect(pool.occupy("10.0.0.0/26", "x").status).toBe("conflict");
        expect(pool.explain(four).state).toBe("held");
        // As a part of it, and in a list: the second time nothing is left to do.
        expect(pool.occupy("10.0.0.0/26", "a").status).toBe("same");
        expect(pool.occupyAll([{ prefix: six, owner: "a" }]).same).toBe(1);
        expect(pool.explain(four)).toMatchObject({ state: "allocated", owner: "a" });
        if (end === "wait") now += 6;
        if (end === "abort") held.abort();
        if (end === "release") pool.release(four);
        expect(held.lapsed).toBe(end === "release");
        if (end === "confirm") expect(held.confirm()).toEqual([four, six]);
        if (end === "release") expect(codeOf(() => held.confirm())).toBe("lapsed");
        expect(pool.prefixesOf("a")).toEqual(end === "release" ? [six] : [four, six]);
        other.abort();
        expect(pool.prefixesOf("b")).toEqual([]);
        pool.releaseOwner("a");
        expect([...pool]).toEqual([]);
      }
  });

  it("keeps no timer busy", () => {
    vi.useFakeTimers();
    try {
      const pool = kept(createPrefixPool("10.0.0.0/22", { clock }));
      const held = pool.hold({ owner: "a" }, { ttl: 5 });
      pool.occupy("10.0.0.0/16", "a");
      now += 6;
      vi.advanceTimersByTime(6000);
      expect(vi.getTimerCount()).toBe(0);
      expect(held.confirm()).toEqual(["10.0.0.0/24"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is forgotten with its release, one by one or all at once, also where nobody has a name", () => {
    for (const way of ["release", "give", "giveMany", "releaseWithin"]) {
      const pool = kept(createPrefixPool("10.0.0.0/22", { policy: "first", clock }));
      const held = pool.hold({}, { ttl: 5 });
      const other = pool.hold({}, { ttl: 5 });
      expect(pool.occupy("10.0.0.0/24").status).toBe("same");
      now += 6;
      expect([held.lapsed, other.lapsed, [...pool]]).toEqual([false, true, ["10.0.0.0/24"]]);
      if (way === "release") pool.release("10.0.0.0/24");
      if (way === "give") pool.give(0);
      if (way === "giveMany") pool.giveMany(Uint32Array.of(0));
      if (way === "releaseWithin") expect(pool.releaseWithin("10.0.0.0/8")).toBe(1);
      expect(pool.allocate()).toEqual(["10.0.0.0/24"]);
      expect(held.lapsed).toBe(true);
      held.abort();
      expect(codeOf(() => held.confirm())).toBe("lapsed");
      expect([...pool]).toEqual(["10.0.0.0/24"]);
    }
  });

  it("costs later calls nothing, whether its hold is aborted or dropped", () => {
    for (const ending of ["abort", "drop"]) {
      let looks = 0;
      const counting = () => {
        looks++;
        return now;
      };
      const pool = kept(createPrefixPool("10.0.0.0/16", { clock: counting }));
      const held = pool.hold();
      pool.occupy("10.0.0.0/24");
      if (ending === "abort") held.abort();
      looks = 0;
      for (let i = 1; i < 100; i++) expect(pool.take()).toBe(i);
      expect(looks).toBe(0);
    }
  });
});

describe("an open hold", () => {
  it("makes no call look at each sub-prefix: of what is occupied, or released", () => {
    const pool = kept(createPrefixPool("10.0.0.0/16", { length: 28, clock }));
    const looks = vi.spyOn(SlotRange.prototype, "prefixAt");
    try {
      const held = pool.hold({}, { ttl: 5 });
      looks.mockClear();
      expect(pool.occupy("10.0.0.0/8").status).toBe("added");
      expect(looks.mock.calls.length).toBeLessThan(10);
      now += 6;
      expect(pool.stats()[0]!.used).toBe(4096);
      expect(held.confirm()).toEqual(["10.0.0.0/28"]);
      pool.release("10.0.255.240/28");
      const last = pool.hold();
      looks.mockClear();
      expect(pool.releaseWithin("10.0.128.0/17")).toBe(2048);
      expect(looks.mock.calls.length).toBeLessThan(10);
      expect(last.lapsed).toBe(true);
    } finally {
      looks.mockRestore();
    }
  });

  it("makes no call look at each hold: of what is narrower than there are holds", () => {
    const pool = kept(createPrefixPool("10.0.0.0/16", { length: 28, clock }));
    const holds = Array.from({ length: 100 }, () => pool.hold({}, { ttl: 5 }));
    const walks = [vi.spyOn(Holds.prototype, "forgetAll"), vi.spyOn(Holds.prototype, "keepAll")];
    expect(pool.occupy("10.0.255.0/27").status).toBe("added");
    expect(pool.occupy("10.0.0.0/27").status).toBe("same");
    expect(pool.releaseWithin("10.0.0.32/27")).toBe(2);
    expect(walks.map((one) => one.mock.calls.length)).toEqual([0, 0]);
    for (const one of walks) one.mockRestore();
    now += 6;
    expect(holds.map((one) => one.lapsed)).toEqual(holds.map((_, n) => n > 1));
    expect([...pool]).toEqual(["10.0.0.0/28", "10.0.0.16/28", "10.0.255.0/28", "10.0.255.16/28"]);
  });
});

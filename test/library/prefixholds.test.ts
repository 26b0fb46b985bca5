// A prefix on hold that somebody turns out to have: `occupy` says so before the hold is confirmed.
import { afterEach, describe, expect, it, vi } from "vitest";
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
});

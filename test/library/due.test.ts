// Cool-downs that are over, many at once: no take overlooks one of them.
import { expect, it } from "vitest";
import { createPool } from "../../src/index.ts";
import { kept } from "../support/kept.ts";

let now = 0;
const clock = () => now;

it("what is due is free for the next take, however much of it and in whatever order it came", () => {
  const options = { cooldown: 10, clock, band: 4 };
  for (const prefix of ["10.0.0.0/24", "fd00::/96", "fd00::/80", "fd00::/64", "fd00::/48"])
    for (const policy of ["first", "next"] as const) {
      const pool = kept(createPool<bigint>(prefix, { ...options, policy }));
      const first = pool.allocate();
      const given = [first, ...Array.from({ length: 40 }, () => pool.allocate())];
      const low = ["0", "1", "2", "3"].map((n) => pool.allocate(first.replace(/4$/, n)));
      for (const address of [...low, ...given.toReversed()]) pool.release(address);
      now += 11;
      const next =
        policy === "first" ? first : first.replace(/4$/, pool.family === 4 ? "45" : "2d");
      if (prefix === "fd00::/80") {
        const many = new BigUint64Array(1);
        expect(pool.takeMany(many)).toBe(1);
        expect(many[0]).toBe(policy === "first" ? 4n : 45n);
      } else expect(pool.allocate()).toBe(next);
      expect(pool.cooling).toBe(0);
    }
});

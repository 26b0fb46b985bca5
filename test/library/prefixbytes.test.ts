// Laws of toBytes and PrefixPool.fromBytes: the same comes back, what isn't whole is refused.
import { describe, expect, it } from "vitest";
import { createPrefixPool, PrefixPool } from "../../src/cluster/prefixpool.ts";
import { heapBytes } from "../../src/heap.ts";
import { createPool } from "../../src/pool.ts";
import { codeOf } from "../support/codes.ts";

const hexOf = (pool: PrefixPool) => Buffer.from(pool.toBytes()).toString("hex");

/** A dual-stack pool with something in it. */
function sample(): PrefixPool {
  const pool = createPrefixPool(["10.0.0.0/20", "fd00::/60"], { exclude: ["10.0.15.0/24"] });
  pool.allocate({ owner: "a" });
  pool.allocate({ owner: "b" });
  pool.occupy("10.0.4.0/24", "c");
  pool.drain("fd00::/60");
  pool.drain("fd00::/60", false);
  return pool;
}

describe("prefix pools as bytes", () => {
  const pools: Record<string, () => PrefixPool> = {
    "of one length": sample,
    "of mixed lengths": () => {
      const options = { mixed: true, head: 1, exclude: ["10.0.3.0/26"] };
      const pool = createPrefixPool(["fd00::/32", "10.0.0.0/20"], options);
      pool.allocate({ owner: "a", length: { 4: 27, 6: 48 } });
      pool.allocate({ length: { 4: 22 } });
      return pool;
    },
    "of 2^128 slots": () => {
      const pool = createPrefixPool(["::/0"], { length: 128 });
      pool.occupy("ffff::/120", "o");
      pool.allocate();
      return pool;
    },
  };

  for (const [kind, make] of Object.entries(pools)) {
    it(`${kind} come back the same, and go on the same`, () => {
      const pool = make();
      const back = PrefixPool.fromBytes(pool.toBytes());
      expect([...back.entries()]).toEqual([...pool.entries()]);
      expect([back.stats(), back.prefixes]).toEqual([pool.stats(), pool.prefixes]);
      expect(back.allocate({ owner: "n" })).toEqual(pool.allocate({ owner: "n" }));
      expect(hexOf(back)).toBe(hexOf(pool));
      pool.close();
      back.close();
    });

    it(`[every] ${kind}: any bit that is flipped, any end that is cut off is refused`, () => {
      const pool = make();
      const bytes = pool.toBytes();
      pool.close();
      const before = heapBytes();
      const read = (from: Uint8Array) => codeOf(() => PrefixPool.fromBytes(from).close());
      expect(read(bytes)).toBe("none");
      for (let bit = 0; bit < bytes.length * 8; bit += 1 + Math.floor(bytes.length / 700)) {
        const wrong = bytes.slice();
        wrong[bit >> 3]! ^= 1 << (bit & 7);
        expect([bit, read(wrong)]).toEqual([
          bit,
          bit >= 64 && bit < 96 && (bit !== 64 || wrong[8]! > 1) ? "newer" : "damaged",
        ]);
      }
      for (let end = 0; end < bytes.length; end += 1 + Math.floor(bytes.length / 500))
        expect([end, read(bytes.subarray(0, end))]).toEqual([end, "damaged"]);
      expect(heapBytes()).toBe(before);
    });
  }

  it("refuse what is no bytes, bytes of another kind, and what is behind the end", () => {
    const address = createPool("10.0.0.0/24");
    const pool = sample();
    const read = (from: unknown) => codeOf(() => PrefixPool.fromBytes(from as Uint8Array));
    expect(read(address.toBytes())).toBe("damaged");
    expect(read("BERTHPFX")).toBe("invalid");
    expect(read(undefined)).toBe("invalid");
    expect(read(Buffer.concat([pool.toBytes(), Buffer.alloc(8)]))).toBe("damaged");
    address.close();
    pool.close();
  });
});

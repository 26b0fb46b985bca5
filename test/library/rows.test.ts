// The rows in which slots lie that are taken ahead (src/rows.ts): there are 64, and more pools than
// that. Who loses its row gives back what lies in it, and nobody sees it.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { heap } from "../../src/heap.ts";
import { createPool } from "../../src/index.ts";
import { Rows } from "../../src/rows.ts";
import { Pair, weighted } from "../support/nextpair.ts";

describe("rows", () => {
  it("[model] 150 pools: every call of each agrees with single takes", () => {
    const pairs = Array.from({ length: 150 }, (_, n) => new Pair(20, n % 2 === 0 ? 4096 : 150));
    // Some pools are asked more often than others: those keep their rows for a while.
    const which = fc.oneof(fc.nat(149), fc.nat(70), fc.nat(3));
    const step = fc.tuple(which, fc.constantFrom("row", ...weighted), fc.nat(), fc.nat());
    const law = fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      for (const [n, call, a, b] of steps) pairs[n]!.run(call, a, b);
    });
    fc.assert(law, { numRuns: 30, endOnFailure: true });
    for (const { pool, model } of pairs) {
      expect([...pool].length).toBe(model.used);
      pool.close();
    }
  });

  it("takes of 200 pools in turns are those of each alone, and none is lost", () => {
    const pools = Array.from({ length: 200 }, () => createPool<number>("10.0.0.0/16"));
    for (let slot = 0; slot < 300; slot++) for (const pool of pools) expect(pool.take()).toBe(slot);
    for (const pool of pools) expect([pool.used, pool.has("10.0.1.44")]).toEqual([300, false]);
    for (const pool of pools) pool.close();
  });

  it("a row is left by who had it before the next one gets it; a closed pool has none", () => {
    const rows = new Rows(new ArrayBuffer(64 * 68 * 4), 0);
    const left: number[] = [];
    const lessee = (n: number) => ({ leave: () => void left.push(n) });
    const places = Array.from({ length: 64 }, (_, n) => rows.lease(lessee(n)));
    expect([left, new Set(places).size, places[0], places[63]]).toEqual([[], 64, 1, 63 * 68 + 1]);
    rows.vacate(places[9]!);
    const next = [0, 1, 2].map((n) => rows.lease(lessee(64 + n)));
    expect([next, left]).toEqual([
      [places[9], places[0], places[1]],
      [0, 1],
    ]);
  });

  it("who can't leave keeps its row, and who wanted it gets none", () => {
    const rows = new Rows(new ArrayBuffer(64 * 68 * 4), 0);
    let isStuck = true;
    const leave = () => {
      if (isStuck) throw new Error("stuck");
    };
    for (let n = 0; n < 64; n++) rows.lease({ leave });
    expect(() => rows.lease({ leave })).toThrow("stuck");
    isStuck = false;
    expect(rows.lease({ leave })).toBe(1);
  });

  it("the slot that a take has just given comes back without ado, and a closed pool leaves its row", () => {
    const own = heap();
    const pool = createPool<number>("10.0.0.0/16");
    for (let slot = 0; slot < 100; slot++) pool.take();
    const patiently = vi.spyOn(own, "patiently");
    for (let slot = 100; slot < 120; slot++) pool.give(pool.take());
    expect([pool.take(), patiently.mock.calls.length]).toEqual([120, 0]);
    patiently.mockRestore();
    const vacate = vi.spyOn(own.rows, "vacate");
    pool.close();
    expect(vacate.mock.calls.length).toBe(1);
    vacate.mockRestore();
  });

  it("rows lie in scratch memory beside the transfer area, and nothing else does", () => {
    const { rows, transfer, u8 } = heap();
    const pool = createPool<number>("10.0.0.0/8");
    u8.fill(0xee, transfer, transfer + 262_144);
    for (let slot = 0; slot < 1000; slot++) expect(pool.take()).toBe(slot);
    expect(u8.subarray(transfer, transfer + 262_144).every((byte) => byte === 0xee)).toBe(true);
    expect(rows.words.length * 4).toBe(u8.length);
    pool.close();
  });
});

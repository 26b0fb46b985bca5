// Laws of the heap that all pools share: what pools took comes back, in any order; a full heap says
// noSpace and loses nothing.
import { describe, expect, it } from "vitest";
import { heapBytes } from "../../src/heap.ts";
import { createPool, Pool } from "../../src/index.ts";
import { outcome } from "../support/poolmodel.ts";
import { randomFrom } from "../support/world.ts";

const MIB = 1 << 20;

/** Opens and closes pools of all kinds, at most 400 at a time; all are closed at the end. */
function churn(seed: number, count: number): void {
  const random = randomFrom(seed);
  const open: Pool<number | bigint>[] = [];
  const closeOne = () => {
    const at = random(open.length);
    [open[at], open[open.length - 1]] = [open.at(-1)!, open[at]!];
    open.pop()!.close();
  };
  for (let made = 0; made < count; made++) {
    const kind = random(10);
    const length = kind < 7 ? 10 + random(23) : 32;
    const prefix = kind < 8 ? `0.0.0.0/${length}` : `fd00::/${kind === 8 ? 64 : 8}`;
    const exclude = random(4) ? [] : [kind < 8 ? "0.0.0.0" : "fd00::-fd00::ffff"];
    const pool = createPool<number | bigint>(prefix, { cooldown: random(3) ? 0 : 60, exclude });
    open.push(pool);
    for (let n = random(6) ? random(4) : random(300); n > 0 && pool.free > 0; n--) {
      const address = pool.allocate();
      if (random(3) === 0) pool.release(address);
    }
    while (open.length > 400 || (open.length > 0 && random(3) === 0)) closeOne();
  }
  while (open.length > 0) closeOne();
}

/** How many pools of 2^30 fit. */
function largest(): number {
  const pools: Pool[] = [];
  while (pools.length < 20) {
    const made = outcome(() => createPool("0.0.0.0/2"));
    if (!(made instanceof Pool)) break;
    pools.push(made);
  }
  for (const pool of pools) pool.close();
  return pools.length;
}

describe("the heap", { timeout: 90_000 }, () => {
  it("gets everything back from 20,000 pools of all sizes, closed in any order", () => {
    const begin = heapBytes();
    // 2^30 slots are 130 MiB, for which a free run of 256 MiB is split.
    const room = largest();
    expect(room).toBe(3);
    churn(11, 10_000);
    // Cells and nodes stay with the arena in pieces of 1 MiB, for the next pools.
    const after = heapBytes();
    expect(after - begin).toBeLessThan(8 * MIB);
    churn(11, 10_000);
    expect(heapBytes()).toBe(after);
    churn(12, 2000);
    expect(heapBytes() - after).toBeLessThan(MIB);
    // Runs were joined again.
    expect(largest()).toBe(room);
    expect(heapBytes() - after).toBeLessThan(MIB);
  });

  it("keeps 100,000 pools of /26 at once, in less than 200 bytes each", () => {
    const begin = heapBytes();
    const pools: Pool[] = [];
    for (let i = 0; i < 100_000; i++)
      pools.push(createPool(`10.${(i >> 10) & 255}.${(i >> 2) & 255}.${(i & 3) << 6}/26`));
    expect((heapBytes() - begin) / pools.length).toBeLessThan(200);
    for (const [i, pool] of pools.entries()) if (i % 7 === 0) pool.takeAt(i % 64);
    let wrong = 0;
    for (const [i, pool] of pools.entries()) {
      if (pool.used !== Number(i % 7 === 0)) wrong++;
      if (i % 7 === 0 && ![...pool][0]!.endsWith(`.${((i & 3) << 6) + (i % 64)}`)) wrong++;
    }
    expect(wrong).toBe(0);
    const full = heapBytes();
    for (const pool of pools) pool.close();
    for (let i = 0; i < 100_000; i++) pools[i] = createPool("10.0.0.0/26");
    expect(heapBytes()).toBeLessThanOrEqual(full);
    for (const pool of pools) pool.close();
  });

  it("full says noSpace, loses nothing, and works again after a close", () => {
    const clock = () => 1000;
    const options = { clock, cooldown: 50 };
    const old = createPool<bigint>("fd00::/64", options);
    const cold = createPool("10.0.0.0/16", options);
    const held = Array.from({ length: 500 }, () => old.allocate());
    for (const address of held.splice(0, 50)) old.release(address);
    const large: Pool[] = [];
    for (let length = 2; length <= 20; ) if (!outcomeKeeps(large, `0.0.0.0/${length}`)) length++;
    const small: Pool[] = [];
    for (let length = 20; length <= 32; ) {
      if (small.length > 60_000) throw new Error("the heap has no end");
      if (!outcomeKeeps(small, `0.0.0.0/${length}`)) length++;
    }
    const before = heapBytes();
    expect(outcome(() => createPool("10.0.0.0/26"))).toEqual({ code: "noSpace" });
    expect(outcome(() => createPool("10.0.0.0/8", { exclude: ["10.0.0.1"] }))).toEqual({
      code: "noSpace",
    });
    // One cell at most goes to the arena's free list, however often it is tried.
    for (let i = 0; i < 500; i++) outcome(() => createPool("10.0.0.0/8"));
    expect(heapBytes() - before).toBeLessThan(500);
    const bytes = old.toBytes();
    expect(outcome(() => Pool.fromBytes(bytes))).toEqual({ code: "noSpace" });
    const scattered = (i: number) => BigInt(i) * 0x1_0001_0001_0001n + 77_777n;
    let taken = 0;
    let end: unknown;
    for (; taken < 200_000 && end === undefined; taken++)
      end = outcome(() => old.takeAt(scattered(taken)));
    taken--;
    expect(end).toEqual({ code: "noSpace" });
    expect(old.used).toBe(450 + taken);
    expect(outcome(() => old.takeAt(scattered(taken)))).toEqual({ code: "noSpace" });
    expect(outcome(() => old.allocate())).toEqual({ code: "noSpace" });
    expect(outcome(() => old.takeMany(new BigUint64Array(4)))).toEqual({ code: "noSpace" });
    expect(outcome(() => old.hold())).toEqual({ code: "noSpace" });
    expect(old.used).toBe(450 + taken);
    // Releases don't fail; without memory a slot may go without its cool-down.
    for (const address of held) old.release(address);
    cold.take();
    cold.give(0);
    expect([old.used, cold.used]).toEqual([taken, 0]);
    expect([...old].every((address) => old.has(address))).toBe(true);
    expect(heapBytes() - before).toBeLessThan(MIB);
    large.shift()!.close();
    const again = createPool("10.0.0.0/8", { exclude: ["10.0.0.1"] });
    expect([again.free, again.take()]).toEqual([2 ** 24 - 1, 0]);
    old.takeAt(scattered(taken));
    for (const pool of [old, cold, again, ...large, ...small]) pool.close();
    // Pieces that the arena took while the rest was full stay where they are, in one of three runs.
    expect(largest()).toBeGreaterThanOrEqual(2);
    expect(heapBytes()).toBeLessThan(64 * MIB);
  });
});

function outcomeKeeps(pools: Pool[], prefix: string): boolean {
  const made = outcome(() => createPool(prefix));
  if (made instanceof Pool) pools.push(made);
  else expect(made).toEqual({ code: "noSpace" });
  return made instanceof Pool;
}

// Laws of the heap that all pools share: what pools took comes back, in any order; a full heap says
// noSpace and loses nothing; and the bitmap without a journal is the bitmap with one.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import { heapBytes } from "../../src/heap.ts";
import { createPool, Pool } from "../../src/index.ts";
import { outcome } from "../support/poolmodel.ts";
import { FIRST, Rooms } from "../support/rooms.ts";
import { randomFrom } from "../support/world.ts";

const MIB = 1 << 20;
const NONE = 0xffffffff;

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

/** One bitmap, by the functions without journal, and a second one by those of bitmap.ts. */
class Bitmaps {
  static readonly rooms = Rooms.core();
  readonly slots: number;
  readonly #second: number;
  readonly #bytes: number;

  constructor(slots: number) {
    this.slots = slots;
    const { exports, memory } = Bitmaps.rooms;
    this.#bytes = exports.bitmapBytes!(slots);
    this.#second = (FIRST + this.#bytes + 4095) & ~4095;
    const end = this.#second + this.#bytes;
    new Uint8Array(memory.buffer, WINDOW_BASE, end).fill(0);
    exports.imageAttach!(WINDOW_BASE, end);
  }

  /** Calls `quick` and `slow` alike: both answers. */
  both(quick: string, slow: string, ...values: number[]): [number, number] {
    const { exports } = Bitmaps.rooms;
    const first = /^(quick|crowded)/.test(quick) ? WINDOW_BASE + FIRST : FIRST;
    return [
      exports[quick]!(first, this.slots, ...values) >>> 0,
      exports[slow]!(this.#second, this.slots, ...values) >>> 0,
    ];
  }

  take(from: number): number {
    const [quick, slow] = this.both("quickTakeNext", "bitmapTakeNext", from);
    if (quick !== slow) throw new Error(`take ${from} of ${this.slots}: ${quick}, not ${slow}`);
    return quick;
  }

  give(slot: number): number {
    // The variant without branches serves bitmaps with three levels, at any fill.
    const name = this.slots >= 262_144 && slot % 3 > 0 ? "crowdedGive" : "quickGive";
    const [quick, slow] = this.both(name, "bitmapGive", slot);
    if (quick !== slow) throw new Error(`give ${slot} of ${this.slots}: ${quick}, not ${slow}`);
    return quick;
  }

  /** Every word of both is the same, and right. */
  check(): void {
    const { buffer } = Bitmaps.rooms.memory;
    const part = (at: number) => Buffer.from(buffer, WINDOW_BASE + at, this.#bytes);
    expect(Buffer.compare(part(FIRST), part(this.#second))).toBe(0);
    expect(this.both("bitmapCheck", "bitmapCheck")).toEqual([0, 0]);
  }

  /** Clears (or fills) the upper levels of the first, and lets quickSettle make them. */
  settle(byte: number): number {
    const { exports, memory } = Bitmaps.rooms;
    const leaves = Math.max(8, this.slots / 8);
    new Uint8Array(memory.buffer, WINDOW_BASE + FIRST + leaves, this.#bytes - leaves).fill(byte);
    return exports.quickSettle!(WINDOW_BASE + FIRST, this.slots) >>> 0;
  }
}

describe("the bitmap without a journal", { timeout: 90_000 }, () => {
  const fills = (slots: number) => [0, slots >> 1, Math.floor(slots * 0.9999), slots - 1, slots];

  for (let bits = 0; bits <= 24; bits += bits < 14 ? 1 : 2)
    it(`[model] 2^${bits} slots: is the bitmap with one, at any fill`, () => {
      const slots = 2 ** bits;
      const marks = [0, 1, 63, 64, 4095, 4096, 262_143, 262_144, slots - 65, slots - 1, slots];
      const at = fc.oneof(
        fc.nat(slots),
        fc.constantFrom(...marks.filter((mark) => mark >= 0 && mark <= slots)),
      );
      const step = fc.tuple(fc.constantFrom("take", "give"), at, fc.nat(130));
      for (const fill of new Set(fills(slots))) {
        const maps = new Bitmaps(slots);
        if (fill > 0) {
          const [a, b] = maps.both("bitmapFill", "bitmapFill", 0, fill - 1);
          expect([a, b]).toEqual([fill, fill]);
        }
        let held = fill;
        const law = fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
          for (const [what, from, run] of steps)
            for (let i = 0; i < run; i++)
              if (what === "give") held -= maps.give(from + i);
              else if (maps.take(from + i) !== NONE) held++;
        });
        fc.assert(law, { numRuns: 8, endOnFailure: true });
        // Full, then empty at the front: the way up and down through all levels.
        for (let i = 0; i < 70 && maps.take(i) !== NONE; i++) held++;
        maps.check();
        expect(maps.both("bitmapCount", "bitmapCount")).toEqual([held, held]);
        for (const byte of [0, 0xff]) expect(maps.settle(byte)).toBe(held);
        maps.check();
        const [from, to] = [slots >> 2, slots - 1 - (slots >> 3)];
        if (from <= to) {
          const [given, same] = maps.both("bitmapClear", "bitmapClear", from, to);
          expect(given).toBe(same);
          held -= given;
          expect(maps.settle(0)).toBe(held);
        }
        maps.check();
      }
    });

  it("[every] a lone free slot is found from everywhere, up to 2^13; a settle refuses bits behind", () => {
    for (const slots of [1, 2, 32, 64, 128, 4096, 8192]) {
      const maps = new Bitmaps(slots);
      maps.both("bitmapFill", "bitmapFill", 0, slots - 1);
      for (let slot = 0; slot < slots; slot += slots > 4096 ? 61 : 1) {
        expect(maps.give(slot)).toBe(1);
        expect([maps.give(slot), maps.give(slots), maps.give(NONE)]).toEqual([0, 0, 0]);
        for (const from of [slot, slot + 1, 0, slots - 1, slots, NONE]) {
          expect([slot, from, maps.take(from)]).toEqual([slot, from, slot]);
          maps.give(slot);
        }
        maps.take(slot >> 1);
        expect(maps.take(slot)).toBe(NONE);
      }
      maps.check();
      if (slots < 64) {
        const p = WINDOW_BASE + FIRST;
        new DataView(Bitmaps.rooms.memory.buffer).setBigUint64(p, 1n << BigInt(slots), true);
        expect(maps.settle(0)).toBe(NONE);
      }
    }
  });
});

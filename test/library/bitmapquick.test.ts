// The bitmap without a journal is the bitmap with one: the same slots, the same words, whether slots
// are taken and given one by one or many in a call.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bitmaps, NONE } from "../support/bitmaps.ts";

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
      const step = fc.tuple(
        fc.constantFrom("take", "give", "takeMany", "giveMany"),
        at,
        fc.nat(130),
      );
      for (const fill of new Set(fills(slots))) {
        const maps = new Bitmaps(slots);
        if (fill > 0) expect(maps.fill(0, fill - 1, true)).toEqual([fill, fill]);
        let held = fill;
        const law = fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
          let last: number[] = [];
          for (const [what, from, run] of steps) {
            if (what === "takeMany") {
              last = maps.takeMany(run);
              held += last.length;
            }
            // In order and from behind; some of them may have been given before.
            if (what === "giveMany") held -= maps.giveMany(run & 1 ? last : [...last].reverse());
            for (let i = 0; i < run; i++)
              if (what === "give") held -= maps.give(from + i);
              else if (what === "take" && maps.take(from + i) !== NONE) held++;
          }
        });
        fc.assert(law, { numRuns: 8, endOnFailure: true });
        // Full, then empty at the front: the way up and down through all levels.
        for (let i = 0; i < 70 && maps.take(i) !== NONE; i++) held++;
        maps.check();
        expect([...maps.both("bitmapCount"), maps.held]).toEqual([held, held, held]);
        for (const byte of [0, 0xff]) expect(maps.settle(byte)).toBe(held);
        maps.check();
        const [from, to] = [slots >> 2, slots - 1 - (slots >> 3)];
        if (from <= to) {
          const [given, same] = maps.fill(from, to, false);
          expect(given).toBe(same);
          held -= given;
          expect([maps.settle(0), maps.held]).toEqual([held, held]);
        }
        maps.check();
        maps.close();
      }
    });

  // Crowded: a bitmap of three levels and more that is over 15/16 full.
  for (const bits of [18, 20, 24])
    it(`[model] 2^${bits} slots, crowded: policy next gives what is first, whatever came between`, () => {
      const slots = 2 ** bits;
      // Free slots by the handful, alone under a word of each level, or just so many.
      const gaps = [1, 2, 61, 64, 100, 1000, 4096, 9973, 65_535, 65_536, 262_144];
      const near = fc.integer({ min: -3, max: 300 });
      const far = fc.constantFrom(4095, 4096, 65_536, 262_139, 262_140, 262_144, slots >> 1);
      const by = fc.oneof(near, near, far);
      const step = fc.tuple(
        fc.constantFrom(
          "take",
          "take",
          "take",
          "give",
          "give",
          "takeAt",
          "cursor",
          "last",
          "row",
          "takeMany",
          "giveMany",
        ),
        by,
        fc.integer({ min: 1, max: 9 }),
      );
      const law = (gap: number, shift: number, steps: [string, number, number][]) => {
        const maps = new Bitmaps(slots);
        maps.fill(0, slots - 1, true);
        const most = Math.min(2000, Math.floor(slots / gap));
        for (let i = 0; i < most; i++) maps.give((shift + i * gap) % slots);
        let last = 0;
        let many: number[] = [];
        for (const [what, to, count] of steps) {
          const at = (((maps.cursor + to) % slots) + slots) % slots;
          for (let i = 0; i < count; i++) {
            if (what === "take") last = maps.take();
            else if (what === "give") maps.give((at + i * 7) % slots);
            else if (what === "takeAt") maps.takeAt((at + i) % slots);
            else if (what === "last" && last !== NONE) maps.give(last);
          }
          if (what === "takeMany") many = maps.takeMany(count * 40);
          if (what === "giveMany") maps.giveMany(count & 1 ? many : [...many].reverse());
          if (what === "cursor") last = maps.take(at);
          // Words at once; a sixteenth of all and more makes the bitmap an emptier one.
          const end = Math.min(slots - 1, at + (count > 7 ? slots >> 3 : count * 30));
          if (what === "row") maps.fill(at, end, count % 2 === 0);
        }
        maps.check();
        expect(maps.held).toBe(maps.both("bitmapCount")[0]);
        maps.close();
      };
      const numRuns = bits === 24 ? 25 : 150;
      const sequence = fc.array(step, { maxLength: 60, size: "max" });
      fc.assert(fc.property(fc.constantFrom(...gaps), fc.nat(70_000), sequence, law), { numRuns });
    });

  it("takes go on rightly when the cursor moves, slots come back or a crowded bitmap empties", () => {
    const slots = 2 ** 18;
    const crowded = (free: number[]) => {
      const maps = new Bitmaps(slots);
      maps.fill(0, slots - 1, true);
      for (const slot of free) maps.give(slot);
      return maps;
    };
    // Far apart: each under another word of level 1. From 105,001 on the first is 110,000, though
    // 115,000 lies as far from there as that lay from the cursor before.
    const moved = crowded([100_000, 110_000, 115_000, 130_000, 150_000]);
    expect([moved.take(90_000), moved.take(105_001), moved.take()]).toEqual([
      100_000, 110_000, 115_000,
    ]);
    moved.close();
    const given = crowded([100_000, 110_000, 115_000, 130_000, 150_000]);
    expect([given.take(90_000), given.giveMany([105_000, 102_000]), given.take()]).toEqual([
      100_000, 2, 102_000,
    ]);
    expect([given.takeMany(2), given.take()]).toEqual([[105_000, 110_000], 115_000]);
    given.close();
    const emptied = crowded([100_000, 110_000, 115_000, 120_000, 150_000]);
    expect(emptied.take(90_000)).toBe(100_000);
    for (let slot = 0; slot < slots >> 4; slot++) emptied.give(slot);
    expect(emptied.take()).toBe(110_000);
    for (let slot = 0; slot < slots >> 4; slot++) emptied.takeAt(slot);
    expect([emptied.take(), emptied.take(), emptied.take()]).toEqual([115_000, 120_000, 150_000]);
    emptied.check();
    emptied.close();
  });

  it("many takes go on behind the last slot, give what is left, and gives stop at one that is free", () => {
    for (const slots of [256, 2048, 4096, 8192, 2 ** 18, 2 ** 20]) {
      const maps = new Bitmaps(slots);
      maps.fill(0, slots - 1, true);
      const free = [0, 63, 64, slots >> 1, slots - 65, slots - 1];
      for (const slot of free) maps.give(slot);
      maps.take(slots >> 1);
      // The rest behind the cursor, then from the begin; asked for more than there are.
      expect(maps.takeMany(100)).toEqual([slots - 65, slots - 1, 0, 63, 64]);
      expect([maps.takeMany(100), maps.held]).toEqual([[], slots]);
      expect(maps.giveMany([64, 63, 64, 0])).toBe(2);
      expect([maps.giveMany([slots]), maps.giveMany([NONE]), maps.giveMany([])]).toEqual([0, 0, 0]);
      expect(maps.takeMany(1)).toEqual([63]);
      expect([maps.cursor, maps.takeMany(0), maps.takeMany(9)]).toEqual([64, [], [64]]);
      maps.check();
      maps.close();
    }
  });

  it("[every] a lone free slot is found from everywhere, up to 2^13; a settle refuses bits behind", () => {
    for (const slots of [1, 2, 32, 64, 128, 4096, 8192]) {
      const maps = new Bitmaps(slots);
      maps.fill(0, slots - 1, true);
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
        maps.spoil();
        expect(maps.settle(0)).toBe(NONE);
      }
      maps.close();
    }
  });
});

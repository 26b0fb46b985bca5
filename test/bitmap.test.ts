// Laws of assembly/sets/bitmap.ts, on core.wasm; the same operations on rooms.wasm and on
// rooms.wasm compiled to C in test/rooms.test.ts.
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Model } from "./model.ts";
import { FIRST, type Operation, Rooms } from "./support/rooms.ts";

const NONE = "ffffffff";
let rooms: Rooms;

beforeAll(() => {
  rooms = Rooms.core();
});

/** Runs operations; every answer must be the model's. */
function agree(operations: Operation[]): void {
  const model = new Model();
  for (const [i, operation] of operations.entries()) {
    const given = rooms.run(operation);
    const right = model.answer(operation, given);
    if (given !== right) expect(`${i} ${operation}: ${given}`).toBe(`${i} ${operation}: ${right}`);
  }
}

function one(code: string, value = 0): string {
  return rooms.run([code, BigInt(value)]);
}

/** Slots at which words and levels begin and end. */
function borders(slots: number): number[] {
  const at = [0, 1, 63, 64, 127, 4095, 4096, 262143, 262144, slots >> 1, slots - 64, slots - 1];
  return [...new Set(at)].filter((slot) => slot >= 0 && slot < slots);
}

const QUESTIONS = ["h", "f", "n"];

describe("bitmap", { timeout: 60_000 }, () => {
  it("[every] all operations in all states agree with the model: 1 to 7 slots", () => {
    for (let slots = 1; slots <= 7; slots++)
      for (let state = 0; state < 1 << slots; state++) {
        const held = [...Array(slots).keys()].filter((slot) => (state >> slot) & 1);
        const set: Operation[] = [["b", BigInt(slots)], ...held.map(op("t"))];
        const ask = [...Array(slots + 2).keys()].flatMap((slot) =>
          QUESTIONS.map((code) => op(code)(slot)),
        );
        for (const code of ["t", "g", "x"])
          for (let slot = 0; slot <= slots; slot++)
            agree([...set, ...ask, op(code)(slot), ["c"], ["k"], ...ask]);
      }
  });

  it("[every] any one slot of 1 to 70 and 4,096 +- 1 is found if it alone is free", () => {
    for (const slots of [...Array(70).keys()].map((n) => n + 1).concat([4095, 4096, 4097, 4161])) {
      one("b", slots);
      for (let slot = 0; slot < slots; slot++) expect(one("x", slot)).toBe(slot.toString(16));
      expect([one("f"), one("x"), one("x", slots), one("t", slots)]).toEqual([
        NONE,
        NONE,
        NONE,
        "0",
      ]);
      for (let slot = 0; slot < slots; slot++) {
        one("g", slot);
        const after = [one("f", slot), one("f", 0), slot + 1 < slots ? one("f", slot + 1) : NONE];
        expect(after).toEqual([slot.toString(16), slot.toString(16), NONE]);
        expect([one("k"), one("x", slots - 1), one("k")]).toEqual(["0", slot.toString(16), "0"]);
      }
      expect(one("c")).toBe(slots.toString(16));
    }
  });

  it("[model] any sequence of operations agrees with the model, up to 2^24 slots", () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 4000, max: 4200 }),
      fc.integer({ min: 262_000, max: 262_300 }),
    );
    const step = fc.tuple(fc.constantFrom("t", "g", "h", "f", "n", "x"), fc.nat(), fc.nat(300));
    fc.assert(
      fc.property(size, fc.array(step, { maxLength: 30, size: "max" }), (slots, steps) => {
        const operations: Operation[] = [["b", BigInt(slots)]];
        for (const [code, place, run] of steps) {
          // Runs of slots, so that words and levels fill up and empty.
          const length = "fnh".includes(code) ? 1 : run;
          for (let i = 0; i < length; i++) operations.push(op(code)((place + i) % (slots + 1)));
          operations.push(["c"], ["k"]);
        }
        agree(operations);
      }),
      { numRuns: 60 },
    );
    agree(large(1 << 24));
    agree(large((1 << 24) - 63));
  });

  it("gives no slot behind the last one, and keeps the bits there zero", () => {
    for (const slots of [1, 63, 65, 4095, 4097, 262_143, 262_145]) {
      one("b", slots);
      for (let slot = 0; slot < slots; slot++) one("x", slot);
      expect([one("x"), one("f"), one("t", slots), one("k")]).toEqual([NONE, NONE, "0", "0"]);
      const words = (slots + 63) >> 6;
      const tail = slots & 63;
      if (tail) expect(rooms.word(FIRST + 8 * (words - 1))).toBe((1n << BigInt(tail)) - 1n);
    }
  });

  it("give undoes take: every byte is as before, in any state", () => {
    for (const slots of [64, 65, 4096, 4097, 262_144])
      for (const fill of [0, slots - 1, slots]) {
        one("b", slots);
        for (let slot = 0; slot < fill; slot++) one("x", slot);
        for (const slot of borders(slots)) {
          const before = one("D");
          if (one("t", slot) === "1") one("g", slot);
          else expect([one("g", slot), one("t", slot)]).toEqual(["1", "1"]);
          expect(one("D")).toBe(before);
        }
      }
  });

  it("the journal's undo puts every byte back after any operation", () => {
    const journaled = Rooms.core();
    for (const slots of [64, 4097, 262_144])
      for (const fill of [0, slots - 1, slots]) {
        journaled.run(["b", BigInt(slots)]);
        for (let slot = 0; slot < fill; slot++) {
          journaled.run(["x", BigInt(slot)]);
          if ((slot & 1023) === 0) journaled.run(["J"]);
        }
        for (const slot of borders(slots))
          for (const code of ["t", "g", "x"]) {
            journaled.run(["J"]);
            const before = journaled.run(["D"]);
            const changed = journaled.run([code, BigInt(slot)]);
            if (changed !== "0" && changed !== NONE) expect(journaled.run(["D"])).not.toBe(before);
            journaled.run(["U"]);
            expect(journaled.run(["D"])).toBe(before);
          }
      }
  });

  it("the check sees each upper bit that is wrong, and each bit behind the end", () => {
    one("b", 4097);
    for (let slot = 0; slot < 200; slot++) one("x", slot);
    const leaves = FIRST + 8 * 65;
    const spots: [number, bigint][] = [
      [leaves, 1n],
      [leaves, 1n << 63n],
      [leaves + 8, 1n],
      [leaves + 8, 2n],
      [leaves + 16, 1n],
      [leaves + 16, 4n],
      [FIRST + 8 * 64, 2n],
      [FIRST, 1n << 5n],
    ];
    for (const [at, bit] of spots) {
      const word = rooms.word(at);
      rooms.putWord(at, BigInt.asIntN(64, word ^ bit));
      expect(one("k")).not.toBe("0");
      rooms.putWord(at, word);
      expect(one("k")).toBe("0");
    }
  });

  it("refuses 0 slots and more than 2^30; 2^30 slots take 2^27 bytes and 1.6 %", () => {
    const bytes = (slots: number) => rooms.exports.bitmapBytes!(slots);
    expect([bytes(0), bytes(2 ** 30 + 1), bytes(1), bytes(64), bytes(65)]).toEqual([
      0, 0, 8, 8, 24,
    ]);
    expect(bytes(2 ** 30)).toBe(8 * (2 ** 24 + 2 ** 18 + 2 ** 12 + 2 ** 6 + 1));
  });

  it("2^30 slots: finds over all five levels what is free behind full ones", () => {
    const last = 2 ** 30 - 1;
    one("b", 2 ** 30);
    for (let slot = 0; slot < 262_144; slot++) one("t", slot);
    expect([one("f"), one("x"), one("t", last), one("f", last)]).toEqual([
      "40000",
      "40000",
      "1",
      NONE,
    ]);
    expect([one("x", last), one("g", 77), one("x", last)]).toEqual(["40001", "1", "4d"]);
    expect(one("n", 262_146)).toBe(last.toString(16));
    // The first 2^24 slots full, on every level: 64 to the power of 4.
    one("b", 2 ** 30);
    let level = FIRST;
    for (const words of [2 ** 24, 2 ** 18, 2 ** 12, 2 ** 6, 1]) {
      const full = words >> 6;
      if (full) rooms.image().fill(255, level, level + 8 * full);
      else rooms.putWord(level, 1n);
      level += 8 * words;
    }
    expect([one("k"), one("f"), one("x", 2 ** 24 - 1)]).toEqual(["0", "1000000", "1000000"]);
    expect([one("g", 5), one("k"), one("f"), one("t", 5), one("k")]).toEqual([
      "1",
      "0",
      "5",
      "1",
      "0",
    ]);
    one("b", 1);
  });
});

function op(code: string): (slot: number) => Operation {
  return (slot) => [code, BigInt(slot)];
}

/** Full words and levels in a large bitmap, with a few holes. */
function large(slots: number): Operation[] {
  const operations: Operation[] = [["b", BigInt(slots)]];
  const top = slots - 1;
  for (const start of [0, 262_144 * 3, slots - 5000])
    for (let i = 0; i < 5000; i++) operations.push(["t", BigInt(start + i)]);
  for (const slot of [0, 63, 64, 4095, 4096, 262_144 * 3, top, top - 64])
    operations.push(op("f")(slot), op("g")(slot), op("f")(0), op("f")(slot), op("n")(slot), ["k"]);
  for (const slot of [top, 0, 64]) operations.push(op("x")(slot), op("x")(slot), ["c"], ["k"]);
  return operations;
}

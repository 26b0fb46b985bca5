// One set of rooms, three ways to run it: core.wasm (shared memory), rooms.wasm, and rooms.wasm
// compiled to C. All answer alike and leave the same bytes.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Model } from "./model.ts";
import { onKey, operations, scattered, steps } from "./support/keys.ts";
import { needsCompiler } from "./support/needs.ts";
import { NativeRooms, type Operation, Rooms } from "./support/rooms.ts";

const core = Rooms.core();
const rooms = Rooms.rooms();
const MIB = 1 << 20;

/** Sequences on sets and bitmaps, large and out of memory, each ended by check and digest. */
const sequences = fc
  .array(
    fc.oneof(
      steps(30, [1, 2, 40, 200]).map((list) => operations(list, MIB, [["K"]])),
      steps(30, [1, 17, 80]).map((list) => operations(list, 20_000, [["K"], ["D"]])),
      steps(4, [4096, 5000]).map((list) => operations(list, MIB, [["K"]])),
      fc
        .tuple(
          fc.integer({ min: 1, max: 300_000 }),
          fc.array(fc.nat(), { size: "max", maxLength: 99 }),
        )
        .map(([slots, places]) => onSlots(slots, places)),
    ),
    { minLength: 8, maxLength: 16, size: "max" },
  )
  .map((list) => list.flatMap((part): Operation[] => [...part, ["D"]]));

function onSlots(slots: number, places: number[]): Operation[] {
  const all: Operation[] = [["b", BigInt(slots)]];
  for (const [i, place] of places.entries()) {
    const code = "txgfnhx"[i % 7]!;
    const run = code === "t" || code === "x" ? place % 200 : 1;
    for (let k = 0; k < run; k++) all.push([code, BigInt((place + k) % (slots + 1))]);
    all.push([code, BigInt(place % slots)]);
  }
  return [...all, ["c"], ["k"]];
}

/** Runs all on core.wasm; every answer must be the model's. */
function answers(list: Operation[]): string[] {
  const model = new Model();
  return list.map((operation, i) => {
    const given = core.run(operation);
    const right = model.answer(operation, given);
    if (given !== right) expect(`${i} ${operation}: ${given}`).toBe(`${i} ${operation}: ${right}`);
    return given;
  });
}

describe("rooms", { timeout: 60_000 }, () => {
  it("[model] rooms.wasm answers as core.wasm and the model, and leaves the same bytes", () => {
    const law = (list: Operation[]) => {
      const right = answers(list);
      const given = list.map((operation) => rooms.run(operation));
      for (const [i, operation] of list.entries())
        if (given[i] !== right[i]) expect(`${operation}: ${given[i]}`).toBe(right[i]);
    };
    fc.assert(fc.property(sequences, law), { numRuns: 10 });
  });
});

const { missing, why } = needsCompiler();
describe.skipIf(missing)(`rooms in C${why}`, { timeout: 60_000 }, () => {
  const native = new NativeRooms();

  beforeAll(() => native.build(), 120_000);
  afterAll(() => native.close());

  function same(list: Operation[]): void {
    const right = answers(list);
    const given = native.run(list);
    expect(given.length).toBe(right.length);
    for (const [i, operation] of list.entries())
      if (given[i] !== right[i]) expect(`${operation}: ${given[i]}`).toBe(right[i]);
  }

  it("[native] [model] answers as core.wasm and the model, and leaves the same bytes", () => {
    fc.assert(fc.property(sequences, same), { numRuns: 10 });
  });

  it("[native] undoes a call word by word as core.wasm does", () => {
    const next = scattered(9n);
    const list: Operation[] = [["R", 65_536n], ["J"]];
    for (let i = 0; i < 1500; i++) {
      const key = ((next() & 7n) << 40n) | (next() & 0x3fn);
      list.push(onKey(i % 100 < 60 ? "T" : "G", key));
      if (i % 3) list.push(["J"]);
      else list.push(["D"], ["U"], ["D"]);
    }
    list.push(["K"]);
    const right = list.map((operation) => core.run(operation));
    expect(native.run(list)).toEqual(right);
  });
});

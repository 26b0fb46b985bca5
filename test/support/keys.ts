// Generators of operations on the radix set: clusters of keys at all widths, runs, extremes.
import fc from "fast-check";
import type { Operation } from "./rooms.ts";

const ALL = (1n << 128n) - 1n;
const HALF = (1n << 64n) - 1n;

/** A key as the two numbers of an operation. */
export function halves(key: bigint): [bigint, bigint] {
  return [key >> 64n, key & HALF];
}

/** An operation on one key. */
export function onKey(code: string, key: bigint): Operation {
  return [code, ...halves(key & ALL)];
}

/** An operation on all keys from start to end. */
export function within(code: string, start: bigint, end: bigint): Operation {
  return [code, ...halves(start & ALL), ...halves(end & ALL)];
}

/** Widths of key spaces: below and above the borders of leaf, list, half and family. */
const WIDTHS = [8, 12, 13, 18, 20, 32, 54, 60, 61, 64, 66, 67, 72, 126, 128];

/** One step of a sequence: what is done, at which key, and on how many keys in a row. */
export interface Step {
  code: string;
  key: bigint;
  run: number;
  to: bigint;
}

/** Steps on keys that crowd together around a few places of one space. */
export function steps(maxLength: number, runs: number[]): fc.Arbitrary<Step[]> {
  return fc
    .record({
      width: fc.constantFrom(...WIDTHS),
      bases: fc.array(fc.bigInt({ min: 0n, max: ALL }), { minLength: 1, maxLength: 3 }),
    })
    .chain(({ width, bases }) => {
      const mask = (1n << BigInt(width)) - 1n;
      const places = fc.constantFrom(...bases.map((base) => base & mask), 0n, mask);
      const offset = fc
        .constantFrom(...WIDTHS, 4, 6, 14, 24)
        .chain((bits) => fc.bigInt({ min: 0n, max: (1n << BigInt(Math.min(bits, width))) - 1n }));
      const key = fc.tuple(places, offset).map(([place, low]) => (place ^ low) & mask);
      const run = fc.constantFrom(...runs);
      const code = fc.constantFrom("T", "T", "T", "G", "G", "H", "F", "N", "C");
      return fc.array(fc.record({ code, key, run, to: key }), { maxLength, size: "max" });
    });
}

/** The operations of the steps, on a new set; `check` follows each step. */
export function operations(list: Step[], limit: number, check: Operation[]): Operation[] {
  const all: Operation[] = [["R", BigInt(limit)]];
  for (const { code, key: drawn, run, to } of list) {
    // A run of 4,096 keys is a whole leaf.
    const key = run === 4096 ? drawn & ~4095n : drawn;
    if (code === "T" || code === "G") {
      for (let i = 0; i < run; i++) all.push(onKey(code, key + BigInt(i)));
      // Every second key: no runs to go by.
      if (run > 64) for (let i = 0; i < run; i += 2) all.push(onKey("G", key + BigInt(i)));
    } else if (code === "H") {
      all.push(onKey(code, key));
    } else {
      all.push(within(code, key, to), within(code, key, ALL), within(code, 0n, key));
    }
    all.push(...check);
  }
  all.push(["E", 1000000n], ...check, ["S"]);
  return all;
}

/** The same numbers for the same seed: keys spread over a space. */
export function scattered(seed: bigint): () => bigint {
  let state = seed;
  const next = () => {
    state = (state + 0x9e3779b97f4a7c15n) & HALF;
    let x = state;
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & HALF;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & HALF;
    return x ^ (x >> 31n);
  };
  return next;
}

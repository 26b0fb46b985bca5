// Laws of the radix set (assembly/radix*.ts), on core.wasm; the same operations on rooms.wasm and
// on rooms.wasm compiled to C in test/rooms.test.ts.
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LAST_KEY, Model } from "./model.ts";
import { halves, onKey, operations, scattered, steps, within } from "./support/keys.ts";
import { type Operation, ROOT, Rooms } from "./support/rooms.ts";

const MIB = 1 << 20;
const CHECK: Operation[] = [["K"], ["S"]];
let rooms: Rooms;
/** The same with an open journal: how the plugin runs. */
let journaled: Rooms;

beforeAll(() => {
  rooms = Rooms.core();
  journaled = Rooms.core();
  journaled.run(["J"]);
});

beforeEach(() => {
  for (const each of [rooms, journaled]) {
    each.run(["R", BigInt(4 * MIB)]);
    if (each === journaled) each.run(["J"]);
  }
});

/** Runs operations; every answer must be the model's. */
function agree(list: Operation[], on = rooms): string[] {
  const model = new Model();
  return list.map((operation, i) => {
    const given = on.run(operation);
    if (on === journaled) on.run(["J"]);
    const right = model.answer(operation, given);
    if (given !== right) expect(`${i} ${operation}: ${given}`).toBe(`${i} ${operation}: ${right}`);
    return given;
  });
}

function take(key: bigint, on = rooms): string {
  return on.run(onKey("T", key));
}

function give(key: bigint, on = rooms): string {
  return on.run(onKey("G", key));
}

/** Blocks in use, by size. */
function blocks(on = rooms): Record<number, number> {
  const sizes = [16, 40, 72, 136, 264, 552].map((bytes) => [bytes, on.live(bytes)] as const);
  return Object.fromEntries(sizes.filter(([, live]) => live > 0));
}

/** Keys that tell levels, halves and ends apart. */
const CORNERS = [0n, 1n, 4095n, 4096n, 1n << 60n, 1n << 64n, 1n << 127n, LAST_KEY];

describe("radix", { timeout: 60_000 }, () => {
  it("[model] any sequence on clustered keys of 8 to 128 bits agrees with the model", () => {
    const sequence = steps(40, [1, 1, 2, 9, 40, 200]);
    const law = (list: Parameters<typeof operations>[0]) => {
      agree(operations(list, 4 * MIB, CHECK));
    };
    fc.assert(fc.property(sequence, law), { numRuns: 500 });
  });

  it("[model] full leaves: runs of thousands of keys agree with the model", () => {
    const sequence = steps(5, [1, 33, 4096, 9000]);
    const law = (list: Parameters<typeof operations>[0]) => {
      agree(operations(list, 4 * MIB, CHECK));
    };
    fc.assert(fc.property(sequence, law), { numRuns: 60 });
  });

  it("[model] with an open journal, which proves each leaf's count, all agrees as well", () => {
    const law = (list: Parameters<typeof operations>[0]) => {
      agree(operations(list, MIB, CHECK), journaled);
    };
    fc.assert(fc.property(steps(25, [1, 2, 40, 200]), law), { numRuns: 200 });
  });

  it("[model] what ends a node that is smaller than its place is followed by a free key", () => {
    const bits = fc.integer({ min: 1, max: 127 });
    const key = fc.tuple(fc.nat(3), bits, fc.nat(40)).map(([base, ones, back]) => {
      const end = (BigInt(base) << BigInt(ones)) | ((1n << BigInt(ones)) - 1n);
      return (end > back ? end - BigInt(back & 7 ? 0 : back) : end) & LAST_KEY;
    });
    const law = (keys: bigint[], run: number) => {
      const list: Operation[] = [["R", BigInt(MIB)]];
      for (const each of keys)
        for (let i = 0n; i <= run && each >= i; i++) list.push(onKey("T", each - i));
      for (const each of keys)
        list.push(within("F", each, LAST_KEY), within("F", each && each - 1n, LAST_KEY));
      agree([...list, ...CHECK]);
    };
    const all = fc.array(key, { minLength: 1, maxLength: 9 });
    fc.assert(fc.property(all, fc.constantFrom(0, 0, 1, 70), law), { numRuns: 1500 });
  });

  it("[model] where memory runs out, a take says so and changes nothing", () => {
    let refused = 0;
    const sequence = fc.tuple(steps(60, [1, 2, 17, 33, 80]), fc.integer({ min: 1, max: 6 }));
    const law = ([list, chunks]: [Parameters<typeof operations>[0], number]) => {
      const all = operations(list, 4096 + 4096 * chunks, CHECK);
      const answers = agree(all);
      refused += answers.filter((answer, i) => answer === "2" && all[i]![0] === "T").length;
    };
    fc.assert(fc.property(sequence, law), { numRuns: 500 });
    expect(refused).toBeGreaterThan(1000);
  });

  it("[every] all operations on 8 corner keys agree with the model in all 256 states", () => {
    for (let state = 0; state < 256; state++) {
      const held = CORNERS.filter((_, i) => (state >> i) & 1);
      const list: Operation[] = [["R", BigInt(MIB / 4)], ...held.map((key) => onKey("T", key))];
      for (const key of CORNERS) {
        list.push(onKey("H", key), within("F", key, LAST_KEY), within("N", key, LAST_KEY));
        list.push(within("C", key, LAST_KEY), within("C", 0n, key), within("F", key, key));
        const [first, second] = held.includes(key) ? ["G", "T"] : ["T", "G"];
        list.push(onKey(first, key), onKey(first, key), ...CHECK, onKey(second, key), ...CHECK);
      }
      agree(list);
    }
  });

  it("a full node of 64 leaves is skipped; whichever key in it is given is found", () => {
    const base = 5n << 18n;
    for (let key = base; key < base + 262_144n; key++) take(key);
    for (const key of [base - 1n, base + 262_145n, 1n << 24n]) take(key);
    const next = (key: bigint) => rooms.run(within("F", key, LAST_KEY));
    expect([rooms.run(["K"]), next(base), next(base - 1n)]).toEqual([
      "0 0",
      "0:180000",
      "0:180000",
    ]);
    expect(rooms.run(within("F", base, base + 262_143n))).toBe("-");
    expect(rooms.run(within("C", base, base + 262_143n))).toBe("40000");
    // 64 leaves and the one behind, three nodes; the key before lies alone.
    expect(blocks()).toEqual({ 552: 64 + 3 });
    for (const offset of [0n, 1n, 4095n, 4096n, 100_000n, 262_143n]) {
      expect(give(base + offset)).toBe("1");
      const text = `0:${(base + offset).toString(16)}`;
      expect([rooms.run(["K"]), next(base), next(base + offset)]).toEqual(["0 0", text, text]);
      expect(next(base + offset + 1n)).toBe("0:180000");
      expect([take(base + offset), next(base), rooms.run(["K"])]).toEqual(["0", "0:180000", "0 0"]);
    }
  });

  it("a full leaf far below its place doesn't make the place full", () => {
    for (let key = 0n; key < 4096n; key++) take(key);
    for (const key of [1n << 40n, 1n << 50n, 1n << 90n]) {
      take(key);
      expect(rooms.run(["K"])).toBe("0 0");
      expect(rooms.run(within("F", 0n, LAST_KEY))).toBe("0:1000");
    }
  });

  it("a key costs nothing, 33 a leaf; at 16 it is a list again, at 1 nothing", () => {
    const base = 0xfd00n << 112n;
    const far = base | (1n << 63n);
    for (const key of [base, far]) take(key);
    expect(blocks()).toEqual({ 552: 1 });
    // One more key at a time in the place of `base`: what the 2nd, 3rd ... 34th cost.
    const costs: Record<number, string> = {};
    for (let i = 1n; i <= 33n; i++) {
      take(base + i);
      costs[Number(i) + 1] = JSON.stringify(blocks());
    }
    expect([costs[2], costs[4]]).toEqual(Array(2).fill('{"40":1,"552":1}'));
    expect([costs[5], costs[8]]).toEqual(Array(2).fill('{"72":1,"552":1}'));
    expect([costs[9], costs[16]]).toEqual(Array(2).fill('{"136":1,"552":1}'));
    expect([costs[17], costs[32]]).toEqual(Array(2).fill('{"264":1,"552":1}'));
    expect([costs[33], costs[34]]).toEqual(Array(2).fill('{"552":2}'));
    for (let i = 33n; i > 0n; i--) {
      give(base + i);
      costs[Number(i)] = JSON.stringify(blocks());
    }
    expect([costs[17], costs[16]]).toEqual(['{"552":2}', '{"136":1,"552":1}']);
    expect([costs[4], costs[2], costs[1]]).toEqual([
      '{"72":1,"552":1}',
      '{"40":1,"552":1}',
      '{"552":1}',
    ]);
    give(base);
    expect(blocks()).toEqual({ 16: 1 });
    give(far);
    expect([blocks(), rooms.word(ROOT), rooms.word(ROOT + 8)]).toEqual([{}, 0n, 0n]);
  });

  it("give undoes take: in a set that neither grows nor shrinks a block, byte by byte", () => {
    rooms.run(["R", BigInt(MIB / 4)]);
    const next = scattered(7n);
    for (let i = 0; i < 3000; i++) take(next() & 0xffffffn);
    let same = 0;
    for (let i = 0; i < 500; i++) {
      const key = next() & 0xffffffn;
      const before = [rooms.run(["D"]), rooms.run(["S"]), JSON.stringify(blocks())];
      if (take(key) !== "0") continue;
      const grown = JSON.stringify(blocks()) !== before[2];
      expect(give(key)).toBe("1");
      expect([rooms.run(["K"]), rooms.run(["S"])]).toEqual(["0 0", before[1]]);
      if (!grown && rooms.run(["D"]) === before[0]) same++;
    }
    expect(same).toBeGreaterThan(300);
  });

  it("a node with one child left gives its place to it: to a list, to a leaf", () => {
    const base = 0xfd00n << 112n;
    const place = base + (5n << 50n);
    take(base | (1n << 63n));
    for (let i = 0n; i < 20n; i++) take(place + i);
    for (let i = 0n; i < 13n; i++) take(place + (1n << 30n) + i);
    expect(blocks()).toEqual({ 136: 1, 264: 1, 552: 2 });
    for (let i = 0n; i < 13n; i++) give(place + (1n << 30n) + i);
    expect([blocks(), rooms.run(["K"])]).toEqual([{ 264: 1, 552: 1 }, "0 0"]);
    for (let i = 0n; i < 20n; i++) expect(rooms.run(onKey("H", place + i))).toBe("1");
    for (let i = 20n; i < 40n; i++) take(place + i);
    take(place + (1n << 40n));
    expect(blocks()).toEqual({ 552: 3 });
    give(place + (1n << 40n));
    expect([blocks(), rooms.run(["K"])]).toEqual([{ 552: 2 }, "0 0"]);
  });

  it("a take that gets only a part of the blocks it needs gives them back", () => {
    const { arenaTake, arenaFree } = rooms.exports;
    const top = 1n << 127n;
    const near = (from: bigint) => [...Array(16).keys()].map((i) => from + BigInt(i));
    // Held keys, and the key for which a far key's block or the second of two lists is missing.
    const cases: [bigint[], bigint][] = [
      [[0n], top],
      [[0n, 1n << 100n], top],
      [[1n << 63n, ...near(0n), ...near(1n << 30n)], 1n << 20n],
    ];
    for (const [held, key] of cases) {
      rooms.run(["R", 65_536n]);
      for (const each of held) take(each);
      // One free block of 552 and of 264 bytes; nothing else in the whole arena.
      const spare = [552, 264].map((size) => [arenaTake!(size), size]);
      for (const size of [552, 264, 136, 72, 40, 16]) while (arenaTake!(size));
      for (const [at, size] of spare) arenaFree!(at, size);
      const before = rooms.liveBytes();
      const root = [rooms.word(ROOT), rooms.word(ROOT + 8)];
      expect(take(key)).toBe("2");
      expect([rooms.liveBytes(), rooms.word(ROOT), rooms.word(ROOT + 8)]).toEqual([
        before,
        ...root,
      ]);
      for (const each of held) expect(rooms.run(onKey("H", each))).toBe("1");
    }
  });

  it("giving all back in any order leaves no block and a zero root", () => {
    for (const seed of [1n, 2n, 3n]) {
      const next = scattered(seed);
      const bits = [16n, 40n, 64n][Number(seed) - 1]!;
      const keys = Array.from({ length: 5000 }, () => next() >> (64n - bits));
      for (const key of keys) take(key);
      keys.sort((a, b) => ((a * 7919n) % 10_007n < (b * 7919n) % 10_007n ? -1 : 1));
      for (const key of keys) give(key);
      expect([blocks(), rooms.word(ROOT), rooms.word(ROOT + 8)]).toEqual([{}, 0n, 0n]);
    }
  });

  it("the journal's undo puts every byte back after any operation", () => {
    journaled.run(["R", BigInt(MIB / 4)]);
    const next = scattered(11n);
    for (let i = 0; i < 4000; i++) {
      // Crowded places, so that lists, leaves and nodes come and go.
      const key = ((next() & 0xfn) << 40n) | (next() & 0x3fn) | ((next() & 3n) << 14n);
      const code = (i & 1023) < 600 ? "T" : "G";
      journaled.run(["J"]);
      if (i % 7 === 0) {
        const before = journaled.run(["D"]);
        if (journaled.run(onKey(code, key)) === (code === "T" ? "0" : "1"))
          expect(journaled.run(["D"])).not.toBe(before);
        journaled.run(["U"]);
        expect(journaled.run(["D"])).toBe(before);
      } else {
        journaled.run(onKey(code, key));
      }
    }
    expect(journaled.run(["K"])).toBe("0 0");
  });

  it("is emptied in parts, and is sound after each", () => {
    const next = scattered(5n);
    for (let i = 0; i < 4000; i++) take(i < 2000 ? next() : next() & 0xffffn);
    let parts = 0;
    let before = 1n << 64n;
    while (rooms.run(["E", 50n]) === "0") {
      parts++;
      const left = BigInt(`0x${rooms.run(["S"])}`);
      expect(rooms.run(["K"])).toBe("0 0");
      expect(left).toBeLessThan(before);
      before = left;
    }
    expect(parts).toBeGreaterThan(10);
    expect([blocks(), rooms.run(["S"]), rooms.word(ROOT)]).toEqual([{}, "0", 0n]);
  });

  it("[model] a key taken where the search found it leaves the very set that radixTake leaves", () => {
    const twin = Rooms.core();
    fc.assert(
      fc.property(steps(12, [1, 3, 40, 4096]), (list) => {
        for (const each of [rooms, twin]) each.run(["R", BigInt(4 * MIB)]);
        for (const step of list) {
          for (const operation of operations([step], 0, []).slice(1))
            for (const each of [rooms, twin]) each.run(operation);
          const answer = rooms.run(
            within("F", step.run === 4096 ? step.key & ~4095n : step.key, LAST_KEY),
          );
          if (answer === "-") continue;
          const [hi, lo] = answer.split(":").map((half) => BigInt(`0x${half}`));
          expect(rooms.exports.radixTakeFound!(ROOT, hi, lo)).toBe(0);
          expect(twin.run(["T", hi!, lo!])).toBe("0");
        }
        expect(rooms.run(["D"])).toBe(twin.run(["D"]));
        expect(rooms.run(["K"])).toBe("0 0");
      }),
      { numRuns: 150 },
    );
  });

  it("a key behind a node whose end is taken is put beside that node", () => {
    const twin = Rooms.core();
    twin.run(["R", BigInt(4 * MIB)]);
    // The end of a node's last leaf: what is free next lies behind the node, in no entry of it.
    const keys = [...Array(40).keys(), ...Array.from({ length: 0x800 }, (_, i) => 0x3f800 + i)];
    for (const key of keys) for (const each of [rooms, twin]) take(BigInt(key), each);
    expect(rooms.run(within("F", 0x3f800n, LAST_KEY))).toBe("0:40000");
    expect(rooms.exports.radixTakeFound!(ROOT, 0n, 0x40000n)).toBe(0);
    take(0x40000n, twin);
    expect([rooms.run(["D"]), rooms.run(["K"])]).toEqual([twin.run(["D"]), "0 0"]);
  });

  it("all keys are found in order, by search from one to the next", () => {
    const next = scattered(3n);
    const keys = new Set<bigint>();
    for (let i = 0; i < 3000; i++) {
      const low = next() >> BigInt(i % 64);
      keys.add(i % 3 ? low : (next() << 64n) | low);
    }
    for (const key of keys) take(key);
    const found: bigint[] = [];
    let answer = rooms.run(within("N", 0n, LAST_KEY));
    while (answer !== "-") {
      const [hi, lo] = answer.split(":").map((half) => BigInt(`0x${half}`));
      found.push((hi! << 64n) | lo!);
      answer = rooms.run(within("N", found.at(-1)! + 1n, LAST_KEY));
    }
    expect(found).toEqual([...keys].sort((a, b) => (a < b ? -1 : 1)));
  });

  it("1 M scattered keys of a /64 take less than 20 MB, 1 M dense ones less than 0.2 MB", () => {
    const take64 = rooms.exports.radixTake!;
    const [hi] = halves(0xfd00n << 112n);
    const fill = (key: (i: bigint) => bigint) => {
      rooms.run(["R", BigInt(64 * MIB)]);
      for (let i = 0n; i < 1_000_000n; i++) take64(ROOT, hi, key(i));
      return rooms.usedBytes();
    };
    expect(fill((i) => 1000n + i)).toBeLessThan(200_000);
    expect(rooms.run(["K"])).toBe("0 0");
    expect(fill(scattered(1n))).toBeLessThan(20_000_000);
    expect([rooms.run(["K"]), rooms.liveBytes() < 14_000_000]).toEqual(["0 0", true]);
  });
});

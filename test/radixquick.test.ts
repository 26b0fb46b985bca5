// The usual take and give of radix pools without a journal (assembly/sets/radixquick.ts, what
// assembly/library/plain.ts makes of it) leave the very bytes that the functions with one leave:
// sets first, then whole heaps, of which one is shared, so that every call of it goes the long way.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WINDOW_BASE, WINDOW_END } from "../assembly/numbers.ts";
import { type Exports, loadCore } from "../src/wasm.ts";
import { halves, onKey, type Step, steps, within } from "./support/keys.ts";
import { ROOT, Rooms } from "./support/rooms.ts";

const MIB = 1 << 20;
const NONE = 0xffffffff;
const LAST = (1n << 128n) - 1n;

/** Two sets that must stay the same: one is asked the quick way first. */
class Twins {
  readonly quick = Rooms.core();
  readonly slow = Rooms.core();
  /** Takes and gives that the quick way did, and that it left to the other. */
  readonly served = { take: 0, give: 0 };
  readonly left = { take: 0, give: 0 };

  begin(): void {
    for (const each of [this.quick, this.slow]) each.run(["R", BigInt(2 * MIB)]);
  }

  /** Takes the first free key at or after `key`: answers it. */
  takeNext(key: bigint): bigint | undefined {
    const right = next(this.slow, key);
    const low = this.quick.exports.quickLeafTake!(WINDOW_BASE, ROOT, ...halves(key)) >>> 0;
    this.#count("take", low !== NONE);
    const got = low === NONE ? next(this.quick, key) : (key & ~0xfffn) | BigInt(low);
    if (got !== right) expect(`${key}: ${got}`).toBe(`${key}: ${right}`);
    return got;
  }

  /** Gives a key that may be there. */
  give(key: bigint): void {
    const right = this.slow.run(onKey("G", key));
    const quick = this.quick.exports.quickLeafGive!(WINDOW_BASE, ROOT, ...halves(key)) !== 0;
    this.#count("give", quick);
    const got = quick ? "1" : this.quick.run(onKey("G", key));
    if (got !== right) expect(`${key}: ${got}`).toBe(`${key}: ${right}`);
  }

  #count(what: "take" | "give", quick: boolean): void {
    (quick ? this.served : this.left)[what]++;
  }

  /** Every byte of both is the same, and right. */
  check(): void {
    expect(Buffer.compare(this.quick.image(), this.slow.image())).toBe(0);
    expect(this.quick.run(["K"])).toBe("0 0");
  }
}

/** Takes the next free key by the functions with a journal. */
function next(rooms: Rooms, key: bigint): bigint | undefined {
  const found = rooms.run(within("F", key, LAST));
  if (found === "-") return undefined;
  const [hi, lo] = found.split(":").map((half) => BigInt(`0x${half}`));
  if (rooms.exports.radixTakeFound!(ROOT, hi, lo) !== 0) throw new Error("no memory");
  return (hi! << 64n) | lo!;
}

describe("the radix set without a journal", { timeout: 90_000 }, () => {
  it("[model] is the set with one, byte by byte, after any takes and gives", () => {
    const twins = new Twins();
    const law = (list: readonly Step[]) => {
      twins.begin();
      for (const { code, key: drawn, run } of list) {
        const key = run === 4096 ? drawn & ~4095n : drawn;
        if (code === "G") for (let i = 0n; i < run; i++) twins.give((key + i) & LAST);
        if (code !== "T") continue;
        let at: bigint | undefined = key;
        for (let i = 0; i < run && at !== undefined && at < LAST; i++) {
          at = twins.takeNext(at);
          if (at !== undefined && i % 5 === 4) twins.give(at - BigInt(i % 3));
        }
      }
      twins.check();
    };
    fc.assert(fc.property(steps(16, [1, 2, 40, 200, 4096]), law), { numRuns: 150 });
    // Else all of this would say nothing.
    expect(Math.min(twins.served.take, twins.served.give)).toBeGreaterThan(10_000);
    expect(Math.min(twins.left.take, twins.left.give)).toBeGreaterThan(1000);
  });

  it("a leaf that fills up or runs empty is left to the other way, whatever lies above", () => {
    const twins = new Twins();
    for (const base of [0n, 0xfd00n << 112n, (7n << 66n) + (5n << 20n), LAST & ~0xffffn]) {
      twins.begin();
      // Neighbours at all levels, so that nodes stand above the leaf.
      for (const bit of [13n, 20n, 40n, 61n, 64n, 65n, 100n, 127n])
        twins.takeNext(base ^ (1n << bit));
      for (let i = 0n; i < 4096n; i++) expect(twins.takeNext(base)).toBe(base + i);
      twins.check();
      // A full leaf, asked from every word of it on.
      for (let i = 0n; i < 4096n; i += 64n) {
        twins.give(base + i);
        twins.give(base + i);
        expect(twins.takeNext(base + i)).toBe(base + i);
      }
      expect(twins.takeNext(base + 4095n)).not.toBe(base + 4095n);
      for (let i = 0n; i < 4096n; i++) {
        twins.give(base + ((i * 1021n) & 4095n));
        // Each of the last: the leaf becomes a list, the list a lone key, the nodes go.
        if (i % 512n === 511n || i > 4070n) twins.check();
      }
      twins.check();
    }
    expect(twins.served.take).toBeGreaterThan(4 * 4000);
    expect(twins.served.give).toBeGreaterThan(4 * 4000);
  });

  it("what is no leaf of the key isn't believed: another prefix, another mark", () => {
    const quick = Rooms.core();
    quick.run(["R", BigInt(MIB)]);
    for (let i = 0n; i < 100n; i++) quick.run(onKey("T", i));
    const ask = (key: bigint) => [
      quick.exports.quickLeafTake!(WINDOW_BASE, ROOT, ...halves(key)) >>> 0,
      quick.exports.quickLeafGive!(WINDOW_BASE, ROOT, ...halves(key)),
    ];
    // The root holds a leaf: every other key comes to it as well.
    for (const key of [4096n, 1n << 64n, 5n + (1n << 127n), LAST])
      expect(ask(key)).toEqual([NONE, 0]);
    const leaf = Number(quick.word(ROOT) >> 4n);
    const mark = quick.word(leaf + 8);
    quick.putWord(leaf + 8, mark ^ 1n);
    expect(ask(5n)).toEqual([NONE, 0]);
    quick.putWord(leaf + 8, mark);
    expect(ask(5n)).toEqual([100, 1]);
  });
});

type Call = readonly [name: string, ...values: number[]];

/** A heap with pools at numbered places, driven by its exports. */
class Heap {
  readonly exports: Exports;
  readonly #memory: WebAssembly.Memory;
  readonly #at: number;
  readonly #cells: number[] = [];
  #shared = false;

  constructor() {
    ({ exports: this.exports, memory: this.#memory } = loadCore());
    this.exports.deskSit!(0);
    this.exports.heapFormat!();
    this.#at = this.exports.transferArea!();
  }

  share(): void {
    if (!this.#shared) this.exports.deskShare!(1);
    this.#shared = true;
  }

  /** One call: its answer in words. */
  call([name, place, ...values]: Call): string {
    const { exports: e } = this;
    const cell = this.#cells[place!]!;
    const [a = 0, b = 0] = values;
    const lo = BigInt(a);
    const now = 0;
    switch (name) {
      case "make":
        if (cell) e.slotsClose!(cell);
        this.#cells[place!] = e.slotsMake!(a, b % 3, b < 3 ? 0 : 5, 77n);
        return `${this.#cells[place!]}`;
      case "take":
        return `${e.slotsTake!(cell, now)} ${e.lastHi!()} ${e.lastLo!()}`;
      case "takeF":
        return `${e.slotsTakeF!(cell, now)}`;
      case "takeMany":
        return `${e.slotsTakeMany!(cell, now, this.#at, a, 9)} ${e.manyStatus!()} ${this.#hash(a)}`;
      case "giveMany":
        return `${e.slotsGiveMany!(cell, now, this.#at, a, 9)} ${e.manyStatus!()}`;
      case "takeAt":
        return `${e.slotsTakeAt!(cell, 0n, lo, now)}`;
      case "give":
        return `${e.slotsGive!(cell, 0n, lo, now)}`;
      case "giveRow": {
        let given = 0;
        for (let i = 0; i < b; i++) given += +(e.slotsGiveF!(cell, a + i, now) === 0);
        return `${given}`;
      }
      case "fill":
        return `${e.slotsFill!(cell, 0n, lo, lo + BigInt(b), b % 2 === 0, now)}`;
      case "exclude":
        return `${e.slotsExclude!(cell, 0n, lo, 0n, lo + BigInt(b))}`;
      case "band":
        return `${e.slotsBand!(cell, lo)}`;
      case "cursor":
        return `${e.cursorSet!(cell, 0n, lo)}`;
      case "load": {
        const words = new BigUint64Array(this.#memory.buffer, this.#at, 6);
        words.set([0n, lo & ~63n, 0xff00ffn, 0n, (lo & ~63n) + 4096n, 1n]);
        return `${e.snapshotLoad!(cell, this.#at, 2)}`;
      }
      default:
        return `${e.slotsHeldF!(cell)}`;
    }
  }

  // Of what takeMany has written.
  #hash(count: number): number {
    let hash = 0;
    const words = new Uint32Array(this.#memory.buffer, this.#at, 2 * count);
    for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
    return hash >>> 0;
  }

  /** The heap's bytes without the lock and the desks (assembly/library/desk.ts). */
  parts(): Buffer[] {
    const part = (from: number, to: number) =>
      Buffer.from(this.#memory.buffer, WINDOW_BASE + from, to - from);
    // The header and the map of runs; what is taken first, from the window's end down.
    const end = WINDOW_END - WINDOW_BASE;
    return [part(0, 512), part(1600, MIB / 2), part(end - 8 * MIB, end)];
  }
}

const SIZES = [31, 32, 33, 40, 53, 64];

/** Slots that crowd at borders of leaves, and at the end of a pool of 2^31. */
const slot = fc
  .tuple(fc.constantFrom(0, 4096, 8192, 262_144, 2 ** 31 - 4096, 2 ** 31), fc.nat(300))
  .map(([at, by]) => Math.max(0, at + by - 150));

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant("make"), fc.nat(2), fc.constantFrom(...SIZES), fc.nat(3)),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constantFrom("takeMany", "takeMany", "giveMany"),
      fc.nat(2),
      fc.constantFrom(1, 40, 300, 5000),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constantFrom("take", "takeF", "takeAt", "give", "cursor", "load", "used"),
      fc.nat(2),
      slot,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constantFrom("giveRow", "giveRow", "fill", "fill", "exclude", "band"),
      fc.nat(2),
      slot,
      fc.constantFrom(0, 1, 30, 700),
    ),
  },
) as fc.Arbitrary<Call>;

describe("a heap that no thread shares", { timeout: 120_000 }, () => {
  it("[model] holds the bytes and gives the answers of a shared one, also when shared later", () => {
    let compared = 0;
    const law = (list: readonly Call[], late: number) => {
      const [quick, slow] = [new Heap(), new Heap()];
      slow.share();
      const opening: Call[] = [0, 1, 2].map((place) => ["make", place, SIZES[place * 2]!, 0]);
      // One of three: an exclusion is made before the first slot is taken.
      opening.push(["exclude", 2, late, 10]);
      for (const [i, one] of [...opening, ...list].entries()) {
        if (i === late) quick.share();
        const [got, right] = [quick.call(one), slow.call(one)];
        if (got !== right) expect(`${i} ${one}: ${got}`).toBe(`${i} ${one}: ${right}`);
        const others = slow.parts();
        for (const [at, part] of quick.parts().entries())
          if (Buffer.compare(part, others[at]!) !== 0)
            throw new Error(`${i} ${one}: the heaps differ`);
        compared++;
      }
    };
    const sequence = fc.array(call, { maxLength: 40, size: "max" });
    fc.assert(fc.property(sequence, fc.integer({ min: 10, max: 80 }), law), { numRuns: 120 });
    expect(compared).toBeGreaterThan(2000);
  });
});

// The check of a radix set and the traps of its walks: what is damaged is found, nothing that is
// read can make the check itself trap.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LAST_KEY } from "./model.ts";
import { onKey, scattered, within } from "./support/keys.ts";
import { FIRST, ROOT, Rooms } from "./support/rooms.ts";

const LENGTH = 65_536;
/** A full leaf and the beginning of the next one. */
const DENSE = 0xfd00n << 112n;
const DENSE_KEYS = 5000n;
let rooms: Rooms;

beforeAll(() => {
  rooms = Rooms.core();
});

/** A set of everything: far and lone keys, lists of all sizes, nodes, leaves, a full one. */
function build(): void {
  rooms.run(["R", BigInt(LENGTH)]);
  const next = scattered(1n);
  const take = (key: bigint) => rooms.run(onKey("T", key));
  for (const key of [0n, LAST_KEY, 1n << 100n, 1n << 90n]) take(key);
  for (let i = 0n; i < DENSE_KEYS; i++) take(DENSE + i);
  for (const [place, keys] of [2, 4, 5, 9, 17, 32, 40].entries())
    for (let i = 0; i < keys; i++)
      take((0xfd01n << 112n) + (BigInt(place) << 54n) + (next() >> 12n));
}

beforeEach(build);

/** Everything the set holds from `start` to `end`, from one key to the next. */
function keys(start = 0n, end = LAST_KEY): string[] {
  const found: string[] = [];
  while (start <= end) {
    const answer = rooms.run(within("N", start, end));
    if (answer === "-" || answer === "trap") break;
    found.push(answer);
    const [hi, lo] = answer.split(":").map((half) => BigInt(`0x${half}`));
    start = (hi! << 64n) + lo! + 1n;
  }
  return found;
}

/** Offset and size of the blocks that the set uses: what it claims, nobody else can claim. */
function blocks(): { at: number; bytes: number }[] {
  const { blocksBegin, radixCheck, blocksClaim, blocksEnd } = rooms.exports;
  blocksBegin!(LENGTH);
  radixCheck!(ROOT);
  const free = new Set<number>();
  for (let at = FIRST; at < LENGTH; at += 8) if (blocksClaim!(at, 8)) free.add(at);
  blocksEnd!();
  const found: { at: number; bytes: number }[] = [];
  for (let at = FIRST; at < LENGTH; at += 8) {
    if (free.has(at)) continue;
    const last = found.at(-1);
    const head = rooms.word(at + 8);
    const begins = (head & 0x3ff80n) >> 7n === 0x5a3n || (head & 0xfffn) === 0xc96n;
    const list = rooms.word(at) >> 32n === 0x7453494cn;
    if (!last || last.at + last.bytes !== at || begins || list) found.push({ at, bytes: 8 });
    else last.bytes += 8;
  }
  return found;
}

/** How a walk over all keys ends: "-" or "trap". */
function walkEnds(): string {
  const last = keys().at(-1) ?? "0:0";
  const [hi, lo] = last.split(":").map((half) => BigInt(`0x${half}`));
  const next = (hi! << 64n) + lo! + 1n;
  return next > LAST_KEY ? "-" : rooms.run(within("N", next, LAST_KEY));
}

/** Changes one word, looks, and puts it back. */
function withWord<T>(at: number, value: bigint, look: () => T): T {
  const before = rooms.word(at);
  rooms.putWord(at, BigInt.asIntN(64, value));
  const result = look();
  rooms.putWord(at, BigInt.asIntN(64, before));
  return result;
}

describe("radixcheck", { timeout: 60_000 }, () => {
  it("finds nothing in a sound set that has every kind of block", () => {
    expect(rooms.run(["K"])).toBe("0 0");
    const sizes = new Set(blocks().map(({ bytes }) => bytes));
    for (const bytes of [40, 72, 136, 264, 552]) expect(sizes).toContain(bytes);
    expect(keys().length).toBe(Number.parseInt(rooms.run(["S"]), 16));
  });

  it("[every] finds any block that is zeroed, and a walk doesn't get past it", () => {
    const count = Number.parseInt(rooms.run(["S"]), 16);
    let zeroed = 0;
    for (const { at, bytes } of blocks()) {
      const before = rooms.image().slice(at, at + bytes);
      rooms.image().fill(0, at, at + bytes);
      expect([at, rooms.run(["K"]).split(" ")[0]]).not.toEqual([at, "0"]);
      const found = keys();
      rooms.image().set(before, at);
      if (bytes > 16) expect(found.length).toBeLessThan(count);
      zeroed++;
    }
    expect(zeroed).toBeGreaterThan(15);
    expect(rooms.run(["K"])).toBe("0 0");
  });

  it("[every] finds any flipped bit, unless it makes another sound set of as many keys", () => {
    const count = Number.parseInt(rooms.run(["S"]), 16) - Number(DENSE_KEYS);
    let found = 0;
    let other = 0;
    for (const { at, bytes } of [{ at: ROOT, bytes: 16 }, ...blocks()])
      for (let word = at; word < at + bytes; word += 8)
        for (const bit of [0, 1, 2, 3, 4, 7, 12, 17, 20, 32, 36, 47, 63]) {
          const value = rooms.word(word) ^ (1n << BigInt(bit));
          const faults = withWord(word, value, () => {
            const answer = rooms.run(["K"]);
            if (!answer.startsWith("0 ")) return answer;
            const held = keys(0n, DENSE - 1n).length + keys(DENSE + DENSE_KEYS).length;
            expect([word, bit, held]).toEqual([word, bit, count]);
            return answer;
          });
          expect(faults).not.toBe("trap");
          // Prefix, count and marks of nodes and leaves are wrong in no sound set.
          const head = bytes === 552 && word < at + 40;
          if (head) expect([word, bit, faults]).not.toEqual([word, bit, "0 0"]);
          if (faults.startsWith("0 ")) other++;
          else found++;
        }
    expect(found).toBeGreaterThan(4 * other);
  });

  it("[every] a block whose magic number is wrong traps the walk, whatever else it holds", () => {
    for (const { at, bytes } of blocks()) {
      if (bytes !== 552 && rooms.word(at) >> 32n !== 0x7453494cn) continue;
      const [offset, bit] = bytes === 552 ? [8, 1n << 10n] : [0, 1n << 40n];
      const value = rooms.word(at + offset) ^ bit;
      expect([at, withWord(at + offset, value, walkEnds)]).toEqual([at, "trap"]);
    }
    expect(walkEnds()).toBe("-");
  });

  it("never traps, whatever the blocks hold", () => {
    const next = scattered(2n);
    for (let round = 0; round < 2000; round++) {
      if (round % 50 === 0) build();
      const words = Number(next() & 15n) + 1;
      for (let i = 0; i < words; i++) {
        const at = FIRST + Number(next() % BigInt((LENGTH - FIRST) / 8)) * 8;
        const from = FIRST + Number(next() % BigInt((LENGTH - FIRST) / 8)) * 8;
        // Garbage, a word from elsewhere, or a small change: an offset that is off by a little.
        const value = [next(), rooms.word(from), rooms.word(at) + (next() & 0xfffn)][round % 3]!;
        rooms.putWord(at, BigInt.asIntN(64, value));
      }
      expect(rooms.run(["K"])).not.toBe("trap");
      expect(() => rooms.exports.radixCheck!(ROOT)).not.toThrow();
    }
  });

  it("ends on a node that is its own child, and finds two entries for one block", () => {
    const root = rooms.word(ROOT);
    const node = Number(root >> 4n) & 0xffffffff;
    expect(withWord(node + 40 + 8, root, () => rooms.run(["K"]))).not.toMatch(/^0 /);
    const alone = () => rooms.exports.radixCheck!(ROOT);
    expect(withWord(node + 40 + 8, root, alone)).toBeGreaterThan(0);
    const child = [...Array(64).keys()].map((i) => rooms.word(node + 40 + 8 * i)).find(Boolean)!;
    const free = [...Array(64).keys()].findIndex((i) => rooms.word(node + 40 + 8 * i) === 0n);
    expect(withWord(node + 40 + 8 * free, child, () => rooms.run(["K"]))).not.toMatch(/^0 /);
  });

  it("a wrong count of a leaf traps when it is visited with an open journal", () => {
    const journaled = Rooms.core();
    journaled.run(["R", BigInt(LENGTH)]);
    journaled.run(["J"]);
    for (let i = 0n; i < 100n; i++) journaled.run(onKey("T", i));
    const leaf = Number(journaled.word(ROOT) >> 4n);
    journaled.putWord(leaf + 40, 0n);
    // Another call: within one it is proven once.
    journaled.run(["J"]);
    const codes = ["T", "G", "H"].map((code) => journaled.run(onKey(code, 200n)));
    const searches = ["F", "N", "C"].map((code) => journaled.run(within(code, 1n, LAST_KEY)));
    expect([...codes, ...searches]).toEqual(Array(6).fill("trap"));
  });

  it("claims each byte of the image once, and none outside", () => {
    const { blocksBegin, blocksClaim, blocksClaimed, blocksEnd } = rooms.exports;
    blocksBegin!(1024);
    const claims: [number, number, number][] = [
      [0, 16, 0],
      [8, 16, 1],
      [24, 40, 1],
      [16, 8, 0],
      [56, 16, 0],
      [64, 552, 1],
      [1000, 32, 0],
      [1008, 16, 1],
      [1024, 16, 0],
      [2 ** 32 - 8, 16, 0],
      [700, 16, 0],
    ];
    for (const [at, bytes, right] of claims)
      expect([at, blocksClaim!(at, bytes)]).toEqual([at, right]);
    expect(blocksClaimed!()).toBe(16n + 40n + 552n + 16n);
    blocksEnd!();
  });
});

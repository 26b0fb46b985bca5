// Laws of assembly/records/trie.ts: an index of cells by a 64-bit key that it takes from the
// cells. The cells here carry IPv6 addresses, whose keys begin with the host part; keys alike
// beyond that are found by trying prefixes.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Book, halves, OP } from "./support/book.ts";
import { randomFrom } from "./support/world.ts";

const EMPTY = Array(9).fill(0);

describe("trie", () => {
  let book: Book;
  /** The cell of every address in the index. */
  let cells: Map<bigint, bigint>;
  beforeAll(() => {
    book = new Book("core");
  }, 180_000);
  beforeEach(() => {
    book.format(1 << 22, [3n, 4n]);
    cells = new Map();
  });

  function add(lo: bigint): void {
    const cell = book.run(OP.cellMake, ...halves(lo));
    expect(book.run(OP.trieAdd, cell)).toBe(1n);
    cells.set(lo, cell);
    book.commit();
  }

  function remove(lo: bigint): void {
    book.run(OP.trieRemove, cells.get(lo)!);
    book.run(OP.cellFree, cells.get(lo)!);
    cells.delete(lo);
    book.commit();
  }

  function agree(): void {
    for (const [lo, cell] of cells) expect(book.run(OP.trieSeek, ...halves(lo))).toBe(cell);
    expect(book.run(OP.trieCells)).toBe(BigInt(cells.size));
  }

  function empty(random = randomFrom(5)): void {
    const all = [...cells.keys()];
    while (all.length > 0) {
      const [lo] = all.splice(random(all.length), 1);
      remove(lo!);
      expect(book.run(OP.trieSeek, ...halves(lo!))).toBe(0n);
      if (all.length % 64 === 0) agree();
    }
    expect(book.live()).toEqual(EMPTY);
  }

  /**
   * `count` addresses whose keys begin with `bits` bits alike: one host part under many prefixes.
   */
  function alike(count: number, bits: number): bigint[] {
    const found: bigint[] = [];
    const like = book.run(OP.hash, 0, 5n);
    for (let from = 0n; found.length < count; from = (found.at(-1)! >> 64n) + 1n)
      found.push((book.run(OP.collide, bits, like, from, 5n) << 64n) | 5n);
    return found;
  }

  it("[model] thousands of cells come and go as in a Map; empties give every block back", () => {
    const random = randomFrom(11);
    for (let n = 0; n < 4000; n++) add(BigInt(n));
    agree();
    for (let n = 0; n < 6000; n++) {
      const lo = BigInt(random(8000));
      if (cells.has(lo)) remove(lo);
      else add(lo);
      expect(book.run(OP.trieSeek, 0, BigInt(random(8000)) + 100_000n)).toBe(0n);
    }
    agree();
    empty();
  });

  it("keeps cells apart whose keys begin with 36 to 54 bits alike", () => {
    for (const [count, bits] of [
      [40, 36],
      [40, 42],
      [40, 48],
      [20, 54],
    ] as const) {
      for (const address of alike(count, bits)) add(address);
      agree();
      empty();
    }
  }, 60_000);

  it("[every] buckets of 1 to 40 cells survive the removal of every one of them", () => {
    for (let count = 1; count <= 40; count++)
      for (let gone = 0; gone < count; gone++) {
        const los = Array.from({ length: count }, (_, n) => BigInt(n + 64 * count));
        for (const lo of los) add(lo);
        remove(los[gone]!);
        expect(book.run(OP.trieSeek, ...halves(los[gone]!))).toBe(0n);
        if (gone % 5 === 0) agree();
        empty();
      }
  }, 60_000);

  it("replaces a cell by another of the same key, wherever it lies", () => {
    for (let count = 1; count <= 300; count += 1 + (count >> 3)) {
      for (let n = 0; n < count; n++) add(BigInt(n));
      for (let n = 0; n < count; n += 1 + (count >> 4)) {
        const lo = BigInt(n);
        const old = cells.get(lo)!;
        cells.set(lo, book.run(OP.cellMake, ...halves(lo)));
        book.run(OP.trieReplace, old, cells.get(lo)!);
        book.run(OP.cellFree, old);
        book.commit();
      }
      agree();
      empty();
    }
  });

  it("traps and changes nothing when a cell to remove or replace isn't there", () => {
    for (let n = 0; n < 50; n++) add(BigInt(n));
    const other = book.run(OP.cellMake, 0, 1000n);
    book.commit();
    const before = book.snapshot();
    expect(() => book.run(OP.trieRemove, other)).toThrow("an index lacks a record");
    expect(() => book.run(OP.trieReplace, other, 4096)).toThrow("an index lacks a record");
    expect(book.snapshot().equals(before)).toBe(true);
  });

  it("answers no space when the arena is full; undone, the index is as before", () => {
    book.format(1 << 16, [3n, 4n]);
    for (;;) {
      const lo = BigInt(cells.size);
      const cell = book.run(OP.cellMake, ...halves(lo));
      if (cell !== 0n && book.run(OP.trieAdd, cell) === 1n) {
        cells.set(lo, cell);
        book.commit();
        continue;
      }
      book.run(OP.undo);
      break;
    }
    agree();
    empty();
  });
});

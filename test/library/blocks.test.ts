// Laws of the buddy in assembly/library/blocks.ts, on the process's heap: against a model that
// knows nothing but which blocks are held or excluded, and looks for free ones by halving.
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Heap, heap } from "../../src/heap.ts";
import { shareHeap } from "../../src/share.ts";

const OK = 0;
const TAKEN = 1;
const OUTSIDE = 4;
const FREE = 6;
const STATES = { 0: "free", 1: "held", 3: "excluded", 4: "outside", 5: "partly" } as const;

interface Block {
  level: number;
  index: bigint;
}

let h: Heap;

beforeAll(() => {
  h = heap();
});

const name = ({ level, index }: Block) => `${level}:${index}`;

/** The blocks of one prefix, as the core keeps them. */
class Blocks {
  readonly span: number;
  readonly cell: number;

  constructor(span: number) {
    this.span = span;
    this.cell = h.exports.blocksMake!(span) as number;
  }

  #call(what: string, { level, index }: Block): number {
    const hi = BigInt.asUintN(64, index >> 64n);
    return h.exports[what]!(this.cell, level, hi, BigInt.asUintN(64, index)) as number;
  }

  #last(): Block {
    const { blockLevel, blockHi, blockLo } = h.exports as unknown as Record<
      string,
      WebAssembly.Global
    >;
    const [hi, lo] = [blockHi!, blockLo!].map((half) => BigInt.asUintN(64, half.value));
    return { level: blockLevel!.value, index: (hi! << 64n) | lo! };
  }

  take(level: number): Block | number {
    const status = h.exports.blocksTake!(this.cell, level) as number;
    return status === OK ? this.#last() : status;
  }

  takeAt(block: Block): number {
    return this.#call("blocksTakeAt", block);
  }

  exclude(block: Block): number {
    return this.#call("blocksExclude", block);
  }

  give(block: Block): number {
    return this.#call("blocksGive", block);
  }

  state(block: Block): string {
    const state = STATES[this.#call("blocksState", block) as keyof typeof STATES];
    return state === "held" || state === "partly" ? `${state} ${name(this.#last())}` : state;
  }

  held(): Block[] {
    const all: Block[] = [];
    for (let from = 0n; from < 1n << BigInt(this.span); ) {
      const status = h.exports.blocksNext!(this.cell, from >> 64n, BigInt.asUintN(64, from));
      if (status !== OK) break;
      const block = this.#last();
      all.push(block);
      from = (block.index + 1n) << BigInt(this.span - block.level);
    }
    return all;
  }

  counts(held: 0 | 1): string {
    const all = Array.from({ length: this.span + 1 }, (_, level) =>
      h.exports.blocksCount!(this.cell, level, held),
    );
    return all.join(" ");
  }

  close(): void {
    h.exports.blocksClose!(this.cell);
  }
}

/** What the blocks ought to be: two lists, and no cleverness. */
class Model {
  readonly span: number;
  readonly held = new Map<string, Block>();
  readonly excluded: Block[] = [];

  constructor(span: number) {
    this.span = span;
  }

  #overlap(a: Block, b: Block): boolean {
    const [outer, inner] = a.level <= b.level ? [a, b] : [b, a];
    return inner.index >> BigInt(inner.level - outer.level) === outer.index;
  }

  #used(): Block[] {
    return [...this.held.values(), ...this.excluded];
  }

  isFree(block: Block): boolean {
    return !this.#used().some((other) => this.#overlap(block, other));
  }

  /** The free blocks that lie in no larger one, in order. */
  free(within: Block = { level: 0, index: 0n }, used = this.#used()): Block[] {
    const inside = used.filter((other) => this.#overlap(within, other));
    if (inside.length === 0) return [within];
    if (inside.some((other) => other.level <= within.level)) return [];
    const [level, index] = [within.level + 1, within.index << 1n];
    return [
      ...this.free({ level, index }, inside),
      ...this.free({ level, index: index + 1n }, inside),
    ];
  }

  take(level: number): Block | number {
    if (level > this.span) return OUTSIDE;
    const fits = this.free().filter((block) => block.level <= level);
    if (fits.length === 0) return FREE;
    const deepest = Math.max(...fits.map((block) => block.level));
    const from = fits.find((block) => block.level === deepest)!;
    const given = { level, index: from.index << BigInt(level - from.level) };
    this.held.set(name(given), given);
    return given;
  }

  isInside({ level, index }: Block): boolean {
    return level <= this.span && index >> BigInt(level) === 0n;
  }

  takeAt(block: Block): number {
    if (!this.isInside(block)) return OUTSIDE;
    if (!this.isFree(block)) return TAKEN;
    this.held.set(name(block), block);
    return OK;
  }

  exclude(block: Block): number {
    if (!this.isInside(block)) return OUTSIDE;
    if (!this.isFree(block)) return TAKEN;
    this.excluded.push(block);
    return OK;
  }

  give(block: Block): number {
    if (!this.isInside(block)) return OUTSIDE;
    return this.held.delete(name(block)) ? OK : FREE;
  }

  state(block: Block): string {
    if (!this.isInside(block)) return "outside";
    if (this.isFree(block)) return "free";
    const near = this.inOrder().filter((other) => this.#overlap(block, other));
    if (near.length === 0) return "excluded";
    return `${near[0]!.level <= block.level ? "held" : "partly"} ${name(near[0]!)}`;
  }

  inOrder(): Block[] {
    const start = ({ level, index }: Block) => index << BigInt(this.span - level);
    return [...this.held.values()].sort((a, b) => (start(a) < start(b) ? -1 : 1));
  }

  counts(blocks: Block[]): string {
    const all = Array.from({ length: this.span + 1 }, () => 0);
    for (const { level } of blocks) all[level]!++;
    return all.join(" ");
  }
}

type Step = readonly [
  what: "take" | "takeAt" | "exclude" | "give" | "again" | "state",
  seed: number,
];

const stepsOf = (weightOfExclude: number): fc.Arbitrary<Step[]> => {
  const what = fc.oneof(
    { weight: 8, arbitrary: fc.constant("take" as const) },
    { weight: 4, arbitrary: fc.constant("takeAt" as const) },
    { weight: weightOfExclude, arbitrary: fc.constant("exclude" as const) },
    { weight: 5, arbitrary: fc.constant("again" as const) },
    { weight: 1, arbitrary: fc.constant("give" as const) },
    { weight: 3, arbitrary: fc.constant("state" as const) },
  );
  return fc.array(fc.tuple(what, fc.nat({ max: 0x7fffffff })), { maxLength: 50, size: "max" });
};

/** A block by a number: any level, and an index near the beginning, the end, or anywhere. */
function blockOf(span: number, seed: number): Block {
  const level = (seed >> 3) % (span + 1);
  const last = (1n << BigInt(level)) - 1n;
  const near = BigInt(seed >> 11) % 40n;
  const anywhere = (BigInt(seed) * 0x9e3779b97f4a7c15f39cc0605cedc835n) >> BigInt(seed % 7);
  const index = seed & 1 ? near : seed & 2 ? last - near : anywhere;
  return { level, index: index < 0n || index > last ? last >> 1n : index };
}

function play(span: number, steps: Step[]): void {
  const blocks = new Blocks(span);
  const model = new Model(span);
  try {
    for (const [what, seed] of steps) {
      const block = blockOf(span, seed);
      if (what === "take") {
        const level = seed & 4 ? span - ((seed >> 3) % Math.min(span + 1, 6)) : block.level;
        expect(blocks.take(level)).toEqual(model.take(level));
      } else if (what === "again") {
        const held = model.inOrder();
        if (held.length === 0) continue;
        const mine = held[seed % held.length]!;
        expect([blocks.give(mine), blocks.give(mine)]).toEqual([model.give(mine), FREE]);
      } else expect([what, blocks[what](block)]).toEqual([what, model[what](block)]);
      expect(blocks.counts(0)).toBe(model.counts(model.free()));
    }
    expect(blocks.held()).toEqual(model.inOrder());
    expect(blocks.counts(1)).toBe(model.counts(model.inOrder()));
    for (const block of model.inOrder()) expect(blocks.give(block)).toBe(OK);
    model.held.clear();
    expect(blocks.counts(0)).toBe(model.counts(model.free()));
    if (model.excluded.length === 0) expect(blocks.take(0)).toEqual({ level: 0, index: 0n });
  } finally {
    blocks.close();
  }
}

describe("blocks of mixed lengths", () => {
  it("[model] any sequence in a prefix with 0 to 12 bits below it agrees with the model", () => {
    const law = (span: number, steps: Step[]) => play(span, steps);
    fc.assert(fc.property(fc.nat({ max: 12 }), stepsOf(0), law), { numRuns: 400 });
  });

  it("[model] and with 32, 64, 65, 127 and 128 bits", () => {
    const spans = fc.constantFrom(32, 63, 64, 65, 100, 127, 128);
    const law = (span: number, steps: Step[]) => play(span, steps);
    fc.assert(fc.property(spans, stepsOf(0), law), { numRuns: 120 });
  });

  it("[model] with exclusions nothing of them is ever given, and they don't come back", () => {
    const spans = fc.constantFrom(3, 6, 9, 40, 128);
    const law = (span: number, steps: Step[]) => play(span, steps);
    fc.assert(fc.property(spans, stepsOf(3), law), { numRuns: 200 });
  });

  it("[every] every set of held blocks of a prefix with 2 bits below it, in every state", () => {
    const all: Block[] = [];
    for (let level = 0; level <= 2; level++)
      for (let index = 0; index < 1 << level; index++) all.push({ level, index: BigInt(index) });
    let seen = 0;
    for (let bits = 0; bits < 1 << all.length; bits++) {
      const [blocks, model] = [new Blocks(2), new Model(2)];
      const chosen = all.filter((_, i) => (bits >> i) & 1);
      for (const block of chosen) expect(blocks.takeAt(block)).toBe(model.takeAt(block));
      for (const block of all) expect(blocks.state(block)).toBe(model.state(block));
      expect(blocks.counts(0)).toBe(model.counts(model.free()));
      expect([0, 1, 2, 3].map((level) => blocks.take(level))).toEqual(
        [0, 1, 2, 3].map((level) => model.take(level)),
      );
      blocks.close();
      seen++;
    }
    expect(seen).toBe(128);
  });

  it("refuses levels and indexes that aren't there", () => {
    const blocks = new Blocks(8);
    expect(blocks.take(9)).toBe(OUTSIDE);
    expect(blocks.takeAt({ level: 8, index: 256n })).toBe(OUTSIDE);
    expect(blocks.takeAt({ level: 9, index: 0n })).toBe(OUTSIDE);
    expect(blocks.give({ level: 0, index: 1n })).toBe(OUTSIDE);
    expect(blocks.exclude({ level: 4, index: 1n << 64n })).toBe(OUTSIDE);
    expect(blocks.state({ level: 300, index: 0n })).toBe("outside");
    expect(blocks.counts(0)).toBe("1 0 0 0 0 0 0 0 0");
    blocks.close();
    expect(h.exports.blocksMake!(129)).toBe(0);
  });

  it("closing gives all memory back: 2,000 prefixes of 128 bits, one after the other", () => {
    const used = () => h.exports.heapUsed!() as number;
    const round = () => {
      const blocks = new Blocks(128);
      for (let i = 0; i < 40; i++) blocks.take(128 - (i % 5));
      blocks.takeAt({ level: 128, index: 1n << 127n });
      blocks.close();
    };
    for (let i = 0; i < 50; i++) round();
    const before = used();
    for (let i = 0; i < 2000; i++) round();
    expect(used()).toBe(before);
  });
});

// Last in the file: what has been shared stays shared.
describe("blocks on a heap that threads share", () => {
  beforeAll(() => void shareHeap(h));

  it("[model] every call notes what it changes, and agrees with the model as before", () => {
    const spans = fc.constantFrom(6, 12, 64, 128);
    const law = (span: number, steps: Step[]) => play(span, steps);
    fc.assert(fc.property(spans, stepsOf(1), law), { numRuns: 150 });
  });

  it("no call changes more words than can be noted: 40,000 blocks, scattered and dense", () => {
    const blocks = new Blocks(128);
    for (let i = 1; i <= 20_000; i++) {
      const index = (BigInt(i) * 0x9e3779b97f4a7c15f39cc0605cedc835n) >> 3n;
      expect(blocks.takeAt({ level: 125, index: BigInt.asUintN(125, index) })).toBe(OK);
    }
    for (let i = 0; i < 20_000; i++) expect(blocks.take(128)).toBeTypeOf("object");
    const held = blocks.held();
    expect(held.length).toBe(40_000);
    for (let i = 0; i < held.length; i += 2) expect(blocks.give(held[i]!)).toBe(OK);
    blocks.close();
    const all = new Blocks(128);
    expect(all.take(0)).toEqual({ level: 0, index: 0n });
    expect(all.give({ level: 0, index: 0n })).toBe(OK);
    all.close();
  });
});

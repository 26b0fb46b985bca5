// Laws of createPrefixPool: against the model (prefixmodel.ts) by seed, and one by one.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPrefixPool, PrefixPool } from "../../src/cluster/prefixpool.ts";
import { IpamError } from "../../src/errors.ts";
import { type Answer, type ModelOptions, PrefixModel } from "./prefixmodel.ts";

/** What a call answers, or "!code". */
function answer(call: () => Answer): Answer {
  try {
    return call();
  } catch (error) {
    if (error instanceof IpamError) return `!${error.code}`;
    throw error;
  }
}

/** Cluster prefixes that come and go; some overlap, one is smaller than a sub-prefix. */
const CLUSTER = [
  "10.0.0.0/27",
  "10.0.0.32/28",
  "10.0.0.0/26",
  "10.0.1.0/29",
  "10.0.2.0/31",
  "fd00::/122",
  "fd00::40/123",
  "fd01::/126",
];
/** Prefixes to occupy and to release: in, around and beside those. */
const PREFIXES = [
  ...CLUSTER,
  "10.0.0.0/24",
  "10.0.0.4/30",
  "10.0.0.8/29",
  "10.0.0.9/32",
  "10.0.0.16/28",
  "10.0.0.48/30",
  "10.9.0.0/30",
  "fd00::/64",
  "fd00::10/124",
  "fd00::12/127",
  "fd00::14/126",
  "fd00::20/128",
  "fd00::44/126",
  "fd09::/126",
];
const OWNERS = ["a", "b", undefined] as const;

type Step =
  | readonly ["allocate", { owner?: string; family?: 4 | 6; length?: { 4?: number; 6?: number } }]
  | readonly ["release" | "releaseWithin" | "add" | "remove", string]
  | readonly ["again", number]
  | readonly ["releaseOwner", string]
  | readonly ["occupy", string, string | undefined]
  | readonly ["drain", string, boolean]
  | readonly ["save"];

const prefix = fc.constantFrom(...PREFIXES);
const cluster = fc.constantFrom(...CLUSTER);
const owner = fc.constantFrom(...OWNERS);
const lengths = fc.record(
  { 4: fc.integer({ min: 26, max: 32 }), 6: fc.integer({ min: 121, max: 128 }) },
  { requiredKeys: [] },
);
const request = fc.record(
  { owner: fc.constantFrom("a", "b"), family: fc.constantFrom(4 as const, 6 as const) },
  { requiredKeys: [] },
);
const mixedRequest = fc.record(
  {
    owner: fc.constantFrom("a", "b"),
    family: fc.constantFrom(4 as const, 6 as const),
    length: lengths,
  },
  { requiredKeys: [] },
);

function stepsOf(mixed: boolean): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(fc.constant("allocate" as const), mixed ? mixedRequest : request),
    },
    { weight: 4, arbitrary: fc.tuple(fc.constant("again" as const), fc.nat(99)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("release" as const), prefix) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("releaseWithin" as const), prefix) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constant("releaseOwner" as const), fc.constantFrom("a", "b", "c")),
    },
    { weight: 4, arbitrary: fc.tuple(fc.constant("occupy" as const), prefix, owner) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("add" as const), cluster) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("remove" as const), cluster) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("drain" as const), cluster, fc.boolean()) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("save" as const)) },
  );
  return fc.array(step, { maxLength: 40, size: "max" });
}

const optionsOf = (mixed: boolean): fc.Arbitrary<ModelOptions> =>
  fc.record({
    length: fc.constantFrom({ 4: 30, 6: 126 }, { 4: 29, 6: 125 }, { 4: 32, 6: 126 }),
    mixed: fc.constant(mixed),
    policy: mixed
      ? fc.constant("first" as const)
      : fc.constantFrom("next" as const, "first" as const),
    head: fc.constantFrom(0, 0, 1),
    tail: fc.constantFrom(0, 0, 1),
    exclude: fc.subarray(["10.0.0.9", "10.0.0.20-10.0.0.34", "fd00::8/125", "fd07::/64"]),
  });

function compare(pool: PrefixPool, model: PrefixModel): void {
  const held = model.inOrder();
  expect(pool.stats().flatMap((family) => family.prefixes)).toEqual(model.counts());
  expect([...pool.entries()]).toEqual(held.map((p) => [textOf(p), p.owner]));
}

function textOf(p: Parameters<PrefixModel["isFree"]>[0]): string {
  return `${pretty(p.family, p.base)}/${p.length}`;
}

// Written here once more: what the pool prints is compared with something of our own.
function pretty(family: 4 | 6, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((bits) => (value >> bits) & 255n).join(".");
  const top = (value >> 112n).toString(16);
  const low = value & 0xffffn;
  return `${top}::${low === 0n ? "" : low.toString(16)}`;
}

function play(options: ModelOptions, steps: Step[]): void {
  let pool = createPrefixPool([], options);
  const model = new PrefixModel(options);
  try {
    for (const step of [["add", "10.0.0.0/27"], ["add", "fd00::/122"], ...steps] as Step[]) {
      if (step[0] === "save") {
        const bytes = pool.toBytes();
        pool.close();
        pool = PrefixPool.fromBytes(bytes);
      } else if (step[0] === "again") {
        if (model.held.length === 0) continue;
        const text = textOf(model.held[step[1] % model.held.length]!);
        expect([pool.release(text), answer(() => pool.release(text))]).toEqual([
          model.release(text),
          "!notAllocated",
        ]);
      } else {
        const [what, ...values] = step;
        const call = (on: PrefixPool | PrefixModel) =>
          answer(() => (on[what] as (...all: unknown[]) => Answer).apply(on, values));
        const given = call(pool);
        if (what === "occupy" && typeof given === "object") delete (given as { why?: string }).why;
        expect([step, given]).toEqual([step, call(model)]);
      }
      compare(pool, model);
    }
    for (const held of model.inOrder()) {
      expect(pool.ownerOf(textOf(held))).toBe(held.owner);
      pool.release(textOf(held));
    }
    model.held = [];
    compare(pool, model);
  } finally {
    pool.close();
  }
}

describe("prefix pools against the model", () => {
  it("[model] one length: any sequence of calls answers and leaves what the model does", () => {
    const law = (options: ModelOptions, steps: Step[]) => play(options, steps);
    fc.assert(fc.property(optionsOf(false), stepsOf(false), law), { numRuns: 300 });
  });

  it("[model] mixed lengths: the same; no two ever overlap, the tightest free block is split", () => {
    const law = (options: ModelOptions, steps: Step[]) => play(options, steps);
    fc.assert(fc.property(optionsOf(true), stepsOf(true), law), { numRuns: 150 });
  });

  it("[every] every set of held /30 of a /28 in every order of two more calls", () => {
    for (const mixed of [false, true])
      for (let bits = 0; bits < 16; bits++) {
        const options: ModelOptions = {
          length: { 4: 30, 6: 126 },
          mixed,
          policy: "first",
          head: 0,
          tail: 0,
          exclude: [],
        };
        const all = [0, 4, 8, 12].map((low) => `10.0.1.${low}/30`);
        const chosen = all.filter((_, i) => (bits >> i) & 1);
        const setup = chosen.map((text) => ["occupy", text, "a"] as const);
        const calls: Step[] = [
          ["allocate", { family: 4 }],
          ...all.map((text) => ["release", text] as const),
          ["occupy", "10.0.1.0/28", "a"],
          ["occupy", "10.0.1.8/29", "b"],
        ];
        for (const one of calls)
          for (const two of calls)
            play(options, [["remove", "10.0.0.0/27"], ["add", "10.0.1.0/28"], ...setup, one, two]);
      }
  });

  it("a wide prefix occupies beside a cluster prefix of which everything is kept back", () => {
    using pool = createPrefixPool(["10.0.0.0/24", "10.0.1.0/24"], {
      length: 25,
      tail: 1,
      exclude: ["10.0.0.9"],
    });
    expect(pool.occupy("10.0.0.0/24").status).toBe("conflict");
    expect(pool.occupy("10.0.0.0/23", "a").status).toBe("added");
    expect(pool.occupy("10.0.0.0/23", "a").status).toBe("same");
    expect(pool.occupy("10.0.0.0/23", "b")).toMatchObject({ status: "conflict", owner: "a" });
    expect([...pool.entries()]).toEqual([["10.0.1.0/25", "a"]]);
  });
});

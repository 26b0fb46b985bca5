// Laws of createPool against the golden model of test/support/poolmodel.ts: every policy, with
// exclusions, band and cool-down, from one address to ::/0. What is refused: refusals.test.ts.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPool } from "../../src/index.ts";
import { type Plan, type Step, Twin } from "../support/poolmodel.ts";

/** A prefix of every kind of pool: bitmap, radix set, numbers, bigints, addresses only. */
const PREFIXES = [
  "192.0.2.1/32",
  "10.0.0.0/31",
  "10.1.2.128/26",
  "10.2.3.0/24",
  "172.16.0.0/16",
  "10.0.0.0/8",
  "128.0.0.0/1",
  "0.0.0.0/0",
  "2001:db8::1/128",
  "2001:db8::2/127",
  "fd00:1:2:3::7:0/112",
  "fd00::c000:0/98",
  "fd00::8000:0/97",
  "fd00::/95",
  "2001:db8:0:40::/75",
  "2001:db8:0:40::/74",
  "2001:db8:1:2::/64",
  "2001:db8:1:2::/63",
  "fd00::/8",
  "::/0",
];

const bitsOf = (prefix: string) => (prefix.includes(":") ? 128 : 32) - Number(prefix.split("/")[1]);

/** Random exclusions: near the ends, a whole half, single ones. */
function intervals(bits: number) {
  const last = (1n << BigInt(bits)) - 1n;
  const clamp = (slot: bigint) => (slot < 0n ? 0n : slot > last ? last : slot);
  const place = fc.tuple(fc.constantFrom(0n, last >> 1n, last), fc.integer({ min: -70, max: 70 }));
  const length = fc.oneof(
    { weight: 5, arbitrary: fc.bigInt({ min: 0n, max: 5n }) },
    { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 5000n }) },
    { weight: 1, arbitrary: fc.constant(last >> 1n) },
  );
  const interval = fc.tuple(place, length).map(([[at, by], n]) => {
    const from = clamp(at + BigInt(by));
    return [from, clamp(from + n)] as const;
  });
  return fc.array(interval, { maxLength: 4 });
}

function plans(prefix: string) {
  const bits = bitsOf(prefix);
  const bands = [0, 0, 1, 3, 16, 100, 256, 4096].filter((band) => band <= 2 ** bits);
  return fc.record({
    prefix: fc.constant(prefix),
    policy: fc.constantFrom("next", "first", "random"),
    cooldown: fc.constantFrom(0, 0, 1, 5, 60),
    band: fc.constantFrom(...bands),
    exclude: intervals(bits),
  }) as fc.Arbitrary<Plan>;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(["allocate"] as const, ["take"] as const) },
    {
      weight: 6,
      arbitrary: fc.tuple(
        fc.constantFrom("allocateAt", "takeAt", "release", "give", "give", "has", "explain"),
        fc.nat(5000),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(fc.constantFrom("takeMany", "giveMany"), fc.nat(90), fc.nat(100)),
    },
    { weight: 2, arbitrary: fc.tuple(fc.constant("wait"), fc.constantFrom(0.25, 1, 2, 5, 61)) },
    { weight: 1, arbitrary: fc.constant(["copy"] as const) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 50, size: "max" },
);

function run(plan: Plan, list: readonly Step[]): void {
  const twin = new Twin(plan);
  try {
    twin.counts();
    for (const step of list) twin.step(step);
    twin.listed();
    for (const slot of [...twin.model.held]) twin.pool.release(twin.text(slot));
    expect([twin.pool.used, ...twin.pool]).toEqual([0]);
  } finally {
    twin.pool.close();
  }
}

describe("a pool agrees with the model", () => {
  for (const prefix of PREFIXES)
    it(`[model] ${prefix}: any sequence of calls, any policy, exclusions, band, cool-down`, () => {
      fc.assert(fc.property(plans(prefix), steps, run), {
        numRuns: bitsOf(prefix) === 30 ? 6 : 60,
      });
    });

  it("goes on behind a held address that ends the block of all that is held", () => {
    const exclude = ["fd00::-fd00::fff", "fd00::1001-fd00::3:fffe"];
    for (const policy of ["next", "first"] as const) {
      using pool = createPool<bigint>("fd00::/64", { policy, exclude });
      expect([pool.take(), pool.take(), pool.take()]).toEqual([0x1000n, 0x3ffffn, 0x40000n]);
    }
  });

  for (const prefix of ["10.0.0.2/32", "10.0.0.0/31", "2001:db8::4/126", "10.0.0.0/30"])
    it(`[every] ${prefix}: all sequences of calls up to a length`, () => {
      const slots = 2 ** bitsOf(prefix);
      const at = [...Array(slots).keys()].map(BigInt);
      for (const policy of ["next", "first", "random"] as const)
        for (const [cooldown, band] of [
          [0, 0],
          [2, 0],
          [0, 1],
          [2, slots],
        ] as const)
          for (const exclude of [[], [[0n, 0n]], [[at.at(-1)!, at.at(-1)!]]] as const) {
            const plan: Plan = { prefix, policy, cooldown, band, exclude };
            everySequence(plan, at, slots === 4 ? 3 : slots === 2 && policy !== "next" ? 4 : 5);
          }
    });
});

/** Every sequence of `length` calls: allocate, take and release each slot, wait. */
function everySequence(plan: Plan, slots: bigint[], length: number): void {
  type Call = (twin: ExactTwin) => void;
  const calls: Call[] = [(twin) => twin.step(["allocate"])];
  for (const slot of slots)
    calls.push(
      (twin) => twin.exact("takeAt", slot),
      (twin) => twin.exact("give", slot),
    );
  if (plan.cooldown > 0) calls.push((twin) => twin.step(["wait", 1]));
  const total = calls.length ** length;
  for (let n = 0; n < total; n++) {
    const twin = new ExactTwin(plan);
    for (let rest = n, i = 0; i < length; i++) {
      calls[rest % calls.length]!(twin);
      rest = Math.floor(rest / calls.length);
    }
    for (const slot of slots) twin.exact("explain", slot);
    twin.listed();
    twin.pool.close();
  }
}

/** A twin whose steps name a slot, not a place. */
class ExactTwin extends Twin {
  #wanted = -1n;

  exact(what: "takeAt" | "give" | "explain", slot: bigint): void {
    this.#wanted = slot;
    this.step([what, 0]);
  }

  override slot(): bigint {
    return this.#wanted;
  }
}

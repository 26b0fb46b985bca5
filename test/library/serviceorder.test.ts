// Which address of one range is given, against a golden model: a list and a clock. The range may be
// any, a prefix or one over a boundary: nobody may see what it looks like inside.
import fc from "fast-check";
import { expect, it } from "vitest";
import { formatAddress, parseInterval } from "../../src/address.ts";
import { ServicePool } from "../../src/index.ts";
import { closeAll, make, open, refusal } from "../support/services.ts";

const RANGES = [
  "10.0.0.0/28",
  "10.0.0.250-10.0.1.6",
  "10.127.255.254-10.128.0.9",
  "127.255.255.255-128.0.0.12",
  "fd00::ffff:ffff:ffff:fffa-fd00:0:0:1::3",
  "7fff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-8000::9",
  "192.0.2.3-192.0.2.3",
];

class Model {
  readonly addresses: string[];
  readonly held = new Set<string>();
  /** When each of them is free again, by the order of release. */
  readonly cooling = new Map<string, number>();
  readonly policy: "next" | "first";
  band = 0;
  last = -1;
  now = 0;

  constructor(range: string, policy: "next" | "first") {
    this.policy = policy;
    const { family, first, last } = parseInterval(range);
    const count = Number(last - first) + 1;
    this.addresses = Array.from({ length: count }, (_, i) =>
      formatAddress(family, first + BigInt(i)),
    );
  }

  isFree(address: string | undefined): boolean {
    return address !== undefined && !this.held.has(address) && !this.cooling.has(address);
  }

  tick(seconds: number): void {
    this.now += seconds;
    for (const [address, due] of this.cooling) if (due <= this.now) this.cooling.delete(address);
  }

  /** What must come next. */
  next(): string | undefined {
    const { addresses, band } = this;
    const upper = addresses.slice(band);
    const from = this.policy === "next" ? Math.max(this.last + 1 - band, 0) : 0;
    const round = [...upper.slice(from), ...upper.slice(0, from), ...addresses.slice(0, band)];
    return round.find((address) => this.isFree(address)) ?? [...this.cooling.keys()][0];
  }

  take(address: string, byPolicy: boolean): void {
    this.cooling.delete(address);
    this.held.add(address);
    if (byPolicy) this.last = this.addresses.indexOf(address);
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant(["any", 0] as const) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("this" as const), fc.nat(40)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("release" as const), fc.nat(40)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("wait" as const), fc.integer({ min: 1, max: 9 })) },
  { weight: 1, arbitrary: fc.constant(["copy", 0] as const) },
);

it("[model] a range gives by its policy, wherever it lies", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...RANGES),
      fc.constantFrom("next" as const, "first" as const),
      fc.constantFrom(0, 3, 12),
      fc.constantFrom(0, 5),
      fc.array(step, { maxLength: 60 }),
      (range, policy, wanted, cooldown, steps) => {
        const model = new Model(range, policy);
        const band = Math.min(wanted, model.addresses.length);
        model.band = band;
        // Between two ticks of the pool's clock, whatever is waited.
        const clock = () => model.now + 0.05;
        let pool = make(range, { usable: "all", policy, band, cooldown, clock });
        for (const [what, n] of steps) {
          const address = model.addresses[n % model.addresses.length]!;
          if (what === "any") {
            const right = model.next();
            if (right === undefined) expect(refusal(() => pool.allocate())).toBe("exhausted");
            else expect(pool.allocate().clusterIPs).toEqual([right]);
            if (right !== undefined) model.take(right, true);
          } else if (what === "this" && model.isFree(address)) {
            expect(pool.allocate({ clusterIP: address }).clusterIPs).toEqual([address]);
            model.take(address, false);
          } else if (what === "release" && model.held.delete(address)) {
            pool.release(address);
            if (cooldown > 0) model.cooling.set(address, model.now + cooldown + 0.1);
          } else if (what === "wait") {
            model.tick(n);
          } else if (what === "copy") {
            pool = ServicePool.fromBytes(pool.toBytes(), { clock });
            open.push(pool);
          }
          const { state, why } = pool.explain(address);
          expect(why.startsWith(`${address} `)).toBe(true);
          expect(state === "allocated").toBe(model.held.has(address));
          const counts = pool.stats()[0]!;
          expect([counts.used, counts.cooling]).toEqual([model.held.size, model.cooling.size]);
          expect(counts.free).toBe(model.addresses.length - counts.used - counts.cooling);
        }
        expect([...pool]).toEqual(model.addresses.filter((one) => model.held.has(one)));
        closeAll();
      },
    ),
    { numRuns: 500 },
  );
});

// The prefix around each holds the mapped addresses, or begins over 2^53 addresses before it.
const WIDE = [
  "::fffd:0:0-::fffe:ffff:ffff",
  "::1-::fffe:ffff:ffff",
  "::-::fffe:ffff:fff0",
  "::1:0:0:0-::2:ffff:ffff:ffff",
  "::1:0:0:1-::2:ffff:ffff:ffff",
  "::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "fd00::1000:0:0:0-fd00::3fff:ffff:ffff:ffff",
  "fd00:0:0:1::-fd00:0:0:4::9",
  "ffff:ffff:ffff:ffff:2000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

it("a range beside the mapped addresses, or far behind a boundary, is as any other", () => {
  for (const range of WIDE)
    for (const policy of ["first", "random"] as const) {
      const { family, first, last } = parseInterval(range);
      const [a, b, c, d, z] = [first, first + 1n, first + 2n, first + 3n, last].map((value) =>
        formatAddress(family, value),
      ) as [string, string, string, string, string];
      const options = { usable: "all", policy, seed: 1n, band: 2, exclude: [c] } as const;
      const pool = make(range, options);
      expect(pool.stats()[0]).toMatchObject({ range, band: 2 });
      const [given] = pool.allocate().clusterIPs as [string];
      const { first: value } = parseInterval(given);
      expect(value > first + 2n && value < last).toBe(true);
      if (policy === "first") expect(given).toBe(d);
      for (const address of [a, z])
        expect(pool.allocate({ clusterIP: address }).clusterIPs).toEqual([address]);
      expect(pool.explain(b)).toMatchObject({ state: "free", why: `${b} is free` });
      expect(pool.explain(c)).toMatchObject({ state: "excluded", why: `${c} is excluded` });
      expect(refusal(() => pool.allocate({ clusterIP: "::ffff:0:1" }))).toBe("family");
      const again = ServicePool.fromBytes(pool.toBytes());
      open.push(again);
      again.release(a);
      expect([...pool]).toEqual([a, given, z]);
      expect([...again]).toEqual([given, z]);
    }
});

it("no band is possible in a quarter of all addresses over the middle, which is said", () => {
  const range = "6000::-a000::";
  const wide = { usable: "all", band: 2 } as const;
  expect(() => make(range, wide)).toThrow("band 2: so large a range");
  expect(refusal(() => make(range, wide))).toBe("invalid");
  expect(make(range, { usable: "all" }).allocate().clusterIPs).toHaveLength(1);
  expect(make("7000::-9000::", wide).allocate().clusterIPs).toEqual(["7000::2"]);
});

// Of the wide one exclusions leave what stands behind it.
const SEVERAL: [string, string][][] = [
  [
    ["10.0.0.0/29", "10.0.0.0-10.0.0.7"],
    ["10.0.1.250-10.0.2.4", "10.0.1.250-10.0.2.4"],
    ["10.0.3.0/30", "10.0.3.0-10.0.3.3"],
  ],
  [
    ["fd00::/64", "fd00::-fd00::9"],
    ["fd01::/125", "fd01::-fd01::7"],
  ],
];
const WIDE_REST = "fd00::a-fd00::ffff:ffff:ffff:ffff";

it("[model] of several ranges the first with something above its band gives", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SEVERAL),
      fc.constantFrom("next" as const, "first" as const),
      fc.constantFrom(0, 3, 12),
      fc.constantFrom(0, 5),
      fc.array(step, { maxLength: 120 }),
      (ranges, policy, wanted, cooldown, steps) => {
        const models = ranges.map(([, left]) => new Model(left, policy));
        for (const model of models) model.band = Math.min(wanted, model.addresses.length);
        const clock = () => models[0]!.now + 0.05;
        const isWide = ranges[0]![0] === "fd00::/64";
        const exclude = isWide ? [WIDE_REST] : [];
        const options = { usable: "all", policy, band: wanted, cooldown, clock, exclude } as const;
        const texts = ranges.map(([text]) => text);
        const pool = make(texts, options);
        for (const [what, n] of steps) {
          const model = models[n % models.length]!;
          const address = model.addresses[n % model.addresses.length]!;
          if (what === "any") {
            const giver =
              models.find((m) => m.addresses.slice(m.band).some((one) => m.isFree(one))) ??
              models.find((m) => m.addresses.some((one) => m.isFree(one))) ??
              models.find((m) => m.cooling.size > 0);
            const right = giver?.next();
            if (right === undefined) expect(refusal(() => pool.allocate())).toBe("exhausted");
            else expect(pool.allocate().clusterIPs).toEqual([right]);
            if (right !== undefined) giver!.take(right, true);
          } else if (what === "this" && model.isFree(address)) {
            expect(pool.allocate({ clusterIP: address }).clusterIPs).toEqual([address]);
            model.take(address, false);
          } else if (what === "release" && model.held.delete(address)) {
            pool.release(address);
            if (cooldown > 0) model.cooling.set(address, model.now + cooldown + 0.1);
          } else if (what === "wait") {
            for (const each of models) each.tick(n);
          }
        }
        for (const [i, stats] of pool.stats().entries()) {
          const { held, cooling, addresses } = models[i]!;
          const free = addresses.length - held.size - cooling.size;
          expect(stats).toMatchObject({ used: held.size, cooling: cooling.size, free });
        }
        closeAll();
      },
    ),
    { numRuns: 500 },
  );
});

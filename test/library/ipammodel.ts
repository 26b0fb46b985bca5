// The golden model of an Ipam: two pools of IPv4 and one of IPv6, who has which address until when,
// and the steps that a life may take.
import fc from "fast-check";
import type { IpamPoolOptions } from "../../src/ipam/words.ts";

interface PoolModel {
  prefix: string;
  options: IpamPoolOptions;
  /** What it may give. */
  addresses: string[];
  /** What it never gives, by state. */
  fixed: Map<string, string>;
}

const list = (base: string, count: number) =>
  Array.from({ length: count }, (_, n) => (base.includes(":") && n === 0 ? base : `${base}${n}`));

function poolModel(prefix: string, base: string, options: IpamPoolOptions): PoolModel {
  const fixed = new Map<string, string>();
  for (const one of options.exclude ?? []) fixed.set(one, "excluded");
  if (options.gateway) fixed.set(options.gateway, "gateway");
  const addresses = list(base, /(29|125)$/.test(prefix) ? 8 : 4).filter((one) => !fixed.has(one));
  return { prefix, options, addresses, fixed };
}

/** The pools of a life. */
export const POOLS = [
  poolModel("10.0.0.0/29", "10.0.0.", { exclude: ["10.0.0.0", "10.0.0.7"], gateway: "10.0.0.1" }),
  poolModel("10.9.0.0/30", "10.9.0.", { policy: "random", cooldown: 20, name: "nine" }),
  poolModel("fd00::/126", "fd00::", { policy: "first", cooldown: 7, gateway: "fd00::1" }),
];

/** Who has an address, and until when. */
export interface Taken {
  state: "allocated" | "reserved" | "cooling";
  owner?: string;
  name?: string;
  until: number;
}

/** What must be true. Times are seconds. */
export class Model {
  taken = new Map<string, Taken>();
  now = 1000;

  live(address: string): Taken | undefined {
    const taken = this.taken.get(address);
    return taken && (taken.state === "allocated" || taken.until > this.now) ? taken : undefined;
  }

  ofOwner(owner: string): string[] {
    return [...this.taken]
      .filter(([, t]) => t.state === "allocated" && t.owner === owner)
      .map(([a]) => a);
  }

  reserved(name: string): string[] {
    const all = [...this.taken].filter(
      ([a, t]) => t.state === "reserved" && t.name === name && this.live(a),
    );
    return all.map(([address]) => address);
  }

  clone(): Model {
    const copy = new Model();
    copy.now = this.now;
    copy.taken = new Map([...this.taken].map(([a, t]) => [a, { ...t }]));
    return copy;
  }
}

/** fc.option: as often nothing as something. */
const HALF = { freq: 1 };

const owner = fc.integer({ min: 0, max: 9 }).map((n) => `owner-${n}`);
const name = fc.integer({ min: 0, max: 3 }).map((n) => `ns/pod-${n}`);
const pools = fc.constantFrom<number[]>([0], [1], [2], [0, 2], [1, 2], [2, 1], [0, 1, 2]);
/** What may be done. */
export const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("allocate" as const),
      owner,
      pools,
      name: fc.option(name, HALF),
      want: fc.option(fc.integer({ min: 0, max: 7 }), HALF),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("release" as const),
      owner,
      ttl: fc.option(fc.integer({ min: 1, max: 30 }), HALF),
      name,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("reserve" as const),
      name,
      pools,
      ttl: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unreserve" as const), name }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      seconds: fc.integer({ min: 1, max: 15 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("reopen", "crash", "flush", "lose") }) },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

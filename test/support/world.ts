// Worlds for the allocator's tests, by seed: two configs of one network over the same addresses,
// and people who ask. Small ranges, so that they fill up; IPv6 ranges at the start of a /64 and at
// the very end of the address space.
import type { Ask, Family, RangeSpec, SetSpec, Value } from "./ledger.ts";

/** A generator of numbers below `n` (mulberry32). */
export function randomFrom(seed: number): (n: number) => number {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const V4 = 0x0a000000n;
const V6 = 0x20010db8n << 96n;
const LAST = (1n << 128n) - 1n;

/** A piece of region `n` of a family: a subnet of 64 addresses, in IPv6 a /64. */
function range(family: Family, n: number, random: (n: number) => number): RangeSpec {
  const top = family === 6 && n === 5;
  const base = family === 4 ? V4 + BigInt(n * 64) : top ? LAST - 63n : V6 + (BigInt(n) << 64n);
  const from = random(8);
  const wide = family === 6 && !top && random(3) === 0;
  const length = 1 + random(random(3) === 0 ? 50 : 7);
  const start = base + BigInt(from);
  const end = wide ? base + (1n << 64n) - 1n : base + BigInt(Math.min(63, from + length - 1));
  const gateways: RangeSpec["gateway"][] = [
    undefined,
    [base + 1n, family],
    [start, family],
    [end, family],
    [base + BigInt(random(64)), family],
    [1n, family === 4 ? 6 : 4],
  ];
  const excludes: [Value, Value][] = [];
  for (let i = random(6) - 2; i > 0; i--) {
    const at = random(64);
    excludes.push([base + BigInt(at), base + BigInt(Math.min(63, at + random(8)))]);
  }
  const gateway = gateways[random(gateways.length)];
  return gateway ? { start, end, gateway, excludes } : { start, end, excludes };
}

/** A config: one to three sets of one to three ranges, which don't overlap. */
export function config(random: (n: number) => number): SetSpec[] {
  const regions: Record<Family, number[]> = { 4: [0, 1, 2, 3, 4, 5], 6: [0, 1, 2, 3, 4, 5] };
  const sets: SetSpec[] = [];
  for (let index = 1 + random(3); index > 0; index--) {
    const family: Family = random(2) === 0 ? 4 : 6;
    const ranges: RangeSpec[] = [];
    for (let n = 1 + random(random(2) === 0 ? 3 : 1); n > 0 && regions[family].length > 0; n--) {
      const [region] = regions[family].splice(random(regions[family].length), 1);
      ranges.push(range(family, region!, random));
    }
    if (ranges.length > 0) sets.push({ index: sets.length, family, ranges });
  }
  return sets;
}

const IDS = [1, 12, 64, 65, 63, 144, 145, 300, 64, 64, 64, 4096];
const NAMES = [0, 0, 5, 80, 81, 4096];
const INTERFACES = ["eth0", "net1", "fifteen-letters"];

/** Owner number `n`: ids of every length, interfaces that share one, all kinds. */
export function owner(n: number): Pick<Ask, "kind" | "id" | "ifname"> {
  const length = IDS[n % IDS.length]!;
  const id = `${String.fromCharCode(97 + (n % 26))}${n}`.padEnd(length, "x").slice(0, length);
  const kind = n % 9 === 8 ? 2 + (n % 3) : 1;
  return { kind, id, ifname: INTERFACES[n % 5 === 0 ? 1 : n % 7 === 0 ? 2 : 0]! };
}

/** Name number `n`; "" for none. */
export function nameOf(n: number): string {
  const length = NAMES[n % NAMES.length]!;
  return length === 0 ? "" : `${n}/`.padEnd(length, "pod");
}

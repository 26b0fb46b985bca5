// The networks of a random life: several configs over the same addresses, between which the life
// changes. Small ranges, so that they fill up; some are as wide as a /64.

import { format } from "../plugin/support/address.ts";
import type { Family, RangeSpec, SetSpec } from "../support/ledger.ts";
import { config } from "../support/world.ts";

export type Policy = "next" | "first" | "random";

/** `ipam.reserve`, times in seconds. */
export interface Reserve {
  for: number;
  pods: "annotated" | "ordinal" | "all";
  max: number;
  perNamespace: number;
}

/** A config as the model reads it; `json` is the same as a runtime hands it over. */
export interface Variant {
  sets: SetSpec[];
  policy: Policy;
  cooldown: number;
  reserve: Reserve | undefined;
  sync: "named" | "always" | "never";
  reboot: "release" | "keep";
  statusWhenFull: "ready" | "unavailable";
  json: { cniVersion: string; name: string; ipam: Record<string, unknown> };
}

const TOP = (1n << 128n) - 64n;

/** An address or prefix base as text. */
export function text(family: Family, value: bigint): string {
  return format({ v6: family === 6, value });
}

/** The subnet in which a range of these lives lies. */
export function subnetOf(family: Family, r: RangeSpec): { base: bigint; length: number } {
  if (family === 4) return { base: r.start & ~63n, length: 26 };
  return r.start >= TOP
    ? { base: TOP, length: 122 }
    : { base: (r.start >> 64n) << 64n, length: 64 };
}

/** Prefix length and gateway that a result tells for an address of the range. */
export function resultOf(family: Family, r: RangeSpec): { length: number; gateway: string } {
  const { length } = subnetOf(family, r);
  return { length, gateway: text(r.gateway![1], r.gateway![0]) };
}

/** Prefix length and gateway of mode static's addresses: those of the subnets of these lives. */
function staticRange({ family, value }: { family: Family; value: bigint }): RangeSpec {
  const range = { start: value, end: value, excludes: [] };
  return { ...range, gateway: [subnetOf(family, range).base + 1n, family] };
}

/** The same config in mode static, with these addresses. */
export function staticVariant(
  one: Variant,
  addresses: readonly { family: Family; value: bigint }[],
): Variant {
  const sets = addresses.map((address, index) => ({
    index,
    family: address.family,
    ranges: [staticRange(address)],
  }));
  const list = sets.map(({ family, ranges: [range] }) => {
    const { length, gateway } = resultOf(family, range!);
    return { address: `${text(family, range!.start)}/${length}`, gateway };
  });
  const ipam = { ...one.json.ipam, mode: "static", addresses: list };
  return { ...one, sets, json: { ...one.json, ipam } };
}

/** What a range is called: by its set and its place there. */
export function rangeName(set: number, range: number): string {
  return `set${set}-range${range}`;
}

function rangeJson(family: Family, r: RangeSpec, name: string): object {
  const { base, length } = subnetOf(family, r);
  const exclude = r.excludes.flatMap(([from, to]) =>
    Array.from({ length: Number(to - from) + 1 }, (_, n) => text(family, from + BigInt(n))),
  );
  const ends = { rangeStart: text(family, r.start), rangeEnd: text(family, r.end) };
  const gateway = text(r.gateway![1], r.gateway![0]);
  return { subnet: `${text(family, base)}/${length}`, ...ends, gateway, exclude, name };
}

/**
 * The configs of a life by random numbers. A third of all lives know `"sync": "never"`, a third
 * `"reboot": "keep"`.
 */
export function variants(random: (n: number) => number, dataDir: string): Variant[] {
  const syncs = random(3) === 0 ? (["named", "never"] as const) : (["named", "always"] as const);
  const keeps = random(3) === 0;
  return Array.from({ length: 6 }, () => variant(random, dataDir, syncs[random(2)]!, keeps));
}

/**
 * Configs whose answers don't depend on random numbers of the host, nor on the second in which a
 * call is made: nothing cools, at most five names are reserved.
 */
export function plainVariants(random: (n: number) => number, dataDir: string): Variant[] {
  return variants(random, dataDir).map((one) => {
    const policy = one.policy === "random" ? ("next" as const) : one.policy;
    const time = random(2) === 0 ? 600 : 86_400;
    const rule = { for: time, pods: "ordinal" as const, max: 0, perNamespace: 5 };
    const plain = { policy, cooldown: 0, reserve: rule, reboot: "release" as const };
    return { ...one, ...plain, json: { ...one.json, ipam: { ...one.json.ipam, ...plain } } };
  });
}

function reserve(pick: <T>(list: readonly T[]) => T): Reserve {
  const time = pick([10, 600, 86_400]);
  return {
    for: time,
    pods: pick(["annotated", "ordinal", "ordinal", "all", "all"] as const),
    max: pick([0, time, 7200, 604_800].filter((most) => most === 0 || most >= time)),
    perNamespace: pick([0, 0, 2, 5]),
  };
}

function variant(
  random: (n: number) => number,
  dataDir: string,
  sync: Variant["sync"],
  keeps: boolean,
): Variant {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  let sets = config(random);
  while (sets.length === 0) sets = config(random);
  for (const { family, ranges } of sets)
    for (const r of ranges) r.gateway ??= [subnetOf(family, r).base + 1n, family];
  const options = {
    policy: pick(["next", "next", "first", "random"] as const),
    cooldown: pick([0, 0, 5, 60, 3600]),
    reserve: random(3) === 0 ? undefined : reserve(pick),
    sync,
    reboot: keeps ? pick(["release", "keep"] as const) : ("release" as const),
    statusWhenFull: pick(["ready", "unavailable"] as const),
  };
  const ranges = sets.map(({ family, ranges: all, index }) =>
    all.map((r, n) => rangeJson(family, r, rangeName(index, n))),
  );
  const json = {
    cniVersion: "1.1.0",
    name: "life",
    ipam: { type: "berth", dataDir, ranges, ...options },
  };
  return { sets, ...options, json };
}

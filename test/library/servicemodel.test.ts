// Service pools against a model that is only a set: who has which address. It doesn't foresee which
// address or which families are given, it says what may be true of the answer.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../src/address.ts";
import { ServicePool } from "../../src/cluster/service.ts";
import type { ServiceSpec } from "../../src/cluster/servicespec.ts";
import { IpamError } from "../../src/errors.ts";
import { closeAll, look, make, open } from "../support/services.ts";

describe("[model] any sequence of calls", () => {
  const pools: [string[], object][] = [
    [["10.0.0.0/30"], {}],
    [["10.0.0.0/27", "fd00::/125"], { policy: "random", seed: 3n }],
    [["fd00::/123", "10.9.0.0/29"], { exclude: ["10.9.0.3", "fd00::5-fd00::9"] }],
    [
      ["192.0.2.10-192.0.2.20", "fd00::fe-fd00::105", "192.0.2.64/30"],
      { usable: "all", band: 3, policy: "first" },
    ],
  ];
  const suffix = fc.integer({ min: 0, max: 20 });
  const address = fc.oneof(
    suffix.map((n) => `10.0.0.${n}`),
    suffix.map((n) => `10.9.0.${n}`),
    suffix.map((n) => `192.0.2.${n + 8}`),
    suffix.map((n) => formatAddress(6, parseAddress("fd00::").value + BigInt(n))),
  );
  const spec = fc.record(
    {
      type: fc.constantFrom("ClusterIP", "LoadBalancer", "ExternalName"),
      ipFamilyPolicy: fc.constantFrom("SingleStack", "PreferDualStack", "RequireDualStack"),
      ipFamilies: fc.shuffledSubarray(["IPv4", "IPv6"]),
      clusterIPs: fc.oneof(
        fc.array(address, { maxLength: 2 }),
        fc.constant(["None"]),
        fc.constant([]),
      ),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<ServiceSpec>;
  const name = fc.constantFrom("a/1", "a/2", "b/1", "b/2");
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant("allocate"), fc.option(name), spec) },
    { weight: 3, arbitrary: fc.tuple(fc.constant("allocate"), fc.constant(null), fc.constant({})) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("update"), name, spec) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("release"), name, fc.constant({})) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("free"), fc.constant(null), spec) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("copy"), fc.constant(null), fc.constant({})) },
  ) as fc.Arbitrary<[string, string | null, ServiceSpec]>;

  function check(which: [string[], object], steps: [string, string | null, ServiceSpec][]): void {
    let pool = make(...which);
    /** address -> name, "" without one. */
    const held = new Map<string, string>();
    const of = (owner: string) => [...held].filter(([, who]) => who === owner).map(([ip]) => ip);
    for (const [verb, who, what] of steps) {
      const before = look(pool);
      const free = pool.stats().map((range) => [range.ipFamily, range.free] as const);
      try {
        if (verb === "copy") {
          const copy = ServicePool.fromBytes(pool.toBytes());
          open.push(copy);
          pool = copy;
        } else if (verb === "release") {
          pool.release(who!);
          for (const ip of of(who!)) held.delete(ip);
        } else if (verb === "free") {
          const some = [...held.keys()].slice(0, what.clusterIPs?.length ?? 1);
          pool.release(some);
          for (const ip of some) held.delete(ip);
        } else {
          const had = verb === "update" ? of(who!) : [];
          const request = { ...what, ...(who && { name: who }) };
          const got = verb === "update" ? pool.update(who!, what) : pool.allocate(request);
          for (const ip of had) held.delete(ip);
          const ips = got.clusterIPs.filter((ip) => ip !== "None");
          // Nobody else has them, both families differ, and each is of its family.
          for (const ip of ips) expect(held.has(ip)).toBe(false);
          expect(new Set(got.ipFamilies).size).toBe(got.ipFamilies.length);
          for (const [i, ip] of ips.entries())
            expect(got.ipFamilies[i]).toBe(ip.includes(":") ? "IPv6" : "IPv4");
          if (got.clusterIPs[0] !== "None") expect(ips.length).toBe(got.ipFamilies.length);
          if (got.ipFamilyPolicy === "SingleStack") expect(got.ipFamilies.length).toBe(1);
          if (got.ipFamilyPolicy === "RequireDualStack") expect(got.ipFamilies.length).toBe(2);
          const asked = what.clusterIPs?.filter((ip) => ip !== "None") ?? [];
          if (verb === "allocate") expect(ips.slice(0, asked.length)).toEqual(asked);
          if (verb === "update" && had[0])
            expect(ips.length === 0 || ips.includes(had[0])).toBe(true);
          for (const ip of ips) held.set(ip, who ?? "");
        }
      } catch (error) {
        if (!(error instanceof IpamError)) throw error;
        expect(look(pool)).toEqual(before);
        if (error.code === "exhausted")
          expect(
            pool.families.some((family) => free.every(([f, n]) => f !== family || n === 0)),
          ).toBe(true);
        if (error.code === "taken") expect(held.has(error.value as string)).toBe(true);
      }
      expect([...pool].toSorted()).toEqual([...held.keys()].toSorted());
      for (const [ip, owner] of held) expect(pool.ownerOf(ip) ?? "").toBe(owner);
      for (const who of pool.names()) {
        const ips = pool.find(who)!.clusterIPs.filter((ip) => ip !== "None");
        expect(ips.toSorted()).toEqual(of(who).toSorted());
      }
      expect(pool.used).toBe(held.size);
      for (const { usable, used, free: n, excluded } of pool.stats())
        expect(used + n + excluded).toBe(usable);
    }
  }

  it("never gives an address twice, and a refusal changes nothing", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...pools),
        fc.array(step, { minLength: 1, maxLength: 40 }),
        (which, steps) => {
          try {
            check(which, steps);
          } finally {
            closeAll();
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

// Laws of services of one and two families: the API server's defaulting, both addresses or none, and
// what an update may change.
import { describe, expect, it } from "vitest";
import type { ServiceSpec } from "../../src/cluster/servicespec.ts";
import { look, make, refusal } from "../support/services.ts";

const V4 = "10.96.0.0/24";
const V6 = "fd00:96::/112";

describe("families of a service", () => {
  const cases: [string, string[], ServiceSpec, string[] | string][] = [
    ["the default is the first family", [V4, V6], {}, ["IPv4"]],
    ["the default is the first family", [V6, V4], {}, ["IPv6"]],
    ["a family that is asked for", [V4, V6], { ipFamilies: ["IPv6"] }, ["IPv6"]],
    ["a family of an address", [V4, V6], { clusterIP: "fd00:96::9" }, ["IPv6"]],
    ["both", [V4, V6], { ipFamilyPolicy: "RequireDualStack" }, ["IPv4", "IPv6"]],
    ["both", [V6, V4], { ipFamilyPolicy: "PreferDualStack" }, ["IPv6", "IPv4"]],
    [
      "both, in the order of ipFamilies",
      [V4, V6],
      { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6"] },
      ["IPv6", "IPv4"],
    ],
    [
      "both, in the order of clusterIPs",
      [V4, V6],
      { ipFamilyPolicy: "RequireDualStack", clusterIPs: ["fd00:96::9", "10.96.0.9"] },
      ["IPv6", "IPv4"],
    ],
    ["the one there is", [V4], { ipFamilyPolicy: "PreferDualStack" }, ["IPv4"]],
    ["both aren't there", [V4], { ipFamilyPolicy: "RequireDualStack" }, "family"],
    ["no such family", [V4], { ipFamilies: ["IPv6"] }, "family"],
    ["no such family", [V4], { clusterIP: "fd00::1" }, "family"],
    [
      "an address of the other family",
      [V4, V6],
      { ipFamilies: ["IPv4"], clusterIP: "fd00:96::9" },
      "family",
    ],
    [
      "two addresses of one family",
      [V4, V6],
      { ipFamilyPolicy: "PreferDualStack", clusterIPs: ["10.96.0.9", "10.96.0.8"] },
      "family",
    ],
    ["two families, but SingleStack", [V4, V6], { ipFamilies: ["IPv4", "IPv6"] }, "invalid"],
  ];
  it.each(cases)("%s: %j %j", (_, ranges, spec, expected) => {
    const pool = make(ranges);
    if (typeof expected === "string") {
      const before = look(pool);
      expect(refusal(() => pool.allocate(spec))).toBe(expected);
      expect(look(pool)).toEqual(before);
      return;
    }
    const { clusterIPs, ipFamilies, ipFamilyPolicy } = pool.allocate(spec);
    expect(ipFamilies).toEqual(expected);
    expect(clusterIPs.map((ip) => (ip.includes(":") ? "IPv6" : "IPv4"))).toEqual(expected);
    expect(ipFamilyPolicy).toBe(spec.ipFamilyPolicy ?? "SingleStack");
  });

  it("gives both or none, whichever is exhausted", () => {
    const pool = make(["10.0.0.0/30", "fd00::/127"]);
    pool.allocate({ ipFamilies: ["IPv6"] });
    const before = look(pool);
    for (const ipFamilies of [
      ["IPv4", "IPv6"],
      ["IPv6", "IPv4"],
    ] as const)
      expect(refusal(() => pool.allocate({ ipFamilyPolicy: "RequireDualStack", ipFamilies }))).toBe(
        "exhausted",
      );
    const wish = { ipFamilyPolicy: "RequireDualStack", clusterIPs: ["10.0.0.1", "fd00::1"] };
    expect(refusal(() => pool.allocate(wish as ServiceSpec))).toBe("taken");
    expect(look(pool)).toEqual(before);
    expect(pool.allocate({ clusterIP: "10.0.0.1" }).clusterIPs).toEqual(["10.0.0.1"]);
  });

  it("puts nothing into a cool-down when the second family is exhausted", () => {
    const pool = make(["10.0.0.0/28", "fd00::/127"], { cooldown: 60 });
    pool.allocate({ ipFamilies: ["IPv6"] });
    refusal(() => pool.allocate({ ipFamilyPolicy: "RequireDualStack" }));
    expect(pool.stats()[0]).toMatchObject({ used: 0, cooling: 0, free: 14, allocations: 0 });
  });

  it("gives a headless service no address, and an ExternalName nothing", () => {
    const pool = make([V4, V6]);
    const selector = { app: "a" };
    const none = { clusterIP: "None" };
    expect(pool.allocate({ ...none, selector, name: "a/headless" })).toEqual({
      clusterIPs: ["None"],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
    });
    // Without a selector, and no policy: both families, also where only one is configured.
    for (const some of [pool, make(V4)])
      expect(some.allocate(none)).toEqual({
        clusterIPs: ["None"],
        ipFamilies: ["IPv4", "IPv6"],
        ipFamilyPolicy: "RequireDualStack",
      });
    expect(pool.allocate({ type: "ExternalName", name: "a/external" })).toEqual({
      clusterIPs: [],
      ipFamilies: [],
      ipFamilyPolicy: undefined,
    });
    expect(pool.used).toBe(0);
    for (const type of ["NodePort", "LoadBalancer"] as const)
      expect(refusal(() => pool.allocate({ ...none, type }))).toBe("invalid");
    expect(refusal(() => pool.allocate({ ...none, type: "ExternalName" }))).toBe("invalid");
    pool.release("a/headless");
    expect(pool.find("a/headless")).toBeUndefined();
  });
});

describe("update", () => {
  const single = { name: "a/b", clusterIP: "10.96.0.5" } as const;
  const dual = {
    name: "a/b",
    ipFamilyPolicy: "RequireDualStack",
    clusterIPs: ["10.96.0.5", "fd00:96::5"],
  } as const;

  it("gives a second family, any address of it or the one that is asked for", () => {
    const pool = make([V4, V6]);
    pool.allocate(single);
    const up = pool.update("a/b", { ipFamilyPolicy: "PreferDualStack" });
    expect(up.ipFamilies).toEqual(["IPv4", "IPv6"]);
    expect(up.clusterIPs[0]).toBe("10.96.0.5");
    expect(pool.ownerOf(up.clusterIPs[1]!)).toBe("a/b");
    const other = make([V4, V6]);
    other.allocate(single);
    expect(other.update("a/b", dual).clusterIPs).toEqual(["10.96.0.5", "fd00:96::5"]);
    expect(other.used).toBe(2);
  });

  it("takes the second family back with SingleStack, the first stays", () => {
    const pool = make([V4, V6]);
    pool.allocate(dual);
    for (const spec of [{}, { clusterIPs: dual.clusterIPs }, { clusterIPs: ["10.96.0.5"] }]) {
      const down = pool.update("a/b", { ...spec, ipFamilyPolicy: "SingleStack" });
      expect(down).toMatchObject({ clusterIPs: ["10.96.0.5"], ipFamilies: ["IPv4"] });
      expect([...pool]).toEqual(["10.96.0.5"]);
      pool.update("a/b", { ipFamilyPolicy: "RequireDualStack", clusterIPs: dual.clusterIPs });
    }
  });

  it("leaves a PreferDualStack that is as before alone", () => {
    const one = make(V4);
    one.allocate({ name: "a/b", ipFamilyPolicy: "PreferDualStack" });
    const before = look(one);
    expect(one.update("a/b", {}).ipFamilies).toEqual(["IPv4"]);
    expect(one.update("a/b", { ipFamilyPolicy: "PreferDualStack" }).ipFamilies).toEqual(["IPv4"]);
    expect(look(one)).toEqual(before);
    const two = make([V4, V6]);
    two.allocate({ ...dual, ipFamilyPolicy: "PreferDualStack" });
    two.release("fd00:96::5");
    expect(two.update("a/b", {}).clusterIPs).toEqual(["10.96.0.5"]);
    expect(two.update("a/b", { ipFamilyPolicy: "RequireDualStack" }).clusterIPs.length).toBe(2);
  });

  it("has nothing to change when the last address was released", () => {
    const pool = make([V4, V6]);
    pool.allocate(dual);
    pool.release(["fd00:96::5", "10.96.0.5"]);
    expect(pool.find("a/b")).toBeUndefined();
    expect(refusal(() => pool.update("a/b", {}))).toBe("notFound");
    expect(pool.allocate(dual).clusterIPs).toEqual(dual.clusterIPs);
  });

  it("turns to ExternalName and back", () => {
    const pool = make([V4, V6]);
    pool.allocate(dual);
    expect(pool.update("a/b", { type: "ExternalName" }).clusterIPs).toEqual([]);
    expect(pool.used).toBe(0);
    expect(pool.update("a/b", { type: "ClusterIP" }).ipFamilies).toEqual(["IPv4"]);
    expect(pool.used).toBe(1);
  });

  it("refuses what may not change, and changes nothing", () => {
    const pool = make([V4, "fd00:96::/127"]);
    pool.allocate(single);
    pool.allocate({ name: "a/other", ipFamilies: ["IPv6"] });
    pool.allocate({ name: "a/none", clusterIP: "None", selector: { a: "b" } });
    const before = look(pool);
    const refused: [string, ServiceSpec, string][] = [
      ["a/c", {}, "notFound"],
      ["a/b", { name: "a/c" }, "conflict"],
      ["a/b", { clusterIP: "10.96.0.6" }, "conflict"],
      ["a/b", { clusterIP: "None" }, "conflict"],
      ["a/b", { ipFamilies: ["IPv6"] }, "conflict"],
      ["a/none", { clusterIP: "10.96.0.6" }, "conflict"],
      ["a/b", { ipFamilyPolicy: "RequireDualStack" }, "exhausted"],
      ["a/b", { ipFamilies: ["IPv4", "IPv6"] }, "invalid"],
      ["a/b", { type: "ExternalName", clusterIP: "10.96.0.6" }, "invalid"],
      ["a/none", { type: "NodePort" }, "invalid"],
    ];
    for (const [name, spec, code] of refused)
      expect([spec, refusal(() => pool.update(name, spec))]).toEqual([spec, code]);
    expect(look(pool)).toEqual(before);
    const two = make([V4, V6]);
    two.allocate(dual);
    const unchanged = look(two);
    expect(refusal(() => two.update("a/b", { clusterIPs: ["10.96.0.5"] }))).toBe("invalid");
    const second = { clusterIPs: ["10.96.0.5", "fd00:96::6"] };
    expect(refusal(() => two.update("a/b", second))).toBe("conflict");
    expect(look(two)).toEqual(unchanged);
  });
});

import { describe, expect, it } from "vitest";
import { parseAddress } from "../../src/address.ts";
import { createServicePool, ServicePool } from "../../src/cluster/service.ts";
import {
  addOffset,
  lastAddress,
  staticBandFor,
  usableAddresses,
  walkAddresses,
} from "../../src/cluster/servicerange.ts";
import type { ServiceSpec } from "../../src/cluster/servicespec.ts";
import { look, make, open, refusal } from "../support/services.ts";

const V4 = "10.96.0.0/24";
const V6 = "fd00:96::/112";

describe("ranges of services", () => {
  it("give all of an IPv4 range but its network and broadcast address", () => {
    const pool = make("192.0.2.0/29");
    const given = Array.from({ length: 6 }, () => pool.allocate().clusterIPs[0]);
    expect(given.toSorted()).toEqual([1, 2, 3, 4, 5, 6].map((i) => `192.0.2.${i}`));
    expect(refusal(() => pool.allocate())).toBe("exhausted");
    expect([pool.used, pool.free]).toEqual([6, 0]);
    for (const clusterIP of ["192.0.2.0", "192.0.2.7", "192.0.2.8", "192.0.1.255"])
      expect(refusal(() => pool.allocate({ clusterIP }))).toBe("outside");
    expect(pool.explain("192.0.2.7")).toEqual({
      state: "outside",
      why: "192.0.2.7 is the broadcast address of 192.0.2.0/29: services can't have it",
    });
  });

  it("give all of an IPv6 range but its first address", () => {
    const pool = make("fd00::/125");
    const given = Array.from({ length: 7 }, () => pool.allocate().clusterIPs[0]);
    expect(given.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7].map((i) => `fd00::${i}`));
    expect(refusal(() => pool.allocate({ clusterIP: "fd00::" }))).toBe("outside");
  });

  it.each([
    ["10.0.0.0/32", 0],
    ["10.0.0.0/31", 0],
    ["10.0.0.0/30", 2],
    ["fd00::/128", 0],
    ["fd00::/127", 1],
    ["fd00::/126", 3],
  ])("%s gives %i addresses, then nothing", (cidr, count) => {
    const pool = make(cidr);
    for (let i = 0; i < count; i++) pool.allocate();
    expect(refusal(() => pool.allocate())).toBe("exhausted");
    expect([pool.used, pool.free]).toEqual([count, 0]);
  });

  it.each([
    ["0.0.0.0/0", 256],
    ["fd00::/8", 256],
    ["10.0.0.0/20", 256],
    ["10.0.0.0/22", 64],
    ["10.0.0.0/27", 16],
    ["10.0.0.0/28", 0],
    ["fd00::/124", 0],
    ["fd00::/123", 16],
  ])("%s has a static band of %i, which is given last", (cidr, band) => {
    const pool = make(cidr);
    expect(pool.stats()[0]!.band).toBe(band);
    const first = parseAddress(cidr.split("/")[0]).value + 1n;
    const next = parseAddress(pool.allocate().clusterIPs[0]).value;
    expect(next).toBe(first + BigInt(band));
  });

  it("give the whole upper band before the first of the lower one, with every policy", () => {
    for (const policy of ["next", "first", "random"] as const) {
      const pool = make("192.0.2.0/25", { policy, seed: 7n });
      const last = () => Number(pool.allocate().clusterIPs[0]!.split(".")[3]);
      for (let i = 0; i < 110; i++) expect(last()).toBeGreaterThan(16);
      for (let i = 0; i < 16; i++) expect(last()).toBeLessThanOrEqual(16);
    }
  });

  it("give an address of either band to who asks for it", () => {
    const pool = make(V4);
    for (const clusterIP of ["10.96.0.10", "10.96.0.200"])
      expect(pool.allocate({ clusterIP }).clusterIPs).toEqual([clusterIP]);
    expect(refusal(() => pool.allocate({ clusterIP: "10.96.0.10" }))).toBe("taken");
  });

  it("are walked IPv4 before IPv6, each in order, however the ranges were written", () => {
    const pool = make(["fd00::/120", "10.1.0.0/24", "10.0.0.0/24"]);
    const inOrder = ["10.0.0.7", "10.0.0.9", "10.1.0.1", "fd00::2", "fd00::a"];
    for (const clusterIP of inOrder.toReversed()) pool.allocate({ clusterIP });
    expect([...pool]).toEqual(inOrder);
    expect(pool.stats().map(({ range }) => range)).toEqual([
      "fd00::/120",
      "10.1.0.0/24",
      "10.0.0.0/24",
    ]);
  });

  it("are counted as upstream does: 2^64 - 1 is the most", () => {
    expect(usableAddresses("0.0.0.0/0")).toBe(4294967294n);
    expect(usableAddresses("fd00::/64")).toBe(18446744073709551615n);
    expect(usableAddresses("::/0")).toBe(18446744073709551615n);
    expect(usableAddresses("10.0.0.9/31")).toBe(0n);
    for (const n of [-1, 1.5, Number.NaN, "16" as unknown as number])
      expect(refusal(() => staticBandFor(n))).toBe("invalid");
    for (let n = 0; n < 10_000; n += 7)
      expect(staticBandFor(n)).toBe(n <= 16 ? 0 : Math.min(Math.max(16, Math.floor(n / 16)), 256));
  });

  it("are walked from an offset, each address once; offsets end with the family", () => {
    expect([...walkAddresses("fd00::ffff", "fd00::1:1", 1n)]).toEqual([
      "fd00::1:0",
      "fd00::1:1",
      "fd00::ffff",
    ]);
    expect([...walkAddresses("10.0.0.1", "10.0.0.2", -1n)]).toEqual(["10.0.0.2", "10.0.0.1"]);
    for (const beyond of [2n, 3n, 2n ** 64n])
      expect([...walkAddresses("10.0.0.1", "10.0.0.2", beyond)]).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(addOffset("::", 2n ** 128n - 1n)).toBe("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    expect(refusal(() => addOffset("::1", 2n ** 128n - 1n))).toBe("outside");
    expect(refusal(() => addOffset("0.0.0.1", -2n))).toBe("outside");
    expect(lastAddress("::/0")).toBe("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  });
});

describe("load balancers", () => {
  const options = { band: 0, usable: "all" } as const;

  it("have every address of every range, in the order of the ranges", () => {
    const pool = make(["192.0.2.10-192.0.2.13", "198.51.100.0/31", "fd00::/127"], options);
    const given = Array.from({ length: 6 }, () => pool.allocate().clusterIPs[0]);
    expect(given).toEqual([
      ...[10, 11, 12, 13].map((i) => `192.0.2.${i}`),
      "198.51.100.0",
      "198.51.100.1",
    ]);
    expect(refusal(() => pool.allocate())).toBe("exhausted");
    expect(pool.allocate({ ipFamilies: ["IPv6"] }).clusterIPs).toEqual(["fd00::"]);
    for (const clusterIP of ["192.0.2.9", "192.0.2.14", "192.0.2.15"])
      expect(refusal(() => pool.allocate({ clusterIP }))).toBe("outside");
    expect([...pool].length).toBe(7);
  });

  it("cost no memory for the prefix around a range that straddles a boundary", () => {
    const pool = make("10.127.255.250-10.128.0.4", options);
    const given = Array.from({ length: 11 }, () => pool.allocate().clusterIPs[0]!);
    expect([...pool]).toEqual([...walkAddresses("10.127.255.250", "10.128.0.4", 0n)]);
    expect(new Set(given).size).toBe(11);
    expect(pool.toBytes().length).toBeLessThan(4096);
  });

  it("may have a band in a range over a boundary, which is given last all the same", () => {
    for (const band of [2, 8]) {
      const pool = make("10.127.255.250-10.128.0.4", { ...options, band });
      const order = Array.from({ length: 11 }, () => pool.allocate().clusterIPs[0]!);
      const all = [...walkAddresses("10.127.255.250", "10.128.0.4", 0n)];
      expect(order).toEqual([...all.slice(band), ...all.slice(0, band)]);
    }
  });

  it("of several ranges with bands give what is above all bands first", () => {
    const pool = make(["10.0.0.0/29", "10.0.1.0/29"], { ...options, band: 6 });
    const given = Array.from({ length: 16 }, () => pool.allocate().clusterIPs[0]!);
    const upper = (address: string) => Number(address.split(".")[3]) >= 6;
    expect(given.map(upper)).toEqual(given.map((_, i) => i < 4));
  });
});

describe("wrong input", () => {
  it.each([
    [[], {}, "invalid"],
    [["10.0.0.0/33"], {}, "invalid"],
    [["10.0.0.1/24"], {}, "hostBits"],
    [["10.0.0.1-10.0.0.9"], {}, "invalid"],
    [["10.0.0.9-10.0.0.1"], { usable: "all" }, "invalid"],
    [["10.0.0.9-fd00::1"], { usable: "all" }, "family"],
    [["10.0.0.0/24", "10.0.0.128/25"], {}, "overlap"],
    [["10.0.0.0/24"], { band: -1 }, "invalid"],
    [["10.0.0.0/24"], { band: Number.NaN }, "invalid"],
    [["10.0.0.0/24"], { usable: "some" }, "invalid"],
    [["10.0.0.0/24"], { policy: "last" }, "invalid"],
    [["10.0.0.0/24"], { exclude: ["10.0.1.0"] }, "outside"],
    [["10.0.0.0/24"], { exclude: "10.0.0.1" }, "invalid"],
    [null, {}, "invalid"],
    [["10.0.0.0/24"], null, "invalid"],
  ])("createServicePool(%j, %j) is %s", (cidrs, options, code) => {
    const work = () => createServicePool(cidrs as string[], options as object);
    expect(refusal(work)).toBe(code);
  });

  it("of allocate and release is one error, and changes nothing", () => {
    const pool = make([V4, V6], { exclude: ["10.96.0.20-10.96.0.29"] });
    pool.allocate({ name: "a/b", clusterIP: "10.96.0.5" });
    const before = look(pool);
    const specs: [unknown, string][] = [
      [{ name: "a/b" }, "duplicate"],
      [{ name: "" }, "invalid"],
      [{ name: "10.96.0.9" }, "invalid"],
      [{ name: 7 }, "invalid"],
      [{ name: "x".repeat(513) }, "invalid"],
      [{ clusterIP: "10.96.0.05" }, "invalid"],
      [{ clusterIP: 7 }, "invalid"],
      [{ clusterIPs: "10.96.0.9" }, "invalid"],
      [{ clusterIPs: ["10.96.0.9", "None"] }, "invalid"],
      [{ clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.8"] }, "invalid"],
      [{ clusterIP: "10.96.0.25" }, "excluded"],
      [{ clusterIP: "10.97.0.1" }, "outside"],
      [{ ipFamilyPolicy: "Dual" }, "invalid"],
      [{ ipFamilies: ["IPv4", "IPv4"] }, "invalid"],
      [{ ipFamilies: ["ipv4"] }, "invalid"],
      [{ type: "None" }, "invalid"],
      [null, "invalid"],
    ];
    for (const [spec, code] of specs)
      expect([spec, refusal(() => pool.allocate(spec as ServiceSpec))]).toEqual([spec, code]);
    const targets: [unknown, string][] = [
      ["a/c", "notFound"],
      ["10.96.0.6", "notAllocated"],
      [["10.96.0.5", "10.96.0.6"], "notAllocated"],
      [["10.96.0.5", "10.96.0.5"], "invalid"],
      [["10.97.0.1"], "outside"],
      [[7], "invalid"],
      [7, "invalid"],
    ];
    for (const [target, code] of targets)
      expect([target, refusal(() => pool.release(target as string))]).toEqual([target, code]);
    expect(look(pool)).toEqual(before);
    expect(pool.explain("10.96.0.5")).toMatchObject({ state: "allocated", owner: "a/b" });
    expect(pool.explain("10.96.0.25").state).toBe("excluded");
  });

  it("is every call of a closed pool", () => {
    const pool = make(V4);
    pool.close();
    const calls = [
      () => pool.allocate(),
      () => pool.update("a/b", {}),
      () => pool.release("a/b"),
      () => pool.find("a/b"),
      () => pool.has("10.96.0.1"),
      () => pool.stats(),
      () => [...pool],
      () => pool.toBytes(),
      () => pool.used,
    ];
    expect(calls.map(refusal)).toEqual(calls.map(() => "closed"));
  });
});

describe("holds", () => {
  const name = "a/b";
  const both = { name, ipFamilyPolicy: "RequireDualStack" } as const;

  it("keep both addresses and the name when confirmed, none when aborted or too late", () => {
    let now = 100;
    const pool = make([V4, V6], { clock: () => now });
    const one = pool.hold(both, { ttl: 10 });
    const [address] = one.address.clusterIPs;
    expect(pool.explain(address!)).toEqual({
      state: "held",
      until: 110,
      owner: name,
      why: `${address} is on hold for a/b, neither confirmed nor aborted`,
    });
    expect(refusal(() => pool.allocate({ clusterIP: address! }))).toBe("held");
    expect(refusal(() => pool.allocate(both))).toBe("duplicate");
    expect(one.confirm()).toEqual(pool.find(name));
    now = 200;
    expect(pool.used).toBe(2);
    expect(pool.explain(address!).state).toBe("allocated");
    pool.release(name);
    for (const end of [
      (held: typeof one) => held.abort(),
      () => {
        now += 10;
      },
    ]) {
      for (const spec of [both, {}, { name, clusterIP: "None" }]) {
        const held = pool.hold(spec, { ttl: 10 });
        end(held);
        if (held.address.clusterIPs[0] !== "None" || "name" in spec)
          expect(refusal(() => held.confirm())).toBe("lapsed");
        expect([pool.names(), pool.used]).toEqual([[], 0]);
      }
    }
  });

  it("end with a release by somebody else, and give back nothing of the next owner", () => {
    let now = 0;
    const pool = make([V4, V6], { clock: () => now });
    const first = pool.hold({ ...both, clusterIPs: ["10.96.0.5", "fd00:96::5"] }, { ttl: 10 });
    pool.release(name);
    pool.allocate({ clusterIP: "10.96.0.5" });
    first.abort();
    now = 20;
    expect([...pool]).toEqual(["10.96.0.5"]);
    expect(first.lapsed).toBe(true);
  });
});

describe("snapshots", () => {
  it("bring everything back, and go on where the pool was", () => {
    const pool = make([V4, V6], { exclude: ["10.96.0.99"], policy: "next" });
    pool.allocate({ name: "a/b", ipFamilyPolicy: "RequireDualStack" });
    pool.allocate();
    pool.allocate({ name: "a/none", clusterIP: "None" });
    const again = ServicePool.fromBytes(pool.toBytes());
    open.push(again);
    expect(look(again)).toEqual(look(pool));
    expect(again.allocate()).toEqual(pool.allocate());
    again.release("a/b");
    expect(pool.has(pool.find("a/b")!.clusterIPs[0]!)).toBe(true);
  });

  it("that aren't whole are refused", () => {
    const bytes = make(V4).toBytes();
    const torn = bytes.slice(0, -1);
    const turned = bytes.slice();
    turned[bytes.length - 1]! ^= 1;
    for (const wrong of [torn, turned, new Uint8Array(0)])
      expect(refusal(() => ServicePool.fromBytes(wrong))).toBe("damaged");
    expect(refusal(() => ServicePool.fromBytes("x" as unknown as Uint8Array))).toBe("invalid");
  });
});

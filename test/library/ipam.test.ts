// openIpam law by law: pools, allocations, reservations; what survives, and what is refused with
// which code.
import { afterAll, describe, expect, it } from "vitest";
import { openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { codes, refusal, removeSpaces, space, used } from "./ipamspace.ts";

afterAll(removeSpaces);

describe("pools of an Ipam", () => {
  it("have no name that is a prefix: it would be asked for in another pool's place", () => {
    used(space(), (ipam) => {
      ipam.pool("10.1.0.0/24");
      for (const name of ["10.1.0.0/24", "10.3.0.0/24", "fd00:0::/64"])
        expect(refusal(() => ipam.pool("10.2.0.0/24", { name })).code).toBe("invalid");
      expect(ipam.allocate({ owner: "a", pools: ["10.1.0.0/24"] }).addresses).toEqual(["10.1.0.0"]);
    });
  });

  it("may have names with a slash; one that nobody has is notFound", () => {
    used(space(), (ipam) => {
      const ask = () => ipam.allocate({ owner: "a", pools: ["team/pods"] }).addresses;
      expect(refusal(ask).code).toBe("notFound");
      ipam.pool("10.1.0.0/24", { name: "team/pods" });
      expect(ask()).toEqual(["10.1.0.0"]);
    });
  });

  it("are found again as they were defined, with their cursors, under prefix and name", () => {
    const path = space();
    const exclude = ["10.1.0.0", "10.1.0.128/25", "10.1.0.20-10.1.0.30"];
    used(path, (ipam) => {
      const pool = ipam.pool("10.1.0.0/24", {
        name: "pods",
        exclude,
        gateway: "10.1.0.1",
        cooldown: 9,
      });
      expect(pool.exclude).toEqual([
        "10.1.0.0-10.1.0.0",
        "10.1.0.20-10.1.0.30",
        "10.1.0.128-10.1.0.255",
      ]);
      for (const n of [2, 3, 4])
        expect(ipam.allocate({ owner: `o${n}`, pools: [pool] }).addresses).toEqual([`10.1.0.${n}`]);
      ipam.release("o3");
      expect(pool.used).toBe(3);
    });
    used(path, (ipam) => {
      const pool = ipam.pool("10.1.0.0/24");
      expect(ipam.pools()).toEqual([pool]);
      expect([pool.name, pool.gateway, pool.cooldown, pool.policy, pool.size]).toEqual([
        "pods",
        "10.1.0.1",
        9,
        "next",
        256,
      ]);
      expect(ipam.allocate({ owner: "a", pools: ["pods"] }).addresses).toEqual(["10.1.0.5"]);
      expect(ipam.allocate({ owner: "b", pools: ["10.1.0.0/24"] }).addresses).toEqual(["10.1.0.6"]);
    });
  });

  it("never overlap, and a definition that differs is a conflict", () => {
    used(space(), (ipam) => {
      ipam.pool("10.0.0.0/16", { name: "a", cooldown: 5 });
      ipam.pool("fd00::/64", { name: "b" });
      for (const inner of [
        "10.0.0.0/8",
        "10.0.7.0/24",
        "0.0.0.0/0",
        "fd00::8/125",
        "fd00::/16",
        "8000::/1",
      ])
        expect(codes(() => ipam.pool(inner))).toEqual(["overlap", inner]);
      for (const beside of ["10.1.0.0/16", "9.255.0.0/16", "fd00:0:0:1::/64", "fcff::/16"])
        expect(ipam.pool(beside).prefix).toBe(beside);
      expect(codes(() => ipam.pool("10.0.0.0/16", { cooldown: 6 }))[0]).toBe("conflict");
      expect(codes(() => ipam.pool("10.0.0.0/16", { policy: "first" }))[0]).toBe("conflict");
      expect(codes(() => ipam.pool("10.2.0.0/16", { name: "a" }))).toEqual(["duplicate", "a"]);
      expect(ipam.pool("10.0.0.0/16", { cooldown: 5 }).name).toBe("a");
      expect(ipam.pools().length).toBe(6);
    });
  });

  it("[every] 5,000 pools are defined, found and survive", () => {
    const path = space();
    used(path, (ipam) => {
      for (let n = 0; n < 5000; n++) ipam.pool(`10.${n >> 8}.${n & 255}.0/24`, { name: `p${n}` });
    });
    used(path, (ipam) => {
      expect(ipam.stats().pools).toBe(5000);
      for (const n of [0, 1, 2499, 4999])
        expect(ipam.allocate({ owner: `o${n}`, pools: [`p${n}`] }).addresses).toEqual([
          `10.${n >> 8}.${n & 255}.0`,
        ]);
      expect(ipam.pools().length).toBe(5000);
    });
  });

  it("may not have mapped addresses, which requests and answers mean as IPv4", () => {
    used(space(), (ipam) => {
      for (const prefix of ["::/0", "::/64", "::/80"]) {
        const { code, value } = refusal(() => ipam.pool(prefix));
        expect([code, value]).toEqual(["invalid", prefix]);
      }
      ipam.pool("::/81");
      ipam.pool("::1:0:0:0/80");
      ipam.pool("0.0.0.0/0");
      expect(ipam.pools().length).toBe(3);
    });
  });

  it("reach to the ends of the address spaces, and go round", () => {
    used(space(), (ipam) => {
      const last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff";
      const six = ipam.pool(`${last}8/125`);
      const whole = ipam.pool("0.0.0.0/0");
      const take = (owner: string, pool: typeof six, address?: string) =>
        ipam.allocate({ owner, pools: [pool], ...(address ? { addresses: [address] } : {}) })
          .addresses[0];
      expect(take("a", six, `${last}f`)).toBe(`${last}f`);
      expect(take("b", six)).toBe(`${last}8`);
      expect(take("c", whole, "255.255.255.255")).toBe("255.255.255.255");
      expect(take("d", whole)).toBe("0.0.0.0");
      for (let n = 0; n < 6; n++) take(`six${n}`, six);
      expect(codes(() => take("full", six))[0]).toBe("exhausted");
    });
  });
});

describe("allocations of an Ipam", () => {
  it("are all or none, one per owner, and found by owner, address and name", () => {
    used(space(), (ipam) => {
      const [a, b] = [ipam.pool("10.0.0.0/31"), ipam.pool("fd00::/127")];
      const first = ipam.allocate({ owner: "x", kind: "node", name: "n/x", pools: [b, a] });
      expect(first.addresses).toEqual(["fd00::", "10.0.0.0"]);
      expect(codes(() => ipam.allocate({ owner: "x", kind: "node", pools: [a] }))).toEqual([
        "duplicate",
        "x",
      ]);
      expect(ipam.allocate({ owner: "x", pools: [a] }).addresses).toEqual(["10.0.0.1"]);
      expect(codes(() => ipam.allocate({ owner: "y", pools: [b, a] }))[0]).toBe("exhausted");
      expect(b.used).toBe(1);
      for (const by of [
        { owner: "x", kind: "node" as const },
        { address: "fd00::0" },
        { name: "n/x" },
      ])
        expect(ipam.find(by)?.addresses).toEqual(["10.0.0.0", "fd00::"]);
      expect(ipam.find({ owner: "x", kind: "service" })).toBeUndefined();
      ipam.release("x", { kind: "node" });
      expect(ipam.find({ name: "n/x" })).toBeUndefined();
      expect(codes(() => ipam.release("x", { kind: "node" }))).toEqual(["notAllocated", "x"]);
      const long = "é".repeat(2048);
      ipam.allocate({ owner: long, interface: "eth0", pools: [b] });
      expect(ipam.find({ owner: long, interface: "eth0" })?.owner).toBe(long);
      expect(ipam.find({ owner: long })).toBeUndefined();
    });
  });

  it("name an address once: a pool that is asked twice isn't asked for it twice", () => {
    used(space(), (ipam) => {
      ipam.pool("10.1.0.0/24", { name: "a" });
      ipam.pool("::/96", { name: "b" });
      for (const text of ["10.1.0.5", "::5"]) {
        const twice = { pools: ["a", "b", "a", "b"], addresses: [text, "10.1.0.9", text] };
        const refusals = [
          refusal(() => ipam.allocate({ owner: "o", ...twice })),
          refusal(() => ipam.reserve("n", { ...twice, ttl: 9 })),
        ];
        for (const { code, value } of refusals)
          expect([code, value]).toEqual(["invalid", twice.addresses]);
      }
      const addresses = ["::a01:5", "10.1.0.5"];
      const pools = ["a", "b", "a"];
      const given = ipam.allocate({ owner: "o", pools, addresses });
      expect(given.addresses).toEqual(["10.1.0.5", "::a01:5", "10.1.0.6"]);
      // The same number in the other family is another address.
      ipam.release("o");
      ipam.allocate({ owner: "four", pools: ["a"], addresses: ["10.1.0.5"] });
      const taken = refusal(() => ipam.allocate({ owner: "o", pools, addresses }));
      expect([taken.code, taken.value]).toEqual(["taken", "10.1.0.5"]);
      expect(ipam.check()).toEqual([]);
    });
  });

  it("cool after release, yield where nothing else is free, and then what is due first", () => {
    let now = 100;
    using ipam = openIpamAround(space(), {}, { clock: () => now });
    const pool = ipam.pool("10.0.0.0/30", { cooldown: 100 });
    const far = ipam.pool("10.9.0.0/24", { cooldown: 5 });
    for (let n = 0; n < 100; n++) ipam.allocate({ owner: `far${n}`, pools: [far] });
    for (const owner of ["a", "b", "c"]) ipam.allocate({ owner, pools: [pool] });
    ipam.release("b");
    now++;
    ipam.release("a");
    for (let n = 0; n < 100; n++) ipam.release(`far${n}`);
    expect(
      codes(() => ipam.allocate({ owner: "x", pools: [pool], addresses: ["10.0.0.0"] })),
    ).toEqual(["cooling", "10.0.0.0"]);
    const given = (owner: string) => ipam.allocate({ owner, pools: [pool] }).addresses[0];
    expect([given("d"), given("e"), given("f")]).toEqual(["10.0.0.3", "10.0.0.1", "10.0.0.0"]);
    expect(codes(() => given("g"))[0]).toBe("exhausted");
    expect(ipam.stats().cooling).toBe(100);
    now += 5;
    expect(ipam.stats()).toMatchObject({ cooling: 0, taken4: 4 });
    expect(ipam.check()).toEqual([]);
  });

  it("refuse wrong input with a stable code and the value, and stay as they were", () => {
    used(space(), (ipam) => {
      const pool = ipam.pool("10.0.0.0/29", { gateway: "10.0.0.1", exclude: ["10.0.0.7"] });
      ipam.allocate({ owner: "held", pools: [pool], addresses: ["10.0.0.2"] });
      const before = ipam.stats();
      const ask = (more: object) =>
        codes(() => ipam.allocate({ owner: "o", pools: [pool], ...more }));
      expect(ask({ addresses: ["10.0.0.2"] })).toEqual(["taken", "10.0.0.2"]);
      expect(ask({ addresses: ["10.0.0.1"] })).toEqual(["excluded", "10.0.0.1"]);
      expect(ask({ addresses: ["10.0.0.7"] })).toEqual(["excluded", "10.0.0.7"]);
      expect(ask({ addresses: ["10.0.1.2"] })).toEqual(["outside", "10.0.1.2"]);
      expect(ask({ addresses: ["10.0.0.3", "10.0.0.4"] })).toEqual(["outside", "10.0.0.4"]);
      expect(ask({ addresses: ["010.0.0.3"] })).toEqual(["invalid", "010.0.0.3"]);
      expect(ask({ owner: "" })).toEqual(["invalid", ""]);
      expect(ask({ owner: 7 })).toEqual(["invalid", 7]);
      expect(ask({ owner: "x".repeat(4097) })[0]).toBe("invalid");
      expect(ask({ name: "x".repeat(513) })[0]).toBe("invalid");
      expect(ask({ kind: "pod" })).toEqual(["invalid", "pod"]);
      expect(ask({ pools: [] })[0]).toBe("invalid");
      expect(ask({ pools: ["10.0.9.0/24"] })).toEqual(["notFound", "10.0.9.0/24"]);
      expect(ask({ pools: [Number.NaN] })[0]).toBe("invalid");
      expect(codes(() => ipam.pool("10.0.0.1/24"))).toEqual(["hostBits", "10.0.0.1/24"]);
      expect(codes(() => ipam.pool("10.5.0.0/24", { cooldown: Number.NaN }))[0]).toBe("invalid");
      expect(codes(() => ipam.pool("10.5.0.0/24", { gateway: "10.6.0.1" }))[0]).toBe("outside");
      expect(codes(() => ipam.reserve("r", { pools: [pool], ttl: 0 }))).toEqual(["invalid", 0]);
      expect(codes(() => ipam.release("held", { reserveFor: 9 }))).toEqual(["invalid", "held"]);
      expect(codes(() => ipam.unreserve("r"))).toEqual(["notFound", "r"]);
      expect(ipam.stats()).toEqual(before);
    });
  });

  it("after close every call is refused with closed", async () => {
    const ipam = openIpam(space());
    const pool = ipam.pool("10.0.0.0/24");
    ipam.close();
    ipam.close();
    for (const work of [
      () => ipam.pool("10.0.0.0/24"),
      () => ipam.stats(),
      () => pool.used,
      () => [...ipam],
    ])
      expect(refusal(work).code).toBe("closed");
    await expect(ipam.flush()).rejects.toMatchObject({ code: "closed" });
  });
});

describe("reservations of an Ipam", () => {
  it("expire by themselves, come back to their name, and are kept for nobody else", () => {
    let now = 5000;
    using ipam = openIpamAround(space(), {}, { clock: () => now });
    const pool = ipam.pool("10.0.0.0/30");
    expect(ipam.reserve("ns/a", { pools: [pool], ttl: 10 })).toEqual(["10.0.0.0"]);
    expect(codes(() => ipam.reserve("ns/a", { pools: [pool], ttl: 10 }))).toEqual([
      "duplicate",
      "ns/a",
    ]);
    const other = { owner: "o", pools: [pool], addresses: ["10.0.0.0"] };
    expect(codes(() => ipam.allocate(other))).toEqual(["reserved", "10.0.0.0"]);
    for (const n of [1, 2, 3]) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    expect(codes(() => ipam.allocate({ owner: "o", pools: [pool] }))[0]).toBe("exhausted");
    expect(ipam.allocate({ owner: "a", name: "ns/a", pools: [pool] }).addresses).toEqual([
      "10.0.0.0",
    ]);
    ipam.release("a", { reserveFor: 20 });
    expect([...ipam.reservations()]).toMatchObject([
      { name: "ns/a", owner: "a", addresses: ["10.0.0.0"] },
    ]);
    expect(ipam.ofName("ns/a").reservations.length).toBe(1);
    now += 19;
    expect(ipam.explain("10.0.0.0")).toMatchObject({
      state: "reserved",
      name: "ns/a",
      pool: "10.0.0.0/30",
    });
    now += 1;
    expect(ipam.explain("10.0.0.0").state).toBe("free");
    expect([...ipam.reservations()]).toEqual([]);
    expect(ipam.allocate({ owner: "o", pools: [pool] }).addresses).toEqual(["10.0.0.0"]);
    expect(ipam.check()).toEqual([]);
  });

  it("[every] more than one call collects expire together: the pool is free at once", () => {
    let now = 100;
    using ipam = openIpamAround(space(), {}, { clock: () => now });
    const pool = ipam.pool("10.0.0.0/23");
    for (let n = 0; n < 512; n++) ipam.reserve(`n${n}`, { pools: [pool], ttl: 5 });
    // Behind all of those in the order of expiry.
    const lone = ipam.pool("10.9.0.0/32");
    ipam.reserve("last", { pools: [lone], ttl: 6 });
    now += 6;
    expect(ipam.allocate({ owner: "lone", pools: [lone] }).addresses).toEqual(["10.9.0.0"]);
    for (let n = 0; n < 512; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    expect(ipam.stats()).toMatchObject({ allocations: 513, reservations: 0, taken4: 513 });
    expect(ipam.check()).toEqual([]);
  });
});

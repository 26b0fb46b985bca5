// openIpam law by law: what survives, what is refused with which code, who is kept out, what a
// damaged or foreign state does, what another boot leaves.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Ipam, openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { readIpam } from "../../src/ipam/reader.ts";
import { randomFrom } from "../support/world.ts";
import { crashed, refusal, removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const BOOT = "11111111-2222-3333-4444-555555555555";
const NEXT_BOOT = "99999999-2222-3333-4444-555555555555";

function codes(work: () => unknown): [string, unknown] {
  const { code, value } = refusal(work);
  return [code, value];
}

function used<T>(path: string, work: (ipam: Ipam) => T, options = {}): T {
  using ipam = openIpam(path, options);
  const answer = work(ipam);
  expect(ipam.check()).toEqual([]);
  return answer;
}

describe("pools of an Ipam", () => {
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
        "::/0",
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
    now += 5;
    for (let n = 0; n < 512; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    expect(ipam.stats()).toMatchObject({ allocations: 512, reservations: 0, taken4: 512 });
    expect(ipam.check()).toEqual([]);
  });
});

describe("a directory", () => {
  it("that is open exclusively refuses a second opener and says who holds it", () => {
    const path = space();
    const first = openIpam(path);
    const error = refusal(() => openIpam(path));
    expect(error.code).toBe("locked");
    expect(error.message).toContain(`held by pid ${process.pid} (`);
    expect(error.message).toContain('"per-call"');
    expect(refusal(() => openIpam(path, { lock: "per-call", lockTimeout: 30 })).code).toBe(
      "locked",
    );
    first.close();
    openIpam(path).close();
    expect(readFileSync(join(path, "berth.lock"), "utf8")).toBe("");
  });

  it("opened again after a crash has what was flushed, though no checkpoint came", async () => {
    const path = space();
    const ipam = openIpam(path);
    ipam.pool("10.0.0.0/16", { name: "p" });
    for (let n = 0; n < 100; n++) ipam.allocate({ owner: `o${n}`, pools: ["p"] });
    await ipam.flush();
    for (let n = 100; n < 200; n++) ipam.allocate({ owner: `o${n}`, pools: ["p"] });
    const left = crashed(path);
    ipam.close();
    await sound(left);
    expect(used(left, (again) => again.stats().allocations)).toBe(100);
    expect(used(path, (again) => again.stats().allocations)).toBe(200);
  });

  it("[crash] truncated, zeroed or scribbled over is damaged: nothing is given, nothing deleted", async () => {
    const path = space();
    const ipam = openIpam(path, { sync: "never" });
    const pool = ipam.pool("10.0.0.0/16");
    for (let n = 0; n < 50; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    await ipam.flush();
    const whole = crashed(path);
    ipam.close();
    const attacks: [string, (dir: string) => void][] = [
      ["state cut", (dir) => truncateSync(join(dir, "berth.state"), 2000)],
      ["state half", (dir) => truncateSync(join(dir, "berth.state"), 100_000)],
      ["state empty", (dir) => truncateSync(join(dir, "berth.state"), 0)],
      ["state zeroed", (dir) => writeFileSync(join(dir, "berth.state"), Buffer.alloc(262144))],
      ["log cut", (dir) => truncateSync(join(dir, "berth.log"), 5000)],
      ["log zeroed", (dir) => writeFileSync(join(dir, "berth.log"), Buffer.alloc(1 << 20))],
      ["log foreign", (dir) => scribble(join(dir, "berth.log"), 20)],
      ["header", (dir) => scribble(join(dir, "berth.state"), 30)],
      ["applied", (dir) => scribble(join(dir, "berth.state"), 100)],
    ];
    for (const [what, attack] of attacks) {
      const dir = crashed(whole);
      attack(dir);
      const names = readdirSync(dir).sort();
      const before = readFileSync(join(dir, "berth.state"));
      for (const lock of ["exclusive", "per-call"] as const)
        expect(refusal(() => openIpam(dir, { lock })).code, what).toBe("damaged");
      expect(readdirSync(dir).sort(), what).toEqual(names);
      expect(readFileSync(join(dir, "berth.state")).equals(before), what).toBe(true);
    }
  });

  it("[crash] with random bytes anywhere never gives an address twice: damaged, or as it was", async () => {
    const path = space();
    const ipam = openIpam(path, { sync: "never" });
    const pool = ipam.pool("10.0.0.0/24", { cooldown: 1000 });
    const held = new Set<string>();
    for (let n = 0; n < 60; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    for (let n = 0; n < 20; n++) ipam.release(`o${n}`);
    ipam.close();
    for (const { addresses } of used(path, (all) => [...all])) held.add(addresses[0]!);
    let refused = 0;
    for (let seed = 0; seed < 60; seed++) {
      const dir = crashed(path);
      const random = randomFrom(seed);
      for (let n = 0; n < 6; n++) scribble(join(dir, "berth.state"), random(40_000), random(256));
      try {
        using again = openIpam(dir, { sync: "never" });
        for (let n = 0; n < 20; n++) {
          const [address] = again.allocate({ owner: `new${n}`, pools: ["10.0.0.0/24"] }).addresses;
          expect(held.has(address!), `seed ${seed}`).toBe(false);
        }
      } catch (error) {
        expect((error as { code?: string }).code, `seed ${seed}: ${error}`).toMatch(
          /damaged|newer|notFound/,
        );
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });

  it("without berth.state but with a log that was written to is damaged", async () => {
    const path = space();
    used(path, (ipam) => ipam.pool("10.0.0.0/24"));
    const dir = crashed(path);
    writeFileSync(join(dir, "berth.state"), "");
    expect(refusal(() => openIpam(dir)).code).toBe("damaged");
    expect(refusal(() => readIpam(dir)).code).toBe("damaged");
    expect(refusal(() => readIpam(space())).code).toBe("io");
    const empty = space();
    mkdirSync(empty);
    expect(refusal(() => readIpam(empty)).code).toBe("notFound");
  });
});

describe("another boot", () => {
  it("keeps pools, cursors, owners and reservations; containers lapse unless reboot is keep", () => {
    for (const reboot of ["release", "keep"] as const) {
      let now = 5000;
      const path = space();
      const clock = () => now;
      const ipam = openIpamAround(path, { reboot }, { clock, boot: BOOT });
      const pool = ipam.pool("10.0.0.0/24", { name: "p", gateway: "10.0.0.9", cooldown: 50 });
      for (const kind of ["container", "node", "service", "other"] as const)
        ipam.allocate({ owner: kind, kind, name: `n/${kind}`, pools: [pool] });
      ipam.reserve("res", { pools: [pool], ttl: 30 });
      ipam.reserve("ever", { pools: [pool], ttl: Number.POSITIVE_INFINITY });
      ipam.allocate({ owner: "cools", pools: [pool] });
      ipam.release("cools");
      now += 20;
      // Crash and close: a rebuild reads the log in the one case, pages in the other.
      void ipam.flush();
      ipam.close();
      now = 7;
      const again = openIpamAround(path, {}, { clock, boot: NEXT_BOOT });
      expect(again.check()).toEqual([]);
      const kinds =
        reboot === "keep"
          ? ["container", "node", "service", "other"]
          : ["node", "service", "other"];
      expect([...again].map((one) => one.owner)).toEqual(kinds);
      expect(again.pools()).toMatchObject([
        { prefix: "10.0.0.0/24", name: "p", gateway: "10.0.0.9", cooldown: 50 },
      ]);
      expect([...again.reservations()].map((one) => [one.name, one.until === undefined])).toEqual([
        ["res", false],
        ["ever", true],
      ]);
      expect(again.explain("10.0.0.6").state).toBe("cooling");
      expect(again.allocate({ owner: "new", pools: ["p"] }).addresses).toEqual(["10.0.0.7"]);
      now += 30;
      expect(again.explain("10.0.0.4").state).toBe("free");
      now += 20;
      expect(again.explain("10.0.0.6").state).toBe("free");
      expect(again.check()).toEqual([]);
      again.close();
    }
  });

  it("[crash] after a crash finds everything that was flushed, from the log alone", async () => {
    const path = space();
    const ipam = openIpamAround(path, {}, { boot: BOOT });
    const pool = ipam.pool("fd00::/64", { name: "six" });
    for (let n = 0; n < 3000; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    for (let n = 0; n < 3000; n += 3) ipam.release(`o${n}`);
    await ipam.flush();
    const left = crashed(path);
    ipam.close();
    const again = openIpamAround(left, {}, { boot: NEXT_BOOT });
    expect(again.check()).toEqual([]);
    expect(again.stats().allocations).toBe(2000);
    for (let n = 0; n < 3000; n++)
      expect(again.find({ owner: `o${n}` }) === undefined).toBe(n % 3 === 0);
    again.close();
    await sound(left);
  });
});

function scribble(file: string, at: number, value = 0xa5): void {
  const fd = openSync(file, "r+");
  const old = Buffer.alloc(1);
  writeSync(fd, Buffer.from([value ^ (old[0] ?? 0)]), 0, 1, at);
  closeSync(fd);
}

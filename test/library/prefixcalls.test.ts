// Laws of createPrefixPool one by one: both or none, lists, holds, slots. What it refuses:
// prefixrefusals.test.ts.
import { describe, expect, it } from "vitest";
import { createPrefixPool } from "../../src/cluster/prefixpool.ts";
import { heapBytes } from "../../src/heap.ts";
import { refusal } from "../support/services.ts";

const hexOf = (pool: { toBytes(): Uint8Array }) => Buffer.from(pool.toBytes()).toString("hex");

describe("prefix pools", () => {
  it("give both families or none: where one is exhausted the other changes nothing", () => {
    for (const order of [
      ["10.0.0.0/24", "fd00::/60"],
      ["fd00::/60", "10.0.0.0/24"],
    ]) {
      const pool = createPrefixPool(order);
      const first = pool.allocate();
      expect(first).toEqual(order.map((text) => (text.includes(":") ? "fd00::/64" : text)));
      const before = hexOf(pool);
      expect(refusal(() => pool.allocate())).toBe("exhausted");
      expect(refusal(() => pool.hold())).toBe("exhausted");
      expect(hexOf(pool)).toBe(before);
      expect(pool.allocate({ family: 6 })).toEqual(["fd00:0:0:1::/64"]);
      pool.close();
    }
  });

  it("give from the second prefix of a family when the first is full or draining", () => {
    const pool = createPrefixPool(["10.0.0.0/23", "fd00::/60", "10.1.0.0/23"], { policy: "first" });
    expect(pool.prefixes).toEqual(["10.0.0.0/23", "10.1.0.0/23", "fd00::/60"]);
    const four = () => pool.allocate({ owner: "n" })[0];
    expect([four(), four(), four()]).toEqual(["10.0.0.0/24", "10.0.1.0/24", "10.1.0.0/24"]);
    pool.release("10.0.0.0/24");
    pool.drain("10.0.0.0/23");
    expect(four()).toBe("10.1.1.0/24");
    expect(refusal(four)).toBe("exhausted");
    expect(pool.occupy("10.0.0.0/24", "late").status).toBe("added");
    expect(pool.explain("10.0.1.9").owner).toBe("n");
    pool.release("10.0.0.0/24");
    expect(pool.explain("10.0.0.0/24").why).toContain("draining");
    expect(refusal(() => pool.remove("10.0.0.0/23"))).toBe("taken");
    pool.release("10.0.1.0/24");
    pool.remove("10.0.0.0/23");
    pool.add("10.2.0.0/23");
    expect(four()).toBe("10.2.0.0/24");
    expect(pool.stats()[0]).toMatchObject({ size: 4, used: 3, free: 1 });
    pool.close();
  });

  it("have no limit of 16 bits: ::/0 in /128, /64 of a /8, and slots of 2^128", () => {
    const pool = createPrefixPool("::/0", { length: 128, head: 1, tail: 1 });
    expect(pool.allocate({ owner: "a" })).toEqual(["::1/128"]);
    expect(pool.allocate()).toEqual(["::2/128"]);
    const last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    expect(pool.occupy(`${last}:fffe/128`, "z")).toEqual({ status: "added", owner: "z" });
    expect(pool.occupy(`${last}:ffff/128`, "z").status).toBe("conflict");
    expect(pool.occupy("2001:db8::/112", "wide").status).toBe("added");
    expect(pool.ownerOf("2001:db8::abcd")).toBe("wide");
    expect(refusal(() => pool.occupy("2001:db9::/64"))).toBe("tooLarge");
    expect(pool.stats()[0]).toMatchObject({ size: 2 ** 128, held: 65_539, excluded: 2 });
    expect(refusal(() => pool.take())).toBe("tooLarge");
    expect(pool.releaseWithin("2001:db8::/32")).toBe(65_536);
    expect([...pool]).toEqual(["::1/128", "::2/128", `${last}:fffe/128`]);
    expect(pool.prefixesOf("wide")).toEqual([]);
    pool.close();
    const wide = createPrefixPool<bigint>("fd00::/8");
    expect([wide.take(), wide.take(), wide.prefixAt((1n << 56n) - 1n)]).toEqual([
      0n,
      1n,
      "fdff:ffff:ffff:ffff::/64",
    ]);
    wide.close();
  });

  it("find their way among a thousand cluster prefixes, in whatever order those came", () => {
    const text = (i: number, low = 0, length = 22) =>
      `10.${i >> 6}.${(i & 63) * 4 + low}.0/${length}`;
    const order = Array.from({ length: 1000 }, (_, i) => (i * 617) % 1000);
    const pool = createPrefixPool(order.map((i) => text(i)));
    expect(pool.allocate()[0]).toBe(text(0, 0, 24));
    for (const i of order) expect(pool.occupy(text(i, 3, 24), `n${i}`).status).toBe("added");
    for (const i of order) expect(pool.ownerOf(text(i, 3, 26))).toBe(`n${i}`);
    expect(refusal(() => pool.add("10.3.0.0/16"))).toBe("overlap");
    expect(pool.releaseWithin("10.0.0.0/12")).toBe(1001);
    for (const i of order.slice(1)) pool.remove(text(i));
    expect(pool.prefixes).toEqual([text(0)]);
    expect(pool.explain(text(617)).state).toBe("outside");
    pool.close();
  });

  it("policy random gives each sub-prefix once, the same for the same seed", () => {
    const all = (seed: bigint) => {
      const pool = createPrefixPool("10.0.0.0/18", { policy: "random", seed });
      const given = Array.from({ length: 64 }, () => pool.allocate()[0]);
      expect(refusal(() => pool.allocate())).toBe("exhausted");
      pool.close();
      return given;
    };
    const first = all(7n);
    expect(new Set(first).size).toBe(64);
    expect(all(7n)).toEqual(first);
    expect(all(8n)).not.toEqual(first);
  });

  it("mixed lengths: what was released joins again, at last to the whole prefix", () => {
    const pool = createPrefixPool(["10.0.0.0/16", "fd00::/32"], { mixed: true });
    const given: string[] = [];
    for (let i = 0; i < 2000; i++)
      given.push(...pool.allocate({ length: { 4: 27 + (i % 6), 6: 40 + ((i * 7) % 60) } }));
    expect(new Set(given).size).toBe(4000);
    for (let i = 0; i < given.length; i += 2) pool.release(given[(i * 1009) % 4000]!);
    for (const text of [...pool]) pool.release(text);
    expect(pool.stats().map(({ largest, free, size }) => [largest, free === size])).toEqual([
      [16, true],
      [32, true],
    ]);
    expect(pool.allocate({ length: { 4: 16, 6: 32 } })).toEqual(["10.0.0.0/16", "fd00::/32"]);
    expect(refusal(() => pool.allocate({ family: 4, length: 32 }))).toBe("exhausted");
    expect(refusal(() => pool.allocate({ family: 4, length: 15 }))).toBe("tooLarge");
    pool.close();
  });

  it("mixed lengths: small requests go into the smallest gap and leave large ones whole", () => {
    const pool = createPrefixPool("10.0.0.0/20", { mixed: true });
    const ask = (length: number) => pool.allocate({ length })[0];
    expect([ask(24), ask(26), ask(22), ask(26), ask(25), ask(24)]).toEqual([
      "10.0.0.0/24",
      "10.0.1.0/26",
      "10.0.4.0/22",
      "10.0.1.64/26",
      "10.0.1.128/25",
      "10.0.2.0/24",
    ]);
    expect(ask(21)).toBe("10.0.8.0/21");
    pool.close();
  });

  it("close gives all memory back: 300 pools of both kinds, filled", () => {
    const round = (mixed: boolean) => {
      const pool = createPrefixPool(["10.0.0.0/12", "fd00::/40"], { mixed, head: 2 });
      for (let i = 0; i < 30; i++) pool.allocate({ owner: `n${i % 7}` });
      for (const prefix of ["10.16.0.0/12", "fd01::/40"]) {
        pool.add(prefix);
        pool.occupy(prefix.replace(/12|40/, prefix.startsWith("10") ? "24" : "64"), "b");
        pool.releaseOwner("b");
        pool.remove(prefix);
      }
      pool.close();
    };
    for (let i = 0; i < 20; i++) round(i % 2 === 0);
    const before = heapBytes();
    for (let i = 0; i < 300; i++) round(i % 2 === 0);
    expect(heapBytes()).toBe(before);
  });
});

describe("occupyAll", () => {
  it("takes 150,000 entries in one call and reports every one of them", () => {
    const pool = createPrefixPool(["10.0.0.0/8", "fd00::/32"], { length: { 4: 26, 6: 64 } });
    const four = (i: number) => `10.${(i >> 10) & 255}.${(i >> 2) & 255}.${(i & 3) << 6}/26`;
    const list = Array.from({ length: 75_000 }, (_, i) => [
      { prefix: four(i), owner: `node-${i}` },
      {
        prefix: `fd00:0:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::/64`,
        owner: `node-${i}`,
      },
    ]).flat();
    list[10] = { prefix: four(0), owner: "thief" };
    list[12] = { prefix: four(1), owner: "node-1" };
    list[14] = { prefix: "172.16.0.0/26", owner: "stray" };
    list[16] = { prefix: "10.0.0.1/26", owner: "crooked" };
    list[18] = 7 as never;
    list[20] = { prefix: four(10), owner: "" };
    const report = pool.occupyAll(list);
    expect(report).toMatchObject({ added: 149_994, same: 1 });
    expect(report.conflicts).toEqual([
      {
        prefix: "10.0.0.0/26",
        owner: "thief",
        holder: "node-0",
        held: "10.0.0.0/26",
        why: '10.0.0.0/26 is held by "node-0"',
      },
    ]);
    expect(report.outsiders).toEqual([{ prefix: "172.16.0.0/26", owner: "stray" }]);
    expect(report.invalid.map(({ code }) => code)).toEqual(["hostBits", "invalid", "invalid"]);
    expect(report.invalid[1]!.entry).toBe(7);
    expect(pool.stats().map(({ held }) => held)).toEqual([74_994, 75_000]);
    expect(pool.prefixesOf("node-2000")).toEqual([four(2000), "fd00:0:7:d0::/64"]);
    const again = pool.occupyAll(list.filter((entry) => entry.owner?.startsWith("node-")));
    expect([again.added, again.same]).toEqual([0, 149_995]);
    pool.close();
  });

  it("holds Kubernetes' rule for wider and narrower prefixes", () => {
    const pool = createPrefixPool("10.0.0.0/16");
    expect(pool.occupy("10.0.0.0/22", "a")).toEqual({ status: "added", owner: "a" });
    expect([...pool].length).toBe(4);
    expect(pool.occupy("10.0.9.64/26", "b").status).toBe("added");
    expect(pool.has("10.0.9.0/24")).toBe(true);
    expect(pool.occupy("10.0.9.7/32", "b").status).toBe("same");
    expect(pool.occupy("10.0.0.0/21", "a").status).toBe("added");
    expect(pool.occupy("10.0.8.0/21", "a")).toMatchObject({
      status: "conflict",
      owner: "b",
      prefix: "10.0.9.0/24",
    });
    expect(pool.stats()[0]!.used).toBe(9);
    expect(pool.occupy("0.0.0.0/0").status).toBe("conflict");
    pool.releaseOwner("a");
    pool.releaseOwner("b");
    expect(pool.occupy("0.0.0.0/0").status).toBe("added");
    expect(pool.stats()[0]).toMatchObject({ used: 256, free: 0 });
    expect(pool.releaseWithin("10.0.0.0/8")).toBe(256);
    pool.close();
  });
});

describe("holds of prefix pools", () => {
  it("confirm keeps both prefixes, abort gives both back, and each only once", () => {
    const pool = createPrefixPool(["10.0.0.0/20", "fd00::/60"]);
    const kept = pool.hold({ owner: "a" });
    expect(kept.address).toEqual(["10.0.0.0/24", "fd00::/64"]);
    expect(pool.explain("10.0.0.7")).toMatchObject({ state: "held", owner: "a" });
    expect(kept.confirm()).toEqual(["10.0.0.0/24", "fd00::/64"]);
    expect(refusal(() => kept.confirm())).toBe("lapsed");
    kept.abort();
    expect(pool.explain("10.0.0.7").state).toBe("allocated");
    const gone = pool.hold({ owner: "b" });
    gone.abort();
    gone.abort();
    expect([refusal(() => gone.confirm()), [...pool]]).toEqual([
      "lapsed",
      ["10.0.0.0/24", "fd00::/64"],
    ]);
    expect(pool.prefixesOf("b")).toEqual([]);
    {
      using scoped = pool.hold();
      expect(scoped.lapsed).toBe(false);
    }
    expect([...pool].length).toBe(2);
    pool.close();
  });

  it("a hold lapses after its time, both prefixes and the owner with it", () => {
    let now = 100;
    const pool = createPrefixPool(["10.0.0.0/20", "fd00::/60"], { clock: () => now });
    const held = pool.hold({ owner: "a" }, { ttl: 30 });
    expect(pool.explain("fd00::1").until).toBe(130);
    now = 129.9;
    expect([held.lapsed, pool.stats()[1]!.used]).toEqual([false, 1]);
    now = 130;
    expect([pool.stats().map(({ used }) => used), pool.prefixesOf("a")]).toEqual([[0, 0], []]);
    expect([held.lapsed, refusal(() => held.confirm())]).toEqual([true, "lapsed"]);
    held.abort();
    const other = pool.hold({}, { ttl: 30 });
    pool.release(other.address[0]!);
    expect([other.lapsed, refusal(() => other.confirm())]).toEqual([true, "lapsed"]);
    pool.close();
    other.abort();
  });
});

describe("slots of prefix pools", () => {
  it("fill and empty a /48 by slot: 65,536 /64, one by one and in arrays", () => {
    const pool = createPrefixPool("fd00::/48");
    const slots = new Uint32Array(70_000);
    expect(pool.takeMany(slots)).toBe(65_536);
    expect(refusal(() => pool.take())).toBe("exhausted");
    expect([pool.prefixAt(65_535), pool.slotOf("fd00:0:0:ffff::/64")]).toEqual([
      "fd00:0:0:ffff::/64",
      65_535,
    ]);
    pool.give(77);
    expect(refusal(() => pool.give(77))).toBe("notAllocated");
    expect([pool.take(), pool.stats()[0]!.free]).toEqual([77, 0]);
    expect(pool.giveMany(slots.subarray(0, 65_536))).toBe(65_536);
    expect(pool.giveMany(slots.subarray(0, 3))).toBe(0);
    expect(pool.stats()[0]).toMatchObject({ used: 0, allocations: 65_537, releases: 65_537 });
    pool.close();
  });

  it("a slot that is given back has no owner any more", () => {
    const pool = createPrefixPool("10.0.0.0/16");
    const [one, two] = [pool.allocate({ owner: "a" })[0]!, pool.allocate({ owner: "a" })[0]!];
    pool.give(pool.slotOf(one));
    expect(pool.prefixesOf("a")).toEqual([two]);
    expect(pool.giveMany(Uint32Array.of(pool.slotOf(two), 200))).toBe(1);
    expect(pool.prefixesOf("a")).toEqual([]);
    for (const slot of [-1, 256, 1.5, Number.NaN, "3", 3n, undefined])
      expect([slot, refusal(() => pool.give(slot as number))]).toEqual([slot, "invalid"]);
    expect(refusal(() => pool.giveMany(Uint32Array.of(256)))).toBe("invalid");
    expect(refusal(() => pool.takeMany(new Uint8Array(4) as never))).toBe("invalid");
    expect(refusal(() => pool.slotOf("10.0.0.0/25"))).toBe("invalid");
    expect(refusal(() => pool.slotOf("10.9.0.0/24"))).toBe("outside");
    pool.drain("10.0.0.0/16");
    expect([refusal(() => pool.take()), pool.takeMany(new Uint32Array(4))]).toEqual([
      "exhausted",
      0,
    ]);
    pool.drain("10.0.0.0/16", false);
    expect(pool.take()).toBe(2);
    pool.add("10.1.0.0/16");
    expect(refusal(() => pool.take())).toBe("invalid");
    pool.remove("10.1.0.0/16");
    expect(pool.take()).toBe(3);
    pool.close();
  });

  it("read a request once: its owner is the one that was checked", () => {
    const pool = createPrefixPool(["10.0.0.0/16", "fd00::/48"]);
    const owners = ["a", 5, "c"] as string[];
    const request = {
      get owner() {
        return owners.shift();
      },
    };
    const given = pool.allocate(request);
    expect(pool.prefixesOf("a")).toEqual(given);
    const closing = {
      get owner() {
        pool.close();
        return "b";
      },
    };
    expect(refusal(() => pool.allocate(closing))).toBe("closed");
  });

  it("refuse a list with closed that closes them, by its iterator or an entry", () => {
    const prefix = "10.0.1.0/24";
    const lists = [
      (pool: Disposable) =>
        (function* () {
          yield { prefix: "10.0.0.0/24" };
          pool[Symbol.dispose]();
          yield { prefix };
        })(),
      (pool: Disposable) => [
        {
          get prefix() {
            pool[Symbol.dispose]();
            return prefix;
          },
        },
        { prefix },
      ],
    ];
    for (const list of lists) {
      const pool = createPrefixPool("10.0.0.0/16");
      expect(refusal(() => pool.occupyAll(list(pool)))).toBe("closed");
    }
  });
});

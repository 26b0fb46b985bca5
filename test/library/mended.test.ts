// Defects that were found in the library and mended: each test was red before.
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { shown } from "../../src/errors.ts";
import { Holds } from "../../src/holds.ts";
import {
  createPool,
  createPrefixPool,
  createServicePool,
  type Hold,
  IpamError,
  Pool,
  PrefixPool,
  type ServiceAllocation,
} from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";
import { kept } from "../support/kept.ts";

let now = 0;
const clock = () => now;
afterEach(() => {
  now = 0;
});

describe("a clock of one's own", () => {
  it("may begin below 0, or jump over what 32 bits of ticks hold: until stays its time", () => {
    for (const [begin, jump] of [
      [-50, 0],
      [0, 2 ** 29],
      [0, 1.8e9],
    ] as const) {
      now = begin;
      const pool = kept(createPool("10.0.0.0/30", { cooldown: 5, clock }));
      now += jump;
      pool.release(pool.allocate("10.0.0.1"));
      const { until } = pool.explain("10.0.0.1");
      expect(until! - now).toBeGreaterThanOrEqual(5);
      expect(until! - now).toBeLessThan(5.3);
      now += 5.3;
      expect(pool.explain("10.0.0.1").state).toBe("free");
    }
  });

  it("tells numbers, or is refused", () => {
    for (const wrong of [() => Number.NaN, () => "5", () => 5n, () => undefined, 5]) {
      const options = { clock: wrong } as never;
      expect(codeOf(() => createPool("10.0.0.0/30", options))).toBe("invalid");
      expect(codeOf(() => createPrefixPool("10.0.0.0/16", options))).toBe("invalid");
      expect(codeOf(() => createServicePool("10.0.0.0/16", options))).toBe("invalid");
    }
  });
});

describe("drain", () => {
  it("takes true and false, and nothing that looks like it", () => {
    const pool = kept(createPrefixPool("10.0.0.0/16"));
    for (const wrong of ["false", 0, null])
      expect(codeOf(() => pool.drain("10.0.0.0/16", wrong as never))).toBe("invalid");
    expect(pool.allocate()).toEqual(["10.0.0.0/24"]);
  });
});

describe("a detached array", () => {
  const sent = <T extends ArrayBufferView>(array: T) => {
    structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
    return array;
  };

  it("is refused: it isn't an empty one", () => {
    const pool = kept(createPool("10.0.0.0/24"));
    const prefixes = kept(createPrefixPool("10.0.0.0/16"));
    for (const array of [new Uint32Array(4), new Float64Array(4), new BigUint64Array(4)]) {
      expect(pool.takeMany(array.subarray(0, 0))).toBe(0);
      const gone = sent(array);
      for (const one of [pool, prefixes]) {
        expect(codeOf(() => one.takeMany(gone))).toBe("invalid");
        expect(codeOf(() => one.giveMany(gone))).toBe("invalid");
      }
    }
    expect(pool.used).toBe(0);
  });

  it("is no snapshot and no list of prefixes", () => {
    expect(codeOf(() => Pool.fromBytes(sent(new Uint8Array(64))))).toBe("damaged");
    const prefixes = kept(createPrefixPool("10.0.0.0/16"));
    for (const array of [new Uint8Array(2), sent(new Uint8Array(2))])
      expect(codeOf(() => prefixes.occupyAll(array as never))).toBe("invalid");
  });
});

describe("open holds", () => {
  it("aren't looked through by a call while none of them is due", () => {
    const pool = kept(createPool("10.0.0.0/16", { clock }));
    const holds = Array.from({ length: 100 }, (_, i) => pool.hold(undefined, { ttl: 10 + i }));
    holds[50]!.abort();
    const looks = vi.spyOn(Map.prototype, Symbol.iterator);
    try {
      for (let i = 0; i < 50; i++) pool.has("10.0.9.9");
      pool.release(pool.hold(undefined, { ttl: 1000 }).address);
      expect(looks).toHaveBeenCalledTimes(0);
      now = 10;
      expect(pool.used).toBe(98);
      const after = looks.mock.calls.length;
      expect(after).toBeGreaterThan(0);
      for (let i = 0; i < 50; i++) expect(pool.used).toBe(98);
      expect(looks).toHaveBeenCalledTimes(after);
    } finally {
      looks.mockRestore();
    }
  });

  it("[model] of any times, ended in any order, lapse each at its own", () => {
    const step = fc.tuple(fc.constantFrom("hold", "abort", "confirm", "wait"), fc.nat(9));
    const law = (steps: (readonly [string, number])[]) => {
      now = 0;
      const pool = kept(createPool("10.0.0.0/24", { clock }));
      const due = new Map<Hold, number>();
      for (const [what, n] of steps) {
        if (what === "wait") now += n;
        if (what === "hold") due.set(pool.hold(undefined, { ttl: n + 1 }), now + n + 1);
        const one = [...due.keys()][n % (due.size || 1)];
        const undecided = one !== undefined && due.get(one) !== Number.POSITIVE_INFINITY;
        if (undecided && what === "abort") {
          one.abort();
          due.delete(one);
        }
        if (undecided && what === "confirm" && due.get(one)! > now) {
          one.confirm();
          due.set(one, Number.POSITIVE_INFINITY);
        }
        for (const [hold, end] of due) if (end <= now) due.delete(hold);
        expect(pool.used).toBe(due.size);
      }
      pool.close();
    };
    fc.assert(fc.property(fc.array(step, { maxLength: 60, size: "max" }), law), { numRuns: 300 });
  });

  it("that can't be given back fail no call: it is tried again, and they are over", () => {
    const holds = new Holds<string>(clock);
    let full = true;
    const given: string[] = [];
    const back = (what: string) => {
      if (full) throw new IpamError("noSpace", "the heap is full");
      given.push(what);
    };
    const id = holds.add("a", "a", 10, back);
    now = 11;
    holds.sweep();
    expect([holds.has("a", id), holds.end("a", id), holds.endAll([["a", id]])]).toEqual([
      false,
      false,
      false,
    ]);
    full = false;
    now = 13;
    holds.sweep();
    expect([given, holds.size]).toEqual([["a"], 0]);
    holds.clear();
  });

  it("of a prefix pool that are due are given back for take and takeMany, too", () => {
    const pool = kept(createPrefixPool("10.0.0.0/24", { length: 25, clock }));
    pool.hold({}, { ttl: 5 });
    pool.hold({}, { ttl: 15 });
    now = 6;
    expect([pool.take(), codeOf(() => pool.take())]).toEqual([0, "exhausted"]);
    now = 16;
    expect(pool.takeMany(new Uint32Array(3))).toBe(1);
  });
});

describe("a hold that was released in part", () => {
  const both = ["10.0.0.0/16", "fd00::/48"];

  it("gives the other prefix back by abort, and not what somebody else got since", () => {
    for (const end of ["abort", "time"]) {
      now = 0;
      const pool = kept(createPrefixPool(both, { policy: "first", clock }));
      const hold = pool.hold({ owner: "a" }, { ttl: 10 });
      pool.release(hold.address[0]!);
      expect(pool.allocate({ owner: "b", family: 4 })).toEqual([hold.address[0]]);
      expect([hold.lapsed, codeOf(() => hold.confirm())]).toEqual([true, "lapsed"]);
      if (end === "abort") hold.abort();
      else now = 11;
      expect([...pool.entries()]).toEqual([[hold.address[0], "b"]]);
      hold.abort();
      expect([...pool]).toEqual([hold.address[0]]);
    }
  });

  it("gives the other address of a service back by abort, and not what somebody has since", () => {
    for (const name of ["a/b", undefined]) {
      for (const end of ["abort", "time"]) {
        now = 0;
        const pool = kept(createServicePool(["10.96.0.0/16", "fd00::/108"], { clock }));
        const hold = pool.hold({ ipFamilyPolicy: "RequireDualStack", name }, { ttl: 10 });
        const [four] = hold.address.clusterIPs;
        pool.release(four!);
        pool.allocate({ name: "c/d", clusterIP: four });
        expect([hold.lapsed, codeOf(() => hold.confirm())]).toEqual([true, "lapsed"]);
        if (end === "abort") hold.abort();
        else now = 11;
        expect([[...pool], pool.names(), pool.ownerOf(four!)]).toEqual([[four], ["c/d"], "c/d"]);
        hold.abort();
        expect([...pool]).toEqual([four]);
      }
    }
  });
});

describe("a service on hold that is updated", () => {
  const ranges = ["10.96.0.0/16", "fd00::/108"];

  function held(spec: Parameters<ReturnType<typeof createServicePool>["hold"]>[0]) {
    now = 0;
    const pool = kept(createServicePool(ranges, { clock }));
    return { pool, hold: pool.hold({ name: "a/b", ...spec }, { ttl: 10 }) };
  }

  function isEmpty(pool: ReturnType<typeof createServicePool>, hold: Hold<ServiceAllocation>) {
    expect([[...pool], pool.names(), pool.used]).toEqual([[], [], 0]);
    hold.abort();
    expect(pool.used).toBe(0);
  }

  it("goes back with the address that the update added: by abort and by its time", () => {
    for (const end of ["abort", "time"]) {
      const { pool, hold } = held({});
      const { clusterIPs } = pool.update("a/b", { ipFamilyPolicy: "PreferDualStack" });
      expect(clusterIPs.map((ip) => pool.explain(ip).state)).toEqual(["held", "held"]);
      expect([hold.lapsed, codeOf(() => pool.allocate({ clusterIP: clusterIPs[1] }))]).toEqual([
        false,
        "held",
      ]);
      if (end === "abort") hold.abort();
      else now = 11;
      isEmpty(pool, hold);
    }
  });

  it("goes back from one family, from ExternalName and to ExternalName, its name too", () => {
    const ways = [
      [{ ipFamilyPolicy: "RequireDualStack" }, { ipFamilyPolicy: "SingleStack" }],
      [{ type: "ExternalName" }, { type: "ClusterIP" }],
      [{}, { type: "ExternalName" }],
    ] as const;
    for (const [before, after] of ways) {
      for (const end of ["abort", "time"]) {
        const { pool, hold } = held(before);
        pool.update("a/b", after);
        if (end === "abort") hold.abort();
        else now = 11;
        isEmpty(pool, hold);
      }
    }
  });

  it("is confirmed with what the update added; what came after the hold stays", () => {
    const { pool, hold } = held({});
    const { clusterIPs } = pool.update("a/b", { ipFamilyPolicy: "PreferDualStack" });
    hold.confirm();
    now = 100;
    hold.abort();
    expect([...pool]).toEqual(clusterIPs);
    pool.release("a/b");
    const old = pool.hold({ name: "a/b" });
    pool.release("a/b");
    pool.allocate({ name: "a/b" });
    old.abort();
    expect([pool.names(), pool.used]).toEqual([["a/b"], 1]);
  });
});

describe("prefix pools", () => {
  it("give back every array that they fill", () => {
    for (const [prefix, arrays] of [
      ["10.0.0.0/16", [Uint32Array, Float64Array, BigUint64Array]],
      ["fd00::/16", [Float64Array, BigUint64Array]],
    ] as const) {
      const pool = kept(createPrefixPool(prefix));
      for (const Kind of arrays) {
        const slots = new Kind(3);
        expect([pool.takeMany(slots), pool.giveMany(slots)]).toEqual([3, 3]);
      }
      expect(pool.stats()[0]!.used).toBe(0);
      const wrong = BigUint64Array.of(0n, 1n << 60n);
      pool.take();
      expect([codeOf(() => pool.giveMany(wrong)), pool.stats()[0]!.used]).toEqual(["invalid", 1]);
    }
  });

  it("count `until` on the clock that pools have", () => {
    const [one, two] = [kept(createPool("10.0.0.0/24")), kept(createPrefixPool("10.0.0.0/16"))];
    const until = [one.explain(one.hold().address), two.explain(two.hold().address[0]!)];
    expect(until[0]!.until).toBeGreaterThan(0);
    expect(Math.abs(until[0]!.until! - until[1]!.until!)).toBeLessThan(5);
  });

  it("refuse an exclusion that touches none of their cluster prefixes", () => {
    const make = (prefixes: string[], exclude: string[]) =>
      codeOf(() => kept(createPrefixPool(prefixes, { exclude })));
    const two = ["10.0.0.0/16", "10.2.0.0/16"];
    expect(make(two, ["10.1.0.0/24"])).toBe("outside");
    expect(make(two, ["10.0.0.0/24", "10.3.0.0"])).toBe("outside");
    expect(make(two, ["fd00::/64"])).toBe("outside");
    expect(make(two, ["10.2.1.0/24", "10.0.9.9", "10.1.255.0-10.2.0.9", "10.0.0.0/8"])).toBe(
      "none",
    );
    expect(make([], ["10.1.0.0/24"])).toBe("none");
    const pool = kept(createPrefixPool(two, { exclude: ["10.2.0.0/24"] }));
    pool.remove("10.2.0.0/16");
    expect([...kept(PrefixPool.fromBytes(pool.toBytes())).prefixes]).toEqual(["10.0.0.0/16"]);
  });
});

describe("a value in a message", () => {
  it("is short JSON, of lists and objects too", () => {
    expect(shown([1, "a", null, 2n, undefined, true])).toBe('[1,"a",null,2n,undefined,true]');
    expect(shown({ a: [1], "b-c": { d: "x" } })).toBe('{"a":[1],"b-c":{"d":"x"}}');
    expect([shown([]), shown({}), shown("x"), shown(1.5)]).toEqual(["[]", "{}", '"x"', "1.5"]);
    expect(shown(Object.assign(Object.create(null), { a: 1 }))).toBe('{"a":1}');
    expect(codeOf(() => kept(createPool(["10.0.0.0/24"] as never)))).toBe("invalid");
    const say = () => kept(createPrefixPool([["10.0.0.0/24"]] as never));
    expect(say).toThrow('["10.0.0.0/24"]');
  });

  it("[every] never throws, never has more than 80 characters, and ends soon", () => {
    const cycle: Record<string, unknown> = { list: [] };
    (cycle.list as unknown[]).push(cycle, cycle);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const getter = Object.defineProperty({}, "a", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const wide = new Array(1e6).fill([new Array(1e5).fill({ a: "b".repeat(1e6) })]);
    const values = [cycle, deep, getter, proxy, wide, "x".repeat(1e6), Symbol("a"), () => 1, NaN];
    for (const value of [...values, new Array(2 ** 32 - 1), new Map(), Pool, -0, null]) {
      const begin = performance.now();
      expect(shown(value).length).toBeLessThanOrEqual(80);
      expect(shown(value).length).toBeGreaterThan(0);
      expect(performance.now() - begin).toBeLessThan(2000);
    }
  });
});

describe("IPv6 pools that reach over ::ffff:0:0/96", () => {
  const [mapped, within] = ["::ffff:0.0.0.0/112", "::ffff:0.0.0.9"];

  it("take back the sub-prefixes that they gave there, of owners and of holds, too", () => {
    const whole = { length: 112, exclude: ["::-::fffe:ffff:ffff"], clock };
    for (const mixed of [false, true]) {
      const pool = kept(createPrefixPool("::/64", { ...whole, mixed }));
      expect(pool.allocate({ owner: "a" })).toEqual([mapped]);
      expect([pool.has(mapped), pool.ownerOf(mapped), pool.ownerOf(within)]).toEqual([
        true,
        "a",
        "a",
      ]);
      expect(pool.explain(within)).toMatchObject({ state: "allocated", prefix: mapped });
      expect(pool.occupy(mapped, "a").status).toBe("same");
      expect(PrefixPool.fromBytes(pool.toBytes()).ownerOf(mapped)).toBe("a");
      expect(pool.releaseOwner("a")).toEqual([mapped]);
      expect(pool.occupy(mapped, "b").status).toBe("added");
      pool.release(mapped);
      const held = pool.hold({ owner: "c" }, { ttl: 5 });
      now += 6;
      expect([held.lapsed, pool.prefixesOf("c"), [...pool]]).toEqual([true, [], []]);
    }
  });

  it("read a mapped address as IPv4 where a cluster prefix has that", () => {
    const pool = kept(createPrefixPool(["0.0.0.0/8", "::/64"], { length: { 4: 24, 6: 112 } }));
    pool.occupy("0.0.0.0/24", "four");
    pool.occupy(mapped, "six");
    expect([pool.ownerOf(within), pool.ownerOf("::ffff:0:9/128")]).toEqual(["four", "six"]);
  });

  it("aren't for services, whose addresses are read without a range", () => {
    for (const range of ["::/64", "::/0"])
      expect(codeOf(() => createServicePool(range))).toBe("invalid");
    const all = { usable: "all" } as const;
    expect(codeOf(() => createServicePool("::1-1::", all))).toBe("invalid");
    expect(kept(createServicePool("::1:0:0:0/80")).allocate().clusterIPs).toHaveLength(1);
  });
});

it("a take by slot that finds nothing counts what is held, as an allocate does", () => {
  const pool = kept(createPool("10.0.0.0/29", { exclude: ["10.0.0.0/31"] }));
  const nodes = kept(createPrefixPool<bigint>("fd00::/64", { length: { 6: 66 } }));
  pool.takeMany(new Uint32Array(9));
  while (nodes.stats()[0]!.free > 0) nodes.take();
  expect(() => pool.take()).toThrow("nothing is free: 6 of 8 are held, 2 are excluded");
  expect(() => nodes.take()).toThrow("nothing is free: 4 of 4 are held");
});

// What pools refuse: each wrong input is one IpamError with a stable code and the value as it was
// passed, and changes nothing. And the borders where right and wrong meet.
import { afterEach, describe, expect, it } from "vitest";
import { heapBytes } from "../../src/heap.ts";
import { createPool, IpamError, type Pool, type PoolOptions } from "../../src/index.ts";
import { outcome } from "../support/poolmodel.ts";

type Any = Pool<number | bigint>;

const open: Any[] = [];
let now = 1000;
const clock = () => now;

function pool<S extends number | bigint = number>(prefix: string, options?: PoolOptions): Pool<S> {
  const made = createPool<S>(prefix, { clock, ...options });
  open.push(made as unknown as Any);
  return made;
}

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** The call throws this error, and the pool is as before. */
function refuses(p: Any, what: string, call: () => unknown, code: string, value: unknown): void {
  const before = p.toBytes();
  let caught: unknown;
  try {
    call();
  } catch (error) {
    caught = error;
  }
  const { code: is, value: of, message } = (caught ?? { code: "none" }) as IpamError;
  expect([what, value, is]).toEqual([what, value, code]);
  expect(caught).toBeInstanceOf(IpamError);
  expect([what, Object.is(of, value)]).toEqual([what, true]);
  expect(message.length).toBeGreaterThan(12);
  expect(Buffer.compare(before, p.toBytes())).toBe(0);
}

/** Every call that takes an address. */
const BY_ADDRESS = {
  allocate: (p: Any, a: unknown) => p.allocate(a as string),
  release: (p: Any, a: unknown) => p.release(a as string),
  has: (p: Any, a: unknown) => p.has(a as string),
  slotOf: (p: Any, a: unknown) => p.slotOf(a as string),
  hold: (p: Any, a: unknown) => p.hold(a as string),
  explain: (p: Any, a: unknown) => p.explain(a as string),
};

const BY_SLOT = {
  takeAt: (p: Any, s: unknown) => p.takeAt(s as number),
  give: (p: Any, s: unknown) => p.give(s as number),
  addressAt: (p: Any, s: unknown) => p.addressAt(s as number),
};

const BAD_ADDRESSES = [
  "",
  " 10.0.0.1",
  "10.0.0.1 ",
  "10.0.0.01",
  "010.0.0.1",
  "10.0.0",
  "10.0.0.256",
  "10.0.0.1/32",
  "fd00::1%eth0",
  "fd00::g",
  "fd00:::1",
  "10.0.0.1\u0000",
  "1".repeat(200),
  5,
  Number.NaN,
  5n,
  null,
  {},
  Object.create(null),
  Symbol("a"),
  ["10.0.0.1"],
  true,
];

describe("wrong addresses", () => {
  for (const prefix of ["10.0.0.0/26", "fd00::/64", "fd00::/8"])
    it(`of ${prefix} are refused with their value`, () => {
      const p = pool<number | bigint>(prefix);
      p.allocate();
      const own = prefix.startsWith("10") ? "10.0.0" : "fd00:";
      const foreign = prefix.startsWith("10") ? "fd00::1" : "10.0.0.1";
      const outside = prefix.startsWith("10") ? ["10.0.0.64", "9.255.255.255"] : ["fe00::"];
      for (const [name, call] of Object.entries(BY_ADDRESS)) {
        for (const bad of BAD_ADDRESSES) refuses(p, name, () => call(p, bad), "invalid", bad);
        if (name === "has" || name === "explain") continue;
        refuses(p, name, () => call(p, foreign), "family", foreign);
        for (const far of outside) refuses(p, name, () => call(p, far), "outside", far);
      }
      for (const far of [foreign, ...outside]) {
        expect([p.has(far), p.explain(far).state]).toEqual([false, "outside"]);
        expect(p.explain(far).why).toContain(far);
      }
      if (foreign !== "fd00::1")
        refuses(p, "mapped", () => p.allocate("::ffff:10.0.0.1"), "family", "::ffff:10.0.0.1");
      const last = own === "fd00:" ? "fd00::ffff" : "10.0.0.63";
      refuses(p, "release", () => p.release(last), "notAllocated", last);
      expect(p.allocate(last)).toBe(last);
      refuses(p, "again", () => p.allocate(last), "taken", last);
      refuses(p, "again", () => p.hold(last), "taken", last);
      p.release(last);
      refuses(p, "twice", () => p.release(last), "notAllocated", last);
    });

  it("reads a mapped address as IPv4, but in a pool that has them", () => {
    const four = pool("10.0.0.0/26");
    expect(four.allocate("::ffff:10.0.0.5")).toBe("10.0.0.5");
    const p = pool<bigint>("::/64");
    const slot = 0xffff_0a00_0005n;
    const text = p.addressAt(slot);
    expect([p.slotOf(text), p.has(text), p.explain(text).state]).toEqual([slot, false, "free"]);
    p.takeAt(slot);
    expect([p.has(text), [...p]]).toEqual([true, [text]]);
    refuses(p as unknown as Any, "IPv4", () => p.release("10.0.0.5"), "family", "10.0.0.5");
    p.release(text);
    expect(p.used).toBe(0);
  });
});

describe("wrong slots", () => {
  it("of numbered pools are invalid with their value", () => {
    for (const [prefix, size] of [
      ["10.0.0.0/26", 64],
      ["10.0.0.9/32", 1],
      ["fd00::/97", 2 ** 31],
      ["0.0.0.0/0", 2 ** 32],
      ["fd00::/75", 2 ** 53],
    ] as const) {
      const p = pool<number | bigint>(prefix);
      p.takeAt(0);
      const numbers = [Number.NaN, -1, 0.5, 1.5, size, size + 2 ** 32, 2 ** 64, 1 / 0, -1 / 0];
      const others = [0n, 5n, "0", "5", "", null, undefined, {}, [0], true, false];
      for (const [name, call] of Object.entries(BY_SLOT))
        for (const bad of [...numbers, ...others])
          refuses(p, `${prefix} ${name}`, () => call(p, bad), "invalid", bad);
      refuses(p, "take", () => p.takeAt(0), "taken", 0);
      // -0 is 0.
      p.give(-0);
      refuses(p, "twice", () => p.give(0), "notAllocated", 0);
      p.takeAt(size - 1);
      expect([p.used, p.slotOf(p.addressAt(size - 1))]).toEqual([1, size - 1]);
    }
  });

  it("of pools of bigints are invalid with their value, above 2^64 there are none", () => {
    for (const [prefix, size] of [
      ["fd00::/74", 1n << 54n],
      ["fd00::/64", 1n << 64n],
    ] as const) {
      const p = pool<number | bigint>(prefix);
      const bad = [size, -1n, 1n << 128n, 0, 5, Number.NaN, "0", "5n", null, undefined, {}];
      for (const [name, call] of Object.entries(BY_SLOT))
        for (const each of bad)
          refuses(p, `${prefix} ${name}`, () => call(p, each), "invalid", each);
      p.takeAt(size - 1n);
      expect([p.used, p.slotOf(p.addressAt(size - 1n))]).toEqual([1, size - 1n]);
    }
    const p = pool<bigint>("fd00::/63") as unknown as Any;
    for (const [name, call] of Object.entries(BY_SLOT))
      for (const each of [0n, 5, "x"]) refuses(p, name, () => call(p, each), "tooLarge", each);
    refuses(p, "slotOf", () => p.slotOf("fd00::1"), "tooLarge", "fd00::1");
    expect(outcome(() => p.take())).toEqual({ code: "tooLarge" });
    for (const array of [new BigUint64Array(3), new Float64Array(3)]) {
      refuses(p, "takeMany", () => p.takeMany(array), "tooLarge", array);
      refuses(p, "giveMany", () => p.giveMany(array), "tooLarge", array);
    }
  });

  it("in arrays: of a wrong type, and with one wrong slot among right ones", () => {
    const p = pool<number | bigint>("10.0.0.0/26");
    expect(p.takeMany(new Uint32Array(8))).toBe(8);
    const others = [
      new Uint8Array(2),
      new Int32Array(2),
      new BigInt64Array(2),
      new DataView(new ArrayBuffer(8)),
    ];
    for (const bad of [...others, [], [1, 2], null, undefined, "ab", {}, 5, { length: 3 }]) {
      refuses(p, "takeMany", () => p.takeMany(bad as never), "invalid", bad);
      refuses(p, "giveMany", () => p.giveMany(bad as never), "invalid", bad);
    }
    const slots = [Number.NaN, -1, 0.5, 64, 2 ** 53, 2 ** 32];
    for (const bad of slots)
      refuses(p, "giveMany", () => p.giveMany(Float64Array.of(0, 1, bad, 2)), "invalid", bad);
    for (const bad of [64n, (1n << 64n) - 1n])
      refuses(p, "giveMany", () => p.giveMany(BigUint64Array.of(0n, bad)), "invalid", bad);
    refuses(p, "giveMany", () => p.giveMany(Uint32Array.of(0, 0xffffffff)), "invalid", 0xffffffff);
    expect(p.giveMany(BigUint64Array.of(0n, 1n, 9n, 2n))).toBe(2);
    expect(p.giveMany(Float64Array.of(2, 2, 3))).toBe(1);
    const detached = new Float64Array(4);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => p.takeMany(detached)).toThrow(/this array is detached/);
    expect(() => p.giveMany(detached)).toThrow(/this array is detached/);
    expect(p.used).toBe(5);
    const wide = pool<number | bigint>("fd00::/95");
    const narrow = new Uint32Array(2);
    refuses(wide, "takeMany", () => wide.takeMany(narrow), "invalid", narrow);
    const big = pool<number | bigint>("fd00::/74");
    const float = new Float64Array(2);
    refuses(big, "takeMany", () => big.takeMany(float), "invalid", float);
    const past = BigUint64Array.of(1n << 54n);
    refuses(big, "giveMany", () => big.giveMany(past), "invalid", 1n << 54n);
  });

  it("takes and gives arrays longer than one piece of the transfer", () => {
    const p = pool("10.0.0.0/15");
    for (const array of [new Uint32Array(2 ** 17), new Float64Array(2 ** 17 + 5)]) {
      expect(p.takeMany(array)).toBe(2 ** 17);
      const right = array.slice(0, 2 ** 17);
      expect(right.every((slot, i) => slot === i)).toBe(true);
      expect([p.used, p.giveMany(right), p.used]).toEqual([2 ** 17, 2 ** 17, 0]);
    }
  });
});

describe("wrong pools and options", () => {
  const refusal = (prefix: unknown, options?: unknown) => {
    const begin = heapBytes();
    let caught: unknown;
    try {
      createPool(prefix as string, options as PoolOptions).close();
    } catch (error) {
      caught = error;
    }
    expect(heapBytes()).toBe(begin);
    if (caught === undefined) return ["none"];
    expect(caught).toBeInstanceOf(IpamError);
    return [(caught as IpamError).code, (caught as IpamError).value];
  };

  it("refuses what isn't a prefix, and host bits", () => {
    const bad = ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/ 8", " ::/0", "x/8", "10.0/16"];
    for (const prefix of [...bad, "fe80::%a/64", "::ffff:0:0/96", null, undefined, 5, 5n, {}, []])
      expect(refusal(prefix)).toEqual(["invalid", prefix]);
    for (const prefix of ["10.0.0.1/24", "10.0.0.1/31", "fd00::1/64", "128.0.0.0/0", "8000::/0"])
      expect(refusal(prefix)).toEqual(["hostBits", prefix]);
  });

  it("refuses options that aren't, with the value", () => {
    const bad: Record<string, unknown[]> = {
      policy: ["oldest", "", "Next", null, 0, {}],
      cooldown: [-1, Number.NaN, 31_536_001, Number.POSITIVE_INFINITY, "5", 5n, null],
      band: [-1, 1.5, Number.NaN, 65, 2 ** 53, "1", 1n, null],
      seed: [1, "1", null],
      clock: [5, "now", {}],
      exclude: ["10.0.0.1", 5, {}],
    };
    for (const [name, values] of Object.entries(bad))
      for (const value of values)
        expect([name, ...refusal("10.0.0.0/26", { [name]: value })]).toEqual([
          name,
          "invalid",
          value,
        ]);
    for (const options of [null, 5, "next"])
      expect(refusal("10.0.0.0/26", options)).toEqual(["invalid", options]);
    for (const text of [
      "x",
      "",
      "10.0.0.1-",
      "10.0.0.9-10.0.0.1",
      "10.0.0.1-x",
      5,
      null,
      undefined,
    ])
      expect(refusal("10.0.0.0/26", { exclude: ["10.0.0.0", text] })).toEqual(["invalid", text]);
    for (const text of ["10.0.0.64", "10.0.0.0/25", "10.0.0.60-10.0.0.64", "fd00::1"])
      expect(refusal("10.0.0.0/26", { exclude: ["10.0.0.0", text] })).toEqual(["outside", text]);
  });
});

describe("a closed pool", () => {
  it("throws closed from everything but close, whatever it is asked", () => {
    for (const prefix of ["10.0.0.0/26", "fd00::/97", "fd00::/64", "fd00::/8"]) {
      const p = createPool<number | bigint>(prefix, { cooldown: 5 });
      const address = p.allocate();
      p.close();
      const calls: Record<string, () => unknown> = {
        used: () => p.used,
        free: () => p.free,
        cooling: () => p.cooling,
        excluded: () => p.excluded,
        yields: () => p.yields,
        allocate: () => p.allocate(),
        take: () => p.take(),
        takeMany: () => p.takeMany(new Float64Array(1)),
        giveMany: () => p.giveMany(new Float64Array(1)),
        iterate: () => [...p],
        anyHold: () => p.hold(),
        toBytes: () => p.toBytes(),
        share: () => p.share(),
      };
      for (const [name, call] of Object.entries(BY_ADDRESS))
        for (const text of [address, "1.2.3.4", "x"])
          calls[`${name} ${text}`] = () => call(p, text);
      for (const [name, call] of Object.entries(BY_SLOT))
        for (const slot of [0, 0n, -1]) calls[`${name} ${slot}`] = () => call(p, slot);
      for (const [name, call] of Object.entries(calls))
        expect([prefix, name, outcome(call)]).toEqual([prefix, name, { code: "closed" }]);
      const begin = heapBytes();
      p.close();
      p[Symbol.dispose]();
      expect(heapBytes()).toBe(begin);
      expect(p.prefix).toBe(prefix);
    }
    const begin = heapBytes();
    {
      using p = createPool("10.0.0.0/8");
      p.take();
      expect(heapBytes()).toBeGreaterThan(begin + 2_000_000);
    }
    expect(heapBytes()).toBeLessThan(begin + 100_000);
  });

  it("never touches the pool that got its memory", () => {
    const old = createPool("10.0.0.0/26");
    old.takeMany(new Uint32Array(9));
    old.close();
    const other = pool("10.0.0.0/26");
    other.take();
    old.close();
    expect(outcome(() => old.give(0))).toEqual({ code: "closed" });
    expect([...other]).toEqual(["10.0.0.0"]);
  });
});

describe("cool-down", () => {
  it("is over for who asks for an address, however many others are due before it", () => {
    for (const prefix of ["10.0.0.0/24", "fd00::/64"]) {
      const p = pool<number | bigint>(prefix, { cooldown: 10 });
      const given = Array.from({ length: 100 }, () => p.allocate());
      for (const address of given) p.release(address);
      refuses(p, "cooling", () => p.allocate(given[90]), "cooling", given[90]);
      now += 9.99;
      refuses(p, "cooling", () => p.hold(given[90]), "cooling", given[90]);
      now += 0.25;
      expect(p.allocate(given[90])).toBe(given[90]);
      expect([p.cooling, p.used, p.yields]).toEqual([0, 1, 0]);
    }
  });

  it("of what was due first yields when nothing else is free, and is counted", () => {
    for (const policy of ["next", "first", "random"] as const) {
      const p = pool("10.0.0.0/29", { cooldown: 100, policy, exclude: ["10.0.0.0"] });
      expect(p.takeMany(new Uint32Array(9))).toBe(7);
      for (const slot of [5, 2, 7, 3]) {
        p.give(slot);
        now += 1;
      }
      refuses(p as unknown as Any, "twice", () => p.give(5), "notAllocated", 5);
      expect([p.free, p.cooling, p.yields]).toEqual([0, 4, 0]);
      expect([p.take(), p.slotOf(p.allocate()), p.yields]).toEqual([5, 2, 2]);
      const into = new Uint32Array(9);
      expect([p.takeMany(into), ...into.subarray(0, 2), p.yields]).toEqual([2, 7, 3, 4]);
      expect(outcome(() => p.take())).toEqual({ code: "exhausted" });
    }
  });

  it("that yields moves the place where `next` goes on", () => {
    for (const prefix of ["10.0.0.0/29", "fd00::/97"]) {
      const p = pool(prefix, {
        cooldown: 100,
        exclude: prefix < "f" ? [] : ["fd00::8-fd00::7fff:ffff"],
      });
      expect(p.takeMany(new Uint32Array(8))).toBe(8);
      for (const slot of [4, 1, 6]) p.give(slot);
      expect([p.take(), p.yields]).toEqual([4, 1]);
      now += 101;
      expect([p.take(), p.take(), p.yields]).toEqual([6, 1, 1]);
    }
  });

  it("counts in a clock of Unix time as in one that begins at 0", () => {
    for (const begin of [0, 1_800_000_000.05, 2 ** 40]) {
      let time = begin;
      using p = createPool("10.0.0.0/30", { cooldown: 31_536_000, clock: () => time });
      p.allocate("10.0.0.1");
      p.release("10.0.0.1");
      const until = p.explain("10.0.0.1").until! - begin;
      expect(until).toBeGreaterThan(31_536_000 - 0.001);
      expect(until).toBeLessThan(31_536_000.3);
      time += 31_535_999.9;
      expect(p.explain("10.0.0.1").state).toBe("cooling");
      time += 0.4;
      expect(p.explain("10.0.0.1").state).toBe("free");
      expect(p.free).toBe(4);
    }
  });

  it("isn't shorter than asked at any fraction of a second", () => {
    for (const cooldown of [0.01, 0.1, 0.25, 1, 2.55])
      for (let part = 0; part < 20; part++) {
        let time = 50 + part / 37;
        using p = createPool("10.0.0.0/31", { cooldown, clock: () => time });
        const begin = time;
        p.takeAt(0);
        p.give(0);
        time = begin + cooldown - 0.001;
        expect([cooldown, p.explain("10.0.0.0").state]).toEqual([cooldown, "cooling"]);
        time = begin + cooldown + 0.201;
        expect([cooldown, p.explain("10.0.0.0").state]).toEqual([cooldown, "free"]);
      }
  });
});

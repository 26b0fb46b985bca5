// What prefix pools refuse: wrong input, each with a stable code and the value, options, every call
// of a closed pool. Nothing changes by it.
import { describe, expect, it } from "vitest";
import { createPrefixPool, type PrefixPool } from "../../src/cluster/prefixpool.ts";
import { IpamError } from "../../src/errors.ts";
import { heapBytes } from "../../src/heap.ts";

/** The code of the IpamError that a call throws, with the value that it names. */
function refusal(call: () => unknown): [code: string, value: unknown] {
  try {
    return ["nothing", call()];
  } catch (error) {
    if (error instanceof IpamError) return [error.code, error.value];
    throw error;
  }
}

const codeOf = (call: () => unknown) => refusal(call)[0];
const hexOf = (pool: PrefixPool) => Buffer.from(pool.toBytes()).toString("hex");

/** A dual-stack pool with something in it. */
function sample(): PrefixPool {
  const pool = createPrefixPool(["10.0.0.0/20", "fd00::/60"], { exclude: ["10.0.15.0/24"] });
  pool.allocate({ owner: "a" });
  pool.allocate({ owner: "b" });
  pool.occupy("10.0.4.0/24", "c");
  return pool;
}

describe("prefix pools refuse", () => {
  const bad = (value: unknown) => value as never;

  it("wrong input, each with a stable code and the value, and change nothing", () => {
    const pool = sample();
    const before = hexOf(pool);
    const calls: [code: string, value: unknown, call: () => unknown][] = [
      ["invalid", "10.0.0.0", () => pool.release("10.0.0.0")],
      ["invalid", "010.0.0.0/24", () => pool.release("010.0.0.0/24")],
      ["invalid", undefined, () => pool.release(bad(undefined))],
      ["hostBits", "10.0.0.1/24", () => pool.release("10.0.0.1/24")],
      ["outside", "10.9.0.0/24", () => pool.release("10.9.0.0/24")],
      ["notAllocated", "10.0.9.0/24", () => pool.release("10.0.9.0/24")],
      ["notAllocated", "10.0.0.0/25", () => pool.release("10.0.0.0/25")],
      ["notAllocated", "10.0.0.0/23", () => pool.release("10.0.0.0/23")],
      ["notAllocated", "10.0.15.0/24", () => pool.release("10.0.15.0/24")],
      ["invalid", 7, () => pool.releaseOwner(bad(7))],
      ["hostBits", "10.0.0.1/8", () => pool.releaseWithin("10.0.0.1/8")],
      ["outside", "10.9.0.0/24", () => pool.occupy("10.9.0.0/24", "x")],
      ["outside", "fe80::/64", () => pool.occupy("fe80::/64")],
      ["hostBits", "fd00::1/64", () => pool.occupy("fd00::1/64")],
      ["invalid", "", () => pool.occupy("10.0.8.0/24", "")],
      ["invalid", null, () => pool.occupy("10.0.8.0/24", bad(null))],
      ["invalid", Number.NaN, () => pool.allocate({ owner: bad(Number.NaN) })],
      ["invalid", null, () => pool.allocate(bad(null))],
      ["family", 5, () => pool.allocate({ family: bad(5) })],
      ["invalid", 26, () => pool.allocate({ length: 26 })],
      ["invalid", 33, () => pool.allocate({ length: 33 })],
      ["invalid", "x", () => pool.allocate({ length: bad("x") })],
      ["invalid", Number.NaN, () => pool.allocate({ length: { 4: Number.NaN } })],
      ["overlap", "10.0.8.0/21", () => pool.add("10.0.8.0/21")],
      ["overlap", "fd00::/32", () => pool.add("fd00::/32")],
      ["tooSmall", "10.9.0.0/25", () => pool.add("10.9.0.0/25")],
      ["invalid", "10.9/16", () => pool.add("10.9/16")],
      ["hostBits", "10.9.0.1/16", () => pool.add("10.9.0.1/16")],
      ["notFound", "10.0.0.0/24", () => pool.drain("10.0.0.0/24")],
      ["notFound", "10.0.0.0/21", () => pool.remove("10.0.0.0/21")],
      ["taken", "10.0.0.0/20", () => pool.remove("10.0.0.0/20")],
      ["invalid", undefined, () => pool.take()],
      ["invalid", undefined, () => pool.slotOf("10.0.0.0/24")],
      ["invalid", 9, () => pool.occupyAll(bad(9))],
      ["invalid", "10.0.0.0/24", () => pool.occupyAll(bad("10.0.0.0/24"))],
      ["invalid", "there", () => pool.explain("there")],
      ["invalid", -1, () => pool.hold({}, { ttl: -1 })],
      ["invalid", Number.NaN, () => pool.hold({}, { ttl: Number.NaN })],
    ];
    for (const [code, value, call] of calls) {
      expect([call.toString(), ...refusal(call)]).toEqual([call.toString(), code, value]);
      expect(hexOf(pool)).toBe(before);
    }
    pool.close();
  });

  it("wrong options and cluster prefixes, and leave no memory behind", () => {
    const make = (prefixes: unknown, options: object | null = {}) =>
      codeOf(() => createPrefixPool(bad(prefixes), bad(options)));
    const fill = () => {
      for (let i = 0; i < 40; i++) make(["10.0.0.0/16", "fd00::/32", "10.0.128.0/17"]);
      for (let i = 0; i < 40; i++)
        make(["10.0.0.0/16", "fd00::/32", "10.0.0.0/8"], { mixed: true, head: 3 });
    };
    fill();
    const before = heapBytes();
    fill();
    expect(make(undefined)).toBe("invalid");
    expect(make(["10.0.0.0/16", 7])).toBe("invalid");
    expect(make(["10.0.0.0/16", "10.0.128.0/17"])).toBe("overlap");
    expect(make(["10.0.0.0/16", "10.1.0.0/25"])).toBe("tooSmall");
    expect(make("10.0.0.1/16")).toBe("hostBits");
    expect(make("10.0.0.0/16", null)).toBe("invalid");
    expect(make("10.0.0.0/16", { length: 33 })).toBe("invalid");
    expect(make("10.0.0.0/16", { length: 129 })).toBe("invalid");
    expect(make("10.0.0.0/16", { length: { 4: "24" } })).toBe("invalid");
    expect(make("10.0.0.0/16", { length: { 6: 200 } })).toBe("invalid");
    expect(make("10.0.0.0/16", { length: 12 })).toBe("tooSmall");
    expect(make("10.0.0.0/16", { head: -1 })).toBe("invalid");
    expect(make("10.0.0.0/16", { tail: 0.5 })).toBe("invalid");
    expect(make("10.0.0.0/16", { head: 200, tail: 56 })).toBe("tooLarge");
    expect(make("10.0.0.0/16", { policy: "last" })).toBe("invalid");
    expect(make("10.0.0.0/16", { mixed: 1 })).toBe("invalid");
    expect(make("10.0.0.0/16", { mixed: true, policy: "next" })).toBe("invalid");
    expect(make("10.0.0.0/16", { exclude: "10.0.0.0/24" })).toBe("invalid");
    expect(make("10.0.0.0/16", { exclude: ["10.0.0.0/240"] })).toBe("invalid");
    expect(make("10.0.0.0/16", { exclude: ["10.0.0.0-fd00::"] })).toBe("family");
    expect(make("10.0.0.0/16", { seed: 1 })).toBe("invalid");
    expect(make("10.0.0.0/16", { clock: 1 })).toBe("invalid");
    expect(heapBytes()).toBe(before);
  });

  it("everything but close after close", () => {
    const pool = sample();
    pool.close();
    pool.close();
    const calls: (() => unknown)[] = [
      () => pool.allocate(),
      () => pool.release("10.0.0.0/24"),
      () => pool.occupy("10.0.0.0/24"),
      () => pool.occupyAll([]),
      () => pool.add("10.7.0.0/16"),
      () => pool.take(),
      () => pool.give(0),
      () => pool.stats(),
      () => pool.explain("10.0.0.0"),
      () => pool.toBytes(),
      () => [...pool],
      () => pool.prefixes,
      () => pool.hold(),
    ];
    for (const call of calls)
      expect([call.toString(), codeOf(call)]).toEqual([call.toString(), "closed"]);
  });
});

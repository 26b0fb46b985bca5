// Laws of toBytes and fromBytes: the copy is the pool, in every state, and goes on as the pool would;
// bytes that aren't whole are refused, and leave nothing in the heap.
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { heapBytes } from "../../src/heap.ts";
import { createPool, createPrefixPool, IpamError, Pool } from "../../src/index.ts";
import { outcome } from "../support/poolmodel.ts";

let now = 77;
const clock = () => now;
const open: Pool<number | bigint>[] = [];

function keep<S extends number | bigint>(pool: Pool<S>): Pool<S> {
  open.push(pool as unknown as Pool<number | bigint>);
  return pool;
}

afterEach(() => {
  for (const pool of open.splice(0)) pool.close();
});

function refused(bytes: unknown): { code: string; value: unknown } {
  try {
    keep(Pool.fromBytes(bytes as Uint8Array));
    return { code: "none", value: undefined };
  } catch (error) {
    if (!(error instanceof IpamError)) throw error;
    expect(error.message.length).toBeGreaterThan(10);
    return { code: error.code, value: error.value };
  }
}

/** All that a caller sees of a pool; with `times`, of up to 300 addresses. */
function seen(pool: Pool<number | bigint>) {
  const { prefix, size, used, free, cooling, excluded, yields } = pool;
  return { prefix, size, used, free, cooling, excluded, yields, held: [...pool] };
}

type Do = readonly [what: string, at: number];

/** One call: what it answers, as text. */
function call(pool: Pool<number | bigint>, [what, at]: Do): string {
  const bits = Math.log2(pool.size);
  const text = (n: number) => {
    const place = n % Math.min(pool.size, 400);
    if (pool.family === 4) return `10.0.${place >> 8}.${place & 255}`;
    return `fd00::${place.toString(16)}`;
  };
  const array = () => (bits <= 53 ? new Float64Array(at % 70) : new BigUint64Array(at % 70));
  const done = outcome<unknown>(() => {
    if (what === "allocate") return pool.allocate();
    if (what === "take") return bits <= 64 ? pool.take() : pool.allocate();
    if (what === "takeMany") {
      const into = array();
      return bits <= 64 ? `${pool.takeMany(into)} ${into}` : "";
    }
    if (what === "named") return pool.allocate(text(at));
    if (what === "release") return pool.release(text(at));
    if (what === "explain") return JSON.stringify(pool.explain(text(at)));
    if (what === "some") {
      // Every third of what is held, so that words are neither full nor empty.
      for (const [i, held] of [...pool].entries()) if (i % 3 === at % 3) pool.release(held);
    }
    return undefined;
  });
  return typeof done === "object" ? JSON.stringify(done) : String(done);
}

const calls = fc.tuple(
  fc.constantFrom("allocate", "take", "takeMany", "named", "release", "explain", "some", "wait"),
  fc.nat(2000),
);

const PREFIXES = [
  "10.0.0.0/32",
  "10.0.0.0/31",
  "10.0.0.0/26",
  "10.0.0.0/25",
  "10.0.0.0/19",
  "10.0.0.0/8",
  "fd00::/97",
  "fd00::/75",
  "fd00::/74",
  "fd00::/64",
  "fd00::/63",
  "fd00::/8",
];

describe("toBytes and fromBytes", { timeout: 60_000 }, () => {
  for (const prefix of PREFIXES)
    it(`[model] ${prefix}: the copy of a pool in any state answers as the pool does`, () => {
      const bits = (prefix.includes(":") ? 128 : 32) - Number(prefix.split("/")[1]);
      const text = (n: number) =>
        prefix.includes(":") ? `fd00::${n.toString(16)}` : `10.0.0.${n}`;
      const excludes = bits < 5 ? [[]] : [[], [text(3)], [`${text(1)}-${text(9)}`, text(20)]];
      const options = fc.record({
        policy: fc.constantFrom("next" as const, "first" as const),
        cooldown: fc.constantFrom(0, 0, 5, 0.35),
        band: fc.constantFrom(0, 0, 1, Math.min(17, 2 ** bits)),
        exclude: fc.constantFrom(...excludes),
      });
      const before = fc.array(calls, { maxLength: 40, size: "max" });
      const after = fc.array(calls, { minLength: 50, maxLength: 50 });
      fc.assert(
        fc.property(options, before, after, fc.nat(9), (chosen, first, then, tenth) => {
          now = 77 + tenth / 10;
          const pool = createPool<number | bigint>(prefix, { ...chosen, clock });
          for (const each of first) {
            call(pool, each);
            if (each[0] === "wait") now += (each[1] % 40) / 10;
          }
          const bytes = pool.toBytes();
          expect(Buffer.compare(bytes, pool.toBytes())).toBe(0);
          const copy = Pool.fromBytes<number | bigint>(bytes, { clock });
          try {
            expect(seen(copy)).toEqual(seen(pool));
            expect(Buffer.compare(bytes, copy.toBytes())).toBe(0);
            for (const each of then) {
              expect([each, call(copy, each)]).toEqual([each, call(pool, each)]);
              if (each[0] === "wait") now += (each[1] % 40) / 10;
            }
            expect(seen(copy)).toEqual(seen(pool));
          } finally {
            pool.close();
            copy.close();
          }
        }),
        { numRuns: bits > 20 && bits <= 30 ? 12 : 40 },
      );
    });

  it("a copy with another clock cools as long as is left, never shorter", () => {
    const pool = keep(createPool("10.0.0.0/30", { clock, cooldown: 30 }));
    // Late in a tick: nearly none of the tenth that a cool-down may be longer.
    now = 500.099;
    pool.allocate("10.0.0.1");
    pool.release("10.0.0.1");
    now = 510;
    let other = 9000.07;
    const copy = keep(Pool.fromBytes(pool.toBytes(), { clock: () => other }));
    const { state, until } = copy.explain("10.0.0.1");
    expect(state).toBe("cooling");
    expect(until! - other).toBeGreaterThanOrEqual(20.099);
    expect(until! - other).toBeLessThan(20.31);
    other += 20.09;
    expect(outcome(() => copy.allocate("10.0.0.1"))).toEqual({ code: "cooling" });
    other += 0.4;
    expect(copy.allocate("10.0.0.1")).toBe("10.0.0.1");
  });

  it("policy random goes on with what the pool has, and `seed` makes it repeat", () => {
    const pool = keep(createPool("10.0.0.0/24", { policy: "random", seed: 5n }));
    pool.takeMany(new Uint32Array(200));
    const bytes = pool.toBytes();
    const rest = [1, 2].map(() => {
      const copy = keep(Pool.fromBytes(bytes, { seed: 99n }));
      expect([...copy]).toEqual([...pool]);
      const into = new Uint32Array(60);
      expect(copy.takeMany(into)).toBe(56);
      expect(copy.used).toBe(256);
      return [...into];
    });
    expect(rest[0]).toEqual(rest[1]);
  });

  it("holds are allocations in the copy", () => {
    const pool = keep(createPool("10.0.0.0/30"));
    pool.hold("10.0.0.2");
    const copy = keep(Pool.fromBytes(pool.toBytes()));
    expect(copy.explain("10.0.0.2").state).toBe("allocated");
    copy.release("10.0.0.2");
    expect([pool.used, copy.used]).toEqual([1, 0]);
  });

  it("bytes are a copy, and read from any view: an odd offset, shared memory", () => {
    const pool = keep(createPool<number | bigint>("fd00::/64"));
    for (const at of [0n, 5n, 64n, 1n << 60n]) pool.takeAt(at);
    const bytes = pool.toBytes();
    const held = [...pool];
    pool.allocate();
    const views = [1, 3, 8].map((offset) => {
      const view = new Uint8Array(bytes.length + 20).subarray(offset, offset + bytes.length);
      view.set(bytes);
      return view;
    });
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    for (const view of [bytes, ...views, shared, Buffer.from(bytes)])
      expect([...keep(Pool.fromBytes(view))]).toEqual(held);
  });

  const smalls = {
    bitmap: () => {
      const pool = createPool<number | bigint>("10.0.0.0/29", {
        cooldown: 9,
        exclude: ["10.0.0.1"],
      });
      pool.takeMany(new Uint32Array(3));
      pool.give(0);
      return pool;
    },
    radix: () => {
      const pool = createPool<number | bigint>("fd00::/64", { band: 3, policy: "first" });
      pool.takeMany(new BigUint64Array(3));
      pool.takeAt(1n << 40n);
      return pool;
    },
  };

  for (const [name, make] of Object.entries(smalls)) {
    it(`[every] a flipped byte is refused, and leaves nothing in the heap: ${name}`, () => {
      const bytes = keep(make()).toBytes();
      const begin = heapBytes();
      for (let at = 0; at < bytes.length; at++)
        for (const flip of [0x01, 0x80, 0xff]) {
          const bad = bytes.slice();
          bad[at]! ^= flip;
          const { code, value } = refused(bad);
          const version = at >= 8 && at < 12;
          expect([at, version ? ["newer", "damaged"] : ["damaged"]]).toEqual([
            at,
            expect.arrayContaining([code]),
          ]);
          expect(value).toBe(bad);
        }
      expect(heapBytes()).toBe(begin);
    });

    it(`[every] a cut or longer snapshot is refused, and leaves nothing in the heap: ${name}`, () => {
      const bytes = keep(make()).toBytes();
      const begin = heapBytes();
      for (let length = 0; length < bytes.length; length++)
        expect([length, refused(bytes.subarray(0, length)).code]).toEqual([length, "damaged"]);
      for (const more of [1, 8, 24, 4096]) {
        const long = new Uint8Array(bytes.length + more);
        long.set(bytes);
        expect(refused(long).code).toBe("damaged");
      }
      expect(refused(bytes.subarray(1)).code).toBe("damaged");
      expect(heapBytes()).toBe(begin);
    });
  }

  it("where there is no Buffer, as in a browser, the bytes and the copy are the same", () => {
    const pool = keep(createPool("10.0.0.0/16"));
    const wide = keep(createPool("fd00::/96"));
    pool.takeMany(new Uint32Array(40_000));
    wide.takeMany(new Float64Array(300));
    const [bytes, others] = [pool.toBytes(), wide.toBytes()];
    vi.stubGlobal("Buffer", undefined);
    const again = [pool.toBytes(), wide.toBytes()];
    const copies = [bytes, others].map((one) => keep(Pool.fromBytes(one)));
    vi.unstubAllGlobals();
    expect(again).toEqual([bytes, others]);
    expect(copies.map((copy) => copy.toBytes())).toEqual([bytes, others]);
  });

  it("a later version is newer, whatever follows", () => {
    const bytes = keep(createPool("10.0.0.0/30")).toBytes();
    bytes[8] = 2;
    expect(refused(bytes)).toEqual({ code: "newer", value: bytes });
  });

  it("refuses a detached array, other types, and bytes of something else", () => {
    const bytes = keep(createPool("10.0.0.0/30")).toBytes();
    const detached = bytes.slice();
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(detached.length).toBe(0);
    const { code, value } = refused(detached);
    expect([code, value === detached]).toEqual(["damaged", true]);
    // As V8's compiled code may see it.
    Object.defineProperty(detached, "length", { value: bytes.length });
    expect(refused(detached).code).toBe("damaged");
    const others = [undefined, null, "", 5, [], {}, bytes.buffer, new DataView(bytes.buffer)];
    for (const other of [...others, [...bytes], new Uint16Array(40), new Float64Array(9)])
      expect(refused(other)).toEqual({ code: "invalid", value: other });
    const prefixes = createPrefixPool(["10.0.0.0/16"], { length: 24 } as never);
    expect(refused(prefixes.toBytes()).code).toBe("damaged");
    prefixes.close();
    for (const bad of [{ clock: 5 }, { seed: 5 }])
      expect(outcome(() => Pool.fromBytes(bytes, bad as never))).toEqual({ code: "invalid" });
  });
});

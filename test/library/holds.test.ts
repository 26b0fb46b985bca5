// Laws of holds: an address that isn't decided yet is neither free nor allocated, until confirm,
// abort, or the end of its time; and an old hold never touches what somebody else got since.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPool, type Hold, Pool, type PoolOptions } from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";

let now = 0;
let pool: Pool;

function made(options: PoolOptions = {}, prefix = "10.0.0.0/30"): Pool {
  pool.close();
  pool = createPool(prefix, { clock: () => now, ...options });
  return pool;
}

beforeEach(() => {
  now = 5000;
  pool = createPool("10.0.0.0/30", { clock: () => now });
});

afterEach(() => {
  pool.close();
});

describe("a hold", () => {
  it("is neither free nor allocated, and counts as used", () => {
    const hold = pool.hold();
    expect(hold.address).toBe("10.0.0.0");
    expect([hold.lapsed, pool.used, pool.free, pool.has(hold.address)]).toEqual([
      false,
      1,
      3,
      true,
    ]);
    expect([...pool]).toEqual(["10.0.0.0"]);
    const { state, until, why } = pool.explain(hold.address);
    expect([state, until]).toEqual(["held", 5060]);
    expect(why).not.toBe("");
    expect(codeOf(() => pool.allocate(hold.address))).toBe("held");
    expect(codeOf(() => pool.hold(hold.address))).toBe("held");
    expect(codeOf(() => pool.takeAt(0))).toBe("held");
    expect([pool.allocate(), pool.take(), pool.used]).toEqual(["10.0.0.1", 2, 3]);
  });

  it("confirmed is an allocation, which no time ends", () => {
    const hold = pool.hold("10.0.0.2");
    expect(hold.confirm()).toBe("10.0.0.2");
    now += 100_000;
    expect([hold.lapsed, pool.used, pool.explain("10.0.0.2").state]).toEqual([
      false,
      1,
      "allocated",
    ]);
    hold.abort();
    hold[Symbol.dispose]();
    expect(pool.has("10.0.0.2")).toBe(true);
    expect(codeOf(() => pool.allocate("10.0.0.2"))).toBe("taken");
  });

  it("aborted gives back, once; confirm is too late then", () => {
    const hold = pool.hold("10.0.0.2");
    hold.abort();
    expect([pool.used, pool.explain("10.0.0.2").state]).toEqual([0, "free"]);
    expect(codeOf(() => hold.confirm())).toBe("lapsed");
    pool.allocate("10.0.0.2");
    hold.abort();
    hold[Symbol.dispose]();
    expect(codeOf(() => hold.confirm())).toBe("lapsed");
    expect(pool.used).toBe(1);
  });

  it("lapses at its time, not before", () => {
    const hold = pool.hold(undefined, { ttl: 10 });
    now += 9.9;
    expect([hold.lapsed, pool.used, pool.explain("10.0.0.0").state]).toEqual([false, 1, "held"]);
    now += 0.2;
    expect([hold.lapsed, pool.used, pool.free]).toEqual([true, 0, 4]);
    expect(pool.explain("10.0.0.0")).toMatchObject({ state: "free" });
    expect(codeOf(() => hold.confirm())).toBe("lapsed");
    expect([...pool]).toEqual([]);
  });

  it("is seen as lapsed by whichever call comes first", () => {
    const seen: Record<string, (p: Pool) => unknown> = {
      used: (p) => p.used === 0,
      free: (p) => p.free === 4,
      has: (p) => !p.has("10.0.0.1"),
      allocate: (p) => p.allocate("10.0.0.1"),
      hold: (p) => p.hold("10.0.0.1"),
      takeAt: (p) => p.takeAt(1) === undefined,
      explain: (p) => p.explain("10.0.0.1").state === "free",
      iterate: (p) => [...p].length === 0,
      release: (p) => codeOf(() => p.release("10.0.0.1")) === "notAllocated",
      give: (p) => codeOf(() => p.give(1)) === "notAllocated",
      giveMany: (p) => p.giveMany(Uint32Array.of(1)) === 0,
      takeMany: (p) => p.takeMany(new Uint32Array(4)) === 4,
      toBytes: (p) => {
        const copy = Pool.fromBytes(p.toBytes());
        const { used } = copy;
        copy.close();
        return used === 0;
      },
    };
    for (const [name, call] of Object.entries(seen)) {
      const p = made();
      p.hold("10.0.0.1", { ttl: 1 });
      now += 1.5;
      expect([name, Boolean(call(p))]).toEqual([name, true]);
    }
  });

  it("of a full pool lapses for an allocation by the policy", () => {
    const p = made({}, "10.0.0.9/32");
    const first = p.hold();
    expect(codeOf(() => p.hold())).toBe("exhausted");
    expect(codeOf(() => p.allocate())).toBe("exhausted");
    expect(codeOf(() => p.take())).toBe("exhausted");
    now += 61;
    expect(p.take()).toBe(0);
    expect([first.lapsed, p.used]).toEqual([true, 1]);
  });

  it("that has lapsed never releases what somebody else got since", () => {
    for (const end of ["lapse", "abort", "release", "give"]) {
      const p = made();
      const old = p.hold("10.0.0.1", { ttl: 10 });
      if (end === "lapse") now += 11;
      if (end === "abort") old.abort();
      if (end === "release") p.release("10.0.0.1");
      if (end === "give") p.give(1);
      const other = p.hold("10.0.0.1", { ttl: 100 });
      old.abort();
      old[Symbol.dispose]();
      expect(codeOf(() => old.confirm())).toBe("lapsed");
      expect([p.has("10.0.0.1"), other.lapsed, p.used]).toEqual([true, false, 1]);
      now += 50;
      expect([p.has("10.0.0.1"), other.confirm()]).toEqual([true, "10.0.0.1"]);
      now += 100;
      expect([p.used, old.lapsed]).toEqual([1, end !== "abort"]);
    }
  });

  it("released by address is over", () => {
    const hold = pool.hold("10.0.0.1");
    pool.release("10.0.0.1");
    expect([hold.lapsed, pool.used]).toEqual([true, 0]);
    pool.allocate("10.0.0.1");
    now += 61;
    expect(pool.used).toBe(1);
  });

  it("released by slots is over", () => {
    const hold = pool.hold("10.0.0.1");
    expect(pool.giveMany(Float64Array.of(1))).toBe(1);
    expect(hold.lapsed).toBe(true);
    pool.takeAt(1);
    now += 61;
    expect([pool.used, pool.has("10.0.0.1")]).toEqual([1, true]);
  });

  it("of a closed pool has lapsed: confirm throws, abort does nothing", () => {
    const hold = pool.hold();
    const kept = pool.hold();
    kept.confirm();
    pool.close();
    expect(hold.lapsed).toBe(true);
    expect(["lapsed", "closed"]).toContain(codeOf(() => hold.confirm()));
    hold.abort();
    hold[Symbol.dispose]();
    kept.abort();
    const other = createPool("10.0.0.0/30");
    other.allocate("10.0.0.0");
    hold.abort();
    expect(other.used).toBe(1);
    other.close();
  });

  it("ends with its block by `using`, unless it was confirmed", () => {
    {
      using _hold = pool.hold("10.0.0.1");
      using kept = pool.hold("10.0.0.2");
      expect(pool.used).toBe(2);
      kept.confirm();
    }
    expect([...pool]).toEqual(["10.0.0.2"]);
    expect(() => {
      using _hold = pool.hold("10.0.0.3");
      throw new Error("the other side refused");
    }).toThrow("refused");
    expect(pool.used).toBe(1);
  });

  it("twice confirmed throws nothing new and keeps the address", () => {
    const hold = pool.hold("10.0.0.1");
    hold.confirm();
    expect(["none", "lapsed"]).toContain(codeOf(() => hold.confirm()));
    expect(pool.used).toBe(1);
  });

  it("refuses a time that isn't one, and takes nothing", () => {
    const bad = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 86_401, "10", 10n, null, {}];
    for (const ttl of bad) {
      expect([ttl, codeOf(() => pool.hold(undefined, { ttl: ttl as number }))]).toEqual([
        ttl,
        "invalid",
      ]);
      expect(codeOf(() => pool.hold("10.0.0.1", { ttl: ttl as number }))).toBe("invalid");
    }
    expect(() => pool.hold(undefined, { ttl: 0 })).toThrow(
      "ttl 0 is not a number of seconds above 0",
    );
    expect([pool.used, pool.allocate()]).toEqual([0, "10.0.0.0"]);
    pool.hold("10.0.0.3", { ttl: 86_400 });
    pool.hold("10.0.0.2", { ttl: 0.001 });
    now += 0.01;
    expect(pool.used).toBe(2);
  });

  it("cools after abort and lapse as after a release", () => {
    for (const end of ["abort", "lapse"]) {
      const p = made({ cooldown: 30 });
      const hold = p.hold("10.0.0.1", { ttl: 10 });
      if (end === "abort") hold.abort();
      else now += 11;
      expect([p.used, p.cooling, p.free]).toEqual([0, 1, 3]);
      expect(p.explain("10.0.0.1").state).toBe("cooling");
      expect(codeOf(() => p.allocate("10.0.0.1"))).toBe("cooling");
    }
  });

  it("lapsed: its cool-down has begun at the end of its time, however late a call notices", () => {
    const p = made({ cooldown: 30 });
    p.hold("10.0.0.1", { ttl: 10 });
    now += 41;
    const { state, until } = p.explain("10.0.0.1");
    // Later is allowed, never shorter: the call may count from when it noticed.
    if (state === "cooling") expect(until).toBeGreaterThanOrEqual(5040);
    else expect(state).toBe("free");
  });

  it("[model] any mix of holds, allocations, releases and time agrees with a map", () => {
    const step = fc.tuple(
      fc.constantFrom("hold", "holdAt", "confirm", "abort", "allocate", "release", "wait"),
      fc.nat(20),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const p = made({}, "2001:db8::/125");
        const due = new Map<string, number>();
        const holds: [Hold, boolean][] = [];
        const alive = (a: string) => (due.get(a) ?? -1) > now;
        for (const [what, n] of steps) {
          const address = `2001:db8::${n % 8 || ""}`;
          const free = !alive(address);
          if (what === "wait") now += n;
          if (what === "hold" || what === "holdAt") {
            const count = [...due.values()].filter((end) => end > now).length;
            const right =
              what === "hold" ? (count < 8 ? "none" : "exhausted") : free ? "none" : "refused";
            const got = codeOf(() => {
              const hold = p.hold(what === "hold" ? undefined : address, { ttl: 10 });
              expect(alive(hold.address)).toBe(false);
              due.set(hold.address, now + 10);
              for (const entry of holds) if (entry[0].address === hold.address) entry[1] = false;
              holds.push([hold, true]);
            });
            expect(got === "held" || got === "taken" ? "refused" : got).toBe(right);
          }
          const chosen = holds[n % (holds.length || 1)];
          if (chosen && (what === "confirm" || what === "abort")) {
            const { address: at } = chosen[0];
            const live = chosen[1] && alive(at);
            const settled = due.get(at) === Number.POSITIVE_INFINITY;
            if (!settled || !live) {
              const got = codeOf(() => chosen[0][what]());
              expect(got).toBe(live || what === "abort" ? "none" : "lapsed");
              if (live && what === "confirm") due.set(at, Number.POSITIVE_INFINITY);
              if (live && what === "abort") due.delete(at);
            }
            if (live && what === "abort" && !settled) chosen[1] = false;
          }
          if (what === "allocate") {
            const got = codeOf(() => p.allocate(address));
            expect(got === "none").toBe(free);
            if (free) due.set(address, Number.POSITIVE_INFINITY);
            if (free) for (const e of holds) if (e[0].address === address) e[1] = false;
          }
          if (what === "release") {
            expect(codeOf(() => p.release(address))).toBe(free ? "notAllocated" : "none");
            due.delete(address);
            for (const e of holds) if (e[0].address === address) e[1] = false;
          }
          const live = [...due].filter(([, end]) => end > now).map(([a]) => a);
          expect([...p]).toEqual(live.sort());
          expect(p.used).toBe(live.length);
        }
      }),
      { numRuns: 300 },
    );
  });
});

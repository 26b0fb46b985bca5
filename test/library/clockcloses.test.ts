// A user's clock is the user's code in the midst of a call: it may close the pool, and make another
// in its place. Then the call answers "closed", and writes neither to that one nor to the heap.
import { afterEach, describe, expect, it } from "vitest";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import { heap } from "../../src/heap.ts";
import {
  createPool,
  createPrefixPool,
  createServicePool,
  type Hold,
  type Pool,
  type PoolOptions,
  type PrefixPool,
  type ServicePool,
} from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";

/** A pool of which something is held, cools and is on hold. */
type Make<P> = () => P;
type Calls<P> = Record<string, (pool: P) => unknown>;

/** More than the heap's own words, which lie before all pools. */
const HEADER = 8192;

let now = 0;
/** The clock closes the pool at this call of it from now on; 0: at none. */
let fuse = 0;
let burn = () => {};
const clock = () => {
  if (fuse > 0 && --fuse === 0) burn();
  return now;
};
const open: Disposable[] = [];

afterEach(() => {
  fuse = 0;
  for (const each of open.splice(0)) each[Symbol.dispose]();
});

function kept<T extends Disposable>(pool: T): T {
  open.push(pool);
  return pool;
}

// What the call comes to when the nth call of the clock in it closes the pool, and then does
// `more`; undefined: it doesn't call the clock so often.
function closedAt<P extends Disposable>(
  n: number,
  make: Make<P>,
  call: (pool: P) => unknown,
  more: () => void,
): string | undefined {
  let isClosed = false;
  now = 100;
  const pool = kept(make());
  burn = () => {
    isClosed = true;
    pool[Symbol.dispose]();
    more();
  };
  now = 106;
  fuse = n;
  const code = codeOf(() => call(pool));
  fuse = 0;
  pool[Symbol.dispose]();
  return isClosed ? code : undefined;
}

// Each call, closed at each call of the clock in it. How many of those there were.
function closedEverywhere<P extends Disposable>(make: Make<P>, calls: Calls<P>): number {
  let count = 0;
  for (const [name, call] of Object.entries(calls))
    for (let n = 1; ; n++, count++) {
      const title = `${name}, call ${n} of its clock`;
      let before = new Uint8Array();
      const words = () => heap().u8.slice(WINDOW_BASE, WINDOW_BASE + HEADER);
      const code = closedAt(n, make, call, () => {
        before = words();
      });
      if (code === undefined) break;
      expect([title, code]).toEqual([title, "closed"]);
      expect([title, Buffer.compare(before, words())]).toEqual([title, 0]);
      let next: Pool | undefined;
      closedAt(n, make, call, () => {
        next = kept(createPool("10.200.0.0/20"));
        next.takeMany(new Uint32Array(300));
      });
      const { length } = [...next!];
      expect([title, next!.used, length, next!.take()]).toEqual([title, 300, 300, 300]);
      next!.close();
    }
  return count;
}

const at = (pool: { prefix: string }, i: number) => pool.prefix.replace(/0?\/.*/, String(i));

function pools(prefix: string, options: PoolOptions, ttl?: number): Make<Pool> {
  return () => {
    const pool = createPool(prefix, { clock, ...options });
    for (let i = 0; i < 9; i++) if (i !== 3) pool.allocate(at(pool, i));
    pool.release(at(pool, 2));
    if (ttl !== undefined) pool.hold(at(pool, 3), { ttl });
    return pool;
  };
}

const byText: Calls<Pool> = {
  allocate: (pool) => pool.allocate(),
  "allocate(address)": (pool) => pool.allocate(at(pool, 9)),
  "allocate(what cooled)": (pool) => pool.allocate(at(pool, 2)),
  "allocate(what is taken)": (pool) => pool.allocate(at(pool, 1)),
  release: (pool) => pool.release(at(pool, 1)),
  "release twice": (pool) => pool.release(at(pool, 2)),
  has: (pool) => pool.has(at(pool, 1)),
  explain: (pool) => pool.explain(at(pool, 2)),
  hold: (pool) => pool.hold(at(pool, 9)),
  figures: (pool) => [pool.used, pool.cooling, pool.free, pool.excluded, pool.yields],
  iterate: (pool) => [...pool],
  toBytes: (pool) => pool.toBytes(),
};

const bySlot: Calls<Pool> = {
  take: (pool) => pool.take(),
  takeAt: (pool) => pool.takeAt(pool.slotOf(at(pool, 9))),
  give: (pool) => pool.give(pool.slotOf(at(pool, 1))),
  addressAt: (pool) => pool.addressAt(pool.slotOf(at(pool, 1))),
  takeMany: (pool) => pool.takeMany(new BigUint64Array(5)),
  giveMany: (pool) => pool.giveMany(new BigUint64Array([0n, 1n])),
};

describe("a clock that closes its pool in the midst of a call", () => {
  // Narrow, narrow without a row, wide, big, huge slots: the last have no slots outside.
  const prefixes = ["10.0.0.0/16", "10.0.0.0/24", "fd00::/80", "fd00::/70", "fd00::/48"];
  const kinds: [string, PoolOptions, number?][] = [
    ["cool-down", { cooldown: 5 }],
    ["holds", {}, 50],
    ["cool-down and holds that lapse", { cooldown: 5 }, 2],
    ["policy random and cool-down", { cooldown: 5, policy: "random", seed: 7n }],
  ];
  for (const shared of [false, true])
    for (const prefix of prefixes)
      it(`${prefix}${shared ? " of a shared heap" : ""}`, () => {
        if (shared) kept(createPool("10.100.0.0/24")).share();
        const calls = prefix.endsWith("/48") ? byText : { ...byText, ...bySlot };
        for (const [kind, options, ttl] of kinds) {
          const make = pools(prefix, options, ttl);
          expect([kind, closedEverywhere(make, calls) > 7]).toEqual([kind, true]);
        }
      });

  it("leaves a hold lapsed, and an abort does nothing", () => {
    const ends: Calls<Hold> = {
      lapsed: (hold) => hold.lapsed,
      abort: (hold) => hold.abort(),
      confirm: (hold) => hold.confirm(),
    };
    for (const options of [{}, { cooldown: 5 }])
      for (const ttl of [2, 50])
        for (const [name, end] of Object.entries(ends)) {
          let hold: Hold | undefined;
          let next: Pool | undefined;
          const make = () => {
            const pool = createPool("10.0.0.0/16", { clock, ...options });
            hold = pool.hold(undefined, { ttl });
            return pool;
          };
          const code = closedAt(
            1,
            make,
            () => end(hold!),
            () => {
              next = kept(createPool("10.200.0.0/16"));
              next.takeMany(new Uint32Array(9));
            },
          );
          expect([name, code, hold!.lapsed]).toEqual([
            name,
            name === "confirm" ? "lapsed" : "none",
            true,
          ]);
          expect([name, next!.used]).toEqual([name, 9]);
        }
  });

  it("a service pool", () => {
    const make = (options: PoolOptions, ttl?: number) => () => {
      const pool = createServicePool(["10.0.0.0/24", "fd00::/108"], { clock, ...options });
      pool.allocate({ name: "a/b", ipFamilyPolicy: "RequireDualStack" });
      pool.allocate({ clusterIP: "10.0.0.9" });
      pool.allocate({ clusterIP: "10.0.0.8" });
      pool.release(["10.0.0.8"]);
      if (ttl !== undefined) pool.hold({ name: "c/d" }, { ttl });
      return pool;
    };
    const calls: Calls<ServicePool> = {
      allocate: (pool) => pool.allocate({ ipFamilyPolicy: "RequireDualStack" }),
      "allocate(address)": (pool) => pool.allocate({ clusterIP: "10.0.0.8" }),
      "allocate(taken)": (pool) => pool.allocate({ clusterIP: "10.0.0.9" }),
      update: (pool) => pool.update("a/b", { ipFamilyPolicy: "SingleStack" }),
      "release(name)": (pool) => pool.release("a/b"),
      "release(address)": (pool) => pool.release("10.0.0.9"),
      hold: (pool) => pool.hold({ name: "e/f" }),
      find: (pool) => pool.find("a/b"),
      ownerOf: (pool) => pool.ownerOf("10.0.0.9"),
      has: (pool) => pool.has("10.0.0.9"),
      explain: (pool) => pool.explain("10.0.0.8"),
      figures: (pool) => [pool.used, pool.free, pool.stats(), pool.names()],
      iterate: (pool) => [...pool],
      toBytes: (pool) => pool.toBytes(),
    };
    for (const [options, ttl] of [[{ cooldown: 5 }], [{}, 50], [{ cooldown: 5 }, 2]] as const)
      expect(closedEverywhere(make(options, ttl), calls)).toBeGreaterThan(7);
  });

  for (const mixed of [false, true])
    it(`a prefix pool${mixed ? " of mixed lengths" : ""}`, () => {
      const make = (ttl: number) => () => {
        const pool = createPrefixPool(["10.0.0.0/12"], { clock, mixed });
        for (let i = 0; i < 5; i++) pool.allocate({ owner: `node-${i}` });
        pool.hold({}, { ttl });
        return pool;
      };
      const calls: Calls<PrefixPool> = {
        allocate: (pool) => pool.allocate(),
        hold: (pool) => pool.hold(),
        release: (pool) => pool.release("10.0.1.0/24"),
        releaseOwner: (pool) => pool.releaseOwner("node-1"),
        releaseWithin: (pool) => pool.releaseWithin("10.0.0.0/8"),
        occupy: (pool) => pool.occupy("10.0.9.0/24", "me"),
        occupyAll: (pool) => pool.occupyAll([{ prefix: "10.0.9.0/24" }]),
        add: (pool) => pool.add("10.16.0.0/12"),
        drain: (pool) => pool.drain("10.0.0.0/12"),
        remove: (pool) => pool.remove("10.0.0.0/12"),
        has: (pool) => pool.has("10.0.1.0/24"),
        ownerOf: (pool) => pool.ownerOf("10.0.1.0/24"),
        prefixesOf: (pool) => pool.prefixesOf("node-1"),
        explain: (pool) => pool.explain("10.0.1.0/24"),
        figures: (pool) => [pool.stats(), pool.prefixes],
        entries: (pool) => [...pool.entries()],
        toBytes: (pool) => pool.toBytes(),
      };
      const slots: Calls<PrefixPool> = {
        take: (pool) => pool.take(),
        give: (pool) => pool.give(1),
        takeMany: (pool) => pool.takeMany(new Uint32Array(5)),
        giveMany: (pool) => pool.giveMany(new Uint32Array([1, 2])),
        slotOf: (pool) => pool.slotOf("10.0.1.0/24"),
        prefixAt: (pool) => pool.prefixAt(1),
      };
      for (const ttl of [2, 50])
        expect(closedEverywhere(make(ttl), mixed ? calls : { ...calls, ...slots })).toBeGreaterThan(
          15,
        );
    });
});

describe("a request that closes its pool while it is read", () => {
  for (const mixed of [false, true])
    it(`is answered "closed"${mixed ? " (mixed lengths)" : ""}`, () => {
      for (const family of [4, 6] as const) {
        const pool = kept(createPrefixPool(["10.0.0.0/8", "fd00::/32"], { mixed }));
        const length = { 4: 24, 6: 64 };
        Object.defineProperty(length, family, {
          get: () => {
            pool.close();
            return family === 4 ? 24 : 64;
          },
        });
        expect(codeOf(() => pool.allocate({ length }))).toBe("closed");
      }
    });
});

describe("a cluster prefix that is taken out while it is listed", () => {
  for (const mixed of [false, true])
    it(`ends there, and the next one follows${mixed ? " (mixed lengths)" : ""}`, () => {
      const pool = kept(createPrefixPool(["10.0.0.0/24", "10.0.1.0/24"], { mixed, length: 26 }));
      for (let i = 0; i < 6; i++) pool.allocate();
      const seen: string[] = [];
      for (const prefix of pool) {
        if (seen.push(prefix) > 1) continue;
        pool.releaseWithin("10.0.0.0/24");
        pool.remove("10.0.0.0/24");
      }
      expect(seen).toEqual(["10.0.0.0/26", "10.0.1.0/26", "10.0.1.64/26"]);
    });
});

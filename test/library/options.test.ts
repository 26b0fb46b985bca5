// Options are the pool's own once it is made: what their caller does with his changes nothing.
import { describe, expect, it } from "vitest";
import { shown } from "../../src/errors.ts";
import {
  createPool,
  createPrefixPool,
  createServicePool,
  Pool,
  PrefixPool,
  ServicePool,
} from "../../src/index.ts";
import { kept } from "../support/kept.ts";

describe("what was passed to a pool, or answered by it, may be changed afterwards", () => {
  it("a pool stays what it was made, and so do its snapshots", () => {
    const exclude = ["10.0.0.0"];
    const options = { exclude, policy: "first", band: 0, cooldown: 0 } as const;
    const pool = kept(createPool("10.0.0.0/29", options));
    pool.allocate();
    exclude.push("10.0.0.7", "11.0.0.0");
    Object.assign(options, { policy: "random", band: 4, cooldown: 50 });
    const again = kept(Pool.fromBytes(pool.toBytes()));
    again.release("10.0.0.1");
    expect([again.excluded, again.cooling, again.allocate()]).toEqual([1, 0, "10.0.0.1"]);
  });

  it("a prefix pool does", () => {
    const options = { length: { 4: 24 }, head: { 4: 1 }, exclude: ["10.0.3.0/24"] };
    const pool = kept(createPrefixPool("10.0.0.0/16", options));
    options.length[4] = 25;
    options.head[4] = 9;
    options.exclude.push("10.0.9.0/24");
    pool.add("10.1.0.0/16");
    expect(pool.allocate()).toEqual(["10.0.1.0/24"]);
    expect(pool.stats()[0]).toMatchObject({ length: 24, size: 512, excluded: 3 });
    expect(PrefixPool.fromBytes(pool.toBytes()).stats()).toEqual(pool.stats());
  });

  it("a service pool does, and so do its holds", () => {
    const options = { exclude: ["10.0.0.3"], band: 2, usable: "services" as "all" | "services" };
    const pool = kept(createServicePool("10.0.0.0/28", options));
    Object.assign(options, { band: 5, usable: "all" });
    options.exclude.push("10.0.0.4");
    (pool.families as string[]).push("IPv6");
    const held = pool.hold({ name: "a/b" });
    held.address.clusterIPs[0] = "10.0.0.9";
    expect(held.lapsed).toBe(false);
    held.confirm();
    const again = kept(ServicePool.fromBytes(pool.toBytes()));
    expect(again.stats()).toEqual(pool.stats());
    expect([again.stats()[0]!.excluded, pool.families]).toEqual([1, ["IPv4"]]);
  });

  it("options may be inherited: from an object of defaults, or a class", () => {
    class Defaults {
      get policy() {
        return "first" as const;
      }
    }
    const made = [new Defaults(), Object.create({ policy: "first" }) as object];
    for (const options of made) {
      const pool = kept(createPool("10.0.0.0/29", options));
      const nodes = kept(createPrefixPool("10.0.0.0/16", options));
      const services = kept(createServicePool("10.0.0.0/28", options));
      const give = () => [pool.allocate(), nodes.allocate()[0], services.allocate().clusterIPs[0]];
      const given = give();
      pool.release(given[0]!);
      nodes.release(given[1]!);
      services.release(given[2]!);
      expect(give()).toEqual(given);
    }
  });

  it("a length for each family may be inherited, too, and is kept in a snapshot", () => {
    class Lengths {
      get 4() {
        return 26;
      }
    }
    for (const length of [new Lengths(), Object.create({ 4: 26 }) as object]) {
      const pool = kept(createPrefixPool("10.0.0.0/16", { length }));
      const again = kept(PrefixPool.fromBytes(pool.toBytes()));
      expect([pool.allocate(), again.allocate()]).toEqual([["10.0.0.0/26"], ["10.0.0.0/26"]]);
    }
  });

  it("an error shows and has the value that was written, not what its copy would be", () => {
    const range = "10.0.0.0/24";
    for (const exclude of [new Set(["10.0.0.0"]), new Map(), "10.0.0.0", { 0: "10.0.0.0" }]) {
      const options = { exclude } as never;
      for (const make of [createPool, createPrefixPool, createServicePool]) {
        let error: unknown;
        try {
          kept<Disposable>(make(range, options));
        } catch (thrown) {
          error = thrown;
        }
        const message = `exclude ${shown(exclude)} is not a list`;
        expect(error).toMatchObject({ code: "invalid", message });
        expect((error as { value: unknown }).value).toBe(exclude);
      }
    }
  });
});

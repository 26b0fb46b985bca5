// What the recorder keeps, read by the library, and replays of it: what another subnet, policy,
// cool-down or reservation would have made of the same pods.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { HistoryEvent } from "../../src/ipam/history.ts";
import { openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { readIpam } from "../../src/ipam/reader.ts";
import { replayHistory } from "../../src/replay.ts";
import { berths, binaries } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, network, pair, removeAll } from "../plugin/support/space.ts";
import { codes, removeSpaces, space } from "./ipamspace.ts";

afterAll(() => {
  removeAll();
  removeSpaces();
});

const binary = berths.find((each) => each.kind === "native") ?? binaries[0]!;
const args = (name: string) => `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`;

/** Events made by hand: [seconds, what, address, name?, more]. */
type Row = [number, HistoryEvent["what"], string, string?, Partial<HistoryEvent>?];
const at = (seconds: number) => new Date(1_790_000_000_000 + seconds * 1000);
const made = (rows: Row[]): HistoryEvent[] =>
  rows.map(([seconds, what, address, name, more]) => ({
    what,
    when: at(seconds),
    addresses: [address],
    ...(name === undefined ? {} : { name }),
    ...more,
  }));

describe("history() of a plugin's state", () => {
  it("tells what `berth history` tells, and is replayed: a /30 refuses", async () => {
    const caller = Caller.start(8);
    const p = pluginOf(caller, binary);
    const n = network(folder(), pair(3));
    const cools = { ...n, ipam: { ...n.ipam, cooldown: 300 } };
    try {
      await p.given(n, "container-number-1", { args: args("web-0") });
      await p.given(n, "b");
      await p.given(n, "c");
      await p.add(n, "d");
      await p.add(n, "d");
      await p.gone(cools, "b");
      await p.given(cools, "e");
    } finally {
      await caller.close();
    }
    const copy = readIpam(homeOf(n));
    const events = copy.history();
    copy.close();
    expect(events).toMatchObject([
      {
        what: "given",
        owner: "container-nu",
        name: "shop/web-0",
        addresses: ["10.77.0.10", "2001:db8:77::a"],
      },
      { what: "given", owner: "b" },
      { what: "given", owner: "c" },
      { what: "refused", owner: "d", reason: "nothing was free", count: 2 },
      {
        what: "released",
        owner: "b",
        by: "DEL",
        seconds: 300,
        addresses: ["10.77.0.11", "2001:db8:77::b"],
      },
      { what: "yielded", addresses: ["10.77.0.11"] },
      { what: "yielded", addresses: ["2001:db8:77::b"] },
      { what: "given", owner: "e" },
    ]);
    for (const { when } of events)
      expect(Math.abs(when.getTime() - Date.now())).toBeLessThan(20_000);
    expect(events[0]).not.toHaveProperty("seconds");
    for (const prefixes of [["10.9.0.0-10.9.0.2"], ["fd00::-fd00::1", "fd01::/128"]])
      expect(replayHistory(events, { prefixes })).toMatchObject({
        size: 3,
        cooldown: 300,
        given: 4,
        refused: 0,
        mostHeld: 3,
        leastFree: 0,
        reuses: 1,
        yields: 1,
        refusedThen: 2,
        unseen: 0,
      });
    const small = replayHistory(events, { prefixes: ["10.9.0.0/30"], exclude: ["10.9.0.0/31"] });
    expect(small).toMatchObject({ family: 4, size: 2, given: 3, refused: 1, mostHeld: 2 });
    expect(small.firstRefusal).toEqual(events[2]!.when);
    const large = replayHistory(events, { prefixes: ["10.9.0.0/25"] });
    expect(large).toMatchObject({ given: 4, refused: 0, leastFree: 124, reuses: 0, yields: 0 });
    expect(large).not.toHaveProperty("firstRefusal");
  });

  it("is there for an Ipam in that directory, whose calls are recorded; [] in one of its own", async () => {
    const caller = Caller.start(8);
    const n = network(folder(), pair(3));
    await pluginOf(caller, binary).given(n, "a");
    await caller.close();
    using ipam = openIpam(homeOf(n), { lock: "per-call" });
    const [pool] = ipam.pools();
    if (pool) ipam.allocate({ owner: "vm", pools: [pool] });
    else ipam.allocate({ owner: "vm", pools: [ipam.pool("10.78.0.0/24")] });
    expect(ipam.history().map(({ what, owner }) => [what, owner])).toEqual([
      ["given", "a"],
      ["given", "vm"],
    ]);
    using alone = openIpam(space());
    alone.allocate({ owner: "vm", pools: [alone.pool("10.78.0.0/24")] });
    expect(alone.history()).toEqual([]);
  });

  it("begins for the library at another boot, which it tells with what that ended", () => {
    const path = space();
    const ipam = openIpamAround(path, {}, { boot: "11111111-2222-3333-4444-555555555555" });
    const pool = ipam.pool("10.78.0.0/24", { name: "p" });
    for (const owner of ["a", "b"]) ipam.allocate({ owner, kind: "container", pools: [pool] });
    ipam.close();
    using again = openIpamAround(path, {}, { boot: "99999999-2222-3333-4444-555555555555" });
    again.allocate({ owner: "c", name: "n/c", pools: ["p"] });
    again.release("c", { reserveFor: 60 });
    expect(again.history()).toMatchObject([
      { what: "reboot", count: 2, addresses: [] },
      { what: "given", owner: "c", name: "n/c" },
      { what: "reserved", by: "DEL", seconds: 60 },
    ]);
    expect(replayHistory(again.history(), { prefixes: ["10.0.0.0/29"] })).toMatchObject({
      given: 1,
      mostHeld: 1,
      unseen: 0,
    });
  });

  it("has the words that the verb has", () => {
    const root = join(import.meta.dirname, "../..");
    const verb = readFileSync(join(root, "assembly/verbs/events.ts"), "utf8");
    const told = readFileSync(join(root, "src/ipam/history.ts"), "utf8");
    const words = [...verb.split("function causeWord")[0]!.matchAll(/return "([^"]+)"/g)];
    expect(words.length).toBeGreaterThan(15);
    for (const [, word] of words) expect(told).toContain(`"${word}"`);
  });
});

describe("replayHistory", () => {
  it("takes a cool-down of at most a year, also from a history that has a longer one", () => {
    const second = (n: number) => new Date(1_790_000_000_000 + n * 1000);
    const year = 31_536_000;
    const life = [
      { what: "given" as const, when: second(0), addresses: ["10.0.0.2"] },
      { what: "released" as const, when: second(9), addresses: ["10.0.0.2"], seconds: 4 * year },
    ];
    const prefixes = ["10.0.0.0/29"];
    expect(replayHistory(life, { prefixes }).cooldown).toBe(year);
    expect(() => replayHistory(life, { prefixes, cooldown: year + 1 })).toThrow(
      "cooldown 31536001 is not a number of seconds from 0 to 31536000",
    );
    expect(() => replayHistory(life, { prefixes, reserveFor: 2 ** 31 })).toThrow(
      "reserveFor 2147483648 is not a number of seconds from 0 to 2147483647",
    );
  });

  // One pod after the other, 10 s each, at one address.
  const turns = made(
    Array.from({ length: 20 }, (_, i): Row[] => [
      [i * 20, "given", "10.0.0.1", `p${i}`],
      [i * 20 + 10, "released", "10.0.0.1", `p${i}`],
    ]).flat(),
  );
  const first = { prefixes: ["10.0.0.0/29"], policy: "first" as const };

  it("raises the re-use distance with a cool-down, and by policy", () => {
    const without = replayHistory(turns, first);
    expect(without).toMatchObject({ cooldown: 0, shortestReuse: 10, medianReuse: 10, reuses: 19 });
    const cooling = replayHistory(turns, { ...first, cooldown: 60 });
    expect(cooling).toMatchObject({ given: 20, refused: 0, yields: 0 });
    expect(cooling.shortestReuse).toBeGreaterThanOrEqual(60);
    expect(cooling.medianReuse).toBeLessThan(90);
    const next = replayHistory(turns, { prefixes: ["10.0.0.0/29"] });
    expect(next).toMatchObject({ reuses: 12, shortestReuse: 150 });
    const random = { prefixes: ["10.0.0.0/29"], policy: "random" as const, seed: 7n };
    expect(replayHistory(turns, random)).toEqual(replayHistory(turns, random));
    // Round robin goes over all prefixes.
    const two = replayHistory(turns, { prefixes: ["10.0.0.0/30", "10.9.0.0/30"] });
    expect(two).toMatchObject({ size: 8, reuses: 12, shortestReuse: 150 });
  });

  it("counts cool-downs that yield in a subnet that is too small for them", () => {
    const tiny = replayHistory(turns, { prefixes: ["10.0.0.0/31"], cooldown: 300 });
    expect(tiny).toMatchObject({ given: 20, refused: 0, yields: 18, shortestReuse: 30 });
  });

  it("keeps addresses for names as long as it is asked to", () => {
    const events = made([
      [0, "given", "10.0.0.1", "web-0"],
      [10, "released", "10.0.0.1", "web-0"],
      [20, "given", "10.0.0.1", "web-1"],
      [30, "released", "10.0.0.1", "web-1"],
      [40, "given", "10.0.0.1", "web-0"],
      [50, "given", "10.0.0.2", "web-1"],
    ]);
    const prefixes = ["10.0.0.0/31"];
    expect(replayHistory(events, { prefixes, policy: "first" })).toMatchObject({ reuses: 2 });
    const kept = { prefixes, policy: "first" as const, reserveFor: 100 };
    expect(replayHistory(events, kept)).toMatchObject({ given: 4, reuses: 0, mostHeld: 2 });
    // Kept for 15 s, web-0 comes too late, web-1 too.
    const short = replayHistory(events, { ...kept, reserveFor: 15 });
    expect(short).toMatchObject({ given: 4, reuses: 2, shortestReuse: 20, medianReuse: 30 });
    const narrow = replayHistory(events, { prefixes: ["10.0.0.0/32"], reserveFor: 100 });
    expect(narrow).toMatchObject({ given: 2, refused: 2, firstRefusal: at(20) });
  });

  it("does with reservations what was done, and lets a reboot end what is held", () => {
    const events = made([
      [0, "given", "10.0.0.1", "web-0"],
      [10, "reserved", "10.0.0.1", "web-0", { by: "DEL", seconds: 60 }],
      [20, "given", "10.0.0.2", "x"],
      [30, "given back", "10.0.0.1", "web-0"],
      [40, "reserved", "10.0.0.1", "web-0", { by: "DEL", seconds: 60 }],
      [45, "reserved", "10.0.0.7", "db-0", { by: "operator" }],
      [110, "expired", "10.0.0.1", "web-0"],
      [120, "reboot", "", undefined, { addresses: [], count: 1 }],
      [130, "given", "10.0.0.2", "y"],
      [140, "released", "10.0.0.9", "old"],
    ]);
    const told = replayHistory(events, { ...first, prefixes: ["10.0.0.0/30"] });
    expect(told).toMatchObject({ given: 5, refused: 0, mostHeld: 3, leastFree: 1, unseen: 1 });
    expect(told).toMatchObject({ reuses: 1, shortestReuse: 90 });
    // Without reservations web-0 is given another address, or its own again.
    const none = replayHistory(events, { prefixes: ["10.0.0.0/30"], reserveFor: 0 });
    expect(none).toMatchObject({ given: 5, mostHeld: 2 });
  });

  it("of nothing is nothing, and it refuses what it can't replay", () => {
    expect(replayHistory([], { prefixes: ["fd00::/64"] })).toMatchObject({
      family: 6,
      size: 2 ** 64,
      given: 0,
      refused: 0,
      leastFree: 2 ** 64,
    });
    const of = (more: object) => codes(() => replayHistory(turns, { prefixes: [], ...more }))[0];
    expect(of({})).toBe("invalid");
    expect(of({ prefixes: ["10.0.0.1/24"] })).toBe("hostBits");
    expect(of({ prefixes: ["10.0.0.0/24", "fd00::/64"] })).toBe("family");
    expect(of({ prefixes: ["10.0.0.0/24", "10.0.0.9-10.0.0.9"] })).toBe("overlap");
    expect(of({ prefixes: ["10.0.0.0/24"], exclude: ["10.0.1.0"] })).toBe("outside");
    expect(of({ prefixes: ["10.0.0.0/24"], cooldown: -1 })).toBe("invalid");
    expect(of({ prefixes: ["10.0.0.0/24"], reserveFor: Number.NaN })).toBe("invalid");
    expect(of({ prefixes: ["10.0.0.0/24"], policy: "last" })).toBe("invalid");
    expect(of({ prefixes: ["::/4"] })).toBe("tooLarge");
  });
});

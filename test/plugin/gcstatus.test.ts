// What host-local hasn't got: GC and STATUS of cniVersion 1.1.0, excluded addresses, policies,
// cool-down and synced commits, from outside.

import { truncateSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { bare, type Range } from "./support/address.ts";
import { berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { faultsOf } from "./support/faults.ts";
import { type Outcome, type Plugin, pluginOf } from "./support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll, sleep } from "./support/space.ts";

afterAll(removeAll);

interface Attachment {
  containerID: string;
  ifname: string;
}

const eth0 = (...ids: string[]): Attachment[] =>
  ids.map((containerID) => ({ containerID, ifname: "eth0" }));

describe.each(berths)("[1.1.0] $name", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    n = { ...network(folder(), pair(8)), cniVersion: "1.1.0" };
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  const gc = (keys: object): Promise<Outcome> => p.call({ verb: "GC", config: { ...n, ...keys } });
  const status = (more: object = {}): Promise<Outcome> =>
    p.call({ verb: "STATUS", config: { ...n, ipam: { ...n.ipam, ...more } } });
  const holds = async (id: string, ifname = "eth0") => (await p.check(n, id, { ifname })).ok;
  const holders = async (...ids: string[]) => {
    const found = await Promise.all(ids.map((id) => holds(id)));
    return ids.filter((_, i) => found[i]);
  };

  describe("GC", () => {
    beforeEach(async () => {
      for (const id of ["a", "b", "c"]) await p.given(n, id);
      await p.given(n, "a", { ifname: "net1" });
    });
    const all = () => holders("a", "b", "c");

    it("frees nothing without a list", async () => {
      for (const keys of [
        {},
        { "cni.dev/valid-attachments": null },
        { "cni.dev/attachments": null },
        { "cni.dev/valid-attachments": null, "cni.dev/attachments": null },
        { "cni.dev/valid-attachments": null, "cni.dev/attachments": [] },
      ]) {
        expect((await gc(keys)).error, JSON.stringify(keys)).toEqual({ code: 0, msg: "" });
        expect(await all(), JSON.stringify(keys)).toEqual(["a", "b", "c"]);
      }
      expect(await holds("a", "net1")).toBe(true);
    });

    it("frees everything for an empty list", async () => {
      expect((await gc({ "cni.dev/valid-attachments": [] })).ok).toBe(true);
      expect(await all()).toEqual([]);
      expect(await holds("a", "net1")).toBe(false);
      const ids = Array.from({ length: 8 }, (_, i) => `new-${i}`);
      for (const id of ids) await p.given(n, id);
    });

    it("keeps what is listed, by container and interface", async () => {
      const listed = eth0("b", "unknown", "b");
      expect((await gc({ "cni.dev/valid-attachments": listed })).ok).toBe(true);
      expect(await all()).toEqual(["b"]);
      await p.given(n, "a");
      await p.given(n, "a", { ifname: "net1" });
      const net1 = [{ containerID: "a", ifname: "net1" }];
      expect((await gc({ "cni.dev/valid-attachments": net1 })).ok).toBe(true);
      expect(await all()).toEqual([]);
      expect(await holds("a", "net1")).toBe(true);
    });

    it("takes cni.dev/attachments only where the other key is absent", async () => {
      expect((await gc({ "cni.dev/attachments": eth0("a", "c") })).ok).toBe(true);
      expect(await all()).toEqual(["a", "c"]);
      expect((await gc({ "cni.dev/attachments": [] })).ok).toBe(true);
      expect(await all()).toEqual([]);
    });

    it("keeps the union of two lists that differ", async () => {
      const keys = { "cni.dev/valid-attachments": eth0("a"), "cni.dev/attachments": eth0("c") };
      expect((await gc(keys)).ok).toBe(true);
      expect(await all()).toEqual(["a", "c"]);
      const same = { "cni.dev/valid-attachments": eth0("c"), "cni.dev/attachments": eth0("c") };
      expect((await gc(same)).ok).toBe(true);
      expect(await all()).toEqual(["c"]);
      const half = { "cni.dev/valid-attachments": [], "cni.dev/attachments": eth0("c") };
      expect((await gc(half)).ok).toBe(true);
      expect(await all()).toEqual(["c"]);
    });

    it("refuses a list that can't be read, and frees nothing", async () => {
      const bad = [{}, "x", 7, [7], ["a"], [{ containerID: 7, ifname: "eth0" }], [null], [[]]];
      for (const value of bad.slice(0, rounds(binary, bad.length, 3))) {
        for (const key of ["cni.dev/valid-attachments", "cni.dev/attachments"]) {
          const o = await gc({ [key]: value });
          expect(await all(), `${key}: ${JSON.stringify(value)}`).toEqual(["a", "b", "c"]);
          if (JSON.stringify(value) !== "[null]") expect(o.ok, JSON.stringify(value)).toBe(false);
        }
      }
    });

    it("leaves other networks alone", async () => {
      const other = { ...n, name: "other" };
      await p.given(other, "a");
      expect((await gc({ "cni.dev/valid-attachments": [] })).ok).toBe(true);
      expect((await p.check(other, "a")).ok).toBe(true);
    });

    it("isn't for cniVersion 1.0.0", async () => {
      const o = await gc({ cniVersion: "1.0.0", "cni.dev/valid-attachments": [] });
      expect(o.error.code).toBe(1);
      expect(o.error.msg).toBe("config version does not allow GC");
      expect(await all()).toEqual(["a", "b", "c"]);
    });
  });

  it("GC goes on through thousands", { timeout: 60_000 }, async () => {
    const count = rounds(binary, 3000, 24);
    n = { ...n, ipam: { ...n.ipam, ranges: pair(count) } };
    const ids = Array.from({ length: count }, (_, i) => `pod-${i}`);
    await Promise.all(ids.map((id) => p.given(n, id)));
    const kept = ids.filter((_, i) => i % 3 === 0);
    expect((await gc({ "cni.dev/valid-attachments": eth0(...kept) })).ok).toBe(true);
    expect(await holders(...ids)).toEqual(kept);
    const fresh = Array.from({ length: count - kept.length }, (_, i) => `new-${i}`);
    await Promise.all(fresh.map((id) => p.given(n, id)));
    expect((await p.add(n, "late")).error.msg).toContain("no IP addresses available");
    expect((await gc({ "cni.dev/valid-attachments": [] })).ok).toBe(true);
    expect(await holders(...ids, ...fresh)).toEqual([]);
  });

  describe("STATUS", () => {
    it("is ready before the first ADD and after it", async () => {
      expect((await status()).error).toEqual({ code: 0, msg: "" });
      await p.given(n, "a");
      expect((await status()).error).toEqual({ code: 0, msg: "" });
    });

    it("of a full range set is ready, unless statusWhenFull says unavailable", async () => {
      const unavailable = { statusWhenFull: "unavailable" };
      expect((await status(unavailable)).ok).toBe(true);
      for (let i = 0; i < 8; i++) await p.given(n, `pod-${i}`);
      expect((await status()).ok).toBe(true);
      expect((await status({ statusWhenFull: "ready" })).ok).toBe(true);
      const o = await status(unavailable);
      expect([50, 51]).toContain(o.error.code);
      await p.gone(n, "pod-3");
      expect((await status(unavailable)).ok).toBe(true);
    });

    it("of ranges that have nothing to give is error 50 then too, before the first ADD and after it", async () => {
      const none = { subnet: "10.9.0.0/30", exclude: ["10.9.0.2"] }; // .1 is the gateway
      const one = { subnet: "10.9.0.0/29", exclude: ["10.9.0.2/31", "10.9.0.4/31"] }; // .6 is left
      const set = (...ranges: Range[]) => ({ ranges: [pair(3)[0], ranges] });
      const unavailable = { statusWhenFull: "unavailable" };
      const text = "no IP addresses available in range set: 10.9.0.1-10.9.0.2";
      for (const given of [false, true]) {
        if (given) await p.given(n, "a");
        expect((await status(set(none))).ok).toBe(true);
        const o = await status({ ...set(none), ...unavailable });
        expect([given, o.error]).toEqual([given, { code: 50, msg: text }]);
        expect((await status({ ...set(one), ...unavailable })).ok).toBe(true);
        const other = { subnet: "10.8.0.0/30" };
        expect((await status({ ...set(none, other), ...unavailable })).ok).toBe(true);
      }
    });

    it("sees one full set of two", async () => {
      const [v4 = [], v6 = []] = [pair(3)[0], pair(8)[1]];
      n = { ...n, ipam: { ...n.ipam, ranges: [v4, v6] } };
      for (let i = 0; i < 3; i++) await p.given(n, `pod-${i}`);
      const o = await status({ statusWhenFull: "unavailable" });
      expect([50, 51]).toContain(o.error.code);
    });

    it("of damaged state is error 50, and names the file", async () => {
      await p.given(n, "a");
      truncateSync(path.join(homeOf(n), "berth.state"), 100);
      const o = await status();
      expect(o.error.code).toBe(50);
      expect(o.error.msg).toContain("berth.state");
      n = { ...n, name: "another" };
      await p.given(n, "a");
    });

    it("isn't for cniVersion 1.0.0", async () => {
      const o = await p.call({ verb: "STATUS", config: { ...n, cniVersion: "1.0.0" } });
      expect(o.error.code).toBe(1);
      expect(o.error.msg).toBe("config version does not allow STATUS");
    });
  });

  const v4 = (range: Range, ipam: object = {}): Network => ({
    ...network(n.ipam.dataDir, [[{ subnet: "10.5.0.0/28", ...range }]], ipam),
    cniVersion: "1.1.0",
  });
  const one = async (id: string): Promise<string> => bare((await p.given(n, id))[0]!);
  const tails = async (count: number, word = "pod"): Promise<number[]> => {
    const out: number[] = [];
    for (let i = 0; i < count; i++) out.push(Number((await one(`${word}-${i}`)).split(".")[3]));
    return out;
  };

  it("never gives what is excluded", async () => {
    n = v4({ exclude: ["10.5.0.2", "10.5.0.4/30", "10.5.0.14"] });
    expect(await tails(7)).toEqual([3, 8, 9, 10, 11, 12, 13]);
    expect((await p.add(n, "late")).error.msg).toContain("no IP addresses available in range set");
    const o = await p.add(n, "asks", { args: "IP=10.5.0.5" });
    expect(o.error.msg).toContain("requested ip 10.5.0.5 is excluded");
    n = v4({ exclude: ["10.5.0.0/28"] });
    expect((await p.add(n, "none")).error.msg).toContain("no IP addresses available");
    n = v4({});
    expect(await one("now")).toBe("10.5.0.14");
  });

  it("refuses an exclude that can't be read", async () => {
    for (const exclude of [["x"], ["10.5.0.0/33"], "10.5.0.2", [7], {}] as never[]) {
      n = v4({ exclude });
      expect((await p.add(n, "a")).ok, JSON.stringify(exclude)).toBe(false);
      expect((await p.del(n, "a")).ok).toBe(true);
    }
  });

  it("policy next goes round, first takes the lowest", async () => {
    n = v4({}, { policy: "next" });
    expect(await tails(3)).toEqual([2, 3, 4]);
    await p.gone(n, "pod-0");
    expect(await one("next")).toBe("10.5.0.5");
    n = v4({}, { policy: "first" });
    expect(await one("first")).toBe("10.5.0.2");
    await p.gone(n, "pod-1");
    expect(await one("again")).toBe("10.5.0.3");
    expect(await one("more")).toBe("10.5.0.6");
  });

  it("policy random gives every address once, in no order", async () => {
    n = v4({ subnet: "10.5.0.0/24" }, { policy: "random" });
    const count = rounds(binary, 253, 20);
    const got = await tails(count);
    expect(new Set(got).size).toBe(count);
    const steps = got.filter((t, i) => i > 0 && t === got[i - 1]! + 1).length;
    expect(steps).toBeLessThan(count / 2);
    if (count === 253) expect((await p.add(n, "late")).ok).toBe(false);
  });

  it("refuses a policy that it doesn't know", async () => {
    for (const policy of ["best", "", 7, {}]) {
      n = v4({}, { policy });
      if (policy !== "") expect((await p.add(n, "a")).ok, JSON.stringify(policy)).toBe(false);
      expect((await p.del(n, "a")).ok).toBe(true);
    }
  });

  it("a cooling address waits while others are free, and yields when none is", async () => {
    n = v4({}, { policy: "first", cooldown: 3600 });
    expect(await one("a")).toBe("10.5.0.2");
    await p.gone(n, "a");
    expect(await tails(12)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(await one("late")).toBe("10.5.0.2");
    expect((await p.add(n, "later")).error.msg).toContain("no IP addresses available");
  });

  it("of several cooling addresses all are given before it is full", async () => {
    n = v4({}, { cooldown: 3600 });
    await tails(13);
    for (let i = 0; i < 13; i++) await p.gone(n, `pod-${i}`);
    expect((await tails(13, "new")).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 13 }, (_, i) => i + 2),
    );
    expect((await p.add(n, "late")).ok).toBe(false);
  });

  it("a cool-down ends", async () => {
    n = v4({}, { policy: "first", cooldown: 2 });
    await one("a");
    const began = Date.now();
    await p.gone(n, "a");
    const b = await one("b");
    // It ends with a second of the clock; a machine may be so busy that it is over by then.
    if (Date.now() - began < 1000) expect(b).toBe("10.5.0.3");
    await sleep(2200);
    expect(await one("c")).toBe(b === "10.5.0.3" ? "10.5.0.2" : "10.5.0.3");
  });

  it('sync "always" gives the same answers', async () => {
    n = v4({}, { sync: "always" });
    expect(await tails(13)).toEqual(Array.from({ length: 13 }, (_, i) => i + 2));
    expect((await p.add(n, "late")).error.msg).toContain("no IP addresses available");
    await p.gone(n, "pod-4");
    expect(await one("late")).toBe("10.5.0.6");
    expect(await holders("pod-0", "pod-4", "late")).toEqual(["pod-0", "late"]);
  });
});

// An address's life as an operator sees it, on clocks of the test's own, on both hosts: what each
// promise of docs/LIFE.md looks like through show, explain, history, reserve and release. (The same
// through the plugin: test/plugin/life*.test.ts; the library: test/library/life.test.ts; gc, whose
// machine is made up: gclaw.test.ts.)
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";
import type { Told } from "./support.ts";

const WEB = "shop/web-0";
const HOUR = 3600;
const HERE = "10.9.0.2";

/** What a test plays on: a world, its network and the words of an operator. */
class Scene {
  readonly w: World;
  readonly config: Record<string, unknown> & { ipam: object };

  constructor(w: World, ipam: object) {
    this.w = w;
    const ranges = [[{ subnet: "10.9.0.0/29" }], [{ subnet: "fd00:9::/120" }]];
    const all = { type: "berth", ranges, dataDir: w.dir, policy: "first", ...ipam };
    this.config = { cniVersion: "1.1.0", name: "net", ipam: all };
  }

  async add(id: string, pod?: string, annotations?: object): Promise<string> {
    const runtimeConfig = { "io.kubernetes.cri.pod-annotations": annotations };
    const config = annotations ? { ...this.config, runtimeConfig } : this.config;
    const { status, json } = await this.w.cni("ADD", id, config, pod);
    if (status !== 0) return `${json.code}`;
    return json.ips[0].address.replace(/\/.*/, "");
  }

  async del(id: string): Promise<void> {
    expect((await this.w.cni("DEL", id, this.config)).status).toBe(0);
  }

  async verb(...words: string[]): Promise<Told & { status: number }> {
    const { status, json } = await this.w.verb([...words, "--json", "--data-dir", this.w.dir]);
    return { ...(json.networks?.[0] ?? json), status };
  }

  async state(address = HERE): Promise<string> {
    return `${(await this.verb("explain", address)).state}`;
  }

  async events(word: string): Promise<string[]> {
    const { events } = await this.verb("history", word);
    return (events as Told[]).map((one) => `${one.event}`);
  }
}

const ALL = { reserve: { for: "1h", pods: "all" } };

const PROMISES: [title: string, ipam: object, play: (s: Scene) => Promise<void>][] = [
  [
    "a name's reservation is explained with its time, and ends by itself",
    ALL,
    async (s) => {
      await s.add("a", WEB);
      await s.del("a");
      const { state, name, since, until } = await s.verb("explain", HERE);
      expect([state, name]).toEqual(["reserved", WEB]);
      expect(Date.parse(`${until}`) - Date.parse(`${since}`)).toBe(HOUR * 1000);
      s.w.pass(HOUR - 60);
      expect(await s.state()).toBe("reserved");
      s.w.pass(61);
      expect(await s.state()).toBe("free");
      expect((await s.verb("explain", WEB)).status).toBe(1);
      expect(await s.verb("show")).toMatchObject({ held: 0, reserved: 0 });
    },
  ],
  [
    "a wall clock that jumps either way changes nothing of what is kept",
    { ...ALL, cooldown: HOUR, reserve: { for: "1h" } },
    async (s) => {
      await s.add("a", WEB, { "berth.dev/reserve-for": "1h" });
      await s.add("b", "shop/api");
      for (const id of ["a", "b"]) await s.del(id);
      for (const days of [4000, -8000, 4000]) {
        s.w.real += BigInt(days) * 86_400n * SECOND;
        expect([await s.state(), await s.state("10.9.0.3")]).toEqual(["reserved", "cooling"]);
      }
      s.w.boot += BigInt(HOUR + 1) * SECOND;
      expect([await s.state(), await s.state("10.9.0.3")]).toEqual(["free", "free"]);
    },
  ],
  [
    "what an operator reserves is the name's and nobody else's, until its time is over",
    {},
    async (s) => {
      await s.add("a");
      expect((await s.verb("reserve", WEB, "--for", "1h")).reserved).toContain("10.9.0.3");
      expect(await s.add("b")).toBe("10.9.0.4");
      s.w.real -= 999_999n * SECOND;
      expect(await s.add("c", WEB)).toBe("10.9.0.3");
      await s.del("c");
      s.w.pass(HOUR + 1);
      expect(await s.add("d")).toBe("10.9.0.3");
    },
  ],
  [
    "what an operator releases is free at once where it was kept, and cools where it was held",
    { ...ALL, cooldown: HOUR },
    async (s) => {
      await s.add("a", WEB);
      await s.del("a");
      expect((await s.verb("release", WEB)).released).toMatchObject([
        { address: HERE, was: "reserved" },
        { was: "reserved" },
      ]);
      expect(await s.add("b")).toBe(HERE);
      await s.verb("release", "--container", "b");
      expect(await s.state()).toBe("cooling");
      s.w.pass(HOUR + 1);
      expect(await s.state()).toBe("free");
      expect(await s.events(HERE)).toEqual(["given", "reserved", "released", "given", "released"]);
    },
  ],
  [
    "a new web-0 beside the old one: both are explained, a late DEL leaves the new one's",
    ALL,
    async (s) => {
      await s.add("old", WEB);
      expect(await s.add("new", WEB)).toBe("10.9.0.3");
      const owners = async () => {
        const { records } = await s.verb("explain", WEB);
        return [...new Set((records as Told[]).map((one) => one.owner))];
      };
      expect(await owners()).toEqual(["new", "old"]);
      for (let twice = 0; twice < 2; twice++) await s.del("old");
      expect(await owners()).toEqual(["new"]);
      expect([await s.state(), await s.state("10.9.0.3")]).toEqual(["free", "held"]);
    },
  ],
  [
    "a fixed address that the old container holds is refused with 11, and history says so",
    ALL,
    async (s) => {
      const fixed = { "berth.dev/addresses": "10.9.0.5" };
      await s.add("old", WEB, fixed);
      expect(await s.add("new", WEB, fixed)).toBe("11");
      const { events } = await s.verb("history", WEB);
      expect(events).toMatchObject([{ event: "given" }, { event: "refused", code: 11 }]);
      await s.del("old");
      expect(await s.add("new", WEB, fixed)).toBe("10.9.0.5");
    },
  ],
  [
    "a cool-down yields where nothing else is free, and history and explain show it",
    { cooldown: HOUR },
    async (s) => {
      for (const id of ["a", "b", "c", "d", "e"]) await s.add(id, `shop/${id}`);
      await s.del("c");
      s.w.pass(60);
      await s.del("a");
      expect(await s.state("10.9.0.4")).toBe("cooling");
      expect(await s.add("f", "shop/f")).toBe("10.9.0.4");
      expect(await s.events("10.9.0.4")).toEqual(["given", "released", "yielded", "given"]);
      expect(await s.add("g", "shop/a")).toBe(HERE);
    },
  ],
  [
    "perNamespace bounds what is kept for one namespace",
    { reserve: { for: "1h", pods: "all", perNamespace: 1 } },
    async (s) => {
      for (const pod of ["shop/a", "shop/b", "bank/a"]) await s.add(pod.replace("/", "-"), pod);
      for (const id of ["shop-a", "shop-b", "bank-a"]) await s.del(id);
      const states = [HERE, "10.9.0.3", "10.9.0.4"].map((address) => s.state(address));
      expect(await Promise.all(states)).toEqual(["reserved", "free", "reserved"]);
    },
  ],
  [
    "over a reboot a name keeps its address for its full time, an operator's for what was left",
    ALL,
    async (s) => {
      await s.add("a", WEB);
      await s.add("b");
      await s.verb("reserve", "shop/db-0", "--for", "2h");
      s.w.reboot(HOUR);
      // Looking changes nothing of another boot's files; the first call does.
      expect((await s.verb("show")).held).toBeGreaterThan(0);
      expect(await s.add("c")).toBe("10.9.0.3");
      expect([await s.state(), await s.state("10.9.0.4")]).toEqual(["reserved", "reserved"]);
      s.w.pass(HOUR - 60);
      expect([await s.state(), await s.state("10.9.0.4")]).toEqual(["reserved", "reserved"]);
      s.w.pass(120);
      expect([await s.state(), await s.state("10.9.0.4")]).toEqual(["free", "free"]);
      // No call has noticed the end yet: it is told all the same.
      expect(await s.events(WEB)).toEqual(["given", "reserved", "expired"]);
    },
  ],
];

describe.each(clockHosts)("$name: an address's life", ({ world }) => {
  let w: World;
  beforeAll(buildClock, 120_000);
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  test.each(PROMISES)("%s", async (_, ipam, play) => {
    const s = new Scene(w, ipam);
    await play(s);
    expect((await s.verb("check")).status).toBe(0);
  });
});

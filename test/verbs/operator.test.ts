// What an operator asks and changes, on both hosts: explain, release, reserve, reset.

import * as fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { bare } from "../plugin/support/address.ts";
import { berths, rounds } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { faultsOf } from "../plugin/support/faults.ts";
import { holdLock } from "../plugin/support/lock.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, removeAll } from "../plugin/support/space.ts";
import { berth, type Told, told } from "./support.ts";

afterAll(removeAll);

const args = (name: string) => `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`;

describe.each(berths)("$name: operator", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let sound = true;
  const run = (...words: string[]) => berth(binary, ...words, "--data-dir", n.ipam.dataDir);
  const ask = (...words: string[]) => told(binary, ...words, "--data-dir", n.ipam.dataDir)[0]!;
  const given = async (id: string, name?: string) =>
    (await p.given(n, id, name ? { args: args(name) } : {})).map(bare);

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    sound = true;
    const ranges = [
      [{ subnet: "10.1.0.0/28", exclude: ["10.1.0.4/31"] }],
      [{ subnet: "2001:db8::/124" }],
    ];
    n = network(folder(), ranges, { cooldown: 600 });
  });
  afterEach(async () => {
    await caller.close();
    if (sound) expect(await faultsOf(n, binary)).toEqual([]);
  });

  describe("explain", () => {
    it("says of an address what it is, and why it can't be given", async () => {
      await given("aaaa", "web-0");
      await given("bbbb", "web-1");
      await p.gone(n, "bbbb");
      await p.given(n, "dddd", { args: "IP=10.1.0.9" });
      await p.gone(n, "dddd");
      const wanted: [string, string, RegExp][] = [
        ["10.1.0.2", "held", /can't be given: aaaa eth0 holds it since .*[\s\S]*Name: shop\/web-0/],
        [
          "10.1.0.3",
          "cooling",
          /cools down until .* \(in (10m|9m\d+s)\)\. Its name may have it back/,
        ],
        ["10.1.0.9", "cooling", /\. Anybody may have it before, if nothing else is free/],
        ["10.1.0.1", "gateway", /can't be given: it is the gateway/],
        ["10.1.0.4", "excluded", /can't be given: the config excludes it/],
        ["10.1.0.5", "excluded", /excludes/],
        ["10.1.0.6", "free", /an ADD may get it/],
        [
          "10.1.0.15",
          "outside",
          /in none of the ranges of the last ADD:\n {2}10\.1\.0\.1-10\.1\.0\.14/,
        ],
        ["2001:db8::2", "held", /Range set 1, 2001:db8::1-2001:db8::f/],
        ["::ffff:10.1.0.2", "held", /10\.1\.0\.2: held/],
      ];
      for (const [address, state, text] of wanted) {
        const said = run("explain", address);
        expect([address, said.status]).toEqual([address, 0]);
        expect(said.out).toMatch(text);
        expect([address, ask("explain", address).state]).toEqual([address, state]);
      }
    });

    it("says of a name what it has and what an ADD would give, and the ADD gives that", async () => {
      await given("aaaa", "web-0");
      const one = ask("explain", "shop/web-0");
      const records = one.records as Told[];
      expect(records.map((r) => `${r.address} ${r.state} ${r.owner}`)).toEqual([
        "10.1.0.2 held aaaa",
        "2001:db8::2 held aaaa",
      ]);
      const none = run("explain", "shop/web-1");
      expect([none.status, none.out]).toEqual([1, expect.stringContaining("has no address")]);
      const next = ask("explain", "shop/web-1").addWouldGive;
      expect(next).toEqual(["10.1.0.3", "2001:db8::3"]);
      expect(await given("bbbb", "web-1")).toEqual(next);
    });
  });

  it("explain tells that a DEL has come, and waits as a note for the lock", async () => {
    await given("aaaa", "web-0");
    await given("bbbb", "web-1");
    expect(run("explain", "10.1.0.2").out).toContain("free after that owner's DEL.");
    const letGo = holdLock(path.join(homeOf(n), "berth.lock"));
    await p.gone(n, "aaaa", { env: { BERTH_LOCK_TIMEOUT_MS: "100" } });
    letGo();
    const text = "The next call lets it go: its DEL has come, and waits as a note.";
    expect(run("explain", "10.1.0.2").out).toContain(text);
    expect(ask("explain", "10.1.0.2")).toMatchObject({ state: "held", delNote: true });
    expect(ask("explain", "10.1.0.3").delNote).toBeUndefined();
    await given("cccc", "web-2");
    expect(ask("explain", "10.1.0.2").state).toBe("cooling");
  });

  describe("explain counts the DELs that wait as notes", () => {
    const delLater = async (...ids: string[]) => {
      const letGo = holdLock(path.join(homeOf(n), "berth.lock"));
      for (const id of ids) await p.gone(n, id, { env: { BERTH_LOCK_TIMEOUT_MS: "50" } });
      letGo();
    };

    it.each([
      ["a name of which nothing is known", "web-9"],
      ["the name of a pod whose DEL waits", "web-1"],
    ])("for %s: it tells what the next ADD gives", async (_, name) => {
      n = { ...n, ipam: { ...n.ipam, policy: "first", cooldown: 0 } };
      for (const [i, id] of ["aaaa", "bbbb", "cccc"].entries()) await given(id, `web-${i}`);
      await delLater("bbbb");
      const next = ask("explain", `shop/${name}`).addWouldGive;
      expect(next).toEqual(["10.1.0.3", "2001:db8::3"]);
      expect(run("explain", `shop/${name}`).out).toContain("would get:\n  10.1.0.3\n");
      expect(await given("dddd", name)).toEqual(next);
    });

    it("and what cools or is kept for its name then", async () => {
      for (const [i, id] of ["aaaa", "bbbb"].entries()) await given(id, `web-${i}`);
      await delLater("aaaa");
      const one = ask("explain", "shop/web-0");
      expect(one.records).toMatchObject(Array(2).fill({ state: "held", delNote: true }));
      expect(one.addWouldGive).toEqual([]);
      const { out } = run("explain", "shop/web-0");
      expect(out).toContain("10.1.0.2  held by aaaa until the next call (its DEL waits as a note)");
      expect(out).toContain("An ADD of this name would get what is kept for it");
      expect(ask("explain", "shop/web-9").addWouldGive).toEqual(["10.1.0.6", "2001:db8::4"]);
      expect((ask("explain", "shop/web-0").events as Told[]).map((e) => e.event)).toEqual([
        "given",
      ]);
      expect(await given("dddd", "web-0")).toEqual(["10.1.0.2", "2001:db8::2"]);
    });

    it("without touching the files of host-local beside it", async () => {
      n = { ...n, ipam: { ...n.ipam, policy: "first", cooldown: 0, mirror: true } };
      await given("aaaa", "web-0");
      await delLater("aaaa");
      const files = fs.readdirSync(homeOf(n)).sort();
      expect(files).toContain("10.1.0.2");
      expect(ask("explain", "shop/web-0").addWouldGive).toEqual(["10.1.0.2", "2001:db8::2"]);
      expect(fs.readdirSync(homeOf(n)).sort()).toEqual(files);
      expect(await given("dddd", "web-0")).toEqual(["10.1.0.2", "2001:db8::2"]);
    });
  });

  it("explain tells what a container has, by its id or the first 12 characters of it", async () => {
    const id = "5f2c9d17e0ab4c7d".repeat(4);
    await given(id, "web-0");
    await p.add(n, id, { ifname: "net1" });
    await given(`${id.slice(0, 11)}x`);
    for (const word of [id, id.slice(0, 12), id.slice(0, 13)]) {
      const { owner, records, addWouldGive } = ask("explain", word);
      expect([owner, addWouldGive]).toEqual([word, undefined]);
      expect((records as Told[]).map((r) => `${r.address} ${r.owner} ${r.interface}`)).toEqual([
        `10.1.0.2 ${id} eth0`,
        `10.1.0.3 ${id} net1`,
        `2001:db8::2 ${id} eth0`,
        `2001:db8::3 ${id} net1`,
      ]);
    }
    const said = run("explain", id);
    expect([said.status, said.out]).toEqual([
      0,
      expect.stringMatching(/^ {2}10\.1\.0\.2 {2}held by 5f2c9d17e0ab4$/m),
    ]);
    for (const word of [id.slice(0, 11), `${id}0`]) expect(run("explain", word).status).toBe(1);
  });

  describe("release", () => {
    it("lets go by address, name and container, and the recorder names an operator", async () => {
      await given("aaaa", "web-0");
      await given("bbbb", "web-1");
      await given("cccc");
      for (const words of [["10.1.0.2"], ["shop/web-1"], ["--container", "cccc"]]) {
        const said = run("release", ...words);
        expect([said.status, said.out]).toEqual([
          0,
          expect.stringMatching(/was held\)\n.*was held/),
        ]);
      }
      expect(ask("show").cooling).toBe(6);
      const events = ask("history").events as Told[];
      expect(events.slice(3).map((e) => `${e.event} ${e.by} ${e.seconds}`)).toEqual(
        Array(3).fill("released operator 600"),
      );
      expect(run("release", "10.1.0.2").out).toMatch(/it was cooling/);
      expect(ask("explain", "10.1.0.2").state).toBe("free");
      for (const id of ["aaaa", "bbbb", "cccc"]) await p.gone(n, id);
      expect(ask("show").held).toBe(0);
    });

    it("answers exit status 1 for what has nothing, 2 for two things or none", async () => {
      await given("aaaa");
      expect(run("release", "10.1.0.9").status).toBe(1);
      expect(run("release", "--container", "aaaa", "--ifname", "net1").status).toBe(1);
      expect(run("release", "--container", "aaa").err).toContain(
        "nothing is held, reserved or cooling for the container aaa: its whole id is wanted",
      );
      expect(run("release").status).toBe(2);
      expect(run("release", "10.1.0.2", "--container", "aaaa").status).toBe(2);
      expect(ask("show").held).toBe(2);
    });
  });

  describe("reserve", () => {
    it("keeps addresses for a name: nobody else gets them, its ADD does", async () => {
      await given("aaaa");
      const kept = ask("reserve", "shop/db-0", "--for", "2h");
      expect(kept.reserved).toEqual(["10.1.0.3", "2001:db8::3"]);
      const until = Date.parse(kept.until as string) - Date.now();
      expect(Math.abs(until - 7_200_000)).toBeLessThan(20_000);
      ask("reserve", "shop/db-1", "--for=1h", "--addresses=10.1.0.9,2001:db8::9");
      expect(ask("explain", "10.1.0.9")).toMatchObject({ state: "reserved", name: "shop/db-1" });
      expect(await given("bbbb")).toEqual(["10.1.0.10", "2001:db8::a"]);
      expect(await given("cccc", "db-1")).toEqual(["10.1.0.9", "2001:db8::9"]);
      expect(await given("dddd", "db-0")).toEqual(["10.1.0.3", "2001:db8::3"]);
      expect((ask("history", "shop/db-0").events as Told[]).map((e) => e.event)).toEqual([
        "reserved",
        "given back",
      ]);
    });

    it("refuses what isn't free, lies in no range, or is for a name that has something", async () => {
      await given("aaaa", "web-0");
      const wrong: [string[], number, RegExp][] = [
        [["shop/x", "--for", "1h", "--addresses", "10.1.0.2"], 1, /10\.1\.0\.2 isn't free/],
        [["shop/x", "--for", "1h", "--addresses", "10.1.0.4"], 1, /10\.1\.0\.4 isn't free/],
        [["shop/x", "--for", "1h", "--addresses", "10.9.0.4"], 1, /no range set/],
        [["shop/web-0", "--for", "1h"], 1, /held by or reserved for shop\/web-0/],
        [["shop/x", "--for", "soon"], 2, /--for|--addresses/],
        [["shop/x"], 2, /--for|--addresses/],
        [["shop/x", "--for", "1h", "--addresses", "10.1.0.300"], 2, /--for|--addresses/],
      ];
      for (const [words, status, text] of wrong) {
        const said = run("reserve", ...words);
        expect([words, said.status]).toEqual([words, status]);
        expect(said.err).toMatch(text);
      }
      expect(ask("show").reserved).toBe(0);
    });
  });

  describe("reset", () => {
    const files = () =>
      fs
        .readdirSync(homeOf(n))
        .filter((name) => name !== "berth.lock")
        .sort();
    const damage = () => fs.writeFileSync(path.join(homeOf(n), "berth.state"), Buffer.alloc(8192));

    it("refuses a sound state", async () => {
      await given("aaaa");
      const said = run("reset");
      expect([said.status, said.err]).toEqual([1, expect.stringContaining("the state is sound")]);
      expect(files()).toEqual(["berth.log", "berth.state"]);
      expect(ask("show").held).toBe(2);
    });

    it("sets a damaged one aside, at most eight times, and ADD begins afresh", async () => {
      const times = rounds(binary, 8, 2);
      for (let i = 1; i <= times; i++) {
        await given("aaaa");
        if (i === 2) fs.rmSync(path.join(homeOf(n), "berth.log"));
        else damage();
        expect((await p.add(n, "bbbb")).ok).toBe(false);
        const said = ask("reset");
        expect((said.setAside as string[])[0]).toBe(`berth.reset-${i}.state`);
        expect(fs.existsSync(path.join(homeOf(n), `berth.reset-${i}.state`))).toBe(true);
      }
      expect(await given("cccc")).toEqual(["10.1.0.2", "2001:db8::2"]);
      if (times < 8) return;
      damage();
      sound = false;
      const before = files();
      const said = run("reset");
      expect([said.status, said.err]).toEqual([1, expect.stringContaining("eight states")]);
      expect(files()).toEqual(before);
    });

    it("sets any aside with --force", async () => {
      await given("aaaa");
      expect(run("reset", "--force").status).toBe(0);
      const aside = ["berth.reset-1.log", "berth.reset-1.state"];
      expect(files()).toEqual(["berth.log", ...aside, "berth.state"]);
      expect(await given("bbbb")).toEqual(["10.1.0.2", "2001:db8::2"]);
    });
  });
});

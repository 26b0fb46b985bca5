// `"mirror": true`: the real host-local and Berth take turns in one directory, at any moment.

import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import { hostLocal, needsHostLocal } from "../support/needs.ts";
import { bare } from "./support/address.ts";
import { type Binary, berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { faultsOf } from "./support/faults.ts";
import { type Plugin, pluginOf } from "./support/plugin.ts";
import { Random, seed } from "./support/random.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "./support/space.ts";

afterAll(removeAll);

const upstream: Binary = { name: "host-local", path: hostLocal ?? "", kind: "upstream" };

/** Address files of a network: name to owner. */
function files(n: Network): Map<string, string> {
  const names = readdirSync(homeOf(n)).filter((name) => /^[0-9a-f.:]+$/.test(name));
  return new Map(
    names.map((name) => [name, readFileSync(path.join(homeOf(n), name), "utf8")] as const),
  );
}

describe.each(berths)("[mirror] $name", (binary) => {
  let caller: Caller;
  let berth: Plugin;
  let n: Network;

  beforeEach(() => {
    caller = Caller.start(4);
    berth = pluginOf(caller, binary);
    n = network(folder(), pair(8), { mirror: true });
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  const real = needsHostLocal();
  describe.skipIf(real.missing)(`beside the real host-local${real.why}`, () => {
    const theirs = () => pluginOf(caller, upstream);

    it("takes turns for 1,000 random calls without a fault", { timeout: 240_000 }, async () => {
      const r = new Random(seed, 77);
      const other = theirs();
      const room = 8;
      const held = new Map<string, string[]>();
      const told: string[] = [];
      const owners = Array.from({ length: room + 3 }, (_, i) => `pod-${i}`);
      for (let i = rounds(binary, 1000, 80); i > 0; i--) {
        const id = r.pick(owners);
        const who = r.between(0, 1) === 0 ? berth : other;
        const verb = r.pick(["add", "add", "del", "check"] as const);
        const o = await who[verb](n, id);
        told.push(`${who.binary.name} ${verb} ${id}: ${o.ok ? o.addresses : o.error.msg}`);
        const history = `BERTH_SEED=${seed}\n${told.slice(-30).join("\n")}`;
        if (verb === "add") {
          const may = !held.has(id) && held.size < room;
          expect(o.ok, history).toBe(may);
          const taken = new Set([...held.values()].flat());
          for (const address of o.addresses) expect(taken, history).not.toContain(bare(address));
          if (o.ok) held.set(id, o.addresses.map(bare));
        } else if (verb === "del") {
          expect(o.ok, history).toBe(true);
          held.delete(id);
        } else expect(o.ok, history).toBe(held.has(id));
        const owned = [...files(n)].map(([name, owner]) => `${name} ${owner}`).sort();
        const should = [...held].flatMap(([pod, ips]) => ips.map((ip) => `${ip} ${pod}\r\neth0`));
        expect(owned, history).toEqual(should.sort());
      }
    });

    it("gives the address after host-local's last, and host-local the one after ours", async () => {
      const other = theirs();
      const last = async (p: Plugin, id: string) => (await p.given(n, id)).map(bare)[0];
      expect(await last(other, "a")).toBe("10.77.0.10");
      expect(await last(berth, "b")).toBe("10.77.0.11");
      expect(await last(berth, "c")).toBe("10.77.0.12");
      expect(await last(other, "d")).toBe("10.77.0.13");
      expect(await last(berth, "e")).toBe("10.77.0.14");
    });

    it("answers a request for what the other has freed, refuses what the other holds", async () => {
      const other = theirs();
      await berth.given(n, "a");
      await other.gone(n, "a");
      const got = await berth.given(n, "b", { args: "IP=10.77.0.10" });
      expect(got.map(bare)).toContain("10.77.0.10");
      await other.given(n, "c", { args: "IP=10.77.0.17" });
      const refused = await berth.add(n, "d", { args: "IP=10.77.0.17" });
      expect(refused.error.msg).toContain("requested IP address 10.77.0.17 is not available");
    });
  });

  it("writes files as host-local does: owner, CR LF, interface; marks", async () => {
    await berth.given(n, "pod-a", { ifname: "net1" });
    expect(files(n)).toEqual(
      new Map([
        ["10.77.0.10", "pod-a\r\nnet1"],
        ["2001:db8:77::a", "pod-a\r\nnet1"],
      ]),
    );
    const mark = (i: number) => readFileSync(path.join(homeOf(n), `last_reserved_ip.${i}`), "utf8");
    expect([mark(0), mark(1)]).toEqual(["10.77.0.10", "2001:db8:77::a"]);
    await berth.gone(n, "pod-a", { ifname: "net1" });
    expect(files(n)).toEqual(new Map());
  });

  it("leaves no file behind for an interface whose name steers a terminal", async () => {
    const more = { ifname: "e\x1b[0" };
    const [four] = (await berth.given(n, "a", more)).map(bare);
    expect(readFileSync(path.join(homeOf(n), four!), "utf8")).toBe("a\r\ne\x1b[0");
    expect((await berth.check(n, "a", more)).ok).toBe(true);
    await berth.gone(n, "a", more);
    expect([...files(n).keys()]).toEqual([]);
  });

  it("moves the marks for an ADD that fails, too, as host-local does", async () => {
    const mark = (i: number) => readFileSync(path.join(homeOf(n), `last_reserved_ip.${i}`), "utf8");
    const marks = () => [mark(0), mark(1)];
    await berth.given(n, "a");
    const refused = await berth.add(n, "b", { args: "IP=2001:db8:77::a" });
    expect(refused.error.msg).toContain("failed to allocate for range 1: requested IP address");
    // Set 0 had given before set 1 refused.
    expect(marks()).toEqual(["10.77.0.11", "2001:db8:77::a"]);
    const beyond = await berth.add(n, "b", { args: "IP=10.9.9.9" });
    expect(beyond.error.msg).toContain("failed to allocate all requested IPs: 10.9.9.9");
    expect(marks()).toEqual(["10.77.0.12", "2001:db8:77::b"]);
    expect((await berth.add(n, "a")).error.msg).toContain("duplicate allocation");
    expect(marks()).toEqual(["10.77.0.12", "2001:db8:77::b"]);
    expect((await berth.given(n, "b")).map(bare)).toEqual(["10.77.0.13", "2001:db8:77::c"]);
    expect(files(n).size).toBe(4);
  });

  it("gives a file to what was held before the key was there, and keeps it up again", async () => {
    const plain = { ...n, ipam: { ...n.ipam, mirror: undefined } };
    await berth.given(plain, "before");
    await berth.given(n, "first");
    expect([...files(n).values()].sort()).toEqual([
      ...Array(2).fill("before\r\neth0"),
      ...Array(2).fill("first\r\neth0"),
    ]);
    await berth.given(plain, "between");
    await berth.given(n, "again");
    expect([...new Set(files(n).values())].sort()).toEqual(
      ["again", "before", "between", "first"].map((id) => `${id}\r\neth0`),
    );
  });

  it("takes a file that nobody wrote down for held, and for free once it has gone", async () => {
    await berth.given(n, "a");
    // Without a mark: as a copy, or a crash of host-local between file and mark, leaves it.
    const leak = path.join(homeOf(n), "10.77.0.11");
    writeFileSync(leak, "");
    expect((await berth.given(n, "b")).map(bare)[0]).toBe("10.77.0.12");
    for (const id of ["c", "d", "e", "f", "g"]) await berth.given(n, id);
    expect((await berth.add(n, "h")).error.msg).toContain("no IP addresses available");
    unlinkSync(leak);
    expect((await berth.given(n, "h")).map(bare)[0]).toBe("10.77.0.11");
  });

  it("takes a socket with an address's name for held, until it has gone", async () => {
    await berth.given(n, "a");
    const socket = createServer();
    const opened = once(socket, "listening");
    socket.listen(path.join(homeOf(n), "10.77.0.11"));
    await opened;
    // As host-local leaves it: all files are read.
    const mark = path.join(homeOf(n), "last_reserved_ip.0");
    writeFileSync(mark, readFileSync(mark));
    expect((await berth.check(n, "a")).ok).toBe(true);
    for (const id of ["b", "c", "d", "e", "f", "g"]) {
      const [four] = (await berth.given(n, id)).map(bare);
      expect(four).not.toBe("10.77.0.11");
    }
    expect((await berth.add(n, "h")).error.msg).toContain("no IP addresses available");
    socket.close(); // unlinks it
    await once(socket, "close");
    expect((await berth.given(n, "h")).map(bare)[0]).toBe("10.77.0.11");
  });

  it("frees nothing of a file that is somebody else's by now", async () => {
    const [address] = (await berth.given(n, "a")).map(bare);
    const file = path.join(homeOf(n), address!);
    writeFileSync(file, "other\r\neth0");
    await berth.gone(n, "a");
    expect(readFileSync(file, "utf8")).toBe("other\r\neth0");
  });

  it("works where only host-local has been, and DEL frees what only files tell", async () => {
    mkdirSync(homeOf(n), { recursive: true });
    writeFileSync(path.join(homeOf(n), "10.77.0.12"), "old\r\neth0");
    writeFileSync(path.join(homeOf(n), "10.77.0.13"), "older");
    writeFileSync(path.join(homeOf(n), "last_reserved_ip.0"), "10.77.0.13");
    expect((await berth.check(n, "old")).ok).toBe(true);
    expect((await berth.check(n, "older")).ok).toBe(true);
    expect((await berth.add(n, "older")).error.msg).toContain("has been allocated to older");
    expect((await berth.given(n, "new")).map(bare)[0]).toBe("10.77.0.14");
    await berth.gone(n, "old");
    await berth.gone(n, "older");
    expect([...files(n).keys()].sort()).toEqual(["10.77.0.14", "2001:db8:77::a"]);
  });

  it("loses nothing and leaks nothing when calls are killed", { timeout: 60_000 }, async () => {
    const r = new Random(seed, 78);
    const ids = Array.from({ length: 6 }, (_, i) => `pod-${i}`);
    await berth.given(n, "pod-0");
    for (let i = rounds(binary, 120, 12); i > 0; i--) {
      const verb = r.pick(["add", "add", "del"] as const);
      const killUs = binary.kind === "node" ? 50_000 + r.below(150_000) : r.below(900);
      await berth[verb](n, r.pick(ids), { killUs });
    }
    for (const id of ids) await berth.gone(n, id);
    expect(files(n)).toEqual(new Map());
    for (let i = 0; i < 8; i++) await berth.given(n, `new-${i}`);
  });
});

describe.each(clockHosts)("[mirror] over a reboot, $name", ({ world }) => {
  let w: World;
  beforeAll(buildClock, 120_000);
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  it("removes the files of containers that have lapsed, and only theirs", async () => {
    const n = network(w.dir, pair(8), { mirror: true });
    expect((await w.cni("ADD", "dead", n)).status).toBe(0);
    writeFileSync(path.join(homeOf(n), "10.77.0.16"), "theirs\r\neth0");
    w.reboot();
    expect((await w.cni("ADD", "alive", n)).status).toBe(0);
    expect([...new Set(files(n).values())].sort()).toEqual(["alive\r\neth0", "theirs\r\neth0"]);
  });

  it("keeps them where containers survive a reboot", async () => {
    const n = network(w.dir, pair(8), { mirror: true, reboot: "keep" });
    expect((await w.cni("ADD", "kept", n)).status).toBe(0);
    w.reboot();
    expect((await w.cni("CHECK", "kept", n)).status).toBe(0);
    expect((await w.cni("DEL", "kept", n)).status).toBe(0);
    expect(files(n)).toEqual(new Map());
  });
});

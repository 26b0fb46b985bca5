// Files of host-local that name one container for more addresses than an ADD gives: the container
// has 32, the others are nobody's until their files go, and the rest of the node goes on.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildClock, clockHosts } from "../support/clock.ts";
import { berth, told } from "../verbs/support.ts";
import { bare } from "./support/address.ts";
import { berths } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { faultsOf } from "./support/faults.ts";
import { holdLock } from "./support/lock.ts";
import { type Plugin, pluginOf } from "./support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "./support/space.ts";

afterAll(removeAll);

const LOOP = "loop\r\neth0";
const COUNT = 35;
const address = (i: number) => `10.77.0.${10 + i}`;

/** host-local gives `loop` the first `count` addresses. */
function leakIn(home: string, count: number): void {
  mkdirSync(home, { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(path.join(home, address(i)), LOOP);
  writeFileSync(path.join(home, "last_reserved_ip.0"), address(count - 1));
}

describe.each(berths)("[beyond] $name", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  const home = () => homeOf(n);
  const held = (owner: string) =>
    readdirSync(home())
      .filter((name) => /^10\.[0-9.]+$/.test(name))
      .filter((name) => readFileSync(path.join(home(), name), "utf8") === owner);
  const leak = (count: number) => leakIn(home(), count);
  const begin = (key: "adopt" | "mirror") => {
    n = network(folder(), [pair(COUNT + 5)[0]!], { [key]: true, policy: "first" });
    leak(COUNT);
  };
  const ask = (...words: string[]) => told(binary, ...words, "--data-dir", n.ipam.dataDir)[0]!;
  const standIns = () => ask("check").standIns;

  beforeEach(() => {
    caller = Caller.start(4);
    p = pluginOf(caller, binary);
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  describe.each(["adopt", "mirror"] as const)("%s", (key) => {
    beforeEach(() => begin(key));

    it("others get addresses, are checked and collected; nobody gets what a file names", async () => {
      expect((await p.given(n, "new")).map(bare)).toEqual([address(COUNT)]);
      expect((await p.check(n, "new")).ok).toBe(true);
      expect((await p.check(n, "loop")).ok).toBe(true);
      expect(standIns()).toBe(COUNT - 32);
      for (let i = 1; i < 5; i++) await p.given(n, `new-${i}`);
      expect((await p.add(n, "full")).error.msg).toContain("no IP addresses available");
      const taken = await p.add(n, "full", { args: `IP=${address(COUNT - 1)}` });
      expect(taken.error.msg).toContain("is not available in range set");
      const keep = ["loop", "new"].map((containerID) => ({ containerID, ifname: "eth0" }));
      const config = { ...n, cniVersion: "1.1.0", "cni.dev/valid-attachments": keep };
      expect((await p.call({ verb: "GC", config })).ok).toBe(true);
      expect(held(LOOP)).toHaveLength(COUNT);
      expect(standIns()).toBe(COUNT - 32);
      expect((await p.given(n, "next")).map(bare)).toEqual([address(COUNT + 1)]);
    });

    it("a file that goes makes its address free, another stays nobody's", async () => {
      await p.given(n, "new");
      for (let i = 1; i < 5; i++) await p.given(n, `new-${i}`);
      // Of those that the container has, and of those that it hasn't.
      const { addresses } = ask("show") as { addresses: { address: string; owner: string }[] };
      const owned = addresses.find(({ owner }) => owner === "loop")!.address;
      const other = addresses.find(({ owner }) => owner.startsWith("host-local:"))!.address;
      for (const name of [owned, other]) rmSync(path.join(home(), name));
      const got = [await p.given(n, "a"), await p.given(n, "b")].flat().map(bare);
      expect(got.sort()).toEqual([owned, other].sort());
      expect((await p.add(n, "c")).error.msg).toContain("no IP addresses available");
      expect(held(LOOP)).toHaveLength(COUNT - 2);
    });

    it.each(["DEL", "GC"] as const)(
      "%s of the container frees all its files name",
      async (verb) => {
        await p.given(n, "new");
        if (verb === "DEL") await p.gone(n, "loop");
        else {
          const keep = [{ containerID: "new", ifname: "eth0" }];
          const config = { ...n, cniVersion: "1.1.0", "cni.dev/valid-attachments": keep };
          expect((await p.call({ verb, config })).ok).toBe(true);
        }
        expect(held(LOOP)).toEqual([]);
        expect(standIns()).toBe(0);
        expect((await p.given(n, "a")).map(bare)).toEqual([address(0)]);
      },
    );

    it.each(["release", "note"] as const)("%s of it frees all its files name", async (how) => {
      await p.given(n, "new");
      const at = ["--data-dir", n.ipam.dataDir];
      if (how === "release") {
        expect(berth(binary, "release", "--container", "loop", ...at).status).toBe(0);
      } else {
        const letGo = holdLock(path.join(home(), "berth.lock"));
        await p.gone(n, "loop", { env: { BERTH_LOCK_TIMEOUT_MS: "50" } });
        letGo();
        expect(readdirSync(home()).filter((f) => f.startsWith("del-"))).toHaveLength(2);
        await p.given(n, "next");
      }
      expect(held(LOOP)).toEqual([]);
      expect(standIns()).toBe(0);
    });

    it("DEL frees them, too, when one of those that it has was taken away and given", async () => {
      await p.given(n, "new");
      const { addresses } = ask("show") as { addresses: { address: string; owner: string }[] };
      rmSync(path.join(home(), addresses.find(({ owner }) => owner === "loop")!.address));
      for (let i = 0; i < 5; i++) await p.given(n, `new-${i}`);
      expect(held(LOOP)).toHaveLength(COUNT - 1);
      const words = ["--host-local", n.ipam.dataDir, "--data-dir", n.ipam.dataDir];
      expect(berth(binary, "export", ...words, "--network", "net").status).toBe(0);
      expect(held(LOOP)).toHaveLength(COUNT - 1);
      await p.gone(n, "loop");
      expect(held(LOOP)).toEqual([]);
      expect(standIns()).toBe(0);
      expect((await p.given(n, "a")).map(bare)).not.toEqual([]);
    });

    it("the verbs name the container, and release makes an address free", async () => {
      await p.given(n, "new");
      const at = ["--data-dir", n.ipam.dataDir];
      expect(berth(binary, "check", ...at).out).toContain(
        `${COUNT - 32} addresses are held for files of host-local alone`,
      );
      const { addresses } = ask("show") as { addresses: { address: string; owner: string }[] };
      const other = addresses.find(({ owner }) => owner.startsWith("host-local:"))!.address;
      expect(berth(binary, "explain", other, ...at).out).toContain(
        "once host-local's file has gone, which names container loop: that has 32 addresses",
      );
      expect(berth(binary, "release", other, ...at).status).toBe(0);
      expect(held(LOOP)).not.toContain(other);
      expect((await p.given(n, "a")).map(bare)).toEqual([other]);
    });
  });

  it("host-local gives the container more and more while we mirror", async () => {
    n = network(folder(), [pair(COUNT + 5)[0]!], { mirror: true, policy: "first" });
    leak(30);
    await p.given(n, "new"); // the one behind them
    leak(30);
    for (let i = 31; i < COUNT; i++) {
      writeFileSync(path.join(home(), address(i)), LOOP);
      writeFileSync(path.join(home(), "last_reserved_ip.0"), address(i));
      expect((await p.check(n, "new")).ok).toBe(true);
    }
    expect(standIns()).toBe(COUNT - 1 - 32);
    // Two of its files go, another one comes: what was stood in for is the container's now.
    for (const i of [0, 1]) rmSync(path.join(home(), address(i)));
    writeFileSync(path.join(home(), "last_reserved_ip.0"), address(3));
    expect((await p.check(n, "loop")).ok).toBe(true);
    expect(standIns()).toBe(0);
    expect((await p.given(n, "a")).map(bare)).toEqual([address(0)]);
  });

  it("berth adopt tells how many, and --dry-run the same with the same status", async () => {
    begin("adopt");
    const plain = network(n.ipam.dataDir, n.ipam.ranges, { policy: "first" });
    const words = ["--from", n.ipam.dataDir, "--network", "net"];
    const run = (...more: string[]) => {
      const said = berth(binary, "adopt", ...words, ...more);
      return [said.status, said.err, said.out.replace("would take over", "took over")];
    };
    const dry = run("--dry-run");
    expect(readdirSync(home())).not.toContain("berth.state");
    expect(dry[2]).toContain(`${COUNT} addresses from ${COUNT} files`);
    expect(dry[2]).toContain("3 files name a container that has 32 addresses: theirs are held");
    expect(run()).toEqual(dry);
    // Done again: one has gone, one is another's, one is somebody else's here.
    const [mine] = (await p.given(plain, "mine")).map(bare);
    writeFileSync(path.join(home(), mine!), "theirs\r\neth0");
    rmSync(path.join(home(), address(2)));
    writeFileSync(path.join(home(), address(3)), "other\r\neth0");
    const again = told(binary, "adopt", ...words, "--dry-run")[0]!;
    expect(again).toMatchObject({ conflicts: 1, beyond: 1, dryRun: true });
    const state = readFileSync(path.join(home(), "berth.state"));
    const second = run("--dry-run");
    expect(second[0]).toBe(1);
    expect(readFileSync(path.join(home(), "berth.state")).equals(state)).toBe(true);
    expect(told(binary, "adopt", ...words)[0]).toEqual({ ...again, dryRun: false });
    expect(ask("check").standIns).toBe(1);
  });
});

describe.each(clockHosts)("[beyond] over a reboot, $name", ({ world }) => {
  beforeAll(buildClock, 120_000);

  it.each(["adopt", "mirror"])("%s: nobody gets what a file still names", async (key) => {
    const w = world();
    try {
      const n = network(w.dir, [pair(COUNT + 5)[0]!], { [key]: true });
      const home = homeOf(n);
      leakIn(home, COUNT);
      const add = async (id: string) => (await w.cni("ADD", id, n)).json.ips?.[0].address;
      expect(await add("before")).toBe(`${address(COUNT)}/16`);
      w.reboot();
      for (let i = 0; ; i++) {
        const named = readdirSync(home).filter(
          (f) => readFileSync(`${home}/${f}`, "utf8") === LOOP,
        );
        const got = await add(`after-${i}`);
        if (got === undefined) {
          expect([named.length, i]).toEqual([0, COUNT + 5]);
          break;
        }
        expect(named).not.toContain(bare(got));
      }
      expect((await w.verb(["check", "--data-dir", w.dir])).status).toBe(0);
    } finally {
      w.end();
    }
  });

  it("a container that stays is gone with all its files after its DEL", async () => {
    const w = world();
    try {
      const n = network(w.dir, [pair(COUNT + 5)[0]!], { adopt: true, reboot: "keep" });
      leakIn(homeOf(n), COUNT);
      await w.cni("ADD", "before", n);
      w.reboot();
      expect((await w.cni("ADD", "after", n)).json.ips).toHaveLength(1);
      expect((await w.cni("DEL", "loop", n)).status).toBe(0);
      expect(readdirSync(homeOf(n)).filter((f) => /^10\./.test(f))).toEqual([]);
    } finally {
      w.end();
    }
  });

  it("adopt --dry-run changes nothing in a state of another boot, and says so", async () => {
    const w = world();
    try {
      const n = network(w.dir, [pair(COUNT + 5)[0]!], { adopt: true });
      const home = homeOf(n);
      leakIn(home, 3);
      await w.cni("ADD", "before", n);
      const all = () =>
        readdirSync(home)
          .filter((f) => !f.endsWith("lock"))
          .map((f) => [f, readFileSync(path.join(home, f), "latin1")]);
      const before = all();
      w.reboot();
      const words = ["adopt", "--from", w.dir, "--network", "net"];
      expect((await w.verb([...words, "--dry-run"])).status).toBe(1);
      expect(all()).toEqual(before);
      expect((await w.verb(words)).status).toBe(0);
      expect((await w.verb([...words, "--dry-run"])).status).toBe(0);
    } finally {
      w.end();
    }
  });
});

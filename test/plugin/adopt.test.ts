// `"adopt": true`: a directory of host-local is taken over in place, at the first call.

import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import { hostLocal, needsHostLocal } from "../support/needs.ts";
import { bare } from "./support/address.ts";
import { type Binary, berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { faultsOf } from "./support/faults.ts";
import { call, type Plugin, pluginOf } from "./support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll, sleep } from "./support/space.ts";

afterAll(removeAll);

const upstream: Binary = { name: "host-local", path: hostLocal ?? "", kind: "upstream" };

/** Writes files as host-local does: name to content. */
function seedFiles(n: Network, files: Record<string, string>): void {
  mkdirSync(homeOf(n), { recursive: true });
  for (const [name, content] of Object.entries(files))
    writeFileSync(path.join(homeOf(n), name), content);
}

const owner = (id: string, ifname = "eth0") => `${id}\r\n${ifname}`;
const names = (n: Network) => readdirSync(homeOf(n)).filter((f) => /^[0-9a-f:._]+$/.test(f));

describe.each(berths)("[adopt] $name", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;

  beforeEach(() => {
    caller = Caller.start(4);
    p = pluginOf(caller, binary);
    n = network(folder(), pair(8), { adopt: true });
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });
  const first = async (id: string) => (await p.given(n, id)).map(bare)[0];

  it("takes files of every format, and the marks", async () => {
    seedFiles(n, {
      "10.77.0.11": owner("pod-a"),
      "2001:db8:77::b": owner("pod-a"),
      "10.77.0.12": `  ${owner("pod-b", "net1")}\n`,
      "10.77.0.13": "before-0.8.0",
      "2001_db8_77__c": owner("pod-windows"),
      "last_reserved_ip.0": "10.77.0.14",
      "last_reserved_ip.1": "2001:db8:77::10\n",
      lock: "",
      "10.77.0.16.tmp": owner("no-address"),
      "2001:DB8:77::d": owner("not-canonical"),
    });
    expect((await p.check(n, "pod-a")).ok).toBe(true);
    expect((await p.check(n, "pod-b", { ifname: "net1" })).ok).toBe(true);
    expect((await p.check(n, "pod-b")).ok).toBe(false);
    expect((await p.check(n, "before-0.8.0", { ifname: "any0" })).ok).toBe(true);
    expect((await p.check(n, "pod-windows")).ok).toBe(true);
    expect((await p.check(n, "no-address")).ok).toBe(false);
    expect((await p.check(n, "not-canonical")).ok).toBe(false);
    // The mark of set 0 leads on; the one with a newline is none.
    expect((await p.given(n, "new")).map(bare)).toEqual(["10.77.0.15", "2001:db8:77::a"]);
    const again = await p.add(n, "before-0.8.0", { ifname: "net1" });
    expect(again.error.msg).toContain("10.77.0.13 has been allocated to before-0.8.0");
  });

  it("takes marks that name the address of zeros", async () => {
    const zeros = [
      [{ subnet: "0.0.0.0/28", rangeStart: "0.0.0.0", rangeEnd: "0.0.0.7" }],
      [{ subnet: "::/124", rangeStart: "::", rangeEnd: "::7" }],
    ];
    n = network(folder(), zeros, { adopt: true });
    seedFiles(n, { "last_reserved_ip.0": "0.0.0.0", "last_reserved_ip.1": "::" });
    // The next one is the gateway.
    expect((await p.given(n, "a")).map(bare)).toEqual(["0.0.0.2", "::2"]);
  });

  it("holds an address whose file is empty, cut or foreign until the file has gone", async () => {
    const ends = ["10.77.0.10", "10.77.0.11", "10.77.0.12", "10.77.0.13"];
    seedFiles(n, { "10.77.0.10": "", "10.77.0.11": "a\neth0", "10.77.0.12": "x".repeat(9000) });
    mkdirSync(path.join(homeOf(n), "10.77.0.13"));
    for (let i = 0; i < 4; i++) expect(ends).not.toContain(await first(`pod-${i}`));
    expect((await p.add(n, "more")).error.msg).toContain("no IP addresses available");
    unlinkSync(path.join(homeOf(n), "10.77.0.11"));
    expect(await first("more")).toBe("10.77.0.11");
  });

  it("frees what host-local has deleted since, when it is asked for", async () => {
    seedFiles(n, { "10.77.0.10": owner("a"), "10.77.0.11": owner("b"), "10.77.0.12": owner("c") });
    seedFiles(n, { "last_reserved_ip.0": "10.77.0.12" });
    expect((await p.check(n, "a")).ok).toBe(true);
    for (const f of ["10.77.0.10", "10.77.0.12"]) unlinkSync(path.join(homeOf(n), f));
    expect((await p.check(n, "a")).ok).toBe(false);
    // Its own again, a request, and when nothing else is free.
    expect((await p.given(n, "a")).map(bare)[0]).toBe("10.77.0.13");
    expect((await p.given(n, "d", { args: "IP=10.77.0.12" })).map(bare)[0]).toBe("10.77.0.12");
    expect((await p.add(n, "e", { args: "IP=10.77.0.11" })).ok).toBe(false);
    const rest = [];
    for (const id of ["f", "g", "h", "i", "j"]) rest.push(await first(id));
    expect(rest.sort()).toEqual(["10.77.0.10", ...[14, 15, 16, 17].map((x) => `10.77.0.${x}`)]);
  });

  it("unlinks the file of an adopted container that it deletes, and no other", async () => {
    seedFiles(n, { "10.77.0.10": owner("a"), "10.77.0.11": "old", "10.77.0.12": owner("a", "n1") });
    await p.gone(n, "a");
    await p.gone(n, "old");
    expect(names(n)).toEqual(["10.77.0.12"]);
    await p.gone(n, "a", { ifname: "n1" });
    expect(names(n)).toEqual([]);
    expect((await p.given(n, "new")).map(bare)[0]).toBe("10.77.0.10");
    expect(names(n)).toEqual([]); // adopting isn't mirroring
  });

  it("keeps under GC what the list names, by either format, and frees the rest", async () => {
    seedFiles(n, { "10.77.0.10": owner("a"), "10.77.0.11": "old", "10.77.0.12": owner("dead") });
    const keep = [
      { containerID: "a", ifname: "eth0" },
      { containerID: "old", ifname: "eth0" },
    ];
    const config = { ...n, cniVersion: "1.1.0", "cni.dev/valid-attachments": keep };
    expect((await p.call({ verb: "GC", config })).ok).toBe(true);
    expect(names(n).sort()).toEqual(["10.77.0.10", "10.77.0.11"]);
  });

  it("leaves a note for both formats where it can't work", async () => {
    seedFiles(n, { "10.77.0.10": "old", "10.77.0.11": owner("a") });
    expect((await p.check(n, "old")).ok).toBe(true);
    const state = path.join(homeOf(n), "berth.state");
    const whole = readFileSync(state);
    truncateSync(state, 100);
    await p.gone(n, "old");
    await p.gone(n, "a");
    writeFileSync(state, whole);
    await p.given(n, "new");
    expect(names(n)).toEqual([]);
  });

  it("is done once: what is written into the directory later is host-local's affair", async () => {
    await p.given(n, "a");
    seedFiles(n, { "10.77.0.12": owner("late") });
    expect((await p.check(n, "late")).ok).toBe(false);
  });

  it("goes on where it was killed", { timeout: 60_000 }, async () => {
    const count = 600;
    n = network(folder(), pair(1000), { adopt: true });
    const files = Array.from({ length: count }, (_, i) => [
      `10.77.${(i + 10) >> 8}.${(i + 10) & 255}`,
      owner(`pod-${i}`),
    ]);
    seedFiles(n, Object.fromEntries(files));
    for (let i = 0; i < rounds(binary, 12, 3); i++) {
      const killUs = binary.kind === "node" ? 60_000 + i * 20_000 : 300 + i * 400;
      await p.check(n, "pod-1", { killUs });
    }
    for (const i of [0, 1, 299, count - 1])
      expect((await p.check(n, `pod-${i}`)).ok, `pod-${i}`).toBe(true);
    expect(await first("new")).toBe(`10.77.${(count + 10) >> 8}.${(count + 10) & 255}`);
  });

  it("takes the directory that the key names, host-local's default without any", async () => {
    const dir = folder();
    const named = { ...n, ipam: { ...n.ipam, dataDir: undefined, adopt: dir } };
    await p.given(named, "a");
    expect(readdirSync(path.join(dir, "net"))).toContain("berth.state");
    const bad = async (ipam: object) =>
      (await p.add({ ...n, ipam: { ...n.ipam, ...ipam } }, "x")).error;
    expect((await bad({ adopt: "/elsewhere" })).msg).toBe(
      `ipam.adopt names /elsewhere, but the config also names ${n.ipam.dataDir}: both programs' ` +
        "files lie in one directory, leave one of the two out",
    );
    expect(await bad({ adopt: 5 })).toEqual({
      code: 999,
      msg:
        "ipam.adopt 5 is neither true nor a path: use true, or the dataDir of host-local " +
        '("/var/lib/cni/networks")',
    });
    expect((await bad({ mirror: "relative" })).msg).toContain('ipam.mirror "relative" is neither');
    expect((await bad({ adopt: true, shadow: "host-local" })).msg).toContain(
      "ipam.shadow doesn't go with adopt",
    );
  });

  it("waits for host-local's lock, and says when that took too long", async () => {
    seedFiles(n, { "10.77.0.10": owner("a"), lock: "" });
    const holder = Caller.start(1);
    const lock = path.join(homeOf(n), "lock");
    // Held as long as this is there: a call of Node may take longer than any time that is named.
    const held = folder();
    const busy = holder.call({
      argv: ["/usr/bin/flock", lock, "sh", "-c", 'while [ -d "$0" ]; do sleep 0.02; done', held],
      env: { PATH: "/usr/bin:/bin" },
      stdin: "",
    });
    const isHeld = () => spawnSync("/usr/bin/flock", ["-n", lock, "true"]).status === 1;
    for (const end = Date.now() + 5000; !isHeld() && Date.now() < end; ) await sleep(10);
    const late = await call(caller, binary, {
      verb: "ADD",
      config: n,
      id: "x",
      env: { BERTH_LOCK_TIMEOUT_MS: "200" },
    });
    expect(late.error).toEqual({
      code: 11,
      msg: `host-local's lock in ${homeOf(n)} is held by another call: try again later`,
    });
    let isFree = false;
    const waited = first("y").then((address) => ({ address, isFree }));
    await sleep(300);
    isFree = true;
    rmdirSync(held);
    expect(await waited).toEqual({ address: "10.77.0.11", isFree: true });
    await busy;
    await holder.close();
  });

  const real = needsHostLocal();
  it.skipIf(real.missing)(
    `takes over what the real host-local made, 4,000 addresses${real.why}`,
    { timeout: 120_000 },
    async () => {
      const count = rounds(binary, 2000, 500);
      n = network(folder(), pair(5000), { adopt: true });
      const theirs = pluginOf(caller, upstream);
      for (let i = 0; i < 3; i++) await theirs.given(n, `real-${i}`);
      const files: Record<string, string> = {};
      for (let i = 3; i < count; i++) {
        const at = i + 10;
        files[`10.77.${at >> 8}.${at & 255}`] = owner(`${"0123456789abcdef".repeat(4)}${i}`);
        files[`2001:db8:77::${at.toString(16)}`] = owner(`${"0123456789abcdef".repeat(4)}${i}`);
      }
      seedFiles(n, files);
      // How long it takes is measured by `npm run bench` (bench/plugin/adoption.ts).
      expect((await p.check(n, "real-1")).ok).toBe(true);
      expect((await p.check(n, "real-2")).ok).toBe(true);
      const [four] = (await p.given(n, "new")).map(bare);
      expect(four).toBe(`10.77.${(count + 10) >> 8}.${(count + 10) & 255}`);
      await theirs.gone(n, "real-1");
      expect((await p.check(n, "real-1")).ok).toBe(false);
    },
  );
});

describe.each(clockHosts)("[adopt] over a reboot, $name", ({ world }) => {
  let w: World;
  beforeAll(buildClock, 120_000);
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  it("adopts once, not once more at each boot", async () => {
    const n = network(w.dir, pair(2), { adopt: true });
    seedFiles(n, { "10.77.0.10": owner("dead"), "10.77.0.11": owner("dead-too") });
    expect((await w.cni("ADD", "a", n)).json.msg).toContain("no IP addresses available");
    w.reboot();
    expect((await w.cni("ADD", "a", n)).status).toBe(0);
    expect((await w.cni("ADD", "b", n)).status).toBe(0);
    expect(names(n)).toEqual([]);
  });
});

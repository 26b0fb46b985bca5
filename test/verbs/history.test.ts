// The flight recorder from outside: `history` tells what was given, to whom, released, refused and
// why; it is in the commit that it tells of, keeps a fixed number, and outlives a reboot.

import * as fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openIpam } from "../../src/ipam/ipam.ts";
import { bare } from "../plugin/support/address.ts";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { faultsOf } from "../plugin/support/faults.ts";
import { holdLock } from "../plugin/support/lock.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "../plugin/support/space.ts";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import { berth, type Told, told } from "./support.ts";

afterAll(removeAll);

const args = (name: string) => `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`;
const EVENTS = 1024;

describe.each(berths)("$name: the recorder", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  const events = (...words: string[]) =>
    told(binary, "history", ...words, "--data-dir", n.ipam.dataDir)[0]!.events as Told[];
  const brief = (...words: string[]) =>
    events(...words).map(
      (e) => `${e.event} ${e.owner ?? "-"} ${(e.addresses as string[])[0] ?? "-"}`,
    );

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    n = network(folder(), pair(3));
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it("tells what was given and released, by address, name and container", async () => {
    await p.given(n, "aaaa", { args: args("web-0") });
    await p.given(n, "bbbb", { args: args("web-1") });
    await p.gone({ ...n, ipam: { ...n.ipam, cooldown: 300 } }, "aaaa");
    expect(brief()).toEqual([
      "given aaaa 10.77.0.10",
      "given bbbb 10.77.0.11",
      "released aaaa 10.77.0.10",
    ]);
    const of = ["given aaaa 10.77.0.10", "released aaaa 10.77.0.10"];
    for (const word of ["10.77.0.10", "2001:db8:77::a", "shop/web-0", "aaaa"])
      expect([word, brief(word)]).toEqual([word, of]);
    const [given, released] = events("aaaa");
    expect(given).toMatchObject({
      name: "shop/web-0",
      addresses: ["10.77.0.10", "2001:db8:77::a"],
    });
    expect(released).toMatchObject({ by: "DEL", seconds: 300 });
    expect(Math.abs(Date.parse(given!.time as string) - Date.now())).toBeLessThan(20_000);
    const text = berth(binary, "history", "10.77.0.10", "--data-dir", n.ipam.dataDir).out;
    expect(text).toMatch(
      /released +10\.77\.0\.10 2001:db8:77::a +shop\/web-0 +aaaa +by DEL, cools for 5m/,
    );
  });

  it("answers exit status 1 for what it has nothing of", async () => {
    await p.given(n, "aaaa");
    const said = berth(binary, "history", "10.77.0.99", "--data-dir", n.ipam.dataDir);
    expect(said.status).toBe(1);
    expect(said.out).toContain("nothing about it");
  });

  it("says where no recorder runs: in a directory that only the library has used", async () => {
    const dir = folder();
    const ipam = openIpam(path.join(dir, "net"));
    ipam.pool("10.1.0.0/24");
    ipam.allocate({ owner: "x", pools: ["10.1.0.0/24"] });
    ipam.close();
    const said = berth(binary, "history", "--data-dir", dir);
    expect([said.status, said.out]).toEqual([1, expect.stringContaining("No recorder runs here")]);
    expect(told(binary, "history", "--data-dir", dir)[0]).toMatchObject({ recorder: false });
    await p.given(n, "aaaa");
    expect(told(binary, "history", "--data-dir", n.ipam.dataDir)[0]!.recorder).toBe(true);
  });

  it("counts refusals of one kind in one event, with code and reason", async () => {
    for (const id of ["a", "b", "c"]) await p.given(n, id);
    for (let i = 0; i < 5; i++) await p.add(n, `new-${i}`, { args: args("web-9") });
    for (const ip of ["10.77.0.10", "10.77.0.11", "10.77.0.10"])
      await p.add(n, "again", { args: `${args("web-8")};IP=${ip}` });
    const refused = events().slice(3);
    expect(refused[1]).toMatchObject({ times: 2 });
    expect(brief("10.77.0.11").at(-1)).toBe("refused again 10.77.0.11");
    expect(refused).toMatchObject([
      { event: "refused", code: 999, reason: "nothing was free", times: 5, name: "shop/web-9" },
      { event: "refused", code: 999, reason: "the address wasn't free", addresses: ["10.77.0.10"] },
      { event: "refused", code: 999, reason: "the address wasn't free", addresses: ["10.77.0.11"] },
    ]);
  });

  it("tells of ADDs that an annotation has refused, where there is a state; the answer stays", async () => {
    const asks = (annotations: object) => ({
      ...n,
      runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations },
    });
    const wrong = asks({ "berth.dev/addresses": "10.77.0.999" });
    const msg = expect.stringMatching(
      /^annotation berth.dev.addresses: "10.77.0.999" is no address/,
    );
    const add = async (config: Network, id: string) =>
      (await p.add(config, id, { args: args(id) })).error;
    expect(await add(wrong, "web-9")).toEqual({ code: 110, msg });
    expect(fs.existsSync(homeOf(n))).toBe(false); // refused, it makes nothing
    await p.given(n, "a", { args: args("web-0") });
    for (let i = 0; i < 3; i++) await add(wrong, "web-9");
    await add(asks({ "berth.dev/pool": "blue" }), "web-8");
    expect((await add(asks({ "berth.dev/addresses": "10.77.0.10" }), "web-7")).code).toBe(111);
    const reason = "an annotation can't be followed";
    expect(events().slice(1)).toMatchObject([
      { event: "refused", code: 110, reason, times: 3, name: "shop/web-9", addresses: [] },
      { event: "refused", code: 110, reason, times: 1, name: "shop/web-8", addresses: [] },
      { event: "refused", code: 111, reason: "the address wasn't free", name: "shop/web-7" },
    ]);
    const refused = told(binary, "metrics", "--data-dir", n.ipam.dataDir)[0]!.refused;
    expect(refused).toEqual([
      { code: 111, reason: "the address wasn't free", times: 1 },
      { code: 110, reason, times: 4 },
    ]);
    const letGo = holdLock(path.join(homeOf(n), "berth.lock"));
    const waits = { env: { BERTH_LOCK_TIMEOUT_MS: "50" } };
    expect((await p.add(wrong, "late", waits)).error).toEqual({ code: 110, msg });
    letGo();
    const file = path.join(homeOf(n), "berth.state");
    const bytes = fs.readFileSync(file);
    fs.writeFileSync(file, Buffer.alloc(bytes.length));
    expect(await add(wrong, "web-9")).toEqual({ code: 110, msg });
    expect((await p.add(n, "web-9")).error.code).toBe(102);
    fs.writeFileSync(file, bytes);
  });

  it("tells who let go: GC, a DEL note; and that a cool-down was cut short", async () => {
    const gc = { ...n, cniVersion: "1.1.0", ipam: { ...n.ipam, cooldown: 500 } };
    for (const id of ["a", "b", "c"]) await p.given(gc, id);
    const keep = [
      { containerID: "b", ifname: "eth0" },
      { containerID: "c", ifname: "eth0" },
    ];
    const done = await p.call({ verb: "GC", config: { ...gc, "cni.dev/valid-attachments": keep } });
    expect(done.ok).toBe(true);
    await p.given(gc, "d");
    expect(events().slice(3)).toMatchObject([
      { event: "released", by: "GC", owner: "a", seconds: 500 },
      { event: "yielded", addresses: ["10.77.0.10"] },
      { event: "yielded", addresses: ["2001:db8:77::a"] },
      { event: "given", owner: "d", addresses: ["10.77.0.10", "2001:db8:77::a"] },
    ]);
  });

  it("takes an image whose ring is damaged for damaged", async () => {
    await p.given(n, "aaaa");
    const file = path.join(homeOf(n), "berth.state");
    const bytes = fs.readFileSync(file);
    const ring = Number(bytes.readBigUInt64LE(808));
    expect(ring % 4096).toBe(0);
    const broken = Buffer.from(bytes);
    broken[ring + 90] = 1;
    fs.writeFileSync(file, broken);
    const said = berth(binary, "check", "--data-dir", n.ipam.dataDir);
    expect([said.status, said.out]).toEqual([1, expect.stringContaining("an event is damaged")]);
    fs.writeFileSync(file, bytes);
  });

  if (binary.kind === "native")
    it("keeps the last 1,024 events, in as many bytes", async () => {
      const sizes: number[] = [];
      const wanted: string[] = [];
      for (let i = 0; i < EVENTS / 2 + 40; i++) {
        const [address] = (await p.given(n, `pod-${i}`)).map(bare);
        await p.gone(n, `pod-${i}`);
        wanted.push(`given pod-${i} ${address}`, `released pod-${i} ${address}`);
        if (i % 64 === 0) sizes.push(fs.statSync(path.join(homeOf(n), "berth.state")).size);
      }
      expect(brief()).toEqual(wanted.slice(-EVENTS));
      expect(new Set(sizes).size).toBeLessThanOrEqual(2);
    });
});

describe.each(clockHosts)("$name: the recorder over a reboot", ({ world }) => {
  let w: World;
  beforeAll(buildClock, 120_000);
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  it("keeps the events, and says what the reboot ended", async () => {
    const config = {
      cniVersion: "1.0.0",
      name: "net",
      ipam: { type: "berth", subnet: "10.9.0.0/29", dataDir: w.dir },
    };
    const brief = async (...words: string[]) => {
      const { json } = await w.verb(["history", "--json", "--data-dir", w.dir, ...words]);
      return json.networks[0].events.map((e: Told) => `${e.event} ${e.owner ?? e.lapsed}`);
    };
    await w.cni("ADD", "aaaa", config, "shop/web-0");
    await w.cni("ADD", "bbbb", config, "shop/web-1");
    await w.cni("DEL", "bbbb", config, "shop/web-1");
    w.reboot(60);
    await w.cni("ADD", "cccc", config, "shop/web-0");
    expect(await brief()).toEqual([
      "given aaaa",
      "given bbbb",
      "released bbbb",
      "reboot 1",
      "given cccc",
    ]);
    expect(await brief("aaaa")).toEqual(["given aaaa", "reboot 1"]);
    expect(await brief("bbbb")).toEqual(["given bbbb", "released bbbb"]);
    expect((await w.verb(["check", "--data-dir", w.dir])).status).toBe(0);
  });

  it("keeps the counts of refusals, those by annotation too", async () => {
    const config = {
      cniVersion: "1.0.0",
      name: "net",
      ipam: { type: "berth", subnet: "10.9.0.0/29", dataDir: w.dir },
      runtimeConfig: { "io.kubernetes.cri.pod-annotations": { "berth.dev/pool": "blue" } },
    };
    await w.cni("ADD", "aaaa", { ...config, runtimeConfig: {} });
    expect((await w.cni("ADD", "bbbb", config)).json.code).toBe(110);
    expect((await w.cni("ADD", "aaaa", { ...config, runtimeConfig: {} })).json.code).toBe(999);
    w.reboot(60);
    expect((await w.cni("ADD", "cccc", config)).json.code).toBe(110);
    const { json } = await w.verb(["metrics", "--json", "--data-dir", w.dir]);
    expect(json.networks[0].refused.map((r: Told) => [r.code, r.times])).toEqual([
      [999, 1],
      [110, 2],
    ]);
  });

  /** `history WORD` in short, and what `explain WORD` says that it is. */
  const told = async (word: string) => {
    const list = await w.verb(["history", word, "--json", "--data-dir", w.dir]);
    const state = await w.verb(["explain", word, "--json", "--data-dir", w.dir]);
    const brief = (e: Told) => `${e.event}${e.by ? ` by ${e.by}` : ""} ${e.owner ?? e.lapsed}`;
    return [...list.json.networks[0].events.map(brief), state.json.networks[0].state];
  };
  const net = (ipam: object) => ({
    cniVersion: "1.0.0",
    name: "net",
    ipam: { type: "berth", subnet: "10.9.0.0/29", dataDir: w.dir, ...ipam },
  });

  it("never contradicts explain: what a reboot reserves, what it ends", async () => {
    const config = net({ reserve: { pods: "ordinal" } });
    await w.cni("ADD", "aaaa", config, "shop/web-0");
    await w.cni("ADD", "bbbb", config, "shop/other");
    w.reboot(60);
    await w.cni("STATUS", "", { ...config, cniVersion: "1.1.0" });
    const web = ["given aaaa", "reserved by reboot aaaa", "reserved"];
    expect(await told("10.9.0.2")).toEqual(web);
    expect(await told("10.9.0.3")).toEqual(["given bbbb", "reboot 2", "free"]);
    const all = await w.verb(["history", "--data-dir", w.dir]);
    expect(all.text).toMatch(
      /reboot .*2 containers of the boot before hold nothing, 1 of them left a reservation/,
    );
    // The address that is kept lies elsewhere than the one that is asked for: it is given up.
    await w.cni("ADD", "cccc", config, "shop/web-0", {
      CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;IP=10.9.0.6",
    });
    const given = "released by another pod of its name aaaa";
    expect(await told("10.9.0.2")).toEqual([...web.slice(0, 2), given, "free"]);
  });

  it("counts no reservation for a container whose name has a younger one's", async () => {
    const config = net({ reserve: { pods: "ordinal" } });
    await w.cni("ADD", "old", config, "shop/web-0");
    await w.cni("ADD", "new", config, "shop/web-0");
    await w.cni("DEL", "new", config, "shop/web-0");
    w.reboot(60);
    await w.cni("STATUS", "", { ...config, cniVersion: "1.1.0" });
    expect(await told("10.9.0.2")).toEqual(["given old", "reboot 1", "free"]);
    const { json } = await w.verb(["history", "--json", "--data-dir", w.dir]);
    expect(json.networks[0].events.at(-1)).toMatchObject({ event: "reboot", reserved: 0 });
    const { text } = await w.verb(["history", "--data-dir", w.dir]);
    expect(text).toMatch(/reboot +1 container of the boot before holds nothing\n/);
  });

  it("never contradicts explain: what host-local's files say, also over a reboot", async () => {
    fs.mkdirSync(path.join(w.dir, "net"));
    const file = (address: string) => path.join(w.dir, "net", address);
    fs.writeFileSync(file("10.9.0.5"), "old\r\neth0");
    fs.writeFileSync(file("10.9.0.6"), "");
    const config = net({ adopt: true });
    for (const id of ["a", "b"]) await w.cni("ADD", id, config);
    fs.unlinkSync(file("10.9.0.5"));
    for (const id of ["c", "d"]) await w.cni("ADD", id, config);
    const gone = ["adopted old", "released by host-local old"];
    expect(await told("10.9.0.5")).toEqual([...gone, "given d", "held"]);
    w.reboot(60);
    await w.cni("STATUS", "", { ...config, cniVersion: "1.1.0" });
    expect(await told("10.9.0.5")).toEqual([...gone, "given d", "reboot 4", "free"]);
    expect(await told("10.9.0.6")).toEqual(["adopted host-local:1", "held"]);
  });
});

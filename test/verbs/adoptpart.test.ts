// berth adopt --from-cache that doesn't come to its end: killed, stopped by a result that is too
// much, by names that are too many. Until a run has ended nothing is given from what it made: what
// isn't in it yet may be a running container's.
import { spawn } from "node:child_process";
import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { bare } from "../plugin/support/address.ts";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { faultsOf } from "../plugin/support/faults.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "../plugin/support/space.ts";
import { berth } from "./support.ts";

afterAll(removeAll);

describe.each(berths)("$name: adopt --from-cache that hasn't ended", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let cache: string;
  let held: Set<string>;

  /** Writes a result as libcni does; `age` in seconds: younger ones are read first. */
  function keep(id: string, ips: string[], age = 0): string {
    const file = path.join(cache, `net-${id}-eth0`);
    const one = { kind: "cniCacheV1", containerId: id, ifName: "eth0", networkName: "net" };
    const result = { cniVersion: "1.0.0", ips: ips.map((address) => ({ address })) };
    writeFileSync(file, JSON.stringify({ ...one, config: "e30=", result }));
    utimesSync(file, 1_700_000_000 - age, 1_700_000_000 - age);
    return file;
  }

  async function run(id: string): Promise<void> {
    const ips = await p.given(n, id);
    keep(id, ips);
    for (const ip of ips) held.add(bare(ip));
  }

  const words = () => ["--from", cache, "--data-dir", n.ipam.dataDir, "--network", "net"];
  const adopt = () => berth(binary, "adopt", "--from-cache", ...words());
  const state = () => path.join(homeOf(n), "berth.state");
  const LOSSES = {
    damaged: () => truncateSync(state(), 5000),
    lost: () => rmSync(homeOf(n), { recursive: true }),
  };

  beforeEach(() => {
    caller = Caller.start(4);
    p = pluginOf(caller, binary);
    n = network(folder(), pair(200), { policy: "first" });
    cache = folder();
    held = new Set();
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it.each(Object.entries(LOSSES))(
    "gives nothing from a state that was %s, until a run has ended",
    async (_, lose) => {
      await run("a");
      await run("b");
      lose();
      // Two results of one container, each of them sound: together they are too many.
      const many = (third: number) =>
        Array.from({ length: 20 }, (_, i) => `10.99.${third}.${i}/16`);
      keep("poison", many(1), 100);
      const poison = path.join(cache, "net-poison-eth0.old");
      renameSync(path.join(cache, "net-poison-eth0"), poison);
      keep("poison", many(2), 100);
      for (let n = 0; n < 2; n++) {
        const said = adopt();
        expect([said.status, said.err]).toEqual([1, expect.stringContaining('"poison" more than')]);
      }
      const refused = await p.add(n, "new");
      expect(refused.error.code).toBe(102);
      expect(refused.error.msg).toContain("berth adopt --from-cache");
      expect((await p.del(n, "nobody")).error.code).toBe(0);
      expect(berth(binary, "check", "--data-dir", n.ipam.dataDir).out).toContain("hasn't ended");
      const out = folder();
      const back = berth(binary, "export", "--host-local", out, "--data-dir", n.ipam.dataDir);
      expect([back.status, back.err]).toEqual([1, expect.stringContaining("hasn't ended")]);
      expect(readdirSync(out)).toEqual([]);
      rmSync(poison);
      expect(adopt()).toMatchObject({ status: 0 });
      for (const ip of await p.given(n, "new")) expect(held).not.toContain(bare(ip));
      expect((await p.del(n, "a")).error.code).toBe(0);
    },
  );

  it("changes nothing where a result has more addresses than any container", async () => {
    await run("a");
    LOSSES.damaged();
    const before = [readdirSync(homeOf(n)), readFileSync(state())];
    const many = Array.from({ length: 250 }, (_, i) => `10.99.0.${i}/16`);
    const file = keep("poison", many);
    const said = adopt();
    const why = `result ${file}: it has more than 32 addresses, which no container is given`;
    expect([said.status, said.err]).toEqual([1, expect.stringContaining(why)]);
    expect([readdirSync(homeOf(n)), readFileSync(state())]).toEqual(before);
    keep("poison", many.slice(0, 32));
    expect(adopt()).toMatchObject({ status: 0 });
    await p.gone(n, "poison");
  });

  it("changes nothing where there are more names than can be listed", async () => {
    await run("a");
    LOSSES.damaged();
    const before = [readdirSync(homeOf(n)), readFileSync(state())];
    const pad = "x".repeat(230);
    for (let i = 0; i < 35_000; i++) writeFileSync(path.join(cache, `net-${pad}${i}`), "");
    const said = adopt();
    expect([said.status, said.err]).toEqual([1, expect.stringContaining("too many files in")]);
    expect([readdirSync(homeOf(n)), readFileSync(state())]).toEqual(before);
    rmSync(homeOf(n), { recursive: true });
    await p.given(n, "end");
  });

  it("gives nothing of what runs after a kill at any moment, and the next run ends it", async () => {
    for (let i = 0; i < 600; i++) {
      const ips = [`10.77.${1 + (i >> 8)}.${i & 255}/16`];
      keep(`pod-${i}`, ips);
      for (const ip of ips) held.add(bare(ip));
    }
    n = network(path.dirname(homeOf(n)), [[{ subnet: "10.77.0.0/16", rangeStart: "10.77.1.0" }]]);
    await p.given(n, "early");
    let given = 0;
    const step = binary.name === "berth" ? 3 : 15;
    for (let round = 0; round < 12; round++) {
      truncateSync(state(), 5000);
      const child = spawn(binary.path, ["adopt", "--from-cache", ...words()], { stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("close", resolve));
      // Before it has begun, in the middle, behind its end.
      await new Promise((resolve) => setTimeout(resolve, round * step));
      child.kill("SIGKILL");
      await ended;
      const o = await p.add(n, `new-${round}`);
      if (o.error.code === 0) {
        given++;
        for (const ip of o.addresses) expect(held).not.toContain(bare(ip));
      } else expect(o.error.code).toBe(102);
      for (const name of readdirSync(homeOf(n)))
        if (name.includes("damaged")) rmSync(path.join(homeOf(n), name));
      if (o.error.code === 0) continue;
      expect(adopt()).toMatchObject({ status: 0 });
      for (const ip of await p.given(n, `after-${round}`)) expect(held).not.toContain(bare(ip));
    }
    expect(given).toBeLessThan(12);
  });
});

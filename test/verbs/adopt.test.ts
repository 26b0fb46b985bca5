// The verbs that move a node between host-local and Berth: adopt, export, shadow.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { bare } from "../plugin/support/address.ts";
import { type Binary, berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { faultsOf } from "../plugin/support/faults.ts";
import { holdLock } from "../plugin/support/lock.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import {
  folder,
  homeOf,
  type Network,
  network,
  pair,
  removeAll,
  sleep,
} from "../plugin/support/space.ts";
import { hostLocal, needsHostLocal } from "../support/needs.ts";
import { berth, told } from "./support.ts";

afterAll(removeAll);

const upstream: Binary = { name: "host-local", path: hostLocal ?? "", kind: "upstream" };

function seedFiles(dir: string, files: Record<string, string>): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(dir, name), content);
}
const names = (dir: string) =>
  readdirSync(dir)
    .filter((f) => /^[0-9a-f:.]+$/.test(f))
    .sort();

interface Event {
  event: string;
  owner: string;
  addresses: string[];
}

describe.each(berths)("$name: verbs beside host-local", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  const verb = (...words: string[]) => berth(binary, ...words);
  const answer = (...words: string[]) => told(binary, ...words)[0]!;

  beforeEach(() => {
    caller = Caller.start(4);
    p = pluginOf(caller, binary);
    n = network(folder(), pair(8));
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  describe("adopt", () => {
    it("makes explain say how what it took over becomes free: by a DEL, or when its file goes", () => {
      seedFiles(homeOf(n), { "10.77.0.10": "a\r\neth0", "10.77.0.11": "" });
      verb("adopt", "--from", n.ipam.dataDir);
      const end = (address: string) =>
        /free (after|once|when) .*/.exec(
          verb("explain", address, "--data-dir", n.ipam.dataDir).out,
        )?.[0];
      expect(end("10.77.0.10")).toBe("free after that owner's DEL.");
      expect(end("10.77.0.11")).toBe("free once host-local's file has gone, which names no owner.");
    });

    it("takes a directory over in place, once more what has changed since", async () => {
      const from = n.ipam.dataDir;
      seedFiles(homeOf(n), {
        "10.77.0.10": "a\r\neth0",
        "10.77.0.11": "",
        "2001:db8:77::a": "a\r\neth0",
        "last_reserved_ip.0": "10.77.0.13",
      });
      const dry = answer("adopt", "--from", from, "--dry-run");
      expect(dry).toMatchObject({ files: 3, addresses: 3, unknown: 1, conflicts: 0, dryRun: true });
      expect(names(homeOf(n)).length).toBe(3);
      expect(readdirSync(homeOf(n))).not.toContain("berth.state");
      const said = verb("adopt", "--from", from);
      expect([said.status, said.err]).toEqual([0, ""]);
      expect(said.out).toContain("network net: took over 3 addresses from 3 files in");
      expect(said.out).toContain("1 file names no owner");
      expect((await p.check(n, "a")).ok).toBe(true);
      expect((await p.given(n, "new")).map(bare)[0]).toBe("10.77.0.14");
      seedFiles(homeOf(n), { "10.77.0.16": "late\r\neth0" });
      await p.gone(n, "a");
      const again = answer("adopt", "--from", from);
      expect(again).toMatchObject({ files: 2, addresses: 1, freed: 0 });
      expect((await p.check(n, "late")).ok).toBe(true);
      const { events } = answer("history", "--data-dir", from) as unknown as { events: Event[] };
      expect(
        events
          .map(({ event, owner, addresses }) => `${event} ${owner} ${addresses.join(" ")}`)
          .sort(),
      ).toEqual([
        "adopted a 10.77.0.10",
        "adopted a 2001:db8:77::a",
        "adopted host-local:1 10.77.0.11",
        "adopted late 10.77.0.16",
        "given new 10.77.0.14 2001:db8:77::b",
        "released a 10.77.0.10 2001:db8:77::a",
      ]);
    });

    it("takes over into another directory, which the files don't speak for", async () => {
      const other = folder();
      seedFiles(path.join(other, "net"), { "10.77.0.10": "a\r\neth0" });
      const one = answer("adopt", "--from", other, "--data-dir", n.ipam.dataDir);
      expect(one).toMatchObject({ files: 1, addresses: 1, directory: homeOf(n) });
      expect((await p.check(n, "a")).ok).toBe(true);
      await p.gone(n, "a");
      expect(names(path.join(other, "net"))).toEqual(["10.77.0.10"]);
    });

    it("leaves and tells what somebody else holds here, and says which network it wants", async () => {
      const other = folder();
      const [held] = (await p.given(n, "mine")).map(bare);
      seedFiles(path.join(other, "net"), { [held!]: "theirs\r\neth0" });
      seedFiles(path.join(other, "blue"), {});
      const vague = verb("adopt", "--from", other, "--data-dir", n.ipam.dataDir);
      expect([vague.status, vague.err]).toEqual([
        1,
        `berth adopt: say with --network which network of ${other}\n`,
      ]);
      const place = ["--network", "net", "--data-dir", n.ipam.dataDir];
      const said = verb("adopt", "--from", other, ...place);
      expect(said.status).toBe(1);
      expect(said.out).toContain("1 address is held by somebody else here and was left alone");
      expect((await p.check(n, "mine")).ok).toBe(true);
      expect(verb("adopt", "--from", "/nowhere", "--network", "net").status).toBe(1);
    });

    it("names no network where there is none, as error 106", () => {
      const dir = folder();
      for (const where of [
        ["--from", dir],
        ["--from-cache", "--from", dir, "--data-dir", dir],
      ]) {
        const said = verb("adopt", ...where, "--json");
        expect(JSON.parse(said.out)).toEqual({ code: 106, msg: `there is no network in ${dir}` });
      }
    });

    it("shows ids that are no UTF-8, or steer a terminal, with U+FFFD in the places", () => {
      seedFiles(homeOf(n), {});
      const id = Buffer.from([0x61, 0xff, 0xc2, 0x9b, 0xc3, 0xa4, 0x0d, 0x0a, 0x65]);
      writeFileSync(path.join(homeOf(n), "10.77.0.10"), id);
      verb("adopt", "--from", n.ipam.dataDir);
      const said = verb("show", "--data-dir", n.ipam.dataDir).out;
      expect(said).toContain("held         a\ufffd\ufffd\u00e4");
      expect(said.match(/\ufffd/g)).toHaveLength(2);
    });

    it("changes nothing while a result of the network can't be read: its container may run", async () => {
      await p.given(n, "pod-a");
      const cache = folder();
      const from = ["--from-cache", "--from", cache, "--data-dir", n.ipam.dataDir];
      truncateSync(path.join(homeOf(n), "berth.state"), 5000);
      const files = readdirSync(homeOf(n));
      seedFiles(cache, {
        "other-pod-b-eth0": "{",
        network: "{",
        "net-pod-b-eth0": '{"kind": "cni',
      });
      for (const more of [[], ["--dry-run"]]) {
        const said = verb("adopt", ...from, "--network", "net", ...more);
        expect([said.status, said.out]).toEqual([1, ""]);
        expect(said.err).toContain(`${cache}/net-pod-b-eth0: it is no whole JSON; nothing was`);
        expect(readdirSync(homeOf(n))).toEqual(files);
      }
      rmSync(path.join(cache, "net-pod-b-eth0"));
      expect(answer("adopt", ...from)).toMatchObject({ files: 0, skipped: 1, setAside: 1 });
    });

    it("builds a damaged state anew from the runtime's results, and keeps the old files", async () => {
      const addresses = await p.given(n, "pod-a");
      await p.given(n, "pod-b");
      const cache = folder();
      const result = (id: string, ips: string[], more: object = {}) => ({
        [`net-${id}-eth0`]: JSON.stringify({
          kind: "cniCacheV1",
          containerId: id,
          config: "e30=",
          ifName: "eth0",
          networkName: "net",
          result: { cniVersion: "1.0.0", ips: ips.map((address) => ({ address })) },
          ...more,
        }),
      });
      seedFiles(cache, {
        ...result("pod-a", addresses),
        ...result("pod-c", [], { result: { ip4: { ip: "10.77.0.15/16" } } }),
        ...result("pod-d", ["10.77.0.17/16"], { networkName: "net-other" }),
        "net-old-pod-e": JSON.stringify({ cniVersion: "0.2.0", ip4: { ip: "10.77.0.18/16" } }),
      });
      const from = ["--from-cache", "--from", cache, "--data-dir", n.ipam.dataDir];
      truncateSync(path.join(homeOf(n), "berth.state"), 5000);
      expect((await p.add(n, "x")).error.code).toBe(102);
      const files = readdirSync(homeOf(n));
      const dry = { addresses: 3, skipped: 2, wouldSetAside: true, dryRun: true };
      expect(answer("adopt", ...from, "--dry-run")).toMatchObject(dry);
      expect(verb("adopt", ...from, "--dry-run").out).toMatch(/^the state is damaged: it would be/);
      expect(readdirSync(homeOf(n))).toEqual(files);
      expect(answer("adopt", ...from)).toMatchObject({ addresses: 3, skipped: 2, setAside: 1 });
      expect(readdirSync(homeOf(n))).toEqual(
        expect.arrayContaining(["berth.state.damaged.1", "berth.log.damaged.1", "berth.state"]),
      );
      expect((await p.check(n, "pod-a")).ok).toBe(true);
      expect((await p.check(n, "pod-c")).ok).toBe(true);
      expect((await p.check(n, "pod-d")).ok).toBe(false);
      await p.given(n, "x");
      // A sound state only learns what is missing; at most eight damaged ones are kept.
      expect(answer("adopt", ...from)).toMatchObject({ addresses: 0 });
      for (let i = 2; i <= 8; i++) {
        truncateSync(path.join(homeOf(n), "berth.state"), 5000);
        expect(answer("adopt", ...from)).toMatchObject({ setAside: i });
      }
      const state = readFileSync(path.join(homeOf(n), "berth.state"));
      truncateSync(path.join(homeOf(n), "berth.state"), 5000);
      const full = verb("adopt", ...from);
      expect(full.status).toBe(1);
      expect(full.err).toContain("there are 8 damaged states already");
      writeFileSync(path.join(homeOf(n), "berth.state"), state);
    });
  });

  describe("export", () => {
    const out = (dir: string) => path.join(dir, "net");

    const real = needsHostLocal();
    it("writes the files of host-local, once", async () => {
      const dir = folder();
      for (const id of ["a", "b", "c"]) await p.given(n, id);
      await p.gone(n, "b");
      const words = ["--host-local", dir, "--data-dir", n.ipam.dataDir];
      expect(answer("export", ...words)).toMatchObject({ written: 4, found: 0, conflicts: 0 });
      expect(readFileSync(path.join(out(dir), "10.77.0.12"), "utf8")).toBe("c\r\neth0");
      expect(readFileSync(path.join(out(dir), "last_reserved_ip.0"), "utf8")).toBe("10.77.0.12");
      expect(answer("export", ...words)).toMatchObject({ written: 0, found: 4 });
    });

    it.skipIf(real.missing)(`writes what host-local goes on with${real.why}`, async () => {
      const dir = folder();
      for (const id of ["a", "b", "c"]) await p.given(n, id);
      await p.gone(n, "b");
      answer("export", "--host-local", dir, "--data-dir", n.ipam.dataDir);
      const theirs = pluginOf(caller, upstream);
      const moved = { ...n, ipam: { ...n.ipam, dataDir: dir } };
      expect((await theirs.check(moved, "a")).ok).toBe(true);
      expect((await theirs.check(moved, "b")).ok).toBe(false);
      expect((await theirs.given(moved, "d")).map(bare)[0]).toBe("10.77.0.13");
      await theirs.gone(moved, "c");
      expect(names(out(dir))).not.toContain("10.77.0.12");
      for (const id of ["e", "f", "g", "h", "i", "j"]) await theirs.given(moved, id);
      expect((await theirs.add(moved, "k")).ok).toBe(false);
    });

    it("leaves a file of somebody else elsewhere, and sets it right at home", async () => {
      const dir = folder();
      await p.given(n, "a");
      seedFiles(out(dir), { "10.77.0.10": "theirs\r\neth0" });
      const said = verb("export", "--host-local", dir, "--data-dir", n.ipam.dataDir);
      expect(said.status).toBe(1);
      expect(said.out).toContain("1 name somebody else: left alone");
      expect(readFileSync(path.join(out(dir), "10.77.0.10"), "utf8")).toBe("theirs\r\neth0");
      seedFiles(homeOf(n), { "10.77.0.10": "dead\r\neth0" });
      const home = verb("export", "--host-local", n.ipam.dataDir, "--data-dir", n.ipam.dataDir);
      expect(home.status).toBe(0);
      expect(readFileSync(path.join(homeOf(n), "10.77.0.10"), "utf8")).toBe("a\r\neth0");
    });

    it("writes a copied state's files as those of the network that is named", async () => {
      const [dir, copy] = [folder(), folder()];
      await p.given(n, "a");
      for (const name of ["berth.state", "berth.log"])
        copyFileSync(path.join(homeOf(n), name), path.join(copy, name));
      const state = ["--state", path.join(copy, "berth.state")];
      const said = answer("export", "--host-local", dir, ...state, "--network", "net");
      expect(said).toMatchObject({ network: "net", to: out(dir), written: 2 });
      expect(names(out(dir))).toContain("10.77.0.10");
    });

    it("in place sees what was changed while it waited for host-local's lock", async () => {
      const mirrored = network(n.ipam.dataDir, pair(8), { mirror: true, policy: "first" });
      const plain = network(n.ipam.dataDir, pair(8), { policy: "first" });
      const [v4] = (await p.given(mirrored, "old")).map(bare);
      const lock = path.join(homeOf(n), "lock");
      const holder = spawn("/usr/bin/flock", [lock, "sh", "-c", "echo held; cat"]);
      await once(holder.stdout, "data");
      const at = ["--host-local", n.ipam.dataDir, "--data-dir", n.ipam.dataDir];
      const exported = spawn(binary.path, ["export", ...at, "--network", "net"]);
      await sleep(700); // its first look is over
      await p.gone(plain, "old");
      expect((await p.given(plain, "new")).map(bare)[0]).toBe(v4);
      holder.stdin.end();
      expect((await once(exported, "close"))[0]).toBe(0);
      expect(readFileSync(path.join(homeOf(n), v4!), "utf8")).toBe("new\r\neth0");
    });

    describe("of containers whose DEL waits as a note", () => {
      const delLater = async (id: string) => {
        const letGo = holdLock(path.join(homeOf(n), "berth.lock"));
        await p.gone(n, id, { env: { BERTH_LOCK_TIMEOUT_MS: "50" } });
        letGo();
      };
      const at = () => ["--data-dir", n.ipam.dataDir];

      it("writes no files, for host-local would hold those for ever", async () => {
        const dir = folder();
        for (const id of ["a", "b", "c", "d"]) await p.given(n, id);
        for (const id of ["a", "c"]) await delLater(id);
        const said = verb("export", "--host-local", dir, ...at());
        expect([said.status, said.err]).toEqual([0, ""]);
        expect(said.out).toContain("2 containers get none: the DEL has come, and waits as a note");
        expect(names(out(dir))).toEqual([
          "10.77.0.11",
          "10.77.0.13",
          "2001:db8:77::b",
          "2001:db8:77::d",
        ]);
      });

      it("removes them in place, and gc does where both have mirrored", async () => {
        n = network(folder(), pair(8), { mirror: true });
        for (const id of ["a", "b", "c"]) await p.given(n, id);
        await delLater("a");
        expect(names(homeOf(n))).toContain("10.77.0.10");
        answer("export", "--host-local", n.ipam.dataDir, ...at());
        const left = ["10.77.0.11", "10.77.0.12", "2001:db8:77::b", "2001:db8:77::c"];
        expect(names(homeOf(n))).toEqual(left);
        await delLater("b");
        verb("gc", ...at());
        expect(names(homeOf(n))).toEqual([left[1], left[3]]);
        expect(readdirSync(homeOf(n)).join()).not.toContain("del-");
      });
    });

    it("wants to be told where", () => {
      const said = verb("export", "--data-dir", n.ipam.dataDir);
      expect(said.status).toBe(2);
    });
  });

  it("shadow tells how often both agreed, the times, and where they differed", async () => {
    const line = (us: number, same: boolean | null) =>
      JSON.stringify({
        time: 1,
        command: "ADD",
        container: `c${us}`,
        ...(same === null ? { began: true } : { same }),
        plugin: { exit: 0, us: us * 10, ips: [] },
        ...(same === null ? {} : { berth: { exit: 0, us, ips: [] } }),
      });
    await p.given(n, "a");
    expect(verb("shadow", "--data-dir", n.ipam.dataDir).out).toContain("no trial is written down");
    const all = Array.from({ length: 101 }, (_, i) => line(((i * 37) % 101) + 1, i !== 50));
    seedFiles(homeOf(n), {
      "berth.shadow.1": `${line(5000, null)}\n${all.slice(0, 60).join("\n")}\n`,
      "berth.shadow": `${all.slice(60).join("\n")}\n`,
    });
    const said = answer("shadow", "--data-dir", n.ipam.dataDir);
    expect(said).toMatchObject({
      calls: 102,
      same: 100,
      different: 1,
      began: 1,
      plugin: { medianUs: 510, p99Us: 1000 },
      berth: { medianUs: 51, p99Us: 100 },
      differences: [JSON.parse(all[50]!)],
    });
    const text = verb("shadow", "--data-dir", n.ipam.dataDir);
    expect(text.status).toBe(1);
    expect(text.out).toContain("102 calls: 100 with the same answer, 1 with another");
    expect(text.out).toContain(all[50]);
  });
});

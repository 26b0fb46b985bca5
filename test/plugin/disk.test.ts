// Places where state can't be kept: full and read-only disks, size limits, folders of others.
// An ADD that can't be kept is refused, what was given stays held, and DEL works without growth.

import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { needsRoot } from "../support/needs.ts";
import { bare } from "./support/address.ts";
import { berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { type Plugin, pluginOf } from "./support/plugin.ts";
import { folder, type Network, network, pair, removeAll } from "./support/space.ts";

afterAll(removeAll);

const place = /berth|\/data|\/net/;

/** ADDs until one fails or `limit` is reached. */
async function addUntilError(p: Plugin, n: Network, held: Map<string, string[]>, limit: number) {
  const word = `pod-${held.size}`;
  for (let i = 0; i < limit; i++) {
    const o = await p.add(n, `${word}-${i}`);
    if (!o.ok) return o.error;
    const addresses = o.addresses.map(bare);
    const taken = new Set([...held.values()].flat());
    for (const a of addresses) expect(taken.has(a), `${a} is given twice`).toBe(false);
    held.set(`${word}-${i}`, addresses);
  }
  return undefined;
}

async function expectHeld(p: Plugin, n: Network, held: Map<string, string[]>): Promise<void> {
  const ids = [...held.keys()];
  const some = p.binary.kind === "node" ? ids.slice(0, 3) : ids;
  for (const id of some) expect((await p.check(n, id)).ok, `${id} is held`).toBe(true);
}

const root = needsRoot();
describe.skipIf(root.missing).each(berths)(`$name on a full disk${root.why}`, (binary) => {
  const sizes = ["16k", "64k", "512k", "1m", "1100k", "1300k", "1536k", "2m", "3m", "5m"];
  it.each(binary.kind === "node" ? ["64k", "2m"] : sizes)(
    "of %s: refuses, keeps and releases",
    { timeout: 60_000 },
    async (size) => {
      const data = path.join(folder(), "data");
      mkdirSync(data);
      const caller = Caller.inside(1, `mount -t tmpfs -o size=${size} tmpfs ${data}`);
      const p = pluginOf(caller, binary);
      const n = network(data, pair(6000));
      const held = new Map<string, string[]>();
      let error = await addUntilError(p, n, held, rounds(binary, 300, 4));
      if (error === undefined) {
        await caller.shell(`cat /dev/zero > ${data}/ballast 2>/dev/null || true`);
        error = await addUntilError(p, n, held, rounds(binary, 6000, 8));
      }
      if (error !== undefined) {
        expect(error.code).toBeGreaterThanOrEqual(100);
        expect(error.msg).toMatch(place);
        expect(error.msg).toMatch(/space|full|ENOSPC|disk/i);
        await expectHeld(p, n, held);
        // The next one fails too, and takes nothing with it.
        expect((await p.add(n, "next")).ok).toBe(false);
        await p.gone(n, "next");
      }
      const first = [...held.keys()].slice(0, 3);
      for (const id of first) {
        await p.gone(n, id);
        held.delete(id);
      }
      await p.gone(n, "never-known");
      await expectHeld(p, n, held);
      if (first.length > 0) {
        const o = await p.add(n, "after-del");
        expect(o.error).toEqual({ code: 0, msg: "" });
        const all = [...held.values()].flat();
        for (const a of o.addresses.map(bare)) expect(all).not.toContain(a);
        held.set("after-del", o.addresses.map(bare));
      }
      await caller.shell(`rm -f ${data}/ballast; mount -o remount,size=64m ${data}`);
      expect(await addUntilError(p, n, held, 3)).toBeUndefined();
      await expectHeld(p, n, held);
      await caller.close();
    },
  );
});

describe.skipIf(root.missing).each(berths)(`$name where it may not write${root.why}`, (binary) => {
  it("on a read-only file system: errors, and nothing is lost", { timeout: 30_000 }, async () => {
    const data = path.join(folder(), "data");
    mkdirSync(data);
    const caller = Caller.inside(1, `mount -t tmpfs -o size=32m tmpfs ${data}`);
    const p = pluginOf(caller, binary);
    const n = network(data, pair(50));
    const held = new Map<string, string[]>();
    expect(await addUntilError(p, n, held, 3)).toBeUndefined();
    await caller.shell(`mount -o remount,ro ${data}`);
    const o = await p.add(n, "late");
    expect(o.ok).toBe(false);
    expect(o.error.msg).toMatch(/read-only|EROFS/i);
    expect(o.error.msg).toMatch(place);
    const fresh = await p.add({ ...n, name: "other" }, "late");
    expect(fresh.ok).toBe(false);
    await p.check(n, "pod-0-0");
    const del = await p.del(n, "pod-0-0");
    if (!del.ok) expect(del.error.code, "not even a note can be written").toBe(11);
    await caller.shell(`mount -o remount,rw ${data}`);
    await expectHeld(p, n, held);
    await p.gone(n, "pod-0-0");
    expect(await addUntilError(p, n, held, 2)).toBeUndefined();
    await caller.close();
  });

  it("with a file where the data directory should be", async () => {
    const file = path.join(folder(), "data");
    writeFileSync(file, "x");
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    for (const dataDir of [file, `${file}/below`, "/dev/null", "/proc/self/nothing"]) {
      const n = network(dataDir, pair(5));
      const o = await p.add(n, "pod");
      expect(o.ok).toBe(false);
      expect(o.error.code).toBeGreaterThanOrEqual(100);
      expect(o.error.msg).toContain(dataDir);
      expect((await p.check(n, "pod")).ok).toBe(false);
      const del = await p.del(n, "pod");
      if (!del.ok) expect(del.error.code).toBe(11);
    }
    await caller.close();
  });

  it("as a user who may not: an error, and the owner's state is untouched", async () => {
    const dir = folder();
    chmodSync(dir, 0o755);
    const data = path.join(dir, "data");
    mkdirSync(data, { mode: 0o755 });
    const copy = path.join(dir, "plugin");
    copyFileSync(binary.path, copy);
    chmodSync(copy, 0o755);
    const caller = Caller.start(1);
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const reach = binary.kind === "node" ? binary.path : copy;
    const works = await caller.call({
      argv: [...nobody, reach],
      env: { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` },
      stdin: "",
    });
    // A Node.js below /root can't be run by others at all.
    if (works.exit === 0) {
      const p = pluginOf(caller, { ...binary, path: reach });
      const n = network(data, pair(5));
      const held = await p.given(n, "held");
      for (const net of [n, { ...n, name: "other" }]) {
        const o = await p.add(net, "pod", { wrapper: nobody });
        expect(o.ok).toBe(false);
        expect(o.error.msg).toMatch(/permission denied|EACCES/i);
        expect(o.error.msg).toContain(data);
        const del = await p.del(net, "held", { wrapper: nobody });
        if (!del.ok) expect(del.error.code).toBe(11);
      }
      expect((await p.check(n, "held")).ok).toBe(true);
      expect(await p.given(n, "pod")).not.toEqual(held);
    } else expect(binary.kind).toBe("node");
    await caller.close();
  });
});

describe.each(berths)("$name under limits", (binary) => {
  it("of the file size: refuses and keeps", { timeout: 60_000 }, async () => {
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    const sizes = [0, 1, 100, 4096, 65536, 300_000, 1_048_576, 1_200_000, 4_000_000];
    for (const size of binary.kind === "node" ? [0, 65536] : sizes) {
      const wrapper = ["prlimit", `--fsize=${size}`];
      const n = network(folder(), pair(8));
      const fresh = await p.add(n, "fresh", { wrapper });
      if (!fresh.ok) expect(fresh.error.msg).toMatch(place);
      await p.gone(n, "fresh");
      const held = await p.given(n, "held");
      const o = await p.add(n, "limited", { wrapper });
      if (!o.ok) expect(o.error.msg).toMatch(place);
      await p.del(n, "limited", { wrapper }).then((d) => {
        if (!d.ok) expect(d.error.code).toBe(11);
      });
      await p.gone(n, "limited");
      expect((await p.check(n, "held")).ok).toBe(true);
      const rest = new Map<string, string[]>([["held", held.map(bare)]]);
      const full = await addUntilError(p, n, rest, 9);
      expect(full?.msg).toContain("no IP addresses available");
      expect(rest.size).toBe(8);
    }
    await caller.close();
  });

  // Below 33 MiB the kernel can't even load the program: its scratch memory is a section of it.
  it("of the address space: the native host maps what it gets", async () => {
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    const n = network(folder(), pair(8));
    for (const [i, mb] of [64, 256, 1024, 2048].entries()) {
      if (binary.kind === "node") continue;
      const wrapper = ["prlimit", `--as=${mb * 1024 * 1024}`];
      const o = await p.add(n, `pod-${i}`, { wrapper });
      expect(o.error).toEqual({ code: 0, msg: "" });
    }
    await p.given(n, "last");
    await caller.close();
  });

  it("of open files: an error or a success, nothing lost", async () => {
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    const n = network(folder(), pair(30));
    const held = new Map<string, string[]>();
    expect(await addUntilError(p, n, held, 2)).toBeUndefined();
    for (let files = 3; files < rounds(binary, 9, 3); files++) {
      const o = await p.add(n, `few-${files}`, { wrapper: ["prlimit", `--nofile=${files}`] });
      if (o.ok) held.set(`few-${files}`, o.addresses.map(bare));
      else await p.gone(n, `few-${files}`);
    }
    expect((await addUntilError(p, n, held, 40))?.msg).toContain("no IP addresses available");
    expect(held.size).toBe(30);
    await caller.close();
  });

  it("leaves no files but its own", async () => {
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    const n = network(folder(), pair(8));
    await p.given(n, "a");
    await p.gone(n, "a");
    const names = readdirSync(path.join(n.ipam.dataDir, n.name)).sort();
    expect(names).toEqual(["berth.lock", "berth.log", "berth.state"]);
    await caller.close();
  });
});

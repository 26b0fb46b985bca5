// Many calls at once: every address unique, nothing lost, and waiting costs nothing.

import { mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { need } from "../support/needs.ts";
import { allOf, bare } from "./support/address.ts";
import { berths, binaries, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { faultsOf } from "./support/faults.ts";
import { holdLock, usageOf, waitersOf } from "./support/lock.ts";
import { type Plugin, pluginOf } from "./support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll, sleep } from "./support/space.ts";

afterAll(removeAll);

const ids = (count: number, word = "pod") =>
  Array.from({ length: count }, (_, i) => `${word}-${i}`);
const allWith = <T>(list: string[], f: (id: string) => Promise<T>) => Promise.all(list.map(f));
const notes = (n: Network) => readdirSync(homeOf(n)).filter((f) => /^del-[0-9a-f]{32}$/.test(f));

/** Everything that the ranges have was given, each address once. */
function expectWhole(given: string[][], n: Network): void {
  const flat = given.flat().map(bare);
  expect(new Set(flat).size).toBe(flat.length);
  expect(flat.sort()).toEqual(n.ipam.ranges.flatMap(allOf).sort());
}

async function until(what: string, done: () => boolean, ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!done()) {
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(20);
  }
}

describe.each(binaries)("$name called many times at once", (binary) => {
  it("gives every address once, and loses none", { timeout: 120_000 }, async () => {
    const count = binary.kind === "upstream" ? 300 : rounds(binary, 1500, 40);
    const n = network(folder(), pair(count));
    const caller = Caller.start(32);
    const p = pluginOf(caller, binary);
    for (const word of ["first", "second"]) {
      const some = ids(count, word);
      expectWhole(await allWith(some, (id) => p.given(n, id)), n);
      const late = await p.add(n, "late");
      expect(late.error.msg).toContain("no IP addresses available in range set: 10.77.0.10-");
      await allWith(some, (id) => p.gone(n, id));
    }
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it("keeps ADD and DEL of different containers apart", { timeout: 60_000 }, async () => {
    const count = rounds(binary, 200, 10);
    const n = network(folder(), pair(count + 16));
    const caller = Caller.start(16);
    const p = pluginOf(caller, binary);
    const held = new Set<string>();
    const live = async (id: string): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        const got = await p.given(n, id);
        for (const a of got) {
          expect(held.has(a), `${a} is given twice`).toBe(false);
          held.add(a);
        }
        for (const a of got) held.delete(a);
        await p.gone(n, id);
      }
    };
    await allWith(ids(count), live);
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });
});

const [native] = berths.filter((b) => b.kind === "native");
const [node] = berths.filter((b) => b.kind === "node");

const both = need(native && node, "both hosts: a C compiler");
describe.skipIf(both.missing)(`both hosts on one state${both.why}`, () => {
  it("give every address once, and free what the other gave", { timeout: 60_000 }, async () => {
    const n = network(folder(), pair(400));
    const caller = Caller.start(16);
    const host = [pluginOf(caller, native!), pluginOf(caller, node!)];
    const by = (id: string, shift: number): Plugin =>
      host[(Number(id.replace(/\D/g, "")) + shift) % 20 === 0 ? 1 : 0]!;
    expectWhole(await allWith(ids(400), (id) => by(id, 0).given(n, id)), n);
    await allWith(ids(400), (id) => by(id, 5).gone(n, id));
    expectWhole(await allWith(ids(400, "new"), (id) => by(id, 3).given(n, id)), n);
    await caller.close();
    expect(await faultsOf(n, native!)).toEqual([]);
  });
});

describe.each(berths)("$name and a lock that is held", (binary) => {
  async function setUp(count: number, jobs: number) {
    const n = network(folder(), pair(count));
    const caller = Caller.start(jobs);
    const p = pluginOf(caller, binary);
    await p.given(n, "first");
    await p.gone(n, "first");
    return { n, caller, p, lock: path.join(homeOf(n), "berth.lock") };
  }

  it("waits without polling, a thousand at once, and drains", { timeout: 120_000 }, async () => {
    const count = rounds(binary, 1000, 10);
    const { n, caller, p, lock } = await setUp(count, count);
    const release = holdLock(lock);
    const pids: number[] = [];
    const started = (pid: number) => pids.push(pid);
    const calls = ids(count).map((id) => p.given(n, id, { started, timeoutMs: 110_000 }));
    const all = () => waitersOf(lock) === count && pids.length === count;
    await until(`${count} waiters`, all, 60_000);
    const before = pids.map(usageOf);
    await sleep(1000);
    const after = pids.map(usageOf);
    const began = Date.now();
    release();
    expectWhole(await Promise.all(calls), n);
    const drained = Date.now() - began;
    await caller.close();
    const ticks = after.map((u, i) => u.ticks - before[i]!.ticks);
    const sleeps = after.map((u, i) => u.sleeps - before[i]!.sleeps);
    expect(Math.max(...ticks), "clock ticks used while waiting").toBeLessThanOrEqual(1);
    // Node's own threads may wake it after its start; who polls sleeps 20 times and more.
    const few = rounds(binary, 1, 5);
    expect(Math.max(...sleeps), "sleeps while waiting").toBeLessThanOrEqual(few);
    expect(drained, "milliseconds to drain").toBeLessThan(10_000);
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  const impatient = { env: { BERTH_LOCK_TIMEOUT_MS: "300" } };

  it("ADD and CHECK answer error 11 after the time-out", async () => {
    const { n, caller, p, lock } = await setUp(5, 4);
    await p.given(n, "held");
    const release = holdLock(lock);
    for (const o of [await p.add(n, "a", impatient), await p.check(n, "held", impatient)]) {
      expect(o.error.code).toBe(11);
      expect(o.ms).toBeGreaterThan(290);
      expect(o.ms).toBeLessThan(3000);
    }
    release();
    expect(notes(n)).toEqual([]);
    await p.given(n, "a");
    expect((await p.check(n, "held")).ok).toBe(true);
    await caller.close();
  });

  it("DEL leaves a note and succeeds; the next ADD applies it", async () => {
    const { n, caller, p, lock } = await setUp(5, 4);
    const held = new Map<string, string[]>();
    for (const id of ids(5)) held.set(id, await p.given(n, id));
    const release = holdLock(lock);
    await p.gone(n, "pod-3", impatient);
    await p.gone(n, "pod-3", impatient);
    await p.gone(n, "never-known", impatient);
    await p.gone(n, "pod-2", { ...impatient, ifname: "net1" });
    release();
    expect(notes(n)).toHaveLength(3);
    expect(await p.given(n, "new")).toEqual(held.get("pod-3"));
    expect(notes(n)).toEqual([]);
    expect((await p.add(n, "more")).error.msg).toContain("no IP addresses available");
    expect((await p.check(n, "pod-2")).ok).toBe(true);
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it("a container whose DEL is noted can be added again", async () => {
    const { n, caller, p, lock } = await setUp(5, 4);
    for (const id of ids(5)) await p.given(n, id);
    const release = holdLock(lock);
    await p.gone(n, "pod-1", impatient);
    release();
    expect(await p.given(n, "pod-1")).toHaveLength(2);
    expect(notes(n)).toEqual([]);
    expect((await p.check(n, "pod-1")).ok).toBe(true);
    const again = await p.add(n, "pod-1");
    expect(again.error.msg).toContain("duplicate allocation is not allowed");
    await p.gone(n, "pod-1");
    await p.given(n, "new");
    await caller.close();
  });

  it("a directory known to hold no note is looked at again when one comes", async () => {
    const { n, caller, p, lock } = await setUp(5, 4);
    const held = new Map<string, string[]>();
    for (const id of ids(4)) held.set(id, await p.given(n, id));
    await sleep(300);
    held.set("pod-4", await p.given(n, "pod-4"));
    // What the header remembers is the directory's time of change: nobody lists it from here on.
    const known = readFileSync(path.join(homeOf(n), "berth.state")).readBigUInt64LE(1008);
    expect(known).toBe(statSync(homeOf(n), { bigint: true }).mtimeNs);
    expect((await p.add(n, "more")).error.msg).toContain("no IP addresses available");
    const release = holdLock(lock);
    await p.gone(n, "pod-1", impatient);
    await p.gone(n, "pod-3", impatient);
    release();
    expect(await p.given(n, "pod-1")).toHaveLength(2);
    await p.given(n, "new");
    expect(notes(n)).toEqual([]);
    expect((await p.check(n, "pod-1")).ok).toBe(true);
    expect((await p.check(n, "pod-3")).ok).toBe(false);
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it("many notes are all applied, some with each call", { timeout: 30_000 }, async () => {
    const count = rounds(binary, 150, 10);
    const { n, caller, p, lock } = await setUp(count, 50);
    await allWith(ids(count), (id) => p.given(n, id));
    const release = holdLock(lock);
    await allWith(ids(count), (id) => p.gone(n, id, impatient));
    expect(notes(n)).toHaveLength(count);
    release();
    const given: string[][] = [];
    for (const id of ids(count, "new")) given.push(await p.given(n, id));
    expectWhole(given, n);
    expect(notes(n)).toEqual([]);
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it("follows a lock file that was replaced while it waited", async () => {
    const { n, caller, p, lock } = await setUp(5, 4);
    const releaseOld = holdLock(lock);
    let answered = false;
    const call = p.given(n, "a").finally(() => {
      answered = true;
    });
    await until("a waiter", () => waitersOf(lock) === 1);
    renameSync(lock, `${lock}.old`);
    const releaseNew = holdLock(lock);
    releaseOld();
    await until("a waiter of the new file", () => waitersOf(lock) === 1);
    await sleep(300);
    expect(answered).toBe(false);
    releaseNew();
    expect(await call).toHaveLength(2);
    await caller.close();
  });

  it("a directory where the lock should be is an error, and DEL still succeeds", async () => {
    const n = network(folder(), pair(5));
    mkdirSync(path.join(homeOf(n), "berth.lock"), { recursive: true });
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    const o = await p.add(n, "a");
    expect(o.error.msg).toContain("berth.lock");
    await p.gone(n, "a");
    await caller.close();
  });
});

// Calls killed at random moments: no address is lost, none is given twice.
//
// The accounting, per container: `held` is what a finished ADD gave and no DEL was tried on since;
// `unsure` is a container whose last call was killed, so that it may hold a pair or not. The
// network has two sets of the same size, so what is free in one must be as many in the other.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { allOf, bare } from "./support/address.ts";
import { berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { faultsOf } from "./support/faults.ts";
import { type Plugin, pluginOf } from "./support/plugin.ts";
import { Random, seed } from "./support/random.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "./support/space.ts";

afterAll(removeAll);

class Ledger {
  readonly held = new Map<string, string[]>();
  /** What an unsure container held before its DEL was killed; [] after a killed ADD. */
  readonly unsure = new Map<string, string[]>();
  readonly used = new Set<string>();
  killed = 0;
  readonly #owner = new Map<string, string>();

  /** Notes what an ADD gave; throws if somebody surely holds one of the addresses. */
  give(id: string, addresses: string[]): void {
    for (const a of addresses) {
      const other = this.#owner.get(a);
      if (other !== undefined) throw new Error(`${a} of ${other} is given to ${id}`);
      this.#owner.set(a, id);
    }
    this.held.set(id, addresses);
  }

  /** From now on the container may have lost its addresses. */
  loosen(id: string): string[] {
    const had = this.held.get(id) ?? this.unsure.get(id) ?? [];
    for (const a of this.held.get(id) ?? []) this.#owner.delete(a);
    this.held.delete(id);
    return had;
  }
}

/** ADDs fresh containers until an error says that the network is full; their addresses. */
async function fill(p: Plugin, n: Network, l: Ledger, word: string): Promise<string[]> {
  const got: string[] = [];
  for (let i = 0; ; i++) {
    const id = `${word}-${i}`;
    l.used.add(id);
    const o = await p.add(n, id);
    if (!o.ok) {
      expect(o.error.msg).toContain("no IP addresses available in range set");
      return got.map(bare);
    }
    l.give(id, o.addresses);
    got.push(...o.addresses);
  }
}

interface Storm {
  p: Plugin;
  n: Network;
  l: Ledger;
  r: Random;
  /** Kills fall in [0, this) microseconds after the spawn. */
  window: number;
}

/**
 * A call takes as long as the machine's load makes it: the window follows, so that about three of
 * four calls are killed.
 */
function follow(s: Storm, killed: boolean): void {
  s.window = Math.max(30, s.window * (killed ? 1.035 : 0.9));
}

async function killedAdd(s: Storm, id: string): Promise<void> {
  const { p, n, l, r } = s;
  l.used.add(id);
  const o = await p.add(n, id, { killUs: r.below(Math.ceil(s.window)) });
  follow(s, o.killed);
  if (o.killed) {
    l.killed++;
    l.unsure.set(id, []);
  } else if (o.ok) l.give(id, o.addresses);
  else expect(o.error.msg).toContain("no IP addresses available in range set");
}

async function killedDel(s: Storm, id: string): Promise<void> {
  const { p, n, l, r } = s;
  const had = l.loosen(id);
  const o = await p.del(n, id, { killUs: r.below(Math.ceil(s.window)) });
  follow(s, o.killed);
  if (o.killed) {
    l.killed++;
    l.unsure.set(id, had);
  } else {
    expect(o.ok, JSON.stringify(o.error)).toBe(true);
    l.unsure.delete(id);
  }
}

/** One lane of the storm: `count` calls, most to be killed, on containers of its own. */
async function lane(s: Storm, name: string, count: number): Promise<void> {
  const { p, n, l, r } = s;
  const mine = (m: Map<string, string[]>) => [...m.keys()].filter((id) => id.startsWith(name));
  for (let i = 0; i < count; i++) {
    const held = mine(l.held);
    const unsure = mine(l.unsure);
    const dice = r.below(10);
    if (dice < 6 || held.length + unsure.length === 0) await killedAdd(s, `${name}-${i}`);
    else
      await killedDel(
        s,
        r.pick(unsure.length > 0 && r.chance(0.4) ? unsure : held.length ? held : unsure),
      );
    if (!r.chance(0.3)) continue;
    const id = `${name}-calm-${i}`;
    l.used.add(id);
    const o = await p.add(n, id);
    if (o.ok) l.give(id, o.addresses);
    else {
      expect(o.error.msg).toContain("no IP addresses available in range set");
      for (const gone of mine(l.held).slice(0, 20)) {
        l.loosen(gone);
        await p.gone(n, gone);
      }
    }
  }
}

/** The time of a call that isn't killed, in microseconds. */
async function usual(p: Plugin, n: Network): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    times.push((await p.add(n, "usual")).ms);
    times.push((await p.del(n, "usual")).ms);
  }
  return times.sort((a, b) => a - b)[9]! * 1000;
}

describe.each(berths)("[crash] $name killed at random moments", (binary) => {
  it.each([1, 4])(
    "loses nothing and gives nothing twice, %i at a time",
    async (lanes) => {
      const capacity = rounds(binary, 220, 14);
      const calls = rounds(binary, 800, 24);
      const n = network(folder(), pair(capacity));
      const caller = Caller.start(lanes);
      const p = pluginOf(caller, binary);
      const l = new Ledger();
      const window = (lanes === 1 ? 1.2 : 0.9) * (await usual(p, n));
      const storm = (k: number): Storm => ({ p, n, l, r: new Random(seed, lanes, k), window });
      const every = n.ipam.ranges.flatMap(allOf);
      const all = Array.from({ length: lanes }, (_, k) =>
        lane(storm(k), `lane${k}`, Math.floor(calls / lanes)),
      );
      await Promise.all(all);
      expect(l.killed, "killed calls").toBeGreaterThan(calls / 8);
      expect(await faultsOf(n, binary)).toEqual([]);

      // What CHECK says of an unsure container is what it holds: count with that.
      const sure = [...l.held.values()].flat().map(bare);
      let claims = 0;
      for (const id of l.unsure.keys()) if ((await p.check(n, id)).ok) claims++;
      const filled = await fill(p, n, l, "fill");
      expect(new Set([...sure, ...filled]).size).toBe(sure.length + filled.length);
      expect(sure.length + filled.length + 2 * claims, "held, given and claimed").toBe(
        2 * capacity,
      );

      // The missing ones are those of the unsure containers: an explicit DEL brings all of them.
      const missing = every.filter((a) => !sure.includes(a) && !filled.includes(a));
      for (const id of l.unsure.keys()) await p.gone(n, id);
      expect((await fill(p, n, l, "rest")).sort()).toEqual(missing.sort());

      for (const id of l.used) {
        l.loosen(id);
        await p.gone(n, id);
      }
      expect((await fill(p, n, l, "whole")).sort()).toEqual(every.sort());
      await caller.close();
      expect(await faultsOf(n, binary)).toEqual([]);
    },
    120_000,
  );
});

const native = berths.filter((b) => b.kind === "native");

function copied(n: Network): Network {
  const to = network(folder(), n.ipam.ranges);
  mkdirSync(homeOf(to), { recursive: true });
  for (const f of readdirSync(homeOf(n))) {
    copyFileSync(path.join(homeOf(n), f), path.join(homeOf(to), f));
  }
  return to;
}

/** Plays ADD and DEL until the next commit begins the log anew; a copy from just before it. */
async function beforeCheckpoint(p: Plugin, n: Network): Promise<Network> {
  const log = path.join(homeOf(n), "berth.log");
  for (let i = 0; i < 20_000; i++) {
    const bytes = readFileSync(log);
    const nearEnd = bytes.subarray(bytes.length - 16_384).some((b) => b !== 0);
    const before = nearEnd ? copied(n) : undefined;
    if (i % 2 === 0) await p.given(n, "turn");
    else await p.gone(n, "turn");
    if (!before) continue;
    const head = (b: Buffer) => b.subarray(0, 512);
    if (!head(readFileSync(log)).equals(head(bytes))) return before;
    rmSync(before.ipam.dataDir, { recursive: true });
  }
  throw new Error("the log never began anew");
}

describe.each(native)("[crash] $name killed while the log begins anew", (binary) => {
  it("loses nothing and gives nothing twice", { timeout: 120_000 }, async () => {
    const caller = Caller.start(1);
    const p = pluginOf(caller, binary);
    const n = network(folder(), pair(30));
    const pods = Array.from({ length: 20 }, (_, i) => `pod-${i}`);
    const held = (await Promise.all(pods.map((id) => p.given(n, id)))).flat().map(bare);
    const scene = await beforeCheckpoint(p, n);
    const times: number[] = [];
    for (let i = 0; i < 5; i++) times.push((await p.add(copied(scene), "turn")).ms * 1000);
    const window = 1.2 * times.sort((a, b) => a - b)[2]!;
    const r = new Random(seed, 9);
    const every = n.ipam.ranges.flatMap(allOf).sort();
    for (let turn = 0; turn < 120; turn++) {
      const one = copied(scene);
      const verb = r.chance(0.5) ? "ADD" : "DEL";
      await p.call({ verb, id: "turn", config: one, killUs: r.below(window) });
      if (turn % 8 === 0) expect(await faultsOf(one, binary)).toEqual([]);
      await p.gone(one, "turn");
      const l = new Ledger();
      l.give("pods", held);
      expect([...(await fill(p, one, l, "fill")), ...held].sort()).toEqual(every);
      rmSync(one.ipam.dataDir, { recursive: true });
    }
    await caller.close();
  });
});

// Group commit in one entry: the calls between two flushes are one commit of the log. Each call is
// still all or nothing, one that fails leaves nothing in it, and of an entry that was cut anywhere
// no call has happened.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { IpamError } from "../../src/errors.ts";
import { type Ipam, openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import type { IpamPool } from "../../src/ipam/ipampool.ts";
import { randomFrom } from "../support/world.ts";
import { crashed, refusal, removeSpaces, sound, space, used } from "./ipamspace.ts";

afterAll(removeSpaces);

const RUNS = Number(process.env.BERTH_RUNS ?? 12);
const ENTRY_MAGIC = 0x52544e45;
const LOG_HEADER = 64;

interface Entry {
  at: number;
  bytes: number;
  number: bigint;
  words: number;
}

/** The entries of a directory's log, from its begin to the first gap in their numbers. */
function entriesOf(path: string): Entry[] {
  const log = readFileSync(join(path, "berth.log"));
  const found: Entry[] = [];
  for (let at = LOG_HEADER; log.readUInt32LE(at) === ENTRY_MAGIC; at += found.at(-1)!.bytes) {
    const number = log.readBigUInt64LE(at + 16);
    if (found.length > 0 && number !== found.at(-1)!.number + 1n) break;
    found.push({
      at,
      bytes: log.readUInt32LE(at + 4),
      number,
      words: log.readUInt32LE(at + 24),
    });
  }
  return found;
}

/** Copies the directory with zeros in the log from `from` to `to`. */
function cut(path: string, from: number, to = 1 << 20): string {
  const copy = crashed(path);
  const fd = openSync(join(copy, "berth.log"), "r+");
  writeSync(fd, Buffer.alloc(to - from), 0, to - from, from);
  closeSync(fd);
  return copy;
}

/** Who holds what, and what is reserved, as one text. */
function stateOf(ipam: Ipam): string {
  const held = [...ipam].map((one) => `${one.owner.slice(0, 12)}=${one.addresses.join(",")}`);
  const kept = [...ipam.reservations()].map((one) => `${one.name}:${one.addresses.join(",")}`);
  return [...held.sort(), ...kept.sort()].join(" ");
}

function recovered(path: string, what: string): string {
  using ipam = openIpam(path);
  expect(ipam.check(), what).toEqual([]);
  return stateOf(ipam);
}

/** Calls that succeed and calls that don't, as they come. */
function anyCall(ipam: Ipam, pools: IpamPool[], random: (n: number) => number, long: number) {
  const owner = `o${random(60)}`.padEnd([4, 70, long][random(3)]!, "x");
  const some = pools.slice(0, 1 + random(pools.length));
  const calls = [
    () => ipam.allocate({ owner, pools: some, name: `n/${random(20)}` }),
    () => ipam.allocate({ owner, pools: some }),
    () => ipam.allocate({ owner, pools: some, addresses: ["10.200.0.1"] }),
    () => ipam.release(owner),
    () => ipam.release(owner, { reserveFor: 1000, name: `n/${random(20)}` }),
    () => ipam.reserve(`r/${random(20)}`, { pools: some, ttl: 1000 }),
    () => ipam.unreserve(`r/${random(20)}`),
  ];
  try {
    calls[random(calls.length)]!();
  } catch (error) {
    if (!(error instanceof IpamError)) throw error;
    expect(["duplicate", "outside", "notAllocated", "notFound", "exhausted"]).toContain(error.code);
  }
}

describe("[crash] calls that share an entry of the log", () => {
  it("are one commit, and a word that all of them change is in it once", async () => {
    const path = space();
    using ipam = openIpam(path);
    const pool = ipam.pool("10.0.0.0/16");
    await ipam.flush();
    const before = entriesOf(path).length;
    const { commits } = ipam.stats();
    for (let n = 0; n < 64; n++) ipam.allocate({ owner: `owner-${n}`, pools: [pool] });
    expect(ipam.stats().commits).toBe(commits + 1n);
    await ipam.flush();
    const made = entriesOf(path).slice(before);
    expect(made.length).toBe(1);
    expect(ipam.stats().commits).toBe(commits + 1n);
    // A cell has 16 words; counters, trees and indexes share the rest.
    expect(made[0]!.words).toBeLessThan(64 * 21);
    const log = readFileSync(join(path, "berth.log"));
    const offsets = Array.from({ length: made[0]!.words }, (_, n) =>
      log.readUInt32LE(made[0]!.at + 40 + 12 * n),
    );
    expect(new Set(offsets).size).toBe(offsets.length);
    expect(ipam.stats().logBytes).toBe(made[0]!.at + made[0]!.bytes);
  });

  it("have all happened or none, wherever the entry is cut, with failed calls among them", async () => {
    for (let seed = 1; seed <= Math.ceil(RUNS / 4); seed++) {
      const random = randomFrom(seed);
      const path = space();
      using ipam = openIpam(path);
      const pools = [ipam.pool("10.0.0.0/28"), ipam.pool("fd00::/64")];
      for (let n = 0; n < 20; n++) anyCall(ipam, pools, random, 200);
      await ipam.flush();
      const before = stateOf(ipam);
      const count = entriesOf(path).length;
      for (let n = 0; n < 80; n++) anyCall(ipam, pools, random, 200);
      const duplicate = () => {
        ipam.allocate({ owner: "twice", pools: pools.slice(1) });
        ipam.allocate({ owner: "twice", pools });
      };
      expect(refusal(duplicate).code).toBe("duplicate");
      const after = stateOf(ipam);
      await ipam.flush();
      const entries = entriesOf(path);
      const { at, bytes } = entries.at(-1)!;
      expect(entries.length, `seed ${seed}`).toBe(count + 1);
      expect(recovered(crashed(path), `seed ${seed}, whole`)).toBe(after);
      const log = readFileSync(join(path, "berth.log"));
      // Zeros may be what stood there: then nothing is cut.
      const expectState = (copy: string, what: string) => {
        const isWhole = readFileSync(join(copy, "berth.log")).equals(log);
        expect(recovered(copy, what), what).toBe(isWhole ? after : before);
      };
      const cuts = Array.from({ length: 30 }, () => at + random(bytes / 8) * 8);
      for (const from of [at, at + 8, at + 16, at + 24, at + 32, at + bytes - 12, ...cuts]) {
        const what = `seed ${seed}, cut at ${from - at} of ${bytes}`;
        expectState(cut(path, from), what);
      }
      for (let n = 0; n < 15; n++) {
        const from = at + random(bytes - 64);
        const what = `seed ${seed}, hole at ${from - at} of ${bytes}`;
        expectState(cut(path, from, from + 64), what);
      }
    }
  });

  it("are cut between two calls where an entry is full: each entry leaves a state that was", async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomFrom(seed);
      const path = space();
      using ipam = openIpam(path);
      const pools = Array.from({ length: 32 }, (_, n) =>
        n % 2 ? ipam.pool(`fd00:0:0:${n}::/64`) : ipam.pool(`10.${n}.0.0/16`),
      );
      await ipam.flush();
      const count = entriesOf(path).length;
      const states = new Set([stateOf(ipam)]);
      const more = () => ipam.stats().logBytes < LOG_HEADER + 2 * 65536;
      for (let n = 0; n < 60 || (n < 1000 && more()); n++) {
        anyCall(ipam, pools, random, 4096);
        states.add(stateOf(ipam));
      }
      const last = stateOf(ipam);
      await ipam.flush();
      const made = entriesOf(path).slice(count);
      expect(made.length, `seed ${seed}`).toBeGreaterThan(1);
      for (const { at, bytes } of made) {
        const what = `seed ${seed}, entry at ${at}`;
        expect(bytes, what).toBeLessThanOrEqual(65536);
        expect([...states], what).toContain(recovered(cut(path, at), what));
      }
      expect(recovered(crashed(path), `seed ${seed}`)).toBe(last);
      await sound(path, `seed ${seed}`);
    }
  });

  it("are whole where their words lie all over a large image", async () => {
    const random = randomFrom(5);
    const path = space();
    using ipam = openIpam(path);
    const pool = ipam.pool("10.0.0.0/8");
    for (let n = 0; n < 50_000; n++) ipam.allocate({ owner: `owner-${n}`, pools: [pool] });
    expect(ipam.stats().usedBytes).toBeGreaterThan(6 << 20);
    await ipam.flush();
    for (let n = 0; n < 3000; n++) {
      const owner = `owner-${random(50_000)}`;
      if (ipam.find({ owner })) ipam.release(owner);
      else ipam.allocate({ owner, pools: [pool] });
    }
    await ipam.flush();
    expect(recovered(crashed(path), "large") === stateOf(ipam)).toBe(true);
  });

  it("don't take a call with them that ended half done", async () => {
    const path = space();
    let now = 1000;
    let trap = false;
    const wall = () => {
      if (trap) throw new WebAssembly.RuntimeError("unreachable");
      return 1_800_000_000 + now;
    };
    const ipam = openIpamAround(path, {}, { clock: () => now, wall });
    const pool = ipam.pool("10.0.0.0/24", { cooldown: 500 });
    ipam.allocate({ owner: "gone", pools: [pool] });
    ipam.release("gone");
    // Two syncs are under way: what comes now waits for one of them to end.
    const flushed = ["a", "b", "first"].map((owner) => {
      ipam.allocate({ owner, pools: [pool] });
      return ipam.flush();
    });
    // The wall clock is asked when the call's words are changed, and before they are committed.
    now++;
    trap = true;
    expect(refusal(() => ipam.allocate({ owner: "second", pools: [pool] })).code).toBe("damaged");
    trap = false;
    await Promise.all(flushed);
    const copy = crashed(path);
    ipam.close();
    using again = openIpam(copy);
    expect(again.check()).toEqual([]);
    expect([...again].map((one) => one.owner)).toEqual(["a", "b", "first"]);
    await sound(copy);
  });

  it("don't reach the log at all without a flush, and close writes them", async () => {
    const path = space();
    const ipam = openIpam(path);
    const pool = ipam.pool("10.0.0.0/24");
    await ipam.flush();
    for (let n = 0; n < 10; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    expect(recovered(crashed(path), "unflushed")).toBe("");
    ipam.close();
    expect(recovered(path, "closed").split(" ").length).toBe(10);
  });
});

describe("[crash] what was flushed is in the files at once", () => {
  for (const sync of ["always", "never"] as const)
    for (const reboot of [undefined, "keep", "release"] as const)
      it(`sync ${sync}, reboot ${reboot ?? "as it was"}`, async () => {
        const path = space();
        using ipam = openIpam(path, { sync, reboot });
        ipam.pool("10.0.0.0/24", { name: "pods" });
        for (let n = 0; n < 12; n++) {
          ipam.allocate({ owner: `o${n}`, pools: ["pods"] });
          await ipam.flush();
          expect(used(crashed(path), (left) => [...left].length)).toBe(n + 1);
        }
      });
});

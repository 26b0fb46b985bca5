// An exclusive Ipam and power cuts: every page of every file is as of its last sync or later, each
// for itself. What was flushed is there after the next boot, whatever else survived.
import { fstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Ipam, openIpamAround } from "../../src/ipam/ipam.ts";
import type { IpamPool } from "../../src/ipam/ipampool.ts";
import { randomFrom } from "../support/world.ts";
import { crashed, removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const PAGE = 4096;
const RUNS = Number(process.env.BERTH_RUNS ?? 40);
type Random = (n: number) => number;

const EIO = 5;
const ENOSPC = 28;
const LOG_WIDE = 4 << 20;
const LOG_HEADER = 64;

/** Thrown out of a host function: the power is gone. */
class Cut extends Error {}

/** What of each file (by inode) is on disk for sure, and later versions that may be. */
class Disk {
  readonly #versions = new Map<number, Buffer[]>();
  readonly #random: Random;
  /** Operations until the power goes; the log grows beyond 1 MiB, or checkpoints instead. */
  #left = Number.POSITIVE_INFINITY;
  #narrow = false;
  // Or: until it goes when a checkpoint has begun a new log, at this of its last operations.
  #last = 0;
  isCut = false;

  /** From here on the power may go in the middle of anything. */
  begin(narrow: boolean): void {
    this.#narrow = narrow;
    const spans = narrow ? [300, 30, 60] : [20, 100, 400];
    this.#last = narrow ? this.#random(5) : 0;
    this.#left = this.#random(2) === 0 ? 1 + this.#random(spans[this.#random(3)]!) : this.#left;
  }

  #step(isLogHeader = false): boolean {
    if (this.isCut) return false;
    if (isLogHeader && this.#last > 0) this.#left = this.#last;
    if (--this.#left > 0) return true;
    this.isCut = true;
    throw new Cut("the power is gone");
  }

  constructor(random: Random) {
    this.#random = random;
  }

  /** Hears of every sync, and sometimes of a write, as if the kernel wrote back just then. */
  between = (imports: Record<string, (...values: number[]) => unknown>) => ({
    allocate: (handle: number, length: number) => {
      if (!this.#step()) return -EIO;
      if (this.#narrow && length === LOG_WIDE) return -ENOSPC;
      return imports.allocate!(handle, length) as number;
    },
    sync: (handle: number) => {
      if (!this.#step()) return -EIO;
      const status = imports.sync!(handle);
      this.synced(handle);
      return status as number;
    },
    write: (handle: number, at: number, from: number, length: number) => {
      if (!this.#step(at === 0 && length === LOG_HEADER)) return -EIO;
      const status = imports.write!(handle, at, from, length);
      if (this.#random(40) === 0) this.#of(handle).push(this.#content(handle));
      return status as number;
    },
  });

  #of(handle: number): Buffer[] {
    const { ino } = fstatSync(handle);
    const known = this.#versions.get(ino) ?? [];
    this.#versions.set(ino, known);
    return known;
  }

  #content(handle: number): Buffer {
    return readFileSync(`/proc/self/fd/${handle}`);
  }

  synced(handle: number): void {
    this.#of(handle).splice(0, Number.POSITIVE_INFINITY, this.#content(handle));
  }

  /** A sync that didn't go through the core: of the log, by a flush. */
  syncedFile(path: string): void {
    this.#versions.set(statSync(path).ino, [readFileSync(path)]);
  }

  /** The directory after a cut, elsewhere. */
  cut(path: string): string {
    const left = space();
    mkdirSync(left, { recursive: true });
    for (const name of readdirSync(path)) {
      const now = readFileSync(join(path, name));
      const all = [...(this.#versions.get(statSync(join(path, name)).ino) ?? []), now];
      const length = all[this.#random(all.length)]!.length;
      const odds = [1, 2, 6][this.#random(3)]!;
      const mixed = Buffer.alloc(Math.max(length, all[0]!.length));
      for (let at = 0; at < mixed.length; at += PAGE) {
        const from = this.#random(odds) === 0 ? all[this.#random(all.length)]! : all[0]!;
        if (at < from.length) from.copy(mixed, at, at, Math.min(at + PAGE, mixed.length));
      }
      writeFileSync(join(left, name), mixed);
    }
    return left;
  }
}

function boot(n: number): string {
  return `aaaaaaaa-bbbb-cccc-dddd-${String(n).padStart(12, "0")}`;
}

function stateOf(ipam: Ipam): Map<string, string> {
  return new Map([...ipam].map((one) => [one.owner, one.addresses.join(" ")]));
}

interface Work {
  ipam: Ipam;
  disk: Disk;
  path: string;
  random: Random;
  /** What every owner holds if all has gone well. */
  held: Map<string, string>;
  /** Owners that were touched since the last flush. */
  doubt: Set<string>;
}

async function flush({ ipam, disk, path, doubt }: Work): Promise<void> {
  await ipam.flush();
  disk.syncedFile(join(path, "berth.log"));
  doubt.clear();
}

function step({ ipam, random, held, doubt }: Work, pools: IpamPool[], owner: string): void {
  const name = `n/${owner.slice(0, 8)}`;
  doubt.add(owner);
  if (held.has(owner)) {
    ipam.release(owner, random(4) === 0 ? { reserveFor: 1000, name } : {});
    held.delete(owner);
    return;
  }
  const which = [[0], [1], [0, 1]][random(3)]!.map((i) => pools[i]!);
  ipam.allocate({ owner, pools: which, ...(random(2) === 0 ? { name } : {}) });
  held.set(owner, ipam.find({ owner })!.addresses.join(" "));
}

/** Works until it is enough or the power goes; with `narrow`, checkpoints come often. */
async function work(w: Work, narrow: boolean): Promise<void> {
  const { ipam, disk, random } = w;
  const six = { policy: "random" as const };
  const pools = [ipam.pool("10.0.0.0/16", { cooldown: 2 }), ipam.pool("fd00::/64", six)];
  await flush(w);
  disk.begin(narrow);
  const lengths = narrow ? [64, 3000, 3000] : random(3) === 0 ? [3, 64, 3000] : [3, 64, 64];
  try {
    for (let n = narrow ? 700 : random(1200); n > 0; n--) {
      step(w, pools, `o${random(300)}`.padEnd(lengths[random(3)]!, "x"));
      if (random(25) === 0) await flush(w);
    }
  } catch (error) {
    if (!disk.isCut) throw error;
  }
}

describe("[crash] an exclusive Ipam and a power cut", () => {
  it("what was flushed is there after the next boot, nothing is held twice", async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomFrom(seed);
      let path = space();
      let held = new Map<string, string>();
      let boots = 0;
      for (let life = 0; life < 3; life++) {
        const what = `seed ${seed}, life ${life}`;
        const disk = new Disk(random);
        const ipam = openIpamAround(path, {}, { boot: boot(boots), between: disk.between });
        expect(ipam.check(), what).toEqual([]);
        expect(stateOf(ipam), what).toEqual(held);
        if (life > 0)
          expect(
            ipam.pools().map((p) => p.prefix),
            what,
          ).toEqual(["10.0.0.0/16", "fd00::/64"]);
        const doubt = new Set<string>();
        await work({ ipam, disk, path, random, held, doubt }, seed % 2 === 0);
        // Killed without a power cut, the files are as they are, and the boot is the same.
        const isKilled = random(3) === 0;
        const left = isKilled ? crashed(path) : disk.cut(path);
        if (!isKilled) boots++;
        try {
          ipam.close();
        } catch (error) {
          if (!disk.isCut) throw error;
        }
        const again = openIpamAround(left, {}, { boot: boot(boots) });
        expect(again.check(), what).toEqual([]);
        const found = stateOf(again);
        for (const owner of new Set([...held.keys(), ...found.keys()]))
          if (!doubt.has(owner))
            expect(found.get(owner), `${what}: ${owner}`).toBe(held.get(owner));
        const all = [...found.values()].flatMap((text) => text.split(" "));
        expect(new Set(all).size, what).toBe(all.length);
        again.close();
        await sound(left, what);
        path = left;
        held = found;
      }
    }
  });
});

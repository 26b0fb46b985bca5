// An exclusive Ipam and power cuts: every page of every file is as of its last sync or later, each
// for itself. What was flushed is there after the next boot, whatever else survived.
import { fstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Ipam, openIpamAround } from "../../src/ipam/ipam.ts";
import { randomFrom } from "../support/world.ts";
import { removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const PAGE = 4096;
const RUNS = Number(process.env.BERTH_RUNS ?? 12);
type Random = (n: number) => number;

/** What of each file (by inode) is on disk for sure, and later versions that may be. */
class Disk {
  readonly #versions = new Map<number, Buffer[]>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Hears of every sync, and sometimes of a write, as if the kernel wrote back just then. */
  between = (imports: Record<string, (...values: number[]) => unknown>) => ({
    sync: (handle: number) => {
      const status = imports.sync!(handle);
      this.synced(handle);
      return status as number;
    },
    write: (handle: number, at: number, from: number, length: number) => {
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

/** Some work; the owners that it touched since the last flush are in doubt. */
async function work(
  ipam: Ipam,
  disk: Disk,
  path: string,
  random: Random,
  held: Map<string, string>,
) {
  const pools = [
    ipam.pool("10.0.0.0/16", { cooldown: 2 }),
    ipam.pool("fd00::/64", { policy: "random" }),
  ];
  await ipam.flush();
  disk.syncedFile(join(path, "berth.log"));
  const doubt = new Set<string>();
  const wide = random(3) === 0 ? 3000 : 64;
  for (let n = random(wide === 64 ? 1500 : 900); n > 0; n--) {
    const owner = `o${random(300)}`.padEnd([3, 64, wide][random(3)]!, "x");
    doubt.add(owner);
    if (held.has(owner)) {
      if (random(4) === 0)
        ipam.release(owner, { reserveFor: 1000, name: `n/${owner.slice(0, 8)}` });
      else ipam.release(owner);
      held.delete(owner);
    } else {
      const which = [[0], [1], [0, 1]][random(3)]!.map((i) => pools[i]!);
      const name = random(2) === 0 ? { name: `n/${owner.slice(0, 8)}` } : {};
      ipam.allocate({ owner, pools: which, ...name });
      held.set(owner, ipam.find({ owner })!.addresses.join(" "));
    }
    if (random(25) > 0) continue;
    await ipam.flush();
    disk.syncedFile(join(path, "berth.log"));
    doubt.clear();
  }
  return doubt;
}

describe("[crash] an exclusive Ipam and a power cut", () => {
  it("what was flushed is there after the next boot, nothing is held twice", async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomFrom(seed);
      let path = space();
      let held = new Map<string, string>();
      for (let life = 0; life < 3; life++) {
        const what = `seed ${seed}, life ${life}`;
        const disk = new Disk(random);
        const ipam = openIpamAround(path, {}, { boot: boot(life), between: disk.between });
        expect(ipam.check(), what).toEqual([]);
        expect(stateOf(ipam), what).toEqual(held);
        if (life > 0)
          expect(
            ipam.pools().map((p) => p.prefix),
            what,
          ).toEqual(["10.0.0.0/16", "fd00::/64"]);
        const doubt = await work(ipam, disk, path, random, held);
        const left = disk.cut(path);
        ipam.close();
        const again = openIpamAround(left, {}, { boot: boot(life + 1) });
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

// A handle that takes the lock for each call: it reads the whole state again only where what it has
// in memory may differ from the files, and whoever has changed or replaced them, it never answers
// from, or writes into, another history than theirs.
import { copyFileSync, readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Around } from "../../src/ipam/core.ts";
import { type Ipam, openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { codes, crashed, removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const PER_CALL = { lock: "per-call", sync: "never" } as const;
const POOL = "10.0.0.0/16";
const EIO = 5;

/** A handle whose readings of the whole state are counted, and whose writes may fail. */
class Watched {
  /** Which writes fail from here on. */
  fails: (at: number, length: number) => boolean = () => false;
  readonly ipam: Ipam;
  #views = 0;

  constructor(path: string, around: Around = {}) {
    const between: Around["between"] = (imports) => ({
      view: (...values: number[]) => {
        this.#views++;
        return imports.view!(...values);
      },
      write: (handle: number, at: number, from: number, length: number) =>
        this.fails(at, length) ? -EIO : imports.write!(handle, at, from, length),
    });
    this.ipam = openIpamAround(path, PER_CALL, { ...around, between });
  }

  /** How often the whole state was read while `work` ran. */
  views(work: (ipam: Ipam) => unknown): number {
    const before = this.#views;
    work(this.ipam);
    return this.#views - before;
  }
}

/** A closed directory with so many owners `o0`, `o1`, .... */
function made(count: number): string {
  const path = space();
  using ipam = openIpam(path, { sync: "never" });
  ipam.pool(POOL);
  for (let n = 0; n < count; n++) ipam.allocate({ owner: `o${n}`, pools: [POOL] });
  return path;
}

function take(ipam: Ipam, ...owners: string[]): void {
  for (const owner of owners) ipam.allocate({ owner, pools: [POOL] });
}

function owners(ipam: Ipam): string[] {
  return [...ipam].map((one) => one.owner);
}

/** Puts the files of `from` into the place of those of `path`. */
function restore(from: string, path: string): void {
  for (const name of readdirSync(from)) copyFileSync(join(from, name), join(path, name));
}

/** Every handle of the directory, and a new one, see these owners and no fault. */
async function agree(path: string, expected: string[], ...handles: Ipam[]): Promise<void> {
  using fresh = openIpam(path, PER_CALL);
  for (const ipam of [...handles, fresh]) {
    expect(owners(ipam)).toEqual(expected);
    expect(ipam.check()).toEqual([]);
  }
  await sound(path);
}

describe("a handle per call reads the whole state once", () => {
  it("and then what was committed since: by itself, by others, more than a buffer, a longer image", async () => {
    const path = made(9);
    const watched = new Watched(path);
    expect(watched.views((ipam) => expect(ipam.find({ owner: "o5" })).toBeDefined())).toBe(0);
    expect(watched.views((ipam) => take(ipam, "mine"))).toBe(0);
    expect(watched.views((ipam) => expect(ipam.find({ owner: "mine" })).toBeDefined())).toBe(0);
    const before = watched.ipam.stats().bytes;
    const other = openIpam(path, PER_CALL);
    const many = Array.from({ length: 150 }, (_, n) => `many${n}${"x".repeat(1500)}`);
    take(other, ...many);
    const seen = (ipam: Ipam) => expect(ipam.find({ owner: many[149]! })).toBeDefined();
    expect(watched.views(seen)).toBe(0);
    expect(watched.ipam.stats().bytes).toBeGreaterThan(before);
    expect(watched.views((ipam) => take(ipam, "last"))).toBe(0);
    const all = [...Array.from({ length: 9 }, (_, n) => `o${n}`), "mine", ...many, "last"];
    await agree(path, all, watched.ipam, other);
  });

  it("also where the log began anew: by an exclusive opener in between, or because it was full", async () => {
    const path = made(3);
    const watched = new Watched(path);
    expect(watched.views(owners)).toBe(0);
    {
      using exclusive = openIpam(path);
      take(exclusive, "exclusive");
    }
    expect(watched.views((ipam) => expect(owners(ipam)).toHaveLength(4))).toBe(1);
    expect(watched.views((ipam) => expect(owners(ipam)).toHaveLength(4))).toBe(0);
    const { generation } = watched.ipam.stats();
    const long = "x".repeat(4000);
    // A text of 4,000 bytes fills the log, 1 MiB, soon.
    const turns = watched.views((ipam) => {
      for (let n = 0; n < 300; n++) {
        take(ipam, `${long}${n}`);
        ipam.release(`${long}${n}`);
      }
    });
    expect(turns).toBe(0);
    expect(watched.ipam.stats().generation).toBeGreaterThan(generation);
    await agree(path, ["o0", "o1", "o2", "exclusive"], watched.ipam);
  });

  it("and keeps in mind that its directory is synced: nobody after it does that again", () => {
    const path = space();
    const first = openIpam(path, { lock: "per-call" });
    first.pool(POOL);
    take(first, "a");
    let syncs = 0;
    const between: Around["between"] = (imports) => ({
      syncDirectory: () => {
        syncs++;
        return imports.syncDirectory!();
      },
    });
    expect(owners(openIpamAround(path, { lock: "per-call" }, { between }))).toEqual(["a"]);
    expect(syncs).toBe(0);
  });

  it("and not again after a call that was refused", () => {
    const { ipam, views } = bound(new Watched(made(3)));
    ipam.pool("10.9.0.0/32", { name: "tiny", exclude: ["10.9.0.0"] });
    ipam.reserve("kept", { pools: [POOL], addresses: ["10.0.9.9"], ttl: 1000 });
    const refused: [string, () => unknown][] = [
      ["notAllocated", () => ipam.release("nobody")],
      ["duplicate", () => take(ipam, "o1")],
      ["exhausted", () => ipam.allocate({ owner: "x", pools: [POOL, "tiny"] })],
      ["taken", () => ipam.allocate({ owner: "x", pools: [POOL], addresses: ["10.0.0.1"] })],
      ["reserved", () => ipam.allocate({ owner: "x", pools: [POOL], addresses: ["10.0.9.9"] })],
      ["outside", () => ipam.allocate({ owner: "x", pools: [POOL], addresses: ["11.0.0.1"] })],
      ["notFound", () => ipam.allocate({ owner: "x", pools: ["elsewhere"] })],
      ["notFound", () => ipam.unreserve("nothing")],
      ["duplicate", () => ipam.reserve("kept", { pools: [POOL], ttl: 5 })],
      ["overlap", () => ipam.pool("10.0.0.0/24")],
      ["invalid", () => ipam.release("o1", { reserveFor: 5 })],
      ["invalid", () => take(ipam, "")],
    ];
    for (const [code, call] of refused) {
      expect(
        views(() => expect(codes(call)[0]).toBe(code)),
        code,
      ).toBe(0);
      expect(
        views(() => expect(owners(ipam)).toEqual(["o0", "o1", "o2"])),
        code,
      ).toBe(0);
    }
    expect(ipam.check()).toEqual([]);
  });
});

/** The handle and its count, apart. */
function bound(watched: Watched) {
  const { ipam } = watched;
  return { ipam, views: (work: () => unknown) => watched.views(work) };
}

describe("a handle per call under which the files were replaced by a backup", () => {
  it("sees what others have made of it, though they have come to the same number", async () => {
    const path = made(0);
    const first = openIpam(path, PER_CALL);
    take(first, "base");
    const backup = crashed(path);
    take(first, "a0", "a1", "a2");
    restore(backup, path);
    const second = openIpam(path, PER_CALL);
    take(second, "b0", "b1", "b2");
    expect(owners(first)).toEqual(["base", "b0", "b1", "b2"]);
    take(first, "late");
    await agree(path, ["base", "b0", "b1", "b2", "late"], first, second);
  });

  it("though the last commit of both ways says the same", async () => {
    const clock = () => 1000;
    const path = made(1);
    const first = openIpamAround(path, PER_CALL, { clock });
    take(first, "base");
    const backup = crashed(path);
    // A new pool changes no word of what tells owners.
    const goOn = (ipam: Ipam, owner: string) => {
      take(ipam, owner);
      ipam.pool("10.1.0.0/24");
    };
    goOn(first, "a");
    restore(backup, path);
    const second = openIpamAround(path, PER_CALL, { clock });
    goOn(second, "b");
    expect(owners(first)).toEqual(["o0", "base", "b"]);
    take(first, "late");
    await agree(path, ["o0", "base", "b", "late"], first, second);
  });

  it("though both ways have ended with a checkpoint of the same generation", async () => {
    const path = made(1);
    const backup = crashed(path);
    const exclusively = (owner: string) => {
      using ipam = openIpam(path);
      take(ipam, owner);
    };
    exclusively("a");
    const first = openIpam(path, PER_CALL);
    expect(owners(first)).toEqual(["o0", "a"]);
    const { commits, generation } = first.stats();
    restore(backup, path);
    exclusively("b");
    expect(owners(first)).toEqual(["o0", "b"]);
    expect(first.stats()).toMatchObject({ commits, generation });
    take(first, "late");
    await agree(path, ["o0", "b", "late"], first);
  });

  it("and goes on where the backup is what it has in memory, or older, or of another network", async () => {
    const path = made(1);
    const other = made(2);
    const watched = new Watched(path);
    const old = crashed(path);
    take(watched.ipam, "a");
    const now = crashed(path);
    restore(now, path);
    expect(watched.views((ipam) => expect(owners(ipam)).toEqual(["o0", "a"]))).toBe(0);
    restore(old, path);
    expect(owners(watched.ipam)).toEqual(["o0"]);
    restore(other, path);
    take(watched.ipam, "late");
    await agree(path, ["o0", "o1", "late"], watched.ipam);
  });

  it("refuses what is cut or gone, and goes on when it is there again", async () => {
    const path = made(1);
    const ipam = openIpam(path, PER_CALL);
    take(ipam, "a");
    const whole = crashed(path);
    for (const [name, bytes] of [
      ["berth.state", 100_000],
      ["berth.state", 0],
      ["berth.log", 500],
    ] as const) {
      truncateSync(join(path, name), bytes);
      expect(codes(() => owners(ipam))[0]).toBe("damaged");
      restore(whole, path);
      expect(owners(ipam)).toEqual(["o0", "a"]);
    }
    truncateSync(join(path, "berth.state"), 1 << 21);
    take(ipam, "longer");
    await agree(path, ["o0", "a", "longer"], ipam);
  });

  it("sees what another handle rebuilt at a new boot", async () => {
    const boots = ["11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"];
    const path = space();
    const [first, second] = boots.map((boot) => openIpamAround(path, PER_CALL, { boot })) as [
      Ipam,
      Ipam,
    ];
    first.pool(POOL);
    for (const [n, ipam] of [first, second, first, first, second].entries()) {
      take(ipam, `o${n}`);
      expect(ipam.check()).toEqual([]);
    }
    await agree(path, ["o0", "o1", "o2", "o3", "o4"], first, second);
  });
});

describe("a handle per call whose commit failed half-way", () => {
  it("reads the whole state where the commit is in the log alone, and doesn't lose it", async () => {
    const path = made(2);
    const watched = new Watched(path);
    // The log is short yet: these are pages of the image.
    watched.fails = (at) => at >= 4096;
    take(watched.ipam, "half");
    watched.fails = () => false;
    expect(watched.views((ipam) => expect(owners(ipam)).toEqual(["o0", "o1", "half"]))).toBe(1);
    take(watched.ipam, "late");
    await agree(path, ["o0", "o1", "half", "late"], watched.ipam);
  });

  it("reads the whole state after an error of the disk, and what was refused doesn't come back", async () => {
    const path = made(2);
    const watched = new Watched(path);
    const other = openIpam(path, PER_CALL);
    take(watched.ipam, "good");
    // The second entry of the log, between APPLIED and the image's second page.
    watched.fails = (at, length) => at > 128 && at < 4096 && length > 8;
    expect(codes(() => take(watched.ipam, "bad"))[0]).toBe("io");
    watched.fails = () => false;
    expect(watched.views((ipam) => expect(owners(ipam)).toEqual(["o0", "o1", "good"]))).toBe(1);
    take(other, "other");
    take(watched.ipam, "late");
    await agree(path, ["o0", "o1", "good", "other", "late"], watched.ipam, other);
  });
});

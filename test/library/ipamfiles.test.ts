// The files of an Ipam: who is kept out, what a crash, a failed write, another boot and a damaged or
// foreign state leave.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { readIpam, readIpamAround } from "../../src/ipam/reader.ts";
import { randomFrom } from "../support/world.ts";
import { codes, crashed, refusal, removeSpaces, sound, space, used } from "./ipamspace.ts";

afterAll(removeSpaces);

const BOOT = "11111111-2222-3333-4444-555555555555";
const NEXT_BOOT = "99999999-2222-3333-4444-555555555555";

describe("a directory", () => {
  it("that is open exclusively refuses a second opener and says who holds it", () => {
    const path = space();
    const first = openIpam(path);
    const error = refusal(() => openIpam(path));
    expect(error.code).toBe("locked");
    expect(error.message).toContain(`held by pid ${process.pid} (`);
    expect(error.message).toContain('"per-call"');
    expect(refusal(() => openIpam(path, { lock: "per-call", lockTimeout: 30 })).code).toBe(
      "locked",
    );
    expect(refusal(() => openIpam(path, { lockTimeout: 3_600_001 })).message).toBe(
      "lockTimeout 3600001 is not a number of milliseconds from 0 to 3600000",
    );
    first.close();
    openIpam(path).close();
    expect(readFileSync(join(path, "berth.lock"), "utf8")).toBe("");
  });

  it("stays the same wherever the process goes, if its path is relative", () => {
    const path = space();
    const home = process.cwd();
    mkdirSync(join(path, "elsewhere"), { recursive: true });
    process.chdir(path);
    try {
      for (const lock of ["per-call", "exclusive"] as const) {
        const ipam = openIpam(lock, { lock });
        process.chdir("elsewhere");
        ipam.pool("10.0.0.0/24");
        expect(ipam.allocate({ owner: "a", pools: ["10.0.0.0/24"] }).addresses).toHaveLength(1);
        expect(ipam.path).toBe(lock);
        ipam.close();
        process.chdir(path);
        used(join(path, lock), (again) => expect([...again]).toHaveLength(1));
      }
      expect(readdirSync("elsewhere")).toEqual([]);
      process.chdir("elsewhere");
      rmdirSync(join(path, "elsewhere"));
      for (const lock of ["per-call", "exclusive"] as const)
        expect(refusal(() => openIpam("state", { lock })).code).toBe("io");
    } finally {
      process.chdir(home);
    }
  });

  it("names its holder however long that one's program is called", () => {
    const path = space();
    const program = process.argv[1]!;
    process.argv[1] = "x".repeat(600);
    const ipam = openIpam(path);
    process.argv[1] = program;
    expect(refusal(() => openIpam(path)).message).toContain(`held by pid ${process.pid} (`);
    ipam.close();
  });

  it("opened again after a crash has what was flushed, though no checkpoint came", async () => {
    const path = space();
    const ipam = openIpam(path);
    ipam.pool("10.0.0.0/16", { name: "p" });
    for (let n = 0; n < 100; n++) ipam.allocate({ owner: `o${n}`, pools: ["p"] });
    await ipam.flush();
    for (let n = 100; n < 200; n++) ipam.allocate({ owner: `o${n}`, pools: ["p"] });
    const left = crashed(path);
    ipam.close();
    await sound(left);
    expect(used(left, (again) => again.stats().allocations)).toBe(100);
    expect(used(path, (again) => again.stats().allocations)).toBe(200);
  });

  it("[crash] truncated, zeroed or scribbled over is damaged: nothing is given, nothing deleted", async () => {
    const path = space();
    const ipam = openIpam(path, { sync: "never" });
    const pool = ipam.pool("10.0.0.0/16");
    for (let n = 0; n < 50; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    await ipam.flush();
    const whole = crashed(path);
    ipam.close();
    const attacks: [string, (dir: string) => void][] = [
      ["state cut", (dir) => truncateSync(join(dir, "berth.state"), 2000)],
      ["state half", (dir) => truncateSync(join(dir, "berth.state"), 100_000)],
      ["state empty", (dir) => truncateSync(join(dir, "berth.state"), 0)],
      ["state zeroed", (dir) => writeFileSync(join(dir, "berth.state"), Buffer.alloc(262144))],
      ["log cut", (dir) => truncateSync(join(dir, "berth.log"), 5000)],
      ["log zeroed", (dir) => writeFileSync(join(dir, "berth.log"), Buffer.alloc(1 << 20))],
      ["log foreign", (dir) => scribble(join(dir, "berth.log"), 20)],
      ["header", (dir) => scribble(join(dir, "berth.state"), 30)],
      ["applied", (dir) => scribble(join(dir, "berth.state"), 100)],
    ];
    for (const [what, attack] of attacks) {
      const dir = crashed(whole);
      attack(dir);
      const names = readdirSync(dir).sort();
      const before = readFileSync(join(dir, "berth.state"));
      for (const lock of ["exclusive", "per-call"] as const)
        expect(refusal(() => openIpam(dir, { lock })).code, what).toBe("damaged");
      expect(readdirSync(dir).sort(), what).toEqual(names);
      expect(readFileSync(join(dir, "berth.state")).equals(before), what).toBe(true);
    }
  });

  it("[crash] with random bytes anywhere never gives an address twice: damaged, or as it was", async () => {
    const path = space();
    const ipam = openIpam(path, { sync: "never" });
    const pool = ipam.pool("10.0.0.0/24", { cooldown: 1000 });
    const held = new Set<string>();
    for (let n = 0; n < 60; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    for (let n = 0; n < 20; n++) ipam.release(`o${n}`);
    ipam.close();
    for (const { addresses } of used(path, (all) => [...all])) held.add(addresses[0]!);
    let refused = 0;
    for (let seed = 0; seed < 60; seed++) {
      const dir = crashed(path);
      const random = randomFrom(seed);
      for (let n = 0; n < 6; n++) scribble(join(dir, "berth.state"), random(40_000), random(256));
      try {
        using again = openIpam(dir, { sync: "never" });
        for (let n = 0; n < 20; n++) {
          const [address] = again.allocate({ owner: `new${n}`, pools: ["10.0.0.0/24"] }).addresses;
          expect(held.has(address!), `seed ${seed}`).toBe(false);
        }
      } catch (error) {
        expect((error as { code?: string }).code, `seed ${seed}: ${error}`).toMatch(
          /damaged|newer|notFound/,
        );
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });

  it("without berth.state but with a log that was written to is damaged", async () => {
    const path = space();
    used(path, (ipam) => ipam.pool("10.0.0.0/24"));
    const dir = crashed(path);
    writeFileSync(join(dir, "berth.state"), "");
    expect(refusal(() => openIpam(dir)).code).toBe("damaged");
    expect(refusal(() => readIpam(dir)).code).toBe("damaged");
    expect(refusal(() => readIpam(space())).code).toBe("notFound");
    const empty = space();
    mkdirSync(empty);
    expect(refusal(() => readIpam(empty)).code).toBe("notFound");
  });
});

describe("a write that fails", () => {
  const EIO = 5;
  const LOG_FIRST = 64;

  it("rejects flush with io; nothing more is given, and what failed doesn't come true later", async () => {
    const path = space();
    let fails = false;
    const between = (imports: Record<string, (...values: number[]) => unknown>) => ({
      // What fails may have reached the file all the same.
      write: (handle: number, at: number, from: number, length: number) => {
        const status = imports.write!(handle, at, from, length) as number;
        return fails && length > 8 && at >= LOG_FIRST ? -EIO : status;
      },
    });
    const ipam = openIpamAround(path, {}, { between });
    const pool = ipam.pool("10.0.0.0/24");
    ipam.allocate({ owner: "good", pools: [pool] });
    await ipam.flush();
    fails = true;
    ipam.allocate({ owner: "bad", pools: [pool] });
    const both = [ipam.flush(), ipam.flush()];
    for (const one of both) await expect(one).rejects.toMatchObject({ code: "io" });
    expect(codes(() => ipam.allocate({ owner: "more", pools: [pool] }))[0]).toBe("io");
    await expect(ipam.flush()).rejects.toMatchObject({ code: "io" });
    fails = false;
    ipam.close();
    expect(used(path, (again) => [...again].map((one) => one.owner))).toEqual(["good"]);
  });

  it("of many callers at once, all share a flush and each is on disk when it resolves", async () => {
    const path = space();
    let writes = 0;
    const between = (imports: Record<string, (...values: number[]) => unknown>) => ({
      write: (handle: number, at: number, from: number, length: number) => {
        writes++;
        return imports.write!(handle, at, from, length) as number;
      },
    });
    const ipam = openIpamAround(path, {}, { between });
    const pool = ipam.pool("10.0.0.0/16");
    await ipam.flush();
    writes = 0;
    const caller = async (first: number) => {
      for (let n = first; n < 320; n += 32) {
        ipam.allocate({ owner: `o${n}`, pools: [pool] });
        await ipam.flush();
        if (n % 31 > 0) continue;
        const copy = readIpam(path);
        expect(copy.find({ owner: `o${n}` })?.owner).toBe(`o${n}`);
        copy.close();
      }
    };
    await Promise.all(Array.from({ length: 32 }, (_, n) => caller(n)));
    expect(writes).toBeLessThan(40);
    ipam.close();
  });
});

describe("a copy that is read while a checkpoint comes between", () => {
  it("is read again: it has what was flushed", async () => {
    const path = space();
    openIpam(path).close();
    const writer = openIpam(path);
    const pool = writer.pool("10.0.0.0/24");
    let later = writer;
    writer.allocate({ owner: "flushed", pools: [pool] });
    await writer.flush();
    let reads = 0;
    // A checkpoint, and another entry where the one to be read was.
    const overwrite = () => {
      writer.close();
      later = openIpam(path);
      later.allocate({ owner: "later", pools: ["10.0.0.0/24"] });
      void later.flush();
      later.close();
    };
    const between = (imports: Record<string, (...values: number[]) => unknown>) => ({
      // The image is viewed, the log's header is the first read: then the writer checkpoints.
      read: (handle: number, at: number, into: number, length: number) => {
        if (++reads === 2) overwrite();
        return imports.read!(handle, at, into, length) as number;
      },
    });
    const copy = readIpamAround(path, { between });
    expect(reads).toBeGreaterThan(2);
    expect([...copy].map((one) => one.owner)).toEqual(["flushed", "later"]);
    copy.close();
  });
});

describe("an image that the library has written to", () => {
  it("says so in its header, so that an older release refuses it instead of losing pools", async () => {
    const path = space();
    const bit = () => readFileSync(join(path, "berth.state")).readUInt32LE(12);
    const ipam = openIpam(path);
    expect(bit()).toBe(0);
    ipam.pool("10.0.0.0/24");
    expect(bit()).toBe(1);
    ipam.close();
    await sound(path);
  });
});

describe("another boot", () => {
  it("keeps pools, cursors, owners and reservations; containers lapse unless reboot is keep", () => {
    for (const reboot of ["release", "keep"] as const) {
      let now = 5000;
      const path = space();
      const clock = () => now;
      const ipam = openIpamAround(path, { reboot }, { clock, boot: BOOT });
      const pool = ipam.pool("10.0.0.0/24", { name: "p", gateway: "10.0.0.9", cooldown: 50 });
      for (const kind of ["container", "node", "service", "other"] as const)
        ipam.allocate({ owner: kind, kind, name: `n/${kind}`, pools: [pool] });
      ipam.reserve("res", { pools: [pool], ttl: 30 });
      ipam.reserve("ever", { pools: [pool], ttl: Number.POSITIVE_INFINITY });
      ipam.allocate({ owner: "cools", pools: [pool] });
      ipam.release("cools");
      now += 20;
      // Crash and close: a rebuild reads the log in the one case, pages in the other.
      void ipam.flush();
      ipam.close();
      now = 7;
      const again = openIpamAround(path, {}, { clock, boot: NEXT_BOOT });
      expect(again.check()).toEqual([]);
      const kinds =
        reboot === "keep"
          ? ["container", "node", "service", "other"]
          : ["node", "service", "other"];
      expect([...again].map((one) => one.owner)).toEqual(kinds);
      expect(again.pools()).toMatchObject([
        { prefix: "10.0.0.0/24", name: "p", gateway: "10.0.0.9", cooldown: 50 },
      ]);
      expect([...again.reservations()].map((one) => [one.name, one.until === undefined])).toEqual([
        ["res", false],
        ["ever", true],
      ]);
      expect(again.explain("10.0.0.6").state).toBe("cooling");
      expect(again.allocate({ owner: "new", pools: ["p"] }).addresses).toEqual(["10.0.0.7"]);
      now += 30;
      expect(again.explain("10.0.0.4").state).toBe("free");
      now += 20;
      expect(again.explain("10.0.0.6").state).toBe("free");
      expect(again.check()).toEqual([]);
      again.close();
    }
  });

  it("[crash] after a crash finds everything that was flushed, from the log alone", async () => {
    const path = space();
    const ipam = openIpamAround(path, {}, { boot: BOOT });
    const pool = ipam.pool("fd00::/64", { name: "six" });
    for (let n = 0; n < 3000; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    for (let n = 0; n < 3000; n += 3) ipam.release(`o${n}`);
    await ipam.flush();
    const left = crashed(path);
    ipam.close();
    const again = openIpamAround(left, {}, { boot: NEXT_BOOT });
    expect(again.check()).toEqual([]);
    expect(again.stats().allocations).toBe(2000);
    for (let n = 0; n < 3000; n++)
      expect(again.find({ owner: `o${n}` }) === undefined).toBe(n % 3 === 0);
    again.close();
    await sound(left);
  });
});

function scribble(file: string, at: number, value = 0xa5): void {
  const fd = openSync(file, "r+");
  const old = Buffer.alloc(1);
  writeSync(fd, Buffer.from([value ^ (old[0] ?? 0)]), 0, 1, at);
  closeSync(fd);
}

// Laws of the commit path (assembly/store/log.ts, store.ts, rebuild.ts, notes.ts): the whole
// plugin on files in memory that can be killed, failed and cut from power at every file operation.
import { describe, expect, it } from "vitest";
import { Copy } from "./support/check.ts";
import { call, Disk, type Outcome, type Plan } from "./support/memoryhost.ts";
import { randomFrom } from "./support/world.ts";

const NOTHING = new Uint8Array(0);

interface Options {
  sync?: string;
  reboot?: string;
  cooldown?: number;
}

type Verb = "ADD" | "DEL" | "GC";

function config(options: Options, keep: string[] = []): unknown {
  const ranges = [[{ subnet: "10.1.0.0/16" }], [{ subnet: "2001:db8::/64" }]];
  const attachments = keep.map((containerID) => ({ containerID, ifname: "eth0" }));
  const ipam = { type: "berth", dataDir: "/d", ranges, ...options };
  return { cniVersion: "1.1.0", name: "n", ipam, "cni.dev/valid-attachments": attachments };
}

/** One call; GC keeps the containers that `id` lists. */
function does(disk: Disk, verb: Verb, id: string, options: Options = {}, plan?: Plan): Outcome {
  const env: Record<string, string> = { CNI_COMMAND: verb, CNI_PATH: "/x" };
  const whose = { CNI_CONTAINERID: id, CNI_IFNAME: "eth0", CNI_NETNS: "/x" };
  return call(
    disk,
    verb === "GC" ? env : { ...env, ...whose },
    config(options, id.split(",")),
    plan,
  );
}

/**
 * Containers that hold addresses; every one must hold one of each family, and nothing is at fault.
 */
function holders(disk: Disk, what: string): string[] {
  const state = disk.read("berth.state");
  if (!state) return [];
  const copy = new Copy(state, disk.read("berth.log") ?? NOTHING);
  expect(copy.faults(), what).toEqual([]);
  const held = copy.held();
  const addresses = held.map((one) => one.address);
  expect(new Set(addresses).size, what).toBe(addresses.length);
  const ids = [...new Set(held.map((one) => one.id))].sort();
  expect(held.length, what).toBe(2 * ids.length);
  return ids;
}

function notes(disk: Disk): string[] {
  return [...disk.names.keys()].filter((name) => name.startsWith("del-"));
}

interface Scene {
  name: string;
  disk: Disk;
  verb: Verb;
  id: string;
  options: Options;
}

function network(count: number, options: Options): Disk {
  const disk = new Disk();
  for (let n = 0; n < count; n++) expect(does(disk, "ADD", `c${n}`, options).status).toBe(0);
  return disk;
}

function generation(disk: Disk): bigint {
  return Buffer.from(disk.read("berth.state")!).readBigUInt64LE(104);
}

/** Networks that take many calls to make, by what they are and their options. */
const prepared = new Map<string, Disk>();
const FAT = 54;

/** Long records fill the first size of the image: soon it must grow. */
function fatNetwork(options: Options): Disk {
  const key = `fat ${JSON.stringify(options)}`;
  if (!prepared.has(key)) {
    const disk = new Disk();
    for (let n = 0; n < FAT; n++)
      expect(does(disk, "ADD", `f${n}`.padEnd(3000, "x"), options).status).toBe(0);
    prepared.set(key, disk);
  }
  return prepared.get(key)!.clone();
}

/** A network whose next ADD of "new" begins a new log. */
function beforeCheckpoint(options: Options): Disk {
  const key = JSON.stringify(options);
  if (!prepared.has(key)) prepared.set(key, fillLog(options));
  return prepared.get(key)!.clone();
}

function fillLog(options: Options): Disk {
  const disk = network(3, options);
  let id = "";
  for (let n = 0; n < 4000; n++) {
    const ahead = disk.clone();
    const log = Buffer.from(disk.read("berth.state")!).readUInt32LE(112);
    if (log > 1_040_000) {
      does(ahead, "ADD", "new", options);
      if (generation(ahead) !== generation(disk)) return disk;
    }
    // Short ids towards the end: small steps, so that it is the ADD of "new" that doesn't fit.
    if (n % 2 === 0) id = `w${n}`.padEnd(log > 1_030_000 ? 0 : 3000, "x");
    expect(does(disk, n % 2 ? "DEL" : "ADD", id, options).status).toBe(0);
  }
  throw new Error("no checkpoint in sight");
}

function scenes(options: Options): Scene[] {
  const cooled = network(4, { ...options, cooldown: 5 });
  does(cooled, "DEL", "c1", { ...options, cooldown: 5 });
  does(cooled, "DEL", "c2", { ...options, cooldown: 5 });
  cooled.now += 60;
  const rebooted = network(3, options);
  rebooted.boot = "99999999-2222-3333-4444-555555555555";
  const noted = network(3, options);
  noted.names.set("del-00000000000000000000000000000000", {
    cache: Buffer.alloc(0),
    disk: Buffer.alloc(0),
  });
  const long = "y".repeat(4000);
  return [
    { name: "first start", disk: new Disk(), verb: "ADD", id: "new", options },
    { name: "ADD", disk: network(3, options), verb: "ADD", id: "new", options },
    { name: "long ADD", disk: network(3, options), verb: "ADD", id: long, options },
    { name: "DEL", disk: network(3, options), verb: "DEL", id: "c1", options },
    {
      name: "DEL, cool-down",
      disk: network(3, options),
      verb: "DEL",
      id: "c1",
      options: { ...options, cooldown: 9 },
    },
    { name: "ADD after cool-downs", disk: cooled, verb: "ADD", id: "new", options },
    { name: "ADD beside a note", disk: noted, verb: "ADD", id: "new", options },
    { name: "GC", disk: network(12, options), verb: "GC", id: "c1,c2", options },
    { name: "checkpoint", disk: beforeCheckpoint(options), verb: "ADD", id: "new", options },
    {
      name: "another boot",
      disk: rebooted,
      verb: "ADD",
      id: "new",
      options: { ...options, reboot: "keep" },
    },
  ];
}

/**
 * Runs the scene once for every file operation that it does, and kills it there, or lets the
 * operation fail with one of `errnos` in turn; `look` gets each disk.
 */
function atEvery(
  scene: Scene,
  errnos: readonly number[],
  look: (disk: Disk, outcome: Outcome, before: string[], after: string[], what: string) => void,
): void {
  const { verb, id, options } = scene;
  const whole = scene.disk.clone();
  const before = holders(whole, scene.name);
  const done = does(whole, verb, id, options);
  expect(done.status, `${scene.name}: ${JSON.stringify(done.json)}`).toBe(0);
  const after = holders(whole, scene.name);
  for (let at = 0; at < done.operations; at++) {
    const disk = scene.disk.clone();
    const errno = errnos[at % errnos.length];
    const plan = errno === undefined ? { at } : { at, errno };
    const outcome = does(disk, verb, id, options, plan);
    look(disk, outcome, before, after, `${scene.name}, operation ${at}, errno ${errno}`);
  }
}

/** Every later call works: an ADD, which applies notes, and some DELs. */
function goesOn(disk: Disk, options: Options, what: string): void {
  const added = does(disk, "ADD", "later", options);
  expect(added.status, `${what}: ${JSON.stringify(added.json)}`).toBe(0);
  const before = holders(disk, what).filter((id) => id !== "later");
  expect(notes(disk), what).toEqual([]);
  for (const id of [...before.slice(0, 2), "later"])
    expect(does(disk, "DEL", id, options).status, what).toBe(0);
  expect(holders(disk, what), what).toEqual(before.slice(2));
}

describe("log", () => {
  for (const sync of ["always", "never"]) {
    it(`[crash] killed at any file operation, it is as before or after (sync ${sync})`, () => {
      for (const scene of scenes({ sync }))
        atEvery(scene, [], (disk, { killed }, before, after, what) => {
          expect(killed, what).toBe(true);
          const held = holders(disk, what);
          // GC commits in parts: anything between is right.
          if (scene.verb === "GC") {
            expect(
              after.every((id) => held.includes(id)),
              what,
            ).toBe(true);
            expect(
              held.every((id) => before.includes(id)),
              what,
            ).toBe(true);
          } else expect([before.join(), after.join()], what).toContain(held.join());
          goesOn(disk, scene.options, what);
        });
    }, 120_000);
  }

  it("a file operation that fails loses nothing; DEL succeeds or leaves a note", () => {
    for (const scene of scenes({ sync: "always" }))
      for (const errnos of [
        [28, 28, 5],
        [5, 5, 28],
      ].slice(0, scene.verb === "DEL" ? 2 : 1))
        atEvery(scene, errnos, (disk, outcome, before, after, what) => {
          const held = holders(disk, what);
          if (outcome.status !== 0) {
            // Without its directory a DEL can't even leave a note.
            if (scene.verb === "DEL") expect(what).toContain("operation 0,");
            expect(outcome.json?.code, what).toBeGreaterThan(0);
            expect(outcome.json?.msg, what).not.toBe("");
          }
          if (scene.verb === "ADD") {
            if (outcome.status === 0) expect(held, what).toEqual(after);
            else expect(held, what).toEqual(before);
          } else if (scene.verb === "DEL" && outcome.status === 0) {
            if (notes(disk).length === 0) expect(held, what).toEqual(after);
            else expect([before.join(), after.join()], what).toContain(held.join());
          } else
            expect(
              after.every((id) => held.includes(id)),
              what,
            ).toBe(true);
          goesOn(disk, scene.options, what);
        });
  }, 120_000);

  it("3 MiB of commits and many checkpoints leave exactly what is held", () => {
    const disk = new Disk();
    const random = randomFrom(3);
    const held = new Set<string>();
    const first = does(disk, "ADD", "first");
    expect(first.status).toBe(0);
    held.add("first");
    for (let n = 0; generation(disk) < 4n; n++) {
      const id = `c${random(60)}`.padEnd(64 + random(3) * 1500, "z");
      const verb = held.has(id) ? "DEL" : "ADD";
      expect(does(disk, verb, id, { cooldown: random(2) * 3 }).status).toBe(0);
      if (verb === "ADD") held.add(id);
      else held.delete(id);
      disk.now += random(3);
      if (n % 50 === 0) expect(holders(disk, `${n}`)).toEqual([...held].sort());
    }
    expect(holders(disk, "end")).toEqual([...held].sort());
  }, 120_000);

  it("[crash] after a power cut it opens; synced and kept, nothing answered is lost", () => {
    for (let seed = 0; seed < 80; seed++) {
      const random = randomFrom(seed);
      const always = seed % 3 > 0;
      const options = { sync: always ? "always" : "never", reboot: always ? "keep" : "release" };
      const make = [beforeCheckpoint, fatNetwork, undefined, fatNetwork][seed % 8];
      const disk = make ? make(options) : network(random(4), options);
      const held = new Set(holders(disk, `seed ${seed}`));
      for (let life = 0; life < 3; life++) {
        const what = `seed ${seed}, life ${life}`;
        let doubt = "";
        for (let n = random(30); n > 0 && doubt === ""; n--) {
          const id = `p${random(9)}`.padEnd([3, 64, 300, 3000][random(4)]!, "q");
          const verb = held.has(id) ? "DEL" : "ADD";
          const plan = random(9) === 0 ? { at: random(25) } : undefined;
          if (random(3) === 0) disk.writeBack(random);
          const outcome = does(disk, verb, id, { ...options, cooldown: random(2) * 5 }, plan);
          if (outcome.killed) doubt = id;
          else {
            expect(outcome.status, `${what}: ${JSON.stringify(outcome.json)}`).toBe(0);
            if (verb === "ADD") held.add(id);
            else held.delete(id);
          }
        }
        disk.cut(random);
        const added = does(disk, "ADD", `after${life}`, options);
        expect(added.status, `${what}: ${JSON.stringify(added.json)}`).toBe(0);
        const found = new Set(holders(disk, what));
        if (!always) held.clear();
        held.add(`after${life}`);
        if (doubt !== "" && always) {
          if (found.has(doubt)) held.add(doubt);
          else held.delete(doubt);
        }
        expect([...found].sort(), what).toEqual([...held].sort());
      }
    }
  }, 120_000);
});

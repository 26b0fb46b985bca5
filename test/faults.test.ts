// Faults that a review found in the commit path, each as the law that it broke: the whole plugin on
// files in memory, failed, killed and cut from power (what every file operation may do is tested in
// log.test.ts; here stand the histories that lead there).
import { describe, expect, it } from "vitest";
import { Copy } from "./support/check.ts";
import { call, Disk, type Outcome, type Plan } from "./support/memoryhost.ts";

type Verb = "ADD" | "DEL" | "GC" | "STATUS" | "CHECK";

const BOTH = [[{ subnet: "10.1.0.0/29" }], [{ subnet: "2001:db8::/64" }]];
const ONE = [[{ subnet: "10.1.0.0/29" }]];
const EIO = 5;
/** Where entries of berth.log and cells of berth.state begin, and how long a cell is. */
const FIRST_ENTRY = 64;
const FIRST_CELL = 4096;
const CELL = 128;
const OTHER_BOOT = "99999999-2222-3333-4444-555555555555";

function network(ranges: unknown, options: object = {}): object {
  return {
    cniVersion: "1.1.0",
    name: "n",
    ipam: { type: "berth", dataDir: "/d", ranges, ...options },
  };
}

/** One call; `pod` is the Kubernetes name of the container. */
function does(
  disk: Disk,
  verb: Verb,
  id: string,
  config: object,
  plan?: Plan,
  pod?: string,
): Outcome {
  const env: Record<string, string> = { CNI_COMMAND: verb, CNI_PATH: "/x" };
  if (pod) env.CNI_ARGS = `IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=${pod}`;
  const whose = { CNI_CONTAINERID: id, CNI_IFNAME: "eth0", CNI_NETNS: "/x" };
  return call(disk, verb === "GC" || verb === "STATUS" ? env : { ...env, ...whose }, config, plan);
}

function must(disk: Disk, verb: Verb, id: string, config: object, what = "", pod?: string): void {
  const outcome = does(disk, verb, id, config, undefined, pod);
  expect(outcome.status, `${what} ${verb} ${id}: ${JSON.stringify(outcome.json)}`).toBe(0);
}

/** Who holds addresses, in order; nothing is at fault and no address is held twice. */
function holders(disk: Disk, what = ""): string[] {
  const copy = new Copy(disk.read("berth.state")!, disk.read("berth.log") ?? new Uint8Array(0));
  expect(copy.faults(), what).toEqual([]);
  const held = copy.held();
  expect(new Set(held.map((one) => one.address)).size, what).toBe(held.length);
  return [...new Set(held.map((one) => one.id))].sort();
}

function held(disk: Disk): string[] {
  return new Copy(disk.read("berth.state")!, disk.read("berth.log")!)
    .held()
    .map(({ address, id }) => `${address} ${id}`);
}

function notes(disk: Disk): string[] {
  return [...disk.names.keys()].filter((name) => /^del-[0-9a-f]{32}$/.test(name));
}

/** A DEL that can't open berth.state (its second file operation): it leaves a note. */
function leaveNote(disk: Disk, id: string, config: object): void {
  const before = notes(disk).length;
  const outcome = does(disk, "DEL", id, config, { at: 1, errno: EIO });
  expect(outcome.status).toBe(0);
  expect(notes(disk).length).toBe(before + 1);
}

/** An ADD once for each of its file operations, which fails with `errno` or is the last of all. */
function* atEvery(
  disk: Disk,
  id: string,
  config: object,
  errno?: number,
): Generator<[Disk, Outcome, string]> {
  const { operations } = does(disk.clone(), "ADD", id, config);
  expect(operations).toBeGreaterThan(5);
  for (let at = 0; at < operations; at++) {
    const copy = disk.clone();
    const plan = errno === undefined ? { at } : { at, errno };
    yield [copy, does(copy, "ADD", id, config, plan), `operation ${at} of ${operations}`];
  }
}

function generation(disk: Disk): bigint {
  return Buffer.from(disk.read("berth.state")!).readBigUInt64LE(104);
}

function add(disk: Disk, name: string, bytes: Buffer = Buffer.alloc(0)): void {
  disk.names.set(name, { cache: Buffer.from(bytes), disk: Buffer.from(bytes) });
}

describe("notes of DELs", () => {
  it("a commit that is only in the log is the call's last: nothing is written over it", () => {
    // Fault A1: the ADD's own commit followed in the place of the note's, at the log's old tail.
    const config = network(BOTH);
    // A /30 has one address that isn't the gateway: the set is full.
    const full = [[{ subnet: "10.3.0.0/30" }]];
    const disk = new Disk();
    must(disk, "ADD", "x", config);
    must(disk, "ADD", "fills", network(full));
    leaveNote(disk, "x", config);
    const halfFull = network([[{ subnet: "10.4.0.0/29" }], ...full]);
    for (const [failed, outcome, what] of atEvery(disk, "new", halfFull, EIO)) {
      expect(outcome.status, what).toBe(1);
      must(failed, "ADD", "a", config, what);
      must(failed, "ADD", "b", config, what);
      expect(holders(failed, what), what).toEqual(["a", "b", "fills"]);
    }
  });

  it("a log that can't be read ends the call: what is committed in it alone isn't written over", () => {
    const config = network(BOTH);
    const disk = new Disk();
    must(disk, "ADD", "x", config);
    for (const [half, first, where] of atEvery(disk, "a", config, EIO))
      for (const [twice, second, again] of atEvery(half, "b", config, EIO)) {
        const what = `${where}, then ${again}`;
        must(twice, "ADD", "c", config, what);
        const all = ["a", "b", "c", "x"].filter(
          (id) => (id !== "a" || first.status === 0) && (id !== "b" || second.status === 0),
        );
        expect(holders(twice, what), what).toEqual(all);
      }
  });

  it("an ADD whose own DEL note can't be removed gives nothing: error 106", () => {
    // Fault A2: the note stayed and freed the new allocation at the next call.
    const config = network(ONE);
    for (const held of [true, false]) {
      const disk = new Disk();
      must(disk, "ADD", "x", config);
      if (!held) must(disk, "DEL", "x", config);
      leaveNote(disk, "x", config);
      const [note] = notes(disk);
      disk.stuck.add(note!);
      const refused = does(disk, "ADD", "x", config);
      expect(refused.status).toBe(1);
      expect(refused.json?.code).toBe(106);
      expect(refused.json?.msg).toMatch(/DEL note.*\/d\/n: operation not permitted/);
      must(disk, "ADD", "y", config);
      expect(holders(disk)).toEqual(["y"]);
      disk.stuck.clear();
      must(disk, "ADD", "x", config);
      must(disk, "ADD", "z", config);
      expect(holders(disk)).toEqual(["x", "y", "z"]);
    }
  });

  it("an ADD that succeeds keeps its address, whatever failed while it looked for notes", () => {
    // Fault A3: a directory that can't be listed hid the owner's own note until the next call.
    const config = network(ONE);
    const disk = new Disk();
    must(disk, "ADD", "x", config);
    must(disk, "DEL", "x", config);
    leaveNote(disk, "x", config);
    let good = 0;
    for (const [failed, outcome, what] of atEvery(disk, "x", config, EIO)) {
      must(failed, "ADD", "y", config, what);
      expect(holders(failed, what), what).toEqual(outcome.status === 0 ? ["x", "y"] : ["y"]);
      if (outcome.status === 0) good++;
    }
    expect(good).toBeGreaterThan(0);
  });

  it("a second ADD frees nothing, whatever file operation fails", () => {
    // Found by the random life: a note that couldn't be looked for counted as one that is there.
    const config = network(ONE);
    const disk = new Disk();
    must(disk, "ADD", "x", config);
    const given = held(disk);
    for (const [failed, outcome, what] of atEvery(disk, "x", config, EIO)) {
      expect(outcome.status, what).toBe(1);
      expect(held(failed), what).toEqual(given);
    }
  });

  it("an ADD finds its own DEL note among any number of foreign names", () => {
    // Fault A4: long names del-... filled the list of names and hid the note.
    const config = network(ONE);
    const disk = new Disk();
    must(disk, "ADD", "x", config);
    must(disk, "DEL", "x", config);
    const foreign = Array.from({ length: 100 }, (_, n) => `del-${n}`.padEnd(199, "q"));
    for (const name of foreign) add(disk, name);
    leaveNote(disk, "x", config);
    must(disk, "ADD", "x", config);
    expect(notes(disk)).toEqual([]);
    for (const name of foreign) disk.names.delete(name);
    must(disk, "ADD", "y", config);
    expect(holders(disk)).toEqual(["x", "y"]);
  });

  it("[crash] a DEL note that an ADD has removed doesn't come back with a power cut", () => {
    // Found here: the removal wasn't synced, and the note freed what a synced ADD had given.
    const config = network(ONE, { sync: "always", reboot: "keep" });
    for (const held of [true, false]) {
      const disk = new Disk();
      must(disk, "ADD", "x", config);
      if (!held) must(disk, "DEL", "x", config);
      leaveNote(disk, "x", config);
      disk.syncNames();
      must(disk, "ADD", "x", config);
      disk.cut(() => 0);
      must(disk, "ADD", "y", config);
      expect(holders(disk)).toEqual(["x", "y"]);
    }
  });
});

describe("rebuild", () => {
  it("[crash] records torn in any of their cells lapse, and every later call works", () => {
    // Fault B2: a text whose cells were of different ages trapped in every opening of a boot.
    const plain = network(BOTH, { reboot: "keep" });
    const cooled = network(BOTH, { reboot: "keep", cooldown: 1000 });
    const disk = new Disk();
    const ages: Buffer[] = [];
    const step = (verb: Verb, id: string, config: object, pod?: string) => {
      must(disk, verb, id, config, "", pod);
      ages.push(Buffer.from(disk.read("berth.state")!));
    };
    const long = (letter: string, bytes: number) => letter.repeat(bytes);
    step("ADD", "a", plain, long("p", 97));
    step("DEL", "a", plain);
    step("ADD", long("b", 200), plain, long("q", 40));
    step("DEL", long("b", 200), plain);
    step("ADD", long("c", 70), plain, long("r", 147));
    step("ADD", "live", plain);
    step("DEL", long("c", 70), cooled);
    const last = ages.pop()!;
    let torn = 0;
    for (const [age, old] of ages.entries())
      for (let at = FIRST_CELL; at < FIRST_CELL + 12 * CELL; at += CELL) {
        if (old.compare(last, at, at + CELL, at, at + CELL) === 0) continue;
        const what = `cell at ${at} as after step ${age}`;
        const cut = disk.clone();
        const bytes = Buffer.from(last);
        old.copy(bytes, at, at, at + CELL);
        add(cut, "berth.state", bytes);
        cut.boot = OTHER_BOOT;
        must(cut, "ADD", "new", plain, what);
        must(cut, "DEL", "nobody", plain, what);
        expect(notes(cut), what).toEqual([]);
        expect(holders(cut, what), what).toContain("new");
        torn++;
      }
    expect(torn).toBeGreaterThan(10);
  });

  it("[crash] killed anywhere, with berth.log missing or older, the next call rebuilds again", () => {
    // Fault B3: killed between the new image and its log, the two never fitted together again.
    const config = network(BOTH, { reboot: "keep", sync: "always", cooldown: 100 });
    const start = new Disk();
    must(start, "ADD", "x", config);
    const older = Buffer.from(start.read("berth.log")!);
    // A commit that can't be synced asks for a checkpoint: a new generation.
    for (const [failed] of atEvery(start.clone(), "y", config, EIO)) {
      must(failed, "STATUS", "", config);
      if (generation(failed) > generation(start)) start.names = failed.names;
    }
    expect(generation(start)).toBe(2n);
    must(start, "ADD", "cools", config);
    must(start, "DEL", "cools", config);
    start.boot = OTHER_BOOT;
    for (const log of ["missing", "older", "there"]) {
      const disk = start.clone();
      if (log === "missing") disk.names.delete("berth.log");
      if (log === "older") add(disk, "berth.log", older);
      for (const [killed, outcome, at] of atEvery(disk, "z", config)) {
        const what = `log ${log}, ${at}`;
        expect(outcome.killed, what).toBe(true);
        must(killed, "ADD", "w", config, what);
        const held = holders(killed, what).filter((id) => id !== "z" && id !== "y");
        expect(held, what).toEqual(["w", "x"]);
      }
    }
  });

  it("[crash] killed before its name is synced, the next call syncs it before it gives", () => {
    // Found by the random life: a power cut took the new image's name and what was synced in it.
    const config = network(ONE, { sync: "always", reboot: "keep" });
    const start = new Disk();
    must(start, "ADD", "x", config);
    const rebooted = start.clone();
    rebooted.boot = OTHER_BOOT;
    for (const disk of [new Disk(), rebooted])
      for (const [killed, , what] of atEvery(disk, "y", config)) {
        must(killed, "ADD", "z", config, what);
        killed.cut(() => 0);
        must(killed, "ADD", "w", config, what);
        expect(holders(killed, what), what).toEqual(expect.arrayContaining(["w", "z"]));
      }
  });

  it("whether containers survive a reboot is what the last ADD's config said", () => {
    // Fault C3: a DEL without ipam, first of its boot, let the containers of a "keep" network lapse.
    const bare = { cniVersion: "1.1.0", name: "n" };
    for (const reboot of ["keep", "release"]) {
      const config = network(ONE, { reboot });
      const disk = new Disk();
      must(disk, "ADD", "x", config);
      disk.boot = OTHER_BOOT;
      must(disk, "DEL", "nobody", bare);
      expect(holders(disk)).toEqual(reboot === "keep" ? ["x"] : []);
      must(disk, "ADD", "y", config);
      expect(holders(disk)).toEqual(reboot === "keep" ? ["x", "y"] : ["y"]);
    }
  });
});

describe("cool-down", () => {
  it("one call collects due records of any length and still does its own work", () => {
    // Fault B1: eight records with ids of 4,096 bytes changed more words than a commit holds.
    const wide = [[{ subnet: "10.1.0.0/16" }], [{ subnet: "2001:db8::/64" }]];
    const config = network(wide, { cooldown: 2 });
    const disk = new Disk();
    const ids = Array.from({ length: 9 }, (_, n) => `${n}`.padEnd(4096, "x"));
    const pod = "p".repeat(500);
    for (const id of ids) must(disk, "ADD", id, config, "", pod);
    for (const id of ids) must(disk, "DEL", id, config);
    disk.now += 10;
    const long = "long".padEnd(4096, "y");
    must(disk, "ADD", long, config, "", pod);
    expect(holders(disk)).toEqual([long]);
    must(disk, "DEL", long, config);
    must(disk, "ADD", "short", config);
    expect(holders(disk)).toEqual(["short"]);
  });

  it("the last addresses yield also where the config has put its range sets in another order", () => {
    // Fault C2: only what cooled under the set's own number was looked at; STATUS said 0 or 50 alike.
    const sets = [[{ subnet: "10.1.0.0/30" }], [{ subnet: "2001:db8::/64" }]];
    const options = { cooldown: 1000, statusWhenFull: "unavailable" };
    const before = network(sets, options);
    const swapped = network([...sets].reverse(), options);
    const disk = new Disk();
    must(disk, "ADD", "x", before);
    expect(does(disk, "STATUS", "", swapped).json?.code).toBe(50);
    must(disk, "DEL", "x", before);
    must(disk, "STATUS", "", before);
    must(disk, "STATUS", "", swapped);
    // Another network's range that isn't in this one's sets yields nothing to it.
    const elsewhere = network([[{ subnet: "10.9.0.0/30", rangeStart: "10.9.0.2" }]], options);
    must(disk, "ADD", "e", elsewhere);
    expect(does(disk, "STATUS", "", elsewhere).json?.code).toBe(50);
    must(disk, "ADD", "y", swapped);
    expect(does(disk, "STATUS", "", swapped).json?.code).toBe(50);
    expect(holders(disk)).toEqual(["e", "y"]);
  });
});

describe("files", () => {
  it("berth.state gone while berth.log has entries is damage to every verb; DEL leaves a note", () => {
    // Fault C1: STATUS and GC took the directory for an empty one, and DEL forgot the container.
    const config = { ...network(ONE), "cni.dev/valid-attachments": [] };
    must(new Disk(), "STATUS", "", config);
    const disk = new Disk();
    must(disk, "ADD", "x", config);
    const state = disk.names.get("berth.state")!;
    expect(Buffer.from(disk.read("berth.log")!).readUInt32LE(FIRST_ENTRY)).not.toBe(0);
    disk.names.delete("berth.state");
    const codes = { STATUS: 50, GC: 102, ADD: 102, CHECK: 102 };
    for (const [verb, code] of Object.entries(codes)) {
      const outcome = does(disk, verb as Verb, "x", config);
      expect([verb, outcome.status, outcome.json?.code]).toEqual([verb, 1, code]);
      expect(outcome.json?.msg).toContain("berth.state is missing");
    }
    expect(notes(disk)).toEqual([]);
    must(disk, "DEL", "x", config);
    expect(notes(disk).length).toBe(1);
    disk.names.set("berth.state", state);
    must(disk, "ADD", "y", config);
    expect(holders(disk)).toEqual(["y"]);
  });
});

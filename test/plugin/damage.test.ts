// Damaged state: whatever lies in berth.state and berth.log, no address of a running pod is given
// again. An ADD is refused with the name of the file, or succeeds where the damage can't matter.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { type Plugin, pluginOf } from "./support/plugin.ts";
import { Random, seed } from "./support/random.ts";
import { type Aftermath, ask, copyOf, drop, makeScene, type Scene } from "./support/scene.ts";
import { homeOf, removeAll } from "./support/space.ts";

const page = 4096;
const layoutVersionAt = 8;

interface Damage {
  what: string;
  /** Harms the files in this folder. */
  harm: (home: string) => void;
  /** Every ADD must be refused, and the file left as it is. */
  fatal?: boolean;
}

const at = (home: string, file: string) => path.join(home, file);

function patched(file: string, what: string, change: (bytes: Buffer) => void): Damage {
  return {
    what: `${file}: ${what}`,
    harm: (home) => {
      const bytes = readFileSync(at(home, file));
      change(bytes);
      writeFileSync(at(home, file), bytes);
    },
  };
}

/** The file cut to lengths around everything that a header may have. */
function cuts(file: string, size: number, r: Random): Damage[] {
  const lengths = new Set([0, 1, 7, 8, 9, 12, 16, 63, 64, 65, 100, 127, 128, 256, 512, 1024]);
  for (const n of [page - 1, page, page + 1, 2 * page, 65535, 65536, size >> 1]) lengths.add(n);
  for (const n of [size - page, size - 128, size - 1]) lengths.add(n);
  for (let i = 0; i < 20; i++) lengths.add(r.below(size));
  return [...lengths]
    .filter((n) => n >= 0 && n < size)
    .map((n) => ({ what: `${file} cut to ${n}`, harm: (home) => truncateSync(at(home, file), n) }));
}

/** One page at a time: zeroed, and random; pages that are all zero can only be made random. */
function pages(file: string, bytes: Buffer, r: Random): Damage[] {
  const out: Damage[] = [];
  for (let from = 0; from < bytes.length; from += page) {
    const to = Math.min(from + page, bytes.length);
    const noise = r.bytes(to - from);
    const empty = bytes.subarray(from, to).every((b) => b === 0);
    if (!empty) out.push(patched(file, `page ${from / page} zeroed`, (b) => b.fill(0, from, to)));
    // What lies in the empty part of a log is the same to it everywhere.
    else if (file === "berth.log" && out.length > 20 && !r.chance(0.2)) continue;
    out.push(patched(file, `page ${from / page} random`, (b) => b.set(noise, from)));
  }
  return out;
}

/** Single bits and words, where something is stored. */
function small(file: string, bytes: Buffer, count: number, r: Random): Damage[] {
  const used: number[] = [];
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) used.push(i);
  return Array.from({ length: count }, () => {
    const offset = used.length === 0 ? 0 : r.pick(used);
    const word = offset & ~3;
    const bit = 1 << r.below(8);
    return r.chance(0.6)
      ? patched(file, `byte ${offset} ^ ${bit}`, (b) => b.writeUInt8(b[offset]! ^ bit, offset))
      : patched(file, `word ${word} zeroed`, (b) => b.fill(0, word, word + 4));
  });
}

/** The file replaced by what isn't one. */
function others(file: string): Damage[] {
  const moved = (home: string) => {
    renameSync(at(home, file), at(home, "elsewhere"));
    return at(home, file);
  };
  const list: Damage[] = [
    { what: `${file} is a directory`, harm: (home) => mkdirSync(moved(home)) },
    { what: `${file} is a symlink`, harm: (home) => symlinkSync("elsewhere", moved(home)) },
    { what: `${file} is a loop`, harm: (home) => symlinkSync(file, moved(home)) },
    { what: `${file} dangles`, harm: (home) => symlinkSync("nowhere", moved(home)) },
  ];
  return list.map((d) => ({ ...d, fatal: true }));
}

describe.each(berths)("$name on damaged state", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let scene: Scene;
  let state: Buffer;
  let log: Buffer;
  const r = new Random(seed, 5);
  const few = <T>(list: T[], node: number) =>
    binary.kind === "node" ? r.shuffle(list).slice(0, node) : list;

  beforeAll(async () => {
    caller = Caller.start(2);
    p = pluginOf(caller, binary);
    // The native host, where it is, sets the scene for both: they share the state.
    const quick = berths.find((b) => b.kind === "native") ?? binary;
    scene = await makeScene(pluginOf(caller, quick));
    state = readFileSync(at(homeOf(scene.net), "berth.state"));
    log = readFileSync(at(homeOf(scene.net), "berth.log"));
  }, 120_000);
  afterAll(async () => {
    await caller.close();
    removeAll();
  });

  async function suffer(d: Damage): Promise<Aftermath> {
    const s = copyOf(scene);
    d.harm(homeOf(s.net));
    const seen = await ask(p, s, /berth\.(state|log)/);
    if (d.fatal && seen.given > 0) seen.broken.push("ADD succeeds");
    drop(s);
    return seen;
  }

  /** Plays every damage, two at a time; the broken laws with what was done. */
  async function sufferAll(list: Damage[]): Promise<string[]> {
    const broken: string[] = [];
    const queue = list[Symbol.iterator]();
    const lane = async (): Promise<void> => {
      for (const d of queue) {
        const seen = await suffer(d).catch((e: Error) => ({ broken: [e.message] }));
        for (const b of seen.broken) broken.push(`${d.what}: ${b}`);
      }
    };
    await Promise.all([lane(), lane()]);
    return broken;
  }

  it("answers as ever when nothing is damaged", async () => {
    const seen = await suffer({ what: "nothing", harm: () => {} });
    expect(seen.broken).toEqual([]);
    expect(seen.given).toBeGreaterThan(0);
  });

  it("gives nothing twice where files are cut short", { timeout: 60_000 }, async () => {
    const list = [...cuts("berth.state", state.length, r), ...cuts("berth.log", log.length, r)];
    expect(await sufferAll(few(list, 5))).toEqual([]);
  });

  it("an empty or zeroed state is damage, not a fresh start", { timeout: 30_000 }, async () => {
    const list: Damage[] = [
      { what: "state empty", harm: (home) => truncateSync(at(home, "berth.state"), 0) },
      patched("berth.state", "zeroed", (b) => b.fill(0)),
      patched("berth.state", "random", (b) => b.set(r.bytes(b.length))),
      { what: "state removed", harm: (home) => rmSync(at(home, "berth.state")) },
      {
        what: "state and log zeroed",
        harm: (home) => {
          writeFileSync(at(home, "berth.state"), Buffer.alloc(state.length));
          writeFileSync(at(home, "berth.log"), Buffer.alloc(log.length));
        },
      },
    ];
    const fatal = list.map((d) => ({ ...d, fatal: true }));
    expect(await sufferAll(few(fatal, 3))).toEqual([]);
  });

  it("gives nothing twice where the log is gone, zeroed or noise", {
    timeout: 30_000,
  }, async () => {
    const list: Damage[] = [
      { what: "log removed", harm: (home) => rmSync(at(home, "berth.log")) },
      patched("berth.log", "zeroed", (b) => b.fill(0)),
      patched("berth.log", "random", (b) => b.set(r.bytes(b.length))),
    ];
    expect(await sufferAll(few(list, 2))).toEqual([]);
  });

  it("gives nothing twice where any page of the state is zeros or noise", {
    timeout: 120_000,
  }, async () => {
    expect(await sufferAll(few(pages("berth.state", state, r), 8))).toEqual([]);
  });

  it("gives nothing twice where any page of the log is zeros or noise", {
    timeout: 120_000,
  }, async () => {
    expect(await sufferAll(few(pages("berth.log", log, r), 5))).toEqual([]);
  });

  it("gives nothing twice where bits or words of either are others", {
    timeout: 120_000,
  }, async () => {
    const header = small("berth.state", state.subarray(0, 256), rounds(binary, 50, 3), r);
    const body = small("berth.state", state, rounds(binary, 160, 3), r);
    const entries = small("berth.log", log, rounds(binary, 40, 2), r);
    expect(await sufferAll([...header, ...body, ...entries])).toEqual([]);
  });

  it("gives nothing twice where directories, symlinks or loops lie in their places", {
    timeout: 30_000,
  }, async () => {
    const list = [...others("berth.state"), ...others("berth.log")];
    expect(await sufferAll(few(list, 4))).toEqual([]);
  });

  it("a link in the state's place is told as one", async () => {
    const s = copyOf(scene);
    const file = at(homeOf(s.net), "berth.state");
    renameSync(file, at(homeOf(s.net), "elsewhere"));
    symlinkSync("elsewhere", file);
    expect((await p.add(s.net, "new")).error.msg).toContain("it is a symbolic link");
    drop(s);
  });

  it("a FIFO doesn't hang it", { timeout: 30_000 }, async () => {
    for (const file of ["berth.state", "berth.log"]) {
      const s = copyOf(scene);
      rmSync(at(homeOf(s.net), file));
      await caller.shell(`mkfifo ${at(homeOf(s.net), file)}`);
      const seen = await ask(p, s, /berth\.(state|log)/);
      expect(seen.broken).toEqual([]);
      expect(seen.given).toBe(0);
      drop(s);
    }
  });

  it("a state from the future is refused and left untouched", { timeout: 30_000 }, async () => {
    for (const raise of [1, 255, 0x7fffffff]) {
      const s = copyOf(scene);
      const file = at(homeOf(s.net), "berth.state");
      const bytes = Buffer.from(state);
      bytes.writeUInt32LE(bytes.readUInt32LE(layoutVersionAt) + raise, layoutVersionAt);
      writeFileSync(file, bytes);
      const seen = await ask(p, s, /berth\.state/);
      expect(seen.broken).toEqual([]);
      expect(seen.given).toBe(0);
      expect(readFileSync(file).equals(bytes), "the file is as it was").toBe(true);
      drop(s);
    }
  });

  it("gives nothing twice where the files are of different moments", {
    timeout: 60_000,
  }, async () => {
    const early = copyOf(scene);
    for (const id of [...scene.pods.keys()].slice(0, 30)) await p.gone(early.net, id);
    const later = copyOf(early);
    const now: Scene = { net: later.net, pods: new Map([...scene.pods].slice(30)) };
    for (let i = 0; i < 30; i++) {
      now.pods.set(
        `late-${i}`,
        (await p.given(now.net, `late-${i}`)).map((a) => a.split("/")[0]!),
      );
    }
    for (const file of ["berth.state", "berth.log"]) {
      const s = copyOf(now);
      copyFileSync(at(homeOf(early.net), file), at(homeOf(s.net), file));
      expect((await ask(p, s, /berth\.(state|log)/)).broken, `older ${file}`).toEqual([]);
      drop(s);
    }
    for (const s of [early, later]) drop(s);
  });

  it("DEL on damaged state is noted and makes nothing worse", { timeout: 30_000 }, async () => {
    const s = copyOf(scene);
    const file = at(homeOf(s.net), "berth.state");
    truncateSync(file, 100);
    for (const id of [...s.pods.keys()].slice(0, 5)) await p.gone(s.net, id);
    writeFileSync(file, state);
    const seen = await ask(p, s, /berth\.(state|log)/);
    const freed = new Set([...s.pods.values()].slice(0, 5).flat());
    const twice = seen.broken.filter((b) => !freed.has(b.split(" ")[0]!));
    expect(twice).toEqual([]);
    expect(existsSync(file)).toBe(true);
    drop(s);
  });

  it("a lock that is gone is made again", async () => {
    const s = copyOf(scene);
    rmSync(at(homeOf(s.net), "berth.lock"));
    const seen = await ask(p, s, /berth\.lock/);
    expect(seen.broken).toEqual([]);
    expect(seen.given).toBeGreaterThan(0);
    drop(s);
  });
});

// What an ADD's config said is kept in the image: written when it changes, else not touched, found
// again after a reboot. The offsets are those that assembly/pool/settings.ts draws.
import * as fs from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";

beforeAll(buildClock, 120_000);

const FIRST = 904;
const HASH = 912;

/** The chain of the settings: offset, commit and words of its cells. */
function kept(w: World) {
  const image = fs.readFileSync(path.join(w.dir, "net/berth.state"));
  const words: bigint[] = [];
  const cells: number[] = [];
  for (let at = image.readUInt32LE(FIRST); at !== 0; at = image.readUInt32LE(at + 16)) {
    expect(image[at + 4]).toBe(0x88);
    expect(image.readUInt32LE(at + 20)).toBe(cells.length);
    for (let i = 0; i < 12; i++) words.push(image.readBigUInt64LE(at + 32 + 8 * i));
    cells.push(at);
  }
  const count = cells.length ? image.readUInt32LE(cells[0]! + 24) : 0;
  return {
    hash: image.readBigUInt64LE(HASH),
    commit: cells.length ? image.readUIntLE(cells[0]! + 8, 6) : 0,
    cells: cells.length,
    words: words.slice(0, count),
  };
}

const four = { subnet: "10.9.0.0/24", rangeStart: "10.9.0.10", exclude: ["10.9.0.64/30"] };
const six = { subnet: "fd00:9::/64", gateway: "fd00:9::fe" };

describe.each(clockHosts)("$name", ({ world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  const net = (ranges: object[][], ipam: object = {}) => ({
    cniVersion: "1.0.0",
    name: "net",
    ipam: { type: "berth", dataDir: w.dir, ranges, ...ipam },
  });
  let ids = 0;
  const add = async (config: object) =>
    expect((await w.cni("ADD", `c${ids++}`, config)).json.code).toBeUndefined();
  const sound = async () => {
    const said = await w.verb(["check", "--data-dir", w.dir]);
    expect([said.text, said.status]).toEqual([expect.stringMatching("sound"), 0]);
  };

  test("an ADD keeps its range sets, policy and cool-down as words", async () => {
    await add(net([[{ ...four, name: "blue" }], [six]], { cooldown: 30, policy: "first" }));
    const a = (n: number) => BigInt(0x0a090000 + n);
    const hi = 0xfd00000900000000n;
    expect(kept(w).words).toEqual([
      1n | (2n << 16n) | (1n << 32n),
      30n,
      0n,
      0n,
      1n,
      4n | (4n << 8n) | (24n << 16n) | (1n << 32n) | (4n << 48n),
      ...[a(10), a(254), a(1), a(64), a(67)],
      0x65756c62n,
      1n,
      6n | (6n << 8n) | (64n << 16n),
      ...[hi, 1n, hi, (1n << 64n) - 1n, hi, 0xfen],
    ]);
    await sound();
  });

  test("they are written once, and again only when the config changes", async () => {
    await add(net([[four]]));
    const first = kept(w);
    await add(net([[four]]));
    expect(kept(w)).toEqual(first);
    await add(net([[four]], { cooldown: 1 }));
    const second = kept(w);
    expect(second.commit).toBeGreaterThan(first.commit);
    expect(second.hash).not.toBe(first.hash);
    await sound();
  });

  test("they grow and shrink with the config, and leave no block behind", async () => {
    for (const count of [1, 200, 30, 1, 90]) {
      const exclude = Array.from(
        { length: count },
        (_, i) => `10.9.${100 + (i >> 6)}.${4 * (i & 63)}/30`,
      );
      await add(net([[{ subnet: "10.9.0.0/16", exclude }]]));
      expect(kept(w).words.length).toBe(5 + 1 + 3 + 2 * count);
      expect(kept(w).cells).toBe(Math.ceil((9 + 2 * count) / 12));
      await sound();
    }
  });

  test("what is larger than 16 KiB isn't kept, and the verbs see that there was something", async () => {
    await add(net([[four]]));
    const exclude = Array.from(
      { length: 1023 },
      (_, i) => `10.9.${100 + (i >> 6)}.${4 * (i & 63)}/30`,
    );
    const many = Array.from({ length: 1024 }, (_, i) => ({
      subnet: `10.10.${i >> 6}.${4 * (i & 63)}/30`,
    }));
    // The second is so large that its words alone would be too many for a commit.
    for (const large of [[{ subnet: "10.9.0.0/16", exclude }], many]) {
      await add(net([large]));
      expect(kept(w)).toMatchObject({ cells: 0 });
      expect(kept(w).hash).not.toBe(0n);
      await sound();
      const { text } = await w.verb(["forecast", "--data-dir", w.dir]);
      expect(text).toContain("has more than 16 KiB of them");
      await add(net([[four]]));
      expect(kept(w).cells).toBe(1);
    }
  });

  test("a refused ADD keeps its config, too: explain says why there is nothing to give", async () => {
    const explain = async () =>
      (await w.verb(["explain", "10.9.0.20", "--json", "--data-dir", w.dir])).json.networks[0]
        .state;
    const all = [{ subnet: "10.9.0.0/24", exclude: ["10.9.0.0/24"] }];
    const refused = async () =>
      expect((await w.cni("ADD", `c${ids++}`, net([all]))).json.code).toBe(999);
    await refused(); // the first ADD of the network
    expect(await explain()).toBe("excluded");
    await add(net([[four]]));
    expect(await explain()).toBe("free");
    await refused();
    expect(await explain()).toBe("excluded");
    await sound();
  });

  test("a pod with a pool of its own, and mode static, leave them as they are", async () => {
    const pool = { "berth.dev/pool": '["10.9.0.128/28"]' };
    const narrow = {
      ...net([[four]]),
      runtimeConfig: { "io.kubernetes.cri.pod-annotations": pool },
    };
    await add(narrow);
    const first = kept(w);
    await add(net([[four]]));
    expect(kept(w)).toEqual(first);
    const ipam = {
      type: "berth",
      dataDir: w.dir,
      mode: "static",
      addresses: [{ address: "10.8.0.5/24" }],
    };
    await add({ cniVersion: "1.0.0", name: "net", ipam });
    expect(kept(w)).toEqual(first);
  });

  test("a reboot carries them over", async () => {
    await add(net([[four], [six]], { cooldown: 5 }));
    const { words, hash } = kept(w);
    w.reboot();
    await w.cni("DEL", "c0", net([[four], [six]], { cooldown: 5 }));
    expect(kept(w)).toMatchObject({ words, hash });
    await sound();
  });
});

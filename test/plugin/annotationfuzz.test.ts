// Annotations are written by tenants: random texts, most of them nearly right, against a reading of
// our own in TypeScript. Never a trap, never an address that wasn't asked for or mustn't be given.
import { describe, expect, it } from "vitest";
import { Copy } from "../support/check.ts";
import { call, Disk, type Outcome } from "../support/memoryhost.ts";
import { format, parse } from "./support/address.ts";
import { Random, seed } from "./support/random.ts";

const KEY = "io.kubernetes.cri.pod-annotations";
const OURS = "berth.dev/addresses";
const CALICO = "cni.projectcalico.org/ipAddrs";

const config = {
  cniVersion: "1.0.0",
  name: "net",
  ipam: {
    ranges: [
      [{ subnet: "10.1.0.0/28", rangeStart: "10.1.0.8", exclude: ["10.1.0.5"], name: "a,b" }],
      [{ subnet: "fd00::/120", rangeStart: "fd00::80", exclude: ["fd00::20/124"], name: "six" }],
    ],
  },
};

/** Why an annotation never takes the address; undefined: it may. */
function never(text: string): string | undefined {
  const { v6, value } = parse(text)!;
  if (!v6) {
    if (value < 0x0a010000n || value > 0x0a01000fn) return "outside";
    const last = value & 15n;
    if (last === 0n || last === 15n) return "end";
    return last === 1n ? "gateway" : last === 5n ? "excluded" : undefined;
  }
  if (value >> 8n !== 0xfd00n << 104n) return "outside";
  const last = value & 255n;
  if (last < 2n) return "end or gateway";
  return last >> 4n === 2n ? "excluded" : undefined;
}

/** What a text asks for: addresses in canonical text, or undefined if it is to be refused. */
function asked(key: string, text: string): string[] | undefined {
  const trimmed = text.replace(/^[ \t-\r]+|[ \t-\r]+$/g, "");
  if (trimmed === "") return [];
  let words: unknown = trimmed.split(",").map((s) => s.replace(/^[ \t-\r]+|[ \t-\r]+$/g, ""));
  if (key === CALICO || trimmed.startsWith("[")) {
    try {
      words = JSON.parse(trimmed);
    } catch {
      return undefined;
    }
  }
  if (!Array.isArray(words) || words.length === 0 || words.length > 32) return undefined;
  const found = new Set<string>();
  for (const one of words) {
    const a = typeof one === "string" ? parse(one) : undefined;
    if (a === undefined) return undefined;
    found.add(format(a));
  }
  const all = [...found];
  for (const v6 of [false, true])
    if (all.filter((a) => a.includes(":") === v6).length > 1) return undefined;
  return all.some((a) => never(a) !== undefined) ? undefined : all;
}

const pieces = ["10.1.0.", "fd00::", "::ffff:10.1.0.", "[", "]", '"', '", "', ",", " ", "\\", "\t"];
pieces.push(
  '["',
  '"]',
  "\\u0031",
  "\ud800",
  "é",
  "null",
  "{",
  "}",
  "%eth0",
  "/24",
  "1e9",
  "-",
  "\0",
);

function address(r: Random): string {
  if (r.chance(0.6)) return `10.1.0.${r.chance(0.8) ? r.between(2, 14) : r.below(17)}`;
  return r.pick([
    `fd00::${r.below(256).toString(16)}`,
    `fd00::${(r.below(200) + 60).toString(16)}`,
  ]);
}

function textOf(r: Random): string {
  const one = address(r);
  const two = r.chance(0.4) ? [one, address(r)] : [one];
  let text = r.pick([two.join(r.pick([",", " , "])), JSON.stringify(two), JSON.stringify(two)]);
  for (let n = r.pick([0, 0, 0, 0, 0, 0, 1, 1, 2, 9]); n > 0; n--) {
    const at = r.below(text.length + 1);
    const gone = r.below(3);
    text = text.slice(0, at) + (r.chance(0.7) ? r.pick(pieces) : "") + text.slice(at + gone);
  }
  return text;
}

const env = (id: string): Record<string, string> => ({
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: id,
  CNI_IFNAME: "eth0",
  CNI_NETNS: "/run/netns/x",
  CNI_PATH: "/opt/cni/bin",
});

function run(disk: Disk, id: string, annotations: object, command = "ADD"): Outcome {
  const all = { ...config, runtimeConfig: { [KEY]: annotations } };
  return call(disk, { ...env(id), CNI_COMMAND: command }, all);
}

const addressesOf = (o: Outcome): string[] =>
  o.json.ips.map((ip: { address: string }) => ip.address.replace(/\/.*/, ""));

function faults(disk: Disk): string[] {
  const copy = new Copy(disk.read("berth.state")!, disk.read("berth.log")!);
  return copy.faults();
}

describe("annotations", () => {
  it("random texts are read as documented, never trap, never give what mustn't be given", () => {
    const r = new Random(seed, 77);
    const disk = new Disk();
    const held = new Map<string, string[]>();
    const seen = { given: 0, refused: 0, taken: 0 };
    for (let i = 0; i < 4000; i++) {
      const text = textOf(r);
      const key = r.pick([OURS, CALICO]);
      const where = `BERTH_SEED=${seed}, ${i}: ${key}: ${JSON.stringify(text)}`;
      const wants = asked(key, text);
      const o = run(disk, `c${i}`, { [key]: text, noise: text });
      const said = `${where}\n${JSON.stringify(o.json)}`;
      expect(o.json.code, said).not.toBe(102);
      if (o.status === 0) {
        const got = addressesOf(o);
        expect(wants, said).toBeDefined();
        for (const w of wants!) expect(got, said).toContain(w);
        const others = [...held.values()].flat();
        for (const a of got) expect(others, said).not.toContain(a);
        for (const a of got) expect(never(a), said).toBeUndefined();
        held.set(`c${i}`, got);
        seen.given++;
      } else if (o.json.code === 110) {
        expect(wants, said).toBeUndefined();
        expect(o.json.msg, said).toMatch(new RegExp(`^annotation ${key}: `));
        seen.refused++;
      } else {
        expect([111, 999], said).toContain(o.json.code);
        const others = [...held.values()].flat();
        if (o.json.code === 111)
          expect(
            wants!.some((w) => others.includes(w)),
            said,
          ).toBe(true);
        else expect(o.json.msg, said).toContain("no IP addresses available");
        seen.taken++;
      }
      for (const id of [...held.keys()].filter(() => held.size > 4 || r.chance(0.2))) {
        expect(run(disk, id, { [key]: text }, "DEL").status).toBe(0);
        held.delete(id);
      }
    }
    // The generator reaches all three ends.
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(60);
    expect(faults(disk)).toEqual([]);
  });

  it("random pools, times and bytes never trap", () => {
    const r = new Random(seed, 78);
    const disk = new Disk();
    const words = ["a,b", "six", "10.1.0.8/30", "fd00::/8", "0.0.0.0/0", "::/0", "24h", "7", "x"];
    for (let i = 0; i < 2000; i++) {
      const text = () =>
        r.chance(0.5) ? r.pick(words) : r.chance(0.5) ? `["${r.pick(words)}"]` : textOf(r);
      const o = run(disk, "c", { "berth.dev/pool": text(), "berth.dev/reserve-for": text() });
      const said = `BERTH_SEED=${seed}, ${i}: ${JSON.stringify(o.json)}`;
      if (o.status !== 0) expect([110], said).toContain(o.json.code);
      else for (const a of addressesOf(o)) expect(never(a), said).toBeUndefined();
      expect(run(disk, "c", {}, "DEL").status).toBe(0);
    }
    expect(faults(disk)).toEqual([]);
  });
});

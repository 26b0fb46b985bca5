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

  it("never takes what is held, reserved or cooling for another name, whatever comes in between", () => {
    const r = new Random(seed, 79);
    const seen = { fixed: 0, taken: 0, busy: 0, back: 0 };
    for (let life = 0; life < 12; life++) playLife(r, seen, life);
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(20);
  });
});

/** What the test knows of an address for sure. */
interface Fate {
  /** held: by `id`; else kept for `name` until `due`, in seconds. */
  id?: string;
  name: string;
  due: number;
}

const FOR = 600;

// One node: a few names that come and go, each as one container at a time or, rarely, as two.
function playLife(
  r: Random,
  seen: Record<"fixed" | "taken" | "busy" | "back", number>,
  n: number,
): void {
  const disk = new Disk();
  const kept = r.chance(0.5) ? { reserve: { for: FOR, pods: "all" } } : { cooldown: FOR };
  const ipam = { ...config.ipam, ...kept };
  const names = ["ns/a", "ns/b", "ns/c", "other/a", "other/b"];
  const fates = new Map<string, Fate>();
  const running = new Map<string, { name: string; got: string[] }>();
  const newestOf = new Map<string, string>();
  const run = (command: string, id: string, name: string, annotations: object): Outcome => {
    const [space, pod] = name.split("/");
    const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=${space};K8S_POD_NAME=${pod}`;
    const all = { ...config, ipam, runtimeConfig: { [KEY]: annotations } };
    return call(disk, { ...env(id), CNI_COMMAND: command, CNI_ARGS: args }, all);
  };
  for (let i = 0; i < 250; i++) {
    const id = `c${i}`;
    const where = `BERTH_SEED=${seed}, life ${n}, step ${i}, ${JSON.stringify(kept)}`;
    const name = r.pick(names);
    const dice = r.below(10);
    if (dice === 0) disk.now += r.pick([1, 100, FOR + 1]);
    else if (dice < 4) {
      const [gone] = running.size > 0 ? [r.pick([...running.keys()])] : [];
      if (gone === undefined) continue;
      const { name: owner, got } = running.get(gone)!;
      expect(run("DEL", gone, owner, {}).status, where).toBe(0);
      running.delete(gone);
      // Of two containers of a name the newer one's addresses are kept; the other's may be free.
      const newest = newestOf.get(owner) === gone;
      const twin = !newest || [...running.values()].some((one) => one.name === owner);
      const older = [...fates.entries()].filter(([, f]) => f.id === undefined && f.name === owner);
      for (const [a] of older) fates.delete(a);
      for (const a of got) {
        if (twin) fates.delete(a);
        else fates.set(a, { name: owner, due: disk.now + FOR });
      }
    } else {
      const wants = r.chance(0.6) ? `10.1.0.${r.pick([2, 3, 4, 8, 9])}` : undefined;
      const pools = ["8/31", "9/32", "10/31", "12/30"].map((end) => `10.1.0.${end}`);
      const pool = wants === undefined && r.chance(0.5) ? r.pick(pools) : undefined;
      const notes = { ...(wants && { [OURS]: wants }), ...(pool && { "berth.dev/pool": pool }) };
      const o = run("ADD", id, name, notes);
      const said = `${where}: ${name} ${JSON.stringify(notes)}: ${JSON.stringify(o.json)}`;
      const fate = wants === undefined ? undefined : fates.get(wants);
      const alive = fate !== undefined && (fate.id !== undefined || fate.due > disk.now);
      if (o.status !== 0) {
        expect([11, 111, 999], said).toContain(o.json.code);
        if (o.json.code === 11)
          expect(fate?.id !== undefined && fate.name === name, said).toBe(true);
        if (o.json.code === 11) seen.busy++;
        if (o.json.code === 111) seen.taken++;
        continue;
      }
      const got = addressesOf(o);
      if (wants !== undefined) {
        expect(got, said).toContain(wants);
        expect(!alive || (fate.id === undefined && fate.name === name), said).toBe(true);
        seen[alive ? "back" : "fixed"]++;
      }
      for (const a of got) {
        const old = fates.get(a);
        expect(old?.id, said).toBeUndefined();
        // What is reserved is for its name only; what cools yields when nothing else is free, but
        // not to a pod that chose a prefix.
        const firm = "reserve" in kept || (pool !== undefined && !a.includes(":"));
        if (old !== undefined && old.due > disk.now && firm) expect(old.name, said).toBe(name);
        fates.set(a, { id, name, due: 0 });
      }
      // The name has its addresses: what else was kept for it may be given up.
      for (const [a, f] of fates) if (f.id === undefined && f.name === name) fates.delete(a);
      running.set(id, { name, got });
      newestOf.set(name, id);
    }
  }
  expect(faults(disk)).toEqual([]);
}

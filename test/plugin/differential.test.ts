// Random scripts played against the real host-local: the same answers, call by call.

import { afterAll, describe, expect, it } from "vitest";
import { hostLocal, needsHostLocal } from "../support/needs.ts";
import { binaries, oracleVersions, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { type Duel, difference, playDuel, shrink } from "./support/duel.ts";
import { type Json, pluginOf } from "./support/plugin.ts";
import { Random, seed } from "./support/random.ts";
import { type Step, scriptOf } from "./support/script.ts";
import { folder, removeAll } from "./support/space.ts";

afterAll(removeAll);

/** Fills what is left with fresh owners, releases everything, and begins anew. */
function ending(script: Step[], version: string, fill: number): Step[] {
  const owners = new Map<string, Step>();
  for (const s of script) if (s.kind === "call") owners.set(`${s.id} ${s.ifname}`, s);
  const fresh = Array.from({ length: fill }, (_, i) => `fresh-${i}`);
  const calls = (verb: "ADD" | "DEL", ids: string[]): Step[] =>
    ids.map((id) => ({ kind: "call", verb, id, ifname: "eth0", version }));
  const gone = [...owners.values()].map((s) => ({ ...s, verb: "DEL", version }) as Step);
  return [
    ...script,
    ...calls("ADD", fresh),
    ...gone,
    ...calls("DEL", fresh),
    ...calls("ADD", ["again-0", "again-1"]),
  ];
}

const real = needsHostLocal();
describe.skipIf(real.missing).each(binaries)(`$name beside host-local${real.why}`, (binary) => {
  const versions = hostLocal === undefined ? [] : oracleVersions().filter((v) => v < "1.1");

  function duel(caller: Caller): Duel {
    const oracle = { name: "host-local", path: hostLocal!, kind: "upstream" as const };
    return { oracle: pluginOf(caller, oracle), ours: pluginOf(caller, binary) };
  }

  it("answers random scripts as host-local does", { timeout: 120_000 }, async () => {
    const caller = Caller.start(4);
    const d = duel(caller);
    const play = async (n: number): Promise<string | undefined> => {
      const r = new Random(seed, n);
      const length = rounds(binary, r.between(15, 45), 14);
      const steps = scriptOf(r, length, versions);
      const script = ending(steps, r.pick(versions), rounds(binary, 14, 3));
      if ((await playDuel(d, script, folder())) === undefined) return undefined;
      const small = await shrink(d, script, folder);
      const why = await playDuel(d, small, folder());
      const told = small.map((s) => JSON.stringify(s)).join("\n");
      return `BERTH_SEED=${seed}, script ${n}: ${why}\n${told}`;
    };
    const count = rounds(binary, 90, 4);
    let next = 0;
    const wrong: string[] = [];
    const lane = async (): Promise<void> => {
      while (next < count && wrong.length === 0) {
        const said = await play(next++);
        if (said !== undefined) wrong.push(said);
      }
    };
    await Promise.all([lane(), lane()]);
    await caller.close();
    expect(wrong.join("\n\n")).toBe("");
  });

  it("takes and refuses every type in every key as host-local does", async () => {
    const caller = Caller.start(2);
    const d = duel(caller);
    const r = new Random(seed, 1_000_000);
    const all = mutations();
    const some = binary.kind === "node" ? r.shuffle(all).slice(0, 30) : all;
    const wrong: string[] = [];
    for (const m of some) {
      const side = (dir: string) => m.config.replaceAll("@DIR@", dir);
      const call = { verb: "ADD" as const, id: "pod" };
      const [a, b] = await Promise.all([
        d.oracle.call({ ...call, config: side(folder()) }),
        d.ours.call({ ...call, config: side(folder()) }),
      ]);
      const differs = a.ok === b.ok && !a.ok ? undefined : difference(a, b);
      if (differs !== undefined) wrong.push(`${m.what}: ${differs}`);
    }
    await caller.close();
    expect(wrong.join("\n\n")).toBe("");
  }, 60_000);
});

const whole = {
  cniVersion: "1.0.0",
  name: "net",
  type: "bridge",
  ipam: {
    type: "x",
    dataDir: "@DIR@",
    ranges: [
      [
        {
          subnet: "10.1.2.0/24",
          rangeStart: "10.1.2.9",
          rangeEnd: "10.1.2.20",
          gateway: "10.1.2.3",
        },
      ],
      [{ subnet: "2001:db8::/64" }],
    ],
    subnet: "10.9.0.0/16",
    rangeStart: "10.9.0.5",
    rangeEnd: "10.9.0.7",
    gateway: "10.9.0.1",
    routes: [{ dst: "0.0.0.0/0", gw: "10.1.2.3" }],
    resolvConf: "",
  },
  args: { cni: { ips: ["10.1.2.12"] } },
  runtimeConfig: { ips: ["2001:db8::77/64"], ipRanges: [[{ subnet: "10.3.0.0/24" }]] },
  prevResult: { ips: [] },
  capabilities: { ips: true },
  dns: { nameservers: ["192.0.2.1"] },
};

/** The configuration with one value, at every place in turn, replaced by every kind of value. */
function mutations(): { what: string; config: string }[] {
  const values: Json[] = [null, true, 7, -1, 1.5, "", "x", "a\u0000b", [], {}];
  values.push([[]], [null], [7], ["x"], { a: 1 });
  const out: { what: string; config: string }[] = [];
  const visit = (at: (string | number)[], value: unknown): void => {
    for (const v of at.length === 0 ? [] : values) {
      const place = at.join(".");
      const text = JSON.stringify(v);
      // 4: null among the requested addresses is a panic of host-local.
      if (/ips(\.\d+)?$/.test(place) && text.includes("null")) continue;
      // Both write into a folder of that name below where they were started, if it is relative.
      if (place === "ipam.dataDir" && (typeof v === "string" || v === null)) continue;
      const copy = structuredClone(whole) as Record<string | number, unknown>;
      let parent = copy;
      for (const key of at.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
      parent[at.at(-1)!] = v;
      out.push({ what: `${place} = ${text}`, config: JSON.stringify(copy) });
    }
    if (typeof value !== "object" || value === null) return;
    for (const [k, v] of Object.entries(value)) visit([...at, Array.isArray(value) ? +k : k], v);
  };
  visit([], whole);
  return out;
}

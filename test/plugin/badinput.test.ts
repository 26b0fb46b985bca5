// What can't be read is refused: one CNI error on stdout, exit 1, nothing given and nothing lost.
// DEL succeeds, or fails with 1, 4, 6, 7 or 100 only (DESIGN.md 3.5).

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { binaries, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { type Call, command, type Outcome, type Plugin, pluginOf } from "./support/plugin.ts";
import { Random, seed } from "./support/random.ts";
import { folder, type Network, network, pair, removeAll } from "./support/space.ts";

afterAll(removeAll);

const inputErrorsOfDel = [1, 4, 6, 7, 100];

/** A configuration with every key, in the order in which it is written. */
function wholeConfig(dataDir: string) {
  return {
    ...network(dataDir, pair(6)),
    args: { cni: { ips: ["10.77.0.12"] } },
    runtimeConfig: { ips: ["2001:db8:77::c/64"], ipRanges: [[{ subnet: "10.3.0.0/24" }]] },
    prevResult: { cniVersion: "1.0.0", ips: [{ address: "10.77.0.12/16" }] },
    capabilities: { ips: true, ipRanges: true },
    "cni.dev/valid-attachments": [{ containerID: "pod", ifname: "eth0" }],
    ipam: {
      type: "berth",
      dataDir,
      ranges: pair(6).map((set) => set.map((r) => ({ ...r, exclude: [r.rangeEnd!] }))),
      subnet: "10.9.0.0/16",
      rangeStart: "10.9.0.5",
      rangeEnd: "10.9.0.7",
      gateway: "10.9.0.1",
      routes: [{ dst: "0.0.0.0/0", gw: "10.9.0.1", mtu: 1400, table: 0 }],
      resolvConf: "",
      policy: "next",
      cooldown: 0,
      sync: "none",
    },
  };
}

describe.each(binaries)("$name and input that can't be read", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let dir: string;
  let n: Network;
  const isBerth = binary.kind !== "upstream";

  beforeEach(() => {
    caller = Caller.start(2);
    p = pluginOf(caller, binary);
    dir = folder();
    n = network(dir, pair(3));
  });
  afterEach(() => caller.close());

  /** All three verbs with one input; what ADD and CHECK must say is up to `judge`. */
  async function tryAll(
    config: Call["config"],
    judge: (verb: string, o: Outcome) => void,
    more: Partial<Call> = {},
  ): Promise<void> {
    for (const verb of ["ADD", "CHECK", "DEL"] as const) {
      const c: Call = { verb, id: "pod", config, ...more };
      const o = await p.call(c);
      const where = `${JSON.stringify(o.error)}\n${command(binary, c)}`;
      if (verb !== "DEL") expect(() => judge(verb, o), where).not.toThrow();
      else if (isBerth) expect(o.ok || inputErrorsOfDel.includes(o.error.code), where).toBe(true);
    }
  }

  const refusedAs = (code: number) => (_: string, o: Outcome) => {
    expect(o.ok).toBe(false);
    expect(o.error.code).toBe(code);
  };
  const refused = (_: string, o: Outcome) => expect(o.ok).toBe(false);
  const anything = () => {};

  it.runIf(isBerth)(
    `names the key in which a wrong value stands${isBerth ? "" : " (skipped: Berth's own)"}`,
    async () => {
      const four = { subnet: "10.3.0.0/24" };
      const wrong: [object, string][] = [
        [{ ...n, runtimeConfig: { ipRanges: [four] } }, "field Net.runtimeConfig.ipRanges of type"],
        [network(dir, [four] as never), "field IPAMConfig.ipam.ranges of type"],
        ...["mtu", "advmss", "priority", "table", "scope", "gw"].map((key): [object, string] => [
          network(dir, [[four]], { routes: [{ dst: "0.0.0.0/0", [key]: 1.5 }] }),
          `field IPAMConfig.ipam.routes.${key} of type`,
        ]),
        ...["10.3.0.1-10.3.0.9", "10.3.0.0/x", "::ffff:a03:0/120"].map((text): [object, string] => [
          network(dir, [[{ ...four, exclude: [text] }]]),
          "invalid range set 0: exclude: ",
        ]),
      ];
      for (const [config, text] of wrong)
        expect((await p.add(config, "pod")).error.msg).toContain(text);
    },
  );

  it("refuses an empty stdin", async () => {
    for (const text of ["", " \n\t", "\ufeff{}", "null", "[]", "7", '"x"', "{}{}", "{} x", "nul"]) {
      await tryAll(text, (_, o) => {
        expect(o.ok).toBe(false);
        expect([6, 7]).toContain(o.error.code);
      });
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it("refuses a configuration cut anywhere", { timeout: 60_000 }, async () => {
    const text = JSON.stringify(wholeConfig(dir));
    const step = rounds(binary, 1, 61);
    for (let at = 0; at < text.length; at += step) {
      await tryAll(text.slice(0, at), refusedAs(6));
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it("refuses two megabytes, at once", async () => {
    const routes = Array.from({ length: 60_000 }, (_, i) => ({ dst: `10.${i & 255}.0.0/16`, i }));
    const big = JSON.stringify({ ...n, ipam: { ...n.ipam, routes } });
    expect(big.length).toBeGreaterThan(2_000_000);
    if (isBerth) await tryAll(big, refused);
    const blank = `${JSON.stringify(n)}${" ".repeat(2_000_000)}`;
    if (isBerth) await tryAll(blank, refused);
    if (isBerth) await tryAll("[".repeat(2_000_000), refused);
    await tryAll(`{"name":"${"x".repeat(2_000_000)}"}`, refused);
    expect((await p.add(n, "other")).ok).toBe(true);
  });

  it("reads or refuses just under a megabyte", async () => {
    const padded = { ...n, padding: "x".repeat(900_000) };
    await tryAll(padded, anything);
    await tryAll({ ...n, [`k${"x".repeat(900_000)}`]: 1 }, anything);
    await tryAll({ ...n, padding: Array(400_000).fill(0) }, anything);
  });

  it("bears deep nesting", async () => {
    for (const depth of [100, 5_000, 100_000]) {
      const lists = "[".repeat(depth) + "]".repeat(depth);
      const objects = `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
      const plain = JSON.stringify(n).slice(0, -1);
      const judge = depth > 10_000 ? refused : anything;
      await tryAll(`${plain},"x":${lists}}`, judge);
      await tryAll(`${plain},"x":${objects}}`, judge);
      await tryAll(`{"name":"net","ipam":${lists}}`, refused);
      await tryAll(lists, refused);
      await tryAll("[".repeat(depth), refusedAs(6));
      await tryAll('{"name":'.repeat(depth), refusedAs(6));
    }
    expect((await p.add(n, "other")).ok).toBe(true);
  });

  it("answers every type in every key", { timeout: 60_000 }, async () => {
    const values = ["null", "true", "7", "-1", "1.5", "1e400", '""', '"x"', '"a\\u0000b"', "[]"];
    values.push("{}", "[[]]", "[null]", "[7]", '["x"]', '{"a":1}', '"\\ud800"', '"1.2.3.4/24"');
    const whole = wholeConfig("@");
    const marked: string[] = [];
    const mark = (parent: Record<string, unknown>, key: string): void => {
      const value = parent[key];
      parent[key] = "@@";
      marked.push(JSON.stringify(whole));
      parent[key] = value;
      if (typeof value !== "object" || value === null) return;
      for (const k of Object.keys(value)) mark(value as Record<string, unknown>, k);
    };
    for (const k of Object.keys(whole)) mark(whole as Record<string, unknown>, k);
    const all = marked.flatMap((text) => values.map((v) => text.replace('"@@"', v)));
    const some = isBerth ? all : all.filter((t) => !/ips"?:\[?null/.test(t));
    const picked = new Random(seed).shuffle(some).slice(0, rounds(binary, some.length, 20));
    for (const text of picked) {
      if (text.includes('"dataDir":""') || text.includes('"dataDir":null')) continue;
      if (/"dataDir":"[^@]/.test(text)) continue;
      await tryAll(text.replaceAll('"@"', JSON.stringify(folder())), anything);
    }
  });

  it("refuses bytes that aren't JSON text", { timeout: 60_000 }, async () => {
    const text = Buffer.from(JSON.stringify(n));
    const r = new Random(seed, 7);
    for (let i = 0; i < rounds(binary, 150, 8); i++) {
      const bad = Buffer.from(text);
      bad[i < 5 ? [0, 1, 9, 40, text.length - 1][i]! : r.below(text.length)] = 0;
      await tryAll(bad, refusedAs(6));
    }
    for (let i = 0; i < rounds(binary, 300, 8); i++) {
      const noise = Buffer.from(text);
      for (let k = r.between(1, 3); k > 0; k--) noise[r.below(text.length)] = r.below(256);
      if (noise.includes(`"${dir}"`)) await tryAll(noise, anything);
    }
    await tryAll(r.bytes(4096), refusedAs(6));
  });

  it("refuses names that lead elsewhere", async () => {
    const bad = [
      "../x",
      "..",
      ".",
      "/etc",
      "a/b",
      "a/../../b",
      "-x",
      "a b",
      "a\u0000b",
      "é",
      "a\n",
    ];
    for (const name of bad) {
      await tryAll({ ...n, name }, refusedAs(7));
    }
    for (const name of ["", null]) await tryAll({ ...n, name }, refusedAs(7));
    for (const name of [7, true, [], {}]) {
      await tryAll({ ...n, name }, (_, o) => {
        expect(o.ok).toBe(false);
        expect([6, 7]).toContain(o.error.code);
      });
    }
    expect(readdirSync(dir)).toEqual([]);
    const tooLong = { ...n, name: "n".repeat(300) };
    expect((await p.add(tooLong, "pod")).ok).toBe(false);
    const del = await p.del(tooLong, "pod");
    if (isBerth && !del.ok) expect(del.error.code, "no note can be written").toBe(11);
  });

  it("refuses container ids and interfaces that lead elsewhere", async () => {
    for (const id of ["../x", "..", "/etc", "a/b", "-x", "a b", "é", "a\n", "a;b"]) {
      await tryAll(n, refusedAs(4), { id });
    }
    for (const ifname of ["../x", "..", ".", "a/b", "a:b", "a b", "a\u00a0b", "x".repeat(16)]) {
      await tryAll(n, refusedAs(4), { ifname });
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it("bears long and odd variables", async () => {
    await tryAll(n, anything, { id: "c".repeat(100_000) });
    await tryAll(n, refused, { args: "A=".repeat(20_000) });
    await tryAll(n, refused, { args: "IP=10.77.0.10;;" });
    await tryAll(n, refused, { args: `IgnoreUnknown=1;IP=${"1".repeat(100_000)}` });
    await tryAll(n, anything, { args: `IgnoreUnknown=1;A=${"x".repeat(100_000)}` });
    await tryAll(n, anything, { env: { CNI_NETNS: `/${"x".repeat(100_000)}` } });
  });

  it("refuses commands that it doesn't know", async () => {
    for (const verb of ["add", "ADD ", "UPDATE", "A".repeat(50_000)]) {
      const o = await p.call({ verb: "ADD", id: "pod", config: n, env: { CNI_COMMAND: verb } });
      expect(o.error.code).toBe(4);
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it("refuses a resolvConf that isn't a file of text", async () => {
    const file = path.join(folder(), "resolv.conf");
    await caller.shell(`mkfifo ${file}.fifo`);
    writeFileSync(`${file}.long`, `nameserver ${"1".repeat(100_000)}`);
    const list = [`${file}.none`, dir, "/dev/zero", "/dev/null", "x\u0000y"];
    if (isBerth) list.push(`${file}.fifo`);
    for (const resolvConf of [...list, `${file}.long`]) {
      const config = { ...n, ipam: { ...n.ipam, resolvConf } };
      const o = await p.add(config, "pod", { timeoutMs: 5000 });
      if (isBerth) expect(o.ok, resolvConf).toBe(false);
      if (isBerth) expect(o.error.code).toBeGreaterThanOrEqual(100);
      expect((await p.del(config, "pod")).ok).toBe(true);
    }
    const o = await p.add(n, "pod");
    if (isBerth) expect(o.addresses).toEqual(["10.77.0.10/16", "2001:db8:77::a/64"]);
  });

  it("keeps what it gave while everything else is refused", async () => {
    const held = await p.given(n, "held");
    await tryAll("{", refused, { id: "held" });
    await tryAll({ ...n, name: "../net" }, refused, { id: "held" });
    await tryAll({ ...n, cniVersion: "9.9.9" }, refusedAs(1), { id: "held" });
    await tryAll({ ...n, cniVersion: 1 }, refused, { id: "held" });
    expect((await p.check(n, "held")).ok).toBe(true);
    const others = [await p.given(n, "b"), await p.given(n, "c")].flat();
    for (const a of held) expect(others).not.toContain(a);
    expect((await p.add(n, "d")).error.msg).toContain("no IP addresses available");
    expect(existsSync(path.join(dir, "net"))).toBe(true);
  });
});

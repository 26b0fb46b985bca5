// berth adopt --from-cache: the runtime's results, and the pods' names that libcni keeps with them.
// What is adopted must be what the ADDs had made of the same words.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { bare } from "../plugin/support/address.ts";
import { berths, rounds } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { faultsOf } from "../plugin/support/faults.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { Random, seed } from "../plugin/support/random.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "../plugin/support/space.ts";
import { berth, type Told, told } from "./support.ts";

afterAll(removeAll);

type Pairs = [string, string][];
const WEB = "shop/web-0";

/** CNI_ARGS of a pod as containerd sends them. */
function argsOf(pod: string): Pairs {
  const [space, name] = pod.split("/");
  const words = { K8S_POD_NAMESPACE: space!, K8S_POD_NAME: name!, K8S_POD_UID: "6b1f" };
  return [["IgnoreUnknown", "1"], ...Object.entries(words)];
}
const joined = (pairs: Pairs) => pairs.map((kv) => kv.join("=")).join(";");

describe.each(berths)("$name: adopt --from-cache", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let cache: string;
  let written: number;

  /** Makes a file a second younger than the one before. */
  function younger(file: string): void {
    written++;
    utimesSync(file, written, written);
  }

  /** Writes a result as libcni does. */
  function keep(id: string, ips: string[], more: object = {}, ifName = "eth0"): string {
    const file = path.join(cache, `net-${id}-${ifName}`);
    const one = {
      kind: "cniCacheV1",
      containerId: id,
      config: Buffer.from("{}").toString("base64"),
      ifName,
      networkName: "net",
      netns: `/var/run/netns/${id}`,
      ...more,
      result: { cniVersion: "1.0.0", ips: ips.map((address) => ({ address })), dns: {} },
    };
    writeFileSync(file, JSON.stringify(one));
    younger(file);
    return file;
  }

  /** ADD of a pod and what the runtime keeps of it; its addresses. */
  async function run(id: string, pod: string, ifname = "eth0"): Promise<string[]> {
    const cniArgs = argsOf(pod);
    const ips = await p.given(n, id, { args: joined(cniArgs), ifname });
    keep(id, ips, { cniArgs }, ifname);
    return ips.map(bare);
  }

  const again = async (id: string, pod: string) =>
    (await p.given(n, id, { args: joined(argsOf(pod)) })).map(bare);
  const lose = () => rmSync(homeOf(n), { recursive: true });
  const words = () => ["--from", cache, "--data-dir", n.ipam.dataDir, "--network", "net"];
  const adopt = (...more: string[]) =>
    told(binary, "adopt", "--from-cache", ...words(), ...more)[0]!;
  const at = () => ["--data-dir", n.ipam.dataDir];

  /** Of each container and interface: the name of its pod. */
  function names(): { [owner: string]: string | undefined } {
    const { addresses } = told(binary, "show", ...at())[0] as { addresses: Told[] };
    const held = addresses.filter((a) => a.state === "held");
    return Object.fromEntries(held.map((a) => [`${a.owner} ${a.interface}`, a.name as string]));
  }

  /** What is there, but for since when: that is told by the wall clock of the moment. */
  function shown(): Told[] {
    const { addresses } = told(binary, "show", ...at())[0] as { addresses: Told[] };
    return addresses.map(({ since, ...rest }) => rest);
  }

  beforeEach(() => {
    caller = Caller.start(4);
    p = pluginOf(caller, binary);
    n = network(folder(), pair(200), { policy: "first", reserve: { for: "1h", pods: "ordinal" } });
    cache = folder();
    written = 1_700_000_000;
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  it("takes a pod's name as well: its DEL reserves, and the pod gets both addresses back", async () => {
    await run("first", "shop/api-7f9c-x2x4z");
    const web = await run("web", WEB);
    truncateSync(path.join(homeOf(n), "berth.state"), 5000);
    expect(adopt()).toMatchObject({ addresses: 4, names: 2, conflicts: 0 });
    const found = berth(binary, "explain", WEB, ...at()).out;
    for (const address of web) expect(found).toContain(`${address}  held by web`);
    const { events } = told(binary, "history", WEB, ...at())[0] as { events: Told[] };
    expect(events.map((e) => `${e.event} ${e.addresses}`).sort()).toEqual(
      web.map((address) => `adopted ${address}`).sort(),
    );
    await p.gone(n, "web");
    await p.gone(n, "first");
    expect(await again("other", "shop/other-0")).not.toEqual(web);
    expect(await again("web-again", WEB)).toEqual(web);
  });

  it("tells the names, in a dry run too, and takes them once", async () => {
    const web = await run("web", WEB);
    const [bare4] = await p.given(n, "none");
    keep("none", [bare4!]);
    lose();
    mkdirSync(n.ipam.dataDir, { recursive: true });
    const results = [
      { owner: "none", interface: "eth0", addresses: [bare(bare4!)] },
      { owner: "web", interface: "eth0", name: WEB, addresses: web },
    ];
    const dry = adopt("--dry-run");
    expect(dry).toMatchObject({ addresses: 3, names: 1, results, dryRun: true });
    const said = berth(binary, "adopt", "--from-cache", ...words(), "--dry-run");
    expect(said.out).toBe(
      `network net: would take over 3 addresses from 2 results in ${cache}\n` +
        `  ${bare(bare4!)}  container none eth0\n` +
        `  ${web.join(" ")}  ${WEB}, container web eth0\n` +
        "1 pod's name with them\n",
    );
    expect(readdirSync(n.ipam.dataDir)).toEqual([]);
    expect(adopt()).toMatchObject({ addresses: 3, names: 1, results });
    expect(adopt()).toMatchObject({ addresses: 0, names: 0, results: [] });
  });

  it("gives a name that two containers have to the younger one; both keep their addresses", async () => {
    const old = await run("old", WEB);
    const young = await run("young", WEB);
    const other = await run("young", WEB, "net1");
    lose();
    expect(adopt()).toMatchObject({ addresses: 6, names: 2 });
    expect(names()).toEqual({ "old eth0": undefined, "young eth0": WEB, "young net1": WEB });
    await p.gone(n, "old");
    await p.gone(n, "young");
    await p.gone(n, "young", { ifname: "net1" });
    expect(await again("next", WEB)).toEqual(young);
    expect(await again("another", "shop/api-0")).toEqual(old);
    const net1 = await p.given(n, "next", { args: joined(argsOf(WEB)), ifname: "net1" });
    expect(net1.map(bare)).toEqual(other);
  });

  it("leaves an address that two results name to the younger one, and tells of the other", async () => {
    keep("stale", ["10.77.0.12/16", "10.77.0.13/16"], { cniArgs: argsOf("shop/db-0") });
    keep("lives", ["10.77.0.12/16"], { cniArgs: argsOf(WEB) });
    keep("a-stale", ["10.77.0.12/16"]);
    utimesSync(path.join(cache, "net-a-stale-eth0"), 1_600_000_000, 1_600_000_000);
    const said = berth(binary, "adopt", "--from-cache", ...words(), "--json");
    expect(said.status).toBe(1);
    expect(JSON.parse(said.out).networks[0]).toMatchObject({ addresses: 2, conflicts: 2 });
    expect(names()).toEqual({ "lives eth0": WEB, "stale eth0": "shop/db-0" });
  });

  it("gives a container that is known its name, and changes nothing else of it", async () => {
    const one = async (id: string, args: Pairs | undefined) =>
      p.given(n, id, args === undefined ? {} : { args: joined(args) });
    keep("bare", await one("bare", undefined), { cniArgs: argsOf(WEB) });
    keep("named", await one("named", argsOf("shop/db-0")), { cniArgs: argsOf("shop/db-1") });
    keep("double", await one("double", undefined), { cniArgs: argsOf("shop/db-0") });
    const before = shown();
    const results = [{ owner: "bare", interface: "eth0", name: WEB, addresses: [] }];
    expect(adopt("--dry-run")).toMatchObject({ addresses: 0, names: 1, results });
    const said = berth(binary, "adopt", "--from-cache", ...words(), "--dry-run");
    expect(said.out).toContain(`  (held already)  ${WEB}, container bare eth0\n`);
    expect(shown()).toEqual(before);
    expect(adopt()).toMatchObject({ addresses: 0, names: 1, results });
    const known = (a: Told) => (a.owner === "bare" ? { ...a, name: WEB } : a);
    expect(shown()).toEqual(before.map(known));
  });

  const odd: [title: string, cniArgs: string, name: string | undefined][] = [
    ["null", "null", undefined],
    ["a number", "7", undefined],
    ["a text", '"K8S_POD_NAME=web-0"', undefined],
    ["an object", '{"K8S_POD_NAMESPACE":"shop","K8S_POD_NAME":"web-0"}', undefined],
    ["an empty list", "[]", undefined],
    ["no pairs", '[1,null,{},"a",[],[[]],["K8S_POD_NAME"],[1,2],["a","b","c"]]', undefined],
    ["numbers in pairs", '[["K8S_POD_NAMESPACE","shop"],["K8S_POD_NAME",0]]', undefined],
    ["no namespace", '[["K8S_POD_NAME","web-0"]]', undefined],
    ["an empty namespace", '[["K8S_POD_NAMESPACE",""],["K8S_POD_NAME","web-0"]]', undefined],
    ["a NUL", '[["K8S_POD_NAMESPACE","shop"],["K8S_POD_NAME","web\\u0000-0"]]', undefined],
    [
      "rubbish around a name",
      '[7,["K8S_POD_NAMESPACE","x"],["IP","x"],["CommonArgs",""],["IgnoreUnknown","TRUE?"],' +
        '["\\u0000","a"],["K8S_POD_NAMESPACE","shop"],["K8S_POD_NAME","web-0"],["K8S_POD_NAME"]]',
      WEB,
    ],
    ["a name among more than pairs", `[["K8S_POD_NAMESPACE","shop;K8S_POD_NAME=web-0"]]`, WEB],
    ["escapes", '[["K8S_POD_NAMESPACE","\\u0073hop"],["\\u004b8S_POD_NAME","web\\u002d0"]]', WEB],
    [
      "512 bytes",
      `[["K8S_POD_NAMESPACE","shop"],["K8S_POD_NAME","${"x".repeat(507)}"]]`,
      `shop/${"x".repeat(507)}`,
    ],
    [
      "513 bytes",
      `[["K8S_POD_NAMESPACE","shop"],["K8S_POD_NAME","${"x".repeat(508)}"]]`,
      undefined,
    ],
    ["half a megabyte", `[["K8S_POD_NAMESPACE","${"\\ud800".repeat(80_000)}"]]`, undefined],
  ];
  it("takes every address, whatever cniArgs says", async () => {
    odd.forEach(([, cniArgs], i) => {
      const file = keep(`c${i}`, [`10.77.0.${i + 10}/16`], { cniArgs: "HERE" });
      writeFileSync(
        file,
        readFileSync(file, "utf8").replace('"HERE"', () => cniArgs),
      );
      younger(file);
    });
    // Bytes that are no UTF-8 are read as JSON has it: U+FFFD.
    const file = keep("bytes", ["10.77.0.99/16"], { cniArgs: argsOf("shop/web?9") });
    writeFileSync(file, Buffer.from(readFileSync(file, "latin1").replace("?", "\xff"), "latin1"));
    // The name of one test is in three of them: only one container gets it.
    const all = adopt() as { addresses: number };
    expect(all.addresses).toBe(odd.length + 1);
    const told = names();
    expect(Object.keys(told).length).toBe(odd.length + 1);
    expect(told["bytes eth0"]).toBe("shop/web\ufffd9");
    const twins = odd.flatMap(([, , name], i) => (name === WEB ? [told[`c${i} eth0`]] : []));
    expect(twins).toEqual([undefined, undefined, WEB]);
    odd.forEach(([title, , name], i) => {
      if (name !== WEB) expect([title, told[`c${i} eth0`]]).toEqual([title, name]);
    });
    for (const i of odd.keys()) await p.gone(n, `c${i}`);
  });

  it("makes of random words what an ADD makes of them", async () => {
    const random = new Random(seed, 41);
    const keys = ["K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_NAME", "K8S_POD_UID", "", "IP"];
    const letters = [..."web-0/.", ";", "=", "\u00e4", "\u{1f6a2}", '"', "\\", "\n", "\x7f", " "];
    const word = () => {
      const long = random.chance(0.1) ? random.between(200, 600) : random.below(6);
      const plain = random.chance(0.8);
      return Array.from({ length: long }, () => random.pick(plain ? letters.slice(0, 7) : letters));
    };
    const asAdded: { [owner: string]: string | undefined } = {};
    const sent: { [owner: string]: Pairs } = {};
    for (let i = 0; i < rounds(binary, 150, 15); i++) {
      const pairs: Pairs = [["IgnoreUnknown", "1"]];
      for (let k = random.below(6); k > 0; k--) pairs.push([random.pick(keys), word().join("")]);
      if (random.chance(0.7)) pairs.push(["K8S_POD_NAMESPACE", word().join("")]);
      if (random.chance(0.7)) pairs.push(["K8S_POD_NAME", word().join("")]);
      const cniArgs = random.shuffle(pairs);
      const added = await p.add(n, `c${i}`, { args: joined(cniArgs) });
      if (!added.ok) continue;
      keep(`c${i}`, added.addresses, { cniArgs });
      sent[`c${i} eth0`] = cniArgs;
    }
    Object.assign(asAdded, names());
    expect(Object.values(asAdded).filter((name) => name !== undefined).length).toBeGreaterThan(3);
    lose();
    adopt();
    const adopted = names();
    const taken = new Set<string>();
    for (const owner of Object.keys(sent).reverse()) {
      const name = asAdded[owner];
      const want = name === undefined || taken.has(name) ? undefined : name;
      if (name !== undefined) taken.add(name);
      expect([seed, owner, sent[owner], adopted[owner]]).toEqual([seed, owner, sent[owner], want]);
    }
  });

  it.each([
    ['{"address":"10.77.0.11"}', "no length"],
    ['{"address":"10.77.0/16"}', "cut"],
    ['{"address":7}', "a number"],
    ['"10.77.0.11/16"', "no object"],
    ["null", "null"],
    ['{"addr":"10.77.0.11/16"}', "another key"],
  ])("changes nothing where an address of a result is none: %s, %s", async (address) => {
    const file = keep("web", ["10.77.0.10/16"]);
    const text = readFileSync(file, "utf8").replace('"ips":[', () => `"ips":[${address},`);
    writeFileSync(file, text);
    for (const more of [[], ["--dry-run"]]) {
      const said = berth(binary, "adopt", "--from-cache", ...words(), ...more);
      const why = `result ${file}: what it has for an address is none; nothing was changed`;
      expect([said.status, said.err]).toEqual([1, expect.stringContaining(why)]);
    }
    expect(existsSync(homeOf(n))).toBe(false);
    await p.given(n, "end");
  });

  it("survives whatever becomes of a file: it is taken, skipped, or named and nothing changes", async () => {
    const random = new Random(seed, 42);
    const ips = ["10.77.0.10/16", "2001:db8:77::a/64"];
    for (let i = 0; i < rounds(binary, 120, 12); i++) {
      const file = keep("web", ips, { cniArgs: argsOf(WEB) });
      let bytes = readFileSync(file);
      const cut = random.below(bytes.length);
      if (random.chance(0.3)) bytes = bytes.subarray(0, cut);
      else
        for (let k = random.between(1, 3); k > 0; k--)
          bytes[random.below(cut + 1)] = random.below(256);
      writeFileSync(file, bytes);
      const said = berth(binary, "adopt", "--from-cache", ...words());
      const wrong = `seed ${seed}, round ${i}: ${bytes.toString("latin1")}\n${said.out}${said.err}`;
      if (said.status === 0) expect(said.out, wrong).toMatch(/^network net: took over/);
      else {
        const why = "(it is no whole JSON|what it has for an address is none)";
        expect(said.err, wrong).toMatch(new RegExp(`${file}: ${why}; nothing was changed`));
      }
      expect(await faultsOf(n, binary), wrong).toEqual([]);
      rmSync(homeOf(n), { recursive: true, force: true });
    }
    mkdirSync(homeOf(n), { recursive: true });
    await p.given(n, "end");
  });
});

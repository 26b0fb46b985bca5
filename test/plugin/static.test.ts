// Mode static: beside the CNI project's own `static` plugin, call by call; then what ours does
// beyond it: it holds the addresses.

import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { needsStatic, staticPlugin } from "../support/needs.ts";
import { type Binary, berths, rounds } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { difference } from "./support/duel.ts";
import { faultsOf } from "./support/faults.ts";
import { type Call, type Plugin, pluginOf } from "./support/plugin.ts";
import { Random, seed } from "./support/random.ts";
import { folder, type Network, removeAll } from "./support/space.ts";

afterAll(removeAll);

/** A case: what is under ipam, and what lies beside it. */
interface Case {
  ipam: unknown;
  args?: string;
  more?: object;
  version?: string;
}

const four = { address: "10.1.2.3/24", gateway: "10.1.2.1" };
const six = { address: "2001:DB8::5/64" };
const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0", gw: "2001:db8::1" }];
const dns = { nameservers: ["192.0.2.1"], domain: "d", search: ["s", "t"], options: ["o:1"] };
const ips = (list: unknown) => ({ args: { cni: { ips: list } } });
const runtime = (list: unknown) => ({ runtimeConfig: { ips: list } });

const versions = ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];
const written: Case[] = [
  ...versions.map((version) => ({ ipam: { addresses: [six, four], routes, dns }, version })),
  ...versions.map((version) => ({ ipam: {}, version })),
  ...versions.map((version) => ({ ipam: { addresses: [four] }, args: "IP=10.2.0.1/8", version })),
  { ipam: { addresses: [four], resolvConf: "/nowhere" } },
  { ipam: { addresses: [four] }, args: "IP=10.9.9.9/24, 2001:db8::9/64 ;GATEWAY=10.9.9.1" },
  { ipam: {}, args: "IP=10.9.9.9/24,10.9.8.9/24;GATEWAY= 10.9.9.1 ,10.9.9.2,10.7.7.7" },
  { ipam: { addresses: [{ address: "10.1.2.3/24" }] }, args: "GATEWAY=10.1.2.1" },
  ...["IP=", "IP=10.0.0.1", "IP=10.0.0.1/24,", "IP=x", "IP=10.0.0.1/33", "GATEWAY=x"].map(
    (args) => ({ ipam: { addresses: [four] }, args }),
  ),
  ...["FOO=1", "FOO=1;IgnoreUnknown=1", "IP=10.0.0.1/24;GATEWAY=10.0.0.2, x", "A", "GATEWAY="].map(
    (args) => ({ ipam: { addresses: [six] }, args }),
  ),
  { ipam: { addresses: [four] }, more: ips(["10.5.0.1/16"]), args: "IP=10.9.9.9/24" },
  { ipam: { addresses: [four] }, more: { ...ips(["10.5.0.1/16"]), ...runtime(["10.6.0.1/16"]) } },
  { ipam: { addresses: [four] }, more: { ...ips([]), ...runtime([]) } },
  { ipam: { addresses: [{}] }, more: ips(["10.5.0.1/16", "2001:db8:5::1/48"]) },
  { ipam: { addresses: [four] }, more: ips(["10.5.0.1"]) },
  { ipam: { addresses: [four] }, more: ips([null]) },
  { ipam: { addresses: [four] }, more: runtime(["x"]) },
  { ipam: { addresses: [four] }, more: { ...ips(["x"]), ...runtime(["10.6.0.1/16"]) } },
  ...[
    "10.0.0.1",
    "",
    "x",
    " 10.0.0.1/24",
    "10.0.0.1/024",
    "10.00.0.1/24",
    "::ffff:10.0.0.1/120",
  ].map((address) => ({ ipam: { addresses: [{ address }] } })),
  { ipam: { addresses: [{ address: "10.0.0.1/24", gateway: "2001:db8::1" }] } },
  { ipam: { addresses: [{ address: "10.0.0.1/32", gateway: "10.0.0.1" }] } },
  { ipam: { addresses: [{ address: "10.0.0.1/24", gateway: "" }] } },
  { ipam: { addresses: [{ address: "10.0.0.1/24", gateway: "x" }] } },
  { ipam: { addresses: [null] } },
  { ipam: { addresses: [four], dns: { search: [], nameservers: [null], domain: "" } } },
  { ipam: { ADDRESSES: [{ ADDRESS: "10.0.0.1/24" }], Dns: { Domain: "a<b" } } },
  { ipam: { addresses: [four], routes: [null, { dst: "10.0.0.0/8", gw: "10.1.2.1" }] } },
  ...[7, "x", {}, [7], [[]], [{ address: 7 }], [{ address: "1.1.1.1/8", gateway: 7 }]].map(
    (addresses) => ({ ipam: { addresses } }),
  ),
  ...[7, [], { domain: 7 }, { search: 7 }, { options: [7] }].map((d) => ({ ipam: { dns: d } })),
  ...[7, {}, [7], "x"].map((list) => ({ ipam: { addresses: [four] }, more: ips(list) })),
  ...[7, {}, [7], "x"].map((list) => ({ ipam: { addresses: [four] }, more: runtime(list) })),
  { ipam: { addresses: [four] }, more: { args: 7 } },
  { ipam: { addresses: [four] }, more: { args: { cni: [] } } },
  { ipam: { addresses: [four] }, more: { runtimeConfig: [] } },
  { ipam: { addresses: [four], routes: {} } },
  { ipam: { addresses: [four], routes: [{ dst: "x" }] } },
];

/** A random case, most of them right; no address twice (ours counts it once). */
function randomCase(r: Random): Case {
  let n = r.below(200);
  const address = () => {
    n++;
    const text = r.chance(0.6) ? `10.${r.below(3)}.0.${n & 255}` : `2001:db8:${r.below(3)}::${n}`;
    const length = text.includes(":")
      ? r.pick(["64", "48", "128"])
      : r.pick(["24", "16", "32", "8"]);
    return r.chance(0.97)
      ? `${text}/${length}`
      : r.pick([text, `${text}/`, `${text}/129`, "", "x"]);
  };
  const gateway = () => r.pick(["10.0.0.1", "10.1.0.254", "2001:db8::1", "2001:db8:1::2", "", "x"]);
  const list = (most: number) => Array.from({ length: r.below(most) }, address);
  const addresses = list(4).map((a) =>
    r.chance(0.5) ? { address: a } : { address: a, gateway: r.pick(["10.0.0.1", "::1"]) },
  );
  const out: Case = { ipam: { addresses, ...(r.chance(0.3) ? { routes, dns } : {}) } };
  if (r.chance(0.4)) {
    const args = [r.chance(0.8) ? `IP=${list(3).join(r.pick([",", " , "]))}` : "IgnoreUnknown=1"];
    if (r.chance(0.5)) args.push(`GATEWAY=${[gateway(), gateway()].slice(r.below(2)).join()}`);
    out.args = args.join(";");
  }
  const more = {
    ...(r.chance(0.2) ? ips(list(3)) : {}),
    ...(r.chance(0.2) ? runtime(list(3)) : {}),
  };
  return { ...out, more, version: r.pick(versions.slice(1)) };
}

function callOf(c: Case, mode: object, verb: "ADD" | "CHECK" = "ADD"): Call {
  const config = { name: "net", type: "t", ipam: { ...(c.ipam as object), ...mode }, ...c.more };
  const version = c.version ?? "1.0.0";
  return {
    verb,
    id: "pod",
    ...(c.args === undefined ? {} : { args: c.args }),
    config: version === "" ? config : { cniVersion: version, ...config },
  };
}

const real = needsStatic();
describe.skipIf(real.missing).each(berths)(`$name beside static${real.why}`, (binary) => {
  const oracleBinary: Binary = { name: "static", path: staticPlugin ?? "", kind: "upstream" };

  it("answers as the CNI project's plugin does, in result and text", async () => {
    const caller = Caller.start(2);
    const [oracle, ours] = [pluginOf(caller, oracleBinary), pluginOf(caller, binary)];
    const r = new Random(seed, 99);
    const random = Array.from({ length: rounds(binary, 400, 10) }, () => randomCase(r));
    const some = binary.kind === "node" ? r.shuffle(written).slice(0, 12) : written;
    const wrong: string[] = [];
    let good = 0;
    for (const c of [...some, ...random]) {
      const a = await oracle.call(callOf(c, { type: "static" }));
      const b = await ours.call(callOf(c, { type: "berth", mode: "static", dataDir: folder() }));
      if (a.ok) good++;
      const differs = difference(a, b);
      if (differs !== undefined) wrong.push(`${JSON.stringify(c)}: ${differs}`);
    }
    await caller.close();
    expect(wrong.join("\n\n")).toBe("");
    if (binary.kind === "native") expect(good).toBeGreaterThan(200);
  }, 120_000);
});

describe.each(berths)("$name in mode static", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;

  beforeEach(() => {
    caller = Caller.start(2);
    p = pluginOf(caller, binary);
    n = config({ addresses: [four, six] });
  });
  afterEach(async () => {
    await caller.close();
    expect(await faultsOf(n, binary)).toEqual([]);
  });

  const dir = folder();
  let count = 0;
  const config = (ipam: object): Network =>
    ({
      cniVersion: "1.1.0",
      name: `net-${count++}`,
      ipam: { type: "berth", mode: "static", dataDir: dir, ...ipam },
    }) as unknown as Network;
  const like = (ipam: object): Network => ({ ...n, ipam: { ...n.ipam, ...ipam } }) as Network;
  const both = ["10.1.2.3/24", "2001:db8::5/64"];

  it("holds both addresses or none, and refuses a second holder by name", async () => {
    expect(
      await p.given(n, "a", { args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=x;K8S_POD_NAME=y" }),
    ).toEqual(both);
    const again = await p.add(n, "a");
    expect(again.error.code).toBe(999);
    expect(again.error.msg).toContain(
      "10.1.2.3 has been allocated to a, duplicate allocation is not",
    );
    const other = await p.add(like({ addresses: [{ address: "10.1.2.4/24" }, six] }), "b");
    expect(other.error).toEqual({
      code: 111,
      msg: "static address 2001:db8::5 is held by pod x/y, container a, interface eth0",
    });
    expect(await p.given(like({ addresses: [{ address: "10.1.2.4/24" }] }), "c")).toEqual([
      "10.1.2.4/24",
    ]);
    await p.gone(n, "a");
    await p.gone(n, "a");
    expect(await p.given(n, "b")).toEqual(both);
  });

  it("CHECK wants prevResult with every held address and the config's gateways", async () => {
    const check = (ips: object[] | undefined, id = "a") =>
      p.check(ips === undefined ? n : { ...n, prevResult: { cniVersion: "1.1.0", ips } }, id);
    expect((await check([four, six])).error.msg).toContain(
      "Failed to find address added by container a",
    );
    await p.given(n, "a");
    expect((await check([six, four])).ok).toBe(true);
    expect((await check(undefined)).error.msg).toBe("Required prevResult missing");
    expect((await check([six])).error.msg).toContain("a holds 10.1.2.3, which is not among");
    expect((await check([six, { ...four, gateway: "10.1.2.9" }])).error.msg).toBe(
      "static: Failed to match addr 10.1.2.3 on interface eth0",
    );
    expect((await check([four, six], "b")).ok).toBe(false);
  });

  it("GC frees what isn't listed; STATUS is ready also when all is held", async () => {
    await p.given(n, "a");
    const gc = (list: object[]) =>
      p.call({ verb: "GC", config: { ...n, "cni.dev/valid-attachments": list } });
    expect((await gc([{ containerID: "a", ifname: "eth0" }])).ok).toBe(true);
    expect((await p.add(n, "b")).error.code).toBe(111);
    expect(
      (await p.call({ verb: "STATUS", config: like({ statusWhenFull: "unavailable" }) })).ok,
    ).toBe(true);
    expect((await gc([])).ok).toBe(true);
    expect(await p.given(n, "b")).toEqual(both);
  });

  it("without an address there is nothing to hold, check or release", async () => {
    n = config({});
    expect(await p.given(n, "a")).toEqual([]);
    expect(await p.given(n, "a")).toEqual([]);
    expect((await p.check({ ...n, prevResult: {} }, "a")).ok).toBe(true);
    await p.gone(n, "a");
  });

  it("an address that is named twice counts once, as it came last", async () => {
    const same = await p.add(n, "b", { args: "IP=10.1.2.3/24" });
    // It names no gateway: that of the config stays.
    expect(same.result.ips).toEqual([four, { address: "2001:db8::5/64" }]);
    await p.gone(n, "b");
    const args = "IP=10.1.2.3/16,10.7.0.1/24;GATEWAY=10.1.0.9";
    const o = await p.add(n, "a", { args });
    expect(o.result.ips).toEqual([
      { address: "10.1.2.3/16", gateway: "10.1.0.9" },
      { address: "2001:db8::5/64" },
      { address: "10.7.0.1/24" },
    ]);
  });

  it("32 addresses of one container are held and released, 33 are refused", async () => {
    const many = (k: number) =>
      Array.from({ length: k }, (_, i) => ({ address: `10.8.0.${i}/24` }));
    n = config({ addresses: many(32) });
    expect(await p.given(n, "a")).toHaveLength(32);
    expect((await p.add(like({ addresses: [{ address: "10.8.0.31/8" }] }), "b")).error.code).toBe(
      111,
    );
    await p.gone(n, "a");
    expect(await p.given(n, "b")).toHaveLength(32);
    expect((await p.add(like({ addresses: many(33) }), "c")).error.code).toBe(101);
    const plus = await p.add(n, "c", { args: "IP=10.9.0.1/24" });
    expect(plus.error.code).toBe(101);
  });

  it("shares its image with mode host-local: nothing is given twice", async () => {
    await p.given(n, "a");
    const ranges = [[{ subnet: "10.1.2.0/29" }], [{ subnet: "2001:db8::/64" }]];
    const dynamic = { ...n, ipam: { type: "berth", dataDir: dir, ranges } };
    expect(await p.given(dynamic, "b")).toEqual(["10.1.2.2/29", "2001:db8::2/64"]);
    expect(await p.given(dynamic, "c")).toEqual(["10.1.2.4/29", "2001:db8::3/64"]);
    const o = await p.add(like({ addresses: [{ address: "10.1.2.4/24" }] }), "d");
    expect(o.error.msg).toContain("is held by container c");
    // The fixed address was in nobody's round.
    await p.gone(n, "a");
    expect((await p.given(dynamic, "e"))[0]).toBe("10.1.2.5/29");
  });

  it("what cools for somebody else is refused, and for how long", async () => {
    n = config({ addresses: [four], cooldown: "1h" });
    const pod = (name: string) => ({
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=x;K8S_POD_NAME=${name}`,
    });
    await p.given(n, "a", pod("web-0"));
    await p.gone(n, "a", pod("web-0"));
    const o = await p.add(n, "b", pod("web-1"));
    expect(o.error.code).toBe(111);
    expect(o.error.msg).toMatch(
      /^static address 10\.1\.2\.3 cools down for pod x\/web-0, for 3[56]\d\d s more$/,
    );
    expect(await p.given(n, "c", pod("web-0"))).toEqual(["10.1.2.3/24"]);
  });

  it("is reserved for its pod's name where the config says so", async () => {
    n = config({ addresses: [four, six], reserve: { for: "1h", pods: "all" } });
    const pod = (name: string) => ({
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=x;K8S_POD_NAME=${name}`,
    });
    await p.given(n, "a", pod("db"));
    expect((await p.add(n, "b", pod("db"))).error).toEqual({
      code: 11,
      msg: expect.stringContaining("is still held by pod x/db, container a, interface eth0"),
    });
    await p.gone(n, "a", pod("db"));
    expect((await p.add(n, "c", pod("web"))).error.msg).toMatch(
      /^static address 10\.1\.2\.3 is reserved for pod x\/db, for 3[56]\d\d s more$/,
    );
    expect(await p.given(n, "b", pod("db"))).toEqual(both);
  });

  it("refuses annotations that name addresses or a pool", async () => {
    for (const key of ["cni.projectcalico.org/ipAddrs", "berth.dev/addresses", "berth.dev/pool"]) {
      const annotations = { [key]: '["10.1.2.9"]' };
      const o = await p.add(
        { ...n, runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations } },
        "a",
      );
      expect(o.error.code).toBe(110);
      expect(o.error.msg).toContain(`annotation ${key}: this network has "mode": "static"`);
    }
  });

  it("refuses another mode; DEL takes any", async () => {
    for (const mode of ["dhcp", "", 7, {}]) {
      const o = await p.add(like({ mode }), "a");
      expect(o.error.msg, JSON.stringify(mode)).toContain(
        'is unknown: use "host-local" or "static"',
      );
      await p.gone(like({ mode }), "a");
    }
    const ranges = [[{ subnet: "10.5.0.0/29" }]];
    expect(await p.given(like({ mode: "host-local", ranges }), "a")).toEqual(["10.5.0.2/29"]);
  });
});

it("annotations are found however JSON spells their keys; of equal ones the last counts", async () => {
  const caller = Caller.start(1);
  const p = pluginOf(caller, berths[0]!);
  const ipam = { dataDir: folder(), ranges: [[{ subnet: "10.1.0.0/24" }]] };
  const body = JSON.stringify({ cniVersion: "1.0.0", name: "net", ipam }).slice(0, -1);
  const keys = `"berth.dev/addresses":"10.1.0.5","berth.dev\\/addresses":"10.1.0.6","\\u0062erth.dev/pool":"x"`;
  const text = (more: string) =>
    `${body},"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{${keys}${more}}}}`;
  const spelled = await p.call({ verb: "ADD", id: "a", config: text("") });
  expect(spelled.error.msg).toContain('annotation berth.dev/pool: "x" is neither');
  const last = await p.call({ verb: "ADD", id: "a", config: text(',"berth.dev/pool":null') });
  expect(last.addresses).toEqual(["10.1.0.6/24"]);
  await caller.close();
});

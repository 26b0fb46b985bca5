// An address's life on a clock of the test's own, through the plugin on both hosts: each promise of
// docs/LIFE.md is a test here. (Over a reboot: lifeboot.test.ts; many at once: lifemany.test.ts.)
import { hostname } from "node:os";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";

beforeAll(buildClock, 120_000);

const WEB = "default/web-0";

describe.each(clockHosts)("$name", ({ world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  const net = (ipam: object, ranges: object[] = [{ subnet: "10.9.0.0/28" }]) => ({
    cniVersion: "1.0.0",
    name: "life",
    ipam: { type: "berth", ranges: ranges.map((range) => [range]), dataDir: w.dir, ...ipam },
  });
  const dual = [{ subnet: "10.9.0.0/28" }, { subnet: "fd00:9::/120" }];
  const all = { reserve: { for: "24h", pods: "all" } };
  const annotated = (config: object, annotations: object) => ({
    ...config,
    runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations },
  });

  /** ADD: the addresses without their lengths, or the error's code and text. */
  const add = async (config: object, id: string, pod?: string, more = {}): Promise<string> => {
    const { status, json } = await w.cni("ADD", id, config, pod, more);
    if (status !== 0) return `${json.code} ${json.msg}`;
    return json.ips.map((ip: { address: string }) => ip.address.replace(/\/.*/, "")).join(" ");
  };
  const del = async (config: object, id: string, pod?: string, more = {}) =>
    expect((await w.cni("DEL", id, config, pod, more)).text).toBe("");

  test("what cools goes by CLOCK_BOOTTIME: the wall clock may jump either way", async () => {
    const config = net({ cooldown: "1h", policy: "first" });
    expect(await add(config, "a")).toBe("10.9.0.2");
    await del(config, "a");
    w.real += 86_400n * SECOND;
    expect(await add(config, "b")).toBe("10.9.0.3");
    w.real -= 999_999n * SECOND;
    expect(await add(config, "c")).toBe("10.9.0.4");
    w.boot += 3_601n * SECOND;
    expect(await add(config, "d")).toBe("10.9.0.2");
  });

  test("web-0 comes back to both its addresses, whatever the policy would give", async () => {
    const config = net(all, dual);
    expect(await add(config, "a", WEB)).toBe("10.9.0.2 fd00:9::2");
    await del(config, "a", WEB);
    expect(await add(config, "b", "default/other")).toBe("10.9.0.3 fd00:9::3");
    expect(await add(config, "c", WEB)).toBe("10.9.0.2 fd00:9::2");
    // What came back is no part of the round.
    expect(await add(config, "d")).toBe("10.9.0.4 fd00:9::4");
  });

  test("without reserve in the config nothing is reserved, not even by annotation", async () => {
    const config = net({ policy: "first" });
    const asked = annotated(config, { "berth.dev/reserve-for": "24h" });
    expect(await add(asked, "a", WEB)).toBe("10.9.0.2");
    await del(config, "a", WEB);
    expect(await add(config, "b", "default/other")).toBe("10.9.0.2");
  });

  test("a reservation is over when its time is over, and the wall clock has no say", async () => {
    const config = net({ ...all, policy: "first" });
    await add(config, "a", WEB);
    await del(config, "a", WEB);
    w.real += 100n * 86_400n * SECOND;
    expect(await add(config, "b")).toBe("10.9.0.3");
    w.real -= 200n * 86_400n * SECOND;
    w.boot += 86_390n * SECOND;
    expect(await add(config, "c")).toBe("10.9.0.4");
    w.boot += 15n * SECOND;
    expect(await add(config, "d")).toBe("10.9.0.2");
  });

  test("an expired reservation is free for who asks for it, before anybody collects it", async () => {
    const config = net({ reserve: { for: 60, pods: "all" } });
    for (let n = 0; n < 12; n++) await add(config, `c${n}`, `default/p${n}`);
    for (let n = 0; n < 12; n++) await del(config, `c${n}`);
    const request = { CNI_ARGS: "IP=10.9.0.13" };
    expect(await add(config, "x", undefined, request)).toMatch(/^999 .*10.9.0.13 is not available/);
    w.pass(61);
    expect(await add(config, "x", undefined, request)).toBe("10.9.0.13");
  });

  test("annotated: only who names a time or addresses; a time is bounded by max", async () => {
    const config = net({ policy: "first", reserve: { for: "1h", max: "2h" } });
    const over = annotated(config, { "berth.dev/reserve-for": "720h" });
    const long = annotated(config, { "berth.dev/reserve-for": "2h" });
    expect(await add(over, "x", "default/x")).toMatch(/^110 .*at most 7200 s/);
    expect(await add(config, "a", WEB)).toBe("10.9.0.2");
    expect(await add(long, "b", "default/b")).toBe("10.9.0.3");
    const fixed = annotated(config, { "berth.dev/addresses": "10.9.0.9" });
    expect(await add(fixed, "c", "default/c")).toBe("10.9.0.9");
    for (const id of ["a", "b", "c"]) await del(config, id);
    expect(await add(config, "d")).toBe("10.9.0.2"); // web-0 isn't annotated
    w.pass(3601);
    expect(await add(fixed, "e", "default/other")).toBe("10.9.0.9"); // `for` is over
    expect(await add(config, "f")).toBe("10.9.0.4"); // 10.9.0.3 is reserved still
    w.pass(3601);
    expect(await add(config, "g")).toBe("10.9.0.3"); // and now its 2 h are over
  });

  test("ordinal: names that end in -<number>, but no random ends and no static pods", async () => {
    w.hostName = "node-7.example.org";
    const config = net({ reserve: { pods: "ordinal" } }, [{ subnet: "10.9.0.0/24" }]);
    const kept = ["web-0", "web-12", "db-13579", "db-222222", "node-70"];
    const lost = ["web", "web-", "-1", "web-24679", "kube-proxy-NODE-7", "web-1x"];
    const had = new Map<string, string>();
    for (const name of [...kept, ...lost])
      had.set(name, await add(config, `c${name}`, `ns/${name}`));
    for (const name of had.keys()) await del(config, `c${name}`);
    const now = new Map<string, string>();
    for (const name of had.keys()) now.set(name, await add(config, `d${name}`, `ns/${name}`));
    const same = [...had].filter(([name, address]) => now.get(name) === address);
    expect(same.map(([name]) => name)).toEqual(kept);
    expect(hostname()).not.toBe(w.hostName); // the test's own name was used
  });

  test("perNamespace bounds the reservations of one namespace, not those of another", async () => {
    const config = net({ reserve: { pods: "all", perNamespace: 2 }, policy: "first" });
    const pods = ["a/0", "a/1", "a/2", "b/0"];
    for (const pod of pods) await add(config, pod.replace("/", ""), pod);
    for (const pod of pods) await del(config, pod.replace("/", ""));
    expect(await add(config, "x")).toBe("10.9.0.4"); // that of a/2
    expect(await add(config, "y")).toBe("10.9.0.6");
    await add(config, "a0", "a/0"); // takes its own back: room for one more
    await add(config, "a3", "a/3");
    await del(config, "a3");
    expect(await add(config, "z")).toBe("10.9.0.8"); // 10.9.0.7 is reserved for a/3
  });

  test("a new web-0 before the old one's DEL gets another address, and the late DEL takes nothing", async () => {
    const config = net(all, dual);
    expect(await add(config, "old", WEB)).toBe("10.9.0.2 fd00:9::2");
    expect(await add(config, "new", WEB)).toBe("10.9.0.3 fd00:9::3");
    await del(config, "old", WEB);
    await del(config, "old", WEB);
    expect(await add(config, "x", "default/x")).toBe("10.9.0.4 fd00:9::4");
    expect((await w.cni("CHECK", "new", { ...config, prevResult: undefined })).status).toBe(0);
    await del(config, "new", WEB);
    expect(await add(config, "next", WEB)).toBe("10.9.0.3 fd00:9::3");
  });

  test("the newest container's addresses are the name's, also if its DEL comes first", async () => {
    const config = net({ ...all, policy: "first" });
    await add(config, "old", WEB);
    await add(config, "new", WEB);
    await del(config, "new", WEB);
    await del(config, "old", WEB);
    expect(await add(config, "x")).toBe("10.9.0.2"); // the old one's, free
    expect(await add(config, "next", WEB)).toBe("10.9.0.3");
  });

  test("a fixed address that the old container still holds is error 11, then it is given", async () => {
    const config = annotated(net({ reserve: { for: "1h" } }), {
      "cni.projectcalico.org/ipAddrs": '["10.9.0.9"]',
    });
    expect(await add(config, "old", WEB)).toBe("10.9.0.9");
    expect(await add(config, "new", WEB)).toMatch(/^11 try again later: 10.9.0.9,.* container old/);
    await del(config, "old", WEB);
    expect(await add(config, "new", WEB)).toBe("10.9.0.9");
    await del(config, "old", WEB);
    expect(await add(config, "thief", "default/thief")).toMatch(/^111 /);
  });

  test("reserved addresses outside all ranges are given up and replaced", async () => {
    const before = net({ ...all, policy: "first" }, dual);
    expect(await add(before, "a", WEB)).toBe("10.9.0.2 fd00:9::2");
    await del(before, "a", WEB);
    const after = net({ ...all, policy: "first" }, [{ subnet: "10.9.1.0/28" }, dual[1]!]);
    expect(await add(after, "b", WEB)).toBe("10.9.1.2 fd00:9::2");
    expect(await add(before, "c")).toBe("10.9.0.2 fd00:9::3");
  });

  test("two interfaces of one pod in one network keep their own addresses", async () => {
    const config = net(all);
    const net1 = { CNI_IFNAME: "net1" };
    expect(await add(config, "a", WEB)).toBe("10.9.0.2");
    expect(await add(config, "a", WEB, net1)).toBe("10.9.0.3");
    await del(config, "a", WEB, net1);
    await del(config, "a", WEB);
    expect(await add(config, "b", WEB, net1)).toBe("10.9.0.3");
    expect(await add(config, "b", WEB)).toBe("10.9.0.2");
  });

  test("DEL without reserve in its ipam reserves nothing; without ipam the record decides", async () => {
    const config = net({ ...all, policy: "first" });
    await add(config, "a", WEB);
    await add(config, "b", "default/b");
    await del(net({ policy: "first" }), "a", WEB);
    const { ipam: _, ...bare } = config;
    const dataDir = { ...bare, ipam: { dataDir: w.dir, reserve: 7 } }; // reserve can't be read
    await del(dataDir, "b");
    expect(await add(config, "c")).toBe("10.9.0.2");
    expect(await add(config, "d")).toBe("10.9.0.4");
    expect(await add(config, "e", "default/b")).toBe("10.9.0.3");
  });

  test("DEL reserves what only its own config asks for", async () => {
    await add(net({}), "a", WEB);
    await del(net(all), "a");
    expect(await add(net({ ...all, policy: "first" }), "b")).toBe("10.9.0.3");
    expect(await add(net(all), "c", WEB)).toBe("10.9.0.2");
  });

  test("cool-down never stands between a name and its own address, and yields to nobody before", async () => {
    const config = net({ cooldown: "1h" }, dual);
    expect(await add(config, "a", WEB)).toBe("10.9.0.2 fd00:9::2");
    await del(config, "a");
    expect(await add(config, "b", "default/b")).toBe("10.9.0.3 fd00:9::3");
    expect(await add(config, "c", WEB)).toBe("10.9.0.2 fd00:9::2");
    await del(config, "c");
    const { status } = await w.cni("ADD", "d", config, undefined, { CNI_ARGS: "IP=10.9.0.2" });
    expect(status).toBe(1); // it cools for web-0
  });

  test("GC: a dead pod's name becomes a reservation, and GC deletes no reservation", async () => {
    const config = { ...net({ ...all, policy: "first" }), cniVersion: "1.1.0" };
    await add(config, "a", WEB);
    await add(config, "b");
    await add(config, "c", "default/c");
    const gc = { ...config, "cni.dev/valid-attachments": [{ containerID: "c", ifname: "eth0" }] };
    expect((await w.cni("GC", "", gc)).text).toBe("");
    expect((await w.cni("GC", "", gc)).text).toBe("");
    expect(await add(config, "d")).toBe("10.9.0.3"); // b had no name
    expect(await add(config, "e")).toBe("10.9.0.5");
    expect(await add(config, "f", WEB)).toBe("10.9.0.2");
  });

  test("mode static: its address is the name's until the time is over, then anybody's", async () => {
    const addresses = [{ address: "10.9.0.5/28" }, { address: "fd00:9::5/120" }];
    const config = net({ mode: "static", addresses, cooldown: "2h", ...all }, []);
    const both = "10.9.0.5 fd00:9::5";
    expect(await add(config, "a", WEB)).toBe(both);
    expect(await add(config, "b", WEB)).toMatch(
      /^11 try again later: 10\.9\.0\.5, .* is still held/,
    );
    await del(config, "a");
    w.real += 999_999n * SECOND;
    expect(await add(config, "b", "default/web-1")).toMatch(/^111 .* is reserved for pod default/);
    expect(await add(config, "b", WEB)).toBe(both);
    await del(config, "b");
    w.boot += 86_401n * SECOND;
    expect(await add(config, "c")).toBe(both);
    // Without a name it cools.
    await del(config, "c");
    expect(await add(config, "d", WEB)).toMatch(/^111 static address 10\.9\.0\.5 cools down for /);
    w.boot += 7_201n * SECOND;
    expect(await add(config, "d", WEB)).toBe(both);
  });

  test("a wall clock that jumps either way ends no reservation early", async () => {
    const config = net({ ...all, policy: "first" });
    await add(config, "a", WEB);
    await del(config, "a", WEB);
    for (const [n, days] of [4000, -8000, 4000].entries()) {
      w.real += BigInt(days) * 86_400n * SECOND;
      expect(await add(config, `b${n}`)).toBe(`10.9.0.${3 + n}`);
    }
    expect(await add(config, "c", WEB)).toBe("10.9.0.2");
  });

  test("what reserve can't mean is refused with what would be right", async () => {
    const said = async (reserve: unknown) => add(net({ reserve }), "x");
    expect(await said(7)).toBe('999 ipam.reserve 7 is no object: use {"for": "24h"}');
    expect(await said({ for: "1d" })).toMatch(/^999 ipam.reserve.for "1d" is no length of time/);
    expect(await said({ for: 0 })).toMatch(/^999 ipam.reserve.for is 0/);
    expect(await said({ pods: "some" })).toMatch(/"annotated", "ordinal" or "all"$/);
    expect(await said({ for: "2h", max: "1h" })).toMatch(/max "1h" is less than ipam.reserve.for/);
    expect(await said({ perNamespace: -1 })).toMatch(/perNamespace -1 is no number from 0 to 4096/);
    expect(await said(null)).toBe("10.9.0.2");
  });
});

// Addresses by annotation, through the plugin on both hosts: each sentence of docs/ANNOTATIONS.md
// about annotations is a test here.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkNetwork } from "../support/check.ts";
import { type Answer, buildClock, clockHosts, type World } from "../support/clock.ts";

const CALICO = "cni.projectcalico.org/ipAddrs";
const OURS = "berth.dev/addresses";
const POOL = "berth.dev/pool";
const RESERVE = "berth.dev/reserve-for";
const KEY = "io.kubernetes.cri.pod-annotations";

beforeAll(buildClock, 120_000);

describe.each(clockHosts)("$name", ({ world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(async () => {
    expect(await checkNetwork(join(w.dir, "net"))).toEqual([]);
    w.end();
  });

  /** .2 to .63 are for those who name them; .200 to .207 are excluded; IPv6 gives ::2 on. */
  const net = (ipam: object = {}) => ({
    cniVersion: "1.0.0",
    name: "net",
    ipam: {
      type: "berth",
      dataDir: w.dir,
      ranges: [
        [
          {
            subnet: "10.1.0.0/24",
            rangeStart: "10.1.0.64",
            rangeEnd: "10.1.0.127",
            exclude: ["10.1.0.200/29", "10.1.0.70"],
            name: "blue",
          },
          { subnet: "10.2.0.0/24", gateway: "10.2.0.254", name: "red" },
        ],
        [{ subnet: "fd00:1::/64" }],
      ],
      ...ipam,
    },
  });
  const noted = (annotations: unknown, config: object = net()) => ({
    ...config,
    runtimeConfig: { [KEY]: annotations },
  });
  const told = (a: Answer): string => {
    if (a.status !== 0) return `${a.json.code} ${a.json.msg}`;
    return a.json.ips.map((i: { address: string }) => i.address).join(" ");
  };
  /** ADD with annotations: the addresses, or code and text. */
  const add = async (id: string, annotations: unknown, pod?: string, ipam?: object) =>
    told(await w.cni("ADD", id, noted(annotations, net(ipam)), pod));
  const del = async (id: string, pod?: string, ipam?: object) =>
    expect((await w.cni("DEL", id, net(ipam), pod)).text).toBe("");

  test("Calico's annotation fixes both families, outside the ranges but inside the subnet", async () => {
    const both = '["10.1.0.5", "fd00:1::abcd"]';
    const a = await w.cni("ADD", "a", noted({ [CALICO]: both, "kubernetes.io/x": "1" }));
    expect(a.json).toEqual({
      cniVersion: "1.0.0",
      ips: [
        { address: "10.1.0.5/24", gateway: "10.1.0.1" },
        { address: "fd00:1::abcd/64", gateway: "fd00:1::1" },
      ],
    });
    expect(await add("b", { [CALICO]: '["10.2.0.9"]' })).toBe("10.2.0.9/24 fd00:1::2/64");
    const c = await w.cni("ADD", "c", noted({ [CALICO]: '["10.2.0.10"]' }));
    expect(c.json.ips[0].gateway).toBe("10.2.0.254");
  });

  test("ours takes commas or a JSON list, blanks around, an IPv4-mapped spelling, equal ones once", async () => {
    expect(await add("a", { [OURS]: " 10.1.0.5 ,fd00:1::5" })).toBe("10.1.0.5/24 fd00:1::5/64");
    expect(await add("b", { [OURS]: '["fd00:1:0:0::6"]' })).toBe("10.1.0.64/24 fd00:1::6/64");
    expect(await add("c", { [OURS]: "::ffff:10.1.0.6,10.1.0.6" })).toBe("10.1.0.6/24 fd00:1::2/64");
  });

  test("an empty text, null and other annotations count as nothing", async () => {
    const nothing = { [CALICO]: "", [OURS]: " ", [POOL]: "", [RESERVE]: null, other: "[" };
    expect(await add("a", nothing)).toBe("10.1.0.64/24 fd00:1::2/64");
    expect(await add("b", null)).toBe("10.1.0.65/24 fd00:1::3/64");
    expect(await add("c", { "Berth.dev/addresses": "10.1.0.5" })).toBe("10.1.0.66/24 fd00:1::4/64");
  });

  test("a fixed address moves no round", async () => {
    expect(await add("a", {})).toBe("10.1.0.64/24 fd00:1::2/64");
    expect(await add("b", { [OURS]: "10.1.0.100,fd00:1::77" })).toBe("10.1.0.100/24 fd00:1::77/64");
    expect(await add("c", {})).toBe("10.1.0.65/24 fd00:1::3/64");
  });

  const refusals: [string, Record<string, string>, string][] = [
    [
      "a gateway",
      { [OURS]: "10.1.0.1" },
      `110 annotation ${OURS}: 10.1.0.1 is a gateway of this network`,
    ],
    [
      "an IPv6 gateway",
      { [CALICO]: '["fd00:1::1"]' },
      `110 annotation ${CALICO}: fd00:1::1 is a gateway`,
    ],
    ["another range's gateway", { [OURS]: "10.2.0.254" }, "10.2.0.254 is a gateway"],
    ["an excluded address", { [OURS]: "10.1.0.203" }, "10.1.0.203 is excluded by the config"],
    ["an excluded one inside the range", { [OURS]: "10.1.0.70" }, "10.1.0.70 is excluded"],
    [
      "the network address",
      { [OURS]: "10.1.0.0" },
      "is the network or broadcast address of 10.1.0.0/24",
    ],
    ["the broadcast address", { [OURS]: "10.1.0.255" }, "is the network or broadcast address"],
    ["IPv6's network address", { [OURS]: "fd00:1::" }, "is the network or broadcast address"],
    [
      "another network's",
      { [OURS]: "10.3.0.5" },
      "in no subnet of this network: its IPv4 subnets are 10.1.0.0/24, 10",
    ],
    [
      "two of one set",
      { [OURS]: "10.1.0.5,10.2.0.5" },
      "is one too many: the range set of its subnet gives one",
    ],
    [
      "two IPv4 in Calico's",
      { [CALICO]: '["10.1.0.5","10.2.0.5"]' },
      `${CALICO}: more than one IPv4 address`,
    ],
    ["no address", { [OURS]: "10.1.0.5,x" }, `110 annotation ${OURS}: "x" is no address`],
    ["a prefix", { [OURS]: "10.1.0.5/24" }, '"10.1.0.5/24" is no address'],
    ["nothing between commas", { [OURS]: "10.1.0.5," }, '"" is no address'],
    [
      "no JSON",
      { [CALICO]: "10.1.0.5" },
      `110 annotation ${CALICO}: a JSON list of texts is wanted`,
    ],
    ["half a list of pools", { "berth.dev/pool": '["blue"' }, 'for example ["10.0.0.0/26"]'],
    ["half a list", { [OURS]: '["10.1.0.5"' }, `${OURS}: a JSON list of texts is wanted`],
    ["numbers in a list", { [CALICO]: "[1]" }, "a JSON list of texts is wanted"],
    ["an object", { [CALICO]: '{"a":"10.1.0.5"}' }, "a JSON list of texts is wanted"],
    ["an empty list", { [CALICO]: "[]" }, "the list is empty"],
    ["33 entries", { [OURS]: Array(33).fill("10.1.0.5").join() }, "more than 32 entries"],
    ["5,000 bytes", { [OURS]: " ".repeat(5000) }, "the text has 5000 bytes, the limit is 4096"],
    [
      "a pool without a name",
      { [POOL]: "green" },
      `110 annotation ${POOL}: "green" is neither a range's name nor`,
    ],
    ["a pool with host bits", { [POOL]: "10.1.0.5/24" }, '"10.1.0.5/24" has host bits set'],
    ["a pool outside", { [POOL]: "10.9.0.0/24" }, "holds no address of this network's ranges"],
    [
      "a pool beside the range",
      { [POOL]: "10.1.0.0/26" },
      "holds no address of this network's ranges",
    ],
    ["a time", { [RESERVE]: "soon" }, `110 annotation ${RESERVE}: "soon" is no length of time`],
    ["no time", { [RESERVE]: "0" }, "is no length of time above 0"],
    ["a long time", { [RESERVE]: "99999999999" }, "is no length of time"],
    [
      "disagreement",
      { [OURS]: "10.1.0.5", [CALICO]: '["10.1.0.6"]' },
      `annotation ${OURS}: disagrees with annotation ${CALICO}: only ${CALICO} names 10.1.0.6`,
    ],
    [
      "one more in ours",
      { [OURS]: "10.1.0.6,fd00:1::5", [CALICO]: '["10.1.0.6"]' },
      `disagrees with annotation ${CALICO}: only ${OURS} names fd00:1::5`,
    ],
  ];
  test("refuses, each with the annotation's name and why, and holds nothing", async () => {
    for (const [what, annotations, why] of refusals) {
      expect(await add("a", annotations), what).toContain(why);
    }
    expect(await add("a", {})).toBe("10.1.0.64/24 fd00:1::2/64");
  });

  test("both annotations may say the same in any order", async () => {
    const same = { [OURS]: "fd00:1::5,10.1.0.5", [CALICO]: '["10.1.0.5","fd00:1::5"]' };
    expect(await add("a", same)).toBe("10.1.0.5/24 fd00:1::5/64");
  });

  test("wrong types name the key", async () => {
    expect(await add("a", { x: "1", other: 7 })).toBe(
      "110 annotation other: a text is wanted, not number",
    );
    expect(await add("a", { [OURS]: ["10.1.0.5"] })).toContain(
      `annotation ${OURS}: a text is wanted`,
    );
    for (const bad of [[], "x", 7, true]) expect(await add("a", bad)).toContain(KEY);
  });

  test("a family without range set is an error", async () => {
    const four = { ranges: [[{ subnet: "10.1.0.0/24" }]] };
    expect(await add("a", { [OURS]: "fd00:1::5" }, undefined, four)).toBe(
      `110 annotation ${OURS}: fd00:1::5 is refused: the network has no IPv6 range set`,
    );
  });

  test("a range that has the broadcast address expressly may give it by annotation", async () => {
    const all = { ranges: [[{ subnet: "10.1.0.0/24", rangeEnd: "10.1.0.255" }]] };
    expect(await add("a", { [OURS]: "10.1.0.255" }, undefined, all)).toBe("10.1.0.255/24");
  });

  test("two sets of one subnet take an address each, those inside their ranges first", async () => {
    const two = {
      ranges: [
        [{ subnet: "10.1.0.0/24", rangeStart: "10.1.0.10", rangeEnd: "10.1.0.19" }],
        [{ subnet: "10.1.0.0/24", rangeStart: "10.1.0.20", rangeEnd: "10.1.0.29" }],
      ],
    };
    const some = { [OURS]: "10.1.0.99,10.1.0.11" };
    expect(await add("a", some, undefined, two)).toBe("10.1.0.11/24 10.1.0.99/24");
    const one = { [OURS]: "10.1.0.21" };
    expect(await add("b", one, undefined, two)).toBe("10.1.0.10/24 10.1.0.21/24");
    const three = { [OURS]: "10.1.0.31,10.1.0.32,10.1.0.33" };
    expect(await add("c", three, undefined, two)).toContain("10.1.0.33 is one too many");
  });

  test("requests keep host-local's rule, and one that an annotation names too counts once", async () => {
    const asks = (id: string, ip: string, annotations: object) =>
      w.cni("ADD", id, noted(annotations), undefined, { CNI_ARGS: `IgnoreUnknown=1;IP=${ip}` });
    expect(told(await asks("a", "10.1.0.5", {}))).toContain("failed to allocate all requested IPs");
    expect(told(await asks("b", "10.1.0.5", { [OURS]: "10.1.0.5" }))).toBe(
      "10.1.0.5/24 fd00:1::3/64",
    );
    expect(told(await asks("c", "10.1.0.66", { [OURS]: "10.1.0.6" }))).toContain(
      "failed to allocate all requested IPs: 10.1.0.66",
    );
  });

  test("what another container holds is refused without saying whose it is", async () => {
    expect(await add("secret", { [OURS]: "10.1.0.5" }, "other/pod")).toContain("10.1.0.5/24");
    expect(await add("b", { [OURS]: "10.1.0.5" }, "mine/pod")).toBe(
      `111 annotation ${OURS}: 10.1.0.5 is held by another container`,
    );
    expect(await add("b", {}, "mine/pod")).toBe("10.1.0.64/24 fd00:1::3/64");
  });

  test("of a prefix a pod gets nothing that cools for another name, though nothing else is free", async () => {
    const cool = { cooldown: "1h" };
    expect(await add("a", {}, "ns/victim", cool)).toBe("10.1.0.64/24 fd00:1::2/64");
    await del("a", "ns/victim", cool);
    for (const pool of ["10.1.0.64/32", "fd00:1::2/128", '["fd00:1::2/128", "red"]'])
      expect(await add("b", { [POOL]: pool }, "evil/x", cool)).toMatch(
        /^999 failed to allocate for range [01]: no IP addresses available in range set: /,
      );
    expect(await add("c", { [POOL]: "10.1.0.64/31" }, "evil/x", cool)).toContain("10.1.0.65/24");
    const own = await add("d", { [POOL]: "10.1.0.64/32" }, "ns/victim", cool);
    expect(own).toBe("10.1.0.64/24 fd00:1::2/64");
    await del("d", "ns/victim", cool);
    w.pass(3601);
    expect(await add("e", { [POOL]: "10.1.0.64/32" }, "evil/x", cool)).toContain("10.1.0.64/24");
  });

  test("of ranges with a name it gets what cools once nothing else of them is free", async () => {
    const blue = { subnet: "10.1.0.0/24", rangeStart: "10.1.0.64", rangeEnd: "10.1.0.65" };
    const ranges = [[{ ...blue, name: "blue" }, { subnet: "10.2.0.0/24" }]];
    const cool = { cooldown: "1h", ranges };
    expect(await add("a", { [POOL]: "blue" }, "ns/a", cool)).toBe("10.1.0.64/24");
    await del("a", "ns/a", cool);
    expect(await add("b", { [POOL]: "blue" }, "ns/b", cool)).toBe("10.1.0.65/24");
    expect(await add("c", { [POOL]: "blue" }, "ns/c", cool)).toBe("10.1.0.64/24");
  });

  test("what cools for another name is refused, for the own name it is given back", async () => {
    const cool = { cooldown: "1h" };
    const fixed = { [OURS]: "10.1.0.5" };
    expect(await add("a", fixed, "ns/web-0", cool)).toContain("10.1.0.5/24");
    await del("a", "ns/web-0", cool);
    expect(await add("b", fixed, "ns/web-1", cool)).toMatch(
      /^111 annotation .*: 10\.1\.0\.5 cools down for another pod, for 3[56]\d\d s more$/,
    );
    expect(await add("c", fixed, "ns/web-0", cool)).toContain("10.1.0.5/24");
    await del("c", "ns/web-0", cool);
    w.pass(3601);
    expect(await add("d", fixed, "ns/web-1", cool)).toContain("10.1.0.5/24");
  });

  test("mirrored, it has its file, and host-local's marks stay where they are", async () => {
    const mirror = { mirror: true };
    expect(await add("a", {}, undefined, mirror)).toBe("10.1.0.64/24 fd00:1::2/64");
    const fixed = { [OURS]: "10.1.0.5,fd00:1::5" };
    expect(await add("b", fixed, undefined, mirror)).toBe("10.1.0.5/24 fd00:1::5/64");
    const read = (name: string) => readFileSync(join(w.dir, "net", name), "utf8");
    expect(read("10.1.0.5")).toBe("b\r\neth0");
    expect(read("fd00:1::5")).toBe("b\r\neth0");
    expect([read("last_reserved_ip.0"), read("last_reserved_ip.1")]).toEqual([
      "10.1.0.64",
      "fd00:1::2",
    ]);
    expect(await add("c", {}, undefined, mirror)).toBe("10.1.0.65/24 fd00:1::3/64");
  });

  const keeps = { reserve: { for: "1h", max: "2h", perNamespace: 2 } };
  const fixed = { [OURS]: "10.1.0.5" };

  test("a fixed address is reserved for its name, both families, and refused to others", async () => {
    expect(await add("a", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
    await del("a", "ns/db", keeps);
    expect(await add("b", fixed, "ns/other", keeps)).toMatch(
      /^111 annotation .*: 10\.1\.0\.5 is reserved for another pod, for 3[56]\d\d s more$/,
    );
    expect(await add("b", { [OURS]: "fd00:1::2" }, "ns/other", keeps)).toContain("111 annotation");
    // .64 had been chosen when the IPv6 address was refused: cursors move, as host-local's marks do.
    expect(await add("c", {}, "ns/plain", keeps)).toBe("10.1.0.65/24 fd00:1::3/64");
    expect(await add("d", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
    await del("d", "ns/db", keeps);
    w.pass(3601);
    expect(await add("e", fixed, "ns/other", keeps)).toContain("10.1.0.5/24");
  });

  test("reserve-for is the pod's time, bounded by max, and needs `reserve` in the config", async () => {
    const long = { [RESERVE]: "90m" };
    expect(await add("a", long, "ns/a", keeps)).toBe("10.1.0.64/24 fd00:1::2/64");
    await del("a", "ns/a", keeps);
    w.pass(5000);
    expect(await add("b", {}, "ns/a", keeps)).toBe("10.1.0.64/24 fd00:1::2/64");
    expect(await add("c", { [RESERVE]: "7201" }, "ns/c", keeps)).toBe(
      `110 annotation ${RESERVE}: "7201" is longer than this network allows: at most 7200 s (ipam.reserve.max)`,
    );
    expect(await add("c", { [RESERVE]: "7200" }, "ns/c", keeps)).toBe("10.1.0.65/24 fd00:1::3/64");
    // Without `reserve` nothing is, however long the annotation says.
    expect(await add("d", { [RESERVE]: "9999h" }, "ns/d")).toBe("10.1.0.66/24 fd00:1::4/64");
    await del("d", "ns/d");
    expect(await add("e", { [OURS]: "10.1.0.66" }, "ns/e")).toContain("10.1.0.66/24");
  });

  test("while another container of the name holds it: error 11, and a late DEL changes nothing", async () => {
    expect(await add("old", fixed, "ns/db", keeps)).toContain("10.1.0.5/24");
    expect(await add("new", fixed, "ns/db", keeps)).toContain("11 try again later: 10.1.0.5");
    await del("old", "ns/db", keeps);
    expect(await add("new", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
    await del("old", "ns/db", keeps);
    expect(await add("b", fixed, "ns/other", keeps)).toContain("is held by another container");
  });

  test("another address in the annotation lets the old one go", async () => {
    expect(await add("a", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
    await del("a", "ns/db", keeps);
    const moved = { [OURS]: "10.1.0.6" };
    expect(await add("b", moved, "ns/db", keeps)).toBe("10.1.0.6/24 fd00:1::2/64");
    expect(await add("c", fixed, "ns/other", keeps)).toContain("10.1.0.5/24");
  });

  test("a pod whose annotation has gone gets an address of the ranges", async () => {
    expect(await add("a", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
    await del("a", "ns/db", keeps);
    expect(await add("b", {}, "ns/db", keeps)).toBe("10.1.0.64/24 fd00:1::2/64");
    expect(await add("c", fixed, "ns/other", keeps)).toContain("10.1.0.5/24");
  });

  test("a reboot makes a reservation of it", async () => {
    expect(await add("a", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
    w.reboot(60);
    expect(await add("b", fixed, "ns/other", keeps)).toContain("is reserved for another pod");
    expect(await add("c", fixed, "ns/db", keeps)).toBe("10.1.0.5/24 fd00:1::2/64");
  });

  test("a pool narrows the sets it names, by name or prefix, and moves no round", async () => {
    expect(await add("a", {})).toBe("10.1.0.64/24 fd00:1::2/64");
    expect(await add("b", { [POOL]: "red" })).toBe("10.2.0.1/24 fd00:1::3/64");
    expect(await add("c", { [POOL]: '["red"]' })).toBe("10.2.0.2/24 fd00:1::4/64");
    expect(await add("d", { [POOL]: "10.1.0.96/28" })).toBe("10.1.0.96/24 fd00:1::5/64");
    expect(await add("e", { [POOL]: "10.1.0.0/24 , fd00:1::100/120" })).toBe(
      "10.1.0.65/24 fd00:1::100/64",
    );
    expect(await add("f", {})).toBe("10.1.0.66/24 fd00:1::6/64");
    expect(await add("g", { [POOL]: "fd00:1::/64", [OURS]: "10.1.0.5" })).toBe(
      "10.1.0.5/24 fd00:1::7/64",
    );
  });

  test("a full pool is full, whatever the other ranges have", async () => {
    const tiny = { [POOL]: "10.1.0.126/31" };
    expect(await add("a", tiny)).toContain("10.1.0.126/24");
    expect(await add("b", tiny)).toContain("10.1.0.127/24");
    expect(await add("c", tiny)).toContain(
      "no IP addresses available in range set: 10.1.0.126-10.1.0.127",
    );
  });

  test("DEL, CHECK, GC and STATUS look at no annotation", async () => {
    const bad = { [OURS]: "x", [POOL]: "y", [RESERVE]: "z", other: 7 };
    expect(await add("a", { [OURS]: "10.1.0.5" })).toContain("10.1.0.5/24");
    const config = { ...net(), cniVersion: "1.1.0" };
    expect((await w.cni("CHECK", "a", noted(bad, config))).text).toBe("");
    expect((await w.cni("STATUS", "", noted(bad, config))).text).toBe("");
    const kept = {
      ...noted(bad, config),
      "cni.dev/valid-attachments": [{ containerID: "a", ifname: "eth0" }],
    };
    expect((await w.cni("GC", "", kept)).text).toBe("");
    expect(await add("b", { [OURS]: "10.1.0.5" })).toContain("111");
    expect((await w.cni("DEL", "a", noted(bad, config))).text).toBe("");
    expect(await add("b", { [OURS]: "10.1.0.5" })).toContain("10.1.0.5/24");
  });
});

// What is due counts as free, however much else is due: a full range set gives its own due
// addresses though those of other sets come before them, and STATUS knows them. Counted in entries,
// never in time.
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openIpamAround } from "../../src/ipam/ipam.ts";
import { Copy, checkNetwork } from "../support/check.ts";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import { call, Disk, freshMemory } from "../support/memoryhost.ts";

beforeAll(buildClock, 120_000);

describe.each(clockHosts)("$name", ({ world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  const net = (subnet: string, ipam: object = {}) => ({
    cniVersion: "1.1.0",
    name: "overdue",
    ipam: {
      type: "berth",
      ranges: [[{ subnet }]],
      dataDir: w.dir,
      reserve: { for: 60, pods: "all" },
      ...ipam,
    },
  });
  const add = async (config: object, id: string, pod?: string): Promise<string> => {
    const { status, json } = await w.cni("ADD", id, config, pod);
    return status === 0 ? json.ips[0].address.replace(/\/.*/, "") : `${json.code} ${json.msg}`;
  };

  test("STATUS: a set whose reservations are over isn't full, before anybody collects them", async () => {
    const config = net("10.9.0.0/29", { statusWhenFull: "unavailable" });
    const status = async () => (await w.cni("STATUS", "", config)).json?.code ?? 0;
    for (let n = 0; n < 5; n++) await add(config, `c${n}`, `default/p${n}`);
    expect(await status()).toBe(50);
    for (let n = 0; n < 5; n++) await w.cni("DEL", `c${n}`, config, `default/p${n}`);
    expect(await status()).toBe(50); // reserved for others than who may come
    w.pass(61);
    expect(await status()).toBe(0);
    expect(await add(config, "x")).toMatch(/^10\.9\.0\./);
  });

  test("a full set gives its due address though 200 of another set were due before it", async () => {
    const other = net("10.8.0.0/24");
    const own = net("10.9.0.0/29", { cooldown: "10h", reserve: { for: 120, pods: "ordinal" } });
    for (let n = 0; n < 200; n++) await add(other, `o${n}`, `default/o${n}`);
    for (let n = 0; n < 200; n++) await w.cni("DEL", `o${n}`, other, `default/o${n}`);
    for (let n = 0; n < 4; n++) await add(own, `c${n}`, `default/p${n}x`);
    const last = await add(own, "web", "default/web-0");
    await w.cni("DEL", "web", own, "default/web-0");
    await w.cni("DEL", "c0", own, "default/p0x"); // cools
    w.pass(121);
    // Nothing yields while something is due.
    expect(await add(own, "x", "default/x-0x")).toBe(last);
    expect(await add(own, "y", "default/y-0x")).not.toMatch(/^999/); // and now it does
    expect(await add(own, "z", "default/z-0x")).toMatch(/^999 .*no IP addresses available/);
  }, 120_000);
});

test("library: no cool-down is cut short while 200 others' reservations are due before the pool's own", () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), "berth-overdue-")), "lib");
  let now = 1000;
  const ipam = openIpamAround(path, {}, { clock: () => now });
  try {
    ipam.pool("10.8.0.0/24", { name: "others" });
    ipam.pool("10.9.0.0/31", { name: "own", cooldown: 100_000 });
    for (let n = 0; n < 200; n++) ipam.reserve(`ns/o-${n}`, { pools: ["others"], ttl: 60 });
    ipam.reserve("ns/own", { pools: ["own"], ttl: 120 });
    const { addresses } = ipam.allocate({ owner: "cools", pools: ["own"] });
    ipam.release("cools");
    now += 121;
    const other = ipam.allocate({ owner: "x", pools: ["own"] }).addresses;
    expect(other).not.toEqual(addresses);
    expect(ipam.allocate({ owner: "y", pools: ["own"] }).addresses).toEqual(addresses);
  } finally {
    ipam.close();
    fs.rmSync(join(path, ".."), { recursive: true });
  }
});

const NOW = 1000;
/** More than an ADD looks through (16,384), and more than it collects at once (4,096 at most). */
const FULL = "10.129.0.0/17";
const MANY = 17_000;
const LAST = "10.129.66.105";
const OTHERS = 9_000;

const dir = fs.mkdtempSync(join(tmpdir(), "berth-overdue-"));
let image: Disk;

beforeAll(async () => {
  const path = join(dir, "many");
  const ipam = openIpamAround(path, {}, { clock: () => NOW });
  ipam.pool("10.128.0.0/16", { name: "others" });
  ipam.pool(FULL, { name: "full", exclude: ["10.129.0.0/31"] });
  for (let n = 0; n < MANY; n++) {
    const ttl = n < MANY - 6 ? 9_000_000 : 120;
    ipam.reserve(`ns/web-${n}`, { pools: ["full"], ttl });
    if (n % 2000 === 0) await ipam.flush();
  }
  for (let n = 0; n < OTHERS; n++) {
    ipam.reserve(`ns${n % 40}/o-${n}`, { pools: ["others"], ttl: 60 });
    if (n % 2000 === 0) await ipam.flush();
  }
  ipam.close();
  expect(await checkNetwork(path)).toEqual([]);
  image = Disk.of(path);
}, 120_000);

afterAll(() => fs.rmSync(dir, { recursive: true }));

const cni = (disk: Disk, command: string, id: string, more: object = {}) =>
  call(
    disk,
    {
      CNI_COMMAND: command,
      CNI_PATH: "/",
      ...(command !== "STATUS" ? { CNI_CONTAINERID: id, CNI_IFNAME: "eth0", CNI_NETNS: "/n" } : {}),
    },
    {
      cniVersion: "1.1.0",
      name: "many",
      ipam: { type: "berth", subnet: FULL, rangeStart: "10.129.0.2", rangeEnd: LAST, ...more },
    },
  );

test("a set too large to be looked through: each ADD collects 3,200 and more until it has its own", () => {
  const disk = image.clone();
  disk.now = NOW + 121;
  let refused = 0;
  let answer = cni(disk, "ADD", "x");
  for (; answer.json.code === 999 && refused < 10; refused++) answer = cni(disk, "ADD", "x");
  expect(refused).toBeGreaterThan(1);
  expect(refused).toBeLessThan(OTHERS / 3000);
  expect(answer.json.ips[0].address).toMatch(/^10\.129\.66\.10[0-5]\/17$/);
  // Those that come after it find the rest.
  expect(cni(disk, "ADD", "y").json.ips).toHaveLength(1);
}, 120_000);

test("such a set gives at once what has cooled out in it, though 4,300 of another set were due before", () => {
  const disk = image.clone();
  const add = (id: string, more: object) => cni(disk, "ADD", id, more).json;
  const full = { subnet: FULL, rangeStart: "10.129.0.2", rangeEnd: LAST };
  const none = { subnet: undefined, rangeStart: undefined, rangeEnd: undefined };
  const own = { ...none, ranges: [[{ subnet: "10.141.0.0/24" }], [full]], cooldown: 60 };
  disk.now = NOW + 121;
  let [gone, last] = ["", ""];
  for (let n = 0; n < 12; n++) {
    const [, given] = add(`own-${n}`, own).ips ?? [];
    if (given) [gone, last] = [`own-${n}`, given.address];
  }
  expect(add("more", own).code).toBe(999);
  expect(cni(disk, "DEL", gone, own).status).toBe(0);
  const other = { ...none, ranges: [[{ subnet: "10.140.0.0/16" }]], cooldown: 10 };
  for (let n = 0; n < 4300; n++) {
    expect(add(`other-${n}`, other).ips).toHaveLength(1);
    cni(disk, "DEL", `other-${n}`, other);
  }
  const cooling = () => {
    const copy = new Copy(disk.read("berth.state")!, disk.read("berth.log")!, freshMemory());
    return copy.places().filter(({ state }) => state === "cooling").length;
  };
  const before = cooling();
  disk.now += 61;
  expect(add("next", own).ips?.[1].address).toBe(last);
  // Not after having collected what is due in the other set.
  expect(before - cooling()).toBeLessThan(200);
}, 120_000);

test("STATUS of such a set says full only if nothing is due at all", () => {
  const disk = image.clone();
  const full = { statusWhenFull: "unavailable" };
  disk.now = NOW + 1;
  expect(cni(disk, "STATUS", "", full).json.code).toBe(50);
  disk.now = NOW + 121;
  expect(cni(disk, "STATUS", "", full).json).toBe(undefined);
}, 120_000);

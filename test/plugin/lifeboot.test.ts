// What an address's life is over a reboot, on a clock of the test's own, through the plugin on both
// hosts; and what is on disk before the answer.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";
import { call, Disk } from "../support/memoryhost.ts";

beforeAll(buildClock, 120_000);

const WEB = "default/web-0";
const DAY = 86_400;

describe.each(clockHosts)("$name", ({ world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  const net = (ipam: object) => ({
    cniVersion: "1.0.0",
    name: "life",
    ipam: {
      type: "berth",
      ranges: [[{ subnet: "10.9.0.0/28" }], [{ subnet: "fd00:9::/120" }]],
      dataDir: w.dir,
      policy: "first",
      ...ipam,
    },
  });
  const all = { reserve: { for: "24h", pods: "all" } };
  /** ADD: the last group of each address, or the error's code and text. */
  const add = async (config: object, id: string, pod?: string): Promise<string> => {
    const { status, json } = await w.cni("ADD", id, config, pod);
    if (status !== 0) return `${json.code} ${json.msg}`;
    const last = ({ address }: { address: string }) => /(\w+)\/\d+$/.exec(address)![1];
    return json.ips.map(last).join(" ");
  };
  const del = async (config: object, id: string) =>
    expect((await w.cni("DEL", id, config)).text).toBe("");

  test("a held address whose name is reserved becomes a reservation with its full time; the rest lapses", async () => {
    const config = net(all);
    expect(await add(config, "a")).toBe("2 2");
    expect(await add(config, "b", WEB)).toBe("3 3");
    w.pass(10 * DAY); // held, not reserved: no time runs
    w.reboot(3600);
    expect(await add(config, "c", "default/c")).toBe("2 2");
    expect(await add(config, "d")).toBe("4 4");
    w.pass(DAY - 60);
    expect(await add(config, "e")).toBe("5 5");
    await del(config, "e");
    expect(await add(config, "f", WEB)).toBe("3 3");
    w.reboot();
    expect(await add(net({}), "g")).toBe("4 4"); // the record remembers what the config said
    w.pass(DAY + 60);
    expect(await add(net({}), "h")).toBe("2 2");
    expect(await add(net({}), "i")).toBe("3 3");
  });

  test("of two containers with one name the newer one's addresses are reserved over a reboot", async () => {
    const config = net(all);
    expect(await add(config, "old", WEB)).toBe("2 2");
    expect(await add(config, "new", WEB)).toBe("3 3");
    w.reboot();
    expect(await add(config, "next", WEB)).toBe("3 3");
    expect(await add(config, "x")).toBe("2 2");
  });

  test("a reservation goes on with the time that it had left, downtime counted", async () => {
    const config = net(all);
    await add(config, "a", WEB);
    await del(config, "a");
    w.pass(DAY / 2);
    await add(config, "b");
    w.reboot(DAY / 4);
    expect(await add(config, "c")).toBe("3 3");
    w.pass(DAY / 4 - 60);
    expect(await add(config, "d")).toBe("4 4");
    w.pass(120);
    expect(await add(config, "e")).toBe("2 2");
  });

  test("what ended while the machine was down is free at the first call", async () => {
    const config = net({ ...all, cooldown: "1h" });
    await add(config, "a", WEB);
    await add(config, "b");
    await del(config, "a");
    await del(config, "b");
    w.reboot(DAY + 60);
    expect(await add(config, "c")).toBe("2 2");
    expect(await add(config, "d")).toBe("3 3");
  });

  test("a cool-down goes on after a reboot", async () => {
    const config = net({ cooldown: "1h" });
    await add(config, "a");
    await del(config, "a");
    w.reboot(1800);
    expect(await add(config, "b")).toBe("3 3");
    w.pass(1860);
    expect(await add(config, "c")).toBe("2 2");
  });

  test("a wall clock that is set back, or not set at all, ends nothing early over a reboot", async () => {
    const config = net(all);
    await add(config, "a", WEB);
    await del(config, "a");
    const real = w.real;
    w.reboot();
    w.real = real - 400n * BigInt(DAY) * SECOND;
    w.pass(DAY - 60);
    expect(await add(config, "b")).toBe("3 3"); // no time passed while it was down
    const now = BigInt(Date.now()) * 1_000_000n;
    w.reboot();
    w.real = -now; // 1970, for a while
    expect(await add(config, "c")).toBe("3 3");
    w.reboot();
    w.real = real; // the anchor isn't believed: it was of 1970
    expect(await add(config, "d")).toBe("3 3");
    expect(await add(config, "e", WEB)).toBe("2 2");
  });

  test("a wall clock that is set forward while pods come and go ends nothing early over a reboot", async () => {
    const config = net(all);
    await add(config, "a", WEB);
    await del(config, "a");
    w.real += 30n * BigInt(DAY) * SECOND;
    await add(config, "b"); // sees the jump
    w.reboot(60);
    expect(await add(config, "c")).toBe("3 3");
    expect(await add(config, "d", WEB)).toBe("2 2");
  });
});

/** Files that a call synced: compares what is on disk with what is in the cache. */
const SYNCS = [
  { sync: undefined, pod: "anonymous", synced: false },
  { sync: undefined, pod: "web-0", synced: true },
  { sync: "named", pod: "web-0", synced: true },
  { sync: "always", pod: "anonymous", synced: true },
  { sync: "never", pod: "web-0", synced: false },
];

test.each(SYNCS)(
  "sync $sync: ADD and DEL of $pod are on disk before the answer: $synced",
  ({ sync, pod, synced }) => {
    const disk = new Disk();
    const config = {
      cniVersion: "1.0.0",
      name: "s",
      ipam: { type: "berth", subnet: "10.9.0.0/28", sync, reserve: { pods: "ordinal" } },
    };
    const env = (command: string, id: string, name: string) => ({
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_IFNAME: "eth0",
      CNI_NETNS: "/n",
      CNI_PATH: "/",
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
    });
    const onDisk = () => {
      const log = disk.names.get("berth.log")!;
      return log.disk.equals(log.cache);
    };
    expect(call(disk, env("ADD", "first", "x"), config).status).toBe(0);
    for (const file of disk.names.values()) file.disk = Buffer.from(file.cache);
    for (const command of ["ADD", "DEL"]) {
      expect(call(disk, env(command, "a", pod), config).status).toBe(0);
      expect([command, onDisk()]).toEqual([command, synced]);
      for (const file of disk.names.values()) file.disk = Buffer.from(file.cache);
    }
  },
);

test("a power cut right after the answer takes no reservation and no qualifying name", () => {
  const config = {
    cniVersion: "1.0.0",
    name: "s",
    ipam: { type: "berth", subnet: "10.9.0.0/27", reserve: { pods: "all" } },
  };
  const env = (command: string, id: string) => ({
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_IFNAME: "eth0",
    CNI_NETNS: "/n",
    CNI_PATH: "/",
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${id.slice(1)}`,
  });
  let seed = 1;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return (seed >> 8) % n;
  };
  for (let life = 0; life < 40; life++) {
    const disk = new Disk();
    const had = new Map<string, string>();
    for (let step = 0; step < 6; step++) {
      const name = `pod${random(4)}`;
      const { json } = call(disk, env("ADD", `${step}${name}`), config);
      const address = json.ips[0].address;
      if (had.has(name)) expect(address).toBe(had.get(name));
      had.set(name, address);
      if (random(2) === 0) disk.writeBack(random);
      if (step < 5 || random(2) === 0) call(disk, env("DEL", `${step}${name}`), config);
    }
    disk.cut(random);
    for (const [name, address] of had) {
      const { json } = call(disk, env("ADD", `9${name}`), config);
      expect([life, name, json.ips?.[0].address]).toEqual([life, name, address]);
    }
  }
});

// What a power cut, a clock or a lazy disk could take of an address's life, on files in memory: the
// pages that survive are chosen by the test, one by one.
import { expect, test } from "vitest";
import { call, Disk } from "../support/memoryhost.ts";

const PAGE = 4096;

const env = (command: string, id: string, name = "") => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: id,
  CNI_IFNAME: "eth0",
  CNI_NETNS: "/n",
  CNI_PATH: "/",
  ...(name === ""
    ? {}
    : { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}` }),
});

const net = (ipam: object = {}) => ({
  cniVersion: "1.1.0",
  name: "cut",
  ipam: {
    type: "berth",
    ranges: [[{ subnet: "10.9.0.0/24" }], [{ subnet: "fd00:9::/120" }]],
    policy: "first",
    ...ipam,
  },
});

/** ADD: its addresses. */
function add(disk: Disk, id: string, ipam: object = {}, name = ""): string {
  const { json } = call(disk, env("ADD", id, name), net(ipam));
  return json.ips?.map((ip: { address: string }) => ip.address.replace(/\/.*/, "")).join(" ");
}

function del(disk: Disk, id: string, ipam: object = {}): void {
  expect(call(disk, env("DEL", id), net(ipam)).json).toBe(undefined);
}

/** What `berth show` tells of each address. */
function listed(disk: Disk): { address: string; state: string; owner?: string }[] {
  const look = disk.clone();
  look.argv = ["show", "--json", "--network", "cut"];
  return call(look, {}, {}).json.networks[0].addresses;
}

/** The same: address -> state. */
function shown(disk: Disk): Record<string, string> {
  return Object.fromEntries(listed(disk).map(({ address, state }) => [address, state]));
}

function faults(disk: Disk): unknown {
  const look = disk.clone();
  look.argv = ["check", "--json", "--network", "cut"];
  return call(look, {}, {}).json.networks[0].faults;
}

/** The clock is set 30 days forward, then `step` happens, then the machine boots again. */
function jumped(step: (disk: Disk) => void): string | undefined {
  const day = 86_400;
  const reserve = { reserve: { for: "24h", pods: "all" } };
  const disk = new Disk();
  disk.wall = 1_790_000_000; // after this release
  add(disk, "a", reserve, "web-0");
  add(disk, "b", reserve);
  del(disk, "a", reserve);
  disk.wall += 30 * day;
  disk.now += 300;
  step(disk);
  const unix = disk.wall + disk.now + 60;
  disk.boot = "22222222-2222-3333-4444-555555555555";
  disk.now = 30;
  disk.wall = unix - disk.now;
  expect(faults(disk)).toEqual([]);
  const other = add(disk, "y", reserve);
  return `${add(disk, "z", reserve, "web-0")}, another ${other}`;
}

test("every commit that sees the wall clock jump remembers it: GC and a refused ADD, too", () => {
  const had = "10.9.0.2 fd00:9::2, another 10.9.0.3 fd00:9::3";
  const gc = { ...net(), "cni.dev/valid-attachments": [] };
  expect(jumped((disk) => add(disk, "c"))).toBe(had);
  expect(
    jumped((disk) => {
      expect(call(disk, env("GC", ""), gc).status).toBe(0);
    }),
  ).toBe(had);
  const full = { ranges: [[{ subnet: "10.9.0.0/24" }], [{ subnet: "10.9.1.0/30" }]] };
  expect(
    jumped((disk) => {
      const before = disk.read("berth.log")!.length;
      add(disk, "c", { ...full, policy: "next" });
      disk.wall += 86_400 * 30;
      expect(add(disk, "d", { ...full, policy: "next" })).toBe(undefined);
      expect(disk.read("berth.log")!.length).toBe(before);
    }),
  ).toBe(had);
});

/** The page of berth.state on which the head of a container's record lies. */
function pageOf(disk: Disk, id: string): number {
  const state = Buffer.from(disk.read("berth.state")!);
  let at = state.indexOf(id);
  while (at >= 0 && (at % 128 !== 48 || state[at - 48 + 4] !== 1)) at = state.indexOf(id, at + 1);
  expect(at).toBeGreaterThan(0);
  return Math.floor(at / PAGE);
}

/**
 * A record that cools loses one of its two addresses to a pod, and a power cut leaves the pod's
 * page and the record as it was. `low`: the pod's record lies before the other.
 */
function contested(low: boolean): Disk {
  const always = { sync: "always", reboot: "keep", cooldown: 100_000 };
  const wide = { ...always, ranges: [[{ subnet: "10.8.0.0/24" }], [{ subnet: "fd00:8::/120" }]] };
  const disk = new Disk();
  disk.wall = 1_790_000_000;
  if (low) add(disk, "first", wide);
  else add(disk, "cools", always);
  // Others in between, so that the two lie on different pages.
  for (let n = 0; n < 64; n++) add(disk, `filler${n}`, wide);
  if (low) {
    add(disk, "cools", always);
    del(disk, "first", { ...wide, cooldown: 0 });
  }
  del(disk, "cools", always);
  disk.flush();
  expect(Object.values(shown(disk)).filter((state) => state === "cooling")).toHaveLength(2);
  const pod = "the-pod-that-got-it";
  const two = { subnet: "10.9.0.0/24", rangeStart: "10.9.0.2", rangeEnd: "10.9.0.2" };
  const tight = { ...always, sync: "never", ranges: [[two], [{ subnet: "fd00:9::/120" }]] };
  expect(add(disk, pod, tight)).toBe("10.9.0.2 fd00:9::3");
  const state = disk.names.get("berth.state")!;
  const page = pageOf(disk, pod);
  expect(Math.sign(page - pageOf(disk, "cools"))).toBe(low ? -1 : 1);
  state.cache.copy(state.disk, page * PAGE, page * PAGE, (page + 1) * PAGE);
  disk.cut((n) => n - 1); // else what was synced, and nothing more
  disk.wall = 1_790_000_000;
  add(disk, "next", wide);
  return disk;
}

test.each([false, true])(
  "of a cooling record with one address that is a younger record's, the other goes on cooling (%s)",
  (low) => {
    const disk = contested(low);
    expect(faults(disk)).toEqual([]);
    const now = shown(disk);
    expect([now["10.9.0.2"], now["fd00:9::2"]]).toEqual(["held", "cooling"]);
  },
);

/**
 * A pod goes and comes again, and a power cut leaves its record of before and the page of its new
 * one: its new address. `low`: the new record lies before the old one.
 */
function returned(low: boolean): [Disk, string] {
  const always = { sync: "always", reboot: "keep" };
  const never = { ...always, sync: "never" };
  const disk = new Disk();
  disk.wall = 1_790_000_000;
  if (low) add(disk, "first", always);
  else add(disk, "comes-again", always);
  for (let n = 0; n < 64; n++) add(disk, `filler${n}`, always);
  if (low) add(disk, "comes-again", always);
  disk.flush();
  const before = pageOf(disk, "comes-again");
  del(disk, "comes-again", never);
  // It takes the cell and the address of the old record.
  add(disk, "other", never);
  if (low) del(disk, "first", never);
  const address = add(disk, "comes-again", never);
  const page = pageOf(disk, "comes-again");
  expect(Math.sign(page - before)).toBe(low ? -1 : 1);
  const state = disk.names.get("berth.state")!;
  state.cache.copy(state.disk, page * PAGE, page * PAGE, (page + 1) * PAGE);
  disk.cut((n) => n - 1); // else what was synced, and nothing more
  return [disk, address];
}

test.each([false, true])(
  "of two records of one owner the younger holds its addresses, the older none (%s)",
  (low) => {
    const [disk, address] = returned(low);
    add(disk, "next", { reboot: "keep" });
    expect(faults(disk)).toEqual([]);
    const own = listed(disk).filter(({ owner }) => owner === "comes-again");
    expect(own.map((each) => each.address).join(" ")).toBe(address);
    const again = call(disk, env("ADD", "comes-again"), net({ reboot: "keep" })).json;
    expect(again.msg).toContain("duplicate allocation");
  },
);

test('"sync": "never" loses nothing that was synced before the config said so', () => {
  const named = { reserve: { for: "24h", pods: "all" } };
  const never = { ...named, sync: "never", ranges: [[{ subnet: "10.8.0.0/24" }]] };
  const disk = new Disk();
  disk.wall = 1_790_000_000;
  const had = add(disk, "a", named, "web-0");
  del(disk, "a", named);
  const generation = () => Buffer.from(disk.read("berth.log")!).readUInt32LE(32);
  const before = generation();
  let calls = 0;
  for (; generation() === before && calls < 5000; calls++) {
    if (calls % 2 === 0) add(disk, "b", never);
    else del(disk, "b", never);
  }
  expect(generation()).toBe(before + 1);
  // The kernel has written the log back, which begins anew, and of the image nothing yet.
  const log = disk.names.get("berth.log")!;
  log.disk = Buffer.from(log.cache);
  disk.cut((n) => n - 1);
  disk.wall = 1_790_000_000 + 60;
  expect(add(disk, "x", named)).not.toBe(had);
  expect(add(disk, "c", named, "web-0")).toBe(had);
}, 60_000);

test("a further cell of a former record in the same place isn't taken for a later one's", () => {
  const two = {
    ranges: [[{ subnet: "fd00:8::/120" }], [{ subnet: "fd00:9::/120" }]],
    policy: "next",
    sync: "never",
    reboot: "keep",
  };
  const disk = new Disk();
  for (let n = 0; n < 32; n++) add(disk, `filler${n}`, two); // two cells each
  for (const id of ["filler0", "filler16"]) del(disk, id, two);
  add(disk, "named", two, "web-0"); // three cells: one place on the first page is left
  const [, further] = add(disk, "former", two).split(" ");
  disk.flush();
  // Cells that are freed are taken again in the reverse order, and so on.
  const head = pageOf(disk, "former");
  del(disk, "former", two);
  add(disk, "between", two);
  del(disk, "between", two);
  const later = add(disk, "a-later-one", two).split(" ");
  const state = disk.names.get("berth.state")!;
  const page = pageOf(disk, "a-later-one");
  expect(page).toBe(head);
  state.cache.copy(state.disk, page * PAGE, page * PAGE, (page + 1) * PAGE);
  disk.cut((n) => n - 1); // else what was synced, and nothing more
  add(disk, "next", { ...two, policy: "first" });
  expect(faults(disk)).toEqual([]);
  const left = shown(disk);
  for (const address of [...later, further!]) expect(left).not.toHaveProperty([address]);
});

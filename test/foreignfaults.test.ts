// A file operation that fails while host-local's files lie beside ours: nothing that a container
// holds is freed by it, whatever couldn't be looked at, and what the call said stands.
import { expect, it } from "vitest";
import { Copy } from "./support/check.ts";
import { call, Disk, freshMemory, type Plan } from "./support/memoryhost.ts";

const RANGES = [[{ subnet: "10.1.0.0/29" }], [{ subnet: "fd00:1::/125" }]];
const EIO = 5;
const ENXIO = 6;
const EAGAIN = 11;
const ENODEV = 19;
const EMFILE = 24;

/** What happens to a call: a fault, what the lock says, and CNI_ARGS. */
interface How {
  plan?: Plan;
  lock?: number;
  args?: string;
}

function does(disk: Disk, verb: string, id: string, { plan, lock, args = "" }: How = {}) {
  const ipam = { type: "berth", mirror: true, ranges: RANGES };
  const config = { cniVersion: "1.1.0", name: "net", ipam };
  const whose = { CNI_CONTAINERID: id, CNI_IFNAME: "eth0", CNI_NETNS: "/n", CNI_ARGS: args };
  return call(disk, { CNI_COMMAND: verb, CNI_PATH: "/", ...whose }, config, plan, lock);
}

/** Who holds what, in the image and in the files; throws where the image has a fault. */
function holders(disk: Disk): string[] {
  const copy = new Copy(disk.read("berth.state")!, disk.read("berth.log")!, freshMemory());
  expect(copy.faults()).toEqual([]);
  const records = copy.held().map(({ address, id }) => `${address} ${id}`);
  const files = [...disk.names].filter(([name]) => /^[0-9a-f.:]+$/.test(name));
  expect(files.map(([name, { cache }]) => `${name} ${`${cache}`.split("\r\n")[0]}`).sort()).toEqual(
    [...records].sort(),
  );
  return records.sort();
}

/** Three containers hold something; host-local has given one of them since our last call. */
function network(full: boolean): Disk {
  const disk = new Disk();
  const ids = ["a", "b", ...(full ? ["d", "e"] : [])];
  for (const id of ids) expect(does(disk, "ADD", id).status).toBe(0);
  for (const name of ["10.1.0.6", "fd00:1::6"]) {
    const cache = Buffer.from("c\r\neth0");
    disk.names.set(name, { cache, disk: cache });
  }
  disk.names.get("last_reserved_ip.0")!.time = disk.time();
  return disk;
}

it.each([
  ["a second ADD", "ADD", "a", false],
  ["an ADD that finds nothing free", "ADD", "new", true],
  ["CHECK", "CHECK", "b", false],
  ["STATUS", "STATUS", "", false],
])("%s with a failing operation frees nothing that is held", (_, verb, id, full) => {
  const whole = network(full);
  const count = does(whole, verb, id).operations;
  const wanted = holders(whole);
  expect(wanted.filter((one) => / [abc]$/.test(one))).toHaveLength(6);
  const said: string[] = [];
  for (const errno of [EIO, EMFILE])
    for (let at = 0; at < count; at++) {
      const disk = network(full);
      said.push(does(disk, verb, id, { plan: { at, errno } }).json?.msg ?? "");
      // What couldn't be done is done by the next call.
      expect([errno, at, does(disk, "CHECK", "c").status]).toEqual([errno, at, 0]);
      expect([errno, at, holders(disk)]).toEqual([errno, at, wanted]);
    }
  expect(said).toContainEqual(
    expect.stringMatching(/^can't read host-local's file .*\/net\/10[.0-9]+: /),
  );
});

it("a file that couldn't be unlinked is found by the next call, and goes with the next DEL", () => {
  const whole = network(false);
  const count = does(whole, "DEL", "b").operations;
  let left = 0;
  for (let at = 0; at < count; at++) {
    const disk = network(false);
    does(disk, "DEL", "b", { plan: { at, errno: EIO } });
    if (disk.names.has("10.1.0.3") || disk.names.has("fd00:1::3")) left++;
    expect([at, does(disk, "DEL", "b").status]).toEqual([at, 0]);
    expect(does(disk, "CHECK", "c").status).toBe(0);
    expect(holders(disk).filter((one) => one.endsWith(" b"))).toEqual([]);
  }
  expect(left).toBeGreaterThan(2);
});

/** The time of the mark of set 0 that says: everything in the directory is known. */
const OURS = 1_000_000_000n;
const markTime = (disk: Disk) => disk.names.get("last_reserved_ip.0")!.time;

it.each([
  ["an ADD", "", 0],
  ["an ADD that is refused", "IP=fd00:1::6", 1],
])(
  "a file that %s couldn't unlink for a DEL's note is read again by the next call",
  (_, args, status) => {
    const disk = network(false);
    expect(does(disk, "CHECK", "c").status).toBe(0);
    expect(markTime(disk)).toBe(OURS);
    // The DEL doesn't get the lock.
    expect(does(disk, "DEL", "b", { lock: -EAGAIN }).status).toBe(0);
    disk.stuck.add("10.1.0.3");
    expect(does(disk, "ADD", "new", { args }).status).toBe(status);
    expect(disk.names.has("10.1.0.3")).toBe(true);
    expect(markTime(disk)).not.toBe(OURS);
    expect(does(disk, "CHECK", "c").status).toBe(0);
    expect(holders(disk)).toContain("10.1.0.3 b");
    // Read and taken for what it says: nothing is unsure any more.
    expect(markTime(disk)).toBe(OURS);
    disk.stuck.clear();
    expect(does(disk, "DEL", "b").status).toBe(0);
    expect(holders(disk).filter((one) => one.endsWith(" b"))).toEqual([]);
  },
);

it.each([ENXIO, ENODEV])(
  "a name that will never be read (errno %i) is held by nobody known",
  (errno) => {
    const disk = network(false);
    const cache = Buffer.alloc(0);
    disk.names.set("10.1.0.4", { cache, disk: cache });
    disk.shut.set("10.1.0.4", -errno);
    for (const id of ["a", "b", "c"]) expect(does(disk, "CHECK", id).status).toBe(0);
    const given = does(disk, "ADD", "new");
    expect(given.json.ips[0].address).toBe("10.1.0.5/29");
    expect(does(disk, "DEL", "new").status).toBe(0);
  },
);

it("an error names the file that couldn't be read, and the next call goes on", () => {
  const disk = network(false);
  disk.shut.set("10.1.0.6", -EIO);
  const said = does(disk, "CHECK", "a").json;
  expect(said.code).toBe(106);
  expect(said.msg).toMatch(/^can't read host-local's file .*\/net\/10\.1\.0\.6: /);
  disk.shut.clear();
  expect(does(disk, "CHECK", "c").status).toBe(0);
});

it("a file that a power cut has brought back is held again until somebody lets it go", () => {
  const disk = network(false);
  expect(does(disk, "DEL", "b").status).toBe(0);
  const cache = Buffer.from("b\r\neth0");
  disk.names.set("10.1.0.3", { cache, disk: cache });
  disk.boot = "22222222-2222-3333-4444-555555555555";
  expect(does(disk, "CHECK", "b").status).toBe(0);
  expect(holders(disk)).toContain("10.1.0.3 b");
  expect(does(disk, "DEL", "b").status).toBe(0);
  expect(disk.names.has("10.1.0.3")).toBe(false);
});

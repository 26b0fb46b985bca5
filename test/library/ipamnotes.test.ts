// DEL notes that an Ipam finds when it opens: what they name is let go, on disk, before they are
// removed, so that no later failure brings it back.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { call, Disk } from "../support/memoryhost.ts";
import { crashed, removeSpaces, sound, space, used } from "./ipamspace.ts";

afterAll(removeSpaces);

const CONTAINER = { kind: "container", interface: "eth0" } as const;
const EIO = 5;

/** The name of the note that a DEL of the container leaves where it can't have the lock. */
function noteOf(path: string, id: string): string {
  const disk = new Disk();
  for (const name of ["berth.state", "berth.log"]) {
    const cache = readFileSync(join(path, name));
    disk.names.set(name, { cache, disk: cache });
  }
  const env = { CNI_COMMAND: "DEL", CNI_PATH: "/", CNI_CONTAINERID: id, CNI_IFNAME: "eth0" };
  const config = {
    cniVersion: "1.0.0",
    name: "net",
    ipam: { type: "berth", subnet: "10.0.0.0/24" },
  };
  expect(call(disk, env, config, undefined, -11).status).toBe(0);
  const [note] = [...disk.names.keys()].filter((name) => name.startsWith("del-"));
  return note!;
}

it("a flush that fails later doesn't bring back what a note has let go", async () => {
  const path = space();
  used(path, (ipam) => {
    ipam.pool("10.0.0.0/24", { name: "pods" });
    for (const owner of ["gone", "stays"]) ipam.allocate({ owner, ...CONTAINER, pools: ["pods"] });
  });
  const note = noteOf(path, "gone");
  writeFileSync(join(path, note), "");
  let fails = false;
  const between = (imports: Record<string, (...values: number[]) => unknown>) => ({
    write: (handle: number, at: number, from: number, length: number) =>
      fails && length > 8 ? -EIO : (imports.write!(handle, at, from, length) as number),
  });
  const ipam = openIpamAround(path, {}, { between });
  expect([...ipam].map(({ owner }) => owner)).toEqual(["stays"]);
  expect(existsSync(join(path, note))).toBe(false);
  fails = true;
  ipam.allocate({ owner: "new", pools: ["pods"] });
  await expect(ipam.flush()).rejects.toMatchObject({ code: "io" });
  // What a crash leaves now, and what the next opening makes of it.
  const left = crashed(path);
  await sound(left);
  expect(used(left, (again) => [...again].map(({ owner }) => owner))).toEqual(["stays"]);
  ipam.close();
});

it("what a note of the owner's own asked for is in the files before the note goes", async () => {
  const path = space();
  const owner = { owner: "again", ...CONTAINER, pools: ["pods"] };
  using ipam = openIpam(path);
  ipam.pool("10.0.0.0/24", { name: "pods" });
  ipam.allocate(owner);
  await ipam.flush();
  const note = noteOf(path, "again");
  writeFileSync(join(path, note), "");
  const [next] = ipam.allocate(owner).addresses;
  expect(next).not.toBe("10.0.0.0");
  expect(existsSync(join(path, note))).toBe(false);
  // Killed before anything more is flushed: the DEL was answered, so its address isn't held.
  const left = crashed(path);
  await sound(left);
  expect(used(left, (other) => [...other].map(({ owner }) => owner))).toEqual([]);
});

// Commits whose sync has failed: nobody was promised them, so they never come back, neither by
// themselves nor behind the commits of a later opening.
import { afterAll, describe, expect, it } from "vitest";
import type { SyncFile } from "../../src/ipam/core.ts";
import { type Ipam, openIpam, openIpamAround } from "../../src/ipam/ipam.ts";
import { crashed, removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const POOL = "10.0.0.0/24";

function holders(ipam: Ipam): string[] {
  return [...ipam].map((one) => `${one.owner} ${one.addresses}`);
}

/** Two commits are written, and then the sync of each fails. */
async function fail(path: string): Promise<void> {
  const ends: Parameters<SyncFile>[1][] = [];
  const ipam = openIpamAround(path, {}, { sync: (_, done) => ends.push(done) });
  const flushes: Promise<string>[] = [];
  for (const owner of ["a", "b"]) {
    ipam.allocate({ owner, pools: [POOL] });
    flushes.push(ipam.flush().then(String, (error) => error.code));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(ends.length).toBe(2);
  for (const end of ends) end(Object.assign(new Error("EIO"), { errno: -5 }));
  expect(await Promise.all(flushes)).toEqual(["io", "io"]);
  ipam.close();
}

describe("[crash] commits whose sync has failed", () => {
  for (const lock of ["exclusive", "per-call", "per-call, opened before"])
    it(`aren't found behind those of the next opening: ${lock}`, async () => {
      const path = space();
      const first = openIpam(path, { lock: "per-call" });
      first.pool(POOL);
      await fail(path);
      const isNew = !lock.endsWith("before");
      const ipam = isNew ? openIpam(path, { lock: lock as "exclusive" | "per-call" }) : first;
      expect(holders(ipam)).toEqual([]);
      ipam.allocate({ owner: "c", pools: [POOL] });
      await ipam.flush();
      const left = crashed(path);
      ipam.close();
      using again = openIpam(left);
      expect(holders(again)).toEqual(["c 10.0.0.0"]);
      expect(again.check()).toEqual([]);
      await sound(left);
    });
});

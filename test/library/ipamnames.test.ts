// Several reservations of one name, and a reboot.
import { afterAll, expect, it } from "vitest";
import { openIpamAround } from "../../src/ipam/ipam.ts";
import { removeSpaces, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const POOLS = ["10.0.0.0/24", "10.0.1.0/24"];

function boot(n: number): { boot: string; clock: () => number; wall: () => number } {
  const id = `aaaaaaaa-bbbb-cccc-dddd-${String(n).padStart(12, "0")}`;
  return { boot: id, clock: () => 100, wall: () => 1.79e9 + 10 * n };
}

it("what several owners leave to one name is all there after a reboot", () => {
  const path = space();
  const ipam = openIpamAround(path, {}, boot(1));
  for (const [n, pool] of POOLS.entries()) {
    ipam.pool(pool);
    ipam.allocate({ owner: `o${n}`, name: "ns/web", pools: [pool] });
  }
  for (const n of POOLS.keys()) ipam.release(`o${n}`, { reserveFor: 1000 });
  ipam.close();
  using again = openIpamAround(path, {}, boot(2));
  const kept = again.ofName("ns/web").reservations.flatMap((one) => one.addresses);
  expect(kept.sort()).toEqual(["10.0.0.0", "10.0.1.0"]);
  expect(again.check()).toEqual([]);
});

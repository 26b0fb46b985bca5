// What a call of the library pays for others: while nothing is free it frees what is due, its own
// or not, but only so many rounds of it before a cool-down of its own pool yields instead. Counted
// in entries, never in time.
import { expect, it } from "vitest";
import { type Ipam, openIpamAround } from "../../src/ipam/ipam.ts";
import { codes, removeSpaces, sound, space } from "./ipamspace.ts";

/** Reservations that 64 rounds free surely, and more than they can: a round is 64 at most. */
const FEW = 64 * 40;
const MANY = 68 * 64;

/** One address of the pool "own" cools; the other's reservation is due, behind those of `others`. */
async function scene(others: number, work: (ipam: Ipam, cools: string) => void): Promise<void> {
  const path = space();
  let now = 1000;
  const ipam = openIpamAround(path, {}, { clock: () => now });
  try {
    ipam.pool("10.8.0.0/16", { name: "others" });
    ipam.pool("10.9.0.0/31", { name: "own", cooldown: 100_000 });
    for (let n = 0; n < others; n++) ipam.reserve(`ns/o-${n}`, { pools: ["others"], ttl: 60 });
    ipam.reserve("ns/own", { pools: ["own"], ttl: 120 });
    const [cools] = ipam.allocate({ owner: "cools", pools: ["own"] }).addresses;
    ipam.release("cools");
    now += 121;
    work(ipam, cools!);
    expect(ipam.check()).toEqual([]);
  } finally {
    ipam.close();
  }
  await sound(path);
  removeSpaces();
}

const next = (ipam: Ipam, owner: string) =>
  ipam.allocate({ owner, pools: ["own"] }).addresses.join();

it("goes on for 64 rounds, and no cool-down is cut short meanwhile", () =>
  scene(FEW, (ipam, cools) => {
    expect(next(ipam, "x")).not.toBe(cools);
    expect(next(ipam, "y")).toBe(cools);
    expect(codes(() => next(ipam, "z"))[0]).toBe("exhausted");
  }));

it("behind them a cool-down yields, though the pool's own address is due further on", () =>
  scene(MANY, (ipam, cools) => {
    expect(next(ipam, "x")).toBe(cools);
    // The rest is less than another 64 rounds.
    expect(next(ipam, "y")).not.toBe(cools);
    expect(codes(() => next(ipam, "z"))[0]).toBe("exhausted");
  }));

// What prefix pools do when the heap of the process is full. In a file of its own, for it stays full.
import { expect, it } from "vitest";
import { createPrefixPool } from "../../src/cluster/prefixpool.ts";
import { heap } from "../../src/heap.ts";
import { answerOf } from "../support/codes.ts";

it("says noSpace, gives no family alone, and takes everything back that is released", () => {
  // IPv4 is a bitmap and needs no more memory, IPv6 is a radix set and does.
  const one = createPrefixPool(["10.0.0.0/16", "fd00::/16"], { policy: "first" });
  const mixed = createPrefixPool(["10.0.0.0/16", "fd00::/16"], { mixed: true });
  const given = [one, mixed].map((pool) => pool.allocate({ owner: "a" }));
  const core = heap().exports;
  for (let bytes = 1 << 29; bytes >= 4096; bytes /= 2) while (core.runTake!(bytes) !== 0) {}
  while (core.arenaTake!(552) !== 0) {}
  for (const pool of [one, mixed]) {
    const before = JSON.stringify([pool.stats(), [...pool.entries()]]);
    expect(answerOf(() => pool.allocate({ owner: "b" }))).toBe("noSpace");
    expect(answerOf(() => pool.hold({ owner: "b" }))).toBe("noSpace");
    expect(answerOf(() => pool.occupy("fd00:1::/60", "b"))).toBe("noSpace");
    expect(answerOf(() => pool.add("fe00::/16"))).toBe("noSpace");
    expect(pool.occupyAll([{ prefix: "fd00:2::/64" }]).invalid[0]!.code).toBe("noSpace");
    expect(JSON.stringify([pool.stats(), [...pool.entries()]])).toBe(before);
  }
  expect(one.releaseOwner("a")).toEqual(given[0]);
  expect(one.allocate({ family: 4 })).toEqual(["10.0.0.0/24"]);
});

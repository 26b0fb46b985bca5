// Releases in a heap that is full: takes leave some memory to them. In a file of its own, for the
// heap stays full.
import { expect, it } from "vitest";
import { createPool, createPrefixPool, type Pool } from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";

/** Makes pools until no more fit, large ones first. */
function fill(): Pool[] {
  const made: Pool[] = [];
  for (const length of [2, 4, 8, 10, 12, 14, 16, 18, 20, 24, 28])
    while (codeOf(() => made.push(createPool(`0.0.0.0/${length}`))) === "none");
  return made;
}

it("mixed prefix pools release everything, in any order, and give again when pools are closed", () => {
  const pool = createPrefixPool("fd00::/32", { mixed: true });
  const given: string[] = [];
  for (let i = 0; i < 20_000; i++) given.push(pool.allocate({ length: 48 + ((i * 37) % 81) })[0]!);
  const full = fill();
  expect(codeOf(() => pool.allocate({ length: 128 }))).toBe("noSpace");
  // 7,919 is a prime: each of them once, neighbours far apart.
  const codes = new Set<string>();
  given.forEach((_, i) => {
    codes.add(codeOf(() => pool.release(given[(i * 7919) % given.length]!)));
    // Nobody who takes gets what is kept for those who give.
    if (i % 5000 === 10) expect(codeOf(() => pool.allocate({ length: 128 }))).toBe("noSpace");
  });
  expect([...codes]).toEqual(["none"]);
  expect(pool.stats()[0]).toMatchObject({ held: 0, largest: 32 });
  for (const one of full.splice(0, 3)) one.close();
  expect(pool.allocate({ length: 128 })).toEqual(["fd00::/128"]);
  pool.close();
});

it("a hold that lapses is given back in it", () => {
  let now = 0;
  const pool = createPrefixPool("fd00::/32", { mixed: true, clock: () => now });
  for (let i = 0; i < 300; i++) pool.hold({ length: 48 + (i % 81) }, { ttl: 10 + i });
  fill();
  now = 400;
  expect([...pool]).toEqual([]);
});

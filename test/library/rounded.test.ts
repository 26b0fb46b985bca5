// Pools of more than 2^53 addresses of which exclusions leave a few: what is left is counted as it
// is, not as the difference of two rounded numbers.
import { expect, it } from "vitest";
import { createPool, createPrefixPool, createServicePool } from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";
import { kept } from "../support/kept.ts";

const END = "ffff:ffff:ffff:ffff";

it("a pool of addresses counts what is free", () => {
  const pool = kept(createPool("fd00::/64", { exclude: [`fd00::100-fd00::${END}`] }));
  expect([pool.free, pool.size, pool.excluded]).toEqual([256, 2 ** 64, 2 ** 64 - 256]);
  for (let i = 0; i < 256; i++) pool.allocate();
  expect([pool.free, pool.used]).toEqual([0, 256]);
});

it("a pool of sub-prefixes gives each that is left", () => {
  const exclude = [`fd00::100-fd00::${END}`];
  const pool = kept(createPrefixPool("fd00::/64", { length: 128, exclude }));
  expect(pool.stats()[0]).toMatchObject({ free: 256, largest: 128 });
  const given = new Set(Array.from({ length: 256 }, () => pool.allocate()[0]));
  expect([given.size, pool.stats()[0]!.free, pool.stats()[0]!.largest]).toEqual([256, 0, null]);
  expect(codeOf(() => pool.allocate())).toBe("exhausted");
});

it.each([
  ["services", "400", 1023],
  ["all", "1000", 4096],
] as const)("a pool of %s gives each that is left", (usable, from, count) => {
  const exclude = [`fd00::${from}-fd00::${END}`];
  const pool = kept(createServicePool("fd00::/64", { usable, exclude }));
  expect(pool.free).toBe(count);
  expect(pool.stats()[0]).toMatchObject({ free: count, used: 0, excluded: 2 ** 64 - count });
  for (let i = 0; i < count; i++) pool.allocate();
  expect([[...pool].length, pool.free]).toEqual([count, 0]);
  expect(codeOf(() => pool.allocate())).toBe("exhausted");
});

it("a range that is no prefix tells its own exclusions exactly", () => {
  const exclude = ["fd00:0:0:2::8-fd00:0:0:2::9"];
  const pool = kept(createServicePool("fd00:0:0:1::-fd00:0:0:4::9", { usable: "all", exclude }));
  expect(pool.stats()[0]).toMatchObject({ excluded: 2, used: 0 });
});

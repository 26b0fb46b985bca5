// The bench must not rot: its smallest run ends well, and every program gave the same addresses.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findCompiler, root } from "../scripts/native.mjs";

describe.skipIf(!findCompiler())("bench:plugin", () => {
  it("runs its quick plan to the end", { timeout: 120_000 }, () => {
    const bench = join(root, "build/js/bench/plugin/plugin.js");
    const args = [bench, "--quick", "--no-install"];
    const done = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 110_000 });
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: "" });
    expect(done.stdout).toMatch(/ADD, 0 held +berth v/);
    expect(done.stdout).toMatch(/result hash [0-9a-f]{8}/);
  });
});

describe("bench", () => {
  it("runs its quick suites to the end", { timeout: 120_000 }, () => {
    const bench = join(root, "build/js/bench/bench.js");
    const options = { encoding: "utf8", timeout: 110_000 } as const;
    const done = spawnSync(process.execPath, ["--expose-gc", bench, "--quick"], options);
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: "" });
    for (const section of ["from JavaScript", "IPv6 /64", "/48 into", "snapshots", "two threads"])
      expect(done.stdout).toContain(section);
  });

  it("names the suites when one is asked for that isn't there", () => {
    const bench = join(root, "build/js/bench/bench.js");
    const done = spawnSync(process.execPath, [bench, "--only", "x"], { encoding: "utf8" });
    expect(done.status).toBe(2);
    expect(done.stderr).toMatch(/no suite x: hot, sparse/);
  });
});

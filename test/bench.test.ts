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

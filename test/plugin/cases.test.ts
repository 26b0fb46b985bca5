// The shared table of CNI cases, played by its own runner against every program.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { berths } from "./support/binaries.ts";
import { Caller, root } from "./support/caller.ts";

const shared = path.resolve(root, "../shared/cases");
const runner = path.join(shared, "run_cases.py");
const table = path.join(shared, "host-local.json");

describe.each(berths)("$name and the shared cases", (binary) => {
  it("passes every case of host-local.json", { timeout: 180_000 }, async (context) => {
    if (!existsSync(runner)) context.skip("../shared/cases isn't here");
    // In parts side by side: the runner plays one case at a time.
    const cases: unknown[] = JSON.parse(readFileSync(table, "utf8"));
    const dir = mkdtempSync(path.join(os.tmpdir(), "berth-cases-"));
    const caller = Caller.start(2);
    const parts = [0, 1].map(async (part) => {
      const file = path.join(dir, `${part}.json`);
      writeFileSync(file, JSON.stringify(cases.filter((_, i) => i % 2 === part)));
      const env = { PATH: process.env.PATH ?? "", HOME: os.homedir() };
      const argv = ["python3", runner, binary.path, file];
      return caller.call({ argv, env, stdin: "", timeoutMs: 170_000 });
    });
    const answers = await Promise.all(parts);
    await caller.close();
    rmSync(dir, { recursive: true });
    const faults = answers.flatMap((a) => a.out.split("\n").filter((l) => l.startsWith("FAIL")));
    expect(faults).toEqual([]);
    for (const a of answers) expect(a.out + a.err).toMatch(/: [1-9]\d* passed, 0 failed/);
    for (const a of answers) expect(a.exit).toBe(0);
  });
});

// npm start on a Node that is too old says so before anything is installed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../scripts/native.mjs";

const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** `npm start` where Node says that it is of this version. */
function start(version: string) {
  const code = `Object.defineProperty(process, "versions", { value: { node: "${version}" } });`;
  const early = ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
  // A plugin that isn't there ends a start that wasn't refused.
  const env = { ...process.env, BERTH: "/none" };
  const args = [...early, join(root, "scripts/start.mjs")];
  return spawnSync(process.execPath, args, { env, encoding: "utf8" });
}

describe("npm start", () => {
  it("refuses a Node older than package.json wants", () => {
    const [major, minor] = engines.node.replace(">=", "").split(".").map(Number);
    for (const old of [`${major}.${minor - 1}.9`, `${major - 1}.${minor + 1}.0`]) {
      const done = start(old);
      expect([done.status, done.stdout]).toEqual([1, ""]);
      expect(done.stderr).toBe(
        `npm start: needs Node ${major}.${minor} or newer, this is ${old}\n`,
      );
    }
    for (const fit of [`${major}.${minor}.0`, `${major + 1}.0.0`])
      expect(start(fit).stderr).not.toContain("needs Node");
  });
});

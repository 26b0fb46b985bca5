// On every way out the bench leaves nothing: no process, no directory. And what couldn't be built
// or installed is told in every process of the run, and not tried again.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { failures, noteFailures } from "../../bench/peers/failures.ts";
import { goPeers } from "../../bench/peers/go.ts";
import { execute } from "../../bench/plugin/execute.ts";
import { withAbsent } from "../../bench/plugin/plugin.ts";
import { root } from "../../scripts/native.mjs";

const directory = mkdtempSync(join(tmpdir(), "berth-leaving-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Processes that have this word on their command line or in their environment. */
function processesOf(word: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
      return read("environ").includes(word) || read("cmdline").includes(word);
    } catch {
      return false;
    }
  });
}

/** Waits until it is so; at most ten seconds. */
async function until(isSo: () => boolean): Promise<boolean> {
  for (let n = 0; n < 200 && !isSo(); n++) await new Promise((done) => setTimeout(done, 50));
  return isSo();
}

describe("a bench that a signal ends", () => {
  const cases = [
    ["in the midst of a store", "durable allocate, 64", "berth-store-"],
    ["in the midst of a storm", "storm, 500", "berth-500"],
    ["while instructions are counted", "instructions plugin", "/0"],
  ] as const;
  for (const [at, [where, filter, made]] of cases.entries())
    it(`leaves no process and no file: ${where}`, { timeout: 60_000 }, async () => {
      const temporary = join(directory, `run-${at}`);
      mkdirSync(temporary);
      const program = join(root, "build/js/bench/bench.js");
      const child = spawn(process.execPath, [program, "--no-peers", "--filter", filter], {
        env: { ...process.env, TMPDIR: temporary },
        stdio: "ignore",
      });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const files = () => readdirSync(temporary, { recursive: true, encoding: "utf8" });
      const isThere = () => {
        try {
          return files().some((path) => path.slice(path.indexOf("/") + 1).includes(made));
        } catch {
          return false; // something went while the directory was read
        }
      };
      const begun = await until(isThere);
      child.kill("SIGINT");
      const status = await ended;
      await until(() => processesOf(temporary).length === 0);
      // Without a compiler or valgrind there is nothing to be found in the midst of.
      if (begun) expect(status).toBe(130);
      expect({ left: files(), running: processesOf(temporary) }).toEqual({ left: [], running: [] });
    });
});

describe("a program that takes too long", () => {
  it("ends with what it has begun itself", { timeout: 15_000 }, async () => {
    const word = `berth-leaving-${process.pid}`;
    const env = { ...process.env, WORD: word };
    const done = await execute("sh", ["-c", "sleep 30 & sleep 30"], { env, timeoutMs: 300 });
    expect(done.status).toBe(137);
    expect(await until(() => processesOf(word).length === 0)).toBe(true);
  });
});

describe("results that couldn't be written", () => {
  it("are refused before anything is measured", () => {
    const program = join(root, "build/js/bench/bench.js");
    const words = ["--quick", "--filter", "memory", "--json", join(directory, "no/such/file")];
    const done = spawnSync(process.execPath, [program, ...words], { encoding: "utf8" });
    expect({ status: done.status, stdout: done.stdout }).toEqual({ status: 2, stdout: "" });
    expect(done.stderr).toContain("no such file or directory");
    for (const twice of [
      ["--publish", "--baseline"],
      ["--page", "--json", "x"],
      ["--filter", ""],
    ])
      expect(spawnSync(process.execPath, [program, ...twice]).status).toBe(2);
  });
});

describe("what couldn't be had", () => {
  it("isn't tried again, here or where it is handed on", async () => {
    const go = join(directory, "go");
    const log = join(directory, "built");
    const said = "if [ $1 = version ]; then echo go version go1.99 test; exit; fi";
    writeFileSync(go, `#!/bin/sh\n${said}\necho x >> ${log}\necho no network >&2\nexit 1\n`, {
      mode: 0o755,
    });
    const options = { go, out: join(directory, "out") };
    const first = await goPeers(options);
    noteFailures(JSON.parse(JSON.stringify(failures())));
    expect(await goPeers(options)).toEqual(first);
    expect(first.map((peer) => "error" in peer && peer.error)).toEqual(
      Array(4).fill("go build: no network"),
    );
    expect(readFileSync(log, "utf8")).toBe("x\n".repeat(4));
  });

  it("is named where the package can't be written", async () => {
    const place = join(directory, "a-file");
    writeFileSync(place, "");
    const go = join(directory, "go");
    const peers = await goPeers({ go, out: join(place, "out") });
    for (const peer of peers)
      expect("error" in peer && peer.error).toMatch(/^go build: no place to build it: ENOTDIR/);
  });

  it("is named in each situation of the plugins, never left out", () => {
    const row = { suite: "plugin", who: "berth v1", unit: "ms", value: 1 } as const;
    const rows = ["ADD, 0 held", "DEL, 0 held"].map((what) => ({ ...row, table: "t", what }));
    const all = withAbsent(rows, ["the newest host-local: go install: no", "empty program: none"]);
    expect(all.map(({ what, who, missing }) => [what, who, missing])).toEqual([
      ["ADD, 0 held", "berth v1", undefined],
      ["ADD, 0 held", "the newest host-local", "go install: no"],
      ["DEL, 0 held", "berth v1", undefined],
      ["DEL, 0 held", "the newest host-local", "go install: no"],
    ]);
    const calls = rows.map((one) => ({ ...one, table: "one call, dual stack, spawn to exit" }));
    const asked = withAbsent(calls, ["host-local 1: go install: no"], 10).map(
      ({ aim }) => aim?.text,
    );
    expect(asked).toEqual([undefined, ">= 10 x", undefined, ">= 10 x"]);
  });
});

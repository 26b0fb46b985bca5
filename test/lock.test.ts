// The lock of a network (berth.lock), on both hosts: who gets it, who waits, for how long, and what
// happens when the file is replaced meanwhile.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runPlugin } from "../src/cli/plugin.ts";
import { lockTimeout } from "../src/foreign.ts";
import { needsCompiler } from "./support/needs.ts";
import { buildProbe, holdLock, hosts, native, pause, program, wasm } from "./support/probe.ts";

const EAGAIN = -11;
const EISDIR = -21;
const EINVAL = -22;
const ELOOP = -40;

const wait = (ms: number) => ({ env: { BERTH_LOCK_TIMEOUT_MS: `${ms}` } });

const work = fs.mkdtempSync(join(tmpdir(), "berth-lock-"));
let count = 0;
let dir = "";

beforeAll(buildProbe, 120_000);

afterAll(() => fs.rmSync(work, { recursive: true }));

beforeEach(() => {
  dir = join(work, `${++count}`);
  fs.mkdirSync(dir);
});

describe("the time to wait", () => {
  test("BERTH_LOCK_TIMEOUT_MS outside 1 to 600000 is 60 seconds", () => {
    const texts = [undefined, "", "0", "600001", "1e3", "-5", "x", "1234567"];
    expect(texts.map((text) => lockTimeout(text))).toEqual(texts.map(() => 60_000));
    expect([lockTimeout("1"), lockTimeout("600000")]).toEqual([1, 600_000]);
  });
});

describe.each(hosts)("$name: lock", ({ run }) => {
  test("a free lock is taken at once, and free again after the call", async () => {
    for (let i = 0; i < 2; i++)
      expect(await run([`enter ${dir} 0`, "lock"])).toEqual({ lines: ["0", "0"], status: 0 });
    expect(fs.statSync(join(dir, "berth.lock")).mode & 0o777).toBe(0o600);
  });

  test("a lock that is no file is refused", async () => {
    fs.symlinkSync("real", join(dir, "berth.lock"));
    expect((await run([`enter ${dir} 0`, "lock"])).lines[1]).toBe(`${ELOOP}`);
    fs.unlinkSync(join(dir, "berth.lock"));
    execFileSync("mkfifo", [join(dir, "berth.lock")]);
    expect((await run([`enter ${dir} 0`, "lock"], wait(300))).lines[1]).toBe(`${EINVAL}`);
    fs.unlinkSync(join(dir, "berth.lock"));
    fs.mkdirSync(join(dir, "berth.lock"));
    expect((await run([`enter ${dir} 0`, "lock"])).lines[1]).toBe(`${EISDIR}`);
  });
});

const { missing, why } = needsCompiler();
describe.skipIf(missing).each(hosts)(
  `$name: lock that a native process holds [native]${why}`,
  ({ run }) => {
    test("BERTH_LOCK_TIMEOUT_MS=200: -EAGAIN after 200 ms", async () => {
      await holdLock(dir);
      const start = performance.now();
      const outcome = await run([`enter ${dir} 0`, "lock", "output 1 x"], wait(200));
      expect(outcome).toEqual({ lines: ["0", `${EAGAIN}`, "x0"], status: 0 });
      expect(performance.now() - start).toBeGreaterThan(190);
      expect(performance.now() - start).toBeLessThan(3000);
    });

    test("a waiter gets the lock when its holder ends, or is killed", async () => {
      for (const how of ["end", "kill"]) {
        const held = await holdLock(dir);
        let done = false;
        const waiting = run([`enter ${dir} 0`, "lock"], wait(20_000)).finally(() => {
          done = true;
        });
        await pause(150);
        expect(done).toBe(false);
        if (how === "end") await held.release();
        else held.child.kill("SIGKILL");
        expect((await waiting).lines).toEqual(["0", "0"]);
      }
    });

    test("a lock file that was replaced is opened anew", async () => {
      const old = await holdLock(dir);
      const waiting = run([`enter ${dir} 0`, "lock"], wait(1500));
      await pause(300);
      fs.renameSync(join(dir, "berth.lock"), join(dir, "gone"));
      const young = await holdLock(dir);
      await old.release();
      expect((await waiting).lines).toEqual(["0", `${EAGAIN}`]);
      await young.release();
      expect((await run([`enter ${dir} 0`, "lock"], wait(300))).lines).toEqual(["0", "0"]);
    });
  },
);

describe.skipIf(missing)(`native and Node [native]${why}`, () => {
  test("Node's lock keeps the native host out", async () => {
    let outcome = "";
    const write = (_: number, bytes: Uint8Array) => {
      if (Buffer.from(bytes).toString() !== "0\n" || outcome) return;
      // Called inside finish(), while this process holds the lock.
      const env = { PROBE: `enter ${dir} 0\nlock`, BERTH_LOCK_TIMEOUT_MS: "200" };
      outcome = spawnSync(program, { env, encoding: "utf8" }).stdout;
    };
    const before = await native.run([`enter ${dir} 0`]);
    expect(before.lines).toEqual(["0"]);
    const env = { PROBE: `enter ${dir} 0\nlock` };
    let answered = 0;
    const late = (fd: number, bytes: Uint8Array) => {
      if (answered++ > 0) write(fd, bytes);
    };
    await runPlugin({ env, argv: [], stdin: new Uint8Array(), write: late }, wasm);
    expect(outcome).toBe(`0\n${EAGAIN}\n`);
  });

  test("unlock lets the next one in while the call goes on", async () => {
    const held = await holdLock(dir, "unlock");
    expect((await native.run([`enter ${dir} 0`, "lock"], wait(300))).lines).toEqual(["0", "0"]);
    expect(held.child.exitCode).toBe(null);
    await held.release();
    let inside = "";
    const write = (_: number, bytes: Uint8Array) => {
      if (Buffer.from(bytes).toString() !== "7") return;
      const env = { PROBE: `enter ${dir} 0\nlock`, BERTH_LOCK_TIMEOUT_MS: "300" };
      inside = spawnSync(program, { env, encoding: "utf8" }).stdout;
    };
    const env = { PROBE: `unlock\nenter ${dir} 0\nlock\nunlock\noutput 1 7` };
    await runPlugin({ env, argv: [], stdin: new Uint8Array(), write }, wasm);
    expect(inside).toBe("0\n0\n");
  });

  test("a signal that isn't ours doesn't end the wait", async () => {
    const held = await holdLock(dir);
    const env = { PROBE: `enter ${dir} 0\nlock`, BERTH_LOCK_TIMEOUT_MS: "20000" };
    const child = spawn(program, { env, stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    child.stdout.on("data", (data) => {
      printed += String(data);
    });
    const gone = new Promise((resolve) => child.once("close", resolve));
    await pause(100);
    child.kill("SIGSTOP");
    child.kill("SIGCONT");
    await pause(100);
    expect(printed).toBe("0\n");
    await held.release();
    await gone;
    expect(printed).toBe("0\n0\n");
  });
});

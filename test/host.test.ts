// What the host functions answer, on both hosts, for the same script of the probe. Locks have a
// file of their own (lock.test.ts).
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runPlugin } from "../src/cli/plugin.ts";
import { needsCompiler } from "./support/needs.ts";
import {
  buildProbe,
  holdLock,
  hosts,
  native,
  node,
  pause,
  program,
  wasm,
} from "./support/probe.ts";

const ENOENT = -2;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const EPIPE = -32;
const ENAMETOOLONG = -36;
const ELOOP = -40;

const work = fs.mkdtempSync(join(tmpdir(), "berth-host-"));
let count = 0;
let dir = "";

beforeAll(buildProbe, 120_000);

afterAll(() => fs.rmSync(work, { recursive: true }));

beforeEach(() => {
  dir = join(work, `${++count}`);
  fs.mkdirSync(dir);
});

describe.each(hosts)("$name: files", ({ run }) => {
  /** The answers of calls in `dir`, the one of `enter` left out. */
  async function answers(...script: string[]): Promise<string[]> {
    const outcome = await run([`enter ${dir} 0`, ...script]);
    expect(outcome.lines[0]).toBe("0");
    expect(outcome.status).toBe(0);
    return outcome.lines.slice(1);
  }

  test("a file that isn't there is -ENOENT", async () => {
    const got = await answers("open a 0", "open a 1", "unlink a", "rename a b", "slurp /no/a 9");
    expect(got).toEqual(Array(5).fill(`${ENOENT}`));
  });

  test("open refuses a symlink in every mode; slurp follows it", async () => {
    fs.writeFileSync(join(dir, "real"), "text");
    fs.symlinkSync("real", join(dir, "link"));
    const got = await answers("open link 0", "open link 1", "open link 2", `slurp ${dir}/link 9`);
    expect(got).toEqual([`${ELOOP}`, `${ELOOP}`, `${EEXIST}`, "4 text"]);
  });

  test("a FIFO doesn't hang: -EINVAL", async () => {
    execFileSync("mkfifo", [join(dir, "fifo")]);
    expect(await answers("open fifo 0", "open fifo 1", `slurp ${dir}/fifo 9`)).toEqual(
      Array(3).fill(`${EINVAL}`),
    );
  });

  test("a directory isn't a file", async () => {
    fs.mkdirSync(join(dir, "d"));
    const got = await answers("open d 0", "open d 1", `slurp ${dir} 9`, "unlink d");
    expect(got).toEqual([`${EINVAL}`, `${EISDIR}`, `${EISDIR}`, `${EISDIR}`]);
  });

  test("slurp says cap + 1 for more, reads to the end what has no size", async () => {
    fs.writeFileSync(join(dir, "a"), "0123456789");
    fs.writeFileSync(join(dir, "empty"), "");
    const got = await answers(
      `slurp ${dir}/a 9`,
      `slurp ${dir}/a 10`,
      `slurp ${dir}/empty 9`,
      "slurp /proc/sys/kernel/ostype 64",
      "slurp /proc/sys/kernel/ostype 3",
    );
    const more = ["10 012345678", "10 0123456789", "0 ", "6 Linux", "", "4 Lin"];
    expect(got).toEqual(more);
  });

  test("a new file is made once, with mode 0600", async () => {
    expect(await answers("open n 2", "size", "open n 2", "open n 1")).toEqual([
      "0",
      "0",
      `${EEXIST}`,
      "0",
    ]);
    expect(fs.statSync(join(dir, "n")).mode & 0o777).toBe(0o600);
  });

  test("a handle that is read-only refuses to write", async () => {
    fs.writeFileSync(join(dir, "a"), "abc");
    expect(await answers("open a 0", "write 0 x", "read 1 9")).toEqual(["0", "-9", "2 bc"]);
  });

  test("allocate grows with zeros, keeps what is there, never shrinks", async () => {
    fs.writeFileSync(join(dir, "a"), "abc");
    const got = await answers(
      ...["open a 1", "allocate 140000", "size", "read 0 6", "read 139998 9"],
      ...["allocate 5", "size", "sync", "syncdirectory"],
    );
    expect(got).toEqual(["0", "0", "140000", "6 abc...", "2 ..", "0", "140000", "0", "0"]);
    expect(fs.readFileSync(join(dir, "a"))).toEqual(
      Buffer.concat([Buffer.from("abc"), Buffer.alloc(139_997)]),
    );
  });

  test("write and read go to their offset", async () => {
    const got = await answers("open a 2", "write 5 hello", "read 3 4", "read 8 9", "read 99 9");
    expect(got).toEqual(["0", "0", "4 ..he", "2 lo", "0 "]);
  });

  test("rename replaces, unlink removes, list shows names of a prefix and no others", async () => {
    for (const name of ["del-1", "del-22", "dot", "x"]) fs.writeFileSync(join(dir, name), name);
    const [renamed, removed, all, some, few] = await answers(
      ...["rename x del-1", "unlink dot", "list 99 del-", "list 99 del-2", "list 6 del-"],
    );
    expect([renamed, removed]).toEqual(["0", "0"]);
    expect(all?.split(/[ .]/).filter(Boolean).sort()).toEqual(["13", "del-1", "del-22"]);
    expect(some).toBe("7 del-22.");
    expect(["6 del-1.", "0 "]).toContain(few);
    expect(fs.readFileSync(join(dir, "del-1"), "utf8")).toBe("x");
  });

  test("settled tells when the names last changed, once another change would tell", async () => {
    const changed = () => fs.statSync(dir, { bigint: true }).mtimeNs;
    // Right behind a new name, or once more where the machine took too long for that.
    const soon = async (name: string, requests: () => string[]) => {
      for (let n = 0; ; n++) {
        const begun = Date.now();
        fs.writeFileSync(join(dir, `${name}${n}`), "");
        const said = await answers(...requests());
        if (Date.now() - begun < 240 || n === 50) return said;
      }
    };
    expect(await soon("a", () => ["settled 0"])).toEqual(["0"]);
    await pause(260);
    fs.writeFileSync(join(dir, "a0"), "other bytes, the same names");
    const known = changed();
    expect(await answers("settled 0", `settled ${known}`)).toEqual([`${known}`, `${known}`]);
    const both = await soon("b", () => [`settled ${known}`, `settled ${changed()}`]);
    expect(both).toEqual(["0", `${changed()}`]);
    // Whole seconds: a change within the same one would show nothing.
    fs.utimesSync(dir, 1_700_000_000, 1_700_000_000);
    expect(await answers("settled 0", `settled ${changed()}`)).toEqual(["0", "0"]);
    // From the future, as after a clock was set back.
    fs.utimesSync(dir, 1_700_000_000, Date.now() / 1000 + 3600.5);
    expect(await answers("settled 0")).toEqual(["0"]);
  });

  test("list with an empty prefix leaves out . and ..", async () => {
    fs.writeFileSync(join(dir, "a"), "");
    expect(await answers("list 99")).toEqual(["2 a."]);
  });

  test("list goes on past one block of the kernel's answer", async () => {
    const names = Array.from({ length: 300 }, (_, i) => `del-${i}-${"x".repeat(20)}`);
    for (const name of names) fs.writeFileSync(join(dir, name), "");
    const bytes = names.reduce((sum, name) => sum + name.length + 1, 0);
    const [got] = await answers("list 200000 del-");
    expect(got?.split(" ")[0]).toBe(`${bytes}`);
  });

  test("enter makes parents with mode 0755 only when asked to", async () => {
    const deep = join(dir, "a/b/c");
    const outcome = await run([
      `enter ${deep} 0`,
      `enter ${deep} 1`,
      "open f 2",
      `enter ${deep} 0`,
    ]);
    expect(outcome.lines).toEqual([`${ENOENT}`, "0", "0", "0"]);
    expect(fs.statSync(join(dir, "a")).mode & 0o777).toBe(0o755 & ~process.umask());
    expect(fs.existsSync(join(deep, "f"))).toBe(true);
  });

  test("enter refuses a file in the way, and names too long to be", async () => {
    fs.writeFileSync(join(dir, "file"), "");
    const script = [`enter ${dir}/file/x 1`, `enter ${dir}/file 1`, `enter /${"x".repeat(5000)} 1`];
    const outcome = await run([...script, `enter ${dir} 0`, `open ${"x".repeat(300)} 2`]);
    const long = `${ENAMETOOLONG}`;
    expect(outcome.lines).toEqual([`${ENOTDIR}`, `${ENOTDIR}`, long, "0", long]);
  });

  test("an entered directory that is moved away stays the one entered", async () => {
    fs.mkdirSync(join(dir, "d"));
    fs.writeFileSync(join(dir, "d/a"), "old");
    const script = [`enter ${dir} 0`, "rename d e", `enter ${dir}/e 0`, "open a 0", "read 0 9"];
    expect((await run(script)).lines).toEqual(["0", "0", "0", "0", "3 old"]);
  });
});

describe.each(hosts)("$name: memory", ({ run }) => {
  test("a view is private: stores don't reach the file, writes do", async () => {
    fs.writeFileSync(join(dir, "a"), Buffer.alloc(70_000, "a"));
    const outcome = await run([
      ...[`enter ${dir} 0`, "open a 1", "view 70000 65536", "peek 65536 3", "poke 65537 XYZ"],
      ...["peek 65536 5", "peek 135534 3", "read 0 5", "write 0 Q", "read 0 2"],
    ]);
    const seen = ["3 aaa", "3", "5 aXYZa", "3 aa."];
    expect(outcome.lines).toEqual(["0", "0", "0", ...seen, "5 aaaaa", "0", "2 Qa"]);
    expect(fs.readFileSync(join(dir, "a"), "utf8")).toBe(`Q${"a".repeat(69_999)}`);
  });

  test("extend makes memory usable and zero, also where a view was", async () => {
    fs.writeFileSync(join(dir, "a"), "abc");
    const script = [`enter ${dir} 0`, "open a 0", "view 3 131072", "extend 131072 65536"];
    const outcome = await run([...script, "peek 131072 4", "poke 131072 zz", "peek 131072 3"]);
    expect(outcome.lines).toEqual(["0", "0", "0", "0", "4 ....", "2", "3 zz."]);
  });

  test("view and extend refuse what isn't aligned or leaves the window", async () => {
    fs.writeFileSync(join(dir, "a"), "abc");
    const outcome = await run([
      ...[`enter ${dir} 0`, "open a 0", "view 3 65537", "view 3 0", "view 3 1073741824"],
      ...["extend 65537 4096", "extend 1073676288 131072", "extend 1073676288 65536"],
    ]);
    expect(outcome.lines).toEqual(["0", "0", ...Array(5).fill(`${EINVAL}`), "0"]);
  });

  test("an address beyond the memory is a fault", async () => {
    expect(await run(["peek 4000000000 4"])).toEqual({ lines: ["fault"], status: 1 });
  });
});

describe.each(hosts)("$name: world", ({ run }) => {
  test("env, arguments and stdin", async () => {
    const script = ["env 9 A", "env 2 LONG", "env 9 EMPTY", "env 9 LON", "argument 0"];
    const outcome = await run([...script, "argument 1", "argument 2", "stdin 5", "exit 7"], {
      env: { A: "x y", LONG: "12345", EMPTY: "" },
      argv: ["list", ""],
      stdin: "hello",
    });
    const printed = ["3 x y", "5 12", "0 ", "-1", "4 list", "0 ", "-1", "5 hello"];
    expect(outcome).toEqual({ lines: printed, status: 7 });
  });

  test("stdin longer than the cap is cap + 1", async () => {
    expect((await run(["stdin 4"], { stdin: "hello" })).lines).toEqual(["5 hell"]);
    expect((await run(["stdin 4"], { stdin: "" })).lines).toEqual(["0 "]);
    expect((await run(["stdin 200000"], { stdin: "x".repeat(200_000) })).lines).toEqual([
      `200000 ${"x".repeat(64)}`,
    ]);
  });

  test("the clocks are those of this machine", async () => {
    const [boot, real] = (await run(["clock 0", "clock 1"])).lines.map(Number);
    const uptime = Number(fs.readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    expect(Math.abs(uptime * 1e9 - boot!)).toBeLessThan(1e9);
    expect(Math.abs(Date.now() * 1e6 - real!)).toBeLessThan(1e9);
  });

  test("random bytes are random", async () => {
    const [zeros] = (await run(["random 4096"])).lines.map(Number);
    expect(zeros).toBeLessThan(64);
  });

  test("netns tells this process's network namespace from others, and from what is none", async () => {
    fs.symlinkSync("/proc/self/ns/net", join(dir, "link"));
    execFileSync("mkfifo", [join(dir, "fifo")]);
    const script = ["/proc/self/ns/net", `${dir}/link`, "/proc/self/ns/mnt", `${dir}/fifo`];
    const outcome = await run([...script, "/no/such", dir].map((path) => `netns ${path}`));
    // Another namespace has an inode number; of a namespace of another kind it is that one's.
    const mount = `${fs.statSync("/proc/self/ns/mnt").ino}`;
    expect(outcome.lines).toEqual(["-1", "-1", mount, "0", "0", "0"]);
  });

  test("a trap ends in fault, a trap there in the fixed text", async () => {
    expect(await run(["output 1 a", "trap"])).toEqual({ lines: ["a0", "fault"], status: 1 });
    expect(await run(["traptwice"])).toEqual({
      lines: ['{"code":999,"msg":"berth: internal fault"}'],
      status: 1,
    });
  });
});

describe("Node only", () => {
  test("a view of more than the file has is an error", async () => {
    fs.writeFileSync(join(dir, "a"), "abc");
    const outcome = await node.run([`enter ${dir} 0`, "open a 0", "view 4 65536"]);
    expect(outcome.lines).toEqual(["0", "0", "-5"]);
  });

  test("an error of the output reaches the core as -errno", async () => {
    const printed: string[] = [];
    const write = (fd: number, bytes: Uint8Array) => {
      if (fd === 2) throw Object.assign(new Error("broken"), { errno: EPIPE });
      printed.push(Buffer.from(bytes).toString());
    };
    const env = { PROBE: "output 2 x" };
    await runPlugin({ env, argv: [], stdin: new Uint8Array(), write }, wasm);
    expect(printed).toEqual([`${EPIPE}\n`]);
  });

  test("a module that can't be loaded is an error that names it", async () => {
    let printed = "";
    const write = (_: number, bytes: Uint8Array) => {
      printed += Buffer.from(bytes).toString();
    };
    const around = { env: {}, argv: [], stdin: new Uint8Array(), write };
    expect(await runPlugin(around, join(dir, "no.wasm"))).toBe(1);
    const { code, msg } = JSON.parse(printed) as { code: number; msg: string };
    expect(code).toBe(999);
    expect(msg).toMatch(/^berth: internal fault: ENOENT.*no\.wasm/);
  });
});

const { missing, why } = needsCompiler();
describe.skipIf(missing)(`native only [native]${why}`, () => {
  test("a view that was cut short is a fault, not a crash", async () => {
    fs.writeFileSync(join(dir, "a"), Buffer.alloc(8192, "a"));
    const held = await holdLock(dir);
    const waiting = native.run([
      ...[`enter ${dir} 0`, "open a 1", "view 8192 65536", "lock", "peek 65536 4"],
    ]);
    await pause(150);
    fs.truncateSync(join(dir, "a"), 0);
    await held.release();
    expect(await waiting).toEqual({ lines: ["0", "0", "0", "0", "fault"], status: 1 });
  });

  test("memory that nothing is mapped to is a fault", async () => {
    for (const at of [0, 32, 65_536, 900_000_000])
      expect(await native.run([`peek ${at} 4`])).toEqual({ lines: ["fault"], status: 1 });
  });

  test("a fault in fault ends in the fixed text", async () => {
    const outcome = await native.run(["badfault", "peek 900000000 4"]);
    expect(outcome.lines).toEqual(["0", '{"code":999,"msg":"berth: internal fault"}']);
    expect(outcome.status).toBe(1);
  });

  test("a reader that went away is -EPIPE, not a signal", async () => {
    const command = `"$0" 3>&1 >&- 1>&2 2>/dev/null; echo $? >&3`;
    expect(command).toContain("echo");
    const shell = `( sleep 0.2; "$0" 2>"$1" ) | true`;
    const log = join(dir, "log");
    const env = { ...process.env, PROBE: "output 1 x\noutput 2 end" };
    expect(spawnSync("sh", ["-c", shell, program, log], { env }).status).toBe(0);
    expect(fs.readFileSync(log, "utf8")).toBe("end");
  });

  test("it starts under a tight limit on address space", async () => {
    const script = `ulimit -v "$1"; exec "$0"`;
    for (const kilobytes of ["60000", "36000"]) {
      const env = { ...process.env, PROBE: "exit 5" };
      const got = spawnSync("sh", ["-c", script, program, kilobytes], { env });
      expect(got.status, `${kilobytes} KB`).toBe(5);
    }
  });

  test("both hosts read the same CLOCK_BOOTTIME to 20 ms", async () => {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5 && least > 20e6; i++) {
      const a = Number((await native.run(["clock 0"])).lines[0]);
      const b = Number((await node.run(["clock 0"])).lines[0]);
      const c = Number((await native.run(["clock 0"])).lines[0]);
      least = Math.max(0, a - b, b - c);
    }
    expect(least).toBeLessThan(20e6);
  });
});

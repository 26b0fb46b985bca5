// The bench must not rot: its smallest run ends well, every suite has its rows, and what can't be
// measured here is named. Nothing in here is about time.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileSystem } from "../../bench/method/filesystem.ts";
import type { Row } from "../../bench/method/row.ts";
import { findCompiler, root } from "../../scripts/native.mjs";

const directory = mkdtempSync(join(tmpdir(), "berth-bench-test-"));
const program = join(root, "build/js/bench/bench.js");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function bench(...words: string[]) {
  return benchIn({}, ...words);
}

function benchIn(more: NodeJS.ProcessEnv, ...words: string[]) {
  const env = { ...process.env, ...more };
  const options = { encoding: "utf8", timeout: 230_000, env } as const;
  return spawnSync(process.execPath, [program, ...words], options);
}

/** The rows of a quick run of what the filter names, in an environment. */
function rowsOf(more: NodeJS.ProcessEnv, filter: string, ...words: string[]): Row[] {
  const json = join(directory, "rows.json");
  const done = benchIn(more, "--quick", "--filter", filter, "--json", json, ...words);
  expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: "" });
  expect(done.stdout).toContain("warning: a quick run does everything once");
  return JSON.parse(readFileSync(json, "utf8")).rows;
}

describe("bench", () => {
  it("runs its quick suites to the end and writes every row down", { timeout: 240_000 }, () => {
    const json = join(directory, "quick.json");
    const done = bench("--quick", "--seed", "7", "--json", json);
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: "" });
    const result = JSON.parse(readFileSync(json, "utf8"));
    expect(result).toMatchObject({ seed: 7, size: "quick" });
    expect(result.machine.node).toBe(process.version);
    const rows: Row[] = result.rows;
    const suites = new Set(rows.map((row) => row.suite));
    expect([...suites]).toEqual(["core", "churn", "plugin", "store", "instructions"]);
    for (const row of rows) {
      const shown = [row.figures, row.value, row.missing].filter((one) => one !== undefined);
      expect({ row, shown: shown.length }).toEqual({ row, shown: 1 });
    }
    for (const row of rows.filter((one) => one.ratio !== undefined && one.suite !== "instructions"))
      expect({ row, passes: row.passes?.length }).toEqual({ row, passes: 1 });
    expect(rows.filter((row) => "samples" in row || "aim" in row)).toEqual([]);
    expect(rows.some((row) => row.met !== undefined)).toBe(true);
    for (const who of ["naive Set", "typedfastbitset", "roaring-wasm", "ip-address", "SQLite"])
      expect(rows.some((row) => row.who.startsWith(who))).toBe(true);
    const full = rows.filter(({ what, table }) => table === "memory" && what.includes("full /16"));
    const bytes = full.filter(({ bytesPerAddress }) => bytesPerAddress! > 0).map(({ who }) => who);
    expect(bytes.slice(0, 2)).toEqual(["Berth", "naive Set"]);
    expect(bytes.at(-1)).toMatch(/^ip-address/);
    const unnamed = rows.filter((row) => row.missing === "");
    expect(unnamed).toEqual([]);
    if (!findCompiler()) return;
    const adds = rows.filter((row) => row.what === "ADD, 0 held" && row.hash !== undefined);
    expect(adds.length).toBeGreaterThan(1);
    const calls = adds.filter(({ table }) => table.startsWith("one call, dual stack"));
    for (const { who, note } of calls.filter((row) => row.who.startsWith("host-local")))
      expect([who, note]).toEqual([who, expect.stringMatching(/package|built with|own words/)]);
  });

  it("hashes what the programs of a row gave, and nothing where others were given", () => {
    if (!findCompiler()) return;
    const rows = rowsOf({}, "one call, 250 held", "--no-peers");
    const adds = rows.filter(
      ({ what, table }) => what === "ADD, 250 held" && /stdin|one call/.test(table),
    );
    expect(
      adds.map(({ who, hash }) => [who.replace(/ v.*0 held/, ", none"), hash !== undefined]),
    ).toEqual([
      ["berth, none", false],
      [expect.stringMatching(/^berth v/), true],
    ]);
    expect(rows.filter(({ who }) => who.startsWith("host-local"))).toEqual([]);
  });

  it("tells nothing of a disk where temporary files lie in memory", () => {
    if (!existsSync("/dev/shm") || fileSystem("/dev/shm") !== "tmpfs") return;
    const reason = expect.stringContaining("temporary files lie on tmpfs, in memory: let TMPDIR");
    const env = { TMPDIR: "/dev/shm" };
    for (const filter of ["durable allocate", "cold page cache"]) {
      const rows = rowsOf(env, filter, "--no-peers");
      expect(rows.map(({ who, missing }) => [who, missing])).toEqual(
        rows.map(() => ["Berth", reason]),
      );
      const asked = filter === "durable allocate" ? ">= 0.8 x Berth" : undefined;
      expect(rows.map(({ target }) => target)).toEqual(rows.map(() => asked));
    }
    const snapshots = rowsOf(env, "memory and snapshots", "--no-peers");
    expect(snapshots.filter(({ what }) => what.includes("from disk"))).toEqual([]);
  });

  it("says what was asked of the plugins where nothing can spawn them", () => {
    const env = { PATH: directory, CC: "no-cc", BERTH_NEEDS: "" };
    const rows = rowsOf(env, "one call, 0 held", "--no-peers");
    expect(rows.map(({ what, target }) => [what, target])).toEqual([["all", ">= 10 x"]]);
    expect(rows[0]!.missing).toContain("the bench needs a C compiler");
  });

  it("fails without a tool where all have to be there", () => {
    const env = { PATH: directory, BERTH_NEEDS: "must" };
    const done = benchIn(env, "--quick", "--filter", "instructions take");
    expect(done.status).toBe(1);
    expect(done.stderr).toMatch(/take and give.*, Berth: valgrind isn't installed, but has to be/);
    expect(
      benchIn({ ...env, BERTH_NEEDS: "" }, "--quick", "--filter", "instructions take").status,
    ).toBe(0);
  });

  it("names what there is when a filter matches nothing, and refuses words it doesn't know", () => {
    const none = bench("--filter", "nosuchthing");
    expect(none.status).toBe(2);
    expect(none.stderr).toMatch(/nothing matches nosuchthing; there are:\n {2}core first free/);
    expect(bench("--seed", "x").stderr).toContain("--seed x is not a whole number");
    expect(bench("core").stderr).toContain("--filter core?");
    for (const [words, message] of [
      [["--nosuchoption"], "unknown option --nosuchoption"],
      [["--quik"], "unknown option --quik: use --quick"],
      [["--json", "--quick"], "a value is missing behind --json: --quick looks like an option (as"],
      [["--json"], "a value is missing behind --json"],
      [["--json="], '--json "": a value is missing, or the option is left out'],
      [["--seed="], '--seed "": a value is missing'],
      [["--seed", "1e3"], "--seed 1e3 is not a whole number from 0 up"],
      [["--seed", "1", "--seed=2"], "this option is there twice, say it once: --seed"],
      [["--quick=1"], "this option takes no value: --quick"],
      [["--page", "--quick"], "--page goes without --quick"],
      [["--compare", "a", "b", "--turn", "5"], "--compare goes without --turn"],
      [["--baseline", "--filter", "x"], "--baseline goes without --filter"],
      [["--publish", "--no-peers"], "--publish is for a full run, without"],
      [["--filter", "store", "--turn", "5"], "--turn is for the suite plugin, which --filter"],
      [["--filter", "churn", "--operations", "9"], "--operations is for two threads on one pool"],
    ] as const) {
      const { status, stdout, stderr } = bench(...words);
      expect({ words, status, stdout }).toEqual({ words, status: 2, stdout: "" });
      expect(stderr).toContain(`bench: ${message}`);
      expect(stderr).toContain("\nbench --help tells the options\n");
    }
  });

  it("compares two runs' ratios and fails when one moved by more than a quarter", () => {
    const row = { suite: "core", table: "t", what: "w", who: "naive Set", unit: "ns" };
    const file = (name: string, ratio: number, hash = "1") => {
      const path = join(directory, name);
      writeFileSync(path, JSON.stringify({ rows: [{ ...row, ratio, hash }] }));
      return path;
    };
    const [a, near, far] = [file("a", 10), file("near", 12.4), file("far", 12.6)];
    expect(bench("--compare", a, near).status).toBe(0);
    const moved = bench("--compare", a, far);
    expect(moved.status).toBe(1);
    expect(moved.stdout).toContain("naive Set: 10 x, then 12.6 x");
    expect(bench("--compare", a, file("other", 10, "2")).status).toBe(1);
    expect(bench("--compare", a).status).toBe(2);
    const none = join(directory, "none");
    for (const path of [none, directory]) {
      const unread = bench("--compare", a, path);
      expect(unread.status).toBe(2);
      expect(unread.stderr).toMatch(/--compare wants two files of --json: E\w+: .*, (open|read)/);
    }
    writeFileSync(none, "{}");
    expect(bench("--compare", none, a)).toMatchObject({ status: 2, stdout: "" });
    const more = join(directory, "more");
    writeFileSync(
      more,
      JSON.stringify({ rows: [row, { ...row, who: "new" }].map((r) => ({ ...r, ratio: 10 })) }),
    );
    const one = bench("--compare", a, more);
    expect(one.stdout).toContain("core / t / w / new: in one of the two only");
    expect(one.stdout).toContain(
      "1 ratios compared, 0 moved by more than 25 %, 1 in one of the two",
    );
    expect(one.status).toBe(1);
    const quick = join(directory, "sized");
    writeFileSync(quick, JSON.stringify({ rows: [{ ...row, ratio: 10 }], size: "quick" }));
    const unlike = bench("--compare", quick, quick.replace("sized", "a"));
    expect(unlike.stdout).toContain("not alike: size quick beside size undefined");
  });

  it("tells what the two results are of, and in what they aren't alike", () => {
    const machine = {
      ...{ berth: "1.0.0", commit: "abc", node: "v20", system: "linux", processor: "one" },
      ...{ cores: 2, compiler: "gcc 12" },
    };
    const row = { suite: "core", table: "t", what: "w", who: "naive Set", unit: "ns", ratio: 2 };
    const file = (name: string, more: object) => {
      const path = join(directory, name);
      writeFileSync(path, JSON.stringify({ rows: [row], ...more }));
      return path;
    };
    const a = file("of-one", { machine });
    const b = file("of-other", { machine: { ...machine, commit: "def", node: "v22" } });
    const other = bench("--compare", a, b);
    expect(other.stdout.split("\n").slice(0, 4)).toEqual([
      `${a}: berth 1.0.0 (abc), Node v20, one, 2 cores, linux, gcc 12`,
      `${b}: berth 1.0.0 (def), Node v22, one, 2 cores, linux, gcc 12`,
      "not alike: node v20 beside node v22",
      "1 ratios compared, 0 moved by more than 25 %",
    ]);
    const processor = file("of-third", { machine: { ...machine, processor: "two" } });
    expect(bench("--compare", a, processor).stdout).toContain(
      "\nnot alike: processor one beside processor two\n",
    );
    const none = bench("--compare", a, file("of-none", {}));
    expect(none.stdout).toContain("of-none: doesn't tell its machine");
    expect(none.stdout).toContain("not alike: node v20 beside node undefined");
  });

  it("refuses to make the page of what is no result, or where it can't be written", () => {
    // A package of its own: the page of this one stays.
    const place = mkdtempSync(join(directory, "package-"));
    for (const made of ["build/js", "build/embedded", "scripts"])
      cpSync(join(root, made), join(place, made), { recursive: true });
    for (const file of ["asconfig.json", "package.json"])
      cpSync(join(root, file), join(place, file));
    symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
    mkdirSync(join(place, "bench/results"), { recursive: true });
    mkdirSync(join(place, "docs/plots"), { recursive: true });
    const page = () => {
      const path = join(place, "build/js/bench/bench.js");
      const { status, stdout, stderr } = spawnSync(process.execPath, [path, "--page"], {
        encoding: "utf8",
      });
      return { status, stdout, stderr };
    };
    const refused = (text: string) => ({
      status: 2,
      stdout: "",
      stderr: expect.stringContaining(text),
    });
    const results = join(place, "bench/results/results.json");
    expect(page()).toEqual(refused(`${results} is no result: ENOENT`));
    const whole = JSON.parse(readFileSync(join(root, "bench/results/results.json"), "utf8"));
    const { who: _, ...unnamed } = whole.rows[0];
    for (const [text, fault] of [
      ["{", "is no result: "],
      ["null", "no seed in it; a full run with --publish writes it"],
      ["{}", "is no result: no seed in it"],
      [JSON.stringify({ ...whole, machine: {} }), "no machine.berth in it"],
      [JSON.stringify({ ...whole, rows: [] }), "no rows in it"],
      [JSON.stringify({ ...whole, rows: [unnamed] }), "no rows[0].who in it"],
    ] as const) {
      writeFileSync(results, text);
      expect(page()).toEqual(refused(fault));
    }
    expect(readdirSync(join(place, "docs"))).toEqual(["plots"]);
    writeFileSync(results, JSON.stringify(whole));
    rmSync(join(place, "docs/plots"), { recursive: true });
    writeFileSync(join(place, "docs/plots"), "");
    expect(page()).toEqual(refused("no result can be written there: ENOTDIR"));
    expect(readdirSync(join(place, "docs"))).toEqual(["plots"]);
    rmSync(join(place, "docs/plots"));
    mkdirSync(join(place, "docs/plots"));
    expect(page()).toMatchObject({ status: 0, stderr: "" });
    const own = readFileSync(join(place, "docs/BENCHMARKS.md"), "utf8");
    expect(own).toBe(readFileSync(join(root, "docs/BENCHMARKS.md"), "utf8"));
  });
});

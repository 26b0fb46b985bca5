// The package as its users get it: packed, installed into an empty project with install scripts
// off, imported as ESM, type-checked, bundled into one file.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findCompiler } from "../../scripts/native.mjs";
import { packageRoot } from "../../src/wasm.ts";

const root = packageRoot();
const directory = mkdtempSync(join(tmpdir(), "berth-package-"));
/** What a URL has another meaning for, or has to quote, may stand in a path. */
const project = join(directory, "my project #1, 50%25");
const use = `import { createPool, createPrefixPool, IpamError } from "berth-ipam";
const pool = createPool("10.0.0.0/30", { exclude: ["10.0.0.0"] });
const nodes = createPrefixPool(["10.244.0.0/16", "fd00::/48"]);
const given: string = pool.allocate();
const node: string[] = nodes.allocate({ owner: "node-1" });
try { pool.allocate("10.0.0.0"); } catch (e) { if (e instanceof IpamError) console.log(e.code); }
console.log(given, node.join(" "));
`;
/** What a program in TypeScript can rely on: answers that narrow, and a name for each type. */
const typed = `import { type FindBy, type IpamCode, type IpamCopy, readIpam } from "berth-ipam";
import type { Ipam, OccupyReport, ReleaseOptions } from "berth-ipam";
const done = nodes.occupy("10.244.0.0/24", "node-2");
export const why: string = done.status === "conflict" ? done.why : done.status;
export const codes = (report: OccupyReport): IpamCode[] => report.invalid.map((bad) => bad.code);
export const copy = (path: string): IpamCopy => readIpam(path);
export function drop(ipam: Ipam, by: FindBy, options: ReleaseOptions): void {
  const owner: string | undefined = ipam.find(by)?.owner;
  if (owner !== undefined) ipam.release(owner, options);
  nodes.occupyAll([{ prefix: "10.244.9.0/24", owner }]);
}
export const bytes: Uint8Array = pool.toBytes();
`;
const printed = "excluded\n10.0.0.1 10.244.0.0/24 fd00::/64\n";

const durable = `import { openIpam } from "berth-ipam";
try {
  const ipam = openIpam(process.argv[2]);
  ipam.pool("10.9.0.0/16");
  ipam.allocate({ owner: "a", pools: ["10.9.0.0/16"] });
  console.log(ipam.find({ owner: "a" }).addresses.join());
  ipam.close();
} catch (e) { console.log(e.name, e.code, /fs-native-extensions/.test(e.message)); }
`;

const node = (...words: string[]) =>
  execFileSync(process.execPath, words, { cwd: project, encoding: "utf8" });

/** Examples of a document, as they stand there. */
function examplesOf(name: string): string[] {
  const text = readFileSync(join(root, name), "utf8");
  return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

const DOCS = ["README.md", "docs/LIBRARY.md", "docs/NODE-CIDR-CONTROLLER.md"];

beforeAll(() => {
  mkdirSync(project);
  const pack = ["pack", "--ignore-scripts", "--pack-destination", project];
  execFileSync("npm", pack, { cwd: root, stdio: "pipe" });
  const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  const options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  execFileSync("npm", ["install", ...options, `./berth-ipam-${version}.tgz`], {
    cwd: project,
    stdio: "pipe",
  });
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true }));

describe("the package", () => {
  it("runs from ESM in an empty project that ran no install script", () => {
    writeFileSync(join(project, "use.mjs"), use.replaceAll(/: string(\[\])?/g, ""));
    expect(node("use.mjs")).toBe(printed);
  });

  const modules = ["nodenext", "node16", "esnext --moduleResolution bundler"];
  const libraries = ["es2023", "es2023,dom,esnext.disposable"];
  const projects = modules.flatMap((module) => libraries.map((lib) => [module, lib] as const));

  it.each(projects)("has types that a strict project accepts: %s, %s", (module, lib) => {
    const console = "declare const console: { log(...texts: string[]): void };\n";
    const wrong = "// @ts-expect-error a number is no address\npool.allocate(7);\n";
    writeFileSync(join(project, "use.ts"), `${use}${typed}${console}${wrong}`);
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const flags =
      `--noEmit --strict --exactOptionalPropertyTypes --target es2023 --lib ${lib} --module ${module}`.split(
        " ",
      );
    const done = spawnSync(process.execPath, [tsc, ...flags, "--types", "", "use.ts"], {
      cwd: project,
      encoding: "utf8",
    });
    expect(done.stdout).toBe("");
    expect(done.status).toBe(0);
  });

  it("has documents whose examples a strict project accepts, but for parameters of their own", () => {
    const examples = DOCS.flatMap(examplesOf);
    expect(examples.length).toBeGreaterThan(15);
    const names = examples.map((_, at) => `example${at}.mjs`);
    for (const [at, code] of examples.entries()) writeFileSync(join(project, names[at]!), code);
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
    const flags = "--noEmit --allowJs --checkJs --strict --noImplicitAny false --target es2023";
    const words = [tsc, ...flags.split(" "), "--module", "nodenext", ...types, ...names];
    const done = spawnSync(process.execPath, words, { cwd: project, encoding: "utf8" });
    expect({ status: done.status, stdout: done.stdout }).toEqual({ status: 0, stdout: "" });
  });

  it("runs the README's example, and once more on the state that it left", () => {
    const [code] = examplesOf("README.md");
    expect(code).toContain('openIpam("/var/lib/my-controller")');
    writeFileSync(join(project, "readme.mjs"), code!.replace("/var/lib/my-controller", "readme"));
    for (const time of [1, 2]) expect([time, node("readme.mjs")]).toEqual([time, ""]);
  });

  it("is had by require, too", () => {
    const text = `const { createPool } = require("berth-ipam");
      console.log(createPool("10.0.0.0/24").allocate(), require("berth-ipam/wasm").coreBytes().length > 0);`;
    writeFileSync(join(project, "required.cjs"), text);
    const done = spawnSync(process.execPath, ["required.cjs"], { cwd: project, encoding: "utf8" });
    expect([done.stdout, done.stderr]).toEqual(["10.0.0.0 true\n", ""]);
  });

  it("has types without what TypeScript 5.2 can't read: a parameter of Uint8Array", () => {
    const types = join(project, "node_modules/berth-ipam/build/js/src");
    const files = readdirSync(types, { recursive: true, encoding: "utf8" });
    const declared = files.filter((name) => name.endsWith(".d.ts"));
    expect(declared.length).toBeGreaterThan(30);
    for (const name of declared)
      expect(readFileSync(join(types, name), "utf8"), name).not.toContain("Uint8Array<");
  });

  it("bundles with esbuild into one file that runs where there is no package", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "berth-bundle-"));
    const bundled = async (text: string, format: "esm" | "cjs" = "esm") => {
      const { build } = await import("esbuild");
      writeFileSync(join(project, "entry.mjs"), text);
      const outfile = join(elsewhere, format === "esm" ? "bundle.mjs" : "bundle.cjs");
      const options = { bundle: true, format, platform: "node" } as const;
      const entryPoints = [join(project, "entry.mjs")];
      await build({ ...options, logLevel: "silent", entryPoints, outfile });
      return outfile;
    };
    expect(node(await bundled(use.replaceAll(/: string(\[\])?/g, "")))).toBe(printed);
    // A file lock needs the addon, which no bundle holds: beside it, or an error that says so.
    const file = await bundled(durable);
    expect(node(file, join(elsewhere, "state"))).toBe("IpamError io true\n");
    writeFileSync(join(project, "beside.mjs"), readFileSync(file));
    expect(node("beside.mjs", join(elsewhere, "state"))).toBe("10.9.0.0\n");
    // What esbuild makes for Node unless it is told otherwise has no import.meta.url.
    writeFileSync(join(project, "beside.cjs"), readFileSync(await bundled(durable, "cjs")));
    expect(node("beside.cjs", join(elsewhere, "other"))).toBe("10.9.0.0\n");
    rmSync(elsewhere, { recursive: true });
  });

  it("opens a durable Ipam from the installed package", () => {
    writeFileSync(join(project, "durable.mjs"), durable);
    expect(node("durable.mjs", join(project, "state"))).toBe("10.9.0.0\n");
  });

  it("loads no native addon at import, and names no Node module in berth-ipam/wasm", async () => {
    const loaded = `process.dlopen = () => { throw new Error("an addon was loaded"); };
      await import("berth-ipam"); await import("berth-ipam/wasm"); console.log("none");`;
    writeFileSync(join(project, "addons.mjs"), loaded);
    expect(node("addons.mjs")).toBe("none\n");
    const { build } = await import("esbuild");
    const entry = 'import { coreModule } from "berth-ipam/wasm"; console.log(coreModule());';
    const browser = { bundle: true, format: "esm", platform: "browser", write: false } as const;
    const stdin = { contents: entry, resolveDir: project };
    const { outputFiles, errors } = await build({ ...browser, stdin, logLevel: "silent" });
    expect(errors).toEqual([]);
    expect(outputFiles[0]!.text).not.toContain("node:");
  });

  it("measures itself: npx berth bench", { timeout: 120_000 }, () => {
    const words = [
      "one call, 0 held",
      "take and give inside",
      "durable allocate, 1 at once",
      "two threads",
    ];
    const filters = words.flatMap((text) => ["--filter", text]);
    const args = ["--offline", "berth", "bench", "--quick", "--json", "bench.json", ...filters];
    const done = spawnSync("npx", args, { cwd: project, encoding: "utf8" });
    expect({ status: done.status, stderr: done.stderr }).toMatchObject({ status: 0 });
    const { machine, rows } = JSON.parse(readFileSync(join(project, "bench.json"), "utf8"));
    expect(machine.commit).toBe("package");
    const measured = rows.filter((row: { missing?: string }) => row.missing === undefined);
    const suites = new Set(measured.map((row: { suite: string }) => row.suite));
    expect([...suites]).toEqual(findCompiler() ? ["core", "plugin", "store"] : ["core", "store"]);
    // What needs more than the package and a C compiler is named with the reason.
    const left = rows.find((row: { who: string }) => row.who === "berth with glibc");
    if (findCompiler()) expect(left?.missing ?? "").not.toBe("");
  });

  it("writes the page of results where it says, or ends with 2", () => {
    const page = () =>
      spawnSync("npx", ["--offline", "berth", "bench", "--page"], {
        cwd: project,
        encoding: "utf8",
      });
    const done = page();
    const places = [...done.stdout.matchAll(/^written: (.*)$/gm)].map((match) => match[1]!);
    expect([done.status, places[0]]).toEqual([0, "node_modules/berth-ipam/docs/BENCHMARKS.md"]);
    for (const place of places)
      expect(readFileSync(join(project, place)).length).toBeGreaterThan(0);
    const path = join(project, places[0]!);
    const text = readFileSync(path);
    rmSync(path);
    mkdirSync(path);
    const refused = page();
    expect([refused.status, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toContain("no result can be written there: EISDIR");
    rmSync(path, { recursive: true });
    writeFileSync(path, text);
  });

  it("gives the module, a memory and an instance for a browser", () => {
    writeFileSync(
      join(project, "wasm.mjs"),
      `import { coreBytes, coreInstance, coreMemory } from "berth-ipam/wasm";
      const e = coreInstance(coreMemory());
      e.deskSit(0); e.heapFormat();
      const cell = e.slotsMake(8, 0, 0, 1n);
      console.log(coreBytes().length > 10000, e.slotsTake32(cell, 0), e.slotsTake32(cell, 0));`,
    );
    expect(node("wasm.mjs")).toBe("true 0 1\n");
  });
});

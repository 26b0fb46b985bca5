// npm run build: the modules (asc), the TypeScript (tsc), the native plugin (wasm2c and a C
// compiler), the launcher of the Node plugin. What is newer than its sources is left alone.
//
//   assembly/*.ts -> build/{core,book,rooms,cni}.wasm -> build/native/*.c -> build/bin/berth
//   build/{core,book}.wasm -> build/embedded/*.js     build/bin/berth-node
//   src, bench    -> build/js/
//
// Every output is written beside its place and renamed, so that a running build never shows half a
// file. Two tools run at a time. Exit status 1 if anything failed; the rest is built all the same.
import { execFile } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { compileHost, findCompiler, root, translate } from "./native.mjs";

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const build = join(root, "build");
const force = process.argv.includes("--force");
let failures = 0;

/** Files under `path` (relative to the root), or the file itself. */
function files(path) {
  const full = join(root, path);
  if (!statSync(full, { throwIfNoEntry: false })?.isDirectory()) return [full];
  const inside = readdirSync(full, { recursive: true }).map((name) => join(full, name));
  return inside.filter((name) => statSync(name).isFile());
}

function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Is `out` newer than everything in `inputs` (paths relative to the root)? */
function fresh(out, inputs) {
  if (force) return false;
  const made = modified(join(root, out));
  return inputs.flatMap(files).every((file) => modified(file) < made);
}

/** Runs one step and says in a line what came of it. */
async function step(name, out, inputs, work) {
  if (fresh(out, inputs)) return;
  const start = Date.now();
  try {
    await work();
    // As old as the work's begin: a source that was saved meanwhile is newer.
    utimesSync(join(root, out), start / 1000, start / 1000);
    console.log(`${out}: ${Date.now() - start} ms`);
  } catch (error) {
    failures++;
    console.error(`${out}: ${name} failed\n${error.stdout ?? ""}${error.stderr ?? error.message}`);
  }
}

function module(target) {
  const out = `build/${target}.wasm`;
  const entry = `assembly/${target === "rooms" ? "core" : target}.ts`;
  const tool = join(dirname(require.resolve("assemblyscript/package.json")), "bin/asc.js");
  return step("asc", out, ["assembly", "asconfig.json"], async () => {
    const temporary = `${out}.${process.pid}`;
    const options = ["--config", "asconfig.json", "--target", target, "--outFile", temporary];
    await run(process.execPath, [tool, entry, ...options], { cwd: root });
    renameSync(join(root, temporary), join(root, out));
  });
}

// The module as JavaScript, so that the library is one file for a bundler and needs no path.
function embedded(target) {
  const out = `build/embedded/${target}.js`;
  return step("embedding", out, [`build/${target}.wasm`, "scripts/build.mjs"], () => {
    const text = readFileSync(join(build, `${target}.wasm`)).toString("base64");
    const types = "/** The module's bytes in base64. */\nexport declare const base64: string;\n";
    mkdirSync(join(build, "embedded"), { recursive: true });
    replace(join(root, `build/embedded/${target}.d.ts`), types);
    replace(join(root, out), `export const base64 =\n  "${text}";\n`);
  });
}

function replace(path, text) {
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

function scripts() {
  const inputs = ["src", "bench", "assembly/numbers.ts", "tsconfig.json", "tsconfig.build.json"];
  const tool = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  return step("tsc", "build/js/built", inputs, async () => {
    await run(process.execPath, [tool, "-p", "tsconfig.build.json"], { cwd: root });
    writeFileSync(join(build, "js/built"), "");
  });
}

function plugin() {
  const out = "build/bin/berth";
  const inputs = ["build/cni.wasm", "native", "assembly/numbers.ts"];
  for (const name of ["native", "layout", "profile", "training"])
    inputs.push(`scripts/${name}.mjs`);
  const compiler = findCompiler();
  if (!compiler) {
    const none = process.env.CC ? "CC doesn't link a program" : "musl-gcc, cc, gcc, clang";
    console.log(`${out}: no C compiler (${none}): build/bin/berth-node serves`);
    return;
  }
  return step("the native build", out, inputs, async () => {
    if (!compiler.flags.includes("-static"))
      console.warn(`${out}: no static libc here: it needs the same libc where it runs`);
    await compileHost({ wasm: join(build, "cni.wasm"), out: join(root, out), profiled: true });
  });
}

function rooms() {
  const inputs = ["build/rooms.wasm", "scripts/native.mjs"];
  return step("wasm2c", "build/native/rooms.c", inputs, () =>
    translate({ wasm: join(build, "rooms.wasm"), name: "rooms" }),
  );
}

/** An executable that runs the Node plugin beside it, also through a symlink. */
function launcher() {
  const out = "build/bin/berth-node";
  return step("the launcher", out, ["scripts/build.mjs"], () => {
    const lines = [
      "#!/bin/sh",
      "# Made by scripts/build.mjs: the plugin in Node, found from where this file really lies.",
      'here=$(dirname "$(readlink -f "$0")")',
      'exec node "$here/../js/src/cli/berth.js" "$@"',
    ];
    const temporary = join(root, `${out}.${process.pid}`);
    writeFileSync(temporary, `${lines.join("\n")}\n`);
    chmodSync(temporary, 0o755);
    renameSync(temporary, join(root, out));
  });
}

mkdirSync(join(build, "bin"), { recursive: true });
mkdirSync(join(build, "js"), { recursive: true });
// Two at a time; the TypeScript needs the embedded modules' types.
await Promise.all([
  module("core")
    .then(() => embedded("core"))
    .then(() => module("book"))
    .then(() => embedded("book"))
    .then(scripts),
  module("cni")
    .then(() => Promise.all([plugin(), launcher()]))
    .then(() => module("rooms"))
    .then(rooms),
]);
process.exitCode = failures ? 1 : 0;

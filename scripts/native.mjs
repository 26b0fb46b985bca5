// WebAssembly to a native program: wasm2c of the npm package wabt, then a C compiler. Used by the
// build for build/bin/berth and by tests and benches for drivers of their own.
//
// The compiler: $CC if it is set, else musl-gcc -static (starts in 0.07 ms), else cc -static
// (glibc's start takes 0.5 ms more), else cc.
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { layoutFlags } from "./layout.mjs";
import { buildByProfile } from "./profile.mjs";
import { train } from "./training.mjs";

const run = promisify(execFile);

/** The package's root directory. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const OPTIMIZE = ["-std=gnu11", "-O2", "-DNDEBUG", "-fno-math-errno"];
const SMALL = [
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-asynchronous-unwind-tables",
  "-fno-stack-protector",
  "-fno-pie",
];
// noseparate-code: text and constants in one segment, so two mappings and two page faults fewer
// (10 us of a start).
const LINK = [
  "-no-pie",
  "-s",
  "-Wl,--gc-sections",
  "-Wl,--build-id=none",
  "-Wl,-z,norelro",
  "-Wl,-z,noseparate-code",
];
/** Where the host wants its memory: WASM_RT_BASE of native/wasm-rt.h. */
const MEMORY_BASE = 0x10000000;
const MACRO = "#define MEM_ADDR(mem, addr, n) &((mem)->data[addr])";

// Without a processor's own instruction gcc counts bits by a call into a table.
const COUNTS = "#define I64_POPCNT(x) (__builtin_popcountll(x))";

const LOADS = "  init_memories(instance);\n";

const GLOBALS = /^static void init_globals\(.*\n(?: {2}.*;\n)*}\n/m;
const ZERO = /^ {2}instance->\w+ = 0u(?:ll)?;\n/gm;

// The one instance of a program with fixed memory begins as zeros: 400 stores fewer.
function sparseGlobals(whole) {
  const zeros = whole.match(ZERO) ?? [];
  return whole.replace(ZERO, "").replace(/\n/, `\n#if !WASM_RT_FIXED\n${zeros.join("")}#endif\n`);
}

let known;

function links(command, flags) {
  const dir = mkdtempSync(join(tmpdir(), "berth-cc-"));
  try {
    const source = join(dir, "a.c");
    writeFileSync(source, "int main(void) { return 0; }\n");
    return spawnSync(command, [...flags, "-o", join(dir, "a"), source]).status === 0;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The first compiler that links a program: { command, flags }, or null where there is none. */
export function findCompiler() {
  if (known !== undefined) return known;
  const named = process.env.CC?.split(" ").filter(Boolean) ?? [];
  const candidates = named.length
    ? [named]
    : ["musl-gcc", "cc", "gcc", "clang"].map((command) => [command]);
  for (const flags of [["-static"], []])
    for (const [command, ...own] of candidates)
      if (links(command, [...own, ...flags])) {
        known = { command, flags: [...own, ...flags] };
        return known;
      }
  known = null;
  return null;
}

/** Is the program linked with musl, statically? */
function isMusl() {
  const { command, flags } = findCompiler();
  if (!flags.includes("-static")) return false;
  const machine = spawnSync(command, [...flags, "-dumpmachine"], { encoding: "utf8" });
  return /musl/.test(command) || /musl/.test(machine.stdout);
}

/** C `#define`s of every constant in assembly/numbers.ts. */
export function numbersHeader() {
  const text = readFileSync(join(root, "assembly/numbers.ts"), "utf8");
  const lines = [...text.matchAll(/^export const (\w+) = (\d+);/gm)];
  const defines = lines.map(([, name, value]) => `#define ${name} ${value}`);
  return `// Generated from assembly/numbers.ts.\n${defines.join("\n")}\n`;
}

/** A constant of assembly/numbers.ts. */
function constant(name) {
  return Number(numbersHeader().match(new RegExp(`^#define ${name} (\\d+)$`, "m"))[1]);
}

/** The static data of a translated module: the bytes from STATIC_BASE on, from its own C text. */
function staticData(text) {
  const arrays = new Map();
  for (const [, name, bytes] of text.matchAll(/^static const u8 (\w+)\[\] = \{([^}]*)\};/gm))
    arrays.set(
      name,
      bytes
        .split(",")
        .map((byte) => byte.trim())
        .filter(Boolean)
        .map(Number),
    );
  const from = constant("STATIC_BASE");
  const loads = [...text.matchAll(/^ {2}LOAD_DATA\(.*, (\d+)u, (\w+), (\d+)\);$/gm)];
  const end = Math.max(0, ...loads.map(([, at, , length]) => Number(at) + Number(length) - from));
  const data = Buffer.alloc(Math.ceil(end / 16) * 16);
  for (const [, at, name, length] of loads) {
    const bytes = arrays.get(name);
    if (bytes?.length !== Number(length)) throw new Error(`wasm2c's ${name} isn't as we know it`);
    data.set(bytes, Number(at) - from);
  }
  return data;
}

/**
 * Puts static data and scratch into sections of the program itself, at the place where the module
 * expects them: writes `dir`/`name`_data.S and answers what the linker needs to be told.
 */
function placeStatics(name, dir) {
  const data = staticData(readFileSync(join(dir, `${name}.c`), "utf8"));
  const lines = [
    '.section .berth_static,"a",%progbits',
    ".globl berthStatic",
    "berthStatic:",
    ...[...data].map((byte) => `.byte ${byte}`),
    '.section .berth_scratch,"aw",%nobits',
    ".globl berthScratch",
    "berthScratch:",
    `.skip ${constant("WINDOW_END") + constant("SCRATCH_BYTES") - constant("SCRATCH_BASE")}`,
    '.section .note.GNU-stack,"",%progbits',
  ];
  const source = join(dir, `${name}_data.S`);
  replaceFile(source, `${lines.join("\n")}\n`);
  const statics = MEMORY_BASE + constant("STATIC_BASE");
  const scratch = MEMORY_BASE + constant("SCRATCH_BASE");
  if (statics + data.length > scratch) throw new Error("static data reaches into scratch memory");
  const flags = (counting) => layoutFlags({ root, musl: isMusl() && !counting, statics, scratch });
  return { source, flags };
}

/** Writes a file whole or not at all: others may be building at the same time. */
function replaceFile(path, content, mode = 0o644) {
  const temporary = `${path}.${process.pid}.whole`;
  writeFileSync(temporary, content, { mode });
  renameSync(temporary, path);
}

/**
 * Copies a linked program to its place, written in one piece: a linker writes in small ones, so
 * does the page cache keep it, and a call whose 100 pages are mapped one by one costs 5 to 10 %
 * more.
 */
function writeWhole(linked, out) {
  replaceFile(out, readFileSync(linked), 0o755);
}

/**
 * Translates `wasm` to `dir`/`name`.c and .h (C names begin with w2c_`name`_), beside numbers.h.
 * Throws what wasm2c says.
 */
export async function translate({ wasm, name, dir = join(root, "build/native") }) {
  mkdirSync(dir, { recursive: true });
  const work = mkdtempSync(join(dir, `${name}-`));
  try {
    const tool = createRequire(import.meta.url).resolve("wabt/bin/wasm2c");
    const out = join(work, `${name}.c`);
    await run(process.execPath, [tool, wasm, "-n", name, "-o", out]);
    const text = readFileSync(out, "utf8");
    if (!text.includes(MACRO)) throw new Error("wasm2c writes another MEM_ADDR than we know");
    if (!text.includes(LOADS)) throw new Error("wasm2c loads static data in another way");
    if (!GLOBALS.test(text)) throw new Error("wasm2c sets globals in another way");
    const patched = text
      .replace(COUNTS, "#define I64_POPCNT(x) wasm_rt_popcount(x)")
      .replace(MACRO, "#define MEM_ADDR(mem, addr, n) WASM_RT_ADDRESS(mem, addr)")
      .replace(GLOBALS, sparseGlobals)
      .replace(LOADS, `#if !WASM_RT_FIXED\n${LOADS}#endif\n`);
    replaceFile(join(dir, `${name}.c`), patched);
    renameSync(join(work, `${name}.h`), join(dir, `${name}.h`));
    replaceFile(join(dir, "numbers.h"), numbersHeader());
  } finally {
    rmSync(work, { recursive: true });
  }
  return join(dir, `${name}.c`);
}

/**
 * Makes the program `out` of a module and C sources: `wasm` is translated under `name` into `dir`
 * (skipped if `wasm` is absent: plain C), compiled with `sources` (absolute or relative to the
 * package), native/ and `dir` on the include path. `flags` come last. `fixed`: the memory
 * has a constant address (see native/wasm-rt.h). `profiled`: it is built by a profile of the
 * plugin's usual calls (scripts/profile.mjs). Throws what the compiler says.
 */
export async function compileNative({
  wasm,
  name,
  sources,
  out,
  flags = [],
  fixed = false,
  profiled = false,
  dir = join(root, "build/native"),
}) {
  const compiler = findCompiler();
  if (!compiler) throw new Error("no C compiler");
  const generated = wasm ? [await translate({ wasm, name, dir })] : [];
  const statics = fixed ? placeStatics(name, dir) : { source: [], flags: () => [] };
  mkdirSync(dirname(out), { recursive: true });
  const temporary = `${out}.${process.pid}`;
  const include = ["-I", dir, "-I", join(root, "native")];
  const files = [...sources, ...generated].concat(statics.source);
  const options = [...compiler.flags, ...OPTIMIZE, ...SMALL, ...LINK, ...include, ...flags];
  const compile = (more, counting) =>
    run(
      compiler.command,
      [...options, "-o", temporary, ...files, ...statics.flags(counting), ...more],
      { cwd: root, maxBuffer: 1 << 24 },
    );
  try {
    if (profiled) await buildByProfile({ compiler, compile, train: () => train(temporary) });
    else await compile([], false);
    writeWhole(temporary, out);
  } finally {
    rmSync(temporary, { force: true });
  }
  return out;
}

/** Builds the plugin's native host around `wasm` (build/cni.wasm, or a test's own module). */
export function compileHost({ wasm, out, dir, profiled, flags = [] }) {
  const module = new WebAssembly.Module(readFileSync(wasm));
  const exported = WebAssembly.Module.exports(module).map((entry) => entry.name);
  const missing = ["begin", "finish", "fault"].filter((name) => !exported.includes(name));
  if (missing.length) throw new Error(`${wasm} doesn't export ${missing.join(", ")}`);
  const sources = ["native/host.c", "native/files.c", "native/world.c", "native/run.c"];
  return compileNative({
    wasm,
    name: "cni",
    sources,
    out,
    dir,
    fixed: true,
    profiled,
    flags: ["-DWASM_RT_FIXED=1", "-Wall", "-Wno-unused", ...flags],
  });
}

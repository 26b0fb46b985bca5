// The compiled modules: where they lie, their memory, their exports as TypeScript sees them.
//
//   build/cni.wasm     its own memory, one instance per call of the plugin
//   build/core.wasm    shared memory (16,896 pages, never grows): library, workers
//   build/rooms.wasm   the same exports without threads
//
// Cost: reading and compiling a module, once per call of a load function. All three memories are
// address space only until something is touched.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { instantiateSync } from "@assemblyscript/loader";
import { MEMORY_PAGES } from "./memory.ts";

export { MEMORY_PAGES };

/** What cni.wasm exports; the flow is in assembly/host.ts and src/cli/plugin.ts. */
export interface CniExports {
  begin(): number;
  finish(lockStatus: number): number;
  fault(): number;
}

/** A module's exports as functions by name: numbers, and bigint for 64 bits. */
// biome-ignore lint/suspicious/noExplicitAny: each caller knows the signatures that it uses.
export type Exports = Record<string, (...values: any[]) => any>;

/** An instance and the memory it imported. */
export interface Loaded<T> {
  exports: T;
  memory: WebAssembly.Memory;
}

/** The host functions of cni.wasm, and where they learn the memory to work on. */
export interface HostFunctions {
  imports: Record<string, (...values: number[]) => number | bigint | undefined>;
  attach(memory: Uint8Array): void;
}

/** The package's root: the nearest directory above this file that holds asconfig.json. */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let at = start; at !== dirname(at); at = dirname(at))
    if (existsSync(join(at, "asconfig.json"))) return at;
  throw new Error(`no package around ${start}`);
}

/** Path of a file that `npm run build` makes. */
export function buildPath(name: string): string {
  return join(packageRoot(), "build", name);
}

function load<T>(path: string, shared: boolean, host?: HostFunctions): Loaded<T> {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared });
  host?.attach(new Uint8Array(memory.buffer));
  const { exports } = instantiateSync<Record<string, unknown>>(readFileSync(path), {
    env: { memory },
    host: host?.imports ?? {},
  });
  return { exports: exports as unknown as T, memory };
}

/** One call of the plugin: cni.wasm (or the module at `path`) on the functions of `host`. */
export function loadCni(host: HostFunctions, path = buildPath("cni.wasm")): Loaded<CniExports> {
  return load<CniExports>(path, false, host);
}

/** core.wasm on a new shared memory. */
export function loadCore(path = buildPath("core.wasm")): Loaded<Exports> {
  return load<Exports>(path, true);
}

/** rooms.wasm on a memory of its own. */
export function loadRooms(path = buildPath("rooms.wasm")): Loaded<Exports> {
  return load<Exports>(path, false);
}

// The core as a module of its own (`berth-ipam/wasm`): for a browser, a worker, or whoever wants
// the exports by themselves. Nothing of Node is imported here. Its memory, 16,896 pages of
// 64 KiB, is shared (memory.ts draws it).
import { base64 } from "#core";
import { type Bytes, bytesOf } from "./embedded.ts";
import { MEMORY_PAGES } from "./memory.ts";

declare global {
  // For projects without TypeScript's library "dom"; with it they are the same interfaces.
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

export { MEMORY_PAGES };

/** core.wasm's exports as functions by name: numbers, and bigint for 64 bits. */
// biome-ignore lint/suspicious/noExplicitAny: each caller knows the signatures that it uses.
export type CoreExports = Record<string, (...values: any[]) => any>;

let compiled: WebAssembly.Module | undefined;

/** The bytes of core.wasm. */
export function coreBytes(): Bytes {
  return bytesOf(base64);
}

/**
 * core.wasm, compiled once (about 2 ms). A browser's main thread may ask for more time than that.
 */
export function coreModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(coreBytes());
  return compiled;
}

/**
 * A new memory for the core: 1.03 GiB of address space, no memory until it is touched. A process
 * gets about 13,000 of them, a browser page a few; in a page it needs cross-origin isolation.
 */
export function coreMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
}

/** An instance of the core on a memory; several may share one (assembly/library/desk.ts). */
export function coreInstance(
  memory: WebAssembly.Memory,
  module: WebAssembly.Module = coreModule(),
): CoreExports {
  // Not through @assemblyscript/loader: it wraps every function, which costs more than `take` does.
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as CoreExports;
}

// The native build's tools (scripts/native.mjs), from the package's root: the bench itself runs
// from build/js.
import { statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/wasm.ts";

const path = join(packageRoot(), "scripts/native.mjs");
const native = (await import(
  pathToFileURL(path).href
)) as typeof import("../../scripts/native.mjs");

export const { compileNative, findCompiler } = native;

/** Is the file there, and younger than all of these? */
export function isFresh(path: string, sources: readonly string[]): boolean {
  const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return sources.every((source) => statSync(source).mtimeMs < made);
}

// The native build's tools (scripts/native.mjs), from the package's root: the bench itself runs
// from build/js.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/wasm.ts";

const path = join(packageRoot(), "scripts/native.mjs");
const native = (await import(
  pathToFileURL(path).href
)) as typeof import("../../scripts/native.mjs");

export const { compileNative, findCompiler } = native;

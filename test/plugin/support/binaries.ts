// Which programs are tested, and which is the oracle.
//
// BERTH_BINS: comma list of plugin executables (default: build/bin/berth where there is a C
// compiler, build/bin/berth-node).
// host-local itself may stand there, to try the tests: it's tested where it can do the same.

import { execFileSync } from "node:child_process";
import path from "node:path";
import { findCompiler } from "../../../scripts/native.mjs";
import { hostLocal, runs } from "../../support/needs.ts";
import { root } from "./caller.ts";

/** A plugin executable. */
export interface Binary {
  name: string;
  path: string;
  /** native: a call costs tenths of a millisecond; node: seventy; upstream: host-local. */
  kind: "native" | "node" | "upstream";
}

const usual = `${findCompiler() ? "build/bin/berth," : ""}build/bin/berth-node`;

/** The programs under test. A missing one throws: build first. */
export const binaries: Binary[] = (process.env.BERTH_BINS ?? usual)
  .split(",")
  .map((file) => path.resolve(root, file))
  .map((file) => {
    if (!runs(file)) throw new Error(`${file} is missing: npm run build`);
    const name = path.basename(file);
    const kind = name.includes("host-local") ? "upstream" : /node/.test(name) ? "node" : "native";
    return { name, path: file, kind };
  });

/** Those that are Berth: tests of what host-local hasn't got run on these. */
export const berths: Binary[] = binaries.filter((b) => b.kind !== "upstream");

/** How often to do something: `native`, or `node` where each call starts a Node.js. */
export function rounds(binary: Binary, native: number, node: number): number {
  return binary.kind === "node" ? node : native;
}

/** The cniVersions that the real host-local speaks. */
export function oracleVersions(): string[] {
  const env = { CNI_COMMAND: "VERSION", CNI_PATH: "/x" };
  const said = execFileSync(hostLocal!, { env, stdio: ["ignore", "pipe", "pipe"] }).toString();
  return JSON.parse(said).supportedVersions;
}

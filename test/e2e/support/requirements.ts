/**
 * What the end-to-end tests need of the machine. Where a piece is missing a suite is skipped with
 * a word; with BERTH_NEEDS=must (.ci/run) it fails instead, so that nothing is left out unseen.
 */
import { accessSync, constants } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const COMMAND_DIRS = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];
const PLUGIN_DIRS = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/** The plugin under test; `BERTH` names another file, such as the real host-local. */
export const BERTH = resolve(process.env.BERTH ?? join(ROOT, "build/bin/berth"));
/** The same plugin run by Node. */
export const BERTH_NODE = resolve(process.env.BERTH_NODE ?? join(ROOT, "build/bin/berth-node"));

/** True where a missing component is a failure. */
export const MUST = process.env.BERTH_NEEDS === "must";

export interface Needs {
  /** Programs of the system, such as `ip`. */
  commands?: string[];
  /** Plugins of containernetworking-plugins, such as `bridge`. */
  plugins?: string[];
  /** Executable files by their path. */
  files?: string[];
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a program of the system, or undefined. */
export function commandPath(name: string): string | undefined {
  return COMMAND_DIRS.map((dir) => join(dir, name)).find(executable);
}

/** The path of a real CNI plugin, or undefined. */
export function pluginPath(name: string): string | undefined {
  return PLUGIN_DIRS.map((dir) => join(dir, name)).find(executable);
}

/** Everything of `needs` that this machine lacks, by name. Root and Berth are always needed. */
export function lacking(needs: Needs): string[] {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push("root");
  for (const file of [BERTH, ...(needs.files ?? [])]) if (!executable(file)) missing.push(file);
  for (const name of ["ip", "nsenter", "ping", ...(needs.commands ?? [])]) {
    if (commandPath(name) === undefined) missing.push(name);
  }
  for (const name of needs.plugins ?? []) {
    if (pluginPath(name) === undefined) missing.push(`the CNI plugin ${name}`);
  }
  return missing;
}

/** A `describe` that runs where everything is there, and else is skipped or fails. */
export function suite(title: string, needs: Needs, body: () => void): void {
  const missing = lacking(needs).join(", ");
  if (missing === "") {
    describe(title, body);
  } else if (MUST) {
    describe(title, () => {
      test("has what it needs", () => {
        throw new Error(`missing: ${missing}`);
      });
    });
  } else {
    describe.skip(`${title} (skipped, missing: ${missing})`, body);
  }
}

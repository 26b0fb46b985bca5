// Packages of peers: installed below bench/peers when the bench measures peers, never before, each
// list with its pinned versions in a package.json of its own. What can't be installed is named with
// the reason.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";

const INSTALL_MS_MAX = 180_000;
const failures = new Map<string, string>();

function directory(list: string): string {
  return join(packageRoot(), "bench/peers", list);
}

/** Installs the list unless it is there; the reason if that failed, or isn't allowed. */
function installed(list: string, install: boolean): string | undefined {
  const dir = directory(list);
  if (existsSync(join(dir, "node_modules"))) return undefined;
  if (!install) return "not installed yet, and this run installs nothing";
  const known = failures.get(list);
  if (known !== undefined) return known;
  console.error(`bench: installing the packages of bench/peers/${list}`);
  const args = ["install", "--no-audit", "--no-fund", "--no-package-lock"];
  const done = spawnSync("npm", args, { cwd: dir, encoding: "utf8", timeout: INSTALL_MS_MAX });
  if (done.status === 0) return undefined;
  const line = done.stderr
    ?.trim()
    .split("\n")
    .find((text) => /error|ERR/.test(text));
  const reason = `npm install: ${done.error?.message ?? line ?? `status ${done.status}`}`;
  failures.set(list, reason);
  return reason;
}

export type Loaded<T> = { module: T; version: string } | { missing: string };

/** The package `name` of the list `list` (a folder of bench/peers), and its version. */
export function loadPeer<T>(list: string, name: string, install: boolean): Loaded<T> {
  const reason = installed(list, install);
  if (reason !== undefined) return { missing: reason };
  try {
    const dir = directory(list);
    const text = readFileSync(join(dir, "package.json"), "utf8");
    const version = (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies[
      name
    ]!;
    const module = createRequire(join(dir, "package.json"))(name) as T;
    return { module, version };
  } catch (error) {
    return { missing: (error as Error).message.split("\n")[0]! };
  }
}

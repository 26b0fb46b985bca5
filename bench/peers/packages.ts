// Packages of peers: those that come with a checkout (devDependencies) are taken from there. Else
// they are installed below build/peers when the bench may install, each list by the pinned versions
// of its package.json in bench/peers. What can't be had is named with the reason.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { failureOf, makePlace, noteFailure } from "./failures.ts";

const INSTALL_MS_MAX = 180_000;
/** Written when all is there: an install that was interrupted isn't taken for one. */
const WHOLE = ".whole";

/** Where a list says its versions, and where its packages are installed. */
function placesOf(list: string): { source: string; dir: string } {
  const root = packageRoot();
  const source = join(root, "bench/peers", list, "package.json");
  return { source, dir: join(root, "build/peers", list) };
}

/** Are the packages there, by the versions of today's list? */
function isCurrent({ source, dir }: { source: string; dir: string }): boolean {
  const whole = join(dir, WHOLE);
  return existsSync(whole) && readFileSync(whole, "utf8") === readFileSync(source, "utf8");
}

/** Installs the list unless it is there; the reason if that failed, or isn't allowed. */
function installed(list: string, install: boolean): string | undefined {
  const places = placesOf(list);
  if (isCurrent(places)) return undefined;
  if (!install) return "not installed yet, and this run installs nothing (--peers does)";
  const known = failureOf(`packages ${list}`);
  if (known !== undefined) return known;
  console.error(`bench: installing the packages of bench/peers/${list}`);
  const stale = ["node_modules", "package.json", WHOLE].map((name) => join(places.dir, name));
  const noPlace = makePlace(places.dir, stale);
  if (noPlace !== undefined) {
    noteFailure(`packages ${list}`, noPlace);
    return noPlace;
  }
  copyFileSync(places.source, join(places.dir, "package.json"));
  const args = ["install", "--no-audit", "--no-fund", "--no-package-lock"];
  const options = { cwd: places.dir, encoding: "utf8", timeout: INSTALL_MS_MAX } as const;
  const done = spawnSync("npm", args, options);
  if (done.status === 0) {
    copyFileSync(places.source, join(places.dir, WHOLE));
    return undefined;
  }
  const lines = done.stderr?.trim().split("\n") ?? [];
  const line = lines.find((text) => /error|ERR/.test(text));
  const reason = `npm install: ${done.error?.message ?? line ?? `status ${done.status}`}`;
  noteFailure(`packages ${list}`, reason);
  rmSync(join(places.dir, "node_modules"), { recursive: true, force: true });
  return reason;
}

export type Loaded<T> = { module: T; version: string } | { missing: string };

/** A package as `root`/node_modules has it. */
function loadFrom<T>(root: string, name: string): Loaded<T> {
  const text = readFileSync(join(root, "node_modules", name, "package.json"), "utf8");
  const module = createRequire(join(root, "package.json"))(name) as T;
  return { module, version: (JSON.parse(text) as { version: string }).version };
}

/** The package `name` of the list `list` (a folder of bench/peers), and its version. */
export function loadPeer<T>(list: string, name: string, install: boolean): Loaded<T> {
  try {
    const root = packageRoot();
    if (existsSync(join(root, "node_modules", name))) return loadFrom(root, name);
    const reason = installed(list, install);
    return reason === undefined ? loadFrom(placesOf(list).dir, name) : { missing: reason };
  } catch (error) {
    return { missing: (error as Error).message.split("\n")[0]! };
  }
}

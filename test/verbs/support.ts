// A verb from outside: the program with arguments, on a data directory that the test made.

import { spawnSync } from "node:child_process";
import path from "node:path";
import type { Binary } from "../plugin/support/binaries.ts";
import type { Json } from "../plugin/support/plugin.ts";

/** What a verb said. */
export interface Said {
  status: number;
  out: string;
  err: string;
}

/** Runs a verb. Node.js comes first in PATH: berth-node is found by its shebang. */
export function berth(binary: Binary, ...args: string[]): Said {
  const PATH = `${path.dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const done = spawnSync(binary.path, args, {
    env: { PATH },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 30_000,
    maxBuffer: 1 << 28,
  });
  if (done.error) throw done.error;
  if (done.signal) throw new Error(`${args.join(" ")}: ended by ${done.signal}`);
  return { status: done.status ?? -1, out: `${done.stdout}`, err: `${done.stderr}` };
}

/** An object as it comes. */
export type Told = { [key: string]: Json };

/** Runs a verb with --json: the object of each network. Throws if it isn't one JSON document. */
export function told(binary: Binary, ...args: string[]): Told[] {
  const said = berth(binary, ...args, "--json");
  try {
    return (JSON.parse(said.out) as { networks: Told[] }).networks;
  } catch (error) {
    throw new Error(`${args.join(" ")} (${said.status}): ${error}\n${said.out}${said.err}`);
  }
}

/** The lines of a text, without the last line's end. */
export function lines(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}

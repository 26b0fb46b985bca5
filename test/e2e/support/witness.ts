/**
 * A plugin that stands before Berth and writes down what a runtime hands over: the variables and
 * the standard input of every call, in a file each. The answer is Berth's own.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "./cni.ts";

/** The plugin's name in a config. */
export const WITNESS = "witness";

/** One call of the plugin. */
export interface Call {
  command: string;
  containerId: string;
  netns: string;
  /** CNI_ARGS by key. */
  args: Record<string, string>;
  config: Json & { runtimeConfig?: Json };
}

export class Witness {
  private readonly dir: string;

  /** Lays the plugin into `pluginDir`; its calls are kept in `dir`. */
  constructor(pluginDir: string, dir: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
    // Written whole before it is named so, for who reads while pods come and go.
    const script = `#!/bin/sh
set -eu
call=$(mktemp "${dir}/call-XXXXXX")
env >"$call.env"
cat >"$call.in"
mv "$call" "$call.whole"
exec "\${0%/*}/berth" <"$call.in"
`;
    writeFileSync(join(pluginDir, WITNESS), script, { mode: 0o755 });
  }

  /** Every call so far, in no particular order; `command` picks those of one kind. */
  calls(command?: string): Call[] {
    const names = readdirSync(this.dir).filter((name) => name.endsWith(".whole"));
    const all = names.map((name) => this.read(join(this.dir, name.replace(/\.whole$/, ""))));
    return command === undefined ? all : all.filter((call) => call.command === command);
  }

  private read(path: string): Call {
    const env = pairs(readFileSync(`${path}.env`, "utf8"), "\n");
    return {
      command: env.CNI_COMMAND ?? "",
      containerId: env.CNI_CONTAINERID ?? "",
      netns: env.CNI_NETNS ?? "",
      args: pairs(env.CNI_ARGS ?? "", ";"),
      config: JSON.parse(readFileSync(`${path}.in`, "utf8")),
    };
  }
}

/** "A=1;B=2" by key. */
function pairs(text: string, separator: string): Record<string, string> {
  const entries = text.split(separator).filter((part) => part.includes("="));
  return Object.fromEntries(
    entries.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]),
  );
}

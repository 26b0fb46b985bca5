#!/usr/bin/env node
// The program `berth` in Node: with a verb as its first argument that verb, else the CNI plugin on
// this process's environment, arguments and streams, where the core decides what is done.
import { setFlagsFromString } from "node:v8";
import { writeAll } from "../descriptors.ts";
import { runPlugin } from "./plugin.ts";

/** Verbs that need nothing but this package; loaded when asked for. */
const VERBS: Record<string, () => Promise<(argv: string[]) => Promise<number>>> = {
  bench: async () => (await import("../../bench/command.ts")).benchCommand,
  plan: async () => (await import("./plan.ts")).planCommand,
};

const [first = "", ...others] = process.argv.slice(2);
// `help VERB` is `VERB --help`.
const [verb, rest] = first === "help" ? [others[0] ?? "", ["--help"]] : [first, others];
// Node 24 waits for ever at its end for a thread of V8 that compiles and wants the main thread to
// collect garbage (nodejs/node#54918): one call of 300 on a busy machine.
if (verb !== "bench") setFlagsFromString("--no-concurrent-sparkplug");
const load = process.env.CNI_COMMAND === undefined ? VERBS[verb] : undefined;
const status = load
  ? await (await load())(rest)
  : await runPlugin({
      env: process.env,
      argv: process.argv.slice(2),
      stdin: 0,
      write: writeAll,
    });
// Not by running out of work: a wait for the lock that was given up is still in line.
process.exit(status);

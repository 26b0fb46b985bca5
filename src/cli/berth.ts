#!/usr/bin/env node
// The program `berth` in Node: the CNI plugin on this process's environment, arguments and streams.
// What it does without CNI_COMMAND, or with arguments, the core decides.
import { writeAll } from "../host.ts";
import { runPlugin } from "./plugin.ts";

const status = await runPlugin({
  env: process.env,
  argv: process.argv.slice(2),
  stdin: 0,
  write: writeAll,
});
// Not by running out of work: a wait for the lock that was given up is still in line.
process.exit(status);

// Alone: one experiment in a process of its own. V8 compiles Pool.take for the kinds of pools that
// a process has had so far: after an experiment with bigints the next one's calls take three times
// as long. So what runs before must not matter, or a run with --filter would show other ratios.
//
//     node alone.js '{"suite": "core", "name": "...", "context": {...}}'    prints the rows as JSON
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { experiments } from "./experiments.ts";
import type { Context, Experiment } from "./method/experiment.ts";
import type { Row } from "./method/row.ts";

interface Order {
  suite: string;
  name: string;
  context: Context;
}

const OUTPUT_BYTES_MAX = 1 << 26;
const own = fileURLToPath(import.meta.url);

/** Runs an experiment in a new process. Its words on standard error are shown as they come. */
export function runAlone({ suite, name }: Experiment, context: Context): Row[] {
  const order: Order = { suite, name, context };
  const done = spawnSync(process.execPath, [own, JSON.stringify(order)], {
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (done.status !== 0)
    throw new Error(`${suite}: ${name} ended with ${done.status ?? done.signal}`);
  return JSON.parse(done.stdout) as Row[];
}

async function main(text: string): Promise<void> {
  const { suite, name, context } = JSON.parse(text) as Order;
  const one = experiments(context.quick).find((x) => x.suite === suite && x.name === name);
  if (!one) throw new Error(`no experiment ${suite}: ${name}`);
  process.stdout.write(JSON.stringify(await one.run(context)));
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === own) {
  try {
    await main(process.argv[2] ?? "");
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

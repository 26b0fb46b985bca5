// Alone: one experiment in a process of its own. V8 compiles Pool.take for the kinds of pools that
// a process has had so far: after an experiment with bigints the next one's calls take three times
// as long. So what runs before must not matter, or a run with --filter would show other ratios.
//
//     node alone.js '{"names": ["core ..."], "context": {...}, "failures": []}'  rows as JSON
//
// What they build and install before any clock runs is made in such a process, too ("prepare").
// Each has a directory for what it makes, which goes with it, however it ends.
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { experiments } from "./experiments.ts";
import type { Context, Experiment } from "./method/experiment.ts";
import { begin, stayInGroup, undoAtSignal } from "./method/leaving.ts";
import type { Row } from "./method/row.ts";
import { type Failures, failures, noteFailures } from "./peers/failures.ts";

interface Order {
  /** Suite and name of each. */
  names: string[];
  context: Context;
  /** What couldn't be had so far. */
  failures: Failures;
  /** Build and install only. */
  prepare?: boolean;
}

interface Answer {
  rows: Row[];
  failures: Failures;
}

const own = fileURLToPath(import.meta.url);

function nameOf({ suite, name }: Experiment): string {
  return `${suite} ${name}`;
}

/** What a new process answers. Its words on standard error are shown as they come. */
async function answerOf(order: Order): Promise<Answer> {
  const directory = mkdtempSync(join(tmpdir(), "berth-bench-"));
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 8 });
  const forget = undoAtSignal(remove);
  try {
    const child = begin(process.execPath, [own, JSON.stringify(order)], {
      env: { ...process.env, TMPDIR: directory },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const parts: Buffer[] = [];
    child.stdout!.on("data", (part: Buffer) => void parts.push(part));
    const end = await new Promise<number | string | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(code ?? signal));
    });
    if (end !== 0) throw new Error(`${order.names.join(", ")} ended with ${end}`);
    return JSON.parse(Buffer.concat(parts).toString()) as Answer;
  } finally {
    remove();
    forget();
  }
}

/** Runs an experiment in a new process. */
export async function runAlone(one: Experiment, context: Context): Promise<Row[]> {
  const order: Order = { names: [nameOf(one)], context, failures: failures() };
  return (await answerOf(order)).rows;
}

/** Has what these need built and installed, in a new process. */
export async function prepareAlone(list: readonly Experiment[], context: Context): Promise<void> {
  const names = list.filter(({ prepare }) => prepare !== undefined).map(nameOf);
  if (names.length === 0) return;
  noteFailures((await answerOf({ names, context, failures: failures(), prepare: true })).failures);
}

async function main(text: string): Promise<void> {
  const order = JSON.parse(text) as Order;
  stayInGroup();
  noteFailures(order.failures);
  const all = experiments(order.context.quick);
  const rows: Row[] = [];
  for (const name of order.names) {
    const one = all.find((other) => nameOf(other) === name);
    if (!one) throw new Error(`no experiment ${name}`);
    if (order.prepare) await one.prepare?.(order.context);
    else rows.push(...(await one.run(order.context)));
  }
  process.stdout.write(JSON.stringify({ rows, failures: failures() } satisfies Answer));
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === own) {
  try {
    await main(process.argv[2] ?? "");
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

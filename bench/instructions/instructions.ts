// Instructions: what a call executes, counted by valgrind's callgrind: the figure that noise can't
// touch. An ADD of the native plugin, whole process; take and give of rooms.wasm through wasm2c.
//
// The image's keys are random, so an ADD's count moves by a few per cent from one network to the
// next: the median of several is taken. Without valgrind there is a row that says so.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { compileMany } from "../core/inside.ts";
import { type Context, type Experiment, leftOut } from "../method/experiment.ts";
import { medianOf, type Row } from "../method/row.ts";
import { judge, readBaselines, toolchain } from "./baseline.ts";
import { PluginCalls } from "./calls.ts";

export const suite = "instructions";
/** Counted ADDs of which the median is taken: in a full run, in a quick one. */
const RUNS = { full: 9, quick: 5 };
/** Networks with many held among which they are divided: filling one takes a second. */
const NETWORKS = 5;
/** Operations in one round of many.c: 64 batches of 1,024, taken and given. */
const OPERATIONS = 64 * 1024 * 2;

/** Why nothing can be counted here; undefined if it can. */
function lacking(): string | undefined {
  const { status } = spawnSync("valgrind", ["--version"], { stdio: "ignore" });
  return status === 0 ? undefined : "valgrind isn't installed";
}

/** Instructions of a whole process. */
export function count(
  path: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string },
): number {
  const words = ["--tool=callgrind", "--callgrind-out-file=/dev/null", path, ...args];
  const done = spawnSync("valgrind", words, {
    encoding: "utf8",
    env: { PATH: process.env.PATH, ...options.env },
    input: options.input ?? "",
  });
  const found = /Collected : (\d+)/.exec(done.stderr);
  if (done.status !== 0 || !found)
    throw new Error(`valgrind ${path} ended with ${done.status}: ${done.stdout}${done.stderr}`);
  return Number(found[1]);
}

/** An ADD with so many held: the median over networks of their own, a few calls of each. */
function countAdds(held: number, runs: number): number {
  const directory = mkdtempSync(join(tmpdir(), "berth-bench-"));
  const networks = held === 0 ? runs : NETWORKS;
  try {
    const path = join(packageRoot(), "build/bin/berth");
    const counts: number[] = [];
    for (let network = 0; network < networks; network++) {
      const calls = new PluginCalls(path, join(directory, String(network)));
      calls.addMany(held);
      // The first ADD of a network makes its files: another thing, which is done once.
      calls.addOne("first");
      calls.remove("first");
      for (let run = 0; run < runs / networks; run++) {
        const { env, input } = calls.request("ADD", `counted-${run}`);
        counts.push(count(path, [], { env, input }));
        calls.remove(`counted-${run}`);
      }
    }
    return medianOf(counts);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function plugin({ quick }: Context): Promise<Row[]> {
  const table = "one ADD of the native plugin, whole process";
  const head = { suite, table, who: "Berth" };
  const missing =
    lacking() ??
    (existsSync(join(packageRoot(), "build/bin/berth")) ? undefined : "it isn't built");
  return [0, 1000].map((held): Row => {
    const what = `ADD, ${held.toLocaleString("en-US")} held`;
    if (missing) return leftOut({ ...head, what }, missing);
    return {
      ...head,
      what,
      unit: "instructions",
      value: countAdds(held, RUNS[quick ? "quick" : "full"]),
    };
  });
}

/** One take and one give have a row together: the mean of both. */
async function rooms(_: Context): Promise<Row[]> {
  const table = "take and give inside WebAssembly through wasm2c, mean of both";
  const head = { suite, table, who: "Berth" };
  const situations = [
    { what: "take and give, 2^20 slots, empty", fill: "0" },
    { what: "take and give, 2^20 slots, 99 % full", fill: "9900" },
  ];
  let missing = lacking();
  let program = "";
  try {
    if (!missing) program = await compileMany();
  } catch (error) {
    missing = (error as Error).message;
  }
  return situations.map(({ what, fill }): Row => {
    if (missing) return leftOut({ ...head, what }, missing);
    // Two rounds less one: what is done before them is not in it.
    const [one, two] = ["1\n", "2\n"].map((input) => count(program, ["20", fill], { input }));
    const value = Number(((two! - one!) / OPERATIONS).toFixed(3));
    return { ...head, what, unit: "instructions", value };
  });
}

function judged(name: string, run: (context: Context) => Promise<Row[]>): Experiment {
  const work = async (context: Context) => judge(await run(context), readBaselines(), toolchain());
  return { suite, name, counted: true, run: work };
}

export const instructions: Experiment[] = [
  judged("plugin ADD", plugin),
  judged("take and give", rooms),
];

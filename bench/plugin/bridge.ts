// Bridge: the share of an address in what a user waits for. The real plugin `bridge` makes the
// interface and delegates to either IPAM plugin, in network namespaces made for this run, so
// nothing of the machine's own network is touched. Needs root, `ip`, and the plugin.
//
// `bridge` looks whether the interface is up and, where the kernel hasn't got that far, sleeps for
// 50 ms before it looks again: that is a third of the calls, whoever gives the address. So what is
// compared are the lower quartiles: of calls that didn't sleep.

import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { leftOut } from "../method/experiment.ts";
import { lowerQuartileOf, type Row, timed } from "../method/row.ts";
import { interleaved } from "../method/schedule.ts";
import { type Bench, suite } from "./calls.ts";
import { execute } from "./execute.ts";
import { addressesIn, Network } from "./network.ts";
import { CNI_DIRECTORIES, type Program } from "./programs.ts";
import type { Step } from "./spawner.ts";

const NETNS_DIRECTORY = "/var/run/netns";
const NOTE = "beside: lower quartiles, of calls in which bridge didn't sleep";

export async function measureBridge(bench: Bench, held: number, calls: number): Promise<Row[]> {
  const what = `bridge ADD, ${held.toLocaleString("en-US")} held`;
  const table = "a whole interface: the plugin bridge with either";
  const head = { suite, table, what, who: "bridge" };
  const plugin = CNI_DIRECTORIES.map((path) => join(path, "bridge")).find((p) => existsSync(p));
  const lacking = await whatIsMissing(plugin);
  if (lacking || !plugin) return [leftOut(head, lacking ?? "no plugin bridge")];

  const name = `berth-bench-${process.pid}-${held}`;
  const spaces = [`${name}-host`, `${name}-pod`];
  for (const space of spaces) {
    bench.workspace.undo(() => execute("ip", ["netns", "del", space]));
    const made = await execute("ip", ["netns", "add", space]);
    if (made.status !== 0) return [leftOut(head, made.stderr.trim())];
  }
  const subjects = bench.programs.filter(({ role }) => role === "berth" || role === "peer");
  const turnsOf: Step[][] = [];
  for (const [number, program] of subjects.entries())
    turnsOf.push(await stepsOf(bench, program, held, number, plugin, spaces[1]!));
  const within = ["ip", "netns", "exec", spaces[0]!];
  await bench.spawner.run("run", turnsOf.flat(), within); // makes the bridges, not measured
  await bench.workspace.settle();
  const turns = interleaved(
    subjects.map(() => calls),
    bench.random,
    bench.turn,
  );
  const answers = await bench.spawner.run(
    "run",
    turns.flatMap((at) => turnsOf[at]!),
    within,
  );
  const adds: number[][] = subjects.map(() => []);
  for (const [turn, at] of turns.entries()) {
    const [add, del] = [answers[turn * 2]!, answers[turn * 2 + 1]!];
    if (addressesIn(add).length !== 2 || del.status !== 0) {
      const missing = `${subjects[at]!.label}: ${add.stdout} ${del.stdout}`.slice(0, 300);
      return [leftOut(head, missing)];
    }
    adds[at]!.push(add.ns / 1e6);
  }
  return subjects.map(({ label, role }, at) => ({
    ...head,
    who: label,
    unit: "ms",
    ...timed(adds[at]!),
    note: NOTE,
    ...(role === "peer" && {
      ratio: lowerQuartileOf(adds[at]!) / lowerQuartileOf(adds[0]!),
      beside: "Berth",
    }),
  }));
}

/** The ADD and the DEL of one pod; CNI_PATH holds links under the names that the config uses. */
async function stepsOf(
  bench: Bench,
  program: Program,
  held: number,
  number: number,
  plugin: string,
  pod: string,
): Promise<Step[]> {
  const path = bench.workspace.path("cni");
  mkdirSync(path);
  symlinkSync(plugin, join(path, "bridge"));
  symlinkSync(program.path, join(path, program.kind));
  const network = await Network.open(program, held, bench.workspace, bench.spawner, {
    number,
    bridge: `bench${number}`,
  });
  const env = {
    CNI_PATH: path,
    CNI_NETNS: join(NETNS_DIRECTORY, pod),
    CNI_IFNAME: "eth0",
  };
  return [network.step("ADD", "pod", env, plugin), network.step("DEL", "pod", env, plugin)];
}

async function whatIsMissing(plugin: string | undefined): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "needs root for network namespaces";
  if (!plugin) return `no plugin "bridge" in ${CNI_DIRECTORIES.join(", ")}`;
  const ip = await execute("ip", ["-V"]);
  return ip.status === 0 ? undefined : "needs `ip` (iproute2)";
}

// Adoption: the first ADD in a directory that holds what host-local has left there, with
// `"adopt": true` (docs/MIGRATION.md). Every file is read and becomes a record, in one commit;
// host-local's ADD beside it, which reads as many files at each call.

import { ratioOf } from "../method/measure.ts";
import { type Row, timed } from "../method/row.ts";
import { shuffled } from "../method/schedule.ts";
import { type Bench, suite } from "./calls.ts";
import { addressesIn, addressesOf, Network } from "./network.ts";
import type { Program } from "./programs.ts";
import type { Answer } from "./spawner.ts";

/** What the issue asks of 4,000 files (milliseconds). */
const ADOPTION_MS_MAX = 100;
const FILES_MIN = 4_000;

/** Rows for so many pods, of two files each; `repeats` directories a program, in turns. */
export async function measureAdoption(bench: Bench, pods: number, repeats: number): Promise<Row[]> {
  const programs = bench.programs.filter(({ role }) => role === "berth" || role === "peer");
  const times = programs.map((): number[] => []);
  for (let repeat = 0; repeat < repeats; repeat++)
    for (const program of shuffled(programs, bench.random))
      times[programs.indexOf(program)]!.push((await firstAdd(bench, program, pods)).ns / 1e6);
  const files = (2 * pods).toLocaleString("en-US");
  const own = programs.findIndex(({ role }) => role === "berth");
  return programs.map((program, at): Row => {
    const row: Row = {
      suite,
      table: "adoption: the first ADD where host-local's files lie",
      what: `${files} files`,
      who: program.label,
      unit: "ms",
      ...timed(times[at]!),
    };
    const ratio = ratioOf({ rounds: times[own]! }, { rounds: times[at]! });
    if (at !== own) return { ...row, ratio, beside: "Berth" };
    if (2 * pods < FILES_MIN) return row;
    const text = `< ${ADOPTION_MS_MAX} ms`;
    return { ...row, aim: { text, of: "median", below: ADOPTION_MS_MAX } };
  });
}

/** One ADD in a fresh directory with host-local's files: it must get the next addresses. */
async function firstAdd(bench: Bench, program: Program, pods: number): Promise<Answer> {
  const { workspace, spawner } = bench;
  const held = program.kind === "host-local" ? pods : 0;
  const options = program.kind === "berth" ? { adopt: pods } : {};
  const network = await Network.open(program, held, workspace, spawner, options);
  // Else Berth's commit would wait until the disk has the files that are its input.
  await workspace.settle();
  const [answer] = await spawner.run("run", [network.step("ADD", "pod")]);
  const given = addressesIn(answer!).join(" ");
  const wanted = addressesOf(pods).join(" ");
  if (given !== wanted)
    throw new Error(
      `${program.label}, ${pods} adopted: gave ${given || answer!.stdout}, expected ${wanted}`,
    );
  return answer!;
}

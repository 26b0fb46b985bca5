// Threads on one pool: throughput of two workers beside one, each call followed by 1 us of other
// work; and the law that no slot is given twice, over as many operations as asked for.
//
//     npm run bench -- --filter threads --operations 100000000
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { createPool, type Pool } from "../../src/index.ts";
import { packageRoot } from "../../src/wasm.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { medianOf, type Row, timed } from "../method/row.ts";

// Plain JavaScript: it runs in a thread of its own.
const CODE = `
const { parentPort, workerData } = require("node:worker_threads");
(async () => {
  const { Pool } = await import(workerData.index);
  const pool = Pool.attach(workerData.token);
  const owners = new Int32Array(workerData.marks);
  const { pairs, spins, me } = workerData;
  const slots = new Uint32Array(64);
  let clashes = 0, other = 0;
  parentPort.postMessage("ready");
  await new Promise((go) => parentPort.once("message", go));
  const begin = process.hrtime.bigint();
  for (let done = 0; done < pairs; done += 64) {
    for (let i = 0; i < 64; i++) {
      slots[i] = pool.take();
      if (Atomics.exchange(owners, slots[i], me) !== 0) clashes++;
      for (let k = 0; k < spins; k++) other = (other * 31 + k) | 0;
    }
    for (let i = 0; i < 64; i++) {
      if (Atomics.exchange(owners, slots[i], 0) !== me) clashes++;
      pool.give(slots[i]);
      for (let k = 0; k < spins; k++) other = (other * 31 + k) | 0;
    }
  }
  parentPort.postMessage({ ns: Number(process.hrtime.bigint() - begin), clashes, other });
})();
`;

/** Rounds of the worker's idle loop that take a microsecond here. */
function spinsOfMicrosecond(): number {
  let other = 0;
  const rounds = 20_000_000;
  const begin = process.hrtime.bigint();
  for (let k = 0; k < rounds; k++) other = (other * 31 + k) | 0;
  const ns = Number(process.hrtime.bigint() - begin) / rounds;
  return Math.max(1, Math.round((1000 + (other & 0)) / ns));
}

/** Runs `pairs` takes and gives in each of `workers` threads: operations per second, clashes. */
async function race(pool: Pool, workers: number, pairs: number, spins: number) {
  const index = pathToFileURL(join(packageRoot(), "build/js/src/index.js")).href;
  const marks = new SharedArrayBuffer(pool.size * 4);
  const threads = Array.from({ length: workers }, (_, me) => {
    const workerData = { index, token: pool.share(), marks, pairs, spins, me: me + 1 };
    return new Worker(CODE, { eval: true, workerData });
  });
  const next = (thread: Worker) =>
    new Promise<{ ns: number; clashes: number }>((resolve, reject) => {
      thread.once("message", resolve);
      thread.once("error", reject);
    });
  await Promise.all(threads.map(next));
  const results = threads.map(next);
  for (const thread of threads) thread.postMessage("go");
  const done = await Promise.all(results);
  const slowest = Math.max(...done.map((d) => d.ns));
  return {
    perSecond: (2 * pairs * workers * 1e9) / slowest,
    clashes: done.reduce((sum, d) => sum + d.clashes, 0),
  };
}

async function run({ quick, operations, pass }: Context): Promise<Row[]> {
  const suite = "core";
  const table = "two threads on one pool";
  using pool = createPool("10.0.0.0/12");
  const spins = spinsOfMicrosecond();
  const one: number[] = [];
  const two: number[] = [];
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    one.push((await race(pool, 1, quick ? 6400 : 192_000, spins)).perSecond);
    two.push((await race(pool, 2, quick ? 6400 : 192_000, spins)).perSecond);
  }
  const ratio = medianOf(two.map((speed, round) => speed / one[round]!));
  const what = "time of a call, each followed by 1 us of other work";
  const row = { suite, table, what, unit: "ns" } as const;
  const ns = (list: number[]) => timed(list.map((speed) => 1e9 / speed));
  const rows: Row[] = [
    { ...row, who: "one thread", ...ns(one) },
    { ...row, who: "two threads", ...ns(two), ratio, beside: "the speed of one" },
  ];
  if (!quick) rows[1]!.aim = { text: ">= 1.5 x", of: "ratio", least: 1.5 };
  if (operations > 0 && pass === 0) {
    // A take and a give in each of two threads, 64 at a time.
    const pairs = Math.ceil(operations / 4 / 64) * 64;
    const law = await race(pool, 2, pairs, 0);
    if (law.clashes > 0) throw new Error(`${law.clashes} slots were given twice`);
    const text = `${(4 * pairs).toLocaleString("en-US")} mixed operations, no slot given twice`;
    rows.push({ ...row, what: text, who: "two threads", value: 1e9 / law.perSecond });
  }
  return rows;
}

export const threads: Experiment = { suite: "core", name: "two threads on one pool", run };

// Measuring inside a process, by tinybench: tasks take turns (A B A B, who begins drawn by seed),
// each turn is a few samples, each sample many operations. A row's figures are over all samples; a
// ratio is the median of the rounds' ratios, so a slow second of the machine moves both sides. This
// is one pass of several (passes.ts).
import { Bench, type Task as BenchTask } from "tinybench";
import { type Figures, figuresOf, medianOf } from "./row.ts";
import { randomOf, shuffled } from "./schedule.ts";

/** One thing that is measured. `before` and `after` run around each sample, untimed. */
export interface Task {
  name: string;
  /** Operations of one sample. */
  operations: number;
  before?(): void;
  run(): void;
  after?(): void;
  /** Samples of one turn, where it isn't what the others have. */
  samples?: number;
  /** In so many of the rounds it has a turn, where not in all: what takes long. */
  turns?: number;
}

export interface Turns {
  rounds: number;
  /** Samples of each task in a row; at most a few, or it isn't A B A B any more. */
  samples: number;
  seed: number;
  /** Milliseconds that each task runs unmeasured at first, where it isn't the usual. */
  warm?: number;
}

/** Nanoseconds for one operation. */
export interface Measured {
  name: string;
  figures: Figures;
  /** What the figures are of. */
  samples: readonly number[];
  /** The median of each round; none of one in which it had no turn. */
  rounds: (number | undefined)[];
  /** The clock is too coarse for these samples. */
  coarse: boolean;
}

/** A step of the clock (or the time to read it) above this share of a sample is too coarse. */
const COARSE = 0.05;

/**
 * How long a task runs before it is measured (ms), at most and for each round: V8 compiles anew
 * what has run often enough, and a row that it does this to in its midst moves by several times.
 */
const WARM_MS = 150;
const WARM_ROUND_MS = 12;
const WARM_SAMPLES_MAX = 2000;

/**
 * A turn begins with samples that don't count, for so long (ms): the others have filled the caches,
 * and Berth's first sample after a Set's takes three times as long as the next. A sample that takes
 * longer than this has its caches back before it is half through.
 */
const COLD_MS = 1;
const LONG_MS = 5;

/**
 * Runs a task for so long (ms), and so many samples at least; the nanoseconds of an operation in
 * its fastest sample.
 */
export function warmUp(task: Task, ms: number, samples = 1): number {
  const end = performance.now() + ms;
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < WARM_SAMPLES_MAX && (n < samples || performance.now() < end); n++) {
    task.before?.();
    const begin = process.hrtime.bigint();
    task.run();
    least = Math.min(least, Number(process.hrtime.bigint() - begin));
    task.after?.();
  }
  return least / task.operations;
}

/** Has a task that has a turn in `turns` of the rounds, evenly, one in this? */
function hasTurn(round: number, turns: number, rounds: number): boolean {
  return Math.floor(((round + 1) * turns) / rounds) > Math.floor((round * turns) / rounds);
}

/** Runs every task in each round; before that each on its own, and a tenth of the rounds. */
export function takeTurns(tasks: readonly Task[], turns: Turns): Measured[] {
  const { rounds, samples, seed } = turns;
  const saturated = new Set<string>();
  const own = tasks.map((task) => ({
    task,
    bench: benchOf(task, task.samples ?? samples, saturated),
    all: [] as number[],
    rounds: new Array<number | undefined>(rounds).fill(undefined),
    isLong: (task.turns ?? rounds) < rounds,
  }));
  const warm = turns.warm ?? Math.min(WARM_MS, rounds * WARM_ROUND_MS);
  if (warm > 0) for (const { task } of own) warmUp(task, warm);
  const random = randomOf(seed);
  for (let round = -Math.ceil(rounds / 10); round < rounds; round++)
    for (const one of shuffled(own, random)) {
      const { task, bench } = one;
      const isOut = round < 0 ? one.isLong : !hasTurn(round, task.turns ?? rounds, rounds);
      if (isOut) continue;
      if (own.length > 1 && !one.isLong) warmUp(task, COLD_MS);
      const times = samplesOf(bench, task.operations);
      const median = medianOf(times);
      one.isLong = median * task.operations > LONG_MS * 1e6;
      if (round < 0) continue;
      for (const ns of times) one.all.push(ns);
      one.rounds[round] = median;
    }
  const step = clockStep();
  return own.map(({ task, all, rounds: list }) => {
    const figures = figuresOf(all);
    const coarse = saturated.has(task.name) || step > COARSE * figures.median * task.operations;
    return { name: task.name, figures, samples: all, rounds: list, coarse };
  });
}

/** A bench of one task: the turns are ours. */
function benchOf(task: Task, iterations: number, saturated: Set<string>): BenchTask {
  const bench = new Bench({
    time: 0,
    iterations,
    warmup: false,
    retainSamples: true,
    throws: true,
    timestampProvider: "hrtimeNow",
    subtractTimerOverhead: true,
  });
  bench.addEventListener("warning", () => saturated.add(task.name));
  const { before = () => {}, after = () => {} } = task;
  const hooks = { async: false, beforeEach: before, afterEach: after };
  // A block: tinybench takes what a task answers for its time.
  const run = () => {
    task.run();
  };
  bench.add(task.name, run, hooks);
  return bench.getTask(task.name)!;
}

/** One turn: nanoseconds of an operation for each sample. */
function samplesOf(task: BenchTask, operations: number): number[] {
  task.reset();
  const { result } = task.runSync();
  if (result.state === "errored") throw result.error;
  if (result.state !== "completed") throw new Error(`${task.name} ended ${result.state}`);
  return result.latency.samples!.map((ms) => (ms * 1e6) / operations);
}

/** How many times `b` is of `a`: the median over rounds in which both had their turn. */
export function ratioOf(a: Pick<Measured, "rounds">, b: Pick<Measured, "rounds">): number {
  const ratios: number[] = [];
  for (const [i, other] of b.rounds.entries()) {
    const own = a.rounds[i];
    if (own !== undefined && other !== undefined) ratios.push(other / own);
  }
  return medianOf(ratios);
}

/** How many times list `b` is of list `a`: of their parts in the order in which they were taken. */
export function ratioOfLists(a: readonly number[], b: readonly number[], parts = 8): number {
  const n = Math.min(parts, a.length, b.length);
  const part = (list: readonly number[], i: number) =>
    list.slice(Math.floor((i * list.length) / n), Math.floor(((i + 1) * list.length) / n));
  const rounds = (list: readonly number[]) =>
    Array.from({ length: n }, (_, i) => medianOf(part(list, i)));
  return ratioOf({ rounds: rounds(a) }, { rounds: rounds(b) });
}

let step = 0;

/** The smallest step that the clock makes, in nanoseconds. */
export function clockStep(): number {
  if (step > 0) return step;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0, last = process.hrtime.bigint(); i < 2000; i++) {
    const now = process.hrtime.bigint();
    if (now > last) least = Math.min(least, Number(now - last));
    last = now;
  }
  step = least;
  return step;
}

/** 8.31, 127, 62.4: three digits that matter. */
export function digits(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en-US")
    : Number(value.toPrecision(3)).toString();
}

/** A deterministic 32-bit hash, going on from `seed` (FNV-1a over words). */
export function mix(seed: number, value: number): number {
  return Math.imul(seed ^ value, 0x01000193) >>> 0;
}

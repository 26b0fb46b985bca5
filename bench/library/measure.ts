// Measuring inside a process: tasks take turns (A B A B), every sample holds many operations, and
// what is reported are median, 99th percentile and the spread of the quartiles.
import { figuresOf } from "../plugin/figures.ts";

/** One thing that is measured. */
export interface Task {
  name: string;
  /** Operations of one run. */
  operations: number;
  run(): void;
}

/** Nanoseconds for one operation. */
export interface Measured {
  name: string;
  median: number;
  p99: number;
  /** Distance of the quartiles as a share of the median. */
  spread: number;
  samples: number;
}

/** Figures of a list of nanoseconds. */
export function measured(name: string, ns: number[]): Measured {
  const f = figuresOf(ns);
  return {
    name,
    median: f.medianMs * 1e6,
    p99: f.p99Ms * 1e6,
    spread: f.spread,
    samples: f.count,
  };
}

/** Runs every task once in each round, after a tenth of the rounds to warm up. */
export function takeTurns(tasks: readonly Task[], rounds: number): Measured[] {
  const times = tasks.map(() => [] as number[]);
  const warm = Math.ceil(rounds / 10);
  for (let round = -warm; round < rounds; round++)
    tasks.forEach((task, i) => {
      const begin = process.hrtime.bigint();
      task.run();
      const ns = Number(process.hrtime.bigint() - begin);
      if (round >= 0) times[i]!.push(ns / task.operations);
    });
  return tasks.map((task, i) => measured(task.name, times[i]!));
}

/** A line of the report: what, the figures, what it is compared with. */
export interface Line {
  section: string;
  what: string;
  figure: string;
  note?: string;
  target?: string;
  met?: boolean;
}

/** 8.31 ns, 1.27 ms, 62.4 MB ...: three digits that matter. */
export function digits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

/** Nanoseconds as a line's figure. */
export function nanoseconds(m: Measured): string {
  return `${digits(m.median)} ns, p99 ${digits(m.p99)}, spread ${Math.round(m.spread * 100)} %`;
}

/** A deterministic 32-bit hash, going on from `seed` (FNV-1a over words). */
export function mix(seed: number, value: number): number {
  return Math.imul(seed ^ value, 0x01000193) >>> 0;
}

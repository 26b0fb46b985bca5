// Work: what every first-free allocator does in one sample, and the hash of what it gave.
//
//   fill       allocate every slot, release all in the same order
//   churn      `held` slots are taken; K times: release one of them drawn by seed, allocate one
//   worst      every slot is taken; K times: release the last one, allocate one
//
// An operation is one call: an allocation or a release. The first sample of each subject begins
// from the same state; the slots held before it and those that it released and gave are hashed. The
// samples that follow go on from where it ended. bench/peers/sequence.ts does the same for the rows
// that the Go peers have, and bench/peers/go/protocol in Go.
import { type Task, warmUp } from "../method/measure.ts";
import { hashOf, random } from "../peers/sequence.ts";
import type { Maker, Space, Subject } from "./subjects.ts";

export type Kind = "fill" | "churn" | "worst";

export interface Work {
  kind: Kind;
  space: Space;
  /** Slots that are taken before. */
  held: number;
  /** Releases in one sample, and as many allocations. */
  pairs: number;
}

type Loop = (subject: Subject, held: Uint32Array, draws: Uint32Array, log: Uint32Array) => void;

/**
 * The loop of the timed part, compiled anew for each subject: one loop for all would be optimized
 * for none of them, since V8 keeps what it learned of a call at the place of the call.
 */
function loopOf(kind: Kind, who: string): Loop {
  const churn = `for (let i = 0; i < draws.length; i++) {
    const at = draws[i], slot = held[at], end = held.length - 1;
    held[at] = held[end];
    subject.release(slot);
    log[2 * i] = slot;
    log[2 * i + 1] = held[end] = subject.allocate();
  }`;
  const fill = `const n = log.length / 2;
  for (let i = 0; i < n; i++) log[i] = subject.allocate();
  for (let i = 0; i < n; i++) subject.release(log[n + i] = log[i]);`;
  const body = `/* ${who.replaceAll("*", "")} */ ${kind === "fill" ? fill : churn}`;
  return new Function("subject", "held", "draws", "log", body) as Loop;
}

export interface Exercise extends Task {
  /** Of the first time that the whole work was done, in hexadecimal. */
  hash(): string;
  subject: Subject;
}

/** What one sample releases: places in the list of the held. */
function drawsOf({ kind, held, pairs }: Work, seed: number): Uint32Array {
  const numbers = random(BigInt(seed));
  const draw = () => Number(numbers.next().value % BigInt(held));
  const place = kind === "worst" ? () => held - 1 : draw;
  return kind === "fill" ? new Uint32Array(0) : Uint32Array.from({ length: pairs }, place);
}

/** More held slots than these are hashed as their number: no Go peer has so large a row. */
const HASHED_MAX = 65_536;

/** Of the slots held before and of the first sample's log, as the Go peers make it. */
function workHash({ held, space }: Work, log: Uint32Array): string {
  if (held > HASHED_MAX) return hashOf([held], log);
  return hashOf(
    Array.from({ length: held }, (_, i) => space.first + i),
    log,
  );
}

/**
 * The task of one subject. A churn's sample can be one of so many equal parts of the work, each
 * after the other: where the whole takes long, nobody else would have a turn for as long.
 */
export function exercise(maker: Maker, work: Work, seed: number, parts = 1): Exercise {
  const { kind, space, held, pairs } = work;
  if (pairs % parts !== 0 || (kind === "fill" && parts > 1))
    throw new Error(`${pairs} releases of a ${kind} can't be done in ${parts} parts`);
  const subject = maker.make(space);
  if (held > 0) subject.occupy(held);
  // A loop: of a /8 Uint32Array.from takes seconds.
  const list = new Uint32Array(held);
  for (let i = 0; i < held; i++) list[i] = space.first + i;
  const log = new Uint32Array(2 * pairs);
  const draws = drawsOf(work, seed);
  const loop = loopOf(kind, maker.who);
  const logs = partsOf(log, parts);
  const drawn = partsOf(draws, parts);
  let part = 0;
  let first: Uint32Array | undefined;
  const run = () => loop(subject, list, drawn[part]!, logs[part]!);
  const after = () => {
    part = (part + 1) % parts;
    if (part === 0) first ??= log.slice();
  };
  const hash = () => workHash(work, first!);
  return { name: maker.who, operations: (2 * pairs) / parts, subject, run, after, hash };
}

/** A list as so many that lie one behind the other. */
function partsOf(list: Uint32Array, parts: number): Uint32Array[] {
  const size = list.length / parts;
  return Array.from({ length: parts }, (_, at) => list.subarray(at * size, (at + 1) * size));
}

/** Other work on the machine makes a single try slow: the fastest of these milliseconds counts. */
const PROBE_MS = 10;

/** Nanoseconds of one operation, roughly, on an allocator of its own that is closed again. */
export function probe(maker: Maker, work: Work, seed: number): number {
  const { space, kind } = work;
  const all = space.last - space.first + 1;
  const held = kind === "fill" ? Math.ceil(all / 2) : work.held;
  const few = { kind: kind === "fill" ? "churn" : kind, space, held, pairs: 8 } as const;
  const task = exercise(maker, few, seed);
  try {
    task.run();
    return warmUp(task, PROBE_MS);
  } finally {
    task.subject.close();
  }
}

// First free: Berth's pools beside the JavaScript peers and the Go ones on the same work. By size
// of the pool, by fill, and with one free slot at the worst place.
import type { Context, Experiment } from "../method/experiment.ts";
import { leftOut } from "../method/experiment.ts";
import { type Measured, ratioOf, takeTurns, warmUp } from "../method/measure.ts";
import type { Row } from "../method/row.ts";
import { ROWS } from "../peers/sequence.ts";
import { goRows, peersOf } from "./gorows.ts";
import { withOwners } from "./owners.ts";
import { type Found, type Maker, type Space, subjects, usable } from "./subjects.ts";
import { type Exercise, exercise, probe, type Work } from "./work.ts";

const suite = "core";
const CHURN = "first free: release one, allocate one";
const FILL = "first free: fill and empty";
/** One that takes longer than this is done in parts, so that nobody waits long for a turn. */
const WHOLE_MS_MAX = 20;
const PARTS = 10;
/** Those that scan may look at so many addresses in a sample of a quick run, if not at fewer. */
const LOOKS_MAX_QUICK = 1e6;
/** Fewer addresses than these drown in what garbage collection leaves behind. */
const COUNTED_MIN = 10_000;
/** A pass is short, but V8 has to be warm all the same: milliseconds of each task. */
const WARM_MS = { full: 130, quick: 2 };
/**
 * Rounds of a pass. A task has a turn in as many of them as fit into its part of so many
 * nanoseconds, and so many samples in all of them. Many short rounds: a Set takes half as long
 * until the garbage collector has moved it, and with three rounds a pass was the one or the other
 * by chance. And what is fast has its turns close together, whatever is slow beside it.
 */
const ROUNDS = { least: 3, most: 30, ns: 2.5e9 };
const SAMPLES = { most: 150, ns: 30e6 };
/** Releases of one sample. */
export const PAIRS = 1000;

interface Situation {
  table: string;
  what: string;
  /** What the Go peers call it; "" where they have no such row. */
  row: string;
  work: Work;
}

/** A pool of 2^bits addresses that is `percent` full: at least one is held. */
function churn(bits: number, percent: number): Situation {
  const space = usable(bits);
  const held = Math.max(1, Math.floor(((space.last - space.first + 1) * percent) / 100));
  const work: Work = { kind: "churn", space, held, pairs: PAIRS };
  const size = 32 - bits;
  return {
    table: CHURN,
    what: `/${size}, ${percent} % full`,
    row: nameOf(`churn-${size}@${percent}`),
    work,
  };
}

/** The name, if the Go peers have a row of it. */
function nameOf(name: string): string {
  return ROWS.some((row) => row.name === name) ? name : "";
}

function worst(bits: number): Situation {
  const space = usable(bits);
  const held = space.last - space.first + 1;
  const work: Work = { kind: "worst", space, held, pairs: PAIRS };
  return { table: CHURN, what: `/${32 - bits}, only the last slot free`, row: "", work };
}

function fill(what: string, row: string, space: Space): Situation {
  const pairs = space.last - space.first + 1;
  return { table: FILL, what, row, work: { kind: "fill", space, held: 0, pairs } };
}

const FILLS = [0, 50, 99, 99.99];

function situations(quick: boolean): Situation[] {
  const sizes = quick ? [8, 16] : [8, 16, 24];
  const fills = quick ? FILLS.slice(1, 3) : FILLS;
  const nodes: Space = { bits: 16, first: 0, last: 65_535, prefixes: true };
  return [
    ...sizes.flatMap((bits) => [...fills.map((percent) => churn(bits, percent)), worst(bits)]),
    fill("/24", "fill-24", usable(8)),
    fill("/16", "fill-16", usable(16)),
    fill("/48 into 65,536 of /64", "nodecidr-48-64", nodes),
  ];
}

/**
 * Why it isn't measured: it would take too long. Said by numbers and not by a clock, so that two
 * runs leave out the same rows, however slow the machine is meanwhile.
 */
export function hopeless({ looksMax }: Maker, work: Work, quick: boolean): string | undefined {
  if (looksMax === undefined) return undefined;
  const most = work.kind === "fill" ? work.pairs : work.held;
  const looks = work.kind === "fill" ? work.pairs ** 2 / 2 : work.pairs * work.held;
  if (looks <= (quick ? Math.min(looksMax, LOOKS_MAX_QUICK) : looksMax)) return undefined;
  return `would look at up to ${most.toLocaleString("en-US")} addresses for one`;
}

/** What is measured, warm, and what an operation takes; or why it isn't. */
function attempt(
  maker: Maker,
  work: Work,
  { seed, quick }: Context,
): { task: Exercise; ns: number } | string {
  const reason = hopeless(maker, work, quick);
  if (reason !== undefined) return reason;
  const ms = (2 * probe(maker, work, seed) * work.pairs) / 1e6;
  const parts = work.kind === "fill" || ms <= WHOLE_MS_MAX ? 1 : PARTS;
  const task = exercise(maker, work, seed, parts);
  // The whole work once, at least: a Set that is nearly full grows on the way.
  return { task, ns: warmUp(task, WARM_MS[quick ? "quick" : "full"], parts) };
}

/** In how many rounds a task has a turn, and how many samples, by what a sample of it takes. */
export function planOf(tried: readonly { task: Exercise; ns: number }[], quick: boolean) {
  const rounds = quick ? ROUNDS.least : ROUNDS.most;
  const part = ROUNDS.ns / tried.length;
  const tasks = tried.map(({ task, ns }) => {
    const each = Math.max(1, ns * task.operations);
    const turns = Math.min(rounds, Math.max(ROUNDS.least, Math.floor(part / each)));
    const most = quick ? 4 : Math.ceil(SAMPLES.most / turns);
    const share = quick ? 5e5 : SAMPLES.ns / turns;
    const samples = Math.min(most, Math.max(1, Math.floor(share / each)));
    return Object.assign(task, { turns, samples });
  });
  return { rounds, tasks };
}

/** Rows of one situation, Berth's first. */
async function measure(one: Situation, found: readonly Found[], context: Context): Promise<Row[]> {
  const { table, what, work } = one;
  const { seed, quick, pass } = context;
  const head = (who: string) => ({ suite, table, what, who });
  const rows = new Map<string, Row>();
  const tried: { task: Exercise; ns: number }[] = [];
  for (const maker of found) {
    const one = "missing" in maker ? maker.missing : attempt(maker, work, context);
    if (typeof one === "string") rows.set(maker.who, leftOut(head(maker.who), one));
    else tried.push(one);
  }
  const { rounds, tasks } = planOf(tried, quick);
  const extra: Exercise[] = [];
  try {
    // They are warm already.
    const all = takeTurns(tasks, { rounds, warm: 0, samples: 1, seed: seed + pass });
    for (const [at, m] of all.entries()) {
      const task = tasks[at]!;
      rows.set(m.name, {
        ...rowOf(head(m.name), m, all[0]!),
        hash: task.hash(),
        ...(work.kind === "fill" &&
          work.pairs >= COUNTED_MIN && { bytesPerAddress: bytesOf(task, work) }),
      });
    }
    if (one.row) {
      const own = {
        bare: tasks[0]!,
        ...(!work.space.prefixes && { owners: () => withOwnersOf(work, seed, extra) }),
      };
      const go = await goRows({ suite, table, what }, one.row, own, work.pairs, context);
      for (const row of go) rows.set(row.who, row);
    }
  } finally {
    for (const task of extra) task.subject.close();
    for (const task of tasks) task.subject.close();
  }
  const order = found.map(({ who }) => who);
  const place = ({ who }: Row) => (order.includes(who) ? order.indexOf(who) : order.length);
  return [...rows.values()].sort((a, b) => place(a) - place(b));
}

/** The same work with an owner for each address, warm; `opened` is told of it at once. */
function withOwnersOf(work: Work, seed: number, opened: Exercise[]): Exercise {
  const task = exercise(withOwners, work, seed);
  opened.push(task);
  warmUp(task, WARM_MS.full);
  return task;
}

function rowOf(head: Pick<Row, "suite" | "table" | "what" | "who">, m: Measured, own: Measured) {
  const row: Row = { ...head, unit: "ns", figures: m.figures, samples: m.samples };
  if (m !== own) Object.assign(row, { ratio: ratioOf(own, m), beside: "Berth" });
  if (m.coarse) row.note = "clock too coarse";
  return row;
}

/** All slots taken, counted, and given back. */
function bytesOf({ subject }: Exercise, { pairs, space }: Work): number {
  subject.occupy(pairs);
  const bytes = subject.bytes();
  for (let slot = space.first; slot <= space.last; slot++) subject.release(slot);
  return bytes / pairs;
}

/** One experiment for each situation, so that --filter can choose. */
export function firstFree(quick: boolean): Experiment[] {
  let found: Promise<Found[]> | undefined;
  return situations(quick).map((one) => ({
    suite,
    name: `${one.table}, ${one.what}${one.row && ` (${one.row})`}`,
    prepare: async (context) => {
      if (context.install) await Promise.all([peersOf(context), subjects(true, true)]);
    },
    run: async (context) => {
      found ??= subjects(context.peers, context.install);
      return measure(one, await found, context);
    },
  }));
}

// Go rows: the peers in Go on one of their rows, taking turns with Berth's task on the same row. A
// peer whose policy leaves other slots than the first free one is shown as what it is, and only the
// number of its slots is checked.
import { type Context, leftOut } from "../method/experiment.ts";
import { type Task, takeTurns } from "../method/measure.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { randomOf, shuffled } from "../method/schedule.ts";
import { type GoPeer, type GoRow, goPeers } from "../peers/go.ts";
import { GoRun } from "../peers/gorun.ts";
import { expectedHash, ROWS } from "../peers/sequence.ts";
import { TookTooLong } from "../peers/waiting.ts";

type Head = Pick<Row, "suite" | "table" | "what">;
type Found = Extract<GoPeer, { version: string }>;

/**
 * Turns of each peer in a pass of a full run: as many as fit into so many milliseconds for all of
 * them together; and how long one should take.
 */
const TURNS = { least: 3, most: 10, ms: 3000 };
const TURN_MS = 30;
/** A program that hangs is ended: far longer than any takes, or a row would be there by chance. */
const RUN_MS_MAX = 120_000;
/** Berth's turn: so many samples, and so many milliseconds, as a peer's. */
const OWN = { least: 15, most: 300, ms: 20 };
/**
 * Releases of a round of a peer that says that many of them take long: in a full run, in a quick
 * one. The longer a round takes, the less its neighbours of Berth's see of the same machine.
 */
const SLOW = { full: 50, quick: 4 };

/** Who has the row that the peers in Go are beside; */
export const OWN_TURNS = "Berth, by turns with Go";
/** ... and those that remember who has an address, as a pool doesn't. */
export const OWNER_TURNS = "Berth with owners, by turns with Go";
const WITH_OWNERS = ["Calico"];

let known: Promise<GoPeer[]> | undefined;

/** The peers that are here, built at most once in a process. */
export function peersOf({ install }: Context): Promise<GoPeer[]> {
  known ??= goPeers({ build: install });
  return known;
}

/** What Berth does beside them. */
export interface OwnTasks {
  bare: Own;
  /** The same work with an owner for each address, made where it is needed. */
  owners?: () => Own;
}

/** Which programs there are, if not those that the bench builds; tests put their own in. */
export interface GoPrograms {
  peers?: readonly GoPeer[];
  out?: string;
  ms?: number;
}

/** A peer's program that is under way, and what it has answered. */
interface Begun {
  who: string;
  can: GoRow;
  operations: number;
  run: GoRun;
  own: OwnTurns;
  /** Rounds of a turn. */
  rounds: number;
  ns: number[];
  /** Its median beside Berth's, of each turn. */
  ratios: number[];
  /** For each address. */
  bytes: number;
  /** It hangs: why there are no figures. */
  late?: string;
}

/** Berth's task, and its turn beside a peer's. */
type Own = Task & { hash(): string };

/** Berth's turns beside the peers in Go: what they are compared with. */
class OwnTurns {
  readonly who: string;
  readonly #make: () => Own;
  #own: Own | undefined;
  #seed: number;
  #rounds = OWN.least;
  readonly ns: number[] = [];

  constructor(who: string, make: () => Own, seed: number) {
    this.who = who;
    this.#make = make;
    this.#seed = seed;
  }

  /** The median of a turn. */
  take(): number {
    const turns = { rounds: this.#rounds, samples: 1, warm: 5, seed: this.#seed++ };
    this.#own ??= this.#make();
    const { samples, figures } = takeTurns([this.#own], turns)[0]!;
    for (const ns of samples) this.ns.push(ns);
    const fit = Math.floor((OWN.ms * 1e6) / (figures.median * this.#own.operations));
    this.#rounds = Math.min(OWN.most, Math.max(OWN.least, fit));
    return figures.median;
  }

  /** Its row, if it had a turn. */
  rows(head: Head): Row[] {
    if (this.ns.length === 0) return [];
    return [{ ...head, who: this.who, unit: "ns", ...timed(this.ns), hash: this.#own!.hash() }];
  }
}

/** Begins a peer's program: it makes its allocator meanwhile. */
function begun(
  found: Found,
  can: GoRow,
  pairs: number,
  { seed, quick }: Context,
  { out, ms = RUN_MS_MAX }: GoPrograms,
  own: OwnTurns,
): Begun {
  const { peer, version } = found;
  const slow = SLOW[quick ? "quick" : "full"];
  const operations = Math.min(pairs, ...(can.operationsMax ? [can.operationsMax, slow] : []));
  const run = new GoRun({ peer, row: can.row, seed, operations, out, ms });
  return {
    who: `${peer} ${version}`,
    can,
    operations,
    run,
    own,
    rounds: 1,
    ns: [],
    ratios: [],
    bytes: 0,
  };
}

/** What the program answers; nothing if it hangs, and it is ended. */
async function unlessLate<T>(one: Begun, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof TookTooLong)) throw error;
    one.late = `a run ${error.message}`;
    return undefined;
  }
}

/**
 * The peers' turns, each between two of Berth's: its ratio is beside the mean of those two, so that
 * a machine that slows down for a second slows both. They are begun together and take turns among
 * themselves, so that each one's lie all over the pass.
 */
async function takeAll(all: readonly Begun[], context: Context): Promise<void> {
  let ms = 0;
  for (const one of all) {
    // How many rounds fill a turn: one is tried, and doesn't count, since the others begin beside.
    const { percent, first, last } = ROWS.find(({ name }) => name === one.can.row)!;
    const calls = 2 * (percent === 0 ? last - first + 1 : one.operations);
    const times = await unlessLate(one, one.run.turn(1));
    if (!times) continue;
    const tried = (medianOf(times) * calls) / 1e6;
    one.rounds = Math.max(1, Math.min(50, Math.floor(TURN_MS / tried)));
    ms += one.rounds * tried + 2 * OWN.ms;
  }
  const fit = Math.min(TURNS.most, Math.max(TURNS.least, Math.floor(TURNS.ms / ms)));
  const random = randomOf(context.seed + context.pass);
  for (let turn = 0; turn < (context.quick ? 1 : fit); turn++)
    for (const one of shuffled(all, random)) {
      if (one.late) continue;
      const before = one.own.take();
      const times = await unlessLate(one, one.run.turn(one.rounds));
      if (!times) continue;
      one.ns.push(...times);
      one.ratios.push(medianOf(times) / Math.sqrt(before * one.own.take()));
    }
}

/** Ends a peer's program; throws when it gave something else than it should. */
async function end(one: Begun, seed: number): Promise<void> {
  const done = one.late ? undefined : await unlessLate(one, one.run.end());
  if (!done) return;
  const { hash, bytes, held } = done;
  const { can, operations } = one;
  const row = ROWS.find(({ name }) => name === can.row)!;
  const wanted = expectedHash(row, seed, operations, can.common);
  if (hash !== wanted)
    throw new Error(`${one.who}, ${can.row}: gave other slots (hash ${hash}) than ${wanted}`);
  one.bytes = bytes / held;
}

function rowOf(head: Head, one: Begun, pairs: number): Row {
  const { who, can, ns, ratios, bytes, operations } = one;
  const notes: string[] = [];
  if (!can.common) notes.push(`own policy: ${can.policy}`);
  if (operations < pairs) notes.push(`${operations} releases a round`);
  if (can.note) notes.push(can.note);
  return {
    ...head,
    who,
    unit: "ns",
    ...timed(ns),
    ratio: medianOf(ratios),
    beside: one.own.who,
    ...(head.table.includes("fill") && { bytesPerAddress: bytes }),
    ...(notes.length > 0 && { note: notes.join(", ") }),
  };
}

/**
 * The Go peers' rows, and Berth's own turns beside them: a loop that is alone finds warmer caches
 * than one that takes turns with the peers in JavaScript. `own` is Berth's task on the same row,
 * and the same with owners; `pairs` its releases in a sample (a churn row's `operations`).
 */
export async function goRows(
  head: Head,
  row: string,
  own: OwnTasks,
  pairs: number,
  context: Context,
  programs: GoPrograms = {},
): Promise<Row[]> {
  if (!context.peers) return [];
  const rows: (Row | Begun)[] = [];
  const left = (who: string, reason: string) => rows.push(leftOut({ ...head, who }, reason));
  const seed = context.seed + context.pass;
  const bare = new OwnTurns(OWN_TURNS, () => own.bare, seed);
  const owners = own.owners && new OwnTurns(OWNER_TURNS, own.owners, seed);
  const all: Begun[] = [];
  try {
    for (const peer of programs.peers ?? (await peersOf(context))) {
      if ("error" in peer) {
        left(`${peer.peer} (Go)`, peer.error);
        continue;
      }
      const out = peer.left.find((one) => one.row === row);
      if (out) left(`${peer.peer} ${peer.version}`, out.reason);
      const can = peer.rows.find((one) => one.row === row);
      if (!can) continue;
      const beside = WITH_OWNERS.includes(peer.peer) && owners ? owners : bare;
      all.push(begun(peer, can, pairs, context, programs, beside));
      rows.push(all.at(-1)!);
    }
    if (all.length > 0) await takeAll(all, context);
    for (const one of all) await end(one, context.seed);
  } finally {
    for (const { run } of all) run.kill();
  }
  const found = rows.map((one) => {
    if (!("run" in one)) return one;
    if (one.late) return leftOut({ ...head, who: one.who }, one.late);
    const hash = one.can.common && one.operations === pairs ? { hash: own.bare.hash() } : {};
    return { ...rowOf(head, one, pairs), ...hash };
  });
  return [...bare.rows(head), ...(owners?.rows(head) ?? []), ...found];
}

// Go rows: the peers in Go on one of their rows, taking turns with Berth's task on the same row. A
// peer whose policy leaves other slots than the first free one is shown as what it is, and only the
// number of its slots is checked.
import { type Context, leftOut } from "../method/experiment.ts";
import { type Task, takeTurns } from "../method/measure.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { type GoPeer, type GoRow, goPeers } from "../peers/go.ts";
import { GoRun } from "../peers/gorun.ts";
import { expectedHash, ROWS } from "../peers/sequence.ts";
import { TookTooLong } from "../peers/waiting.ts";

type Head = Pick<Row, "suite" | "table" | "what">;
type Found = Extract<GoPeer, { version: string }>;

/**
 * Turns of a peer in a pass of a full run: as many as fit into so many milliseconds, the one by
 * which its time was found out with them; and what one should take.
 */
const TURNS = { least: 2, most: 10, ms: 6000 };
const TURN_MS = 30;
const RUN_MS_MAX = 30_000;
/** Berth's turn: so many samples, and so many milliseconds, as a peer's. */
const OWN = { least: 15, most: 300, ms: 20 };
/** Releases of a peer in a quick run, if it says that many of them take minutes. */
const SLOW_QUICK = 4;

/** Who has the row that the peers in Go are beside. */
export const OWN_TURNS = "Berth, by turns with Go";

let known: Promise<GoPeer[]> | undefined;

/** The peers that are here, built at most once in a process. */
export function peersOf({ install }: Context): Promise<GoPeer[]> {
  known ??= goPeers({ build: install });
  return known;
}

/** What a peer has answered. */
interface Answered {
  who: string;
  can: GoRow;
  operations: number;
  ns: number[];
  /** Its median beside Berth's, of each turn. */
  ratios: number[];
  /** For each address. */
  bytes: number;
}

/** Berth's task, and its turn beside a peer's. */
type Own = Task & { hash(): string };

/** Berth's turns beside the peers in Go: what they are compared with. */
class OwnTurns {
  readonly #own: Own;
  #seed: number;
  #rounds = OWN.least;
  readonly ns: number[] = [];

  constructor(own: Own, seed: number) {
    this.#own = own;
    this.#seed = seed;
  }

  /** The median of a turn. */
  take(): number {
    const turns = { rounds: this.#rounds, samples: 1, warm: 5, seed: this.#seed++ };
    const { samples, figures } = takeTurns([this.#own], turns)[0]!;
    for (const ns of samples) this.ns.push(ns);
    const fit = Math.floor((OWN.ms * 1e6) / (figures.median * this.#own.operations));
    this.#rounds = Math.min(OWN.most, Math.max(OWN.least, fit));
    return figures.median;
  }
}

/**
 * A peer's turns, each between two of Berth's: its ratio is beside the mean of those two, so that a
 * machine that slows down for a second slows both. Throws when it gave something else than it
 * should.
 */
async function turnsOf(
  found: Found,
  can: GoRow,
  pairs: number,
  own: OwnTurns,
  { seed, quick }: Context,
): Promise<Answered> {
  const { peer } = found;
  const who = `${peer} ${found.version}`;
  const row = ROWS.find(({ name }) => name === can.row)!;
  const most = quick && can.operationsMax !== undefined ? SLOW_QUICK : can.operationsMax;
  const operations = Math.min(pairs, most ?? pairs);
  const run = new GoRun({ peer, row: can.row, seed, operations, ms: RUN_MS_MAX });
  try {
    const ratios: number[] = [];
    let before = own.take();
    const turn = async (rounds: number) => {
      const ns = medianOf(await run.turn(rounds));
      const after = own.take();
      ratios.push(ns / Math.sqrt(before * after));
      before = after;
      return ns;
    };
    const calls = 2 * (row.percent === 0 ? row.last - row.first + 1 : operations);
    // How many rounds fill a turn: one is tried.
    const ms = ((await turn(1)) * calls) / 1e6;
    const rounds = Math.max(1, Math.min(50, Math.floor(TURN_MS / ms)));
    const fit = Math.floor(TURNS.ms / (rounds * ms));
    const turns = quick ? 1 : Math.min(TURNS.most, Math.max(TURNS.least, fit));
    for (let at = 1; at < turns; at++) await turn(rounds);
    const { ns, hash, bytes, held } = await run.end();
    const wanted = expectedHash(row, seed, operations, can.common);
    if (hash !== wanted)
      throw new Error(`${who}, ${can.row}: gave other slots (hash ${hash}) than ${wanted}`);
    return { who, can, operations, ns, ratios, bytes: bytes / held };
  } finally {
    run.kill();
  }
}

function rowOf(head: Head, one: Answered, pairs: number): Row {
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
    beside: OWN_TURNS,
    ...(head.table.includes("fill") && { bytesPerAddress: bytes }),
    ...(notes.length > 0 && { note: notes.join(", ") }),
  };
}

/**
 * The Go peers' rows, and Berth's own turns beside them: a loop that is alone finds warmer caches
 * than one that takes turns with the peers in JavaScript. `own` is Berth's task on the same row;
 * `pairs` its releases in a sample (a churn row's `operations`), `hash` what it gave.
 */
export async function goRows(
  head: Head,
  row: string,
  own: Own,
  pairs: number,
  context: Context,
): Promise<Row[]> {
  if (!context.peers) return [];
  const rows: Row[] = [];
  const left = (who: string, reason: string) => rows.push(leftOut({ ...head, who }, reason));
  const turns = new OwnTurns(own, context.seed + context.pass);
  for (const peer of await peersOf(context)) {
    if ("error" in peer) {
      left(`${peer.peer} (Go)`, peer.error);
      continue;
    }
    const who = `${peer.peer} ${peer.version}`;
    const out = peer.left.find((one) => one.row === row);
    if (out) left(who, out.reason);
    const can = peer.rows.find((one) => one.row === row);
    if (!can) continue;
    try {
      const one = await turnsOf(peer, can, pairs, turns, context);
      const hash = can.common && one.operations === pairs ? { hash: own.hash() } : {};
      rows.push({ ...rowOf(head, one, pairs), ...hash });
    } catch (error) {
      if (!(error instanceof TookTooLong)) throw error;
      left(who, `a run ${error.message}`);
    }
  }
  if (turns.ns.length === 0) return rows;
  return [{ ...head, who: OWN_TURNS, unit: "ns", ...timed(turns.ns), hash: own.hash() }, ...rows];
}

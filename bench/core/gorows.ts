// Go rows: the peers in Go on one of their rows, taking turns with Berth's task on the same row. A
// peer whose policy leaves other slots than the first free one is shown as what it is, and only the
// number of its slots is checked.
import { type Context, leftOut } from "../method/experiment.ts";
import { ratioOf, type Task, takeTurns } from "../method/measure.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { type GoPeer, type GoRow, goPeers, runGo, TookTooLong } from "../peers/go.ts";
import { expectedHash, ROWS } from "../peers/sequence.ts";

type Head = Pick<Row, "suite" | "table" | "what">;
type Found = Extract<GoPeer, { version: string }>;

/** Turns of a peer in a pass of a full run, and the time that one of its turns should take. */
const TURNS = 3;
const TURN_MS = 100;
/** A peer whose rounds take longer has one turn: the one by which that was found out. */
const SLOW_MS = 500;
const RUN_MS_MAX = 30_000;
/** Releases of a peer in a quick run, if it says that many of them take minutes. */
const SLOW_QUICK = 4;

let known: Promise<GoPeer[]> | undefined;

/** The peers that are here, built at most once in a process. */
export function peersOf({ install }: Context): Promise<GoPeer[]> {
  known ??= goPeers({ build: install });
  return known;
}

/** A peer under way: how it is called, and what it has answered so far. */
interface Runner {
  who: string;
  operations: number;
  rounds: number;
  turns: number;
  can: GoRow;
  ns: number[];
  /** Its median beside Berth's, of each turn. */
  ratios: number[];
  bytes: number;
  missing?: string;
}

/** Berth's task, and its turn beside a peer's. */
type Own = Task & { hash(): string };

/** What a peer's turn gave, beside a turn of Berth's right after it. */
function note(one: Runner, ns: readonly number[], own: Own, seed: number): void {
  const mine = takeTurns([own], { rounds: 3, samples: 1, seed })[0]!;
  one.ns.push(...ns);
  one.ratios.push(ratioOf({ rounds: [medianOf(mine.rounds)] }, { rounds: [medianOf(ns)] }));
}

/** One call of the program, whose time may be over; checks what it gave. */
async function turn(one: Runner, peer: string, seed: number): Promise<number[] | undefined> {
  const { can, operations, rounds } = one;
  const run = await runGo(peer, can.row, seed, rounds, operations, { ms: RUN_MS_MAX }).catch(
    (error: Error) => {
      if (error instanceof TookTooLong) return error;
      throw error;
    },
  );
  if (run instanceof Error) {
    Object.assign(one, { missing: `a turn ${run.message}`, turns: 0 });
    return undefined;
  }
  const row = ROWS.find(({ name }) => name === can.row)!;
  const hash = expectedHash(row, seed, operations, can.common);
  if (run.hash !== hash)
    throw new Error(`${one.who}, ${can.row}: gave other slots (hash ${run.hash}) than ${hash}`);
  one.bytes = run.bytes / run.held;
  return run.ns;
}

/** How many rounds fill a turn: one is tried. */
async function start(
  found: Found,
  can: GoRow,
  pairs: number,
  own: Own,
  { seed, quick }: Context,
): Promise<Runner> {
  const who = `${found.peer} ${found.version}`;
  const slow = quick ? SLOW_QUICK : (can.operationsMax ?? pairs);
  const operations = Math.min(pairs, can.operationsMax === undefined ? pairs : slow);
  const none = { ns: [], ratios: [], bytes: 0 };
  const one: Runner = { who, operations, rounds: 1, turns: 0, can, ...none };
  const tried = await turn(one, found.peer, seed);
  if (!tried) return one;
  const row = ROWS.find(({ name }) => name === can.row)!;
  const calls = 2 * (row.percent === 0 ? row.last - row.first + 1 : operations);
  const ms = ((tried[0] ?? 0) * calls) / 1e6;
  if (quick || ms > SLOW_MS) note(one, tried, own, seed);
  else one.turns = TURNS;
  one.rounds = Math.max(1, Math.min(50, Math.floor(TURN_MS / ms)));
  return one;
}

function rowOf(head: Head, one: Runner, pairs: number): Row {
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
    beside: "Berth",
    ...(head.table.includes("fill") && { bytesPerAddress: bytes }),
    ...(notes.length > 0 && { note: notes.join(", ") }),
  };
}

/**
 * The Go peers' rows. `own` is Berth's task on the same row; `pairs` its releases in a sample (a
 * churn row's `operations`), `hash` what it gave.
 */
export async function goRows(
  head: Head,
  row: string,
  own: Own,
  pairs: number,
  context: Context,
): Promise<Row[]> {
  if (!context.peers) return [];
  const { seed, pass } = context;
  const rows: Row[] = [];
  const runners: [peer: string, one: Runner][] = [];
  for (const peer of await peersOf(context)) {
    if ("error" in peer) {
      rows.push(leftOut({ ...head, who: `${peer.peer} (Go)` }, peer.error));
      continue;
    }
    const can = peer.rows.find((one) => one.row === row);
    if (can) runners.push([peer.peer, await start(peer, can, pairs, own, context)]);
    const left = peer.left.find((one) => one.row === row);
    if (left) rows.push(leftOut({ ...head, who: `${peer.peer} ${peer.version}` }, left.reason));
  }
  for (let at = 0; at < TURNS; at++)
    for (const [peer, one] of runners) {
      if (at >= one.turns) continue;
      const ns = await turn(one, peer, seed);
      if (ns) note(one, ns, own, seed + pass * TURNS + at);
    }
  for (const [, one] of runners) {
    if (one.missing !== undefined) {
      rows.push(leftOut({ ...head, who: one.who }, one.missing));
      continue;
    }
    const hash = one.can.common && one.operations === pairs ? { hash: own.hash() } : {};
    rows.push({ ...rowOf(head, one, pairs), ...hash });
  }
  return rows;
}

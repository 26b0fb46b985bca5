// A run of a peer in Go: its program does one row on one allocator and times as many rounds as it
// is asked for, turn by turn, so that Berth has its turns in between (bench/peers/go/README.md has
// the protocol).
//
//     start   the program is filling its allocator
//     turn    rounds that are timed: any number of turns
//     end     what it gave, and the memory that it took
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { begin, kill } from "../method/leaving.ts";
import { lastWords, programOf } from "./go.ts";

const RUN_MS_MAX = 120_000;

/** Figures of one peer on one row. */
export interface GoResult {
  peer: string;
  row: string;
  policy: string;
  common: boolean;
  /** Nanoseconds for one call, a number for each round of all turns. */
  ns: number[];
  hash: string;
  /** In use by the peer when `held` slots are held. */
  bytes: number;
  held: number;
}

/** A peer was too slow for its row, here and now: it is left out with this reason. */
export class TookTooLong extends Error {}

/** What is asked for; a fill row has its own number of operations. */
export interface GoOrder {
  peer: string;
  row: string;
  seed: bigint | number;
  operations: number;
  /** Where the programs are kept. */
  out?: string;
  /** How long the whole run may take. */
  ms?: number;
}

export class GoRun {
  readonly #order: GoOrder;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #timer: NodeJS.Timeout;
  readonly #ended: Promise<string | undefined>;
  #words = "";
  #late = false;

  /** Throws for a peer that goPeers() doesn't list. */
  constructor(order: GoOrder) {
    const { peer, row, seed, operations, out, ms = RUN_MS_MAX } = order;
    const args = ["run", "--peer", peer, "--row", row];
    args.push("--seed", String(seed), "--operations", String(operations));
    this.#order = order;
    const child = begin(programOf(peer, out), args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#words += text;
    });
    // A program that has ended reads no more: why it did is what is told.
    child.stdin!.on("error", () => {});
    this.#reader = createInterface({ input: child.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    this.#timer = setTimeout(() => {
      this.#late = true;
      kill(child);
    }, ms);
    this.#ended = once(child, "close").then(
      ([code, signal]) => (code === 0 ? undefined : lastWords(this.#words) || `${code ?? signal}`),
      (error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? "not built yet" : error.message),
    );
  }

  /** Nanoseconds of one call, for each of so many rounds. */
  async turn(rounds: number): Promise<number[]> {
    this.#child.stdin!.write(`${rounds}\n`);
    return (await this.#answer()) as number[];
  }

  /** Ends the program: what it did in all turns. */
  async end(): Promise<GoResult> {
    this.#child.stdin!.end();
    const result = (await this.#answer()) as GoResult;
    await this.#ended;
    clearTimeout(this.#timer);
    return result;
  }

  /** Ends it at once, whatever it is at. */
  kill(): void {
    clearTimeout(this.#timer);
    kill(this.#child);
    this.#reader.close();
  }

  /** The next line; an error that names the peer and the row when there is none. */
  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (!done) return JSON.parse(value);
    const { peer, row, ms = RUN_MS_MAX } = this.#order;
    const failure = (await this.#ended) ?? "it ended before its answer";
    clearTimeout(this.#timer);
    if (this.#late) throw new TookTooLong(`took over ${ms / 1000} s`);
    throw new Error(`${peer}, ${row}: ${failure}`);
  }
}

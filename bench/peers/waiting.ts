// Waiting: a program that does rounds of its work when it is asked to and waits in between, so that
// Berth has its turns right before and after. It keeps its state from turn to turn.
//
//     stdin      a number a line: so many rounds are timed next
//     stdout     for each such line one of JSON: nanoseconds of one call, for each round
//                when there are no more lines one of JSON: what it did in all
//
// Peers in Go (gorun.ts) and bench/core/many.c keep to it.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { begin, kill } from "../method/leaving.ts";
import { lastWords } from "./go.ts";

const RUN_MS_MAX = 120_000;

/** It was too slow, here and now: it is left out with this reason. */
export class TookTooLong extends Error {}

export interface WaitingOptions {
  /** What its errors begin with. */
  name: string;
  /** How long an answer may take; while nobody waits for one no clock runs. */
  ms?: number;
}

export class Waiting<Result> {
  readonly #name: string;
  readonly #ms: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #ended: Promise<string | undefined>;
  #words = "";
  #late = false;

  /** Begins it; what it does before its first turn it does meanwhile. */
  constructor(path: string, args: readonly string[], { name, ms = RUN_MS_MAX }: WaitingOptions) {
    this.#name = name;
    this.#ms = ms;
    const child = begin(path, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#words += text;
    });
    // A program that has ended reads no more: why it did is what is told.
    child.stdin!.on("error", () => {});
    this.#reader = createInterface({ input: child.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
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
  async end(): Promise<Result> {
    this.#child.stdin!.end();
    const result = (await this.#answer()) as Result;
    this.kill();
    return result;
  }

  /** Ends it at once, whatever it is at. */
  kill(): void {
    kill(this.#child);
    this.#reader.close();
  }

  /** The next line; an error with its name when there is none. */
  async #answer(): Promise<unknown> {
    const timer = setTimeout(() => {
      this.#late = true;
      kill(this.#child);
    }, this.#ms);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (!done) return JSON.parse(value);
    const failure = (await this.#ended) ?? "it ended before its answer";
    if (this.#late) throw new TookTooLong(`took over ${this.#ms / 1000} s`);
    throw new Error(`${this.#name}: ${failure}`);
  }
}

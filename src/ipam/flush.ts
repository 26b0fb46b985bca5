// Group commit: what one fdatasync can promise to many callers. Calls queue their entries in
// memory; a flush appends them with one pwrite and syncs the log off this thread. Who comes while
// one is under way shares the next, which takes everything that was queued by then.
//
//   flush() flush() flush() | begin: pwrite, fdatasync ........ done |
//                                  flush() flush()  -> begin: ...
//
// On a disk whose syncs take long, a turn begins behind the running microtasks, so that all callers
// which the last one woke are in it together. Where they take no longer than the callers' own work,
// a turn begins with half of them: the others work while it is under way, and the next begins as
// soon as it is done.
//
// The pwrite is synchronous: an entry that were still on its way while a checkpoint starts the log
// anew would be written over a new one.
import { fdatasync } from "node:fs";
import { constants } from "node:os";
import { IpamError } from "../errors.ts";
import type { Core } from "./core.ts";

/** Syncs up to this long are short. */
const SHORT_MS = 0.4;

/** Callers that share one flush. */
class Turn {
  readonly promise: Promise<void>;
  callers = 0;
  resolve!: () => void;
  reject!: (error: IpamError) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever awaits it sees a failure; nobody must.
    this.promise.catch(() => {});
  }
}

/** The log of an exclusive Ipam, from the flushing side. */
export class Flusher {
  readonly #core: Core;
  readonly #sync: boolean;
  readonly #broken: (error: IpamError) => void;
  #running: Turn | undefined;
  #next: Turn | undefined;
  #closed = false;
  #idle: (() => void) | undefined;
  // The log is on disk up to this tail of this generation.
  #safeTail = 0;
  #safeGeneration = 0;
  #isShort = false;
  #half = 1;

  /** `broken` hears of a write or sync that failed. */
  constructor(core: Core, sync: boolean, broken: (error: IpamError) => void) {
    this.#core = core;
    this.#sync = sync;
    this.#broken = broken;
    [this.#safeTail, this.#safeGeneration] = this.#mark();
  }

  // Where the log ends now, and its generation.
  #mark(): [number, number] {
    this.#core.exports.bookMarkOut!();
    return [this.#core.outNumber(0), this.#core.outNumber(1)];
  }

  /** Resolves when everything that was committed before this call is on disk. */
  flush(): Promise<void> {
    const turn = this.#next ?? this.#join();
    if (!turn) return this.#running?.promise ?? Promise.resolve();
    turn.callers++;
    if (this.#isShort && !this.#running && turn.callers >= this.#half) this.#begin(turn);
    return turn.promise;
  }

  // A new turn, unless there is nothing to promise but what is under way.
  #join(): Turn | undefined {
    const [tail, generation] = this.#mark();
    if (tail === this.#safeTail && generation === this.#safeGeneration) return undefined;
    this.#next = new Turn();
    if (!this.#running) this.#soon(this.#next);
    return this.#next;
  }

  #soon(turn: Turn): void {
    process.nextTick(() => {
      if (this.#next === turn && !this.#running) this.#begin(turn);
    });
  }

  #begin(turn: Turn): void {
    this.#next = undefined;
    if (this.#closed) {
      turn.resolve();
      return;
    }
    const status = this.#write();
    if (status < 0) this.#fail(turn, failed("written", -status));
    else if (this.#sync) this.#syncFor(turn, this.#mark());
    else this.#done(turn, this.#mark(), 0);
  }

  // Nobody is above us to catch what a host function may throw.
  #write(): number {
    try {
      return this.#core.exports.queueWrite!();
    } catch {
      return -constants.errno.EIO;
    }
  }

  #syncFor(turn: Turn, mark: [number, number]): void {
    this.#running = turn;
    const begun = performance.now();
    fdatasync(logFd(this.#core), (error) => {
      this.#running = undefined;
      if (error) this.#fail(turn, failed("synced", -(error.errno ?? -5)));
      else this.#done(turn, mark, performance.now() - begun);
      this.#idle?.();
    });
  }

  #done(turn: Turn, [tail, generation]: [number, number], ms: number): void {
    turn.resolve();
    if (this.#closed) return;
    // A checkpoint in between has begun another log, and synced all of this one.
    if (generation === this.#mark()[1]) this.#core.exports.queueSafe!(tail);
    [this.#safeTail, this.#safeGeneration] = [tail, generation];
    const next = this.#next;
    this.#isShort = ms < SHORT_MS;
    this.#half = Math.max(1, (turn.callers + (next?.callers ?? 0)) >> 1);
    if (next && this.#isShort) this.#begin(next);
    else if (next) this.#soon(next);
  }

  #fail(turn: Turn, error: IpamError): void {
    if (!this.#closed) {
      this.#core.exports.queueVoid!();
      this.#broken(error);
    }
    turn.reject(error);
    this.#next?.reject(error);
    this.#next = undefined;
  }

  /**
   * The Ipam has written everything itself, or failed to. Resolves when no sync is under way any
   * more.
   */
  close(error?: IpamError): Promise<void> {
    this.#closed = true;
    if (error) this.#running?.reject(error);
    if (error) this.#next?.reject(error);
    else this.#next?.resolve();
    this.#next = undefined;
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Is a sync under way? */
  get busy(): boolean {
    return this.#running !== undefined;
  }
}

function logFd(core: Core): number {
  return (core.exports as unknown as { logFile: WebAssembly.Global }).logFile.value as number;
}

/** The error of a log that couldn't be written. */
export function failed(what: "written" | "synced", errno: number): IpamError {
  return new IpamError(
    "io",
    `berth.log couldn't be ${what} (errno ${errno}): nothing more is given; what was flushed ` +
      "before is on disk. Close this Ipam and open it again",
    errno,
  );
}

// Group commit: what one fdatasync can promise to many callers. Calls queue their entries in
// memory; a turn appends them with one pwrite and syncs the log off this thread. Who comes while
// turns are under way shares the next, which takes everything that was queued by then.
//
//   begin: pwrite, fdatasync ............. done: this turn and all that began before it
//             begin: pwrite, fdatasync ............. done
//
// On a disk whose syncs take long, a turn begins when no other is under way, behind the running
// microtasks, so that all callers which the last one woke are in it together. Where syncs take no
// longer than the callers' own work, two turns of half the callers each are under way, so that the
// disk works for one half while the other half's calls are computed.
//
// A sync promises what was written before it began, so the end of a turn is the end of all that
// began before it, never of a later one. Each way has an open file description of its own: Linux
// tells a failed write-back once per description, and a sync that shared one with a failing sync
// would end well.
//
// The pwrite is synchronous: an entry that were still on its way while a checkpoint starts the log
// anew would be written over a new one.
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { IpamError } from "../errors.ts";
import type { Core, SyncFile } from "./core.ts";

/** Syncs that usually take up to this long are short; the usual time follows the median. */
const SHORT_MS = 0.4;
const FOLLOW = 1.15;

/** Syncs that may be under way at the same time. */
const WAYS = 2;
/** Where a log without entries ends (LOG_HEADER_BYTES of assembly/store/log.ts). */
const LOG_BEGIN = 64;

/** Callers that share one flush. */
class Turn {
  readonly promise: Promise<void>;
  callers = 0;
  // Up to where of which generation's log it reaches, once it has begun.
  tail = 0;
  generation = 0;
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
  readonly #sync: SyncFile | undefined;
  readonly #broken: (error: IpamError) => void;
  // Turns that aren't known to be on disk, oldest first; syncs under way may be fewer or more.
  readonly #begun: Turn[] = [];
  #next: Turn | undefined;
  // Descriptors for syncs; those on which none is under way.
  readonly #own: number[] = [];
  readonly #ways: number[];
  #syncs = 0;
  #closed = false;
  #idle: (() => void) | undefined;
  // The log is on disk up to this tail of this generation.
  #safeTail = 0;
  #safeGeneration = 0;
  #usualMs = SHORT_MS / 2;
  #share = 1;

  /**
   * `sync` is what syncs the log; undefined: what is written counts as flushed. `broken` hears of a
   * write or sync that failed.
   */
  constructor(core: Core, sync: SyncFile | undefined, broken: (error: IpamError) => void) {
    this.#core = core;
    this.#sync = sync;
    this.#broken = broken;
    if (sync) this.#own = openAgain(logFd(core));
    this.#ways = this.#own.length > 0 ? [...this.#own] : [logFd(core)];
    [this.#safeTail, this.#safeGeneration] = this.#mark();
    // What an opener before us left: whether it is on disk nobody knows. And what this one has
    // changed already isn't written.
    if (this.#safeTail > LOG_BEGIN) this.#safeTail = -1;
  }

  // Where the log ends now, and its generation.
  #mark(): [number, number] {
    this.#core.exports.bookMarkOut!();
    return [this.#core.outNumber(0), this.#core.outNumber(1)];
  }

  /** Resolves when everything that was committed before this call is on disk. */
  flush(): Promise<void> {
    const turn = this.#next ?? this.#join();
    if (!(turn instanceof Turn)) return turn;
    turn.callers++;
    // Without syncs a turn is over at once: all who are awake belong into it.
    const mayBegin = this.#sync !== undefined && this.#isShort() && this.#ways.length > 0;
    if (mayBegin && turn.callers >= this.#share) this.#begin(turn);
    return turn.promise;
  }

  // A new turn, unless there is nothing to promise but what is under way.
  #join(): Turn | Promise<void> {
    const [tail, generation] = this.#mark();
    const last = this.#begun.at(-1);
    if (last?.tail === tail && last.generation === generation) return last.promise;
    if (!last && tail === this.#safeTail && generation === this.#safeGeneration)
      return Promise.resolve();
    this.#next = new Turn();
    if (this.#mayBegin()) this.#soon(this.#next);
    return this.#next;
  }

  #isShort(): boolean {
    return this.#usualMs < SHORT_MS;
  }

  #mayBegin(): boolean {
    return this.#isShort() ? this.#ways.length > 0 : this.#syncs === 0;
  }

  // Behind the callers that are awake or being woken. (A tick alone would come before them.)
  #soon(turn: Turn): void {
    const begin = () => {
      if (this.#next === turn && this.#mayBegin()) this.#begin(turn);
    };
    queueMicrotask(() => process.nextTick(begin));
  }

  #begin(turn: Turn): void {
    this.#next = undefined;
    if (this.#closed) {
      turn.resolve();
      return;
    }
    const status = this.#write();
    this.#begun.push(turn);
    [turn.tail, turn.generation] = this.#mark();
    if (status < 0) this.#fail(failed("written", -status));
    else if (this.#sync) this.#syncFor(turn, this.#sync);
    else this.#done(turn);
  }

  // Nobody is above us to catch what a host function may throw.
  #write(): number {
    try {
      return this.#core.exports.queueWrite!();
    } catch {
      return -constants.errno.EIO;
    }
  }

  #syncFor(turn: Turn, sync: SyncFile): void {
    const fd = this.#ways.pop()!;
    this.#syncs++;
    const begun = performance.now();
    sync(fd, (error) => {
      this.#ways.push(fd);
      this.#syncs--;
      if (error) this.#fail(failed("synced", -(error.errno ?? -5)));
      else this.#synced(turn, performance.now() - begun);
      if (this.#syncs === 0) this.#idle?.();
    });
  }

  #synced(turn: Turn, ms: number): void {
    this.#usualMs *= ms > this.#usualMs ? FOLLOW : 1 / FOLLOW;
    // Of a turn that a later one has overtaken, or that was given up, nothing is left to say.
    if (this.#begun.includes(turn)) this.#done(turn);
    const next = this.#next;
    if (!next || !this.#mayBegin()) return;
    if (this.#isShort() && next.callers >= this.#share) this.#begin(next);
    else this.#soon(next);
  }

  // This turn is on disk, and so are those that began before it.
  #done(turn: Turn): void {
    let callers = this.#next?.callers ?? 0;
    for (const one of this.#begun) callers += one.callers;
    this.#share = Math.max(1, Math.floor(callers / WAYS));
    for (let one: Turn | undefined; one !== turn; one.resolve()) one = this.#begun.shift()!;
    if (this.#closed) return;
    // A checkpoint in between has begun another log, and synced all of this one.
    if (turn.generation === this.#mark()[1]) this.#core.exports.queueSafe!(turn.tail);
    [this.#safeTail, this.#safeGeneration] = [turn.tail, turn.generation];
  }

  // What is under way may reach the disk or not: none of it is promised any more.
  #fail(error: IpamError): void {
    if (!this.#closed) {
      this.#core.exports.queueVoid!();
      this.#broken(error);
    }
    this.#giveUp(error);
  }

  #giveUp(error: IpamError): void {
    for (const turn of this.#begun.splice(0)) turn.reject(error);
    this.#next?.reject(error);
    this.#next = undefined;
  }

  /**
   * The Ipam has written everything itself, or failed to. Resolves when no sync is under way any
   * more.
   */
  async close(error?: IpamError): Promise<void> {
    this.#closed = true;
    if (error) this.#giveUp(error);
    else this.#next?.resolve();
    this.#next = undefined;
    if (this.#syncs > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    for (const fd of this.#own) closeSync(fd);
  }

  /** Is a sync under way? */
  get busy(): boolean {
    return this.#syncs > 0;
  }
}

// The same file in descriptions of its own; none where the system refuses.
function openAgain(fd: number): number[] {
  const opened: number[] = [];
  try {
    while (opened.length < WAYS) opened.push(openSync(`/proc/self/fd/${fd}`, "r+"));
  } catch {
    // One way less.
  }
  return opened;
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

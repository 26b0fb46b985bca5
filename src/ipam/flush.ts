// Group commit: what one fdatasync can promise to many callers. Calls queue their entries in
// memory; a flush appends them with one pwrite and syncs the log off this thread. Who comes while
// one is under way shares the next, which takes everything that was queued by then.
//
//   flush() flush() flush() | begin: pwrite, fdatasync ........ done |
//                                  flush() flush()  -> begin: ...
//
// It begins behind the running microtasks, so that callers which one flush wakes are in the next
// together. The pwrite is synchronous: an entry that were still on its way while a checkpoint
// starts the log anew would be written over a new one.
import { fdatasync } from "node:fs";
import { IpamError } from "../errors.ts";
import type { Core } from "./core.ts";

/** The log of an exclusive Ipam, from the flushing side. */
export class Flusher {
  readonly #core: Core;
  readonly #sync: boolean;
  readonly #broken: (error: IpamError) => void;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #closed = false;
  // The log is on disk up to this tail of this generation.
  #safeTail = 0;
  #safeGeneration = 0;

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
    if (this.#next) return this.#next;
    const [tail, generation] = this.#mark();
    if (tail === this.#safeTail && generation === this.#safeGeneration)
      return this.#running ?? Promise.resolve();
    const start = this.#running ? this.#running.catch(() => {}).then(tick) : tick();
    const next = start.then(() => this.#begin());
    // Whoever awaits it sees the failure; nobody must.
    next.catch(() => {});
    this.#next = next;
    return next;
  }

  async #begin(): Promise<void> {
    this.#running = this.#next;
    this.#next = undefined;
    try {
      if (this.#closed) return;
      const status: number = this.#core.exports.queueWrite!();
      if (status < 0) throw failed("written", -status);
      const [tail, generation] = this.#mark();
      if (this.#sync) await sync(logFd(this.#core));
      if (this.#closed) return;
      // A checkpoint in between has begun another log, and synced all of this one.
      if (generation === this.#mark()[1]) this.#core.exports.queueSafe!(tail);
      [this.#safeTail, this.#safeGeneration] = [tail, generation];
    } catch (error) {
      const told = error instanceof IpamError ? error : failed("synced", 5);
      if (!this.#closed) {
        this.#core.exports.queueVoid!();
        this.#broken(told);
      }
      throw told;
    } finally {
      this.#running = undefined;
    }
  }

  /** The Ipam has written everything itself; resolves when no sync is under way any more. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#running?.catch(() => {}) ?? Promise.resolve();
  }

  /** Is a sync under way? */
  get busy(): boolean {
    return this.#running !== undefined;
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function logFd(core: Core): number {
  return (core.exports as unknown as { logFile: WebAssembly.Global }).logFile.value as number;
}

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fdatasync(fd, (error) => (error ? reject(failed("synced", -(error.errno ?? -5))) : resolve())),
  );
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

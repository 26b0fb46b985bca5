// readIpam: a copy of a directory's state, read without its lock, to be asked and never changed.
// Owns the tries: a writer that checkpoints while the copy is made makes it begin again.
import { constants } from "node:os";
import { MODE_READER } from "../../assembly/library/booknumbers.ts";
import { IpamError } from "../errors.ts";
import type { Around, Core } from "./core.ts";
import { systemError } from "./requests.ts";
import { SpareCore } from "./spare.ts";
import { IpamView } from "./view.ts";

const STORE_NONE = 1;
const STORE_FUTURE = 2;
const STORE_AGAIN = 3;
const TRIES = 20;
const PAUSE_MS = 5;

const spare = new SpareCore();

/** A copy of the state as it was when it was read. */
export class IpamCopy extends IpamView {
  #core: Core | undefined;
  readonly #around: Around;
  /** Has the core trapped? */
  #isDamaged = false;

  /** Use readIpam. */
  constructor(path: string, around: Around) {
    super(path);
    this.#around = around;
    const core = spare.take(around);
    try {
      this.#core = core;
      this.#read(core);
    } catch (error) {
      this.#core = undefined; // what it has read by halves serves nobody after it
      throw error;
    } finally {
      core.exports.bookClose!();
      core.host.closeAll();
    }
  }

  #read(core: Core): void {
    let last: unknown;
    for (let n = 0; n < TRIES; n++) {
      if (n > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      const entered: number = core.exports.bookEnter!(core.putPath(this.path), 0);
      if (entered === -constants.errno.ENOENT) throw this.#nothing();
      if (entered < 0) throw systemError(this.path, entered);
      try {
        const status = core.run<number>(() => core.exports.bookOpen!(MODE_READER, 0, 2));
        if (status === 0) return;
        if (status === STORE_AGAIN) continue;
        if (status === STORE_NONE) throw this.#nothing();
        if (status === STORE_FUTURE)
          throw new IpamError("newer", `the state in ${this.path} is of a newer release`);
        throw systemError(this.path, status);
      } catch (error) {
        // What a writer was just changing can look like damage: it doesn't a moment later.
        if (!isDamage(error)) throw error;
        this.#isDamaged = true;
        last = error;
      }
    }
    throw last ?? new IpamError("io", `${this.path} changes faster than it can be read`);
  }

  #nothing(): IpamError {
    return new IpamError("notFound", `there is no state in ${this.path}`, this.path);
  }

  protected ask<T>(work: (core: Core) => T): T {
    const core = this.#core;
    if (!core) throw new IpamError("closed", `the copy of ${this.path} is closed`, this.path);
    try {
      return core.run(work);
    } catch (error) {
      if (isDamage(error)) this.#isDamaged = true;
      throw error;
    }
  }

  protected collect(core: Core): number {
    return core.exports.bookCollect!(core.now());
  }

  /** Gives the memory back. */
  close(): void {
    if (this.#core && !this.#isDamaged) spare.leave(this.#core, this.#around);
    this.#core = undefined;
    this.forgetPools();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof IpamError && error.code === "damaged";
}

/**
 * Reads a copy of the state in `path` without taking the lock: it shows what was committed (of an
 * exclusive Ipam: flushed) by now. Throws "notFound" (no state, no directory), "damaged", "newer",
 * "io".
 */
export function readIpam(path: string): IpamCopy {
  return readIpamAround(path, {});
}

/** The same on another clock, for tests. */
export function readIpamAround(path: string, around: Around): IpamCopy {
  return new IpamCopy(path, around);
}

// The bare log: what the disk and Node allow who only appends the same bytes. A preallocated file
// to which entries are appended, over and over; nothing is computed, found or remembered.
//
//   as Berth batches      turns as an Ipam begins them: its own Flusher (src/ipam/flush.ts) decides
//   all in one sync       whoever waits is in the next sync, one sync at a time
//   on the thread         one write and one sync for so many, without an event loop
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { Flusher } from "../../src/ipam/flush.ts";

const LOG_BYTES = 16 << 20;
const CALLERS_MAX = 64;

/** A file full of zeros, and where in it the next entry goes. */
class BareFile {
  readonly fd: number;
  readonly #entry: Buffer;
  at = 0;
  /** How often it was begun anew, and one. */
  generation = 1;

  constructor(path: string, bytes: number) {
    writeFileSync(path, Buffer.alloc(LOG_BYTES));
    this.fd = openSync(path, "r+");
    fsyncSync(this.fd);
    this.#entry = Buffer.alloc(bytes * CALLERS_MAX, 7);
  }

  append(bytes: number): void {
    if (this.at + bytes > LOG_BYTES) {
      this.at = 0;
      this.generation++;
    }
    writeSync(this.fd, this.#entry, 0, bytes, this.at);
    this.at += bytes;
  }
}

/** Entries of `bytes` that are on disk when `later` or `now` has ended. */
export interface BareLog {
  later(): Promise<void>;
  close(): Promise<void> | void;
}

/** Batched as an Ipam does it: the same turns, as many syncs at a time. */
export class BatchedLog implements BareLog {
  readonly #file: BareFile;
  readonly #bytes: number;
  readonly #flusher: Flusher;
  #queued = 0;

  constructor(path: string, bytes: number) {
    this.#file = new BareFile(path, bytes);
    this.#bytes = bytes;
    const file = this.#file;
    const mark = [0, 0];
    const exports = {
      bookMarkOut: () => {
        mark[0] = file.at + this.#queued;
        mark[1] = file.generation;
      },
      queueWrite: () => {
        if (this.#queued > 0) file.append(this.#queued);
        this.#queued = 0;
        return 0;
      },
      queueSafe: () => {},
      queueVoid: () => {},
      logFile: { value: file.fd },
    };
    const core = { exports, outNumber: (n: number) => mark[n]! };
    // All of a core that a flusher knows.
    this.#flusher = new Flusher(
      core as unknown as ConstructorParameters<typeof Flusher>[0],
      (fd, done) => fdatasync(fd, done),
      (error) => {
        throw error;
      },
    );
  }

  later(): Promise<void> {
    this.#queued += this.#bytes;
    return this.#flusher.flush();
  }

  async close(): Promise<void> {
    await this.#flusher.close();
    closeSync(this.#file.fd);
  }
}

/** One sync at a time, off this thread, with all in it that wait by then. */
export class SharedLog implements BareLog {
  readonly #file: BareFile;
  readonly #bytes: number;
  #queued = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string, bytes: number) {
    this.#file = new BareFile(path, bytes);
    this.#bytes = bytes;
  }

  later(): Promise<void> {
    this.#queued += this.#bytes;
    if (this.#next) return this.#next;
    const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));
    this.#next = (this.#running ? this.#running.then(tick) : tick()).then(() => this.#begin());
    return this.#next;
  }

  async #begin(): Promise<void> {
    this.#running = this.#next;
    this.#next = undefined;
    this.#file.append(this.#queued);
    this.#queued = 0;
    await new Promise<void>((resolve, reject) =>
      fdatasync(this.#file.fd, (error) => (error ? reject(error) : resolve())),
    );
    this.#running = undefined;
  }

  /** Appends and syncs for so many on this thread. */
  now(many: number): void {
    this.#file.append(many * this.#bytes);
    fdatasyncSync(this.#file.fd);
  }

  close(): void {
    closeSync(this.#file.fd);
  }
}

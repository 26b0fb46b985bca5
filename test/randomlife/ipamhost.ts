// One process that has an Ipam open on files in memory (test/support/memorydisk.ts): its host
// functions, what befalls it at which of their calls, and the syncs of its flushes, which end when
// the life says so. The lock is a real one, on an empty file of a real directory.
import { closeSync, openSync } from "node:fs";
import type { Around, SyncFile } from "../../src/ipam/core.ts";
import { beginSync, type Disk, diskFunctions } from "../support/memorydisk.ts";

const EIO = 5;
const ENOSPC = 28;
/** How long the log gets when it is full the first time. */
const LOG_WIDE = 4 << 20;

/** Thrown out of a host function: the process is gone. */
export class Killed extends Error {}

/** A kill, or a failure with this errno, after so many operations on files. */
export interface Blow {
  left: number;
  errno?: number;
  /** Pages of a write that is stopped in the middle, behind the first. */
  pages?: number;
}

/** A sync under way. */
interface Sync {
  reach: () => void;
  /** What it is to put on disk, in states of the model. */
  number: number;
  done: Parameters<SyncFile>[1];
}

export class IpamHost {
  readonly around: Around;
  readonly #disk: Disk;
  readonly #number: () => number;
  readonly #isNarrow: boolean;
  readonly #descriptors = new Set<number>();
  readonly #syncs: Sync[] = [];
  #blow: Blow | undefined;
  #more = 0;
  /** It was killed: nothing of it touches a file any more. */
  isDead = false;
  /** What was to befall it has. */
  hasStruck = false;
  /** An operation has failed with an errno. */
  hasFailed = false;

  /** Up to which state of the model the syncs have come. */
  synced = 0;

  /** `number` tells the newest state of the model. */
  constructor(disk: Disk, isNarrow = false, number = () => 0) {
    this.#isNarrow = isNarrow;
    this.#disk = disk;
    this.#number = number;
    this.around = {
      clock: () => disk.now,
      wall: () => disk.wall + disk.now,
      boot: disk.boot,
      between: (imports, memory) => this.#functions(imports, memory),
      sync: (_, done) => this.#sync(done),
    };
  }

  #functions(
    imports: Parameters<NonNullable<Around["between"]>>[0],
    memory: Uint8Array,
  ): Parameters<NonNullable<Around["between"]>>[0] {
    const bytes = Buffer.from(memory.buffer);
    const host = this;
    const files = diskFunctions(this.#disk, {
      bytes,
      open: new Map(),
      // The Flusher opens the log's descriptor again.
      next: () => {
        const fd = openSync("/dev/null", "r+");
        this.#descriptors.add(fd);
        return fd;
      },
      step: (half) => this.#step(half),
      get more() {
        return host.#more;
      },
      unshared: () => {},
    }) as typeof imports;
    return {
      ...files,
      // Where the log can't get longer, it begins anew more often.
      allocate: (handle, length) =>
        this.#isNarrow && length === LOG_WIDE ? -ENOSPC : files.allocate!(handle!, length!),
      enter: (at, length, create) => this.#step() || imports.enter!(at!, length!, create!),
      close: (handle) => {
        files.close!(handle!);
        if (this.#descriptors.delete(handle!)) closeSync(handle!);
        return undefined;
      },
      random: (into, length) => {
        const disk = this.#disk;
        for (let n = 0; n < length!; n++) {
          disk.salt = (Math.imul(disk.salt, 1664525) + 1013904223) >>> 0;
          bytes[into! + n] = disk.salt >>> 24;
        }
        return 0;
      },
      inode: () => -2n,
    };
  }

  #step(half?: () => void): number {
    if (this.isDead) return -EIO;
    if (!this.#blow || this.#blow.left-- > 0) return 0;
    const { errno, pages } = this.#blow;
    this.#blow = undefined;
    this.hasStruck = true;
    if (errno !== undefined) {
      this.hasFailed = true;
      return -errno;
    }
    this.#more = pages ?? 0;
    half?.();
    this.isDead = true;
    throw new Killed();
  }

  /** From here on this befalls it. */
  strike(blow: Blow): void {
    this.#blow = { ...blow };
  }

  /** Is something to befall it? */
  get isStruck(): boolean {
    return this.#blow !== undefined;
  }

  #sync(done: Parameters<SyncFile>[1]): void {
    const log = this.#disk.names.get("berth.log");
    const reach = log ? beginSync(log) : () => {};
    this.#syncs.push({ reach, number: this.#number(), done });
  }

  /** Syncs under way. */
  get syncs(): number {
    return this.#syncs.length;
  }

  /** One of the syncs under way ends, well or not. */
  settle(n: number, fails = false): void {
    const [one] = this.#syncs.splice(n % Math.max(1, this.#syncs.length), 1);
    if (!one) return;
    const isLost = fails || this.isDead;
    this.hasFailed ||= isLost;
    if (!isLost) {
      one.reach();
      this.synced = Math.max(this.synced, one.number);
    }
    try {
      one.done(isLost ? Object.assign(new Error("EIO"), { errno: -EIO }) : null);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }

  /** The process is gone, and its descriptors with it. */
  end(): void {
    this.isDead = true;
    while (this.#syncs.length > 0) this.settle(0);
    for (const fd of this.#descriptors) closeSync(fd);
    this.#descriptors.clear();
  }
}

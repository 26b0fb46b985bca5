// openIpam: addresses with owners, names and durable state in the plugin's own files. One image
// with many pools; everything is decided in the core (book.wasm), this file says when.
//
//   exclusive   calls change memory at once and queue their commits; flush() promises; close()
//               checkpoints. Nobody else can open the directory meanwhile.
//   per call    every call: lock | look what others did | work | commit | unlock
//
// Cost: an exclusive call 2 to 4 us; opening reads the whole image (no walk over it).
import { fdatasync } from "node:fs";
import { resolve } from "node:path";
import {
  MODE_EXCLUSIVE,
  MODE_PER_CALL,
  POOL_CONFLICT,
  POOL_NAMED,
  POOL_OVERLAP,
} from "../../assembly/library/booknumbers.ts";
import { formatAddress, formatFour, formatPrefix } from "../address.ts";
import { errnoOf } from "../errno.ts";
import { IpamError, shown } from "../errors.ts";
import { needKeys } from "../keys.ts";
import { type Around, Core } from "./core.ts";
import { Flusher } from "./flush.ts";
import { IpamPool, poolPrefix, putPool, takePool } from "./ipampool.ts";
import { DirectoryLock } from "./lock.ts";
import {
  allocateError,
  nameError,
  putWish,
  releaseError,
  systemError,
  ttlOf,
  type Wish,
  wishOf,
} from "./requests.ts";
import { SpareCore } from "./spare.ts";
import { IpamView, kindNumber } from "./view.ts";
import {
  ALLOCATE_KEYS,
  type AllocateRequest,
  type Allocation,
  type IpamOptions,
  type IpamPoolOptions,
  OPEN_KEYS,
  POOL_KEYS,
  RELEASE_KEYS,
  RESERVE_KEYS,
  type ReleaseOptions,
  type ReserveRequest,
} from "./words.ts";

const STORE_FUTURE = 2;
const spare = new SpareCore();
const EXCLUSIVE_WAIT_MS = 2000;
const PER_CALL_WAIT_MS = 60_000;
const WAIT_MAX_MS = 3_600_000;
/** Refusals that may come in the midst of a change; "locked" comes before anything is opened. */
const MIDST: readonly string[] = ["damaged", "io", "noSpace", "newer"];
const KEEP = { release: 0, keep: 1 } as const;

function choice<T extends string>(value: T | undefined, allowed: readonly T[], what: string): T {
  const chosen = value ?? allowed[0]!;
  if (allowed.includes(chosen)) return chosen;
  throw new IpamError("invalid", `${what} ${shown(value)} is none of ${allowed.join(", ")}`, value);
}

/** Durable allocations of one directory. */
export class Ipam extends IpamView {
  /** "exclusive" or "per-call". */
  readonly lock: "exclusive" | "per-call";
  /** The same directory wherever the process goes. */
  readonly #directory: string;
  readonly #sync: boolean;
  readonly #keep: number;
  readonly #timeout: number;
  readonly #patient: boolean;
  #core: Core | undefined;
  #held: DirectoryLock | undefined;
  #flusher: Flusher | undefined;
  #broken: IpamError | undefined;
  readonly #around: Around;
  /** Per call: has the core trapped? */
  #isDamaged = false;

  /** Use openIpam. */
  constructor(path: string, options: IpamOptions, around: Around) {
    super(path);
    needKeys(options, OPEN_KEYS);
    this.#directory = absolute(path);
    this.lock = choice(options.lock, ["exclusive", "per-call"], "lock");
    this.#sync = choice(options.sync, ["always", "never"], "sync") === "always";
    const { reboot, lockTimeout } = options;
    this.#keep = reboot === undefined ? 2 : KEEP[choice(reboot, ["release", "keep"], "reboot")];
    const wait = lockTimeout ?? (this.lock === "exclusive" ? EXCLUSIVE_WAIT_MS : PER_CALL_WAIT_MS);
    if (typeof wait !== "number" || !(wait >= 0 && wait <= WAIT_MAX_MS))
      throw new IpamError(
        "invalid",
        `lockTimeout ${shown(wait)} is not a number of milliseconds from 0 to ${WAIT_MAX_MS}`,
        wait,
      );
    this.#timeout = wait;
    this.#patient = this.lock === "per-call" || lockTimeout !== undefined;
    this.#around = around;
    this.#core = this.lock === "per-call" ? spare.take(around) : new Core(around);
    if (this.lock === "exclusive") this.#openForGood(this.#core);
    else this.ask(() => {});
  }

  #openForGood(core: Core): void {
    try {
      this.#enter(core);
      this.#held = DirectoryLock.take(core.host, this.path, this.#timeout, this.#patient);
      this.#held.sign();
      this.#openFiles(core, MODE_EXCLUSIVE);
      const sync = this.#sync ? (this.#around.sync ?? fdatasync) : undefined;
      this.#flusher = new Flusher(core, sync, (error) => {
        this.#broken ??= error;
      });
    } catch (error) {
      this.#letGo();
      throw error;
    }
  }

  #enter(core: Core): void {
    const length = core.putPath(this.#directory);
    const status: number = core.exports.bookEnter!(length, 1);
    if (status < 0) throw systemError(this.path, status);
  }

  #openFiles(core: Core, mode: number): void {
    const status = core.run<number>(() =>
      core.exports.bookOpen!(mode, this.#sync ? 1 : 0, this.#keep),
    );
    if (status === STORE_FUTURE)
      throw new IpamError(
        "newer",
        `berth.state in ${this.path} was written by a newer release: it is left untouched`,
        this.path,
      );
    if (status !== 0) throw systemError(this.path, status);
  }

  /** Has it been closed? */
  get closed(): boolean {
    return this.#core === undefined;
  }

  #alive(): Core {
    if (!this.#core) throw new IpamError("closed", `the Ipam of ${this.path} is closed`, this.path);
    if (this.#broken) throw this.#broken;
    return this.#core;
  }

  protected ask<T>(work: (core: Core) => T): T {
    const core = this.#alive();
    if (this.lock === "per-call") return this.#once(core, work);
    try {
      return core.run(work);
    } catch (error) {
      if (error instanceof IpamError && (error.code === "damaged" || error.code === "io"))
        this.#broken ??= error;
      throw error;
    }
  }

  // One call under the lock of its own.
  #once<T>(core: Core, work: (core: Core) => T): T {
    let lock: DirectoryLock | undefined;
    try {
      this.#enter(core);
      lock = DirectoryLock.take(core.host, this.path, this.#timeout, true);
      this.#openFiles(core, MODE_PER_CALL);
      return core.run(work);
    } catch (error) {
      if (isDoubtful(error)) core.exports.bookForget!();
      if (error instanceof IpamError && error.code === "damaged") this.#isDamaged = true;
      throw error;
    } finally {
      core.exports.bookClose!();
      lock?.free();
      core.host.closeAll();
    }
  }

  protected override get moves(): boolean {
    return this.lock === "per-call";
  }

  protected collect(core: Core): number {
    const count: number = core.exports.bookCollect!(core.now());
    if (count < 0) throw systemError(this.path, count);
    return count;
  }

  /**
   * Defines a durable pool, or finds the one of this prefix: then what `options` names must agree
   * with it. Pools are never removed and never overlap. Throws "hostBits", "invalid", "outside",
   * "family", "conflict", "overlap", "duplicate" (another pool has the name), "noSpace".
   */
  pool(prefix: string, options: IpamPoolOptions = {}): IpamPool {
    const range = poolPrefix(prefix);
    needKeys(options, POOL_KEYS);
    return this.ask((core) => {
      const [nameBytes, given] = putPool(core, range, options);
      const status: number = core.exports.bookPool!(nameBytes, given, core.now());
      if (status < 0) throw systemError(this.path, status);
      const cell = core.outNumber(0);
      core.exports.bookPoolRead!(cell);
      const there = new IpamPool(this, takePool(core), cell);
      const text = formatPrefix(range);
      if (status === POOL_OVERLAP)
        throw new IpamError("overlap", `${text} overlaps the pool ${there.prefix}`, prefix);
      if (status === POOL_NAMED)
        throw new IpamError("duplicate", `${there.prefix} is called ${there.name}`, options.name);
      if (status === POOL_CONFLICT)
        throw new IpamError("conflict", `${text} is defined otherwise: ${told(there)}`, prefix);
      return this.keep(there);
    });
  }

  /**
   * One address from each pool for an owner, all or none; in the order of the pools. What is
   * reserved for `name` in them comes back. On disk after `flush` (per call: at once). Throws
   * "duplicate", "exhausted", "taken", "reserved", "cooling", "excluded", "outside", "notFound",
   * "invalid", "noSpace", "io".
   */
  allocate(request: AllocateRequest): Allocation {
    needKeys(request, ALLOCATE_KEYS);
    const wish = wishOf(request.pools, request.addresses);
    const kind = kindNumber(request.kind);
    return this.ask((core) => {
      const pools = this.#put(core, wish);
      const now = core.now();
      const status: number = core.exports.bookAllocate!(
        kind,
        core.putOwner(request.owner),
        core.putInterface(request.interface),
        core.putName(request.name),
        wish.pools.length,
        wish.wanted.length,
        now,
      );
      if (status !== 0) {
        const error = allocateError(core, this.path, wish, pools, status);
        if (error.code !== "duplicate") throw error;
        const who = `${request.kind ?? "other"} ${shown(request.owner)}`;
        throw new IpamError("duplicate", `${who} holds addresses already`, request.owner);
      }
      return made(request, this.#given(core, pools), core.dateAt(now, now));
    });
  }

  #put(core: Core, wish: Wish): IpamPool[] {
    // Names are resolved first: a look-up uses the block, too.
    const pools: IpamPool[] = [];
    for (const pool of wish.pools) pools.push(this.poolOf(core, pool));
    putWish(core, pools, wish.wanted);
    return pools;
  }

  #given(core: Core, pools: readonly IpamPool[]): string[] {
    const texts: string[] = [];
    for (let n = 0; n < pools.length; n++)
      texts.push(
        pools[n]!.family === 4
          ? formatFour(core.outNumber(2 * n + 1))
          : formatAddress(6, (core.out(2 * n) << 64n) | core.out(2 * n + 1)),
      );
    return texts;
  }

  /**
   * Releases what an owner holds; with `reserveFor` (seconds) into a reservation for its name, or
   * for `name` if it has none. Addresses cool for the longest cool-down of their pools. Throws
   * "notAllocated", "invalid", "noSpace" (reserveFor only), "io".
   */
  release(owner: string, options: ReleaseOptions = {}): void {
    needKeys(options, RELEASE_KEYS);
    const kind = kindNumber(options.kind);
    const { reserveFor } = options;
    const ttl = reserveFor === undefined ? 0 : ttlOf(reserveFor, "reserveFor");
    this.ask((core) => {
      const status: number = core.exports.bookRelease!(
        kind,
        core.putOwner(owner),
        core.putInterface(options.interface),
        core.putName(options.name),
        ttl,
        core.now(),
      );
      if (status !== 0) throw releaseError(this.path, owner, status);
    });
  }

  /**
   * Keeps one address from each pool for a name, for `ttl` seconds (over a reboot they go on);
   * who allocates with that name gets them. The addresses, in the order of the pools. Throws as
   * allocate; "duplicate": the name has a reservation.
   */
  reserve(name: string, request: ReserveRequest): string[] {
    needKeys(request, RESERVE_KEYS);
    const wish = wishOf(request.pools, request.addresses);
    const ttl = ttlOf(request.ttl, "ttl");
    return this.ask((core) => {
      const pools = this.#put(core, wish);
      const nameBytes = core.putName(name);
      if (nameBytes === 0) throw new IpamError("invalid", "a reservation has a name", name);
      const { length } = wish.wanted;
      const status: number = core.exports.bookReserve!(
        nameBytes,
        wish.pools.length,
        length,
        ttl >>> 0,
        core.now(),
      );
      if (status > 0 && status < 10) throw allocateError(core, this.path, wish, pools, status);
      if (status !== 0) throw nameError(this.path, name, status);
      return this.#given(core, pools);
    });
  }

  /** Ends the reservations of a name. Throws "notFound", "io". */
  unreserve(name: string): void {
    this.ask((core) => {
      const bytes = core.putName(name);
      const status: number = core.exports.bookUnreserve!(bytes, core.now());
      if (status !== 0) throw nameError(this.path, name, status);
    });
  }

  /**
   * Resolves when everything that was allocated, released, reserved or defined before this call is
   * on disk (with sync "never": given to the kernel). Callers at the same time share one fdatasync.
   * Rejects with "io": then nothing more is given until the directory is opened again.
   */
  flush(): Promise<void> {
    try {
      this.#alive();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#flusher?.flush() ?? Promise.resolve();
  }

  /**
   * Writes everything to disk, checkpoints, gives lock and memory back. Calling it again does
   * nothing. Throws "io" if the state couldn't be written; it is closed all the same.
   */
  close(): void {
    const core = this.#core;
    if (!core) return;
    let failure = this.#broken;
    try {
      if (failure || this.lock === "per-call") return;
      const status = core.run<number>(() => core.exports.queueCheckpoint!(this.#sync ? 1 : 0));
      if (status < 0) failure = systemError(this.path, status);
    } catch (error) {
      failure = error as IpamError;
    } finally {
      this.#letGo(failure);
    }
    if (failure) throw failure;
  }

  #letGo(failure?: IpamError): void {
    const core = this.#core;
    this.#core = undefined;
    this.#held?.free();
    this.#held = undefined;
    const flusher = this.#flusher;
    // A descriptor that a sync still uses isn't closed under it.
    if (flusher?.busy) void flusher.close(failure).then(() => core?.host.closeAll());
    else {
      void flusher?.close(failure);
      core?.host.closeAll();
    }
    if (core && this.lock === "per-call" && !this.#isDamaged) {
      core.exports.bookForget!();
      spare.leave(core, this.#around);
    }
    this.forgetPools();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

// May what is in memory differ from the files after this error?
function isDoubtful(error: unknown): boolean {
  return !(error instanceof IpamError) || MIDST.includes(error.code);
}

// The directory of a relative path, which needs one that is there to begin with.
function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (error) {
    throw systemError(path, errnoOf(error));
  }
}

// What an allocation looks like to who asked for it: as `find` tells it.
function made(request: AllocateRequest, addresses: string[], since: Date): Allocation {
  const { owner, kind = "other", name } = request;
  if (request.interface)
    return named({ owner, kind, interface: request.interface, addresses, since }, name);
  return name === undefined
    ? { owner, kind, addresses, since }
    : { owner, kind, name, addresses, since };
}

function named(allocation: Allocation, name: string | undefined): Allocation {
  return name === undefined ? allocation : { ...allocation, name };
}

function told(pool: IpamPool): string {
  const parts = [`policy ${pool.policy}`, `cooldown ${pool.cooldown}`];
  if (pool.gateway !== undefined) parts.push(`gateway ${pool.gateway}`);
  if (pool.exclude.length > 0) parts.push(`exclude ${pool.exclude.join(", ")}`);
  if (pool.name !== undefined) parts.push(`name ${pool.name}`);
  return parts.join(", ");
}

/**
 * Opens the durable state in the directory `path` (made if it isn't there): berth.lock,
 * berth.state, berth.log, the files of the plugin. Throws "locked" (with who holds it), "damaged"
 * (nothing is deleted), "newer", "io", "noSpace", "invalid".
 */
export function openIpam(path: string, options: IpamOptions = {}): Ipam {
  return openIpamAround(path, options, {});
}

/** The same on another clock and boot, for tests. */
export function openIpamAround(path: string, options: IpamOptions, around: Around): Ipam {
  if (typeof path !== "string" || path === "")
    throw new IpamError("invalid", "path is the directory of the state", path);
  return new Ipam(path, options, around);
}

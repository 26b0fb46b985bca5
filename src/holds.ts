// Holds: what was taken but isn't confirmed yet. Each lapses after its time, by itself: at the next
// call of the pool that looks, and by a timer that keeps no process alive.
//
// The earliest due time is kept: a call while nothing is due costs one comparison, however many
// holds are open. It may be that of a hold that has ended since: then the sweep that it causes
// finds the right one. Adding and ending are O(1), a sweep with something due is O(open holds).
//
// In memory of this thread only: a hold isn't shared, isn't saved, and lapses with its process.
import { closedMeanwhile, IpamError, shown } from "./errors.ts";
import { keysOf, needKeys } from "./keys.ts";

/** Seconds after which a hold lapses unless told otherwise. */
export const HOLD_TTL = 60;
const TTL_MAX = 86_400;

/** Options of `hold`. */
export interface HoldOptions {
  /** Seconds until it lapses: more than 0, at most 86,400; default 60. */
  ttl?: number;
}

const KEYS = keysOf<HoldOptions>("options", "an option of hold", { ttl: true });

/** After this many seconds a thing that couldn't be given back (no memory) is tried again. */
const AGAIN = 1;

interface Entry<T> {
  /** Tells this hold from an earlier one of the same key; 0: over, but not given back yet. */
  id: number;
  due: number;
  giveBack: (what: T) => void;
  what: T;
}

/** Seconds from the options. Throws "invalid". */
export function ttlOf(options: HoldOptions | undefined): number {
  if (options === undefined) return HOLD_TTL;
  needKeys(options, KEYS);
  const { ttl = HOLD_TTL } = options;
  if (typeof ttl === "number" && ttl > 0 && ttl <= TTL_MAX) return ttl;
  const wanted = `a number of seconds above 0 and up to ${TTL_MAX}`;
  throw new IpamError("invalid", `ttl ${shown(ttl)} is not ${wanted}`, ttl);
}

/** One of the holds that belong together: its key and its id. */
export type Part = readonly [key: string, id: number];

/** The holds of one pool, by a key of the pool's choice. */
export class Holds<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /** What was on hold and is in use, till its release: tells a confirm whether that came first. */
  readonly #kept = new Map<string, Entry<T>>();
  readonly #clock: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #alarm = 0;
  #last = 0;
  /** No entry is due before. */
  #earliest = Number.POSITIVE_INFINITY;
  /** The pool is closed. Each call of the clock may close it: the clock is the user's code. */
  #isOver = false;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** How many may lapse. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many there are to `forget`. */
  get noted(): number {
    return this.#entries.size + this.#kept.size;
  }

  /** Notes a hold on `what` under `key` for `ttl` seconds. Answers its id. Throws "closed". */
  add(key: string, what: T, ttl: number, giveBack: (what: T) => void): number {
    const id = ++this.#last;
    const due = this.#clock() + ttl;
    if (this.#isOver) throw closedMeanwhile();
    this.#earliest = this.#entries.size === 0 ? due : Math.min(this.#earliest, due);
    this.#entries.set(key, { id, due, giveBack, what });
    this.#arm(due, ttl);
    return id;
  }

  /**
   * When the hold lapses (seconds of the pool's clock); undefined: never, or there is none. Gives
   * nothing back, so that what a call has found out before stays true.
   */
  due(key: string): number | undefined {
    return this.#entries.get(key)?.due;
  }

  #isThere(key: string, id: number): boolean {
    return (this.#entries.get(key) ?? this.#kept.get(key))?.id === id;
  }

  /** Is this very hold still there? */
  has(key: string, id: number): boolean {
    this.sweep();
    return this.#isThere(key, id);
  }

  /** Ends a hold without giving anything back. false: it has lapsed. */
  end(key: string, id: number): boolean {
    const isThere = this.has(key, id);
    if (isThere) this.forget(key);
    return isThere;
  }

  /** Which of several are still there, all of them seen at one time. */
  still<P extends Part>(parts: readonly P[]): P[] {
    this.sweep();
    return parts.filter(([key, id]) => this.#isThere(key, id));
  }

  /** Ends several without giving anything back: all, or none where one is over (false). */
  endAll(parts: readonly Part[]): boolean {
    if (this.still(parts).length < parts.length) return false;
    for (const [key] of parts) this.forget(key);
    return true;
  }

  /** Ends whatever hold there is under the key: somebody released what it held. */
  forget(key: string): void {
    if (this.#entries.size > 0) this.#entries.delete(key);
    if (this.#kept.size > 0) this.#kept.delete(key);
  }

  /** The same of each whose `what` was released. */
  forgetAll(isReleased: (what: T) => boolean): void {
    for (const each of [this.#entries, this.#kept])
      for (const [key, { what }] of each) if (isReleased(what)) each.delete(key);
  }

  /**
   * What is held under the key is in use: this is no hold any more, but confirm is right until it
   * is released, and an abort leaves it.
   */
  keep(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#kept.set(key, entry);
  }

  /** The same of each whose `what` is in use. */
  keepAll(isUsed: (what: T) => boolean): void {
    for (const [key, { what }] of this.#entries) if (isUsed(what)) this.keep(key);
  }

  /** Gives back those of several that are still there; what is in use is left as it is. */
  abortAll(parts: readonly Part[]): void {
    for (const [key] of this.still(parts)) {
      const entry = this.#entries.get(key);
      if (entry) entry.giveBack(entry.what);
      this.forget(key);
    }
  }

  /** Gives back what has lapsed. */
  sweep(): void {
    if (this.#entries.size === 0) return;
    const now = this.#clock();
    if (now >= this.#earliest) this.#lapse(now);
  }

  #lapse(now: number): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (const [key, entry] of this.#entries) {
      if (entry.due <= now) this.#giveBack(key, entry, now);
      // One that is there still is not due yet, or is tried again.
      if (this.#entries.get(key) === entry) earliest = Math.min(earliest, entry.due);
    }
    this.#earliest = earliest;
  }

  // No call of a pool, and no timer, fails because somebody else's hold can't be given back.
  #giveBack(key: string, entry: Entry<T>, now: number): void {
    this.#entries.delete(key);
    try {
      entry.giveBack(entry.what);
    } catch (error) {
      if (!(error instanceof IpamError)) throw error;
      if (this.#isOver) return;
      entry.id = 0;
      entry.due = now + AGAIN;
      this.#entries.set(key, entry);
    }
  }

  /** Ends all: their thread has no more to do with the pool, which stays. */
  abort(): void {
    const now = this.#clock();
    for (const [key, entry] of [...this.#entries]) this.#giveBack(key, entry, now);
  }

  /** Forgets all without giving back: the pool is closed. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#entries.clear();
    this.#kept.clear();
    this.#isOver = true;
  }

  #arm(due: number, seconds: number): void {
    if (this.#timer !== undefined && this.#alarm <= due) return;
    clearTimeout(this.#timer);
    this.#alarm = due;
    this.#timer = setTimeout(() => this.#wake(), seconds * 1000 + 5);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #wake(): void {
    this.#timer = undefined;
    this.sweep();
    if (this.#entries.size === 0) return;
    this.#arm(this.#earliest, Math.max(0.01, this.#earliest - this.#clock()));
  }
}

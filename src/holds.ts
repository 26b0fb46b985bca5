// Holds: what was taken but isn't confirmed yet. Each lapses after its time, by itself: at the next
// call of the pool that looks, and by a timer that keeps no process alive.
//
// In memory of this thread only: a hold isn't shared, isn't saved, and lapses with its process.
import { IpamError } from "./errors.ts";

/** Seconds after which a hold lapses unless told otherwise. */
export const HOLD_TTL = 60;
const TTL_MAX = 86_400;

/** Options of `hold`. */
export interface HoldOptions {
  /** Seconds until it lapses: more than 0, at most 86,400; default 60. */
  ttl?: number;
}

interface Entry<T> {
  /** Tells this hold from an earlier one of the same key. */
  id: number;
  due: number;
  giveBack: (what: T) => void;
  what: T;
}

/** Seconds from the options. Throws "invalid". */
export function ttlOf(options: HoldOptions | undefined): number {
  const ttl = options?.ttl === undefined ? HOLD_TTL : options.ttl;
  if (typeof ttl !== "number" || !(ttl > 0 && ttl <= TTL_MAX))
    throw new IpamError("invalid", `ttl ${ttl} is not a number of seconds up to ${TTL_MAX}`, ttl);
  return ttl;
}

/** The holds of one pool, by a key of the pool's choice. */
export class Holds<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #clock: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #alarm = 0;
  #last = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** How many there are, lapsed ones given back first. */
  get size(): number {
    this.sweep();
    return this.#entries.size;
  }

  /** Notes a hold on `what` under `key` for `ttl` seconds. Answers its id. */
  add(key: string, what: T, ttl: number, giveBack: (what: T) => void): number {
    const id = ++this.#last;
    this.#entries.set(key, { id, due: this.#clock() + ttl, giveBack, what });
    this.#arm(ttl);
    return id;
  }

  /** When the hold lapses (seconds of the pool's clock); undefined: there is none. */
  due(key: string): number | undefined {
    this.sweep();
    return this.#entries.get(key)?.due;
  }

  /** Is this very hold still there? */
  has(key: string, id: number): boolean {
    this.sweep();
    return this.#entries.get(key)?.id === id;
  }

  /** Ends a hold without giving anything back. false: it has lapsed. */
  end(key: string, id: number): boolean {
    return this.has(key, id) && this.#entries.delete(key);
  }

  /** Ends whatever hold there is under the key: somebody released what it held. */
  forget(key: string): void {
    if (this.#entries.size > 0) this.#entries.delete(key);
  }

  /** Gives back what has lapsed. Cheap when there are no holds. */
  sweep(): void {
    if (this.#entries.size === 0) return;
    const now = this.#clock();
    for (const [key, entry] of this.#entries) {
      if (entry.due > now) continue;
      this.#entries.delete(key);
      entry.giveBack(entry.what);
    }
  }

  /** Forgets all without giving back: the pool is closed. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#entries.clear();
  }

  #arm(seconds: number): void {
    const due = this.#clock() + seconds;
    if (this.#timer !== undefined && this.#alarm <= due) return;
    clearTimeout(this.#timer);
    this.#alarm = due;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.sweep();
        if (this.#entries.size > 0) this.#arm(this.#nearest());
      },
      seconds * 1000 + 5,
    );
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #nearest(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) due = Math.min(due, entry.due);
    return Math.max(0.01, due - this.#clock());
  }
}

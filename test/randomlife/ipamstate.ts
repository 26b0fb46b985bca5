// The golden model of a durable Ipam's files: states, one behind each call that changed something,
// and which of them a kill, a reboot or a power cut may leave.
//
//   states   | safe | ... | written | ... | now |
//              what was flushed       what is only in memory, or in files as far as nobody knows
//
// A kill leaves one of those from `written` on, whole. A power cut leaves each record as it was in
// any of those from `safe` on: records are found one by one.
import { differs, type Entry, fits, State, said, text, type When } from "./ipamentry.ts";

/** Thrown where what is found isn't what may be. */
export class Fault extends Error {}

/** Addresses that a call which was stopped may have changed, as they are found. */
export type Doubt = (found: State) => Set<string>;

function keyOf(address: string, entry: Entry): string {
  return `${address} ${text(entry)}`;
}

export class History {
  #states = [new State()];
  /** Number of the first of them. */
  #first = 0;
  #written = 0;
  /** Every record that there ever was, at each of its addresses. */
  readonly #ever = new Set<string>();

  get now(): State {
    return this.#states.at(-1)!;
  }

  /** The number of the newest state. */
  get last(): number {
    return this.#first + this.#states.length - 1;
  }

  push(state: State): void {
    this.#states.push(state);
    this.#remember(state);
  }

  #remember(state: State): void {
    for (const [address, entry] of state.entries) this.#ever.add(keyOf(address, entry));
  }

  /** Everything up to this number survives a kill, and a power cut if `safe`. */
  keep(number: number, safe: boolean): void {
    this.#written = Math.max(this.#written, number);
    if (!safe || number <= this.#first) return;
    this.#states.splice(0, number - this.#first);
    this.#first = number;
  }

  /** What came after this number is nowhere. */
  drop(number: number): void {
    this.#states.length = Math.max(number, this.#written) - this.#first + 1;
  }

  /** Changes every state, as the next opening does. */
  each(work: (state: State) => void): void {
    for (const state of this.#states) work(state);
  }

  // The number of the newest of the states that a kill may leave which is there.
  #which(found: State, when: When, ignored?: Set<string>): number {
    let why: string | undefined;
    for (let n = this.last; n >= this.#written; n--) {
      const state = this.#states[n - this.#first]!;
      const different = differs(state, found, when, ignored);
      if (different === undefined) return n;
      why ??= different;
    }
    const count = this.last - this.#written + 1;
    throw new Fault(`none of ${count} states is there; of the last: ${why}`);
  }

  /** Is it the newest state? */
  isNow(found: State, when: When): void {
    const why = differs(this.now, found, when);
    if (why !== undefined) throw new Fault(why);
  }

  /** Is it one of those that a kill may leave? */
  isOne(found: State, when: When): void {
    this.#which(found, when);
  }

  /** The process was killed, or let go of what it couldn't write: one of the states is there. */
  afterKill(found: State, when: When, doubt: Doubt | undefined, noted: Set<string>): void {
    const ignored = new Set(doubt?.(found));
    for (const [address, { owner }] of this.addresses())
      if (noted.has(owner) && !found.entries.has(address)) ignored.add(address);
    const n = this.#which(found, when, ignored.size > 0 || doubt ? ignored : undefined);
    const state = this.#states[n - this.#first]!;
    this.#states.length = n - this.#first + 1;
    const next = found.with(state, when.now);
    next.slack = state.slack;
    this.push(next);
    this.#written = this.last;
  }

  /** The power was cut: each record is as it was in one of the states. */
  afterCut(found: State, when: When, doubt: Doubt | undefined, noted: Set<string>): void {
    const ignored = new Set(doubt?.(found));
    const all = new Set(found.entries.keys());
    for (const state of this.#states) for (const address of state.entries.keys()) all.add(address);
    for (const address of all) {
      if (ignored.has(address)) continue;
      const there = found.entries.get(address);
      const may = this.#states.map((state) => state.entries.get(address));
      const isNoted = may.some((one) => one && noted.has(one.owner));
      if (isNoted && !there) continue;
      if (may.some((one) => fits(one, there, when))) continue;
      const told = [...new Set(may.map((one) => said(one, when)))].join(" | ");
      throw new Fault(`after a power cut ${address} is ${said(there, when)}; it may be ${told}`);
    }
    for (const pool of this.#states[0]!.pools)
      if (!found.pools.has(pool)) throw new Fault(`after a power cut the pool ${pool} is gone`);
    for (const pool of found.pools)
      if (!this.#states.some((state) => state.pools.has(pool)))
        throw new Fault(`after a power cut there is a pool ${pool}`);
    this.begin(found);
  }

  /** The power was cut where nothing was synced: each record is one that there was. */
  afterLoss(found: State, doubt: Doubt | undefined): void {
    const ignored = doubt?.(found);
    for (const [address, entry] of found.entries)
      if (!ignored?.has(address) && !this.#ever.has(keyOf(address, entry)))
        throw new Fault(`${address} is ${said(entry, { now: 0, slack: 0 })}: it never was`);
    this.begin(found);
  }

  /** What is found is on disk. */
  begin(found: State): void {
    const state = found.clone();
    state.slack = 0;
    this.#first = this.last + 1;
    this.#states = [state];
    this.#remember(state);
    this.#written = this.#first;
  }

  /** By how many seconds a time may be over early: the wall clock jumped and nobody looked. */
  get slack(): number {
    return Math.max(...this.#states.map((state) => state.slack));
  }

  /** Addresses that aren't free in any of the states. */
  *addresses(): IterableIterator<[string, Entry]> {
    for (const state of this.#states) yield* state.entries;
  }
}

// A hold: the first step of an allocation that must be written elsewhere before it counts.
import { IpamError } from "./errors.ts";

/** What a hold needs of the pool that gave it. */
export interface HoldEnds {
  has(): boolean;
  confirm(): boolean;
  abort(): void;
}

/** Neither free nor allocated: until confirm, abort, or the end of its time. */
export class Hold<T = string> implements Disposable {
  /** What is held: an address, or the sub-prefixes of a node. */
  readonly address: T;
  readonly #ends: HoldEnds;
  #done = false;

  constructor(address: T, ends: HoldEnds) {
    this.address = address;
    this.#ends = ends;
  }

  /** Has its time passed before confirm or abort (or was it released, or its pool closed)? */
  get lapsed(): boolean {
    return !this.#done && !this.#ends.has();
  }

  /** Makes it an allocation and answers what it is. Throws "lapsed" when that is too late. */
  confirm(): T {
    if (this.#done || !this.#ends.confirm())
      throw new IpamError(
        "lapsed",
        `the hold on ${String(this.address)} has ended: aborted, confirmed, or its time passed`,
        this.address,
      );
    this.#done = true;
    return this.address;
  }

  /** Gives it back. Nothing happens after confirm, or when it has lapsed. */
  abort(): void {
    if (this.#done || this.lapsed) return;
    this.#ends.abort();
    this.#done = true;
  }

  /** abort, unless it was confirmed. */
  [Symbol.dispose](): void {
    this.abort();
  }
}

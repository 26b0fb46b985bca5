// A hold: the first step of an allocation that must be written elsewhere before it counts.
import { IpamError, shown } from "./errors.ts";

/** What a hold needs of the pool that gave it. */
export interface HoldEnds {
  /** Is all of it still held? */
  has(): boolean;
  /** false: it isn't. */
  confirm(): boolean;
  /** Gives back what is left of it. */
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

  /** Has its time passed before confirm or abort (or was part of it released, its pool closed)? */
  get lapsed(): boolean {
    return !this.#done && !this.#ends.has();
  }

  /** Makes it an allocation and answers what it is. Throws "lapsed" when that is too late. */
  confirm(): T {
    const what = typeof this.address === "string" ? this.address : shown(this.address);
    if (this.#done || !this.#ends.confirm())
      throw new IpamError(
        "lapsed",
        `the hold on ${what} has ended: aborted, confirmed, released, or its time passed`,
        this.address,
      );
    this.#done = true;
    return this.address;
  }

  /** Gives back what of it is still held. Nothing happens after confirm, or when all has ended. */
  abort(): void {
    if (this.#done) return;
    const { lapsed } = this;
    this.#ends.abort();
    this.#done = !lapsed;
  }

  /** abort, unless it was confirmed. */
  [Symbol.dispose](): void {
    this.abort();
  }
}

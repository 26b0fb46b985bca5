// Suite "bitmap": a set of `max` slots, of which the `reserved` lowest are given last. A pool by
// slot: the addresses of an IPv6 prefix of the next power of two, what is above `max` excluded, the
// reserved ones as its band.
import { createPool, Pool } from "../../src/pool.ts";
import {
  type Answer,
  attempt,
  numberOf,
  type Operation,
  type Player,
  refused,
  textOf,
  Unknown,
} from "./answer.ts";

interface Snapshot {
  bytes: Uint8Array;
  slots: string;
}

class Bitmap implements Player {
  #pool: Pool;
  readonly #max: number;
  #last: number | undefined;
  readonly #snapshots = new Map<string, Snapshot>();

  constructor(max: number, reserved: number) {
    this.#max = max;
    const bits = Math.max(0, Math.ceil(Math.log2(max)));
    const prefix = `fd00::/${128 - bits}`;
    const end = 2 ** bits - 1;
    const at = (slot: number) => {
      const high = Math.floor(slot / 65536).toString(16);
      return `fd00::${high}:${(slot % 65536).toString(16)}`;
    };
    const exclude = max <= end ? [`${at(max)}-${at(end)}`] : [];
    this.#pool = createPool(prefix, { band: reserved, exclude });
  }

  #held(): number[] {
    return [...this.#pool].map((address) => this.#pool.slotOf(address));
  }

  #has(index: number): boolean {
    return index >= 0 && index < this.#max && this.#pool.has(this.#pool.addressAt(index));
  }

  #allocate(index: number): Answer {
    if (index < 0 || index >= this.#pool.size) return refused(["outOfRange"], `slot ${index}`);
    const answer = attempt(() => {
      this.#pool.takeAt(index);
      return { allocated: true, index, given: [index] };
    });
    return { allocated: false, ...answer };
  }

  // Upstream's release says nothing of slots that aren't held.
  #release(index: number): Answer {
    if (this.#has(index)) this.#pool.give(index);
    return {};
  }

  #many(most: number): Answer {
    const before = new Set(this.#held());
    const given: number[] = [];
    const answer = attempt(() => {
      for (let i = 0; i < most; i++) given.push(this.#pool.take());
      return {};
    });
    this.#last = given.at(-1) ?? this.#last;
    const repeats = given.some((index) => before.has(index) || !before.add(index));
    const full = most === Infinity || given.length === most ? {} : answer;
    return {
      count: given.length,
      errors: given.length < most ? 1 : 0,
      indices: given,
      given,
      repeats,
      ...full,
    };
  }

  #restore(id: string): Answer {
    const snapshot = this.#snapshots.get(id)!;
    const restored = Pool.fromBytes(snapshot.bytes);
    this.#pool.close();
    this.#pool = restored;
    const { used, free } = restored;
    const sameSet = this.#held().join() === snapshot.slots;
    return { sameSet, used, count: used, free };
  }

  play(operation: Operation): Answer {
    switch (operation.op) {
      case "allocateNext": {
        const answer = this.#many(1);
        return answer.error ? answer : { ...answer, index: this.#last };
      }
      case "allocate":
        return this.#allocate(numberOf(operation, "index"));
      case "release":
        return this.#release(numberOf(operation, "index"));
      case "releaseLast":
        if (this.#last === undefined) throw new Error("nothing was given yet");
        return { index: this.#last, ...this.#release(this.#last) };
      case "has":
        return { value: this.#has(numberOf(operation, "index")) };
      case "count":
        return { value: this.#pool.used };
      case "free":
        return { value: this.#pool.free };
      case "allocateN":
        return this.#many(numberOf(operation, "n"));
      case "allocateUntilFull":
        return this.#many(Infinity);
      case "snapshot":
        this.#snapshots.set(textOf(operation, "id"), {
          bytes: this.#pool.toBytes(),
          slots: this.#held().join(),
        });
        return {};
      case "restoreInto":
        return attempt(() => this.#restore(textOf(operation, "id")));
      default:
        throw new Unknown(operation.op);
    }
  }

  close(): void {
    this.#pool.close();
  }
}

/** A player of one case. */
export function bitmap(setUp: Record<string, unknown>): Player {
  const reserved = setUp.reserved === undefined ? 0 : numberOf(setUp, "reserved");
  return new Bitmap(numberOf(setUp, "max"), reserved);
}

// Widths of slots: how a slot crosses into the core, a class for each.
//
//   bits   0 to 30 NarrowSlots: number, a bitmap     31 to 53 WideSlots: number
//         54 to 64 BigSlots: bigint                  65 to 128 HugeSlots: no slots outside, by key
import { IpamError, shown } from "./errors.ts";
import { BUSY } from "./heap.ts";
import { type ExistingCell, type SlotOptions, Slots } from "./slots.ts";

/** What take by slot answers while the lock is held. */
const BUSY_SLOT = -2;

/** Up to 2^30 slots. */
export class NarrowSlots extends Slots {
  // Fields: looking a function up in the exports takes as long as calling it.
  readonly #plainTake = this.core.plainTake!;
  readonly #plainGive = this.core.plainGive!;
  readonly #take32 = this.core.slotsTake32!;
  readonly #give32 = this.core.slotsGive32!;

  // The core's usual take first: one call that calls no other. What it hasn't done is done apart;
  // on a shared heap that is all.
  override take(): number {
    const slot = this.heap.lives === undefined ? (this.#plainTake(this.cell) as number) : -1;
    return slot >= 0 ? slot : this.#takeApart();
  }

  #takeApart(): number {
    const slot = this.#take32(this.cell, this.now()) as number;
    return slot >= 0 ? slot : this.#again(slot);
  }

  // The rare ends of take, out of the way of its fast path.
  #again(slot: number): number {
    if (slot !== BUSY_SLOT) this.refuse(slot);
    const again = this.heap.patiently(
      () => this.core.slotsTake32!(this.cell, this.now()) as number,
      BUSY_SLOT,
    );
    return again >= 0 ? again : this.refuse(again);
  }

  override giveRaw(slot: number): number {
    if (this.heap.lives === undefined && this.#plainGive(this.cell, slot) !== 0) return 0;
    const status = this.#give32(this.cell, slot, this.now()) as number;
    return status === BUSY ? this.giveKey(BigInt(slot)) : status;
  }

  override check(slot: unknown): void {
    // The first comparison is the fast one, for all but wide pools.
    if (typeof slot === "number") {
      if (slot >>> 0 === slot && slot < this.limit) return;
      if (Number.isInteger(slot) && slot >= 0 && slot < this.limit) return;
    }
    throw new IpamError("invalid", `${shown(slot)} is not a slot: 0 to ${this.limit - 1}`, slot);
  }

  override keyOf(slot: number): bigint {
    return BigInt(slot);
  }
}

/** Up to 2^53 slots, as numbers. */
export class WideSlots extends NarrowSlots {
  override take(): number {
    const slot = this.heap.patiently(
      () => this.core.slotsTakeF!(this.cell, this.now()) as number,
      BUSY_SLOT,
    );
    return slot >= 0 ? slot : this.refuse(slot);
  }

  override giveRaw(slot: number): number {
    return this.heap.patiently(
      () => this.core.slotsGiveF!(this.cell, slot, this.now()) as number,
      BUSY,
    );
  }
}

/** Up to 2^64 slots, as bigint. */
export class BigSlots extends Slots {
  override take(): bigint {
    this.takeNext();
    return BigInt.asUintN(64, this.core.lastLo!());
  }

  override giveRaw(slot: bigint): number {
    return this.heap.patiently(
      () => this.core.slotsGive!(this.cell, 0n, slot, this.now()) as number,
      BUSY,
    );
  }

  override check(slot: unknown): void {
    if (typeof slot === "bigint" && slot >= 0n && slot >> BigInt(this.bits) === 0n) return;
    const last = (1n << BigInt(this.bits)) - 1n;
    throw new IpamError("invalid", `${shown(slot)} is not a slot: a bigint, 0n to ${last}n`, slot);
  }

  override keyOf(slot: bigint): bigint {
    return slot;
  }
}

/** More than 2^64 slots: by key only. */
export class HugeSlots extends BigSlots {
  override take(): bigint {
    return this.check();
  }

  override check(slot?: unknown): never {
    throw new IpamError(
      "tooLarge",
      `this pool has 2^${this.bits} addresses: slots end at 2^64, use allocate and release`,
      slot,
    );
  }

  protected override widthOf(array: unknown): never {
    return this.check(array);
  }
}

/** The class for so many bits. */
export function makeSlots(
  bits: number,
  options: SlotOptions,
  clock?: () => number,
  existing?: ExistingCell,
): Slots {
  const Kind =
    bits <= 30 ? NarrowSlots : bits <= 53 ? WideSlots : bits <= 64 ? BigSlots : HugeSlots;
  return new Kind(bits, options, clock, existing);
}

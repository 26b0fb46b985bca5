// Widths of slots: how a slot crosses into the core, a class for each.
//
//   bits   0 to 30 NarrowSlots: number, a bitmap     31 to 53 WideSlots: number
//         54 to 64 BigSlots: bigint                  65 to 128 HugeSlots: no slots outside, by key
import { IpamError, shown } from "./errors.ts";
import { BUSY } from "./heap.ts";
import { type Lessee, ROW_SLOTS } from "./rows.ts";
import { type ExistingCell, type SlotOptions, Slots } from "./slots.ts";

/** What take by slot answers while the lock is held. */
const BUSY_SLOT = -2;

/** Pools of fewer bits than this take none ahead. */
const AHEAD_BITS = 12;
/** Those that are taken ahead should lie within this share of the pool: 1 / 2^5. */
const SPAN_SHIFT = 5;
/** Single takes after a row that wasn't worth it, until the next one: at first, at most. */
const ALONE = 16;
const ALONE_MAX = 1024;

/**
 * Up to 2^30 slots. A row of takes gets its slots from the core several at a time: two, then four,
 * up to 64. What is taken ahead goes back before any call that would tell it from free: whoever
 * asks for `cell` gets one that says what callers hold. So answers and order are those of single
 * takes.
 */
export class NarrowSlots extends Slots implements Lessee {
  // Fields: looking a function up in the exports takes as long as calling it.
  readonly #plainTake = this.core.plainTake!;
  readonly #plainTakeRow = this.core.plainTakeRow!;
  readonly #plainGive = this.core.plainGive!;
  readonly #take32 = this.core.slotsTake32!;
  readonly #give32 = this.core.slotsGive32!;
  // Does the core take several at a time from such a pool?
  readonly #isRowed: boolean;
  // Taken ahead, in order: from #at to #end of these words; before #at what a take got last.
  readonly #words: Int32Array = this.heap.rows.words;
  #at = 0;
  #end = 0;
  // Where the pool's row begins; 0 = it has none.
  #row = 0;
  // The slot before the first of the row, and its last: a slot between them may be one of those
  // taken ahead, or would come before one.
  #before = 0;
  #last = 0;
  // How many the next call takes; below 2: one, and it goes up by one.
  #many = 1;
  // How many single takes come after the next row that isn't worth it.
  #alone = ALONE;

  constructor(
    bits: number,
    options: SlotOptions,
    clock: (() => number) | undefined,
    existing?: ExistingCell,
  ) {
    super(bits, options, clock, existing);
    const { policy, cooldown, band } = options;
    this.#isRowed = bits >= AHEAD_BITS && policy === "next" && cooldown === 0 && band === 0n;
  }

  override take(): number {
    if (this.#at < this.#end) return this.#words[this.#at++]!;
    return this.heap.lives === undefined ? this.#takeQuick() : this.#takeApart();
  }

  // The core's usual take first: one call that calls no other. What it hasn't done is done apart;
  // on a shared heap that is all.
  #takeQuick(): number {
    if (this.#many > 1 && this.#takeAhead()) return this.#words[this.#at++]!;
    if (this.#isRowed) this.#many++;
    const slot = this.#plainTake(this.place) as number;
    return slot >= 0 ? slot : this.#takeApart();
  }

  // False: nothing is ahead, since nothing is left, or what is left isn't simple to take.
  #takeAhead(): boolean {
    const words = this.#words;
    const many = this.#many;
    if (this.#row === 0) this.#row = this.heap.rows.lease(this);
    const row = this.#row;
    const got = this.#plainTakeRow(this.place, row * 4, many) as number;
    if (got === 0) {
      this.#goAlone();
      return false;
    }
    const before = words[row]! - 1;
    const last = words[row + got - 1]!;
    words[row - 1] = before;
    this.#before = before;
    this.#last = last;
    this.#at = row;
    this.#end = row + got;
    // A slot that comes back falls among them as seldom as they lie close together.
    const isWide = last - before > this.limit >> SPAN_SHIFT;
    if (!isWide && got === many) this.#many = Math.min(2 * many, ROW_SLOTS);
    else if (isWide && many > 2) this.#many = many >> 1;
    else if (isWide) this.#goAlone();
    if (many === ROW_SLOTS) this.#alone = Math.max(this.#alone >> 1, ALONE);
    return true;
  }

  // Takes come one by one for a while, the next time for longer.
  #goAlone(): void {
    this.#many = 1 - this.#alone;
    this.#alone = Math.min(2 * this.#alone, ALONE_MAX);
  }

  protected override get ahead(): number {
    return this.#end - this.#at;
  }

  // The cursor first, while all of them are held, and then from behind, each forgotten as it goes:
  // a lock that can't be had in the midst leaves none twice, and the order as it was.
  protected override settle(): void {
    if (this.#at === this.#end) return;
    const behind = BigInt(this.#words[this.#at - 1]! + 1);
    this.heap.patiently(() => this.core.cursorSet!(this.place, 0n, behind) as number, BUSY);
    this.#goAlone();
    const give = () => this.#give32(this.place, this.#words[this.#end - 1]!, 0) as number;
    for (; this.#end > this.#at; this.#end--) this.heap.patiently(give, BUSY);
  }

  /** Another pool needs the row. */
  leave(): void {
    this.settle();
    this.#row = 0;
  }

  override close(): void {
    super.close();
    if (this.#row !== 0) this.heap.rows.vacate(this.#row);
    this.#row = 0;
  }

  // Nothing is taken ahead here.
  #takeApart(): number {
    const now = this.now();
    const slot = this.#take32(this.place, now) as number;
    return slot >= 0 ? slot : this.#again(slot);
  }

  // The rare ends of take, out of the way of its fast path.
  #again(slot: number): number {
    if (slot !== BUSY_SLOT) this.refuse(slot);
    const again = this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsTake32!(this.place, now) as number;
    }, BUSY_SLOT);
    return again >= 0 ? again : this.refuse(again);
  }

  override giveRaw(slot: number): number {
    // Behind what a take got last, up to the row's end. The two fields tell nearly all apart. Where
    // nothing is ahead the row may be another pool's by now: settle looks.
    if (slot > this.#before && slot <= this.#last && slot > this.#words[this.#at - 1]!)
      this.settle();
    if (this.heap.lives === undefined && this.#plainGive(this.place, slot) !== 0) return 0;
    const now = this.now();
    const status = this.#give32(this.place, slot, now) as number;
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
    const slot = this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsTakeF!(this.cell, now) as number;
    }, BUSY_SLOT);
    return slot >= 0 ? slot : this.refuse(slot);
  }

  override giveRaw(slot: number): number {
    return this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsGiveF!(this.cell, slot, now) as number;
    }, BUSY);
  }
}

/** Up to 2^64 slots, as bigint. */
export class BigSlots extends Slots {
  override take(): bigint {
    this.takeNext();
    return BigInt.asUintN(64, this.core.lastLo!());
  }

  override giveRaw(slot: bigint): number {
    return this.heap.patiently(() => {
      const now = this.now();
      return this.core.slotsGive!(this.cell, 0n, slot, now) as number;
    }, BUSY);
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

// One bitmap twice: a pool's, by the functions without journal, and a second one by those of
// bitmap.ts, whose answers and words must be the same.
import { expect } from "vitest";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import { type Exports, type Loaded, loadCore } from "../../src/wasm.ts";

export const NONE = 0xffffffff;

function heapOf(core: Loaded<Exports>): Loaded<Exports> {
  core.exports.deskSit!(0);
  core.exports.heapFormat!();
  return core;
}

/**
 * One bitmap, a pool's, by the functions without journal, and a second one by those of bitmap.ts.
 */
export class Bitmaps {
  static readonly core = heapOf(loadCore());
  readonly slots: number;
  readonly #cell: number;
  readonly #first: number;
  readonly #second: number;
  readonly #bytes: number;
  /** Where policy `next` goes on. */
  #cursor = 0;

  constructor(slots: number) {
    this.slots = slots;
    const { exports, memory } = Bitmaps.core;
    this.#bytes = exports.bitmapBytes!(slots);
    this.#cell = exports.slotsMake!(Math.log2(slots), 0, 0, 1n);
    this.#second = exports.runTake!(this.#bytes);
    this.#first = new DataView(memory.buffer).getUint32(WINDOW_BASE + this.#cell + 8, true);
  }

  /** An export of bitmap.ts on the second. */
  #slow(name: string, ...values: number[]): number {
    return Bitmaps.core.exports[name]!(this.#second, this.slots, ...values) >>> 0;
  }

  /** The same on both. */
  both(name: string): [number, number] {
    const { exports } = Bitmaps.core;
    return [exports[name]!(this.#first, this.slots) >>> 0, this.#slow(name)];
  }

  /** Takes or gives back from..to: how many, of both. */
  fill(from: number, to: number, take: boolean): [number, number] {
    const { exports } = Bitmaps.core;
    const count = exports.slotsFill!(this.#cell, 0n, BigInt(from), BigInt(to), take, 0);
    return [Number(count), this.#slow(take ? "bitmapFill" : "bitmapClear", from, to)];
  }

  /** Takes the next free slot at or after `from`, or after the last one. */
  take(from = this.#cursor): number {
    const { exports } = Bitmaps.core;
    if (from !== this.#cursor) exports.cursorSet!(this.#cell, 0n, BigInt(from));
    const quick = exports.slotsTake32!(this.#cell, 0) >>> 0;
    const slow = this.#slow("bitmapTakeNext", from);
    if (quick !== slow) throw new Error(`take ${from} of ${this.slots}: ${quick}, not ${slow}`);
    this.#cursor = quick === NONE ? from : quick + 1;
    return quick;
  }

  /** Takes this slot. */
  takeAt(slot: number): number {
    const quick = Bitmaps.core.exports.slotsTakeAt!(this.#cell, 0n, BigInt(slot), 0) === 0 ? 1 : 0;
    const slow = this.#slow("bitmapTake", slot);
    if (quick !== slow) throw new Error(`takeAt ${slot} of ${this.slots}: ${quick}, not ${slow}`);
    return quick;
  }

  give(slot: number): number {
    const quick = Bitmaps.core.exports.slotsGive32!(this.#cell, slot, 0) === 0 ? 1 : 0;
    const slow = this.#slow("bitmapGive", slot);
    if (quick !== slow) throw new Error(`give ${slot} of ${this.slots}: ${quick}, not ${slow}`);
    return quick;
  }

  /** Takes `n` slots from the cursor on: leaf by leaf, and one by one. */
  takeMany(n: number): number[] {
    const { exports, memory } = Bitmaps.core;
    const at = exports.transferArea!();
    const got = exports.slotsTakeMany!(this.#cell, 0, at, n, 4);
    const quick = [...new Uint32Array(memory.buffer, at, got)];
    const slow: number[] = [];
    let from = this.#cursor;
    for (let slot = 0; slow.length < n; from = slot + 1) {
      slot = this.#slow("bitmapTakeNext", from);
      if (slot === NONE) break;
      slow.push(slot);
    }
    expect(quick).toEqual(slow);
    this.#cursor = got > 0 ? quick.at(-1)! + 1 : this.#cursor;
    return quick;
  }

  /** Gives these back in this order, up to the first that isn't held; both stop there. */
  giveMany(slots: readonly number[]): number {
    const { exports, memory } = Bitmaps.core;
    const at = exports.transferArea!();
    new Uint32Array(memory.buffer, at, slots.length).set(slots);
    const quick = exports.slotsGiveMany!(this.#cell, 0, at, slots.length, 4);
    let slow = 0;
    while (slow < slots.length && this.#slow("bitmapGive", slots[slow]!) === 1) slow++;
    expect(quick).toBe(slow);
    return quick;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Slots that are held, as the pool counts them. */
  get held(): number {
    return Bitmaps.core.exports.slotsHeldF!(this.#cell);
  }

  /** Every word of both is the same, and right. */
  check(): void {
    const { buffer } = Bitmaps.core.memory;
    const part = (at: number) => Buffer.from(buffer, WINDOW_BASE + at, this.#bytes);
    expect(Buffer.compare(part(this.#first), part(this.#second))).toBe(0);
    expect(this.both("bitmapCheck")).toEqual([0, 0]);
  }

  /** Clears (or fills) the upper levels of the first, and lets quickSettle make them. */
  settle(byte: number): number {
    const { exports, memory } = Bitmaps.core;
    const leaves = Math.max(8, this.slots / 8);
    const at = WINDOW_BASE + this.#first;
    new Uint8Array(memory.buffer, at + leaves, this.#bytes - leaves).fill(byte);
    return exports.quickSettle!(at, this.slots) >>> 0;
  }

  /** Gives all of it back to the heap, of which the next bitmaps get zeroes. */
  close(): void {
    const { exports } = Bitmaps.core;
    exports.runFree!(this.#second, this.#bytes);
    expect(exports.slotsClose!(this.#cell)).toBe(0);
  }

  /** Sets a bit where there is no slot. */
  spoil(): void {
    const at = WINDOW_BASE + this.#first;
    new DataView(Bitmaps.core.memory.buffer).setBigUint64(at, 1n << BigInt(this.slots), true);
  }
}

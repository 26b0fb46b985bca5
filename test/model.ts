// The golden model of bitmap and radix set: an array of flags and a Set, slow and obvious. It reads
// the same operations as the compiled rooms (test/support/rooms.ts lists them) and says what the
// answer must be. Only "no memory" it can't foresee: it believes that answer, and changes nothing.
import type { Operation } from "./support/rooms.ts";

/** The last 128-bit key. */
export const LAST_KEY = (1n << 128n) - 1n;

const NONE = 0xffffffffn;
const NO_SPACE = "2";

/** A key from its halves. */
export function keyOf(hi: bigint, lo: bigint): bigint {
  return (BigInt.asUintN(64, hi) << 64n) | BigInt.asUintN(64, lo);
}

/** Slots 0..slots-1, each free or taken. */
class Slots {
  readonly taken: Uint8Array;

  constructor(slots: number) {
    this.taken = new Uint8Array(slots);
  }

  take(slot: number): boolean {
    if (slot >= this.taken.length || this.taken[slot] === 1) return false;
    this.taken[slot] = 1;
    return true;
  }

  give(slot: number): boolean {
    if (slot >= this.taken.length || this.taken[slot] === 0) return false;
    this.taken[slot] = 0;
    return true;
  }

  next(state: 0 | 1, from: number): bigint {
    const slot = this.taken.indexOf(state, from);
    return slot < 0 ? NONE : BigInt(slot);
  }

  takeNext(from: number): bigint {
    let slot = this.next(0, from);
    if (slot === NONE) slot = this.next(0, 0);
    if (slot !== NONE) this.take(Number(slot));
    return slot;
  }

  count(): number {
    return this.taken.reduce((sum, state) => sum + state, 0);
  }
}

/** Keys of 128 bits, in the set or not. */
class Keys {
  readonly taken = new Set<bigint>();

  nextFree(start: bigint, end: bigint): bigint | undefined {
    for (let key = start; key <= end; key++) if (!this.taken.has(key)) return key;
    return undefined;
  }

  nextTaken(start: bigint, end: bigint): bigint | undefined {
    let best: bigint | undefined;
    for (const key of this.taken)
      if (key >= start && key <= end && (best === undefined || key < best)) best = key;
    return best;
  }

  countWithin(start: bigint, end: bigint): number {
    let count = 0;
    for (const key of this.taken) if (key >= start && key <= end) count++;
    return count;
  }
}

function hex(value: bigint | number | boolean): string {
  return typeof value === "boolean" ? (value ? "1" : "0") : value.toString(16);
}

function keyText(key: bigint | undefined): string {
  return key === undefined ? "-" : `${hex(key >> 64n)}:${hex(key & ((1n << 64n) - 1n))}`;
}

/** Both structures by their operations. */
export class Model {
  slots = new Slots(0);
  keys = new Keys();

  /** The right answer to an operation, given what was answered. */
  answer(operation: Operation, given: string): string {
    const [code, ...values] = operation;
    return code <= "Z" ? this.#radix(code, values, given) : this.#bitmap(code, values, given);
  }

  #bitmap(code: string, [value = 0n]: bigint[], given: string): string {
    const slot = Number(value);
    switch (code) {
      case "b":
        this.slots = new Slots(slot);
        return given;
      case "t":
        return hex(this.slots.take(slot));
      case "g":
        return hex(this.slots.give(slot));
      case "h":
        return hex(this.slots.taken[slot] === 1);
      case "f":
        return hex(this.slots.next(0, slot));
      case "n":
        return hex(this.slots.next(1, slot));
      case "x":
        return hex(this.slots.takeNext(slot));
      case "c":
        return hex(this.slots.count());
      default:
        return "0";
    }
  }

  #radix(code: string, values: bigint[], given: string): string {
    const [startHi = 0n, startLo = 0n, endHi = 0n, endLo = 0n] = values;
    const start = keyOf(startHi, startLo);
    const end = keyOf(endHi, endLo);
    const { taken } = this.keys;
    switch (code) {
      case "R":
        taken.clear();
        return given;
      case "T":
        if (taken.has(start)) return "1";
        if (given === NO_SPACE) return NO_SPACE;
        taken.add(start);
        return "0";
      case "G":
        return hex(taken.delete(start));
      case "H":
        return hex(taken.has(start));
      case "F":
        return keyText(this.keys.nextFree(start, end));
      case "N":
        return keyText(this.keys.nextTaken(start, end));
      case "C":
        return hex(this.keys.countWithin(start, end));
      case "S":
        return hex(taken.size);
      case "K":
        return "0 0";
      case "E":
        taken.clear();
        return "1";
      default:
        return given;
    }
  }
}

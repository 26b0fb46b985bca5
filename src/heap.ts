// The heap: the one memory in which all pools of a process live, and this thread's instance of the
// core on it. A WebAssembly.Memory for each pool would end at about 13,000.
//
// Made at the first use; `share` (share.ts) makes it common to several threads. A call that finds
// the heap's lock held for 50 ms comes here: if the holder's thread has ended, its half-done call
// is undone.
import { IpamError } from "./errors.ts";
import { type CoreExports, coreInstance, coreMemory } from "./module.ts";
import { Rows } from "./rows.ts";

/** What calls of the core answer besides 0 (assembly/library/slots.ts and calls.ts). */
export const FREE = 6;
export const BUSY = -2;
/** The transfer area of an instance (bytes). */
export const TRANSFER_BYTES = 262_144;
/** Desks at one heap. */
const DESKS = 64;
/** How long a call waits for a lock whose holder is alive. */
const PATIENCE_MS = 10_000;

/** Does the thread with this tag still run? share.ts knows. */
export type Liveness = (tag: number) => boolean;

/** One thread's view of the heap. */
export class Heap {
  readonly exports: CoreExports;
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly u64: BigUint64Array;
  /** Byte offset of the transfer area. */
  readonly transfer: number;
  /** Where slots lie that are taken ahead. */
  readonly rows: Rows;
  readonly desk: number;
  /** Set when the heap is shared. */
  lives: Liveness | undefined;

  constructor(memory: WebAssembly.Memory, exports: CoreExports, desk: number) {
    this.memory = memory;
    this.exports = exports;
    this.desk = desk;
    this.u8 = new Uint8Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.f64 = new Float64Array(memory.buffer);
    this.u64 = new BigUint64Array(memory.buffer);
    this.transfer = exports.transferArea!() as number;
    this.rows = new Rows(memory.buffer, exports.rowsArea!() as number);
  }

  /** Calls `work` until it isn't BUSY any more. */
  patiently<T>(work: () => T, busy: T): T {
    const answer = work();
    return answer === busy ? this.#wait(work, busy) : answer;
  }

  // Apart: reading the clock takes longer than most calls.
  #wait<T>(work: () => T, busy: T): T {
    const begin = performance.now();
    for (;;) {
      this.lookAfterHolder(begin);
      const answer = work();
      if (answer !== busy) return answer;
    }
  }

  /** The lock was held for a slice: undoes for a thread that has ended, else waits on. */
  lookAfterHolder(since: number): void {
    const holder = this.exports.deskHolder!() as number;
    if (holder >= DESKS) return;
    const tag = this.exports.deskTag!(holder) as number;
    // Our own desk: a call of ours trapped. Nobody else can be in it.
    if (holder === this.desk || this.lives?.(tag) === false) {
      this.exports.deskRecover!(holder, tag);
      return;
    }
    if (performance.now() - since < PATIENCE_MS) return;
    throw new IpamError("locked", `the pools are locked by thread ${tag} for over 10 s`, tag);
  }

  /**
   * Puts a text of at most `cap` latin characters into the transfer area; its length, -1: too long.
   */
  putText(text: string, cap: number): number {
    if (text.length > cap) return -1;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      this.u8[this.transfer + i] = c < 128 ? c : 0;
    }
    return text.length;
  }

  /** Reads `length` latin characters from the transfer area. */
  text(length: number): string {
    let out = "";
    for (let i = 0; i < length; i++) out += String.fromCharCode(this.u8[this.transfer + i]!);
    return out;
  }
}

let own: Heap | undefined;

/** This thread's heap, made at the first call. */
export function heap(): Heap {
  if (own) return own;
  const memory = coreMemory();
  const exports = coreInstance(memory);
  exports.deskSit!(0);
  exports.heapFormat!();
  own = new Heap(memory, exports, 0);
  return own;
}

/** Bytes of the heap (of 1 GiB) that pools have in use; the heap's own map isn't counted. */
export function heapBytes(): number {
  const h = heap();
  return h.patiently(() => h.exports.heapUsed!() as number, BUSY) >>> 0;
}

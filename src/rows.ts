// Rows: where slots lie that the core has given ahead of their callers (slotwidths.ts), in the
// core's own memory, so that nobody copies them. A thread has 64 rows, which its pools lease:
//
//   | word before | slot | slot | ... 64 ... | - | - | - |   68 words each, 32 bits a word
//
// The word before is one less than the first slot. A pool keeps its row until it is closed, or
// until none is vacant and all others have changed hands since: then it gives back what it has
// taken ahead.
import { ROW_WORDS, ROWS } from "../assembly/numbers.ts";

/** Slots in a row. */
export const ROW_SLOTS = 64;

/** Who has a row. */
export interface Lessee {
  /** Gives back what lies in its row, and forgets the row. */
  leave(): void;
}

/** The rows of one thread. */
export class Rows {
  /** The core's memory. Signed: slots are below 2^30, and V8 needn't look whether they fit. */
  readonly words: Int32Array;
  readonly #first: number;
  readonly #lessees: (Lessee | undefined)[] = new Array(ROWS).fill(undefined);
  readonly #vacant: number[] = Array.from({ length: ROWS }, (_, n) => ROWS - 1 - n);
  #next = 0;

  /** `at` is the byte offset of the first row. */
  constructor(memory: ArrayBufferLike, at: number) {
    this.words = new Int32Array(memory);
    this.#first = at / 4;
  }

  /** The index of a row's first slot in `words`, for as long as the lessee isn't told to leave. */
  lease(lessee: Lessee): number {
    const row = this.#vacant.pop() ?? this.#emptied();
    this.#lessees[row] = lessee;
    return this.#first + row * ROW_WORDS + 1;
  }

  #emptied(): number {
    const row = this.#next;
    this.#lessees[row]!.leave();
    this.#next = (row + 1) % ROWS;
    return row;
  }

  /** Whose row begins at this index doesn't need it any more. */
  vacate(index: number): void {
    const row = (index - 1 - this.#first) / ROW_WORDS;
    this.#lessees[row] = undefined;
    this.#vacant.push(row);
  }
}

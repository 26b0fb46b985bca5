// Sequence: the draws of a seed and the hash of what was given, the same in every language that
// the bench's peers are written in: xorshift64* from seed | 1; FNV-1a of 64 bits over each slot in
// decimal and a line's end.

const MASK = (1n << 64n) - 1n;

/** xorshift64*: all 64 bits of each number. */
export function generator(seed: number): () => bigint {
  let x = BigInt(seed) | 1n;
  return () => {
    x ^= x >> 12n;
    x = (x ^ (x << 25n)) & MASK;
    x ^= x >> 27n;
    return (x * 0x2545f4914f6cdd1dn) & MASK;
  };
}

/** FNV-1a: a state in two halves, since a BigInt for each byte would take seconds. */
export class Fnv {
  #hi = 0xcbf29ce4;
  #lo = 0x84222325;

  /** Takes in a number's digits and a line's end. */
  add(value: number): void {
    const text = String(value);
    for (let at = 0; at < text.length; at++) this.#byte(text.charCodeAt(at));
    this.#byte(10);
  }

  // Times 0x100000001b3 = 2^40 + 435, modulo 2^64.
  #byte(byte: number): void {
    const lo = (this.#lo ^ byte) >>> 0;
    const product = lo * 435;
    const carry = Math.floor(product / 2 ** 32);
    this.#hi = (Math.imul(this.#hi, 435) + carry + (lo << 8)) >>> 0;
    this.#lo = product >>> 0;
  }

  /** 16 digits in hexadecimal. */
  toString(): string {
    const half = (value: number) => value.toString(16).padStart(8, "0");
    return half(this.#hi) + half(this.#lo);
  }
}

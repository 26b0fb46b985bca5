// Sequence: the work that every peer of the benchmark does, and the hash that shows that it did it.
// go/protocol/sequence.go says the same in Go; the two are changed together, and
// test/bench/gopeers.test.ts runs both.
//
// A round of a fill row allocates every usable slot, then releases them in the order in which they
// came. A round of a churn row releases a held slot and allocates one, over and over; which slot is
// released is drawn from the seed before the clock runs:
//
//     held:   1 2 3 ... n      (the first n usable slots, in order)
//     draw:   i = next() mod n
//     step:   slot = held[i]; held[i] = held[n-1]; release(slot); held[n-1] = allocate()
//
// On a new allocator: fill(), then proceed(), both untimed; they check every answer and make the
// hash. round() is what is timed afterwards, any number of times. Where the policy leaves one order
// only (`common`), the hash stands for the slots as they were given and released; else for how many
// there were, which is all that policies have in common.

/** What a peer is reduced to: slots are addresses less the first one of the row's prefix. */
export interface Allocator {
  allocate(): number;
  release(slot: number): void;
  /** Takes the named slots, with which a churn row starts; without it they come from allocate(). */
  hold?(slots: Uint32Array): void;
}

/** A line of the benchmark's tables: a prefix whose slots first..last can be given. */
export interface Row {
  readonly name: string;
  readonly prefix: string;
  /** Of a slot: 32 for IPv4 addresses, 64 for node prefixes. */
  readonly length: number;
  readonly slots: number;
  readonly first: number;
  readonly last: number;
  /** Held while a churn row runs; 0: a fill row. */
  readonly percent: number;
}

const FOUR = { prefix: "10.0.0.0/24", length: 32, slots: 256, first: 1, last: 254 };
const SIXTEEN = { prefix: "10.0.0.0/16", length: 32, slots: 65_536, first: 1, last: 65_534 };
const NODES = { prefix: "2001:db8::/48", length: 64, slots: 65_536, first: 0, last: 65_535 };

/** Every row, in the order of the tables. */
export const ROWS: readonly Row[] = [
  { name: "fill-24", ...FOUR, percent: 0 },
  { name: "fill-16", ...SIXTEEN, percent: 0 },
  { name: "churn-24@50", ...FOUR, percent: 50 },
  { name: "churn-16@50", ...SIXTEEN, percent: 50 },
  { name: "churn-16@99", ...SIXTEEN, percent: 99 },
  { name: "nodecidr-48-64", ...NODES, percent: 0 },
];

/** The row of that name; an unknown one is an error. */
export function rowOf(name: string): Row {
  const row = ROWS.find((one) => one.name === name);
  if (!row) throw new Error(`no row ${name}: ${ROWS.map((one) => one.name).join(", ")}`);
  return row;
}

/** Slots that can be given. */
export function usable(row: Row): number {
  return row.last - row.first + 1;
}

/** Slots that are held when the row is at its fullest. */
export function heldAtMost(row: Row): number {
  return row.percent === 0 ? usable(row) : Math.floor((usable(row) * row.percent) / 100);
}

const MASK = (1n << 64n) - 1n;

/** xorshift64*, 64 bits a number. An even seed counts as the odd one after it. */
export function* random(seed: bigint): Generator<bigint, never> {
  let x = (seed & MASK) | 1n;
  for (;;) {
    x ^= x >> 12n;
    x ^= (x << 25n) & MASK;
    x ^= x >> 27n;
    yield (x * 0x2545f4914f6cdd1dn) & MASK;
  }
}

/**
 * FNV-1a, 64 bits, over numbers in decimal with a newline each. The state is two halves: a bigint
 * for each byte takes ten times as long, and the hash of a /16 covers a million bytes.
 */
export class Fnv {
  #hi = 0xcbf29ce4;
  #lo = 0x84222325;

  add(number: number): void {
    const text = String(number);
    for (let at = 0; at < text.length; at++) this.#byte(text.charCodeAt(at));
    this.#byte(10);
  }

  /** Times 0x100000001b3 = 2^40 + 435, modulo 2^64. */
  #byte(byte: number): void {
    const lo = (this.#lo ^ byte) >>> 0;
    const product = lo * 435;
    const carry = Math.floor(product / 2 ** 32);
    this.#hi = (Math.imul(this.#hi, 435) + carry + (lo << 8)) >>> 0;
    this.#lo = product >>> 0;
  }

  /** 16 digits of hexadecimal. */
  toString(): string {
    const half = (value: number) => value.toString(16).padStart(8, "0");
    return half(this.#hi) + half(this.#lo);
  }
}

/** The hash of lists, one after the other. */
export function hashOf(...lists: Iterable<number>[]): string {
  const hash = new Fnv();
  for (const list of lists) for (const number of list) hash.add(number);
  return hash.toString();
}

/** A row's work with the draws made and the space for its answers taken. */
export class Sequence {
  readonly row: Row;
  /** Calls to the allocator in one round. */
  readonly calls: number;
  readonly #held: Uint32Array;
  readonly #draws: Uint32Array;
  /** Of a churn row's last round: released, given, released, given ... */
  readonly #seen: Uint32Array;

  /** Draws for `operations` steps; a fill row needs none. */
  constructor(row: Row, seed: bigint | number, operations: number) {
    this.row = row;
    this.#held = new Uint32Array(heldAtMost(row));
    const steps = row.percent === 0 ? 0 : operations;
    const numbers = random(BigInt(seed));
    const n = BigInt(this.#held.length);
    this.#draws = Uint32Array.from({ length: steps }, () => Number(numbers.next().value % n));
    this.#seen = new Uint32Array(2 * steps);
    this.calls = row.percent === 0 ? 2 * this.#held.length : 2 * steps;
  }

  /** Brings a new allocator to its fullest. */
  fill(allocator: Allocator): void {
    if (this.row.percent === 0 || !allocator.hold) {
      this.#allocateAll(allocator);
      return;
    }
    for (let i = 0; i < this.#held.length; i++) this.#held[i] = this.row.first + i;
    allocator.hold(this.#held);
  }

  /** The rest of the first round, after fill(): checks every answer and returns the hash. */
  proceed(allocator: Allocator, common: boolean): string {
    const filled = this.#held.slice();
    this.#rest(allocator);
    this.#check(filled);
    if (!common) return hashOf([filled.length, this.calls, usable(this.row)]);
    return hashOf(filled, this.row.percent === 0 ? filled : this.#seen);
  }

  /** The timed work. */
  round(allocator: Allocator): void {
    if (this.row.percent === 0) this.#allocateAll(allocator);
    this.#rest(allocator);
  }

  #allocateAll(allocator: Allocator): void {
    const held = this.#held;
    for (let i = 0; i < held.length; i++) held[i] = allocator.allocate();
  }

  #rest(allocator: Allocator): void {
    const [held, draws, seen] = [this.#held, this.#draws, this.#seen];
    if (this.row.percent === 0) {
      for (let i = 0; i < held.length; i++) allocator.release(held[i]!);
      return;
    }
    const last = held.length - 1;
    for (let i = 0; i < draws.length; i++) {
      const draw = draws[i]!;
      const slot = held[draw]!;
      held[draw] = held[last]!;
      allocator.release(slot);
      const given = allocator.allocate();
      held[last] = given;
      seen[2 * i] = slot;
      seen[2 * i + 1] = given;
    }
  }

  /** Nothing is given twice, nothing that the row excludes. */
  #check(filled: Uint32Array): void {
    const { first, last, slots } = this.row;
    const taken = new Uint8Array(slots);
    const take = (slot: number) => {
      if (slot < first || slot > last)
        throw new Error(`slot ${slot} was given, usable are ${first} to ${last}`);
      if (taken[slot]) throw new Error(`slot ${slot} was given while it was held`);
      taken[slot] = 1;
    };
    for (const slot of filled) take(slot);
    for (let i = 0; i < this.#seen.length; i += 2) {
      taken[this.#seen[i]!] = 0;
      take(this.#seen[i + 1]!);
    }
  }
}

/** The plainest allocator there is, first free slot first: what the others are checked against. */
export function plainAllocator(row: Row): Allocator {
  const taken = new Uint8Array(row.slots);
  let from = row.first; // nothing below it is free
  return {
    allocate() {
      const slot = taken.indexOf(0, from);
      if (slot < 0 || slot > row.last) throw new Error(`nothing is free in ${row.prefix}`);
      taken[slot] = 1;
      from = slot + 1;
      return slot;
    },
    release(slot) {
      if (!taken[slot]) throw new Error(`slot ${slot} isn't held`);
      taken[slot] = 0;
      from = Math.min(from, slot);
    },
  };
}

/** What a peer's hash has to be for the same row, seed and number of operations. */
export function expectedHash(
  row: Row,
  seed: bigint | number,
  operations: number,
  common: boolean,
): string {
  const sequence = new Sequence(row, seed, operations);
  const allocator = plainAllocator(row);
  sequence.fill(allocator);
  return sequence.proceed(allocator, common);
}

// A cluster prefix that gives sub-prefixes of mixed lengths: a cell of assembly/library/blocks.ts.
//
//   level = length - length of the cluster prefix        index = which block of its level
//   saved: 24 bytes a held block, | index hi u64 | index lo u64 | level u64 |
import { formatPrefix, lastOf, type Prefix, widthOf } from "../address.ts";
import { IpamError } from "../errors.ts";
import { BUSY, type Heap, heap } from "../heap.ts";
import { keptBack, type Rules } from "./prefixoptions.ts";
import { ClusterRange, type Fit, type RangeCounts, type RangeState } from "./ranges.ts";

const OK = 0;
const TAKEN = 1;
const NO_SPACE = 5;
const STATES = ["free", "held", "", "excluded", "", "partly"];
const MASK64 = (1n << 64n) - 1n;
const GROUP = 24;

/** Blocks that make up first..last (counted in addresses from 0), each as large as can be. */
export function* blocksOf(first: bigint, last: bigint, span: number) {
  for (let at = first; at <= last; ) {
    let bits = 0;
    while (bits < span && ((at >> BigInt(bits)) & 1n) === 0n) {
      if (at + (1n << BigInt(bits + 1)) - 1n > last) break;
      bits++;
    }
    yield { level: span - bits, index: at >> BigInt(bits) };
    at += 1n << BigInt(bits);
  }
}

/** A cluster prefix that gives any length from its own on. */
export class BlockRange extends ClusterRange {
  readonly #heap: Heap = heap();
  readonly #width: number;
  readonly #span: number;
  readonly #excluded: bigint;
  #cell: number;
  #held = 0;

  constructor(prefix: Prefix, rules: Rules) {
    super(prefix, rules);
    this.#width = widthOf(prefix.family);
    this.#span = this.#width - prefix.length;
    const kept = keptBack(rules, prefix, 0n);
    const units = keptBack(rules, prefix, BigInt(this.#width - this.length));
    this.#excluded = units.reduce((sum, [first, last]) => sum + last - first + 1n, 0n);
    this.#cell = this.#heap.patiently(
      () => this.#heap.exports.blocksMake!(this.#span) as number,
      BUSY,
    );
    if (this.#cell === 0) this.#noSpace();
    try {
      for (const [first, last] of kept)
        for (const { level, index } of blocksOf(first, last, this.#span))
          this.#call("blocksExclude", level, index);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #noSpace(): never {
    throw new IpamError("noSpace", "the heap of this process is full (1 GiB): close pools");
  }

  #call(name: string, level: number, index: bigint): number {
    const { exports } = this.#heap;
    const work = () => exports[name]!(this.#cell, level, index >> 64n, index & MASK64) as number;
    const status = this.#heap.patiently(work, BUSY);
    if (status === NO_SPACE && name !== "blocksState") this.#noSpace();
    return status;
  }

  #at(name: string, p: Prefix): number {
    const index = (p.base - this.prefix.base) >> BigInt(this.#width - p.length);
    return this.#call(name, p.length - this.prefix.length, index);
  }

  // The block that the last call found.
  #last(): Prefix {
    const { blockLevel, blockHi, blockLo } = this.#heap.exports as unknown as Record<
      string,
      WebAssembly.Global
    >;
    const length = this.prefix.length + (blockLevel!.value as number);
    const index = (BigInt.asUintN(64, blockHi!.value) << 64n) | BigInt.asUintN(64, blockLo!.value);
    const base = this.prefix.base + (index << BigInt(this.#width - length));
    return { family: this.prefix.family, base, length };
  }

  override hasRoom(length: number): boolean {
    if (length < this.prefix.length) return false;
    return this.#heap.exports.blocksRoom!(this.#cell, length - this.prefix.length) === 1;
  }

  override take(length: number): Prefix | undefined {
    if (!this.hasRoom(length)) return undefined;
    const level = length - this.prefix.length;
    const work = () => this.#heap.exports.blocksTake!(this.#cell, level) as number;
    const status = this.#heap.patiently(work, BUSY);
    if (status === NO_SPACE) this.#noSpace();
    if (status !== OK) return undefined;
    this.#held++;
    return this.#last();
  }

  override fit(p: Prefix, isMine: (held: Prefix) => boolean): Fit {
    const now = this.stateOf(p);
    if (now.state === "free") return { status: "free" };
    if (now.state === "excluded") return { status: "conflict", held: undefined };
    const same = now.state === "held" && isMine(now.prefix);
    return same ? { status: "same" } : { status: "conflict", held: now.prefix };
  }

  override checkWidth(): void {}

  override occupy(p: Prefix, took?: (p: Prefix) => void): number {
    if (this.#at("blocksTakeAt", p) === TAKEN) return 0;
    this.#held++;
    took?.(p);
    return 1;
  }

  override give(p: Prefix): boolean {
    if (p.length < this.prefix.length || this.#at("blocksGive", p) !== OK) return false;
    this.#held--;
    return true;
  }

  override stateOf(p: Prefix): RangeState {
    const state = STATES[this.#at("blocksState", p)]!;
    if (state === "held" || state === "partly") return { state, prefix: this.#last() };
    return state === "free" ? { state } : { state: "excluded" };
  }

  override *heldIn(p: Prefix): IterableIterator<Prefix> {
    const { exports } = this.#heap;
    const last = lastOf(p) - this.prefix.base;
    for (let from = p.base - this.prefix.base; from <= last && this.#cell !== 0; ) {
      const at = from;
      const work = () => exports.blocksNext!(this.#cell, at >> 64n, at & MASK64) as number;
      if (this.#heap.patiently(work, BUSY) !== OK) return;
      const found = this.#last();
      if (found.base - this.prefix.base > last) return;
      yield found;
      from = lastOf(found) - this.prefix.base + 1n;
    }
  }

  override get held(): number {
    return this.#held;
  }

  override counts(): RangeCounts {
    const deepest = this.length - this.prefix.length;
    let free = 0n;
    let largest: number | null = null;
    for (let level = 0; level <= this.#span; level++) {
      const blocks = BigInt.asUintN(64, this.#heap.exports.blocksCount!(this.#cell, level, 0));
      if (blocks === 0n) continue;
      largest ??= this.prefix.length + level;
      if (level <= deepest) free += blocks << BigInt(deepest - level);
    }
    const size = 1n << BigInt(deepest);
    return {
      size: Number(size),
      used: Number(size - free - this.#excluded),
      free: Number(free),
      excluded: Number(this.#excluded),
      held: this.#held,
      largest,
    };
  }

  override save(): { set: Uint8Array; cursor: string } {
    const set = new Uint8Array(this.#held * GROUP);
    const view = new DataView(set.buffer);
    let at = 0;
    for (const { base, length } of this.heldIn(this.prefix)) {
      const index = (base - this.prefix.base) >> BigInt(this.#width - length);
      view.setBigUint64(at, index >> 64n, true);
      view.setBigUint64(at + 8, index & MASK64, true);
      view.setBigUint64(at + 16, BigInt(length - this.prefix.length), true);
      at += GROUP;
    }
    return { set, cursor: "0" };
  }

  override load(set: Uint8Array): void {
    const view = new DataView(set.buffer, set.byteOffset, set.length);
    for (let at = 0; at < set.length; at += GROUP) {
      const index = (view.getBigUint64(at, true) << 64n) | view.getBigUint64(at + 8, true);
      const level = Number(view.getBigUint64(at + 16, true));
      if (this.#call("blocksTakeAt", level, index) !== OK)
        throw new IpamError("damaged", `blocks of ${formatPrefix(this.prefix)} overlap`);
      this.#held++;
    }
  }

  override close(): void {
    const { exports } = this.#heap;
    if (this.#cell !== 0)
      this.#heap.patiently(() => exports.blocksClose!(this.#cell) as number, BUSY);
    this.#cell = 0;
  }
}

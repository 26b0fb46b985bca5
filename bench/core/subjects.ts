// Subjects: allocators that give the first free slot, behind one face, so that they do the same
// work. Berth's pool, and what a JavaScript program would use in its place, each in its best shape:
//
//   naive Set          a Set of numbers, scanned from the first address
//   typedfastbitset    bits of what is held; the first word that isn't full is searched
//   roaring-wasm       the set of what is free, whose least one is the next
//   ip-address         addresses as BigInts in a Set, scanned; what is given is made a text
//
// Slots are counted from the prefix's first address; slot 0 and the last one are the network's and
// the broadcast address and never given (but all are where node prefixes are cut).
import { createRequire } from "node:module";
import { Address4 } from "ip-address";
import { heapBytes } from "../../src/heap.ts";
import { createPool, createPrefixPool, type Pool } from "../../src/index.ts";
import { liveBytes } from "../method/garbage.ts";
import { loadPeer } from "../peers/packages.ts";

/** What is measured: an allocator of slots `first` to `last`. */
export interface Subject {
  allocate(): number;
  release(slot: number): void;
  /** Takes the first `count` slots, as that many calls of allocate would. */
  occupy(count: number): void;
  /** Bytes that all of it takes now. */
  bytes(): number;
  close(): void;
}

export interface Space {
  /** 2^bits addresses. */
  bits: number;
  first: number;
  last: number;
  /** Node prefixes of a /48 instead of addresses. */
  prefixes?: boolean;
}

export interface Maker {
  who: string;
  /**
   * It looks at every held address before the free one: hopeless above some size. With so many
   * looks in a sample it takes about a second.
   */
  looksMax?: number;
  make(space: Space): Subject;
}

export type Found = Maker | { who: string; missing: string };

/** Addresses of an IPv4 prefix of 2^bits that pods can have. */
export function usable(bits: number): Space {
  return { bits, first: 1, last: 2 ** bits - 2 };
}

/** What can't be given is taken beforehand: exclusions would be looked at in every call. */
function berth({ bits, first, last, prefixes }: Space): Subject {
  const before = heapBytes();
  const text = `10.0.0.0/${32 - bits}`;
  const pool = prefixes
    ? createPrefixPool("fd00::/48", { policy: "first", length: 64 })
    : createPool(text, { policy: "first" });
  for (let slot = 0; slot < first; slot++) (pool as Pool).takeAt(slot);
  for (let slot = last + 1; slot < 2 ** bits; slot++) (pool as Pool).takeAt(slot);
  return {
    allocate: () => pool.take() as number,
    release: (slot) => pool.give(slot as never),
    occupy: (count) => {
      const slots = new Uint32Array(count);
      if (pool.takeMany(slots) !== count || slots[0] !== first || slots[count - 1]! > last)
        throw new Error(`${text} gave other slots than the first ${count}`);
    },
    bytes: () => heapBytes() - before,
    close: () => pool.close(),
  };
}

function naiveSet({ first, last }: Space): Subject {
  const before = liveBytes();
  const held = new Set<number>();
  return {
    allocate() {
      for (let slot = first; slot <= last; slot++)
        if (!held.has(slot)) {
          held.add(slot);
          return slot;
        }
      throw new Error("full");
    },
    release: (slot) => void held.delete(slot),
    occupy: (count) => {
      for (let slot = first; slot < first + count; slot++) held.add(slot);
    },
    bytes: () => liveBytes() - before,
    close: () => held.clear(),
  };
}

/**
 * Counted by BigInt, as ip-address lets one, and looked for as such: a text for each address on the
 * way would take 16 times as long. What is given is made a text.
 */
function scanning({ first, last }: Space): Subject {
  const before = liveBytes();
  const base = 0x0a000000n;
  const held = new Set<bigint>();
  const texts: string[] = [];
  return {
    allocate() {
      const end = base + BigInt(last);
      for (let address = base + BigInt(first); address <= end; address++) {
        if (held.has(address)) continue;
        held.add(address);
        const slot = Number(address - base);
        texts[slot] = Address4.fromBigInt(address).correctForm();
        return slot;
      }
      throw new Error("full");
    },
    release: (slot) => void held.delete(base + BigInt(slot)),
    occupy: (count) => {
      for (let slot = first; slot < first + count; slot++) held.add(base + BigInt(slot));
    },
    bytes: () => liveBytes() - before,
    close: () => held.clear(),
  };
}

interface BitSet {
  words: Uint32Array;
  add(index: number): void;
  remove(index: number): void;
  addRange(start: number, end: number): void;
}

function bitSet(TypedFastBitSet: new () => BitSet): Maker["make"] {
  return ({ bits, first, last }) => {
    const set = new TypedFastBitSet();
    set.add(2 ** bits - 1);
    if (last === 2 ** bits - 1) set.remove(last);
    if (first > 0) set.addRange(0, first);
    return {
      allocate() {
        const { words } = set;
        let at = 0;
        while (words[at] === 0xffffffff) at++;
        const slot = at * 32 + (31 - Math.clz32(~words[at]! & (words[at]! + 1)));
        if (slot > last) throw new Error("full");
        set.add(slot);
        return slot;
      },
      release: (slot) => set.remove(slot),
      occupy: (count) => set.addRange(first, first + count),
      bytes: () => set.words.byteLength,
      close: () => {},
    };
  };
}

interface Roaring {
  /** Takes the least one out. */
  shift(): number | undefined;
  add(value: number): unknown;
  addRange(start: number, end: number): unknown;
  removeRange(start: number, end: number): unknown;
  getSerializationSizeInBytes(format: "portable"): number;
  dispose(): unknown;
}

function roaring(RoaringBitmap32: new () => Roaring): Maker["make"] {
  return ({ first, last }) => {
    const free = new RoaringBitmap32();
    free.addRange(first, last + 1);
    return {
      allocate() {
        const slot = free.shift();
        if (slot === undefined) throw new Error("full");
        return slot;
      },
      release: (slot) => void free.add(slot),
      occupy: (count) => void free.removeRange(first, first + count),
      bytes: () => free.getSerializationSizeInBytes("portable"),
      close: () => void free.dispose(),
    };
  };
}

function versionOf(name: string): string {
  const require = createRequire(import.meta.url);
  return (require(`${name}/package.json`) as { version: string }).version;
}

/** Berth first, then the peers that are here, and why the others aren't. */
export async function subjects(peers: boolean, install: boolean): Promise<Found[]> {
  const own: Maker = { who: "Berth", make: berth };
  if (!peers) return [own];
  const sets = loadPeer<{ TypedFastBitSet: new () => BitSet }>("js", "typedfastbitset", install);
  const packed = loadPeer<{
    RoaringBitmap32: new () => Roaring;
    roaringLibraryInitialize(): Promise<void>;
  }>("js", "roaring-wasm", install);
  if ("module" in packed) await packed.module.roaringLibraryInitialize();
  const ip = `ip-address ${versionOf("ip-address")}, BigInt scan`;
  return [
    own,
    { who: "naive Set", looksMax: 1e8, make: naiveSet },
    "module" in sets
      ? {
          who: `typedfastbitset ${sets.version}`,
          make: bitSet(sets.module.TypedFastBitSet),
        }
      : { who: "typedfastbitset", missing: sets.missing },
    "module" in packed
      ? {
          who: `roaring-wasm ${packed.version}`,
          make: roaring(packed.module.RoaringBitmap32),
        }
      : { who: "roaring-wasm", missing: packed.missing },
    { who: ip, looksMax: 1e7, make: scanning },
  ];
}

// Berth as a peer of the benchmark's rows: take and give by slot, first free slot first.
import { createPool, createPrefixPool } from "../../src/index.ts";
import type { Allocator, Row } from "./sequence.ts";

/** A new, empty pool of the row's prefix, to be disposed of. */
export function berthAllocator(row: Row): Allocator & Disposable {
  return row.length === 32 ? addresses(row) : prefixes(row);
}

/** What the row excludes is taken beforehand. */
function addresses(row: Row): Allocator & Disposable {
  const pool = createPool(row.prefix, { policy: "first" });
  for (let slot = 0; slot < row.first; slot++) pool.takeAt(slot);
  for (let slot = row.last + 1; slot < row.slots; slot++) pool.takeAt(slot);
  return {
    allocate: () => pool.take(),
    release: (slot) => pool.give(slot),
    hold(slots) {
      for (const slot of slots) pool.takeAt(slot);
    },
    [Symbol.dispose]: () => pool.close(),
  };
}

function prefixes(row: Row): Allocator & Disposable {
  const pool = createPrefixPool(row.prefix, { length: row.length, policy: "first" });
  return {
    allocate: () => pool.take() as number,
    release: (slot) => pool.give(slot),
    [Symbol.dispose]: () => pool.close(),
  };
}

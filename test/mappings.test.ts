// How build/bin/berth lies in memory: each mapping more is paid for at every call.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SCRATCH_BASE, STATIC_BASE } from "../assembly/numbers.ts";
import { findCompiler, root } from "../scripts/native.mjs";

const PT_LOAD = 1;
const EXECUTE = 1;
const WRITE = 2;
/** WASM_RT_BASE of native/wasm-rt.h. */
const MEMORY_BASE = 0x10000000;

/** The program's mappings, from its ELF headers (System V ABI, chapter 5). */
function mappings(file: Buffer) {
  const at = Number(file.readBigUInt64LE(32));
  return Array.from({ length: file.readUInt16LE(56) }, (_, i) => at + 56 * i)
    .filter((header) => file.readUInt32LE(header) === PT_LOAD)
    .map((header) => ({
      flags: file.readUInt32LE(header + 4),
      from: Number(file.readBigUInt64LE(header + 16)),
      bytes: Number(file.readBigUInt64LE(header + 40)),
    }));
}

const musl = /musl/.test(findCompiler()?.command ?? "");

describe.skipIf(!musl)("the native plugin (musl)", () => {
  const loads = mappings(readFileSync(join(root, "build/bin/berth")));
  const holds = (address: number) =>
    loads.find(({ from, bytes }) => address >= from && address < from + bytes);

  test("is two mappings, none of them written and executed", () => {
    expect(loads).toHaveLength(2);
    for (const { flags } of loads) expect(flags & (EXECUTE | WRITE)).not.toBe(EXECUTE | WRITE);
  });

  test("has static data and code in the one, scratch in the other", () => {
    expect(holds(MEMORY_BASE + STATIC_BASE)!.flags & WRITE).toBe(0);
    expect(holds(MEMORY_BASE + SCRATCH_BASE)!.flags & EXECUTE).toBe(0);
    expect(holds(MEMORY_BASE + SCRATCH_BASE)!.flags & WRITE).toBe(WRITE);
  });
});

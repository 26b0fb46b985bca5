// How build/bin/berth lies in memory: each mapping more is paid for at every call, and so is each
// line of code that lies between others which are never run.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { describe, expect, test } from "vitest";
import { SCRATCH_BASE, STATIC_BASE } from "../assembly/numbers.ts";
import { findCompiler, root } from "../scripts/native.mjs";
import { need } from "./support/needs.ts";

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
      fileBytes: Number(file.readBigUInt64LE(header + 32)),
      bytes: Number(file.readBigUInt64LE(header + 40)),
    }));
}

/** Bytes of a section (System V ABI, chapter 4). */
function sectionBytes(file: Buffer, wanted: string): number {
  const at = Number(file.readBigUInt64LE(40));
  const headers = Array.from({ length: file.readUInt16LE(60) }, (_, i) => at + 64 * i);
  const names = Number(file.readBigUInt64LE(headers[file.readUInt16LE(62)]! + 24));
  const header = headers.find((one) => {
    const name = names + file.readUInt32LE(one);
    return file.toString("latin1", name, file.indexOf(0, name)) === wanted;
  });
  return header === undefined ? 0 : Number(file.readBigUInt64LE(header + 32));
}

/** Can this compiler count what a program runs? (scripts/profile.mjs) */
function countsBranches(): boolean {
  const asked = spawnSync(findCompiler()!.command, ["-print-file-name=libgcov.a"]);
  return isAbsolute(String(asked.stdout));
}

const musl = /musl/.test(findCompiler()?.command ?? "");

const { missing, why } = need(musl, "musl-gcc");
describe.skipIf(missing)(`the native plugin (musl)${why}`, () => {
  const loads = musl ? mappings(readFileSync(join(root, "build/bin/berth"))) : [];
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

  test("begins with zeros where it is written: exec copies no page of the file", () => {
    expect(holds(MEMORY_BASE + SCRATCH_BASE)!.fileBytes).toBe(0);
  });

  const profiles = need(musl && countsBranches(), "libgcov beside gcc");
  test.skipIf(profiles.missing)(
    `keeps the code of usual calls apart from the rest${profiles.why}`,
    () => {
      const file = readFileSync(join(root, "build/bin/berth"));
      const usual = sectionBytes(file, ".text");
      expect(usual).toBeGreaterThan(0);
      expect(usual).toBeLessThan(96 << 10);
    },
  );
});

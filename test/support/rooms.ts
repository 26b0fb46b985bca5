// Bitmap and radix set as the tests drive them: one list of operations, which core.wasm, rooms.wasm
// and rooms.wasm compiled to C (test/native/rooms_driver.c) all read, and which answer in the same
// words. An operation is a letter and numbers; as text, the numbers in hexadecimal, one on a line.
//
//   b slots         a new bitmap: its bytes      R limit          a new set, image of `limit` bytes
//   t slot          take: 1 or 0                 T hi lo          take: 0, 1 (same), 2 (no memory)
//   g slot          give: 1 or 0                 G hi lo          give: 1 or 0
//   h slot          has: 1 or 0                  H hi lo          has: 1 or 0
//   f from          next free slot               F hi lo hi lo    next free key, or -
//   n from          next taken slot              N hi lo hi lo    next taken key, or -
//   x from          take the next free           C hi lo hi lo    keys within
//   c               slots taken                  S                keys in the set
//   k               faults                       K                faults, bytes lost by the arena
//                                                E budget         give all back: 1 = empty
//   J               open the journal; forget the notes            U  undo    D  digest of the image
//
// A trap is the answer "trap".
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import { compileNative } from "../../scripts/native.mjs";
import { buildPath, type Exports, type Loaded, loadCore, loadRooms } from "../../src/wasm.ts";

/** A letter and its numbers. */
export type Operation = readonly [code: string, ...values: bigint[]];

/** Where things lie in the tests' images. */
export const ROOT = 64;
export const ARENA = 1024;
export const FIRST = 4096;
/** The arena's block sizes. */
export const BLOCKS = [16, 32, 40, 64, 72, 128, 136, 264, 552];

/** The structures of one instance, by operation. */
export class Rooms {
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory;
  #slots = 0;
  #length = 0;

  constructor({ exports, memory }: Loaded<Exports>) {
    this.exports = exports;
    this.memory = memory;
    this.#call("scratchAssignAll");
  }

  /** On core.wasm. */
  static core(): Rooms {
    return new Rooms(loadCore());
  }

  /** On rooms.wasm. */
  static rooms(): Rooms {
    return new Rooms(loadRooms());
  }

  /** Calls an export. */
  // biome-ignore lint/suspicious/noExplicitAny: exports answer numbers or bigints, by name.
  #call(name: string, ...values: (number | bigint)[]): any {
    return this.exports[name]!(...values);
  }

  /** The image's bytes. */
  image(): Uint8Array {
    return new Uint8Array(this.memory.buffer, WINDOW_BASE, this.#length);
  }

  /** Blocks of `bytes` that the arena has given out. */
  live(bytes: number): number {
    return this.#call("arenaLive", bytes);
  }

  /** Bytes of all blocks that the arena has given out. */
  liveBytes(): number {
    return BLOCKS.reduce((sum, bytes) => sum + bytes * this.live(bytes), 0);
  }

  /** Image bytes that the arena has put into use. */
  usedBytes(): number {
    return this.#length - this.#call("arenaRoom") - FIRST;
  }

  /** An unsigned 64-bit word of the image. */
  word(at: number): bigint {
    return BigInt.asUintN(64, this.#call("word", at));
  }

  /** Stores a word. */
  putWord(at: number, value: bigint): void {
    this.#call("putWord", at, value);
  }

  /** Does one operation. */
  run(operation: Operation): string {
    try {
      return this.#run(operation);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return "trap";
      throw error;
    }
  }

  #run([code, ...values]: Operation): string {
    const names = NAMES[code];
    if (names === undefined) return this.#special(code, values);
    if (code > "Z") {
      const from = values.map(Number);
      return (this.#call(names, FIRST, this.#slots, ...from) >>> 0).toString(16);
    }
    const answer = this.#call(names, ROOT, ...values);
    if (code === "F" || code === "N") return answer ? this.#found() : "-";
    return typeof answer === "bigint"
      ? BigInt.asUintN(64, answer).toString(16)
      : Number(answer).toString(16);
  }

  #found(): string {
    const { foundHi, foundLo } = this.exports as unknown as Record<string, WebAssembly.Global>;
    const text = (half: WebAssembly.Global) => BigInt.asUintN(64, half.value).toString(16);
    return `${text(foundHi!)}:${text(foundLo!)}`;
  }

  #special(code: string, [value = 0n]: bigint[]): string {
    switch (code) {
      case "b": {
        this.#slots = Number(value);
        const bytes = this.#call("bitmapBytes", this.#slots);
        this.#begin(FIRST + bytes);
        return bytes.toString(16);
      }
      case "R":
        this.#begin(Number(value));
        this.#call("arenaFormat", ARENA, FIRST, Number(value));
        return "0";
      case "K": {
        this.#call("blocksBegin", this.#length);
        const faults = this.#call("radixCheck", ROOT);
        const lost = this.liveBytes() - Number(this.#call("blocksClaimed"));
        this.#call("blocksEnd");
        return `${faults.toString(16)} ${lost.toString(16)}`;
      }
      case "E":
        return this.#call("radixFree", ROOT, Number(value)) ? "1" : "0";
      case "J":
        this.#call("journalOpen");
        this.#call("journalClear");
        return "0";
      case "U":
        this.#call("journalUndo");
        return "0";
      case "D":
        return this.#digest();
      default:
        throw new Error(`no operation ${code}`);
    }
  }

  #begin(length: number): void {
    this.image().fill(0);
    this.#length = length;
    this.#call("imageAttach", WINDOW_BASE, length);
  }

  /** FNV-1a by words of 32 bits; the driver in C does the same. */
  #digest(): string {
    let hash = 0x811c9dc5;
    for (const word of new Uint32Array(this.memory.buffer, WINDOW_BASE, this.#length >> 2))
      hash = Math.imul(hash ^ word, 0x01000193);
    return (hash >>> 0).toString(16);
  }
}

const NAMES: Record<string, string> = {
  t: "bitmapTake",
  g: "bitmapGive",
  h: "bitmapHas",
  f: "bitmapNextFree",
  n: "bitmapNextTaken",
  x: "bitmapTakeNext",
  c: "bitmapCount",
  k: "bitmapCheck",
  T: "radixTake",
  G: "radixGive",
  H: "radixHas",
  F: "radixNextFree",
  N: "radixNextTaken",
  C: "radixCountWithin",
  S: "radixCount",
};

/** The operations as the driver in C reads them. */
export function script(operations: Operation[]): string {
  const line = ([code, ...values]: Operation) =>
    [code, ...values.map((value) => value.toString(16))].join(" ");
  return `${operations.map(line).join("\n")}\n`;
}

/** rooms.wasm compiled to C with the driver: a program that reads operations. */
export class NativeRooms {
  readonly #directory = mkdtempSync(join(tmpdir(), "berth-rooms-"));
  #program = "";

  /** Compiles the program. */
  async build(): Promise<void> {
    this.#program = await compileNative({
      wasm: buildPath("rooms.wasm"),
      name: "rooms",
      sources: ["test/native/rooms_driver.c"],
      out: join(this.#directory, "rooms"),
      dir: join(this.#directory, "c"),
      flags: ["-DWASM_RT_CHECKED=1", "-Wall", "-Wno-unused"],
    });
  }

  /** Does all operations in one process: an answer for each. */
  run(operations: Operation[]): string[] {
    const done = spawnSync(this.#program, [], {
      input: script(operations),
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    if (done.status !== 0) throw new Error(`the driver ended with ${done.status}: ${done.stderr}`);
    return done.stdout.trimEnd().split("\n");
  }

  /** Removes the program. */
  close(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

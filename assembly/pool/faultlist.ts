// The faults that a check finds, and what every part of the check asks: is this a sound cell, does
// this block belong to nobody else?
//
//   list  256 x | text u32 (address of a string) | image offset u32 |   in scratch memory
//
// More faults than that are only counted.
import { blocksClaim } from "../image/blocks";
import { HEADER_BYTES } from "../image/header";
import { imageLength } from "../image/image";
import { CELL_BYTES, cellIsSound } from "../records/cell";
import { scratchTake } from "../scratch";

/** Faults that are kept with their text; more are only counted. */
const KEPT: i32 = 256;
const FAULT_BYTES: usize = 8;

let faults: i32 = 0;
let list: usize = 0;

/** Notes a fault: what is wrong, and the image offset at which. */
export function fault(what: string, at: u32): void {
  if (faults < KEPT) {
    store<u32>(list + <usize>faults * FAULT_BYTES, <u32>changetype<usize>(what));
    store<u32>(list + <usize>faults * FAULT_BYTES, at, 4);
  }
  faults++;
}

/** Begins an empty list. */
export function faultsBegin(): void {
  faults = 0;
  checkReserve();
}

/** Faults so far, those without a text too. */
export function faultCount(): i32 {
  return faults;
}

/** Takes the list of faults from scratch memory, once, before any rewind. */
export function checkReserve(): void {
  if (list == 0) list = scratchTake(<usize>KEPT * FAULT_BYTES);
}

/** Text of fault `n`: address of an AssemblyScript string (UTF-16, byte length at -4). */
export function checkText(n: i32): u32 {
  return load<u32>(list + <usize>n * FAULT_BYTES);
}

/** Image offset of fault `n`. */
export function checkOffset(n: i32): u32 {
  return load<u32>(list + <usize>n * FAULT_BYTES, 4);
}

/** Claims a block for whom points to it. false: it isn't in the image, or somebody has it. */
export function claim(at: u32, bytes: u32): bool {
  const ok = blocksClaim(at, bytes);
  if (!ok) fault("a block is outside the image or belongs to two", at);
  return ok;
}

/** Is a sound cell at this offset? */
export function isCell(at: u32): bool {
  return (
    (at & 127) == 0 && at >= HEADER_BYTES && at <= imageLength() - CELL_BYTES && cellIsSound(at)
  );
}

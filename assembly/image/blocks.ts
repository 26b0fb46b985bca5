// Which bytes of the image belong to a block that somebody points to: a bit for every 8 bytes, in
// scratch memory, for the time of one check. What two structures claim is damage; what nobody
// claims and isn't free has leaked.
import { scratchMark, scratchRewind, scratchTake } from "../scratch";

let bits: usize = 0;
let length: u32 = 0;
let claimed: u64 = 0;
let mark: usize = 0;

/** Begins a check of an image of `bytes` bytes (a multiple of 8). Takes bytes/64 of scratch. */
export function blocksBegin(bytes: u32): void {
  mark = scratchMark();
  const size = <usize>((bytes >> 6) + 1);
  bits = scratchTake(size);
  memory.fill(bits, 0, size);
  length = bytes;
  claimed = 0;
}

/** Ends the check: gives the scratch memory back, with all that was taken since blocksBegin. */
export function blocksEnd(): void {
  scratchRewind(mark);
  length = 0;
}

/** Is a check going on? */
export function blocksOpen(): bool {
  return length != 0;
}

/** Claims a block. False: it lies outside, isn't aligned, or a part of it has been claimed. */
export function blocksClaim(offset: u32, bytes: u32): bool {
  if ((offset | bytes) & 7 || offset == 0 || bytes > length || offset > length - bytes)
    return false;
  const first = offset >> 3;
  const end = (offset + bytes) >> 3;
  for (let unit = first; unit < end; unit++) {
    if ((load<u8>(bits + (unit >> 3)) >> (<u8>unit & 7)) & 1) return false;
  }
  for (let unit = first; unit < end; unit++) {
    const at = bits + (unit >> 3);
    store<u8>(at, load<u8>(at) | ((<u8>1) << (<u8>unit & 7)));
  }
  claimed += bytes;
  return true;
}

/** Bytes claimed so far. */
export function blocksClaimed(): u64 {
  return claimed;
}

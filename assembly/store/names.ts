// Names of our files in a network's directory, as bytes in scratch memory (hosts take bytes), and
// the names of DEL notes: del-<128-bit digest of the owner, 32 hexadecimal digits>.
import { scratchTake } from "../scratch";

/** Bytes of a note's name. */
const NOTE_NAME_BYTES: i32 = 36;

/** Where the last `fileName` lies and how long it is. */
export let nameAt: usize = 0;
export let nameBytes: i32 = 0;

/** Copies an ASCII literal into scratch memory: sets nameAt, nameBytes. */
export function fileName(text: string): void {
  nameBytes = text.length;
  nameAt = scratchTake(<usize>nameBytes);
  const from = changetype<usize>(text);
  for (let i = 0; i < nameBytes; i++) store<u8>(nameAt + i, load<u16>(from + ((<usize>i) << 1)));
}

/** The name of the note for a digest: sets nameAt, nameBytes. */
export function noteName(d0: u64, d1: u64): void {
  nameAt = scratchTake(<usize>NOTE_NAME_BYTES);
  nameBytes = NOTE_NAME_BYTES;
  store<u32>(nameAt, 0x2d6c6564); // "del-"
  for (let i: u64 = 0; i < 32; i++) {
    const half = i < 16 ? d0 : d1;
    const digit = <u32>(half >> (60 - ((i & 15) << 2))) & 15;
    store<u8>(nameAt + 4 + <usize>i, digit < 10 ? 48 + digit : 87 + digit);
  }
}

/** Digest of a note, by `noteParse`. */
export let noteDigest0: u64 = 0;
export let noteDigest1: u64 = 0;

/** Reads the digest out of a note's name. false: that is no name of a note. */
export function noteParse(at: usize, bytes: i32): bool {
  if (bytes != NOTE_NAME_BYTES || load<u32>(at) != 0x2d6c6564) return false;
  noteDigest0 = 0;
  noteDigest1 = 0;
  for (let i = 0; i < 32; i++) {
    const c = <u32>load<u8>(at + 4 + i);
    let digit: u64;
    if (c >= 48 && c <= 57) digit = c - 48;
    else if (c >= 97 && c <= 102) digit = c - 87;
    else return false;
    if (i < 16) noteDigest0 = (noteDigest0 << 4) | digit;
    else noteDigest1 = (noteDigest1 << 4) | digit;
  }
  return true;
}

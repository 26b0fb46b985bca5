// The arena: blocks of a few fixed sizes inside the image, with a free list for each size.
//
//   ARENA  | bump u32 | limit u32 |                          one word
//   class  | free u32 | live u32 | chunk u32 | chunkEnd u32 |  two words, CLASSES times
//
// A class takes its blocks from its free list, else from its chunk, else it carves a new chunk at
// `bump`: 256 bytes at first, then four times what it has in use, about 4 KiB at most. So all that
// a young network has lies on one page, what some hundred pods need besides records on three (each
// page that a call changes is a fault, a copy and a pwrite), and the blocks of a grown one lie
// among their like. Blocks of a free list are chained through their first word. An allocated block
// is all zero: a released one is cleared by arenaFree, and fresh file bytes are zero. Chunks begin
// at multiples of 128, and so does every block of 128 bytes (records are found by scanning).
//
// O(1). Nothing is given back to the file system: the image never shrinks.
import { damaged } from "../fault";
import { half, imageBase, imageLength, putHalf, putWord, word } from "./image";

export const CLASSES: u32 = 9;
const CHUNK: u32 = 4096;
const CHUNK_FIRST: u32 = 256;
/** A new chunk is so many times what its class has in use. */
const CHUNK_GROWTH: u32 = 4;

let root: u32 = 0;

/** Bytes of a block of class `c`. */
export function classBytes(c: u32): u32 {
  switch (c) {
    case 0:
      return 16;
    case 1:
      return 32;
    case 2:
      return 40;
    case 3:
      return 64;
    case 4:
      return 72;
    case 5:
      return 128;
    case 6:
      return 136;
    case 7:
      return 264;
    default:
      return 552;
  }
}

function classOf(bytes: u32): u32 {
  for (let c: u32 = 0; c < CLASSES; c++) if (classBytes(c) == bytes) return c;
  damaged("no arena class has this size");
  return 0;
}

/** Uses the arena whose header lies at `at`. */
export function arenaAttach(at: u32): void {
  root = at;
}

/** Makes an empty arena: header at `at`, blocks in [first, limit). */
export function arenaFormat(at: u32, first: u32, limit: u32): void {
  root = at;
  putWord(at, <u64>((first + 127) & ~127) | ((<u64>limit) << 32));
  for (let c: u32 = 0; c < CLASSES; c++) {
    putWord(at + 8 + c * 16, 0);
    putWord(at + 16 + c * 16, 0);
  }
}

/** Bytes that no chunk has claimed yet. */
export function arenaRoom(): u32 {
  const bump = half(root);
  const limit = half(root + 4);
  return limit > bump ? limit - bump : 0;
}

/** First byte that no chunk has claimed. */
export function arenaBump(): u32 {
  return half(root);
}

/**
 * Goes on in [first, limit), a zeroed piece elsewhere; what was left of the old one is given up.
 */
export function arenaExtend(first: u32, limit: u32): void {
  putWord(root, <u64>first | ((<u64>limit) << 32));
}

/** Lets the arena use the image up to `limit`. */
export function arenaGrow(limit: u32): void {
  putHalf(root + 4, limit);
}

/** Blocks of `bytes` in use. */
export function arenaLive(bytes: u32): u32 {
  return half(root + 8 + classOf(bytes) * 16 + 4);
}

/** First free block of `bytes`, or 0; the others are chained through their first word. */
export function arenaFirstFree(bytes: u32): u32 {
  return half(root + 8 + classOf(bytes) * 16);
}

/** A zeroed block of `bytes` (one of the class sizes): its offset, or 0 when there is no room. */
export function arenaTake(bytes: u32): u32 {
  const c = root + 8 + classOf(bytes) * 16;
  const list = word(c);
  let block = <u32>list;
  if (block != 0) {
    if (block > imageLength() - bytes) damaged("a free list of the arena");
    // It is zero. A first touch that writes is one page fault, one that reads is two.
    store<u64>(imageBase() + block, 0, 8);
    const next = word(block);
    if ((next | block) & 7 || next > <u64>imageLength()) damaged("a free list of the arena");
    putWord(block, 0);
    putWord(c, ((list & 0xffffffff00000000) + ((<u64>1) << 32)) | next);
    return block;
  }
  const chunk = word(c + 8);
  block = <u32>chunk;
  let end = <u32>(chunk >> 32);
  if (block + bytes > end) {
    const piece = min<u32>(CHUNK, max<u32>(CHUNK_FIRST, <u32>(list >> 32) * bytes * CHUNK_GROWTH));
    const size = (max<u32>(1, piece / bytes) * bytes + 127) & ~127;
    if (arenaRoom() < size) return 0;
    block = half(root);
    end = block + size;
    putHalf(root, end);
  }
  // As above: fresh bytes are zero.
  store<u64>(imageBase() + block, 0);
  putWord(c + 8, <u64>(block + bytes) | ((<u64>end) << 32));
  putWord(c, list + ((<u64>1) << 32));
  return block;
}

/**
 * Carves `bytes` at a multiple of 4 KiB, zeroed, which never come back: for what lies once in an
 * image. 0 = no room. The check doesn't count it among the blocks.
 */
export function arenaCarve(bytes: u32): u32 {
  const at = (half(root) + 4095) & ~4095;
  if (at + bytes > half(root + 4)) return 0;
  putHalf(root, at + bytes);
  return at;
}

/** Gives a block back. Its bytes are cleared. */
export function arenaFree(block: u32, bytes: u32): void {
  const c = root + 8 + classOf(bytes) * 16;
  const list = word(c);
  if (block & 7 || list >> 32 == 0) damaged("a block is given back to the arena twice");
  for (let at: u32 = 8; at < bytes; at += 8) if (word(block + at) != 0) putWord(block + at, 0);
  putWord(block, <u64>(<u32>list));
  putWord(c, ((list - ((<u64>1) << 32)) & 0xffffffff00000000) | <u64>block);
}

// Cells: the pieces of 128 bytes that records are made of, always 128-byte aligned so that a scan
// of a damaged image finds them. Each carries its kind, a commit number and a checksum.
//
//        0        4     5      6         7         8                  14     15
//  head  | check  | kind| state| ifname B| families| number (48 bits) | set4 | set6 |
//       16        20         24       28        32          40
//        | next   | since    | due *  | IPv4    | IPv6 hi   | IPv6 lo   |
//       48                                        112                 127
//        | first 64 bytes of the id                | interface, 15 B    | id B (255: see TEXT)
//        * of a container's allocation: inode of its network namespace, 0 = unknown
//
//  further cells: kind = 0x80 | what; `since` holds the head's offset
//   TEXT  rest of a long id, 5: bytes here, 24: mark, 28: bytes in all (first TEXT cell),
//         48: 80 bytes
//   NAME  namespace/name,    5: bytes here, 24: mark, 28: bytes in all,
//                            32: older | newer of that name, 40: seconds for which the name is
//                            reserved when it is let go (0: it isn't), 44: flags (all of the first
//                            NAME cell), 48: 80 bytes
//   MORE  one more IPv4 and one more IPv6 address: 7, 14, 15, 24, 28, 32, 40 as in the head,
//         48: mark
//   The mark tells whose they are: a checksum of the head's id and interface. Freed cells are taken
//   again in the same places, and after a power cut pages of different ages lie side by side.
//   POOL, LABEL, SKIP  pools of the library (poolcell.ts); SETTINGS  pool/settings.ts;
//   EVENT  the recorder (eventcell.ts)
//
// Texts of 64 characters, interfaces of 15 and one address of each family fit into the head alone.
import { damaged } from "../fault";
import { checksum, keyHigh, keyLow } from "../image/header";
import { half, imageBase, imageLength, noteWords, putHalf, putWord, word } from "../image/image";
import { sipHash, sipPair } from "../siphash";

export const CELL_BYTES: u32 = 128;

export const KIND_CONTAINER: u32 = 1;
export const KIND_NODE: u32 = 2;
export const KIND_SERVICE: u32 = 3;
export const KIND_OTHER: u32 = 4;
export const KIND_TEXT: u32 = 0x81;
export const KIND_NAME: u32 = 0x82;
export const KIND_MORE: u32 = 0x83;
export const KIND_POOL: u32 = 0x84;
export const KIND_LABEL: u32 = 0x85;
export const KIND_SKIP: u32 = 0x86;
export const KIND_EVENT: u32 = 0x87;
export const KIND_SETTINGS: u32 = 0x88;
/** Kinds go so far. */
const KIND_LAST: u32 = 0x88;

export const STATE_ALLOCATION: u32 = 1;
export const STATE_RESERVATION: u32 = 2;
export const STATE_COOLING: u32 = 3;

const C_KIND: u32 = 4;
export const C_NEXT: u32 = 16;
/** Seconds of CLOCK_BOOTTIME at the last change of state; in further cells the head's offset. */
export const C_SINCE: u32 = 20;
/** Seconds of CLOCK_BOOTTIME at which the cell's addresses become free; 0 = never. */
export const C_DUE: u32 = 24;
/** Inode number of the network namespace, while the head is a container's allocation. */
export const C_NETNS: u32 = 24;
export const C_V4: u32 = 28;
export const C_V6: u32 = 32;
export const C_ID: u32 = 48;
export const C_IFNAME: u32 = 112;
const MORE_MARK: u32 = 48;

export const ID_HEAD_BYTES: u32 = 64;
/** Payload of a TEXT or NAME cell. */
export const TEXT_BYTES: u32 = 80;
/** Longest id that is kept (bytes). */
export const TEXT_MAX: u32 = 4096;
/** Longest name that is kept (bytes): Kubernetes' namespace/name has 317 at most. */
export const NAME_MAX: u32 = 512;

const NUMBER_MASK: u64 = 0xffffffffffff;

/** Traps unless `cell` is a place where a cell can lie. */
export function cellAt(cell: u32): u32 {
  if (cell & 127 || cell < 4096 || cell > imageLength() - CELL_BYTES) {
    damaged("a record lies outside the image");
  }
  return cell;
}

/** One byte of a cell. */
export function cellByte(cell: u32, at: u32): u32 {
  return <u32>load<u8>(imageBase() + cell + at);
}

/** Sets one byte of a cell. */
export function cellPutByte(cell: u32, at: u32, value: u32): void {
  const o = (cell + at) & ~7;
  const shift = (<u64>(at & 7)) << 3;
  putWord(o, (word(o) & ~((<u64>0xff) << shift)) | ((<u64>value & 0xff) << shift));
}

/** Kind of a cell. */
export function cellKind(cell: u32): u32 {
  return cellByte(cell, C_KIND);
}

/** Commit number of the last change. */
export function cellNumber(cell: u32): u64 {
  return word(cell + 8) & NUMBER_MASK;
}

/** Sets the commit number, keeps the set numbers beside it. */
function cellPutNumber(cell: u32, number: u64): void {
  putWord(cell + 8, (word(cell + 8) & ~NUMBER_MASK) | (number & NUMBER_MASK));
}

/** Copies bytes from memory into a zeroed stretch of a cell. */
export function cellPutBytes(cell: u32, at: u32, from: usize, bytes: u32): void {
  let i: u32 = 0;
  for (; i < bytes && ((at + i) & 7) != 0; i++) cellPutByte(cell, at + i, load<u8>(from + i));
  for (; i + 8 <= bytes; i += 8) putWord(cell + at + i, load<u64>(from + i));
  if (i == bytes) return;
  const last = cell + at + i;
  let tail = word(last);
  for (let shift: u64 = 0; i < bytes; i++, shift += 8) tail |= (<u64>load<u8>(from + i)) << shift;
  putWord(last, tail);
}

/** The last bytes of a POOL cell: its cursor, which changes without the checksum. */
const CURSOR_TAIL: u32 = 16;

/** Checksum of a cell as it stands. */
function cellChecksum(cell: u32): u32 {
  const tail: u32 = cellKind(cell) == KIND_POOL ? CURSOR_TAIL : 0;
  return <u32>checksum(imageBase() + cell + 4, CELL_BYTES - 4 - tail);
}

/**
 * Closes a changed cell: stamps the commit number and the checksum, and notes all 16 words, so that
 * a log entry always carries the whole cell (recovery lays single entries over old pages).
 */
export function cellSeal(cell: u32, number: u64): void {
  cellPutNumber(cell, number);
  putHalf(cell, cellChecksum(cell));
  noteWords(cell, CELL_BYTES >> 3);
}

/** Is this a sound cell? Never traps on aligned offsets inside the image. */
export function cellIsSound(cell: u32): bool {
  const kind = cellKind(cell);
  if ((kind == 0 || kind > KIND_OTHER) && (kind < KIND_TEXT || kind > KIND_LAST)) return false;
  return half(cell) == cellChecksum(cell);
}

/** Traps unless `cell` is a sound head; answers it. */
export function headAt(cell: u32): u32 {
  cellAt(cell);
  if (cellKind(cell) > KIND_OTHER || !cellIsSound(cell)) {
    damaged("a record doesn't match its checksum");
  }
  return cell;
}

/** Does the cell hold an address of the family (4 or 6)? */
export function cellHasFamily(cell: u32, family: u32): bool {
  return (cellByte(cell, 7) & (family == 4 ? 1 : 2)) != 0;
}

/** High half of the cell's address of a family. */
export function cellHi(cell: u32, family: u32): u64 {
  return family == 4 ? 0 : word(cell + C_V6);
}

/** Low half of the cell's address of a family. */
export function cellLo(cell: u32, family: u32): u64 {
  return family == 4 ? <u64>half(cell + C_V4) : word(cell + C_V6 + 8);
}

/** Range set from which the cell's address of a family came. */
export function cellSet(cell: u32, family: u32): u32 {
  return cellByte(cell, family == 4 ? 14 : 15);
}

/** Writes an address into a head or MORE cell. */
export function cellPutAddress(cell: u32, family: u32, hi: u64, lo: u64, set: u32): void {
  cellPutByte(cell, 7, cellByte(cell, 7) | (family == 4 ? 1 : 2));
  cellPutByte(cell, family == 4 ? 14 : 15, set);
  if (family == 4) putHalf(cell + C_V4, <u32>lo);
  else {
    putWord(cell + C_V6, hi);
    putWord(cell + C_V6 + 8, lo);
  }
}

/** Takes the address of a family out of a cell. */
export function cellDropAddress(cell: u32, family: u32): void {
  cellPutByte(cell, 7, cellByte(cell, 7) & ~(family == 4 ? 1 : 2));
  if (family == 4) putHalf(cell + C_V4, 0);
  else {
    putWord(cell + C_V6, 0);
    putWord(cell + C_V6 + 8, 0);
  }
}

// The bytes of a head that stay for as long as its record lives: its id and interface.
function ownerMark(head: u32): u32 {
  return <u32>checksum(imageBase() + head + C_ID, CELL_BYTES - C_ID);
}

function markAt(cell: u32): u32 {
  return cell + (cellKind(cell) == KIND_MORE ? MORE_MARK : C_DUE);
}

/** Makes an empty further cell that of a record, whose head has its owner already. */
export function cellPutHead(cell: u32, head: u32): void {
  putHalf(cell + C_SINCE, head);
  putHalf(markAt(cell), ownerMark(head));
}

/** Is a further cell that of this record? Those of an older Berth have no mark, which is 0. */
export function cellIsOf(cell: u32, head: u32): bool {
  const mark = half(markAt(cell));
  return half(cell + C_SINCE) == head && (mark == 0 || mark == ownerMark(head));
}

/** The head of a cell's record. */
export function cellHead(cell: u32): u32 {
  return cellKind(cell) <= KIND_OTHER ? cell : cellAt(half(cell + C_SINCE));
}

/**
 * Key of an address in its index: the low 36 bits of the address first, so that neighbours share
 * nodes, buckets and pages (a page that is met for the first time costs a call 1 to 3 us), then a
 * keyed hash of the rest, so that equal host parts under many prefixes part as well; last the bits
 * that a bucket keeps.
 *
 *   | address 35..0 | hash of 127..36, 24 bits | address 3..0 |
 */
export function addressKey(hi: u64, lo: u64): u64 {
  const rest = sipPair(keyLow(), keyHigh(), hi, lo >> 36);
  return (lo << 28) | ((rest >> 40) << 4) | (lo & 15);
}

/** Key of a name in its index. */
export function nameHash(at: usize, bytes: u32): u64 {
  return sipHash(keyLow() ^ 0x6e616d65, keyHigh(), at, bytes);
}

/**
 * Half of the 128-bit hash of an owner that names its DEL note: unkeyed, so that no image is
 * needed.
 */
export function ownerDigest(
  which: u64,
  kind: u32,
  id: usize,
  idBytes: u32,
  ifname: usize,
  ifBytes: u32,
): u64 {
  const first = sipHash(0x4265727468206f77 ^ which, <u64>kind, id, idBytes);
  return sipHash(first, 0x6e65722064656c21 ^ which, ifname, ifBytes);
}

/** Key of an owner in its index, made from the two halves of its digest. */
export function ownerHash(digest0: u64, digest1: u64): u64 {
  return sipPair(keyLow() ^ 0x6f776e6572, keyHigh(), digest0, digest1);
}

// The header: the first page of an image, what every opening reads.
//
//      0  magic "BERTHIMG"           8  layout version   12  incompatible features
//     16  compatible features       20  read-only compatible features
//     24  key of the image, 16 B (also its identity: the log carries it too)
//     40  boot id, 16 B             56  -                 64  created (Unix seconds)
//     72  checksum of 0..71
//     96  APPLIED: number of the last commit u64 | generation u64 | tail u32 | last u32 |
//                  flags u32 | checksum u32             (32 B, written by one pwrite, last of all)
//    128  length of the image (bytes)   136  allocations held   144  addresses cooling
//    152  1: containers survive a reboot (`reboot` of the last ADD's config)
//    160  one moment on both clocks: Unix seconds u32 | boot seconds u32 (store/carry.ts)
//    168  1: made by `berth adopt --from-cache`, which hasn't ended: more is held than it says
//    192  arena          384  taken-tree IPv4   448  taken-tree IPv6   512  expiry
//    576  index by owner | 584 by IPv4 | 592 by IPv6 | 600 by name
//    640  pools of IPv4 by their last address   704  of IPv6
//    768  index of pools by last address, IPv4 | 776 IPv6 | 784 pools by name
//    792  pools defined   800  reservations
//    808  ring of events   816  number of the next one   (records/eventcell.ts)
//    896  host-local's directory: 0 not taken over, 1 taken over, 2 mirrored
//    904  settings: first cell of the last ADD's   912  their hash (pool/settings.ts)
//    920  counters: yields, 928 refusals 1 to 9, 1016 refusals 10   (records/eventcell.ts)
//   1000  inode of the PID namespace of this boot's first ADD; 0 = none yet
//   1008  when the directory's names had last changed as it held no DEL note; 0 = not known
//   1024  cursors of 32 range sets: hi u64 | lo u64 | family u64 (0 = none), 24 B each
//
// Bytes 0..127 are written directly; everything from 128 on changes through the journal only.
import { damaged } from "../fault";
import { sipHash } from "../siphash";
import { imageBase } from "./image";

export const HEADER_BYTES: u32 = 4096;
/** "BERTHIMG" as a little-endian word. */
export const MAGIC: u64 = 0x474d494854524542;
/** Layout version that this core reads and writes. */
export const LAYOUT_VERSION: u32 = 1;

export const H_VERSION: u32 = 8;
export const H_INCOMPATIBLE: u32 = 12;
export const H_READ_ONLY: u32 = 20;
/**
 * H_INCOMPATIBLE: the library has written here: pool cells, reservations, a log of up to 16 MiB.
 * A release that doesn't know them would lose them at the next boot: it answers error 103.
 */
export const FEATURE_LIBRARY: u32 = 1;
export const H_KEY: u32 = 24;
export const H_BOOT: u32 = 40;
export const H_CREATED: u32 = 64;
export const H_CHECK: u32 = 72;

export const APPLIED: u32 = 96;
export const APPLIED_BYTES: u32 = 32;
export const A_NUMBER: u32 = 96;
export const A_GENERATION: u32 = 104;
export const A_TAIL: u32 = 112;
export const A_LAST: u32 = 116;
export const A_FLAGS: u32 = 120;
export const A_CHECK: u32 = 124;
/** A_FLAGS: a write failed; a checkpoint must come before anything more is given. */
export const FLAG_CHECKPOINT: u32 = 1;
/**
 * A_FLAGS: berth.state was renamed into place, and the directory isn't known to be synced: a synced
 * commit into a file whose name a power cut takes away would be lost.
 */
export const FLAG_RENAMED: u32 = 2;
/**
 * A_FLAGS: the log of this generation may have a synced entry, whose words aren't known to be on
 * disk in the image: it is synced before the log begins anew, whatever the config says by then.
 */
export const FLAG_SYNCED: u32 = 4;

export const H_LENGTH: u32 = 128;
export const H_HELD: u32 = 136;
export const H_COOLING: u32 = 144;
export const H_KEEP: u32 = 152;
export const H_ANCHOR: u32 = 160;
export const H_PARTIAL: u32 = 168;
export const H_ARENA: u32 = 192;
export const TREE4: u32 = 384;
export const TREE6: u32 = 448;
export const EXPIRY: u32 = 512;
export const INDEX_OWNER: u32 = 576;
export const INDEX_V4: u32 = 584;
export const INDEX_V6: u32 = 592;
export const INDEX_NAME: u32 = 600;
export const POOLS4: u32 = 640;
export const POOLS6: u32 = 704;
export const INDEX_POOL4: u32 = 768;
export const INDEX_POOL6: u32 = 776;
export const INDEX_POOL_NAME: u32 = 784;
export const H_POOLS: u32 = 792;
export const H_RESERVED: u32 = 800;
export const H_ADOPTED: u32 = 896;
export const H_SETTINGS: u32 = 904;
export const H_SETTINGS_HASH: u32 = 912;
export const H_PIDNS: u32 = 1000;
export const H_QUIET: u32 = 1008;
export const CURSORS: u32 = 1024;
export const CURSOR_BYTES: u32 = 24;
/** Range sets of one network, a limit of the cursor table (docs/ARCHITECTURE.md, limits). */
export const SETS_MAX: u32 = 32;

let key0: u64 = 0;
let key1: u64 = 0;

/** Reads the image's key; every hash below uses it. */
export function headerLoadKey(): void {
  key0 = load<u64>(imageBase(), H_KEY);
  key1 = load<u64>(imageBase(), H_KEY + 8);
}

/** First half of the image's key. */
export function keyLow(): u64 {
  return key0;
}

/** Second half of the image's key. */
export function keyHigh(): u64 {
  return key1;
}

/** Checksum of memory under the image's key. */
export function checksum(at: usize, bytes: u32): u64 {
  return sipHash(key0, key1, at, bytes);
}

/** A field of the directly written part of the header. */
export function headerField(at: u32): u32 {
  return load<u32>(imageBase() + at);
}

/** Sets a field of the directly written part. */
export function headerPut(at: u32, value: u32): void {
  store<u32>(imageBase() + at, value);
}

/** Number of the last applied commit. */
export function appliedNumber(): u64 {
  return load<u64>(imageBase(), A_NUMBER);
}

/** Generation of the log that continues this image. */
export function appliedGeneration(): u64 {
  return load<u64>(imageBase(), A_GENERATION);
}

/** Closes 0..71 with its checksum. */
export function headerSeal(): void {
  store<u64>(imageBase(), checksum(imageBase(), H_CHECK), H_CHECK);
}

/** Sets the APPLIED block in memory: what one pwrite then carries to the file. */
export function appliedSet(number: u64, generation: u64, tail: u32, last: u32, flags: u32): void {
  const base = imageBase();
  store<u64>(base, number, A_NUMBER);
  store<u64>(base, generation, A_GENERATION);
  store<u32>(base, tail, A_TAIL);
  store<u32>(base, last, A_LAST);
  store<u32>(base, flags, A_FLAGS);
  store<u32>(base, <u32>checksum(base + APPLIED, APPLIED_BYTES - 4), A_CHECK);
}

/** Sets or takes away a flag of A_FLAGS in memory: the next commit writes it. */
export function flagPut(flag: u32, on: bool): void {
  const flags = headerField(A_FLAGS);
  const tail = headerField(A_TAIL);
  const next = on ? flags | flag : flags & ~flag;
  appliedSet(appliedNumber(), appliedGeneration(), tail, headerField(A_LAST), next);
}

/** Is the APPLIED block what `appliedSet` made? */
export function appliedIsSound(): bool {
  const base = imageBase();
  return load<u32>(base, A_CHECK) == <u32>checksum(base + APPLIED, APPLIED_BYTES - 4);
}

/**
 * Checks what is written directly: magic, checksum, APPLIED. Traps on damage. The layout version
 * must have been looked at before (an image from the future isn't damaged).
 */
export function headerVerify(): void {
  const base = imageBase();
  headerLoadKey();
  if (load<u64>(base, H_CHECK) != checksum(base, H_CHECK)) {
    damaged("the header of berth.state doesn't match its checksum");
  }
  if (!appliedIsSound()) damaged("the applied mark of berth.state doesn't match its checksum");
}

// Sightings: which allocations `berth gc` has found without any sign of life, and when first. They
// lie in `berth.gc` in the network's directory, written whole and renamed; without it, or with one
// that isn't of this boot and this image, nothing has been seen yet: then everything stays longer.
//
//   0  "BERTHGC1"   8  boot id, 16 B   24  count u32   28  -   32  checksum of 8..31 and entries
//  40  entries:  digest of the owner, 2 x u64 | record's commit number u64 | first seen u32 | -
//
// First seen is in seconds of CLOCK_BOOTTIME. A record that was changed in between has another
// number: it is seen for the first time again. Bounded by ENTRIES_MAX; what is beyond waits.

import * as host from "../host";
import { checksum, H_BOOT } from "../image/header";
import { imageBase } from "../image/image";
import { scratchTake } from "../scratch";
import { openFile, openNew, renameFile } from "../store/files";

const MAGIC: u64 = 0x3143474854524542;
const HEADER: usize = 40;
const ENTRY: usize = 32;
const ENTRIES_MAX: u32 = 65536;
const SLOTS: u32 = ENTRIES_MAX * 2;
const FILE_BYTES: u32 = 40 + ENTRIES_MAX * 32;

let old: usize = 0;
let now: usize = 0;
let slots: usize = 0;
/** Sightings that the next run will find. */
export let sighted: u32 = 0;

/** Takes the tables' memory, once. */
export function sightingsReserve(): void {
  old = scratchTake(<usize>FILE_BYTES);
  now = scratchTake(<usize>FILE_BYTES);
  slots = scratchTake((<usize>SLOTS) << 2);
}

// Where the entry of a digest is listed, or would be: its number + 1, 0 = none.
function slotOf(d0: u64, d1: u64): usize {
  let slot = <u32>d0 & (SLOTS - 1);
  for (let step: u32 = 0; step < SLOTS; step++) {
    const p = slots + ((<usize>slot) << 2);
    const n = load<u32>(p);
    if (n == 0) return p;
    const e = old + HEADER + <usize>(n - 1) * ENTRY;
    if (load<u64>(e) == d0 && load<u64>(e, 8) == d1) return p;
    slot = (slot + 1) & (SLOTS - 1);
  }
  return 0; // never: twice as many slots as entries
}

function isOfImage(have: i32): bool {
  if (have < <i32>HEADER || load<u64>(old) != MAGIC) return false;
  const count = load<u32>(old, 24);
  if (count > ENTRIES_MAX || <usize>have != HEADER + <usize>count * ENTRY) return false;
  if (memory.compare(old + 8, imageBase() + H_BOOT, 16) != 0) return false;
  return load<u64>(old, 32) == sumOf(old, count);
}

// The checksum is keyed with the image's key, so a file of another image doesn't match.
function sumOf(file: usize, count: u32): u64 {
  const head = checksum(file + 8, 24);
  return head ^ checksum(file + HEADER, count * <u32>ENTRY);
}

/** Reads the sightings of the runs before. The image is attached, its directory entered. */
export function sightingsRead(): void {
  memory.fill(slots, 0, (<usize>SLOTS) << 2);
  memory.fill(now, 0, HEADER);
  sighted = 0;
  const file = openFile("berth.gc", 0);
  const have = file < 0 ? 0 : host.read(file, 0, old, FILE_BYTES);
  if (file >= 0) host.close(file);
  if (!isOfImage(have)) {
    store<u32>(old, 0, 24);
    return;
  }
  for (let n: u32 = 0; n < load<u32>(old, 24); n++) {
    const e = old + HEADER + <usize>n * ENTRY;
    store<u32>(slotOf(load<u64>(e), load<u64>(e, 8)), n + 1);
  }
}

/**
 * When the record `number` of the owner was first seen without life, in seconds of CLOCK_BOOTTIME;
 * 0: never. A time that lies ahead of `time` is none: this boot's clock doesn't go back.
 */
export function sightingOf(d0: u64, d1: u64, number: u64, time: u32): u32 {
  const n = load<u32>(slotOf(d0, d1));
  if (n == 0) return 0;
  const e = old + HEADER + <usize>(n - 1) * ENTRY;
  const first = load<u32>(e, 24);
  return load<u64>(e, 16) == number && first <= time ? first : 0;
}

/** Notes a sighting for the next run. */
export function sightingAdd(d0: u64, d1: u64, number: u64, first: u32): void {
  if (sighted == ENTRIES_MAX) return;
  const e = now + HEADER + <usize>sighted * ENTRY;
  store<u64>(e, d0);
  store<u64>(e, d1, 8);
  store<u64>(e, number, 16);
  store<u32>(e, max<u32>(first, 1), 24);
  store<u32>(e, 0, 28);
  sighted++;
}

/** Writes what was noted. 0 or -errno: then the next run has nothing to go by. */
export function sightingsWrite(): i32 {
  store<u64>(now, MAGIC);
  memory.copy(now + 8, imageBase() + H_BOOT, 16);
  store<u32>(now, sighted, 24);
  store<u64>(now, sumOf(now, sighted), 32);
  const file = openNew("berth.gc.new");
  if (file < 0) return file;
  let status = host.write(file, 0, now, <u32>HEADER + sighted * <u32>ENTRY);
  if (status >= 0) status = host.sync(file);
  host.close(file);
  return status < 0 ? status : renameFile("berth.gc.new", "berth.gc");
}

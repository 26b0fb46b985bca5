// The files of the runtime's cache that may be of the network at hand, youngest first: an address
// that two of them name goes to the container that was given it last, and so does a pod's name.
//
//   CacheFile   | time of its last change | name | what was taken from it |   in scratch memory
//
// Cost: an open for each file, n log n for their order.
import * as host from "../host";
import { call } from "../protocol/call";
import { scratchTake } from "../scratch";

/** More files than that aren't sorted. */
const FILES_MAX: i32 = 131072;
/** Bytes that must be left over behind a list that is whole. */
const NAME_MAX: i32 = 256;

/** A file of the cache. */
@unmanaged
export class CacheFile {
  /** Nanoseconds since 1970; 0 = unknown. */
  time: i64;
  /** Its name. */
  at: usize;
  bytes: i32;
  /** Addresses of its result that were taken, a bit for each of the first 32. */
  taken: u32;
  /** The name of its pod was taken. */
  named: bool;
}

let files: usize = 0;
/** How many there are. */
export let cacheCount: i32 = 0;

/** File number `i` of the list. */
export function cacheFileAt(i: i32): CacheFile {
  return changetype<CacheFile>(files + <usize>i * offsetof<CacheFile>());
}

// Bytes of the name at `at` in a list of `used` bytes.
function nameLength(names: usize, at: i32, used: i32): i32 {
  let bytes = 0;
  while (at + bytes < used && load<u8>(names + at + bytes) != 0) bytes++;
  return bytes;
}

// Is the file called <network>-...?
function isOfNetwork(name: usize, bytes: i32): bool {
  const prefix = call.network.bytes;
  return bytes > prefix && load<u8>(name + prefix) == 45;
}

function changedAt(name: usize, bytes: i32): i64 {
  const handle = host.open(name, bytes, 0);
  if (handle < 0) return 0;
  const time = host.touched(handle);
  host.close(handle);
  return max<i64>(time, 0);
}

// Shell sort: no recursion, no memory.
function sort(): void {
  const size = offsetof<CacheFile>();
  const one = scratchTake(size);
  for (let gap = FILES_MAX / 2; gap > 0; gap = gap == 2 ? 1 : (gap * 5) / 11) {
    for (let i = gap; i < cacheCount; i++) {
      memory.copy(one, changetype<usize>(cacheFileAt(i)), size);
      let j = i;
      for (; j >= gap; j -= gap) {
        const before = cacheFileAt(j - gap);
        if (before.time >= changetype<CacheFile>(one).time) break;
        memory.copy(changetype<usize>(cacheFileAt(j)), changetype<usize>(before), size);
      }
      memory.copy(changetype<usize>(cacheFileAt(j)), one, size);
    }
  }
}

/**
 * Lists the files of the entered directory; `room` bytes at `names` are for their names. How many
 * more begin like the network's name, -errno, or `full`: more than can be listed.
 */
export function cacheList(names: usize, room: i32, full: i32): i32 {
  const prefix = call.network;
  const used = host.list(prefix.at, prefix.bytes, names, room);
  if (used < 0) return used;
  if (used > room - NAME_MAX) return full;
  let others = 0;
  cacheCount = 0;
  for (let at = 0, bytes = 0; at < used; at += bytes + 1) {
    bytes = nameLength(names, at, used);
    if (isOfNetwork(names + at, bytes)) cacheCount++;
    else others++;
  }
  if (cacheCount > FILES_MAX) return full;
  files = scratchTake(<usize>cacheCount * offsetof<CacheFile>());
  let n = 0;
  for (let at = 0, bytes = 0; at < used; at += bytes + 1) {
    bytes = nameLength(names, at, used);
    if (!isOfNetwork(names + at, bytes)) continue;
    const file = cacheFileAt(n++);
    file.time = changedAt(names + at, bytes);
    file.at = names + at;
    file.bytes = bytes;
    file.taken = 0;
    file.named = false;
  }
  sort();
  return others;
}

// What a checkpoint must write: a bit for each page of the image that deferred commits have
// changed. While there are such bits, commits change the view only (the library's, queue.ts).
//
//   dirty   | 64 pages u64 | 64 pages u64 | ...      32 KiB, for the largest image

import * as host from "../host";
import { H_LENGTH } from "../image/header";
import { imageBase, imageLength } from "../image/image";

/** Bytes of a bit for each page of the largest image. */
export const DIRTY_BYTES: u32 = 32768;
const PAGE_SHIFT: u32 = 12;
/** Pages that a checkpoint writes together at most. */
const RUN_PAGES: u32 = 256;

let dirty: usize = 0;

/**
 * From here on commits change the view only, and `checkpoint` writes the pages: `at` are
 * DIRTY_BYTES zeroed bytes of memory. 0: commits write their pages again.
 */
export function logDefer(at: usize): void {
  dirty = at;
}

/** Do commits change the view only? */
export function logIsDeferred(): bool {
  return dirty != 0;
}

/** The word at this offset of the image has changed. */
export function dirtyTouch(offset: u32): void {
  const p = dirty + <usize>(offset >> (PAGE_SHIFT + 3));
  store<u8>(p, load<u8>(p) | ((<u8>1) << (<u8>(offset >> PAGE_SHIFT) & 7)));
}

function isDirty(page: u32): bool {
  return ((load<u8>(dirty + <usize>(page >> 3)) >> (<u8>page & 7)) & 1) != 0;
}

/**
 * Writes the changed pages to the state file, neighbours together; of the first page what lies
 * behind APPLIED. 0 or -errno: the log still has all of it.
 */
export function dirtyWrite(stateFile: i32): i32 {
  const end = imageLength() >> PAGE_SHIFT;
  let page: u32 = 0;
  while (page < end) {
    if ((page & 63) == 0 && load<u64>(dirty + <usize>(page >> 3)) == 0) {
      page += 64;
      continue;
    }
    const first = page;
    while (page < end && page - first < RUN_PAGES && isDirty(page)) page++;
    if (page == first) {
      page++;
      continue;
    }
    const from = first == 0 ? H_LENGTH : first << PAGE_SHIFT;
    const to = page << PAGE_SHIFT;
    const status = host.write(stateFile, from, imageBase() + from, to - from);
    if (status < 0) return status;
  }
  memory.fill(dirty, 0, DIRTY_BYTES);
  return 0;
}

// The marks of host-local: last_reserved_ip.N holds the text of the address that was given last to
// range set N. host-local rewrites one in place at each address that it gives; nothing else does.
//
// We write them under a temporary name, set the time of their last change to MARK_TIME and rename
// them. So as long as last_reserved_ip.0 has that time, host-local has given nothing since: an ADD
// of it, whatever its config, moves the mark of set 0 first. That is one look at one file instead
// of reading them all, and doesn't depend on how fine the clock of a file system is.

import { ADDRESS_BYTES, formatAddress } from "../address";
import * as host from "../host";
import { CURSOR_BYTES, CURSORS } from "../image/header";
import { word } from "../image/image";
import { givenAt, setAt } from "../pool/range";
import { filesAreUnsure, MARK_ZERO } from "../records/file";
import { scratchTake } from "../scratch";
import { openFile, openNew } from "../store/files";
import { fileName, nameAt, nameBytes } from "../store/names";

/** Bytes of "last_reserved_ip.". */
export const MARK_PREFIX_BYTES: i32 = 17;
/** The time on marks that we wrote: one second after 1970. */
const MARK_TIME: u32 = 1;
const SECOND: i64 = 1000000000;
const MARK_NEW: string = "berth.mark.new";

/** Does the name begin as marks do? */
export function markPrefix(name: usize, bytes: i32): bool {
  if (bytes < MARK_PREFIX_BYTES) return false;
  const literal = changetype<usize>(MARK_ZERO);
  for (let i = 0; i < MARK_PREFIX_BYTES; i++) {
    if (<u32>load<u8>(name + i) != <u32>load<u16>(literal + ((<usize>i) << 1))) return false;
  }
  return true;
}

/** Is the mark of set 0 as we left it? Then host-local has given nothing since. */
export function markIsOurs(): bool {
  if (filesAreUnsure) return false;
  const handle = openFile(MARK_ZERO, 0);
  if (handle < 0) return false;
  const time = host.touched(handle);
  host.close(handle);
  return time == <i64>MARK_TIME * SECOND;
}

/** Makes the mark of set 0 ours, if there is one and all that it tells of is known. */
export function markClaim(): void {
  if (filesAreUnsure) return;
  const handle = openFile(MARK_ZERO, 1);
  if (handle < 0) return;
  host.touch(handle, MARK_TIME);
  host.close(handle);
}

/** Writes the mark of a range set, `ours` by its time or not. 0 or -errno: the old one stands. */
export function markPut(index: i32, family: i32, hi: u64, lo: u64, ours: bool): i32 {
  const text = scratchTake(<usize>ADDRESS_BYTES);
  const bytes = formatAddress(family, hi, lo, text);
  const handle = openNew(MARK_NEW);
  if (handle < 0) return handle;
  let status = host.write(handle, 0, text, <u32>bytes);
  if (status >= 0 && ours) status = host.touch(handle, MARK_TIME);
  host.close(handle);
  if (status < 0) return status;
  fileName(MARK_NEW);
  const from = nameAt;
  const fromBytes = nameBytes;
  fileName("last_reserved_ip.00");
  let end = nameAt + MARK_PREFIX_BYTES;
  if (index >= 10) store<u8>(end++, <u8>(48 + index / 10));
  store<u8>(end++, <u8>(48 + (index % 10)));
  return host.rename(from, fromBytes, nameAt, <i32>(end - nameAt));
}

/**
 * Writes the marks of what was given: one Given for each of the sets. Best effort: a mark that is
 * old makes host-local begin its search elsewhere, and us read its files again. What is no part of
 * a set's round leaves its mark, as it leaves its cursor, unless there is no mark of ours at all.
 */
export function marksPut(sets: usize, count: i32, given: usize): void {
  for (let i = count - 1; i >= 0; i--) {
    const set = setAt(sets, i);
    const g = givenAt(given, i);
    // An unsure one isn't ours, but its text is.
    if (g.still && (filesAreUnsure || markIsOurs())) continue;
    markPut(set.index, set.family, g.hi, g.lo, !filesAreUnsure);
  }
}

/**
 * Writes the marks of the sets from their cursors, which a failed ADD has moved: host-local's move
 * then, too. Best effort, as above.
 */
export function marksFollow(sets: usize, count: i32): void {
  for (let i = count - 1; i >= 0; i--) {
    const set = setAt(sets, i);
    const at = CURSORS + <u32>set.index * CURSOR_BYTES;
    const family = <i32>word(at + 16);
    if (family != 0) markPut(set.index, family, word(at), word(at + 8), !filesAreUnsure);
  }
}

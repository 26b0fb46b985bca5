// What a pool excludes, put into it before its first slot is given (slotcell.ts): the interval, and
// in a bitmap its bits, so that a search needn't ask. Cost: a word for 64 slots.
import { half, putWord, word } from "../image/image";
import { bitmapFill } from "../sets/bitmap";
import { exclusionsAdd } from "./exclusions";
import {
  EXCLUDED,
  EXCLUSIONS,
  isBitmap,
  PLAIN_GIVE,
  poolCooling,
  poolHeld,
  SET,
  SLOTS,
  WIDE_GIVE,
  WIDE_TAKE,
} from "./slotcell";
import { NO_SPACE, OK, TAKEN } from "./slots";

/**
 * The bits of an exclusion of a bitmap, in parts before poolExclude: what is set already isn't
 * counted again. OK; TAKEN.
 */
export function poolExcludeBits(cell: u32, from: u32, to: u32): i32 {
  if (poolHeld(cell) != 0 || poolCooling(cell) != 0) return TAKEN;
  const count = <u64>bitmapFill(half(cell + SET), half(cell + SLOTS), from, to);
  putWord(cell + EXCLUDED, word(cell + EXCLUDED) + count);
  return OK;
}

/**
 * Excludes from..to (both included, inside the pool). OK; TAKEN: something in it is held or cools;
 * NO_SPACE.
 */
export function poolExclude(cell: u32, fHi: u64, fLo: u64, tHi: u64, tLo: u64): i32 {
  // Exclusions are made before anything is given: a pool in use keeps what it has promised.
  if (poolHeld(cell) != 0 || poolCooling(cell) != 0) return TAKEN;
  if (!exclusionsAdd(cell + EXCLUSIONS, fHi, fLo, tHi, tLo)) return NO_SPACE;
  putWord(cell, word(cell) & ~(PLAIN_GIVE | WIDE_TAKE | WIDE_GIVE));
  if (isBitmap(cell)) return OK;
  const more = tHi != fHi || tLo - fLo == <u64>-1 ? <u64>-1 : tLo - fLo + 1;
  const sum = word(cell + EXCLUDED) + more;
  putWord(cell + EXCLUDED, sum < more || more == <u64>-1 ? <u64>-1 : sum);
  return OK;
}

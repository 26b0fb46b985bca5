// Wide counts: how many addresses, up to 2^128 - 1, as a pair of words. IPv6 ranges have more
// addresses than a word can count; nothing here walks them.
//
//   value = wideHi * 2^64 + wideLo
import { textByte } from "../protocol/text";

/** The result of the last function. */
export let wideHi: u64 = 0;
export let wideLo: u64 = 0;

const DIGITS_MAX: i32 = 39;

/** hi:lo - otherHi:otherLo. */
export function wideMinus(hi: u64, lo: u64, otherHi: u64, otherLo: u64): void {
  wideLo = lo - otherLo;
  wideHi = hi - otherHi - (lo < otherLo ? 1 : 0);
}

/** hi:lo + otherHi:otherLo. */
export function widePlus(hi: u64, lo: u64, otherHi: u64, otherLo: u64): void {
  wideLo = lo + otherLo;
  wideHi = hi + otherHi + (wideLo < lo ? 1 : 0);
}

/** hi:lo shifted to the right by 0 to 127 bits. */
export function wideShift(hi: u64, lo: u64, bits: i32): void {
  if (bits == 0) {
    wideHi = hi;
    wideLo = lo;
  } else if (bits >= 64) {
    wideHi = 0;
    wideLo = hi >> <u64>(bits - 64);
  } else {
    wideHi = hi >> <u64>bits;
    wideLo = (lo >> <u64>bits) | (hi << (<u64>(64 - bits)));
  }
}

/** As the nearest number that JSON and JavaScript know. */
export function wideNumber(hi: u64, lo: u64): f64 {
  return <f64>hi * 18446744073709551616.0 + <f64>lo;
}

// wideHi:wideLo / 10; answers the rest.
function tenth(): u32 {
  const restHi = wideHi % 10;
  wideHi /= 10;
  const middle = (restHi << 32) | (wideLo >> 32);
  const low = ((middle % 10) << 32) | (wideLo & 0xffffffff);
  wideLo = ((middle / 10) << 32) | (low / 10);
  return <u32>(low % 10);
}

/** Writes hi:lo in decimal. */
export function sayWide(hi: u64, lo: u64): void {
  // Digits come from the right; two of 20 and 19 digits hold them.
  let first: u64 = 0;
  let second: u64 = 0;
  let power: u64 = 1;
  let digits = 0;
  wideHi = hi;
  wideLo = lo;
  for (; digits < DIGITS_MAX && (digits == 0 || (wideHi | wideLo) != 0); digits++) {
    if (digits == 19) power = 1;
    const digit = <u64>tenth();
    if (digits < 19) second += digit * power;
    else if (digits < 38) first += digit * power;
    else first += digit * 10000000000000000000;
    power *= 10;
  }
  for (let i = digits - 1; i >= 0; i--) {
    const from = i >= 19 ? first : second;
    let divisor: u64 = 1;
    for (let n = i >= 19 ? i - 19 : i; n > 0; n--) divisor *= 10;
    textByte(48 + <u32>((from / divisor) % 10));
  }
}

/** Writes hi:lo as people read it: all digits up to a million million, 2^64 and the like above. */
export function sayCount(hi: u64, lo: u64): void {
  if (hi == 0 && lo < 1000000000000) {
    sayWide(hi, lo);
    return;
  }
  // Rounded to a tenth of a power of two: what is nearly one (a gateway less) is told as one.
  const bits = hi != 0 ? 128 - <i32>clz<u64>(hi) : 64 - <i32>clz<u64>(lo);
  wideShift(hi, lo, bits - 16);
  const tenths = (<u32>wideLo * 10 + 0x4000) >> 15;
  if (tenths == 20) sayPower(bits);
  else if (tenths == 10) sayPower(bits - 1);
  else {
    // x.y * 2^(bits - 1)
    textByte(48 + tenths / 10);
    textByte(46);
    textByte(48 + (tenths % 10));
    textByte(42);
    sayPower(bits - 1);
  }
}

function sayPower(bits: i32): void {
  textByte(50);
  textByte(94);
  sayWide(0, <u64>bits);
}

// Addresses: 128-bit values hi:lo with a family (4 or 6), as Go's net.ParseIP and net.ParseCIDR
// read them and net.IP.String prints them. IPv4 has hi = 0 and uses the low 32 bits of lo.
//
// An IPv4-mapped IPv6 text (::ffff:10.0.0.1) is the IPv4 address, as everywhere in host-local; a
// prefix of that kind keeps its 128-bit length, and `parsedMapped` tells.
//
// Cost: linear in the text, at most 45 bytes are looked at. Depends on nothing.

/** What parseAddress and parsePrefix found. */
export let parsedHi: u64 = 0;
export let parsedLo: u64 = 0;
export let parsedFamily: i32 = 0;
/** Length of the prefix in bits, as written. */
export let parsedLength: i32 = 0;
/** An IPv4-mapped IPv6 text: family is 4, a prefix's length counts from 128. */
export let parsedMapped: bool = false;

/** Longest text of an address. */
export const ADDRESS_BYTES: i32 = 45;

// Four decimal fields without leading zeros. The value goes to parsedLo.
function parseFour(at: usize, bytes: i32): bool {
  let value: u64 = 0;
  let field: u32 = 0;
  let digits = 0;
  let dots = 0;
  if (bytes > 15) return false;
  for (let i = 0; i < bytes; i++) {
    const c = <u32>load<u8>(at + i);
    if (c >= 48 && c <= 57) {
      if (digits == 1 && field == 0) return false;
      field = field * 10 + (c - 48);
      digits++;
      if (field > 255) return false;
    } else if (c == 46) {
      if (digits == 0 || dots == 3) return false;
      value = (value << 8) | <u64>field;
      field = 0;
      digits = 0;
      dots++;
    } else {
      return false;
    }
  }
  if (dots != 3 || digits == 0) return false;
  parsedHi = 0;
  parsedLo = (value << 8) | <u64>field;
  return true;
}

function hexDigit(c: u32): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  if (lower >= 97 && lower <= 102) return lower - 87;
  return -1;
}

// The fields of an IPv6 text, as netip.ParseAddr without a zone takes them. `head` are the bits
// before the "::", `tail` those after it, each a 128-bit value filled from the right.
function parseSix(at: usize, bytes: i32): bool {
  let hi: u64 = 0;
  let lo: u64 = 0;
  let headHi: u64 = 0;
  let headLo: u64 = 0;
  let fields = 0;
  let headFields = -1;
  let i = 0;
  if (bytes >= 2 && load<u8>(at) == 58 && load<u8>(at + 1) == 58) {
    headFields = 0;
    i = 2;
  }
  // At most 8 fields, each of at most 4 digits.
  while (fields < 8 && i < bytes) {
    const begin = i;
    let value: u64 = 0;
    while (i < bytes && i - begin < 5) {
      const d = hexDigit(load<u8>(at + i));
      if (d < 0) break;
      value = (value << 4) | <u64>d;
      i++;
    }
    if (i == begin || i - begin > 4) return false;
    if (i < bytes && load<u8>(at + i) == 46) {
      if ((headFields < 0 && fields != 6) || fields > 6) return false;
      if (!parseFour(at + begin, bytes - begin)) return false;
      hi = (hi << 32) | (lo >> 32);
      lo = (lo << 32) | parsedLo;
      fields += 2;
      i = bytes;
      break;
    }
    hi = (hi << 16) | (lo >> 48);
    lo = (lo << 16) | value;
    fields++;
    if (i == bytes) break;
    if (load<u8>(at + i) != 58 || i + 1 == bytes) return false;
    i++;
    if (load<u8>(at + i) == 58) {
      if (headFields >= 0) return false;
      headFields = fields;
      headHi = hi;
      headLo = lo;
      hi = 0;
      lo = 0;
      i++;
    }
  }
  if (i != bytes) return false;
  if (headFields < 0) {
    if (fields != 8) return false;
  } else {
    if (fields == 8) return false;
    // Push the head to the left end.
    for (let n = headFields; n < 8; n++) {
      headHi = (headHi << 16) | (headLo >> 48);
      headLo = headLo << 16;
    }
    hi |= headHi;
    lo |= headLo;
  }
  parsedHi = hi;
  parsedLo = lo;
  return true;
}

/**
 * Reads an address: Go's net.ParseIP. Answers in parsedHi, parsedLo, parsedFamily, parsedMapped.
 * False for anything else: leading zeros, zones, spaces, a prefix length.
 */
export function parseAddress(at: usize, bytes: i32): bool {
  parsedMapped = false;
  parsedFamily = 4;
  if (bytes > ADDRESS_BYTES) return false;
  for (let i = 0; i < bytes; i++) {
    const c = load<u8>(at + i);
    if (c == 46) return parseFour(at, bytes);
    if (c != 58) continue;
    parsedFamily = 6;
    if (!parseSix(at, bytes)) return false;
    if (parsedHi == 0 && parsedLo >> 32 == 0xffff) {
      parsedFamily = 4;
      parsedLo &= 0xffffffff;
      parsedMapped = true;
    }
    return true;
  }
  return false;
}

/**
 * Reads `address/length` without dropping host bits: Go's net.ParseCIDR, whose second answer isn't
 * used. The length is in parsedLength, up to 32 or (also for a mapped address) 128.
 */
export function parsePrefix(at: usize, bytes: i32): bool {
  let slash = -1;
  for (let i = 0; i < bytes; i++) {
    if (load<u8>(at + i) == 47) {
      slash = i;
      break;
    }
    if (i > ADDRESS_BYTES) return false;
  }
  if (slash < 0 || slash + 1 == bytes) return false;
  let length = 0;
  for (let i = slash + 1; i < bytes; i++) {
    const c = <i32>load<u8>(at + i);
    if (c < 48 || c > 57) return false;
    length = length * 10 + (c - 48);
    if (length > 128) return false;
  }
  if (!parseAddress(at, slash)) return false;
  if (length > (parsedFamily == 6 || parsedMapped ? 128 : 32)) return false;
  parsedLength = length;
  return true;
}

/** The length as Go prints it: of a mapped prefix the last 32 bits of its mask count. */
export function shownLength(): i32 {
  return parsedMapped ? max<i32>(0, parsedLength - 96) : parsedLength;
}

/** Has what parsePrefix found bits behind its length? Not for mapped ones (see parsedMapped). */
export function hasHostBits(): bool {
  const hi = parsedHi & maskHi(parsedFamily, parsedLength);
  const lo = parsedLo & maskLo(parsedFamily, parsedLength);
  return hi != parsedHi || lo != parsedLo;
}

/** Upper half of the network mask of a prefix. */
export function maskHi(family: i32, length: i32): u64 {
  if (family == 4 || length == 0) return 0;
  return length >= 64 ? <u64>-1 : (<u64>-1) << (64 - <u64>length);
}

/** Lower half of the network mask of a prefix. */
export function maskLo(family: i32, length: i32): u64 {
  if (family == 4) return length == 0 ? 0 : (0xffffffff << (32 - <u64>length)) & 0xffffffff;
  if (length <= 64) return 0;
  return length == 128 ? <u64>-1 : (<u64>-1) << (128 - <u64>length);
}

/** Upper half of the last address of a prefix that begins at hi:lo. */
export function lastHi(family: i32, length: i32, hi: u64): u64 {
  return family == 4 ? 0 : hi | ~maskHi(family, length);
}

/** Lower half of the last address of a prefix that begins at hi:lo. */
export function lastLo(family: i32, length: i32, lo: u64): u64 {
  const rest = ~maskLo(family, length);
  return family == 4 ? lo | (rest & 0xffffffff) : lo | rest;
}

let out: usize = 0;

function putDecimal(n: u32): void {
  if (n >= 100) store<u8>(out++, <u8>(48 + n / 100));
  if (n >= 10) store<u8>(out++, <u8>(48 + ((n / 10) % 10)));
  store<u8>(out++, <u8>(48 + (n % 10)));
}

function putFour(value: u32): void {
  for (let shift = 24; shift >= 0; shift -= 8) {
    putDecimal((value >> shift) & 255);
    if (shift > 0) store<u8>(out++, 46);
  }
}

function putHex(value: u32): void {
  let started = false;
  for (let shift = 12; shift >= 0; shift -= 4) {
    const d = (value >> shift) & 15;
    if (d == 0 && !started && shift > 0) continue;
    started = true;
    store<u8>(out++, <u8>(d < 10 ? 48 + d : 87 + d));
  }
}

function fieldOf(hi: u64, lo: u64, i: i32): u32 {
  const half = i < 4 ? hi : lo;
  return <u32>(half >> (48 - ((<u64>i & 3) << 4))) & 0xffff;
}

/**
 * Writes the canonical text (RFC 5952) to `into`, at most ADDRESS_BYTES bytes, and answers its
 * length. A mapped value of family 6 is written ::ffff:10.0.0.1.
 */
export function formatAddress(family: i32, hi: u64, lo: u64, into: usize): i32 {
  out = into;
  if (family == 4) {
    putFour(<u32>lo);
    return <i32>(out - into);
  }
  if (hi == 0 && lo >> 32 == 0xffff) {
    store<u16>(out, 0x3a3a);
    store<u32>(out + 2, 0x66666666);
    store<u8>(out + 6, 58);
    out += 7;
    putFour(<u32>lo);
    return <i32>(out - into);
  }
  // The longest run of at least two zero fields; the first one of equals.
  let from = -1;
  let until = -1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && fieldOf(hi, lo, j) == 0) j++;
    if (j - i >= 2 && j - i > until - from) {
      from = i;
      until = j;
    }
    if (j > i) i = j - 1;
  }
  for (let i = 0; i < 8; i++) {
    if (i == from) {
      store<u16>(out, 0x3a3a);
      out += 2;
      i = until;
      if (i >= 8) break;
    } else if (i > 0) {
      store<u8>(out++, 58);
    }
    putHex(fieldOf(hi, lo, i));
  }
  return <i32>(out - into);
}

// What the nodes of json.ts mean: decoded strings, members by name, whole numbers.
//
// Rules taken from Go: keys match without regard to case (with U+017F and U+212A as s and k), of
// several the last wins (whole: upstream would merge two objects), null counts as absent (for a
// scalar it leaves what an earlier one said), invalid UTF-8 and lone surrogates become U+FFFD.
//
// Cost: linear in the string, in the object. A string that needs no decoding stays where it is.

import { scratchRewind, scratchTake } from "../scratch";
import {
  hex,
  JSON_NULL,
  JSON_OBJECT,
  jsonAt,
  jsonBytes,
  jsonKind,
  jsonNext,
  jsonPlain,
} from "./json";
import { RUNE_ERROR, runeAt, runeBytes, Text, textRune, textTo } from "./text";

// Code point of the escape whose backslash is at p; `taken` bytes long.
let taken: i32 = 0;

function unit(p: usize): u32 {
  let value: u32 = 0;
  for (let i = 0; i < 4; i++) value = (value << 4) | <u32>hex(load<u8>(p + i));
  return value;
}

function escapeAt(p: usize, last: usize): u32 {
  const c = <u32>load<u8>(p + 1);
  taken = 2;
  switch (c) {
    case 98:
      return 8;
    case 102:
      return 12;
    case 110:
      return 10;
    case 114:
      return 13;
    case 116:
      return 9;
    case 117: {
      const high = unit(p + 2);
      taken = 6;
      if (high < 0xd800 || high > 0xdfff) return high;
      if (high < 0xdc00 && p + 12 <= last && load<u16>(p + 6) == 0x755c) {
        const low = unit(p + 8);
        if (low >= 0xdc00 && low <= 0xdfff) {
          taken = 12;
          return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        }
      }
      return RUNE_ERROR;
    }
    default:
      return c;
  }
}

// The decoded code point at p, `taken` bytes long.
function codePoint(p: usize, last: usize): u32 {
  if (load<u8>(p) == 92) return escapeAt(p, last);
  const rune = runeAt(p, last);
  taken = <i32>runeBytes;
  return rune;
}

/** Where jsonText left the string. */
export let jsonTextAt: usize = 0;
export let jsonTextBytes: i32 = 0;

/** Decodes a string node. A plain one stays where it is; else it takes scratch. */
export function jsonText(node: i32): void {
  jsonTextAt = jsonAt(node);
  jsonTextBytes = jsonBytes(node);
  if (jsonPlain(node)) return;
  // One byte of invalid UTF-8 becomes three.
  const text = changetype<Text>(scratchTake(offsetof<Text>()));
  text.cap = jsonTextBytes * 3;
  text.at = scratchTake(<usize>text.cap);
  text.length = 0;
  text.full = false;
  textTo(text);
  const last = jsonTextAt + jsonTextBytes;
  for (let p = jsonTextAt; p < last; ) {
    const rune = codePoint(p, last);
    p += taken;
    textRune(rune);
  }
  scratchRewind((text.at + text.length + 15) & ~15);
  jsonTextAt = text.at;
  jsonTextBytes = text.length;
}

// Does the key fold to `name` (written in any case, ASCII)?
function sameKey(key: i32, name: string): bool {
  if (!jsonPlain(key)) return sameRunes(key, name);
  return jsonBytes(key) == name.length && sameBytes(jsonAt(key), name);
}

function sameBytes(p: usize, name: string): bool {
  const w = changetype<usize>(name);
  for (let i = 0; i < name.length; i++) {
    const c = <u32>load<u8>(p + i);
    const d = <u32>load<u16>(w + ((<usize>i) << 1));
    // Most keys are alike or differ by more than case, which no folding mends.
    if (c != d && (((c ^ d) & ~32) != 0 || fold(c) != fold(d))) return false;
  }
  return true;
}

function sameRunes(key: i32, name: string): bool {
  const w = changetype<usize>(name);
  const last = jsonAt(key) + jsonBytes(key);
  let p = jsonAt(key);
  for (let i = 0; i < name.length; i++) {
    if (p >= last || fold(codePoint(p, last)) != fold(load<u16>(w + ((<usize>i) << 1))))
      return false;
    p += taken;
  }
  return p == last;
}

function fold(rune: u32): u32 {
  if (rune >= 65 && rune <= 90) return rune + 32;
  if (rune == 0x17f) return 115;
  if (rune == 0x212a) return 107;
  return rune;
}

/**
 * The value of a member: the last whose key matches. 0 if there is none or it is null, and if
 * `object` is 0 or no object (the root is asked for as node 0 by jsonRootMember).
 */
export function jsonMember(object: i32, name: string): i32 {
  const value = object == 0 ? 0 : jsonRaw(object, name);
  return value != 0 && jsonKind(value) == JSON_NULL ? 0 : value;
}

/** jsonMember of the document itself. */
export function jsonRootMember(name: string): i32 {
  const value = jsonRaw(0, name);
  return value != 0 && jsonKind(value) == JSON_NULL ? 0 : value;
}

/** The last of several members that isn't null, as Go fills texts and numbers; 0 if none is. */
export function jsonScalar(object: i32, name: string): i32 {
  if (jsonKind(object) != JSON_OBJECT) return 0;
  let found = 0;
  const last = jsonNext(object);
  for (let key = object + 1; key < last; key = jsonNext(key + 1))
    if (maybe(key, name) && sameKey(key, name) && jsonKind(key + 1) != JSON_NULL) found = key + 1;
  return found;
}

/** Like jsonMember, but tells null (a node of kind JSON_NULL) from absent (0). Linear. */
export function jsonRaw(object: i32, name: string): i32 {
  if (jsonKind(object) != JSON_OBJECT) return 0;
  let found = 0;
  const last = jsonNext(object);
  for (let key = object + 1; key < last; key = jsonNext(key + 1))
    if (maybe(key, name) && sameKey(key, name)) found = key + 1;
  return found;
}

// A key that is looked at in vain, as most are, is told apart by its length.
function maybe(key: i32, name: string): bool {
  return jsonBytes(key) == name.length || !jsonPlain(key);
}

/** What jsonInteger found. */
export let jsonNumber: i64 = 0;

/** Reads a number node as a 64-bit integer. False for fractions, exponents and what doesn't fit. */
export function jsonInteger(node: i32): bool {
  const p = jsonAt(node);
  const bytes = jsonBytes(node);
  const negative = load<u8>(p) == 45;
  const first = negative ? 1 : 0;
  if (bytes - first > 19) return false;
  let value: u64 = 0;
  for (let i = first; i < bytes; i++) {
    const c = <u64>load<u8>(p + i);
    if (c < 48 || c > 57) return false;
    value = value * 10 + (c - 48);
  }
  if (value > <u64>i64.MAX_VALUE + (negative ? 1 : 0)) return false;
  jsonNumber = negative ? <i64>(0 - value) : <i64>value;
  return true;
}

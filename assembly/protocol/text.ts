// Texts: bytes written one after the other into a buffer of scratch, and the rules by which Go
// prints strings (upstream's plugins are Go programs; our output must read like theirs).
//
//   Text  | at | length | cap | full |      one buffer; writing goes to the one chosen by textTo
//
// A full buffer takes nothing more and says so (`full`); nothing traps. Linear in what is written.
import { scratchTake, scratchTakeFar } from "../scratch";

/** A buffer: `length` of `cap` bytes at `at` are written. */
@unmanaged
export class Text {
  at: usize;
  length: i32;
  cap: i32;
  /** Something didn't fit and was left out. */
  full: bool;
}

let sink: Text = changetype<Text>(0);

/** Reserves the record of a buffer only: several of them in a row lie on one page. */
export function textHead(): Text {
  return changetype<Text>(scratchTake(offsetof<Text>()));
}

/** Reserves a buffer of `cap` bytes. Untouched pages cost nothing. */
export function textTake(cap: i32): Text {
  return textRoom(textHead(), cap);
}

/** Reserves the `cap` bytes of a buffer whose record is there. */
function textRoom(text: Text, cap: i32): Text {
  return textAt(text, scratchTake(<usize>cap), cap);
}

/** The same where the usual call doesn't go (scratchTakeFar). */
export function textFar(text: Text, cap: i32): Text {
  return textAt(text, scratchTakeFar(<usize>cap), cap);
}

function textAt(text: Text, at: usize, cap: i32): Text {
  text.at = at;
  text.length = 0;
  text.cap = cap;
  text.full = false;
  return text;
}

/** Everything below writes to `text` from now on. */
export function textTo(text: Text): void {
  sink = text;
}

/** Empties a buffer. */
export function textClear(text: Text): void {
  text.length = 0;
  text.full = false;
}

/** Writes one byte. */
export function textByte(byte: u32): void {
  const t = sink;
  if (t.length >= t.cap) {
    t.full = true;
    return;
  }
  store<u8>(t.at + t.length, <u8>byte);
  t.length++;
}

/** Writes `bytes` bytes; as many as fit. */
export function textBytes(at: usize, bytes: i32): void {
  const t = sink;
  let n = bytes;
  if (n > t.cap - t.length) {
    n = t.cap - t.length;
    t.full = true;
  }
  if (n <= 0) return;
  memory.copy(t.at + t.length, at, n);
  t.length += n;
}

/** Writes a code point as UTF-8. */
export function textRune(rune: u32): void {
  if (rune < 0x80) {
    textByte(rune);
  } else if (rune < 0x800) {
    textByte(0xc0 | (rune >> 6));
    textByte(0x80 | (rune & 63));
  } else if (rune < 0x10000) {
    textByte(0xe0 | (rune >> 12));
    textByte(0x80 | ((rune >> 6) & 63));
    textByte(0x80 | (rune & 63));
  } else {
    textByte(0xf0 | (rune >> 18));
    textByte(0x80 | ((rune >> 12) & 63));
    textByte(0x80 | ((rune >> 6) & 63));
    textByte(0x80 | (rune & 63));
  }
}

/** Writes a literal of the program (no characters above U+FFFF). */
export function textString(s: string): void {
  const p = changetype<usize>(s);
  const t = sink;
  let i = 0;
  if (s.length <= t.cap - t.length) {
    // ASCII, as nearly all of them are: straight into the buffer.
    const into = t.at + t.length;
    for (; i + 4 <= s.length; i += 4) {
      let four = load<u64>(p + ((<usize>i) << 1));
      if ((four & 0xff80ff80ff80ff80) != 0) break;
      four |= four >> 8;
      store<u32>(into + i, <u32>(four & 0xffff) | <u32>((four >> 16) & 0xffff0000));
    }
    for (; i < s.length; i++) {
      const c = load<u16>(p + ((<usize>i) << 1));
      if (c >= 0x80) break;
      store<u8>(into + i, <u8>c);
    }
    t.length += i;
  }
  for (; i < s.length; i++) textRune(load<u16>(p + ((<usize>i) << 1)));
}

/** Writes a number in decimal. */
export function textNumber(n: i64): void {
  let rest = <u64>n;
  if (n < 0) {
    textByte(45); // -
    rest = 0 - rest;
  }
  let power: u64 = 1;
  for (let i = 0; i < 19 && rest / power >= 10; i++) power *= 10;
  for (let i = 0; i < 20 && power > 0; i++) {
    textByte(48 + <u32>((rest / power) % 10));
    power /= 10;
  }
}

function textHex(value: u32, digits: i32): void {
  for (let i = digits - 1; i >= 0; i--) {
    const d = (value >> ((<u32>i) << 2)) & 15;
    textByte(d < 10 ? 48 + d : 87 + d);
  }
}

/** Bytes of the code point that `runeAt` read last. */
export let runeBytes: i32 = 1;

/** What invalid UTF-8 is read as. */
export const RUNE_ERROR: u32 = 0xfffd;

/**
 * The code point at `at`, `end` being the end of the text (at < end). Invalid UTF-8 reads as
 * U+FFFD, one byte at a time, with `runeBytes` = 1, as Go's utf8.DecodeRune has it.
 */
export function runeAt(at: usize, end: usize): u32 {
  const b0 = <u32>load<u8>(at);
  runeBytes = 1;
  if (b0 < 0x80) return b0;
  if (b0 < 0xc2 || b0 > 0xf4) return RUNE_ERROR;
  const more: i32 = b0 < 0xe0 ? 1 : b0 < 0xf0 ? 2 : 3;
  if (at + 1 + more > end) return RUNE_ERROR;
  const b1 = <u32>load<u8>(at + 1);
  let low: u32 = 0x80;
  let high: u32 = 0xbf;
  if (b0 == 0xe0) low = 0xa0;
  else if (b0 == 0xed) high = 0x9f;
  else if (b0 == 0xf0) low = 0x90;
  else if (b0 == 0xf4) high = 0x8f;
  if (b1 < low || b1 > high) return RUNE_ERROR;
  let rune = ((b0 & (0x3f >> more)) << 6) | (b1 & 63);
  for (let i = 2; i <= more; i++) {
    const b = <u32>load<u8>(at + i);
    if ((b & 0xc0) != 0x80) return RUNE_ERROR;
    rune = (rune << 6) | (b & 63);
  }
  runeBytes = more + 1;
  return rune;
}

/** Is it white space, by Go's unicode.IsSpace? */
export function isSpace(rune: u32): bool {
  if (rune <= 0xff) return rune == 32 || (rune >= 9 && rune <= 13) || rune == 0x85 || rune == 0xa0;
  return (
    rune == 0x1680 ||
    (rune >= 0x2000 && rune <= 0x200a) ||
    rune == 0x2028 ||
    rune == 0x2029 ||
    rune == 0x202f ||
    rune == 0x205f ||
    rune == 0x3000
  );
}

// The letter that stands for a control character after a backslash (\a \b \t \n \v \f \r), or 0.
function controlLetter(rune: u32): u32 {
  switch (rune) {
    case 7:
      return 97;
    case 8:
      return 98;
    case 9:
      return 116;
    case 10:
      return 110;
    case 11:
      return 118;
    case 12:
      return 102;
    case 13:
      return 114;
    default:
      return 0;
  }
}

/** Writes a text as a JSON string with quotes, escaped as Go's encoding/json does by default. */
export function textJson(at: usize, bytes: i32): void {
  textByte(34);
  const end = at + bytes;
  for (let p = at; p < end; p += runeBytes) {
    const rune = runeAt(p, end);
    const letter = rune == 7 || rune == 11 ? 0 : controlLetter(rune);
    if (rune == 34 || rune == 92) {
      textByte(92);
      textByte(rune);
    } else if (letter != 0) {
      textByte(92);
      textByte(letter);
    } else if (
      rune < 32 ||
      rune == 60 ||
      rune == 62 ||
      rune == 38 ||
      rune == 0x2028 ||
      rune == 0x2029 ||
      (rune == RUNE_ERROR && runeBytes == 1)
    ) {
      textByte(92);
      textByte(117);
      textHex(rune, 4);
    } else {
      textBytes(p, runeBytes);
    }
  }
  textByte(34);
}

/** Writes one code point as Go's %q does inside quotes of the kind `quote`. */
export function textQuoteRune(rune: u32, quote: u32): void {
  const letter = controlLetter(rune);
  if (rune == quote || rune == 92) {
    textByte(92);
    textByte(rune);
  } else if (letter != 0) {
    textByte(92);
    textByte(letter);
  } else if (rune < 32 || rune == 127) {
    textByte(92);
    textByte(120);
    textHex(rune, 2);
  } else if ((rune > 127 && rune <= 0xa0) || rune == 0xad || (isSpace(rune) && rune != 32)) {
    textByte(92);
    textByte(117);
    textHex(rune, 4);
  } else {
    textRune(rune);
  }
}

/** Writes a text in double quotes as Go's %q does. */
export function textQuote(at: usize, bytes: i32): void {
  textByte(34);
  const end = at + bytes;
  for (let p = at; p < end; p += runeBytes) {
    const rune = runeAt(p, end);
    if (rune == RUNE_ERROR && runeBytes == 1) {
      textByte(92);
      textByte(120);
      textHex(<u32>load<u8>(p), 2);
    } else {
      textQuoteRune(rune, 34);
    }
  }
  textByte(34);
}

/** Are these bytes exactly the literal `s` (ASCII)? */
export function sameText(at: usize, bytes: i32, s: string): bool {
  if (bytes != s.length) return false;
  const p = changetype<usize>(s);
  for (let i = 0; i < bytes; i++)
    if (<u32>load<u8>(at + i) != <u32>load<u16>(p + ((<usize>i) << 1))) return false;
  return true;
}

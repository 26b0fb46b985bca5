// A bounded JSON reader. One pass checks the whole text by the grammar of Go's encoding/json and
// lays down a node for each value, in the order of the text; after that, values are found by
// walking nodes.
//
//   node   | start u32 | length u32 | next u32 | kind u8 | plain u8 | - |    16 bytes
//
//   {"a":[1,2]}   ->   0 object   1 "a"   2 list   3 1   4 2
//
// `next` is the first node after the value and all it holds; while a list or object is still open
// it holds the parent instead, so no stack is needed. Members are two nodes: key, value. Node 0 is
// the whole document, so 0 also says "not there". `start` and `length` of a string leave out its
// quotes.
//
// Cost: linear in the text, 8 bytes of scratch for each of its bytes at most. Refuses: what Go
// refuses, with Go's words; nesting goes to 10,000 as there. What strings and members mean:
// jsonvalue.ts.
import { scratchRewind, scratchTake } from "../scratch";

export const JSON_NULL: i32 = 0;
export const JSON_FALSE: i32 = 1;
export const JSON_TRUE: i32 = 2;
export const JSON_NUMBER: i32 = 3;
export const JSON_STRING: i32 = 4;
export const JSON_LIST: i32 = 5;
export const JSON_OBJECT: i32 = 6;

/** Deepest nesting, as in Go. */
const JSON_DEPTH: i32 = 10000;

const NODE_BYTES: usize = 16;

let base: usize = 0;
let end: usize = 0;
let nodes: usize = 0;
let count: i32 = 0;

/** What was wrong, in Go's words: `invalid character 'x'` (if jsonFaultByte >= 0), then this. */
export let jsonFault: string = "";
/** The byte where the text broke off, or -1 if it ended too early. */
export let jsonFaultByte: i32 = -1;

function at(node: i32): usize {
  return nodes + <usize>node * NODE_BYTES;
}

// The byte at p doesn't fit. At the end Go tries one more blank: what breaks off where none may
// stand is told as that blank.
function fail(p: usize, where: string): bool {
  jsonFaultByte = p < end ? <i32>load<u8>(p) : 32;
  jsonFault = where;
  return false;
}

function cutOff(): bool {
  jsonFaultByte = -1;
  jsonFault = "unexpected end of JSON input";
  return false;
}

function put(kind: i32, start: usize): i32 {
  const n = at(count);
  store<u32>(n, <u32>(start - base));
  store<u32>(n, 0, 4);
  store<u32>(n, <u32>count + 1, 8);
  store<u32>(n, <u32>kind, 12);
  count++;
  return count - 1;
}

function isBlank(c: u32): bool {
  return c == 32 || c == 10 || c == 13 || c == 9;
}

function isDigit(p: usize): bool {
  if (p >= end) return false;
  const c = <u32>load<u8>(p);
  return c >= 48 && c <= 57;
}

// Where the value that was read last ends.
let stop: usize = 0;

const LOWS: u64 = 0x7f7f7f7f7f7f7f7f;
const TOPS: u64 = 0x8080808080808080;
const ONES: u64 = 0x0101010101010101;

// Marks the quotes, backslashes and control characters among eight bytes by their top bits: a byte
// x is 0 where (x & 0x7f) + 0x7f and x both have no top bit.
function special(eight: u64): u64 {
  const quote = eight ^ (34 * ONES);
  const back = eight ^ (92 * ONES);
  const control = eight & (0xe0 * ONES);
  const others =
    (((quote & LOWS) + LOWS) | quote) &
    (((back & LOWS) + LOWS) | back) &
    (((control & LOWS) + LOWS) | control);
  return ~others & TOPS;
}

// Does this character make an escape code of two characters?
function isEscape(c: u32): bool {
  if (c == 34) return true;
  return c == 92 || c == 110 || c == 47 || c == 116 || c == 114 || c == 98 || c == 102;
}

// What `skip` went over: bytes (the top bits tell of others than ASCII), and escape codes.
let high: u64 = 0;
let escaped: bool = false;

// From `q` on, goes over ordinary characters and escape codes of two, by words of eight bytes:
// annotations bring long strings, with JSON in them. Answers where it can't: at another special
// character, or near the end.
function skip(from: usize): usize {
  let q = from;
  // The ninth byte is the one behind a backslash in the eighth place.
  while (q + 9 <= end) {
    const eight = load<u64>(q);
    let marks = special(eight);
    let over: usize = 8;
    while (marks != 0) {
      const bit = ctz(marks);
      const place = q + (<usize>bit >> 3);
      if (load<u8>(place) != 92 || !isEscape(load<u8>(place, 1))) {
        high |= eight & (((<u64>1) << (bit & 56)) - 1);
        return place;
      }
      escaped = true;
      marks &= marks - 1;
      if (bit == 63) over = 9;
      else marks &= ~((<u64>256) << bit);
    }
    high |= eight;
    q += over;
  }
  return q;
}

// A string whose opening quote is at p.
function readString(p: usize): bool {
  const node = put(JSON_STRING, p + 1);
  high = 0;
  escaped = false;
  for (let q = p + 1; q < end; q++) {
    q = skip(q);
    if (q >= end) break;
    const c = <u32>load<u8>(q);
    if (c == 34) {
      store<u32>(at(node), <u32>(q - p - 1), 4);
      store<u8>(at(node), <u8>((high & TOPS) == 0 && !escaped), 13);
      stop = q + 1;
      return true;
    }
    if (c < 32) return fail(q, " in string literal");
    high |= c;
    if (c != 92) continue;
    escaped = true;
    q++;
    if (q >= end) return fail(q, " in string escape code");
    const code = <u32>load<u8>(q);
    if (isEscape(code)) continue;
    if (code != 117) return fail(q, " in string escape code");
    for (let i = 0; i < 4; i++) {
      q++;
      if (q >= end || hex(load<u8>(q)) < 0) return fail(q, " in \\u hexadecimal character escape");
    }
  }
  return cutOff();
}

/** Value of a hexadecimal digit, or -1. */
export function hex(c: u32): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  if (lower >= 97 && lower <= 102) return lower - 87;
  return -1;
}

function readNumber(p: usize): bool {
  const node = put(JSON_NUMBER, p);
  let q = p;
  if (load<u8>(q) == 45) {
    q++;
    if (!isDigit(q)) return fail(q, " in numeric literal");
  }
  if (load<u8>(q) == 48) q++;
  else while (isDigit(q)) q++;
  if (q < end && load<u8>(q) == 46) {
    q++;
    if (!isDigit(q)) return fail(q, " after decimal point in numeric literal");
    while (isDigit(q)) q++;
  }
  if (q < end && (load<u8>(q) | 32) == 101) {
    q++;
    if (q < end && (load<u8>(q) == 43 || load<u8>(q) == 45)) q++;
    if (!isDigit(q)) return fail(q, " in exponent of numeric literal");
    while (isDigit(q)) q++;
  }
  store<u32>(at(node), <u32>(q - p), 4);
  stop = q;
  return true;
}

function readLiteral(p: usize, kind: i32, word: string): bool {
  const node = put(kind, p);
  const w = changetype<usize>(word);
  for (let i = 1; i < word.length; i++) {
    const q = p + i;
    if (q >= end || <u32>load<u8>(q) != <u32>load<u16>(w + ((<usize>i) << 1))) {
      return fail(q, literalFault(kind, i));
    }
  }
  store<u32>(at(node), word.length, 4);
  stop = p + word.length;
  return true;
}

function literalFault(kind: i32, i: i32): string {
  if (kind == JSON_TRUE) {
    if (i == 1) return " in literal true (expecting 'r')";
    return i == 2 ? " in literal true (expecting 'u')" : " in literal true (expecting 'e')";
  }
  if (kind == JSON_FALSE) {
    if (i == 1) return " in literal false (expecting 'a')";
    if (i == 2) return " in literal false (expecting 'l')";
    return i == 3 ? " in literal false (expecting 's')" : " in literal false (expecting 'e')";
  }
  if (i == 1) return " in literal null (expecting 'u')";
  return " in literal null (expecting 'l')";
}

// Anything that isn't a list or an object.
function readScalar(p: usize): bool {
  const c = <u32>load<u8>(p);
  if (c == 34) return readString(p);
  if (c == 45 || (c >= 48 && c <= 57)) return readNumber(p);
  if (c == 116) return readLiteral(p, JSON_TRUE, "true");
  if (c == 102) return readLiteral(p, JSON_FALSE, "false");
  if (c == 110) return readLiteral(p, JSON_NULL, "null");
  return fail(p, " looking for beginning of value");
}

function blanks(p: usize): usize {
  let q = p;
  while (q < end && isBlank(load<u8>(q))) q++;
  return q;
}

// What may come next.
const WANT_VALUE: i32 = 0;
const WANT_VALUE_OR_END: i32 = 1;
const WANT_KEY: i32 = 2;
const WANT_KEY_OR_END: i32 = 3;
const AFTER_VALUE: i32 = 4;

/**
 * Reads the whole text. On true, node 0 is the document; on false, jsonFault and jsonFaultByte
 * tell. Takes scratch for the nodes; the text must stay where it is.
 */
export function jsonRead(from: usize, bytes: i32): bool {
  base = from;
  end = from + bytes;
  nodes = scratchTake((<usize>bytes / 2 + 2) * NODE_BYTES);
  count = 0;
  let p = from;
  let want = WANT_VALUE;
  let parent = -1;
  let depth = 0;
  // Every turn takes at least one byte of the text, or ends.
  while (true) {
    p = blanks(p);
    if (want == AFTER_VALUE && parent < 0) {
      if (p != end) return fail(p, " after top-level value");
      scratchRewind(nodes + <usize>count * NODE_BYTES);
      return true;
    }
    if (p >= end) return cutOff();
    const c = <u32>load<u8>(p);
    const inList = parent >= 0 && jsonKind(parent) == JSON_LIST;
    if (want == AFTER_VALUE && c == 44) {
      want = inList ? WANT_VALUE : WANT_KEY;
      p++;
    } else if (
      (want == AFTER_VALUE || want == WANT_VALUE_OR_END || want == WANT_KEY_OR_END) &&
      c == <u32>(inList ? 93 : 125)
    ) {
      const node = at(parent);
      parent = <i32>load<u32>(node, 8);
      store<u32>(node, <u32>count, 8);
      p++;
      store<u32>(node, <u32>(p - base) - load<u32>(node), 4);
      depth--;
      want = AFTER_VALUE;
    } else if (want == AFTER_VALUE) {
      return fail(p, inList ? " after array element" : " after object key:value pair");
    } else if (want == WANT_KEY || want == WANT_KEY_OR_END) {
      if (c != 34) return fail(p, " looking for beginning of object key string");
      if (!readString(p)) return false;
      p = blanks(stop);
      if (p >= end) return cutOff();
      if (load<u8>(p) != 58) return fail(p, " after object key");
      p++;
      want = WANT_VALUE;
    } else if (c == 123 || c == 91) {
      if (++depth > JSON_DEPTH) return fail(p, " exceeded max depth");
      const node = put(c == 123 ? JSON_OBJECT : JSON_LIST, p);
      store<u32>(at(node), <u32>parent, 8);
      parent = node;
      want = c == 123 ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
      p++;
    } else {
      if (!readScalar(p)) return false;
      p = stop;
      want = AFTER_VALUE;
    }
  }
}

let outerBase: usize = 0;
let outerEnd: usize = 0;
let outerNodes: usize = 0;
let outerCount: i32 = 0;

/**
 * Reads a document that stands in a text of the first: until jsonLeave, nodes are those of the
 * inner one. There is one level only. False as jsonRead, and then jsonLeave is due as well.
 */
export function jsonEnter(from: usize, bytes: i32): bool {
  outerBase = base;
  outerEnd = end;
  outerNodes = nodes;
  outerCount = count;
  return jsonRead(from, bytes);
}

/** Back to the first document. Texts that jsonText decoded stay. */
export function jsonLeave(): void {
  base = outerBase;
  end = outerEnd;
  nodes = outerNodes;
  count = outerCount;
}

/** Kind of a node: JSON_NULL .. JSON_OBJECT. */
export function jsonKind(node: i32): i32 {
  return <i32>load<u8>(at(node), 12);
}

/** The node after this value and all it holds: the next element of a list. */
export function jsonNext(node: i32): i32 {
  return <i32>load<u32>(at(node), 8);
}

/** Elements of a list; 0 for anything else. Linear. */
export function jsonCount(list: i32): i32 {
  if (jsonKind(list) != JSON_LIST) return 0;
  let n = 0;
  for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) n++;
  return n;
}

/** First byte of a node's text, without the quotes of a string. */
export function jsonAt(node: i32): usize {
  return base + <usize>load<u32>(at(node));
}

/** Bytes of a node's text as it was written. */
export function jsonBytes(node: i32): i32 {
  return <i32>load<u32>(at(node), 4);
}

/** A string without escapes and bytes above 127: its text can be taken as it is. */
export function jsonPlain(node: i32): bool {
  return load<u8>(at(node), 13) != 0;
}

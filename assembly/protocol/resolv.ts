// resolvConf: the file whose name servers, domain and search words go into the result. It is read
// on ADD only, before the lock, and walked again for each kind of word when the result is printed,
// so that nothing has to be stored. Linear in the file, at most RESOLV_MAX bytes.
//
// Rules are upstream's: lines trimmed, `#` and `;` begin a comment line, words split at white
// space, `nameserver` and `domain` take one word (the last domain wins), `search` and `options`
// take all.

import { slurp } from "../host";
import { scratchRewind, scratchTake } from "../scratch";
import { call, Span } from "./call";
import { EINVAL, EISDIR } from "./errno";
import { ERROR_LIMIT, errorBegin, errorBytes, errorErrno, errorNumber, errorText } from "./errors";
import { refuse } from "./field";
import { pathFault } from "./path";
import { isSpace, runeAt, runeBytes, sameText } from "./text";

/** Largest file that is read (bytes). */
const RESOLV_MAX: i32 = 262144;
/** Longest line with its line feed, as Go's bufio.Scanner has it. */
const LINE_MAX: usize = 65536;

let from: usize = 0;
let end: usize = 0;

function refuseFile(verb: string, path: Span, why: i32): bool {
  refuse(verb);
  errorBytes(path.at, path.bytes);
  errorText(": ");
  if (why == 0) errorText("not a regular file");
  else errorErrno(why);
  return false;
}

function checkLines(): bool {
  let begin = from;
  for (let p = from; p < end; p++) {
    if (load<u8>(p) == 10) begin = p + 1;
    else if (p - begin >= LINE_MAX - 1) {
      refuse("bufio.Scanner: token too long");
      return false;
    }
  }
  return true;
}

/** Reads the file that the config names, if it names one. False with a pending error. */
export function resolvRead(): bool {
  from = 0;
  end = 0;
  const path = call.resolvConf;
  if (path.bytes == 0) return true;
  const fault = pathFault(path);
  if (fault != 0) return refuseFile("open ", path, fault);
  from = scratchTake(<usize>RESOLV_MAX + 16);
  const bytes = slurp(path.at, path.bytes, from, RESOLV_MAX);
  if (bytes == -EISDIR) return refuseFile("read ", path, bytes);
  if (bytes == -EINVAL) return refuseFile("read ", path, 0);
  if (bytes < 0) return refuseFile("open ", path, bytes);
  if (bytes > RESOLV_MAX) {
    errorBegin(ERROR_LIMIT);
    errorText("resolvConf ");
    errorBytes(path.at, path.bytes);
    errorText(" has more than ");
    errorNumber(RESOLV_MAX);
    errorText(" bytes");
    return false;
  }
  end = from + <usize>bytes;
  scratchRewind((end + 15) & ~15);
  return checkLines();
}

// Walk state: the current line up to lineEnd, the place in it.
let at: usize = 0;
let line: usize = 0;
let lineEnd: usize = 0;

/** The word that resolvNext found. */
export let wordAt: usize = 0;
export let wordBytes: i32 = 0;

// The next word of the line: false at its end.
function nextWord(): bool {
  while (line < lineEnd && isSpace(runeAt(line, lineEnd))) line += runeBytes;
  wordAt = line;
  while (line < lineEnd && !isSpace(runeAt(line, lineEnd))) line += runeBytes;
  wordBytes = <i32>(line - wordAt);
  return wordBytes > 0;
}

/** Begins a walk over the words of one keyword. */
export function resolvBegin(): void {
  at = from;
  line = 0;
  lineEnd = 0;
}

/**
 * The next word after `keyword`: true and wordAt, wordBytes, or false at the end. `all`: every word
 * of the line counts, else only the first.
 */
export function resolvNext(keyword: string, all: bool): bool {
  if (all && line < lineEnd && nextWord()) return true;
  // Each turn takes one line.
  while (at < end) {
    line = at;
    lineEnd = at;
    while (lineEnd < end && load<u8>(lineEnd) != 10) lineEnd++;
    at = lineEnd + 1;
    if (!nextWord() || load<u8>(wordAt) == 35 || load<u8>(wordAt) == 59) continue;
    if (sameText(wordAt, wordBytes, keyword) && nextWord()) return true;
  }
  line = lineEnd;
  return false;
}

/** Does the file give anything at all? */
export function resolvHolds(): bool {
  resolvBegin();
  if (resolvNext("nameserver", false)) return true;
  resolvBegin();
  if (resolvNext("domain", false)) return true;
  resolvBegin();
  if (resolvNext("search", true)) return true;
  resolvBegin();
  return resolvNext("options", true);
}

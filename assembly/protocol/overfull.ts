// Overfull: what is too much to be taken over: names in a directory, addresses of one owner in the
// runtime's results. The latter are more than an ADD gives, so some were left by somebody; which
// ones can't be told. (Files of host-local that are too many are stood in for: takeover.ts.)

import { OWNER_FULL, TOO_MANY_FILES } from "../foreign/takeover";
import { journalUndo } from "../image/image";
import { fileIdAt, fileIdBytes, OWNER_MAX } from "../records/file";
import { Span } from "./call";
import { ERROR_LIMIT, errorBegin, errorBytes, errorNumber, errorQuote, errorText } from "./errors";

/** Says how many addresses an owner may have. */
export function sayOwnerMax(): void {
  errorText(" more than ");
  errorNumber(OWNER_MAX);
  errorText(" addresses, which no container is given");
}

/** Is `status` of a take-over from the directory `where` one of them? Then an error has begun. */
export function overfull(status: i32, where: Span): bool {
  if (status != TOO_MANY_FILES && status != OWNER_FULL) return false;
  journalUndo();
  errorBegin(ERROR_LIMIT);
  if (status == TOO_MANY_FILES) errorText("there are too many files in ");
  errorBytes(where.at, where.bytes);
  if (status == TOO_MANY_FILES) {
    errorText(" to be taken over");
    return true;
  }
  errorText(" has for container ");
  errorQuote(fileIdAt, fileIdBytes);
  sayOwnerMax();
  errorText(": take away the files of those that it doesn't have");
  return true;
}

// The answer of a verb on networks: text with a heading for each, or one JSON document,
// {"networks": [{"network", "directory", ...}]}. A network that couldn't be worked on answers with
// its error in its place; if it is the only one, the error is the whole answer.
import { EXIT_ERROR } from "../numbers";
import { call } from "../protocol/call";
import {
  close,
  documentBegin,
  documentClose,
  item,
  member,
  open,
  valueText,
} from "../protocol/document";
import { errorClear, errorPending, errorValue } from "../protocol/errors";
import { placeCount } from "./place";
import {
  failed,
  isJson,
  printBack,
  printBegun,
  printEnd,
  printHere,
  printRoom,
  say,
  sayBytes,
} from "./print";

// The error of the only network has been printed: nothing else is.
let isWhole: bool = false;
// A network's answer has begun.
let inside: bool = false;
// Levels of the document in which a network's members lie.
const LEVELS: i32 = 3;

/** Begins the answer. */
export function answerBegin(): void {
  isWhole = false;
  inside = false;
  printHere();
  if (!isJson) return;
  documentBegin();
  open(123);
  member("networks");
  open(91);
}

/** Writes which network follows: number `i`. */
export function answerNetwork(i: i32): void {
  inside = true;
  printHere();
  if (isJson) {
    item();
    open(123);
    member("network");
    valueText(call.network.at, call.network.bytes);
    member("directory");
    valueText(call.directory.at, call.directory.bytes);
    printRoom();
    return;
  }
  if (i > 0) say("\n");
  say("network ");
  sayBytes(call.network.at, call.network.bytes);
  say("\n");
  printRoom();
}

/** The same, unless it is written already. */
export function answerNetworkOnce(i: i32): void {
  if (!inside) answerNetwork(i);
}

/** Ends what was written about a network; an error that its work began is told. */
export function answerNetworkEnd(verb: string): void {
  printHere();
  if (errorPending() && isJson) {
    member("error");
    errorValue();
  }
  if (isJson) close(125);
  printRoom();
  if (errorPending() && !isJson) failed(verb);
  errorClear();
  inside = false;
}

/** The pending error in the place of network `i`. Answers EXIT_ERROR. */
export function answerFailed(i: i32, verb: string): i32 {
  if (!isJson || placeCount == 1) {
    isWhole = true;
    failed(verb);
    errorClear();
    return EXIT_ERROR;
  }
  answerNetwork(i);
  answerNetworkEnd(verb);
  return EXIT_ERROR;
}

/**
 * The pending error of network `i`, whose work a trap has ended: in its place, behind what was
 * told of it. Answers EXIT_ERROR.
 */
export function answerBroken(i: i32, verb: string): i32 {
  if (!inside || (isJson && placeCount == 1 && !printBegun())) return answerFailed(i, verb);
  printBack();
  if (isJson) documentClose(LEVELS);
  answerNetworkEnd(verb);
  return EXIT_ERROR;
}

/** Ends the answer. Answers the exit status. */
export function answerEnd(status: i32): i32 {
  if (isJson && !isWhole) {
    printHere();
    close(93);
    close(125);
    say("\n");
  }
  return printEnd(status);
}

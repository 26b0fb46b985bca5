// The answer of a verb on networks: text with a heading for each, or one JSON document,
// {"networks": [{"network", "directory", ...}]}. A network that couldn't be worked on answers with
// its error in its place; if it is the only one, the error is the whole answer.
import { EXIT_ERROR } from "../numbers";
import { call } from "../protocol/call";
import { close, documentBegin, item, member, open, valueText } from "../protocol/document";
import { errorClear, errorPending, errorValue } from "../protocol/errors";
import { placeCount } from "./place";
import { failed, isJson, printEnd, printHere, printRoom, say, sayBytes } from "./print";

// The error of the only network has been printed: nothing else is.
let isWhole: bool = false;

/** Begins the answer. */
export function answerBegin(): void {
  isWhole = false;
  printHere();
  if (!isJson) return;
  documentBegin();
  open(123);
  member("networks");
  open(91);
}

/** Writes which network follows: number `i`. */
export function answerNetwork(i: i32): void {
  printHere();
  if (isJson) {
    item();
    open(123);
    member("network");
    valueText(call.network.at, call.network.bytes);
    member("directory");
    valueText(call.directory.at, call.directory.bytes);
    return;
  }
  if (i > 0) say("\n");
  say("network ");
  sayBytes(call.network.at, call.network.bytes);
  say("\n");
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

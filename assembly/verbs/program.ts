// The program: what cni.wasm exports. With CNI_COMMAND it is the plugin (protocol/plugin.ts), with
// an argument instead one of the operator's verbs (registry.ts). The hosts call `begin`; while it
// or `finish` answers NEED_LOCK they lock the entered directory and call `finish`; after a trap
// `fault`.
//
//   reads    for each network: copy image and log -> the verb     no lock, nothing is written
//   writes   the one network -> NEED_LOCK -> the store is opened -> the verb
import { faultText } from "../fault";
import { EXIT_ERROR, EXIT_OK, EXIT_USAGE, NEED_LOCK } from "../numbers";
import { checkReserve } from "../pool/check";
import { call } from "../protocol/call";
import { close, documentBegin, item, member, open, valueText } from "../protocol/document";
import {
  ERROR_ENVIRONMENT,
  ERROR_PLUGIN,
  errorBegin,
  errorBytes,
  errorPending,
  errorPlain,
  errorText,
  errorValue,
} from "../protocol/errors";
import { damageText } from "../protocol/failure";
import * as plugin from "../protocol/plugin";
import { scratchMark, scratchRewind } from "../scratch";
import { copyReserve } from "../store/copy";
import { askArgument, askAt, askBytes, askOption, askRead, askReserve, askWords } from "./ask";
import { helpEnd } from "./help";
import { placeCopy, placeCount, placeNone, placeOnly, placeReserve, placesFind } from "./place";
import {
  failed,
  isJson,
  printEnd,
  printHere,
  printReserve,
  printRoom,
  say,
  sayBytes,
} from "./print";
import {
  KIND_BARE,
  KIND_READS,
  VERB_LAST,
  VERB_NONE,
  verbAccepts,
  verbBrief,
  verbHelp,
  verbKind,
  verbName,
  verbNumber,
  verbOptions,
  verbRun,
  verbUsage,
  verbWords,
} from "./registry";
import { tableReserve } from "./table";
import { timesRead } from "./times";

// The verb that runs; VERB_NONE: the plugin.
let verb: i32 = VERB_NONE;
let isVerb: bool = false;
let entered: bool = false;

function usage(): i32 {
  errorPlain(verbName(verb));
  printHere();
  errorBegin(ERROR_ENVIRONMENT);
  errorText("usage: berth ");
  errorText(verb == VERB_NONE ? "VERB" : verbName(verb));
  errorText(verb == VERB_NONE ? "" : verbUsage(verb));
  errorText(" [options]; --help tells them");
  errorPlain(verbName(verb));
  return EXIT_USAGE;
}

function listVerbs(): i32 {
  say("berth ");
  say(plugin.VERSION);
  say(": addresses for pods. The operator's verbs:\n\n");
  for (let n = 1; n <= VERB_LAST; n++) {
    say("  ");
    say(verbName(n));
    for (let i = verbName(n).length; i < 12; i++) say(" ");
    say(verbBrief(n));
    say("\n");
  }
  say("  plan        prefixes for a cluster (needs Node.js: npx berth plan)\n");
  helpEnd();
  return printEnd(EXIT_OK);
}

function help(): i32 {
  say("berth ");
  say(verbName(verb));
  say(verbUsage(verb));
  say(" [options]\n\n");
  verbHelp(verb);
  return printEnd(EXIT_OK);
}

function isHelp(s: string): bool {
  if (askBytes != s.length) return false;
  for (let i = 0; i < askBytes; i++) {
    if (<u32>load<u8>(askAt + i) != <u32>load<u16>(changetype<usize>(s) + ((<usize>i) << 1)))
      return false;
  }
  return true;
}

function unknown(at: usize, bytes: i32): i32 {
  errorBegin(ERROR_ENVIRONMENT);
  errorText('there is no verb "');
  errorBytes(at, bytes);
  errorText('": berth --help lists them');
  errorPlain("");
  return EXIT_USAGE;
}

// Everything but the verb's own work.
function verbBegin(): i32 {
  askReserve();
  printReserve(false);
  tableReserve();
  placeReserve();
  copyReserve();
  checkReserve();
  if (!askArgument(0)) return EXIT_USAGE;
  if (isHelp("--help") || isHelp("-h") || isHelp("help")) return listVerbs();
  if (isHelp("--version")) {
    say(plugin.VERSION);
    say("\n");
    return printEnd(EXIT_OK);
  }
  verb = verbNumber(askAt, askBytes);
  if (verb == VERB_NONE) return unknown(askAt, askBytes);
  if (!askRead(verbOptions(verb))) return usage();
  if (askOption("help")) return help();
  printReserve(askOption("json"));
  if (askWords != verbWords(verb) || !verbAccepts(verb)) {
    errorBegin(ERROR_ENVIRONMENT);
    errorText("these arguments don't fit");
    return usage();
  }
  timesRead();
  if (verbKind(verb) == KIND_BARE) return printEnd(verbRun(verb));
  if (verbKind(verb) == KIND_READS) return readAll();
  return placeOnly() ? NEED_LOCK : failed(verbName(verb));
}

// Writes which network follows.
function heading(i: i32): void {
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

function readOne(i: i32): i32 {
  entered = true;
  let status = EXIT_ERROR;
  if (placeCopy(i)) {
    heading(i);
    status = verbRun(verb);
    printHere();
  } else if (isJson && placeCount > 1) {
    heading(i);
    member("error");
    errorValue();
  } else return failed(verbName(verb));
  if (isJson) close(125);
  printRoom();
  return status;
}

function readAll(): i32 {
  if (!placesFind()) return failed(verbName(verb));
  if (placeCount == 0) {
    placeNone();
    return failed(verbName(verb));
  }
  printHere();
  if (isJson) {
    documentBegin();
    open(123);
    member("networks");
    open(91);
  }
  let status = EXIT_OK;
  const mark = scratchMark();
  for (let i = 0; i < placeCount; i++) {
    status = max<i32>(status, readOne(i));
    scratchRewind(mark);
  }
  // One network that couldn't be read has answered with its error.
  if (isJson && !(placeCount == 1 && errorPending())) {
    printHere();
    close(93);
    close(125);
    say("\n");
  }
  return printEnd(status);
}

/** Reads and checks what is asked. EXIT_..., or NEED_LOCK: take the lock and call finish. */
export function begin(): i32 {
  verb = VERB_NONE;
  entered = false;
  const status = plugin.begin();
  isVerb = status == plugin.CALL_VERB;
  return isVerb ? verbBegin() : status;
}

/** Does the work. `lock` is 0, -EAGAIN after the time-out, or the -errno of locking. */
export function finish(lock: i32): i32 {
  return isVerb ? printEnd(verbRun(verb)) : plugin.finish(lock);
}

/** Answers after a trap, without reading the state. */
export function fault(): i32 {
  if (!isVerb) return plugin.fault();
  if (entered) damageText(faultText);
  else {
    errorBegin(ERROR_PLUGIN);
    errorText("internal fault: ");
    errorText(faultText.length > 0 ? faultText : "memory fault");
  }
  return failed(verbName(verb));
}

// The program: what cni.wasm exports. With CNI_COMMAND it is the plugin (protocol/plugin.ts), with
// an argument instead one of the operator's verbs (registry.ts). The hosts call `begin`; while it
// or `finish` answers NEED_LOCK they lock the entered directory and call `finish`; after a trap
// `fault`, which may answer the same, or NEED_CALL: a damaged network ends no verb on several.
//
//   reads    for each network: copy image and log -> the verb     no lock, nothing is written
//   writes   one network or each in turn -> NEED_LOCK -> the store is opened -> the verb
import { faultText } from "../fault";
import { EXIT_ERROR, EXIT_OK, EXIT_USAGE, NEED_CALL, NEED_LOCK } from "../numbers";
import { checkReserve } from "../pool/faultlist";
import {
  ERROR_ENVIRONMENT,
  ERROR_PLUGIN,
  errorBegin,
  errorBytes,
  errorClear,
  errorPlain,
  errorText,
} from "../protocol/errors";
import { damageText } from "../protocol/failure";
import * as plugin from "../protocol/plugin";
import { scratchMark, scratchRewind } from "../scratch";
import { copyReserve } from "../store/copy";
import {
  answerBegin,
  answerBroken,
  answerEnd,
  answerFailed,
  answerNetwork,
  answerNetworkEnd,
} from "./answer";
import { askArgument, askAt, askBytes, askHelp, askOption, askRead, askReserve } from "./ask";
import { changesBegin, changesBroken, changesFault, changesNext } from "./changes";
import { helpEnd } from "./help";
import { nearAt, nearBegin, nearBytes, nearTry } from "./near";
import {
  isThisBoot,
  placeCopy,
  placeCount,
  placeDamaged,
  placeNone,
  placeReserve,
  placesFind,
  placeTorn,
} from "./place";
import { failed, printEnd, printHere, printReserve, say } from "./print";
import {
  GATHERS_NOT,
  GATHERS_ONE,
  KIND_BARE,
  KIND_FILES,
  KIND_OWN,
  KIND_READS,
  VERB_LAST,
  VERB_NONE,
  verbAccepts,
  verbBrief,
  verbCatches,
  verbCaught,
  verbFinish,
  verbGathered,
  verbGathers,
  verbHelp,
  verbKind,
  verbMissing,
  verbName,
  verbNumber,
  verbOptions,
  verbRun,
  verbStart,
  verbUsage,
} from "./registry";
import { tableReserve } from "./table";
import { timesRead } from "./times";

// The verb that runs; VERB_NONE: the plugin.
let verb: i32 = VERB_NONE;
let isVerb: bool = false;
let entered: bool = false;
// The network that is read, what the verb has come to so far, and where its scratch memory begins.
let place: i32 = 0;
let worst: i32 = EXIT_OK;
let mark: usize = 0;

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
  say("  bench       Berth's figures beside its peers' (needs Node.js: npx berth bench)\n");
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

function isArgument(s: string): bool {
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
  if (isArgument("plan") || isArgument("bench")) {
    errorText('" in this executable, it needs Node.js: npx berth ');
    errorBytes(at, bytes);
  } else {
    nearBegin(at, bytes);
    for (let n = 1; n <= VERB_LAST; n++) nearTry(verbName(n), 0, verbName(n).length);
    errorText('": ');
    if (nearBytes > 0) {
      errorText("use ");
      errorBytes(nearAt, nearBytes);
      errorText("; ");
    }
    errorText("berth --help lists them");
  }
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
  if (isArgument("--help") || isArgument("-h")) return listVerbs();
  if (isArgument("help")) {
    if (!askArgument(1) || isArgument("--help") || isArgument("-h")) return listVerbs();
    verb = verbNumber(askAt, askBytes);
    return verb == VERB_NONE ? unknown(askAt, askBytes) : help();
  }
  if (isArgument("--version")) {
    say(plugin.VERSION);
    say("\n");
    return printEnd(EXIT_OK);
  }
  verb = verbNumber(askAt, askBytes);
  if (verb == VERB_NONE) return unknown(askAt, askBytes);
  if (!askRead(verbOptions(verb))) return usage();
  if (askHelp || askOption("help")) return help();
  printReserve(askOption("json"));
  if (!verbAccepts(verb)) return usage();
  timesRead();
  if (verbKind(verb) == KIND_BARE) return printEnd(verbRun(verb));
  if (verbKind(verb) == KIND_READS) return readAll();
  if (verbKind(verb) == KIND_OWN) {
    const status = verbStart(verb);
    return status == NEED_LOCK ? NEED_LOCK : printEnd(status);
  }
  return changesBegin(verb);
}

// One network of several in one answer without headings.
function gatherOne(): i32 {
  entered = true;
  if (!placeCopy(place)) return gatherBroken();
  printHere();
  return verbRun(verb);
}

// The pending error of a network: the others are told all the same.
function gatherBroken(): i32 {
  failed(verbName(verb));
  errorClear();
  verbMissing(verb);
  return EXIT_ERROR;
}

// All networks that are left, then what the verb says of them together.
function gatherRest(): i32 {
  for (; place < placeCount; place++) {
    worst = max<i32>(worst, gatherOne());
    scratchRewind(mark);
  }
  return printEnd(max<i32>(worst, verbGathered(verb)));
}

function several(): i32 {
  errorBegin(ERROR_ENVIRONMENT);
  errorText("this answer is for one network: say which with --network");
  return failed(verbName(verb));
}

function readOne(): i32 {
  entered = true;
  if (!placeCopy(place)) return answerFailed(place, verbName(verb));
  answerNetwork(place);
  const status = verbRun(verb);
  answerNetworkEnd(verbName(verb));
  return status;
}

function readAll(): i32 {
  if (!placesFind()) return failed(verbName(verb));
  if (placeCount == 0) {
    placeNone();
    return failed(verbName(verb));
  }
  const gathers = verbGathers(verb);
  if (gathers == GATHERS_ONE && placeCount > 1) return several();
  if (gathers == GATHERS_NOT) answerBegin();
  place = 0;
  worst = EXIT_OK;
  mark = scratchMark();
  return readRest();
}

function readRest(): i32 {
  if (verbGathers(verb) != GATHERS_NOT) return gatherRest();
  for (; place < placeCount; place++) {
    worst = max<i32>(worst, readOne());
    scratchRewind(mark);
  }
  return answerEnd(worst);
}

// The network that was read is damaged, which an error that began says: goes on behind it.
function readBroken(): i32 {
  const gathers = verbGathers(verb);
  const name = verbName(verb);
  if (gathers == GATHERS_ONE) return failed(name);
  const alone = gathers == GATHERS_NOT;
  worst = max<i32>(worst, alone ? answerBroken(place, name) : gatherBroken());
  scratchRewind(mark);
  place++;
  return NEED_CALL;
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
  if (!isVerb) return plugin.finish(lock);
  entered = true;
  if (verbKind(verb) == KIND_READS) return readRest();
  return verbKind(verb) == KIND_OWN ? printEnd(verbFinish(verb, lock)) : changesNext(lock);
}

/** Answers after a trap, without reading the state; NEED_LOCK or NEED_CALL as `finish`. */
export function fault(): i32 {
  if (!isVerb) return plugin.fault();
  if (verbCatches(verb)) return printEnd(verbCaught(verb));
  if (entered && verbKind(verb) == KIND_FILES) return changesFault();
  if (entered && verbKind(verb) == KIND_READS && !isThisBoot) placeTorn(faultText);
  else if (entered && verbKind(verb) == KIND_READS && askOption("state")) placeDamaged(faultText);
  else if (entered) damageText(faultText);
  else {
    errorBegin(ERROR_PLUGIN);
    errorText("internal fault: ");
    errorText(faultText.length > 0 ? faultText : "memory fault");
    return failed(verbName(verb));
  }
  if (verbKind(verb) == KIND_READS) return readBroken();
  return verbKind(verb) == KIND_OWN ? failed(verbName(verb)) : changesBroken();
}

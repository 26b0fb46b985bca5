// The operator's verbs: name, one line, options, kind, help, what it does. A new verb is one
// number, one case in each function below, and a file of its own.
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { isName } from "../protocol/env";
import { sameText } from "../protocol/text";
import { adoptBegin, adoptCatches, adoptCaught, adoptRun } from "./adopt";
import {
  askApart,
  askAt,
  askBad,
  askBytes,
  askFilled,
  askMissing,
  askOption,
  askWords,
  askWordsFit,
  NETWORK_NAME,
} from "./ask";
import { explain } from "./explain";
import { exportAccepts, exportFiles } from "./export";
import { faults } from "./faults";
import { forecast, forecastAccepts } from "./forecast";
import { gc, gcAccepts, gcDry } from "./gc";
import {
  helpAdopt,
  helpCheck,
  helpExport,
  helpForecast,
  helpGc,
  helpInstall,
  helpMap,
  helpMetrics,
  helpShadow,
  helpShow,
} from "./help";
import { helpExplain, helpHistory, helpRelease, helpReserve, helpReset } from "./helpoperator";
import { history } from "./history";
import { install, installAccepts } from "./install";
import { keeping, reserveAccepts } from "./keeping";
import { loose, releaseAccepts } from "./loose";
import { map, mapAccepts, mapIsSvg } from "./map";
import { metrics, metricsAccepts, metricsEnd, metricsMissing } from "./metrics";
import { isJson } from "./print";
import { reset } from "./reset";
import { show, showAccepts } from "./show";
import { timer } from "./timer";
import { trial } from "./trial";

export const VERB_NONE: i32 = 0;
const SHOW: i32 = 1;
const CHECK: i32 = 2;
const GC: i32 = 3;
const ADOPT: i32 = 4;
const EXPORT: i32 = 5;
const SHADOW: i32 = 6;
const METRICS: i32 = 7;
const FORECAST: i32 = 8;
const MAP: i32 = 9;
const INSTALL: i32 = 10;
const HISTORY: i32 = 11;
const EXPLAIN: i32 = 12;
const RELEASE: i32 = 13;
const RESERVE: i32 = 14;
const RESET: i32 = 15;
export const VERB_LAST: i32 = 15;

/** Looks at a copy of each network, without lock. */
export const KIND_READS: i32 = 0;
/** Changes one network, under its lock. */
const KIND_WRITES: i32 = 1;
/** Needs no network. */
export const KIND_BARE: i32 = 2;
/** Changes each network in turn, or the one that was named, under its lock. */
export const KIND_EACH: i32 = 3;
/** Finds its directories itself (verbStart), then runs under the lock (verbFinish). */
export const KIND_OWN: i32 = 4;
/** Works on the files of one network under its lock; the store isn't opened. */
export const KIND_FILES: i32 = 5;

/** How a verb that reads answers for several networks: one after the other; */
export const GATHERS_NOT: i32 = 0;
/** ... all together at the end; */
const GATHERS_ALL: i32 = 1;
/** ... not at all. */
export const GATHERS_ONE: i32 = 2;

/** The number of a verb, or VERB_NONE. */
export function verbNumber(at: usize, bytes: i32): i32 {
  for (let n = 1; n <= VERB_LAST; n++) if (sameText(at, bytes, verbName(n))) return n;
  return VERB_NONE;
}

/** Its name. */
export function verbName(n: i32): string {
  switch (n) {
    case SHOW:
      return "show";
    case CHECK:
      return "check";
    case GC:
      return "gc";
    case ADOPT:
      return "adopt";
    case EXPORT:
      return "export";
    case SHADOW:
      return "shadow";
    case METRICS:
      return "metrics";
    case FORECAST:
      return "forecast";
    case MAP:
      return "map";
    case INSTALL:
      return "install";
    case HISTORY:
      return "history";
    case EXPLAIN:
      return "explain";
    case RELEASE:
      return "release";
    case RESERVE:
      return "reserve";
    case RESET:
      return "reset";
    default:
      return "";
  }
}

/** What it does, in a line. */
export function verbBrief(n: i32): string {
  switch (n) {
    case SHOW:
      return "what is held, reserved or cooling";
    case CHECK:
      return "walks the state and tells every fault";
    case GC:
      return "lets go what containers hold that are gone without a DEL";
    case ADOPT:
      return "takes over host-local's files or the runtime's results";
    case EXPORT:
      return "writes the files with which host-local can go on";
    case SHADOW:
      return "what a trial beside another plugin has shown";
    case METRICS:
      return "figures for Prometheus (node-exporter's textfile collector)";
    case FORECAST:
      return "what expires when, and when the ranges run out";
    case MAP:
      return "a picture of the ranges, in the terminal or as SVG";
    case INSTALL:
      return "copies this executable, and a conflist, to where runtimes look";
    case HISTORY:
      return "what became of an address, a name or a container";
    case EXPLAIN:
      return "what an address or a name is, and why it can't be given";
    case RELEASE:
      return "lets go what an address, a name or a container has";
    case RESERVE:
      return "keeps addresses for a name";
    case RESET:
      return "sets a damaged state aside";
    default:
      return "";
  }
}

/** What it wants behind its name. */
export function verbUsage(n: i32): string {
  if (n == HISTORY) return " [ADDRESS|NAME|CONTAINER]";
  if (n == EXPLAIN || n == RELEASE) return " ADDRESS|NAME";
  return n == RESERVE ? " NAME --for TIME" : "";
}

// How many words it takes behind its name at most.
function verbWords(n: i32): i32 {
  return n >= HISTORY && n <= RESERVE ? 1 : 0;
}

/** Its own options, as ask.ts reads them. */
export function verbOptions(n: i32): string {
  switch (n) {
    case SHOW:
      return "only=";
    case GC:
      return "dry-run grace= install-timer unit-dir= program=";
    case ADOPT:
      return "from= from-cache dry-run";
    case EXPORT:
      return "host-local=";
    case METRICS:
      return "output=";
    case FORECAST:
      return "next=";
    case MAP:
      return "set= svg plain color whole";
    case INSTALL:
      return "bin-dir= conf-dir= conflist= subnet= bridge= dry-run";
    case RELEASE:
      return "container= ifname=";
    case RESERVE:
      return "for= addresses=";
    case RESET:
      return "force";
    default:
      return "";
  }
}

/** KIND_... */
export function verbKind(n: i32): i32 {
  switch (n) {
    case GC:
      if (askOption("install-timer")) return KIND_BARE;
      return askOption("dry-run") ? KIND_READS : KIND_EACH;
    case ADOPT:
      return KIND_OWN;
    case INSTALL:
      return KIND_BARE;
    case RELEASE:
    case RESERVE:
      return KIND_WRITES;
    case RESET:
      return KIND_FILES;
    default:
      return KIND_READS;
  }
}

/** GATHERS_... of a verb that reads. */
export function verbGathers(n: i32): i32 {
  if (n == METRICS && !isJson) return GATHERS_ALL;
  return n == MAP && mapIsSvg() ? GATHERS_ONE : GATHERS_NOT;
}

/** The network that was to be gathered can't be read. */
export function verbMissing(n: i32): void {
  if (n == METRICS) metricsMissing();
}

/** Says what was gathered of all networks. Answers the exit status. */
export function verbGathered(n: i32): i32 {
  return n == METRICS ? metricsEnd() : EXIT_OK;
}

// Do --network, --data-dir and --state mean something to the verb? Else an error begins.
function isPlace(n: i32): bool {
  if (askOption("state") && verbKind(n) == KIND_READS) {
    const why = "a copied state is looked at alone";
    const named = askOption("network");
    if (n == EXPORT && !named) {
      return askMissing("--network NAME", "a copied state doesn't tell which network's it is");
    }
    if (n != EXPORT && named) return askApart("--network", "--state", why);
    if (askOption("data-dir")) return askApart("--data-dir", "--state", why);
    return true;
  }
  const kind = verbKind(n);
  const other = n == GC ? "--install-timer" : verbName(n);
  if (kind == KIND_BARE && askOption("network")) {
    return askApart("--network", other, "that is for no single network");
  }
  if ((kind != KIND_BARE && kind != KIND_OWN) || !askOption("state")) return true;
  return askApart("--state", other, "only verbs that look take a copied state");
}

/** Are its words and the values of its options right? Else an error begins that says which not. */
export function verbAccepts(n: i32): bool {
  return askWordsFit(verbWords(n)) && isPlaced(n) && takes(n) && askFilled();
}

// The options that say where.
function isPlaced(n: i32): bool {
  if (askOption("log") && !askOption("state")) {
    return askMissing("--state FILE", "--log names the log of a copied state");
  }
  if (askOption("network") && !isName(askAt, askBytes)) {
    return askBad("network", askAt, askBytes, NETWORK_NAME);
  }
  return isPlace(n);
}

// What the verb itself wants.
function takes(n: i32): bool {
  switch (n) {
    case SHOW:
      return showAccepts();
    case GC:
      return gcAccepts();
    case EXPORT:
      return exportAccepts();
    case METRICS:
      return metricsAccepts();
    case FORECAST:
      return forecastAccepts();
    case MAP:
      return mapAccepts();
    case INSTALL:
      return installAccepts();
    case EXPLAIN:
      if (askWords == 1) return true;
      return askMissing(
        "what to explain",
        "an address, a name (namespace/name), or a container's id",
      );
    case RELEASE:
      return releaseAccepts();
    case RESERVE:
      return reserveAccepts();
    default:
      return true;
  }
}

/** Prints what --help says behind the usage. */
export function verbHelp(n: i32): void {
  switch (n) {
    case SHOW:
      helpShow();
      break;
    case CHECK:
      helpCheck();
      break;
    case GC:
      helpGc();
      break;
    case ADOPT:
      helpAdopt();
      break;
    case EXPORT:
      helpExport();
      break;
    case SHADOW:
      helpShadow();
      break;
    case METRICS:
      helpMetrics();
      break;
    case FORECAST:
      helpForecast();
      break;
    case MAP:
      helpMap();
      break;
    case INSTALL:
      helpInstall();
      break;
    case HISTORY:
      helpHistory();
      break;
    case EXPLAIN:
      helpExplain();
      break;
    case RELEASE:
      helpRelease();
      break;
    case RESERVE:
      helpReserve();
      break;
    case RESET:
      helpReset();
      break;
  }
}

/**
 * Does a verb's work: on the copied image (KIND_READS), on the opened store (KIND_WRITES), or at
 * once. Answers the exit status.
 */
export function verbRun(n: i32): i32 {
  switch (n) {
    case SHOW:
      return show();
    case CHECK:
      return faults();
    case GC:
      if (askOption("install-timer")) return timer();
      return askOption("dry-run") ? gcDry() : gc();
    case EXPORT:
      return exportFiles();
    case SHADOW:
      return trial();
    case METRICS:
      return metrics();
    case FORECAST:
      return forecast();
    case MAP:
      return map();
    case INSTALL:
      return install();
    case HISTORY:
      return history();
    case EXPLAIN:
      return explain();
    case RELEASE:
      return loose();
    case RESERVE:
      return keeping();
    case RESET:
      return reset();
    default:
      return EXIT_ERROR;
  }
}

/** KIND_OWN: NEED_LOCK, or the exit status. */
export function verbStart(n: i32): i32 {
  return n == ADOPT ? adoptBegin() : EXIT_ERROR;
}

/** KIND_OWN: its work; `lock` is 0 or why there is none. The exit status. */
export function verbFinish(n: i32, lock: i32): i32 {
  return n == ADOPT ? adoptRun(lock) : EXIT_ERROR;
}

/** Can the verb go on after a trap, which says that the state is damaged? */
export function verbCatches(n: i32): bool {
  return n == ADOPT && adoptCatches();
}

/** Goes on. The exit status. */
export function verbCaught(n: i32): i32 {
  return n == ADOPT ? adoptCaught() : EXIT_ERROR;
}

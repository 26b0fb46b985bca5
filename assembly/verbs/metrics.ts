// `berth metrics`: what all networks hold, as Prometheus' text format for the textfile collector of
// node-exporter. The format wants all samples of a metric in one place, so the networks are counted
// first, one after the other, and printed together.
//
//   network  | name at, bytes | counts | first census, how many |      x NETWORKS_MAX
//   census   | census.ts |                                             x CENSUSES_MAX
//
// --output FILE writes a file of mode 0644 under a temporary name and renames it, so the collector
// never reads half of it. With --json each network tells the same as JSON.
import { imageLength, word } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { call } from "../protocol/call";
import { close, item, member, open, valueNumber, valuePlain } from "../protocol/document";
import { ERROR_LIMIT, errorBegin, errorText } from "../protocol/errors";
import { textByte } from "../protocol/text";
import { H_EVENT_NEXT, H_YIELDS, REFUSALS, refusalCount } from "../records/eventcell";
import { scratchTake } from "../scratch";
import { askApart, askAt, askBad, askBytes, askOption } from "./ask";
import { allocations, Census, censusBegin, censusOf, oldest } from "./census";
import { refusalCode, refusalWord } from "./events";
import { settings } from "./known";
import { outputBegin, outputEnd } from "./output";
import { failed, isJson, printHere, printRoom, say, sayNumber } from "./print";
import { waitingCooling, waitingReserved } from "./waiting";
import { sayWide } from "./wide";

const NETWORKS_MAX: i32 = 4096;
const CENSUSES_MAX: i32 = 8192;
const REFUSALS_BYTES: usize = (<usize>REFUSALS) << 3;

/** What is known of a network. */
@unmanaged
class Counted {
  name: usize;
  nameBytes: i32;
  first: i32;
  count: i32;
  /** Could its state be read to the end? */
  readable: bool;
  /** Are its range sets known? */
  known: bool;
  allocations: u64;
  reservations: u64;
  cooling: u64;
  bytes: u64;
  oldest: u64;
  events: u64;
  yields: u64;
  /** REFUSALS of u64, by their numbers. */
  refused: usize;
}

let networks: usize = 0;
let networkCount: i32 = 0;
let censuses: usize = 0;
let censusCount: i32 = 0;
let tooMany: bool = false;
let refusals: usize = 0;

function network(i: i32): Counted {
  return changetype<Counted>(networks + <usize>i * offsetof<Counted>());
}

function census(i: i32): Census {
  return changetype<Census>(censuses + <usize>i * offsetof<Census>());
}

/** Takes the tables' memory, before the networks are read. */
export function metricsAccepts(): bool {
  if (isJson) {
    if (!askOption("output")) return true;
    return askApart("--output", "--json", "what it writes is Prometheus' text format");
  }
  if (askOption("output") && askBytes == 0) {
    return askBad("output", askAt, askBytes, "use the path of the file");
  }
  networks = scratchTake(<usize>NETWORKS_MAX * offsetof<Counted>());
  censuses = scratchTake(<usize>CENSUSES_MAX * offsetof<Census>());
  refusals = scratchTake(<usize>NETWORKS_MAX * REFUSALS_BYTES);
  networkCount = 0;
  censusCount = 0;
  tooMany = false;
  return true;
}

/** Counts the copied image; prints it, if JSON is wanted. */
export function metrics(): i32 {
  const count = censusBegin();
  if (isJson) return metricsJson(count);
  if (networkCount == NETWORKS_MAX || censusCount + count > CENSUSES_MAX) {
    tooMany = true;
    return EXIT_ERROR;
  }
  const n = networkAdd();
  n.known = settings != 0;
  n.first = censusCount;
  for (let i = 0; i < count; i++) censusOf(i, census(n.first + i));
  n.count = count;
  censusCount += count;
  n.allocations = allocations();
  n.reservations = waitingReserved();
  n.cooling = waitingCooling();
  n.bytes = <u64>imageLength();
  n.oldest = <u64>oldest;
  n.events = word(H_EVENT_NEXT);
  n.yields = word(H_YIELDS);
  n.refused = refusals + <usize>(networkCount - 1) * REFUSALS_BYTES;
  readRefusals(n.refused);
  n.readable = true;
  return EXIT_OK;
}

// One more network, of which nothing is known yet.
function networkAdd(): Counted {
  const n = network(networkCount++);
  n.name = call.network.at;
  n.nameBytes = call.network.bytes;
  n.readable = false;
  n.count = 0;
  return n;
}

/** The network at hand can't be read: only that is told of it. */
export function metricsMissing(): void {
  // Its figures may have been begun.
  if (networkCount > 0 && network(networkCount - 1).name == call.network.at) return;
  if (networkCount < NETWORKS_MAX) networkAdd();
  else tooMany = true;
}

// HELP and TYPE of a metric.
function head(name: string, type: string, help: string): void {
  say("# HELP ");
  say(name);
  say(" ");
  say(help);
  say("\n# TYPE ");
  say(name);
  say(" ");
  say(type);
  say("\n");
}

// `name{network="..."`: the other labels follow.
function sample(name: string, n: Counted): void {
  say(name);
  say('{network="');
  for (let i = 0; i < n.nameBytes; i++) {
    const c = <u32>load<u8>(n.name + i);
    if (c == 10) say("\\n");
    else {
      if (c == 34 || c == 92) textByte(92);
      textByte(c);
    }
  }
  say('"');
}

function value(n: u64): void {
  say("} ");
  sayWide(0, n);
  say("\n");
  printRoom();
}

const ALLOCATIONS: i32 = 0;
const RESERVATIONS: i32 = 1;
const COOLING: i32 = 2;
const OLDEST: i32 = 3;
const BYTES: i32 = 4;
const KNOWN: i32 = 5;
const READABLE: i32 = 6;
const EVENTS_SEEN: i32 = 7;
const YIELDS: i32 = 8;

function field(n: Counted, which: i32): u64 {
  if (which == ALLOCATIONS) return n.allocations;
  if (which == RESERVATIONS) return n.reservations;
  if (which == COOLING) return n.cooling;
  if (which == OLDEST) return n.oldest;
  if (which == BYTES) return n.bytes;
  if (which == READABLE) return n.readable ? 1 : 0;
  if (which == EVENTS_SEEN) return n.events;
  if (which == YIELDS) return n.yields;
  return n.known ? 1 : 0;
}

function perNetwork(name: string, which: i32, help: string): void {
  head(name, which >= EVENTS_SEEN ? "counter" : "gauge", help);
  for (let i = 0; i < networkCount; i++) {
    if (!network(i).readable && which != READABLE) continue;
    sample(name, network(i));
    value(field(network(i), which));
  }
}

// Are both told with the same code and reason?
function sameRefusal(a: u32, b: u32): bool {
  return refusalCode(a) == refusalCode(b) && refusalWord(a) == refusalWord(b);
}

// How often there was refusal `why`, with those of other numbers that are told like it; 0 if it is
// told under a smaller number. `counts`: REFUSALS of u64.
function timesOf(counts: usize, why: u32): u64 {
  for (let other: u32 = 1; other < why; other++) if (sameRefusal(other, why)) return 0;
  let times: u64 = 0;
  for (let other = why; other <= REFUSALS; other++) {
    if (sameRefusal(other, why)) times += load<u64>(counts + ((<usize>(other - 1)) << 3));
  }
  return times;
}

function readRefusals(counts: usize): void {
  for (let why: u32 = 1; why <= REFUSALS; why++) {
    store<u64>(counts + ((<usize>(why - 1)) << 3), refusalCount(why));
  }
}

// ADDs that were refused, by code and reason: those that there were.
function perRefusal(): void {
  head("berth_refused_total", "counter", "ADDs that were refused, by the code of the error.");
  for (let i = 0; i < networkCount; i++) {
    const n = network(i);
    for (let why: u32 = 1; why <= REFUSALS && n.readable; why++) {
      const times = timesOf(n.refused, why);
      if (times == 0) continue;
      sample("berth_refused_total", n);
      say(',code="');
      sayNumber(refusalCode(why));
      say('",reason="');
      say(refusalWord(why));
      say('"');
      value(times);
    }
  }
}

function setSample(name: string, n: Counted, c: Census): void {
  sample(name, n);
  say(',set="');
  sayNumber(c.index);
  say('",family="');
  sayNumber(c.family);
  say('"');
}

function stateSample(n: Counted, c: Census, state: string, hi: u64, lo: u64): void {
  setSample("berth_addresses", n, c);
  say(',state="');
  say(state);
  say('"} ');
  sayWide(hi, lo);
  say("\n");
  printRoom();
}

function perSet(): void {
  head("berth_addresses", "gauge", "Addresses of a range set by state; free ones can be given.");
  for (let i = 0; i < networkCount; i++) {
    const n = network(i);
    for (let k = 0; k < n.count; k++) {
      const c = census(n.first + k);
      stateSample(n, c, "held", 0, c.held);
      stateSample(n, c, "reserved", 0, c.reserved);
      stateSample(n, c, "cooling", 0, c.cooling);
      stateSample(n, c, "free", c.freeHi, c.freeLo);
    }
  }
  const size = "berth_range_set_size";
  head(size, "gauge", "Addresses of a range set without gateways and excluded ones.");
  for (let i = 0; i < networkCount; i++) {
    const n = network(i);
    for (let k = 0; k < n.count; k++) {
      const c = census(n.first + k);
      setSample(size, n, c);
      say("} ");
      sayWide(c.sizeHi, c.sizeLo);
      say("\n");
      printRoom();
    }
  }
}

/** Prints all networks. Answers the exit status. */
export function metricsEnd(): i32 {
  if (tooMany) {
    errorBegin(ERROR_LIMIT);
    errorText("there are more than 4096 networks or 8192 range sets: name one with --network");
    return failed("metrics");
  }
  if (askOption("output") && !outputBegin(askAt, askBytes)) return failed("metrics");
  printHere();
  const readable = "berth_network_readable";
  perNetwork(readable, READABLE, "0 if the network's state is damaged or can't be read.");
  perNetwork("berth_allocations", ALLOCATIONS, "Owners that hold addresses.");
  perNetwork("berth_reservations", RESERVATIONS, "Names for which addresses are reserved.");
  perNetwork("berth_cooling", COOLING, "Addresses that were let go and cool down.");
  const old = "berth_oldest_allocation_seconds";
  perNetwork(old, OLDEST, "Age of the oldest allocation in the range sets; 0 without one.");
  perNetwork("berth_state_bytes", BYTES, "Size of berth.state.");
  const known = "berth_range_sets_known";
  perNetwork(known, KNOWN, "1 if the state tells the range sets of the last ADD.");
  perNetwork("berth_events_total", EVENTS_SEEN, "Events that the recorder has written.");
  perNetwork("berth_yields_total", YIELDS, "Cool-downs that ended early: nothing else was free.");
  perRefusal();
  perSet();
  if (askOption("output") && !outputEnd()) return failed("metrics");
  return EXIT_OK;
}

function wideMember(name: string, hi: u64, lo: u64): void {
  member(name);
  sayWide(hi, lo);
}

/** The members of a census in an open JSON object. */
export function jsonCensus(c: Census): void {
  member("set");
  valueNumber(c.index);
  member("family");
  valueNumber(c.family);
  wideMember("size", c.sizeHi, c.sizeLo);
  wideMember("held", 0, c.held);
  wideMember("reserved", 0, c.reserved);
  wideMember("cooling", 0, c.cooling);
  wideMember("free", c.freeHi, c.freeLo);
}

function jsonRefusals(): void {
  const counts = scratchTake(REFUSALS_BYTES);
  readRefusals(counts);
  member("refused");
  open(91);
  for (let why: u32 = 1; why <= REFUSALS; why++) {
    if (timesOf(counts, why) == 0) continue;
    item();
    open(123);
    member("code");
    valueNumber(refusalCode(why));
    member("reason");
    valuePlain(refusalWord(why));
    wideMember("times", 0, timesOf(counts, why));
    close(125);
  }
  close(93);
}

function metricsJson(count: i32): i32 {
  const c = changetype<Census>(scratchTake(offsetof<Census>()));
  wideMember("allocations", 0, allocations());
  wideMember("reservations", 0, waitingReserved());
  wideMember("cooling", 0, waitingCooling());
  wideMember("bytes", 0, <u64>imageLength());
  wideMember("events", 0, word(H_EVENT_NEXT));
  wideMember("yields", 0, word(H_YIELDS));
  jsonRefusals();
  member("sets");
  if (settings == 0) {
    say("null");
    return EXIT_OK;
  }
  open(91);
  for (let i = 0; i < count; i++) {
    censusOf(i, c);
    item();
    open(123);
    jsonCensus(c);
    close(125);
    printRoom();
  }
  close(93);
  wideMember("oldestAllocationSeconds", 0, <u64>oldest);
  return EXIT_OK;
}

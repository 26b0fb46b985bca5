// A trial beside host-local: `"shadow": "host-local"` runs the real plugin, whose answer and exit
// status are those of the call, byte for byte. Then Berth does the same call on a state of its own
// and writes down whether it would have answered the same, and how long each took.
//
//   stdin -> run the plugin, its stdout passed on -> our own call, its answer kept -> berth.shadow
//
//   berth.shadow     one JSON object a line, appended; at 1 MiB it becomes berth.shadow.1
//   {"time":ms,"command":"ADD","container":"..","ifname":"eth0","same":true,
//    "plugin":{"exit":0,"us":2871,"ips":["10.1.2.3"]},"berth":{"exit":0,"us":210,"ips":[..]}}
//
// The state lies in /var/lib/cni/berth or the trial's own `dataDir`; `dataDir` of `ipam` is the
// plugin's. The first call takes over what host-local holds ("began": true) and compares nothing.
// Whatever goes wrong with us is written down as our answer; ours waits for no lock over a second.
import {
  ADDRESS_BYTES,
  formatAddress,
  parsedFamily,
  parsedHi,
  parsedLo,
  parsePrefix,
} from "../address";
import * as host from "../host";
import { EXIT_OK } from "../numbers";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { openFile, renameFile } from "../store/files";
import { fileName, nameAt, nameBytes } from "../store/names";
import { answerAt, answerBytes, answerHold } from "./answer";
import { shadowDirectoryFault } from "./beside";
import { CMD_DEL, CMD_GC, call, Span, spanSet, spanTake } from "./call";
import { coexistBegan } from "./coexist";
import { envText } from "./env";
import { EACCES, ENOENT, ENOTDIR } from "./errno";
import { ERROR_PLUGIN, errorBegin, errorBytes, errorErrno, errorText } from "./errors";
import {
  JSON_FALSE,
  JSON_LIST,
  JSON_NUMBER,
  JSON_OBJECT,
  JSON_STRING,
  jsonKind,
  jsonNext,
  jsonRead,
} from "./json";
import {
  jsonInteger,
  jsonMember,
  jsonNumber,
  jsonRootMember,
  jsonText,
  jsonTextAt,
  jsonTextBytes,
} from "./jsonvalue";
import { inputAt, inputBytes } from "./network";
import { directoryJoin } from "./path";
import {
  Text,
  textByte,
  textBytes,
  textJson,
  textNumber,
  textString,
  textTake,
  textTo,
} from "./text";

/** Where Berth keeps its own state. */
export const OWN_DIRECTORY: string = "/var/lib/cni/berth";
/** How much of the plugin's answer is looked at. */
const ANSWER_MAX: u32 = 1048576;
const FILE_MAX: i64 = 1048576;
/** Milliseconds that a call waits for the lock whose answer doesn't depend on it. */
export const PATIENCE_MS: i32 = 1000;
const IPS_MAX: i32 = 64;
const IP_BYTES: i32 = 24;
const APPEND: i32 = 3;
const LINE_MAX: i32 = 131072;

/** One side's answer. */
@unmanaged
class Told {
  exit: i32;
  us: i64;
  code: i32;
  /** The error's text. */
  msg: usize;
  msgBytes: i32;
  /** `count` addresses: hi u64 | lo u64 | family u32 | -. */
  ips: usize;
  count: i32;
}

let ownDirectory: Span = changetype<Span>(0);
let plugin: Told = changetype<Told>(0);
let since: i64 = 0;
let printed: usize = 0;
let printedBytes: i32 = 0;
let ended: bool = false;

/** Does another plugin answer this call? */
export function shadowing(): bool {
  return plugin != changetype<Told>(0);
}

/** The trial's data directory; empty: the usual one. */
export function shadowDirectory(): Span {
  return ownDirectory;
}

function isOn(ipam: i32, key: string): bool {
  const node = jsonMember(ipam, key);
  return node != 0 && jsonKind(node) != JSON_FALSE;
}

// The text of a member: as it was without one, empty for what is no text.
function member(object: i32, key: string, into: Span): void {
  const node = jsonMember(object, key);
  if (node == 0) return;
  const isText = jsonKind(node) == JSON_STRING;
  if (isText) jsonText(node);
  spanSet(into, isText ? jsonTextAt : 0, isText ? jsonTextBytes : 0);
}

// Reads the key: the plugin's name or path. 0 bytes: no trial (faults are beside.ts's to tell).
function wanted(): Span {
  const name = spanTake();
  ownDirectory = spanTake();
  spanSet(name, 0, 0);
  spanSet(ownDirectory, 0, 0);
  if (jsonKind(0) != JSON_OBJECT) return name;
  const ipam = jsonRootMember("ipam");
  if (ipam == 0 || jsonKind(ipam) != JSON_OBJECT) return name;
  if (isOn(ipam, "adopt") || isOn(ipam, "mirror")) return name;
  const node = jsonMember(ipam, "shadow");
  if (node != 0 && jsonKind(node) == JSON_OBJECT) {
    fileName("host-local");
    spanSet(name, nameAt, nameBytes);
    member(node, "plugin", name);
    member(node, "dataDir", ownDirectory);
    // Nothing runs for a config that is refused; DEL and GC go on to the plugin all the same.
    const strict = call.command != CMD_DEL && call.command != CMD_GC;
    if (strict && shadowDirectoryFault(node) != 0) name.bytes = 0;
  } else member(ipam, "shadow", name);
  return name;
}

function runAt(path: usize, bytes: i32): i64 {
  return host.run(path, bytes, inputAt, <u32>inputBytes, printed, ANSWER_MAX);
}

// Runs the plugin: by path, or from the first directory of CNI_PATH that has it.
function runNamed(name: Span, dirs: Span): i64 {
  for (let i = 0; i < name.bytes; i++) {
    if (load<u8>(name.at + i) == 47) return runAt(name.at, name.bytes);
  }
  let status: i64 = -ENOENT;
  for (let from = 0; from <= dirs.bytes; ) {
    let to = from;
    while (to < dirs.bytes && load<u8>(dirs.at + to) != 58) to++;
    const bytes = to - from;
    const path = scratchTake(<usize>(bytes + 1 + name.bytes));
    memory.copy(path, dirs.at + from, bytes);
    store<u8>(path + bytes, 47);
    memory.copy(path + bytes + 1, name.at, name.bytes);
    status = bytes == 0 ? -ENOENT : runAt(path, bytes + 1 + name.bytes);
    if (status != -ENOENT && status != -ENOTDIR && status != -EACCES) return status;
    from = to + 1;
  }
  return status;
}

function cannotRun(name: Span, dirs: Span, status: i32): bool {
  errorBegin(ERROR_PLUGIN);
  errorText("ipam.shadow: can't run ");
  errorBytes(name.at, name.bytes);
  errorText(" (CNI_PATH is ");
  errorBytes(dirs.at, dirs.bytes);
  errorText("): ");
  errorErrno(status);
  return false;
}

/**
 * If the config (stdin, read as JSON) wants a trial: runs the plugin and passes its answer on; from
 * here on our own answers are kept. false: an error has begun, nobody has answered.
 */
export function shadowRun(): bool {
  plugin = changetype<Told>(0);
  ended = false;
  const name = wanted();
  if (name.bytes == 0) return true;
  const dirs = spanTake();
  if (!envText("BERTH_SHADOW", dirs)) return false;
  if (dirs.bytes > 0) {
    errorBegin(ERROR_PLUGIN);
    errorText("ipam.shadow: the plugin that was run is berth itself: name the real host-local");
    return false;
  }
  if (!envText("CNI_PATH", dirs)) return false;
  printed = scratchTake(<usize>ANSWER_MAX + 16);
  const begun = host.clock(0);
  const ran = runNamed(name, dirs);
  since = host.clock(0);
  if (ran < 0) return cannotRun(name, dirs, <i32>ran);
  printedBytes = <i32>min<i64>(ran & 0xffffffff, <i64>ANSWER_MAX);
  plugin = told(<i32>(ran >> 32), since - begun);
  call.shadow = true;
  host.patience(PATIENCE_MS);
  answerHold();
  return true;
}

function told(exit: i32, ns: i64): Told {
  const t = changetype<Told>(scratchTake(offsetof<Told>()));
  t.exit = exit;
  t.us = ns / 1000;
  t.code = 0;
  t.msgBytes = 0;
  t.ips = scratchTake(<usize>(IPS_MAX * IP_BYTES));
  t.count = 0;
  return t;
}

function addIp(t: Told, node: i32): void {
  if (node == 0 || jsonKind(node) != JSON_STRING || t.count == IPS_MAX) return;
  jsonText(node);
  if (!parsePrefix(jsonTextAt, jsonTextBytes)) return;
  const p = t.ips + <usize>(t.count++ * IP_BYTES);
  store<u64>(p, parsedHi);
  store<u64>(p, parsedLo, 8);
  store<u64>(p, <u64>parsedFamily, 16);
}

// Reads a result or an error, as both sides print them.
function readAnswer(t: Told, at: usize, bytes: i32): void {
  if (bytes == 0 || !jsonRead(at, bytes) || jsonKind(0) != JSON_OBJECT) return;
  const code = jsonRootMember("code");
  if (code != 0 && jsonKind(code) == JSON_NUMBER && jsonInteger(code)) t.code = <i32>jsonNumber;
  const msg = jsonRootMember("msg");
  if (msg != 0 && jsonKind(msg) == JSON_STRING) {
    jsonText(msg);
    t.msg = jsonTextAt;
    t.msgBytes = jsonTextBytes;
  }
  const list = jsonRootMember("ips");
  if (list != 0 && jsonKind(list) == JSON_LIST) {
    for (let e = list + 1; e < jsonNext(list); e = jsonNext(e)) {
      if (jsonKind(e) == JSON_OBJECT) addIp(t, jsonMember(e, "address"));
    }
  }
  // Results of 0.2.0 and before.
  for (let family = 4; family <= 6; family += 2) {
    const one = jsonRootMember(family == 4 ? "ip4" : "ip6");
    if (one != 0 && jsonKind(one) == JSON_OBJECT) addIp(t, jsonMember(one, "ip"));
  }
}

function sameAnswers(a: Told, b: Told): bool {
  if ((a.exit == EXIT_OK) != (b.exit == EXIT_OK) || a.code != b.code) return false;
  return a.count == b.count && memory.compare(a.ips, b.ips, <usize>(a.count * IP_BYTES)) == 0;
}

function sayAddress(family: i32, hi: u64, lo: u64): void {
  const word = scratchTake(ADDRESS_BYTES);
  textBytes(word, formatAddress(family, hi, lo, word));
}

function sayTold(t: Told): void {
  textString('{"exit":');
  textNumber(t.exit);
  textString(',"us":');
  textNumber(t.us);
  textString(',"ips":[');
  for (let i = 0; i < t.count; i++) {
    const p = t.ips + <usize>(i * IP_BYTES);
    if (i > 0) textByte(44);
    textByte(34);
    sayAddress(<i32>load<u64>(p, 16), load<u64>(p), load<u64>(p, 8));
    textByte(34);
  }
  textByte(93);
  if (t.exit != EXIT_OK) {
    textString(',"code":');
    textNumber(t.code);
    textString(',"msg":');
    textJson(t.msg, t.msgBytes);
  }
  textByte(125);
}

function sayLine(line: Text, ours: Told): void {
  textTo(line);
  textString('{"time":');
  textNumber(host.clock(1) / 1000000);
  textString(',"command":');
  textJson(call.commandText.at, call.commandText.bytes);
  textString(',"container":');
  textJson(call.containerId.at, call.containerId.bytes);
  textString(',"ifname":');
  textJson(call.ifname.at, call.ifname.bytes);
  if (coexistBegan) textString(',"began":true');
  else textString(sameAnswers(plugin, ours) ? ',"same":true' : ',"same":false');
  textString(',"plugin":');
  sayTold(plugin);
  if (!coexistBegan) {
    textString(',"berth":');
    sayTold(ours);
  }
  textString("}\n");
}

// Appends the line. What can't be written is lost: the answer is out.
function append(line: Text): void {
  let file = openFile("berth.shadow", APPEND);
  if (file < 0) return;
  if (host.size(file) > FILE_MAX) {
    host.close(file);
    renameFile("berth.shadow", "berth.shadow.1");
    file = openFile("berth.shadow", APPEND);
    if (file < 0) return;
  }
  host.write(file, 0, line.at, <u32>line.length);
  host.close(file);
}

function enterOwn(): bool {
  if (call.directory.bytes == 0) {
    if (call.network.bytes == 0) return false;
    directoryJoin(ownDirectory, OWN_DIRECTORY, call.directory);
  }
  return host.enter(call.directory.at, call.directory.bytes, 1) >= 0;
}

/** The end of a call in a trial; `status` is our own. Answers the plugin's exit status. */
export function shadowEnd(status: i32): i32 {
  if (ended) return plugin.exit;
  ended = true;
  const ours = told(status, host.clock(0) - since);
  const mark = scratchMark();
  readAnswer(plugin, printed, printedBytes);
  readAnswer(ours, answerAt, answerBytes);
  const line = textTake(LINE_MAX);
  sayLine(line, ours);
  if (!line.full && enterOwn()) append(line);
  scratchRewind(mark);
  return plugin.exit;
}

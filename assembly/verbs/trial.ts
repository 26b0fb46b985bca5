// `berth shadow`: what a trial beside another plugin has shown (protocol/shadow.ts writes the
// lines): how often both answered the same, the times of both, and where they differed.
//
//   time    us u32    x TIMES_MAX for each side, sorted for median and 99th percentile
import * as host from "../host";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { close, item, member, open, valueNumber } from "../protocol/document";
import {
  JSON_FALSE,
  JSON_NUMBER,
  JSON_OBJECT,
  JSON_TRUE,
  jsonKind,
  jsonRead,
} from "../protocol/json";
import { jsonInteger, jsonMember, jsonNumber, jsonRootMember } from "../protocol/jsonvalue";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { openFile } from "../store/files";
import { isJson, printHere, printRoom, say, sayBytes, sayNumber } from "./print";

const FILE_MAX: u32 = 2097152;
const TIMES_MAX: u32 = 65536;
const DIFFER_MAX: u32 = 20;

let plugin: usize = 0;
let berth: usize = 0;
let times: u32 = 0;
let calls: u32 = 0;
let began: u32 = 0;
let same: u32 = 0;
let differ: u32 = 0;
// The last lines that differ: | at | bytes |, a ring.
let ring: usize = 0;

function timeOf(side: string): i64 {
  const node = jsonRootMember(side);
  if (node == 0 || jsonKind(node) != JSON_OBJECT) return -1;
  const us = jsonMember(node, "us");
  return us != 0 && jsonKind(us) == JSON_NUMBER && jsonInteger(us) ? jsonNumber : -1;
}

function readLine(at: usize, bytes: i32): void {
  if (!jsonRead(at, bytes) || jsonKind(0) != JSON_OBJECT) return;
  calls++;
  const is = jsonRootMember("same");
  if (is == 0) began++;
  else if (jsonKind(is) == JSON_TRUE) same++;
  else if (jsonKind(is) == JSON_FALSE) {
    store<usize>(ring + ((<usize>(differ % DIFFER_MAX)) << 4), at);
    store<i32>(ring + ((<usize>(differ % DIFFER_MAX)) << 4), bytes, 8);
    differ++;
  }
  const theirs = timeOf("plugin");
  const ours = timeOf("berth");
  if (theirs < 0 || ours < 0 || times == TIMES_MAX) return;
  store<u32>(plugin + ((<usize>times) << 2), <u32>min<i64>(theirs, <i64>u32.MAX_VALUE));
  store<u32>(berth + ((<usize>times) << 2), <u32>min<i64>(ours, <i64>u32.MAX_VALUE));
  times++;
}

function readFile(name: string): void {
  const handle = openFile(name, 0);
  if (handle < 0) return;
  const text = scratchTake(<usize>FILE_MAX + 16);
  const got = host.read(handle, 0, text, FILE_MAX);
  host.close(handle);
  for (let at = 0; at < got; ) {
    let bytes = 0;
    while (at + bytes < got && load<u8>(text + at + bytes) != 10) bytes++;
    const mark = scratchMark();
    if (bytes > 0) readLine(text + at, bytes);
    scratchRewind(mark);
    at += bytes + 1;
  }
}

// Shell sort: no recursion, no memory.
function sort(list: usize): void {
  for (let gap: u32 = 65536; gap > 0; gap = gap == 2 ? 1 : <u32>((<u64>gap * 5) / 11)) {
    for (let i = gap; i < times; i++) {
      const value = load<u32>(list + ((<usize>i) << 2));
      let j = i;
      for (; j >= gap; j -= gap) {
        const before = load<u32>(list + ((<usize>(j - gap)) << 2));
        if (before <= value) break;
        store<u32>(list + ((<usize>j) << 2), before);
      }
      store<u32>(list + ((<usize>j) << 2), value);
    }
  }
}

function percentile(list: usize, hundredths: u32): i64 {
  if (times == 0) return 0;
  return load<u32>(list + ((<usize>min<u32>((times * hundredths) / 100, times - 1)) << 2));
}

/** Tells about the trial of the network whose directory is entered. Answers the exit status. */
export function trial(): i32 {
  plugin = scratchTake((<usize>TIMES_MAX) << 2);
  berth = scratchTake((<usize>TIMES_MAX) << 2);
  ring = scratchTake((<usize>DIFFER_MAX) << 4);
  times = 0;
  calls = 0;
  began = 0;
  same = 0;
  differ = 0;
  readFile("berth.shadow.1");
  readFile("berth.shadow");
  sort(plugin);
  sort(berth);
  printHere();
  if (isJson) tellJson();
  else tell();
  return differ == 0 ? EXIT_OK : EXIT_ERROR;
}

function sayTimes(who: string, list: usize): void {
  say(who);
  say("median ");
  sayNumber(percentile(list, 50));
  say(" us, 99 of 100 within ");
  sayNumber(percentile(list, 99));
  say(" us\n");
}

function tell(): void {
  if (calls == 0) {
    say('no trial is written down here: "shadow": "host-local" in the config begins one\n');
    return;
  }
  sayNumber(calls);
  say(" calls: ");
  sayNumber(same);
  say(" with the same answer, ");
  sayNumber(differ);
  say(" with another, ");
  sayNumber(began);
  say(" not compared (the state was taken over)\n");
  sayTimes("the plugin   ", plugin);
  sayTimes("berth        ", berth);
  const first: u32 = differ > DIFFER_MAX ? differ - DIFFER_MAX : 0;
  if (differ > 0) say("the last that differ:\n");
  for (let i = first; i < differ; i++) {
    const p = ring + ((<usize>(i % DIFFER_MAX)) << 4);
    sayBytes(load<usize>(p), load<i32>(p, 8));
    say("\n");
    printRoom();
  }
}

function jsonTimes(key: string, list: usize): void {
  member(key);
  open(123);
  member("medianUs");
  valueNumber(percentile(list, 50));
  member("p99Us");
  valueNumber(percentile(list, 99));
  close(125);
}

function tellJson(): void {
  member("calls");
  valueNumber(calls);
  member("same");
  valueNumber(same);
  member("different");
  valueNumber(differ);
  member("began");
  valueNumber(began);
  jsonTimes("plugin", plugin);
  jsonTimes("berth", berth);
  member("differences");
  open(91);
  const first: u32 = differ > DIFFER_MAX ? differ - DIFFER_MAX : 0;
  for (let i = first; i < differ; i++) {
    const p = ring + ((<usize>(i % DIFFER_MAX)) << 4);
    item();
    sayBytes(load<usize>(p), load<i32>(p, 8));
    printRoom();
  }
  close(93);
}

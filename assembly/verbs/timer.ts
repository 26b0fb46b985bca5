// `berth gc --install-timer`: two units for systemd, so that a node collects by itself. Each is
// written whole and renamed; a file that doesn't begin with our first line isn't ours and stays.
import * as host from "../host";
import { EXIT_OK } from "../numbers";
import {
  close,
  documentBegin,
  item,
  member,
  open,
  valuePlain,
  valueText,
} from "../protocol/document";
import { ENOENT } from "../protocol/errno";
import { ERROR_DISK, errorBegin, errorBytes, errorErrno, errorText } from "../protocol/errors";
import { Text, textBytes, textClear, textString, textTake, textTo } from "../protocol/text";
import { scratchTake } from "../scratch";
import { openFile, openNew, renameFile } from "../store/files";
import { fileName, nameAt, nameBytes } from "../store/names";
import { askAt, askBytes, askOption } from "./ask";
import { DEFAULT_DIRECTORY } from "./place";
import { failed, isJson, printHere, say, sayBytes } from "./print";

const DIRECTORY: string = "/etc/systemd/system";
const PROGRAM: string = "/opt/cni/bin/berth";
const SERVICE: string = "berth-gc.service";
const TIMER: string = "berth-gc.timer";
const MARK: string = "# Written by berth gc --install-timer; what you change here is lost.\n";
const UNIT_BYTES: i32 = 8192;

let directory: Text = changetype<Text>(0);
let unit: Text = changetype<Text>(0);

// The option's value, or what is usual.
function textOf(option: string, usual: string): Text {
  const text = textTake(UNIT_BYTES / 2);
  textTo(text);
  if (askOption(option)) textBytes(askAt, askBytes);
  else textString(usual);
  return text;
}

// Spaces and % would mean something to systemd.
function isPlainPath(text: Text): bool {
  for (let i = 0; i < text.length; i++) {
    const c = <u32>load<u8>(text.at + i);
    if (c <= 32 || c == 37 || c == 34 || c == 39 || c == 92 || c == 127) return false;
  }
  return text.length > 0 && load<u8>(text.at) == 47;
}

function refuse(what: string, name: string, status: i32): bool {
  errorBegin(ERROR_DISK);
  errorText(what);
  errorBytes(directory.at, directory.length);
  errorText("/");
  errorText(name);
  errorText(": ");
  if (status < 0) errorErrno(status);
  else errorText("it wasn't written by berth; nothing was changed in it");
  return false;
}

// May the name be written: is there nothing, or a unit of ours?
function isOurs(name: string): bool {
  const file = openFile(name, 0);
  if (file == -ENOENT) return true;
  if (file < 0) return refuse("can't read ", name, file);
  const have = scratchTake(<usize>MARK.length);
  const got = host.read(file, 0, have, MARK.length);
  host.close(file);
  fileName(MARK);
  if (got == nameBytes && memory.compare(have, nameAt, nameBytes) == 0) return true;
  return refuse("won't replace ", name, 0);
}

function write(name: string): bool {
  const file = openNew("berth-gc.new");
  if (file < 0) return refuse("can't write ", name, file);
  let status = host.write(file, 0, unit.at, <u32>unit.length);
  if (status >= 0) status = host.sync(file);
  host.close(file);
  if (status >= 0) status = renameFile("berth-gc.new", name);
  return status < 0 ? refuse("can't write ", name, status) : true;
}

function unitBegin(description: string): void {
  textClear(unit);
  textTo(unit);
  textString(MARK);
  textString("[Unit]\nDescription=");
  textString(description);
  textString("\n");
}

function writeAll(program: Text): bool {
  unitBegin("Berth: let go the addresses of containers that are gone");
  // A node that hasn't had a pod has nothing to collect: that is no failed unit.
  textString("ConditionPathExistsGlob=");
  if (askOption("data-dir")) textBytes(askAt, askBytes);
  else textString(DEFAULT_DIRECTORY);
  textString("/*/berth.lock\n");
  textString("\n[Service]\nType=oneshot\nExecStart=");
  textBytes(program.at, program.length);
  textString(" gc");
  if (askOption("data-dir")) {
    textString(" --data-dir ");
    textBytes(askAt, askBytes);
  }
  if (askOption("grace")) {
    textString(" --grace ");
    textBytes(askAt, askBytes);
  }
  textString("\n");
  if (!write(SERVICE)) return false;
  unitBegin("Berth: every five minutes, a look at what is held");
  textString("\n[Timer]\nOnBootSec=10min\nOnUnitActiveSec=5min\nAccuracySec=30s\n");
  textString("\n[Install]\nWantedBy=timers.target\n");
  return write(TIMER);
}

// The answer of `install`, whose files these are like.
function jsonFile(name: string): void {
  textClear(unit);
  textTo(unit);
  textBytes(directory.at, directory.length);
  if (load<u8>(directory.at + directory.length - 1) != 47) textString("/");
  textString(name);
  printHere();
  item();
  open(123);
  member("file");
  valueText(unit.at, unit.length);
  member("done");
  valuePlain("written");
  close(125);
}

function tellJson(): void {
  documentBegin();
  open(123);
  member("files");
  open(91);
  jsonFile(SERVICE);
  jsonFile(TIMER);
  close(93);
  close(125);
  say("\n");
}

/** Writes both units. Answers the exit status. */
export function timer(): i32 {
  directory = textOf("unit-dir", DIRECTORY);
  const program = textOf("program", PROGRAM);
  const data = textOf("data-dir", PROGRAM);
  unit = textTake(UNIT_BYTES);
  if (!isPlainPath(program) || !isPlainPath(data)) {
    errorBegin(ERROR_DISK);
    errorText("a unit takes absolute paths without spaces, quotes, % and \\ only");
    return failed("gc");
  }
  const entered = host.enter(directory.at, directory.length, 0);
  if (entered < 0) {
    refuse("can't open ", "", entered);
    return failed("gc");
  }
  // Both are looked at before one is written.
  if (!isOurs(SERVICE) || !isOurs(TIMER) || !writeAll(program)) return failed("gc");
  printHere();
  if (isJson) {
    tellJson();
    return EXIT_OK;
  }
  say("wrote berth-gc.service and berth-gc.timer to ");
  sayBytes(directory.at, directory.length);
  say("\nto begin:  systemctl daemon-reload && systemctl enable --now berth-gc.timer\n");
  return EXIT_OK;
}

// The plugin from its start to the lock and after it. The hosts call `begin`; if it answers
// NEED_LOCK they lock the network and call `finish`; after a trap they call `fault`. (They reach it
// through verbs/program.ts, which looks whether a person called instead of a runtime.)
//
//   environment -> stdin, name, version -> body of the config -> resolvConf -> netns -> directory
//
// Everything that can be refused without the state is refused before the lock; what an annotation
// asks for in vain, which is one pod's, is written down in the state first (add.ts).

import { faultText } from "../fault";
import * as host from "../host";
import { argument, enter, netns, output } from "../host";
import { EXIT_ERROR, EXIT_OK, NEED_LOCK } from "../numbers";
import { scratchAssignAll } from "../scratch";
import { storeReserve } from "../store/store";
import { answerBegin } from "./answer";
import { attachmentsRead } from "./attachments";
import {
  CMD_ADD,
  CMD_CHECK,
  CMD_DEL,
  CMD_GC,
  CMD_NONE,
  CMD_STATUS,
  CMD_VERSION,
  call,
  callBegin,
  SPEC_COUNT,
  specText,
} from "./call";
import { configRead } from "./config";
import { envRead, netnsOverride } from "./env";
import { EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from "./errno";
import {
  ERROR_DISK,
  ERROR_NETNS,
  ERROR_PLUGIN,
  ERROR_TRY_AGAIN,
  ERROR_UNAVAILABLE,
  errorBack,
  errorBegin,
  errorCode,
  errorPrepare,
  errorPrint,
  errorText,
} from "./errors";
import { damageText, failDirectory, failNotFound } from "./failure";
import { statusBefore } from "./inspect";
import { inputRead, networkRead } from "./network";
import { pathFault } from "./path";
import { resolvRead } from "./resolv";
import { PATIENCE_MS, shadowEnd, shadowing, shadowRun } from "./shadow";
import { textByte, textString, textTake, textTo } from "./text";
import { delFault, perform } from "./verbs";

/** This release. */
export const VERSION: string = "v0.1.0";
/** `begin`: no CNI command but an argument, so an operator's verb. */
export const CALL_VERB: i32 = -1;
/** What host.netns says of this process's own. */
const OWN_NETNS: i64 = -1;

// What the call had reached: a trap after the state was opened means that the state is at fault.
let opened: bool = false;

function textVersions(before: string, between: string, after: string): void {
  for (let i = 0; i < SPEC_COUNT; i++) {
    if (i > 0) textString(between);
    textString(before);
    textString(specText(i));
    textString(after);
  }
}

function printVersion(): i32 {
  const text = textTake(512);
  textTo(text);
  textString('{"cniVersion":"');
  textString(specText(SPEC_COUNT - 1));
  textString('","supportedVersions":[');
  textVersions('"', ",", '"');
  textString("]}\n");
  return output(1, text.at, text.length) < 0 ? EXIT_ERROR : EXIT_OK;
}

// Without CNI_COMMAND nobody called a plugin: a person did.
function printUsage(): i32 {
  const text = textTake(1024);
  textTo(text);
  textString("CNI berth plugin ");
  textString(VERSION);
  textString("\nCNI protocol versions supported: ");
  textVersions("", ", ", "");
  textByte(10);
  output(2, text.at, text.length);
  return EXIT_OK;
}

// The caller's own network namespace as the container's: refused before anything is done.
function checkNetns(): bool {
  if (call.netns.bytes == 0 || pathFault(call.netns) != 0) return true;
  const inode = netns(call.netns.at, call.netns.bytes);
  call.netnsInode = inode > 0 ? <u32>inode : 0;
  if (inode != OWN_NETNS || netnsOverride) return true;
  errorBegin(ERROR_NETNS);
  errorText("plugin's netns and netns from CNI_NETNS should not be the same");
  return false;
}

// The directory couldn't be entered: what that means for each command.
function withoutDirectory(negative: i32): i32 {
  const nowhere =
    negative == -ENOENT || negative == -ENOTDIR || negative == -ENAMETOOLONG || negative == -EINVAL;
  switch (call.command) {
    case CMD_ADD:
      failDirectory(ERROR_PLUGIN, "mkdir ", negative);
      return errorPrint();
    case CMD_DEL:
      // What can't exist holds nothing.
      if (nowhere || negative == -ELOOP) return EXIT_OK;
      failDirectory(ERROR_TRY_AGAIN, "try again later: open ", negative);
      return errorPrint();
    case CMD_GC:
      if (nowhere) return EXIT_OK;
      failDirectory(ERROR_DISK, "open ", negative);
      return errorPrint();
    case CMD_CHECK:
      if (nowhere) failNotFound();
      else failDirectory(ERROR_PLUGIN, "open ", negative);
      return errorPrint();
    default:
      if (negative == -ENOENT) return statusBefore();
      failDirectory(ERROR_UNAVAILABLE, "open ", negative);
      return errorPrint();
  }
}

// The body's checks, which need neither state nor lock. False with a pending error.
function prepare(): bool {
  if (!configRead()) return false;
  if (call.command == CMD_GC) return attachmentsRead();
  return call.command != CMD_ADD || (resolvRead() && checkNetns());
}

/**
 * Reads and checks the call. EXIT_OK, EXIT_ERROR, CALL_VERB, or NEED_LOCK: take the lock and call
 * finish.
 */
export function begin(): i32 {
  opened = false;
  answerBegin();
  scratchAssignAll();
  storeReserve(); // tables that must be zero: before scratch is ever rewound
  callBegin();
  errorPrepare();
  if (!envRead()) {
    if (call.command != CMD_NONE) return errorPrint();
    return argument(0, 0, 0) >= 0 ? CALL_VERB : printUsage();
  }
  if (call.command == CMD_VERSION) return printVersion();
  if (!inputRead() || !shadowRun()) return errorPrint();
  const status = beginBody();
  return shadowing() && status != NEED_LOCK ? shadowEnd(status) : status;
}

// May the call make the network's directory?
function makes(): bool {
  return (call.command == CMD_ADD && !call.refused) || call.shadow;
}

// From the config's name to the lock.
function beginBody(): i32 {
  if (!networkRead()) return errorPrint();
  if (!prepare()) {
    if (call.command == CMD_STATUS) errorCode(ERROR_UNAVAILABLE);
    if (!call.refused) return errorPrint();
  }
  if (call.command == CMD_GC && !call.attachmentsPresent) return EXIT_OK;
  const directory = call.directory;
  let status = pathFault(directory);
  if (status == 0) status = enter(directory.at, directory.bytes, makes() ? 1 : 0);
  if (status < 0) return call.refused ? errorPrint() : withoutDirectory(status);
  if (call.refused) host.patience(PATIENCE_MS);
  return NEED_LOCK;
}

/** Does the work. `lock` is 0, -EAGAIN after the time-out, or the -errno of locking. */
export function finish(lock: i32): i32 {
  opened = true;
  const status = perform(lock);
  return shadowing() ? shadowEnd(status) : status;
}

/** Answers after a trap, without reading the state. */
export function fault(): i32 {
  const status = faultAnswer();
  return shadowing() ? shadowEnd(status) : status;
}

function faultAnswer(): i32 {
  if (opened && call.command == CMD_DEL) return delFault();
  if (opened && call.refused) {
    errorBack();
    return errorPrint();
  }
  if (opened) {
    damageText(faultText);
  } else {
    errorBegin(ERROR_PLUGIN);
    errorText("berth: internal fault: ");
    if (faultText.length > 0) errorText(faultText);
    else errorText("memory fault");
  }
  if (call.command == CMD_STATUS) errorCode(ERROR_UNAVAILABLE);
  return errorPrint();
}

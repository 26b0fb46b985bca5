// `berth export --host-local DIR`: writes DIR/<network>/ as host-local keeps it, so that host-local
// can go on: a file for each address that is held, the marks, the lock.
//
// Into the network's own directory (after adopt) it adds what is missing and sets right what names
// somebody else; elsewhere a file of somebody else is left and told: exit 1. Reservations and
// addresses that cool are nothing that host-local knows; nor is a container whose DEL has come and
// waits as a note: in place its files go, as the next call would have it. Works on a copy, under
// host-local's lock: in place the copy is made under it, so that no mirrored call comes between.
import { damaged } from "../fault";
import { markPut } from "../foreign/marks";
import {
  mirrorConflicts,
  mirrorCount,
  mirrorFound,
  mirrorRecord,
  mirrorWritten,
} from "../foreign/mirror";
import * as host from "../host";
import { CURSOR_BYTES, CURSORS, H_HELD, INDEX_OWNER, SETS_MAX } from "../image/header";
import { word } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { call, Span, spanSet, spanTake } from "../protocol/call";
import { coexistLock, coexistUnlock } from "../protocol/coexist";
import { member, valueNumber, valueText } from "../protocol/document";
import { ERROR_DISK, errorBegin, errorBytes, errorErrno, errorText } from "../protocol/errors";
import { directoryJoin } from "../protocol/path";
import { headAt } from "../records/cell";
import { filesTake } from "../records/file";
import { trieCells } from "../records/trie";
import { scratchTake } from "../scratch";
import { isPartial } from "../store/store";
import { askAt, askBad, askBytes, askMissing, askOption } from "./ask";
import { hasNote } from "./holdings";
import { isThisBoot, placeAgain } from "./place";
import { isJson, printHere, say, sayBytes, sayNumber } from "./print";
import { waitingCooling, waitingReserved } from "./waiting";

/** Is there a directory to write to? */
export function exportAccepts(): bool {
  if (!askOption("host-local")) {
    return askMissing("--host-local DIR", "host-local's dataDir, to which the files go");
  }
  if (askBytes > 0) return true;
  return askBad("host-local", askAt, askBytes, "use host-local's dataDir");
}

function cannot(path: Span, status: i32): i32 {
  errorBegin(ERROR_DISK);
  errorText("write to ");
  errorBytes(path.at, path.bytes);
  errorText(": ");
  errorErrno(status);
  return EXIT_ERROR;
}

// The allocations of the copied image, those for which a note waits behind the others.
let heads: usize = 0;
let found: u32 = 0;
let noted: u32 = 0;

function headOf(i: u32): u32 {
  return headAt(load<u32>(heads + ((<usize>i) << 2)));
}

// Finds them. The network's own directory is entered.
function findHeads(): void {
  const held = <u32>word(H_HELD);
  heads = scratchTake((<usize>held + 1) << 2);
  found = trieCells(INDEX_OWNER, heads, held + 1);
  noted = 0;
  for (let i: u32 = 0; i < found - noted; ) {
    const head = headOf(i);
    if (!hasNote(head)) {
      i++;
      continue;
    }
    noted++;
    const last = heads + ((<usize>(found - noted)) << 2);
    store<u32>(heads + ((<usize>i) << 2), load<u32>(last));
    store<u32>(last, head);
  }
}

// The files of every allocation whose DEL hasn't come. 0 or -errno.
function writeFiles(inPlace: bool): i32 {
  mirrorCount();
  for (let i: u32 = 0; i < found - noted; i++) {
    const status = mirrorRecord(headOf(i), inPlace);
    if (status < 0) return status;
  }
  for (let i = found - noted; i < found && inPlace; i++) filesTake(headOf(i));
  return 0;
}

function writeMarks(): i32 {
  for (let n: u32 = 0; n < SETS_MAX; n++) {
    const at = CURSORS + n * CURSOR_BYTES;
    const family = <i32>word(at + 16);
    if (family == 0) continue;
    const status = markPut(<i32>n, family, word(at), word(at + 8), false);
    if (status < 0) return status;
  }
  return 0;
}

/** Exports the copied image. Answers the exit status; an error may pend. */
export function exportFiles(): i32 {
  // host-local would give what runs and isn't in here yet.
  if (isPartial()) damaged("berth adopt --from-cache, which makes it anew, hasn't ended");
  const target = spanTake();
  const path = spanTake();
  askOption("host-local");
  spanSet(target, askAt, askBytes);
  directoryJoin(target, "", path);
  const own = call.directory;
  const inPlace = path.bytes == own.bytes && memory.compare(path.at, own.at, own.bytes) == 0;
  if (!inPlace) findHeads();
  const entered = host.enter(path.at, path.bytes, 1);
  if (entered < 0) return cannot(path, entered);
  if (!coexistLock()) return EXIT_ERROR;
  if (inPlace) {
    if (!placeAgain()) {
      coexistUnlock();
      return EXIT_ERROR;
    }
    findHeads();
  }
  let status = writeFiles(inPlace);
  if (status >= 0) status = writeMarks();
  coexistUnlock();
  if (status < 0) return cannot(path, status);
  printHere();
  tell(path, inPlace);
  return mirrorConflicts == 0 || inPlace ? EXIT_OK : EXIT_ERROR;
}

function tellJson(path: Span): void {
  member("to");
  valueText(path.at, path.bytes);
  member("written");
  valueNumber(mirrorWritten);
  member("found");
  valueNumber(mirrorFound);
  member("conflicts");
  valueNumber(mirrorConflicts);
  member("delNotes");
  valueNumber(noted);
  member("reservations");
  valueNumber(<i64>waitingReserved());
  member("cooling");
  valueNumber(<i64>waitingCooling());
  if (isThisBoot) return;
  member("otherBoot");
  say("true");
}

function tell(path: Span, inPlace: bool): void {
  if (isJson) {
    tellJson(path);
    return;
  }
  sayNumber(mirrorWritten);
  say(mirrorWritten == 1 ? " file written to " : " files written to ");
  sayBytes(path.at, path.bytes);
  say(", ");
  sayNumber(mirrorFound);
  say(mirrorFound == 1 ? " was there\n" : " were there\n");
  if (mirrorConflicts > 0) {
    sayNumber(mirrorConflicts);
    say(inPlace ? " of them named somebody else before\n" : " name somebody else: left alone\n");
  }
  if (!isThisBoot) {
    say(
      "This state is of another boot: if that is over, remove the files of containers that have\n",
    );
    say("ended with it, for host-local never frees their addresses by itself.\n");
  }
  if (noted > 0) {
    sayNumber(noted);
    say(noted == 1 ? " container gets none:" : " containers get none:");
    say(" the DEL has come, and waits as a note\n");
  }
  const reserved = waitingReserved();
  const cooling = waitingCooling();
  if (reserved + cooling > 0) {
    sayNumber(<i64>reserved);
    say(" reservations and ");
    sayNumber(<i64>cooling);
    say(" cooling addresses aren't written: host-local may give them at once\n");
  }
}

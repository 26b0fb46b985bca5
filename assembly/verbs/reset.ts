// `berth reset`: sets a network's damaged state aside and makes an empty one in its place, in which
// the next ADD begins afresh; the verbs tell of that until then. Nothing is deleted: berth.state
// and berth.log get the names berth.reset-N.state and berth.reset-N.log, N from 1 to 8; what was
// set aside before stays.
//
// Damaged is what an ADD calls so (error 102), or what the walk of `berth check` does. The store
// is opened as for an ADD: what a power cut has torn is rebuilt by that, and a state of a newer
// release or one that can't be opened keeps its own error. A sound state is refused: pods hold what
// it says, and a fresh state gives their addresses again. --force sets aside without a look. Under
// the network's lock.
import * as host from "../host";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { check } from "../pool/check";
import { close, item, member, open, valueText } from "../protocol/document";
import { ENOENT } from "../protocol/errno";
import { ERROR_DISK, ERROR_PLUGIN, errorBegin, errorText } from "../protocol/errors";
import { diskError } from "../protocol/session";
import { fileName, nameAt, nameBytes } from "../store/names";
import { STORE_OPEN, storeCreate, trace } from "../store/store";
import { askOption } from "./ask";
import { isJson, printHere, say, sayBytes } from "./print";

const ASIDE_MAX: u32 = 8;
/** Where the digit stands in berth.reset-N. */
const DIGIT: i32 = 12;

// Makes the name with this number: nameAt, nameBytes.
function asideName(literal: string, n: u32): void {
  fileName(literal);
  store<u8>(nameAt + DIGIT, <u8>(48 + n));
}

function isThere(): bool {
  const handle = host.open(nameAt, nameBytes, 0);
  if (handle >= 0) host.close(handle);
  return handle != -ENOENT;
}

// The first number that no file has; 0 = all are used.
function freeNumber(): u32 {
  for (let n: u32 = 1; n <= ASIDE_MAX; n++) {
    asideName("berth.reset-N.state", n);
    if (isThere()) continue;
    asideName("berth.reset-N.log", n);
    if (!isThere()) return n;
  }
  return 0;
}

// Renames one file; where there is none nothing is done. 0 or -errno.
function aside(name: string, to: string, n: u32): i32 {
  fileName(name);
  const at = nameAt;
  const bytes = nameBytes;
  asideName(to, n);
  const status = host.rename(at, bytes, nameAt, nameBytes);
  if (status == -ENOENT) return 0;
  if (status == 0) tell(at, bytes);
  return status;
}

/** Has the entered directory anything of a state, be it what was set aside? */
export function resetFinds(): bool {
  fileName("berth.state");
  if (isThere()) return true;
  fileName("berth.log");
  return isThere() || trace().length > 0;
}

// An empty state. Where there is no room for one the next ADD makes it, unless `berth adopt
// --from-cache` has set a state aside here: to an ADD that says that there was one and that it is
// lost. 0 or -errno.
function beginAfresh(): i32 {
  const made = storeCreate(false);
  return made == STORE_OPEN || trace().length == 0 ? 0 : made;
}

function tell(at: usize, bytes: i32): void {
  printHere();
  if (isJson) {
    item();
    valueText(nameAt, nameBytes);
    return;
  }
  say("set aside: ");
  sayBytes(at, bytes);
  say(" is ");
  sayBytes(nameAt, nameBytes);
  say(" now\n");
}

/** Sets the files of the entered directory aside. EXIT_ERROR: an error began. */
export function resetAside(): i32 {
  const n = freeNumber();
  if (n == 0) {
    errorBegin(ERROR_DISK);
    errorText("eight states were set aside here already (berth.reset-1 to -8): remove what isn't ");
    errorText("needed any more");
    return EXIT_ERROR;
  }
  printHere();
  if (isJson) {
    member("setAside");
    open(91);
  }
  let status = aside("berth.state", "berth.reset-N.state", n);
  if (status == 0) status = aside("berth.log", "berth.reset-N.log", n);
  printHere();
  if (isJson) close(93);
  if (status == 0) status = beginAfresh();
  if (status == 0) status = host.syncDirectory();
  if (status < 0) {
    diskError("set the state aside in ", status);
    return EXIT_ERROR;
  }
  if (isJson) return EXIT_OK;
  say("The next ADD begins afresh, with every address free. If pods of this network still run\n");
  say("here, their addresses would be given again (but with `mirror`): drain the node first.\n");
  return EXIT_OK;
}

/**
 * Looks whether the opened state is damaged and sets it aside. EXIT_ERROR: an error began. Opening
 * or walking a damaged one may trap: `resetAside` is called then.
 */
export function reset(): i32 {
  if (askOption("force")) return resetAside();
  if (check() == 0) {
    errorBegin(ERROR_PLUGIN);
    errorText("the state is sound: berth reset sets only a damaged one aside (--force: any)");
    return EXIT_ERROR;
  }
  return resetAside();
}

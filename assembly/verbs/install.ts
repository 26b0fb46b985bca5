// `berth install`: copies this executable into a bin directory as `berth`, and with --conflist
// writes a network's config into a conf directory. Each file is written under a temporary name and
// renamed; what lies there already is replaced only if berth made it:
//
//   executable   holds the text MARKER, which every release has
//   conflist     conflist.ts: its key says who made it, with a hash that a change by hand breaks
//
// Everything is looked at before anything is written. Done again, it changes nothing.
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
import { EINVAL, EISDIR, ELOOP, ENOENT, ENXIO } from "../protocol/errno";
import {
  ERROR_DISK,
  ERROR_FOREIGN_FILE,
  errorBegin,
  errorBytes,
  errorErrno,
  errorText,
} from "../protocol/errors";
import { Text, textByte, textBytes, textString, textTake, textTo } from "../protocol/text";
import { scratchTake } from "../scratch";
import { askAt, askBytes, askOption } from "./ask";
import { conflistAccepts, conflistIsOurs, conflistMake, conflistName } from "./conflist";
import { fileEnter, fileError, fileOpen, filePut, MODE_READ, MODE_RUN } from "./output";
import { failed, isJson, printHere, say, sayBytes } from "./print";

/** Every executable of berth holds this text (UTF-16): never to be changed. */
const MARKER: string = "berth-ipam: an executable of Berth, which berth install may replace";
const PROGRAM_MAX: u32 = 4194304;
const PATH_BYTES: i32 = 4096;
const BIN: string = "/opt/cni/bin";
const CONF: string = "/etc/cni/net.d";

/** What is to become of one file. */
@unmanaged
class Target {
  path: Text;
  /** The bytes that it is to have. */
  at: usize;
  bytes: u32;
  mode: i32;
  /** Is there nothing to do? */
  same: bool;
}

/** Do the options fit together? */
export function installAccepts(): bool {
  return conflistAccepts();
}

function pathOf(option: string, otherwise: string): Text {
  const path = textTake(PATH_BYTES);
  textTo(path);
  if (!askOption(option)) textString(otherwise);
  else textBytes(askAt, askBytes);
  if (path.length > 0 && load<u8>(path.at + path.length - 1) != 47) textByte(47);
  return path;
}

function holds(at: usize, bytes: u32, what: usize, whatBytes: u32): bool {
  if (bytes < whatBytes) return false;
  const first = load<u64>(what);
  for (let i: u32 = 0; i <= bytes - whatBytes; i++) {
    if (load<u64>(at + i) != first) continue;
    if (memory.compare(at + i, what, whatBytes) == 0) return true;
  }
  return false;
}

function isExecutable(at: usize, bytes: u32): bool {
  return holds(at, bytes, changetype<usize>(MARKER), (<u32>MARKER.length) << 1);
}

// Reads the executable that is to be copied. false: an error began.
function readProgram(t: Target): bool {
  const name = scratchTake(<usize>PATH_BYTES);
  const length = host.program(name, PATH_BYTES);
  t.at = scratchTake(<usize>PROGRAM_MAX + 8);
  const n = length > PATH_BYTES ? -36 : host.slurp(name, length, t.at, <i32>PROGRAM_MAX);
  t.bytes = <u32>n;
  if (n >= 0 && <u32>n <= PROGRAM_MAX && isExecutable(t.at, t.bytes)) return true;
  errorBegin(ERROR_DISK);
  errorText("can't read the executable ");
  errorBytes(name, min<i32>(length, PATH_BYTES));
  errorText(": ");
  if (n == -ENOENT) errorText("it isn't there: npm run build makes it where a C compiler is");
  else if (n < 0) errorErrno(n);
  else errorText("it isn't one of berth's");
  return false;
}

function refuse(t: Target, why: string): bool {
  errorBegin(ERROR_FOREIGN_FILE);
  errorBytes(t.path.at, t.path.length);
  errorText(why);
  errorText(": nothing was changed; move it away, or choose another directory");
  return false;
}

/** A larger conflist isn't ours. */
const CONFLIST_MAX: u32 = 65536;

// May the file be written? Sets `same`. false: an error began.
function look(t: Target): bool {
  t.same = false;
  const entered = fileEnter(t.path.at, t.path.length, 0);
  if (entered == -ENOENT) return true;
  if (entered < 0) return fileError("write ", entered);
  const handle = fileOpen();
  if (handle == -ENOENT) return true;
  // A link, a directory, a FIFO or device, a socket.
  const other = handle == -ELOOP || handle == -EISDIR || handle == -EINVAL || handle == -ENXIO;
  if (other) return refuse(t, " is no regular file");
  if (handle < 0) return fileError("read ", handle);
  const size = host.size(handle);
  const most = t.mode == MODE_RUN ? PROGRAM_MAX : CONFLIST_MAX;
  const at = scratchTake(<usize>most + 8);
  const n = size > <i64>most ? 0 : host.read(handle, 0, at, <u32>size);
  host.close(handle);
  if (n < 0) return fileError("read ", n);
  if (<u32>n == t.bytes && memory.compare(at, t.at, t.bytes) == 0) {
    t.same = true;
    return true;
  }
  if (t.mode == MODE_RUN) {
    return isExecutable(at, <u32>n) || refuse(t, " isn't an executable of berth");
  }
  return conflistIsOurs(at, n) || refuse(t, " wasn't written by berth, or was changed since");
}

function put(t: Target): bool {
  if (t.same || askOption("dry-run")) return true;
  const entered = fileEnter(t.path.at, t.path.length, 1);
  if (entered < 0) return fileError("write ", entered);
  return filePut(t.at, t.bytes, t.mode);
}

function tell(t: Target): void {
  printHere();
  if (isJson) {
    item();
    open(123);
    member("file");
    valueText(t.path.at, t.path.length);
    member("done");
    valuePlain(t.same ? "nothing" : askOption("dry-run") ? "would be written" : "written");
    close(125);
    return;
  }
  say(t.same ? "unchanged: " : askOption("dry-run") ? "would write: " : "wrote: ");
  sayBytes(t.path.at, t.path.length);
  say("\n");
}

function tellAll(program: Target, conflist: Target, two: bool): void {
  printHere();
  if (isJson) {
    documentBegin();
    open(123);
    member("files");
    open(91);
  }
  tell(program);
  if (two) tell(conflist);
  if (!isJson) return;
  close(93);
  close(125);
  say("\n");
}

/** Installs. Answers the exit status. */
export function install(): i32 {
  const program = changetype<Target>(scratchTake(offsetof<Target>()));
  const conflist = changetype<Target>(scratchTake(offsetof<Target>()));
  program.path = pathOf("bin-dir", BIN);
  textTo(program.path);
  textString("berth");
  program.mode = MODE_RUN;
  const two = askOption("conflist");
  if (!readProgram(program) || !look(program)) return failed("install");
  if (two) {
    conflist.path = pathOf("conf-dir", CONF);
    conflistName(conflist.path);
    const text = conflistMake();
    conflist.at = text.at;
    conflist.bytes = <u32>text.length;
    conflist.mode = MODE_READ;
    if (!look(conflist)) return failed("install");
  }
  if (!put(program) || (two && !put(conflist))) return failed("install");
  tellAll(program, conflist, two);
  return EXIT_OK;
}

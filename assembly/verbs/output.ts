// Files that verbs write outside the state: under a temporary name in their own directory, synced,
// and renamed, so that whoever reads them reads a whole one. Modes are 0644 or 0755, whatever the
// umask is.
//
//   outputBegin(path)   enters the directory, what is printed goes to the file; outputEnd()
//   filePut(...)        the bytes of a file at once
import * as host from "../host";
import { ERROR_DISK, errorBegin, errorBytes, errorErrno, errorText } from "../protocol/errors";
import { scratchTake } from "../scratch";
import { printFlush, printInto, printIntoFailed } from "./print";

/** Mode of a file that everybody may read (0644), or run (0755). */
export const MODE_READ: i32 = 420;
export const MODE_RUN: i32 = 493;

const EISDIR: i32 = -21;
const NAME_MAX: i32 = 200;

let directoryAt: usize = 0;
let directoryBytes: i32 = 0;
let nameAt: usize = 0;
let nameBytes: i32 = 0;
let temporary: usize = 0;
let temporaryBytes: i32 = 0;
let handle: i32 = -1;

/** Begins the error "can't <what> <path>: <errno>". Answers false. */
export function fileError(what: string, status: i32): bool {
  errorBegin(ERROR_DISK);
  errorText("can't ");
  errorText(what);
  errorBytes(directoryAt, directoryBytes);
  errorBytes(nameAt, nameBytes);
  errorText(": ");
  errorErrno(status);
  return false;
}

/** Enters the directory of a path. 0 or -errno; `create` makes it. */
export function fileEnter(path: usize, bytes: i32, create: i32): i32 {
  let slash = bytes;
  while (slash > 0 && load<u8>(path + slash - 1) != 47) slash--;
  directoryAt = path;
  directoryBytes = slash;
  nameAt = path + slash;
  nameBytes = bytes - slash;
  if (nameBytes == 0 || nameBytes > NAME_MAX) return EISDIR;
  const dot = scratchTake(1);
  store<u8>(dot, 46);
  return slash == 0 ? host.enter(dot, 1, 0) : host.enter(path, slash, create);
}

function hexDigit(n: u32): u8 {
  return <u8>(n < 10 ? 48 + n : 87 + n);
}

// Opens a new file beside the entered path: .<name>.<random>. A handle or -errno.
function openTemporary(): i32 {
  temporaryBytes = nameBytes + 18;
  temporary = scratchTake(<usize>temporaryBytes + 8);
  const random = temporary + nameBytes + 2;
  const status = host.random(random, 8);
  if (status < 0) return status;
  const bits = load<u64>(random);
  store<u8>(temporary, 46);
  memory.copy(temporary + 1, nameAt, nameBytes);
  store<u8>(temporary + nameBytes + 1, 46);
  for (let i = 0; i < 16; i++) {
    store<u8>(random + i, hexDigit(<u32>((bits >> ((<u64>i) << 2)) & 15)));
  }
  return host.open(temporary, temporaryBytes, 2);
}

// Closes the new file and gives it its name, or removes it. 0 or -errno.
function settle(before: i32, mode: i32): i32 {
  let status = before;
  if (status >= 0) status = host.permit(handle, mode);
  if (status >= 0) status = host.sync(handle);
  host.close(handle);
  handle = -1;
  if (status >= 0) status = host.rename(temporary, temporaryBytes, nameAt, nameBytes);
  if (status < 0) host.unlink(temporary, temporaryBytes);
  else status = host.syncDirectory();
  return status;
}

/** What is printed from here on goes to a new file. false: an error began. */
export function outputBegin(path: usize, bytes: i32): bool {
  let status = fileEnter(path, bytes, 0);
  if (status >= 0) status = openTemporary();
  if (status < 0) return fileError("write ", status);
  handle = status;
  printInto(handle);
  return true;
}

/** Closes the file that was begun. false: an error began, and what was there before is there. */
export function outputEnd(): bool {
  printFlush();
  const status = settle(printIntoFailed(), MODE_READ);
  printInto(-1);
  return status < 0 ? fileError("write ", status) : true;
}

/** Writes a file into the entered directory (fileEnter). false: an error began. */
export function filePut(at: usize, bytes: u32, mode: i32): bool {
  let status = openTemporary();
  if (status < 0) return fileError("write ", status);
  handle = status;
  status = settle(host.write(handle, 0, at, bytes), mode);
  return status < 0 ? fileError("write ", status) : true;
}

/** Opens the file of the entered path for reading. A handle or -errno. */
export function fileOpen(): i32 {
  return host.open(nameAt, nameBytes, 0);
}

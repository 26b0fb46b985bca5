// Descriptors: what node:fs does in pieces, done whole, as the native host's loops do
// (native/files.c, native/world.c). All of them throw the system's error.
import * as fs from "node:fs";
import { constants } from "node:os";
import { errnoOf } from "./errno.ts";

const { errno } = constants;
const { O_NONBLOCK } = fs.constants;

/** Sleeps while a descriptor that somebody made non-blocking isn't ready. */
function settle(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

/** Does it again where a signal or a stream that isn't ready cut it short. */
function patiently(work: () => number): number {
  for (;;) {
    try {
      return work();
    } catch (error) {
      const code = errnoOf(error);
      if (code === -errno.EAGAIN) settle();
      else if (code !== -errno.EINTR) throw error;
    }
  }
}

/** Writes all bytes to a descriptor of this process; throws the system's error. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; )
    at += patiently(() => fs.writeSync(fd, bytes, at, bytes.length - at));
}

/** Reads a descriptor to its end: the bytes read, cap + 1 if there is more. */
export function drain(fd: number, into: Uint8Array): number {
  const beyond = new Uint8Array(1);
  for (let done = 0; ; ) {
    const full = done >= into.length;
    const n = patiently(() =>
      full ? fs.readSync(fd, beyond) : fs.readSync(fd, into, done, into.length - done, null),
    );
    if (n === 0) return done;
    if (full) return into.length + 1;
    done += n;
  }
}

/** Reads from `at` on until `into` is full or the file ends: the bytes read. */
export function readAt(fd: number, at: number, into: Uint8Array): number {
  for (let done = 0; ; ) {
    if (done === into.length) return done;
    const n = fs.readSync(fd, into, done, into.length - done, at + done);
    if (n === 0) return done;
    done += n;
  }
}

/** Writes all bytes at `at`. */
export function writeAt(fd: number, at: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; )
    done += fs.writeSync(fd, bytes, done, bytes.length - done, at + done);
}

const zeros = new Uint8Array(262144);

/** Grows a file by writing zeros; what can't be finished is taken back. */
export function grow(fd: number, length: number): void {
  const old = fs.fstatSync(fd).size;
  try {
    for (let at = old; at < length; at += zeros.length)
      writeAt(fd, at, zeros.subarray(0, length - at));
  } catch (error) {
    fs.ftruncateSync(fd, old);
    throw error;
  }
}

/** Opens a descriptor and keeps it only if it is a regular file. */
export function openRegular(path: Buffer, flags: number, directoryError: number): number {
  const fd = fs.openSync(path, flags | O_NONBLOCK, 0o600);
  const stat = fs.fstatSync(fd);
  if (stat.isFile()) return fd;
  fs.closeSync(fd);
  return stat.isDirectory() ? directoryError : -errno.EINVAL;
}

// The lock of a network's directory: the plugin's own, an open-file-description lock on berth.lock.
// Whoever keeps it longer than a call writes into the file who that is; the plugin never reads it.
//
//   berth.lock   | pid | since (ISO 8601) | program |   one line, empty while only calls take it
//
// Node has no such lock of its own: fs-native-extensions is loaded when the first one is taken (its
// prebuilt binary needs glibc). A wait polls: the add-on's waits can't be given a time.
import { closeSync, constants, fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { errnoOf } from "../errno.ts";
import { IpamError } from "../errors.ts";
import type { Host } from "../host.ts";

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
const LOCK_NAME = "berth.lock";
const LINE_BYTES = 512;
const PROGRAM_MAX = 150;
const SLEEP_MAX_MS = 8;
const REPLACED_MAX = 8;

interface Locks {
  tryLock(fd: number): boolean;
}

let locks: Locks | undefined;

function loadLocks(): Locks {
  try {
    // In a CommonJS bundle there is no import.meta.url: the program's own file lies as near.
    const from = import.meta.url ?? process.argv[1] ?? join(process.cwd(), "-");
    locks ??= createRequire(from)("fs-native-extensions") as Locks;
    return locks;
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new IpamError(
      "io",
      `no file lock can be taken without the package fs-native-extensions, whose binary needs ` +
        `Linux with glibc: ${why}`,
    );
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Who wrote itself into the lock file. */
interface Holder {
  pid: number;
  since: string;
  program: string;
}

function holderOf(fd: number): Holder | undefined {
  const line = Buffer.alloc(LINE_BYTES);
  const length = readSync(fd, line, 0, LINE_BYTES, 0);
  const match = /^(\d{1,10}) (\S+) (.*)\n/.exec(line.toString("utf8", 0, length));
  if (!match) return undefined;
  const pid = Number(match[1]);
  return isAlive(pid) ? { pid, since: match[2]!, program: match[3]! } : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function lockedError(path: string, holder: Holder | undefined): IpamError {
  if (!holder)
    return new IpamError(
      "locked",
      `${path} is held by another call (of the plugin, or of a handle with lock "per-call"): ` +
        "try again, or wait longer with lockTimeout",
      path,
    );
  const { pid, since, program } = holder;
  return new IpamError(
    "locked",
    `${path} is held by pid ${pid} (${program}), since ${since}. An exclusive opener keeps every ` +
      `other one out, and an ADD of the plugin waits as long as it is open: a directory that the ` +
      `plugin uses is opened with lock "per-call"`,
    path,
  );
}

/** The lock while it is held. */
export class DirectoryLock {
  readonly #host: Host;
  readonly #fd: number;
  #named = false;

  private constructor(host: Host, fd: number) {
    this.#host = host;
    this.#fd = fd;
    host.keepLock(fd);
  }

  /**
   * Takes the lock of the directory that `host` has entered, waiting `timeout` ms at most; not at
   * all where the holder has written itself down, unless `patient`. Throws "locked" or "io".
   */
  static take(host: Host, path: string, timeout: number, patient: boolean): DirectoryLock {
    const { tryLock } = loadLocks();
    const deadline = performance.now() + timeout;
    for (let n = 0; n < REPLACED_MAX; n++) {
      const fd = host.openName(LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
      if (fd < 0) throw lockFileError(path, fd);
      try {
        const stat = fstatSync(fd, { bigint: true });
        if (!stat.isFile()) throw lockFileError(path, 0);
        for (let ms = 1; !tryLock(fd); ms = Math.min(2 * ms, SLEEP_MAX_MS)) {
          const holder = holderOf(fd);
          if (performance.now() >= deadline || (holder && !patient))
            throw lockedError(path, holder);
          sleep(ms);
        }
        if (host.identity(LOCK_NAME) === `${stat.dev}:${stat.ino}`)
          return new DirectoryLock(host, fd);
      } catch (error) {
        closeSync(fd);
        if (error instanceof IpamError) throw error;
        throw lockFileError(path, errnoOf(error));
      }
      closeSync(fd);
    }
    throw new IpamError("locked", `berth.lock in ${path} is replaced again and again`, path);
  }

  /** Writes into the lock file who holds it. Best effort: a full disk must not keep us out. */
  sign(): void {
    const program = `${basename(process.argv0)} ${basename(process.argv[1] ?? "")}`.trim();
    // The line ends within LINE_BYTES, also where each character takes three of them.
    const text = program.replaceAll("\n", " ").slice(0, PROGRAM_MAX);
    const line = `${process.pid} ${new Date().toISOString()} ${text}\n`;
    try {
      ftruncateSync(this.#fd, 0);
      writeSync(this.#fd, Buffer.from(line), 0, undefined, 0);
      this.#named = true;
    } catch {}
  }

  /** Gives the lock back. */
  free(): void {
    try {
      if (this.#named) ftruncateSync(this.#fd, 0);
    } catch {}
    this.#host.imports.unlock!();
  }
}

function lockFileError(path: string, errno: number): IpamError {
  const why = errno === 0 ? "it is not a regular file" : `errno ${-errno}`;
  return new IpamError("io", `can't open the lock file berth.lock in ${path}: ${why}`, path);
}

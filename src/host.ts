// The host functions of cni.wasm in Node: what native/*.c does, with node:fs. assembly/host.ts says
// what each function answers. The process is a parameter, so that a test runs the plugin in its
// own.
//
// Names of the entered directory are reached through /proc/self/fd, which is Node's openat: a
// directory that is moved or replaced meanwhile stays the same directory.
//
// Different from the native host, by nature: `view` reads the whole file (no constant time here;
// fewer bytes than asked for are -EIO, where the mapping would fault later), and `allocate` writes
// zeros instead of reserving blocks.
import { randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import { constants } from "node:os";
import { SETTLED_NS, WINDOW_BASE, WINDOW_END } from "../assembly/numbers.ts";
import { drain, grow, openRegular, readAt, writeAt } from "./descriptors.ts";
import { errnoOf } from "./errno.ts";
import { flockFile, lockTimeout, runProgram } from "./foreign.ts";
import { lookFunctions } from "./look.ts";
import type { HostFunctions } from "./wasm.ts";

const { errno } = constants;
const {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  O_APPEND,
} = fs.constants;
const PATH_BYTES = 4096;
const NAME_BYTES = 256;
const PAGE = 4096;
const VIEW_ALIGN = 65536;
/** What the modes of `open` mean. */
const MODES = [O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL, O_WRONLY | O_CREAT | O_APPEND];
const CLOCK_SLACK_NS = 20_000_000n;

/** The process around one call of the plugin. */
export interface Surroundings {
  env: Record<string, string | undefined>;
  /** Arguments after the program's name. */
  argv: string[];
  /** The bytes of stdin, or the descriptor to read them from. */
  stdin: Uint8Array | number;
  /** Takes what the core prints on fd 1 and 2; may throw a system error (EPIPE). */
  write(fd: number, bytes: Uint8Array): void;
  /** Another clock than the kernel's (nanoseconds; 0 = CLOCK_BOOTTIME, 1 = CLOCK_REALTIME). */
  clock?: (which: 0 | 1) => bigint;
  /** Other texts than those of these files; slurp answers them. */
  texts?: Record<string, string>;
}

/** Host functions, and the three things that the plugin's flow needs from the host. */
export interface Host extends HostFunctions {
  /** Opens a file of the entered directory: a descriptor, or -errno. */
  openName(name: string, flags: number): number;
  /** Takes charge of the descriptor that holds the lock, until `unlock` of the core or closeAll. */
  keepLock(fd: number): void;
  /** How long this call waits for a lock (milliseconds). */
  lockMs(): number;
  /** Device and inode of a name of the entered directory, or "" if it isn't there. */
  identity(name: string): string;
  /** Closes every descriptor of this call. */
  closeAll(): void;
}

/** 0, or what errnoOf says about the error that `work` throws. */
function status(work: () => void): number {
  try {
    work();
    return 0;
  } catch (error) {
    return errnoOf(error);
  }
}

/** CLOCK_BOOTTIME to 10 ms: the monotonic clock, moved by the time that the machine slept. */
function bootTime(): bigint {
  const monotonic = process.hrtime.bigint();
  const uptime = fs.readFileSync("/proc/uptime", "latin1").split(" ")[0] ?? "";
  const boot = BigInt(Math.round(Number(uptime) * 100)) * 10_000_000n;
  const slept = boot - monotonic;
  return slept > -CLOCK_SLACK_NS && slept < CLOCK_SLACK_NS ? monotonic : boot;
}

function realTime(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

function inWindow(at: number, length: number): boolean {
  return at >= WINDOW_BASE && at + length <= WINDOW_END;
}

/** What host.netns answers for a path that opens. */
function namespace(path: Buffer): bigint {
  const named = fs.statSync(path, { bigint: true });
  const own = fs.statSync("/proc/self/ns/net", { bigint: true });
  if (named.dev !== own.dev) return 0n;
  return named.ino === own.ino ? -1n : named.ino;
}

/** The host functions of one call, on the given surroundings. */
export function makeHost(around: Surroundings): Host {
  let memory = new Uint8Array(0);
  let directory = -1;
  const handles = new Set<number>();

  const bytes = (at: number, length: number) => memory.subarray(at >>> 0, (at >>> 0) + length);
  const path = (at: number, length: number) => Buffer.from(bytes(at, length));
  const inside = (name: Buffer) =>
    Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
  const give = (text: string | undefined, into: number, cap: number) => {
    if (text === undefined) return -1;
    const encoded = Buffer.from(text);
    memory.set(encoded.subarray(0, cap), into >>> 0);
    return encoded.length;
  };
  /** Calls `work` with the path of a name, unless no path can be that long. */
  const named = (at: number, length: number, work: (path: Buffer) => number): number => {
    if (length >= NAME_BYTES) return -errno.ENAMETOOLONG;
    try {
      return work(inside(path(at, length)));
    } catch (error) {
      return errnoOf(error);
    }
  };

  /** Makes a directory and its parents, one by one: Node's own `recursive` never ends in /proc. */
  const makeParents = (where: Buffer) => {
    const parts = where.toString("latin1").split("/");
    for (let n = parts[0] === "" ? 2 : 1; n <= parts.length; n++) {
      if (parts[n - 1] === "") continue;
      try {
        fs.mkdirSync(Buffer.from(parts.slice(0, n).join("/"), "latin1"), 0o755);
      } catch (error) {
        if (errnoOf(error) !== -errno.EEXIST) throw error;
      }
    }
  };

  const files = {
    enter(at: number, length: number, create: number): number {
      if (length >= PATH_BYTES) return -errno.ENAMETOOLONG;
      return status(() => {
        const where = path(at, length);
        const flags = O_RDONLY | O_DIRECTORY;
        let fd: number;
        try {
          fd = fs.openSync(where, flags);
        } catch (error) {
          if (!create || length === 0 || errnoOf(error) !== -errno.ENOENT) throw error;
          makeParents(where);
          fd = fs.openSync(where, flags);
        }
        if (directory >= 0) fs.closeSync(directory);
        directory = fd;
      });
    },
    open(at: number, length: number, mode: number): number {
      const flags = MODES[mode] ?? O_RDONLY;
      return named(at, length, (where) => {
        const fd = openRegular(where, flags | O_NOFOLLOW, -errno.EINVAL);
        if (fd >= 0) handles.add(fd);
        return fd;
      });
    },
    close(handle: number): undefined {
      // Only what it opened: the number may be somebody else's by now.
      if (handles.delete(handle)) status(() => fs.closeSync(handle));
    },
    size(handle: number): bigint {
      try {
        return BigInt(fs.fstatSync(handle).size);
      } catch (error) {
        return BigInt(errnoOf(error));
      }
    },
    read(handle: number, at: number, into: number, length: number): number {
      try {
        return readAt(handle, at >>> 0, bytes(into, length >>> 0));
      } catch (error) {
        return errnoOf(error);
      }
    },
    write: (handle: number, at: number, from: number, length: number) =>
      status(() => writeAt(handle, at >>> 0, bytes(from, length >>> 0))),
    allocate: (handle: number, length: number) => status(() => grow(handle, length >>> 0)),
    touched(handle: number): bigint {
      try {
        return fs.fstatSync(handle, { bigint: true }).mtimeNs;
      } catch (error) {
        return BigInt(errnoOf(error));
      }
    },
    settled(high: number, low: number): bigint {
      try {
        const { mtimeNs } = fs.statSync(inside(Buffer.alloc(0)), { bigint: true });
        const known = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
        if (mtimeNs % 1_000_000_000n === 0n) return 0n;
        if (mtimeNs === known) return mtimeNs;
        const age = BigInt(Date.now()) * 1_000_000n - mtimeNs;
        return age > BigInt(SETTLED_NS) ? mtimeNs : 0n;
      } catch {
        return 0n;
      }
    },
    touch: (handle: number, seconds: number) =>
      status(() => fs.futimesSync(handle, seconds >>> 0, seconds >>> 0)),
    sync: (handle: number) => status(() => fs.fdatasyncSync(handle)),
    syncDirectory: () => status(() => fs.fsyncSync(directory)),
    rename: (from: number, fromLength: number, to: number, toLength: number) =>
      named(from, fromLength, (old) =>
        named(to, toLength, (now) => status(() => fs.renameSync(old, now))),
      ),
    unlink: (at: number, length: number) =>
      named(at, length, (where) => status(() => fs.unlinkSync(where))),
    list(prefix: number, prefixLength: number, into: number, cap: number): number {
      const begin = path(prefix, prefixLength);
      let written = 0;
      const failed = status(() => {
        for (const name of fs.readdirSync(inside(Buffer.alloc(0)), { encoding: "buffer" })) {
          if (!name.subarray(0, begin.length).equals(begin)) continue;
          if (name.length + 1 > cap - written) break;
          memory.set(name, into + written);
          memory[into + written + name.length] = 0;
          written += name.length + 1;
        }
      });
      return failed || written;
    },
  };

  const memories = {
    view(handle: number, length: number, at: number): number {
      if (at % VIEW_ALIGN !== 0 || !inWindow(at, length >>> 0)) return -errno.EINVAL;
      try {
        const read = readAt(handle, 0, bytes(at, length >>> 0));
        return read === length >>> 0 ? 0 : -errno.EIO;
      } catch (error) {
        return errnoOf(error);
      }
    },
    extend(at: number, length: number): number {
      if (at % PAGE !== 0 || !inWindow(at, length >>> 0)) return -errno.EINVAL;
      bytes(at, length >>> 0).fill(0);
      return 0;
    },
    unshare(): undefined {}, // a view is a copy here, no page of it is mapped
  };

  let lockFd = -1;
  let foreignFd = -1;
  let patience = 0;
  const lockMs = () => patience || lockTimeout(around.env.BERTH_LOCK_TIMEOUT_MS);
  const unlock = (): undefined => {
    if (lockFd >= 0) fs.closeSync(lockFd);
    if (foreignFd >= 0) fs.closeSync(foreignFd);
    lockFd = -1;
    foreignFd = -1;
  };

  const foreign = {
    flock: (at: number, length: number) =>
      named(at, length, (where) => {
        const fd = fs.openSync(where, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o750);
        const failed = flockFile(fd, lockMs());
        if (failed) fs.closeSync(fd);
        else foreignFd = fd;
        return failed;
      }),
    patience(ms: number): undefined {
      patience = ms;
    },
    run(at: number, length: number, from: number, size: number, into: number, cap: number): bigint {
      const program = path(at, length).toString();
      const ran = runProgram(program, around.env, bytes(from, size), around.write);
      if (ran.status < 0) return BigInt(ran.status);
      memory.set(ran.printed.subarray(0, cap >>> 0), into >>> 0);
      return (BigInt(ran.status) << 32n) | BigInt(ran.printed.length);
    },
  };

  const world = {
    env: (name: number, length: number, into: number, cap: number) =>
      give(around.env[path(name, length).toString()], into, cap),
    argument: (index: number, into: number, cap: number) => give(around.argv[index], into, cap),
    stdin(into: number, cap: number): number {
      if (typeof around.stdin !== "number") {
        memory.set(around.stdin.subarray(0, cap), into);
        return Math.min(around.stdin.length, cap + 1);
      }
      try {
        return drain(around.stdin, bytes(into, cap));
      } catch (error) {
        return errnoOf(error);
      }
    },
    unlock,
    output: (fd: number, from: number, length: number) =>
      status(() => around.write(fd, bytes(from, length))),
    clock: (which: number) =>
      around.clock?.(which === 0 ? 0 : 1) ?? (which === 0 ? bootTime() : realTime()),
    random: (into: number, length: number) => status(() => randomFillSync(memory, into, length)),
    slurp(at: number, length: number, into: number, cap: number): number {
      if (length >= PATH_BYTES) return -errno.ENAMETOOLONG;
      const other = around.texts?.[path(at, length).toString()];
      if (other !== undefined) return give(other, into, cap);
      try {
        const fd = openRegular(path(at, length), O_RDONLY, -errno.EISDIR);
        if (fd < 0) return fd;
        try {
          return drain(fd, bytes(into, cap));
        } finally {
          fs.closeSync(fd);
        }
      } catch (error) {
        return errnoOf(error);
      }
    },
    netns(at: number, length: number): bigint {
      try {
        return namespace(path(at, length));
      } catch {
        return 0n;
      }
    },
  };

  return {
    imports: { ...files, ...memories, ...world, ...foreign, ...lookFunctions(bytes) },
    attach(now) {
      memory = now as Uint8Array<ArrayBuffer>;
    },
    keepLock(fd) {
      lockFd = fd;
    },
    lockMs,
    openName(name, flags) {
      try {
        return fs.openSync(inside(Buffer.from(name)), flags, 0o600);
      } catch (error) {
        return errnoOf(error);
      }
    },
    identity(name) {
      try {
        const stat = fs.lstatSync(inside(Buffer.from(name)), { bigint: true });
        return `${stat.dev}:${stat.ino}`;
      } catch {
        return "";
      }
    },
    closeAll() {
      for (const fd of handles) status(() => fs.closeSync(fd));
      handles.clear();
      if (directory >= 0) status(() => fs.closeSync(directory));
      directory = -1;
      unlock();
    },
  };
}

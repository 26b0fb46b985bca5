// The host functions of cni.wasm on files in memory, to be stopped, failed and cut from power at
// will.
//
//   Disk     names -> File; a File has what processes see (`cache`) and what survives a power cut
//            (`disk`, as of the last sync); names survive from the last syncDirectory
//   call     one execution of the plugin: environment and config in, exit status and JSON out
//
// A fault plan counts the calls that touch files: at number `at` the process is killed (in the
// middle of a write: whole pages of it are there), or the call answers -errno.
//
// Cost: about 0.2 ms a call. All calls of a process share one memory of 1 GiB, whose scratch part
// is zeroed before each of them; a memory of its own would cost 5 ms.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  EXIT_ERROR,
  NEED_CALL,
  NEED_LOCK,
  SCRATCH_BASE,
  WINDOW_BASE,
} from "../../assembly/numbers.ts";
import { buildPath, type CniExports, MEMORY_PAGES } from "../../src/wasm.ts";
import type { Machine } from "./machine.ts";

const PAGE = 4096;
const EPERM = -1;
const ENOENT = -2;
const EEXIST = -17;

/** Scratch memory that most calls touch, and what is looked at behind it. */
const SCRATCH_USED = 1 << 21;
const SCRATCH_PROBE = 1 << 18;
/** Of the far end, where tables lie that must begin as zeros. */
const FAR_USED = 1 << 18;

export interface File {
  cache: Buffer;
  disk: Buffer;
  /** Pages written since the last sync; absent: any may have been. */
  dirty?: Set<number>;
  /** When its bytes have changed last, nanoseconds since 1970. */
  time?: bigint;
}

/** Thrown out of a host function: the process is gone. */
class Killed extends Error {}

/** What happens at file operation number `at`: a kill, or a failure with this errno. */
export interface Plan {
  at: number;
  errno?: number;
}

export class Disk {
  names = new Map<string, File>();
  #durable = new Map<string, File>();
  boot = "11111111-2222-3333-4444-555555555555";
  /** The machine's name; "" = that of `machine`, if there is one. */
  node = "";
  /** CLOCK_BOOTTIME, seconds. */
  now = 1000;
  /** CLOCK_REALTIME is this much ahead of it, seconds. */
  wall = 1.7e9;
  /** Names that can't be unlinked (EPERM), as after `chattr +i`. */
  stuck = new Set<string>();
  /** Names that can't be opened, and the -errno: a socket (ENXIO), a bad block (EIO). */
  shut = new Map<string, number>();
  /** The machine around the files; without one there is nothing to see. */
  machine: Machine | undefined;
  /** The program's arguments. */
  argv: string[] = [];
  /** What host.random's next bytes come from. */
  salt = 1;

  /** The files of a network at `path`, in the boot that its header names. */
  static of(path: string): Disk {
    const disk = new Disk();
    for (const name of ["berth.state", "berth.log"]) {
      const cache = readFileSync(join(path, name));
      disk.names.set(name, { cache, disk: cache });
    }
    const boot = disk.names.get("berth.state")!.cache.subarray(40, 56).toString("hex");
    disk.boot = boot.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    return disk;
  }

  syncNames(): void {
    this.#durable = new Map(this.names);
  }

  clone(): Disk {
    const copy = new Disk();
    const files = new Map<File, File>();
    const of = (file: File) => {
      const same = files.get(file) ?? {
        cache: Buffer.from(file.cache),
        disk: Buffer.from(file.disk),
        time: file.time ?? 0n,
      };
      files.set(file, same);
      return same;
    };
    for (const [name, file] of this.names) copy.names.set(name, of(file));
    for (const [name, file] of this.#durable) copy.#durable.set(name, of(file));
    copy.boot = this.boot;
    copy.node = this.node;
    copy.now = this.now;
    copy.wall = this.wall;
    copy.stuck = new Set(this.stuck);
    copy.shut = new Map(this.shut);
    copy.machine = this.machine;
    copy.salt = this.salt;
    return copy;
  }

  /** The kernel writes everything back, as before an orderly reboot. */
  flush(): void {
    for (const file of new Set(this.names.values())) sync(file);
    this.syncNames();
  }

  /** The kernel writes some pages back, as it does at any time. */
  writeBack(random: (n: number) => number): void {
    for (const file of new Set(this.names.values())) {
      const { cache } = file;
      if (file.disk.length < cache.length) {
        if (random(2) === 0) continue;
        file.disk = Buffer.concat([file.disk, Buffer.alloc(cache.length - file.disk.length)]);
      }
      for (let at = 0; at < cache.length; at += PAGE)
        if (random(4) === 0) cache.copy(file.disk, at, at, Math.min(at + PAGE, cache.length));
    }
  }

  /**
   * A power cut: every page of every file is the synced one or a later one, and so are the names.
   */
  cut(random: (n: number) => number): void {
    if (random(2) === 0) this.names = new Map(this.#durable);
    for (const file of new Set(this.names.values())) {
      const length = random(2) === 0 ? file.cache.length : file.disk.length;
      const left = Buffer.alloc(length);
      const odds = [1, 2, 8][random(3)]!;
      for (let at = 0; at < length; at += PAGE) {
        const from = random(odds) === 0 ? file.cache : file.disk;
        if (at < from.length) from.copy(left, at, at, Math.min(at + PAGE, length));
      }
      file.cache = left;
      file.disk = Buffer.from(left);
      file.dirty = new Set();
    }
    this.syncNames();
    const digits = Array.from({ length: 12 }, () => random(16).toString(16)).join("");
    this.boot = `aaaaaaaa-bbbb-cccc-dddd-${digits}`;
    this.now = 100;
  }

  /** The wall clock, nanoseconds since 1970. */
  time(): bigint {
    return BigInt(this.wall + this.now) * 1_000_000_000n;
  }

  read(name: string): Uint8Array | undefined {
    return this.names.get(name)?.cache;
  }
}

export interface Outcome {
  status: number;
  /** The JSON on stdout, if there is any. */
  // biome-ignore lint/suspicious/noExplicitAny: results and errors, each test knows which.
  json?: any;
  killed: boolean;
  /** File operations that were begun. */
  operations: number;
  /** Pages of the image that the core took for writing before it looked at them. */
  unshared: Set<number>;
  /** For how long it would wait for the lock (milliseconds); 0 = as long as the host does. */
  patience: number;
}

function grow(file: File, length: number): void {
  const more = length - file.cache.length;
  if (more <= 0) return;
  for (let page = Math.floor(file.cache.length / PAGE); page * PAGE < length; page++)
    file.dirty?.add(page);
  file.cache = Buffer.concat([file.cache, Buffer.alloc(more)]);
}

function sync(file: File): void {
  const { cache } = file;
  if (!file.dirty || file.disk.length > cache.length) file.disk = Buffer.from(cache);
  else {
    const more = cache.length - file.disk.length;
    if (more > 0) file.disk = Buffer.concat([file.disk, Buffer.alloc(more)]);
    for (const page of file.dirty)
      cache.copy(file.disk, page * PAGE, page * PAGE, Math.min((page + 1) * PAGE, cache.length));
  }
  file.dirty = new Set();
}

let module: WebAssembly.Module | undefined;
let memory: WebAssembly.Memory | undefined;
const zeros = Buffer.alloc(SCRATCH_PROBE);

/** The memory of all calls, its scratch part zeroed as that of a new process. */
export function freshMemory(): WebAssembly.Memory {
  memory ??= new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  const scratch = Buffer.from(memory.buffer, SCRATCH_BASE);
  scratch.fill(0, 0, SCRATCH_USED);
  scratch.fill(0, scratch.length - FAR_USED);
  if (!scratch.subarray(SCRATCH_USED, SCRATCH_USED + SCRATCH_PROBE).equals(zeros)) scratch.fill(0);
  return memory;
}

/** Another number for other names: what a directory's time of change tells, settled at once. */
function namesHash(disk: Disk): bigint {
  let hash = 0x811c9dc5;
  for (const name of [...disk.names.keys()].sort())
    for (const c of Buffer.from(`${name}/`)) hash = Math.imul(hash ^ c, 0x01000193);
  return BigInt(hash >>> 0) + 1n;
}

/** Runs the plugin once. `lock` is what the host says of the lock: 0 or -errno. */
export function call(
  disk: Disk,
  env: Record<string, string>,
  config: unknown,
  plan?: Plan,
  lock = 0,
): Outcome {
  module ??= new WebAssembly.Module(readFileSync(buildPath("cni.wasm")));
  const memory = freshMemory();
  const bytes = Buffer.from(memory.buffer);
  const stdin = Buffer.from(JSON.stringify(config));
  const open: (File | undefined)[] = [];
  const unshared = new Set<number>();
  let printed = "";
  let patience = 0;
  let operations = 0;
  const text = (at: number, length: number) =>
    bytes.toString("utf8", at >>> 0, (at >>> 0) + length);
  const give = (value: Buffer | undefined, into: number, cap: number) => {
    if (!value) return -1;
    value.copy(bytes, into >>> 0, 0, Math.min(cap, value.length));
    return value.length;
  };

  /** Counts an operation on files: 0, or the -errno that the plan wants. */
  const step = (half?: () => void): number => {
    if (operations++ !== plan?.at) return 0;
    if (plan.errno !== undefined) return -plan.errno;
    half?.();
    throw new Killed();
  };
  const write = (file: File, at: number, from: number, length: number) => {
    grow(file, at + length);
    bytes.copy(file.cache, at, from, from + length);
    file.time = disk.time();
    for (let page = Math.floor(at / PAGE); page * PAGE < at + length; page++) file.dirty?.add(page);
  };

  const files = {
    enter: () => step(),
    open(at: number, length: number, mode: number): number {
      const failed = step();
      if (failed) return failed;
      const name = text(at, length);
      let file = disk.names.get(name);
      if (mode === 2 && file) return EEXIST;
      if (file && disk.shut.has(name)) return disk.shut.get(name)!;
      if (mode === 2) {
        file = { cache: Buffer.alloc(0), disk: Buffer.alloc(0), dirty: new Set() };
        disk.names.set(name, file);
      }
      return file ? open.push(file) - 1 : ENOENT;
    },
    close: (handle: number) => {
      open[handle] = undefined;
    },
    size: (handle: number) => BigInt(step() || open[handle]!.cache.length),
    read(handle: number, at: number, into: number, length: number): number {
      const { cache } = open[handle]!;
      return step() || cache.copy(bytes, into >>> 0, at >>> 0, (at >>> 0) + (length >>> 0));
    },
    write(handle: number, at: number, from: number, length: number): number {
      const part = (PAGE - (at & (PAGE - 1))) % PAGE || PAGE;
      const failed = step(() => length > part && write(open[handle]!, at, from >>> 0, part));
      if (failed === 0) write(open[handle]!, at >>> 0, from >>> 0, length >>> 0);
      return failed;
    },
    allocate(handle: number, length: number): number {
      const failed = step();
      if (failed === 0) grow(open[handle]!, length);
      return failed;
    },
    touched: (handle: number) => open[handle]!.time ?? 0n,
    settled: () => namesHash(disk),
    touch(handle: number, seconds: number): number {
      open[handle]!.time = BigInt(seconds) * 1_000_000_000n;
      return 0;
    },
    sync(handle: number): number {
      const failed = step();
      if (failed === 0) sync(open[handle]!);
      return failed;
    },
    syncDirectory(): number {
      const failed = step();
      if (failed === 0) disk.syncNames();
      return failed;
    },
    view(handle: number, length: number, at: number): number {
      const failed = step();
      if (failed === 0) open[handle]!.cache.copy(bytes, at, 0, length);
      return failed;
    },
    extend(at: number, length: number): number {
      const failed = step();
      if (failed === 0) bytes.fill(0, at >>> 0, (at >>> 0) + length);
      return failed;
    },
    unshare(at: number): void {
      unshared.add(Math.floor((at - WINDOW_BASE) / PAGE));
    },
    rename(from: number, fromLength: number, to: number, toLength: number): number {
      const failed = step();
      if (failed) return failed;
      const file = disk.names.get(text(from, fromLength));
      if (!file) return ENOENT;
      disk.names.delete(text(from, fromLength));
      disk.names.set(text(to, toLength), file);
      return 0;
    },
    unlink(at: number, length: number): number {
      const failed = step();
      if (failed) return failed;
      if (disk.stuck.has(text(at, length))) return EPERM;
      return disk.names.delete(text(at, length)) ? 0 : ENOENT;
    },
    list(prefix: number, length: number, into: number, cap: number): number {
      const failed = step();
      if (failed) return failed;
      let used = 0;
      for (const name of disk.names.keys()) {
        if (!name.startsWith(text(prefix, length))) continue;
        if (used + name.length + 1 > cap) break;
        used += bytes.write(`${name}\0`, into + used);
      }
      return used;
    },
  };

  const world = {
    env: (at: number, length: number, into: number, cap: number) => {
      const value = env[text(at, length)];
      return give(value === undefined ? undefined : Buffer.from(value), into, cap);
    },
    argument: (index: number, into: number, cap: number) =>
      give(disk.argv[index] === undefined ? undefined : Buffer.from(disk.argv[index]), into, cap),
    stdin: (into: number, cap: number) => give(stdin, into, cap),
    unlock: () => {},
    flock: () => 0,
    patience(ms: number): void {
      patience = ms;
    },
    run: () => BigInt(ENOENT),
    output: (fd: number, from: number, length: number) => {
      if (fd === 1) printed += text(from, length);
      return 0;
    },
    clock: (which: number) => (which === 0 ? BigInt(disk.now) * 1_000_000_000n : disk.time()),
    random: (into: number, length: number) => {
      for (let n = 0; n < length; n++) {
        disk.salt = (Math.imul(disk.salt, 1664525) + 1013904223) >>> 0;
        bytes[into + n] = disk.salt >>> 24;
      }
      return 0;
    },
    slurp(at: number, length: number, into: number, cap: number): number {
      const path = text(at, length);
      if (path.endsWith("boot_id")) return give(Buffer.from(`${disk.boot}\n`), into, cap);
      if (path.endsWith("/hostname") && disk.node !== "")
        return give(Buffer.from(`${disk.node}\n`), into, cap);
      const found = disk.machine?.text(path) ?? ENOENT;
      return typeof found === "number" ? found : give(Buffer.from(found), into, cap);
    },
    netns: (at: number, length: number) =>
      BigInt(Math.max(0, disk.machine?.inode(text(at, length)) ?? 0)),
    inode: (at: number, length: number) => BigInt(disk.machine?.inode(text(at, length)) ?? ENOENT),
    listAt(at: number, length: number, into: number, cap: number): number {
      const found = disk.machine?.list(text(at, length)) ?? ENOENT;
      if (typeof found === "number") return found;
      const names = Buffer.from(found.map((name) => `${name}\0`).join(""));
      return names.length > cap ? cap + 1 : give(names, into, cap);
    },
    permit: () => 0,
    terminal: () => 0,
    program: () => 0,
  };

  const host = { ...files, ...world };
  const instance = new WebAssembly.Instance(module, { env: { memory }, host });
  const core = instance.exports as unknown as CniExports;
  let status = EXIT_ERROR;
  let killed = false;
  try {
    const guarded = (step: () => number): number => {
      try {
        return step();
      } catch (error) {
        if (error instanceof Killed) throw error;
        return core.fault();
      }
    };
    status = guarded(() => core.begin());
    while (status === NEED_LOCK || status === NEED_CALL)
      status = guarded(() => core.finish(status === NEED_LOCK ? lock : 0));
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    killed = true;
  }
  const json = printed.trim() === "" || killed ? undefined : JSON.parse(printed);
  return { status, json, killed, operations, unshared, patience };
}

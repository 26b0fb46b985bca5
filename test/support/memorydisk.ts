// Files in memory, to be stopped, failed and cut from power at will, and the host functions on them.
//
//   Disk     names -> File; a File has what processes see (`cache`) and what survives a power cut
//            (`disk`, as of the last sync); names survive from the last syncDirectory
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WINDOW_BASE } from "../../assembly/numbers.ts";
import type { Machine } from "./machine.ts";

const PAGE = 4096;
const EPERM = -1;
const ENOENT = -2;
const EEXIST = -17;
const ENOSPC = -28;
/** Changes of names that are remembered between two syncs of the directory. */
const NAMES_KEPT = 16;

/** A file: what processes see, what survives a power cut. */
export interface File {
  cache: Buffer;
  disk: Buffer;
  /** Pages written since the last sync; absent: any may have been. */
  dirty?: Set<number>;
  /** When its bytes have changed last, nanoseconds since 1970. */
  time?: bigint;
  /** Syncs that have begun, and the last of them that has ended well. */
  begun?: number;
  ended?: number;
}

/** The files of a network, and the machine's clocks. */
export class Disk {
  names = new Map<string, File>();
  #durable = new Map<string, File>();
  // The names after each change since then.
  #since: Map<string, File>[] = [];
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
  /** No file can get longer (ENOSPC). */
  full = false;

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
    this.#since = [];
  }

  /** A name was made, taken or given to another file. */
  renamed(): void {
    this.#since.push(new Map(this.names));
    if (this.#since.length > NAMES_KEPT) this.#since.shift();
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

  /**
   * A power cut: of what was written since the last sync each piece of 512 bytes may be there or
   * not, and the changes of names up to any of them.
   */
  tear(random: (n: number) => number): void {
    const left = [this.#durable, ...this.#since];
    this.names = new Map(left[random(left.length)]);
    for (const file of new Set(this.names.values())) tear(file, random);
    this.syncNames();
  }

  /** The wall clock, nanoseconds since 1970. */
  time(): bigint {
    return BigInt(this.wall + this.now) * 1_000_000_000n;
  }

  read(name: string): Uint8Array | undefined {
    return this.names.get(name)?.cache;
  }
}

function grow(file: File, length: number): void {
  const more = length - file.cache.length;
  if (more <= 0) return;
  for (let page = Math.floor(file.cache.length / PAGE); page * PAGE < length; page++)
    file.dirty?.add(page);
  file.cache = Buffer.concat([file.cache, Buffer.alloc(more)]);
}

/** What processes see is on disk. */
export function sync(file: File): void {
  const { cache } = file;
  if (!file.dirty || file.disk.length > cache.length) file.disk = Buffer.from(cache);
  else {
    const more = cache.length - file.disk.length;
    if (more > 0) file.disk = Buffer.concat([file.disk, Buffer.alloc(more)]);
    for (const page of file.dirty)
      cache.copy(file.disk, page * PAGE, page * PAGE, Math.min((page + 1) * PAGE, cache.length));
  }
  file.dirty = new Set();
  file.begun = (file.begun ?? 0) + 1;
  file.ended = file.begun;
}

// A piece of this many bytes is written whole or not at all.
const PIECE = 512;

function tear(file: File, random: (n: number) => number): void {
  const { cache, disk } = file;
  const left = Buffer.alloc(random(2) === 0 ? cache.length : disk.length);
  disk.copy(left);
  const odds = [1, 2, 2, 8][random(4)]!;
  const size = random(2) === 0 ? PIECE : PAGE;
  for (let at = 0; at < left.length; at += PAGE) {
    const end = Math.min(at + PAGE, left.length);
    if (disk.length >= end && cache.compare(disk, at, end, at, end) === 0) continue;
    for (let p = at; p < end; p += size)
      if (random(odds) === 0) cache.copy(left, p, p, Math.min(p + size, end));
  }
  file.cache = left;
  file.disk = Buffer.from(left);
  file.dirty = new Set();
}

/**
 * A sync begins: what it is to put on disk is what is written by now. The answer ends it well.
 */
export function beginSync(file: File): () => void {
  const { length } = file.cache;
  const pages = [...(file.dirty ?? [])].map((page): [number, Buffer] => [
    page,
    Buffer.from(file.cache.subarray(page * PAGE, (page + 1) * PAGE)),
  ]);
  const number = (file.begun ?? 0) + 1;
  file.begun = number;
  return () => {
    // One that began later has put more there.
    if ((file.ended ?? 0) > number) return;
    file.ended = number;
    if (file.disk.length < length)
      file.disk = Buffer.concat([file.disk, Buffer.alloc(length - file.disk.length)]);
    for (const [page, bytes] of pages) {
      bytes.copy(file.disk, page * PAGE);
      const now = file.cache.subarray(page * PAGE, (page + 1) * PAGE);
      if (now.equals(bytes)) file.dirty?.delete(page);
    }
  };
}

/** Another number for other names: what a directory's time of change tells, settled at once. */
function namesHash(disk: Disk): bigint {
  let hash = 0x811c9dc5;
  for (const name of [...disk.names.keys()].sort())
    for (const c of Buffer.from(`${name}/`)) hash = Math.imul(hash ^ c, 0x01000193);
  return BigInt(hash >>> 0) + 1n;
}

/** What one process adds to the files' functions. */
export interface Process {
  /** Its memory. */
  bytes: Buffer;
  /** Files that it has open, by handle. */
  open: Map<number, File>;
  /** The next handle. */
  next: () => number;
  /** Before each operation: 0, or -errno; throws where the process ends, `half` being done. */
  step: (half?: () => void) => number;
  /** Of a write that is stopped in the middle so many pages behind the first are there, too. */
  more?: number;
  /** Hears which page of the image the core took for writing before it looked at it. */
  unshared: (page: number) => void;
}

/** The host functions of one process that touch files. */
export function diskFunctions(disk: Disk, process: Process): WebAssembly.ModuleImports {
  const { bytes, open, step } = process;
  const text = (at: number, length: number) =>
    bytes.toString("utf8", at >>> 0, (at >>> 0) + length);
  const isFull = (file: File, end: number) => (disk.full && end > file.cache.length ? ENOSPC : 0);
  const write = (file: File, at: number, from: number, length: number) => {
    grow(file, at + length);
    bytes.copy(file.cache, at, from, from + length);
    file.time = disk.time();
    for (let page = Math.floor(at / PAGE); page * PAGE < at + length; page++) file.dirty?.add(page);
  };

  return {
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
        disk.renamed();
      }
      if (!file) return ENOENT;
      const handle = process.next();
      open.set(handle, file);
      return handle;
    },
    close: (handle: number) => {
      open.delete(handle);
    },
    size: (handle: number) => BigInt(step() || open.get(handle)!.cache.length),
    read(handle: number, at: number, into: number, length: number): number {
      const { cache } = open.get(handle)!;
      return step() || cache.copy(bytes, into >>> 0, at >>> 0, (at >>> 0) + (length >>> 0));
    },
    write(handle: number, at: number, from: number, length: number): number {
      const file = open.get(handle)!;
      const first = (PAGE - (at & (PAGE - 1))) % PAGE || PAGE;
      const part = first + PAGE * (process.more ?? 0);
      const failed =
        isFull(file, at + length) || step(() => length > part && write(file, at, from >>> 0, part));
      if (failed === 0) write(file, at >>> 0, from >>> 0, length >>> 0);
      return failed;
    },
    allocate(handle: number, length: number): number {
      const failed = isFull(open.get(handle)!, length) || step();
      if (failed === 0) grow(open.get(handle)!, length);
      return failed;
    },
    touched: (handle: number) => open.get(handle)!.time ?? 0n,
    settled: () => namesHash(disk),
    touch(handle: number, seconds: number): number {
      open.get(handle)!.time = BigInt(seconds) * 1_000_000_000n;
      return 0;
    },
    sync(handle: number): number {
      const failed = step();
      if (failed === 0) sync(open.get(handle)!);
      return failed;
    },
    syncDirectory(): number {
      const failed = step();
      if (failed === 0) disk.syncNames();
      return failed;
    },
    view(handle: number, length: number, at: number): number {
      const failed = step();
      if (failed === 0) open.get(handle)!.cache.copy(bytes, at, 0, length);
      return failed;
    },
    extend(at: number, length: number): number {
      const failed = step();
      if (failed === 0) bytes.fill(0, at >>> 0, (at >>> 0) + length);
      return failed;
    },
    unshare(at: number): void {
      process.unshared(Math.floor((at - WINDOW_BASE) / PAGE));
    },
    rename(from: number, fromLength: number, to: number, toLength: number): number {
      const failed = step();
      if (failed) return failed;
      const file = disk.names.get(text(from, fromLength));
      if (!file) return ENOENT;
      disk.names.delete(text(from, fromLength));
      disk.names.set(text(to, toLength), file);
      disk.renamed();
      return 0;
    },
    unlink(at: number, length: number): number {
      const failed = step();
      if (failed) return failed;
      if (disk.stuck.has(text(at, length))) return EPERM;
      if (!disk.names.delete(text(at, length))) return ENOENT;
      disk.renamed();
      return 0;
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
}

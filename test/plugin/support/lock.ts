// Holding berth.lock from a test, and seeing who waits for it.

import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";

interface NativeLocks {
  tryLock(fd: number): boolean;
  unlock(fd: number): void;
}

const locks: NativeLocks = createRequire(import.meta.url)("fs-native-extensions");

/** Takes the OFD lock of a file, made if need be; call what comes back to let it go. */
export function holdLock(file: string): () => void {
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (!locks.tryLock(fd)) throw new Error(`${file} is locked already`);
  return () => {
    locks.unlock(fd);
    closeSync(fd);
  };
}

/** How many processes the kernel keeps waiting for a lock of this file. */
export function waitersOf(file: string): number {
  const inode = `:${statSync(file).ino} `;
  const lines = readFileSync("/proc/locks", "latin1").split("\n");
  return lines.filter((l) => l.includes("->") && l.includes(inode)).length;
}

/** What a process has used so far: clock ticks, and how often it went to sleep by itself. */
export function usageOf(pid: number): { ticks: number; sleeps: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /, "")
    .split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return {
    ticks: Number(stat[11]) + Number(stat[12]),
    sleeps: Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)![1]),
  };
}

// Sharing: one heap used by several threads at the same time. The core locks (assembly/library/
// desk.ts); here is who sits at which desk, and whether that thread still lives.
//
// A desk's tag is the kernel's number of its thread. A thread that is gone has no directory under
// /proc/self/task: that can be asked at once, in the middle of a call, without waiting for an
// event.
import { IpamError } from "./errors.ts";
import { Heap } from "./heap.ts";
import { coreInstance, coreModule } from "./module.ts";

/** A shared heap, as it is sent to another thread. */
export interface HeapToken {
  /** Tells heaps apart: each message makes new objects of the same memory. */
  id: string;
  memory: WebAssembly.Memory;
  module: WebAssembly.Module;
}

const DESKS = 64;
const attached = new Map<string, Heap>();
const ids = new WeakMap<Heap, string>();

type Files = typeof import("node:fs");

// Not imported: the module runs in a browser too, and a bundler must not look for it.
function files(): Files | undefined {
  return globalThis.process?.getBuiltinModule?.("node:fs") as Files | undefined;
}

/** This thread's number: the kernel's where it can be read, else a random one. */
export function threadTag(): number {
  try {
    const path = files()?.readlinkSync("/proc/thread-self") ?? "";
    const number = Number(path.split("/").at(-1));
    if (number > 0) return number;
  } catch {}
  return 1 + Math.floor(Math.random() * 0x7fff_fffe);
}

/** Does the thread with this tag still run? Always true where that can't be asked. */
export function threadLives(tag: number): boolean {
  const fs = files();
  if (!fs?.existsSync("/proc/self/task")) return true;
  return fs.existsSync(`/proc/self/task/${tag}`);
}

/** Makes the heap common: from now on every call on it locks. */
export function shareHeap(heap: Heap): HeapToken {
  let id = ids.get(heap);
  if (id === undefined) {
    id = crypto.randomUUID();
    heap.exports.deskShare!(threadTag());
    heap.lives = threadLives;
    remember(id, heap);
  }
  return { id, memory: heap.memory, module: coreModule() };
}

function remember(id: string, heap: Heap): void {
  ids.set(heap, id);
  attached.set(id, heap);
}

// The desks of threads that are gone, but not in the middle of a call, are free again.
function clearDesks(heap: {
  deskTag(i: number): number;
  deskHolder(): number;
  deskFree(i: number, tag: number): void;
}) {
  for (let i = 1; i < DESKS; i++) {
    const tag = heap.deskTag(i);
    // First the end, then the lock: a thread that has ended takes it no more.
    if (tag !== 0 && !threadLives(tag) && heap.deskHolder() !== i) heap.deskFree(i, tag);
  }
}

/** The error for a token that went through JSON, or to another process: its memory is lost. */
export function lostToken(token: unknown): IpamError {
  return new IpamError(
    "invalid",
    "a token is sent as it is, by workerData or postMessage, to a thread of the same process",
    token,
  );
}

/** Has the token still what messages between threads carry? */
export function isHeapToken(token: HeapToken): boolean {
  const { Memory, Module } = WebAssembly;
  return token?.memory instanceof Memory && token.module instanceof Module;
}

/** This thread's view of a heap that another thread has shared. Throws "noSpace" at 64 threads. */
export function attachHeap(token: HeapToken): Heap {
  const known = attached.get(token.id);
  if (known) return known;
  const exports = coreInstance(token.memory, token.module);
  const tag = threadTag();
  let desk = exports.deskClaim!(tag) as number;
  if (desk === 0) {
    clearDesks(exports as never);
    desk = exports.deskClaim!(tag) as number;
  }
  if (desk === 0)
    throw new IpamError("noSpace", `${DESKS} threads use these pools already: end one`, DESKS);
  exports.deskSit!(desk);
  exports.heapAttach!();
  exports.deskShare!(tag);
  const heap = new Heap(token.memory, exports, desk);
  heap.lives = threadLives;
  remember(token.id, heap);
  return heap;
}

// One execution of the plugin on files in memory (memorydisk.ts): environment and config in, exit
// status and JSON out, to be stopped and failed at will.
//
// A fault plan counts the calls that touch files: at number `at` the process is killed (in the
// middle of a write: whole pages of it are there), or the call answers -errno.
//
// Cost: about 0.2 ms a call. All calls of a process share one memory of 1 GiB, whose scratch part
// is zeroed before each of them; a memory of its own would cost 5 ms.
import { readFileSync } from "node:fs";
import { EXIT_ERROR, NEED_CALL, NEED_LOCK, SCRATCH_BASE } from "../../assembly/numbers.ts";
import { buildPath, type CniExports, MEMORY_PAGES } from "../../src/wasm.ts";
import { type Disk, diskFunctions } from "./memorydisk.ts";

export { Disk } from "./memorydisk.ts";

const ENOENT = -2;

/** Scratch memory that most calls touch, and what is looked at behind it. */
const SCRATCH_USED = 1 << 21;
const SCRATCH_PROBE = 1 << 18;
/** Of the far end, where tables lie that must begin as zeros. */
const FAR_USED = 1 << 18;

/** Thrown out of a host function: the process is gone. */
class Killed extends Error {}

/** What happens at file operation number `at`: a kill, or a failure with this errno. */
export interface Plan {
  at: number;
  errno?: number;
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
  let handles = 0;
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
  const files = diskFunctions(disk, {
    bytes,
    open: new Map(),
    next: () => handles++,
    step,
    unshared: (page) => unshared.add(page),
  });

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

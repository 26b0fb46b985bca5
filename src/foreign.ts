// What the Node host does with programs beside it: host-local's lock, and running another plugin.
//
// Node has no flock, and fs-native-extensions takes open-file-description locks, which flock
// doesn't see. The program flock (util-linux, busybox) locks the descriptor that it inherits: the
// lock belongs to the open file, so it stays with ours when the program has ended. Cost: one
// process, about 2 ms.
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { LOCK_TIMEOUT_MS } from "../assembly/numbers.ts";

const { EAGAIN, EIO, ENOSYS } = constants.errno;
const LOCK_TIMEOUT_MAX_MS = 600_000;
const OUTPUT_MAX = 1 << 28;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Milliseconds to wait: BERTH_LOCK_TIMEOUT_MS if it is a number from 1 to 600000, else 60000. */
export function lockTimeout(text: string | undefined): number {
  if (!text || !/^[0-9]{1,6}$/.test(text)) return LOCK_TIMEOUT_MS;
  const ms = Number(text);
  return ms >= 1 && ms <= LOCK_TIMEOUT_MAX_MS ? ms : LOCK_TIMEOUT_MS;
}

function numberOf(error: Error): number {
  const { errno } = error as NodeJS.ErrnoException;
  return typeof errno === "number" && errno < 0 ? errno : -EIO;
}

/** flock(LOCK_EX) on an open descriptor: 0, -EAGAIN after `ms`, -ENOSYS without the program. */
export function flockFile(fd: number, ms: number): number {
  const done = spawnSync("flock", ["-x", "3"], {
    env: { PATH },
    stdio: ["ignore", "ignore", "ignore", fd],
    timeout: ms,
  });
  if (done.status === 0) return 0;
  const code = (done.error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ETIMEDOUT") return -EAGAIN;
  return code === "ENOENT" ? -ENOSYS : -EIO;
}

/** What a program that was run left: its exit status (128 + signal), or why it didn't begin. */
export interface Ran {
  /** -errno if it didn't begin. */
  status: number;
  printed: Uint8Array;
}

/** Runs a program with `input` as its stdin; its stdout and stderr go to `write` at its end. */
export function runProgram(
  path: string,
  env: Record<string, string | undefined>,
  input: Uint8Array,
  write: (fd: number, bytes: Uint8Array) => void,
): Ran {
  const done = spawnSync(path, [], {
    env: { ...env, BERTH_SHADOW: "1" },
    input,
    maxBuffer: OUTPUT_MAX,
  });
  const printed = done.stdout ?? new Uint8Array(0);
  // EPIPE: it didn't read all of its stdin, which is its own affair.
  const failed = done.status === null && done.signal === null && done.error;
  if (failed) return { status: numberOf(failed), printed };
  try {
    write(2, done.stderr);
    write(1, printed);
  } catch {
    // Nobody reads it: as for the program itself, had it written there.
  }
  const signal = done.signal ? constants.signals[done.signal] : 0;
  return { status: done.status ?? 128 + signal, printed };
}

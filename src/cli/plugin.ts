// One call of the plugin in Node: the flow that main() of native/host.c has, with the same answers.
//
//   begin -> NEED_LOCK -> lock berth.lock -> finish         a trap anywhere -> fault
//   fault -> NEED_LOCK, NEED_CALL -> finish                 a trap in fault -> the last word
//
// The lock is the native host's: an open-file-description lock on berth.lock, one try, then one
// wait in the kernel's line. It ends when its descriptor is closed.
import { closeSync, constants, fstatSync } from "node:fs";
import { createRequire } from "node:module";
import { constants as os } from "node:os";
import { EXIT_ERROR, NEED_CALL, NEED_LOCK } from "../../assembly/numbers.ts";
import { errnoOf } from "../errno.ts";
import { type Host, makeHost, type Surroundings } from "../host.ts";
import { type CniExports, loadCni } from "../wasm.ts";

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
const { EAGAIN, EINVAL, ENOSYS } = os.errno;
const LOCK_NAME = "berth.lock";
const LOCK_TRIES = 8;
const REPLACED = 1;

/** What fs-native-extensions gives us. */
interface Locks {
  tryLock(fd: number): boolean;
  waitForLock(fd: number): Promise<void>;
}

/** The answer of a lock: 0, -errno, or REPLACED; with the descriptor that holds it. */
interface Locked {
  status: number;
  fd: number;
}

/** The native add-on, loaded only for a lock: null where it can't be, after saying why. */
function loadLocks(around: Surroundings): Locks | null {
  try {
    return createRequire(import.meta.url)("fs-native-extensions") as Locks;
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    const text = `berth: no lock without the package fs-native-extensions: ${why}\n`;
    try {
      around.write(2, Buffer.from(text));
    } catch {
      // Nobody reads stderr: the core's error on stdout says that there is no lock.
    }
    return null;
  }
}

/** Waits in line until `deadline`. A wait that is given up closes its descriptor when it ends. */
async function wait(locks: Locks, fd: number, deadline: number): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const waiting = locks.waitForLock(fd).then(
    () => 0,
    (error) => errnoOf(error),
  );
  const alarm = new Promise<number>((resolve) => {
    timer = setTimeout(() => resolve(-EAGAIN), Math.max(0, deadline - performance.now()));
  });
  const status = await Promise.race([waiting, alarm]);
  clearTimeout(timer);
  if (status === -EAGAIN) {
    void waiting.then(() => closeSync(fd));
  } else if (status < 0) closeSync(fd);
  return status;
}

async function lockOnce(host: Host, locks: Locks, deadline: number): Promise<Locked> {
  const fd = host.openName(LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return { status: fd, fd: -1 };
  const stat = fstatSync(fd, { bigint: true });
  let status = stat.isFile() ? 0 : -EINVAL;
  try {
    if (status === 0 && !locks.tryLock(fd)) {
      status = await wait(locks, fd, deadline);
      if (status < 0) return { status, fd: -1 };
    }
  } catch (error) {
    status = errnoOf(error);
  }
  if (status === 0 && host.identity(LOCK_NAME) !== `${stat.dev}:${stat.ino}`) status = REPLACED;
  if (status === 0) return { status, fd };
  closeSync(fd);
  return { status, fd: -1 };
}

/** Takes the lock of the entered directory: status 0, -EAGAIN when the time was up, else -errno. */
async function lockDirectory(host: Host, around: Surroundings): Promise<Locked> {
  const locks = loadLocks(around);
  if (!locks) return { status: -ENOSYS, fd: -1 };
  const deadline = performance.now() + host.lockMs();
  for (let i = 0; i < LOCK_TRIES; i++) {
    const locked = await lockOnce(host, locks, deadline);
    if (locked.status !== REPLACED) return locked;
  }
  return { status: -EAGAIN, fd: -1 };
}

/** The module can't be loaded: the package isn't whole, or isn't built. */
class Unloaded extends Error {}

function loaded(host: Host, wasm?: string): CniExports {
  try {
    return loadCni(host, wasm).exports;
  } catch (error) {
    throw new Unloaded(`: ${(error as Error).message}`);
  }
}

function internalFault(around: Surroundings, why = ""): number {
  const text = JSON.stringify({ code: 999, msg: `berth: internal fault${why}` });
  try {
    around.write(1, Buffer.from(`${text}\n`));
  } catch {
    // Nobody reads stdout: the exit status says it.
  }
  return EXIT_ERROR;
}

/**
 * Runs the plugin once and answers its exit status; prints through `around.write` only. Everything
 * it opened is closed at the end. `wasm`: another module than build/cni.wasm (tests).
 */
export async function runPlugin(around: Surroundings, wasm?: string): Promise<number> {
  const host = makeHost(around);
  try {
    const { begin, finish, fault } = loaded(host, wasm);
    const guarded = async (step: () => number | Promise<number>): Promise<number> => {
      try {
        return await step();
      } catch {
        return fault();
      }
    };
    const lockAndFinish = async () => {
      const locked = await lockDirectory(host, around);
      host.keepLock(locked.fd);
      return finish(locked.status);
    };
    let status = await guarded(begin);
    while (status === NEED_LOCK || status === NEED_CALL)
      status = await guarded(status === NEED_LOCK ? lockAndFinish : () => finish(0));
    return status;
  } catch (error) {
    return internalFault(around, error instanceof Unloaded ? error.message : "");
  } finally {
    host.closeAll();
  }
}

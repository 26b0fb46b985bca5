// Setting a state aside: berth.state and berth.log get names under which nobody opens them, and are
// kept for a report: berth.state.damaged.1 to .8, berth.log.damaged.1 to .8. Whoever does that must
// put a new state in their place: without one, a set-aside file means that there was one.
import * as host from "../host";
import { fileName, nameAt, nameBytes } from "./names";

/** Pairs of files that may be kept. */
export const ASIDE_MAX: u32 = 8;
/** Answer of `setAside`: there are ASIDE_MAX already; take some away. */
export const ASIDE_FULL: i32 = -7;
const ENOENT: i32 = -2;

const STATE_ASIDE: string = "berth.state.damaged.0";
const LOG_ASIDE: string = "berth.log.damaged.0";

// The name with its last digit: nameAt, nameBytes.
function numbered(name: string, n: u32): void {
  fileName(name);
  store<u8>(nameAt + nameBytes - 1, <u8>(48 + n));
}

function isThere(name: string, n: u32): bool {
  numbered(name, n);
  const handle = host.open(nameAt, nameBytes, 0);
  if (handle >= 0) host.close(handle);
  return handle != ENOENT;
}

function moveTo(from: string, to: string, n: u32): i32 {
  fileName(from);
  const at = nameAt;
  const bytes = nameBytes;
  numbered(to, n);
  const status = host.rename(at, bytes, nameAt, nameBytes);
  return status == ENOENT ? 0 : status;
}

/**
 * Moves the state and the log of the entered directory aside (the lock is held). The number that
 * they got, or ASIDE_FULL, or -errno. The log goes first: a state without its log is damage, too.
 */
export function setAside(): i32 {
  for (let n: u32 = 1; n <= ASIDE_MAX; n++) {
    if (isThere(STATE_ASIDE, n) || isThere(LOG_ASIDE, n)) continue;
    let status = moveTo("berth.log", LOG_ASIDE, n);
    if (status >= 0) status = moveTo("berth.state", STATE_ASIDE, n);
    return status < 0 ? status : <i32>n;
  }
  return ASIDE_FULL;
}

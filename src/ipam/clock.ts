// Seconds of CLOCK_BOOTTIME, as the image counts: the monotonic clock plus the time that the
// machine slept. /proc/uptime tells that; it is read once a second at most, since reading it costs
// 10 us.
import { readFileSync } from "node:fs";
// The global of this name is looked up anew at each use.
import { performance } from "node:perf_hooks";

const LOOK_MS = 1000;
/** Both clocks are read one after the other, and uptime counts hundredths. */
const SLACK_S = 0.02;

let offset = 0;
let looked = Number.NEGATIVE_INFINITY;

function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}

/** Seconds since the machine was started, sleep included. */
export function bootSeconds(): number {
  const now = performance.now();
  if (now - looked > LOOK_MS) {
    looked = now;
    const begun = monotonic();
    const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    const slept = uptime - begun;
    offset = begun + (Math.abs(slept) < SLACK_S ? 0 : slept) - now / 1000;
  }
  return now / 1000 + offset;
}

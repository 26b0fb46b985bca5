// Times over a reboot. Within a boot all times are seconds of CLOCK_BOOTTIME, which no clock change
// touches; the next boot's begins at 0. So the image remembers an anchor, one moment on both clocks
// (H_ANCHOR), and at the next boot the wall clock says how long ago that was:
//
//   | Unix seconds u32 | boot seconds u32 |
//
// While anything is reserved or cools, a commit takes it anew: when the two clocks have drifted
// apart (somebody set the wall clock), else once a minute. It rides in the header's page, which
// every commit writes. What the wall clock says is believed only from the year of this release on,
// and only forwards: else no time has passed since the anchor. So a clock that is wrong or jumps
// keeps an address too long, never too short, unless it jumps forward while nobody looks: between
// the last call before a reboot and the first one after it.

import * as host from "../host";
import { H_ANCHOR, H_COOLING, H_RESERVED } from "../image/header";
import { journalCount, putWord, word } from "../image/image";

/** Seconds after which the anchor is taken anew anyway. */
const ANCHOR_AGE: u32 = 60;
/** Seconds by which the clocks may drift apart before it is. */
const DRIFT: i64 = 2;
/** 2026-01-01: a wall clock before it isn't set. */
const RELEASED: u32 = 1767225600;

/** Seconds of the wall clock. */
export function wallSeconds(): u32 {
  return <u32>(host.clock(1) / 1000000000);
}

// The second in which the wall clock was asked last.
let looked: u32 = 0;

/** The anchor for this moment. */
export function anchorOf(now: u32): u64 {
  return ((<u64>now) << 32) | wallSeconds();
}

/**
 * Before a commit at `moment` (seconds of CLOCK_BOOTTIME; 0 = the clock is asked): takes the anchor
 * anew where that is due. `often`: looks for drift in every call, which asks the wall clock; else
 * once a second, for a library that commits a million times in it.
 */
export function anchorTouch(moment: u32, often: bool): void {
  if (journalCount() == 0 || (word(H_RESERVED) | word(H_COOLING)) == 0) return;
  const now = moment != 0 ? moment : <u32>(host.clock(0) / 1000000000);
  const old = word(H_ANCHOR);
  const age = now - <u32>(old >> 32);
  if (old != 0 && !often && now == looked) return;
  looked = now;
  const anchor = anchorOf(now);
  const drift = <i64>(<u32>anchor) - <i64>(<u32>old) - <i64>age;
  if (old == 0 || age >= ANCHOR_AGE || drift > DRIFT || drift < -DRIFT) putWord(H_ANCHOR, anchor);
}

/** For how many seconds it was over already, where the last `carried` answered 0. */
export let carriedLate: u32 = 0;

/**
 * When a time of the boot before is over, on this boot's clock: it began at `since`, was to end at
 * `due`, and `anchor` is the old image's (0 = it has none: the time begins anew). 0 = it is over;
 * u32.MAX_VALUE = never.
 */
export function carried(since: u32, due: u32, anchor: u64, now: u32, wall: u32): u32 {
  if (due == u32.MAX_VALUE) return due;
  const full = max<u32>(due - since, 1);
  let left: u64 = full;
  if (anchor != 0) {
    const then = <u32>anchor;
    const gone: u64 = then >= RELEASED && wall > then ? wall - then : 0;
    // The header's page may be older than the record.
    const passed = max<u64>((anchor >> 32) + gone, since);
    if (passed >= due) {
      carriedLate = <u32>(passed - due);
      return 0;
    }
    left = min<u64>(full, <u64>due - passed);
  }
  return <u32>min<u64>(<u64>now + left, <u64>u32.MAX_VALUE - 1);
}

// Times as people and JSON read them: spans like 2d3h, and moments as RFC 3339 in UTC. The image
// counts in seconds of CLOCK_BOOTTIME; the wall clock is only asked to show them.
import * as host from "../host";
import { textByte, textNumber, textString } from "../protocol/text";

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86400;

let bootNow: u32 = 0;
let wallNow: u64 = 0;

/** Reads both clocks: one call is one moment. */
export function timesRead(): void {
  bootNow = <u32>(host.clock(0) / 1000000000);
  wallNow = <u64>(host.clock(1) / 1000000000);
}

/** Seconds of CLOCK_BOOTTIME. */
export function bootTime(): u32 {
  return bootNow;
}

/** Seconds since 1970. */
export function wallTime(): u64 {
  return wallNow;
}

/** A span in its two largest units: 2d3h, 5m10s, 42s. */
export function saySpan(seconds: u64): void {
  if (seconds >= DAY) sayTwo(seconds / DAY, 100, (seconds % DAY) / HOUR, 104);
  else if (seconds >= HOUR) sayTwo(seconds / HOUR, 104, (seconds % HOUR) / MINUTE, 109);
  else if (seconds >= MINUTE) sayTwo(seconds / MINUTE, 109, seconds % MINUTE, 115);
  else sayTwo(seconds, 115, 0, 0);
}

function sayTwo(first: u64, unit: u32, second: u64, small: u32): void {
  textNumber(<i64>first);
  textByte(unit);
  if (second == 0) return;
  textNumber(<i64>second);
  textByte(small);
}

/** The moment `seconds` of CLOCK_BOOTTIME as seconds since 1970, as the clocks stand now. */
export function wallOf(seconds: u32): u64 {
  return <u64>max<i64>(0, <i64>wallNow + <i64>seconds - <i64>bootNow);
}

function sayDigits(n: u64, digits: i32): void {
  let power: u64 = 1;
  for (let i = 1; i < digits; i++) power *= 10;
  for (; power > 0; power /= 10) textByte(48 + <u32>((n / power) % 10));
}

/** Seconds since 1970 as 2026-11-21T07:56:36Z (days to dates: Howard Hinnant's civil_from_days). */
export function sayMoment(seconds: u64): void {
  const days = seconds / DAY + 719468;
  const era = days / 146097;
  const inEra = days % 146097;
  const year = (inEra - inEra / 1460 + inEra / 36524 - inEra / 146096) / 365;
  const inYear = inEra - (365 * year + year / 4 - year / 100);
  const shifted = (5 * inYear + 2) / 153;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  sayDigits(year + era * 400 + (month <= 2 ? 1 : 0), 4);
  textByte(45);
  sayDigits(month, 2);
  textByte(45);
  sayDigits(inYear - (153 * shifted + 2) / 5 + 1, 2);
  textByte(84);
  sayClock(seconds % DAY);
  textString("Z");
}

function sayClock(seconds: u64): void {
  sayDigits(seconds / HOUR, 2);
  textByte(58);
  sayDigits((seconds % HOUR) / MINUTE, 2);
  textByte(58);
  sayDigits(seconds % MINUTE, 2);
}

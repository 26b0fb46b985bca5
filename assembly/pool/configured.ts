// Configured: the range sets of the last ADD as the protocol settled them, read back from the image
// (settings.ts) into scratch memory, for the operator's verbs and what else has no config.
//
// Cost: O(config). Words that make no sense are damage: they were written under a checksum.
import { maskHi, maskLo } from "../address";
import { damaged } from "../fault";
import { SETS_MAX } from "../image/header";
import { scratchTake } from "../scratch";
import { excludeAt, Interval, Range, RangeSet, rangeAt, setAt } from "./range";
import { loadedAt, loadedWords, Settings, settingsFirst, settingsLoad } from "./settings";

const FORMAT: u64 = 1;

let taken: u32 = 0;

function next(): u64 {
  if (taken >= loadedWords) damaged("the settings in the image end too early");
  taken++;
  return load<u64>(loadedAt + ((<usize>(taken - 1)) << 3));
}

// An address: readHi, readLo.
let readHi: u64 = 0;
let readLo: u64 = 0;
function readAddress(family: i32): void {
  readHi = family == 6 ? next() : 0;
  readLo = next();
}

function readRange(r: Range): void {
  const head = next();
  r.family = <i32>(head & 255);
  r.gatewayFamily = <i32>((head >> 8) & 255);
  r.prefixLength = <i32>((head >> 16) & 0xffff);
  r.excludeCount = <i32>((head >> 32) & 0xffff);
  r.nameBytes = <i32>(head >> 48);
  const left = <i32>(loadedWords - taken);
  const four = r.family == 4 && r.prefixLength <= 32;
  const sense = four || (r.family == 6 && r.prefixLength <= 128);
  if (!sense || r.excludeCount > left || r.nameBytes >> 3 > left) {
    damaged("the settings in the image name an impossible range");
  }
  readAddress(r.family);
  r.startHi = readHi;
  r.startLo = readLo;
  r.subnetHi = readHi & maskHi(r.family, r.prefixLength);
  r.subnetLo = readLo & maskLo(r.family, r.prefixLength);
  readAddress(r.family);
  r.endHi = readHi;
  r.endLo = readLo;
  readAddress(r.gatewayFamily);
  r.gatewayHi = readHi;
  r.gatewayLo = readLo;
  r.excludes = scratchTake(<usize>r.excludeCount * offsetof<Interval>());
  for (let i = 0; i < r.excludeCount; i++) {
    const e = excludeAt(r, i);
    readAddress(r.family);
    e.startHi = readHi;
    e.startLo = readLo;
    readAddress(r.family);
    e.endHi = readHi;
    e.endLo = readLo;
  }
  r.name = scratchTake(<usize>r.nameBytes + 8);
  for (let i = 0; i < r.nameBytes; i += 8) store<u64>(r.name + i, next());
}

function readSet(set: RangeSet, index: i32): void {
  set.count = <i32>next();
  if (<u32>set.count > loadedWords - taken) damaged("the settings name too many ranges");
  set.index = index;
  set.family = 0;
  set.cell = 0;
  set.still = false;
  set.firm = false;
  set.ranges = scratchTake(<usize>set.count * offsetof<Range>());
  for (let n = 0; n < set.count; n++) {
    const r = rangeAt(set, n);
    readRange(r);
    set.family = r.family;
  }
}

/**
 * What the last ADD's config said, in scratch memory; null (0) where the image doesn't keep it: no
 * ADD yet, one of another release, or a config that is too large (settingsTooLarge).
 */
export function configured(): usize {
  const first = settingsFirst();
  if (first == 0) return 0;
  settingsLoad(first);
  taken = 0;
  const head = next();
  if ((head & 0xffff) != FORMAT) return 0;
  const at = scratchTake(offsetof<Settings>());
  const s = changetype<Settings>(at);
  s.setCount = <i32>((head >> 16) & 0xffff);
  s.policy = <i32>((head >> 32) & 0xffff);
  if (<u32>s.setCount > SETS_MAX) damaged("the settings name too many range sets");
  const times = next();
  s.cooldown = <u32>times;
  s.reserveFor = <u32>(times >> 32);
  const pods = next();
  s.reservePods = <u32>pods;
  s.reservePerNamespace = <u32>(pods >> 32);
  s.reserveMax = <u32>next();
  s.sets = scratchTake(<usize>s.setCount * offsetof<RangeSet>());
  for (let i = 0; i < s.setCount; i++) {
    readSet(setAt(s.sets, i), i);
  }
  return at;
}

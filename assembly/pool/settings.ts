// Settings: what the config of the last ADD said about addresses, kept in the image, so that the
// operator's verbs can tell what is free without the config: the settled range sets, policy,
// cool-down and reserve. A chain of cells of 128 bytes holds them as words; they are written anew
// only when the hash of them differs, so that an unchanged config costs a look at each range and
// neither a page nor a word of the log.
//
//   header    904  first cell (0: none are kept)    912  hash of the words (0: never any)
//
//             0       4      5 8             16     20      24          28  32            128
//   SETTINGS  | check | 0x88 | - | number (48)| next | place | words     | - | 12 words    |
//
//   words     format u16, sets u16, policy u16 | cool-down u32, reserve u32
//             reserved pods u32, per namespace u32 | most u32
//   set       ranges                           one word, its ranges behind it
//   range     family u8, gateway's u8, prefix length u16, excludes u16, bytes of the name u16
//             start | end | gateway | start, end of each exclude | name, filled with zeros
//             an address: one word (IPv4) or two (IPv6)
//
// All cells of a chain carry the number of the commit that wrote it: a rebuild carries over the
// newest chain that is whole. Settings of more than WORDS_MAX words aren't kept; the hash without
// cells says so. Cost: see above; O(config) when it changes.
import { damaged } from "../fault";
import { arenaFree, arenaTake } from "../image/arena";
import { H_SETTINGS, H_SETTINGS_HASH, HEADER_BYTES } from "../image/header";
import {
  half,
  imageBase,
  imageLength,
  journalCount,
  NOTES_MAX,
  putHalf,
  putWord,
  word,
} from "../image/image";
import {
  C_NEXT,
  CELL_BYTES,
  cellIsSound,
  cellKind,
  cellNumber,
  cellPutByte,
  cellSeal,
  KIND_SETTINGS,
} from "../records/cell";
import { scratchTake } from "../scratch";
import { excludeAt, Range, setAt } from "./range";

/** Words that are kept: 16 KiB. */
const WORDS_MAX: u32 = 2048;
const FORMAT: u64 = 1;
const C_PLACE: u32 = 20;
const C_WORDS: u32 = 24;
const C_PAYLOAD: u32 = 32;
const CELL_WORDS: u32 = 12;
const CELLS_MAX: u32 = 171;
/** Words that the rest of an ADD's commit may still change behind this. */
const SPARE: u32 = 64;

/** What is kept, as the protocol settled it. */
@unmanaged
export class Settings {
  /** `setCount` of RangeSet. */
  sets: usize;
  setCount: i32;
  policy: i32;
  /** Seconds; 0 = none. */
  cooldown: u32;
  /** `reserve`: seconds (0: nothing is reserved), which pods, bounds (0 = none). */
  reserveFor: u32;
  reservePods: u32;
  reservePerNamespace: u32;
  reserveMax: u32;
}

// The words on their way: only mixed into the hash, or also stored.
let into: usize = 0;
let mixed: u64 = 0;
let emitted: u32 = 0;

// Each step is one to one, so two texts that differ in one word never have one hash.
function emit(value: u64): void {
  const h = (mixed ^ value) * 0x9e3779b97f4a7c15;
  mixed = h ^ (h >> 32);
  if (into != 0 && emitted < WORDS_MAX) store<u64>(into + ((<usize>emitted) << 3), value);
  emitted++;
}

function emitAddress(family: i32, hi: u64, lo: u64): void {
  if (family == 6) emit(hi);
  emit(lo);
}

function emitName(r: Range): void {
  for (let i = 0; i < r.nameBytes; i += 8) {
    let piece: u64 = 0;
    for (let n = 0; n < 8 && i + n < r.nameBytes; n++) {
      piece |= (<u64>load<u8>(r.name + i + n)) << ((<u64>n) << 3);
    }
    emit(piece);
  }
}

function emitRange(r: Range): void {
  emit(
    <u64>r.family |
      ((<u64>r.gatewayFamily) << 8) |
      ((<u64>r.prefixLength) << 16) |
      ((<u64>r.excludeCount) << 32) |
      ((<u64>r.nameBytes) << 48),
  );
  emitAddress(r.family, r.startHi, r.startLo);
  emitAddress(r.family, r.endHi, r.endLo);
  emitAddress(r.gatewayFamily, r.gatewayHi, r.gatewayLo);
  for (let i = 0; i < r.excludeCount; i++) {
    const e = excludeAt(r, i);
    emitAddress(r.family, e.startHi, e.startLo);
    emitAddress(r.family, e.endHi, e.endLo);
  }
  emitName(r);
}

// All words, stored at `at` unless it is 0. Answers their hash, never 0.
function emitAll(s: Settings, at: usize): u64 {
  into = at;
  mixed = 0;
  emitted = 0;
  emit(FORMAT | ((<u64>s.setCount) << 16) | ((<u64>s.policy) << 32));
  emit(<u64>s.cooldown | ((<u64>s.reserveFor) << 32));
  emit(<u64>s.reservePods | ((<u64>s.reservePerNamespace) << 32));
  emit(<u64>s.reserveMax);
  for (let i = 0; i < s.setCount; i++) {
    const set = setAt(s.sets, i);
    // A call with a pool of its own has narrowed them.
    const ranges = set.still ? set.whole : set.ranges;
    const count = set.still ? set.wholeCount : set.count;
    emit(<u64>count);
    for (let n = 0; n < count; n++) {
      emitRange(changetype<Range>(ranges + <usize>n * offsetof<Range>()));
    }
  }
  return max<u64>(mixed, 1);
}

// Is this the `place`-th cell of a chain of `words` words that commit `number` wrote?
function isLink(cell: u32, place: u32, words: u32, number: u64): bool {
  if (cell & (CELL_BYTES - 1) || cell < HEADER_BYTES) return false;
  if (cell > imageLength() - CELL_BYTES || cellKind(cell) != KIND_SETTINGS) return false;
  if (!cellIsSound(cell) || cellNumber(cell) != number) return false;
  return half(cell + C_PLACE) == place && half(cell + C_WORDS) == words;
}

function cellsFor(words: u32): u32 {
  return (words + CELL_WORDS - 1) / CELL_WORDS;
}

/** Does a whole chain begin at `first`? Never traps. */
export function settingsAreWhole(first: u32): bool {
  if (first & (CELL_BYTES - 1) || first == 0 || first > imageLength() - CELL_BYTES) return false;
  const words = half(first + C_WORDS);
  const number = cellNumber(first);
  if (words == 0 || words > WORDS_MAX) return false;
  let cell = first;
  for (let place: u32 = 0; place < cellsFor(words); place++) {
    if (!isLink(cell, place, words, number)) return false;
    cell = half(cell + C_NEXT);
  }
  return cell == 0;
}

/** The first cell of what is kept; 0 = nothing is. Traps where it isn't whole. */
export function settingsFirst(): u32 {
  const first = <u32>word(H_SETTINGS);
  if (first != 0 && !settingsAreWhole(first)) damaged("the settings in the image aren't whole");
  return first;
}

/** Were there settings that were too large to be kept? */
export function settingsTooLarge(): bool {
  return word(H_SETTINGS) == 0 && word(H_SETTINGS_HASH) != 0;
}

// Makes the chain at the header as long as `cells`: false = there is no room, nothing is changed.
function fitChain(cells: u32): bool {
  const old = settingsFirst();
  let have: u32 = 0;
  let last: u32 = 0;
  for (let cell = old; have < CELLS_MAX && have < cells && cell != 0; have++) {
    last = cell;
    cell = half(cell + C_NEXT);
  }
  let more: u32 = 0;
  for (let n = have; n < cells; n++) {
    const cell = arenaTake(CELL_BYTES);
    if (cell == 0) {
      freeChain(more);
      return false;
    }
    putHalf(cell + C_NEXT, more);
    more = cell;
  }
  if (have == cells && last != 0) {
    freeChain(half(last + C_NEXT));
    putHalf(last + C_NEXT, 0);
  } else if (last != 0) putHalf(last + C_NEXT, more);
  putWord(H_SETTINGS, <u64>(have > 0 ? old : more));
  return true;
}

function freeChain(first: u32): void {
  let cell = first;
  for (let n: u32 = 0; n < CELLS_MAX && cell != 0; n++) {
    const next = half(cell + C_NEXT);
    arenaFree(cell, CELL_BYTES);
    cell = next;
  }
}

// Fills the chain with the words at `at`.
function fillChain(at: usize, words: u32, number: u64): void {
  let cell = <u32>word(H_SETTINGS);
  for (let place: u32 = 0; place < cellsFor(words); place++) {
    cellPutByte(cell, 4, KIND_SETTINGS);
    putHalf(cell + C_PLACE, place);
    putHalf(cell + C_WORDS, words);
    for (let i: u32 = 0; i < CELL_WORDS; i++) {
      const n = place * CELL_WORDS + i;
      putWord(cell + C_PAYLOAD + (i << 3), n < words ? load<u64>(at + ((<usize>n) << 3)) : 0);
    }
    cellSeal(cell, number);
    cell = half(cell + C_NEXT);
  }
}

function put(at: usize, words: u32, hash: u64, number: u64): void {
  // A cell that is freed changes no more words than one that is written.
  const most = min<u32>(cellsFor(words), CELLS_MAX) * (CELL_BYTES / 8 + 2);
  if (journalCount() + most + SPARE > NOTES_MAX) return;
  if (words > WORDS_MAX) {
    freeChain(settingsFirst());
    putWord(H_SETTINGS, 0);
  } else if (fitChain(cellsFor(words))) fillChain(at, words, number);
  else return;
  putWord(H_SETTINGS_HASH, hash);
}

/**
 * Keeps the settings of an ADD in its own commit, unless they are kept already. Where there is no
 * room, or the commit is too large already, the next ADD may do it.
 */
export function settingsKeep(s: Settings, number: u64): void {
  const hash = emitAll(s, 0);
  if (hash == word(H_SETTINGS_HASH)) return;
  const words = emitted;
  let at: usize = 0;
  if (words <= WORDS_MAX) {
    at = scratchTake((<usize>words) << 3);
    emitAll(s, at);
  }
  put(at, words, hash, number);
}

/** The words of a whole chain in scratch memory, and how many. */
export let loadedAt: usize = 0;
export let loadedWords: u32 = 0;
let loadedNumber: u64 = 0;

/** Copies the chain that begins at `first`. */
export function settingsLoad(first: u32): void {
  loadedWords = half(first + C_WORDS);
  loadedNumber = cellNumber(first);
  loadedAt = scratchTake((<usize>(loadedWords + CELL_WORDS)) << 3);
  let cell = first;
  for (let place: u32 = 0; place < cellsFor(loadedWords); place++) {
    const from = imageBase() + cell + C_PAYLOAD;
    memory.copy(loadedAt + ((<usize>(place * CELL_WORDS)) << 3), from, CELL_WORDS << 3);
    cell = half(cell + C_NEXT);
  }
}

/**
 * Loads the newest whole chain of an image whose header can't be trusted, by a scan. false: there
 * is none.
 */
export function settingsScan(): bool {
  let best: u32 = 0;
  for (let at: u32 = HEADER_BYTES; at <= imageLength() - CELL_BYTES; at += CELL_BYTES) {
    if (cellKind(at) != KIND_SETTINGS || half(at + C_PLACE) != 0) continue;
    if (best != 0 && cellNumber(at) <= cellNumber(best)) continue;
    if (settingsAreWhole(at)) best = at;
  }
  if (best != 0) settingsLoad(best);
  return best != 0;
}

/** Puts the loaded words into the attached image: what a rebuild carries over. */
export function settingsCarry(): void {
  mixed = 0;
  into = 0;
  emitted = 0;
  for (let n: u32 = 0; n < loadedWords; n++) emit(load<u64>(loadedAt + ((<usize>n) << 3)));
  put(loadedAt, loadedWords, max<u64>(mixed, 1), loadedNumber);
}

/** The cell behind `cell` in a chain (0 = the last), for the check. */
export function settingsNext(cell: u32): u32 {
  return half(cell + C_NEXT);
}

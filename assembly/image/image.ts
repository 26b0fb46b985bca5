// The image: the run of bytes that holds everything Berth knows, as words of 64 bits. All offsets
// count from the image's own start, so it can lie anywhere; 0 is "nothing" since the header is
// there.
//
//   0            4 KiB                                      length
//   | header     | blocks of the arena: nodes, leaves, cells ... |
//
// Every store goes through putWord. While a journal is open it notes the offset and the old word
// first, so that a commit can write the new words down and a failing call can be undone:
//
//   notes   | offset u32 | - | old word u64 |  x count             16 bytes each
//   seen    hash of offset -> note number + 1, u16, open addressing: 512 slots for the usual
//           call; 16,384 elsewhere once half of them are full
//
// Cost: a load or store, one comparison; with an open journal about 3 ns more for each new word.
import { damaged } from "../fault";
import { WINDOW_BASE } from "../numbers";
import { scratchTake, scratchTakeFar } from "../scratch";

/** Words that one commit may change: an entry of the log is at most 64 KiB, 12 bytes a word. */
export const NOTES_MAX: u32 = 5400;
const NOTE_BYTES: u32 = 16;
const SEEN_SLOTS: u32 = 16384;
const SEEN_SLOTS_FIRST: u32 = 512;
/** Slots that the places of one page lie behind those of the page before. */
const SEEN_PAGE: u32 = 173;
/** Notes whose places are looked up one by one when they are forgotten. */
const CLEAR_FEW: u32 = 16;

let base: usize = <usize>WINDOW_BASE;
let length: u32 = 0;
let notes: usize = 0;
let seen: usize = 0;
let seenFew: usize = 0;
let seenMany: usize = 0;
let seenMask: u32 = SEEN_SLOTS_FIRST - 1;
let open: bool = false;
let count: u32 = 0;
let mirror: usize = 0;
let most: u32 = NOTES_MAX;
let must: bool = false;
let calls: u32 = 0;

/** Puts the image of `bytes` bytes at memory address `at`. */
export function imageAttach(at: usize, bytes: u32): void {
  base = at;
  length = bytes;
}

/** Memory address of the image. */
export function imageBase(): usize {
  return base;
}

/** Bytes of the image that may be read and written. */
export function imageLength(): u32 {
  return length;
}

/** The word at `at` (a multiple of 8). Traps outside the image. */
export function word(at: u32): u64 {
  if (at > length - 8) damaged("an offset points outside the image");
  return load<u64>(base + at);
}

/** Half a word at `at` (a multiple of 4). Traps outside the image. */
export function half(at: u32): u32 {
  if (at > length - 8) damaged("an offset points outside the image");
  return load<u32>(base + at);
}

/** Stores a word; notes the old one if a journal is open. */
export function putWord(at: u32, value: u64): void {
  if (at > length - 8) damaged("an offset points outside the image");
  const p = base + at;
  if (open) note(at, load<u64>(p));
  store<u64>(p, value);
}

/** Stores half a word. */
export function putHalf(at: u32, value: u32): void {
  const even = at & ~7;
  const old = word(even);
  const shift = (<u64>(at & 4)) << 3;
  putWord(even, (old & ~((<u64>0xffffffff) << shift)) | ((<u64>value) << shift));
}

/** Notes `words` words from `at` on, changed or not: a commit carries all of them. */
export function noteWords(at: u32, words: u32): void {
  if (at > length - (words << 3)) damaged("an offset points outside the image");
  if (!open) return;
  for (let end = at + (words << 3); at < end; at += 8) note(at, load<u64>(base + at));
}

function note(at: u32, old: u64): void {
  const p = seenSlot(at);
  if (load<u16>(p) != 0) return;
  if (count == most) damaged("one call changes too many words");
  const n = notes + <usize>(count * NOTE_BYTES);
  store<u32>(n, at);
  store<u64>(n, old, 8);
  count++;
  store<u16>(p, <u16>count);
  // Before the caller's store: who undoes for a thread that ended in between must see this note.
  if (mirror != 0) store<u32>(mirror, count);
  if (count == SEEN_SLOTS_FIRST / 2) seenWiden();
}

// Where the search for an offset begins: neighbours lie side by side, pages apart (what lies at the
// same place of several pages would queue up).
function seenFirst(at: u32): u32 {
  return ((at >> 3) + (at >> 12) * SEEN_PAGE) & seenMask;
}

// The slot of an offset: it holds the note's number + 1, or 0 where the offset isn't noted.
function seenSlot(at: u32): usize {
  let slot = seenFirst(at);
  for (let step: u32 = 0; step <= seenMask; step++) {
    const p = seen + ((<usize>slot) << 1);
    const number = <u32>load<u16>(p);
    if (number == 0 || journalOffset(number - 1) == at) return p;
    slot = (slot + 1) & seenMask;
  }
  damaged("the journal's table is full");
  return 0;
}

// Many words: every note gets its slot in the large table.
function seenWiden(): void {
  memory.fill(seenFew, 0, (<usize>SEEN_SLOTS_FIRST) << 1);
  seen = seenMany;
  seenMask = SEEN_SLOTS - 1;
  for (let n: u32 = 0; n < count; n++) store<u16>(seenSlot(journalOffset(n)), <u16>(n + 1));
}

/**
 * Takes the journal's tables, for `words` notes (12,000 at most), from scratch memory; `seen` must
 * be zero, so before any rewind.
 */
export function journalReserve(words: u32 = NOTES_MAX): void {
  if (notes != 0) return;
  most = words;
  // The small table beside the first notes: the usual call touches no more.
  seenFew = scratchTake(<usize>(SEEN_SLOTS_FIRST << 1));
  notes = scratchTake(<usize>(words * NOTE_BYTES));
  seenMany = scratchTakeFar(<usize>(SEEN_SLOTS << 1));
  seen = seenFew;
}

/** Clears the table of a journal whose scratch memory somebody else has used before. */
export function journalWipe(): void {
  memory.fill(seenFew, 0, (<usize>SEEN_SLOTS_FIRST) << 1);
  memory.fill(seenMany, 0, (<usize>SEEN_SLOTS) << 1);
}

/** Opens the journal: from here on every changed word is noted. */
export function journalOpen(): void {
  journalReserve();
  // Written to before it is read: a page that is read first is faulted in twice.
  if (count == 0) store<u16>(seen, 0);
  open = true;
}

/** Is a journal open? */
export function journalIsOpen(): bool {
  return open;
}

/** Words noted so far. */
export function journalCount(): u32 {
  return count;
}

/** Changes when what was noted is forgotten: what was proven in one call holds to its end. */
export function journalCall(): u32 {
  return calls;
}

/** Offset of note `n`. */
export function journalOffset(n: u32): u32 {
  return load<u32>(notes + <usize>(n * NOTE_BYTES));
}

/**
 * What is noted must be on disk before the call is answered (where syncing is allowed at all): it
 * touches a name that keeps its addresses.
 */
export function journalMust(): void {
  must = true;
}

/** Must the next commit be synced? */
export function journalIsMust(): bool {
  return must;
}

/** Forgets the notes (what they noted is committed) and keeps the journal open. */
export function journalClear(): void {
  // The usual commit of a record: the small table is emptied sooner than its places are found.
  const isMany = count > CLEAR_FEW && seen == seenFew;
  if (isMany) memory.fill(seen, 0, (<usize>SEEN_SLOTS_FIRST) << 1);
  for (let n: u32 = isMany ? count : 0; n < count; n++) {
    let slot = seenFirst(journalOffset(n));
    // Clear the whole probe run: neighbours belong to this commit too.
    for (let step: u32 = 0; step <= seenMask; step++) {
      const p = seen + ((<usize>slot) << 1);
      if (load<u16>(p) == 0) break;
      store<u16>(p, 0);
      slot = (slot + 1) & seenMask;
    }
  }
  count = 0;
  calls++;
  must = false;
  seen = seenFew;
  seenMask = SEEN_SLOTS_FIRST - 1;
  if (mirror != 0) store<u32>(mirror, 0);
}

/** Keeps the number of notes also in memory, at `at`, where another instance can read it. */
export function journalMirror(at: usize): void {
  mirror = at;
  store<u32>(at, 0);
}

/** Memory address of the notes. */
export function journalNotes(): usize {
  return notes;
}

/** Undoes the `n` notes at `from`, which another instance has left. */
export function journalUndoOf(from: usize, n: u32): void {
  for (; n > 0; n--) {
    const p = from + <usize>((n - 1) * NOTE_BYTES);
    store<u64>(base + load<u32>(p), load<u64>(p, 8));
  }
}

/** Puts every noted word back to its old value, newest first, and forgets the notes. */
export function journalUndo(): void {
  for (let n = count; n > 0; n--) {
    const p = notes + <usize>((n - 1) * NOTE_BYTES);
    store<u64>(base + load<u32>(p), load<u64>(p, 8));
  }
  journalClear();
}

/**
 * Exchanges every noted word with its old value: the image is as it was before the call. Doing it
 * again brings the call's words back.
 */
export function journalSwap(): void {
  for (let n: u32 = 0; n < count; n++) {
    const p = notes + <usize>(n * NOTE_BYTES);
    const at = base + load<u32>(p);
    const now = load<u64>(at);
    store<u64>(at, load<u64>(p, 8));
    store<u64>(p, now, 8);
  }
}

/** Closes the journal; nothing may be noted any more. */
export function journalClose(): void {
  journalClear();
  open = false;
}

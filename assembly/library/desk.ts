// Desks: several instances (worker threads) on one heap. One lock for the whole heap; each instance
// works at a desk of its own, where its notes lie so that others can undo a call that was cut
// short.
//
//   header   512  lock: 0 free, else desk + 1 | tag << 7 (22 bits) | CONTENDED i32 | -
//            576  64 desks: | tag u32 (0 = nobody) | notes made u32 | where they lie u32 | - |
//   scratch  64 pieces of DESK_BYTES, one for each desk: journal, transfer area, rows (src/rows.ts)
//
// Until the heap is shared nothing locks and nothing is noted. A call that doesn't get the lock in
// 50 ms answers BUSY, and TypeScript looks whether the holder's thread still lives: `deskRecover`
// then undoes what it left and frees the lock. Cost: two atomic operations a call, about 3 ns for
// each word that the call changes.
import { damaged } from "../fault";
import {
  journalClear,
  journalMirror,
  journalNotes,
  journalOpen,
  journalReserve,
  journalUndoOf,
  journalWipe,
} from "../image/image";
import { ROW_WORDS, ROWS, WINDOW_BASE } from "../numbers";
import { scratchAssign, scratchTake } from "../scratch";

/** Instances that can share one heap. */
const DESKS: u32 = 64;
/** Scratch memory of a desk. */
const DESK_BYTES: usize = 491520;
/**
 * Words that one call may change, not bound by an entry of the log: a carve of blocks.ts puts keys
 * into up to 128 sets, 53 of them with lists that become nodes (110 words each).
 */
const DESK_NOTES: u32 = 11000;
/** Bytes of the transfer area of each instance. */
const TRANSFER_BYTES: u32 = 262144;

const LOCK: usize = <usize>WINDOW_BASE + 512;
const TABLE: usize = <usize>WINDOW_BASE + 576;
const DESK: usize = 16;
const CONTENDED: i32 = 0x40000000;
const SLICE_NS: i64 = 50000000;
const SPINS: u32 = 256;

/** Do several threads use this heap, so that calls must lock? */
export let shared: bool = false;
let mine: u32 = 0;
// What the lock says while this instance holds it.
let seat: i32 = 0;
let transfer: usize = 0;
let rows: usize = 0;

/** Sits down at desk `index`: scratch memory, transfer area, rows of its own. Once per instance. */
export function deskSit(index: u32): void {
  if (index >= DESKS) damaged("there is no such desk");
  mine = index;
  const first = (__heap_base + 65535) & ~65535;
  scratchAssign(first + <usize>index * DESK_BYTES, DESK_BYTES);
  journalReserve(DESK_NOTES);
  transfer = scratchTake(<usize>TRANSFER_BYTES);
  rows = scratchTake(<usize>ROWS * <usize>ROW_WORDS * 4);
}

/** Where texts and arrays are exchanged with this instance. */
export function transferArea(): usize {
  return transfer;
}

/** Where slots wait that this instance's pools have taken ahead of their callers. */
export function rowsArea(): usize {
  return rows;
}

// The tag belongs to it, so that a desk's next thread isn't taken for the one before.
function seatOf(index: u32, tag: u32): i32 {
  return <i32>((index + 1) | ((tag & 0x3fffff) << 7));
}

/** From here on this instance's calls lock and note. `tag` names its thread (not 0). */
export function deskShare(tag: u32): void {
  const at = TABLE + <usize>mine * DESK;
  journalWipe();
  journalOpen();
  journalMirror(at + 4);
  store<u32>(at, <u32>journalNotes(), 8);
  store<u32>(at, tag);
  seat = seatOf(mine, tag);
  shared = true;
}

/** The first desk after 0 that nobody sits at, now taken for `tag`; 0 = all are taken. */
export function deskClaim(tag: u32): u32 {
  for (let i: u32 = 1; i < DESKS; i++) {
    const at = TABLE + <usize>i * DESK;
    if (ASC_FEATURE_THREADS) {
      if (atomic.cmpxchg<i32>(at, 0, <i32>tag) == 0) return i;
    } else if (load<u32>(at) == 0) {
      store<u32>(at, tag);
      return i;
    }
  }
  return 0;
}

/** Who sits at a desk: its tag, 0 = nobody. */
export function deskTag(index: u32): u32 {
  return load<u32>(TABLE + <usize>index * DESK);
}

/**
 * Frees a desk whose thread `tag` has ended and doesn't hold the lock. Not while its notes are
 * needed (somebody is undoing its call), nor when another thread sits there by now.
 */
export function deskFree(index: u32, tag: u32): void {
  const at = TABLE + <usize>index * DESK;
  if (load<u32>(at, 4) != 0) return;
  if (ASC_FEATURE_THREADS) atomic.cmpxchg<i32>(at, <i32>tag, 0);
  else if (load<u32>(at) == tag) store<u32>(at, 0);
}

/** The desk that holds the lock, or DESKS. */
export function deskHolder(): u32 {
  const value = ASC_FEATURE_THREADS ? atomic.load<i32>(LOCK) : load<i32>(LOCK);
  return value == 0 ? DESKS : <u32>(value & 127) - 1;
}

/** Takes the heap's lock. false: it was held for 50 ms; ask `deskHolder` and try again. */
export function enter(): bool {
  if (!shared) return true;
  return ASC_FEATURE_THREADS ? acquire() : true;
}

function acquire(): bool {
  const me = seat;
  for (let spin: u32 = 0; spin < SPINS; spin++) {
    if (atomic.load<i32>(LOCK) == 0 && atomic.cmpxchg<i32>(LOCK, 0, me) == 0) return true;
  }
  // Who comes in by this way wakes the next one when it leaves: others may be waiting too.
  while (atomic.cmpxchg<i32>(LOCK, 0, me | CONTENDED) != 0) {
    const value = atomic.load<i32>(LOCK);
    const wanted = value | CONTENDED;
    if (value == 0) continue;
    if (value != wanted && atomic.cmpxchg<i32>(LOCK, value, wanted) != value) continue;
    if (atomic.wait<i32>(LOCK, wanted, SLICE_NS) == AtomicWaitResult.TIMED_OUT) return false;
  }
  return true;
}

/** Ends what `enter` began: the call's words stand. */
export function leave(): void {
  if (!shared) return;
  journalClear();
  if (ASC_FEATURE_THREADS) {
    if ((atomic.xchg<i32>(LOCK, 0) & CONTENDED) != 0) atomic.notify(LOCK, 1);
  }
}

/** The words changed so far stand; the call goes on. For work of more words than notes hold. */
export function settle(): void {
  if (shared) journalClear();
}

/**
 * The thread `tag` at desk `index` has ended while it held the lock: undoes its half-done call and
 * frees the lock. false: it doesn't hold the lock any more.
 *
 * Notes are only at the desk of who holds the lock, or of the one whose call that thread was
 * undoing when it ended itself: so all that there are get undone. Undoing twice is undoing once.
 */
export function deskRecover(index: u32, tag: u32): bool {
  if (ASC_FEATURE_THREADS) {
    const value = atomic.load<i32>(LOCK);
    if ((value & ~CONTENDED) != seatOf(index, tag)) return false;
    if (atomic.cmpxchg<i32>(LOCK, value, seat | CONTENDED) != value) return false;
    for (let i: u32 = 0; i < DESKS; i++) {
      const at = TABLE + <usize>i * DESK;
      const count = load<u32>(at, 4);
      if (count == 0) continue;
      journalUndoOf(<usize>load<u32>(at, 8), count);
      store<u32>(at, 0, 4);
    }
    if (index != mine) deskFree(index, tag);
    leave();
    return true;
  }
  return false;
}

// The buddy: the pages of a heap, in runs of 2^order pages of 4 KiB. Large bitmaps take their words
// from here; the arena gets its pieces from here, for everything small.
//
//   0           4 KiB                    FIRST                                        window's end
//   | header    | map: a byte for a page | page 0 | page 1 | ...                                 |
//
//   header   128 arena | 320 heads of the free lists, u32 each, order 0 to 18 | 400 pages u32
//            408 pools made so far u64 | 416 run kept for what is given back, 0 = none
//            512 desks (desk.ts)
//   map      order + 1 where a free run begins, else 0
//   free run | next u32 | previous u32 |  links: offsets of the first bytes of other free runs
//
// O(orders) = 19 steps. A run is zero when it is given: fresh memory is, and who gives one back
// clears it first (runFree does). Refused: more than there is (0).
//
// A radix set may need memory to give a key back. So a run of 2 MiB is kept that no take gets: when
// the heap is full, what gives goes on in it. Takes go on when a run was freed that can be kept.
import { damaged } from "../fault";
import { arenaAttach, arenaExtend, arenaFormat, arenaRoom } from "../image/arena";
import { half, imageAttach, imageBase, putHalf, putWord, word } from "../image/image";
import { WINDOW_BASE, WINDOW_END } from "../numbers";
import { enter, leave } from "./desk";

const PAGE: u32 = 4096;
const ORDERS: u32 = 19;
const ARENA: u32 = 128;
const HEADS: u32 = 320;
const PAGES: u32 = 400;
const MADE: u32 = 408;
const KEPT: u32 = 416;
const MAP: u32 = 4096;
const LENGTH: u32 = WINDOW_END - WINDOW_BASE;
/** The map covers the whole window, itself included: 256 KiB. */
const FIRST: u32 = MAP + 262144;
/** What the arena gets at a time, and the least that must be left before a call. */
const PIECE: u32 = 1048576;
const SLACK: u32 = 49152;
const KEPT_BYTES: u32 = 2097152;

/** Makes a heap of the whole window, which must be zero. Once per memory. */
export function heapFormat(): void {
  imageAttach(<usize>WINDOW_BASE, LENGTH);
  arenaFormat(ARENA, PAGE, PAGE);
  const pages = (LENGTH - FIRST) / PAGE;
  putHalf(PAGES, pages);
  let page: u32 = 0;
  for (let order: i32 = ORDERS - 1; order >= 0; order--) {
    if (pages - page < (<u32>1) << order) continue;
    push(page, order);
    page += (<u32>1) << order;
  }
  putHalf(KEPT, runTake(KEPT_BYTES));
}

/** A number that no pool of this heap has had: tells a pool from a later one in the same place. */
export function nextMade(): u64 {
  const made = word(MADE) + 1;
  putWord(MADE, made);
  return made;
}

/** Uses the heap that another instance has made on the same memory. */
export function heapAttach(): void {
  imageAttach(<usize>WINDOW_BASE, LENGTH);
  arenaAttach(ARENA);
}

/** Makes sure that the arena can serve one call, and one that gives after it. false: full. */
export function heapReady(): bool {
  if (half(KEPT) == 0) {
    const kept = runTake(KEPT_BYTES);
    if (kept == 0) return false;
    putHalf(KEPT, kept);
  }
  return arenaReady(SLACK);
}

/** Makes sure that the arena has `bytes` (up to 1 MiB) unclaimed. false: the heap is full. */
export function arenaReady(bytes: u32): bool {
  if (arenaRoom() >= bytes) return true;
  const piece = runTake(PIECE);
  if (piece == 0) return false;
  arenaExtend(piece, piece + PIECE);
  return true;
}

/** The same for a call that gives: of a full heap it gets what is kept. */
export function heapGives(): bool {
  if (arenaReady(SLACK)) return true;
  const kept = half(KEPT);
  if (kept == 0) return false;
  putHalf(KEPT, 0);
  arenaExtend(kept, kept + KEPT_BYTES);
  return true;
}

function at(page: u32): u32 {
  return FIRST + page * PAGE;
}

function mark(page: u32, value: u32): void {
  const o = (MAP + page) & ~7;
  const shift = (<u64>((MAP + page) & 7)) << 3;
  putWord(o, (word(o) & ~((<u64>0xff) << shift)) | ((<u64>value) << shift));
}

function marked(page: u32): u32 {
  return <u32>load<u8>(imageBase() + MAP + page);
}

function push(page: u32, order: u32): void {
  const head = half(HEADS + (order << 2));
  putWord(at(page), <u64>head);
  if (head != 0) putHalf(head + 4, at(page));
  putHalf(HEADS + (order << 2), at(page));
  mark(page, order + 1);
}

function unlink(page: u32, order: u32): void {
  const run = at(page);
  const next = half(run);
  const previous = half(run + 4);
  if (previous != 0) putHalf(previous, next);
  else putHalf(HEADS + (order << 2), next);
  if (next != 0) putHalf(next + 4, previous);
  putWord(run, 0);
  mark(page, 0);
}

function orderOf(bytes: u32): u32 {
  const pages = pagesOf(bytes);
  return pages <= 1 ? 0 : 32 - <u32>clz(pages - 1);
}

// Bytes as whole pages.
function pagesOf(bytes: u32): u32 {
  return (bytes + PAGE - 1) / PAGE;
}

// The largest order of a run that begins at `page` and has at most `pages`.
function fitting(page: u32, pages: u32): u32 {
  const aligned = page == 0 ? ORDERS - 1 : <u32>ctz(page);
  return min<u32>(aligned, 31 - <u32>clz(pages));
}

/**
 * A zeroed run of at least `bytes`: its offset (a multiple of 4096), or 0 when there is none. What
 * a power of two has over the pages that are needed stays free.
 */
export function runTake(bytes: u32): u32 {
  const order = orderOf(bytes);
  let from = order;
  while (from < ORDERS && half(HEADS + (from << 2)) == 0) from++;
  if (from >= ORDERS) return 0;
  const page = (half(HEADS + (from << 2)) - FIRST) / PAGE;
  unlink(page, from);
  while (from > order) {
    from--;
    push(page + ((<u32>1) << from), from);
  }
  const end = page + ((<u32>1) << order);
  for (let rest = page + pagesOf(bytes); rest < end; ) {
    const piece = fitting(rest, end - rest);
    push(rest, piece);
    rest += (<u32>1) << piece;
  }
  return at(page);
}

/** Gives back a run that was taken with the same `bytes`, and clears it. */
export function runFree(run: u32, bytes: u32): void {
  if (run < FIRST || (run - FIRST) % PAGE != 0) damaged("a run is given back that never was one");
  memory.fill(imageBase() + run, 0, <usize>bytes);
  let page = (run - FIRST) / PAGE;
  const end = page + pagesOf(bytes);
  while (page < end) {
    const piece = fitting(page, end - page);
    join(page, piece);
    page += (<u32>1) << piece;
  }
}

// Frees a run and joins it with its buddies as long as they are free.
function join(first: u32, from: u32): void {
  const pages = half(PAGES);
  let page = first;
  let order = from;
  for (; order + 1 < ORDERS; order++) {
    const buddy = page ^ ((<u32>1) << order);
    if (buddy + ((<u32>1) << order) > pages || marked(buddy) != order + 1) break;
    unlink(buddy, order);
    page &= ~((<u32>1) << order);
  }
  push(page, order);
}

/** Bytes of the heap that are neither in a free run nor kept: what pools take; -2 = busy. */
export function heapUsed(): u32 {
  if (!enter()) return 0xfffffffe;
  let free: u32 = 0;
  for (let order: u32 = 0; order < ORDERS; order++) {
    let run = half(HEADS + (order << 2));
    for (let step: u32 = 0; step < 262144 && run != 0; step++) {
      free += (<u32>PAGE) << order;
      run = half(run);
    }
  }
  const kept = half(KEPT) != 0 ? KEPT_BYTES : 0;
  const used = half(PAGES) * PAGE - free - arenaRoom() - kept;
  leave();
  return used;
}

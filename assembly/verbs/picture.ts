// A picture of a range: its addresses along a Hilbert curve, so that neighbours stay neighbours and
// a prefix is a square or half of one. The picture shows the smallest prefix that holds the range;
// of more than 65,536 addresses only the part in which addresses are taken, unless the whole is
// wanted. What has more addresses than cells is binned: a cell then stands for 2^n of them.
//
//   cell     | held u32 | reserved u32 | cooling u32 | - | skipped f64 | outside f64 |   32 bytes
//   letters  one byte per cell, row by row:
//            H held  R reserved  C cooling  X never given  . free  (blank) outside the range
//            h r c x: fewer than half of the cell's addresses
//
// An odd number of bits makes a picture that is twice as wide as high: the first half of a curve.
// Cost: the taken addresses of the prefix, and cells times excludes.
import { treeOf } from "../pool/pool";
import { below, Range } from "../pool/range";
import { recordByAddress } from "../records/record";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { skipAt, skipCount, skipsOf } from "./census";
import { holdingOf, IS_COOLING, IS_FREE, IS_HELD, IS_RESERVED } from "./holding";
import { wideHi, wideLo, wideMinus, wideNumber, wideShift } from "./wide";

const CELLS_MAX: i32 = 4096;
const CELL_BYTES: usize = 32;
/** Of a larger prefix only the part with taken addresses is shown. */
const WHOLE_BITS: i32 = 16;
const SKIPPED: usize = 16;
const OUTSIDE: usize = 24;

/** The prefix that the last picture shows. */
export let pictureHi: u64 = 0;
export let pictureLo: u64 = 0;
/** log2 of its addresses, and of those that one cell stands for. */
export let pictureBits: i32 = 0;
export let pictureCellBits: i32 = 0;
export let pictureColumns: i32 = 0;
export let pictureRows: i32 = 0;
/** It shows only a part of the range. */
export let picturePart: bool = false;

let cells: usize = 0;
let letters: usize = 0;
let lastHi: u64 = 0;
let lastLo: u64 = 0;

/** Takes the picture's memory, once. */
export function pictureReserve(): void {
  cells = scratchTake(<usize>CELLS_MAX * CELL_BYTES);
  letters = scratchTake(<usize>CELLS_MAX);
}

/** The letter of a cell. */
export function pictureLetter(x: i32, y: i32): u32 {
  return load<u8>(letters + y * pictureColumns + x);
}

// The smallest prefix of at least `least` bits that holds both addresses.
function frame(aHi: u64, aLo: u64, bHi: u64, bLo: u64, least: i32): void {
  const hi = aHi ^ bHi;
  const lo = aLo ^ bLo;
  const bits = hi != 0 ? 128 - <i32>clz<u64>(hi) : 64 - <i32>clz<u64>(lo);
  pictureBits = max<i32>(bits, least);
  const low: u64 = pictureBits >= 64 ? u64.MAX_VALUE : ((<u64>1) << (<u64>pictureBits)) - 1;
  const high: u64 =
    pictureBits <= 64
      ? 0
      : pictureBits >= 128
        ? u64.MAX_VALUE
        : ((<u64>1) << (<u64>(pictureBits - 64))) - 1;
  pictureHi = aHi & ~high;
  pictureLo = aLo & ~low;
  lastHi = aHi | high;
  lastLo = aLo | low;
}

// Narrows a large frame to what is taken in it.
function narrow(r: Range, most: i32): void {
  const tree = treeOf(r.family);
  let hi = r.startHi;
  let lo = r.startLo;
  let topHi = hi;
  let topLo = lo;
  const some = radixNextTaken(tree, hi, lo, r.endHi, r.endLo);
  const fromHi = some ? foundHi : r.startHi;
  const fromLo = some ? foundLo : r.startLo;
  // Each step finds a larger address, so it ends.
  while (radixNextTaken(tree, hi, lo, r.endHi, r.endLo)) {
    hi = foundHi;
    lo = foundLo;
    topHi = hi;
    topLo = lo;
    if (hi == r.endHi && lo == r.endLo) break;
    lo++;
    if (lo == 0) hi++;
  }
  const full = pictureBits;
  frame(fromHi, fromLo, some ? topHi : fromHi, some ? topLo : fromLo, min<i32>(most, full));
  picturePart = pictureBits < full;
}

function cellAt(n: i32): usize {
  return cells + <usize>n * CELL_BYTES;
}

function numberOf(hi: u64, lo: u64): i32 {
  wideMinus(hi, lo, pictureHi, pictureLo);
  wideShift(wideHi, wideLo, pictureCellBits);
  return <i32>wideLo;
}

// Adds what lies in start..end to one field of the cells.
function addInterval(field: usize, sHi: u64, sLo: u64, eHi: u64, eLo: u64): void {
  if (below(eHi, eLo, pictureHi, pictureLo) || below(lastHi, lastLo, sHi, sLo)) return;
  const early = below(sHi, sLo, pictureHi, pictureLo);
  const late = below(lastHi, lastLo, eHi, eLo);
  const first = early ? 0 : numberOf(sHi, sLo);
  const last = late ? numberOf(lastHi, lastLo) : numberOf(eHi, eLo);
  const each = perCell();
  wideMinus(sHi, sLo, pictureHi, pictureLo);
  const from = early ? 0.0 : wideNumber(wideHi, wideLo);
  wideMinus(late ? lastHi : eHi, late ? lastLo : eLo, pictureHi, pictureLo);
  const to = wideNumber(wideHi, wideLo) + 1.0;
  for (let n = first; n <= last; n++) {
    const p = cellAt(n) + field;
    const share = min<f64>(to, <f64>(n + 1) * each) - max<f64>(from, <f64>n * each);
    store<f64>(p, load<f64>(p) + share);
  }
}

function perCell(): f64 {
  return pictureCellBits >= 64
    ? <f64>((<u64>1) << (<u64>(pictureCellBits - 64))) * 18446744073709551616.0
    : <f64>((<u64>1) << (<u64>pictureCellBits));
}

function countTaken(r: Range): void {
  let hi = pictureHi;
  let lo = pictureLo;
  while (radixNextTaken(treeOf(r.family), hi, lo, lastHi, lastLo)) {
    hi = foundHi;
    lo = foundLo;
    const cell = recordByAddress(<u32>r.family, hi, lo);
    const state = cell == 0 ? IS_FREE : holdingOf(cell);
    if (state != IS_FREE) {
      const p = cellAt(numberOf(hi, lo)) + ((<usize>(state - IS_HELD)) << 2);
      store<u32>(p, load<u32>(p) + 1);
    }
    if (hi == lastHi && lo == lastLo) break;
    lo++;
    if (lo == 0) hi++;
  }
}

// The letter of cell `n` on the curve.
function letterOf(n: i32): u32 {
  const p = cellAt(n);
  const each = perCell();
  let most: u32 = 0;
  let state = IS_FREE;
  for (let s = IS_HELD; s <= IS_COOLING; s++) {
    const found = load<u32>(p + ((<usize>(s - IS_HELD)) << 2));
    if (found <= most) continue;
    most = found;
    state = s;
  }
  const half = each / 2.0;
  if (state != IS_FREE) {
    const upper: u32 = state == IS_HELD ? 72 : state == IS_RESERVED ? 82 : 67;
    return <f64>most >= half ? upper : upper + 32;
  }
  const skipped = load<f64>(p + SKIPPED);
  const outside = load<f64>(p + OUTSIDE);
  if (outside >= each) return 32;
  if (skipped > 0.0) return skipped + outside >= each || skipped >= half ? 88 : 120;
  return 46;
}

// Where cell `n` of a curve in a square of 2^order lies; x and y change places, so that its first
// half lies on top.
let hilbertX: i32 = 0;
let hilbertY: i32 = 0;
function hilbert(n: i32, order: i32): void {
  let x = 0;
  let y = 0;
  let rest = n;
  for (let bit = 0; bit < order; bit++) {
    const s = 1 << bit;
    const rx = 1 & (rest >> 1);
    const ry = 1 & (rest ^ rx);
    if (ry == 0) {
      if (rx == 1) {
        x = s - 1 - x;
        y = s - 1 - y;
      }
      const other = x;
      x = y;
      y = other;
    }
    x += s * rx;
    y += s * ry;
    rest >>= 2;
  }
  hilbertX = y;
  hilbertY = x;
}

/** Draws a range in at most 2^most cells (12 at most). */
export function pictureOf(r: Range, most: i32, whole: bool): void {
  const mark = scratchMark();
  frame(r.startHi, r.startLo, r.endHi, r.endLo, 2);
  picturePart = false;
  if (!whole && pictureBits > WHOLE_BITS) narrow(r, most);
  const bits = min<i32>(pictureBits, most);
  pictureCellBits = pictureBits - bits;
  const order = (bits + 1) >> 1;
  pictureColumns = 1 << order;
  pictureRows = 1 << (bits - order);
  memory.fill(cells, 0, <usize>(1 << bits) * CELL_BYTES);
  countTaken(r);
  skipsOf(r);
  for (let i = 0; i < skipCount; i++) {
    const s = skipAt(i);
    addInterval(SKIPPED, s.startHi, s.startLo, s.endHi, s.endLo);
  }
  if (below(pictureHi, pictureLo, r.startHi, r.startLo)) {
    const before = r.startLo - 1;
    addInterval(OUTSIDE, pictureHi, pictureLo, r.startLo == 0 ? r.startHi - 1 : r.startHi, before);
  }
  if (below(r.endHi, r.endLo, lastHi, lastLo)) {
    const behind = r.endLo + 1;
    addInterval(OUTSIDE, behind == 0 ? r.endHi + 1 : r.endHi, behind, lastHi, lastLo);
  }
  for (let n = 0; n < 1 << bits; n++) {
    hilbert(n, order);
    store<u8>(letters + hilbertY * pictureColumns + hilbertX, <u8>letterOf(n));
  }
  scratchRewind(mark);
}

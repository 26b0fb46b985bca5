// Tables for people: columns as wide as their widest cell. A table is walked twice by its verb,
// once to measure and once to print, so that it needs no memory for its rows.
//
//   tableBegin(); rows(); tablePrint(); rows();        a row: cellEnd() after each cell, rowEnd()
//
// Widths count code points. A cell may be cut at 4,096 bytes.
import { Text, textByte, textBytes, textClear, textTake, textTo } from "../protocol/text";
import { scratchTake } from "../scratch";
import { printHere, printRoom } from "./print";

const COLUMNS_MAX: i32 = 16;
const ROW_BYTES: i32 = 16384;

let row: Text = changetype<Text>(0);
let widths: usize = 0;
let ends: usize = 0;
let column: i32 = 0;
let printing: bool = false;

/** Takes the memory of a row, once. */
export function tableReserve(): void {
  row = textTake(ROW_BYTES);
  widths = scratchTake(<usize>COLUMNS_MAX * 4);
  ends = scratchTake(<usize>COLUMNS_MAX * 4);
}

/** Begins to measure. The next cell is the first of a row. */
export function tableBegin(): void {
  memory.fill(widths, 0, <usize>COLUMNS_MAX * 4);
  printing = false;
  rowBegin();
}

/** From here on rows are printed. */
export function tablePrint(): void {
  printing = true;
  rowBegin();
}

function rowBegin(): void {
  textClear(row);
  textTo(row);
  column = 0;
}

/** Ends a cell: what was written since the one before. */
export function cellEnd(): void {
  if (column < COLUMNS_MAX) {
    store<i32>(ends + ((<usize>column) << 2), row.length);
    column++;
  }
  textTo(row);
}

function runes(from: i32, to: i32): i32 {
  let n = 0;
  for (let i = from; i < to; i++) if ((load<u8>(row.at + i) & 0xc0) != 0x80) n++;
  return n;
}

function end(i: i32): i32 {
  return load<i32>(ends + ((<usize>i) << 2));
}

/** Ends a row: measured or printed. */
export function rowEnd(): void {
  let from = 0;
  if (printing) printHere();
  // Empty cells at the end leave no blanks behind.
  while (column > 1 && end(column - 1) == end(column - 2)) column--;
  for (let i = 0; i < column; i++) {
    const to = end(i);
    const wide = runes(from, to);
    const most = load<i32>(widths + ((<usize>i) << 2));
    if (!printing && wide > most) store<i32>(widths + ((<usize>i) << 2), wide);
    if (printing) {
      textBytes(row.at + from, to - from);
      for (let n = wide; i < column - 1 && n < most + 2; n++) textByte(32);
    }
    from = to;
  }
  if (printing) {
    textByte(10);
    printRoom();
  }
  rowBegin();
}

// Captions of range sets, for pictures and forecasts: from where to where a range reaches, how many
// of a set's addresses are held, reserved, cool or free, and what a cell of a picture stands for.
import { Range } from "../pool/range";
import { Census } from "./census";
import { pictureBits, pictureCellBits, pictureHi, pictureLo, picturePart } from "./picture";
import { say, sayAddress, sayBytes, sayNumber } from "./print";
import { sayCount, sayWide } from "./wide";

/** "10.77.0.10 to 10.77.0.17", and the range's name. */
export function sayRange(r: Range): void {
  sayAddress(r.family, r.startHi, r.startLo);
  say(" to ");
  sayAddress(r.family, r.endHi, r.endLo);
  if (r.nameBytes == 0) return;
  say(" (");
  sayBytes(r.name, r.nameBytes);
  say(")");
}

/** "14 addresses: 3 held, 1 reserved, 1 cooling, 9 free" */
export function sayCensus(c: Census): void {
  sayCount(c.sizeHi, c.sizeLo);
  say(" addresses: ");
  sayWide(0, c.held);
  say(" held, ");
  sayWide(0, c.reserved);
  say(" reserved, ");
  sayWide(0, c.cooling);
  say(" cooling, ");
  sayCount(c.freeHi, c.freeLo);
  say(" free");
}

/** "10.77.0.0/27, an address a cell" */
export function sayFrame(r: Range): void {
  sayAddress(r.family, pictureHi, pictureLo);
  say("/");
  sayNumber((r.family == 4 ? 32 : 128) - pictureBits);
  if (pictureCellBits == 0) say(", an address a cell");
  else {
    say(", ");
    const high: u64 = pictureCellBits >= 64 ? (<u64>1) << (<u64>(pictureCellBits - 64)) : 0;
    sayCount(high, pictureCellBits >= 64 ? 0 : (<u64>1) << (<u64>pictureCellBits));
    say(" addresses a cell");
  }
  if (picturePart) say("; only this part of the range is in use");
}

// The name that was probably meant: of names that there are the one that differs least from what
// was written, if it doesn't differ by much. Case counts.
//
//   nearBegin(what was written), nearTry(a name) for each of them: nearAt, nearBytes
//
// The distance is in characters to add, take away, change or swap with the next one: three rows of
// its table are kept, one for each of the last characters of what was written.
import { scratchTake } from "../scratch";

/** Longer names aren't tried. */
const NAME_MAX: i32 = 31;
const ROW: usize = 32;
/** Of so many characters one may be wrong. */
const RIGHT: i32 = 3;

let rows: usize = 0;
let writtenAt: usize = 0;
let writtenBytes: i32 = 0;
let least: i32 = 0;
let tried: usize = 0;

/** The name that was found. */
export let nearAt: usize = 0;
export let nearBytes: i32 = 0;

/** What was written. */
export function nearBegin(at: usize, bytes: i32): void {
  rows = scratchTake(3 * ROW);
  tried = scratchTake(ROW);
  nearAt = scratchTake(ROW);
  nearBytes = 0;
  writtenAt = at;
  writtenBytes = bytes;
  least = NAME_MAX;
}

function cell(i: i32, j: i32): usize {
  return rows + <usize>(i % 3) * ROW + <usize>j;
}

function written(i: i32): u8 {
  return load<u8>(writtenAt + <usize>i);
}

function name(j: i32): u8 {
  return load<u8>(tried + <usize>j);
}

// How far the written one is from the name that is tried, of `bytes` bytes.
function distance(bytes: i32): i32 {
  for (let j = 0; j <= bytes; j++) store<u8>(cell(0, j), <u8>j);
  for (let i = 1; i <= writtenBytes; i++) {
    store<u8>(cell(i, 0), <u8>i);
    for (let j = 1; j <= bytes; j++) {
      const isSame = written(i - 1) == name(j - 1);
      let far = <i32>load<u8>(cell(i - 1, j - 1)) + (isSame ? 0 : 1);
      far = min<i32>(far, <i32>load<u8>(cell(i - 1, j)) + 1);
      far = min<i32>(far, <i32>load<u8>(cell(i, j - 1)) + 1);
      const swaps =
        i > 1 && j > 1 && written(i - 1) == name(j - 2) && written(i - 2) == name(j - 1);
      if (swaps) far = min<i32>(far, <i32>load<u8>(cell(i - 2, j - 2)) + 1);
      store<u8>(cell(i, j), <u8>far);
    }
  }
  return <i32>load<u8>(cell(writtenBytes, bytes));
}

/** Tries characters `from` to `end` of a text as the name. */
export function nearTry(text: string, from: i32, end: i32): void {
  const bytes = end - from;
  const longer = max<i32>(bytes, writtenBytes);
  const most = max<i32>(1, longer / RIGHT);
  if (longer > NAME_MAX || abs<i32>(bytes - writtenBytes) > most) return;
  for (let j = 0; j < bytes; j++) {
    const at = changetype<usize>(text) + ((<usize>(from + j)) << 1);
    store<u8>(tried + <usize>j, <u8>load<u16>(at));
  }
  const far = distance(bytes);
  if (far > most || far >= least) return;
  least = far;
  memory.copy(nearAt, tried, <usize>bytes);
  nearBytes = bytes;
}

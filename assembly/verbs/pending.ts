// Pending: reservations whose time is over and that no call of the plugin has collected yet. Nobody
// has written an event of them, since nobody came by; `history` and `explain` put those events into
// their copy of the image, as the next calls will, so that they tell the same before and after.
//
// Cost: the reservations that are over; of those that belong to the target PENDING_MAX are told,
// what was over first.
import { EXPIRY, H_RESERVED } from "../image/header";
import { half, word } from "../image/image";
import { C_DUE, cellAt, cellHead, headAt, KIND_NAME } from "../records/cell";
import { eventOf } from "../records/event";
import { EVENT_EXPIRED, EVENT_ID_BYTES, H_EVENTS } from "../records/eventcell";
import { DUE_RESERVED } from "../records/expiry";
import { idText, nameText, nextOfKind, textAt } from "../records/key";
import { recordByAddress } from "../records/record";
import { foundLo, radixNextTaken } from "../sets/radix";
import { isThisBoot } from "./place";
import { isAddress, targetAt, targetBytes, targetFamily, targetHi, targetLo } from "./target";
import { bootTime } from "./times";

/** A quarter of the ring: the events that are kept have to stay. */
const PENDING_MAX: i32 = 256;

function isTargetsText(at: usize, bytes: i32): bool {
  return bytes == targetBytes && memory.compare(at, targetAt, <usize>bytes) == 0;
}

// The record's name, or the beginning of its owner's id, as events.ts finds them.
function isTargets(head: u32, atAddress: u32): bool {
  if (targetBytes == 0) return true;
  if (isAddress) return head == atAddress;
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0) {
    const bytes = <i32>nameText(name);
    if (isTargetsText(textAt, bytes)) return true;
  }
  const most = <i32>EVENT_ID_BYTES;
  const bytes = min<i32>(min<i32>(<i32>idText(head), most), targetBytes);
  if (bytes == 0 || bytes < min<i32>(targetBytes, most)) return false;
  return memory.compare(textAt, targetAt, <usize>bytes) == 0;
}

/** Puts what is over into the recorder of the copied image. Nothing where no recorder runs. */
export function pendingTell(): void {
  if (!isThisBoot || word(H_EVENTS) == 0) return;
  const cell = isAddress ? recordByAddress(<u32>targetFamily, targetHi, targetLo) : 0;
  const atAddress = cell == 0 ? 0 : headAt(cellHead(cell));
  const now = bootTime();
  const end = ((<u64>now + 1) << 32) - 1;
  let from: u64 = 0;
  const most = word(H_RESERVED);
  let told = 0;
  for (let step: u64 = 0; step < most && told < PENDING_MAX; step++) {
    if (!radixNextTaken(EXPIRY, DUE_RESERVED, from, DUE_RESERVED, end)) return;
    from = foundLo + 1;
    const head = headAt(cellAt(<u32>foundLo));
    if (!isTargets(head, atAddress)) continue;
    eventOf(EVENT_EXPIRED, head, now - half(head + C_DUE), now, 0);
    told++;
  }
}

// Whose is a fixed address that can't be given: the words for it. In mode static the config's
// author reads them, so they name the holder. What an annotation asked for, a tenant reads: the
// words say why, but not whose pod it is.
import { half, imageBase } from "../image/image";
import { wantedAt } from "../pool/range";
import {
  C_DUE,
  C_IFNAME,
  cellByte,
  cellKind,
  KIND_CONTAINER,
  KIND_NAME,
  STATE_ALLOCATION,
  STATE_RESERVATION,
} from "../records/cell";
import { idText, nameText, nextOfKind, textAt } from "../records/key";
import { call, MODE_STATIC } from "./call";
import {
  ERROR_TAKEN,
  ERROR_TRY_AGAIN,
  errorAddress,
  errorAnnotation,
  errorBegin,
  errorBytes,
  errorCode,
  errorNumber,
  errorText,
} from "./errors";
import { fixedBy } from "./fixed";
import { now } from "./session";

/** Is the address among the `count` Wanted as a fixed one? (of any family: values differ) */
export function isFixed(wanted: usize, count: i32, hi: u64, lo: u64): bool {
  for (let i = 0; i < count; i++) {
    const w = wantedAt(wanted, i);
    if (w.range != 0 && w.hi == hi && w.lo == lo) return true;
  }
  return false;
}

// The name of a record's pod, or the id of its owner.
function sayOwner(head: u32): void {
  const name = nextOfKind(head, KIND_NAME);
  if (name != 0) {
    errorText("pod ");
    const bytes = nameText(name);
    errorBytes(textAt, <i32>bytes);
    if (cellByte(head, 5) != STATE_ALLOCATION) return;
    errorText(", ");
  }
  if (cellKind(head) == KIND_CONTAINER) errorText("container ");
  else errorText("owner ");
  const bytes = idText(head);
  errorBytes(textAt, <i32>bytes);
  if (cellByte(head, 6) == 0) return;
  errorText(", interface ");
  errorBytes(imageBase() + head + C_IFNAME, <i32>min<u32>(cellByte(head, 6), 15));
}

/**
 * Begins the error: another container of the same pod name, whose allocation is `head`, still has
 * the address that was fixed for this call. Its DEL is on the way; the runtime tries again.
 */
export function sayBusy(head: u32, family: i32, hi: u64, lo: u64): void {
  errorBegin(ERROR_TRY_AGAIN);
  errorText("try again later: ");
  errorAddress(family, hi, lo);
  errorText(", which is fixed for this pod, is still held by ");
  sayOwner(head);
}

/** Begins the error: the record `head` has the address that was fixed for this call. */
export function sayTaken(head: u32, family: i32, hi: u64, lo: u64): void {
  const open = call.mode == MODE_STATIC;
  if (open) {
    errorBegin(ERROR_TAKEN);
    errorText("static address ");
  } else {
    errorAnnotation(fixedBy);
    errorCode(ERROR_TAKEN);
  }
  errorAddress(family, hi, lo);
  const state = cellByte(head, 5);
  if (state == STATE_ALLOCATION) errorText(" is held by ");
  else if (state == STATE_RESERVATION) errorText(" is reserved for ");
  else errorText(" cools down for ");
  if (open) sayOwner(head);
  else errorText(state == STATE_ALLOCATION ? "another container" : "another pod");
  const due = half(head + C_DUE);
  if (state == STATE_ALLOCATION || due <= now()) return;
  errorText(", for ");
  errorNumber(due - now());
  errorText(" s more");
}

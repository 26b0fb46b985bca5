// A refused ADD in the recorder: who was refused, with which code, why, and which address was asked
// for. It goes out in the commit that moves the cursors. Why is a number: the allocator's answer,
// or one of those below.
import {
  FAIL_DUPLICATE,
  FAIL_EXHAUSTED,
  FAIL_LEFTOVER,
  FAIL_TAKEN,
  failHi,
  failLo,
  failSet,
} from "../pool/allocator";
import { Order } from "../pool/order";
import { setAt } from "../pool/range";
import {
  refusalAddress,
  refusalBegin,
  refusalEnd,
  refusalName,
  refusalOwner,
} from "../records/event";
import { ERROR_TAKEN, errorBegun } from "./errors";

/** FAIL_TAKEN of an address that an annotation or mode static fixes: another code (111). */
export const REFUSED_FIXED: i32 = 9;
/** An annotation of the pod can't be followed (code 110). */
export const REFUSED_ANNOTATION: i32 = 10;

// Was an address asked for that can be told?
function names(status: i32): bool {
  if (status == FAIL_DUPLICATE || status == FAIL_EXHAUSTED || status == FAIL_LEFTOVER) return false;
  return status != REFUSED_ANNOTATION && (failHi | failLo) != 0;
}

/** Writes the refusal of an order down; `status`: the allocator's, or REFUSED_ANNOTATION. */
export function refusalTell(o: Order, status: i32): void {
  const code = errorBegun();
  const why = status == FAIL_TAKEN && code == ERROR_TAKEN ? REFUSED_FIXED : status;
  refusalBegin(<u32>code, <u32>why, o.now, o.number);
  refusalOwner(o.kind, o.id, o.idBytes, o.ifname, o.ifBytes);
  if (o.nameBytes != 0) refusalName(o.name, o.nameBytes);
  if (names(status)) {
    const set = setAt(o.sets, failSet);
    refusalAddress(<u32>set.family, failHi, failLo);
  }
  refusalEnd();
}

// A refused ADD in the recorder: who was refused, with which code, why, and which address was asked
// for. It goes out in the commit that moves the cursors.
import {
  FAIL_DUPLICATE,
  FAIL_EXHAUSTED,
  FAIL_LEFTOVER,
  failHi,
  failLo,
  failSet,
} from "../pool/allocator";
import { Order } from "../pool/order";
import { RangeSet } from "../pool/range";
import {
  refusalAddress,
  refusalBegin,
  refusalEnd,
  refusalName,
  refusalOwner,
} from "../records/event";
import { errorBegun } from "./errors";

/** Writes the refusal of an order down; `status` is what the allocator said. */
export function refusalTell(o: Order, status: i32): void {
  refusalBegin(<u32>errorBegun(), <u32>status, o.now, o.number);
  refusalOwner(o.kind, o.id, o.idBytes, o.ifname, o.ifBytes);
  if (o.nameBytes != 0) refusalName(o.name, o.nameBytes);
  const asked = status != FAIL_DUPLICATE && status != FAIL_EXHAUSTED && status != FAIL_LEFTOVER;
  if (asked && (failHi | failLo) != 0) {
    const set = changetype<RangeSet>(o.sets + <usize>failSet * offsetof<RangeSet>());
    refusalAddress(<u32>set.family, failHi, failLo);
  }
  refusalEnd();
}

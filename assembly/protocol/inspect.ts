// CHECK, STATUS: what only looks. Both open the store like a writer (a commit that a killed
// process left is applied, another boot's image is replaced) and change nothing else.

import * as host from "../host";
import { EXIT_OK } from "../numbers";
import { overdueOf, overdueSawAll } from "../pool/overdue";
import { POLICY_FIRST, poolCanYield, poolHasAny, poolPick } from "../pool/pool";
import { RangeSet } from "../pool/range";
import { cellHasFamily, cellHi, cellLo, KIND_MORE } from "../records/cell";
import { isAnyOver } from "../records/due";
import { CHAIN_MAX, nextOfKind } from "../records/key";
import { STORE_NONE } from "../store/store";
import { call, MODE_STATIC, Previous, STATUS_UNAVAILABLE } from "./call";
import { coexistHolds, coexistOpen, coexistSweep, ownRecord } from "./coexist";
import {
  ERROR_PLUGIN,
  ERROR_UNAVAILABLE,
  errorAddress,
  errorBegin,
  errorBytes,
  errorCode,
  errorPrint,
  errorRangeSet,
  errorText,
} from "./errors";
import { failNotFound } from "./failure";
import { now } from "./session";

function notFound(): i32 {
  failNotFound();
  host.unlock();
  return errorPrint();
}

function inPrevious(family: u32, hi: u64, lo: u64): bool {
  for (let i = 0; i < call.prevCount; i++) {
    const p = changetype<Previous>(call.prevs + <usize>i * offsetof<Previous>());
    if (p.family == <i32>family && p.hi == hi && p.lo == lo) return true;
  }
  return false;
}

// SPEC, "CHECK": prevResult must be consulted. Every address that we hold has to be in it.
function missing(cell: u32): bool {
  for (let family: u32 = 4; family <= 6; family += 2) {
    if (!cellHasFamily(cell, family)) continue;
    const hi = cellHi(cell, family);
    const lo = cellLo(cell, family);
    if (inPrevious(family, hi, lo)) continue;
    errorBegin(ERROR_PLUGIN);
    errorText("container ");
    errorBytes(call.containerId.at, call.containerId.bytes);
    errorText(" holds ");
    errorAddress(<i32>family, hi, lo);
    errorText(", which is not among the ips of prevResult");
    return true;
  }
  return false;
}

/** CHECK. Answers the exit status. */
export function check(): i32 {
  // Mode static without an address: there is nothing to hold.
  if (call.setCount == 0) return EXIT_OK;
  const status = coexistOpen(false);
  if (status < 0) return errorPrint();
  if (status == STORE_NONE) return notFound();
  let cell = ownRecord();
  if (cell == 0 || !coexistHolds(cell)) return notFound();
  for (let step: u32 = 0; step < CHAIN_MAX && cell != 0 && call.prevPresent; step++) {
    if (missing(cell)) {
      host.unlock();
      return errorPrint();
    }
    cell = nextOfKind(cell, KIND_MORE);
  }
  return EXIT_OK;
}

// Could an ADD get something of the set? Without an image nothing is taken yet.
function isReady(set: usize, image: bool): bool {
  if (!image) return poolHasAny(set);
  if (poolPick(set, POLICY_FIRST, 0, 0)) return true;
  // Of a set too large to be gone through nobody can say: then it isn't unavailable on a guess.
  if (overdueOf(set, now()) != 0 || (!overdueSawAll() && isAnyOver(now()))) return true;
  return poolCanYield(set) || (coexistSweep() && poolPick(set, POLICY_FIRST, 0, 0));
}

/**
 * STATUS (SPEC 1.1): 50 for state that can't be used. A full range set, and one that has no address
 * to give at all, is an error only where the config says so: containerd and CRI-O take an error for
 * NetworkReady=false and the node's pods go.
 */
export function status(): i32 {
  const opened = coexistOpen(false);
  if (opened < 0) {
    errorCode(ERROR_UNAVAILABLE);
    return errorPrint();
  }
  if (!refuses(opened != STORE_NONE)) return EXIT_OK;
  host.unlock();
  return errorPrint();
}

/** STATUS of a network without a directory: a first ADD would make it. The exit status. */
export function statusBefore(): i32 {
  return refuses(false) ? errorPrint() : EXIT_OK;
}

// Did an error begin for a range set of which an ADD would get nothing?
function refuses(image: bool): bool {
  if (call.statusWhenFull != STATUS_UNAVAILABLE) return false;
  if (call.mode == MODE_STATIC) return false; // nothing there that could be full
  for (let i = 0; i < call.setCount; i++) {
    const set = call.sets + <usize>i * offsetof<RangeSet>();
    if (isReady(set, image)) continue;
    errorBegin(ERROR_UNAVAILABLE);
    errorText("no IP addresses available in range set: ");
    errorRangeSet(set);
    return true;
  }
  return false;
}

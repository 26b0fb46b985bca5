// `berth check`: walks every structure of the copied image (pool/check.ts) and tells each fault; of
// a sound one also how many addresses are held for host-local's files alone, which is no fault.

import { H_HELD } from "../image/header";
import { imageLength, word } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { check } from "../pool/check";
import { checkOffset, checkText } from "../pool/faultlist";
import { treeOf } from "../pool/pool";
import { close, item, member, open, valueNumber, valuePlain } from "../protocol/document";
import { cellHead, headAt } from "../records/cell";
import { headStandsIn } from "../records/file";
import { recordByAddress } from "../records/record";
import { foundHi, foundLo, radixNextTaken } from "../sets/radix";
import { isThisBoot } from "./place";
import { isJson, printRoom, say, sayNumber } from "./print";
import { waitingCooling, waitingReserved } from "./waiting";

const KEPT: i32 = 256;

function textOf(n: i32): string {
  return changetype<string>(<usize>checkText(n));
}

/** Checks the copied image. EXIT_ERROR if it has a fault. */
export function faults(): i32 {
  const count = check();
  if (isJson) faultsJson(count);
  else faultsText(count);
  return count == 0 ? EXIT_OK : EXIT_ERROR;
}

function sayMany(n: u64, one: string, many: string): void {
  sayNumber(<i64>n);
  say(n == 1 ? one : many);
}

// Addresses of a family that are held since a file of host-local is there which names no container,
// or one that has enough without them.
function standInsOf(family: u32): u64 {
  let count: u64 = 0;
  let hi: u64 = 0;
  let lo: u64 = 0;
  // Each step finds a larger address (radixNextTaken traps otherwise), so it ends.
  while (radixNextTaken(treeOf(<i32>family), hi, lo, u64.MAX_VALUE, u64.MAX_VALUE)) {
    hi = foundHi;
    lo = foundLo + 1;
    const cell = recordByAddress(family, foundHi, foundLo);
    if (cell != 0 && headStandsIn(headAt(cellHead(cell)))) count++;
    if (lo == 0 && ++hi == 0) break;
  }
  return count;
}

function standIns(): u64 {
  return standInsOf(4) + standInsOf(6);
}

function faultsText(count: i32): void {
  if (count == 0) {
    say("sound: ");
    sayMany(word(H_HELD), " allocation, ", " allocations, ");
    sayMany(waitingReserved(), " reservation, ", " reservations, ");
    sayMany(waitingCooling(), " address cooling, ", " addresses cooling, ");
    sayNumber(imageLength());
    say(" bytes\n");
    const n = standIns();
    if (n == 0) return;
    sayMany(n, " address is", " addresses are");
    say(" held for files of host-local alone (owner host-local:ADDRESS in berth show)\n");
    return;
  }
  sayNumber(count);
  say(count == 1 ? " fault:\n" : " faults:\n");
  for (let n = 0; n < min(count, KEPT); n++) {
    say("  ");
    say(textOf(n));
    say(" (at ");
    sayNumber(checkOffset(n));
    say(")\n");
    printRoom();
  }
  if (count > KEPT) say("  ...\n");
  if (isThisBoot) return;
  say("This state is of another boot: the next call of the plugin on its own node rebuilds it.\n");
}

function faultsJson(count: i32): void {
  member("sound");
  say(count == 0 ? "true" : "false");
  member("bytes");
  valueNumber(imageLength());
  if (count == 0) {
    member("standIns");
    valueNumber(<i64>standIns());
  }
  member("faultCount");
  valueNumber(count);
  member("faults");
  open(91);
  for (let n = 0; n < min(count, KEPT); n++) {
    item();
    open(123);
    member("fault");
    valuePlain(textOf(n));
    member("at");
    valueNumber(checkOffset(n));
    close(125);
    printRoom();
  }
  close(93);
}

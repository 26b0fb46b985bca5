// The verbs of the CNI protocol once the host has answered about the lock.

import { EXIT_OK } from "../numbers";
import { STORE_NONE } from "../store/store";
import { add, addRefused } from "./add";
import { CMD_ADD, CMD_CHECK, CMD_DEL, CMD_GC, CMD_STATUS, call } from "./call";
import { coexistOpen } from "./coexist";
import { collect } from "./collect";
import { del, delNote } from "./del";
import { ERROR_UNAVAILABLE, errorCode, errorPrint } from "./errors";
import { check, status } from "./inspect";
import { diskError, isDurable, isSynced, lockError, mannerOf, sessionCatchUp } from "./session";

const EIO: i32 = -5;

function gc(): i32 {
  const opened = coexistOpen(false);
  if (opened == STORE_NONE) return EXIT_OK;
  if (opened < 0 || !sessionCatchUp()) return errorPrint();
  const done = collect(call.attachments, call.attachmentCount, mannerOf(), isSynced(), isDurable());
  if (done == 0) return EXIT_OK;
  diskError("write the state in ", done < 0 ? done : EIO);
  return errorPrint();
}

/**
 * Does the call's verb. `lock` is 0, or -errno: why the lock wasn't given. Answers the exit status.
 */
export function perform(lock: i32): i32 {
  if (call.refused) return addRefused(lock);
  if (lock != 0) {
    if (call.command == CMD_DEL) return delNote();
    lockError(lock);
    if (call.command == CMD_STATUS) errorCode(ERROR_UNAVAILABLE);
    return errorPrint();
  }
  switch (call.command) {
    case CMD_ADD:
      return add();
    case CMD_DEL:
      return del();
    case CMD_CHECK:
      return check();
    case CMD_GC:
      return gc();
    default:
      return status();
  }
}

/** DEL after a trap: the state can't be used, so a note it is. */
export { delNote as delFault };

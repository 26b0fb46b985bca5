// DEL: lets go what the container holds; pool/leave.ts says what becomes of it. It doesn't fail for
// want of a lock, of space or of good state: containerd never repeats a failed DEL, so a failure
// would be a leak for ever. What can't be committed is left as a note, which the next writer
// applies (notes.ts).

import { EXIT_OK } from "../numbers";
import { letGoAll } from "../store/letgo";
import { noteLeave } from "../store/notes";
import { STORE_NONE } from "../store/store";
import { call } from "./call";
import { coexistOpen, coexists, oldDigests, ownRecord } from "./coexist";
import {
  ERROR_TRY_AGAIN,
  errorBegin,
  errorBytes,
  errorErrno,
  errorPrint,
  errorText,
} from "./errors";
import {
  isDurable,
  isSynced,
  mannerOf,
  ownDigests,
  sessionCatchUp,
  sessionCommit,
  sessionDone,
} from "./session";

/** DEL that can't reach the state: leaves a note and succeeds; error 11 if not even that works. */
export function delNote(): i32 {
  ownDigests();
  let status = noteLeave();
  // What host-local's old format wrote down has no interface.
  if (status == 0 && coexists()) {
    oldDigests();
    status = noteLeave();
  }
  if (status == 0) return EXIT_OK;
  errorBegin(ERROR_TRY_AGAIN);
  errorText("can't leave a note for this DEL in ");
  errorBytes(call.directory.at, call.directory.bytes);
  errorText(": ");
  errorErrno(status);
  errorText(": try again later");
  return errorPrint();
}

/** DEL. Answers the exit status. */
export function del(): i32 {
  const status = coexistOpen(false);
  if (status == STORE_NONE) return EXIT_OK;
  if (status < 0 || !sessionCatchUp()) return delNote();
  const head = ownRecord();
  const part = head == 0 ? 0 : letGoAll(head, mannerOf(), isSynced(), isDurable());
  return sessionDone(part, false) && sessionCommit() ? EXIT_OK : delNote();
}

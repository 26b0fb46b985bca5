// DEL: releases what the container holds. It doesn't fail for want of a lock, of space or of good
// state: containerd never repeats a failed DEL, so a failure would be a leak for ever. What can't
// be committed is left as a note, which the next writer applies (notes.ts).

import { EXIT_OK } from "../numbers";
import { release } from "../pool/allocator";
import { digest0, digest1 } from "../records/key";
import { recordByDigest } from "../records/record";
import { noteLeave } from "../store/notes";
import { STORE_NONE } from "../store/store";
import { call } from "./call";
import {
  ERROR_TRY_AGAIN,
  errorBegin,
  errorBytes,
  errorErrno,
  errorPrint,
  errorText,
} from "./errors";
import { nextNumber, now, ownDigests, sessionCatchUp, sessionCommit, sessionOpen } from "./session";

/** DEL that can't reach the state: leaves a note and succeeds; error 11 if not even that works. */
export function delNote(): i32 {
  ownDigests();
  const status = noteLeave();
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
  const status = sessionOpen(false);
  if (status == STORE_NONE) return EXIT_OK;
  if (status < 0 || !sessionCatchUp()) return delNote();
  ownDigests();
  const head = recordByDigest(digest0, digest1);
  if (head != 0) release(head, call.cooldown, now(), nextNumber());
  return sessionCommit() ? EXIT_OK : delNote();
}

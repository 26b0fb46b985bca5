// Stub until the store exists: what the verbs do once the lock is held.
import { ERROR_PLUGIN, errorBegin, errorPrint, errorText } from "./errors";
import { EXIT_OK } from "./numbers";

/** Does the call's verb under the lock (`lock` is 0) or answers why it couldn't. */
export function perform(lock: i32): i32 {
  errorBegin(ERROR_PLUGIN);
  errorText("no store yet");
  return errorPrint();
}

/** DEL after a trap. */
export function delFault(): i32 {
  return EXIT_OK;
}

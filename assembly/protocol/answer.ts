// Where the call's answer goes: to stdout, or, in a trial (shadow.ts), where somebody else has
// answered already, nowhere: it is kept to be compared.
import { output } from "../host";

let held: bool = false;
/** The last answer that was kept. */
export let answerAt: usize = 0;
export let answerBytes: i32 = 0;

/** From here on answers are kept and not printed. */
export function answerHold(): void {
  held = true;
  answerBytes = 0;
}

/** Begins with answers that are printed. */
export function answerBegin(): void {
  held = false;
  answerBytes = 0;
}

/** Prints or keeps an answer (whose bytes stay where they are). 0 or -errno. */
export function answer(at: usize, bytes: i32): i32 {
  if (!held) return output(1, at, bytes);
  answerAt = at;
  answerBytes = bytes;
  return 0;
}

// What a call of the library comes to: its answer, or the code of its refusal.
import { IpamError } from "../../src/errors.ts";

/** What `call` answers, or the code of the IpamError that it throws; anything else is thrown on. */
export function answerOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (error instanceof IpamError) return error.code;
    throw error;
  }
}

/** The code of the IpamError that `call` throws, "none" if it throws nothing. */
export function codeOf(call: () => unknown): string {
  return answerOf(() => {
    call();
    return "none";
  }) as string;
}

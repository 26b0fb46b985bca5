// (interface; body follows)
import { EXIT_OK } from "./numbers";

/** Prints the result for the call's version: one Given for each set, in order. */
export function resultPrint(given: usize): i32 {
  return EXIT_OK;
}

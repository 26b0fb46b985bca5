// (interface; body follows)

import { parsePrefix } from "./address";
import { callBegin } from "./call";
import { errorPrepare, errorPrint } from "./errors";
import { jsonRead } from "./json";
import { resultPrint } from "./result";
import { scratchAssignAll } from "./scratch";
import { perform } from "./verbs";

export function begin(): i32 {
  scratchAssignAll();
  errorPrepare();
  callBegin();
  parsePrefix(0, 0);
  jsonRead(0, 0);
  resultPrint(0);
  return errorPrint();
}

export function finish(lock: i32): i32 {
  return perform(lock);
}

export function fault(): i32 {
  return errorPrint();
}

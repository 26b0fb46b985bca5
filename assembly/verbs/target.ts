// The target of a verb: the word behind it, an address or else a name (namespace/name) or the id of
// a container.
import { parseAddress, parsedFamily, parsedHi, parsedLo } from "../address";
import { askAt, askBytes, askWord, askWords } from "./ask";

export let isAddress: bool = false;
export let targetFamily: i32 = 0;
export let targetHi: u64 = 0;
export let targetLo: u64 = 0;
/** The word; 0 bytes where there is none. */
export let targetAt: usize = 0;
export let targetBytes: i32 = 0;

/** Reads the first word. */
export function targetRead(): void {
  targetBytes = 0;
  isAddress = false;
  if (askWords == 0) return;
  askWord(0);
  targetAt = askAt;
  targetBytes = askBytes;
  isAddress = parseAddress(askAt, askBytes);
  targetFamily = parsedFamily;
  targetHi = parsedHi;
  targetLo = parsedLo;
}

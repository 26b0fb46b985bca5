// The range sets of a network as the last ADD's config had them (settings of the image), for verbs
// that see no config: which of them holds the target, and what an address without a record is.
import { configured } from "../pool/configured";
import { poolReason, REASON_EXCLUDED, REASON_GATEWAY } from "../pool/pool";
import { RangeSet, setAt, setHolds } from "../pool/range";
import { Settings, settingsTooLarge } from "../pool/settings";
import { say } from "./print";
import { targetFamily, targetHi, targetLo } from "./target";

/** The settings that the image keeps; 0 = none. */
export let settings: usize = 0;
/** How many sets are known, and the policy by which they give. */
export let knownCount: i32 = 0;
export let knownPolicy: i32 = 0;

/** The range sets of the last ADD. false: they aren't known. */
export function knownRead(): bool {
  settings = configured();
  knownCount = 0;
  if (settings == 0) return false;
  knownCount = changetype<Settings>(settings).setCount;
  knownPolicy = changetype<Settings>(settings).policy;
  return true;
}

/** Range set `i` of the settings. */
export function knownSet(i: i32): RangeSet {
  return setAt(changetype<Settings>(settings).sets, i);
}

/** The set and the range that findSet has found. */
export let inSet: i32 = -1;
export let inRange: usize = 0;

/** The known range set that holds the target: inSet, inRange; -1: none. */
export function findSet(): void {
  inSet = -1;
  for (let i = 0; i < knownCount && inSet < 0; i++) {
    if (knownSet(i).family != targetFamily) continue;
    inRange = setHolds(changetype<usize>(knownSet(i)), targetHi, targetLo);
    if (inRange != 0) inSet = i;
  }
}

/** What an address without a record is, and why. */
export function freeWord(known: bool): string {
  if (!known) return "free";
  if (inSet < 0) return "outside";
  const reason = poolReason(inRange, targetHi, targetLo);
  if (reason == REASON_GATEWAY) return "gateway";
  return reason == REASON_EXCLUDED ? "excluded" : "free";
}

/** Why there are no range sets to tell. */
export function sayUnknown(): void {
  if (settingsTooLarge()) {
    say("its ranges aren't known: the config of the last ADD has more than 16 KiB of them\n");
  } else {
    say("its ranges aren't known yet: the next ADD keeps them in the state\n");
  }
}

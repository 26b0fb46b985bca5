// The range sets of a network as the last ADD's config had them (settings of the image), for verbs
// that see no config: which of them holds the target, and what an address without a record is.
import { configured } from "../pool/configured";
import { poolReason, REASON_EXCLUDED, REASON_GATEWAY } from "../pool/pool";
import { Range, RangeSet, setHolds } from "../pool/range";
import { Settings, settingsTooLarge } from "../pool/settings";
import { say, sayAddress } from "./print";
import { targetFamily, targetHi, targetLo } from "./target";

// Where the sets lie.
let knownSets: usize = 0;
/** How many sets are known, and the policy by which they give. */
export let knownCount: i32 = 0;
export let knownPolicy: i32 = 0;

/** The range sets of the last ADD. false: they aren't known. */
export function knownRead(): bool {
  const at = configured();
  knownCount = 0;
  if (at == 0) return false;
  const settings = changetype<Settings>(at);
  knownSets = settings.sets;
  knownCount = settings.setCount;
  knownPolicy = settings.policy;
  return true;
}

/** Where set `i` lies. */
export function setAt(i: i32): usize {
  return knownSets + <usize>i * offsetof<RangeSet>();
}

/** The set and the range that findSet has found. */
export let inSet: i32 = -1;
export let inRange: usize = 0;

/** The known range set that holds the target: inSet, inRange; -1: none. */
export function findSet(): void {
  inSet = -1;
  for (let i = 0; i < knownCount && inSet < 0; i++) {
    if (changetype<RangeSet>(setAt(i)).family != targetFamily) continue;
    inRange = setHolds(setAt(i), targetHi, targetLo);
    if (inRange != 0) inSet = i;
  }
}

/** Prints `first-last`. */
export function sayRange(range: usize): void {
  const r = changetype<Range>(range);
  sayAddress(r.family, r.startHi, r.startLo);
  say("-");
  sayAddress(r.family, r.endHi, r.endLo);
}

/** What an address without a record is, and why. */
export function freeWord(known: bool): string {
  if (!known) return "free";
  if (inSet < 0) return "outside";
  const reason = poolReason(inRange, targetHi, targetLo);
  if (reason == REASON_GATEWAY) return "gateway";
  return reason == REASON_EXCLUDED ? "excluded" : "free";
}

/** Says why the range sets aren't known. */
export function sayUnknown(): void {
  if (settingsTooLarge()) say("The config of the last ADD is too large to be kept in the state.\n");
  else say("The network's ranges aren't known yet: the next ADD keeps them in the state.\n");
}

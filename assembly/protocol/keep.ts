// What an ADD's config said goes into the image (pool/settings.ts), in the ADD's own commit. In
// mode static the config has no ranges: what is kept stays.
import { Settings, settingsKeep } from "../pool/settings";
import { scratchTake } from "../scratch";
import { call, MODE_STATIC } from "./call";

/** Keeps the call's config with commit `number`. */
export function configKeep(number: u64): void {
  if (call.mode == MODE_STATIC) return;
  const s = changetype<Settings>(scratchTake(offsetof<Settings>()));
  s.sets = call.sets;
  s.setCount = call.setCount;
  s.policy = call.policy;
  s.cooldown = call.cooldown;
  s.reserveFor = call.reserveFor;
  s.reservePods = call.reservePods;
  s.reservePerNamespace = call.reservePerNamespace;
  s.reserveMax = call.reserveMax;
  settingsKeep(s, number);
}

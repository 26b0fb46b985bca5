// What an ADD's config said goes into the image (pool/settings.ts), in the ADD's own commit. In
// mode static the config has no ranges: what is kept stays. So does where the plugin is called.
import { inode } from "../host";
import { H_PIDNS } from "../image/header";
import { putWord, word } from "../image/image";
import { Settings, settingsKeep } from "../pool/settings";
import { scratchTake } from "../scratch";
import { fileName, nameAt, nameBytes } from "../store/names";
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

/**
 * Notes at the first ADD of a boot in which PID namespace the plugin is called: `berth gc` must see
 * the same processes as its callers. Nobody else does: a verb may run in a pod, and sees that only.
 */
export function homeKeep(): void {
  if (word(H_PIDNS) != 0) return;
  fileName("/proc/self/ns/pid");
  const number = inode(nameAt, nameBytes);
  if (number > 0) putWord(H_PIDNS, <u64>number);
}

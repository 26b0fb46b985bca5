// How the native plugin is linked: native/layout.ld draws the map. What a usual call never touches
// goes behind what it does touch; which code that is the compiler knows (scripts/profile.mjs).
import { join } from "node:path";

function place(section, address) {
  return `-Wl,--section-start=${section}=0x${address.toString(16)}`;
}

/**
 * Flags for the linker. With musl, statically: the map of native/layout.ld. Otherwise the linker's
 * own script, and what must lie at its place: static data and scratch, at these addresses.
 */
export function layoutFlags({ root, musl, statics, scratch }) {
  if (musl) return [`-Wl,-T,${join(root, "native/layout.ld")}`];
  return [place(".berth_static", statics), place(".berth_scratch", scratch)];
}

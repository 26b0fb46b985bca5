// Which code of the native plugin is rare, and how it is linked: what a usual call never touches
// goes behind what it does touch. A page fault costs 1 to 3 us, and the kernel maps 64 KiB of a
// program at one; an ADD is some thirty of them unless they are kept together. native/layout.ld
// draws the map.
import { join } from "node:path";

/**
 * Sources of assembly/ whose functions are rare: whole rooms and single files, as prefixes. The
 * compiler also moves the branches that lead to them out of the way. A function that is called in
 * every ADD must not be among them: everything that only it calls would be taken for rare.
 */
const RARE = [
  "foreign/",
  "image/blocks/",
  "pool/check/",
  "pool/configured/",
  "protocol/attachments/",
  "protocol/collect/",
  "protocol/dns/",
  "protocol/errors/",
  "protocol/failure/",
  "protocol/fixed/",
  "protocol/podpool/",
  "protocol/previous/",
  "protocol/static/",
  "records/file/",
  "records/poolcell/",
  "sets/radixcheck/",
  "store/aside/",
  "store/copy/",
  "store/rebuild/",
  "store/survivor/",
  "verbs/",
];
/** The program's entries lie among the verbs: they lead to the plugin first. */
const USUAL = ["verbs/program/begin", "verbs/program/finish"];

const PROTOTYPE = /^static \w+ w2c_\w+?_assembly0x2F(\w+)(?=\([^;{]*\);$)/gm;

/**
 * Marks the rare functions of C that wasm2c made from a module with names; a module without any is
 * left as it is. Throws if an entry of the list fits no function: it has been renamed.
 */
export function markRare(text) {
  const found = new Set();
  const marked = text.replace(PROTOTYPE, (prototype, name) => {
    const path = name.replaceAll("0x2F", "/");
    const entry = RARE.find((prefix) => path.startsWith(prefix));
    if (!entry || USUAL.some((prefix) => path.startsWith(prefix))) return prototype;
    found.add(entry);
    return `__attribute__((cold)) ${prototype}`;
  });
  const unknown = found.size ? RARE.filter((entry) => !found.has(entry)) : [];
  if (unknown.length) throw new Error(`scripts/layout.mjs: nothing is named ${unknown.join(", ")}`);
  return marked;
}

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

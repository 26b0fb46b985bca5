// Where the linker puts what: code and data of the native plugin that a usual call never touches
// go behind what it does touch. A page fault costs 1 to 2 us, and the kernel maps 64 KiB of a
// program at one; an ADD is some thirty of them unless they are kept together.
//
//   0x400000   headers, .text, .rodata    what ADD, DEL and CHECK run
//              .text.rare                 verbs, foreign directories, rebuilding, errors
//   then       .data, .bss                one page
//   window + 1 GiB                        static data, scratch, .sbss.rare
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

/** Tells the linker where a section begins. */
export function place(section, address) {
  return `-Wl,--section-start=${section}=0x${address.toString(16)}`;
}

/** Flags for a program whose scratch ends at `end`: rare code behind the usual, rare data there. */
export function layoutFlags(root, end) {
  return [`-Wl,-T,${join(root, "native/layout.ld")}`, place(".sbss.rare", end)];
}

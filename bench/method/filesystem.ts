// File system: what kind the temporary directory lies on, since that is part of every figure of a
// state, and whether there is a disk under it at all.
import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";

const FILE_SYSTEMS: Record<number, string> = {
  61267: "ext4",
  16914836: "tmpfs",
  2240043254: "ramfs",
  2435016766: "btrfs",
  1481003842: "xfs",
  2035054128: "overlay",
};
const IN_MEMORY = ["tmpfs", "ramfs"];

/** The kind of file system that temporary files lie on. */
export function fileSystem(directory = tmpdir()): string {
  const { type } = statfsSync(directory);
  return FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`;
}

/** Why nothing can be said of a disk; undefined where temporary files lie on one. */
export function noDisk(directory = tmpdir()): string | undefined {
  const kind = fileSystem(directory);
  if (!IN_MEMORY.includes(kind)) return undefined;
  return `temporary files lie on ${kind}, in memory: let TMPDIR name a directory on a disk`;
}

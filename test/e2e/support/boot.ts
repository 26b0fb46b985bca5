/**
 * Another boot of the same machine, for the programs that are started with it: the kernel's boot id
 * is another, and the clock that counts from the boot (CLOCK_BOOTTIME) has just begun. The wall
 * clock goes on, as over a real reboot. Each program has mounts of its own, so nothing of the
 * machine's changes.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What goes before a command, so that it runs in a new boot; `dir` keeps the boot's id. */
export function anotherBoot(dir: string): string[] {
  const id = randomUUID();
  const file = join(dir, `boot-${id}`);
  writeFileSync(file, `${id}\n`);
  const seconds = Math.floor(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]));
  const clock = ["--time", "--boottime", `-${Math.max(0, seconds - 1)}`, "--fork"];
  const script = `mount --bind "$0" ${BOOT_ID} && exec "$@"`;
  return [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    ...clock,
    "--",
    "sh",
    "-c",
    script,
    file,
  ];
}

// Owners: Berth as it is beside allocators that remember who has an address: an Ipam, which keeps
// an owner for each, a log on disk and all that finds one by the other. A pool keeps a bit.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openIpam } from "../../src/ipam/ipam.ts";
import type { Maker, Space, Subject } from "./subjects.ts";

/** The number of 10.x.y.z. */
function slotOf(address: string): number {
  const [, b, c, d] = address.split(".").map(Number);
  return b! * 65_536 + c! * 256 + d!;
}

function make({ bits, first, last }: Space): Subject {
  const dir = mkdtempSync(join(tmpdir(), "berth-bench-owners-"));
  const ipam = openIpam(join(dir, "ipam"), { sync: "never" });
  const all = 2 ** bits;
  const text = (slot: number) => `10.${slot >>> 16}.${(slot >>> 8) & 255}.${slot & 255}`;
  const exclude = Array.from({ length: all - (last - first + 1) }, (_, k) =>
    text(k < first ? k : last + 1 + k - first),
  );
  const pools = [ipam.pool(`10.0.0.0/${32 - bits}`, { policy: "first", exclude })];
  const owners: string[] = [];
  let pods = 0;
  const allocate = () => {
    const owner = `k8s-pod-network.${pods++}`;
    const slot = slotOf(ipam.allocate({ owner, pools }).addresses[0]!);
    owners[slot] = owner;
    return slot;
  };
  return {
    allocate,
    release: (slot) => void ipam.release(owners[slot]!),
    occupy(count) {
      for (let k = 0; k < count; k++) {
        const slot = allocate();
        if (slot !== first + k) throw new Error(`gave ${text(slot)} as number ${k}`);
      }
    },
    bytes: () => ipam.stats().bytes,
    close() {
      ipam.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** An address with an owner, kept on disk, not synced. */
export const withOwners: Maker = { who: "Berth with owners", make };

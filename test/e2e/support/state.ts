/**
 * The core's own walk over what a test left on disk: every invariant of every network's image. It
 * belongs to the clean-up of each test, so that damage is seen where it was made. A plugin without
 * an image of Berth's (a stand-in such as host-local) has nothing to be walked.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkNetwork } from "../../support/check.ts";

/** Throws with every fault of the networks below `dataDir`, which may be absent. */
export async function assertSound(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) return;
  const faults: string[] = [];
  for (const name of readdirSync(dataDir)) {
    const network = join(dataDir, name);
    if (!existsSync(join(network, "berth.state"))) continue;
    for (const fault of await checkNetwork(network)) faults.push(`${name}: ${fault}`);
  }
  if (faults.length > 0) throw new Error(`the image is damaged: ${faults.join("; ")}`);
}

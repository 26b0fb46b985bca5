// What the full walk of an image finds, for the end of a test.

import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Binary } from "./binaries.ts";
import { homeOf, type Network } from "./space.ts";

/** Every fault of a network's image, as the plugin's own check tells it; [] for host-local. */
export async function faultsOf(n: Network, binary: Binary): Promise<string[]> {
  if (binary.kind === "upstream") return [];
  const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../support/check.ts");
  if (!existsSync(file)) return [];
  const { checkNetwork } = (await import(file)) as {
    checkNetwork: (dir: string) => Promise<string[]>;
  };
  return checkNetwork(homeOf(n));
}

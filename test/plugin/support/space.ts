// Places for state: temporary folders that are removed again, and the configs that name them.

import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Range } from "./address.ts";

const made: string[] = [];

/** A fresh folder; `removeAll` (for afterAll) takes it away. */
export function folder(): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), "berth-plugin-"));
  made.push(dir);
  return dir;
}

/** Removes every folder that `folder` made. */
export function removeAll(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
}

/** A network configuration as these tests write it. */
export interface Network {
  cniVersion: string;
  name: string;
  ipam: { type: string; dataDir: string; ranges: Range[][]; [key: string]: unknown };
  [key: string]: unknown;
}

/** A network of one range per set in `dataDir`, cniVersion 1.0.0. */
export function network(dataDir: string, ranges: Range[][], ipam: object = {}): Network {
  return {
    cniVersion: "1.0.0",
    name: "net",
    ipam: { type: "berth", dataDir, ranges, ...ipam },
  };
}

/** The directory of a network's files. */
export function homeOf(n: Network): string {
  return path.join(n.ipam.dataDir, n.name);
}

/** Two sets, v4 and v6, of exactly `count` addresses each (at most 60,000), gateways outside. */
export function pair(count: number): Range[][] {
  const last = count + 9;
  const v4 = `10.77.${last >> 8}.${last & 255}`;
  return [
    [
      {
        subnet: "10.77.0.0/16",
        rangeStart: "10.77.0.10",
        rangeEnd: v4,
        gateway: "10.77.255.1",
      },
    ],
    [
      {
        subnet: "2001:db8:77::/64",
        rangeStart: "2001:db8:77::a",
        rangeEnd: `2001:db8:77::${last.toString(16)}`,
        gateway: "2001:db8:77::ffff:1",
      },
    ],
  ];
}

/** Waits. */
export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

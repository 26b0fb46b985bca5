// Verbs that change every network, at the first opening of a boot: each network is rebuilt as if it
// were the only one.
import { afterEach, beforeAll, expect, test } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import type { Told } from "./support.ts";

/** Each is an event or two of the ring, and 16 words of a rebuild. */
const PODS = 300;

let node: World;
beforeAll(buildClock, 120_000);
afterEach(() => node?.end());

// On the native host: the calls that fill two rings take minutes on the other one.
const [native] = clockHosts;

test.skipIf(native?.name !== "native")(
  "gc of two networks with many events, before any ADD of this boot",
  { timeout: 60_000 },
  async () => {
    node = native!.world();
    const config = (name: string) => ({
      cniVersion: "1.1.0",
      name,
      ipam: { type: "berth", dataDir: node.dir, ranges: [[{ subnet: "10.9.0.0/24" }]] },
    });
    for (const name of ["one", "two"])
      for (let i = 0; i < PODS; i++)
        for (const verb of ["ADD", "DEL"])
          expect((await node.cni(verb, `pod-${i}`, config(name))).status).toBe(0);
    node.reboot(5);
    // A machine that doesn't let its namespaces be seen answers 50; none of them is damaged (102).
    const gc = await node.verb(["gc", "--json", "--data-dir", node.dir]);
    const networks = gc.json.networks as Told[];
    expect(networks.map((one) => one.network)).toEqual(["one", "two"]);
    for (const { error } of networks) expect([undefined, 50]).toContain((error as Told)?.code);
    expect((await node.verb(["check", "--data-dir", node.dir])).status).toBe(0);
  },
);

/** Pods on the real `bridge` plugin over a reboot of the node: namespaces go, Berth's files stay. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NetworkConfig } from "./support/held.ts";
import { addressesIn, type Pod, TestNode } from "./support/node.ts";
import { BERTH_NODE, suite } from "./support/requirements.ts";

type BridgeConfig = NetworkConfig & { type: string };

const NEEDS = { plugins: ["bridge"], commands: ["unshare", "mount"], files: [BERTH_NODE] };

let node: TestNode;

function bridgeConfig(ipamType = "berth"): BridgeConfig {
  return {
    cniVersion: "1.0.0",
    name: "pods",
    type: "bridge",
    bridge: "pods0",
    isGateway: true,
    ipam: {
      type: ipamType,
      dataDir: node.stateDir,
      ranges: [[{ subnet: "10.82.0.0/28" }], [{ subnet: "fd00:82::/124" }]],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    },
  };
}

/** Asked through the native plugin, which answers many questions soonest. */
async function heldNow(): Promise<string[]> {
  return node.held(bridgeConfig());
}

async function attached(config: BridgeConfig, containerId: string) {
  const pod: Pod = await node.pod(containerId);
  const result = await node.add(pod, config);
  const [v4, v6] = addressesIn(result);
  return { pod, v4: v4!, v6: v6! };
}

suite("a reboot of the node", NEEDS, () => {
  beforeEach(async () => {
    node = await TestNode.create({ plugins: ["bridge"] });
  });
  afterEach(async () => {
    await node?.close();
  });

  test.for([
    ["berth", "berth"],
    ["berth", "berth-node"],
    ["berth-node", "berth"],
  ])("ends what pods held: %s before, %s after", async ([before, after]) => {
    const [one, two] = await Promise.all([
      attached(bridgeConfig(before), "one"),
      attached(bridgeConfig(before), "two"),
    ]);
    expect(await heldNow()).toHaveLength(4);
    await node.reboot();
    const config = bridgeConfig(after);
    const three = await attached(config, "three");
    expect(await heldNow()).toEqual([three.v4, three.v6]);
    // The runtime clears up after its dead pods when it comes back.
    await node.del(one.pod, config);
    await node.del(two.pod, config);
    expect(await heldNow()).toEqual([three.v4, three.v6]);
    for (const address of [three.v4, three.v6]) await node.netns.ping(address);
  });
});

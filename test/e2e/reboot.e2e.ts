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
      ranges: [[{ subnet: "10.82.0.0/29" }], [{ subnet: "fd00:82::/125" }]],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
      reserve: { for: "24h", pods: "ordinal" },
    },
  };
}

/** Asked through the native plugin, which answers many questions soonest. */
async function heldNow(): Promise<string[]> {
  return node.held(bridgeConfig());
}

async function attached(config: BridgeConfig, containerId: string, podName?: string) {
  const args = podName && `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${podName}`;
  const pod: Pod = await node.pod(containerId, args);
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

  test("ends what every pod held if the config reserves nothing", async () => {
    const config = bridgeConfig();
    delete config.ipam.reserve;
    const [web, batch] = await Promise.all([
      attached(config, "web", "web-0"),
      attached(config, "batch"),
    ]);
    expect(await node.held(config)).toHaveLength(4);
    await node.reboot();
    const other = await attached(config, "other");
    expect(await node.held(config)).toEqual([other.v4, other.v6]);
    // The runtime clears up after its dead pods when it comes back.
    await node.del(web.pod, config);
    await node.del(batch.pod, config);
    expect(await node.held(config)).toEqual([other.v4, other.v6]);
    for (const address of [other.v4, other.v6]) await node.netns.ping(address);
  });

  test.for([
    ["berth", "berth"],
    ["berth-node", "berth"],
    ["berth", "berth-node"],
  ])("keeps the addresses of web-0, which comes back: %s before, %s after", async (hosts) => {
    const [before, after] = hosts.map((type) => bridgeConfig(type)) as [BridgeConfig, BridgeConfig];
    const gone = await attached(before, "gone", "web-1");
    await node.del(gone.pod, before);
    const [web, batch] = await Promise.all([
      attached(before, "web", "web-0"),
      attached(before, "batch", "batch-x7y2z"),
    ]);
    await node.reboot();
    const other = await attached(after, "other", "batch-k4m5n");
    // What ran and what was reserved is kept; what had no name to come back under isn't.
    const kept = [gone.v4, web.v4, gone.v6, web.v6];
    expect(kept).not.toContain(other.v4);
    expect(kept).not.toContain(other.v6);
    expect((await heldNow()).toSorted()).toEqual([...kept, other.v4, other.v6].toSorted());
    const again = await attached(after, "web-again", "web-0");
    expect([again.v4, again.v6]).toEqual([web.v4, web.v6]);
    await node.del(web.pod, after);
    await node.del(batch.pod, after);
    expect((await heldNow()).toSorted()).toEqual([...kept, other.v4, other.v6].toSorted());
    for (const address of [other.v4, other.v6]) await again.pod.netns.ping(address);
    for (const address of [again.v4, again.v6]) await node.netns.ping(address);
    const back = await attached(after, "back", "web-1");
    expect([back.v4, back.v6]).toEqual([gone.v4, gone.v6]);
  });
});

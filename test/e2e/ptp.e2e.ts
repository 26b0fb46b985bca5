/** Pods on the real `ptp` plugin: no bridge, one route per address on the side of the node. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { callPlugin } from "./support/cni.ts";
import type { NetworkConfig } from "./support/held.ts";
import { addressesIn, TestNode } from "./support/node.ts";
import { suite } from "./support/requirements.ts";

type PtpConfig = NetworkConfig & { type: string };

function ptpConfig(node: TestNode, cniVersion = "1.0.0"): PtpConfig {
  return {
    cniVersion,
    name: "links",
    type: "ptp",
    mtu: 1400,
    ipam: {
      type: "berth",
      dataDir: node.stateDir,
      ranges: [[{ subnet: "10.78.0.0/28" }], [{ subnet: "fd00:78::/124" }]],
      // The CHECK of ptp 1.1.1 finds a lesser route only if the config names its gateway.
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }, { dst: "198.51.100.0/24", gw: "10.78.0.1" }],
    },
  };
}

let node: TestNode;

async function attached(config: PtpConfig, name: string) {
  const pod = await node.pod(name);
  const result = await node.add(pod, config);
  const [v4, v6] = addressesIn(result);
  return { pod, result, v4: v4!, v6: v6! };
}

/** The destinations that the node routes to pods, without the kernel's own entries. */
async function hostRoutes(): Promise<string[]> {
  const all = [...(await node.netns.routes(4)), ...(await node.netns.routes(6))];
  return all.map((route) => route.dst).filter((dst) => /^(10\.78|fd00:78)/.test(dst));
}

suite("ptp: two pods of a node", { plugins: ["ptp"] }, () => {
  beforeEach(async () => {
    node = await TestNode.create({ plugins: ["ptp"] });
  });
  afterEach(async () => {
    await node?.close();
  });

  test.for(["1.0.0", "0.4.0", "0.3.1"])(
    "ping each other over both families through the node, %s",
    async (version) => {
      const config = ptpConfig(node, version);
      const one = await attached(config, "one");
      const two = await attached(config, "two");
      for (const address of [two.v4, two.v6, "10.78.0.1", "fd00:78::1"]) {
        await one.pod.netns.ping(address);
      }
      for (const address of [one.v4, one.v6]) {
        await two.pod.netns.ping(address);
        await node.netns.ping(address);
      }
      expect(await node.held(config)).toEqual([one.v4, two.v4, one.v6, two.v6]);
    },
  );

  test("the node has a route to each address, the pod those of the config", async () => {
    const config = ptpConfig(node);
    const one = await attached(config, "one");
    const two = await attached(config, "two");
    const routes = await hostRoutes();
    for (const address of [one.v4, two.v4, one.v6, two.v6]) expect(routes).toContain(address);
    const v4 = await one.pod.netns.routes(4);
    for (const dst of ["default", "198.51.100.0/24"]) {
      expect(v4).toContainEqual(expect.objectContaining({ dst, gateway: "10.78.0.1" }));
    }
    const v6 = await one.pod.netns.routes(6);
    expect(v6).toContainEqual(expect.objectContaining({ dst: "default", gateway: "fd00:78::1" }));
  });

  test("CHECK passes after ADD and fails once Berth holds nothing for the pod", async () => {
    const config = ptpConfig(node);
    const { pod, result } = await attached(config, "one");
    await node.check(pod, config, result);
    await callPlugin(node, "berth", "DEL", pod.attachment, config);
    await expect(node.check(pod, config, result)).rejects.toThrow("Failed to find address");
  });

  test("DEL leaves nothing: no interface, no route on the node, no address held", async () => {
    const config = ptpConfig(node);
    const { pod } = await attached(config, "one");
    await node.del(pod, config);
    expect(await pod.netns.links()).toHaveLength(1);
    expect(await node.netns.links()).toHaveLength(1);
    expect(await hostRoutes()).toEqual([]);
    expect(await node.held(config)).toEqual([]);
  });

  test("DEL succeeds a second time and frees nothing of a pod that came between", async () => {
    const config = ptpConfig(node);
    const one = await attached(config, "one");
    await node.del(one.pod, config);
    const two = await attached(config, "two");
    await node.del(one.pod, config);
    expect(await node.held(config)).toEqual([two.v4, two.v6]);
  });

  test("DEL frees the addresses of a pod whose namespace is gone", async () => {
    const config = ptpConfig(node);
    const { pod } = await attached(config, "one");
    await pod.netns.remove();
    await node.del(pod, config);
    expect(await node.held(config)).toEqual([]);
  });
});

/** Pods on the real `bridge` plugin, which delegates to Berth. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { callPlugin } from "./support/cni.ts";
import { addressesOf, type NetworkConfig, type RangeConfig } from "./support/held.ts";
import { addressesIn, type Pod, TestNode } from "./support/node.ts";
import { BERTH_NODE, suite } from "./support/requirements.ts";

type BridgeConfig = NetworkConfig & { type: string };

const V4 = [{ subnet: "10.77.0.0/28" }];
const V6 = [{ subnet: "fd00:77::/124" }];
const EVERY = [...addressesOf(V4), ...addressesOf(V6)];
const DEFAULT_ROUTES = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];

function bridgeConfig(node: TestNode, cniVersion = "1.0.0", ipamType = "berth") {
  const config: BridgeConfig = {
    cniVersion,
    name: "pods",
    type: "bridge",
    bridge: "pods0",
    isGateway: true,
    ipam: {
      type: ipamType,
      dataDir: node.stateDir,
      ranges: [V4, V6],
      routes: [
        ...DEFAULT_ROUTES,
        { dst: "198.51.100.0/24", gw: "10.77.0.14" },
        { dst: "2001:db8:9::/48", gw: "fd00:77::e" },
      ],
    },
  };
  return config;
}

/** The same network with other range sets; only the default routes suit all of them. */
function withRanges(config: BridgeConfig, ranges: RangeConfig[][]): BridgeConfig {
  return { ...config, ipam: { ...config.ipam, ranges, routes: DEFAULT_ROUTES } };
}

let node: TestNode;

async function attached(config: BridgeConfig, name: string) {
  const pod: Pod = await node.pod(name);
  const result = await node.add(pod, config);
  const [v4, v6] = addressesIn(result);
  return { pod, result, v4: v4!, v6: v6! };
}

function open(): void {
  beforeEach(async () => {
    node = await TestNode.create({ plugins: ["bridge"] });
  });
  afterEach(async () => {
    await node?.close();
  });
}

suite("bridge: two pods of a node", { plugins: ["bridge"] }, () => {
  open();

  test.for(["1.0.0", "0.4.0", "0.3.1"])(
    "ping each other over both families, %s",
    async (version) => {
      const config = bridgeConfig(node, version);
      const one = await attached(config, "one");
      const two = await attached(config, "two");
      expect([one.v4, one.v6, two.v4, two.v6]).toEqual([
        "10.77.0.2",
        "fd00:77::2",
        "10.77.0.3",
        "fd00:77::3",
      ]);
      for (const address of [two.v4, two.v6, "10.77.0.1", "fd00:77::1"]) {
        await one.pod.netns.ping(address);
      }
      for (const address of [one.v4, one.v6]) await two.pod.netns.ping(address);
      expect(await node.held(config)).toEqual([one.v4, two.v4, one.v6, two.v6]);
    },
  );

  test("have the addresses with their prefix and the routes of the config", async () => {
    const { pod } = await attached(bridgeConfig(node), "one");
    const addresses = await pod.netns.addresses("eth0");
    expect(addresses.map((entry) => `${entry.local}/${entry.prefixlen}`)).toEqual([
      "10.77.0.2/28",
      "fd00:77::2/124",
    ]);
    const v4 = await pod.netns.routes(4);
    expect(v4).toContainEqual(expect.objectContaining({ dst: "default", gateway: "10.77.0.1" }));
    expect(v4).toContainEqual(
      expect.objectContaining({ dst: "198.51.100.0/24", gateway: "10.77.0.14" }),
    );
    const v6 = await pod.netns.routes(6);
    expect(v6).toContainEqual(expect.objectContaining({ dst: "default", gateway: "fd00:77::1" }));
    expect(v6).toContainEqual(
      expect.objectContaining({ dst: "2001:db8:9::/48", gateway: "fd00:77::e" }),
    );
  });

  test("CHECK passes after ADD and fails once Berth holds nothing for the pod", async () => {
    const config = bridgeConfig(node);
    const { pod, result } = await attached(config, "one");
    await node.check(pod, config, result);
    await callPlugin(node, "berth", "DEL", pod.attachment, config);
    await expect(node.check(pod, config, result)).rejects.toThrow("Failed to find address");
  });
});

suite("bridge: DEL", { plugins: ["bridge"] }, () => {
  open();

  test("leaves nothing: no address, no interface, the whole range can be given", async () => {
    const config = bridgeConfig(node);
    const { pod } = await attached(config, "one");
    await node.del(pod, config);
    expect(await pod.netns.links()).toHaveLength(1);
    expect(await node.held(config)).toEqual([]);
  });

  test("of one pod leaves the other's addresses held and reachable", async () => {
    const config = bridgeConfig(node);
    const one = await attached(config, "one");
    const two = await attached(config, "two");
    await node.del(one.pod, config);
    expect(await node.held(config)).toEqual([two.v4, two.v6]);
    await node.netns.ping(two.v4);
    await node.netns.ping(two.v6);
  });

  test("succeeds a second time, and frees nothing of a pod that came between", async () => {
    const config = bridgeConfig(node);
    const one = await attached(config, "one");
    await node.del(one.pod, config);
    const two = await attached(config, "two");
    await node.del(one.pod, config);
    expect(await node.held(config)).toEqual([two.v4, two.v6]);
  });

  test("frees the addresses of a pod whose namespace is gone", async () => {
    const config = bridgeConfig(node);
    const { pod } = await attached(config, "one");
    await pod.netns.remove();
    await node.del(pod, config);
    expect(await node.held(config)).toEqual([]);
  });

  test("frees the addresses if it is given no namespace at all", async () => {
    const config = bridgeConfig(node);
    const { pod } = await attached(config, "one");
    await node.del({ ...pod, attachment: { ...pod.attachment, netns: "" } }, config);
    expect(await node.held(config)).toEqual([]);
  });
});

suite("bridge: ADD that can't succeed", { plugins: ["bridge"] }, () => {
  open();

  test("a second ADD of an attached pod is refused and keeps what it has", async () => {
    const config = bridgeConfig(node);
    const one = await attached(config, "one");
    await expect(node.add(one.pod, config)).rejects.toThrow();
    expect(await node.held(config)).toEqual([one.v4, one.v6]);
    await node.del(one.pod, config);
    expect(await node.held(config)).toEqual([]);
  });

  test("a full range set is refused in host-local's words and nothing is held", async () => {
    const small = withRanges(bridgeConfig(node), [[{ subnet: "10.77.0.0/30" }], V6]);
    const one = await attached(small, "one");
    const two = await node.pod("two");
    await expect(node.add(two, small)).rejects.toThrow(
      "no IP addresses available in range set: 10.77.0.1-10.77.0.2",
    );
    await node.del(two, small);
    expect(await two.netns.links()).toHaveLength(1);
    expect(await node.held(small)).toEqual([one.v4, one.v6]);
  });

  test("with one family full, the address of the other one is given back", async () => {
    const tiny = [{ subnet: "fd00:77::/126", rangeEnd: "fd00:77::2" }];
    const small = withRanges(bridgeConfig(node), [V4, tiny]);
    const one = await attached(small, "one");
    const two = await node.pod("two");
    await expect(node.add(two, small)).rejects.toThrow("no IP addresses available in range set");
    expect(await node.held(small)).toEqual([one.v4, one.v6]);
  });

  test("every address of both families is given, then the node is full", async () => {
    const config = withRanges(bridgeConfig(node), [V4, V6]);
    const pods = [];
    for (let index = 0; index < 13; index++) pods.push(await node.pod(`pod-${index}`));
    const results = await Promise.all(
      pods.map((pod) => callPlugin(node, "bridge", "ADD", pod.attachment, config)),
    );
    const given = results.flatMap((result) => addressesIn(result!));
    expect(new Set(given).size).toBe(26);
    // The fourteenth IPv6 address has no IPv4 partner left.
    expect(EVERY.filter((address) => !given.includes(address))).toHaveLength(1);
    await Promise.all(pods.map((pod) => callPlugin(node, "bridge", "DEL", pod.attachment, config)));
    expect(await node.held(config)).toEqual([]);
  });
});

suite("bridge: both hosts", { plugins: ["bridge"], files: [BERTH_NODE] }, () => {
  open();

  test("what the one host added the other checks and releases", async () => {
    const native = bridgeConfig(node);
    const portable = bridgeConfig(node, "1.0.0", "berth-node");
    const one = await attached(native, "one");
    const two = await attached(portable, "two");
    expect(new Set([one.v4, two.v4, one.v6, two.v6]).size).toBe(4);
    await one.pod.netns.ping(two.v4);
    await one.pod.netns.ping(two.v6);
    await node.check(one.pod, portable, one.result);
    await node.check(two.pod, native, two.result);
    await node.del(one.pod, portable);
    expect(await node.held(native)).toEqual([two.v4, two.v6]);
    await node.del(two.pod, native);
    expect(await node.held(native)).toEqual([]);
  });
});

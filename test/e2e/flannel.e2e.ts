/** The config that flannel generates for its delegate, run by the real `bridge`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { delegateConfig, type FlannelConfig, flannelAdd, flannelDel } from "./support/flannel.ts";
import { held, heldAmong } from "./support/held.ts";
import { addressesIn, type Pod, TestNode } from "./support/node.ts";
import { run } from "./support/process.ts";
import { suite } from "./support/requirements.ts";

const SUBNET_ENV = `FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.1.1/24
FLANNEL_IPV6_NETWORK=fd00:10:244::/56
FLANNEL_IPV6_SUBNET=fd00:10:244:1::1/64
FLANNEL_MTU=1430
FLANNEL_IPMASQ=true
`;

let node: TestNode;
let config: FlannelConfig;

async function attached(name: string) {
  const pod: Pod = await node.pod(name);
  const result = await flannelAdd(node, config, pod.attachment);
  await pod.netns.settled();
  await node.netns.settled();
  const [v4, v6] = addressesIn(result);
  return { pod, v4: v4!, v6: v6! };
}

/** Which of `addresses` are held; the IPv6 /64 is too large to be filled. */
async function heldNow(...addresses: string[]): Promise<string[]> {
  return heldAmong(node, delegateConfig(config), addresses);
}

/** Everything that is held of the IPv4 /24. */
async function heldOfSubnet(): Promise<string[]> {
  const { ipam, ...delegate } = delegateConfig(config);
  return held(node, { ...delegate, ipam: { ...ipam, ranges: [ipam.ranges![0]!] } });
}

suite("flannel's delegate", { plugins: ["bridge"] }, () => {
  beforeEach(async () => {
    node = await TestNode.create({ plugins: ["bridge"] });
    const subnetFile = join(node.dir, "subnet.env");
    writeFileSync(subnetFile, SUBNET_ENV);
    config = {
      cniVersion: "0.3.1",
      name: "cbr0",
      type: "flannel",
      subnetFile,
      dataDir: join(node.dir, "flannel"),
      ipam: { type: "berth", dataDir: node.stateDir },
      delegate: { hairpinMode: true, isDefaultGateway: true },
    };
  });
  afterEach(async () => {
    await node?.close();
  });

  test("is a bridge with one range set per family and the cluster's networks as routes", () => {
    expect(delegateConfig(config)).toEqual({
      cniVersion: "0.3.1",
      name: "cbr0",
      type: "bridge",
      hairpinMode: true,
      isDefaultGateway: true,
      isGateway: true,
      ipMasq: false,
      mtu: 1430,
      ipam: {
        type: "berth",
        dataDir: node.stateDir,
        ranges: [[{ subnet: "10.244.1.0/24" }], [{ subnet: "fd00:10:244:1::/64" }]],
        routes: [{ dst: "10.244.0.0/16" }, { dst: "fd00:10:244::/56" }],
      },
    });
  });

  test.for(["0.3.1", "1.0.0"])("pods ping each other over both families, %s", async (version) => {
    config = { ...config, cniVersion: version };
    const one = await attached("one");
    const two = await attached("two");
    expect([one.v4, one.v6]).toEqual(["10.244.1.2", "fd00:10:244:1::2"]);
    for (const address of [two.v4, two.v6, "10.244.1.1", "fd00:10:244:1::1"]) {
      await one.pod.netns.ping(address);
    }
    await two.pod.netns.ping(one.v4);
    await two.pod.netns.ping(one.v6);
  });

  test("a pod has flannel's MTU, the default route and those to the cluster", async () => {
    const { pod } = await attached("one");
    const eth0 = (await pod.netns.links()).find((link) => link.ifname === "eth0");
    expect(eth0?.mtu).toBe(1430);
    const routes = [...(await pod.netns.routes(4)), ...(await pod.netns.routes(6))];
    for (const [dst, gateway] of [
      ["default", "10.244.1.1"],
      ["10.244.0.0/16", "10.244.1.1"],
      ["default", "fd00:10:244:1::1"],
      ["fd00:10:244::/56", "fd00:10:244:1::1"],
    ]) {
      expect(routes).toContainEqual(expect.objectContaining({ dst, gateway }));
    }
  });

  test("DEL with the kept config leaves nothing, and a second one does nothing", async () => {
    const one = await attached("one");
    const two = await attached("two");
    const all = [one.v4, two.v4, one.v6, two.v6];
    expect(await heldNow(...all)).toEqual(all);
    await flannelDel(node, config, one.pod.attachment);
    await flannelDel(node, config, one.pod.attachment);
    expect(await heldNow(...all)).toEqual([two.v4, two.v6]);
    await two.pod.netns.remove();
    await flannelDel(node, config, two.pod.attachment);
    expect(await heldNow(...all)).toEqual([]);
    expect(await heldOfSubnet()).toEqual([]);
  });

  test("a node that is given another subnet gives addresses of the new one", async () => {
    const before = await attached("one");
    // The bridge refuses a second gateway address of a family: an operator removes it.
    await run(["ip", "-n", node.netns.name, "link", "del", "cni0"]);
    writeFileSync(config.subnetFile, SUBNET_ENV.replaceAll("244.1.1/24", "244.7.1/24"));
    const after = await attached("two");
    expect(after.v4).toBe("10.244.7.2");
    expect(after.v6).not.toBe(before.v6);
    await flannelDel(node, config, before.pod.attachment);
    await flannelDel(node, config, after.pod.attachment);
    expect(await heldNow(before.v6, after.v4, after.v6)).toEqual([]);
  });
});

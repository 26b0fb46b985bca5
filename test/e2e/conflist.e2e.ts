/** A list of real plugins, `bridge` first, run in order by the runner in support/conflist.ts. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Conflist, ListRunner, type PluginConfig } from "./support/conflist.ts";
import { fetchFrom, serve } from "./support/greeter.ts";
import type { IpamConfig, NetworkConfig } from "./support/held.ts";
import { addressesIn, type Pod, TestNode } from "./support/node.ts";
import { run, runIn } from "./support/process.ts";
import { suite } from "./support/requirements.ts";

const PLUGINS = ["bridge", "portmap", "tuning"];
const SYSCTL = "net.ipv4.conf.eth0.log_martians";
const PORTS = {
  portMappings: [{ hostPort: 18080, containerPort: 8080, protocol: "tcp" }],
};

let node: TestNode;

function ipam(): IpamConfig {
  return {
    type: "berth",
    dataDir: node.stateDir,
    ranges: [[{ subnet: "10.79.0.0/28" }], [{ subnet: "fd00:79::/124" }]],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  };
}

function conflist(cniVersion: string, tuning: PluginConfig = tuned("1")): Conflist {
  return {
    cniVersion,
    name: "listed",
    plugins: [
      {
        type: "bridge",
        bridge: "list0",
        isGateway: true,
        ipMasq: true,
        capabilities: { ips: true },
        ipam: ipam(),
      },
      { type: "portmap", capabilities: { portMappings: true } },
      tuning,
    ],
  };
}

function tuned(value: string, name = SYSCTL): PluginConfig {
  return { type: "tuning", sysctl: { [name]: value } };
}

async function held(): Promise<string[]> {
  const config: NetworkConfig = { cniVersion: "1.0.0", name: "listed", ipam: ipam() };
  return node.held(config);
}

/** All rules of the node's NAT tables, both families. */
async function natRules(): Promise<string> {
  const v4 = await runIn(node.exec, ["iptables", "-w", "-t", "nat", "-S"]);
  return v4 + (await runIn(node.exec, ["ip6tables", "-w", "-t", "nat", "-S"]));
}

async function attached(runner: ListRunner, name: string, capabilities = {}) {
  const pod: Pod = await node.pod(name);
  const result = await runner.add(pod.attachment, capabilities);
  await pod.netns.settled();
  await node.netns.settled();
  const [v4, v6] = addressesIn(result);
  return { pod, result, v4: v4!, v6: v6! };
}

function open(): void {
  beforeEach(async () => {
    node = await TestNode.create({ plugins: PLUGINS });
  });
  afterEach(async () => {
    await node?.close();
  });
}

const NEEDS = { plugins: PLUGINS, commands: ["iptables", "ip6tables"] };

suite("a conflist of bridge, portmap and tuning", NEEDS, () => {
  open();

  // Without ports: the CHECK of portmap 1.1.1 looks for IPv4 rules in the IPv6 table.
  test.for(["1.0.0", "0.4.0"])("ADD and CHECK go forward, DEL backward, %s", async (version) => {
    const runner = new ListRunner(node, conflist(version));
    const { pod, result, v4, v6 } = await attached(runner, "one");
    expect(result.cniVersion).toBe(version);
    expect(await held()).toEqual([v4, v6]);
    const sysctl = await run(["nsenter", `--net=${pod.netns.path}`, "sysctl", "-n", SYSCTL]);
    expect(sysctl.trim()).toBe("1");
    await runner.check(pod.attachment);
    await runner.del(pod.attachment);
    expect(await held()).toEqual([]);
    expect(runner.calls).toEqual([
      ...["ADD bridge", "ADD portmap", "ADD tuning"],
      ...["CHECK bridge", "CHECK portmap", "CHECK tuning"],
      ...["DEL tuning", "DEL portmap", "DEL bridge"],
    ]);
  });

  test("the mapped port leads to Berth's addresses and is gone after DEL", async () => {
    const runner = new ListRunner(node, conflist("1.0.0"));
    const { pod, v4, v6 } = await attached(runner, "one", PORTS);
    const service = await serve(pod.netns, 8080, "a pod speaking");
    try {
      expect(await fetchFrom(node.netns, v4, 8080)).toBe("a pod speaking");
      expect(await fetchFrom(node.netns, v6, 8080)).toBe("a pod speaking");
      expect(await fetchFrom(node.netns, "10.79.0.1", 18080)).toBe("a pod speaking");
      expect(await fetchFrom(node.netns, "fd00:79::1", 18080)).toBe("a pod speaking");
    } finally {
      service.kill();
      await service.done;
    }
    await runner.del(pod.attachment, PORTS);
    expect(await natRules()).not.toMatch(/18080|10\.79\.0\.2|fd00:79::2/);
    expect(await held()).toEqual([]);
  });

  test("the capability ips asks Berth for an address of each family", async () => {
    const runner = new ListRunner(node, conflist("1.0.0"));
    const wanted = { ips: ["10.79.0.9/28", "fd00:79::b"] };
    const { pod, v4, v6 } = await attached(runner, "one", wanted);
    expect([v4, v6]).toEqual(["10.79.0.9", "fd00:79::b"]);
    await node.netns.ping("10.79.0.9");
    await node.netns.ping("fd00:79::b");
    const second = await node.pod("two");
    await expect(runner.add(second.attachment, wanted)).rejects.toThrow("is not available");
    await runner.del(second.attachment, wanted);
    expect(await held()).toEqual(["10.79.0.9", "fd00:79::b"]);
    await runner.del(pod.attachment, wanted);
    expect(await held()).toEqual([]);
  });

  test("if a later plugin fails, DEL of the whole list gives the addresses back", async () => {
    const faulty = tuned("1", "net.ipv4.conf.eth0.there_is_no_such_thing");
    const runner = new ListRunner(node, conflist("1.0.0", faulty));
    const pod = await node.pod("one");
    await expect(runner.add(pod.attachment, PORTS)).rejects.toThrow("there_is_no_such_thing");
    expect(await held()).toHaveLength(2);
    await runner.del(pod.attachment, PORTS);
    expect(await held()).toEqual([]);
    expect(await pod.netns.links()).toHaveLength(1);
  });

  test("two interfaces of one pod hold two pairs and are released one by one", async () => {
    // The bridge's masquerading chain is named by the container alone: not for two interfaces.
    // And only one of the two can have the default routes.
    const list = conflist("1.0.0", tuned("1", "net.core.somaxconn"));
    Object.assign(list.plugins[0]!, { ipMasq: false, ipam: { ...ipam(), routes: [] } });
    const runner = new ListRunner(node, list);
    const { pod, v4, v6 } = await attached(runner, "one");
    const other = { ...pod.attachment, ifname: "eth1" };
    const [otherV4, otherV6] = addressesIn(await runner.add(other));
    expect(await held()).toEqual([v4, otherV4, v6, otherV6]);
    await runner.del(pod.attachment);
    expect(await held()).toEqual([otherV4, otherV6]);
    await runner.del(other);
    expect(await held()).toEqual([]);
  });
});

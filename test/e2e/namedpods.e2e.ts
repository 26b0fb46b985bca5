/**
 * Pods with names that matter, started through the CRI of Debian's containerd: those of a
 * StatefulSet come back to their addresses, and an annotation fixes a pod's addresses.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { KUBELET_NEEDS, Kubelet, type KubePod } from "./support/kubelet.ts";
import { suite } from "./support/requirements.ts";

let node: Kubelet;

/** Opens a node for each suite: what one test reserves, the next one doesn't get. */
function open(pods: string): void {
  beforeAll(async () => {
    node = await Kubelet.start({
      ranges: [
        [{ subnet: "10.83.0.0/27", rangeStart: "10.83.0.24" }],
        [{ subnet: "fd00:83::/123", rangeStart: "fd00:83::18" }],
      ],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
      reserve: { for: "24h", pods },
    });
  });
  afterEach(() => node.removeAll());
  afterAll(async () => {
    await node?.close();
  });
}

function addresses(pod: KubePod): string[] {
  return [pod.v4, pod.v6];
}

/** Fills the network with pods that have no name to come back under. */
async function crowd(): Promise<KubePod[]> {
  const pods: KubePod[] = [];
  for (;;) {
    try {
      pods.push(await node.run(`batch-x${pods.length}y`));
    } catch (fault) {
      if (!String(fault).includes("no IP addresses available")) throw fault;
      return pods;
    }
  }
}

suite("CRI: a pod of a StatefulSet", KUBELET_NEEDS, () => {
  open("ordinal");

  test("keeps both addresses over delete and re-create, and nobody gets them meanwhile", async () => {
    const before = await node.run("web-0");
    await node.end(before);
    expect(await node.held()).toEqual(addresses(before));
    const others = await crowd();
    expect(others).toHaveLength(6);
    expect(others.flatMap(addresses)).not.toContain(before.v4);
    expect(others.flatMap(addresses)).not.toContain(before.v6);
    const after = await node.run("web-0");
    expect(addresses(after)).toEqual(addresses(before));
    for (const address of addresses(others[0]!)) await node.ping(after, address);
  });

  test("that starts before the old one has stopped gets other addresses", async () => {
    const old = await node.run("db-1");
    const young = await node.run("db-1");
    expect(addresses(young)).not.toContain(old.v4);
    expect(addresses(young)).not.toContain(old.v6);
    // The old one's late end: once, and again.
    await node.cri.stop(old.id);
    await node.end(old);
    const held = await node.held();
    expect(held).toEqual(expect.arrayContaining(addresses(young)));
    expect(held).not.toContain(old.v4);
    expect(held).not.toContain(old.v6);
    for (const gateway of ["10.83.0.1", "fd00:83::1"]) await node.ping(young, gateway);
  });

  test("is another one than that of the same name elsewhere, and than a Deployment's", async () => {
    const before = await node.run("cache-0");
    await node.end(before);
    const pod = await node.run("web-7d4b9c6f5-42679");
    await node.end(pod);
    expect(await node.held()).toEqual(expect.arrayContaining(addresses(before)));
    expect(await node.held()).not.toContain(pod.v4);
    expect(await node.held()).not.toContain(pod.v6);
    const elsewhere = await node.cri.run(node.spec("cache-0", { namespace: "bank" }));
    expect(await node.cri.addresses(elsewhere)).not.toContain(before.v4);
  });
});

suite("CRI: a pod with annotations", KUBELET_NEEDS, () => {
  open("annotated");

  const CALICO = "cni.projectcalico.org/ipAddrs";
  const ADDRESSES = "berth.dev/addresses";
  const RESERVE_FOR = "berth.dev/reserve-for";

  test.for([
    ["a text that is no list", CALICO, "10.83.0.6"],
    ["a list that doesn't end", CALICO, '["10.83.0.6"'],
    ["an address of another subnet", CALICO, '["192.0.2.1"]'],
    ["the gateway", CALICO, '["10.83.0.1"]'],
    ["no address at all", ADDRESSES, "tomorrow"],
    ["a time that is none", RESERVE_FOR, "some time"],
  ])("is refused in words for %s, and leaves nothing", async ([_, key, text]) => {
    const refusal = await node.run("bad", { [key!]: text! }).then(String, String);
    expect(refusal).toContain(`annotation ${key}`);
    expect(await node.cri.list()).toEqual([]);
    expect(await node.held()).toEqual([]);
  });

  test("gets what cni.projectcalico.org/ipAddrs asks for, and can be reached there", async () => {
    // Outside what is given to others, inside the subnet; and one of those that others could get.
    for (const wanted of [
      ["10.83.0.5", "fd00:83::5"],
      ["10.83.0.25", "fd00:83::19"],
    ]) {
      const pod = await node.run("fixed", { [CALICO]: JSON.stringify(wanted) });
      expect(addresses(pod)).toEqual(wanted);
      for (const gateway of ["10.83.0.1", "fd00:83::1"]) await node.ping(pod, gateway);
      await node.end(pod);
    }
  });

  test("that names one family gets the other as usual", async () => {
    const pod = await node.run("half", { [ADDRESSES]: "fd00:83::7" });
    expect(pod.v6).toBe("fd00:83::7");
    expect(pod.v4).toMatch(/^10\.83\.0\.(2[4-9]|30)$/);
  });

  test("keeps what it asked for while it is away, for the time that it asked for", async () => {
    const wanted = { [ADDRESSES]: "10.83.0.9, fd00:83::9", [RESERVE_FOR]: "1h" };
    const before = await node.run("owner", wanted);
    await node.end(before);
    await expect(node.run("taker", wanted)).rejects.toThrow(/10\.83\.0\.9/);
    expect(await node.cri.list()).toEqual([]);
    expect(addresses(await node.run("owner", wanted))).toEqual(addresses(before));
  });
});

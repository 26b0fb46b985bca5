/** Pods whose annotations fix their addresses, through the CRI of Debian's containerd. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { KUBELET_NEEDS, Kubelet, type KubePod } from "./support/kubelet.ts";
import { suite } from "./support/requirements.ts";

let node: Kubelet;

function open(): void {
  beforeAll(async () => {
    node = await Kubelet.start({
      ranges: [
        [{ subnet: "10.83.0.0/27", rangeStart: "10.83.0.16" }],
        [{ subnet: "fd00:83::/123", rangeStart: "fd00:83::10" }],
      ],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
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

suite("CRI: a pod with annotations", KUBELET_NEEDS, () => {
  open();

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
      ["10.83.0.20", "fd00:83::14"],
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
    expect(pod.v4).toMatch(/^10\.83\.0\.(1[6-9]|2[0-9]|30)$/);
  });
});

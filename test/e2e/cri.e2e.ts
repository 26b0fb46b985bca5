/** Pods as a kubelet starts them: through the CRI of Debian's containerd, on `bridge` and Berth. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ANNOTATIONS, KUBELET_NEEDS, Kubelet } from "./support/kubelet.ts";
import { suite } from "./support/requirements.ts";

let node: Kubelet;

suite("CRI", KUBELET_NEEDS, () => {
  beforeAll(async () => {
    node = await Kubelet.start({
      ranges: [[{ subnet: "10.81.0.0/28" }], [{ subnet: "fd00:81::/124" }]],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    });
  });
  afterEach(() => node.removeAll());
  afterAll(async () => {
    await node?.close();
  });

  test("pod name, namespace and annotations arrive at the plugin", async () => {
    const annotations = { "example.org/words": 'quotes " and \\, ü', large: "x".repeat(20_000) };
    const spec = node.spec("web-0", { annotations });
    const { args, config } = node.added(await node.cri.run(spec));
    expect(args).toMatchObject({
      K8S_POD_NAMESPACE: "shop",
      K8S_POD_NAME: "web-0",
      K8S_POD_UID: spec.uid,
    });
    expect(config.runtimeConfig?.[ANNOTATIONS]).toEqual(annotations);
  });

  test("a pod gets both families and reaches its gateways", async () => {
    const pod = await node.run("both");
    expect(await node.held()).toEqual([pod.v4, pod.v6]);
    await node.ping(pod, "10.81.0.1");
    await node.ping(pod, "fd00:81::1");
    await node.end(pod);
    expect(await node.held()).toEqual([]);
  });

  test("StopPodSandbox frees its addresses, again and again without harm", async () => {
    const { id } = await node.run("stopped");
    const other = await node.run("other");
    await node.cri.stop(id);
    expect(await node.held()).toEqual([other.v4, other.v6]);
    await node.cri.stop(id);
    expect(await node.held()).toEqual([other.v4, other.v6]);
  });

  test("RemovePodSandbox frees what still runs, and a second one is no error", async () => {
    const { id } = await node.run("removed");
    await node.cri.remove(id);
    expect(await node.held()).toEqual([]);
    expect(await node.cri.list()).toEqual([]);
    await node.cri.remove(id);
  });

  test("a pod in the node's network holds nothing and never meets the plugin", async () => {
    const before = node.witness.calls().length;
    const id = await node.cri.run(node.spec("node-agent", { hostNetwork: true }));
    expect(await node.cri.addresses(id)).toEqual([]);
    expect(await node.held()).toEqual([]);
    await node.cri.stop(id);
    await node.cri.remove(id);
    expect(node.witness.calls()).toHaveLength(before);
  });

  test("the pod that finds a full network is refused in words, and leaves nothing", async () => {
    const crowd = Array.from({ length: 13 }, (_, index) => node.run(`pod-${index}`));
    await Promise.all(crowd);
    await expect(node.run("late")).rejects.toThrow(
      "no IP addresses available in range set: 10.81.0.1-10.81.0.14",
    );
    expect(await node.cri.list()).toHaveLength(13);
    await node.removeAll();
    expect(await node.held()).toEqual([]);
  });
});

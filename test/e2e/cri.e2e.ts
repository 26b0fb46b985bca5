/** Pods as a kubelet starts them: through the CRI of Debian's containerd, on `bridge` and Berth. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Conflist } from "./support/conflist.ts";
import type { PodSpec } from "./support/cri.ts";
import { held, type NetworkConfig } from "./support/held.ts";
import { runIn } from "./support/process.ts";
import { suite } from "./support/requirements.ts";
import { Runtime } from "./support/runtime.ts";
import { WITNESS, Witness } from "./support/witness.ts";

const ANNOTATIONS = "io.kubernetes.cri.pod-annotations";
const RANGES = [[{ subnet: "10.81.0.0/28" }], [{ subnet: "fd00:81::/124" }]];
const ROUTES = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];
const NETWORK: NetworkConfig = {
  cniVersion: "1.0.0",
  name: "kube",
  ipam: { type: "berth", ranges: RANGES, routes: ROUTES },
};
const LIST: Conflist = {
  cniVersion: "1.0.0",
  name: "kube",
  plugins: [
    {
      type: "bridge",
      bridge: "cri0",
      isGateway: true,
      capabilities: { [ANNOTATIONS]: true },
      ipam: { ...NETWORK.ipam, type: WITNESS },
    },
  ],
};
const NEEDS = {
  plugins: ["bridge", "loopback"],
  commands: ["containerd", "ctr", "runc", "busybox", "unshare", "tar", "mktemp"],
};

let runtime: Runtime;
let witness: Witness;
let count = 0;

/** A pod in namespace "shop" with a uid of its own. */
function pod(name: string, more: Partial<PodSpec> = {}): PodSpec {
  count++;
  return { name, namespace: "shop", uid: `uid-${count}`, ...more };
}

/** Starts a pod; answers its id and its addresses, IPv4 first. */
async function running(spec: PodSpec) {
  const id = await runtime.cri.run(spec);
  const [v4, v6] = (await runtime.cri.addresses(id)).toSorted();
  return { id, v4: v4!, v6: v6! };
}

async function heldNow(): Promise<string[]> {
  return held(runtime, NETWORK);
}

/** Ends what a test left running, also a failed one, so that the next finds an empty network. */
async function removeAll(): Promise<void> {
  for (const id of await runtime.cri.list()) await runtime.cri.remove(id);
}

suite("CRI", NEEDS, () => {
  beforeAll(async () => {
    runtime = await Runtime.start({ plugins: NEEDS.plugins, list: LIST, cri: true });
    witness = new Witness(join(runtime.dir, "over/opt/cni/bin"), join(runtime.dir, "calls"));
  });
  afterEach(removeAll);
  afterAll(async () => {
    await runtime?.close();
  });

  test("pod name, namespace and annotations arrive at the plugin", async () => {
    const annotations = { "berth.dev/words": 'quotes " and \\, ü', large: "x".repeat(20_000) };
    const spec = pod("named-0", { annotations });
    const { id } = await running(spec);
    const added = witness.calls("ADD").filter((call) => call.containerId === id);
    expect(added).toHaveLength(1);
    expect(added[0]!.args).toMatchObject({
      K8S_POD_NAMESPACE: "shop",
      K8S_POD_NAME: "named-0",
      K8S_POD_UID: spec.uid,
    });
    expect(added[0]!.config.runtimeConfig?.[ANNOTATIONS]).toEqual(annotations);
  });

  test("a pod gets both families and reaches its gateways", async () => {
    const { id, v4, v6 } = await running(pod("both"));
    expect(await heldNow()).toEqual([v4, v6]);
    const netns = witness.calls("ADD").find((call) => call.containerId === id)!.netns;
    for (const gateway of ["10.81.0.1", "fd00:81::1"]) {
      const ping = ["ping", "-n", "-c", "1", "-w", "5", gateway];
      await runIn(runtime.exec, ["nsenter", `--net=${netns}`, "--", ...ping]);
    }
    await removeAll();
    expect(await heldNow()).toEqual([]);
  });

  test("StopPodSandbox frees its addresses, again and again without harm", async () => {
    const { id } = await running(pod("stopped"));
    const other = await running(pod("other"));
    await runtime.cri.stop(id);
    expect(await heldNow()).toEqual([other.v4, other.v6]);
    await runtime.cri.stop(id);
    expect(await heldNow()).toEqual([other.v4, other.v6]);
  });

  test("RemovePodSandbox frees what still runs, and a second one is no error", async () => {
    const { id } = await running(pod("removed"));
    await runtime.cri.remove(id);
    expect(await heldNow()).toEqual([]);
    expect(await runtime.cri.list()).toEqual([]);
    await runtime.cri.remove(id);
  });

  test("a pod in the node's network holds nothing and never meets the plugin", async () => {
    const before = witness.calls().length;
    const id = await runtime.cri.run(pod("node-agent", { hostNetwork: true }));
    expect(await runtime.cri.addresses(id)).toEqual([]);
    expect(await heldNow()).toEqual([]);
    await runtime.cri.stop(id);
    await runtime.cri.remove(id);
    expect(witness.calls()).toHaveLength(before);
  });

  test("the pod that finds a full network is refused in words, and leaves nothing", async () => {
    await Promise.all(Array.from({ length: 13 }, (_, index) => runtime.cri.run(pod(`p${index}`))));
    await expect(runtime.cri.run(pod("late"))).rejects.toThrow(
      "no IP addresses available in range set: 10.81.0.1-10.81.0.14",
    );
    expect(await runtime.cri.list()).toHaveLength(13);
    await removeAll();
    expect(await heldNow()).toEqual([]);
  });
});

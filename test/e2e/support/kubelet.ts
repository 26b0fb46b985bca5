/**
 * What a kubelet does to a runtime: starts pods on `bridge` and Berth through the CRI, stops and
 * removes them. Each has a runtime of its own; a witness stands between `bridge` and Berth.
 */
import { join } from "node:path";
import type { PodSpec } from "./cri.ts";
import { held, type IpamConfig, type NetworkConfig } from "./held.ts";
import { runIn } from "./process.ts";
import { Runtime } from "./runtime.ts";
import type { Call } from "./witness.ts";
import { WITNESS, Witness } from "./witness.ts";

/** The capability with which a runtime hands a pod's annotations over. */
export const ANNOTATIONS = "io.kubernetes.cri.pod-annotations";

const PLUGINS = ["bridge", "loopback"];
const CNI_VERSION = "1.0.0";
const NETWORK = "kube";

/** What a machine needs for it. */
export const KUBELET_NEEDS = {
  plugins: PLUGINS,
  commands: ["containerd", "ctr", "runc", "busybox", "unshare", "tar", "mktemp"],
};

/** A pod that runs. */
export interface KubePod {
  id: string;
  v4: string;
  v6: string;
}

export class Kubelet {
  readonly runtime: Runtime;
  readonly witness: Witness;
  private readonly network: NetworkConfig;
  private pods = 0;

  private constructor(runtime: Runtime, network: NetworkConfig) {
    this.runtime = runtime;
    this.network = network;
    const plugins = join(runtime.dir, "over", runtime.pluginDir);
    this.witness = new Witness(plugins, join(runtime.dir, "calls"));
  }

  /** Starts a runtime whose pods get their addresses by `ipam`. */
  static async start(ipam: Omit<IpamConfig, "type">): Promise<Kubelet> {
    const network = { cniVersion: CNI_VERSION, name: NETWORK, ipam: { ...ipam, type: "berth" } };
    const bridge = {
      type: "bridge",
      bridge: "cri0",
      isGateway: true,
      capabilities: { [ANNOTATIONS]: true },
      ipam: { ...ipam, type: WITNESS },
    };
    const list = { cniVersion: CNI_VERSION, name: NETWORK, plugins: [bridge] };
    const runtime = await Runtime.start({ plugins: PLUGINS, list, cri: true });
    try {
      const kubelet = new Kubelet(runtime, network);
      // Only a pod that succeeds fixes the MAC address of the bridge. If the first one fails, the
      // bridge has none, and its plugin then refuses all: "could not set bridge's mac".
      await kubelet.end(await kubelet.run("first"));
      return kubelet;
    } catch (fault) {
      await runtime.close();
      throw fault;
    }
  }

  get cri() {
    return this.runtime.cri;
  }

  /** A pod of namespace "shop" that no other pod is: a new uid each time. */
  spec(name: string, more: Partial<PodSpec> = {}): PodSpec {
    this.pods++;
    return { name, namespace: "shop", uid: `uid-${this.pods}`, ...more };
  }

  /** Starts a pod that has both families. */
  async run(name: string, annotations: Record<string, string> = {}): Promise<KubePod> {
    const id = await this.cri.run(this.spec(name, { annotations }));
    const addresses = await this.cri.addresses(id);
    const v4 = addresses.find((address) => !address.includes(":"));
    const v6 = addresses.find((address) => address.includes(":"));
    if (v4 === undefined || v6 === undefined) throw new Error(`${name} has only ${addresses}`);
    return { id, v4, v6 };
  }

  /** Stops and removes a pod, as a kubelet does when it is deleted. */
  async end(pod: KubePod): Promise<void> {
    await this.cri.stop(pod.id);
    await this.cri.remove(pod.id);
  }

  /** The call of ADD that a pod came from. */
  added(podSandboxId: string): Call {
    const calls = this.witness.calls("ADD").filter((call) => call.containerId === podSandboxId);
    if (calls.length !== 1) throw new Error(`${calls.length} ADDs of ${podSandboxId}`);
    return calls[0]!;
  }

  /** Pings from within a pod; throws unless `address` answers. */
  async ping(pod: KubePod, address: string): Promise<void> {
    const ping = ["ping", "-n", "-c", "1", "-w", "5", address];
    const enter = ["nsenter", `--net=${this.added(pod.id).netns}`, "--"];
    await runIn(this.runtime.exec, [...enter, ...ping]);
  }

  /** The addresses that nobody can have now: IPv4 first, in order. */
  async held(): Promise<string[]> {
    return held(this.runtime, this.network);
  }

  /** Ends every pod, also what a failed test left. */
  async removeAll(): Promise<void> {
    for (const id of await this.cri.list()) await this.cri.remove(id);
  }

  async close(): Promise<void> {
    await this.runtime.close();
  }
}

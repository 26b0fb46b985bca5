/**
 * A node of the tests: a network namespace that stands for the host, a directory with the plugins
 * and the state, and pods, each a namespace of its own. The machine's own network isn't touched.
 * `close` walks the state once more and removes everything, also after a failure; what it couldn't
 * do it tells afterwards.
 */
import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { anotherBoot } from "./boot.ts";
import { type Attachment, type CniResult, callPlugin, type PluginHost } from "./cni.ts";
import { held, type NetworkConfig, plainAddress } from "./held.ts";
import { Netns } from "./netns.ts";
import { prefixed } from "./process.ts";
import { BERTH, BERTH_NODE, pluginPath } from "./requirements.ts";
import { assertSound } from "./state.ts";
import { removeDirectory, runPrefix } from "./sweep.ts";

/** One pod: its namespace and how a runtime calls it. */
export interface Pod {
  netns: Netns;
  attachment: Attachment;
}

export interface NodeOptions {
  /** Real plugins to lay beside `berth`. */
  plugins: string[];
}

/** Lays symbolic links to the real plugins, to `berth` and to `berth-node` into `dir`. */
export function linkPlugins(dir: string, plugins: string[]): void {
  mkdirSync(dir, { recursive: true });
  for (const name of plugins) symlinkSync(pluginPath(name)!, join(dir, name));
  symlinkSync(BERTH, join(dir, "berth"));
  symlinkSync(BERTH_NODE, join(dir, "berth-node"));
}

/** Runs every step, even if one fails, and throws what failed. */
export async function everyStep(steps: (() => Promise<void> | void)[]): Promise<void> {
  const faults: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (fault) {
      faults.push(fault);
    }
  }
  if (faults.length === 1) throw faults[0];
  if (faults.length > 1) throw new AggregateError(faults, `clean-up: ${faults.join("; ")}`);
}

export class TestNode implements PluginHost {
  /** Another one after each reboot. */
  netns: Netns;
  readonly dir: string;
  readonly pluginDir: string;
  readonly stateDir: string;
  private pods: Netns[] = [];
  private boot: string[] = [];

  private constructor(netns: Netns, dir: string) {
    this.netns = netns;
    this.dir = dir;
    this.pluginDir = join(dir, "plugins");
    this.stateDir = join(dir, "state");
  }

  static async create(options: NodeOptions): Promise<TestNode> {
    const netns = await Netns.create();
    const node = new TestNode(netns, mkdtempSync(join(tmpdir(), runPrefix())));
    linkPlugins(node.pluginDir, options.plugins);
    return node;
  }

  get exec() {
    return prefixed(["nsenter", `--net=${this.netns.path}`, "--", ...this.boot]);
  }

  /**
   * Reboots the node: its network and the pods' namespaces are gone without a DEL, the plugins'
   * files stay, and what runs from now on sees another boot id and a boot clock that began anew.
   */
  async reboot(): Promise<void> {
    await everyStep([...this.pods, this.netns].map((netns) => () => netns.remove()));
    this.pods = [];
    this.netns = await Netns.create();
    this.boot = anotherBoot(this.dir);
  }

  /** A new pod, not attached to anything yet; `args` is its CNI_ARGS. */
  async pod(containerId: string, args?: string): Promise<Pod> {
    const netns = await Netns.create();
    this.pods.push(netns);
    const attachment = { containerId, netns: netns.path, ifname: "eth0" };
    return { netns, attachment: args === undefined ? attachment : { ...attachment, args } };
  }

  /** ADD by the config's interface plugin; waits until the addresses can be used. */
  async add(pod: Pod, config: NetworkConfig & { type: string }): Promise<CniResult> {
    const result = await callPlugin(this, config.type, "ADD", pod.attachment, config);
    await pod.netns.settled();
    await this.netns.settled();
    return result!;
  }

  async check(pod: Pod, config: NetworkConfig & { type: string }, prevResult: CniResult) {
    await callPlugin(this, config.type, "CHECK", pod.attachment, { ...config, prevResult });
  }

  async del(pod: Pod, config: NetworkConfig & { type: string }): Promise<void> {
    await callPlugin(this, config.type, "DEL", pod.attachment, config);
  }

  /** The addresses of the network that are held now. */
  async held(config: NetworkConfig): Promise<string[]> {
    return held(this, config);
  }

  async close(): Promise<void> {
    await everyStep([
      ...[...this.pods, this.netns].map((netns) => () => netns.remove()),
      () => assertSound(this.stateDir),
      () => removeDirectory(this.dir),
    ]);
  }
}

/** The addresses of a result, without their prefix lengths, in its order. */
export function addressesIn(result: CniResult): string[] {
  return result.ips.map((entry) => plainAddress(entry.address));
}

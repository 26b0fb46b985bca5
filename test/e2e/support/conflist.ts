/**
 * A small runner of network config lists, as the CNI specification orders it: ADD goes forward and
 * hands each plugin the result of the one before, CHECK goes forward and DEL backward with the
 * result of the whole ADD. The result is kept here in memory, where a runtime has its cache.
 *
 * Like libcni it doesn't undo an ADD that fails half way; whoever runs a list calls `del` then.
 */
import { type Attachment, type CniResult, callPlugin, type Json, type PluginHost } from "./cni.ts";

export interface PluginConfig extends Json {
  type: string;
  capabilities?: Record<string, boolean>;
}

export interface Conflist {
  cniVersion: string;
  name: string;
  disableCheck?: boolean;
  plugins: PluginConfig[];
}

/** "0.4.0" as a number that can be compared. */
function order(version: string): number {
  const [major, minor, patch] = version.split(".").map(Number);
  return major! * 1e6 + minor! * 1e3 + patch!;
}

export class ListRunner {
  /** Every call that was made, such as "ADD bridge", in order. */
  readonly calls: string[] = [];
  private readonly host: PluginHost;
  private readonly list: Conflist;
  private readonly results = new Map<string, CniResult>();

  constructor(host: PluginHost, list: Conflist) {
    this.host = host;
    this.list = list;
  }

  /** The config of one plugin: the list's name and version, and the capabilities it declares. */
  private config(plugin: PluginConfig, capabilities: Json, prevResult?: CniResult): Json {
    const { capabilities: declared, ...own } = plugin;
    const wanted = Object.entries(capabilities).filter(([key]) => declared?.[key] === true);
    return {
      ...own,
      name: this.list.name,
      cniVersion: this.list.cniVersion,
      ...(wanted.length === 0 ? {} : { runtimeConfig: Object.fromEntries(wanted) }),
      ...(prevResult === undefined ? {} : { prevResult }),
    };
  }

  private async call(
    command: "ADD" | "CHECK" | "DEL",
    plugin: PluginConfig,
    attachment: Attachment,
    config: Json,
  ): Promise<CniResult | undefined> {
    this.calls.push(`${command} ${plugin.type}`);
    return callPlugin(this.host, plugin.type, command, attachment, config);
  }

  async add(attachment: Attachment, capabilities: Json = {}): Promise<CniResult> {
    let result: CniResult | undefined;
    for (const plugin of this.list.plugins) {
      const config = this.config(plugin, capabilities, result);
      result = await this.call("ADD", plugin, attachment, config);
    }
    if (result === undefined) throw new Error(`${this.list.name} has no plugins`);
    this.results.set(key(attachment), result);
    return result;
  }

  /** Throws for versions before 0.4.0, which have no CHECK. */
  async check(attachment: Attachment, capabilities: Json = {}): Promise<void> {
    if (order(this.list.cniVersion) < order("0.4.0")) throw new Error("CHECK needs 0.4.0");
    if (this.list.disableCheck) return;
    const result = this.results.get(key(attachment));
    for (const plugin of this.list.plugins) {
      await this.call("CHECK", plugin, attachment, this.config(plugin, capabilities, result));
    }
  }

  async del(attachment: Attachment, capabilities: Json = {}): Promise<void> {
    const withResult = order(this.list.cniVersion) >= order("0.4.0");
    const result = withResult ? this.results.get(key(attachment)) : undefined;
    for (const plugin of this.list.plugins.toReversed()) {
      await this.call("DEL", plugin, attachment, this.config(plugin, capabilities, result));
    }
    this.results.delete(key(attachment));
  }
}

function key(attachment: Attachment): string {
  return `${attachment.containerId} ${attachment.ifname}`;
}

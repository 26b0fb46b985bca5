/**
 * Network namespaces with unique names, and what can be seen in them: addresses, routes, whether a
 * ping comes back. Nothing here touches the network of the machine itself.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { prefixed, run, until } from "./process.ts";
import { runPrefix } from "./sweep.ts";

export type Family = 4 | 6;

export interface LinkAddress {
  family: "inet" | "inet6";
  local: string;
  prefixlen: number;
  scope: string;
  tentative?: boolean;
}

export interface Route {
  dst: string;
  gateway?: string;
  dev?: string;
}

interface LinkEntry {
  ifname: string;
  mtu: number;
  addr_info: LinkAddress[];
}

/** How long duplicate address detection may take before a test gives up. */
const SETTLE_MS = 10_000;

export class Netns {
  readonly name: string;
  readonly path: string;

  private constructor(name: string) {
    this.name = name;
    this.path = `/run/netns/${name}`;
  }

  static async create(): Promise<Netns> {
    const netns = new Netns(`${runPrefix()}${randomBytes(4).toString("hex")}`);
    await run(["ip", "netns", "add", netns.name]);
    await run(["ip", "-n", netns.name, "link", "set", "lo", "up"]);
    return netns;
  }

  /** Runs a command with this network, and everything else of the machine. */
  get exec() {
    return prefixed(["nsenter", `--net=${this.path}`, "--"]);
  }

  /** Removes the namespace; a second time it does nothing. */
  async remove(): Promise<void> {
    if (existsSync(this.path)) await run(["ip", "netns", "del", this.name]);
  }

  private async json<T>(...args: string[]): Promise<T[]> {
    const text = await run(["ip", "-j", "-n", this.name, ...args]);
    return text.trim() === "" ? [] : (JSON.parse(text) as T[]);
  }

  /** All interfaces with their addresses; one named `lo` is always there. */
  async links(): Promise<LinkEntry[]> {
    return this.json<LinkEntry>("addr", "show");
  }

  /** The global addresses of an interface; [] if it isn't there. */
  async addresses(ifname: string): Promise<LinkAddress[]> {
    const link = (await this.links()).find((entry) => entry.ifname === ifname);
    return (link?.addr_info ?? []).filter((entry) => entry.scope === "global");
  }

  async routes(family: Family): Promise<Route[]> {
    return this.json<Route>(`-${family}`, "route", "show");
  }

  /** Waits until no address here is tentative: one that is can't be reached yet. */
  async settled(): Promise<void> {
    await until(`the addresses in ${this.name} to settle`, SETTLE_MS, async () => {
      const all = (await this.links()).flatMap((link) => link.addr_info);
      return all.some((entry) => entry.tentative) ? undefined : true;
    });
  }

  /** Throws unless `address` answers within 5 seconds. */
  async ping(address: string): Promise<void> {
    const argv = ["ping", "-n", "-c", "1", "-w", "5", "-i", "0.2", address];
    await run(["nsenter", `--net=${this.path}`, "--", ...argv]);
  }
}

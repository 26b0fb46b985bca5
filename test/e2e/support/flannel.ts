/**
 * What flannel's CNI plugin does between its own config and the plugin it delegates to: it reads
 * the file that flanneld writes, and makes of both the config of a `bridge` with an IPAM section.
 * The result of ADD is the delegate's; the config is kept for DEL, which reads nothing else.
 *
 * Facts from flannel-io/cni-plugin: an absent key of the delegate is filled in, `ipMasq` is the
 * opposite of FLANNEL_IPMASQ, one range set per family from the node's subnet without its host
 * bits, and one route per cluster network, after the routes of the IPAM section.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Address4, Address6 } from "ip-address";
import { type Attachment, type CniResult, callPlugin, type Json, type PluginHost } from "./cni.ts";
import type { NetworkConfig } from "./held.ts";

export interface FlannelConfig {
  cniVersion: string;
  name: string;
  type: "flannel";
  subnetFile: string;
  dataDir: string;
  ipam: { type: string; dataDir?: string; routes?: { dst: string; gw?: string }[] };
  delegate: Json;
  runtimeConfig?: Json;
}

interface SubnetEnv {
  networks: string[];
  subnets: string[];
  mtu: number;
  ipMasq: boolean;
}

/** "10.244.1.1/24" as "10.244.1.0/24". */
function withoutHostBits(cidr: string): string {
  const v6 = cidr.includes(":");
  const parsed = v6 ? new Address6(cidr) : new Address4(cidr);
  return `${parsed.startAddress().correctForm()}/${parsed.subnetMask}`;
}

/** Reads a subnet.env; throws if it lacks a value that flannel insists on. */
export function parseSubnetEnv(text: string): SubnetEnv {
  const pairs = text.split("\n").filter((line) => line.includes("="));
  const values = new Map(pairs.map((line) => [line.split("=")[0]!, line.split("=")[1]!.trim()]));
  const prefixes = (...keys: string[]) =>
    keys.flatMap((key) => values.get(key)?.split(",") ?? []).map(withoutHostBits);
  const networks = prefixes("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK");
  const subnets = prefixes("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET");
  const mtu = Number(values.get("FLANNEL_MTU"));
  const masquerade = values.get("FLANNEL_IPMASQ");
  if (networks.length === 0 || subnets.length === 0 || !mtu || masquerade === undefined) {
    throw new Error(`subnet.env is missing values: ${text}`);
  }
  return { networks, subnets, mtu, ipMasq: masquerade === "true" };
}

/** The config that the delegate is given. */
export function delegateConfig(config: FlannelConfig): NetworkConfig & { type: string } {
  const env = parseSubnetEnv(readFileSync(config.subnetFile, "utf8"));
  return {
    type: "bridge",
    ipMasq: !env.ipMasq,
    mtu: env.mtu,
    isGateway: true,
    ...(config.runtimeConfig === undefined ? {} : { runtimeConfig: config.runtimeConfig }),
    ...config.delegate,
    name: config.name,
    cniVersion: config.cniVersion,
    ipam: {
      ...config.ipam,
      ranges: env.subnets.map((subnet) => [{ subnet }]),
      routes: [...(config.ipam.routes ?? []), ...env.networks.map((dst) => ({ dst }))],
    },
  };
}

export async function flannelAdd(
  host: PluginHost,
  config: FlannelConfig,
  attachment: Attachment,
): Promise<CniResult> {
  const delegate = delegateConfig(config);
  mkdirSync(config.dataDir, { recursive: true });
  writeFileSync(join(config.dataDir, attachment.containerId), JSON.stringify(delegate));
  return (await callPlugin(host, delegate.type, "ADD", attachment, delegate))!;
}

/** Does nothing for a container that has no kept config. */
export async function flannelDel(
  host: PluginHost,
  config: FlannelConfig,
  attachment: Attachment,
): Promise<void> {
  const path = join(config.dataDir, attachment.containerId);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return;
  }
  const delegate = JSON.parse(text) as Json & { type: string };
  await callPlugin(host, delegate.type, "DEL", attachment, delegate);
  rmSync(path);
}

/**
 * Which addresses of a network are held, asked from outside: each range set is filled by probes to
 * its last address, what they didn't get is held, and the probes give everything back.
 *
 * Costs two calls per free address, so a set above 4,096 addresses is refused unless the caller
 * names the addresses that matter; each of those is then requested alone.
 */
import { Address4, Address6 } from "ip-address";
import { type Attachment, CniError, callPlugin, type Json, type PluginHost } from "./cni.ts";

export interface RangeConfig {
  subnet: string;
  rangeStart?: string;
  rangeEnd?: string;
  gateway?: string;
}

export interface IpamConfig {
  type: string;
  dataDir?: string;
  ranges?: RangeConfig[][];
  routes?: { dst: string; gw?: string }[];
  reserve?: Json;
}

export interface NetworkConfig extends Json {
  cniVersion: string;
  name: string;
  ipam: IpamConfig;
}

const LARGEST_FILL = 4096n;

function parse(text: string): Address4 | Address6 {
  return text.includes(":") ? new Address6(text) : new Address4(text);
}

function format(value: bigint, v6: boolean): string {
  return v6 ? Address6.fromBigInt(value).correctForm() : Address4.fromBigInt(value).correctForm();
}

/** An address or prefix as its plain address: "fd00:0::2/64" is "fd00::2". */
export function plainAddress(text: string): string {
  return parse(text).correctForm();
}

/** First and last address of a range as host-local counts them, and its gateway. */
function bounds(range: RangeConfig): { first: bigint; last: bigint; gateway: bigint } {
  const subnet = parse(range.subnet);
  const base = subnet.startAddress().bigInt();
  const end = subnet.endAddress().bigInt();
  const number = (text: string | undefined, otherwise: bigint) =>
    text === undefined ? otherwise : parse(text).bigInt();
  return {
    first: number(range.rangeStart, base + 1n),
    last: number(range.rangeEnd, range.subnet.includes(":") ? end : end - 1n),
    gateway: number(range.gateway, base + 1n),
  };
}

/** Every address that a range set can give, in order. */
export function addressesOf(set: RangeConfig[]): string[] {
  const all: string[] = [];
  for (const range of set) {
    const { first, last, gateway } = bounds(range);
    if (last - first >= LARGEST_FILL) throw new Error(`${range.subnet} is too large to be filled`);
    for (let value = first; value <= last; value++) {
      if (value !== gateway) all.push(format(value, range.subnet.includes(":")));
    }
  }
  return all;
}

function probe(index: number): Attachment {
  return { containerId: `probe-${index}`, netns: "/run/netns/nowhere", ifname: "eth0" };
}

function oneSet(config: NetworkConfig, set: RangeConfig[], request?: string): NetworkConfig {
  const { cniVersion, name, ipam } = config;
  const args = request === undefined ? {} : { args: { cni: { ips: [request] } } };
  return { cniVersion, name, ipam: { ...ipam, ranges: [set] }, ...args };
}

/** One probe's address; undefined if none was available. Other errors are thrown. */
async function take(host: PluginHost, index: number, config: NetworkConfig) {
  try {
    const result = await callPlugin(host, config.ipam.type, "ADD", probe(index), config);
    return plainAddress(result!.ips[0]!.address);
  } catch (fault) {
    const full = /no IP addresses available|requested IP address .* is not available/;
    if (fault instanceof CniError && full.test(fault.msg)) return undefined;
    throw fault;
  }
}

async function heldInSet(host: PluginHost, config: NetworkConfig, set: RangeConfig[]) {
  const all = addressesOf(set);
  const alone = oneSet(config, set);
  const free = new Set<string>();
  let probes = 0;
  try {
    for (; probes <= all.length; probes++) {
      const address = await take(host, probes, alone);
      if (address === undefined) break;
      if (free.has(address)) throw new Error(`${address} was given twice`);
      free.add(address);
    }
  } finally {
    for (let index = 0; index <= probes; index++) {
      await callPlugin(host, config.ipam.type, "DEL", probe(index), alone);
    }
  }
  const strange = [...free].filter((address) => !all.includes(address));
  if (strange.length > 0) throw new Error(`given, but outside the range set: ${strange}`);
  return all.filter((address) => !free.has(address));
}

/** The addresses of the network that are held, by range set in order, then by address. */
export async function held(host: PluginHost, config: NetworkConfig): Promise<string[]> {
  const all: string[] = [];
  for (const set of config.ipam.ranges ?? []) all.push(...(await heldInSet(host, config, set)));
  return all;
}

/** Those of `addresses` that are held; for networks that are too large to be filled. */
export async function heldAmong(host: PluginHost, config: NetworkConfig, addresses: string[]) {
  const taken: string[] = [];
  for (const address of addresses) {
    const v6 = address.includes(":");
    const set = config.ipam.ranges!.find((entry) => entry[0]!.subnet.includes(":") === v6);
    if (set === undefined) throw new Error(`no range set has the family of ${address}`);
    const request = oneSet(config, set, address);
    const got = await take(host, 0, request);
    if (got === undefined) taken.push(address);
    await callPlugin(host, config.ipam.type, "DEL", probe(0), request);
  }
  return taken;
}

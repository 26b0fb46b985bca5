// The plan of a cluster's prefixes before it exists: how long a node's prefix must be for its pods,
// how many nodes fit into the cluster prefixes, what is wasted, and which of it Kubernetes' own
// parts would refuse (planwarnings.ts). Arithmetic only: nothing is allocated.
import {
  type Family,
  formatPrefix,
  overlaps,
  type Prefix,
  parsePrefix,
  widthOf,
} from "../address.ts";
import { IpamError, shown } from "../errors.ts";
import { keysOf, needKeys } from "../keys.ts";
import { type PlanWarning, UNUSABLE, warningsOf } from "./planwarnings.ts";
import { forFamily, keptBack, type PerFamily, rulesOf } from "./prefixoptions.ts";

/** GKE's rule: at least twice as many addresses as pods, so that one is rarely given again soon. */
export const HEADROOM = 2;
/** What Kubernetes gives a node unless told otherwise. */
const LENGTH_6 = 64;
const COUNT_MAX = 2 ** 40;

/** What planCluster is told. */
export interface ClusterNeeds {
  /** How many nodes there will be, 1 to 2^40. */
  nodes: number;
  /** Pods that a node runs at most, 1 to 2^40. */
  podsPerNode: number;
  /** Prefixes for pods, any number of each family. */
  clusterPrefixes: string | readonly string[];
  /** Prefixes for services: what they take of the cluster prefixes is subtracted. */
  servicePrefixes?: string | readonly string[];
  /** Addresses for each pod, 1 to 1,024; default 2. */
  headroom?: number;
  /** Length of a node's prefix, where it is given already; default as planCluster says. */
  length?: PerFamily;
}

const KEYS = keysOf<ClusterNeeds>("needs", "a key of what planCluster is told", {
  nodes: true,
  podsPerNode: true,
  clusterPrefixes: true,
  servicePrefixes: true,
  headroom: true,
  length: true,
});

/** The plan of one family. Counts are rounded from 2^53 on. */
export interface FamilyPlan {
  family: Family;
  /** Length of a node's prefix. */
  length: number;
  clusterPrefixes: string[];
  /** How many nodes fit. */
  nodes: number;
  /** Sub-prefixes that services take. */
  lostToServices: number;
  addressesPerNode: number;
  /** Share (0 to 1) of the planned nodes' addresses that no pod uses when all nodes are full. */
  wasted: number;
  /** Sub-prefixes that are left when all planned nodes have one; below 0: so many are missing. */
  spare: number;
}

/** The plan of a service prefix. */
export interface ServicePlan {
  prefix: string;
  family: Family;
  /** Addresses for services: all but the first, in IPv4 but the last too. */
  usable: number;
}

/** What planCluster answers. */
export interface ClusterPlan {
  nodes: number;
  podsPerNode: number;
  headroom: number;
  /** Do all nodes fit, and all pods on each, in every family? */
  fits: boolean;
  /** How many nodes fit: of the family that has the least room. */
  nodesMax: number;
  families: FamilyPlan[];
  services: ServicePlan[];
  warnings: PlanWarning[];
}

function count(what: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= COUNT_MAX)
    return value as number;
  const wanted = "a whole number from 1 to 2^40";
  throw new IpamError("invalid", `${what} ${shown(value)} is not ${wanted}`, value);
}

function headroomOf(value: unknown): number {
  if (typeof value === "number" && value >= 1 && value <= 1024) return value;
  throw new IpamError("invalid", `headroom ${shown(value)} is not a number from 1 to 1024`, value);
}

/**
 * The longest prefix that has `headroom` addresses for each of `maxPods` pods, and one for each
 * beside those that no pod gets: 110 pods at the default headroom of 2 need a /24 (GKE's rule), 8 a
 * /28. For IPv6 it is the same count (110: /120); Kubernetes gives a /64 whatever runs there.
 * `maxPods` is 1 to 2^40, `headroom` 1 to 1,024. Throws "invalid", "tooLarge" (no IPv4 prefix has
 * so many).
 */
export function prefixLengthFor(
  maxPods: number,
  headroom: number = HEADROOM,
  family: Family = 4,
): number {
  const pods = count("maxPods", maxPods);
  if (family !== 4 && family !== 6)
    throw new IpamError("invalid", `family ${shown(family)} is not 4 or 6`, family);
  const need = Math.max(Math.ceil(pods * headroomOf(headroom)), pods + UNUSABLE[family]);
  const length = widthOf(family) - Math.ceil(Math.log2(need));
  if (length >= 0) return length;
  throw new IpamError("tooLarge", `${need} addresses are more than IPv4 has`, maxPods);
}

function prefixList(what: string, value: string | readonly string[]): Prefix[] {
  const list = typeof value === "string" ? [value] : value;
  if (!Array.isArray(list))
    throw new IpamError("invalid", `${what} ${shown(value)} is not a prefix or a list`, value);
  const prefixes = list.map((text) => parsePrefix(text));
  for (const [i, p] of prefixes.entries()) {
    const other = prefixes.slice(0, i).find((before) => overlaps(before, p));
    if (!other) continue;
    throw new IpamError("overlap", `${formatPrefix(p)} overlaps ${formatPrefix(other)}`, list[i]);
  }
  return prefixes;
}

/** Sub-prefixes of one length in all of `prefixes`. */
function capacity(prefixes: readonly Prefix[], length: number): number {
  return prefixes.reduce((sum, p) => sum + (length < p.length ? 0 : 2 ** (length - p.length)), 0);
}

// A /64 for each node if they fit, as Kubernetes does it; else as long as it takes.
function lengthOf6(prefixes: readonly Prefix[], nodes: number, most: number): number {
  for (let length = LENGTH_6; length < most; length++)
    if (capacity(prefixes, length) >= nodes) return length;
  return most;
}

function familyPlan(
  family: Family,
  needs: ClusterNeeds,
  prefixes: readonly Prefix[],
  services: readonly Prefix[],
): FamilyPlan {
  const { nodes, podsPerNode, headroom = HEADROOM } = needs;
  const need = prefixLengthFor(podsPerNode, headroom, family);
  const usual = family === 4 ? need : lengthOf6(prefixes, nodes, need);
  const length = forFamily("length", needs.length, family, usual, widthOf(family));
  const exclude = services.map(formatPrefix);
  const rules = rulesOf({ length: { [family]: length }, exclude });
  const shift = BigInt(widthOf(family) - length);
  let room = 0;
  let lost = 0;
  for (const p of prefixes) {
    if (length < p.length) continue;
    const kept = keptBack(rules, p, shift).reduce((sum, [a, b]) => sum + b - a + 1n, 0n);
    lost += Number(kept);
    room += Number((1n << BigInt(length - p.length)) - kept);
  }
  const addressesPerNode = 2 ** (widthOf(family) - length);
  return {
    family,
    length,
    clusterPrefixes: prefixes.map(formatPrefix),
    nodes: room,
    lostToServices: lost,
    addressesPerNode,
    wasted: Math.max(0, 1 - podsPerNode / addressesPerNode),
    spare: room - nodes,
  };
}

/**
 * Plans a cluster: lengths of the nodes' prefixes (IPv4 by prefixLengthFor, IPv6 /64 where that
 * fits, else what fits), how many nodes fit, what is wasted, what to look out for. Throws
 * "invalid", "hostBits", "overlap" (of two cluster prefixes, or two service prefixes).
 */
export function planCluster(needs: ClusterNeeds): ClusterPlan {
  needKeys(needs, KEYS);
  const nodes = count("nodes", needs.nodes);
  const podsPerNode = count("podsPerNode", needs.podsPerNode);
  const headroom = headroomOf(needs.headroom ?? HEADROOM);
  const cluster = prefixList("clusterPrefixes", needs.clusterPrefixes);
  const service = prefixList("servicePrefixes", needs.servicePrefixes ?? []);
  if (cluster.length === 0)
    throw new IpamError("invalid", "clusterPrefixes is empty: a plan needs one", []);
  const order = [...new Set(cluster.map(({ family }) => family))];
  const families = order.map((family) => {
    const own = (p: Prefix) => p.family === family;
    return familyPlan(family, needs, cluster.filter(own), service.filter(own));
  });
  const services = service.map((p) => ({
    prefix: formatPrefix(p),
    family: p.family,
    usable: Math.max(0, 2 ** (widthOf(p.family) - p.length) - (p.family === 4 ? 2 : 1)),
  }));
  const nodesMax = Math.min(...families.map((family) => family.nodes));
  const holdsPods = (plan: FamilyPlan) =>
    plan.addressesPerNode >= podsPerNode + UNUSABLE[plan.family];
  const fits = nodesMax >= nodes && families.every(holdsPods);
  const plan = { nodes, podsPerNode, headroom, fits, nodesMax, families, services };
  return { ...plan, warnings: warningsOf(plan, cluster, service) };
}

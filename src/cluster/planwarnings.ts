// What a plan may run into, from what users of Kubernetes' node and service ranges suffer. Limits
// with their sources:
//
//   16 bits from cluster to node prefix        kube-controller-manager (IPv6), kubeadm (both)
//   20 bits of a service range                kube-apiserver, bitmap allocator: /12 and /108
//   /64 of an IPv6 service range              kube-apiserver, allocator of IPAddress objects (1.33)
//   5,000 nodes, 150,000 pods, 110 on a node  what Kubernetes is tested with; kubelet's default
import { type Family, formatPrefix, overlaps, type Prefix, widthOf } from "../address.ts";
import type { ClusterPlan, FamilyPlan } from "./plan.ts";

/** Something to look out for; `code` is stable. */
export interface PlanWarning {
  code:
    | "nodesDontFit"
    | "podsDontFit"
    | "clusterTooSmall"
    | "lessHeadroom"
    | "wasted"
    | "maskDifference"
    | "not64"
    | "severalPrefixes"
    | "serviceOverlap"
    | "serviceTooLarge"
    | "serviceTooSmall"
    | "serviceFamily"
    | "tooLongForHostLocal"
    | "largeCluster"
    | "densePods";
  /** What it is about; undefined: the whole cluster. */
  family?: Family;
  /** In words, with what would help. */
  text: string;
}

const DIFFERENCE_MAX = 16;
const SERVICE_BITS = 20;
const SERVICE_64 = 64;
const SERVICE_MIN = 16;
const NODES_TESTED = 5000;
const PODS_TESTED = 150_000;
const PODS_DEFAULT = 110;
/** Addresses of a node's prefix that no pod gets: its first, its gateway, in IPv4 its last. */
export const UNUSABLE = { 4: 3, 6: 2 } as const;

type Plan = Omit<ClusterPlan, "warnings">;

// The longest node prefix that still holds all pods, without headroom.
function tightest({ family }: FamilyPlan, pods: number): number {
  return widthOf(family) - Math.ceil(Math.log2(pods + UNUSABLE[family]));
}

function aboutRoom(one: FamilyPlan, plan: Plan, prefixes: readonly Prefix[]): PlanWarning[] {
  const { family, length } = one;
  const { nodes, podsPerNode: pods } = plan;
  const out: PlanWarning[] = [];
  const say = (code: PlanWarning["code"], text: string) => out.push({ code, family, text });
  const best = tightest(one, pods);
  if (one.addressesPerNode < pods + UNUSABLE[family])
    say("podsDontFit", `a /${length} has no room for ${pods} pods: they need a /${best}`);
  for (const p of prefixes)
    if (p.length > length)
      say("clusterTooSmall", `${formatPrefix(p)} is smaller than one node's /${length}`);
  if (one.spare < 0) {
    const text = `${one.nodes} of ${nodes} nodes fit, ${-one.spare} /${length} are missing`;
    const more = one.nodes > 0 && length < best ? 2 ** (best - length) * one.nodes : 0;
    const help = more >= nodes ? `; with a /${best} for each, ${more} would fit` : "";
    say("nodesDontFit", text + help);
  }
  const usable = one.addressesPerNode - UNUSABLE[family];
  if (usable >= pods && one.addressesPerNode < pods * plan.headroom)
    say("lessHeadroom", `a /${length} has less than ${plan.headroom} addresses for each pod`);
  if (family === 4 && best > length)
    say(
      "wasted",
      `${one.addressesPerNode - pods} of the ${one.addressesPerNode} addresses of each node's ` +
        `/${length} are never used by ${pods} pods; a /${best} would hold them, without headroom`,
    );
  return out;
}

function aboutLimits(one: FamilyPlan, prefixes: readonly Prefix[]): PlanWarning[] {
  const { family, length } = one;
  const out: PlanWarning[] = [];
  const say = (code: PlanWarning["code"], text: string) => out.push({ code, family, text });
  const widest = Math.min(...prefixes.map((p) => p.length));
  if (length - widest > DIFFERENCE_MAX) {
    const who = family === 6 ? "kube-controller-manager and kubeadm refuse" : "kubeadm refuses";
    say(
      "maskDifference",
      `${length - widest} bits lie between /${widest} and /${length}: ${who} more than ` +
        `${DIFFERENCE_MAX}; leave node prefixes to another controller, or give a ` +
        `/${length - DIFFERENCE_MAX}`,
    );
  }
  if (family === 6 && length !== 64)
    say("not64", `Kubernetes' default is a /64 for each node, this plan gives a /${length}`);
  if (widthOf(family) - length < 2)
    say(
      "tooLongForHostLocal",
      `host-local refuses a /${length}: a /${widthOf(family) - 2} is the smallest`,
    );
  if (prefixes.length > 1)
    say(
      "severalPrefixes",
      `kube-controller-manager takes one prefix of each family, here are ${prefixes.length}`,
    );
  return out;
}

function aboutService(p: Prefix, cluster: readonly Prefix[]): PlanWarning[] {
  const { family, length } = p;
  const text = formatPrefix(p);
  const width = widthOf(family);
  const out: PlanWarning[] = [];
  const say = (code: PlanWarning["code"], why: string) => out.push({ code, family, text: why });
  const inside = cluster.find((other) => overlaps(other, p));
  if (inside)
    say("serviceOverlap", `services ${text} overlap ${formatPrefix(inside)}: keep them apart`);
  const limit = width - SERVICE_BITS;
  if (family === 6 && length < SERVICE_64)
    say("serviceTooLarge", `kube-apiserver refuses services ${text}: at most a /${SERVICE_64}`);
  else if (length < limit)
    say(
      "serviceTooLarge",
      `services ${text}: a /${limit} is the most that kube-apiserver takes without its allocator ` +
        `of IPAddress objects (default since 1.33)`,
    );
  if (2 ** (width - length) < SERVICE_MIN)
    say("serviceTooSmall", `services ${text} have only ${2 ** (width - length)} addresses`);
  if (!cluster.some((other) => other.family === family))
    say("serviceFamily", `services ${text}, but no pods are IPv${family}`);
  return out;
}

/** All warnings of a plan: by family, then services, then the whole. */
export function warningsOf(
  plan: Plan,
  cluster: readonly Prefix[],
  services: readonly Prefix[],
): PlanWarning[] {
  const out = plan.families.flatMap((one) => {
    const own = cluster.filter((p) => p.family === one.family);
    return [...aboutRoom(one, plan, own), ...aboutLimits(one, own)];
  });
  for (const p of services) out.push(...aboutService(p, cluster));
  const { nodes, podsPerNode } = plan;
  if (nodes > NODES_TESTED || nodes * podsPerNode > PODS_TESTED)
    out.push({
      code: "largeCluster",
      text: `Kubernetes is tested with ${NODES_TESTED} nodes and ${PODS_TESTED} pods in all`,
    });
  if (podsPerNode > PODS_DEFAULT)
    out.push({
      code: "densePods",
      text: `kubelet starts ${PODS_DEFAULT} pods on a node unless maxPods says more`,
    });
  return out;
}

// What a service asks for, and what it is to have: the API server's defaulting and validation of
// ipFamilyPolicy, ipFamilies and clusterIPs (pkg/registry/core/service/storage/alloc.go and
// validation.go of Kubernetes 1.34), without addresses: those are the pools'.
//
//   create   spec --------------------> Plan      families in order, an address asked for or not
//   update   spec, what it has now ---> Plan      keeps its first address and family for good
import { formatAddress, parseAddress } from "../address.ts";
import { IpamError, shown } from "../errors.ts";
import { needKeys, someKeysOf } from "../keys.ts";
import { type IpFamily, ipFamilyOf } from "./servicerange.ts";

/** How many families a service wants. */
export type IpFamilyPolicy = "SingleStack" | "PreferDualStack" | "RequireDualStack";

/** Type of a service. */
export type ServiceType = "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";

/** A service as it is asked for: the fields of its spec, and its name. All may be left out. */
export interface ServiceSpec {
  /**
   * Owner of the addresses: "namespace/name", at most 512 characters, no address. Without one,
   * release takes the addresses.
   */
  name?: string;
  /** Default "ClusterIP". */
  type?: ServiceType;
  /** Default "SingleStack". */
  ipFamilyPolicy?: IpFamilyPolicy;
  /** In the order of the addresses; default: by the addresses, else the pool's first family. */
  ipFamilies?: readonly IpFamily[];
  /** An address, "None" (headless), or "" (any). */
  clusterIP?: string;
  /** One for each family, or ["None"]; begins with clusterIP where both are written. */
  clusterIPs?: readonly string[];
  /** Only for headless services: without one, they are for both families by default. */
  selector?: Readonly<Record<string, string>>;
}

// A spec from the API server has more fields than these.
const SPEC_KEYS = someKeysOf<ServiceSpec>("spec of a service", "a field of a service's spec", {
  name: true,
  type: true,
  ipFamilyPolicy: true,
  ipFamilies: true,
  clusterIP: true,
  clusterIPs: true,
  selector: true,
});

/** What a service has. Headless: clusterIPs is ["None"]. ExternalName: nothing, no policy. */
export interface ServiceAllocation {
  clusterIPs: string[];
  /** clusterIPs[i] is of ipFamilies[i]. */
  ipFamilies: IpFamily[];
  ipFamilyPolicy: IpFamilyPolicy | undefined;
}

/** What is remembered of a service with a name. */
export interface ServiceRecord extends ServiceAllocation {
  type: ServiceType;
  selectorless: boolean;
}

/** The addresses of a service; none of a headless one. */
export function addressesOf({ clusterIPs }: ServiceAllocation): string[] {
  return clusterIPs[0] === NONE ? [] : clusterIPs;
}

/** What is said of a service that is remembered. */
export function answerOf({
  clusterIPs,
  ipFamilies,
  ipFamilyPolicy,
}: ServiceRecord): ServiceAllocation {
  return { clusterIPs: [...clusterIPs], ipFamilies: [...ipFamilies], ipFamilyPolicy };
}

/** What is to be done: an address for each family, asked for, or undefined for any. */
export interface Plan {
  type: ServiceType;
  headless: boolean;
  selectorless: boolean;
  ipFamilyPolicy: IpFamilyPolicy | undefined;
  ipFamilies: IpFamily[];
  clusterIPs: (string | undefined)[];
}

const NONE = "None";
const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];
const POLICIES: readonly IpFamilyPolicy[] = ["SingleStack", "PreferDualStack", "RequireDualStack"];
const TYPES: readonly ServiceType[] = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];

function invalid(message: string, value: unknown): IpamError {
  return new IpamError("invalid", message, value);
}

function oneOf<T>(what: string, value: T | undefined, all: readonly T[]): T | undefined {
  if (value === undefined || all.includes(value)) return value;
  throw invalid(`${what} ${shown(value)} is none of ${all.join(", ")}`, value);
}

function familyOf(address: string): IpFamily {
  return ipFamilyOf(parseAddress(address).family);
}

/** An address in canonical text. */
function canonical(text: unknown): string {
  const { family, value } = parseAddress(text, "address of a service");
  return formatAddress(family, value);
}

/**
 * A spec whose fields are of the right kind; addresses are canonical. Undefined = not written. To
 * read one may be to run the caller's code; what is read has none.
 */
export interface ReadSpec {
  /** Not checked. */
  name: string | undefined;
  type: ServiceType | undefined;
  policy: IpFamilyPolicy | undefined;
  families: IpFamily[] | undefined;
  /** ["None"] for headless. */
  addresses: string[] | undefined;
  selectorless: boolean | undefined;
}

function readFamilies(value: readonly IpFamily[] | undefined): IpFamily[] | undefined {
  if (value === undefined) return undefined;
  const list = Array.isArray(value) && value.length <= 2 ? [...value] : undefined;
  if (list === undefined || new Set(list).size !== list.length)
    throw invalid(`ipFamilies ${shown(value)} is not a list of IPv4, IPv6`, value);
  for (const family of list) oneOf("ipFamilies", family, FAMILIES);
  return list.length === 0 ? undefined : list;
}

function readAddresses({ clusterIP, clusterIPs }: ServiceSpec): string[] | undefined {
  if (clusterIP !== undefined && typeof clusterIP !== "string")
    throw invalid(`clusterIP ${shown(clusterIP)} is not an address, "None" or ""`, clusterIP);
  if (clusterIPs !== undefined && (!Array.isArray(clusterIPs) || clusterIPs.length > 2))
    throw invalid(`clusterIPs ${shown(clusterIPs)} is not a list of up to two`, clusterIPs);
  const list = clusterIPs?.length ? [...clusterIPs] : clusterIP ? [clusterIP] : [];
  if (list.length === 0) return undefined;
  if (list.includes(NONE) && list.length > 1)
    throw invalid(`clusterIPs ${shown(list)}: "None" stands alone`, list);
  const read = list.map((text) => (text === NONE ? NONE : canonical(text)));
  if (clusterIP && clusterIP !== NONE && canonical(clusterIP) !== read[0])
    throw invalid(`clusterIP ${clusterIP} is not the first of clusterIPs ${list}`, clusterIP);
  if (clusterIP === NONE && read[0] !== NONE)
    throw invalid(`clusterIP None, but clusterIPs ${list}: headless services have none`, list);
  const [a, b] = read;
  if (a !== undefined && b !== undefined && familyOf(a) === familyOf(b))
    throw new IpamError("family", `clusterIPs ${a} and ${b} are of one family`, clusterIPs);
  return read;
}

/** Reads a spec, each field once. Throws "invalid", "family". */
export function readSpec(spec: ServiceSpec): ReadSpec {
  needKeys(spec, SPEC_KEYS);
  if ("spec" in spec)
    throw invalid("this is a whole service: pass its spec, with a name of its own", spec);
  const { name, selector } = spec;
  return {
    name,
    type: oneOf("type", spec.type, TYPES),
    policy: oneOf("ipFamilyPolicy", spec.ipFamilyPolicy, POLICIES),
    families: readFamilies(spec.ipFamilies),
    addresses: readAddresses(spec),
    selectorless: selector === undefined ? undefined : Object.keys(selector ?? {}).length === 0,
  };
}

function nothing(selectorless: boolean): Plan {
  return {
    type: "ExternalName",
    headless: false,
    selectorless,
    ipFamilyPolicy: undefined,
    ipFamilies: [],
    clusterIPs: [],
  };
}

function externalHasNone({ addresses, families, policy }: ReadSpec): IpamError {
  const why = "an ExternalName service has no clusterIPs, ipFamilies, ipFamilyPolicy";
  return invalid(why, addresses ?? families ?? policy);
}

function notConfigured(family: IpFamily, value: unknown): IpamError {
  return new IpamError("family", `${family} is not configured: no range of it is here`, value);
}

// What must agree in any spec but that of an ExternalName.
function agree(read: ReadSpec, type: ServiceType, policy: IpFamilyPolicy): void {
  const { families = [], addresses = [] } = read;
  const headless = addresses[0] === NONE;
  if (headless && type !== "ClusterIP")
    throw invalid(`a ${type} service can't be headless (clusterIP None)`, type);
  const many = families.length > 1 || addresses.length > 1;
  if (policy === "SingleStack" && many)
    throw invalid(
      "two ipFamilies or clusterIPs need ipFamilyPolicy PreferDualStack or RequireDualStack",
      families.length > 1 ? families : addresses,
    );
  if (headless) return;
  for (const [i, address] of addresses.entries()) {
    const family = families[i];
    if (family === undefined || familyOf(address) === family) continue;
    throw new IpamError("family", `clusterIP ${address} is not ${family}, as asked for`, address);
  }
}

// The families, in order; addresses say theirs where ipFamilies doesn't.
function settleFamilies(
  read: ReadSpec,
  policy: IpFamilyPolicy,
  cluster: readonly IpFamily[],
): IpFamily[] {
  const { families = [], addresses = [] } = read;
  const headless = addresses[0] === NONE;
  const out = [...families];
  if (!headless) for (const a of addresses.slice(out.length)) out.push(familyOf(a));
  const free = headless && read.selectorless;
  if (policy === "RequireDualStack" && cluster.length < 2 && !free)
    throw new IpamError("family", "RequireDualStack needs ranges of IPv4 and IPv6", policy);
  for (const family of free ? [] : out)
    if (!cluster.includes(family)) throw notConfigured(family, family);
  if (out.length === 0) out.push(cluster[0]!);
  const both = policy !== "SingleStack" && out.length === 1 && (free || cluster.length === 2);
  if (both) out.push(out[0] === "IPv4" ? "IPv6" : "IPv4");
  return out;
}

/**
 * What a new service is to have in a cluster of these families (the first is the default). Throws
 * "invalid", "family".
 */
export function planService(asked: ReadSpec, cluster: readonly IpFamily[]): Plan {
  const { type = "ClusterIP", selectorless = true } = asked;
  const read = { ...asked, selectorless };
  if (type === "ExternalName") {
    if (read.addresses || read.families || read.policy) throw externalHasNone(read);
    return nothing(selectorless);
  }
  const headless = read.addresses?.[0] === NONE;
  const dual = headless && selectorless;
  const policy = read.policy ?? (dual ? "RequireDualStack" : "SingleStack");
  agree(read, type, policy);
  const ipFamilies = settleFamilies(read, policy, cluster);
  const clusterIPs = headless ? [NONE] : ipFamilies.map((_, i) => read.addresses?.[i]);
  return { type, headless, selectorless, ipFamilyPolicy: policy, ipFamilies, clusterIPs };
}

function same(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a === undefined || (a.length === b.length && a.every((x, i) => x === b[i]));
}

// Addresses and families that a service has stay as they are, but for the second.
function unchanged(read: ReadSpec, now: ServiceRecord, dual: boolean): void {
  for (const [what, asked, has] of [
    ["clusterIPs", read.addresses, now.clusterIPs],
    ["ipFamilies", read.families, now.ipFamilies],
  ] as const) {
    if (asked === undefined) continue;
    for (const [i, value] of has.entries()) {
      if (asked[i] === value || (i > 0 && !dual && asked[i] === undefined)) continue;
      if (asked[i] === undefined)
        throw invalid(`the second of ${what} ends with ipFamilyPolicy SingleStack only`, asked);
      throw new IpamError(
        "conflict",
        `${what}[${i}] is ${value} and may not change to ${asked[i]}: release the service first`,
        asked[i],
      );
    }
  }
}

/**
 * What a service is to have after an update; fields that aren't written stay. Between one family
 * and two only ipFamilyPolicy (or a second family or address beside it) leads; a PreferDualStack
 * that is as before isn't upgraded. Throws "invalid", "family", "conflict".
 */
export function planUpdate(
  now: ServiceRecord,
  asked: ReadSpec,
  cluster: readonly IpFamily[],
): Plan {
  const { type = now.type, selectorless = now.selectorless } = asked;
  const read = { ...asked, type, selectorless };
  if (now.type === "ExternalName") return planService(read, cluster);
  const policy = read.policy ?? now.ipFamilyPolicy ?? "SingleStack";
  const asIs = same(read.addresses, now.clusterIPs) && same(read.families, now.ipFamilies);
  if (type === "ExternalName") {
    if (asIs && policy === now.ipFamilyPolicy) return nothing(selectorless);
    throw externalHasNone(read);
  }
  const dual = policy !== "SingleStack";
  unchanged(read, now, dual);
  const headless = now.clusterIPs[0] === NONE;
  const rest = { type, headless, selectorless, ipFamilyPolicy: policy };
  const waits = policy === "PreferDualStack" && now.ipFamilyPolicy === policy && asIs;
  const merged: ReadSpec = {
    ...read,
    addresses: keptOf(read.addresses, now.clusterIPs, dual),
    families: keptOf(read.families, now.ipFamilies, dual),
  };
  agree(merged, type, policy);
  const ipFamilies = waits ? [...now.ipFamilies] : settleFamilies(merged, policy, cluster);
  const clusterIPs = headless ? [NONE] : ipFamilies.map((_, i) => merged.addresses?.[i]);
  return { ...rest, ipFamilies, clusterIPs };
}

// What an update asks for, else has. For one family the second is no wish, if it is as it was.
function keptOf<T extends string>(asked: T[] | undefined, has: T[], dual: boolean): T[] {
  if (asked !== undefined && !same(asked, has)) return asked;
  return dual ? has : has.slice(0, 1);
}

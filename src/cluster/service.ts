// Service addresses: who has which, for both families. What a service is to have is decided in
// servicespec.ts, which address it gets in the core (serviceranges.ts, pool.ts).
//
//   name ---> ServiceRecord ---> addresses        #services
//   address ---> name                             #owners; addresses without a name aren't in it
//   name, or address without a name ---> hold     #holds; what is allocated but not confirmed
//
// A hold on a service with a name is on whatever that service has when the hold ends: what an
// update adds goes back with the rest, what was released or dropped isn't its any more.
//
// Cost: of the pools, and two entries of a Map for each service. toBytes: O(services).
import { formatAddress, parseAddress } from "../address.ts";
import { seconds } from "../clock.ts";
import type { Bytes } from "../embedded.ts";
import { IpamError, shown } from "../errors.ts";
import { Hold } from "../hold.ts";
import { type HoldOptions, Holds, ttlOf } from "../holds.ts";
import { keysOf } from "../keys.ts";
import { checkOptions, type PoolOptions, snapshotOptions } from "../pooloptions.ts";
import type { Explanation } from "../pooltypes.ts";
import type { IpFamily, SavedRange, ServiceRangeStats, Usable } from "./servicerange.ts";
import { ServiceRanges } from "./serviceranges.ts";
import { readServices, writeServices } from "./servicesnapshot.ts";
import {
  addressesOf,
  answerOf,
  type Plan,
  planService,
  planUpdate,
  type ReadSpec,
  readSpec,
  type ServiceAllocation,
  type ServiceRecord,
  type ServiceSpec,
} from "./servicespec.ts";

const NAME_MAX = 512;

/** Options of createServicePool; all may be left out. */
export interface ServicePoolOptions extends PoolOptions {
  /**
   * `services` (the default): prefixes, IPv4 without network and broadcast address, IPv6 without
   * the first one. `all`: every address of a prefix or of `first-last`, for load balancers.
   */
  usable?: Usable;
  /**
   * Lowest usable addresses of each range (at most all), given last or to who asks for one.
   * Default: Kubernetes' min(max(16, n/16), 256) with `services`, 0 with `all`.
   */
  band?: number;
}

const KEYS = keysOf<ServicePoolOptions>("options", "an option of createServicePool", {
  usable: true,
  policy: true,
  exclude: true,
  cooldown: true,
  band: true,
  seed: true,
  clock: true,
});

/** What `explain` answers. */
export interface ServiceExplanation extends Explanation {
  /** Name of the service that has it. */
  owner?: string;
}

/** Addresses of services, by Kubernetes' rules. Use createServicePool or ServicePool.fromBytes. */
export class ServicePool implements Disposable {
  readonly #ranges: ServiceRanges;
  readonly #options: ServicePoolOptions;
  readonly #services = new Map<string, ServiceRecord>();
  readonly #owners = new Map<string, string>();
  readonly #holds: Holds<string>;
  #closed = false;

  /** Use createServicePool. */
  constructor(
    cidrs: string | readonly string[],
    options: ServicePoolOptions = {},
    saved?: readonly SavedRange[],
  ) {
    this.#options = checkServiceOptions(options);
    const { usable = "services", band, exclude = [], ...rest } = this.#options;
    const list = typeof cidrs === "string" ? [cidrs] : cidrs;
    this.#ranges = new ServiceRanges(list, { ...rest, usable, band }, exclude, saved);
    this.#holds = new Holds(this.#options.clock ?? seconds);
  }

  // Before every call that reads or changes: lapsed holds are given back, closed pools refuse. In
  // this order, since the user's clock may close the pool; a closed one has no holds.
  #open(): ServiceRanges {
    this.#holds.sweep();
    if (!this.#closed) return this.#ranges;
    const texts = this.#ranges.texts();
    throw new IpamError("closed", `the service pool ${texts} is closed`, texts);
  }

  /** The families that are configured; the first is the default. */
  get families(): readonly IpFamily[] {
    return [...this.#ranges.families];
  }

  /** Addresses that services have. */
  get used(): number {
    return this.#open().sum("used");
  }

  /** Addresses that can be given. Rounded above 2^53. */
  get free(): number {
    return this.#open().sum("free");
  }

  /**
   * Gives a new service what the API server would: an address for each of its families, both or
   * none. Throws "invalid", "family", "duplicate" (the name), "exhausted", "outside", "taken",
   * "held", "cooling", "excluded", "noSpace"; then nothing has changed.
   */
  allocate(spec: ServiceSpec = {}): ServiceAllocation {
    return this.#allocate(readSpec(spec));
  }

  // To read a spec may be to run the caller's code, which may call or close the pool: so that comes
  // first, here and in update.
  #allocate(read: ReadSpec): ServiceAllocation {
    const { families } = this.#open();
    const plan = planService(read, families);
    const { name } = read;
    if (name !== undefined) this.#checkName(name);
    return this.#settle(name, plan, []);
  }

  #checkName(name: unknown): void {
    if (typeof name !== "string" || name === "" || name.length > NAME_MAX || isAddress(name))
      throw new IpamError(
        "invalid",
        `name ${shown(name)}: write it as namespace/name, at most ${NAME_MAX} characters`,
        name,
      );
    if (this.#services.has(name))
      throw new IpamError("duplicate", `${name} is here already: update or release it`, name);
  }

  /**
   * The first of two steps, for who must write elsewhere before it counts: confirm() keeps it,
   * abort() or the end of `ttl` seconds gives back what the service has by then, its name too: also
   * what an update added, not what was released. Errors as allocate.
   */
  hold(spec: ServiceSpec = {}, options?: HoldOptions): Hold<ServiceAllocation> {
    const ttl = ttlOf(options);
    const read = readSpec(spec);
    const given = this.#allocate(read);
    const { name } = read;
    const addresses = [...addressesOf(given)];
    const keys = name === undefined ? addresses : [name];
    const back = (key: string) => {
      if (!this.#closed) this.#giveBack(key);
    };
    const parts = keys.map((key) => [key, this.#holds.add(key, key, ttl, back)] as const);
    const left = () => (this.#closed ? [] : this.#holds.still(parts));
    const isOurs = (address: string) =>
      name === undefined || this.#services.get(name)?.clusterIPs.includes(address);
    const has = () => !this.#closed && left().length === parts.length && addresses.every(isOurs);
    return new Hold(given, {
      has,
      confirm: () => has() && this.#holds.endAll(parts),
      abort: () => {
        for (const [key] of left()) back(key);
      },
    });
  }

  // All that a service has, or an address without a name.
  #giveBack(key: string): void {
    const record = this.#services.get(key);
    for (const address of record ? addressesOf(record) : [key]) this.#drop(address);
    this.#forget(key);
  }

  #forget(name: string): void {
    this.#services.delete(name);
    this.#holds.forget(name);
  }

  /**
   * Changes a service: from one family to two and back, to and from ExternalName. Fields that
   * aren't written stay; its first address and family do in any case. Throws "notFound",
   * "conflict" (what may not change), and as allocate; then nothing has changed.
   */
  update(name: string, spec: ServiceSpec): ServiceAllocation {
    const read = readSpec(spec);
    const { families } = this.#open();
    const now = this.#named(name);
    if (read.name !== undefined && read.name !== name)
      throw new IpamError("conflict", `${name} can't be renamed to ${shown(read.name)}`, read.name);
    return this.#settle(name, planUpdate(now, read, families), addressesOf(now));
  }

  #lookUp(name: unknown): ServiceRecord | undefined {
    if (typeof name === "string") return this.#services.get(name);
    throw new IpamError("invalid", `name ${shown(name)} is not a text`, name);
  }

  #named(name: string): ServiceRecord {
    const record = this.#lookUp(name);
    if (record) return record;
    throw new IpamError("notFound", `no service is named ${shown(name)}`, name);
  }

  // Gives what the plan wants and `has` lacks, both or none; then takes the rest of `has` back.
  #settle(name: string | undefined, plan: Plan, has: readonly string[]): ServiceAllocation {
    const { headless, type, selectorless, ipFamilyPolicy, ipFamilies } = plan;
    const wishes = headless ? [] : plan.clusterIPs.map((ip, i) => [ip, ipFamilies[i]!] as const);
    const isNew = (ip: string | undefined) => ip === undefined || !has.includes(ip);
    for (const [ip, family] of wishes)
      if (isNew(ip)) this.#ranges.check(ip, family, this.#heldBy(ip));
    const taken: string[] = [];
    const clusterIPs: string[] = headless ? ["None"] : [];
    try {
      for (const [ip, family] of wishes) {
        const address = ip !== undefined && !isNew(ip) ? ip : this.#ranges.take(ip, family);
        if (isNew(ip)) taken.push(address);
        clusterIPs.push(address);
      }
    } catch (error) {
      for (const address of taken) this.#ranges.drop(address);
      throw error;
    }
    for (const address of has) if (!clusterIPs.includes(address)) this.#drop(address);
    const record = { clusterIPs, ipFamilies, ipFamilyPolicy, type, selectorless };
    if (name !== undefined) {
      this.#services.set(name, record);
      for (const address of addressesOf(record)) this.#owners.set(address, name);
    }
    return answerOf(record);
  }

  // Who has an address, as an error says it. Throws "held" for one that is on hold.
  #heldBy(address: string | undefined): string | undefined {
    if (address === undefined) return undefined;
    const owner = this.#owners.get(address);
    if (this.#holds.due(owner ?? address) === undefined) return owner;
    throw new IpamError("held", this.explain(address).why, address);
  }

  #drop(address: string): void {
    this.#ranges.drop(address);
    this.#owners.delete(address);
    this.#holds.forget(address);
  }

  // Takes one address back; its service is forgotten with the last.
  #lose(address: string): void {
    const name = this.#owners.get(address);
    this.#drop(address);
    if (name === undefined) return;
    const record = this.#services.get(name)!;
    const at = record.clusterIPs.indexOf(address);
    record.clusterIPs.splice(at, 1);
    record.ipFamilies.splice(at, 1);
    if (record.clusterIPs.length === 0) this.#forget(name);
  }

  /**
   * Takes back all that a service has (by name), or addresses: all of them or, with an error, none.
   * A service that loses its last address so is forgotten. Throws "notFound", "notAllocated",
   * "outside", "invalid" (also for an address that is written twice).
   */
  release(target: string | readonly string[]): void {
    this.#open();
    if (typeof target === "string" && !isAddress(target)) {
      this.#named(target);
      this.#giveBack(target);
      return;
    }
    const list = typeof target === "string" ? [target] : target;
    if (!Array.isArray(list))
      throw new IpamError(
        "invalid",
        `${shown(target)} is not a name or a list of addresses`,
        target,
      );
    const addresses = list.map((text) => this.#ranges.given(text));
    if (new Set(addresses).size !== addresses.length)
      throw new IpamError("invalid", `${shown(target)} has an address twice`, target);
    for (const address of addresses) this.#lose(address);
  }

  /** What the service of this name has; undefined: it isn't here. Throws "invalid". */
  find(name: string): ServiceAllocation | undefined {
    this.#open();
    const record = this.#lookUp(name);
    return record && answerOf(record);
  }

  /** Name of the service that has it; undefined: nobody, or without a name. Throws "invalid". */
  ownerOf(address: string): string | undefined {
    this.#open();
    const { family, value } = parseAddress(address);
    return this.#owners.get(formatAddress(family, value));
  }

  /** Is the address given (also on hold)? false for addresses elsewhere. Throws "invalid". */
  has(address: string): boolean {
    return this.#open().explain(address).state === "allocated";
  }

  /** Says why an address can or can't be given, and whose it is. Throws "invalid" only. */
  explain(address: string): ServiceExplanation {
    const plain = this.#open().explain(address);
    if (plain.state !== "allocated") return plain;
    const { family, value } = parseAddress(address);
    const text = formatAddress(family, value);
    const owner = this.#owners.get(text);
    const until = this.#holds.due(owner ?? text);
    const own = owner === undefined ? {} : { owner };
    if (until === undefined)
      return owner === undefined ? plain : { ...plain, owner, why: `${plain.why} to ${owner}` };
    const whose = owner === undefined ? "" : ` for ${owner}`;
    const why = `${text} is on hold${whose}, neither confirmed nor aborted`;
    return { state: "held", until, ...own, why };
  }

  /** For each range, in the order of createServicePool: what it has and gave. */
  stats(): ServiceRangeStats[] {
    return this.#open().all.map((range) => range.stats());
  }

  /** Names of the services, in the order in which they came. */
  names(): string[] {
    this.#open();
    return [...this.#services.keys()];
  }

  /** Given addresses: IPv4 before IPv6, each in order. */
  *[Symbol.iterator](): IterableIterator<string> {
    yield* this.#open().addresses();
  }

  /** Everything the pool knows, but holds (they count as allocated), as bytes of one version. */
  toBytes(): Bytes {
    return writeServices(this.#open().all, this.#options, this.#services);
  }

  /**
   * A pool from toBytes; `options` may give clock and seed. Throws "damaged", "newer", "invalid",
   * "noSpace".
   */
  static fromBytes(
    bytes: Uint8Array,
    options: Pick<ServicePoolOptions, "clock" | "seed"> = {},
  ): ServicePool {
    const own = snapshotOptions(options);
    const { ranges, options: kept, services, saved } = readServices(bytes);
    const pool = new ServicePool(ranges, { ...kept, ...own }, saved);
    for (const [name, record] of services) pool.#restore(name, record);
    return pool;
  }

  #restore(name: string, record: ServiceRecord): void {
    for (const address of addressesOf(record)) {
      if (!this.has(address) || this.#owners.has(address)) {
        this.close();
        throw new IpamError("damaged", `the snapshot has ${address} of ${name} not once`, name);
      }
      this.#owners.set(address, name);
    }
    this.#services.set(name, record);
  }

  /** Gives the memory back; everything but close throws "closed" from now on. */
  close(): void {
    this.#closed = true;
    this.#ranges.close();
    this.#holds.clear();
    this.#services.clear();
    this.#owners.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isAddress(text: string): boolean {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return false;
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}

function checkServiceOptions(options: ServicePoolOptions): ServicePoolOptions {
  const own = checkOptions(options, KEYS);
  const { usable = "services", exclude = [] } = options;
  if (usable !== "services" && usable !== "all")
    throw new IpamError("invalid", `usable ${shown(usable)} is none of services, all`, usable);
  if (!Array.isArray(exclude))
    throw new IpamError("invalid", `exclude ${shown(exclude)} is not a list`, exclude);
  return own;
}

/**
 * A pool of service addresses. `cidrs`: one range or several ("10.96.0.0/12", "fd00:96::/108"); the
 * first one's family is the default. Throws "invalid", "hostBits", "overlap", "outside" (exclude),
 * "family" (a range of two), "noSpace".
 */
export function createServicePool(
  cidrs: string | readonly string[],
  options: ServicePoolOptions = {},
): ServicePool {
  return new ServicePool(cidrs, options);
}

// Service addresses: who has which, for both families. What a service is to have is decided in
// servicespec.ts, which address it gets in the core (servicerange.ts, pool.ts).
//
//   name ---> ServiceRecord ---> addresses        #services
//   address ---> name                             #owners; addresses without a name aren't in it
//   family ---> ranges in their order ---> pools
//
// Cost: of the pools, and two entries of a Map for each service. toBytes: O(services).
import { type Family, formatAddress, parseAddress, parseInterval } from "../address.ts";
import { type IpamCode, IpamError, shown } from "../errors.ts";
import { checkOptions, type Explanation, type PoolOptions } from "../pool.ts";
import {
  type IpFamily,
  ipFamilyOf,
  type SavedRange,
  ServiceRange,
  type ServiceRangeStats,
  spansTouch,
  type Usable,
} from "./servicerange.ts";
import { readServices, writeServices } from "./servicesnapshot.ts";
import {
  addressesOf,
  answerOf,
  type Plan,
  planService,
  planUpdate,
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
   * Lowest usable addresses of each range, given last or to who asks for one. Default: Kubernetes'
   * min(max(16, n/16), 256) with `services`, 0 with `all`.
   */
  band?: number;
}

/** What `explain` answers. */
export interface ServiceExplanation extends Explanation {
  /** Name of the service that has it. */
  owner?: string;
}

const CODES: Partial<Record<Explanation["state"], IpamCode>> = {
  allocated: "taken",
  held: "held",
  cooling: "cooling",
  excluded: "excluded",
};

/** Addresses of services, by Kubernetes' rules. Use createServicePool or ServicePool.fromBytes. */
export class ServicePool implements Disposable {
  /** The families that are configured; the first is the default. */
  readonly families: readonly IpFamily[];
  readonly #ranges: ServiceRange[] = [];
  readonly #options: ServicePoolOptions;
  readonly #services = new Map<string, ServiceRecord>();
  readonly #owners = new Map<string, string>();
  #closed = false;

  /** Use createServicePool. */
  constructor(
    cidrs: string | readonly string[],
    options: ServicePoolOptions = {},
    saved?: readonly SavedRange[],
  ) {
    checkServiceOptions(options);
    this.#options = options;
    const { usable = "services", band, exclude = [], ...rest } = options;
    const spans = exclude.map(parseInterval);
    const list = typeof cidrs === "string" ? [cidrs] : cidrs;
    if (!Array.isArray(list) || list.length === 0)
      throw new IpamError("invalid", `${shown(cidrs)} is not a range or a list of them`, cidrs);
    try {
      for (const [i, text] of list.entries()) {
        const range = new ServiceRange(text, { ...rest, usable, band }, spans, saved?.[i]);
        this.#ranges.push(range);
        this.#apart(range);
      }
      for (const [i, span] of spans.entries())
        if (!this.#ranges.some(({ whole }) => spansTouch(whole, span)))
          throw new IpamError(
            "outside",
            `exclude ${exclude[i]} is in none of ${this.#texts()}`,
            exclude[i],
          );
    } catch (error) {
      this.close();
      throw error;
    }
    this.families = [...new Set(this.#ranges.map(({ family }) => ipFamilyOf(family)))];
  }

  #apart(range: ServiceRange): void {
    for (const other of this.#ranges)
      if (other !== range && spansTouch(other.whole, range.whole))
        throw new IpamError("overlap", `${range.text} overlaps ${other.text}`, range.text);
  }

  #texts(family?: IpFamily): string {
    const some = this.#ranges.filter((r) => !family || ipFamilyOf(r.family) === family);
    return some.map(({ text }) => text).join(", ");
  }

  #open(): void {
    if (this.#closed)
      throw new IpamError("closed", `the service pool ${this.#texts()} is closed`, this.#texts());
  }

  #of(family: IpFamily): ServiceRange[] {
    return this.#ranges.filter((range) => ipFamilyOf(range.family) === family);
  }

  #rangeOf(family: Family, value: bigint): ServiceRange | undefined {
    return this.#ranges.find((range) => range.holds(family, value));
  }

  /** Addresses that services have. */
  get used(): number {
    this.#open();
    return this.#ranges.reduce((sum, range) => sum + range.used, 0);
  }

  /** Addresses that can be given. Rounded above 2^53. */
  get free(): number {
    this.#open();
    return this.#ranges.reduce((sum, range) => sum + range.free, 0);
  }

  /**
   * Gives a new service what the API server would: an address for each of its families, both or
   * none. Throws "invalid", "family", "duplicate" (the name), "exhausted", "outside", "taken",
   * "cooling", "excluded", "noSpace"; then nothing has changed.
   */
  allocate(spec: ServiceSpec = {}): ServiceAllocation {
    this.#open();
    const plan = planService(spec, this.families);
    const { name } = spec;
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
   * Changes a service: from one family to two and back, to and from ExternalName. Fields that
   * aren't written stay; its first address and family do in any case. Throws "notFound",
   * "conflict" (what may not change), and as allocate; then nothing has changed.
   */
  update(name: string, spec: ServiceSpec): ServiceAllocation {
    this.#open();
    const now = this.#named(name);
    if (spec?.name !== undefined && spec.name !== name)
      throw new IpamError("conflict", `${name} can't be renamed to ${spec.name}`, spec.name);
    const plan = planUpdate(now, spec, this.families);
    return this.#settle(name, plan, addressesOf(now));
  }

  #named(name: string): ServiceRecord {
    const record = this.#services.get(name);
    if (record) return record;
    throw new IpamError("notFound", `no service is named ${shown(name)}`, name);
  }

  // Gives what the plan wants and `has` lacks, both or none; then gives back what it lacks of `has`.
  #settle(name: string | undefined, plan: Plan, has: readonly string[]): ServiceAllocation {
    const { headless, type, selectorless, ipFamilyPolicy, ipFamilies } = plan;
    const wishes = headless ? [] : plan.clusterIPs.map((ip, i) => [ip, ipFamilies[i]!] as const);
    const isNew = (ip: string | undefined) => ip === undefined || !has.includes(ip);
    for (const [ip, family] of wishes) if (isNew(ip)) this.#check(ip, family);
    const taken: string[] = [];
    const clusterIPs: string[] = headless ? ["None"] : [];
    try {
      for (const [ip, family] of wishes) {
        const address = ip !== undefined && !isNew(ip) ? ip : this.#take(ip, family);
        if (isNew(ip)) taken.push(address);
        clusterIPs.push(address);
      }
    } catch (error) {
      for (const address of taken) this.#drop(address);
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

  // Throws unless the address (any, if undefined) can be given.
  #check(address: string | undefined, family: IpFamily): void {
    if (address === undefined) {
      const ranges = this.#of(family);
      if (ranges.some((range) => range.free > 0 || range.cooling > 0)) return;
      ranges[0]?.failed();
      throw this.#exhausted(family);
    }
    const { family: own, value } = parseAddress(address);
    const range = this.#rangeOf(own, value);
    if (!range) {
      this.#of(family)[0]?.failed();
      throw new IpamError("outside", this.#elsewhere(address, own, value), address);
    }
    const { state, why } = range.explain(value);
    if (state === "free") return;
    range.failed();
    const owner = this.#owners.get(address);
    throw new IpamError(CODES[state] ?? "outside", owner ? `${why} to ${owner}` : why, address);
  }

  #exhausted(family: IpFamily): IpamError {
    const texts = this.#texts(family);
    const used = this.#of(family).reduce((sum, range) => sum + range.used, 0);
    return new IpamError("exhausted", `nothing is free in ${texts}: ${used} are in use`, texts);
  }

  // Why an address is none of ours.
  #elsewhere(address: string, family: Family, value: bigint): string {
    const whole = this.#ranges.find((r) =>
      spansTouch(r.whole, { family, first: value, last: value }),
    );
    if (!whole) return `${address} is not in ${this.#texts()}`;
    const end = value < whole.span.first ? "network" : "broadcast";
    return `${address} is the ${end} address of ${whole.text}: services can't have it`;
  }

  #take(address: string | undefined, family: IpFamily): string {
    if (address !== undefined) {
      const { family: own, value } = parseAddress(address);
      return this.#rangeOf(own, value)!.allocateAt(value);
    }
    const ranges = this.#of(family);
    // Of several ranges one with something above its band comes first, one that cools last.
    const range =
      ranges.length === 1
        ? ranges[0]
        : (ranges.find((r) => r.upperFree) ??
          ranges.find((r) => r.free > 0) ??
          ranges.find((r) => r.cooling > 0));
    const given = range?.allocate();
    if (given === undefined) throw this.#exhausted(family);
    return given;
  }

  #drop(address: string): void {
    const { family, value } = parseAddress(address);
    this.#rangeOf(family, value)!.release(value);
    this.#owners.delete(address);
  }

  /**
   * Takes back all that a service has (by name), or addresses: all of them or, with an error, none.
   * A service that loses its last address so is forgotten. Throws "notFound", "notAllocated",
   * "outside", "invalid" (also for an address that is written twice).
   */
  release(target: string | readonly string[]): void {
    this.#open();
    if (typeof target === "string" && !isAddress(target)) {
      const record = this.#named(target);
      for (const address of addressesOf(record)) this.#drop(address);
      this.#services.delete(target);
      return;
    }
    const list = typeof target === "string" ? [target] : target;
    if (!Array.isArray(list))
      throw new IpamError(
        "invalid",
        `${shown(target)} is not a name or a list of addresses`,
        target,
      );
    const texts = list.map((text) => this.#releasable(text));
    if (new Set(texts).size !== texts.length)
      throw new IpamError("invalid", `${shown(target)} has an address twice`, target);
    for (const address of texts) {
      const owner = this.#owners.get(address);
      this.#drop(address);
      if (owner !== undefined) this.#lose(owner, address);
    }
  }

  #releasable(text: unknown): string {
    const { family, value } = parseAddress(text);
    const address = formatAddress(family, value);
    const range = this.#rangeOf(family, value);
    if (!range) throw new IpamError("outside", this.#elsewhere(address, family, value), text);
    const { state, why } = range.explain(value);
    if (state === "allocated" || state === "held") return address;
    throw new IpamError("notAllocated", `${why}: it can't be released`, text);
  }

  #lose(name: string, address: string): void {
    const record = this.#services.get(name)!;
    const at = record.clusterIPs.indexOf(address);
    record.clusterIPs.splice(at, 1);
    record.ipFamilies.splice(at, 1);
    if (record.clusterIPs.length === 0) this.#services.delete(name);
  }

  /** What the service of this name has; undefined: it isn't here. */
  find(name: string): ServiceAllocation | undefined {
    this.#open();
    const record = this.#services.get(name);
    return record && answerOf(record);
  }

  /** Name of the service that has an address; undefined: nobody, or without a name. */
  ownerOf(address: string): string | undefined {
    this.#open();
    const { family, value } = parseAddress(address);
    return this.#owners.get(formatAddress(family, value));
  }

  /** Is the address given? false for addresses elsewhere. Throws "invalid". */
  has(address: string): boolean {
    this.#open();
    const { family, value } = parseAddress(address);
    const state = this.#rangeOf(family, value)?.explain(value).state;
    return state === "allocated" || state === "held";
  }

  /** Says why an address can or can't be given, and whose it is. Throws "invalid" only. */
  explain(address: string): ServiceExplanation {
    this.#open();
    const { family, value } = parseAddress(address);
    const range = this.#rangeOf(family, value);
    if (!range) return { state: "outside", why: this.#elsewhere(address, family, value) };
    const plain = range.explain(value);
    const owner = this.#owners.get(formatAddress(family, value));
    return owner === undefined ? plain : { ...plain, owner, why: `${plain.why} to ${owner}` };
  }

  /** For each range, in the order of createServicePool: what it has and gave. */
  stats(): ServiceRangeStats[] {
    this.#open();
    return this.#ranges.map((range) => range.stats());
  }

  /** Names of the services, in the order in which they came. */
  names(): string[] {
    this.#open();
    return [...this.#services.keys()];
  }

  /** Given addresses: IPv4 before IPv6, each in order. */
  *[Symbol.iterator](): IterableIterator<string> {
    this.#open();
    const inOrder = this.#ranges.toSorted(
      (a, b) => a.family - b.family || (a.span.first < b.span.first ? -1 : 1),
    );
    for (const range of inOrder) yield* range;
  }

  /** Everything the pool knows, as bytes of one version. */
  toBytes(): Uint8Array<ArrayBuffer> {
    this.#open();
    return writeServices(this.#ranges, this.#options, this.#services);
  }

  /** A pool from toBytes; `options` may give clock and seed. Throws "damaged", "newer", "invalid". */
  static fromBytes(
    bytes: Uint8Array,
    options: Pick<ServicePoolOptions, "clock" | "seed"> = {},
  ): ServicePool {
    const { ranges, options: own, services, saved } = readServices(bytes);
    const pool = new ServicePool(ranges, { ...own, ...options }, saved);
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
    for (const range of this.#ranges) range.close();
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

function checkServiceOptions(options: ServicePoolOptions): void {
  if (typeof options !== "object" || options === null)
    throw new IpamError("invalid", `options ${shown(options)} are not an object`, options);
  checkOptions(options);
  const { usable = "services", exclude = [] } = options;
  if (usable !== "services" && usable !== "all")
    throw new IpamError("invalid", `usable ${shown(usable)} is none of services, all`, usable);
  if (!Array.isArray(exclude))
    throw new IpamError("invalid", `exclude ${shown(exclude)} is not a list`, exclude);
}

/**
 * A pool of service addresses. `cidrs`: one range or several ("10.96.0.0/12", "fd00:96::/108"); the
 * first one's family is the default. Throws "invalid", "hostBits", "overlap", "outside" (exclude),
 * "noSpace".
 */
export function createServicePool(
  cidrs: string | readonly string[],
  options: ServicePoolOptions = {},
): ServicePool {
  return new ServicePool(cidrs, options);
}

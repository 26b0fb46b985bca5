// Suite "service-ip": one range of service addresses, a service pool.
//
// Upstream's bitmap allocator ends an IPv6 range after 2^16 addresses, its object allocator
// doesn't, nor does the library: for `bitmap` the range is cut here.
import { formatPrefix, maskPrefix, parseAddress } from "../../src/address.ts";
import { createServicePool, ServicePool } from "../../src/cluster/service.ts";
import { staticBandFor, usableAddresses } from "../../src/cluster/servicerange.ts";
import { IpamError } from "../../src/errors.ts";
import {
  type Answer,
  attempt,
  masked,
  numberOf,
  type Operation,
  type Player,
  textOf,
  Unknown,
} from "./answer.ts";

const V6_BITMAP_LENGTH = 112;

interface Snapshot {
  cidr: string;
  bytes: Uint8Array;
  addresses: string;
}

class ServiceIp implements Player {
  readonly #isBitmap: boolean;
  #cidr: string;
  #pool: ServicePool | undefined;
  #strangers = 0;
  // What the pool before a restore had counted beyond what the snapshot brings: totals run on.
  readonly #before = { allocations: 0, releases: 0, failures: 0 };
  readonly #snapshots = new Map<string, Snapshot>();

  constructor(cidr: string, isBitmap: boolean) {
    this.#cidr = cidr;
    this.#isBitmap = isBitmap;
  }

  #range(cidr: string): string {
    const prefix = maskPrefix(cidr);
    if (this.#isBitmap && prefix.family === 6 && prefix.length < V6_BITMAP_LENGTH)
      prefix.length = V6_BITMAP_LENGTH;
    return formatPrefix(prefix);
  }

  #open(): ServicePool {
    this.#pool ??= createServicePool(this.#range(this.#cidr));
    return this.#pool;
  }

  // Exact where the pool's numbers are rounded.
  #free(): bigint {
    return usableAddresses(this.#range(this.#cidr)) - BigInt(this.#open().used);
  }

  #one(): string {
    return this.#open().allocate().clusterIPs[0]!;
  }

  // `tries` requests; with `stop` the first that fails is the last.
  #many(tries: number, stop: boolean): Answer {
    const before = new Set(this.#open());
    const given: string[] = [];
    let errors = 0;
    let last: Answer = {};
    for (let i = 0; i < tries && !(stop && errors > 0); i++) {
      last = attempt(() => {
        given.push(this.#one());
        return {};
      });
      if (last.error) errors++;
    }
    const repeats = given.some((ip) => before.has(ip) || !before.add(ip));
    return { count: given.length, errors, given, ips: given, repeats };
  }

  #allocate(ip: string): Answer {
    const pool = this.#open();
    // A pool of several ranges has none that could count a request of a family that it hasn't.
    if (parseAddress(ip).family !== maskPrefix(this.#cidr).family) this.#strangers++;
    const [address] = pool.allocate({ clusterIP: ip }).clusterIPs;
    return { ip: address, given: [address!], allocated: true };
  }

  // Upstream's release says nothing of addresses that aren't given, or elsewhere.
  #release(ip: string): Answer {
    if (this.#open().has(ip)) this.#open().release(ip);
    return {};
  }

  #restore(id: string, cidr: string | undefined): Answer {
    const snapshot = this.#snapshots.get(id);
    if (!snapshot) throw new Error(`no snapshot "${id}"`);
    const into = cidr ?? snapshot.cidr;
    if (masked(into) !== masked(snapshot.cidr))
      throw new IpamError("conflict", `the snapshot is of ${snapshot.cidr}, not ${into}`, into);
    const restored = ServicePool.fromBytes(snapshot.bytes);
    const [was, is] = [this.#open().stats()[0]!, restored.stats()[0]!];
    for (const total of ["allocations", "releases", "failures"] as const)
      this.#before[total] += was[total] - is[total];
    this.#pool?.close();
    this.#pool = restored;
    this.#cidr = snapshot.cidr;
    const sameSet = [...restored].join() === snapshot.addresses;
    return { sameSet, used: restored.used, free: this.#free() };
  }

  #snapshot(id: string): Answer {
    const pool = this.#open();
    const addresses = [...pool].join();
    this.#snapshots.set(id, { cidr: this.#cidr, bytes: pool.toBytes(), addresses });
    return { used: pool.used, free: this.#free() };
  }

  #band(cidr: string): Answer {
    using pool = createServicePool(this.#range(cidr));
    const { band } = pool.stats()[0]!;
    return { value: band, size: band, band };
  }

  #stats(): Answer {
    const now = this.#open().stats()[0]!;
    const { used } = now;
    const allocations = now.allocations + this.#before.allocations;
    const releases = now.releases + this.#before.releases;
    const errors = now.failures + this.#before.failures + this.#strangers;
    const totals = { allocations, allocated: allocations, releases, errors };
    return { used, free: this.#free(), ...totals };
  }

  #play(operation: Operation): Answer {
    switch (operation.op) {
      case "allocateNext": {
        const before = new Set(this.#open());
        const ip = this.#one();
        return { ip, given: [ip], repeats: before.has(ip) };
      }
      case "allocate":
        return { allocated: false, ...attempt(() => this.#allocate(textOf(operation, "ip"))) };
      case "release":
        return this.#release(textOf(operation, "ip"));
      case "has":
        return { value: this.#open().has(textOf(operation, "ip")) };
      case "free":
        return { value: this.#free() };
      case "used":
        return { value: this.#open().used };
      case "allocateN":
        return this.#many(numberOf(operation, "n"), true);
      case "tryAllocateN":
        return this.#many(numberOf(operation, "n"), false);
      case "allocateUntilFull":
        return this.#many(Infinity, true);
      case "forEach": {
        const ips = [...this.#open()];
        return { ips, count: ips.length };
      }
      case "staticBand":
        return this.#band((operation.cidr as string | undefined) ?? this.#cidr);
      case "staticBandForSize": {
        const value = staticBandFor(BigInt(operation.size as number | string));
        return { value, size: value, band: value };
      }
      case "snapshot":
        return this.#snapshot(textOf(operation, "id"));
      case "restoreInto":
        return this.#restore(textOf(operation, "id"), operation.cidr as string | undefined);
      case "stats":
        return this.#stats();
      default:
        throw new Unknown(operation.op);
    }
  }

  play(operation: Operation): Answer {
    return attempt(() => this.#play(operation));
  }

  close(): void {
    this.#pool?.close();
  }
}

/** A player of one case. */
export function serviceIp(setUp: Record<string, unknown>): Player {
  return new ServiceIp(setUp.cidr as string, setUp.allocator === "bitmap");
}

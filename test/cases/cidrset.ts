// Suite "cidrset": a cluster prefix cut into blocks of one length, the i-th block under index i. A
// prefix pool of one length.
//
// Kubernetes clears host bits and refuses an IPv6 set of more than 2^16 blocks; the library refuses
// host bits and knows no such limit, so both are done here.
import { maskPrefix, overlaps } from "../../src/address.ts";
import { createPrefixPool, type PrefixPool } from "../../src/cluster/prefixpool.ts";
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

const V6_BITS_MAX = 16;
const LISTED = 2 ** 20;
const OPERATIONS = [
  "create",
  "allocateNext",
  "allocateN",
  "occupy",
  "occupyIndices",
  "release",
  "releaseAll",
  "cidrToIndex",
  "indexToCidr",
  "stats",
];

/** Throws "tooLarge" for a set that Kubernetes doesn't make. */
export function checkBlocks(cidr: string, mask: number): void {
  const { family, length } = maskPrefix(cidr);
  if (family === 6 && mask - length > V6_BITS_MAX)
    throw new IpamError("tooLarge", `a /${mask} of ${cidr} is one of over 2^16 blocks`, mask);
}

/** A prefix that is narrower than a block, as the block around it. */
export function atLeastBlock(cidr: string, mask: number): string {
  const { length } = maskPrefix(cidr);
  return masked(length > mask ? cidr.replace(/\/.*/, `/${mask}`) : cidr);
}

class CidrSet implements Player {
  readonly #cluster: string;
  readonly #mask: number;
  #pool: PrefixPool | undefined;

  constructor(cluster: string, mask: number) {
    this.#cluster = cluster;
    this.#mask = mask;
  }

  // Made at the first operation, whose answer it is when the set can't be made.
  #open(): PrefixPool {
    if (this.#pool) return this.#pool;
    checkBlocks(this.#cluster, this.#mask);
    this.#pool = createPrefixPool(masked(this.#cluster), { length: this.#mask, policy: "next" });
    return this.#pool;
  }

  #used(): number {
    return this.#open().stats()[0]!.used;
  }

  // What is held, to tell whether something is given twice; too much to list counts as nothing.
  #held(): Set<string> {
    return this.#used() > LISTED ? new Set() : new Set(this.#open());
  }

  #block(cidr: string): string {
    return masked(cidr.replace(/\/.*/, `/${this.#mask}`));
  }

  #many(n: number): Answer {
    const pool = this.#open();
    const before = this.#held();
    const given: string[] = [];
    const answer = attempt(() => {
      while (given.length < n) given.push(pool.allocate()[0]!);
      return {};
    });
    const repeats = given.some((cidr) => before.has(cidr) || !before.add(cidr));
    const indices = given.map((cidr) => pool.slotOf(cidr));
    const used = this.#used();
    return {
      count: given.length,
      errors: n - given.length,
      indices,
      given,
      cidrs: given,
      repeats,
      used,
      ...answer,
    };
  }

  // Which blocks are marked, for the cases that ask: read when they do.
  #marked(): Answer {
    const pool = this.#open();
    return {
      used: this.#used(),
      get indices() {
        return [...pool].map((cidr) => pool.slotOf(cidr));
      },
    };
  }

  #release(cidr: string): Answer {
    const pool = this.#open();
    const wide = atLeastBlock(cidr, this.#mask);
    if (!overlaps(maskPrefix(wide), maskPrefix(this.#cluster)))
      throw new IpamError("outside", `${cidr} is not in ${this.#cluster}`, cidr);
    pool.releaseWithin(wide);
    return this.#marked();
  }

  #stats(): Answer {
    const { size, used, free, allocations, releases } = this.#open().stats()[0]!;
    return { usage: used / size, used, free, allocations, releases };
  }

  #play(operation: Operation): Answer {
    const pool = this.#open();
    switch (operation.op) {
      case "create":
        return {};
      case "allocateNext": {
        const before = this.#held();
        const cidr = pool.allocate()[0]!;
        const [index, used] = [pool.slotOf(cidr), this.#used()];
        return { cidr, index, given: [cidr], used, repeats: before.has(cidr) };
      }
      case "allocateN":
        return this.#many(numberOf(operation, "n"));
      case "occupy":
        pool.occupy(masked(textOf(operation, "cidr")));
        return this.#marked();
      case "occupyIndices":
        for (let i = numberOf(operation, "from"); i <= numberOf(operation, "to"); i++)
          pool.occupy(pool.prefixAt(i));
        return this.#marked();
      case "release":
        return this.#release(textOf(operation, "cidr"));
      case "releaseAll":
        return this.#release(this.#cluster);
      case "cidrToIndex":
        return { index: pool.slotOf(this.#block(masked(textOf(operation, "cidr")))) };
      case "indexToCidr":
        return { cidr: pool.prefixAt(numberOf(operation, "index")) };
      case "stats":
        return this.#stats();
      default:
        throw new Unknown(operation.op);
    }
  }

  play(operation: Operation): Answer {
    // Before the set is made, whose refusal would be an answer.
    if (!OPERATIONS.includes(operation.op)) throw new Unknown(operation.op);
    return attempt(() => this.#play(operation));
  }

  close(): void {
    this.#pool?.close();
  }
}

/** A player of one case. */
export function cidrset(setUp: Record<string, unknown>): Player {
  return new CidrSet(textOf(setUp, "clusterCIDR"), numberOf(setUp, "nodeMask"));
}

// Suite "range-allocator": nodes get a block of each cluster range, in the order of the ranges.
//
// A prefix pool gives one block of each family. So the ranges are dealt out to pools, to each at
// most one of a family; where that makes several pools, a node's blocks are held in all of them
// before any is confirmed: all or none, as in one.
import { holdsPrefix, maskPrefix, overlaps, type Prefix } from "../../src/address.ts";
import { createPrefixPool, type PrefixPool } from "../../src/cluster/prefixpool.ts";
import { IpamError } from "../../src/errors.ts";
import type { Hold } from "../../src/hold.ts";
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
import { atLeastBlock, checkBlocks } from "./cidrset.ts";

interface Range {
  prefix: Prefix;
  text: string;
  mask: number;
}

type Node = { name: string; podCIDRs: string[] };

class RangeAllocator implements Player {
  readonly #written: Record<string, unknown>[];
  readonly #keptOut: string[];
  readonly #nodes = new Map<string, string[]>();
  #ranges: Range[] = [];
  #pools: PrefixPool[] = [];

  constructor(ranges: Record<string, unknown>[], keptOut: string[], nodes: Node[]) {
    this.#written = ranges;
    this.#keptOut = keptOut;
    for (const { name, podCIDRs } of nodes) this.#nodes.set(name, [...(podCIDRs ?? [])]);
  }

  #start(): Answer {
    this.#ranges = this.#written.map((range) => {
      const cidr = textOf(range, "cidr");
      const mask = numberOf(range, "mask");
      checkBlocks(cidr, mask);
      return { prefix: maskPrefix(cidr), text: masked(cidr), mask };
    });
    const groups: Range[][] = [];
    for (const range of this.#ranges) {
      const family = range.prefix.family;
      const group = groups.find((g) => g.every((r) => r.prefix.family !== family));
      if (group) group.push(range);
      else groups.push([range]);
    }
    for (const group of groups) {
      const length = Object.fromEntries(group.map((r) => [r.prefix.family, r.mask]));
      this.#pools.push(
        createPrefixPool(
          group.map((r) => r.text),
          { length, policy: "next" },
        ),
      );
    }
    for (const cidr of this.#keptOut) if (this.#touches(cidr)) this.#occupy(cidr);
    for (const podCIDRs of this.#nodes.values()) this.#occupyNode(podCIDRs);
    return {};
  }

  #touches(cidr: string): boolean {
    const p = maskPrefix(cidr);
    return this.#ranges.some(({ prefix }) => overlaps(prefix, p));
  }

  // Marks the blocks of a prefix in every pool that has some of them.
  #occupy(cidr: string): void {
    let inside = false;
    for (const pool of this.#pools) {
      try {
        pool.occupy(masked(cidr));
        inside = true;
      } catch (error) {
        if (!(error instanceof IpamError && error.code === "outside")) throw error;
      }
    }
    if (!inside) throw new IpamError("outside", `${cidr} is in no cluster range`, cidr);
  }

  // The i-th prefix of a node is of the i-th cluster range.
  #occupyNode(podCIDRs: string[]): void {
    for (const [i, cidr] of podCIDRs.entries()) {
      const range = this.#ranges[i];
      if (!range || !overlaps(range.prefix, maskPrefix(cidr)))
        throw new IpamError("outside", `${cidr} is not in cluster range ${i}`, cidr);
      this.#occupy(cidr);
    }
  }

  #release(cidr: string): Answer {
    if (!this.#touches(cidr))
      throw new IpamError("outside", `${cidr} is in no cluster range`, cidr);
    const p = maskPrefix(cidr);
    for (const { prefix, mask } of this.#ranges)
      if (overlaps(prefix, p))
        for (const pool of this.#pools) pool.releaseWithin(atLeastBlock(cidr, mask));
    for (const [name, podCIDRs] of this.#nodes)
      this.#nodes.set(
        name,
        podCIDRs.filter((has) => !overlaps(maskPrefix(has), p)),
      );
    return {};
  }

  #addNode(name: string): Answer {
    const has = this.#nodes.get(name) ?? [];
    this.#nodes.set(name, has);
    if (has.length > 0) {
      this.#occupyNode(has);
      return { podCIDRs: has };
    }
    const holds: Hold<string[]>[] = [];
    try {
      for (const pool of this.#pools) holds.push(pool.hold());
    } catch (error) {
      for (const hold of holds) hold.abort();
      throw error;
    }
    const blocks = holds.flatMap((hold) => hold.confirm());
    const podCIDRs = this.#ranges.map(
      ({ prefix }) => blocks.find((block) => holdsPrefix(prefix, maskPrefix(block)))!,
    );
    const held = new Set([...this.#nodes.values()].flat());
    const repeats = podCIDRs.some((cidr) => held.has(cidr));
    this.#nodes.set(name, podCIDRs);
    return { podCIDRs, given: podCIDRs, repeats };
  }

  #play(operation: Operation): Answer {
    switch (operation.op) {
      case "start":
        return this.#start();
      case "occupy":
        this.#occupy(textOf(operation, "cidr"));
        return {};
      case "release":
        return this.#release(textOf(operation, "cidr"));
      case "addNode":
        return this.#addNode(textOf(operation, "node"));
      case "getNode":
        return { podCIDRs: this.#nodes.get(textOf(operation, "node")) ?? [] };
      default:
        throw new Unknown(operation.op);
    }
  }

  play(operation: Operation): Answer {
    return attempt(() => this.#play(operation));
  }

  close(): void {
    for (const pool of this.#pools) pool.close();
  }
}

/** A player of one case. */
export function rangeAllocator(setUp: Record<string, unknown>): Player {
  const keptOut = [setUp.serviceCIDR, setUp.secondaryServiceCIDR].flat();
  return new RangeAllocator(
    setUp.clusterCIDRs as Record<string, unknown>[],
    keptOut.filter((cidr) => typeof cidr === "string"),
    (setUp.nodes ?? []) as Node[],
  );
}

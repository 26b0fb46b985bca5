// What a prefix pool ought to do, as a list of what is held: no trees, no slots, no blocks. Slow, so
// for pools of a few dozen addresses.
import {
  type Family,
  formatPrefix,
  holdsPrefix,
  lastOf,
  overlaps,
  type Prefix,
  parseInterval,
  parsePrefix,
  widthOf,
} from "../../src/address.ts";
import type { PrefixRequest } from "../../src/cluster/prefixtypes.ts";

/** Options of the pools that are modelled: those of createPrefixPool, nothing left out. */
export interface ModelOptions {
  length: { 4: number; 6: number };
  mixed: boolean;
  policy: "next" | "first";
  head: number;
  tail: number;
  exclude: string[];
}

interface Held extends Prefix {
  owner: string | undefined;
}

interface Range extends Prefix {
  draining: boolean;
  cursor: bigint;
}

/** An answer, or "!code". */
export type Answer = unknown;

const sizeOf = (p: Prefix) => lastOf(p) - p.base + 1n;
const same = (a: Prefix, b: Prefix) =>
  a.family === b.family && a.base === b.base && a.length === b.length;

/** The golden model. */
export class PrefixModel {
  readonly options: ModelOptions;
  families: Family[] = [];
  ranges: Range[] = [];
  held: Held[] = [];

  constructor(options: ModelOptions) {
    this.options = options;
  }

  of(family: Family): Range[] {
    return this.ranges.filter((range) => range.family === family);
  }

  add(text: string): Answer {
    const p = parsePrefix(text);
    if (this.ranges.some((range) => overlaps(range, p))) return "!overlap";
    const length = this.options.length[p.family];
    if (length < p.length) return "!tooSmall";
    if (this.options.head + this.options.tail >= 2 ** (length - p.length)) return "!tooLarge";
    if (!this.families.includes(p.family)) this.families.push(p.family);
    this.ranges.push({ ...p, draining: false, cursor: 0n });
    return undefined;
  }

  drain(text: string, on: boolean): Answer {
    const range = this.ranges.find((each) => formatPrefix(each) === text);
    if (!range) return "!notFound";
    range.draining = on;
    return undefined;
  }

  remove(text: string): Answer {
    const range = this.ranges.find((each) => formatPrefix(each) === text);
    if (!range) return "!notFound";
    if (this.held.some((each) => overlaps(range, each))) return "!taken";
    this.ranges = this.ranges.filter((each) => each !== range);
    if (this.of(range.family).length === 0)
      this.families = this.families.filter((each) => each !== range.family);
    return undefined;
  }

  // Is something of the prefix kept back?
  isKept(p: Prefix): boolean {
    const range = this.ranges.find((each) => overlaps(each, p))!;
    const unit = 1n << BigInt(widthOf(p.family) - this.options.length[p.family]);
    const last = lastOf(p);
    if (p.base < range.base + BigInt(this.options.head) * unit) return true;
    if (last > lastOf(range) - BigInt(this.options.tail) * unit) return true;
    return this.options.exclude.map(parseInterval).some((each) => {
      return each.family === p.family && each.first <= last && each.last >= p.base;
    });
  }

  isFree(p: Prefix): boolean {
    return !this.isKept(p) && !this.held.some((each) => overlaps(each, p));
  }

  /** Sub-prefixes of the pool's length in a prefix. */
  units(p: Prefix): Prefix[] {
    const length = this.options.length[p.family];
    const unit = 1n << BigInt(widthOf(p.family) - length);
    const count = Number(sizeOf(p) / unit);
    return Array.from({ length: count }, (_, i) => {
      return { family: p.family, base: p.base + BigInt(i) * unit, length };
    });
  }

  /** Free prefixes that lie in no larger free one, in order. */
  wholes(p: Prefix): Prefix[] {
    if (this.isFree(p)) return [p];
    if (p.length === widthOf(p.family)) return [];
    const half = { family: p.family, base: p.base, length: p.length + 1 };
    return [...this.wholes(half), ...this.wholes({ ...half, base: half.base + sizeOf(half) })];
  }

  #pick(range: Range, length: number): Prefix | undefined {
    if (this.options.mixed) {
      const fits = this.wholes(range).filter((each) => each.length <= length);
      const longest = Math.max(...fits.map((each) => each.length));
      const from = fits.find((each) => each.length === longest);
      return from && { family: range.family, base: from.base, length };
    }
    const all = this.units(range);
    const from = this.options.policy === "next" ? Number(range.cursor) : 0;
    const index = [...all.keys()].find((i) => i >= from && this.isFree(all[i]!));
    return index === undefined ? all.find((each) => this.isFree(each)) : all[index];
  }

  allocate(request: PrefixRequest): Answer {
    const { family, owner } = request;
    if (family !== undefined && !this.families.includes(family)) return "!family";
    if (this.families.length === 0) return "!exhausted";
    const chosen: { range: Range; p: Prefix }[] = [];
    for (const each of family === undefined ? this.families : [family]) {
      const asked = request.length as { 4?: number; 6?: number } | undefined;
      const length = asked?.[each] ?? this.options.length[each];
      if (length !== this.options.length[each] && !this.options.mixed) return "!invalid";
      if (this.of(each).every((range) => length < range.length)) return "!tooLarge";
      const open = this.of(each).filter((range) => !range.draining);
      const found = open
        .map((range) => ({
          range,
          p: length < range.length ? undefined : this.#pick(range, length),
        }))
        .find(({ p }) => p !== undefined);
      if (!found) return "!exhausted";
      chosen.push({ range: found.range, p: found.p! });
    }
    for (const { range, p } of chosen) {
      this.held.push({ ...p, owner });
      range.cursor = (p.base - range.base) / sizeOf(p) + 1n;
    }
    return chosen.map(({ p }) => formatPrefix(p));
  }

  release(text: string): Answer {
    const p = parsePrefix(text);
    if (!this.ranges.some((range) => holdsPrefix(range, p))) return "!outside";
    const before = this.held.length;
    this.held = this.held.filter((each) => !same(each, p));
    return this.held.length === before ? "!notAllocated" : undefined;
  }

  releaseOwner(owner: string): Answer {
    const mine = this.held.filter((each) => each.owner === owner).map(formatPrefix);
    this.held = this.held.filter((each) => each.owner !== owner);
    return mine;
  }

  releaseWithin(text: string): Answer {
    const p = parsePrefix(text);
    const before = this.held.length;
    this.held = this.held.filter((each) => !holdsPrefix(p, each));
    return before - this.held.length;
  }

  occupy(text: string, owner?: string): Answer {
    const p = parsePrefix(text);
    const touched = this.ranges
      .filter((range) => overlaps(range, p))
      .sort((a, b) => (a.base < b.base ? -1 : 1));
    if (touched.length === 0) return "!outside";
    const wanted = touched.flatMap((range) => this.#parts(range, p));
    const holders = this.inOrder().filter((each) => wanted.some((part) => overlaps(each, part)));
    const foreign = holders.find((each) => each.owner !== owner);
    // In one cluster prefix after the other: the first fault counts.
    for (const range of touched) {
      const parts = this.#parts(range, p);
      const here = holders.filter((each) => overlaps(range, each));
      const wrong = this.options.mixed
        ? here.find((each) => each.owner !== owner || !holdsPrefix(each, parts[0]!))
        : here.find((each) => each.owner !== owner);
      if (wrong) return { status: "conflict", owner: wrong.owner, prefix: formatPrefix(wrong) };
      if (this.options.mixed && here.length === 0 && this.isKept(parts[0]!))
        return { status: "conflict" };
    }
    if (!this.options.mixed && wanted.every((each) => this.isKept(each)))
      return { status: "conflict" };
    if (foreign) throw new Error("the model contradicts itself");
    const fresh = wanted.filter((each) => this.isFree(each));
    for (const each of fresh) this.held.push({ ...each, owner });
    return { status: fresh.length > 0 ? "added" : "same", owner };
  }

  // What would be held of a prefix in a range.
  #parts(range: Range, p: Prefix): Prefix[] {
    const { family, base, length } = p.length < range.length ? range : p;
    if (this.options.mixed) return [{ family, base, length }];
    return this.units(range).filter((each) => overlaps(each, p));
  }

  /** Held prefixes in the pool's order. */
  inOrder(): Held[] {
    const place = (p: Prefix) => {
      const range = this.ranges.findIndex((each) => overlaps(each, p));
      return BigInt(this.families.indexOf(p.family)) * 1000n + BigInt(range);
    };
    return [...this.held].sort((a, b) => {
      const order = place(a) - place(b) || a.base - b.base;
      return order < 0n ? -1 : 1;
    });
  }

  /** size, used, free, excluded, held, largest of each cluster prefix. */
  counts(): Answer {
    return this.families.flatMap((family) =>
      this.of(family).map((range) => {
        const units = this.units(range);
        const kept = units.filter((each) => this.isKept(each));
        const free = units.filter((each) => this.isFree(each));
        const held = this.held.filter((each) => overlaps(each, range));
        const wholes = this.options.mixed ? this.wholes(range) : free;
        return {
          prefix: formatPrefix(range),
          draining: range.draining,
          size: units.length,
          used: units.length - kept.length - free.length,
          free: free.length,
          excluded: kept.length,
          held: held.length,
          largest: wholes.length ? Math.min(...wholes.map((each) => each.length)) : null,
        };
      }),
    );
  }
}

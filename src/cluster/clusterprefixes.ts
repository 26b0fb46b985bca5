// The cluster prefixes of a pool: families in the order in which they came, of each its prefixes in
// the order in which they came. None overlaps another. Which of them serves a request is decided
// here. Cost: O(log) of the prefixes to find the one around an address; to give, a look at each
// that is full before the first with room.
import {
  type Family,
  formatPrefix,
  holdsPrefix,
  lastOf,
  MAPPED,
  type Prefix,
  parseAddress,
  parsePrefix,
  widthOf,
} from "../address.ts";
import { closedMeanwhile, IpamError, shown } from "../errors.ts";
import { BlockRange } from "./blockrange.ts";
import { lengthFrom, type Rules } from "./prefixoptions.ts";
import type { PrefixRequest } from "./prefixtypes.ts";
import { type ClusterRange, SlotRange } from "./ranges.ts";

/** Texts in a message: at most four of them. */
function few(texts: readonly string[]): string {
  const rest = texts.length > 4 ? ` and ${texts.length - 4} more` : "";
  return (texts.slice(0, 4).join(", ") || "no prefixes") + rest;
}

/** Throws "exhausted": none of the prefixes has room. */
export function exhausted(ranges: readonly ClusterRange[], length: number): never {
  const texts = ranges.map((range) => {
    const { size, used, excluded } = range.counts();
    const kept = excluded > 0 ? `, ${excluded} kept back` : "";
    return `${range.text} (${used} of ${size} used${kept}${range.draining ? ", draining" : ""})`;
  });
  throw new IpamError("exhausted", `no /${length} is free in ${few(texts)}`, length);
}

/** Throws "invalid" unless an owner is a text that isn't empty, or undefined. */
export function checkOwner(owner: unknown): void {
  if (owner === undefined || (typeof owner === "string" && owner !== "")) return;
  throw new IpamError("invalid", `owner ${shown(owner)} is not a text, or empty`, owner);
}

/** A sub-prefix that was taken, and from which cluster prefix. */
export interface Given {
  range: ClusterRange;
  prefix: Prefix;
}

/** What a pool gives from. */
export class ClusterPrefixes {
  readonly #rules: Rules;
  readonly #families = new Map<Family, ClusterRange[]>();
  /** The same, by address. */
  #sorted: Record<Family, ClusterRange[]> = { 4: [], 6: [] };

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /** May each request say its length? */
  get mixed(): boolean {
    return this.#rules.mixed;
  }

  /** All of them. */
  all(): ClusterRange[] {
    return [...this.#families.values()].flat();
  }

  /** By family. */
  families(): [Family, ClusterRange[]][] {
    return [...this.#families];
  }

  /** The only one, whose sub-prefixes have numbers. Throws "invalid": several, or mixed lengths. */
  numbered(): SlotRange {
    const [sole, ...others] = this.all();
    if (sole instanceof SlotRange && others.length === 0) return sole;
    throw new IpamError(
      "invalid",
      "slots are for pools of one cluster prefix and one length: use allocate and release",
    );
  }

  // How many of the family begin at or before an address: they are apart, so their order is clear.
  #upTo(family: Family, base: bigint): number {
    const sorted = this.#sorted[family];
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]!.prefix.base <= base) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Reads a prefix, or an address as the prefix of itself. A mapped address is IPv4, but where only
   * a cluster prefix of IPv6 has it. Throws "invalid", "hostBits".
   */
  read(text: string): Prefix {
    if (typeof text === "string" && text.includes("/")) return parsePrefix(text, true);
    const { family, value } = parseAddress(text);
    const four: Prefix = { family, base: value, length: widthOf(family) };
    if (family === 6 || !text.includes(":") || this.around(four)) return four;
    const six: Prefix = { family: 6, base: MAPPED | value, length: widthOf(6) };
    return this.around(six) ? six : four;
  }

  /** The one that `p` lies in. */
  around(p: Prefix): ClusterRange | undefined {
    const range = this.#sorted[p.family][this.#upTo(p.family, p.base) - 1];
    return range && holdsPrefix(range.prefix, p) ? range : undefined;
  }

  /** Those that have a part in common with `p`, from low to high. */
  touching(p: Prefix): ClusterRange[] {
    const around = this.around(p);
    if (around) return [around];
    const from = this.#upTo(p.family, p.base - 1n);
    return this.#sorted[p.family].slice(from, this.#upTo(p.family, lastOf(p)));
  }

  #texts(): string {
    return few(this.all().map((range) => range.text));
  }

  /** The cluster prefix of this very text. Throws "notFound", "invalid", "hostBits". */
  named(text: string): ClusterRange {
    const p = parsePrefix(text);
    const same = ({ prefix }: ClusterRange) => prefix.base === p.base && prefix.length === p.length;
    const range = this.#families.get(p.family)?.find(same);
    if (range) return range;
    const why = `${formatPrefix(p)} is no cluster prefix of this pool (${this.#texts()})`;
    throw new IpamError("notFound", why, text);
  }

  /** The error for a prefix that lies in none of them. */
  outside(text: string): IpamError {
    return new IpamError("outside", `${text} is in none of ${this.#texts()}`, text);
  }

  /** Adds one. Errors as PrefixPool.add. */
  add(text: string): ClusterRange {
    const p = parsePrefix(text);
    const [other] = this.touching(p);
    if (other) throw new IpamError("overlap", `${text} overlaps ${other.text}`, text);
    const range = this.#rules.mixed
      ? new BlockRange(p, this.#rules)
      : new SlotRange(p, this.#rules);
    const family = this.#families.get(p.family);
    if (family) family.push(range);
    else this.#families.set(p.family, [range]);
    this.#sorted[p.family].splice(this.#upTo(p.family, p.base), 0, range);
    return range;
  }

  /** Takes an empty one out. Errors as PrefixPool.remove. */
  remove(text: string): void {
    const range = this.named(text);
    if (range.held > 0)
      throw new IpamError(
        "taken",
        `${range.text} has ${range.held} held sub-prefixes: drain it and release them first`,
        text,
      );
    const { family } = range.prefix;
    const rest = this.#families.get(family)!.filter((each) => each !== range);
    if (rest.length > 0) this.#families.set(family, rest);
    else this.#families.delete(family);
    this.#sorted[family].splice(this.#sorted[family].indexOf(range), 1);
    range.close();
  }

  /** Takes one sub-prefix of each family, or none of any. Errors as PrefixPool.allocate. */
  take(request: PrefixRequest): Given[] {
    const taken: Given[] = [];
    try {
      for (const { range, length } of this.#plan(request)) {
        const prefix = range.take(length) ?? exhausted([range], length);
        taken.push({ range, prefix });
      }
    } catch (error) {
      for (const { range, prefix } of taken) range.give(prefix);
      throw error;
    }
    return taken;
  }

  // Which cluster prefix gives which length for a request, one for each family.
  #plan({ owner, length, family }: PrefixRequest): { range: ClusterRange; length: number }[] {
    checkOwner(owner);
    if (family !== undefined && !this.#families.has(family))
      throw new IpamError("family", `no cluster prefix is of family ${shown(family)}`, family);
    const families = family === undefined ? [...this.#families.keys()] : [family];
    if (families.length === 0) throw new IpamError("exhausted", "there is no cluster prefix");
    // All of the request is read first: that may be the user's code, which may close the pool.
    const lengths = families.map((each) => lengthFrom(length, each, this.#rules.lengthOf(each)));
    return families.map((each, i) => {
      const ranges = this.#families.get(each);
      if (!ranges) throw closedMeanwhile();
      const usual = this.#rules.lengthOf(each);
      const wanted = lengths[i]!;
      if (wanted !== usual && !this.#rules.mixed)
        throw new IpamError(
          "invalid",
          `this pool gives /${usual} only: make one with mixed: true for a /${wanted}`,
          length,
        );
      if (ranges.every((range) => wanted < range.prefix.length))
        throw new IpamError("tooLarge", `a /${wanted} is larger than ${this.#texts()}`, length);
      const range = ranges.find((other) => !other.draining && other.hasRoom(wanted));
      return { range: range ?? exhausted(ranges, wanted), length: wanted };
    });
  }

  /** Gives the memory of all back. */
  close(): void {
    for (const range of this.all()) range.close();
    this.#families.clear();
    this.#sorted = { 4: [], 6: [] };
  }
}

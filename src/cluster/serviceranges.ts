// All ranges of a service pool: which range an address is of, which range gives one, and why one
// can't be given. Who has it is service.ts's.
import { type Family, formatAddress, parseAddress, parseInterval } from "../address.ts";
import { type IpamCode, IpamError, shown } from "../errors.ts";
import type { Explanation } from "../pooltypes.ts";
import {
  type IpFamily,
  ipFamilyOf,
  type RangeOptions,
  type SavedRange,
  ServiceRange,
  spansTouch,
} from "./servicerange.ts";

const CODES: Partial<Record<Explanation["state"], IpamCode>> = {
  allocated: "taken",
  held: "held",
  cooling: "cooling",
  excluded: "excluded",
};

/** The ranges, in the order in which they were written. None overlaps another. */
export class ServiceRanges {
  readonly all: ServiceRange[] = [];
  /** The families that are configured; the first is the default. */
  readonly families: readonly IpFamily[];

  /** `saved`: of a snapshot. Throws as createServicePool. */
  constructor(
    cidrs: readonly string[],
    options: RangeOptions,
    exclude: readonly string[],
    saved?: readonly SavedRange[],
  ) {
    if (!Array.isArray(cidrs) || cidrs.length === 0)
      throw new IpamError("invalid", `${shown(cidrs)} is not a range or a list of them`, cidrs);
    const spans = exclude.map(parseInterval);
    try {
      for (const [i, text] of cidrs.entries()) {
        const range = new ServiceRange(text, options, spans, saved?.[i]);
        this.all.push(range);
        this.#apart(range);
      }
      for (const [i, span] of spans.entries())
        if (!this.all.some(({ whole }) => spansTouch(whole, span)))
          throw new IpamError(
            "outside",
            `exclude ${exclude[i]} is in none of ${this.texts()}`,
            exclude[i],
          );
    } catch (error) {
      this.close();
      throw error;
    }
    this.families = [...new Set(this.all.map(({ family }) => ipFamilyOf(family)))];
  }

  #apart(range: ServiceRange): void {
    for (const other of this.all)
      if (other !== range && spansTouch(other.whole, range.whole))
        throw new IpamError("overlap", `${range.text} overlaps ${other.text}`, range.text);
  }

  /** The ranges (of a family) as a text. */
  texts(family?: IpFamily): string {
    const some = family ? this.#of(family) : this.all;
    return some.map(({ text }) => text).join(", ");
  }

  #of(family: IpFamily): ServiceRange[] {
    return this.all.filter((range) => ipFamilyOf(range.family) === family);
  }

  #rangeOf(family: Family, value: bigint): ServiceRange | undefined {
    return this.all.find((range) => range.holds(family, value));
  }

  /** One figure of all ranges. */
  sum(what: "used" | "free"): number {
    return this.all.reduce((sum, range) => sum + range[what], 0);
  }

  /**
   * Throws unless this address (any of the family, if undefined) can be given, and counts that.
   * `owner`: who has it, for the error.
   */
  check(address: string | undefined, family: IpFamily, owner?: string): void {
    if (address === undefined) {
      const ranges = this.#of(family);
      if (ranges.some((range) => range.left > 0)) return;
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
    throw new IpamError(CODES[state] ?? "outside", owner ? `${why} to ${owner}` : why, address);
  }

  #exhausted(family: IpFamily): IpamError {
    const texts = this.texts(family);
    const used = this.#of(family).reduce((sum, range) => sum + range.used, 0);
    return new IpamError("exhausted", `nothing is free in ${texts}: ${used} are in use`, texts);
  }

  // Why an address is none of ours.
  #elsewhere(address: string, family: Family, value: bigint): string {
    const it = { family, first: value, last: value };
    const around = this.all.find(({ whole }) => spansTouch(whole, it));
    if (!around) return `${address} is not in ${this.texts()}`;
    const end = value < around.span.first ? "network" : "broadcast";
    return `${address} is the ${end} address of ${around.text}: services can't have it`;
  }

  /** Takes an address after `check`. Throws "noSpace". */
  take(address: string | undefined, family: IpFamily): string {
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

  /** Takes back an address that is given. */
  drop(address: string): void {
    const { family, value } = parseAddress(address);
    this.#rangeOf(family, value)!.release(value);
  }

  /** Canonical text of an address that is given. Throws "notAllocated", "outside", "invalid". */
  given(text: unknown): string {
    const { family, value } = parseAddress(text);
    const address = formatAddress(family, value);
    const { state, why } = this.explain(address);
    if (state === "allocated") return address;
    if (state === "outside") throw new IpamError(state, why, text);
    throw new IpamError("notAllocated", `${why}: it can't be released`, text);
  }

  /** Why an address can or can't be given. Throws "invalid". */
  explain(address: string): Explanation {
    const { family, value } = parseAddress(address);
    const range = this.#rangeOf(family, value);
    if (range) return range.explain(value);
    return { state: "outside", why: this.#elsewhere(address, family, value) };
  }

  /** Given addresses: IPv4 before IPv6, each in order. */
  *addresses(): IterableIterator<string> {
    const inOrder = this.all.toSorted(
      (a, b) => a.family - b.family || (a.span.first < b.span.first ? -1 : 1),
    );
    for (const range of inOrder) yield* range;
  }

  close(): void {
    for (const range of this.all) range.close();
  }
}

// Owners of sub-prefixes: who has which, both ways. Only what has an owner takes memory here, about
// 200 bytes each. Keys are canonical texts of prefixes.

/** A prefix has one owner at most, an owner any number of prefixes, in the order they came. */
export class Owners {
  readonly #owner = new Map<string, string>();
  readonly #prefixes = new Map<string, string | Set<string>>();

  /** Prefixes that have an owner. */
  get size(): number {
    return this.#owner.size;
  }

  /** The owner of exactly this prefix. */
  of(prefix: string): string | undefined {
    return this.#owner.get(prefix);
  }

  /** What an owner has. */
  prefixes(owner: string): string[] {
    const mine = this.#prefixes.get(owner);
    if (mine === undefined) return [];
    return typeof mine === "string" ? [mine] : [...mine];
  }

  /** Notes an owner; undefined: nobody. */
  set(prefix: string, owner: string | undefined): void {
    if (owner === undefined) return;
    this.#owner.set(prefix, owner);
    const mine = this.#prefixes.get(owner);
    if (mine === undefined) this.#prefixes.set(owner, prefix);
    else if (typeof mine === "string") this.#prefixes.set(owner, new Set([mine, prefix]));
    else mine.add(prefix);
  }

  /** Forgets the owner of a prefix. */
  delete(prefix: string): void {
    const owner = this.#owner.get(prefix);
    if (owner === undefined) return;
    this.#owner.delete(prefix);
    const mine = this.#prefixes.get(owner);
    if (typeof mine === "object") mine.delete(prefix);
    if (typeof mine === "string" || mine?.size === 0) this.#prefixes.delete(owner);
  }

  /** Everything: an owner, and what it has. */
  *[Symbol.iterator](): IterableIterator<[owner: string, prefixes: string[]]> {
    for (const owner of this.#prefixes.keys()) yield [owner, this.prefixes(owner)];
  }
}

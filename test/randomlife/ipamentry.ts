// One state of the golden model: whose each address is that isn't free, and until when; and whether
// what is found there is that.
import type { OwnerKind } from "../../src/ipam/words.ts";

/** What an address is that isn't free. */
export interface Entry {
  what: "allocated" | "reserved" | "cooling";
  kind: OwnerKind;
  owner: string;
  ifname: string;
  name: string;
  /** Seconds of CLOCK_BOOTTIME; Infinity for what has no end. */
  until: number;
  /** How many of them it had at first. */
  full: number;
  /** All addresses of its record. */
  group: string;
}

export class State {
  /** By address. */
  entries = new Map<string, Entry>();
  /** Prefixes of the pools. */
  pools = new Set<string>();
  /** See History. */
  slack = 0;

  clone(): State {
    const copy = new State();
    copy.entries = new Map(this.entries);
    copy.pools = new Set(this.pools);
    copy.slack = this.slack;
    return copy;
  }

  /** The same with what only `other` knows: how long each time was, and what is over. */
  with(other: State, now: number): State {
    const copy = this.clone();
    for (const [address, was] of other.entries) {
      const entry = copy.entries.get(address);
      if (entry) copy.entries.set(address, { ...entry, full: was.full });
      else if (was.until <= now) copy.entries.set(address, was);
    }
    return copy;
  }

  /** What is there at this moment. */
  at(address: string, now: number): Entry | undefined {
    const entry = this.entries.get(address);
    return entry && entry.until > now ? entry : undefined;
  }

  /** Addresses of an owner. */
  heldBy({ owner, kind, ifname }: Pick<Entry, "owner" | "kind" | "ifname">): string[] {
    return [...this.entries]
      .filter(([, e]) => e.what === "allocated" && e.owner === owner && e.kind === kind)
      .filter(([, e]) => e.ifname === ifname)
      .map(([address]) => address);
  }

  /** Addresses that are reserved for a name. */
  reservedFor(name: string, now: number): string[] {
    return [...this.entries]
      .filter(([a, e]) => e.what === "reserved" && e.name === name && this.at(a, now))
      .map(([address]) => address);
  }

  /** Is anything reserved or cooling? */
  get hasTimes(): boolean {
    for (const { what } of this.entries.values()) if (what !== "allocated") return true;
    return false;
  }

  /** Another boot: containers are gone unless `keep`, times are those of another clock. */
  reboot(keep: boolean, shift: number): void {
    for (const [address, entry] of this.entries) {
      if (entry.what !== "allocated")
        this.entries.set(address, { ...entry, until: entry.until + shift });
      else if (entry.kind === "container" && !keep) this.entries.delete(address);
    }
  }

  /** What a DEL note makes of its owner. */
  release(owner: Pick<Entry, "owner" | "kind" | "ifname">): void {
    for (const address of this.heldBy(owner)) this.entries.delete(address);
  }
}

/** When a state is looked at. */
export interface When {
  now: number;
  /** Over a reboot times may last longer, and end early by so much; undefined: they are exact. */
  slack: number | undefined;
}

/** Times count from the second that has begun. */
const ROUNDED = 1;

/** All of an entry but its times. */
export function text(entry: Entry): string {
  const { what, kind, owner, ifname, name, group } = entry;
  if (what === "cooling") return what;
  if (what === "reserved") return `${what} ${name} [${group}]`;
  return `${what} ${kind} ${owner} ${ifname} ${name} [${group}]`;
}

/** An entry as a text. */
export function said(entry: Entry | undefined, { now }: When): string {
  if (!entry) return "free";
  const short = text(entry).replace(/\S{60,}/g, (word) => `${word.slice(0, 20)}*${word.length}`);
  return entry.what === "allocated" ? short : `${short} for ${entry.until - now} s`;
}

/** May an entry be found like this? */
export function fits(entry: Entry | undefined, found: Entry | undefined, when: When): boolean {
  const left = (entry?.until ?? 0) - when.now;
  const there = found && found.until > when.now ? found : undefined;
  const early = when.slack === undefined ? 0 : when.slack + ROUNDED;
  if (!there) return entry === undefined || left <= early;
  if (!entry || text(entry) !== text(there)) return false;
  if (entry.what === "allocated" || left === there.until - when.now) return true;
  if (when.slack === undefined) return false;
  const found_ = there.until - when.now;
  return found_ >= left - early && found_ <= entry.full;
}

/** The first difference of what is found from a state, but at `ignored`. */
export function differs(
  state: State,
  found: State,
  when: When,
  ignored?: Set<string>,
): string | undefined {
  for (const address of new Set([...state.entries.keys(), ...found.entries.keys()])) {
    if (ignored?.has(address)) continue;
    const [entry, there] = [state.entries.get(address), found.entries.get(address)];
    if (!fits(entry, there, when))
      return `${address} is ${said(there, when)}, not ${said(entry, when)}`;
  }
  const pools = [[...state.pools].sort().join(" "), [...found.pools].sort().join(" ")];
  return pools[0] === pools[1] || ignored ? undefined : `pools ${pools[1]}, not ${pools[0]}`;
}

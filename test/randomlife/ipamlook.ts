// What an Ipam, or a copy of one, tells about its addresses, as a state of the model.
import type { Ipam } from "../../src/ipam/ipam.ts";
import type { IpamCopy } from "../../src/ipam/reader.ts";
import type { Allocation, Reservation } from "../../src/ipam/words.ts";
import { type Entry, State } from "./ipamentry.ts";
import { Fault } from "./ipamstate.ts";
import { POOLS } from "./ipamsteps.ts";

type Told = [string, Entry];

/** Seconds until a Date that was made from the boot's clock a moment ago. */
function secondsUntil(date: Date | undefined): number {
  if (!date) return Number.POSITIVE_INFINITY;
  return Math.round((date.getTime() - Date.now()) / 1000);
}

function held({ owner, kind, interface: ifname = "", name = "", addresses }: Allocation): Told[] {
  const entry: Entry = {
    what: "allocated",
    kind,
    owner,
    ifname,
    name,
    until: Number.POSITIVE_INFINITY,
    full: Number.POSITIVE_INFINITY,
    group: addresses.join(" "),
  };
  return addresses.map((address) => [address, entry]);
}

function timed(
  what: "reserved" | "cooling",
  addresses: readonly string[],
  name: string,
  until: Date | undefined,
  now: number,
): Told[] {
  const left = secondsUntil(until);
  const group = addresses.join(" ");
  const entry: Entry = {
    ...{ what, name, group, kind: "other", owner: "", ifname: "" },
    until: now + left,
    full: left,
  };
  return addresses.map((address) => [address, entry]);
}

function kept({ name, addresses, until }: Reservation, now: number): Told[] {
  return timed("reserved", addresses, name, until, now);
}

/** The record that has an address, at all of its addresses. */
export function entriesOf(
  view: Pick<Ipam, "explain" | "find" | "ofName">,
  address: string,
  now: number,
): Told[] {
  const { state, name, until } = view.explain(address);
  if (state === "cooling") return timed("cooling", [address], "", until, now);
  if (state === "allocated") return held(view.find({ address })!);
  if (state !== "reserved") return [];
  const all = view.ofName(name!).reservations;
  return kept(all.find(({ addresses }) => addresses.includes(address))!, now);
}

/** Everything; throws what its check finds. `more`: addresses that may cool. */
export function dumpOf(view: Ipam | IpamCopy, now: number, more: Set<string>): State {
  const faults = view.check();
  if (faults.length > 0) throw new Fault(`check: ${faults.join("; ")}`);
  const found = new State();
  const owners = new Set<string>();
  const put = (told: Told[]) => {
    for (const [address, entry] of told) {
      if (found.entries.has(address)) throw new Fault(`${address} is told twice`);
      found.entries.set(address, entry);
    }
  };
  for (const one of view.allocations()) {
    const key = `${one.kind} ${one.owner} ${one.interface}`;
    if (owners.has(key)) throw new Fault(`${key} holds twice`);
    owners.add(key);
    put(held(one));
  }
  for (const one of view.reservations()) put(kept(one, now));
  for (const { all } of POOLS) for (const address of all) more.add(address);
  for (const address of more) if (!found.entries.has(address)) put(entriesOf(view, address, now));
  for (const { prefix } of view.pools()) found.pools.add(prefix);
  return found;
}

// The model beside what lies in the files: every address that isn't free, whose it is, until when.
// And what a reboot makes of each of them.

import type { Place as Found } from "../support/check.ts";
import { type Allocation, Fault, keyOf, type Model, type Place, show } from "./model.ts";
import { sameName } from "./reserve.ts";

/** What the files say, by address. */
export type Dump = Map<string, Found>;

export function dumpOf(places: readonly Found[]): Dump {
  return new Map(places.map((p) => [keyOf(p.family, p.value), { ...p }]));
}

export function foundOwner(p: Found): string {
  return `${p.id}/${p.ifname}`;
}

/** The addresses that an owner holds in the files. */
export function heldIn(dump: Dump, owner: string): Found[] {
  return [...dump.values()].filter((p) => p.state === "held" && foundOwner(p) === owner);
}

function say(p: Found | Place | undefined): string {
  if (!p) return "free";
  const owner = "whose" in p ? p.whose.owner : foundOwner(p);
  const name = "whose" in p ? p.whose.name : p.name;
  const until = p.state === "held" ? "" : ` until ${p.due}`;
  return `${p.state} by ${owner.slice(0, 20)} "${name.slice(0, 20)}" in set ${p.set}${until}`;
}

function isSame(found: Found, place: Place): boolean {
  if (found.state !== place.state) return false;
  if (found.name !== place.whose.name) return false;
  if (found.set !== place.set || foundOwner(found) !== place.whose.owner) return false;
  return found.state === "held" || found.due === place.due;
}

/** Throws unless the files hold what the model holds; what is due may be gone. */
export function compare(model: Model, dump: Dump): void {
  for (const [key, found] of dump) {
    const place = model.places.get(key);
    if (!place || !isSame(found, place))
      throw new Fault(`${show(key)} is ${say(found)} in the files, ${say(place)} in the model`);
  }
  for (const [key, place] of model.places) {
    if (dump.has(key)) continue;
    if (!model.expired(place)) throw new Fault(`${show(key)} is free in the files, ${say(place)}`);
    model.put(key, undefined);
  }
}

/** What is known of the time between the last call of a boot and the first one of the next. */
export interface Gap {
  /** Seconds of the old boot's clock when it is over, by the wall clock; at most so many. */
  passed: number;
  /** No clock was set: it is exactly that. */
  exact: boolean;
  /** The new boot's clock. */
  now: number;
  cut: boolean;
}

/** Whether this can have become of an address. */
function fits(
  place: Place | undefined,
  found: Found | undefined,
  gap: Gap,
  keep: boolean,
): boolean {
  if (!place) return !found;
  if (place.state === "held") {
    if (keep) return found !== undefined && isSame(found, place);
    const { reserveFor } = place.whose;
    if (reserveFor === 0) return !found;
    const due = gap.now + reserveFor;
    return found !== undefined && isSame(found, { ...place, state: "reserved", due });
  }
  const left = place.due - Math.max(gap.passed, place.since);
  if (!found) return left <= 0;
  const full = place.due - place.since;
  const wait = found.due - gap.now;
  if (!isSame(found, { ...place, due: found.due })) return false;
  // An image that has no anchor yet lets the time begin anew.
  return gap.exact ? wait === left || wait === full : wait >= Math.max(1, left) && wait <= full;
}

/** A cooling address whose record had another address that was given on: it may go with it. */
function isBroken(place: Place | undefined, before: Model): boolean {
  return place?.state === "cooling" && place.whose.keys.some((key) => before.past.has(key));
}

/** Is a younger record of the name there that is reserved now, or was such a one ever? */
function isOvertaken(place: Place | undefined, before: Model, dump: Dump, cut: boolean): boolean {
  if (!place || place.whose.name === "") return false;
  return [...before.places.values()].some((other) => {
    if (other.whose === place.whose || !sameName(other.whose, place.whose)) return false;
    const there = dump.get(keyOf(other.family, other.value))?.state === "reserved";
    return there && (cut || other.whose.changed > place.whose.changed);
  });
}

/** The places after a reboot, each as the files have it; throws where that can't have come about. */
function adopted(before: Model, dump: Dump, gap: Gap, keep: boolean): Place[] {
  const { cut } = gap;
  const out: Place[] = [];
  for (const key of new Set([...dump.keys(), ...before.places.keys(), ...before.past.keys()])) {
    const states = [before.places.get(key), ...(cut ? (before.past.get(key) ?? []) : [])];
    const found = dump.get(key);
    const was = states.find((place) => fits(place, found, gap, keep));
    if (found && was) {
      const { state, due } = found;
      const since = state === "held" ? was.since : gap.now;
      out.push({
        ...was,
        state,
        due: state === "held" ? 0 : due,
        since,
      });
    }
    if (found ? was : states.some((place) => fits(place, undefined, gap, keep))) continue;
    // Nor may more be whole of a record that has changed since than is needed to see that it went.
    if (!found && (states.length > 1 || (cut && isBroken(states[0], before)))) continue;
    if (!found && isOvertaken(states[0], before, dump, cut)) continue;
    const were = states.map(say).join(", or ");
    const when = `after a ${cut ? "cut" : "reboot"}, ${gap.passed} passed${gap.exact ? "" : " at most"}`;
    throw new Fault(`${show(key)} is ${say(found)} ${when}: it was ${were}`);
  }
  return out;
}

/** A name and interface has one reservation. */
function checkNames(places: readonly Place[]): void {
  const reserved = places.filter((p) => p.state === "reserved");
  for (const { whose } of reserved)
    for (const other of reserved)
      if (other.whose !== whose && sameName(other.whose, whose))
        throw new Fault(`${whose.name} has two reservations after a reboot`);
}

/** Takes over what the first opening of a boot found; throws where that can't have come about. */
export function adopt(model: Model, dump: Dump, was: number, gap: Gap, keep: boolean): void {
  const before = Object.assign(Object.create(Object.getPrototypeOf(model)), model) as Model;
  before.now = was;
  const known = [...model.keep, ...(gap.cut ? model.pastKeep : [])];
  const kept = new Set(known.map((k) => k || keep));
  model.keep = [];
  let places: Place[] | undefined;
  const faults: string[] = [];
  for (const one of kept) {
    try {
      places = adopted(before, dump, gap, one);
      model.keep.push(one);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(`reboot ${one ? "keep" : "release"}: ${error.message}`);
    }
  }
  if (!places) throw new Fault(faults.join("; "));
  checkNames(places);
  model.places = new Map(places.map((p) => [keyOf(p.family, p.value), { ...p }]));
  model.owners.clear();
  for (const place of model.places.values()) {
    if (place.state !== "held") continue;
    const { owner } = place.whose;
    const whose = model.owners.get(owner) ?? allocationOf(owner, places, before);
    model.owners.set(owner, whose);
    place.whose = whose;
  }
  if (gap.cut) model.forgetCursors();
  model.durable();
}

/**
 * After a cut an allocation is there as a whole or not at all; only of three addresses and more,
 * which take several cells, those of a commit that wasn't synced may be torn apart.
 */
function allocationOf(owner: string, places: readonly Place[], before: Model): Allocation {
  const mine = places.filter((p) => p.state === "held" && p.whose.owner === owner);
  const keys = mine.map((p) => keyOf(p.family, p.value));
  for (const whose of mine.map((p) => p.whose)) {
    const families = new Set(whose.keys.map((key) => key.split(":")[0]));
    const torn = whose.keys.some((key) => before.past.has(key));
    const several = torn && families.size < whose.keys.length;
    if (whose.keys.length === keys.length || several) return { ...whose, keys };
  }
  const was = mine[0]!.whose.keys.length;
  throw new Fault(`${owner} holds ${keys.length} of its ${was} addresses after a cut`);
}

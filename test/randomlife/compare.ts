// The model beside what lies in the files: every address that isn't free, whose it is, until when.
// And what a reboot makes of each of them.

import type { Place as Found } from "../support/check.ts";
import { type Allocation, Fault, keyOf, type Model, type Place, show } from "./model.ts";

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

function isSame(found: Found, place: Place, anyName = false): boolean {
  if (found.state !== place.state) return false;
  if (!anyName && found.name !== place.whose.name) return false;
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

/** What may become of a place at the first opening of another boot. */
function afterReboot(
  place: Place | undefined,
  before: Model,
  now: number,
  keep: boolean,
): (Place | undefined)[] {
  if (!place) return [undefined];
  if (place.state === "held") return [keep ? place : undefined];
  // A cool-down begins anew; whether one that was over had been collected, nobody knows.
  const anew = { ...place, due: now + place.wait };
  return before.expired(place) ? [undefined, anew] : [anew];
}

/** A cooling address whose record had another address that was given on: it may go with it. */
function isBroken(place: Place | undefined, before: Model): boolean {
  return place?.state === "cooling" && place.whose.keys.some((key) => before.past.has(key));
}

function named(place: Place, name: string, renamed: Map<Allocation, Allocation>): Place {
  if (place.whose.name === name) return place;
  const whose = renamed.get(place.whose) ?? { ...place.whose, name };
  renamed.set(place.whose, whose);
  return { ...place, whose };
}

/** The places after a reboot, each as the files have it; throws where that can't have come about. */
function adopted(model: Model, before: Model, dump: Dump, cut: boolean, keep: boolean): Place[] {
  const out: Place[] = [];
  const renamed = new Map<Allocation, Allocation>();
  for (const key of new Set([...dump.keys(), ...before.places.keys(), ...before.past.keys()])) {
    const states = [before.places.get(key), ...(cut ? (before.past.get(key) ?? []) : [])];
    const found = dump.get(key);
    const now = (place: Place | undefined) => afterReboot(place, before, model.now, keep);
    // Of commits that weren't synced a record's head may be younger than its name: no harm is done.
    const torn = states.length > 1 && found?.state !== "reserved";
    const fits = states.flatMap(now).find((p) => (found ? p && isSame(found, p, torn) : !p));
    if (found && fits) out.push(named(fits, found.name, renamed));
    if (found ? fits : states.flatMap(now).includes(undefined)) continue;
    // Nor may more be whole of a record that has changed since than is needed to see that it went.
    if (!found && (states.length > 1 || (cut && isBroken(states[0], before)))) continue;
    const were = states.map(say).join(", or ");
    throw new Fault(
      `${show(key)} is ${say(found)} after a ${cut ? "cut" : "reboot"}: it was ${were}`,
    );
  }
  return out;
}

/** Takes over what the first opening of a boot found; throws where that can't have come about. */
export function adopt(model: Model, dump: Dump, was: number, cut: boolean, keep: boolean): void {
  const before = Object.assign(Object.create(Object.getPrototypeOf(model)), model) as Model;
  before.now = was;
  const known = [...model.keep, ...(cut ? model.pastKeep : [])];
  const kept = new Set(known.map((k) => k || keep));
  model.keep = [];
  let places: Place[] | undefined;
  const faults: string[] = [];
  for (const one of kept) {
    try {
      places = adopted(model, before, dump, cut, one);
      model.keep.push(one);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(`reboot ${one ? "keep" : "release"}: ${error.message}`);
    }
  }
  if (!places) throw new Fault(faults.join("; "));
  model.places = new Map(places.map((p) => [keyOf(p.family, p.value), { ...p }]));
  model.owners.clear();
  for (const place of model.places.values()) {
    if (place.state !== "held") continue;
    const { owner } = place.whose;
    const whose = model.owners.get(owner) ?? allocationOf(owner, places, before);
    model.owners.set(owner, whose);
    place.whose = whose;
  }
  if (cut) model.forgetCursors();
  model.durable();
}

/**
 * After a cut an allocation is there as a whole or not at all; only of three addresses and more,
 * which take several cells, those of a commit that wasn't synced may be torn apart.
 */
function allocationOf(owner: string, places: readonly Place[], before: Model): Allocation {
  const mine = places.filter((p) => p.state === "held" && p.whose.owner === owner);
  const keys = mine.map((p) => keyOf(p.family, p.value));
  const { name } = mine[0]!.whose;
  for (const whose of mine.map((p) => p.whose)) {
    const families = new Set(whose.keys.map((key) => key.split(":")[0]));
    const torn = whose.keys.some((key) => before.past.has(key));
    const several = torn && families.size < whose.keys.length;
    if (whose.keys.length === keys.length || several) return { owner, name, keys };
  }
  const was = mine[0]!.whose.keys.length;
  throw new Fault(`${owner} holds ${keys.length} of its ${was} addresses after a cut`);
}

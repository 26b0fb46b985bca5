// What becomes of the addresses of a container that goes: the rule of `reserve` in the words of the
// issue. Free, cooling, or reserved for the pod's name; the newest holder of a name counts.

import type { Allocation, Model } from "./model.ts";
import type { Reserve } from "./network.ts";

/** How a call lets go: by a rule, not at all (undefined), or as the record remembers. */
export interface Manner {
  reserve: Reserve | "remembered" | undefined;
  cooldown: number;
}

/** A pod of a StatefulSet by its name: not a Deployment's with five safe digits, not a static pod. */
function isOrdinal(pod: string, node: string): boolean {
  const digits = /^.+-(\d+)$/.exec(pod)?.[1];
  if (digits === undefined || /^[24-9]{5}$/.test(digits)) return false;
  return !pod.endsWith(`-${node}`);
}

/** What a pod's annotations say: that its addresses are fixed; for how long its name is kept. */
export interface Said {
  fixed: boolean;
  /** Seconds of berth.dev/reserve-for; 0 = the annotation isn't there. */
  asked: number;
}

/** Seconds for which a name is reserved under a rule; 0 = it isn't. */
export function reserveTime(
  rule: Reserve | undefined,
  name: string,
  node: string,
  { fixed, asked }: Said,
): number {
  if (!rule || name === "") return 0;
  const pod = name.slice(name.indexOf("/") + 1);
  const ordinal = rule.pods === "ordinal" && isOrdinal(pod, node);
  if (!ordinal && rule.pods !== "all" && !fixed && asked === 0) return 0;
  return bounded(rule, asked > 0 ? asked : rule.for);
}

function bounded({ max }: Reserve, time: number): number {
  return max === 0 ? time : Math.min(max, time);
}

function timeOf(whose: Allocation, manner: Manner, node: string): number {
  const { reserve } = manner;
  if (reserve === "remembered") return whose.reserveFor;
  if (!reserve) return 0;
  // The annotation's time takes the place of `for`: a later config can't make it longer.
  const { fixed, asked } = whose.said;
  const now = asked > 0 ? 0 : reserveTime(reserve, whose.name, node, { fixed, asked });
  return bounded(reserve, Math.max(whose.reserveFor, now));
}

/** Interface by interface, as a pod may have several; what an operator keeps is for any. */
export function sameName(a: Allocation, b: Allocation): boolean {
  return a.name !== "" && a.name === b.name && suits(a, b);
}

/** May one have what the other had? */
export function suits(a: { ifname: string }, b: { ifname: string }): boolean {
  return a.ifname === "" || b.ifname === "" || a.ifname === b.ifname;
}

/** The reservations that there are, as records. */
export function reservations(model: Model): Allocation[] {
  const places = [...model.places.values()].filter((p) => p.state === "reserved");
  return [...new Set(places.map((p) => p.whose))];
}

/** Is it a reservation whose time isn't over? */
export function isLive(model: Model, whose: Allocation): boolean {
  return whose.keys.some((key) => {
    const place = model.places.get(key);
    return place?.whose === whose && place.state === "reserved" && !model.expired(place);
  });
}

/** Ends the older reservations of a name: their addresses are free. Answers whether one was alive. */
export function endReservations(model: Model, whose: Allocation): boolean {
  let ended = false;
  for (const other of reservations(model)) {
    if (other.serial >= whose.serial || !sameName(other, whose)) continue;
    if (isLive(model, other)) ended = true;
    for (const key of other.keys)
      if (model.places.get(key)?.whose === other) model.put(key, undefined);
  }
  return ended;
}

function isOutlived(model: Model, whose: Allocation): boolean {
  const newer = (other: Allocation) => other.serial > whose.serial && sameName(other, whose);
  return (
    [...model.owners.values()].some(newer) ||
    reservations(model).some((other) => newer(other) && isLive(model, other))
  );
}

function mayReserve(model: Model, whose: Allocation, { reserve }: Manner): boolean {
  if (isOutlived(model, whose)) return false;
  endReservations(model, whose);
  const most = reserve !== "remembered" ? (reserve?.perNamespace ?? 0) : 0;
  const space = (one: Allocation) => one.name.split("/")[0];
  const theirs = reservations(model).filter((one) => space(one) === space(whose));
  return most === 0 || theirs.filter((one) => isLive(model, one)).length < most;
}

/** Do annotations say something of it that its record remembers, with its name? */
export function isSaid({ name, said }: Pick<Allocation, "name" | "said">): boolean {
  return name !== "" && (said.fixed || said.asked > 0);
}

/** A container goes. Answers whether the commit is one that `"sync": "named"` syncs. */
export function leave(model: Model, owner: string, manner: Manner): boolean {
  const whose = model.owners.get(owner);
  if (!whose) return false;
  const time = timeOf(whose, manner, model.node);
  const reserved = time > 0 && mayReserve(model, whose, manner);
  model.owners.delete(owner);
  whose.changed = ++model.changes;
  const wait = reserved ? time : manner.cooldown;
  for (const key of whose.keys) {
    const place = model.places.get(key)!;
    const state = reserved ? ("reserved" as const) : ("cooling" as const);
    const next = { ...place, state, since: model.now, due: model.now + wait };
    model.put(key, wait > 0 ? next : undefined);
  }
  return reserved || whose.reserveFor > 0 || isSaid(whose);
}

/**
 * Containers that leave in one collection, in an order in which it can have come about that these
 * are reserved now: `perNamespace` bounds how many are, and of one name's containers those that
 * were left first decide.
 */
export function inOrder(
  leaving: readonly Allocation[],
  isReserved: (whose: Allocation) => boolean,
): Allocation[] {
  const names = new Map<string, Allocation[]>();
  for (const whose of [...leaving].sort((a, b) => a.serial - b.serial)) {
    const key = whose.name === "" ? whose.owner : `${whose.name} ${whose.ifname}`;
    names.set(key, [...(names.get(key) ?? []), whose]);
  }
  const first: Allocation[] = [];
  const rest: Allocation[] = [];
  for (const all of names.values()) {
    const at = all.findIndex(isReserved);
    if (at < 0) rest.push(...all);
    else first.push(...all.slice(at + 1), ...all.slice(0, at + 1).reverse());
  }
  return [...first, ...rest];
}

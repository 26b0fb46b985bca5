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

/** Seconds for which a name is reserved under a rule; 0 = it isn't. */
export function reserveTime(rule: Reserve | undefined, name: string, node: string): number {
  if (!rule || name === "") return 0;
  const pod = name.slice(name.indexOf("/") + 1);
  return rule.pods === "all" || (rule.pods === "ordinal" && isOrdinal(pod, node)) ? rule.for : 0;
}

function timeOf(whose: Allocation, manner: Manner, node: string): number {
  const { reserve } = manner;
  if (reserve === "remembered") return whose.reserveFor;
  if (!reserve) return 0;
  const most = reserve.max === 0 ? Number.POSITIVE_INFINITY : reserve.max;
  return Math.min(most, Math.max(whose.reserveFor, reserveTime(reserve, whose.name, node)));
}

/** Interface by interface, as a pod may have several. */
export function sameName(a: Allocation, b: Allocation): boolean {
  return a.name !== "" && a.name === b.name && a.ifname === b.ifname;
}

/** The reservations that there are, as records. */
export function reservations(model: Model): Allocation[] {
  const places = [...model.places.values()].filter((p) => p.state === "reserved");
  return [...new Set(places.map((p) => p.whose))];
}

function isLive(model: Model, whose: Allocation): boolean {
  return whose.keys.some((key) => {
    const place = model.places.get(key);
    return place?.whose === whose && place.state === "reserved" && !model.expired(place);
  });
}

/** Ends the reservations of a name: their addresses are free. Answers whether one was alive. */
export function endReservations(model: Model, whose: Allocation): boolean {
  let ended = false;
  for (const other of reservations(model)) {
    if (other === whose || !sameName(other, whose)) continue;
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
  // All pods of these lives are of one namespace.
  return most === 0 || reservations(model).filter((one) => isLive(model, one)).length < most;
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
  return reserved || whose.reserveFor > 0;
}

// A network with 200 pods on it, copied for each damage, and the law that holds after any damage:
// no address of a pod that still runs is ever given, every refusal names the file, DEL succeeds.

import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { bare } from "./address.ts";
import type { Plugin } from "./plugin.ts";
import { Random, seed } from "./random.ts";
import { folder, homeOf, type Network, network, pair } from "./space.ts";

/** Pods of a scene, and the addresses that are free beside them. */
export const podCount = 200;
export const freeCount = 10;

/** A prepared network. */
export interface Scene {
  net: Network;
  /** Pod to its addresses. */
  pods: Map<string, string[]>;
}

/** Makes a network with 200 pods, some after releases, some requested, cursors gone round. */
export async function makeScene(p: Plugin): Promise<Scene> {
  const net = network(folder(), pair(podCount + freeCount));
  const pods = new Map<string, string[]>();
  const r = new Random(seed, 200);
  let next = 0;
  const add = async (): Promise<void> => {
    const id = next % 7 === 0 ? `long-${"x".repeat(150)}-${next}` : `pod-${next}`;
    next++;
    pods.set(id, (await p.given(net, id)).map(bare));
  };
  for (let round = 0; round < 3; round++) {
    while (pods.size < podCount + (round < 2 ? freeCount : 0)) await add();
    if (round === 2) break;
    for (const id of r.shuffle([...pods.keys()]).slice(0, 40)) {
      await p.gone(net, id);
      pods.delete(id);
    }
  }
  return { net, pods };
}

/** A copy of the scene's files in a folder of their own; remove with `drop`. */
export function copyOf(s: Scene): Scene {
  const net = network(folder(), s.net.ipam.ranges);
  mkdirSync(homeOf(net), { recursive: true });
  for (const f of readdirSync(homeOf(s.net))) {
    copyFileSync(path.join(homeOf(s.net), f), path.join(homeOf(net), f));
  }
  return { net, pods: s.pods };
}

/** Removes a copy. */
export function drop(s: Scene): void {
  rmSync(s.net.ipam.dataDir, { recursive: true, force: true });
}

/** How a damaged network behaved. */
export interface Aftermath {
  /** ADDs that succeeded. */
  given: number;
  /** Texts of those that did not. */
  errors: Set<string>;
  /** Laws that were broken. */
  broken: string[];
}

const full = "no IP addresses available in range set";

/**
 * Asks a damaged network for more than it can have left, releases three pods and asks again.
 * `namesFile` = what an error must name.
 */
export async function ask(p: Plugin, s: Scene, namesFile: RegExp): Promise<Aftermath> {
  const out: Aftermath = { given: 0, errors: new Set(), broken: [] };
  const taken = new Map<string, string>();
  for (const [id, list] of s.pods) for (const a of list) taken.set(a, id);
  const add = async (id: string): Promise<void> => {
    const o = await p.add(s.net, id);
    if (!o.ok) {
      out.errors.add(o.error.msg);
      if (!o.error.msg.includes(full) && !namesFile.test(o.error.msg)) {
        out.broken.push(`the error of ADD names no file: ${JSON.stringify(o.error)}`);
      }
      return;
    }
    out.given++;
    for (const a of o.addresses.map(bare)) {
      if (taken.has(a)) out.broken.push(`${a} of ${taken.get(a)} is given to ${id}`);
      taken.set(a, id);
    }
  };
  // Where the first say no for another reason than a full network, the rest would say the same.
  const many = p.binary.kind === "node" ? 4 : freeCount + 3;
  for (let i = 0; i < many; i++) {
    await add(`new-${i}`);
    if (i >= 2 && out.given === 0) break;
  }
  const released = [...s.pods.keys()].slice(0, p.binary.kind === "node" ? 1 : 3);
  for (const id of [...released, "never-known"]) {
    const o = await p.del(s.net, id);
    if (!o.ok) out.broken.push(`DEL of ${id}: ${JSON.stringify(o.error)}`);
    for (const a of s.pods.get(id) ?? []) taken.delete(a);
  }
  const o = await p.check(s.net, [...s.pods.keys()].at(-1)!);
  if (!o.ok) out.errors.add(o.error.msg);
  for (let i = 0; i < (p.binary.kind === "node" ? 1 : 4); i++) await add(`newer-${i}`);
  return out;
}

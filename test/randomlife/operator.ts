// What an operator does by hand in a random life: `berth release` and `berth reserve`, and what
// they have to answer. They go by the config of the last ADD.

import type { Outcome } from "../support/memoryhost.ts";
import { wanted } from "./calls.ts";
import type { Dump } from "./compare.ts";
import {
  type Allocation,
  type Answer,
  type Ask,
  Fault,
  keyOf,
  type Model,
  rangeOf,
} from "./model.ts";
import { resultOf, type Variant } from "./network.ts";
import { isSaid } from "./reserve.ts";
import { ownerOf, type Step } from "./steps.ts";

type Of<K extends Step["do"]> = Extract<Step, { do: K }>;

/** What a verb came to: undefined = nothing has changed; else whether that must be on disk. */
export type Done = boolean | undefined;

/** Runs the verb: `berth` and these words. */
export type Verb = (...words: string[]) => Outcome;

/** Records of one name that one call lets go. */
const RECORDS = 256;

/** The network's part of the answer. */
// biome-ignore lint/suspicious/noExplicitAny: each verb knows which.
function part({ status, json }: Outcome): { error: string; one: any } {
  const one = json?.networks?.[0] ?? json;
  if (status === 0) return { error: "", one };
  const error = one?.error?.msg ?? one?.msg ?? `exit status ${status}`;
  return { error, one };
}

/** The records that are meant, newest first. */
function meant(model: Model, step: Of<"release"> | Of<"let go">): Allocation[] {
  if (step.do === "let go") {
    const whose = model.owners.get(ownerOf(step));
    return whose ? [whose] : [];
  }
  const isName = step.word.includes("/");
  const { family, value } = isName ? { family: 4 as const, value: -1n } : wanted(step.word);
  const mine = [...model.places].filter(([key, { whose }]) =>
    isName ? whose.name === step.word : key === keyOf(family, value),
  );
  return [...new Set(mine.map(([, { whose }]) => whose))].sort((a, b) => b.serial - a.serial);
}

/** The words behind `berth`. */
export function wordsOf(step: Of<"release"> | Of<"let go"> | Of<"reserve">): string[] {
  if (step.do === "release") return ["release", step.word];
  if (step.do === "let go") return ["release", "--container", step.id, "--ifname", step.ifname];
  const list = step.addresses.length > 0 ? ["--addresses", step.addresses.join()] : [];
  return ["reserve", step.name, "--for", `${step.seconds}`, ...list];
}

/** The addresses that a record has still. */
function keysOf(model: Model, whose: Allocation): string[] {
  return whose.keys.filter((key) => model.places.get(key)?.whose === whose);
}

/**
 * Addresses of a record go: what was held cools down, others are free. Answers whether that must be
 * on disk.
 */
function letGo(model: Model, settings: Variant, whose: Allocation, keys: string[]): boolean {
  let named = whose.reserveFor > 0 || isSaid(whose);
  // The owner may have come again since: that is another record.
  if (model.owners.get(whose.owner) === whose) model.owners.delete(whose.owner);
  whose.changed = ++model.changes;
  for (const key of keys) {
    const place = model.places.get(key)!;
    if (place.state === "reserved" && !model.expired(place)) named = true;
    const { cooldown } = settings;
    const cools = place.state === "held" && cooldown > 0;
    const due = model.now + cooldown;
    const next = { ...place, state: "cooling" as const, since: model.now, due };
    model.put(key, cools ? next : undefined);
  }
  return named;
}

/** Every record that is meant goes. */
export function releaseVerb(
  model: Model,
  settings: Variant,
  step: Of<"release"> | Of<"let go">,
  verb: Verb,
  applied: () => void,
): Done {
  const words = wordsOf(step);
  const { error, one } = part(verb(...words));
  applied();
  const records = meant(model, step);
  const mine = records.flatMap((whose) => keysOf(model, whose));
  const live = mine.filter((key) => !model.expired(model.places.get(key)!));
  if (error !== "") {
    if (/^nothing is held, reserved or cooling for /.test(error) && live.length === 0)
      return undefined;
    throw new Fault(`${words}: ${error}`);
  }
  const told = new Map<string, string>();
  for (const { address, was } of one.released) {
    const { family, value } = wanted(address);
    told.set(keyOf(family, value), was);
  }
  for (const [key, was] of told) {
    if (!mine.includes(key)) throw new Fault(`${words} let ${key} go, of somebody else`);
    const place = model.places.get(key)!;
    const state = model.expired(place) ? "free" : place.state;
    if (was !== state) throw new Fault(`${key} was ${state}, ${words} says ${was}`);
  }
  const missed = live.find((key) => !told.has(key));
  if (missed && records.length <= RECORDS) throw new Fault(`${words} left ${missed}`);
  let named = false;
  for (const whose of records) {
    const keys = keysOf(model, whose).filter((key) => told.has(key));
    if (keys.length > 0 && letGo(model, settings, whose, keys)) named = true;
  }
  return named;
}

/** The same where something failed: the files tell which records are gone, each whole or not. */
export function releasePart(
  model: Model,
  settings: Variant,
  step: Of<"release"> | Of<"let go">,
  dump: Dump,
  said: boolean,
): boolean {
  let named = false;
  for (const whose of meant(model, step)) {
    const keys = keysOf(model, whose);
    const stays = (key: string) => dump.get(key)?.state === model.places.get(key)!.state;
    const live = keys.filter((key) => !model.expired(model.places.get(key)!));
    if (live.some(stays) || live.length === 0) {
      if (said && live.length > 0) throw new Fault(`${wordsOf(step)} said that all has gone`);
      continue;
    }
    if (letGo(model, settings, whose, keys)) named = true;
  }
  return named;
}

/** Addresses kept for a name, where something failed: the files tell. */
export function reservePart(
  model: Model,
  settings: Variant,
  step: Of<"reserve">,
  dump: Dump,
  said: boolean,
): boolean {
  const due = model.now + step.seconds;
  const all = [...dump].filter(([key, p]) => {
    const before = model.places.get(key);
    if (before?.state === "reserved" && before.due === due) return false;
    return p.state === "reserved" && p.name === step.name && p.due === due;
  });
  if (said && all.length === 0) throw new Fault(`${wordsOf(step)} said it was done`);
  if (all.length === 0) return false;
  const ask = askOf(settings, step);
  const ips = ask.config.sets.map((set) => {
    const found = all.find(([, p]) => p.set === set.index && p.family === set.family)?.[1];
    if (!found) throw new Fault(`${wordsOf(step)} kept nothing of range set ${set.index}`);
    return { ...found, ...resultOf(set.family, rangeOf(set, found.value)!) };
  });
  return model.add(ask, { ok: true, code: 0, msg: "", ips });
}

function askOf(settings: Variant, step: Of<"reserve">): Ask {
  const asked = step.addresses.map(wanted);
  const isWanted = (set: Variant["sets"][0]) =>
    asked.some((w) => w.family === set.family && rangeOf(set, w.value));
  const sets = asked.length > 0 ? settings.sets.filter(isWanted) : settings.sets;
  const config = { ...settings, sets };
  const said = { fixed: false, asked: 0 };
  const { name, seconds: keep } = step;
  return { owner: "/", ifname: "", name, wanted: asked, config, said, keep };
}

/** The answer in the words of an ADD, as it may be meant: the verb doesn't name the range set. */
function* readings(error: string, sets: number): Generator<Answer> {
  const failed = (msg: string) => ({ ok: false, code: 999, msg, ips: [] });
  if (/lies in no range set|lie in one range set/.test(error))
    yield failed("failed to allocate all requested IPs:");
  for (let n = 0; n < sets; n++) {
    const range = `failed to allocate for range ${n}:`;
    if (/^nothing is free/.test(error))
      yield failed(`${range} no IP addresses available in range set`);
    if (!/isn't free/.test(error)) continue;
    yield failed(`${range} requested IP address x is not available in range set`);
    yield failed(`${range} requested ip x is subnet's gateway`);
    yield failed(`${range} requested ip x is excluded`);
  }
}

/** Addresses are kept for a name that has none. */
export function reserveVerb(
  model: Model,
  settings: Variant,
  step: Of<"reserve">,
  verb: Verb,
  applied: () => void,
): Done {
  const { name } = step;
  const { error, one } = part(verb(...wordsOf(step)));
  applied();
  const has = [...model.places.values()].some(
    (p) => p.whose.name === name && p.state !== "cooling" && !model.expired(p),
  );
  if (has || /^there are addresses held by or reserved for /.test(error)) {
    if (has && /^there are addresses held/.test(error)) return undefined;
    throw new Fault(`reserve ${name}, which has ${has ? "" : "no "}addresses: ${error || "done"}`);
  }
  const ask = askOf(settings, step);
  const { sets } = ask.config;
  if (error === "") {
    const ips = (one.reserved as string[]).map((ip, n) => {
      const { family, value } = wanted(ip);
      const range = sets[n] && rangeOf(sets[n], value);
      if (!range || sets[n]!.family !== family) throw new Fault(`reserve gave ${ip} in set ${n}`);
      return { family, value, ...resultOf(family, range) };
    });
    return model.add(ask, { ok: true, code: 0, msg: "", ips });
  }
  const faults: unknown[] = [];
  for (const answer of readings(error, sets.length)) {
    try {
      model.add(ask, answer);
      return undefined;
    } catch (fault) {
      faults.push(fault);
    }
  }
  throw new Fault(`${wordsOf(step)}: ${error}; ${faults[0]}`);
}

// The golden model of a network's life, from the issue and the docs: who holds which address, what
// cools for whom and until when, where each range set goes on. Maps, slow and obvious.
//
// Where the choice of an address is free, the model doesn't foresee it: it is told what was given
// and asks whether that was allowed. What is due but not yet collected may count as free or not.
//
//   places   address -> what isn't free       past   the states of an address since the last commit
//                                                    that was promised to be on disk: after a power
//                                                    cut any of them may be the true one

import type { Family, RangeSpec, SetSpec } from "../support/ledger.ts";
import { resultOf, text, type Variant } from "./network.ts";
import { endReservations, reserveTime, type Said, suits } from "./reserve.ts";

/** All addresses of one owner, in the order of its range sets. */
export interface Allocation {
  owner: string;
  ifname: string;
  name: string;
  keys: string[];
  /** Seconds for which its name is reserved when it goes, as it was when it came; 0 = it isn't. */
  reserveFor: number;
  said: Said;
  /** The order in which allocations were made, and that in which they changed last. */
  serial: number;
  changed: number;
}

export interface Place {
  family: Family;
  value: bigint;
  set: number;
  state: "held" | "reserved" | "cooling";
  whose: Allocation;
  /** Seconds of CLOCK_BOOTTIME: at which it was let go, and at which it is free; 0 while held. */
  since: number;
  due: number;
}

export interface Wanted {
  family: Family;
  value: bigint;
  /** In whose place it comes, and whose prefix length and gateway the result tells with it. */
  fixed?: { set: SetSpec; range: RangeSpec };
}

/** What the plugin answered. */
export interface Answer {
  ok: boolean;
  code: number;
  msg: string;
  ips: { family: Family; value: bigint; length: number; gateway: string }[];
}

/** What an ADD asks for. */
export interface Ask {
  owner: string;
  ifname: string;
  name: string;
  wanted: Wanted[];
  config: Variant;
  said: Said;
  /** Range sets that are narrowed for this pod: their round doesn't go on. */
  still?: ReadonlySet<number>;
  /** An operator's: it is kept for the name for so many seconds, and nobody holds it. */
  keep?: number;
}

/** A fault of the plugin, in words. */
export class Fault extends Error {}

type Cursor = Wanted | "unknown";
interface Choice {
  /** May this address be given? */
  allows(value: bigint): boolean;
  /** The only one, where it is certain. */
  only?: bigint;
  /** It comes back to its name: that is no part of the round. */
  claim?: boolean;
  /** It was asked for as host-local has it: the round goes on behind it. */
  asked?: boolean;
  /** It was fixed: that is no part of the round, either. */
  fixed?: RangeSpec;
  /** Why none is given; `must`: none may be given. */
  error?: RegExp;
  must: boolean;
}

/** Bytes of owners' names that one call surely collects. */
const LONG = 4000;
const FULL = /no IP addresses available in range set/;
/** Cooling addresses among which a call looks for one that yields. */
const LOOK = 64;

function before(a: number[], b: number[]): boolean {
  const n = a.findIndex((x, i) => x !== b[i]);
  return n >= 0 && a[n]! < b[n]!;
}

export function keyOf(family: Family, value: bigint): string {
  return `${family}:${value}`;
}

export function show(key: string): string {
  const [family, value] = key.split(":");
  return text(family === "4" ? 4 : 6, BigInt(value!));
}

export function rangeOf(set: SetSpec, value: bigint): RangeSpec | undefined {
  return set.ranges.find(({ start, end }) => value >= start && value <= end);
}

export function isGateway(range: RangeSpec, family: Family, value: bigint): boolean {
  return range.gateway?.[1] === family && range.gateway[0] === value;
}

export function isExcluded(range: RangeSpec, value: bigint): boolean {
  return range.excludes.some(([from, to]) => value >= from && value <= to);
}

/** May the set give this address at all? */
export function usable(set: SetSpec, value: bigint): boolean {
  const range = rangeOf(set, value);
  return range !== undefined && !isGateway(range, set.family, value) && !isExcluded(range, value);
}

/** The set's addresses from (range, value) on, through all its ranges and round. */
function* round(set: SetSpec, first: number, from: bigint): Generator<bigint> {
  const begin = set.ranges[first]!;
  for (let value = from; value <= begin.end; value++) yield value;
  for (let n = 1; n < set.ranges.length; n++) {
    const { start, end } = set.ranges[(first + n) % set.ranges.length]!;
    for (let value = start; value <= end; value++) yield value;
  }
  for (let value = begin.start; value < from; value++) yield value;
}

export class Model {
  /** Seconds of CLOCK_BOOTTIME. */
  now = 1000;
  places = new Map<string, Place>();
  owners = new Map<string, Allocation>();
  past = new Map<string, (Place | undefined)[]>();
  /** Do containers survive a reboot, as the last ADD said? Both where nobody knows. */
  keep = [false];
  pastKeep: boolean[] = [];
  /** The node's name. */
  node = "node-1";
  changes = 0;
  #cursors = new Map<number, Cursor>();
  #unknownCursors = false;

  expired(place: Place): boolean {
    return place.state !== "held" && place.due <= this.now;
  }

  put(key: string, place: Place | undefined): void {
    const past = this.past.get(key) ?? [];
    past.push(this.places.get(key));
    this.past.set(key, past);
    if (place) this.places.set(key, place);
    else this.places.delete(key);
  }

  /** From here on a power cut loses nothing that has been answered. */
  durable(): void {
    this.past.clear();
    this.pastKeep = [];
  }

  forgetCursors(): void {
    this.#cursors.clear();
    this.#unknownCursors = true;
  }

  #cursor(set: SetSpec): Cursor | undefined {
    return this.#cursors.get(set.index) ?? (this.#unknownCursors ? "unknown" : undefined);
  }

  #isFree(set: SetSpec, value: bigint): boolean {
    const place = this.places.get(keyOf(set.family, value));
    return usable(set, value) && (!place || this.expired(place));
  }

  /** Where `next` and `first` begin: range and address; undefined = it isn't known. */
  #begin(set: SetSpec, policy: Variant["policy"]): [number, bigint] | undefined {
    const cursor = policy === "first" ? undefined : this.#cursor(set);
    if (policy === "random" || cursor === "unknown") return undefined;
    const at =
      cursor?.family === set.family
        ? set.ranges.findIndex(({ start, end }) => cursor.value >= start && cursor.value <= end)
        : -1;
    if (at < 0) return [0, set.ranges[0]!.start];
    if (cursor!.value < set.ranges[at]!.end) return [at, cursor!.value + 1n];
    const next = (at + 1) % set.ranges.length;
    return [next, set.ranges[next]!.start];
  }

  /** What may be given of a set for which nothing was asked. */
  #pick(set: SetSpec, policy: Variant["policy"]): Choice {
    const [range, from] = this.#begin(set, policy) ?? [0, set.ranges[0]!.start];
    const due: bigint[] = [];
    for (const value of round(set, range, from)) {
      if (!usable(set, value)) continue;
      const place = this.places.get(keyOf(set.family, value));
      if (place && this.expired(place)) due.push(value);
      if (place) continue;
      if (!this.#begin(set, policy)) return { allows: (v) => this.#isFree(set, v), must: false };
      const all = [...due, value];
      const sure = due.length === 0 ? { only: value } : {};
      return { allows: (v) => all.includes(v), must: false, ...sure };
    }
    const yields = this.#yield(set);
    if (due.length === 0) return yields;
    // A call collects so many, fewer where they have long owners.
    const all = [...this.places.values()].filter((p) => this.expired(p));
    const bytes = all.reduce((sum, p) => sum + p.whose.owner.length, 0);
    if (all.length < LOOK && bytes < LONG) return { allows: (v) => due.includes(v), must: false };
    return { allows: (v) => due.includes(v) || yields.allows(v), error: FULL, must: false };
  }

  /** What is reserved for the asking name, or else cools since it had it. */
  #claim(set: SetSpec, ask: Ask): Choice | undefined {
    if (ask.name === "") return undefined;
    const own = [...this.places.values()].filter(
      (p) =>
        p.state !== "held" &&
        !this.expired(p) &&
        p.family === set.family &&
        p.whose.name === ask.name &&
        suits(p.whose, ask) &&
        usable(set, p.value),
    );
    const reserved = own.filter((p) => p.state === "reserved");
    const mine = (reserved.length > 0 ? reserved : own).map((p) => p.value);
    if (mine.length === 0) return undefined;
    return { allows: (v) => mine.includes(v), must: false, claim: true };
  }

  /** Nothing is free: the longest cooling address of the set, looked for among so many. */
  #yield(set: SetSpec): Choice {
    const cooling = [...this.places.values()].filter((p) => p.state === "cooling");
    const mine = cooling.filter((p) => p.family === set.family && usable(set, p.value));
    const error = FULL;
    if (mine.length === 0) return { allows: () => false, error, must: true };
    if (cooling.length > LOOK)
      return { allows: (v) => mine.some((p) => p.value === v), error, must: false };
    // The set's own number and those above first, then all, each in order of due times.
    const rank = (p: Place) => [p.set < set.index ? 1 : 0, p.set, p.due];
    const least = mine.map(rank).reduce((a, b) => (before(b, a) ? b : a));
    const first = mine.filter((p) => !before(least, rank(p))).map((p) => p.value);
    return { allows: (v) => first.includes(v), must: false };
  }

  /** What a request in one of the set's ranges gets. */
  #wanted(set: SetSpec, { value, fixed }: Wanted, ask: Ask): Choice {
    if (fixed) return this.#fixed(set, value, fixed.range, ask);
    const { name } = ask;
    const range = rangeOf(set, value)!;
    const never = { allows: () => false, must: true };
    if (isGateway(range, set.family, value))
      return { ...never, error: /^failed .*requested ip .* is subnet's gateway/ };
    if (isExcluded(range, value)) return { ...never, error: /requested ip .* is excluded/ };
    const place = this.places.get(keyOf(set.family, value));
    const mine = { allows: (v: bigint) => v === value, only: value, asked: true, must: false };
    if (!place) return mine;
    const taken = /requested IP address .* is not available in range set/;
    if (place.state !== "held" && name !== "" && place.whose.name === name) return mine;
    return this.expired(place) ? mine : { ...never, error: taken };
  }

  /** What an address that is fixed for the asker gets. */
  #fixed(set: SetSpec, only: bigint, fixed: RangeSpec, { name, ifname }: Ask): Choice {
    const place = this.places.get(keyOf(set.family, only));
    const mine = { allows: (v: bigint) => v === only, fixed, must: false };
    if (!place || this.expired(place)) return mine;
    const own = name !== "" && place.whose.name === name;
    const never = { allows: () => false, must: true };
    if (place.state !== "held")
      return own ? mine : { ...never, error: /^111 .* (is reserved|cools down) for / };
    if (own && suits(place.whose, { ifname })) return { ...never, error: /^11 try again later: / };
    return { ...never, error: /^111 .* is held by / };
  }

  #choose(set: SetSpec, ask: Ask, unused: Wanted[]): Choice {
    const hit = unused.findIndex((w) =>
      w.fixed ? w.fixed.set === set : w.family === set.family && rangeOf(set, w.value),
    );
    if (hit < 0) return this.#claim(set, ask) ?? this.#pick(set, ask.config.policy);
    const [wanted] = unused.splice(hit, 1);
    return this.#wanted(set, wanted!, ask);
  }

  /** Answers whether the commit is one that `"sync": "named"` syncs. */
  #give(ask: Ask, answer: Answer): boolean {
    const keys = answer.ips.map(({ family, value }) => keyOf(family, value));
    const { owner, ifname, name, said, keep } = ask;
    const reserveFor = keep ?? reserveTime(ask.config.reserve, name, this.node, said);
    const serial = ++this.changes;
    const whose = { owner, ifname, name, keys, reserveFor, said, serial, changed: serial };
    let named = reserveFor > 0 || said.fixed || said.asked > 0;
    for (const [n, set] of ask.config.sets.entries()) {
      const { family, value } = answer.ips[n]!;
      const was = this.places.get(keys[n]!);
      if (was?.state === "reserved" && !this.expired(was)) {
        named = true;
        // What an operator kept for the name is kept for it on.
        if (was.whose.ifname === "") whose.reserveFor = Math.max(reserveFor, was.whose.reserveFor);
      }
      const place = { family, value, set: set.index, whose, since: this.now };
      const held = { ...place, state: "held" as const, due: 0 };
      const kept = { ...place, state: "reserved" as const, due: this.now + (keep ?? 0) };
      this.put(keys[n]!, keep === undefined ? held : kept);
    }
    // A name has one reservation: what of it wasn't taken back is given up.
    if (endReservations(this, whose)) named = true;
    if (keep !== undefined) return named;
    this.owners.set(owner, whose);
    this.pastKeep.push(...this.keep);
    this.keep = [ask.config.reboot === "keep"];
    return named;
  }

  #told(set: SetSpec): string {
    const mine = [...this.places.values()].filter((p) => usable(set, p.value));
    const all = mine.map(
      (p) =>
        `${show(keyOf(p.family, p.value))} ${p.state} by ${p.whose.owner.slice(0, 9)} in ${p.set} until ${p.due}`,
    );
    return `now ${this.now}, taken ${all.join(", ")}`;
  }

  /** Is it the error that is due? host-local's texts name the range set, those of ours the code. */
  #isError({ error }: Choice, n: number, { code, msg }: Answer): boolean {
    if (error?.source.startsWith("^1")) return error.test(`${code} ${msg}`);
    return (error?.test(msg) ?? false) && msg.includes(`for range ${n}:`);
  }

  /** The range sets go on where the call has left them; what an operator couldn't keep is undone. */
  #move({ keep }: Ask, { ok }: Answer, moved: Map<number, Cursor>): void {
    if (keep !== undefined && !ok) return;
    for (const [index, cursor] of moved) this.#cursors.set(index, cursor);
  }

  /** An ADD and its answer. Answers whether the commit is one that `"sync": "named"` syncs. */
  add(ask: Ask, answer: Answer): boolean {
    const { sets } = ask.config;
    const said = answer.ok ? "success" : `${answer.code} ${answer.msg}`;
    if (this.owners.has(ask.owner)) {
      if (/has been allocated to .*duplicate allocation is not allowed/.test(answer.msg))
        return false;
      throw new Fault(`a second ADD of ${ask.owner} was answered ${said}`);
    }
    const unused = [...ask.wanted];
    const moved = new Map<number, Cursor>();
    if (answer.ok && answer.ips.length !== sets.length)
      throw new Fault(`${sets.length} range sets, ${answer.ips.length} addresses`);
    for (const [n, set] of sets.entries()) {
      const choice = this.#choose(set, ask, unused);
      if (!answer.ok && this.#isError(choice, n, answer)) {
        this.#move(ask, answer, moved);
        return false;
      }
      if (choice.must) throw new Fault(`range set ${n}: ${choice.error} is due, not ${said}`);
      const given = answer.ips[n];
      if (answer.ok && given) {
        const shown = text(given.family, given.value);
        if (given.family !== set.family || !choice.allows(given.value))
          throw new Fault(`range set ${n}: ${shown} may not be given; ${this.#told(set)}`);
        const right = resultOf(set.family, choice.fixed ?? rangeOf(set, given.value)!);
        if (given.length !== right.length || given.gateway !== right.gateway)
          throw new Fault(`${shown}: prefix /${given.length} and gateway ${given.gateway}`);
      }
      if (choice.claim || choice.fixed) continue;
      if (ask.still?.has(set.index) && !choice.asked) continue;
      const value = given?.value ?? choice.only;
      moved.set(set.index, value === undefined ? "unknown" : { family: set.family, value });
    }
    if (unused.length > 0) {
      if (answer.ok || !answer.msg.startsWith("failed to allocate all requested IPs:"))
        throw new Fault(`requests that fit no range set were answered ${said}`);
    } else if (!answer.ok) throw new Fault(`an ADD that can be served was answered ${said}`);
    this.#move(ask, answer, moved);
    return answer.ok && this.#give(ask, answer);
  }

  /** Does STATUS have to say that a set is full (true), that none is (false), or either? */
  full(config: Variant): boolean | undefined {
    if (config.statusWhenFull !== "unavailable") return false;
    const picks = config.sets.map((set) => this.#pick(set, "first"));
    if (picks.some((p) => p.must)) return true;
    const due = (set: SetSpec) =>
      [...this.places.values()].some((p) => this.expired(p) && usable(set, p.value));
    return config.sets.some((set, n) => picks[n]!.only === undefined && due(set))
      ? undefined
      : false;
  }
}

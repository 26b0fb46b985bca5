// The golden model of the allocator: who holds which address, which cool down, where each range set
// goes on. Maps and arrays, slow and obvious; the order of `next` is host-local's (reference,
// section 7). Taken over from the core: the cell in which an address lies (it orders cool-downs
// that end in the same second), and the address that `random` chose, which only has to be a free
// one.
//
// Where nothing is free a call collects what is due, at most so many addresses, fewer where their
// records are long: that depends on the words that the call has changed, which the model doesn't
// count. It knows how many must go and how many may (`#span`, the one place of that rule; the bounds
// are the core's own), tries the numbers between, the most first, and takes the first with which
// all that the core shows agrees.

import type { Bounds } from "./book.ts";

export type Family = 4 | 6;
export type Value = bigint;

export interface RangeSpec {
  start: Value;
  end: Value;
  gateway?: readonly [Value, Family];
  excludes: readonly (readonly [Value, Value])[];
}

export interface SetSpec {
  index: number;
  family: Family;
  ranges: readonly RangeSpec[];
}

/** What an owner asks for. */
export interface Ask {
  kind: number;
  id: string;
  ifname: string;
  name: string;
  wanted: readonly { family: Family; value: Value }[];
  policy: number;
  random: readonly [bigint, bigint];
  now: number;
}

/** What it is answered: the numbers of assembly/pool/allocator.ts. */
export interface Reply {
  status: number;
  given: { value: Value; range: number; cell: number }[];
  set?: number;
  address?: Value;
  unused?: boolean[];
}

/** An address that isn't free: held (due 0) or cooling. */
interface Place {
  family: Family;
  value: Value;
  set: number;
  cell: number;
  due: number;
  owner: string;
  kind: number;
  id: string;
  ifname: string;
  name: string;
  record: number;
  /** It lies in its record's first cell. */
  first: boolean;
}

/** How many addresses a collection must have freed, and how many it has. */
interface Span {
  least: number;
  taken: number;
}

const OK = 0;
const DUPLICATE = 1;
const EXHAUSTED = 2;
const GATEWAY = 3;
const EXCLUDED = 4;
const TAKEN = 5;
const LEFTOVER = 6;
const RANDOM = 2;
const FIRST = 1;
/** Words of the journal that one more cell, and that the indexes of one record cost at most. */
const CELL_WORDS = 16;
const INDEX_WORDS = 160;
const encoder = new TextEncoder();

export function ownerOf({ kind, id, ifname }: Ask): string {
  return `${kind}/${id}/${ifname}`;
}

function reasonOf(range: RangeSpec, family: Family, value: Value): number {
  if (range.gateway && range.gateway[1] === family && range.gateway[0] === value) return GATEWAY;
  return range.excludes.some(([from, to]) => value >= from && value <= to) ? EXCLUDED : OK;
}

function rangeOf(set: SetSpec, value: Value): number {
  return set.ranges.findIndex(({ start, end }) => value >= start && value <= end);
}

export class Ledger {
  places = new Map<string, Place>();
  owners = new Set<string>();
  cursors = new Map<number, { family: Family; value: Value }>();
  #records = 0;
  readonly #bounds: Bounds;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  #key(family: Family, value: Value): string {
    return `${family}:${value}`;
  }

  #keyOf({ family, value }: Place): string {
    return this.#key(family, value);
  }

  #usable(set: SetSpec, value: Value): boolean {
    const range = set.ranges[rangeOf(set, value)];
    return range !== undefined && reasonOf(range, set.family, value) === OK;
  }

  /** The first address that may be given in host-local's order from (range, value) on. */
  #walk(set: SetSpec, first: number, from: Value): Value | undefined {
    const spans: [RangeSpec, Value, Value][] = [];
    const begin = set.ranges[first]!;
    spans.push([begin, from, begin.end]);
    for (let i = 1; i < set.ranges.length; i++) {
      const range = set.ranges[(first + i) % set.ranges.length]!;
      spans.push([range, range.start, range.end]);
    }
    spans.push([begin, begin.start, from - 1n]);
    for (const [range, low, high] of spans)
      for (let value = low; value <= high; value++)
        if (!this.places.has(this.#key(set.family, value)))
          if (reasonOf(range, set.family, value) === OK) return value;
    return undefined;
  }

  #pick(set: SetSpec, policy: number): Value | undefined {
    const mark = this.cursors.get(set.index);
    const at = policy !== FIRST && mark?.family === set.family ? rangeOf(set, mark.value) : -1;
    if (at < 0) return this.#walk(set, 0, set.ranges[0]!.start);
    const range = set.ranges[at]!;
    if (mark!.value < range.end) return this.#walk(set, at, mark!.value + 1n);
    const next = (at + 1) % set.ranges.length;
    return this.#walk(set, next, set.ranges[next]!.start);
  }

  /** Cooling addresses of a set's list, those due first at the front. */
  #cooling(set: number): Place[] {
    const all = [...this.places.values()].filter((place) => place.due > 0 && place.set === set);
    return all.sort((a, b) => a.due - b.due || a.cell - b.cell);
  }

  #yield(set: SetSpec): boolean {
    const all = Array.from({ length: 32 }, (_, index) => this.#cooling(index));
    const { look } = this.#bounds;
    const own = all.slice(set.index).flat().slice(0, look);
    for (const place of [...own, ...all.flat().slice(0, look)]) {
      if (place.family !== set.family || !this.#usable(set, place.value)) continue;
      this.places.delete(this.#key(place.family, place.value));
      return true;
    }
    return false;
  }

  /** What cools since somebody of the asker's name and interface had it, the newest record first. */
  #claim(set: SetSpec, { kind, name, ifname, now }: Ask): Place | undefined {
    const container = 1;
    const theirs = [...this.places.values()]
      .reverse()
      .filter(
        (place) =>
          name !== "" &&
          place.name === name &&
          place.due > now &&
          place.family === set.family &&
          (place.kind !== container ||
            kind !== container ||
            [place.ifname, ""].includes(ifname) ||
            place.ifname === "") &&
          this.#usable(set, place.value),
      );
    const newest = Math.max(...theirs.map((place) => place.record));
    const own = theirs.filter((place) => place.record === newest);
    return own.find((place) => place.first) ?? own[0];
  }

  #wanted(set: SetSpec, value: Value, name: string, now: number): number {
    const reason = reasonOf(set.ranges[rangeOf(set, value)]!, set.family, value);
    if (reason !== OK) return reason;
    const place = this.places.get(this.#key(set.family, value));
    if (!place) return OK;
    const named = name !== "" && place.name === name;
    if (place.due === 0 || (place.due > now && !named)) return TAKEN;
    this.places.delete(this.#key(set.family, value));
    return OK;
  }

  /**
   * What the core must answer; `reply` is what it did. The model changes as the core must have.
   * `agrees` tells whether an answer, and the model as it is then, are what the core shows: the
   * first number of collected addresses with which they are, else the highest.
   */
  allocate(
    ask: Ask,
    sets: readonly SetSpec[],
    reply: Reply,
    agrees: (right: Reply) => boolean,
  ): Reply {
    if (this.owners.has(ownerOf(ask))) return { status: DUPLICATE, given: [] };
    const back = this.#mark();
    let numbers: number[] = [];
    for (;;) {
      const spans: Span[] = [];
      const right = this.#attempt(ask, sets, reply, numbers, spans);
      if (agrees(right)) return right;
      const last = spans.findLastIndex(({ least, taken }) => taken > least);
      back();
      if (last < 0) return this.#attempt(ask, sets, reply, [], []);
      numbers = spans.slice(0, last + 1).map(({ taken }) => taken);
      numbers[last]!--;
    }
  }

  /** Remembers the model as it is; what it returns brings it back. */
  #mark(): () => void {
    const { places, owners, cursors } = this;
    const records = this.#records;
    const keep = () => {
      this.places = new Map(places);
      this.owners = new Set(owners);
      this.cursors = new Map(cursors);
      this.#records = records;
    };
    keep();
    return keep;
  }

  /** Cells of a record, as its texts need them. */
  #cells({ id, name }: Place | Ask): number {
    const { inHead, inCell } = this.#bounds;
    const [idBytes, nameBytes] = [id, name].map((text) => encoder.encode(text).length);
    const rest = Math.max(0, idBytes! - inHead);
    return 1 + Math.ceil(rest / inCell) + Math.ceil(nameBytes! / inCell);
  }

  /**
   * What is due, in the order in which it is collected, and how many of it must go and may go in
   * one call: records/due.ts. `before` records were made or freed in the call already.
   */
  #span(now: number, before: (Place | Ask)[]): { due: Place[]; least: number; most: number } {
    const { many, words, manyWords, short } = this.#bounds;
    const due: Place[] = [];
    for (let set = 0; set < 32; set++)
      due.push(...this.#cooling(set).filter((place) => place.due <= now));
    const cost = (one: Place | Ask) => CELL_WORDS * this.#cells(one) + INDEX_WORDS;
    let spent = before.reduce((sum, one) => sum + cost(one), 0);
    const most = Math.min(due.length, many);
    for (const [least, place] of due.slice(0, most).entries()) {
      const long = this.#cells(place) > short;
      if (spent > manyWords || (spent > words && long)) return { due, least, most };
      spent += cost(place);
    }
    return { due, least: most, most };
  }

  /** The call, in which the n-th collection frees numbers[n] addresses, or as many as it may. */
  #attempt(
    ask: Ask,
    sets: readonly SetSpec[],
    reply: Reply,
    numbers: readonly number[],
    spans: Span[],
  ): Reply {
    const before = new Map(this.places);
    const used = ask.wanted.map(() => false);
    const given: Reply["given"] = [];
    const changed: (Place | Ask)[] = [ask];
    const record = ++this.#records;
    const fail = (failed: Reply): Reply => {
      this.places = before;
      return failed;
    };
    const collect = () => {
      const { due, least, most } = this.#span(ask.now, changed);
      const taken = numbers[spans.length] ?? most;
      spans.push({ least, taken });
      for (const place of due.slice(0, taken)) this.places.delete(this.#keyOf(place));
      changed.push(...due.slice(0, taken));
    };
    for (const [i, set] of sets.entries()) {
      const hit = ask.wanted.findIndex(
        ({ family, value }, n) => !used[n] && family === set.family && rangeOf(set, value) >= 0,
      );
      let value: Value | undefined;
      let still = false;
      const claim = hit >= 0 ? undefined : this.#claim(set, ask);
      if (claim) {
        value = claim.value;
        still = true;
        this.places.delete(this.#keyOf(claim));
        changed.push(claim);
      } else if (hit >= 0) {
        value = ask.wanted[hit]!.value;
        const status = this.#wanted(set, value, ask.name, ask.now);
        if (status !== OK) return fail({ status, given: [], set: i, address: value });
        used[hit] = true;
        changed.push(ask);
      } else {
        value = this.#pick(set, ask.policy);
        if (value === undefined) {
          collect();
          value = this.#pick(set, ask.policy);
        }
        if (value === undefined && this.#yield(set)) value = this.#pick(set, ask.policy);
        if (value === undefined) return fail({ status: EXHAUSTED, given: [], set: i });
        const theirs = reply.given[i]?.value;
        if (ask.policy === RANDOM && reply.status === OK && theirs !== undefined)
          if (this.#usable(set, theirs) && !this.places.has(this.#key(set.family, theirs)))
            value = theirs;
      }
      const cell = reply.given[i]?.cell ?? 0;
      const { family, index } = set;
      const { kind, id, name, ifname } = ask;
      const whose = { owner: ownerOf(ask), kind, id, ifname, name, record };
      this.places.set(this.#key(family, value), {
        family,
        value,
        set: index,
        cell,
        due: 0,
        first: cell === (reply.given[0]?.cell ?? 0),
        ...whose,
      });
      if (!still) this.cursors.set(set.index, { family: set.family, value });
      given.push({ value, range: rangeOf(set, value), cell });
    }
    if (used.includes(false))
      return fail({ status: LEFTOVER, given: [], unused: used.map((one) => !one) });
    this.owners.add(ownerOf(ask));
    return { status: OK, given };
  }

  release(ask: Ask, cooldown: number): boolean {
    const owner = ownerOf(ask);
    if (!this.owners.delete(owner)) return false;
    for (const [key, place] of this.places) {
      if (place.owner !== owner || place.due > 0) continue;
      if (cooldown === 0) this.places.delete(key);
      else this.places.set(key, { ...place, due: Math.min(ask.now + cooldown, 0xffffffff) });
    }
    return true;
  }

  /** Frees all that is due. */
  collect(now: number): void {
    for (const [key, place] of this.places)
      if (place.due > 0 && place.due <= now) this.places.delete(key);
  }

  /** All addresses of a family that aren't free, in order. */
  taken(family: Family): Value[] {
    const all = [...this.places.values()].filter((place) => place.family === family);
    return all.map((place) => place.value).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** What an owner holds, as Book.ofOwner tells it. */
  ofOwner(ask: Ask): string[] {
    const owner = ownerOf(ask);
    const held = [...this.places.values()].filter((p) => p.owner === owner && p.due === 0);
    return held.map(({ family, value, set }) => `${family}:${value}:${set}`).sort();
  }

  /** Records of a name that hold or cool something. */
  ofName(name: string): number {
    const records = [...this.places.values()].filter((place) => place.name === name);
    return new Set(records.map((place) => place.record)).size;
  }
}

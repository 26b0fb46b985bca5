// What can be asked of an Ipam and of a copy of one: allocations by owner, address and name, why an
// address is free or not, walks, counts, faults. Nothing here changes anything.
//
// A walk asks the core anew for each step, by address, so it may go on while addresses come and go:
// it tells each allocation that is there all the time exactly once.
import {
  BOOK_NO_POOL,
  IS_ALLOCATED,
  IS_COOLING,
  IS_RESERVED,
} from "../../assembly/library/booknumbers.ts";
import { type Family, formatAddress, formatPrefix, lastOf, parseAddress } from "../address.ts";
import { IpamError, shown } from "../errors.ts";
import { needKeys } from "../keys.ts";
import type { Core } from "./core.ts";
import { type HistoryEvent, readEvents } from "./history.ts";
import { halves, IpamPool, type PoolFacts, type PoolHome, prefixOf, takePool } from "./ipampool.ts";
import {
  type Allocation,
  FIND_KEYS,
  type FindBy,
  type IpamExplanation,
  type IpamStats,
  KINDS,
  type OwnerKind,
  type Reservation,
} from "./words.ts";

const NEVER = 2 ** 32 - 1;
const STATES = [
  "free",
  "allocated",
  "reserved",
  "cooling",
  "excluded",
  "gateway",
  "outside",
] as const;
const ADDRESSES_AT = 8;
const FAULTS_KEPT = 256;
const NAMES_MAX = 1_000_000;

interface Found {
  state: number;
  kind: OwnerKind;
  since: number;
  due: number;
  owner: string;
  interface: string;
  name: string;
  addresses: string[];
}

/** Number of a kind in the image. Throws "invalid". */
export function kindNumber(kind: OwnerKind | undefined): number {
  const n = KINDS.indexOf(kind === undefined ? "other" : kind);
  if (n >= 0) return n + 1;
  throw new IpamError("invalid", `kind ${shown(kind)} is none of ${KINDS.join(", ")}`, kind);
}

/** Everything that can be asked. */
export abstract class IpamView implements PoolHome {
  /** The directory, as it was given. */
  readonly path: string;
  readonly #pools = new Map<string, IpamPool>();

  constructor(path: string) {
    this.path = path;
  }

  /** Runs a question on the core as the image stands now. Throws "closed", "damaged", "io" ... */
  protected abstract ask<T>(work: (core: Core) => T): T;

  /**
   * The allocation of an owner, at an address, or the newest of a name; undefined: none. Throws
   * "invalid". As all calls here also "closed"; of an Ipam "damaged", "io", per call "locked".
   */
  find(by: FindBy): Allocation | undefined {
    return this.ask((core) => {
      const found = this.#find(core, by);
      return found && allocationOf(core, found);
    });
  }

  #find(core: Core, by: FindBy): Found | undefined {
    let head = 0;
    needKeys(by, FIND_KEYS);
    if ("owner" in by) {
      const [kind, owner] = [kindNumber(by.kind), core.putOwner(by.owner)];
      head = core.exports.bookFindOwner!(kind, owner, core.putInterface(by.interface));
    } else if ("address" in by) {
      const { family, value } = parseAddress(by.address);
      if (core.exports.bookExplain!(family, ...halves(value), core.now()) === IS_ALLOCATED)
        head = core.outNumber(0);
    } else {
      return this.#named(core, by.name).find((one) => one.state === IS_ALLOCATED);
    }
    return head === 0 ? undefined : read(core, head);
  }

  #named(core: Core, name: string): Found[] {
    const found: Found[] = [];
    if (name === undefined) throw new IpamError("invalid", "give an owner, an address or a name");
    let head: number = core.exports.bookFindName!(core.putName(name));
    for (let n = 0; head !== 0 && n < NAMES_MAX; n++) {
      const cell = core.outNumber(0);
      found.push(read(core, head));
      head = core.exports.bookOlder!(cell);
    }
    return found;
  }

  /** Every allocation and reservation of a name, newest first. Throws "invalid". */
  ofName(name: string): { allocations: Allocation[]; reservations: Reservation[] } {
    return this.ask((core) => {
      const all = this.#named(core, name);
      const allocations = all.filter((one) => one.state === IS_ALLOCATED);
      const reservations = all.filter((one) => one.state === IS_RESERVED);
      return {
        allocations: allocations.map((one) => allocationOf(core, one)),
        reservations: reservations.map((one) => reservationOf(core, one)),
      };
    });
  }

  /** What an address is, and why. Throws "invalid". */
  explain(address: string): IpamExplanation {
    const { family, value } = parseAddress(address);
    return this.ask((core) => {
      const n: number = core.exports.bookExplain!(family, ...halves(value), core.now());
      const state = STATES[n] ?? "free";
      const [head, cell, due] = [core.outNumber(0), core.outNumber(1), core.outNumber(2)];
      const pool = cell === 0 ? undefined : this.#poolAt(core, cell).prefix;
      const told: IpamExplanation = { state, why: "" };
      if (pool !== undefined) told.pool = pool;
      const found = head === 0 ? undefined : read(core, head);
      if (found?.owner) Object.assign(told, { owner: found.owner, kind: found.kind });
      if (found?.name) told.name = found.name;
      const until = n === IS_RESERVED || n === IS_COOLING ? dateOf(core, due) : undefined;
      if (until) told.until = until;
      told.why = whyOf(formatAddress(family, value), told);
      return told;
    });
  }

  /** Allocations in the order of their lowest addresses, IPv4 first. */
  *allocations(): IterableIterator<Allocation> {
    for (const family of [4, 6] as const) {
      let from: bigint | undefined = 0n;
      while (from !== undefined) {
        const at: bigint = from;
        const step: [Allocation, bigint] | undefined = this.ask((core) => {
          const head: number = core.exports.bookNext!(family, ...halves(at));
          if (head === 0) return undefined;
          const next = ((core.out(0) << 64n) | core.out(1)) + 1n;
          return [allocationOf(core, read(core, head)), next];
        });
        if (step === undefined) break;
        yield step[0];
        from = step[1] >> 128n === 0n ? step[1] : undefined;
      }
    }
  }

  /** The same as `allocations()`. */
  [Symbol.iterator](): IterableIterator<Allocation> {
    return this.allocations();
  }

  /** Reservations in the order in which they expire. */
  *reservations(): IterableIterator<Reservation> {
    for (let from = 0n; ; ) {
      const at = from;
      const step: [Found, Reservation, bigint] | undefined = this.ask((core) => {
        const head: number = core.exports.bookNextReserved!(at);
        if (head === 0) return undefined;
        const next = core.out(0) + 1n;
        const found = read(core, head);
        return [found, reservationOf(core, found), next];
      });
      if (step === undefined) return;
      if (step[0].state === IS_RESERVED) yield step[1];
      from = step[2];
    }
  }

  /** The pools in order, IPv4 first. */
  pools(): IpamPool[] {
    return this.ask((core) => {
      const found: IpamPool[] = [];
      for (const family of [4, 6] as const) {
        let from = 0n;
        for (;;) {
          const cell: number = core.exports.bookPoolFrom!(family, ...halves(from));
          if (cell === 0) break;
          const pool = this.#poolAt(core, cell);
          found.push(pool);
          from = lastOf(pool.range) + 1n;
          if (from >> (family === 4 ? 32n : 128n) !== 0n) break;
        }
      }
      return found;
    });
  }

  /** Counts, as of now. */
  stats(): IpamStats {
    return this.ask((core) => {
      while (this.collect(core) > 0);
      core.exports.bookStats!();
      return {
        allocations: core.outNumber(0),
        cooling: core.outNumber(1),
        reservations: core.outNumber(2),
        pools: core.outNumber(3),
        taken4: core.outNumber(4),
        taken6: core.outNumber(5),
        bytes: core.outNumber(6),
        usedBytes: core.outNumber(7),
        logBytes: core.outNumber(8),
        logRoom: core.outNumber(9),
        commits: core.out(10),
        generation: core.out(11),
      };
    });
  }

  /** What the flight recorder keeps: the last 1,024 events, oldest first; [] where none runs. */
  history(): HistoryEvent[] {
    return this.ask(readEvents);
  }

  /** Frees what is due, some of it; how many. */
  protected abstract collect(core: Core): number;

  /** Walks every structure of the image: its faults as sentences, [] = sound. O(what is held). */
  check(): string[] {
    return this.ask((core) => {
      const count: number = core.exports.check!();
      return Array.from({ length: Math.min(count, FAULTS_KEPT) }, (_, n) => {
        const text = core.literal(core.exports.checkText!(n) >>> 0);
        return `${text} at ${core.exports.checkOffset!(n) >>> 0}`;
      });
    });
  }

  /** For IpamPool. */
  poolNow(pool: IpamPool): PoolFacts {
    return this.ask((core) => {
      core.exports.bookPoolRead!(this.poolOf(core, pool).cell);
      return takePool(core);
    });
  }

  // The handle of the pool whose definition lies at `cell`.
  #poolAt(core: Core, cell: number): IpamPool {
    core.exports.bookRest!();
    if (core.exports.bookPoolRead!(cell) === BOOK_NO_POOL)
      throw new IpamError("damaged", "an index of pools names what is no pool");
    const facts = takePool(core);
    return this.keep(new IpamPool(this, facts, cell));
  }

  /** One handle for each pool, found by prefix and name. */
  protected keep(pool: IpamPool): IpamPool {
    const old = this.#pools.get(pool.prefix);
    if (old && old.cell === pool.cell) return old;
    this.#pools.set(pool.prefix, pool);
    if (pool.name !== undefined) this.#pools.set(pool.name, pool);
    return pool;
  }

  /** The pool that a request names. Throws "notFound". */
  protected poolOf(core: Core, pool: IpamPool | string): IpamPool {
    if (typeof pool === "string")
      return this.#there(core, this.#pools.get(pool) ?? this.#search(core, pool));
    if (pool instanceof IpamPool && pool.isOf(this)) return this.#there(core, pool);
    throw new IpamError("invalid", `${shown(pool)} is not a pool of this Ipam`, pool);
  }

  /** Is the image possibly another one at each call (the files were moved away meanwhile)? */
  protected get moves(): boolean {
    return false;
  }

  // The pool where its definition lies now.
  #there(core: Core, pool: IpamPool): IpamPool {
    if (!this.moves) return pool;
    const at: number = core.exports.bookPoolFrom!(pool.family, ...halves(lastOf(pool.range)));
    const now = at === 0 ? undefined : this.#poolAt(core, at);
    if (now?.prefix === pool.prefix) return now;
    throw new IpamError("notFound", `there is no pool ${pool.prefix} any more`, pool.prefix);
  }

  #search(core: Core, text: string): IpamPool {
    const cell: number = core.exports.bookPoolByName!(core.putName(text, 512));
    if (cell !== 0) return this.#poolAt(core, cell);
    const range = prefixOf(text);
    if (range) {
      const at: number = core.exports.bookPoolFrom!(range.family, ...halves(lastOf(range)));
      const pool = at === 0 ? undefined : this.#poolAt(core, at);
      if (pool?.prefix === formatPrefix(range)) {
        this.#pools.set(text, pool);
        return pool;
      }
    }
    throw new IpamError("notFound", `there is no pool ${shown(text)}: define it with pool()`, text);
  }

  /** Forgets the handles' places: the image isn't the one that they came from. */
  protected forgetPools(): void {
    this.#pools.clear();
  }
}

function dateOf(core: Core, due: number): Date | undefined {
  return due === NEVER ? undefined : core.dateAt(due);
}

// A record in full. Addresses are put in order.
function read(core: Core, head: number): Found {
  core.exports.bookRecord!(head, core.now());
  const found: Found = {
    state: core.outNumber(0),
    kind: KINDS[core.outNumber(1) - 1] ?? "other",
    since: core.outNumber(2),
    due: core.outNumber(3),
    owner: core.ownerText(core.outNumber(4)),
    interface: core.interfaceText(core.outNumber(5)),
    name: core.nameText(core.outNumber(6)),
    addresses: [],
  };
  const count = core.outNumber(7);
  const all: [number, bigint][] = [];
  for (let n = 0; n < count; n++) {
    const at = ADDRESSES_AT + 4 * n;
    all.push([core.outNumber(at + 2), (core.out(at) << 64n) | core.out(at + 1)]);
  }
  all.sort(([f, a], [g, b]) => f - g || (a < b ? -1 : 1));
  found.addresses = all.map(([family, value]) => formatAddress(family as Family, value));
  return found;
}

function allocationOf(core: Core, found: Found): Allocation {
  return {
    owner: found.owner,
    kind: found.kind,
    ...(found.interface === "" ? {} : { interface: found.interface }),
    ...(found.name === "" ? {} : { name: found.name }),
    addresses: found.addresses,
    since: dateOf(core, found.since) ?? new Date(),
  };
}

function reservationOf(core: Core, found: Found): Reservation {
  return {
    name: found.name,
    addresses: found.addresses,
    until: dateOf(core, found.due),
    ...(found.owner === "" ? {} : { owner: found.owner, kind: found.kind }),
  };
}

function whyOf(address: string, told: IpamExplanation): string {
  const until = told.until ? `until ${told.until.toISOString()}` : "for ever";
  const owner = told.owner === undefined ? "" : `${told.kind} ${shown(told.owner)}`;
  switch (told.state) {
    case "allocated":
      return `${address} is allocated to ${owner}`;
    case "reserved":
      return `${address} is reserved for ${shown(told.name)} ${until}`;
    case "cooling":
      return `${address} was released by ${owner} and cools ${until}`;
    case "excluded":
      return `${address} is excluded from ${told.pool}`;
    case "gateway":
      return `${address} is the gateway of ${told.pool}`;
    case "outside":
      return `${address} is in no pool`;
    default:
      return `${address} is free in ${told.pool}`;
  }
}

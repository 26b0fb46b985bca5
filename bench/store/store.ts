// Durable allocations: what `allocate` and `await flush()` reach with 1 and 64 callers at once,
// beside a bare log of the same bytes (barelog.ts: append, fdatasync, the same batching) and, if
// asked, SQLite and LMDB doing the same work. And how long an image with many owners takes to open,
// beside the mere reading of its bytes.
//
// All of them take turns; one sample is a round of operations. Every store gives the same addresses
// in the same order, which the hash shows.
import { closeSync, cpSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress } from "../../src/address.ts";
import { type Ipam, openIpam } from "../../src/ipam/ipam.ts";
import type { Aim } from "../method/aim.ts";
import { type Context, type Experiment, leftOut } from "../method/experiment.ts";
import { noDisk } from "../method/filesystem.ts";
import { mix } from "../method/measure.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { randomOf, shuffled } from "../method/schedule.ts";
import { type BareLog, BatchedLog, SharedLog } from "./barelog.ts";
import { installStores, peerStores } from "./peers.ts";

const PREFIX = "10.0.0.0/8";
const OPEN_ROUNDS = 5;
const TARGET: Aim = { text: ">= 0.8 x Berth", of: "ratio", least: 0.8 };

/** Addresses in the order of their owners, as a store has them: as text, or as numbers. */
export type Given = readonly (string | number)[];

/** Something that allocates durably. */
export interface Store {
  name: string;
  /** What has to be done before a round, untimed. */
  before?(): void;
  /** Gives an address to each of `owners`, in rounds of `callers` at once; a log gives none. */
  round(owners: readonly string[], callers: number): Promise<Given> | Given;
  close(): Promise<void> | void;
}

/** Of what was given in a round: made when the clock has stopped, for every store alike. */
function hashOf(given: Given): number {
  const numberOf = (one: string | number) =>
    typeof one === "number" ? one : Number(parseAddress(one).value);
  return given.reduce((hash: number, one) => mix(hash, numberOf(one)), 0);
}

/** Every caller on its own: the next allocation when the last is on disk. */
function berth(dir: string, sync: "always" | "never"): Store & { ipam: Ipam } {
  const ipam = openIpam(join(dir, "berth"), { sync });
  const pool = ipam.pool(PREFIX, { policy: "first" });
  return {
    name: "Berth",
    ipam,
    async round(owners, callers) {
      const given: string[] = new Array(owners.length);
      const caller = async (first: number) => {
        for (let n = first; n < owners.length; n += callers) {
          given[n] = ipam.allocate({ owner: owners[n]!, pools: [pool] }).addresses[0]!;
          await ipam.flush();
        }
      };
      await Promise.all(Array.from({ length: callers }, (_, n) => caller(n)));
      return given;
    },
    close: () => ipam.close(),
  };
}

/** `work` says before each round what each caller computes before it appends (microseconds). */
function bareTurns(name: string, log: BareLog, work?: WorkAlone): Store {
  let each = 0;
  const compute = () => {
    const until = performance.now() + each / 1000;
    while (performance.now() < until);
  };
  return {
    name,
    before() {
      if (work) each = work.measure();
    },
    async round(owners, callers) {
      const caller = async (first: number) => {
        for (let n = first; n < owners.length; n += callers) {
          if (each > 0) compute();
          await log.later();
        }
      };
      await Promise.all(Array.from({ length: callers }, (_, n) => caller(n)));
      return [];
    },
    async close() {
      work?.close();
      await log.close();
    },
  };
}

function bareNow(log: SharedLog): Store {
  return {
    name: "bare log, synced on the thread",
    round(owners, callers) {
      for (let n = 0; n < owners.length; n += callers) log.now(callers);
      return [];
    },
    close: () => log.close(),
  };
}

/**
 * Bytes of the log that an allocation takes with so many callers at once, as they really share
 * entries: those of a few rounds.
 */
async function bytesEach(dir: string, callers: number): Promise<number> {
  const store = berth(join(dir, "bytes"), "always");
  const logged = () => store.ipam.stats().logBytes;
  const operations = operationsOf(callers);
  const owners = (round: number) => Array.from({ length: operations }, (_, n) => ownerOf(round, n));
  try {
    await store.round(owners(1), callers);
    const begun = logged();
    await store.round(owners(2), callers);
    return Math.round((logged() - begun) / operations);
  } finally {
    store.close();
  }
}

/**
 * What an allocation takes without a disk, measured anew before each round: in some phases of a
 * machine it takes half as long again.
 */
class WorkAlone {
  readonly #store: ReturnType<typeof berth>;
  readonly #pools: ReturnType<Ipam["pool"]>[];
  #round = 0;

  constructor(dir: string) {
    this.#store = berth(join(dir, "measure"), "never");
    this.#pools = [this.#store.ipam.pool(PREFIX)];
    for (let n = 0; n < 20; n++) this.#thousand();
  }

  /** Microseconds. */
  measure(): number {
    return medianOf([this.#thousand(), this.#thousand(), this.#thousand()]);
  }

  /** Of one, from a thousand that are let go again: the pool stays as full as it is. */
  #thousand(): number {
    const round = this.#round++;
    const owners = Array.from({ length: 1000 }, (_, n) => ownerOf(round, n));
    const { ipam } = this.#store;
    const begun = performance.now();
    for (const owner of owners) ipam.allocate({ owner, pools: this.#pools });
    const each = performance.now() - begun;
    for (const owner of owners) ipam.release(owner);
    return each;
  }

  close(): void {
    this.#store.close();
  }
}

const CALLERS_MAX = 64;

/** Operations of a round. */
function operationsOf(callers: number): number {
  return callers === 1 ? 100 : CALLERS_MAX * 25;
}

function ownerOf(round: number, n: number): string {
  return `owner-${String(round).padStart(6, "0")}-${String(n).padStart(7, "0")}`;
}

const suite = "store";

async function durable(callers: number, context: Context): Promise<Row[]> {
  const { quick, seed, pass, peers, install } = context;
  const table = `durable allocate, ${callers} at once`;
  const missing = noDisk();
  if (missing !== undefined) {
    const head = { suite, table, what: `${callers} at once`, who: "Berth", aim: TARGET };
    return [leftOut(head, missing)];
  }
  const dir = mkdtempSync(join(tmpdir(), "berth-store-"));
  try {
    const bytes = await bytesEach(dir, callers);
    const other = peers ? peerStores(dir, install) : { stores: [], missing: [] };
    const stores: Store[] = [
      berth(dir, "always"),
      bareTurns("bare log, batched as Berth", new BatchedLog(join(dir, "batched"), bytes)),
      bareTurns("bare log, all in one sync", new SharedLog(join(dir, "shared"), bytes)),
      bareNow(new SharedLog(join(dir, "now"), bytes)),
      bareTurns(
        "bare log, batched as Berth, computing as long",
        new BatchedLog(join(dir, "computing"), bytes),
        new WorkAlone(dir),
      ),
      ...other.stores,
    ];
    const times = await roundsOf(stores, callers, quick ? 3 : 20, seed + pass);
    const row = { suite, table, what: `${callers} at once`, unit: "us" } as const;
    const own = times[0]!;
    const what = `${callers} at once, log of each`;
    return [
      ...times.map((one, at) => ({ ...row, ...storeRow(stores[at]!.name, one, own, at) })),
      ...other.missing.map(({ who, missing }): Row => ({ ...row, who, missing })),
      // How many share an entry of the log is a matter of time: no two passes are quite alike.
      { ...row, what, who: "Berth", unit: "bytes", value: bytes },
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Times {
  /** Microseconds of an operation, by round. */
  us: number[];
  hash: number;
}

/**
 * Every store does the same rounds, in an order drawn by seed: so many that are measured, as many
 * before, and before these as many of 64 callers, which are short: in them V8 compiles what an Ipam
 * and the peers run, also where Berth's own has run for WorkAlone already.
 */
async function roundsOf(stores: Store[], callers: number, rounds: number, seed: number) {
  const random = randomOf(seed);
  const all = stores.map((store): Times & { store: Store } => ({ store, us: [], hash: 0 }));
  const round = async (number: number, many: number, isMeasured: boolean) => {
    const operations = operationsOf(many);
    const owners = Array.from({ length: operations }, (_, n) => ownerOf(number, n));
    for (const one of shuffled(all, random)) {
      one.store.before?.();
      const begin = process.hrtime.bigint();
      const given = await one.store.round(owners, many);
      const ns = Number(process.hrtime.bigint() - begin);
      one.hash = mix(one.hash, hashOf(given));
      if (isMeasured) one.us.push(ns / operations / 1000);
    }
  };
  for (let n = 0; n < rounds; n++) await round(n, CALLERS_MAX, false);
  for (let n = rounds; n < 3 * rounds; n++) await round(n, callers, n >= 2 * rounds);
  for (const store of stores) await store.close();
  return all;
}

function storeRow(who: string, one: Times, own: Times, at: number) {
  const bare = who.startsWith("bare");
  const ratio = medianOf(one.us.map((us, round) => us / own.us[round]!));
  return {
    who,
    ...timed(one.us),
    ...(!bare && { hash: one.hash.toString(16) }),
    ...(at > 0 && { ratio, beside: "Berth" }),
    ...(at === 1 && { aim: TARGET }),
  };
}

/** Commits in the log that nothing has applied yet: what a killed opener leaves behind. */
const LOGGED = 2000;

/** Opening what a kill left: an image and a log whose last commits are in no image. */
async function killed({ quick }: Context): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), "berth-store-"));
  try {
    const path = join(dir, "killed");
    const ipam = openIpam(path, { sync: "always" });
    const pool = ipam.pool(PREFIX, { policy: "next" });
    for (let n = 0; n < LOGGED; n++) ipam.allocate({ owner: ownerOf(0, n), pools: [pool] });
    await ipam.flush();
    const opens: number[] = [];
    const again: number[] = [];
    const open = (copy: string, into: number[]) => {
      const begin = process.hrtime.bigint();
      const other = openIpam(copy, { sync: "never" });
      into.push(Number(process.hrtime.bigint() - begin) / 1e6);
      if (other.find({ owner: ownerOf(0, LOGGED - 1) }) === undefined) throw new Error("lost");
      other.close();
    };
    for (let n = 0; n < (quick ? 3 : 11); n++) {
      const copy = join(dir, `copy-${n}`);
      // As it lies on disk now: the opener holds the lock, but not these files.
      cpSync(path, copy, { recursive: true });
      open(copy, opens);
      open(copy, again);
    }
    ipam.close();
    const row = { suite, table: "recovery: after a kill", unit: "ms" } as const;
    const what = `open ${LOGGED.toLocaleString("en-US")} commits that are in the log only`;
    const ratio = medianOf(opens.map((ms, n) => again[n]! / ms));
    return [
      { ...row, what, who: "Berth", ...timed(opens) },
      { ...row, what, who: "closed properly", ...timed(again), ratio, beside: "Berth" },
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Time to open an image, and to read as many bytes into fresh shared memory. */
function opening({ quick }: Context): Row[] {
  const dir = mkdtempSync(join(tmpdir(), "berth-store-"));
  try {
    return openingIn(dir, quick ? 50_000 : 1_000_000);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function openingIn(dir: string, owners: number): Row[] {
  const path = join(dir, "many");
  const ipam = openIpam(path, { sync: "never" });
  const pool = ipam.pool(PREFIX, { policy: "next" });
  const begun = performance.now();
  for (let n = 0; n < owners; n++) ipam.allocate({ owner: ownerOf(0, n), pools: [pool] });
  const each = ((performance.now() - begun) * 1000) / owners;
  ipam.close();
  const file = join(path, "berth.state");
  const { size } = statSync(file);
  const opens: number[] = [];
  const reads: number[] = [];
  for (let n = 0; n < OPEN_ROUNDS; n++) {
    const begin = process.hrtime.bigint();
    const again = openIpam(path, { sync: "never" });
    const opened = process.hrtime.bigint();
    if (again.find({ owner: ownerOf(0, owners - 1) }) === undefined) throw new Error("lost");
    again.close();
    opens.push(Number(opened - begin) / 1e6);
    const memory = new WebAssembly.Memory({ initial: 16384, maximum: 16384, shared: true });
    const into = new Uint8Array(memory.buffer, 65536, size);
    const start = process.hrtime.bigint();
    const fd = openSync(file, "r");
    readSync(fd, into, 0, size, 0);
    closeSync(fd);
    reads.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  const table = `recovery: an image with ${owners.toLocaleString("en-US")} owners`;
  const what = `open ${(size / 1e6).toFixed(0)} MB in the page cache`;
  const row = { suite, table, what, unit: "ms" } as const;
  const ratio = medianOf(reads.map((ms, round) => ms / opens[round]!));
  const aim: Aim = { text: "< 100 ms", of: "median", below: 100 };
  return [
    { ...row, who: "Berth, openIpam", ...timed(opens), aim },
    {
      ...row,
      who: "reading the bytes",
      ...timed(reads),
      ratio,
      beside: "Berth",
    },
    {
      ...row,
      what: "allocate while it was made, not flushed",
      who: "Berth",
      unit: "us",
      ...timed([each]),
      bytesPerAddress: size / owners,
    },
  ];
}

/** SQLite and LMDB. */
const prepare = async ({ install, peers }: Context) => install && peers && installStores();

export const stores: Experiment[] = [
  { suite, name: "durable allocate, 1 at once", prepare, run: (context) => durable(1, context) },
  { suite, name: "durable allocate, 64 at once", prepare, run: (context) => durable(64, context) },
  { suite, name: "recovery, opening an image", run: opening },
  { suite, name: "recovery, after a kill", run: killed },
];

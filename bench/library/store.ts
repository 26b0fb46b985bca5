// Durable allocations: what `allocate` and `await flush()` reach with 1 and 64 callers at once,
// beside a bare log of the same bytes (append, fdatasync, the same batching) and, if asked, SQLite
// and LMDB doing the same work. And how long an image with many owners takes to open, beside the
// mere reading of its bytes.
//
// All of them take turns; one sample is a round of operations. Every store gives the same addresses
// in the same order, which the hash shows.
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress } from "../../src/address.ts";
import { type Ipam, openIpam } from "../../src/ipam/ipam.ts";
import { digits, type Line, type Measured, measured, mix } from "./measure.ts";
import { peerStores } from "./storepeers.ts";

const PREFIX = "10.0.0.0/8";
const LOG_BYTES = 16 << 20;
const OPEN_ROUNDS = 5;
const TARGET = 0.8;

/** Something that allocates durably. */
export interface Store {
  name: string;
  /** Gives an address to each of `owners`, in rounds of `callers` at once; the hash of them. */
  round(owners: readonly string[], callers: number): Promise<number> | number;
  close(): void;
}

function hashOf(addresses: readonly string[]): number {
  return addresses.reduce((hash, text) => mix(hash, Number(parseAddress(text).value)), 0);
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
      return hashOf(given);
    },
    close: () => ipam.close(),
  };
}

/** A preallocated file to which entries of `bytes` are appended; starts over when it is full. */
class BareLog {
  readonly #fd: number;
  readonly #entry: Buffer;
  #at = 0;
  #queued = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string, bytes: number) {
    this.#fd = openSync(path, "w+");
    this.#entry = Buffer.alloc(bytes * 64, 7);
    for (let at = 0; at < LOG_BYTES; at += 1 << 20) writeSync(this.#fd, Buffer.alloc(1 << 20));
    fsyncSync(this.#fd);
  }

  #append(bytes: number): void {
    if (this.#at + bytes > LOG_BYTES) this.#at = 0;
    writeSync(this.#fd, this.#entry, 0, bytes, this.#at);
    this.#at += bytes;
  }

  /** Appends and syncs on this thread. */
  now(bytes: number): void {
    this.#append(bytes);
    fdatasyncSync(this.#fd);
  }

  /** Queues `bytes`; resolves when they are on disk, synced off this thread with the others'. */
  later(bytes: number): Promise<void> {
    this.#queued += bytes;
    if (this.#next) return this.#next;
    const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));
    this.#next = (this.#running ? this.#running.then(tick) : tick()).then(() => this.#begin());
    return this.#next;
  }

  async #begin(): Promise<void> {
    this.#running = this.#next;
    this.#next = undefined;
    this.#append(this.#queued);
    this.#queued = 0;
    await new Promise<void>((resolve, reject) =>
      fdatasync(this.#fd, (error) => (error ? reject(error) : resolve())),
    );
    this.#running = undefined;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function bareTurns(log: BareLog, bytes: number): Store {
  return {
    name: "bare log, synced off the thread",
    async round(owners, callers) {
      const caller = async (first: number) => {
        for (let n = first; n < owners.length; n += callers) await log.later(bytes);
      };
      await Promise.all(Array.from({ length: callers }, (_, n) => caller(n)));
      return 0;
    },
    close: () => log.close(),
  };
}

function bareNow(log: BareLog, bytes: number): Store {
  return {
    name: "bare log, synced on the thread",
    round(owners, callers) {
      for (let n = 0; n < owners.length; n += callers) log.now(bytes * callers);
      return 0;
    },
    close: () => log.close(),
  };
}

/** Bytes of the log that an allocation takes. */
function entryBytes(dir: string): number {
  const store = berth(join(dir, "measure"), "never");
  try {
    for (let n = 0; n < 1000; n++) store.ipam.allocate({ owner: ownerOf(1, n), pools: [PREFIX] });
    return Math.round(store.ipam.stats().logBytes / 8000) * 8;
  } finally {
    store.close();
  }
}

function ownerOf(round: number, n: number): string {
  return `owner-${String(round).padStart(6, "0")}-${String(n).padStart(7, "0")}`;
}

function per(m: Measured): string {
  const spread = Math.round(m.spread * 100);
  return `${digits(m.median / 1000)} us, p99 ${digits(m.p99 / 1000)}, spread ${spread} %`;
}

async function durable(
  dir: string,
  callers: number,
  rounds: number,
  peers: boolean,
): Promise<Line[]> {
  const bytes = entryBytes(dir);
  const operations = callers === 1 ? 200 : 64 * 25;
  const section = `durable allocate, ${callers} at once (${bytes} bytes of log each)`;
  const stores: Store[] = [
    berth(dir, "always"),
    bareTurns(new BareLog(join(dir, "later"), bytes), bytes),
    bareNow(new BareLog(join(dir, "now"), bytes), bytes),
    ...(peers ? await peerStores(dir) : []),
  ];
  const times = stores.map(() => [] as number[]);
  const hashes = stores.map(() => 0);
  for (let round = -2; round < rounds; round++) {
    const owners = Array.from({ length: operations }, (_, n) => ownerOf(round + 2, n));
    for (const [i, store] of stores.entries()) {
      const begin = process.hrtime.bigint();
      const hash = await store.round(owners, callers);
      const ns = Number(process.hrtime.bigint() - begin);
      hashes[i] = mix(hashes[i]!, hash);
      if (round >= 0) times[i]!.push(ns / operations);
    }
  }
  for (const store of stores) store.close();
  const figures = stores.map((store, i) => measured(store.name, times[i]!));
  const own = figures[0]!.median;
  return figures.map((m, i): Line => {
    const hash = stores[i]!.name.startsWith("bare") ? "" : `, hash ${hashes[i]!.toString(16)}`;
    const line: Line = { section, what: m.name, figure: `${per(m)}${hash}` };
    if (i === 0) return line;
    const share = m.median / own;
    line.figure += `: Berth reaches ${Math.round(share * 100)} % of it`;
    if (i === 1) return { ...line, target: ">= 80 %", met: share >= TARGET };
    return line;
  });
}

/** Time to open an image, and to read as many bytes into fresh shared memory. */
function opening(dir: string, owners: number): Line[] {
  const path = join(dir, "many");
  const section = `opening an image with ${owners} owners`;
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
    opens.push(Number(opened - begin));
    const memory = new WebAssembly.Memory({ initial: 16384, maximum: 16384, shared: true });
    const into = new Uint8Array(memory.buffer, 65536, size);
    const start = process.hrtime.bigint();
    const fd = openSync(file, "r");
    readSync(fd, into, 0, size, 0);
    closeSync(fd);
    reads.push(Number(process.hrtime.bigint() - start));
  }
  const ms = (list: number[]) => {
    const m = measured("", list);
    return `${digits(m.median / 1e6)} ms, worst ${digits(Math.max(...list) / 1e6)}`;
  };
  const met = measured("", opens).median < 100e6;
  const what = `openIpam, ${digits(size / 1e6)} MB in the page cache`;
  return [
    { section, what, figure: ms(opens), target: "< 100 ms", met },
    { section, what: "reading the same bytes into memory, nothing else", figure: ms(reads) },
    { section, what: "allocate while it was made, not flushed", figure: `${digits(each)} us` },
  ];
}

/** The suite "store". `peers` installs and measures SQLite and LMDB, too. */
export async function measureStore(
  quick: boolean,
  _operations = 0,
  peers = false,
): Promise<Line[]> {
  const lines: Line[] = [];
  for (const callers of [1, 64]) {
    const dir = mkdtempSync(join(tmpdir(), "berth-store-"));
    try {
      lines.push(...(await durable(dir, callers, quick ? 5 : 25, peers)));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  const dir = mkdtempSync(join(tmpdir(), "berth-store-"));
  try {
    lines.push(...opening(dir, quick ? 100_000 : 1_000_000));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return lines;
}

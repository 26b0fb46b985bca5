// SQLite (better-sqlite3: WAL, synchronous=FULL) and LMDB doing what a durable allocation does:
// find the next address, write down who has it, on disk before the answer. bench/peers/stores has
// their versions.
//
// Both are given their best shape: one process, prepared statements, one transaction for each batch
// of callers, and no more than two tables.
import { join } from "node:path";
import { loadPeer } from "../peers/packages.ts";
import type { Store } from "./store.ts";

const BASE = 0x0a000000;

interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): Record<string, number> | undefined;
}

interface Sqlite {
  pragma(text: string): unknown;
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  transaction<T extends unknown[], R>(work: (...values: T) => R): (...values: T) => R;
  close(): void;
}

interface Lmdb {
  get(key: string | number): unknown;
  put(key: string | number, value: unknown): unknown;
  transactionSync<T>(work: () => T): T;
  openDB(options: { name: string }): Lmdb;
  close(): void;
}

/** Rounds as batches of `callers`: a transaction each. */
function batches(
  name: string,
  one: (owner: string) => number,
  all: Transaction,
  close: () => void,
) {
  const store: Store = {
    name,
    round(owners, callers) {
      const given: number[] = new Array(owners.length);
      for (let n = 0; n < owners.length; n += callers)
        all(() => {
          const end = Math.min(n + callers, owners.length);
          for (let k = n; k < end; k++) given[k] = one(owners[k]!);
        });
      return given;
    },
    close,
  };
  return store;
}

type Transaction = (work: () => void) => void;

type Database = new (path: string) => Sqlite;

function sqlite(dir: string, Database: Database, version: string): Store {
  const db = new Database(join(dir, "peer.sqlite"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  // One process has it, as an Ipam is one process's: without this each transaction asks for locks.
  db.pragma("locking_mode = EXCLUSIVE");
  db.exec("CREATE TABLE held (address INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE)");
  db.exec("CREATE TABLE cursor (id INTEGER PRIMARY KEY, next INTEGER NOT NULL)");
  db.exec(`INSERT INTO cursor VALUES (1, ${BASE})`);
  const next = db.prepare(
    "UPDATE cursor SET next = next + 1 WHERE id = 1 RETURNING next - 1 AS at",
  );
  const take = db.prepare("INSERT INTO held VALUES (?, ?)");
  const one = (owner: string) => {
    const { at } = next.get()!;
    take.run(at, owner);
    return at!;
  };
  const all = db.transaction((work: () => void) => work());
  return batches(`SQLite (better-sqlite3 ${version})`, one, all, () => db.close());
}

type Open = { open(options: object): Lmdb };

function lmdb(dir: string, { open }: Open, version: string): Store {
  // Without overlappingSync a transaction is on disk when it returns.
  const db = open({ path: join(dir, "peer.lmdb"), overlappingSync: false });
  const owners = db.openDB({ name: "owners" });
  const addresses = db.openDB({ name: "addresses" });
  const one = (owner: string) => {
    const at = (addresses.get("next") as number | undefined) ?? BASE;
    if (owners.get(owner) !== undefined) throw new Error("the owner holds an address");
    addresses.put("next", at + 1);
    addresses.put(at, owner);
    owners.put(owner, at);
    return at;
  };
  return batches(
    `LMDB (lmdb ${version})`,
    one,
    (work) => db.transactionSync(work),
    () => db.close(),
  );
}

const LIST = "stores";
const [SQLITE, LMDB] = ["better-sqlite3", "lmdb"];

/** Installs what isn't there; what fails is told when the stores are opened. */
export function installStores(): void {
  for (const name of [SQLITE, LMDB]) loadPeer(LIST, name, true);
}

/** The peers' stores in a directory, and which aren't here. */
export function peerStores(dir: string, install: boolean) {
  const stores: Store[] = [];
  const missing: { who: string; missing: string }[] = [];
  const found = loadPeer<Database>(LIST, SQLITE, install);
  try {
    if ("missing" in found) throw new Error(found.missing);
    stores.push(sqlite(dir, found.module, found.version));
  } catch (error) {
    missing.push({ who: "SQLite", missing: (error as Error).message.split("\n")[0]! });
  }
  const other = loadPeer<Open>(LIST, LMDB, install);
  if ("missing" in other) missing.push({ who: "LMDB", missing: other.missing });
  else stores.push(lmdb(dir, other.module, other.version));
  return { stores, missing };
}

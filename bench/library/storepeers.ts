// SQLite (better-sqlite3: WAL, synchronous=FULL) and LMDB doing what a durable allocation does:
// find the next address, write down who has it, on disk before the answer. They live in
// bench/peers/js with a package.json of their own and are installed here, when the bench is asked
// to.
//
// Both are given their best shape: one process, prepared statements, one transaction for each batch
// of callers, and no more than two tables.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { packageRoot } from "../../src/wasm.ts";
import { mix } from "./measure.ts";
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

function load<T>(name: string): T {
  const dir = join(packageRoot(), "bench/peers/js");
  if (!existsSync(join(dir, "node_modules"))) {
    console.error(`bench: installing the packages of ${dir}`);
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--foreground-scripts"], {
      cwd: dir,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return createRequire(join(dir, "package.json"))(name) as T;
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
      let hash = 0;
      for (let n = 0; n < owners.length; n += callers)
        all(() => {
          for (const owner of owners.slice(n, n + callers)) hash = mix(hash, one(owner));
        });
      return hash;
    },
    close,
  };
  return store;
}

type Transaction = (work: () => void) => void;

function sqlite(dir: string): Store {
  const Database = load<new (path: string) => Sqlite>("better-sqlite3");
  const db = new Database(join(dir, "peer.sqlite"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
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
  return batches("SQLite, WAL, synchronous=FULL", one, all, () => db.close());
}

function lmdb(dir: string): Store {
  const { open } = load<{ open(options: object): Lmdb }>("lmdb");
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
    "LMDB",
    one,
    (work) => db.transactionSync(work),
    () => db.close(),
  );
}

/** The peers' stores in a directory. */
export function peerStores(dir: string): Store[] {
  return [sqlite(dir), lmdb(dir)];
}

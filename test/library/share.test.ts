// Pools used by several threads at once: the laws that hold whoever ends when.
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/wasm.ts";

// The built files: a worker thread runs plain JavaScript.
const index = join(packageRoot(), "build/js/src/index.js");
const { createPool, Pool } = (await import(index)) as typeof import("../../src/index.ts");
const threadFile = new URL("./share.worker.mjs", import.meta.url);

interface Work {
  rounds: number;
  batch: number;
  marks?: SharedArrayBuffer;
  wide?: boolean;
}

function start(pool: { share(): unknown }, number: number, work: Work): Worker {
  return new Worker(threadFile, { workerData: { index, token: pool.share(), number, ...work } });
}

function result(worker: Worker): Promise<{ clashes: number }> {
  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (m) => typeof m === "object" && resolve(m));
  });
}

const ready = (worker: Worker) =>
  new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", () => resolve());
  });

describe("a shared pool", () => {
  for (const prefix of ["10.0.0.0/20", "fd00::/76"])
    it(`gives no slot of ${prefix} to two threads at once`, async () => {
      using pool = createPool(prefix, { policy: "first" });
      const marks = new SharedArrayBuffer(1 << 16);
      const work = { rounds: 6000, batch: 5, marks, wide: true };
      const workers = [1, 2, 3].map((number) => start(pool, number, work));
      const results = await Promise.all(workers.map(result));
      expect(results.map((r) => r.clashes)).toEqual([0, 0, 0]);
      expect(pool.used).toBe(0);
      expect([...pool]).toEqual([]);
    });

  it("sees in one thread what another has taken", async () => {
    using pool = createPool("10.1.0.0/24");
    const twin = Pool.attach(pool.share());
    const address = twin.allocate();
    expect(pool.has(address)).toBe(true);
    expect(() => pool.allocate(address)).toThrow(/is allocated/);
    pool.release(address);
    expect(twin.used).toBe(0);
  });

  it("takes back what an attached pool had on hold when that is closed, but nothing of another pool", () => {
    const pool = createPool("10.1.0.0/24");
    const twin = Pool.attach(pool.share());
    const [kept, lost] = [twin.hold(), twin.hold()];
    kept.confirm();
    twin.close();
    expect([...pool]).toEqual([kept.address]);
    lost.abort();
    expect([lost.lapsed, pool.used]).toEqual([true, 1]);
    const late = Pool.attach(pool.share());
    late.hold();
    pool.close();
    using next = createPool("10.1.0.0/24");
    next.takeMany(new Uint32Array(9));
    late.close();
    expect(next.used).toBe(9);
  });

  it("keeps its holds off the pool that lies in its place once its maker has closed it", async () => {
    const pool = createPool("10.1.0.0/20");
    const twin = Pool.attach(pool.share());
    const [aborted, asked, confirmed] = [twin.hold(), twin.hold(), twin.hold()];
    twin.hold(undefined, { ttl: 0.01 });
    pool.close();
    using next = createPool("10.2.0.0/20");
    next.takeMany(new Uint32Array(9));
    aborted.abort();
    await new Promise((resolve) => setTimeout(resolve, 40)); // the fourth's timer
    expect([...next]).toEqual(Array.from({ length: 9 }, (_, i) => `10.2.0.${i}`));
    expect([aborted.lapsed, asked.lapsed]).toEqual([true, true]);
    expect(() => confirmed.confirm()).toThrow(/has ended/);
    expect(() => twin.used).toThrow(/is closed/);
    twin.close();
  });

  it("undoes the call in whose middle a thread was terminated, and goes on", async () => {
    using pool = createPool("fd00:1::/72");
    for (let round = 0; round < 25; round++) {
      const worker = start(pool, 1, { rounds: 0, batch: 40 });
      await ready(worker);
      await new Promise((resolve) => setTimeout(resolve, round % 5));
      const gone = worker.terminate();
      // While it ends: the lock may be in its hands.
      for (let i = 0; i < 200; i++) pool.release(pool.allocate());
      await gone;
      for (const address of pool) pool.release(address);
      expect(pool.used).toBe(0);
      expect([...pool]).toEqual([]);
    }
  }, 60_000);

  it("undoes that also where what was given back cools and becomes due", async () => {
    using pool = createPool("10.4.0.0/20", { cooldown: 0.01, policy: "first" });
    for (let round = 0; round < 15; round++) {
      const worker = start(pool, 1, { rounds: 0, batch: 400 });
      await ready(worker);
      await new Promise((resolve) => setTimeout(resolve, 120 * (round % 3)));
      const gone = worker.terminate();
      for (let i = 0; i < 200; i++) pool.release(pool.allocate());
      await gone;
      for (const address of pool) pool.release(address);
      expect(pool.used).toBe(0);
      const copy = Pool.fromBytes(pool.toBytes());
      expect(copy.used).toBe(0);
      copy.close();
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect([pool.used, pool.cooling]).toEqual([0, 0]);
    const { yields } = pool;
    const all = new Uint32Array(pool.size);
    expect(pool.takeMany(all)).toBe(pool.size);
    expect([new Set(all).size, pool.yields - yields]).toEqual([pool.size, 0]);
  }, 60_000);

  it("is closed for all when its maker closes it, also when its place is another pool's", () => {
    const pool = createPool("10.2.0.0/24");
    const twin = Pool.attach(pool.share());
    twin.take();
    pool.close();
    using other = createPool("10.3.0.0/24");
    for (const call of [() => twin.take(), () => twin.allocate(), () => twin.used])
      expect(call).toThrow(expect.objectContaining({ code: "closed" }));
    expect(other.used).toBe(0);
    twin.close();
  });

  it("can be written down and read back while other threads work on it", async () => {
    using pool = createPool("fd00:2::/72", { policy: "first" });
    const workers = [1, 2].map((number) => start(pool, number, { rounds: 4000, batch: 20 }));
    const done = Promise.all(workers.map(result));
    await Promise.all(workers.map(ready));
    let copies = 0;
    for (let ended = false; !ended; copies++) {
      const copy = Pool.fromBytes(pool.toBytes());
      expect([...copy].length).toBe(copy.used);
      copy.close();
      ended = await Promise.race([
        done.then(() => true),
        new Promise<boolean>((r) => setImmediate(r, false)),
      ]);
    }
    expect(copies).toBeGreaterThan(1);
    expect(pool.used).toBe(0);
  });

  it("refuses what isn't a token, and a 65th thread finds a clear error", () => {
    expect(() => Pool.attach({} as never)).toThrow(/not what Pool.share gave/);
  });
});

// Group commit with syncs under way at the same time: what is acknowledged, when, and what a sync
// that fails takes with it. Core and disk are fakes, so that syncs end in any order.
import { closeSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IpamError } from "../../src/errors.ts";
import type { Core, SyncFile } from "../../src/ipam/core.ts";
import { Flusher } from "../../src/ipam/flush.ts";
import { randomFrom } from "../support/world.ts";

const ENTRY = 100;
const RUNS = Number(process.env.BERTH_RUNS ?? 60);
const file = join(tmpdir(), `berth-flush-${process.pid}`);
let log = -1;

beforeEach(() => {
  log = openSync(file, "w+");
});

afterEach(() => {
  closeSync(log);
  rmSync(file);
});

/** A sync that somebody has begun. */
interface Sync {
  fd: number;
  /** What was written when it began. */
  written: number;
  end: (fails?: boolean) => void;
}

/** A log that grows by entries, and a disk whose syncs end when the test says so. */
class World {
  tail = 0;
  generation = 1;
  written = 0;
  /** What a sync that has ended well covers. */
  durable = 0;
  safe = 0;
  voids = 0;
  writes = 0;
  errors: IpamError[] = [];
  syncs: Sync[] = [];
  readonly flusher: Flusher;

  constructor(tail = 0, isSynced = true) {
    this.tail = tail;
    const outs = [0, 0];
    const exports = {
      logFile: { value: log },
      bookMarkOut: () => {
        outs[0] = this.tail;
        outs[1] = this.generation;
      },
      queueWrite: () => {
        this.written = this.tail;
        this.writes++;
        return 0;
      },
      queueSafe: (to: number) => {
        expect(to).toBeGreaterThanOrEqual(this.safe);
        this.safe = to;
      },
      queueVoid: () => {
        this.voids++;
      },
    };
    const core = { exports, outNumber: (n: number) => outs[n]! } as unknown as Core;
    const sync: SyncFile = (fd, done) => {
      const one: Sync = {
        fd,
        written: this.written,
        end: (fails = false) => {
          this.syncs.splice(this.syncs.indexOf(one), 1);
          if (!fails) this.durable = Math.max(this.durable, one.written);
          done(fails ? Object.assign(new Error("EIO"), { errno: -5 }) : null);
        },
      };
      this.syncs.push(one);
    };
    this.flusher = new Flusher(core, isSynced ? sync : undefined, (error) =>
      this.errors.push(error),
    );
  }

  commit(): number {
    this.tail += ENTRY;
    return this.tail;
  }
}

/** Everything that is awake has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A flush, and what has become of it. */
function flushOf(world: World) {
  const one = { tail: world.tail, state: "waits" };
  world.flusher.flush().then(
    () => {
      one.state = "kept";
    },
    () => {
      one.state = "failed";
    },
  );
  return one;
}

async function two(world: World) {
  world.commit();
  const first = flushOf(world);
  await settled();
  world.commit();
  const second = flushOf(world);
  await settled();
  expect(world.syncs.map((one) => one.written)).toEqual([ENTRY, 2 * ENTRY]);
  return { first, second };
}

describe("without syncs", () => {
  it("those who are awake share one write, and each is told when it is done", async () => {
    const world = new World(0, false);
    const kept: number[] = [];
    const caller = async () => {
      for (let n = 0; n < 10; n++) {
        const tail = world.commit();
        await world.flusher.flush();
        expect(world.written).toBeGreaterThanOrEqual(tail);
        kept.push(tail);
      }
    };
    await Promise.all(Array.from({ length: 64 }, caller));
    expect([kept.length, world.writes, world.syncs.length]).toEqual([640, 10, 0]);
  });
});

describe("[crash] two syncs of the log at the same time", () => {
  it("the first to begin ends first: it promises nothing of what was written after it", async () => {
    const world = new World();
    const { first, second } = await two(world);
    world.syncs[0]!.end();
    await settled();
    expect([first.state, second.state, world.safe]).toEqual(["kept", "waits", ENTRY]);
    world.syncs[0]!.end();
    await settled();
    expect([second.state, world.safe]).toEqual(["kept", 2 * ENTRY]);
  });

  it("the last to begin ends first: it promises both, and the other end changes nothing", async () => {
    const world = new World();
    const { first, second } = await two(world);
    world.syncs[1]!.end();
    await settled();
    expect([first.state, second.state, world.safe]).toEqual(["kept", "kept", 2 * ENTRY]);
    world.syncs[0]!.end();
    await settled();
    expect(world.safe).toBe(2 * ENTRY);
    expect(world.errors).toEqual([]);
  });

  it("each has an open file description of its own, none that of the log itself", async () => {
    const world = new World();
    await two(world);
    expect(new Set([log, ...world.syncs.map((one) => one.fd)]).size).toBe(3);
  });

  it("a third waits for one of them, and takes all that came meanwhile", async () => {
    const world = new World();
    await two(world);
    world.commit();
    const third = flushOf(world);
    world.commit();
    const fourth = flushOf(world);
    await settled();
    expect(world.syncs.length).toBe(2);
    world.syncs[0]!.end();
    await settled();
    expect(world.syncs.map((one) => one.written)).toEqual([2 * ENTRY, 4 * ENTRY]);
    world.syncs[1]!.end();
    await settled();
    expect([third.state, fourth.state]).toEqual(["kept", "kept"]);
  });

  it("one fails: what is under way fails with it, though another sync ends well later", async () => {
    const world = new World();
    const { first, second } = await two(world);
    world.commit();
    const third = flushOf(world);
    world.syncs[0]!.end(true);
    await settled();
    expect([first.state, second.state, third.state]).toEqual(["failed", "failed", "failed"]);
    expect([world.errors.map((error) => error.code), world.voids]).toEqual([["io"], 1]);
    world.syncs[0]!.end();
    await settled();
    expect([first.state, second.state, third.state, world.safe]).toEqual([
      "failed",
      "failed",
      "failed",
      0,
    ]);
  });

  it("a flush with nothing new shares what is under way; with nothing at all it is done", async () => {
    const world = new World();
    await world.flusher.flush();
    const { second } = await two(world);
    const again = flushOf(world);
    await settled();
    expect(world.syncs.length).toBe(2);
    world.syncs[1]!.end();
    await settled();
    expect([second.state, again.state]).toEqual(["kept", "kept"]);
  });

  it("what an opener before this one left in the log is synced before anything is promised", async () => {
    const w = new World(64 + ENTRY);
    let done = false;
    const promise = w.flusher.flush().then(() => {
      done = true;
    });
    await settled();
    expect([w.syncs.length, done]).toEqual([1, false]);
    w.syncs[0]!.end();
    await promise;
    expect(w.durable).toBe(64 + ENTRY);
  });

  it("close waits for both, and what the Ipam has written itself is kept", async () => {
    const world = new World();
    const { first, second } = await two(world);
    let closed = false;
    const closing = world.flusher.close().then(() => {
      closed = true;
    });
    world.syncs[1]!.end();
    await settled();
    expect([closed, world.flusher.busy]).toEqual([false, true]);
    world.syncs[0]!.end();
    await closing;
    expect([first.state, second.state]).toEqual(["kept", "kept"]);
  });

  it("in any order: kept is what a sync that began after the write has promised, all of it", async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomFrom(seed);
      const world = new World();
      const flushes: ReturnType<typeof flushOf>[] = [];
      for (let n = 0; n < 60 && world.errors.length === 0; n++) {
        const what = random(8);
        if (what < 3) world.commit();
        else if (what < 6) flushes.push(flushOf(world));
        else if (world.syncs.length > 0)
          world.syncs[random(world.syncs.length)]!.end(random(40) === 0);
        if (random(3) === 0) await settled();
        for (const one of flushes)
          if (one.state === "kept")
            expect(one.tail, `seed ${seed}, step ${n}`).toBeLessThanOrEqual(world.durable);
      }
      await settled();
      for (let n = 0; n < 100 && world.syncs.length > 0; n++) {
        world.syncs[0]!.end();
        await settled();
      }
      const left = world.errors.length > 0 ? ["kept", "failed"] : ["kept"];
      for (const one of flushes) expect(left, `seed ${seed}`).toContain(one.state);
      expect(world.flusher.busy, `seed ${seed}`).toBe(false);
      await world.flusher.close();
    }
  });
});

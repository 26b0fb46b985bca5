// What the bench's figures rest on: medians and ratios, turns, and the check of equal work.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hopeless, planOf } from "../../bench/core/firstfree.ts";
import type { Maker } from "../../bench/core/subjects.ts";
import { type Exercise, exercise } from "../../bench/core/work.ts";
import { judge, readBaselines, writeBaseline } from "../../bench/instructions/baseline.ts";
import { shareOf, ticks, warnings } from "../../bench/method/machine.ts";
import { ratioOf, ratioOfLists, takeTurns } from "../../bench/method/measure.ts";
import { figuresOf, type Row, sameWork } from "../../bench/method/row.ts";
import { hashOf, plainAllocator, random, rowOf } from "../../bench/peers/sequence.ts";

describe("figures", () => {
  it("takes the median, the 99th percentile by nearest rank and the quartiles' distance", () => {
    const values = Array.from({ length: 200 }, (_, i) => i + 1);
    const figures = { count: 200, median: 100.5, p99: 198, max: 200, spread: 100 / 100.5 };
    expect(figuresOf(values.reverse())).toEqual(figures);
    expect(figuresOf([3, 1, 2]).median).toBe(2);
    expect(() => figuresOf([])).toThrow("no values");
  });

  it("takes the ratio of rounds, so that a slow round moves both sides", () => {
    expect(ratioOf({ rounds: [1, 100, 1] }, { rounds: [3, 300, 3] })).toBe(3);
    const slow = [...Array(50).fill(1), ...Array(30).fill(10)];
    expect(
      ratioOfLists(
        slow,
        slow.map((ms) => ms * 4),
      ),
    ).toBe(4);
  });
});

describe("turns", () => {
  it("runs every task once in each round, with what it asks for before and after each sample", () => {
    const order: string[] = [];
    const task = (name: string) => ({
      name,
      operations: 10,
      before: () => void order.push(`(${name}`),
      run: () => void order.push(name),
      after: () => void order.push(`${name})`),
    });
    const all = takeTurns([task("a"), task("b")], { rounds: 10, samples: 2, seed: 1, warm: 0 });
    expect(all.map((m) => [m.name, m.figures.count, m.rounds.length])).toEqual([
      ["a", 20, 10],
      ["b", 20, 10],
    ]);
    // A turn has samples that don't count before its two: the other's have filled the caches.
    const turns = order.join("").match(/(\(aaa\))+|(\(bbb\))+/g)!;
    expect(turns.join("")).toBe(order.join(""));
    for (const turn of turns) expect(turn.length).toBeGreaterThanOrEqual(3 * "(aaa)".length);
    // 11 rounds, less where one's last turn and its first of the next round are one.
    expect(turns.length).toBeGreaterThan(11);
    expect(turns.length).toBeLessThanOrEqual(22);
  });

  it("counts every sample of a task that is alone: nobody has filled the caches", () => {
    let runs = 0;
    const task = { name: "alone", operations: 1, run: () => void runs++ };
    takeTurns([task], { rounds: 10, samples: 2, seed: 1, warm: 0 });
    expect(runs).toBe(2 * 11);
  });

  it("gives a task that asks for fewer turns its own, evenly, and pairs them by round", () => {
    let seldom = 0;
    const tasks = [
      { name: "often", operations: 1, run: () => {} },
      { name: "seldom", operations: 1, turns: 3, run: () => void seldom++ },
    ];
    const [often, other] = takeTurns(tasks, { rounds: 9, samples: 1, seed: 1, warm: 0 });
    const had = (one: typeof often) =>
      one!.rounds.flatMap((ns, at) => (ns === undefined ? [] : at));
    expect(had(often)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(had(other)).toEqual([2, 5, 8]);
    expect(other!.figures.count).toBe(3);
    expect(seldom).toBeGreaterThanOrEqual(3);
    expect(ratioOf({ rounds: [1, 2, 4] }, { rounds: [undefined, undefined, 12] })).toBe(3);
  });

  it("fails when a task fails", () => {
    const task = {
      name: "bad",
      operations: 1,
      run: () => {
        throw new Error("the pool is full");
      },
    };
    expect(() => takeTurns([task], { rounds: 2, samples: 1, seed: 1 })).toThrow("the pool is full");
  });
});

describe("equal work", () => {
  const row = { suite: "core", table: "t", what: "w", unit: "ns" } as const;
  it("fails a run in which somebody gave other slots, and names both", () => {
    const rows: Row[] = [
      { ...row, who: "Berth", hash: "1" },
      { ...row, who: "without" },
      { ...row, who: "naive Set", hash: "1" },
    ];
    sameWork(rows);
    rows.push({ ...row, who: "a cheat", hash: "2" });
    expect(() => sameWork(rows)).toThrow(
      "core / t / w: a cheat gave other slots (hash 2) than Berth (1)",
    );
  });

  it("draws by xorshift64* and hashes by FNV-1a, as the Go peers do", () => {
    const draws = random(42n);
    expect([draws.next().value, draws.next().value]).toEqual([
      11435511379416088765n,
      8363626497947505399n,
    ]);
    const plain = (numbers: number[]) => {
      let hash = 0xcbf29ce484222325n;
      for (const byte of Buffer.from(numbers.map((n) => `${n}\n`).join("")))
        hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & ((1n << 64n) - 1n);
      return hash.toString(16).padStart(16, "0");
    };
    const numbers = Array.from({ length: 500 }, (_, i) => (i * 2654435761) >>> 0);
    expect(hashOf(numbers.slice(0, 7), numbers.slice(7))).toBe(plain(numbers));
  });
});

describe("instruction counts", () => {
  const row = (what: string, value: number): Row => ({
    suite: "instructions",
    table: "t",
    what,
    who: "Berth",
    unit: "instructions",
    value,
  });

  it("fails what is over 5 % above the baseline of the same compiler and libc, no other", () => {
    const baselines = { "gcc 12": { ADD: 1000 } };
    const met = (value: number, tools = "gcc 12") =>
      judge([row("ADD", value)], baselines, tools)[0]!.met;
    expect([met(1050), met(1051), met(900)]).toEqual([true, false, true]);
    expect(met(5000, "gcc 13")).toBe(undefined);
    expect(judge([row("DEL", 1)], baselines, "gcc 12")[0]!.note).toMatch(/^no baseline for gcc 12/);
    const { value: _, ...uncounted } = row("ADD", 1);
    const left = { ...uncounted, missing: "no valgrind" };
    const target = (tools: string) => judge([left], baselines, tools)[0]!.target;
    expect([target("gcc 12"), target("gcc 13")]).toEqual(["<= 1.05 x", undefined]);
  });

  it("keeps the baselines of other compilers when one is written", () => {
    const directory = mkdtempSync(join(tmpdir(), "berth-bench-test-"));
    const path = join(directory, "results/instructions.json");
    writeBaseline([row("ADD", 1)], "gcc 12", path);
    writeBaseline([row("ADD", 2), row("DEL", 3)], "gcc 13", path);
    expect(readBaselines(path)).toEqual({ "gcc 12": { ADD: 1 }, "gcc 13": { ADD: 2, DEL: 3 } });
    expect(() => writeBaseline([], "gcc 13", path)).toThrow("nothing was counted");
    rmSync(directory, { recursive: true });
  });
});

describe("what disturbs a run", () => {
  const directory = mkdtempSync(join(tmpdir(), "berth-ticks-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const read = (line: string, own: string) => {
    const [path, self] = [join(directory, "stat"), join(directory, "self")];
    writeFileSync(path, `${line}\ncpu0 1 2 3\n`);
    // A name may have blanks and brackets in it.
    writeFileSync(self, `77 (node (9) x) R 1 77 77 0 -1 4194304 9 8 7 6 ${own} 20 0 11 0 99 1\n`);
    return ticks(path, self);
  };

  it("is other work before it and beside it, and what other guests took, as shares of the processors' time", () => {
    const from = read("cpu  100 20 30 800 10 5 5 30 0 0", "1 2 3 4");
    expect(from).toEqual({ busy: 160, others: 150, stolen: 30, all: 1000 });
    const to = read("cpu  150 20 30 900 10 5 5 80 7 0", "1 12 23 4");
    expect(shareOf("busy", from, to)).toBe(0.25);
    expect(shareOf("others", from, to)).toBe(0.1);
    expect(shareOf("stolen", from, to)).toBe(0.25);
    // Both are counted in their own way: where nothing else ran, the difference may be below 0.
    expect(shareOf("others", from, read("cpu  150 20 30 900 10 5 5 80 7 0", "90 2 3 4"))).toBe(0);
    expect(ticks(join(directory, "none"))).toBe(undefined);
    expect(shareOf("busy", from, undefined)).toBe(undefined);
    expect(shareOf("busy", from, from)).toBe(undefined);
  });

  it("is told, and a build a minute ago is no such thing", () => {
    const told = (before?: number, stolen?: number, others = 0.03) =>
      warnings([], { before, others, stolen }, 1);
    expect([told(0.04, 0.01), told()]).toEqual([[], []]);
    expect(told(0.5)).toEqual([
      "other work was running (50 % of the processors' time before, 3 % meanwhile): don't quote these figures",
    ]);
    expect(told(0, 0, 0.2)[0]).toContain("20 % meanwhile");
    expect(told(0, 0.06)).toEqual([
      expect.stringContaining("other guests of this machine took 6 % of the processors' time"),
    ]);
  });
});

describe("the rounds of a pass", () => {
  const task = (ns: number, operations = 2000) => ({ task: { operations } as Exercise, ns });

  it("are many short ones for what is fast, whatever is slow beside it", () => {
    const plan = planOf([task(30), task(60), task(1500), task(150_000, 200)], false);
    expect(plan.rounds).toBe(30);
    expect(plan.tasks.map(({ turns, samples }) => [turns, samples])).toEqual([
      [30, 5],
      [30, 5],
      [30, 1],
      [20, 1],
    ]);
    const slow = planOf([task(30), task(300_000)], false);
    expect(slow.tasks.map(({ turns, samples }) => [turns, samples])).toEqual([
      [30, 5],
      [3, 1],
    ]);
    expect(planOf([task(30)], true)).toMatchObject({ rounds: 3, tasks: [{ samples: 4 }] });
  });

  it("take no longer in all than two and a half seconds, or three turns of each", () => {
    for (const ns of [10, 100, 1e3, 1e4, 1e5]) {
      const { tasks } = planOf([task(ns), task(40)], false);
      const [own] = tasks.map(({ turns, samples }) => turns! * samples! * ns * 2000);
      expect(own).toBeLessThanOrEqual(Math.max(2.5e9 / 2, 3 * ns * 2000));
    }
  });
});

describe("those that scan", () => {
  const scanner = { who: "scanner", looksMax: 1e8 } as Maker;
  const space = { bits: 16, first: 1, last: 65_534 };
  const churn = (held: number) => ({ kind: "churn", space, held, pairs: 1000 }) as const;

  it("are left out by how many addresses they would look at, not by a clock", () => {
    expect(hopeless(scanner, churn(65_534), false)).toBe(undefined);
    expect(hopeless({ ...scanner, looksMax: 1e7 }, churn(32_767), false)).toBe(
      "would look at up to 32,767 addresses for one",
    );
    const fill = { kind: "fill", space, held: 0, pairs: 65_534 } as const;
    expect(hopeless(scanner, fill, false)).toBe("would look at up to 65,534 addresses for one");
    expect(hopeless(scanner, { ...fill, pairs: 254 }, true)).toBe(undefined);
    expect(hopeless(scanner, churn(32_767), true)).toContain("32,767");
    expect(hopeless({ who: "other" } as Maker, churn(16_000_000), true)).toBe(undefined);
  });
});

describe("work that is done in parts", () => {
  const space = { bits: 8, first: 1, last: 254 };
  const work = { kind: "churn", space, held: 127, pairs: 40 } as const;
  const plain = (): Maker => ({
    who: "plain",
    make: () => {
      const { allocate, release } = plainAllocator(rowOf("churn-24@50"));
      const occupy = (count: number) => {
        for (let n = 0; n < count; n++) allocate();
      };
      return { allocate, release, occupy, bytes: () => 0, close: () => {} };
    },
  });

  it("is the same work: its hash is of all parts, the first time", () => {
    const whole = exercise(plain(), work, 7);
    whole.run();
    whole.after!();
    const parts = exercise(plain(), work, 7, 4);
    expect(parts.operations).toBe(20);
    for (let n = 0; n < 6; n++) {
      parts.run();
      parts.after!();
    }
    expect(parts.hash()).toBe(whole.hash());
    expect(parts.hash()).not.toBe(exercisedHash(9));
    expect(() => exercise(plain(), work, 7, 3)).toThrow(
      "40 releases of a churn can't be done in 3",
    );
  });

  function exercisedHash(seed: number): string {
    const other = exercise(plain(), work, seed);
    other.run();
    other.after!();
    return other.hash();
  }
});

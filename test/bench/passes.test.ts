// Passes and sweeps: what makes two runs agree. Merging keeps every value and every pass, a row goes
// on until it is settled, and nothing is judged before that.
import { describe, expect, it } from "vitest";
import { judged } from "../../bench/method/aim.ts";
import type { Experiment } from "../../bench/method/experiment.ts";
import {
  ERROR_MAX,
  errorOf,
  meanRatio,
  mergePasses,
  worstError,
} from "../../bench/method/passes.ts";
import { figuresOf, type Row, timed } from "../../bench/method/row.ts";
import { randomOf } from "../../bench/method/schedule.ts";
import { FULL, type Limits, limitsAfter, QUICK, sweeps } from "../../bench/method/sweeps.ts";

const head = { suite: "core", table: "t", what: "w", unit: "ns" } as const;
const peer = (ratio: number, more: Partial<Row> = {}): Row => ({
  ...head,
  who: "peer",
  ratio,
  beside: "Berth",
  ...more,
});

describe("merging passes", () => {
  it("takes figures of all values and the geometric mean of the passes' ratios, and shows both", () => {
    const passes = [
      [peer(2, timed([1, 2, 3])), { ...head, who: "once", value: 7 }],
      [peer(8, timed([30, 20, 10, 40]))],
    ];
    const [row, once, ...rest] = mergePasses(passes);
    expect(row).toEqual({
      ...peer(4),
      ratio: expect.closeTo(4, 12),
      figures: figuresOf([1, 2, 3, 10, 20, 30, 40]),
      passes: [2, 8],
      error: errorOf([2, 8]),
    });
    expect(once).toEqual({ ...head, who: "once", value: 7 });
    expect(rest).toEqual([]);
    expect(JSON.stringify(row)).not.toContain("samples");
  });

  it("fails when a pass gave other slots than the first", () => {
    const passes = [[peer(1, { hash: "a" })], [peer(1, { hash: "b" })]];
    expect(() => mergePasses(passes)).toThrow(
      "core / t / w / peer: one pass gave other slots (hash b) than the first (a)",
    );
  });

  it("leaves a row out only when every pass did, and keeps what each pass noted", () => {
    const missing: Row = { ...head, who: "peer", missing: "took over 30 s" };
    expect(mergePasses([[missing], [missing]])).toEqual([missing]);
    const row = mergePasses([[missing], [peer(3, { note: "a" })], [peer(3, { note: "b" })]]);
    expect(row).toMatchObject([{ passes: [3, 3], note: "a, b" }]);
    expect(row[0]!.missing).toBe(undefined);
  });

  it("refuses a ratio that is none", () => {
    for (const ratio of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => mergePasses([[peer(ratio)]])).toThrow("is no ratio");
  });
});

describe("the error of a ratio", () => {
  it("isn't known of one pass, and two that agree by chance don't settle it", () => {
    expect(errorOf([3])).toBe(undefined);
    expect(worstError([[peer(3)]])).toBe(Number.POSITIVE_INFINITY);
    expect(errorOf([3, 3])).toBeGreaterThan(ERROR_MAX);
    expect(errorOf([3, 3, 3])).toBeLessThan(ERROR_MAX);
    expect(errorOf([3, 3.3, 2.7])).toBeGreaterThan(ERROR_MAX);
  });

  it("grows with what the passes differ by and shrinks with their number, whatever the scale", () => {
    const near = [1, 1.1, 0.9, 1];
    expect(errorOf([1, 1.6, 0.7, 1])).toBeGreaterThan(errorOf(near)!);
    expect(errorOf([...near, ...near])).toBeLessThan(errorOf(near)!);
    expect(errorOf(near.map((ratio) => ratio * 1000))).toBeCloseTo(errorOf(near)!, 12);
    expect(errorOf(near.map((ratio) => 1 / ratio))).toBeCloseTo(errorOf(near)!, 12);
  });

  it("is the worst row's for an experiment; one without ratios is settled", () => {
    const wild = (ratio: number) => peer(ratio, { who: "wild" });
    const passes = [1, 2, 1, 2].map((ratio) => [peer(5), wild(ratio)]);
    expect(worstError(passes)).toBe(errorOf([1, 2, 1, 2]));
    expect(worstError([[{ ...head, who: "Berth", value: 1 }]])).toBe(0);
  });
});

/** A clock that moves by what experiments cost, and what has been measured in which order. */
function stage(limits: Partial<Limits>, costs: Record<string, number>, ratio: () => number) {
  let time = 0;
  const order: string[][] = [[]];
  const list = Object.keys(costs).map(
    (name): Experiment => ({
      suite: "core",
      name,
      run: () => [],
      ...(name === "counted" && { counted: true }),
    }),
  );
  const means = {
    limits: { ...FULL, ...limits },
    now: () => time,
    swept: () => void order.push([]),
    measure: ({ name }: Experiment) => {
      order.at(-1)!.push(name);
      time += costs[name]!;
      return [name.startsWith("wild") ? peer(ratio()) : peer(2)];
    },
  };
  return { list, means, order: () => order.filter((names) => names.length > 0), time: () => time };
}

describe("sweeps", () => {
  it("go over all, then the cheap ones first, and end when every row is settled", async () => {
    const { list, means, order } = stage({}, { long: 30, counted: 5, short: 2 }, () => 1);
    const passes = await sweeps(list, means);
    const later = Array(2).fill(["short", "long"]);
    expect(order()).toEqual([["long", "counted", "short"], ...later]);
    expect(passes.map((own) => own.length)).toEqual([3, 1, 3]);
  });

  it("go on with a row whose passes differ, up to its limits, and let the others be", async () => {
    let turn = 0;
    const wild = () => (turn++ % 2 ? 1 : 2);
    const most = stage({ passes: 9 }, { wild: 2, calm: 2 }, wild);
    expect((await sweeps(most.list, most.means)).map((own) => own.length)).toEqual([9, 3]);
    const each = stage({ each: 35 }, { wild: 10, calm: 2 }, wild);
    expect((await sweeps(each.list, each.means)).map((own) => own.length)).toEqual([3, 3]);
  });

  it("begin no pass that would end after the run's time, and take a shorter one instead", async () => {
    let turn = 0;
    const costs = { wild1: 40, wild2: 9 };
    const { list, means, time } = stage({ whole: 100 }, costs, () => 1 + (turn++ % 3));
    const passes = await sweeps(list, means);
    expect(passes.map((own) => own.length)).toEqual([2, 2]);
    expect(time()).toBe(98);
  });

  it("spend what time is left where two runs would differ most", async () => {
    let turn = 0;
    const wild = () => (turn++ < 2 ? 1 : 1.4);
    const { list, means } = stage({ whole: 85 }, { calm: 10, wild: 10, wildLong: 15 }, wild);
    const passes = await sweeps(list, means);
    expect(passes.map((own) => own.length)).toEqual([2, 3, 2]);
  });

  it("ask anew after a minute what is due, so that the least sure rows come again soon", async () => {
    let turn = 0;
    const wild = () => (turn++ % 2 ? 1 : 1.6);
    const costs = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`calm${n}`, 10]));
    const { list, means, order } = stage({ each: 500 }, { ...costs, wild: 10 }, wild);
    await sweeps(list, means);
    expect(
      order()
        .slice(2, 5)
        .map((names) => names[0]),
    ).toEqual(["wild", "wild", "wild"]);
    expect(order()[2]).toHaveLength(7);
  });

  it("leave a first run that installs and builds for minutes within its 15, with fewer passes", async () => {
    expect(limitsAfter(20, FULL)).toEqual(FULL);
    const costs = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`calm${n}`, 12]));
    const { list, means, time } = stage(limitsAfter(300, FULL), costs, () => 1);
    await sweeps(list, means);
    expect(time()).toBeGreaterThan(480);
    expect(300 + time()).toBeLessThanOrEqual(15 * 60 - 60);
    expect(limitsAfter(1000, FULL).whole).toBe(0);
  });

  it("are one in a quick run", async () => {
    const { list, means, order } = stage(QUICK, { wild: 1, calm: 1 }, () => 1);
    await sweeps(list, means);
    expect(order()).toEqual([["wild", "calm"]]);
  });

  it("make two runs agree within 25 % where one pass, or a median, is the one mode or the other", async () => {
    // Half of all processes are 1.3 times as fast as the other half, and all differ by 5 %.
    const random = randomOf(20_261_121);
    const draw = () => (random() < 0.5 ? 1 : 1.3) * (0.95 + 0.1 * random());
    const differ = (a: number, b: number) => Math.max(a / b, b / a) > 1.25;
    const run = async () => {
      const { list, means } = stage({}, { wild: 5 }, draw);
      return meanRatio((await sweeps(list, means))[0]!.map(([row]) => row!.ratio!));
    };
    let apart = 0;
    let single = 0;
    for (let pair = 0; pair < 300; pair++) {
      if (differ(await run(), await run())) apart++;
      if (differ(draw(), draw())) single++;
    }
    expect(single).toBeGreaterThan(100);
    expect(apart).toBeLessThan(10);
  });
});

describe("aims", () => {
  const figures = { count: 9, median: 2, p99: 9, max: 9, spread: 0 };
  it("are judged by the merged figures, each bound by its kind", () => {
    const own = (more: Partial<Row>): Row => ({ ...head, who: "Berth", figures, ...more });
    const met = (row: Row, ...others: Row[]) => judged([row, ...others])[0]!.met;
    const ratio = (ratio: number) =>
      met(own({ ratio, aim: { text: ">= 10 x", of: "ratio", least: 10 } }));
    expect([ratio(10), ratio(9.9), ratio(Number.NaN)]).toEqual([true, false, false]);
    const median = (below: number) => met(own({ aim: { text: "", of: "median", below } }));
    expect([median(2.1), median(2)]).toEqual([true, false]);
    expect(met(own({ aim: { text: "", of: "value", most: 1 } }))).toBe(false);
    expect(judged([own({})])[0]).not.toHaveProperty("met");
    expect(judged([own({ missing: "no", aim: { text: "", of: "median" } })])[0]!.met).toBe(
      undefined,
    );
  });

  it("compare with another row of the table, and say how far it is", () => {
    const empty: Row = { ...head, what: "empty", who: "Berth", figures: { ...figures, p99: 4 } };
    const than = { what: "empty", who: "Berth" };
    const full: Row = {
      ...head,
      who: "Berth",
      figures,
      aim: {
        text: "< 12 ns",
        of: "median",
        below: 12,
        and: { text: "p99 <= 2 x", of: "p99", most: 2, than },
      },
    };
    const [row] = judged([full, empty]);
    expect(row).toMatchObject({ target: "< 12 ns, p99 <= 2 x", met: false });
    expect(row!.note).toBe("p99 2.25 x that of empty");
    const slow = { ...full, figures: { ...figures, median: 12, p99: 4 } };
    expect(judged([slow, empty])[0]!.met).toBe(false);
    expect(judged([{ ...full, figures: { ...figures, p99: 4 } }, empty])[0]!.met).toBe(true);
    const floor: Row = {
      ...head,
      unit: "ms",
      who: "empty program",
      figures: { ...figures, median: 1.9 },
      aim: { text: "<= +0.15", of: "above", most: 0.15, than: { who: "Berth" } },
    };
    const rows = [floor, { ...head, who: "Berth", figures }];
    expect(judged(rows)[0]).toMatchObject({ met: true, note: "Berth +0.100 ms" });
    expect(judged([floor])[0]!.met).toBe(false);
  });
});

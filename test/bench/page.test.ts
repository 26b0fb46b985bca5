// The page of results is made from a run's JSON and nothing else; what falls short is on it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Row } from "../../bench/method/row.ts";
import { filesOf, pageOf, type Result, readResult, resultPath } from "../../bench/report/page.ts";
import { type Plot, svg } from "../../bench/report/plot.ts";
import { root } from "../../scripts/native.mjs";

const figures = { count: 100, median: 2, p99: 3, max: 4, spread: 0.1 };
const add = (held: string, who: string, median: number): Row => ({
  suite: "plugin",
  table: "one call, dual stack, spawn to exit",
  what: `ADD, ${held} held`,
  who,
  unit: "ms",
  figures: { ...figures, median },
});
const size = (prefix: string, who: string, median: number): Row => ({
  suite: "core",
  table: "first free: release one, allocate one",
  what: `${prefix}, 99 % full`,
  who,
  unit: "ns",
  figures: { ...figures, median },
});
const missed = { ratio: 8, beside: "Berth", target: ">= 10 x", met: false };
const result: Result = {
  machine: {
    berth: "1.0.0",
    commit: "abc",
    node: "v20",
    v8: "11",
    system: "linux",
    processor: "one",
    cores: 2,
    compiler: "gcc 12",
    clockStep: 30,
  },
  seed: 42,
  size: "full",
  turn: 1,
  load: 0.1,
  seconds: 600,
  warnings: ["other work was running"],
  rows: [
    size("/24", "Berth", 10),
    size("/16", "Berth", 11),
    size("/16", "a|b <c>", 900),
    { suite: "core", table: "t", what: "w", who: "absent", unit: "ns", missing: "no | compiler" },
    add("0", "berth v1.0.0", 0.2),
    add("1,000", "berth v1.0.0", 0.21),
    { ...add("1,000", "host-local 1.9.1", 20), ...missed },
    { ...add("1,000", "berth v1.0.0, 0 held", 0.2) },
  ],
};

describe("the page", () => {
  it("names each missed target with its reason, what is left out, and the run's warnings", () => {
    const page = pageOf(result);
    expect(page).toMatch(
      /## What falls short\n\n- ADD, 1,000 held, host-local 1\.9\.1: 2?0 ms, 8 x Berth; asked for: >= 10 x\. In alternation/,
    );
    expect(page).toContain("**Warning:** other work was running.");
    expect(page).toContain("| w | absent | left out: no \\| compiler |");
    expect(page).toContain("Seed 42, load before 0.10");
    expect(pageOf({ ...result, rows: result.rows.slice(0, 3) })).toContain("Every target was met.");
  });

  it("draws a line for each allocator, in light and dark, with every name escaped", () => {
    const files = filesOf(result);
    expect([...files.keys()]).toEqual([
      "docs/BENCHMARKS.md",
      ...["held", "size"].flatMap((name) => [
        `docs/plots/${name}-light.svg`,
        `docs/plots/${name}-dark.svg`,
      ]),
    ]);
    const held = files.get("docs/plots/held-dark.svg")!;
    // Two points of Berth, one of host-local; Berth's other network isn't a line of its own.
    expect(held.match(/<circle/g)).toHaveLength(3);
    expect(files.get("docs/plots/size-light.svg")).toContain(">a|b &lt;c></text>");
    for (const [path, text] of files)
      if (path.endsWith(".svg")) expect([path, text.match(/NaN|undefined/)]).toEqual([path, null]);
  });

  it("refuses to draw nothing", () => {
    const plot: Plot = {
      title: "t",
      xLabel: "",
      yLabel: "",
      xTicks: [],
      yText: String,
      series: [],
    };
    expect(() => svg(plot, "light")).toThrow('nothing to draw in "t"');
  });

  it("in docs/ is what the results in bench/results make", () => {
    if (!existsSync(resultPath())) return;
    for (const [path, text] of filesOf(readResult()))
      expect([path, readFileSync(join(root, path), "utf8") === text]).toEqual([path, true]);
  });
});

// The page of results is made from a run's JSON and nothing else; what falls short is on it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { judged } from "../../bench/method/aim.ts";
import type { Row } from "../../bench/method/row.ts";
import { tablesText } from "../../bench/method/table.ts";
import { COLD_TABLE, fasterAim } from "../../bench/plugin/calls.ts";
import { filesOf, pageOf } from "../../bench/report/page.ts";
import { type Plot, svg } from "../../bench/report/plot.ts";
import { reasonOf } from "../../bench/report/reasons.ts";
import { type Result, readResult, resultPath } from "../../bench/report/result.ts";
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
    fileSystem: "ext4",
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

/** How many points are drawn, and marks beside a name. */
function marksOf(drawn: string) {
  const xs = [...drawn.matchAll(/class="mark"[^>]*translate\(([\d.]+) /g)].map(([, x]) =>
    Number(x),
  );
  const right = Math.max(...xs);
  const names = xs.filter((x) => x === right).length;
  return { points: xs.length - names, names };
}

/** Of two colours as #rrggbb: how far they lie apart in red, green and blue. */
function distance(a: string, b: string): number {
  const parts = (text: string) =>
    [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
  const other = parts(b);
  return Math.hypot(...parts(a).map((value, at) => value - other[at]!));
}

describe("the page", () => {
  it("names each missed target with its reason, what is left out, and the run's warnings", () => {
    const page = pageOf(result);
    expect(page).toMatch(
      /## What falls short\n\n- ADD, 1,000 held, host-local 1\.9\.1: 20 ms, 8 x Berth; asked for: >= 10 x\. In alt/,
    );
    expect(page).toContain("**Warning:** other work was running.");
    expect(page).toContain("| w | absent | left out: no \\| compiler |");
    expect(page).toContain("Seed 42, load before 0.10");
    const met = { ...add("0", "host-local 1.9.1", 20), ...missed, met: true };
    expect(pageOf({ ...result, rows: [met] })).toContain("\n\nEvery target was met.\n\n");
  });

  it("takes nothing for met, and no peer for slower, that wasn't measured", () => {
    const own = result.rows.slice(0, 2);
    const alone = pageOf({ ...result, rows: own });
    expect(alone).toContain("## What falls short\n\nNo target was measured.\n\n## ");
    expect(alone).toContain("## Where a peer is faster\n\nNo peer was measured.\n\n## ");
    const head = { suite: "plugin", table: "t", what: "ADD, 0 held", unit: "ms" } as const;
    const aim = fasterAim(10);
    const absent = judged([{ ...head, who: "host-local", missing: "no network", aim }]);
    const line = "- ADD, 0 held, host-local: not measured (no network); asked for: >= 10 x.\n";
    expect(pageOf({ ...result, rows: [...own, ...absent] })).toContain(
      `No target was measured.\n\n${line}`,
    );
    const met = { ...add("0", "host-local 1.9.1", 20), ...missed, met: true };
    expect(pageOf({ ...result, rows: [met, ...absent] })).toContain(
      `## What falls short\n\n${line}`,
    );
  });

  it("shows neither p99 nor spread of a single value", () => {
    const single = { count: 1, median: 9, p99: 9, max: 9, spread: 0 };
    const row = { ...add("60,000", "one storm", 9), figures: single };
    expect(pageOf({ ...result, rows: [row] })).toContain("| one storm | 9 ms |  |  |  |");
    expect(tablesText([row])).toMatch(/one storm +9 ms\n?$/);
    const two = { ...row, figures: { ...single, count: 2 } };
    expect(pageOf({ ...result, rows: [two] })).toContain("| one storm | 9 ms | 9 | 0 % |");
  });

  it("says where Berth's build with glibc is the faster one, by the rows", () => {
    const cold = (what: string, ratio: number): Row => ({
      ...add(what, "berth with glibc", 1),
      table: COLD_TABLE,
      ratio,
      beside: "Berth",
    });
    const page = (...ratios: number[]) =>
      pageOf({ ...result, rows: ratios.map((ratio, at) => cold(String(at), ratio)) });
    expect(page(0.7, 0.8, 1.1)).toContain("takes 0.7 to 0.8 times as long as the shipped one");
    expect(page(0.7, 0.8, 1.1)).toContain("in 2 of 3 rows");
    expect(page(0.7)).toContain("takes 0.7 times as long");
    expect(page(1.1)).not.toContain("shipped one");
  });

  it("says of a missed target only what holds on any machine", () => {
    const whys = [
      ...[">= 10 x", "Berth <= +0.15 ms", "<= 1.2 x"].map((target) => ({
        suite: "plugin",
        target,
      })),
      ...["take and give by slot", "take and give inside WebAssembly", "snapshots"].map(
        (table) => ({
          suite: "core",
          table,
        }),
      ),
      { suite: "core", table: "take and give by slot", what: "/8, 99 % full: take" },
      ...["64 at once", "1 at once", "open 1 MB"].map((what) => ({ suite: "store", what })),
    ].map((one) => reasonOf({ ...add("60,000", "w", 1), ...one }));
    expect(new Set(whys).size).toBe(whys.length);
    for (const why of whys) expect(why).not.toMatch(/\d\.\d|Not explained|are met|in this run/);
  });

  it("tells what its values are of, and which rows are about held addresses", () => {
    const page = pageOf(result).replaceAll("\n", " ");
    expect(page).toContain("the greatest of fewer than 100 values");
    expect(page).toContain("p99 is of such samples and not of single calls");
    expect(page).toContain("A caller waits about 64 times as long");
    expect(page).toContain(
      'For the cost over held addresses look at its rows "after a small program"',
    );
  });

  it("says where a peer is faster, how far the passes lay apart, and how sure the run is", () => {
    const beside = { beside: "Berth", passes: [0.4, 0.6], error: 0.07 };
    const peer: Row = { ...size("/24", "quick set", 5), ...beside, ratio: 0.5 };
    const floor: Row = { ...add("0", "empty program, musl", 0.1), ...beside, ratio: 0.6 };
    const page = pageOf({ ...result, rows: [...result.rows, peer, floor] });
    expect(page).toContain(
      "## Where a peer is faster\n\n" +
        "- quick set, first free: release one, allocate one: /24, 99 % full (0.5 x)\n\n## ",
    );
    expect(page).toMatch(/\| quick set \| 5 ns .* \| 0\.5 x Berth \| 0\.4 to 0\.6, 2 \|/);
    expect(page).toMatch(/Everything is measured in passes/);
    expect(page).toContain("0 of 2 ratios of several passes are settled");
    const before = pageOf(result);
    expect(before).toContain("No peer was faster than Berth in any row.");
    expect(before).not.toContain("Everything is measured in passes");
  });

  it("explains what the peers in Go are beside, where there are any", () => {
    const own = size("/16", "Berth, by turns with Go", 40);
    const page = pageOf({ ...result, rows: [...result.rows, own] });
    expect(page).toContain('"Berth, by turns with Go" has a row of its own');
    expect(page).toContain("as IPAddress objects");
    expect(pageOf(result)).not.toContain("has a row of its own");
    // It is no line of the plot: it would be Berth's a second time, at one size.
    const drawn = filesOf({ ...result, rows: [...result.rows, own] });
    expect(drawn.get("docs/plots/size-light.svg")).toBe(
      filesOf(result).get("docs/plots/size-light.svg"),
    );
  });

  it("explains what Calico is beside, and draws all whom a whole run can have", () => {
    const whos = [
      ...["Berth", "naive Set", "typedfastbitset", "roaring-wasm", "ip-address"],
      ...["Berth, by turns with Go", "Berth with owners, by turns with Go"],
      ...["Kubernetes services", "go-ipam", "Calico"],
    ];
    const whole = {
      ...result,
      rows: [...whos.map((who) => size("/16", who, 9)), add("0", "berth v1.0.0", 1)],
    };
    const drawn = filesOf(whole).get("docs/plots/size-light.svg");
    expect(drawn).toContain(">Berth with owners</text>");
    expect(drawn?.match(/<polyline/g)).toHaveLength(9);
    expect(pageOf(whole)).toContain("Calico does, so it is beside");
    expect(pageOf(result)).not.toContain("Calico does");
  });

  it("says on which file system the states lay, where the result does", () => {
    expect(pageOf(result)).toContain("gcc 12, temporary files on ext4. Seed");
    const { fileSystem: _, ...machine } = result.machine;
    const before = { ...result, machine: machine as Result["machine"] };
    expect(pageOf(before)).toContain("gcc 12. Seed");
  });

  it("shows a situation's hash once, and that the others' is the same", () => {
    const rows = ["a", "b", "c"].map((who) => ({ ...size("/8", who, 1), hash: "f00d" }));
    const lines = pageOf({ ...result, rows }).split("\n");
    const last = (who: string) =>
      lines
        .find((line) => line.includes(`| ${who} |`))
        ?.split("|")
        .at(-2);
    expect(["a", "b", "c"].map(last)).toEqual([" hash f00d ", " same hash ", " same hash "]);
  });

  it("draws Berth's calls right after a large process as a line of their own", () => {
    const table = "one ADD of Berth, by what ran right before it";
    const held = (count: string) => ({ ...add(count, "after host-local or Node", 0.3), table });
    const rows = [...result.rows, held("0"), held("1,000"), held("60,000")];
    const drawn = filesOf({ ...result, rows }).get("docs/plots/held-light.svg")!;
    expect(drawn).toContain(">Berth right after one of them</text>");
    // Three points and the mark beside each of three names, one of it Berth's second line.
    expect(marksOf(drawn)).toEqual({ points: 6, names: 3 });
  });

  it("draws no point of that line from a handful of calls", () => {
    const table = "one ADD of Berth, by what ran right before it";
    const held = (count: string, calls: number) => ({
      ...add(count, "after host-local or Node", 0.3),
      table,
      figures: { ...figures, count: calls },
    });
    const rows = [...result.rows, held("0", 20), held("60,000", 19)];
    const drawn = filesOf({ ...result, rows }).get("docs/plots/held-light.svg")!;
    expect(marksOf(drawn)).toEqual({ points: 4, names: 3 });
    expect(drawn).not.toContain(">60,000</text>");
  });

  it("says that both axes are logarithmic, and who gives another address than the first", () => {
    const plain = filesOf(result);
    for (const name of ["held", "size"]) {
      const drawn = plain.get(`docs/plots/${name}-dark.svg`)!;
      expect(drawn.match(/>[^<]*logarithmic[^<]*</g)).toHaveLength(2);
    }
    expect(plain.get("docs/plots/size-light.svg")).not.toContain("own policy");
    const own = { ...size("/16", "Kubernetes", 40), note: "own policy: random, 50 releases" };
    const drawn = filesOf({ ...result, rows: [...result.rows, own] });
    expect(drawn.get("docs/plots/size-light.svg")).toMatch(
      />One call, [^<]*\(\*: own policy\)<(.|\n)*>Kubernetes, random \*</,
    );
  });

  it("gives each line a colour and a mark of its own, and refuses more lines than it has", () => {
    const peers = (count: number): Plot => ({
      title: "t",
      xLabel: "",
      yLabel: "",
      xTicks: [
        [1, "1"],
        [2, "2"],
      ],
      yText: String,
      series: Array.from({ length: count }, (_, at) => ({ name: `n${at}`, points: [[1, 5]] })),
    });
    for (const theme of ["light", "dark"] as const) {
      const drawn = svg(peers(9), theme);
      const looks = [...drawn.matchAll(/<path class="mark" (d="[^"]*") [^>]*(fill="[^"]*")/g)];
      expect(new Set(looks.map(([, shape, fill]) => shape! + fill)).size).toBe(9);
      const colours = [...drawn.matchAll(/<text [^>]*fill="(#\w+)"[^>]*>n\d</g)].map(([, c]) => c!);
      expect(colours).toHaveLength(9);
      for (const [at, one] of colours.entries())
        for (const other of colours.slice(0, at)) expect(distance(one, other)).toBeGreaterThan(50);
    }
    expect(() => svg(peers(10), "light")).toThrow('"t" has 10 lines, and there are colours for 9');
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
    expect(marksOf(held)).toEqual({ points: 3, names: 2 });
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

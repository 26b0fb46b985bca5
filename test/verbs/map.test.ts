// `berth map`: where each address lies on the curve, as letters, in colours, as SVG.

import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { openIpam } from "../../src/ipam/ipam.ts";
import { berths, rounds } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, type Network, network, removeAll } from "../plugin/support/space.ts";
import { berth, lines, told } from "./support.ts";

afterAll(removeAll);

interface Picture {
  shown: string;
  cellBits: number;
  columns: number;
  rows: number;
  cells: string[];
}

/** Points of a Hilbert curve of 4^order, by its definition: four smaller ones, two of them turned. */
function curve(order: number): [number, number][] {
  if (order === 0) return [[0, 0]];
  const side = 2 ** (order - 1);
  const part = curve(order - 1);
  return [
    ...part.map(([x, y]): [number, number] => [y, x]),
    ...part.map(([x, y]): [number, number] => [x + side, y]),
    ...part.map(([x, y]): [number, number] => [x + side, y + side]),
    ...part.map(([x, y]): [number, number] => [side - 1 - y, 2 * side - 1 - x]),
  ];
}

/** The letters in the order of the curve. */
function alongCurve(picture: Picture): string {
  const order = Math.ceil(Math.log2(picture.columns * picture.rows) / 2);
  const length = picture.columns * picture.rows;
  return curve(order)
    .slice(0, length)
    .map(([x, y]) => picture.cells[y]![x])
    .join("");
}

const runsOf = (text: string) =>
  (text.match(/(.)\1*/g) ?? []).map((run) => `${run[0]}${run.length}`).join(" ");

describe.each(berths)("$name: map", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let dir: string;

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    dir = folder();
  });
  afterEach(() => caller.close());

  const net = (ranges: object[][], ipam: object = {}): Network =>
    network(dir, ranges as Network["ipam"]["ranges"], ipam);
  const map = (...more: string[]) => berth(binary, "map", "--data-dir", dir, ...more);
  const pictures = (...more: string[]): Picture[] => {
    const [first] = told(binary, "map", "--data-dir", dir, ...more);
    const sets = first!.sets as unknown as { ranges: Picture[] }[];
    return sets.flatMap((set) => set.ranges);
  };

  it("puts every address in its place on the curve", async () => {
    const n = net([[{ subnet: "10.5.0.0/26", exclude: ["10.5.0.16/28"] }]], { cooldown: 60 });
    for (const id of ["a", "b", "c"]) await p.given(n, id);
    await p.gone(n, "b");
    const [picture] = pictures();
    expect([picture!.shown, picture!.columns, picture!.rows]).toEqual(["10.5.0.0/26", 8, 8]);
    // .0 is outside, .1 the gateway, .2 to .4 were given, .63 is the broadcast address
    expect(runsOf(alongCurve(picture!))).toBe(" 1 X1 H1 C1 H1 .11 X16 .31  1");
  });

  it("draws an odd number of bits as the upper half of a square", async () => {
    const n = net([[{ subnet: "10.5.0.0/27" }]]);
    await p.given(n, "a");
    const [picture] = pictures();
    expect([picture!.columns, picture!.rows]).toEqual([8, 4]);
    expect(runsOf(alongCurve(picture!))).toBe(" 1 X1 H1 .28  1");
  });

  it("bins what is larger: capitals from half of a cell on", async () => {
    const range = { subnet: "10.5.0.0/18", rangeStart: "10.5.0.0", rangeEnd: "10.5.63.255" };
    const n = net([[{ ...range, gateway: "10.5.63.254", exclude: ["10.5.32.0/20"] }]]);
    const count = rounds(binary, 9, 5);
    for (let i = 0; i < count; i++) await p.given(n, `c${i}`);
    const [picture] = pictures();
    expect([picture!.cellBits, picture!.columns, picture!.rows]).toEqual([2, 64, 64]);
    const held = count === 9 ? "H2 h1 .2045" : "H1 h1 .2046";
    expect(runsOf(alongCurve(picture!))).toBe(`${held} X1024 .1023 x1`);
  });

  it("shows of an IPv6 range the part that is in use, and all of it if that is wanted", async () => {
    await p.given(net([[{ subnet: "fd05::/64" }]]), "a");
    expect(pictures()[0]).toMatchObject({ shown: "fd05::/116", cellBits: 0 });
    expect(runsOf(alongCurve(pictures()[0]!))).toBe(" 1 X1 H1 .4093");
    expect(pictures("--whole")[0]).toMatchObject({ shown: "fd05::/64", cellBits: 52 });
    expect(runsOf(alongCurve(pictures("--whole")[0]!))).toBe("h1 .4095");
    expect(map().out).toContain("fd05::/118, an address a cell; only this part");
  });

  it("writes letters where nobody looks, colours with --color, and the legend of each", async () => {
    await p.given(net([[{ subnet: "10.5.0.0/28" }]]), "a");
    for (const said of [map(), map("--plain")]) {
      expect(said.out).not.toContain("\u001b");
      expect(lines(said.out).slice(7, 11)).toEqual([
        "   . . .",
        " X H . .",
        " . . . .",
        "   . . .",
      ]);
      expect(said.out).toContain("H held");
    }
    const coloured = map("--color").out;
    expect(coloured).toContain("\u001b[38;5;27m");
    for (const line of lines(coloured)) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is counted.
      expect(line.replace(/\u001b\[[0-9;]*m/g, "").length).toBeLessThanOrEqual(80);
      if (line.includes("\u001b")) expect(line).toContain("\u001b[0m");
    }
    expect(map("--color", "--plain").status).toBe(2);
    expect(map("--set", "x").status).toBe(2);
  });

  it("makes one SVG document, whose areas are what is held, for light and dark", async () => {
    const n = net([[{ subnet: "10.5.0.0/26" }], [{ subnet: "fd05::/122" }]], { cooldown: 60 });
    for (const id of ["a", "b", "c", "d"]) await p.given(n, id);
    await p.gone(n, "a");
    const said = map("--svg");
    expect([said.status, said.err]).toEqual([0, ""]);
    expect(said.out).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*>\n/);
    expect(said.out).toContain("@media(prefers-color-scheme:dark)");
    const open: string[] = [];
    for (const [, close, tag, rest] of said.out.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
      if (close) expect(open.pop()).toBe(tag);
      else if (!rest!.endsWith("/")) open.push(tag!);
    }
    expect(open).toEqual([]);
    const area = (letter: string) =>
      [...said.out.matchAll(new RegExp(`<path class="${letter}" d="([^"]*)"`, "g"))].map(([, d]) =>
        [...d!.matchAll(/M\d+ \d+h(\d+)v1h-(\d+)z/g)].reduce((sum, [, run, back]) => {
          expect(back).toBe(run);
          return sum + Number(run);
        }, 0),
      );
    expect(area("H")).toEqual([3, 3]);
    expect(area("C")).toEqual([1, 1]);
    expect(area("X")).toEqual([1, 1]);
    expect(area("F")).toEqual([57, 58]);
  });

  it("wants one network for an SVG, and takes the set that is named", async () => {
    const n = net([[{ subnet: "10.5.0.0/26" }], [{ subnet: "fd05::/122" }]]);
    await p.given(n, "a");
    expect(pictures("--set", "1").map((one) => one.shown)).toEqual(["fd05::/122"]);
    await p.given({ ...n, name: "blue" }, "a");
    const said = map("--svg");
    expect([said.status, said.out]).toEqual([1, ""]);
    expect(said.err).toContain("--network");
    expect(map("--svg", "--network", "blue").out).toContain("blue, set 0");
    openIpam(path.join(n.ipam.dataDir, "library")).close();
    const unknown = map("--svg", "--network", "library");
    expect([unknown.status, unknown.out]).toEqual([1, ""]);
    expect(unknown.err).toContain("the network's ranges aren't known, to be drawn");
    for (const more of [[], ["--svg"], ["--json"]]) {
      const none = map("--network", "blue", "--set", "2", ...more);
      expect([more, none.status]).toEqual([more, 1]);
      expect(none.out + none.err).toContain("there is no range set 2, the network has 2, counted");
      expect(none.out).not.toContain("<svg");
    }
  });
});

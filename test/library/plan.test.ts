// Laws of prefixLengthFor, planCluster and `berth plan`.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { overlaps, parsePrefix } from "../../src/address.ts";
import { planCommand } from "../../src/cli/plan.ts";
import { planCluster, prefixLengthFor } from "../../src/cluster/plan.ts";
import { createPrefixPool } from "../../src/cluster/prefixpool.ts";
import { answerOf } from "../support/codes.ts";

/** The warnings of a plan, by code. */
function codes(needs: Parameters<typeof planCluster>[0]): string[] {
  return planCluster(needs).warnings.map(({ code }) => code);
}

describe("prefixLengthFor", () => {
  it("is GKE's table at the default headroom: 8 pods a /28, 110 a /24", () => {
    const table = {
      8: 28,
      9: 27,
      16: 27,
      17: 26,
      32: 26,
      33: 25,
      64: 25,
      65: 24,
      110: 24,
      128: 24,
    };
    const given = Object.keys(table).map((pods) => [pods, prefixLengthFor(Number(pods))]);
    expect(Object.fromEntries(given)).toEqual(table);
  });

  it("counts what no pod gets: a /24 holds 253 pods without headroom, in IPv6 a /120 holds 254", () => {
    expect([252, 253, 254].map((pods) => prefixLengthFor(pods, 1))).toEqual([24, 24, 23]);
    expect([253, 254, 255].map((pods) => prefixLengthFor(pods, 1, 6))).toEqual([120, 120, 119]);
  });

  it("is the longest that holds them: no longer one does, for any pods and headroom", () => {
    const pods = fc.integer({ min: 1, max: 1 << 20 });
    const headroom = fc.double({ min: 1, max: 16, noNaN: true });
    const law = (maxPods: number, factor: number, family: 4 | 6) => {
      const width = family === 4 ? 32 : 128;
      const need = Math.max(maxPods * factor, maxPods + (family === 4 ? 3 : 2));
      const size = 2 ** (width - prefixLengthFor(maxPods, factor, family));
      expect(size >= need && size / 2 < need).toBe(true);
    };
    fc.assert(fc.property(pods, headroom, fc.constantFrom(4, 6), law));
  });

  it("refuses what is no number of pods, no headroom, no family, and more than IPv4 has", () => {
    for (const pods of [0, -1, 1.5, Number.NaN, "110", undefined, 2 ** 41])
      expect(answerOf(() => prefixLengthFor(pods as number))).toBe("invalid");
    for (const headroom of [0.5, 0, Number.NaN, Number.POSITIVE_INFINITY, "2", 1025])
      expect(answerOf(() => prefixLengthFor(110, headroom as number))).toBe("invalid");
    expect(answerOf(() => prefixLengthFor(110, 2, 5 as 4))).toBe("invalid");
    expect(answerOf(() => prefixLengthFor(2 ** 32, 2))).toBe("tooLarge");
    expect(prefixLengthFor(2 ** 31, 2)).toBe(0);
  });
});

describe("planCluster", () => {
  it("says what a count may be", () => {
    const many = { nodes: 2 ** 41, podsPerNode: 1, clusterPrefixes: "10.0.0.0/8" };
    expect(() => planCluster(many)).toThrow("is not a whole number from 1 to 2^40");
  });

  const needs = { nodes: 5000, podsPerNode: 110, clusterPrefixes: ["10.0.0.0/8", "fd00::/48"] };

  it("plans both families: 5,000 nodes with 110 pods from a /8 and a /48", () => {
    const plan = planCluster({ ...needs, servicePrefixes: ["10.96.0.0/12", "fd01::/108"] });
    const [four, six] = plan.families;
    expect(plan).toMatchObject({ fits: true, nodesMax: 61440, headroom: 2 });
    expect(four).toMatchObject({ length: 24, nodes: 61440, lostToServices: 4096, spare: 56440 });
    expect(four!.wasted).toBeCloseTo(146 / 256);
    expect(six).toMatchObject({ family: 6, length: 64, nodes: 65536, spare: 60536 });
    expect(plan.services.map(({ usable }) => usable)).toEqual([1_048_574, 1_048_575]);
  });

  it("says as many nodes as a pool of that length gives, services kept out of it", () => {
    const small = fc.record({
      nodes: fc.integer({ min: 1, max: 40 }),
      podsPerNode: fc.integer({ min: 1, max: 60 }),
      clusterPrefixes: fc.subarray(["10.0.0.0/22", "10.1.0.0/24", "fd00::/60"], { minLength: 1 }),
      servicePrefixes: fc.subarray(["10.0.1.0/25", "10.1.0.192/26", "fd00:0:0:8::/62"]),
      headroom: fc.constantFrom(1, 2, 4),
    });
    const law = (about: Parameters<typeof planCluster>[0]) => {
      for (const { family, length, nodes, clusterPrefixes } of planCluster(about).families) {
        const room = clusterPrefixes.filter((text) => Number(text.split("/")[1]) <= length);
        const touches = (service: string) =>
          room.some((text) => overlaps(parsePrefix(text), parsePrefix(service)));
        const exclude = (about.servicePrefixes as string[]).filter(touches);
        const pool = createPrefixPool(room, { length: { [family]: length }, exclude });
        let given = 0;
        while (answerOf(() => pool.allocate()) !== "exhausted") given++;
        pool.close();
        expect([family, nodes]).toEqual([family, given]);
      }
    };
    fc.assert(fc.property(small, law), { numRuns: 60 });
  });

  it("gives IPv6 nodes a /64 where they fit, else what fits", () => {
    const length = (nodes: number, prefix: string) =>
      planCluster({ nodes, podsPerNode: 110, clusterPrefixes: prefix }).families[0]!.length;
    expect(length(65_536, "fd00::/48")).toBe(64);
    expect(length(65_537, "fd00::/48")).toBe(65);
    expect(length(100, "fd00::/108")).toBe(115);
    expect(length(4096, "fd00::/108")).toBe(120);
    expect(length(5000, "fd00::/108")).toBe(120);
  });

  it("warns of Kubernetes' limits, each by its code", () => {
    const one = { nodes: 10, podsPerNode: 60, clusterPrefixes: "10.0.0.0/16" };
    expect(codes(one)).toEqual(["wasted"]);
    expect(codes({ ...one, nodes: 600 })).toEqual(["nodesDontFit", "wasted"]);
    expect(codes({ ...one, length: 30 })).toEqual(["podsDontFit"]);
    expect(codes({ ...one, length: 26, podsPerNode: 61 })).toEqual(["lessHeadroom"]);
    expect(codes({ ...one, length: 26, podsPerNode: 62 })).toEqual(["podsDontFit"]);
    expect(codes({ ...one, clusterPrefixes: "10.0.0.0/8" })).toEqual(["wasted", "maskDifference"]);
    expect(codes({ ...one, clusterPrefixes: "fd00::/48" })).toEqual([]);
    expect(codes({ ...one, clusterPrefixes: "fd00::/47" })).toEqual(["maskDifference"]);
    expect(codes({ ...one, clusterPrefixes: "fd00::/108" })).toEqual(["not64"]);
    expect(codes({ ...one, clusterPrefixes: ["10.0.0.0/16", "10.1.0.0/16"] })).toEqual([
      "wasted",
      "severalPrefixes",
    ]);
    expect(codes({ ...one, clusterPrefixes: ["10.0.0.0/16", "10.9.0.0/26"] })).toContain(
      "clusterTooSmall",
    );
    expect(codes({ ...one, nodes: 1, podsPerNode: 1, length: 31 })).toEqual([
      "podsDontFit",
      "tooLongForHostLocal",
    ]);
    expect(codes({ ...needs, clusterPrefixes: "fd00::/48" })).toEqual(["largeCluster"]);
    expect(codes({ ...one, podsPerNode: 111, clusterPrefixes: "fd00::/48" })).toEqual([
      "densePods",
    ]);
  });

  it("warns of service prefixes that overlap, are too large or too small, or of no family", () => {
    const one = { nodes: 10, podsPerNode: 60, clusterPrefixes: "fd00::/48" };
    const services = (servicePrefixes: string) => codes({ ...one, servicePrefixes });
    expect(services("fd01::/108")).toEqual([]);
    expect(services("fd01::/107")).toEqual(["serviceTooLarge"]);
    expect(services("fd01::/63")).toEqual(["serviceTooLarge"]);
    expect(services("fd01::/125")).toEqual(["serviceTooSmall"]);
    expect(services("fd00::/112")).toEqual(["serviceOverlap"]);
    expect(services("10.96.0.0/12")).toEqual(["serviceFamily"]);
    expect(services("10.0.0.0/11")).toEqual(["serviceTooLarge", "serviceFamily"]);
  });

  it("refuses wrong input with a code", () => {
    const bad = (more: object) => answerOf(() => planCluster({ ...needs, ...more }));
    expect(answerOf(() => planCluster(undefined as never))).toBe("invalid");
    expect(bad({ nodes: 0 })).toBe("invalid");
    expect(bad({ podsPerNode: 1.5 })).toBe("invalid");
    expect(bad({ headroom: "2" })).toBe("invalid");
    expect(bad({ clusterPrefixes: [] })).toBe("invalid");
    expect(bad({ clusterPrefixes: 7 })).toBe("invalid");
    expect(bad({ clusterPrefixes: "10.0.0.1/8" })).toBe("hostBits");
    expect(bad({ clusterPrefixes: ["10.0.0.0/8", "10.1.0.0/16"] })).toBe("overlap");
    expect(bad({ servicePrefixes: ["fd00::/108", "fd00::/110"] })).toBe("overlap");
    expect(bad({ length: 33 })).toBe("invalid");
    expect(bad({ length: { 6: 129 } })).toBe("invalid");
  });
});

describe("berth plan", () => {
  async function run(line: string): Promise<{ status: number; out: string; err: string }> {
    let [out, err] = ["", ""];
    const status = await planCommand(line === "" ? [] : line.split(" "), {
      out: (text) => (out += text),
      err: (text) => (err += text),
    });
    return { status, out, err };
  }

  it("prints a table for people, with the warnings, and ends with 0", async () => {
    const { status, out } = await run("--nodes 100 --pods 110 10.0.0.0/16 fd00::/48");
    expect(status).toBe(0);
    expect(out.split("\n").slice(0, 5)).toEqual([
      "100 nodes with 110 pods each, headroom 2",
      "",
      "      node prefix  addresses  nodes that fit   spare      unused  from",
      "IPv4          /24        256             256     156        57 %  10.0.0.0/16",
      "IPv6          /64       2^64          65,536  65,436  nearly all  fd00::/48",
    ]);
    expect(out).toContain("! IPv4: 146 of the 256 addresses of each node's /24");
    expect(out.trimEnd().split("\n").at(-1)).toBe("All fits.");
  });

  it("ends with 1 where it doesn't fit, and says what would", async () => {
    const { status, out } = await run("--nodes 300 --pods 110 10.0.0.0/16");
    expect(status).toBe(1);
    expect(out).toContain("256 of 300 nodes fit, 44 /24 are missing; with a /25 for each, 512");
    expect(out).toContain("It doesn't fit.");
  });

  it("--json prints the plan itself", async () => {
    const line =
      "--nodes 100 --pods 110 --services 10.96.0.0/12,fd01::/108 --length4 25 10.0.0.0/16";
    const { status, out } = await run(`${line} --headroom 1 --json`);
    const plan = planCluster({
      nodes: 100,
      podsPerNode: 110,
      clusterPrefixes: ["10.0.0.0/16"],
      servicePrefixes: ["10.96.0.0/12", "fd01::/108"],
      length: { 4: 25 },
      headroom: 1,
    });
    expect([status, JSON.parse(out)]).toEqual([0, plan]);
  });

  it("ends with 2 and a word on stderr where the arguments are wrong; --help with 0", async () => {
    const good = "--nodes 10 --pods 10 10.0.0.0/16";
    for (const line of [
      "",
      "10.0.0.0/16",
      "--nodes 10 10.0.0.0/16",
      "--nodes 10 --pods 10",
      "--nodes ten --pods 10 10.0.0.0/16",
      "--nodes 10 --pods 0 10.0.0.0/16",
      "--nodes 10 --pods 10 10.0.0.1/16",
      "--nodes 10 --pods 10 10.0.0.0",
      `${good} --length4 40`,
      `${good} --headroom 0`,
      `${good} --nonsense`,
      `${good} --services 10.0.0.0/33`,
    ]) {
      const { status, out, err } = await run(line);
      expect([line, status, out]).toEqual([line, 2, ""]);
      expect(err).toMatch(/^berth plan: .+\n.*--help/);
    }
    for (const [line, message] of [
      [`${good} --nonsense`, "unknown option --nonsense"],
      [`${good} --header 2`, "unknown option --header"],
      [`${good} --headrom 2`, "unknown option --headrom: use --headroom"],
      [`${good} --nodes 20`, "this option is there twice, say it once: --nodes"],
      [
        `${good} --services --json`,
        "a value is missing behind --services: --json looks like an op",
      ],
      [`${good} --services=`, '--services "": a value is missing, or the option is left out'],
      [`${good} --services`, "a value is missing behind --services"],
      [`${good} --json=1`, "this option takes no value: --json"],
      [`${good} `, '"" is not a prefix'],
      [`${good},`, '"" is not a prefix'],
      [`${good} --length6 64`, "--length6 is for IPv6, of which no prefix is given"],
    ] as const) {
      const { status, out, err } = await run(line);
      expect([line, status, out]).toEqual([line, 2, ""]);
      expect(err).toContain(`berth plan: ${message}`);
    }
    const twice = "--services 10.96.0.0/16 --services=fd01::/108 --json --json";
    expect((await run(`${good} ${twice}`)).status).toBe(0);
    expect((await run(`${good} --help`)).out).toContain("--headroom X");
    expect((await run("--help")).status).toBe(0);
  });
});

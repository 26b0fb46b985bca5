// The cases of Kubernetes' and host-local's own tests, played by the adapter of test/cases; and that
// the adapter doesn't pass what it doesn't know or what is wrong.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Case, playCase, playCases, playText } from "../cases/run.ts";

const here = dirname(fileURLToPath(import.meta.url));
const shared = resolve(here, "../../../shared/cases/kubernetes.json");
const own = join(here, "../cases/own.json");
const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

describe("cases", () => {
  it("of ../shared/cases/kubernetes.json pass", (context) => {
    if (!existsSync(shared)) context.skip("../shared/cases isn't here");
    const { passed, failures } = playCases(read(shared));
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThan(0);
  });

  it("of our own pass, every suite has some", () => {
    const file = read(own);
    const { passed, failures } = playCases(file);
    expect(failures).toEqual([]);
    expect(passed).toBe(file.cases.length);
    const suites = new Set(file.cases.map((one) => one.suite));
    expect([...suites].toSorted()).toEqual([
      "bitmap",
      "cidrset",
      "host-local-range",
      "range-allocator",
      "service-ip",
      "service-math",
    ]);
  });

  it("fail by the name of an operation or a suite that isn't known", () => {
    for (const one of read(own).cases) {
      const [failure] = playCase({ ...one, ops: [{ op: "explode" }], expect: [{}] });
      expect(failure).toContain(`unknown operation "explode" in suite ${one.suite}`);
    }
    const strange = { suite: "strange", name: "x", ops: [], expect: [] };
    expect(playCase(strange)).toEqual(['strange: x: unknown suite "strange"']);
  });

  // Each answer turned into another one: a case that can't fail is no test.
  function turned(key: string, value: unknown): unknown {
    if (key === "error") return value === "any" ? undefined : "none such";
    if (typeof value === "boolean") return !value;
    if (typeof value === "number") return value + 1;
    if (typeof value === "string") return `${value}1`;
    if (key === "inRange") return [1e9, 2e9];
    if (key === "indices") return { from: 7, to: 9 };
    return [...(value as unknown[]), "10.1.1.1"];
  }

  it("fail in whatever key the answer is another one", () => {
    const files = [own, ...(existsSync(shared) ? [shared] : [])];
    let tried = 0;
    for (const one of files.flatMap((file) => read(file).cases)) {
      // Three answers of a case: the first, the last, one between.
      const places = new Set([0, one.expect.length >> 1, one.expect.length - 1]);
      for (const i of places)
        for (const [key, value] of Object.entries(one.expect[i]!)) {
          if (key === "note" || key === "within") continue;
          const expect_ = one.expect.map((e, j) =>
            i === j ? { ...e, [key]: turned(key, value) } : e,
          );
          if (turned(key, value) === undefined) continue;
          tried++;
          const failures = playCase({ ...one, expect: expect_ });
          expect([one.name, i, key, failures.length]).toEqual([one.name, i, key, 1]);
          expect(failures[0]).toContain(`op ${i} `);
        }
    }
    expect(tried).toBeGreaterThan(100);
  });

  it("read leading zeros as Kubernetes does; host-local refuses them", () => {
    const given = {
      name: "zeros",
      ops: [{ op: "allocateNext" }],
      expect: [{ cidr: "10.0.0.0/24" }],
    };
    const cidrset = { suite: "cidrset", clusterCIDR: "010.000.001.0/23", nodeMask: 24, ...given };
    expect(playCase(cidrset)).toEqual([]);
    const ops = [{ op: "canonicalize", range: { subnet: "010.0.0.0/24" } }];
    const expected = [{ error: "any" }];
    const local = { suite: "host-local-range", name: "zeros", ops, expect: expected };
    expect(playCase(local)).toEqual([]);
  });

  it("fail where a file has no list of them", () => {
    for (const text of ["null", "5", "{}", '{"cases":5}']) {
      const lines: string[] = [];
      expect(playText(text, (line) => lines.push(line))).toBe(1);
      expect(lines).toEqual(["no list of cases in this file"]);
    }
  });

  it("that are none fail by themselves: the others are played, and counted", () => {
    const [good] = read(own).cases;
    const cases = [null, good, 5, { suite: "bitmap", name: "bare" }, { ...good, ops: [null] }];
    const lines: string[] = [];
    expect(playText(JSON.stringify({ cases }), (line) => lines.push(line))).toBe(1);
    expect(lines.at(-1)).toBe("1 passed, 4 failed");
    expect(lines[0]).toBe("FAIL null is no case: it has suite, name, ops, expect");
  });

  it("end with a line of figures, and status 1 if one failed", () => {
    const file = { cases: read(own).cases.filter((one) => one.suite === "service-math") };
    const lines: string[] = [];
    const print = (line: string) => lines.push(line);
    expect(playText(JSON.stringify(file), print)).toBe(0);
    expect(lines).toEqual([`${file.cases.length} passed, 0 failed`]);
    const [first, ...rest] = file.cases;
    const broken = { ...first!, expect: first!.expect.map(() => ({ ip: "10.9.9.9" })) };
    expect(playText(JSON.stringify({ cases: [broken, ...rest] }), print)).toBe(1);
    expect(lines.at(-1)).toBe(`${rest.length} passed, 1 failed`);
    expect(lines.at(-2)).toMatch(/^FAIL service-math: .*: op \d+ \{.*expected .*came /);
  });
});

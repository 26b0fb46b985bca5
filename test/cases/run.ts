// Replays files of the format of ../shared/cases/kubernetes.json against the library:
// npm run cases -- FILE (scripts/cases.mjs), test/library/cases.test.ts.
import { differences, type Operation, type Suite, shownAnswer, Unknown } from "./answer.ts";
import { bitmap } from "./bitmap.ts";
import { cidrset } from "./cidrset.ts";
import { hostLocalRange } from "./hostlocalrange.ts";
import { rangeAllocator } from "./rangeallocator.ts";
import { serviceIp } from "./serviceip.ts";
import { serviceMath } from "./servicemath.ts";

/** A case: a set-up, operations, and for each of them what must come. */
export interface Case extends Record<string, unknown> {
  suite: string;
  name: string;
  ops: Operation[];
  expect: Record<string, unknown>[];
}

/** What came of a file. */
export interface Outcome {
  passed: number;
  failed: number;
  /** A line for each operation that went otherwise. */
  failures: string[];
}

const SUITES: Record<string, Suite> = {
  bitmap,
  cidrset,
  "host-local-range": hostLocalRange,
  "range-allocator": rangeAllocator,
  "service-ip": serviceIp,
  "service-math": serviceMath,
};

function wordsOf(error: unknown, one: Case, operation: Operation): string {
  if (error instanceof Unknown) return `unknown operation "${operation.op}" in suite ${one.suite}`;
  return error instanceof Error ? error.message : String(error);
}

// Kubernetes reads 010.0.0.1 as 10.0.0.1; the library takes no leading zeros.
function withoutZeros(value: unknown): unknown {
  if (typeof value === "string")
    return /^(\d+\.){3}\d+(\/\d+)?$/.test(value) ? value.replace(/\b0+(?=\d)/g, "") : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutZeros);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutZeros(one)]));
}

/** Plays one case: a line for each operation that went otherwise. */
export function playCase(given: Case): string[] {
  if (typeof given !== "object" || given === null)
    return [`${JSON.stringify(given)} is no case: it has suite, name, ops, expect`];
  const title = `${given.suite}: ${given.name}`;
  const one = given.suite === "host-local-range" ? given : (withoutZeros(given) as Case);
  const suite = Object.hasOwn(SUITES, one.suite) ? SUITES[one.suite] : undefined;
  if (!suite) return [`${title}: unknown suite "${one.suite}"`];
  const { ops = [], expect = [] } = one;
  if (ops.length !== expect.length)
    return [`${title}: ${ops.length} operations, ${expect.length} answers expected`];
  const failures: string[] = [];
  let player: ReturnType<Suite> | undefined;
  try {
    player = suite(one);
    for (const [i, operation] of ops.entries()) {
      const begin = `${title}: op ${i} ${shownAnswer(operation)}`;
      const expected = expect[i] ?? {};
      try {
        const answer = player.play(operation);
        const wrong = differences(expected, answer);
        if (wrong.length === 0) continue;
        const came = `expected ${shownAnswer(expected)}, came ${shownAnswer(answer)}`;
        failures.push(`${begin}: ${wrong.join(", ")}: ${came}`);
      } catch (error) {
        const words = wordsOf(error, one, operation);
        failures.push(`${begin}: expected ${shownAnswer(expected)}, came ${words}`);
      }
    }
  } catch (error) {
    failures.push(`${title}: the set-up failed: ${error instanceof Error ? error.message : error}`);
  } finally {
    player?.close();
  }
  return failures;
}

/** Plays a file's cases. */
export function playCases(file: { cases: Case[] }): Outcome {
  const all = file.cases.map(playCase);
  const failed = all.filter((failures) => failures.length > 0).length;
  return { passed: all.length - failed, failed, failures: all.flat() };
}

/** Plays a file's text and prints what came of it. The exit status: 0 if all passed, else 1. */
export function playText(text: string, print: (line: string) => void): number {
  const file: unknown = JSON.parse(text);
  const { cases } = (Array.isArray(file) ? { cases: file } : (file ?? {})) as { cases?: Case[] };
  if (!Array.isArray(cases)) {
    print("no list of cases in this file");
    return 1;
  }
  const { passed, failed, failures } = playCases({ cases });
  for (const line of failures) print(`FAIL ${line}`);
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

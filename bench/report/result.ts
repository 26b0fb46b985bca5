// Result: what a run leaves, as --json writes it and the page is made from.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../src/cli/arguments.ts";
import { packageRoot } from "../../src/wasm.ts";
import type { Machine } from "../method/machine.ts";
import type { Row } from "../method/row.ts";

/** What --json writes. */
export interface Result {
  machine: Machine;
  seed: number;
  size: string;
  turn: number;
  load: number;
  /** Shares of the processors' time, where they are known: of other work in the machine, */
  others?: number | undefined;
  /** and of the machine's other guests. */
  stolen?: number | undefined;
  seconds: number;
  warnings: string[];
  rows: Row[];
}

export function resultPath(): string {
  return join(packageRoot(), "bench/results/results.json");
}

/** Which of these keys a value, as read from JSON, has nothing of this type under. */
function lacking(value: unknown, type: string, keys: readonly string[]): string[] {
  const found = Object(value) as Record<string, unknown>;
  return keys.filter((key) => typeof found[key] !== type);
}

const MACHINE = ["berth", "commit", "node", "v8", "system", "processor", "compiler"];

/** What keeps a value from being a result: the first thing that isn't there. */
function faultOf(value: unknown): string | undefined {
  const { machine, rows, warnings } = Object(value) as Record<string, unknown>;
  const [fault] = [
    ...lacking(value, "number", ["seed", "turn", "load", "seconds"]),
    ...lacking(value, "string", ["size"]),
    ...lacking(machine, "string", MACHINE).map((key) => `machine.${key}`),
    ...lacking(machine, "number", ["cores"]).map((key) => `machine.${key}`),
    ...(Array.isArray(warnings) ? [] : ["warnings"]),
    ...(Array.isArray(rows) && rows.length > 0 ? [] : ["rows"]),
  ];
  if (fault !== undefined) return fault;
  for (const [at, row] of (rows as unknown[]).entries()) {
    const [key] = lacking(row, "string", ["suite", "table", "what", "who", "unit"]);
    if (key !== undefined) return `rows[${at}].${key}`;
  }
  return undefined;
}

/** The published result, or another file's; throws what is wrong with it. */
export function readResult(path = resultPath()): Result {
  const how = "a full run with --publish writes it";
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`${path} is no result: ${(error as Error).message}; ${how}`);
  }
  const fault = faultOf(value);
  if (fault !== undefined) throw new UsageError(`${path} is no result: no ${fault} in it; ${how}`);
  return value as Result;
}

/** One row a line, so that a difference of two runs can be read. */
export function resultText(result: Result): string {
  const { rows, ...rest } = result;
  const head = JSON.stringify(rest, null, 1).slice(0, -2);
  return `${head},\n "rows": [\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n ]\n}\n`;
}

// Answers of the adapter, and how they are compared with what a case expects: only in the keys that
// the case names (../shared/cases/README.md), of which `distinct`, `inRange`, `within` and
// `indices` speak of the results that an operation gave.
import { formatAddress, formatPrefix, maskPrefix, parseAddress } from "../../src/address.ts";
import { type IpamCode, IpamError } from "../../src/errors.ts";

/** An operation of a case: its name in `op`, its arguments beside it. */
export type Operation = Record<string, unknown> & { op: string };

/** What came of an operation. */
export interface Answer {
  /** Classes that fit what was refused; one of them is expected. */
  error?: readonly string[];
  /** What was refused in words, for who reads a failure. */
  why?: string;
  /** Indices, addresses or prefixes that the operation gave, in order. */
  given?: readonly (string | number)[];
  /** One of those was given before, or is held by an earlier operation. */
  repeats?: boolean;
  /** Everything that a case may name under its own key. */
  [key: string]: unknown;
}

/** What plays the operations of one case. */
export interface Player {
  play(operation: Operation): Answer;
  close(): void;
}

/** Makes a player from the set-up of a case. */
export type Suite = (setUp: Record<string, unknown>) => Player;

/** An operation that no suite of this name has. */
export class Unknown extends Error {}

const CLASSES: Partial<Record<IpamCode, readonly string[]>> = {
  exhausted: ["exhausted", "full"],
  outside: ["outOfRange"],
  excluded: ["outOfRange"],
  family: ["outOfRange", "mismatchedNetwork"],
  taken: ["alreadyAllocated"],
  held: ["alreadyAllocated"],
  conflict: ["mismatchedNetwork"],
  tooSmall: ["tooSmall", "invalidRange"],
  tooLarge: ["invalidRange"],
  invalid: ["invalidRange", "outOfRange"],
  hostBits: ["hostBits"],
};

/** An answer that refuses with one of these classes. */
export function refused(classes: readonly string[], why: string): Answer {
  return { error: classes, why };
}

/** Runs `work`; an IpamError becomes an answer of its class. */
export function attempt(work: () => Answer): Answer {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof IpamError)) throw error;
    return refused(CLASSES[error.code] ?? [error.code], error.message);
  }
}

/** A text argument. */
export function textOf(operation: Record<string, unknown>, key: string): string {
  const value = operation[key];
  if (typeof value !== "string") throw new Error(`"${key}" is not a text: ${String(value)}`);
  return value;
}

/** A whole-number argument. */
export function numberOf(operation: Record<string, unknown>, key: string): number {
  const value = operation[key];
  if (!Number.isSafeInteger(value)) throw new Error(`"${key}" is not a number: ${String(value)}`);
  return value as number;
}

/** A prefix as Kubernetes reads it: its host bits are cleared. Throws IpamError "invalid". */
export function masked(cidr: unknown): string {
  return formatPrefix(maskPrefix(cidr));
}

// Addresses and prefixes in canonical text, numbers as they are printed, lists one by one.
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value !== "string" || !/[.:]/.test(value)) return value;
  try {
    if (value.includes("/")) return formatPrefix(maskPrefix(value));
    const { family, value: bits } = parseAddress(value);
    return formatAddress(family, bits);
  } catch {
    return value;
  }
}

function sameValue(expected: unknown, came: unknown): boolean {
  return JSON.stringify(plain(expected)) === JSON.stringify(plain(came));
}

// The results that conditions speak of: what was given, else the value itself.
function results(came: Answer): readonly (string | number)[] {
  const { given, index, value } = came;
  if (given) return given;
  return [(index ?? value) as string | number];
}

// Bounds are numbers, or addresses of the family of what they bound.
function between(...three: [string | number, string | number, string | number]): boolean {
  if (three.every((one) => !/[.:]/.test(String(one)))) {
    const [low, one, high] = three.map(Number);
    return one! >= low! && one! <= high!;
  }
  if (three.some((one) => !/[.:]/.test(String(one)))) return false;
  const [low, one, high] = three.map((text) => parseAddress(text));
  if (low!.family !== one!.family || one!.family !== high!.family) return false;
  return one!.value >= low!.value && one!.value <= high!.value;
}

function inside(cidr: string, one: string | number): boolean {
  const outer = maskPrefix(cidr);
  const text = String(one);
  const inner = text.includes("/")
    ? maskPrefix(text)
    : maskPrefix(`${text}/${text.includes(":") ? 128 : 32}`);
  return (
    inner.length >= outer.length &&
    sameValue(formatPrefix(maskPrefix(`${text.split("/")[0]}/${outer.length}`)), masked(cidr))
  );
}

function sameIndices(expected: unknown, came: unknown): boolean {
  if (!Array.isArray(came)) return false;
  if (Array.isArray(expected)) return sameValue(expected, came);
  const { from, to } = expected as { from: number; to: number };
  return came.length === to - from + 1 && came.every((index, i) => Number(index) === from + i);
}

// Does the answer meet one key of what is expected?
function meets(key: string, expected: unknown, came: Answer): boolean {
  switch (key) {
    case "error":
      if (!came.error) return false;
      return expected === "any" || came.error.includes(expected as string);
    case "ok":
      return (came.error === undefined) === expected;
    case "note":
      return true;
    case "distinct":
      return (came.repeats === false) === expected;
    case "inRange": {
      const [low, high] = expected as [string | number, string | number];
      return results(came).every((one) => between(low, one, high));
    }
    case "within":
      return results(came).every((one) => inside(expected as string, one));
    case "indices":
      return sameIndices(expected, came.indices);
    default:
      return key in came && sameValue(expected, came[key]);
  }
}

// A refusal is named by `error` or `ok`, or it shows in one of these.
const TELLING = ["error", "ok", "allocated", "count", "errors", "note"];

/** The keys in which the answer is not what is expected; empty: it is. */
export function differences(expected: Record<string, unknown>, came: Answer): string[] {
  const wrong = Object.keys(expected).filter((key) => !meets(key, expected[key], came));
  const silent = came.error && !Object.keys(expected).some((key) => TELLING.includes(key));
  return silent && wrong.length === 0 ? ["error"] : wrong;
}

function shortened(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (!Array.isArray(value) || value.length <= 8) return value;
  return [...value.slice(0, 4), `... ${value.length - 5} more`, value.at(-1)];
}

/** An answer as a failure shows it, long lists cut. */
export function shownAnswer(answer: unknown): string {
  return JSON.stringify(answer, shortened);
}

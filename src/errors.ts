// The library's one error class: what was wrong, with a code that stays and the value that was
// wrong. The message says what would be right.

/** Stable codes of IpamError; docs/LIBRARY.md says when each comes. */
export type IpamCode =
  | "exhausted"
  | "taken"
  | "cooling"
  | "excluded"
  | "reserved"
  | "held"
  | "outside"
  | "notAllocated"
  | "invalid"
  | "hostBits"
  | "family"
  | "tooSmall"
  | "tooLarge"
  | "overlap"
  | "conflict"
  | "closed"
  | "noSpace"
  | "lapsed"
  | "locked"
  | "damaged"
  | "newer"
  | "io"
  | "duplicate"
  | "notFound";

/** Thrown by everything of the library that refuses something; nothing was changed. */
export class IpamError extends Error {
  override readonly name = "IpamError";
  /** Stable: programs decide by it. */
  readonly code: IpamCode;
  /** What was refused, as it was passed in. */
  readonly value: unknown;

  constructor(code: IpamCode, message: string, value?: unknown) {
    super(message);
    this.code = code;
    this.value = value;
  }
}

/** The error of a call in whose midst the user's code, such as a clock, has closed the pool. */
export function closedMeanwhile(): IpamError {
  return new IpamError("closed", "the pool was closed in the midst of a call");
}

/** Characters of a value in a message, and how deep it is looked into. */
const SHOWN = 80;
const DEEP = 4;

function cut(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text;
}

// What of a list or an object fits into a message: reading ends there, the value may be huge.
function joined(parts: Iterable<string>): string {
  let text = "";
  for (const part of parts) {
    text += text === "" ? part : `,${part}`;
    if (text.length > SHOWN) break;
  }
  return text;
}

function* elements(list: ArrayLike<unknown>, depth: number): Iterable<string> {
  for (let i = 0; i < list.length; i++) yield json(list[i], depth);
}

function* fields(value: object, depth: number): Iterable<string> {
  for (const key of Object.keys(value))
    yield `${JSON.stringify(key)}:${json((value as Record<string, unknown>)[key], depth)}`;
}

function json(value: unknown, depth: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, SHOWN));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  // A value that lies in itself ends here, too.
  if (depth === DEEP) return "...";
  if (Array.isArray(value)) return `[${joined(elements(value, depth + 1))}]`;
  const kind = Object.prototype.toString.call(value);
  if (kind !== "[object Object]") return kind;
  return `{${joined(fields(value, depth + 1))}}`;
}

/**
 * A value as an error shows it, in 80 characters: JSON where it is a text, a list or an object.
 * Never throws, whatever the value does when it is read.
 */
export function shown(value: unknown): string {
  try {
    return cut(json(value, 0));
  } catch {
    return `a ${typeof value} that can't be read`;
  }
}

/**
 * Throws "invalid" unless it is an object: JavaScript's callers get the checks of TypeScript's.
 * `what` is the argument's name, in the plural where that ends in s.
 */
export function needObject(value: unknown, what: string): void {
  if (typeof value === "object" && value !== null) return;
  const is = what.endsWith("s") ? "are" : "is";
  throw new IpamError("invalid", `${what} ${shown(value)} ${is} not an object`, value);
}

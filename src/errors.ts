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

/** A value as an error shows it: short, quoted where it is a text. */
export function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "object" && value !== null) return Object.prototype.toString.call(value);
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

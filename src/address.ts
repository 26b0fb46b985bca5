// Addresses and prefixes as texts and as values. The core reads and writes the texts, so that the
// library accepts exactly what the plugin accepts: no leading zeros, no zones, `::ffff:10.0.0.1` is
// the IPv4 address.
import { IpamError, shown } from "./errors.ts";
import { heap } from "./heap.ts";

/** IP version. */
export type Family = 4 | 6;

/** An address: IPv4 has the low 32 bits of `value`. */
export interface Address {
  family: Family;
  value: bigint;
}

/** Addresses whose first `length` bits agree; `base` is the first of them (no host bits). */
export interface Prefix {
  family: Family;
  base: bigint;
  length: number;
}

const TEXT_MAX = 49;
const MASK64 = (1n << 64n) - 1n;
/** First of ::ffff:0:0/96, the mapped addresses. */
export const MAPPED = 0xffffn << 32n;

/** Bits of an address. */
export function widthOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

function parsed(): bigint {
  const { parsedHi, parsedLo } = heap().exports as unknown as Record<string, WebAssembly.Global>;
  return (BigInt.asUintN(64, parsedHi!.value) << 64n) | BigInt.asUintN(64, parsedLo!.value);
}

function global(name: string): number {
  return (heap().exports as unknown as Record<string, WebAssembly.Global>)[name]!.value as number;
}

/** Reads an address. `what` names it in the error. Throws "invalid". */
export function parseAddress(text: unknown, what = "address"): Address {
  const h = heap();
  const length = typeof text === "string" ? h.putText(text, TEXT_MAX) : -1;
  if (length <= 0 || !h.exports.parseAddress!(h.transfer, length))
    throw new IpamError(
      "invalid",
      `${shown(text)} is not an ${what}: write it as 10.0.0.1 or fd00::1`,
      text,
    );
  return { family: global("parsedFamily") as Family, value: parsed() };
}

// Reads address/length and keeps the host bits. A mapped one is IPv6, where `mapped` allows it.
function readPrefix(text: unknown, mapped = false): Prefix {
  const h = heap();
  const length = typeof text === "string" ? h.putText(text, TEXT_MAX) : -1;
  const isRead = length > 0 && h.exports.parsePrefix!(h.transfer, length);
  const isMapped = global("parsedMapped") !== 0;
  if (!isRead || (isMapped && !mapped))
    throw new IpamError(
      "invalid",
      `${shown(text)} is not a prefix: write it as 10.0.0.0/16 or fd00::/48`,
      text,
    );
  const bits = global("parsedLength");
  if (isMapped) return { family: 6, base: MAPPED | parsed(), length: bits };
  return { family: global("parsedFamily") as Family, base: parsed(), length: bits };
}

/** Reads a prefix and clears its host bits. Throws "invalid". */
export function maskPrefix(text: unknown): Prefix {
  const { family, base, length } = readPrefix(text);
  const host = BigInt(widthOf(family) - length);
  return { family, base: (base >> host) << host, length };
}

/**
 * Reads a prefix, of mapped addresses only with `mapped`. Throws "invalid", or "hostBits" where
 * bits behind its length are set.
 */
export function parsePrefix(text: unknown, mapped = false): Prefix {
  const whole = readPrefix(text, mapped);
  const { family, base, length } = whole;
  const host = BigInt(widthOf(family) - length);
  const masked = (base >> host) << host;
  if (masked !== base)
    throw new IpamError(
      "hostBits",
      `${text} has host bits: the prefix is ${formatPrefix({ family, base: masked, length })}`,
      text,
    );
  return whole;
}

/** The canonical text of an address (RFC 5952). */
export function formatAddress(family: Family, value: bigint): string {
  if (family === 4) return formatFour(Number(value));
  const h = heap();
  return h.text(h.exports.formatAddress!(6, value >> 64n, value & MASK64, h.transfer));
}

const OCTETS = Array.from({ length: 256 }, (_, n) => `${n}`);
// The first three octets of the last text: neighbours are asked for one after the other.
let known = 0;
let front = "0.0.0.";

/** The text of an IPv4 address from its 32 bits. */
export function formatFour(v: number): string {
  if (v >>> 8 !== known) {
    known = v >>> 8;
    front = `${v >>> 24}.${(v >>> 16) & 255}.${(v >>> 8) & 255}.`;
  }
  return front + OCTETS[v & 255]!;
}

/** The text of a prefix. */
export function formatPrefix(p: Prefix): string {
  return `${formatAddress(p.family, p.base)}/${p.length}`;
}

/** The last address of a prefix. */
export function lastOf(p: Prefix): bigint {
  return p.base | ((1n << BigInt(widthOf(p.family) - p.length)) - 1n);
}

/** Is the address in the prefix? */
export function holdsAddress(p: Prefix, family: Family, value: bigint): boolean {
  return family === p.family && value >= p.base && value <= lastOf(p);
}

/** Is `inner` a part (or all) of `outer`? */
export function holdsPrefix(outer: Prefix, inner: Prefix): boolean {
  return inner.length >= outer.length && holdsAddress(outer, inner.family, inner.base);
}

/** Do two prefixes have an address in common? */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.length <= b.length ? holdsPrefix(a, b) : holdsPrefix(b, a);
}

// Both ends of `first-last`; errors have the whole text as their value.
function endsOf(text: string): [Address, Address] {
  const [from, to, more] = text.split("-");
  try {
    if (more === undefined) return [parseAddress(from), parseAddress(to)];
  } catch {}
  throw new IpamError("invalid", `${shown(text)} is not first-last: 10.0.0.1-10.0.0.9`, text);
}

/**
 * Reads what `exclude` takes: an address, a prefix (host bits allowed, as in a CNI config), or
 * `first-last`. Both ends are included. Throws "invalid" or "family".
 */
export function parseInterval(text: unknown): { family: Family; first: bigint; last: bigint } {
  if (typeof text === "string" && text.includes("-")) {
    const [first, last] = endsOf(text);
    if (first.family !== last.family)
      throw new IpamError("family", `${text} begins and ends in different families`, text);
    if (last.value < first.value)
      throw new IpamError("invalid", `${text} ends before it begins: swap the two`, text);
    return { family: first.family, first: first.value, last: last.value };
  }
  if (typeof text === "string" && text.includes("/")) {
    const p = maskPrefix(text);
    return { family: p.family, first: p.base, last: lastOf(p) };
  }
  const { family, value } = parseAddress(text);
  return { family, first: value, last: value };
}

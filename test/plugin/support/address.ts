// Addresses as the tests compute them, apart from Berth's own arithmetic: bigint and node:net.

import { isIPv4, isIPv6 } from "node:net";

/** An address or prefix in the tests: family and value. */
export interface Address {
  v6: boolean;
  value: bigint;
}

/** Parses an address; undefined if it is none. A v4-mapped one counts as v4. */
export function parse(text: string): Address | undefined {
  if (isIPv4(text)) {
    return { v6: false, value: text.split(".").reduce((n, x) => n * 256n + BigInt(x), 0n) };
  }
  if (!isIPv6(text) || text.includes("%")) return undefined;
  let whole = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const v4 = parse(dotted[2]!)!.value;
    whole = `${dotted[1]}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const [left = "", right] = whole.split("::");
  const high = left === "" ? [] : left.split(":");
  const low = right === undefined || right === "" ? [] : right.split(":");
  const zeros = Array(8 - high.length - low.length).fill("0");
  const value = [...high, ...zeros, ...low].reduce((n, x) => n * 65536n + BigInt(`0x${x}`), 0n);
  if (value >> 32n === 0xffffn) return { v6: false, value: value & 0xffffffffn };
  return { v6: true, value };
}

/** Canonical text (RFC 5952). */
export function format(a: Address): string {
  if (!a.v6) return [24n, 16n, 8n, 0n].map((s) => (a.value >> s) & 255n).join(".");
  const words = Array.from({ length: 8 }, (_, i) =>
    ((a.value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16),
  );
  const text = words.join(":");
  const runs = [...`:${text}:`.matchAll(/(?<=:)(?:0:){2,}/g)].map((m) => m[0]);
  const longest = runs.reduce((l, r) => (r.length > l.length ? r : l), "");
  if (longest === "") return text;
  const at = `:${text}:`.indexOf(`:${longest}`) + 1;
  const before = `:${text}:`.slice(1, at).replace(/:$/, "");
  const after = `:${text}:`.slice(at + longest.length).replace(/:$/, "");
  return `${before}::${after}`;
}

/** The address of "address/length". */
export function bare(text: string): string {
  return text.replace(/\/.*$/, "");
}

/** A range as configs have it. */
export interface Range {
  subnet?: string;
  rangeStart?: string;
  rangeEnd?: string;
  gateway?: string;
  exclude?: string[];
}

/** What a valid range covers, by the rules of host-local. */
export interface Span {
  v6: boolean;
  first: bigint;
  last: bigint;
  gateway: Address | undefined;
}

/** The span of a range; undefined if its subnet can't be read. Other errors aren't seen. */
export function spanOf(r: Range): Span | undefined {
  const [text = "", length = ""] = (r.subnet ?? "").split("/");
  const base = parse(text);
  if (base === undefined || !/^\d+$/.test(length)) return undefined;
  const host = BigInt((base.v6 ? 128 : 32) - Number(length));
  if (host < 0n) return undefined;
  const top = base.value + (1n << host) - 1n;
  return {
    v6: base.v6,
    first: r.rangeStart ? (parse(r.rangeStart)?.value ?? 0n) : base.value + 1n,
    last: r.rangeEnd ? (parse(r.rangeEnd)?.value ?? 0n) : base.v6 ? top : top - 1n,
    gateway: r.gateway ? parse(r.gateway) : { v6: base.v6, value: base.value + 1n },
  };
}

/** True if the address lies in the span. */
export function within(s: Span, a: Address): boolean {
  return a.v6 === s.v6 && a.value >= s.first && a.value <= s.last;
}

/** Every address that the ranges give, without gateways; small ranges only. */
export function allOf(ranges: Range[]): string[] {
  return ranges.flatMap((r) => {
    const s = spanOf(r)!;
    const out: string[] = [];
    for (let v = s.first; v <= s.last; v++) {
      if (s.gateway?.v6 === s.v6 && s.gateway.value === v) continue;
      out.push(format({ v6: s.v6, value: v }));
    }
    return out;
  });
}

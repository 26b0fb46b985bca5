// Laws of src/address.ts: addresses against Node's own readers (net and the URL parser, which
// writes RFC 5952), prefixes against arithmetic on BigInt, and what is refused.
import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatAddress,
  formatPrefix,
  holdsAddress,
  holdsPrefix,
  lastOf,
  maskPrefix,
  overlaps,
  type Prefix,
  parseAddress,
  parseInterval,
  parsePrefix,
  widthOf,
} from "../../src/address.ts";
import { IpamError } from "../../src/index.ts";
import { canonical, textOf } from "../support/poolmodel.ts";

const MAPPED = 0xffffn << 32n;

function code(call: () => unknown): string {
  try {
    call();
    return "no error";
  } catch (error) {
    return error instanceof IpamError ? error.code : String(error);
  }
}

const family = fc.constantFrom(4 as const, 6 as const);

/** A value with runs of zeros and ones at the borders of its words. */
function value(f: 4 | 6): fc.Arbitrary<bigint> {
  const word = fc.oneof(fc.constantFrom(0, 0, 0, 1, 0xff, 0xffff), fc.nat(0xffff));
  const length = f === 4 ? 2 : 8;
  return fc
    .array(word, { minLength: length, maxLength: length })
    .map((words) => words.reduce((sum, w) => (sum << 16n) | BigInt(w), 0n));
}

const address = family.chain((f) => value(f).map((v) => ({ family: f, value: v })));

const prefix: fc.Arbitrary<Prefix> = address.chain(({ family: f, value: v }) =>
  fc.nat(widthOf(f)).map((length) => {
    const host = BigInt(widthOf(f) - length);
    return { family: f, base: (v >> host) << host, length };
  }),
);

describe("addresses", () => {
  it("[model] writes and reads every address as RFC 5952 and Node do", () => {
    fc.assert(
      fc.property(address, ({ family: f, value: v }) => {
        const mapped = f === 6 && v >> 32n === 0xffffn;
        const text = formatAddress(f, v);
        if (!mapped) {
          expect(text).toBe(canonical(f, v));
          expect(parseAddress(text)).toEqual({ family: f, value: v });
          expect(parseAddress(textOf(f, v).toUpperCase())).toEqual({ family: f, value: v });
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("[model] reads what Node reads, and refuses what Node refuses (zones are refused)", () => {
    const piece = fc.constantFrom("0", "1", "25", "255", "256", "ffff", "10000", "00", ":", "::");
    const more = fc.constantFrom(".", ".", ":", "/", "%", " ", "-", "+", "x", "g", "1.2.3.4", "A");
    const text = fc.oneof(
      fc.array(fc.oneof(piece, more), { maxLength: 16 }).map((parts) => parts.join("")),
      address.map((a) => textOf(a.family, a.value)),
      fc.tuple(address, fc.nat(40), fc.oneof(piece, more), fc.nat(2)).map(([a, at, by, cut]) => {
        const whole = textOf(a.family, a.value);
        return whole.slice(0, at) + by + whole.slice(at + cut);
      }),
    );
    fc.assert(
      fc.property(text, (t) => {
        const right = (isIPv4(t) || isIPv6(t)) && !t.includes("%");
        expect(code(() => parseAddress(t))).toBe(right ? "no error" : "invalid");
        if (!isIPv6(t) || !right) return;
        const host = new URL(`http://[${t}]/`).hostname.slice(1, -1);
        const read = parseAddress(t);
        const as6 = read.family === 4 ? MAPPED | read.value : read.value;
        expect(canonical(6, as6)).toBe(host);
      }),
      { numRuns: 6000 },
    );
  });

  it("reads a mapped address as IPv4, as Go's net.ParseIP does", () => {
    for (const text of ["::ffff:10.0.0.1", "::FFFF:a00:1", "0:0:0:0:0:ffff:10.0.0.1"])
      expect(parseAddress(text)).toEqual({ family: 4, value: 0x0a000001n });
    expect(parseAddress("::fffe:a00:1").family).toBe(6);
    expect(parseAddress("::10.0.0.1")).toEqual({ family: 6, value: 0x0a000001n });
  });

  it("refuses all else as invalid, with the value", () => {
    const texts = [
      "",
      " 10.0.0.1",
      "10.0.0.1 ",
      "10.0.0.1\n",
      "10.0.0.1\0",
      "010.0.0.1",
      "10.0.0.01",
      "10.0.0",
      "10.0.0.",
      "10.0.0.256",
      "10.0.0.1.1",
      "0x0a.0.0.1",
      "１０.0.0.1",
      "10.0.0.-1",
      "10.0.0.1/32",
      "::1%lo",
      "::1%",
      "[::1]",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "12345::",
      "::1.2.3",
      "::01.2.3.4",
      "::1.2.3.4:5",
      "1:2:3:4:5:6:7:1.2.3.4",
      ":",
      "localhost",
    ];
    const others = [undefined, null, 1, Number.NaN, 1n, {}, [], ["10.0.0.1"], Symbol("a"), true];
    for (const each of [...texts, ...others, { toString: () => "10.0.0.1" }]) {
      let caught: unknown;
      try {
        parseAddress(each);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(IpamError);
      expect((caught as IpamError).code).toBe("invalid");
      expect((caught as IpamError).value).toBe(each);
    }
    expect(() => parseAddress("x", "gateway")).toThrow(/gateway/);
  });
});

describe("prefixes", () => {
  it("[model] reads and writes every prefix, and refuses it with host bits", () => {
    fc.assert(
      fc.property(prefix, fc.bigInt({ min: 1n, max: (1n << 128n) - 1n }), (p, by) => {
        const text = `${textOf(p.family, p.base)}/${p.length}`;
        const mapped = p.family === 6 && p.base >> 32n === 0xffffn;
        if (mapped) return;
        expect(parsePrefix(text)).toEqual(p);
        expect(maskPrefix(text)).toEqual(p);
        expect(formatPrefix(p)).toBe(`${canonical(p.family, p.base)}/${p.length}`);
        expect(parsePrefix(formatPrefix(p))).toEqual(p);
        const host = by & ((1n << BigInt(widthOf(p.family) - p.length)) - 1n);
        const dirty = `${textOf(p.family, p.base | host)}/${p.length}`;
        if (host === 0n || (p.family === 6 && (p.base | host) >> 32n === 0xffffn)) return;
        expect(code(() => parsePrefix(dirty))).toBe("hostBits");
        expect(maskPrefix(dirty)).toEqual(p);
      }),
      { numRuns: 2000 },
    );
  });

  it("says in the error of host bits which prefix would be right", () => {
    expect(() => parsePrefix("10.0.0.1/24")).toThrow(
      "10.0.0.1/24 has host bits: the prefix is 10.0.0.0/24",
    );
    expect(() => parsePrefix("2001:db8::1/64")).toThrow("2001:db8::/64");
  });

  it("reads zeros before a length, as Go's net.ParseCIDR does", () => {
    expect(formatPrefix(parsePrefix("10.0.0.0/08"))).toBe("10.0.0.0/8");
    expect(formatPrefix(parsePrefix("fd00::/008"))).toBe("fd00::/8");
  });

  it("refuses lengths that aren't", () => {
    for (const length of ["", "33", "-1", "+8", "8 ", " 8", "1e1", "8.0", "0x8", "8/8", "٨"])
      expect([length, code(() => parsePrefix(`10.0.0.0/${length}`))]).toEqual([length, "invalid"]);
    for (const text of [
      "10.0.0.0",
      "/8",
      "",
      "::/129",
      "::ffff:10.0.0.0/104",
      "fe80::%a/64",
      " ::/0",
      "::/ 0",
    ])
      expect([text, code(() => parsePrefix(text))]).toEqual([text, "invalid"]);
    for (const other of [undefined, null, 8, 8n, {}, [], ["10.0.0.0/8"]]) {
      expect(code(() => parsePrefix(other))).toBe("invalid");
      expect(code(() => maskPrefix(other))).toBe("invalid");
      expect(code(() => parseInterval(other))).toBe("invalid");
    }
  });

  it("[model] knows what is in a prefix, and which prefixes meet", () => {
    fc.assert(
      fc.property(prefix, prefix, address, fc.nat(128), (p, q, a, up) => {
        const last = p.base + (1n << BigInt(widthOf(p.family) - p.length)) - 1n;
        expect(lastOf(p)).toBe(last);
        const within = a.family === p.family && a.value >= p.base && a.value <= last;
        expect(holdsAddress(p, a.family, a.value)).toBe(within);
        expect(holdsAddress(p, p.family, p.base)).toBe(true);
        expect(holdsAddress(p, p.family, last)).toBe(true);
        expect(holdsAddress(p, p.family, last + 1n)).toBe(false);
        expect(holdsAddress(p, p.family, p.base - 1n)).toBe(false);
        const length = Math.max(0, p.length - up);
        const host = BigInt(widthOf(p.family) - length);
        const outer: Prefix = { family: p.family, base: (p.base >> host) << host, length };
        for (const [x, y] of [
          [p, q],
          [q, p],
          [outer, p],
          [p, outer],
          [p, p],
        ] as const) {
          const part = x.family === y.family && y.base >= x.base && lastOf(y) <= lastOf(x);
          expect(holdsPrefix(x, y)).toBe(part);
          const meet = x.family === y.family && x.base <= lastOf(y) && y.base <= lastOf(x);
          expect(overlaps(x, y)).toBe(meet);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("reads intervals: an address, a prefix with host bits or without, first-last", () => {
    expect(parseInterval("10.0.0.7")).toEqual({ family: 4, first: 0x0a000007n, last: 0x0a000007n });
    expect(parseInterval("10.0.0.7/30")).toEqual({
      family: 4,
      first: 0x0a000004n,
      last: 0x0a000007n,
    });
    expect(parseInterval("10.0.0.1-10.0.0.9")).toEqual({
      family: 4,
      first: 0x0a000001n,
      last: 0x0a000009n,
    });
    expect(parseInterval("::1-::1")).toEqual({ family: 6, first: 1n, last: 1n });
    for (const text of ["10.0.0.9-10.0.0.1", "10.0.0.1-", "-10.0.0.1", "::1-::2-::3", "::2 - ::3"])
      expect([text, code(() => parseInterval(text))]).toEqual([text, "invalid"]);
    expect(code(() => parseInterval("10.0.0.1-::2"))).toBe("family");
  });
});

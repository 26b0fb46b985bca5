// Addresses as texts and as 128-bit values. Node's own parser (inet_pton) and the serializer of the
// URL standard stand beside ours; what a text means is told by the numbers it was made from.
import { isIP } from "node:net";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Readers } from "./support/protocol.ts";

let readers: Readers;
beforeAll(() => {
  readers = new Readers();
});

interface Address {
  family: number;
  value: bigint;
  mapped: boolean;
  length: number;
}

const low = (1n << 64n) - 1n;
const unsigned = (n: bigint) => BigInt.asUintN(64, n);

function read(text: string, prefix = false): Address | undefined {
  const bytes = Buffer.from(text);
  const at = readers.put(bytes);
  const e = readers.exports;
  if (!(prefix ? e.parsePrefix : e.parseAddress)(at, bytes.length)) return undefined;
  const value = (unsigned(e.foundHi()) << 64n) | unsigned(e.foundLo());
  const length = e.foundLength();
  return { family: e.foundFamily(), value, mapped: e.foundMapped() !== 0, length };
}

function print(family: number, value: bigint): string {
  readers.put(Buffer.alloc(0));
  return readers.out(readers.exports.format(family, value >> 64n, value & low));
}

const four = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n });
/** Values with runs of zero fields, so that "::" comes at every place. */
const six = fc
  .array(fc.oneof(fc.constant(0), fc.nat(15), fc.nat(65535)), { minLength: 8, maxLength: 8 })
  .map((fields) => fields.reduce((value, field) => (value << 16n) | BigInt(field), 0n));
const isMapped = (value: bigint) => value >> 32n === 0xffffn;

function fields(value: bigint): number[] {
  return Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
}

function dotted(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
}

/** One of the many spellings of a value: zeros in front, capitals, "::" anywhere, a dotted end. */
function spell(value: bigint, pad: boolean, upper: boolean, end: boolean, at: number): string {
  let texts = fields(value).map((f) => f.toString(16).padStart(pad ? 4 : 1, "0"));
  if (upper) texts = texts.map((text) => text.toUpperCase());
  if (end) texts.splice(6, 2, dotted(value & 0xffffffffn));
  let zeros = at;
  while (zeros < texts.length && /^0+$/.test(texts[zeros]!)) zeros++;
  if (zeros === at) return texts.join(":");
  return `${texts.slice(0, at).join(":")}::${texts.slice(zeros).join(":")}`;
}

describe("an address", () => {
  it("of IPv4 is printed and read back", () => {
    fc.assert(
      fc.property(four, (value) => {
        expect(print(4, value)).toBe(dotted(value));
        expect(read(dotted(value))).toMatchObject({ family: 4, value, mapped: false });
      }),
    );
  });

  it("of IPv6 is printed as the URL standard and RFC 5952 do", () => {
    fc.assert(
      fc.property(
        six.filter((value) => !isMapped(value)),
        (value) => {
          const plain = fields(value)
            .map((field) => field.toString(16))
            .join(":");
          const right = new URL(`http://[${plain}]/`).hostname.slice(1, -1);
          expect(print(6, value)).toBe(right);
          expect(read(right)).toMatchObject({ family: 6, value });
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("means the same in every spelling", () => {
    const bit = fc.boolean();
    fc.assert(
      fc.property(six, bit, bit, bit, fc.nat(7), (value, pad, upper, end, at) => {
        const text = spell(value, pad, upper, end, at);
        const mapped = isMapped(value);
        const meant = mapped ? value & 0xffffffffn : value;
        expect(read(text), text).toMatchObject({ family: mapped ? 4 : 6, value: meant, mapped });
      }),
      { numRuns: 2000 },
    );
  });

  it("is whatever inet_pton takes, and nothing else", () => {
    const letters = fc.constantFrom(..."0123459afAF::::....g/ -");
    const noise = fc.array(letters, { maxLength: 24 }).map((list) => list.join(""));
    const bit = fc.boolean();
    const spelled = fc.tuple(six, bit, bit, bit, fc.nat(7)).map((all) => spell(...all));
    const broken = fc
      .tuple(fc.oneof(spelled, four.map(dotted)), fc.nat(40), fc.nat(1), letters)
      .map(([text, at, cut, letter]) => text.slice(0, at) + letter + text.slice(at + cut));
    fc.assert(
      fc.property(fc.oneof(noise, broken), (text) => {
        expect(read(text) !== undefined, text).toBe(isIP(text) !== 0);
      }),
      { numRuns: 10_000 },
    );
  });

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.04",
    "1.2.3.256",
    "1..2.3",
    ".1.2.3",
    "1.2.3.4 ",
    "1.2.3.4\0",
    "fe80::1%eth0",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::12345",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    ":1",
    "1:",
    "g::",
  ])("refuses %j", (text) => {
    expect(read(text)).toBeUndefined();
  });

  it("of IPv6 that is IPv4-mapped is printed as such", () => {
    expect(print(6, 0xffff_0a00_0001n)).toBe("::ffff:10.0.0.1");
    expect(read("::FFFF:a00:1")).toMatchObject({ family: 4, value: 0x0a00_0001n, mapped: true });
  });
});

describe("a prefix", () => {
  it("keeps its host bits, and its length is within the family's bits", () => {
    const address = fc.oneof(
      four.map(dotted),
      six.map((value) => spell(value, false, false, false, 8)),
    );
    const length = fc.oneof(
      fc.nat(140).map(String),
      fc.constantFrom("", "-1", "+1", "08", " 8", "8x"),
    );
    fc.assert(
      fc.property(address, length, (text, bits) => {
        const number = /^\d+$/.test(bits) ? Number(bits) : 999;
        const good = number <= (text.includes(":") ? 128 : 32);
        const found = read(`${text}/${bits}`, true);
        expect(found !== undefined, `${text}/${bits}`).toBe(good);
        if (found) expect(found).toEqual({ ...read(text)!, length: number });
      }),
      { numRuns: 2000 },
    );
  });

  it.each(["/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/8/8", "x/8", "fe80::%1/64", "::/129"])(
    "refuses %j",
    (text) => {
      expect(read(text, true)).toBeUndefined();
    },
  );

  it("ends where all its host bits are set", () => {
    for (const family of [4, 6]) {
      const bits = family === 4 ? 32 : 128;
      const all = (1n << BigInt(bits)) - 1n;
      for (let length = 0; length <= bits; length++) {
        const e = readers.exports;
        const host = (1n << BigInt(bits - length)) - 1n;
        const mask =
          (unsigned(e.maskHi(family, length)) << 64n) | unsigned(e.maskLo(family, length));
        expect(mask, `mask of /${length}`).toBe(all ^ host);
        const begin = 0x2001_0db8_0123_4567_89ab_cdef_5a5a_a5a5n & mask;
        const hi = e.lastHi(family, length, begin >> 64n);
        const lo = e.lastLo(family, length, begin & low);
        expect((unsigned(hi) << 64n) | unsigned(lo), `last of /${length}`).toBe(begin | host);
      }
    }
  });
});

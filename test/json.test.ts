// The JSON reader against the engine's own JSON.parse: the same texts are taken, and they mean the
// same. Where Go differs from JavaScript (depth, UTF-8, keys), the rules are spelled out.
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Json, Readers } from "./support/protocol.ts";

let readers: Readers;
beforeAll(() => {
  readers = new Readers();
});

/** Lone surrogates as U+FFFD, as they come out of UTF-8. */
const wellFormed = (text: string) => Buffer.from(text).toString();

/** JSON.parse, with numbers as they were written and lone surrogates as U+FFFD. */
function parse(text: string): Json {
  const keep = (value: unknown): Json => {
    if (typeof value === "string") return wellFormed(value);
    if (Array.isArray(value)) return value.map(keep);
    if (value === null || typeof value !== "object") return value as Json;
    const object: { [key: string]: Json } = Object.create(null);
    for (const [key, item] of Object.entries(value)) object[wellFormed(key)] = keep(item);
    return object;
  };
  return keep(JSON.parse(text));
}

/** Numbers become JavaScript's, so that both sides compare. */
function plain(value: Json): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.number === "string" && Object.getPrototypeOf(value) !== null) {
    return JSON.parse(value.number);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

const blank = fc.constantFrom("", "", "", " ", "\n", "\t\r\n ");
const letter = fc.oneof(
  fc.constantFrom(
    "\\n",
    "\\u0041",
    "\\/",
    '\\"',
    "\\\\",
    "\\b",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\udc00x",
  ),
  fc.constantFrom("é", "\u2028", "😀", "\x7f", "<", "'"),
  fc.string({ maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
);
const string = fc.array(letter, { maxLength: 6 }).map((list) => `"${list.join("")}"`);
const number = fc.constantFrom(
  "0",
  "-0",
  "12",
  "-3.5",
  "1e3",
  "2E-7",
  "0.25e+2",
  "123456789012345678",
);
const { document } = fc.letrec<{ document: string }>((tie) => {
  const spaced = fc.tuple(blank, tie("document"), blank).map((all) => all.join(""));
  const pair = fc
    .tuple(blank, string, blank, spaced)
    .map(([a, key, b, item]) => `${a}${key}${b}:${item}`);
  return {
    document: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(string, number, fc.constantFrom("true", "false", "null")),
      fc.array(spaced, { maxLength: 5 }).map((items) => `[${items.join(",")}]`),
      fc.array(pair, { maxLength: 5 }).map((items) => `{${items.join(",")}}`),
    ),
  };
});

function accepted(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("the JSON reader", () => {
  it("finds the values that JSON.parse finds", () => {
    fc.assert(
      fc.property(document, (text) => {
        expect(readers.refusal(Buffer.from(text)), text).toBeUndefined();
        expect(plain(readers.value(0)), text).toEqual(plain(parse(text)));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads every pair of special characters at every place of a word", () => {
    const pieces = ['\\"', "\\\\", "\\n", "\\u00e9", "\\x", "\u00e9", "\u0001", '"', "\\", "\x7f"];
    const texts: string[] = [];
    for (const one of pieces)
      for (const two of pieces)
        for (let before = 0; before < 9; before++)
          for (const between of [0, 1, 7])
            for (const behind of [0, 12])
              texts.push(
                `"${"a".repeat(before)}${one}${"b".repeat(between)}${two}${"c".repeat(behind)}"`,
              );
    for (const text of texts) {
      const bytes = Buffer.from(text);
      expect(readers.refusal(bytes) === undefined, JSON.stringify(text)).toBe(accepted(text));
      if (accepted(text)) expect(readers.value(0), text).toEqual(parse(text));
    }
  });

  it("takes a damaged text if and only if JSON.parse does", () => {
    const piece = fc.constantFrom(...'{}[],:"\\0123.eE+-truefalsn u\n\x00', "\\u12", "tru", "nul");
    const damaged = fc
      .tuple(document, fc.nat(60), fc.nat(3), piece)
      .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));
    const noise = fc.array(piece, { maxLength: 12 }).map((list) => list.join(""));
    fc.assert(
      fc.property(fc.oneof(damaged, noise), (text) => {
        // Go rejects a cut code point no more than a whole one: only the grammar counts.
        expect(readers.refusal(Buffer.from(text)) === undefined, JSON.stringify(text)).toBe(
          accepted(wellFormed(text)),
        );
      }),
      { numRuns: 10_000 },
    );
  });

  it("refuses every text that is cut short, in Go's words", () => {
    const text = '{"a\\u0041":[1.5e+3,true,null,false,"x\\n",{}],"b":-0}';
    for (let length = 0; length < text.length; length++) {
      const why = readers.refusal(Buffer.from(text.slice(0, length)));
      expect(why, text.slice(0, length)).toMatch(
        /^unexpected end of JSON input$|^invalid character 0x20 (in|after) /,
      );
    }
  });

  it.each([
    ["{,}", "invalid character 0x2c looking for beginning of object key string"],
    ["[1 2]", "invalid character 0x32 after array element"],
    ['{"a" 1}', "invalid character 0x31 after object key"],
    ['{"a":1 "b"}', "invalid character 0x22 after object key:value pair"],
    ["{}x", "invalid character 0x78 after top-level value"],
    ["[01]", "invalid character 0x31 after array element"],
    ["[-]", "invalid character 0x5d in numeric literal"],
    ["[1.]", "invalid character 0x5d after decimal point in numeric literal"],
    ["[1e]", "invalid character 0x5d in exponent of numeric literal"],
    ["[trux]", "invalid character 0x78 in literal true (expecting 'e')"],
    ['["\\q"]', "invalid character 0x71 in string escape code"],
    ['["\\u12g4"]', "invalid character 0x67 in \\u hexadecimal character escape"],
    ['["\n"]', "invalid character 0xa in string literal"],
    ["\ufeff{}", "invalid character 0xef looking for beginning of value"],
  ])("says what is wrong with %j", (text, why) => {
    expect(readers.refusal(Buffer.from(text))).toBe(why);
  });

  it("nests 10,000 deep and no deeper, in a megabyte of brackets too", () => {
    const nested = (depth: number) => Buffer.from("[".repeat(depth) + "]".repeat(depth));
    expect(readers.refusal(nested(10_000))).toBeUndefined();
    const why = "invalid character 0x5b exceeded max depth";
    expect(readers.refusal(nested(10_001))).toBe(why);
    expect(readers.refusal(Buffer.from("[".repeat(1 << 20)))).toBe(why);
  });

  it("finds a megabyte of smallest values", () => {
    const count = (1 << 19) - 1;
    expect(readers.refusal(Buffer.from(`[${"1,".repeat(count - 1)}1]`))).toBeUndefined();
    expect(readers.exports.jsonCount(0)).toBe(count);
  });

  it("reads invalid UTF-8 as U+FFFD, one for each byte", () => {
    const bytes = Buffer.concat([
      Buffer.from('"a'),
      Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2, 0x82]),
      // Longer than they need be: U+0000, U+07FF, U+FFFF.
      Buffer.from([0xc0, 0x80, 0xe0, 0x9f, 0xbf, 0xf0, 0x8f, 0xbf, 0xbf]),
      Buffer.from('"'),
    ]);
    expect(readers.refusal(bytes)).toBeUndefined();
    expect(readers.value(0)).toBe(`a\ufffd\ufffd(${"\ufffd".repeat(18)}`);
  });

  it("reads the last code point before each border of UTF-8 and of the surrogates", () => {
    for (const text of ["\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff"])
      for (const wrapped of [text, `\u{10000}${text}`, `\u{10ffff}${text}`]) {
        const units = Array.from({ length: wrapped.length }, (_, i) => wrapped.charCodeAt(i));
        const escapes = units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
        readers.refusal(Buffer.from(`["${wrapped}","${escapes}"]`));
        expect(readers.value(0)).toEqual([wrapped, wrapped]);
      }
  });

  it("finds a key in any case, also with the letters that fold to s and k", () => {
    for (const key of ["subnetKey", "SUBNETKEY", "\u017fubnet\u212aey", "\\u0073ubnet\\u212aey"]) {
      expect(readers.refusal(Buffer.from(`{"x":{"subnetKey":9},"${key}":1}`)), key).toBeUndefined();
      expect(readers.value(readers.exports.member(0)), key).toEqual({ number: "1" });
    }
    for (const key of ["subnetKe", "subnetKeyy", "subnet_ey", "\u015bubnetKey", ""]) {
      readers.refusal(Buffer.from(`{"${key}":1}`));
      expect(readers.exports.member(0), key).toBe(0);
    }
  });

  it("takes the last of several equal keys, for a scalar the last that isn't null", () => {
    const text = '{"subnetkey":1,"SubnetKey":{"a":[2]},"z":0,"SUBNETKEY":null}';
    expect(readers.refusal(Buffer.from(text))).toBeUndefined();
    expect(readers.value(readers.exports.member(0))).toBeNull();
    expect(plain(readers.value(readers.exports.member(1)))).toEqual({ a: [2] });
  });

  it("reads whole numbers of 64 bits and no others", () => {
    const whole = (text: string) => {
      readers.refusal(Buffer.from(text));
      return readers.exports.jsonInteger(0) ? readers.exports.integer() : undefined;
    };
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 65n), max: 1n << 65n }), (n) => {
        expect(whole(String(n))).toBe(BigInt.asIntN(64, n) === n ? n : undefined);
      }),
    );
    expect(whole("9223372036854775807")).toBe((1n << 63n) - 1n);
    expect(whole("9223372036854775808")).toBeUndefined();
    expect(whole("-9223372036854775808")).toBe(-(1n << 63n));
    for (const text of ["1.0", "1e3", "-0.5"]) expect(whole(text), text).toBeUndefined();
  });
});

describe("a text on its way out", () => {
  it("is escaped as Go's encoding/json does", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const bytes = Buffer.from(text);
        const right = JSON.stringify(wellFormed(text)).replace(
          /[<>&\u2028\u2029]/g,
          (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        const at = readers.put(bytes);
        expect(readers.out(readers.exports.escapeJson(at, bytes.length, 4096))).toBe(right);
      }),
      { numRuns: 2000 },
    );
  });

  it("names invalid UTF-8 as an escaped U+FFFD in JSON and by its bytes in quotes", () => {
    const bytes = Buffer.from([0x61, 0xff, 0x22, 0x07, 0x00, 0xc2, 0xa0]);
    let at = readers.put(bytes);
    expect(readers.out(readers.exports.escapeJson(at, bytes.length, 4096))).toBe(
      '"a\\ufffd\\"\\u0007\\u0000\u00a0"',
    );
    at = readers.put(bytes);
    expect(readers.out(readers.exports.escapeQuote(at, bytes.length))).toBe(
      '"a\\xff\\"\\a\\x00\\u00a0"',
    );
  });

  it("that doesn't fit is told, and writes nothing behind its buffer", () => {
    const bytes = Buffer.from("0123456789");
    const at = readers.put(bytes);
    new Uint8Array(readers.memory.buffer, at + bytes.length, 256).fill(0xaa);
    expect(readers.exports.escapeJson(at, bytes.length, 11)).toBe(-1);
    const behind = new Uint8Array(readers.memory.buffer, readers.exports.outAt.value + 11, 5);
    expect([...behind]).toEqual([0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
    expect(readers.exports.escapeJson(at, bytes.length, 12)).toBe(12);
  });
});

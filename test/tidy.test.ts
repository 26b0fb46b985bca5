// Style as a test: what the house's rules say of every source file, and which way imports may run.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = ["assembly", "src", "native", "bench", "test", "scripts"];
const files = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((name) => /\.(ts|mjs|c|h)$/.test(name) && !name.includes("node_modules")),
);
const read = (name: string) => readFileSync(join(root, name), "utf8");

/**
 * Rooms of assembly/ from right to left: a file imports only from its own room and those before.
 */
const rooms = [
  "",
  "image",
  "sets",
  "records",
  "pool",
  "store",
  "foreign",
  "library",
  "protocol",
  "verbs",
  "entries",
];
const assembly = files.filter((file) => /^assembly\/.*\.ts$/.test(file));

/** The folder is the room; the files beside the folders serve all, the entries none. */
function roomOf(file: string): number {
  if (/^assembly\/(cni|core|book)\.ts$/.test(file)) return rooms.indexOf("entries");
  return rooms.indexOf(file.split("/").length === 2 ? "" : file.split("/")[1]!);
}

describe("tidy", () => {
  it("keeps files under 450 lines and lines within 100 columns (titles of tests: 120)", () => {
    const long = files.filter((name) => read(name).split("\n").length > 450);
    const wide = files.filter((name) =>
      read(name)
        .split("\n")
        .some((line) => line.length > (/^test\//.test(name) ? 120 : 100)),
    );
    expect({ long, wide }).toEqual({ long: [], wide: [] });
  });

  it("keeps functions of assembly/, native/, bench/ and scripts/ within 70 lines", () => {
    const long = files
      .filter((name) => /^(assembly|native|bench|scripts)\//.test(name))
      .flatMap((name) => {
        const lines = read(name).split("\n");
        return lines.flatMap((line, from) => {
          if (!/^\w.*\(.*[{(,]$/.test(line)) return [];
          const length = lines.slice(from).findIndex((other) => /^\}/.test(other));
          return length >= 70 ? [`${name}:${from + 1}`] : [];
        });
      });
    expect(long).toEqual([]);
  });

  it("opens each file with a comment that says what it owns", () => {
    const bare = files.filter((name) => !/^(#!.*\n)?(\/\/|\/\*)/.test(read(name)));
    expect(bare.filter((name) => !/^test\/|\/(cni|core|book)\.ts$|\.d\.mts$/.test(name))).toEqual(
      [],
    );
  });

  it("leaves nothing open in the code", () => {
    const words = new RegExp(
      `\\b(${["TO", "FIX"].map((w) => `${w}DO|${w}M`).join("|")}|${"X".repeat(3)})\\b`,
    );
    expect(files.filter((name) => words.test(read(name)))).toEqual([]);
  });

  it("has no test that asks for speed: bounds of elapsed time are for hangs, 2 s at least", () => {
    const bounds = files
      .filter((name) => /^test\//.test(name))
      .flatMap((name) =>
        [
          ...read(name).matchAll(/(?:performance|Date)\.now\(\)[^\n;]*toBeLess\w+\(([\d_.e]+)\)/g),
        ].map(([line, bound]) => ({ name, line, bound: Number(bound!.replaceAll("_", "")) })),
      );
    expect(bounds.length).toBeGreaterThan(0);
    expect(bounds.filter(({ bound }) => bound < 2000)).toEqual([]);
  });

  it("imports one way in assembly/", () => {
    const wrong: string[] = [];
    for (const file of assembly) {
      if (roomOf(file) < 0) wrong.push(`${file} has no room in test/tidy.test.ts`);
      for (const [, other] of read(file).matchAll(/from "(\.[^"]+)"/g)) {
        const target = join(dirname(file), `${other}.ts`);
        if (roomOf(target) > roomOf(file)) wrong.push(`${file} -> ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("has no two files of assembly/, src/ or bench/ that import each other, types apart", () => {
    const imports = new Map<string, string[]>();
    for (const file of files.filter((name) => /^(assembly|src|bench)\/.*\.ts$/.test(name))) {
      const lines = read(file).matchAll(
        /^(?:import|export) (?!type\b)[^;]*?from "(\.[^"]+?)(?:\.ts)?";/gm,
      );
      imports.set(
        file,
        [...lines].map(([, other]) => join(dirname(file), `${other}.ts`)),
      );
    }
    // Files whose imports are all known to lead to no circle go, until none goes any more.
    for (let before = -1; before !== imports.size; ) {
      before = imports.size;
      for (const [file, others] of imports)
        if (!others.some((other) => imports.has(other))) imports.delete(file);
    }
    // What is left is in a circle, or imports what is.
    expect([...imports.keys()]).toEqual([]);
  });

  // The linter looks at all but assembly/, which isn't TypeScript.
  it("imports and declares nothing in assembly/ that its file doesn't use", () => {
    const unused = assembly.flatMap((file) => {
      const text = read(file);
      const lists = [...text.matchAll(/^import \{([^}]*)\}/gm)].flatMap(([, list]) =>
        list!.split(","),
      );
      const own = [...text.matchAll(/^(?:const|let|function) (\w+)/gm)].map(([, name]) => name!);
      const names = [...lists, ...own]
        .map((name) => name.trim())
        .filter((name) => /^\w+$/.test(name));
      return names
        .filter((name) => text.match(new RegExp(`\\b${name}\\b`, "g"))!.length === 1)
        .map((name) => `${file}: ${name}`);
    });
    expect(unused).toEqual([]);
  });

  it("has no assembly file that nobody imports", () => {
    const imported = new Set(["assembly/cni.ts", "assembly/core.ts", "assembly/book.ts"]);
    for (const file of [...assembly, ...files.filter((name) => /^(test|src)\//.test(name))])
      for (const [, other] of read(file).matchAll(/from "(\.[^"]+?)(?:\.ts)?"/g))
        imported.add(join(dirname(file), `${other}.ts`));
    expect(assembly.filter((file) => !imported.has(file))).toEqual([]);
  });
});

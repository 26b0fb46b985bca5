// docs/LIBRARY.md against the library: every example runs as it stands there and prints what its
// comments say, and no public name is missing.
//
//   console.log(pool.allocate()); // -> 10.0.0.4     one comment for each line that is printed
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/wasm.ts";

const root = packageRoot();
const read = (name: string) => readFileSync(join(root, name), "utf8");
const text = read("docs/LIBRARY.md");
const dir = mkdtempSync(join(root, "build/docs-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Examples, with the heading that each stands under. */
const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(({ index, 1: code }) => {
  const heading = [...text.slice(0, index).matchAll(/^#+ (.*)$/gm)].at(-1)![1]!;
  return { heading, code: code! };
});

/** What the comments of an example say it prints. */
function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ -> (.*)$/gm)].map((match) => match[1]!);
}

/** Runs an example as a program of its own; the lines that it printed. */
async function printed(code: string, number: number): Promise<string[]> {
  const path = (name: string) => JSON.stringify(join(root, "build/js/src", name));
  const file = join(dir, `example-${number}.mjs`);
  const here = code
    .replaceAll('"berth-ipam"', path("index.js"))
    .replaceAll('"berth-ipam/wasm"', path("module.js"));
  writeFileSync(file, here);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { cwd: dir });
  expect(stderr).toBe("");
  return stdout.split("\n").slice(0, -1);
}

/** Names that a file exports from others (`export { a, type B } from`) or by itself. */
function exported(file: string): string[] {
  const source = read(file);
  const lists = [...source.matchAll(/export (?:type )?\{([^}]*)\} from/g)].flatMap((match) =>
    match[1]!.split(",").map((name) => name.trim().replace(/^type /, "")),
  );
  const own = source.matchAll(/^export (?:type|const|function|class|interface) (\w+)/gm);
  return [...lists, ...[...own].map((match) => match[1]!)].filter(Boolean);
}

const names = exported("src/index.ts");
const sources = ["src", "src/cluster", "src/ipam"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(join(folder, name))),
);

/** Fields of an interface, or public members of a class, with what it extends. */
function members(name: string): string[] {
  const begin = new RegExp(`export (?:abstract )?(interface|class) ${name}\\b([^{]*)\\{\\n`);
  const source = sources.find((each) => begin.test(each));
  if (!source) return [];
  const match = begin.exec(source)!;
  const [head, kind, parents] = match;
  const body = source.slice(match.index + head.length).split("\n}")[0]!;
  const member =
    kind === "interface"
      ? /^ {2}(?:readonly )?(\w+)\??[:(]/gm
      : /^ {2}(?!private |protected |constructor)(?:static |readonly |get |abstract )*(\w+)[(<:]/gm;
  const parent = /extends (\w+)/.exec(parents!)?.[1];
  const own = [...body.matchAll(member)].map((found) => found[1]!);
  return [...own, ...(parent ? members(parent) : [])];
}

// Everything on the page that is code: spans, and blocks.
const blocks = /```\w*\n[\s\S]*?```/g;
const spans = [...text.replaceAll(blocks, "").matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
const words = new Set([...spans, ...(text.match(blocks) ?? [])].flatMap((c) => c.split(/\W+/)));

/** Does the page have this word in code? */
function isThere(word: string): boolean {
  return words.has(word);
}

describe("the examples of docs/LIBRARY.md", () => {
  for (const [i, { heading, code }] of examples.entries())
    it(`${heading}: example ${i + 1} prints what it says`, async () => {
      const wanted = promised(code);
      expect(wanted.length).toBeGreaterThan(0);
      expect(await printed(code, i)).toEqual(wanted);
    });
});

describe("docs/LIBRARY.md has", () => {
  it("every name that the package exports", () => {
    expect(names.length).toBeGreaterThan(20);
    const all = [...names, ...exported("src/module.ts")];
    expect(all.filter((name) => !isThere(name))).toEqual([]);
  });

  it("every field and method of those", () => {
    const wanted = names.flatMap((name) => members(name).map((member) => [name, member]));
    expect(wanted.length).toBeGreaterThan(100);
    // What one file of the library needs of another, and the insides of tokens.
    const inner = /^(\w+Token|Ipam(Copy)?\.poolNow|IpamPool\.(cell|range|isOf))\b/;
    const known = wanted.filter(([name, member]) => !inner.test(`${name}.${member}`));
    expect(known.filter(([, member]) => !isThere(member!))).toEqual([]);
  });

  it("every code of IpamError and of a plan's warnings, each code of an error in a row", () => {
    const codesOf = (file: string, from: string) =>
      [
        ...read(file)
          .split(from)[1]!
          .split(";")[0]!
          .matchAll(/"(\w+)"/g),
      ].map((match) => match[1]!);
    const codes = codesOf("src/errors.ts", "type IpamCode");
    expect(codes.length).toBeGreaterThan(20);
    const chapter = text.split("\n## Errors\n")[1]!.split("\n## ")[0]!;
    const rows = [...chapter.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!);
    expect(rows.sort()).toEqual(codes.sort());
    const warnings = codesOf("src/cluster/planwarnings.ts", "code:");
    expect(warnings.length).toBeGreaterThan(10);
    expect(warnings.filter((code) => !isThere(code))).toEqual([]);
  });

  it("no heading twice, no link to a heading or file that isn't there, no line too long", () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
      match[1]!
        .toLowerCase()
        .replaceAll(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    );
    expect(new Set(headings).size).toBe(headings.length);
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!);
    const files = readdirSync(join(root, "docs"));
    const dead = links.filter((to) =>
      to.startsWith("#") ? !headings.includes(to.slice(1)) : !files.includes(to),
    );
    expect(dead).toEqual([]);
    // A row of a table is one line, however long.
    const long = text.split("\n").filter((line) => line.length > 120 && !line.startsWith("|"));
    expect(long).toEqual([]);
  });
});

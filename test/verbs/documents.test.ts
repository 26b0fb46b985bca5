// What plugin and verbs say, against the documents: no error code, metric, option, member of an
// answer or key of the config goes without a word, and no document names one that isn't there.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/wasm.ts";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { type Json, pluginOf } from "../plugin/support/plugin.ts";
import { folder, network, pair, removeAll } from "../plugin/support/space.ts";
import { berth, type Told, told } from "./support.ts";

afterAll(removeAll);

const root = packageRoot();
const read = (name: string) => readFileSync(join(root, name), "utf8");
const found = (text: string, what: RegExp) => [...text.matchAll(what)].map((match) => match[1]!);
const sorted = (names: Iterable<string>) => [...new Set(names)].sort();

const DOCS = ["README.md", "CHANGELOG.md", "examples/README.md"].concat(
  readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
);
const OPERATORS = ["OPERATING", "GC", "MIGRATION"]
  .map((name) => read(`docs/${name}.md`))
  .join("\n");
/** Everything on these pages that is code: spans, and blocks. */
const inCode = (text: string) => {
  const spans = found(text.replaceAll(/```[\s\S]*?```/g, ""), /`([^`\n]+)`/g);
  return new Set(
    [...spans, ...found(text, /```\w*\n([\s\S]*?)```/g)].flatMap((c) => c.split(/\W+/)),
  );
};
/** A page's part under a heading. */
const chapter = (page: string, heading: string) =>
  page.split(`\n## ${heading}\n`)[1]!.split("\n## ")[0]!;

describe("docs/ERRORS.md", () => {
  const page = read("docs/ERRORS.md");

  it("has a row for each code of the plugin and the verbs, and no other", () => {
    const codes = found(
      read("assembly/protocol/errors.ts"),
      /^export const ERROR_\w+: i32 = (\d+);/gm,
    );
    expect(codes.length).toBeGreaterThan(15);
    expect(sorted(found(page, /^\| (\d+) \|/gm))).toEqual(sorted(codes));
  });

  it("has no code beside that list: each error begins with a name of it", () => {
    for (const folder of ["protocol", "verbs", "store", "foreign"].map(
      (name) => `assembly/${name}`,
    ))
      for (const name of readdirSync(join(root, folder)))
        expect([
          name,
          found(read(join(folder, name)), /^(?!\/\/).*\berror(?:Begin|Code)\((\d+)/gm),
        ]).toEqual([name, []]);
    const hosts = ["cli/plugin.ts", "host.ts"].map((name) => read(`src/${name}`)).join("");
    expect(sorted(found(hosts, /\bcode: (\d+)/g))).toEqual(["999"]);
  });

  it("and the pages that it names have each key that the config can have, and each variable", () => {
    const files = [
      "config",
      "options",
      "reserve",
      "beside",
      "rangedrafts",
      "routes",
      "static",
      "dns",
    ];
    const text = files.map((name) => read(`assembly/protocol/${name}.ts`)).join("\n");
    const keys = found(
      text,
      /\b(?:json(?:Raw)?Member|jsonRaw|(?:field|read)[A-Z]\w*)\(\w+, "(\w+)"/g,
    );
    expect(keys).toEqual(
      expect.arrayContaining(["cooldown", "perNamespace", "exclude", "mtu", "search"]),
    );
    const pages = [
      "README.md",
      "docs/ERRORS.md",
      "docs/LIFE.md",
      "docs/ANNOTATIONS.md",
      "docs/MIGRATION.md",
    ];
    const words = inCode(pages.map(read).join("\n"));
    expect(sorted(keys).filter((key) => !words.has(key))).toEqual([]);
    const hosts = [
      "native/host.c",
      "src/host.ts",
      "assembly/protocol/shadow.ts",
      "assembly/protocol/env.ts",
    ];
    const variables = hosts.flatMap((name) =>
      found(read(name), /\b(BERTH_[A-Z_]+|CNI_NETNS_OVERRIDE)\b/g),
    );
    const rows = found(
      chapter(page, "Environment variables besides those of CNI"),
      /^\| `(\w+)`/gm,
    );
    expect(sorted(rows)).toEqual(sorted(variables.filter((name) => !/_H_$/.test(name))));
  });
});

describe("docs/OPERATING.md", () => {
  const page = read("docs/OPERATING.md");

  it("has a row for each metric, and no other", () => {
    const metrics = found(read("assembly/verbs/metrics.ts"), /"(berth_\w+)"/g);
    expect(metrics.length).toBeGreaterThan(10);
    expect(sorted(found(page, /^\| `(berth_\w+)` \|/gm))).toEqual(sorted(metrics));
  });

  it("has each member of what --json answers, under JSON, and none that no verb has", () => {
    const verbs = readdirSync(join(root, "assembly/verbs")).filter(
      (name) => name !== "conflist.ts",
    );
    const text = verbs.map((name) => read(`assembly/verbs/${name}`)).join("\n");
    const members = found(text, /\b(?:member|wideMember|tellNumber|jsonTimes)\("(\w+)"/g);
    expect(members.length).toBeGreaterThan(100);
    const json = chapter(page, "JSON");
    const errors = ["code", "msg", "details"];
    const rows = json.split("\n").filter((line) => line.startsWith("| `"));
    const named = rows.flatMap((row) => found(row.split("|")[2]!, /`(\w+)`/g));
    const above = inCode(json.split("\n| ")[0]!);
    expect(sorted(members).filter((name) => !named.includes(name) && !above.has(name))).toEqual([]);
    expect(
      sorted(named).filter((name) => !members.includes(name) && !errors.includes(name)),
    ).toEqual([]);
  });

  it("has them in the row of their verb", async () => {
    const json = chapter(page, "JSON");
    const above = inCode(json.split("\n| ")[0]!);
    const row = (verb: string) =>
      inCode(json.split("\n").find((line) => line.startsWith(`| \`${verb}\``))!);
    const keys = (value: Json): string[] => {
      if (typeof value !== "object" || value === null) return [];
      if (Array.isArray(value)) return value.flatMap(keys);
      return Object.entries(value).flatMap(([key, inner]) => [key, ...keys(inner)]);
    };
    const binary = berths[0]!;
    const caller = Caller.start(4);
    const p = pluginOf(caller, binary);
    const n = network(folder(), pair(8), { cooldown: 600, reserve: { pods: "all" } });
    const args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web";
    await p.given(n, "aaaaaaaaaaaa", { args });
    await p.gone(n, "aaaaaaaaaaaa", { args });
    await p.given(n, "bbbbbbbbbbbb");
    await p.gone(n, "bbbbbbbbbbbb");
    await p.given(n, "cccccccccccc");
    await p.add(n, "cccccccccccc"); // refused
    await caller.close();
    const [dir, to] = [n.ipam.dataDir, folder()];
    const asked: [string, ...string[]][] = [
      ["show"],
      ["check"],
      ["history"],
      ["explain", "shop/web"],
      ["explain", "shop/none"],
      ["explain", "cccccccccccc"],
      ["metrics"],
      ["forecast"],
      ["map"],
      ["shadow"],
      ["export", "--host-local", to],
      ["reserve", "shop/db", "--for", "1h"],
      ["release", "shop/db"],
      ["reset", "--force"],
    ];
    for (const [verb, ...words] of asked) {
      const [net] = told(binary, verb, ...words, "--data-dir", dir) as [Told];
      const known = new Set([...above, ...row(verb)]);
      if (verb === "explain") for (const key of row("history")) known.add(key);
      expect([verb, Object.keys(net).length > 2]).toEqual([verb, true]);
      expect([verb, sorted(keys(net)).filter((key) => !known.has(key))]).toEqual([verb, []]);
    }
  });
});

describe.each(berths)("$name: help", (binary) => {
  it("has every option that a verb takes; the documents have every one of those", () => {
    const registry = read("assembly/verbs/registry.ts")
      .split("export function verbOptions")[1]!
      .split("\n}")[0]!;
    const own = new Map(
      [...registry.matchAll(/case ([A-Z]+):\s+return "([^"]*)"/g)].map((match) => [
        match[1]!.toLowerCase(),
        match[2]!.replaceAll("=", "").split(" "),
      ]),
    );
    expect(own.size).toBeGreaterThan(8);
    for (const verb of found(berth(binary, "help").out, /^ {2}([a-z]+) {2,}\S/gm)) {
      if (verb === "plan" || verb === "bench") continue;
      const told = sorted(found(berth(binary, "help", verb).out, /(?<![\w-])--([a-z][a-z-]*)/g));
      expect([verb, (own.get(verb) ?? []).filter((name) => !told.includes(name))]).toEqual([
        verb,
        [],
      ]);
      expect([verb, told.filter((name) => !OPERATORS.includes(`--${name}`))]).toEqual([verb, []]);
    }
  });
});

describe("the documents", () => {
  it("link to headings and files that are there, and name no source that isn't", () => {
    const anchors = (name: string) =>
      found(read(name), /^#+ (.*)$/gm).map((heading) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-"),
      );
    for (const name of DOCS) {
      const text = read(name);
      const links = found(text, /\]\(([^)]+)\)/g).concat(found(text, /(?:src|srcset)="([^"]+)"/g));
      const dead = links.filter((link) => {
        if (/^https?:/.test(link)) return false;
        const [path, anchor] = link.split("#") as [string, string?];
        const to = path === "" ? name : join(dirname(name), path);
        return (
          !existsSync(join(root, to)) || (anchor !== undefined && !anchors(to).includes(anchor))
        );
      });
      expect([name, dead]).toEqual([name, []]);
      const files = found(
        text,
        /\b((?:assembly|src|test|scripts|bench|examples)\/[\w./-]+\.(?:ts|mjs|md|conf|conflist))\b/g,
      );
      expect([name, files.filter((file) => !existsSync(join(root, file)))]).toEqual([name, []]);
    }
  });

  it("show the network of the examples as it is there", () => {
    const shown = found(read("README.md"), /```json\n([\s\S]*?)```/g);
    expect(JSON.parse(shown[0]!)).toEqual(JSON.parse(read("examples/10-berth.conflist")));
  });
});

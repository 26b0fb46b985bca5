// The guide's code, run as it stands in docs/NODE-CIDR-CONTROLLER.md against a small API server.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { PrefixPool } from "../../src/index.ts";
import { packageRoot } from "../../src/wasm.ts";

interface Node {
  metadata: { name: string };
  spec: { podCIDR?: string; podCIDRs?: string[] };
}
interface Event {
  type: "ADDED" | "MODIFIED" | "DELETED";
  node: Node;
}

const root = packageRoot();
const dir = mkdtempSync(join(root, "build/guide-"));
const guide = readFileSync(join(root, "docs/NODE-CIDR-CONTROLLER.md"), "utf8");
const code = guide.match(/```js\n([\s\S]*?)```/)![1]!;
writeFileSync(
  join(dir, "controller.mjs"),
  code.replace('"berth-ipam"', JSON.stringify(join(root, "build/js/src/index.js"))),
);
const { run } = (await import(join(dir, "controller.mjs"))) as {
  run(api: object, cidrs: string[], log: { warn(text: string): void }): Promise<PrefixPool>;
};
afterAll(() => rmSync(dir, { recursive: true }));

const node = (name: string, podCIDRs?: string[]): Node => ({
  metadata: { name },
  spec: podCIDRs ? { podCIDR: podCIDRs[0]!, podCIDRs } : {},
});

function server(nodes: Node[], events: Event[], failing: string[] = []) {
  const patched: Record<string, unknown> = {};
  return {
    patched,
    list: async () => nodes,
    async *watch() {
      yield* events;
    },
    async patch(name: string, body: { spec: unknown }) {
      if (failing.includes(name)) throw new Error("conflict");
      patched[name] = body.spec;
    },
  };
}

const CLUSTER = ["10.244.0.0/16", "fd00:10:244::/48"];

describe("the node CIDR controller of the guide", () => {
  it("is at most 40 lines of code", () => {
    const lines = code.split("\n").filter((line) => line.trim() && !/^\s*\/\//.test(line));
    expect(lines.length).toBeLessThanOrEqual(40);
  });

  it("gives new nodes both families, keeps what nodes have, takes back what is deleted", async () => {
    const old = node("old", ["10.244.0.0/24", "fd00:10:244::/64"]);
    const api = server(
      [old],
      [
        { type: "ADDED", node: old },
        { type: "ADDED", node: node("a") },
        { type: "MODIFIED", node: node("a", ["10.244.1.0/24", "fd00:10:244:1::/64"]) },
        { type: "ADDED", node: node("b") },
        { type: "DELETED", node: node("a") },
      ],
    );
    const warned: string[] = [];
    const pool = await run(api, CLUSTER, { warn: (text) => warned.push(text) });
    const cidrs = (podCIDRs: string[]) => ({ podCIDR: podCIDRs[0], podCIDRs });
    expect(api.patched).toEqual({
      a: cidrs(["10.244.1.0/24", "fd00:10:244:1::/64"]),
      b: cidrs(["10.244.2.0/24", "fd00:10:244:2::/64"]),
    });
    expect(warned).toEqual([]);
    expect([...pool].sort()).toEqual(
      ["10.244.0.0/24", "10.244.2.0/24", "fd00:10:244:2::/64", "fd00:10:244::/64"].sort(),
    );
    pool.close();
  });

  it("reports what is taken or foreign, and gives back what the API server refused", async () => {
    const nodes = [
      node("a", ["10.244.7.0/24"]),
      node("b", ["10.244.7.0/24"]),
      node("c", ["192.168.0.0/24"]),
    ];
    const api = server(nodes, [{ type: "ADDED", node: node("d") }], ["d"]);
    const warned: string[] = [];
    const pool = await run(api, CLUSTER, { warn: (text) => warned.push(text) });
    expect(warned).toEqual([
      "10.244.7.0/24 of b is taken",
      "192.168.0.0/24 of c is foreign",
      "d: conflict",
    ]);
    expect([...pool]).toEqual(["10.244.7.0/24"]);
    pool.close();
  });

  it("learns from events what a node has after all: a patch that seemed to fail was written", async () => {
    const prefixes = (n: number) => [`10.244.${n}.0/24`, `fd00:10:244:${n}::/64`];
    const first = ["10.244.0.0/24", "fd00:10:244::/64"];
    const events: Event[] = [
      { type: "ADDED", node: node("a") },
      { type: "MODIFIED", node: node("a", first) },
      { type: "MODIFIED", node: node("static", prefixes(1)) },
      { type: "ADDED", node: node("b") },
      { type: "DELETED", node: node("static") },
    ];
    const api = server([], events, ["a"]);
    const warned: string[] = [];
    const pool = await run(api, CLUSTER, { warn: (text) => warned.push(text) });
    expect(warned).toEqual(["a: conflict"]);
    expect(api.patched).toEqual({ b: { podCIDR: prefixes(2)[0], podCIDRs: prefixes(2) } });
    expect(pool.prefixesOf("a")).toEqual(first);
    expect(pool.prefixesOf("static")).toEqual([]);
    pool.close();
  });
});

// One damaged network among sound ones: a verb on all networks says what it can of each, names the
// damaged ones, and its exit status tells it.

import * as fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { pluginOf } from "../plugin/support/plugin.ts";
import { folder, type Network, network, removeAll } from "../plugin/support/space.ts";
import { berth, told } from "./support.ts";

afterAll(removeAll);

describe.each(berths)("$name: verbs on networks of which some are damaged", (binary) => {
  let caller: Caller;
  let dir: string;

  /** Changes a byte where the text stands `place` bytes behind the begin of a cell of 128 bytes. */
  function harm(name: string, text: string, place: number): void {
    const file = path.join(dir, name, "berth.state");
    const bytes = fs.readFileSync(file);
    let at = bytes.indexOf(text);
    while (at >= 0 && at % 128 !== place) at = bytes.indexOf(text, at + 1);
    expect(at).toBeGreaterThanOrEqual(0);
    bytes[at + 1]! ^= 1;
    fs.writeFileSync(file, bytes);
  }

  beforeEach(async () => {
    caller = Caller.start(8);
    const p = pluginOf(caller, binary);
    const one = network(folder(), [[{ subnet: "10.5.0.0/28" }]]);
    dir = one.ipam.dataDir;
    for (const name of ["a", "b", "c", "d", "e"]) {
      const n: Network = { ...one, name };
      for (const id of ["first", "second", "third"]) await p.given(n, `${id}-${name}`);
    }
    harm("b", "BERTHIMG", 0); // its header
    for (const name of ["c", "d"]) harm(name, `third-${name}`, 48); // a record, the last of a list
  });
  afterEach(() => caller.close());

  const verbs = ["show", "forecast", "check", "history", "map", "gc --dry-run", "gc"];

  it.each(verbs)("%s", (words) => {
    const verb = words.split(" ");
    const said = berth(binary, ...verb, "--data-dir", dir);
    expect(said.status, said.out).toBe(1);
    for (const name of ["a", "e"]) expect(said.out).toContain(`network ${name}\n`);
    expect(said.err).toContain(`state of network b in ${dir}/b can't be used`);
    // They look at no records, or tell faults; or see before that that this isn't the node.
    const quiet = ["history", "check", "gc"].includes(verb[0]!);
    for (const name of quiet ? [] : ["c", "d"])
      expect(said.err, said.out).toContain(`state of network ${name} in ${dir}/${name} can't be`);
    const all = told(binary, ...verb, "--data-dir", dir);
    expect(all.map((one) => one.network)).toEqual(["a", "b", "c", "d", "e"]);
    const errors = all.map((one) => (one.error as { code: number } | undefined)?.code);
    const inner = quiet ? errors[0] : 102;
    expect(errors).toEqual([errors[0], 102, inner, inner, errors[0]]);
    if (verb[0] !== "gc") expect(errors[0]).toBe(undefined);
  });

  it("metrics: figures of the sound ones, and which can't be read", () => {
    const said = berth(binary, "metrics", "--data-dir", dir);
    expect(said.status).toBe(1);
    expect(said.err).toContain("state of network b");
    const lines = said.out.split("\n");
    const readable = lines.filter((line) => line.startsWith("berth_network_readable{"));
    const right = ["a", "b", "c", "d", "e"].map(
      (name) => `berth_network_readable{network="${name}"} ${"ae".includes(name) ? 1 : 0}`,
    );
    expect(readable).toEqual(right);
    const held = lines.filter((line) => /^berth_addresses\{.*state="held"/.test(line));
    expect(held.map((line) => /network="(.)".* (\d+)$/.exec(line)!.slice(1))).toEqual([
      ["a", "3"],
      ["e", "3"],
    ]);
    const file = path.join(dir, "berth.prom");
    expect(berth(binary, "metrics", "--data-dir", dir, "--output", file).status).toBe(1);
    // A second may have passed between the two.
    const ageless = (text: string) => text.replace(/(oldest_allocation_seconds\{.*\}) \d+/g, "$1");
    expect(ageless(fs.readFileSync(file, "utf8"))).toBe(ageless(said.out));
  });

  it("the way out that an ADD's error names works as it stands", async () => {
    const config = { cniVersion: "1.0.0", name: "b", ipam: { type: "berth", dataDir: dir } };
    const n: Network = {
      ...config,
      ipam: { ...config.ipam, ranges: [[{ subnet: "10.5.0.0/28" }]] },
    };
    const p = pluginOf(caller, binary);
    const refused = await p.add(n, "new");
    expect(refused.error.code).toBe(102);
    const { details } = told(binary, "show", "--data-dir", dir)[1]!.error as { details: string };
    const way = /"berth (reset [^"]*)"/.exec(details)![1]!.split(" ");
    expect(berth(binary, ...way).status).toBe(0);
    expect((await p.add(n, "new")).ok).toBe(true);
  });
});

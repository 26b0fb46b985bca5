// `berth metrics`: the text format of Prometheus, read by a parser of ours, and the figures in it.

import * as fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { openIpam } from "../../src/ipam/ipam.ts";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, removeAll } from "../plugin/support/space.ts";
import { berth, lines, told } from "./support.ts";

afterAll(removeAll);

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: string;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\})/;

/** Reads the text format 0.0.4; throws at the first thing that a collector would refuse. */
function parse(text: string): Sample[] {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const samples: Sample[] = [];
  const seen = new Set<string>();
  const done = new Set<string>();
  let family = "";
  let described = "";
  for (const line of lines(text)) {
    const head = /^# (HELP|TYPE) ([^ ]+) (.+)$/.exec(line);
    if (head) {
      const [, what, name, rest] = head as unknown as [string, string, string, string];
      if (what === "HELP") {
        if (done.has(name)) throw new Error(`${name} is described twice`);
        if (family) done.add(family);
        described = name;
      } else {
        if (name !== described) throw new Error(`TYPE of ${name} without its HELP`);
        if (!["gauge", "counter"].includes(rest)) throw new Error(`type ${rest}`);
        family = name;
      }
      continue;
    }
    const name = NAME.exec(line)?.[0];
    if (name === undefined || name !== family) throw new Error(`a sample out of place: ${line}`);
    let rest = line.slice(name.length);
    const labels: Record<string, string> = {};
    if (rest.startsWith("{")) {
      rest = rest.slice(1);
      for (let end = ","; end === ","; ) {
        const label = LABEL.exec(rest);
        if (!label) throw new Error(`labels of ${line}`);
        labels[label[1]!] = label[2]!.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
        rest = rest.slice(label[0].length);
        end = label[3]!;
      }
    }
    if (!/^ [0-9]+$/.test(rest)) throw new Error(`the value of ${line}`);
    const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    samples.push({ name, labels, value: rest.slice(1) });
  }
  return samples;
}

describe.each(berths)("$name: metrics", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let dir: string;

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    const four = { subnet: "10.5.0.0/28", exclude: ["10.5.0.8/30", "10.5.0.10", "10.5.0.1"] };
    n = network(folder(), [[four], [{ subnet: "fd05::/64" }]], { cooldown: 600 });
    dir = n.ipam.dataDir;
  });
  afterEach(() => caller.close());

  const samples = (...more: string[]) => {
    const said = berth(binary, "metrics", "--data-dir", dir, ...more);
    expect([said.status, said.err]).toEqual([0, ""]);
    return parse(said.out);
  };
  const values = (all: Sample[], name: string, labels: Record<string, string>) =>
    Object.fromEntries(
      all
        .filter((one) => one.name === name)
        .filter((one) => Object.entries(labels).every(([k, v]) => one.labels[k] === v))
        .map((one) => [one.labels.state ?? "", one.value]),
    );

  it("counts what each range set has, holds, reserves, cools and has free", async () => {
    for (const id of ["a", "b", "c"]) await p.given(n, id);
    await p.gone(n, "b");
    const ipam = openIpam(homeOf(n), { lock: "per-call" });
    const pool = ipam.pool("10.5.0.0/28");
    ipam.reserve("shop/web-0", { pools: [pool], addresses: ["10.5.0.12"], ttl: 3600 });
    ipam.close();
    const all = samples();
    // .1 to .14, without the gateway .1 (excluded too) and .8 to .11
    const four = { network: "net", set: "0", family: "4" };
    expect(values(all, "berth_range_set_size", four)).toEqual({ "": "9" });
    expect(values(all, "berth_addresses", four)).toEqual({
      held: "2",
      reserved: "1",
      cooling: "1",
      free: "5",
    });
    const six = { network: "net", set: "1", family: "6" };
    expect(values(all, "berth_range_set_size", six)).toEqual({ "": `${2n ** 64n - 2n}` });
    expect(values(all, "berth_addresses", six)).toEqual({
      held: "2",
      reserved: "0",
      cooling: "1",
      free: `${2n ** 64n - 5n}`,
    });
    const of = (name: string) => Number(values(all, name, { network: "net" })[""]);
    expect(of("berth_allocations")).toBe(2);
    expect(of("berth_reservations")).toBe(1);
    expect(of("berth_cooling")).toBe(2);
    expect(of("berth_range_sets_known")).toBe(1);
    expect(of("berth_oldest_allocation_seconds")).toBeLessThan(60);
    expect(of("berth_state_bytes")).toBe(fs.statSync(path.join(homeOf(n), "berth.state")).size);
  });

  it("tells an excluded address that is held, and takes it from what is free only once", async () => {
    await p.given(n, "a");
    const ranges = [[{ subnet: "10.5.0.0/28", exclude: ["10.5.0.2"] }], [{ subnet: "fd05::/64" }]];
    await p.given({ ...n, ipam: { ...n.ipam, ranges } }, "b");
    const four = values(samples(), "berth_addresses", { set: "0" });
    expect(four).toEqual({ held: "2", reserved: "0", cooling: "0", free: "11" });
  });

  it("counts refusals by code and reason, and cool-downs that ended early", async () => {
    const small = network(n.ipam.dataDir, [[{ subnet: "10.6.0.0/29" }]], { cooldown: 600 });
    for (const id of ["a", "b", "c", "d", "e"]) await p.given(small, id);
    for (let i = 0; i < 3; i++) expect((await p.add(small, `x${i}`)).ok).toBe(false);
    expect((await p.add(small, "a")).ok).toBe(false);
    await p.gone(small, "a");
    await p.given(small, "f");
    const all = samples();
    const refused = all.filter((one) => one.name === "berth_refused_total");
    expect(refused.map((one) => [one.labels.code, one.value]).sort()).toEqual([
      ["999", "1"],
      ["999", "3"],
    ]);
    expect(values(all, "berth_yields_total", {})).toEqual({ "": "1" });
    expect(Number(values(all, "berth_events_total", {})[""])).toBeGreaterThanOrEqual(9);
    const [net] = told(binary, "metrics", "--data-dir", dir);
    expect(net).toMatchObject({ yields: 1 });
    expect((net!.refused as { times: number }[]).map((one) => one.times).sort()).toEqual([1, 3]);
  });

  it("has all networks in one text, each metric once", async () => {
    await p.given(n, "a");
    await p.given({ ...n, name: "blue" }, "b");
    const all = samples();
    expect(new Set(all.map((one) => one.labels.network))).toEqual(new Set(["net", "blue"]));
    expect(samples("--network", "blue").every((one) => one.labels.network === "blue")).toBe(true);
  });

  it("says 0 where the range sets aren't known, and no set", () => {
    const ipam = openIpam(path.join(dir, "old"));
    ipam.pool("10.6.0.0/24");
    ipam.close();
    const all = samples();
    expect(values(all, "berth_range_sets_known", {})).toEqual({ "": "0" });
    expect(all.some((one) => one.labels.set !== undefined)).toBe(false);
  });

  it("writes --output whole, readable by all, in the place of the one before", async () => {
    await p.given(n, "a");
    const out = folder();
    const file = path.join(out, "berth.prom");
    fs.writeFileSync(file, "old\n", { mode: 0o600 });
    const said = berth(binary, "metrics", "--data-dir", dir, "--output", file);
    expect([said.status, said.out, said.err]).toEqual([0, "", ""]);
    expect(fs.statSync(file).mode & 0o777).toBe(0o644);
    // All but the age, which goes on between the two.
    const still = (all: Sample[]) => all.filter((one) => !one.name.endsWith("_seconds"));
    expect(still(parse(fs.readFileSync(file, "utf8")))).toEqual(still(samples()));
    expect(fs.readdirSync(out)).toEqual(["berth.prom"]);
    fs.writeFileSync(file, "old\n");
    fs.writeFileSync(path.join(homeOf(n), "berth.state"), "");
    expect(berth(binary, "metrics", "--data-dir", dir, "--output", file).status).toBe(1);
    // What can't be read is told; what isn't known isn't.
    expect(parse(fs.readFileSync(file, "utf8"))).toEqual([
      { name: "berth_network_readable", labels: { network: "net" }, value: "0" },
    ]);
    expect(fs.readdirSync(out)).toEqual(["berth.prom"]);
    const nowhere = berth(binary, "metrics", "--data-dir", dir, "--output", `${out}/no/x`);
    expect([nowhere.status, nowhere.out]).toEqual([1, ""]);
  });

  it("tells the same as JSON", async () => {
    await p.given(n, "a");
    const [net] = told(binary, "metrics", "--data-dir", dir);
    expect(net).toMatchObject({ network: "net", allocations: 1, reservations: 0, cooling: 0 });
    const [four] = net!.sets as object[];
    expect(four).toEqual({ set: 0, family: 4, size: 9, held: 1, reserved: 0, cooling: 0, free: 8 });
  });

  it("holds its parser to the format: what a collector refuses is refused", () => {
    const good = '# HELP a b\n# TYPE a gauge\na{x="\\"\\\\\\n"} 1\n';
    expect(parse(good)[0]!.labels.x).toBe('"\\\n');
    for (const bad of ["a 1\n", good.trimEnd(), `${good}${good}`, good.replace("gauge", "x")]) {
      expect(() => parse(bad)).toThrow();
    }
  });
});

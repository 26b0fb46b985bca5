// `berth reset` sets aside what an ADD calls damaged, and nothing else; what an ADD calls damaged
// is damaged for the verbs that read, too, whatever is left of the files.

import * as fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, removeAll } from "../plugin/support/space.ts";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import { berth, told } from "./support.ts";

afterAll(removeAll);

const RANGES = [[{ subnet: "10.5.0.0/28" }]];

describe.each(berths)("$name: reset", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let home: string;
  let at: string[];

  beforeEach(async () => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    n = network(folder(), RANGES);
    home = homeOf(n);
    at = ["--data-dir", n.ipam.dataDir];
    for (const id of ["one", "two"]) await p.given(n, id);
  });
  afterEach(() => caller.close());

  const lost: [string, string[], () => void][] = [
    ["berth.state is lost", ["berth.reset-1.log"], () => fs.rmSync(`${home}/berth.state`)],
    ["berth.log is lost", ["berth.reset-1.state"], () => fs.rmSync(`${home}/berth.log`)],
    [
      "berth.log is cut behind its last entry",
      ["berth.reset-1.state", "berth.reset-1.log"],
      () => fs.truncateSync(`${home}/berth.log`, 600_000),
    ],
  ];
  it.each(lost)("%s: every verb and ADD call it damaged, reset sets it aside", async (...c) => {
    const [, names, harm] = c;
    harm();
    const refused = await p.add(n, "new");
    expect(refused.error.code).toBe(102);
    for (const verb of ["show", "check", "history", "forecast", "explain 10.5.0.2", "gc"]) {
      const said = berth(binary, ...verb.split(" "), ...at);
      expect(said.status, verb).toBe(1);
      expect(said.err, verb).toContain(refused.error.msg);
    }
    const metrics = berth(binary, "metrics", ...at);
    expect(metrics.status).toBe(1);
    expect(metrics.out).toContain('berth_network_readable{network="net"} 0\n');
    expect(told(binary, "reset", ...at)).toEqual([
      { network: "net", directory: home, setAside: names },
    ]);
    expect((await p.add(n, "new")).addresses).toEqual(["10.5.0.2/28"]);
  });

  it("leaves an empty state: the verbs tell of it before the next ADD comes", async () => {
    fs.writeFileSync(`${home}/berth.state`, new Uint8Array(8192));
    expect(berth(binary, "metrics", ...at).out).toContain('readable{network="net"} 0\n');
    expect(berth(binary, "reset", ...at).status).toBe(0);
    const metrics = berth(binary, "metrics", ...at);
    expect([metrics.status, metrics.err]).toEqual([0, ""]);
    expect(metrics.out).toContain('berth_network_readable{network="net"} 1\n');
    expect(metrics.out).toContain('berth_allocations{network="net"} 0\n');
    expect(told(binary, "show", ...at)).toMatchObject([{ network: "net", held: 0 }]);
    for (const verb of ["check", "history", "forecast", "gc --dry-run"])
      expect(berth(binary, ...verb.split(" "), ...at).err, verb).not.toContain("there is no");
    const said = berth(binary, "gc", ...at).err;
    expect(said).not.toContain("there is no");
    expect((await p.add(n, "new")).addresses).toEqual(["10.5.0.2/28"]);
  });

  it("a newer release's state keeps its error and is left untouched, but for --force", async () => {
    const file = path.join(home, "berth.state");
    const bytes = fs.readFileSync(file);
    bytes[8] = 9; // the layout's version
    fs.writeFileSync(file, bytes);
    const said = berth(binary, "reset", ...at);
    expect([said.status, said.out]).toEqual([1, ""]);
    expect(said.err).toContain("was written by a newer release of berth");
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
    expect((await p.add(n, "new")).error.code).toBe(103);
    expect(berth(binary, "reset", "--force", ...at).status).toBe(0);
    expect((await p.add(n, "new")).addresses).toEqual(["10.5.0.2/28"]);
  });

  it("what can't be opened is told, and set aside only with --force", () => {
    fs.rmSync(`${home}/berth.state`);
    fs.mkdirSync(`${home}/berth.state`);
    const said = berth(binary, "reset", ...at);
    expect([said.status, said.out]).toEqual([1, ""]);
    expect(fs.existsSync(`${home}/berth.reset-1.state`)).toBe(false);
    expect(berth(binary, "reset", "--force", ...at)).toMatchObject({ status: 0, err: "" });
  });

  it("begins afresh where adopt --from-cache has set a damaged state aside before", async () => {
    const damage = () => fs.writeFileSync(`${home}/berth.state`, new Uint8Array(65536));
    const cache = path.join(folder(), "results");
    fs.mkdirSync(cache);
    damage();
    const adopted = berth(binary, "adopt", "--from-cache", "--from", cache, ...at);
    expect([adopted.status, adopted.err]).toEqual([0, ""]);
    expect((await p.add(n, "three")).addresses).toEqual(["10.5.0.2/28"]);
    for (const options of [[], ["--force"]]) {
      damage();
      expect(berth(binary, "reset", ...options, ...at)).toMatchObject({ status: 0, err: "" });
      expect(berth(binary, "check", ...at).status).toBe(0);
      expect((await p.add(n, "new")).addresses).toEqual(["10.5.0.2/28"]);
    }
    expect(fs.existsSync(`${home}/berth.state.damaged.1`)).toBe(true);
  });

  it.each([[], ["--force"]])("a directory without a state is an error (%s)", (...options) => {
    fs.mkdirSync(path.join(n.ipam.dataDir, "empty"));
    const said = berth(binary, "reset", ...options, "--network", "empty", ...at);
    expect([said.status, said.out]).toEqual([1, ""]);
    expect(said.err).toContain("there is no state in");
  });
});

describe.each(clockHosts)("$name: after a power cut, before the first ADD", (host) => {
  let node: World;
  beforeAll(buildClock, 120_000);
  beforeEach(() => {
    node = host.world();
  });
  afterEach(() => node.end());

  it("no verb calls it damaged, and reset keeps what the next ADD rebuilds", async () => {
    const ipam = { type: "berth", dataDir: node.dir, ranges: RANGES, reserve: { pods: "all" } };
    const config = { cniVersion: "1.0.0", name: "net", ipam };
    for (const pod of ["web-0", "web-1"])
      expect((await node.cni("ADD", pod, config, `shop/${pod}`)).status).toBe(0);
    // The image has the last commit, the log has lost it.
    const file = path.join(node.dir, "net", "berth.log");
    const log = fs.readFileSync(file);
    const end = log.findLastIndex((byte) => byte !== 0) + 1;
    fs.writeFileSync(file, log.fill(0, end - 100, end));
    node.reboot(60);
    const at = ["--network", "net", "--data-dir", node.dir];
    for (const verb of ["show", "check", "explain shop/web-1"]) {
      const said = await node.verb([...verb.split(" "), "--json", ...at]);
      expect([said.status, said.json.code], verb).toEqual([1, 106]);
      expect(said.json.msg).toContain("the next call of the plugin on its own node rebuilds it");
    }
    const reset = await node.verb(["reset", "--json", ...at]);
    expect(reset.json.networks[0].error.msg).toContain("the state is sound");
    const again = await node.cni("ADD", "new", config, "shop/web-1");
    expect(again.json.ips[0].address).toBe("10.5.0.3/28");
  });

  it("nor where reading it meets what can't be, as pages of different ages have it", async () => {
    const ipam = { type: "berth", dataDir: node.dir, ranges: RANGES, reserve: { pods: "all" } };
    const config = { cniVersion: "1.0.0", name: "net", ipam };
    for (const pod of ["web-0", "web-1"])
      expect((await node.cni("ADD", pod, config, `shop/${pod}`)).status).toBe(0);
    // Where the indexes begin (assembly/image/header.ts).
    const file = path.join(node.dir, "net", "berth.state");
    const state = fs.readFileSync(file);
    fs.writeFileSync(file, state.fill(255, 576, 608));
    const at = ["--network", "net", "--data-dir", node.dir];
    const now = await node.verb(["explain", "shop/web-1", "--json", ...at]);
    expect([now.status, now.json.code]).toEqual([1, 102]);
    node.reboot(60);
    const said = await node.verb(["explain", "shop/web-1", "--json", ...at]);
    expect([said.status, said.json.code]).toEqual([1, 106]);
    const again = await node.cni("ADD", "new", config, "shop/web-1");
    expect(again.json.ips[0].address).toBe("10.5.0.3/28");
  });
});

// The operator's verbs: how they are called, `show` and `check`, on both hosts.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { berths, rounds } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "../plugin/support/space.ts";
import { berth, lines, told } from "./support.ts";

afterAll(removeAll);

const args = (name: string) => `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`;

describe.each(berths)("$name: verbs", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let dir: string;
  const run = (...words: string[]) => berth(binary, ...words, "--data-dir", dir);

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    n = network(folder(), pair(8), { cooldown: 600 });
    dir = n.ipam.dataDir;
  });
  afterEach(() => caller.close());

  describe("arguments", () => {
    it("says with --help which verbs there are, and what each takes, with an example", () => {
      const help = berth(binary, "--help");
      expect(help.status).toBe(0);
      const verbs = [...help.out.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map((match) => match[1]!);
      expect(verbs).toContain("show");
      expect(verbs.slice(-2)).toEqual(["plan", "bench"]);
      for (const verb of verbs.slice(0, -2)) {
        const one = berth(binary, verb, "--help");
        expect([verb, one.status, one.err]).toEqual([verb, 0, ""]);
        expect(one.out).toMatch(new RegExp(`^berth ${verb}`));
        expect(one.out).toContain(`Examples:\n  berth ${verb}`);
        expect(one.out).toContain("--json");
        expect(one.out).not.toContain("Options:\n\n");
        expect(berth(binary, verb, "-h").out).toBe(one.out);
        expect(berth(binary, "help", verb)).toEqual(one);
        for (const line of lines(one.out)) expect(line.length).toBeLessThanOrEqual(100);
      }
    });

    it("with help alone lists the verbs, with help plan asks for Node.js or tells plan's", () => {
      expect(berth(binary, "help")).toEqual(berth(binary, "--help"));
      for (const verb of ["plan", "bench"])
        expect(berth(binary, "help", verb)).toEqual(berth(binary, verb, "--help"));
    });

    it("refuses what it doesn't know with exit status 2 and names it", () => {
      const wrong: [string[], RegExp][] = [
        [["frobnicate"], /no verb "frobnicate"/],
        [["help", "frobnicate"], /no verb "frobnicate": berth --help lists them/],
        [["show", "--frob"], /unknown option --frob/],
        [["show", "-x"], /unknown option -x/],
        [["show", "--network"], /value is missing behind --network/],
        [["show", "--json=yes"], /takes no value: --json/],
        [["show", "stray"], /"stray" is one word too many/],
        [["show", "--only", "lost"], /--only "lost": use held/],
        [["show", `--network=${"x".repeat(5000)}`], /4096/],
        [["show", ...Array(80).fill("--json")], /64 arguments/],
      ];
      if (binary.kind === "native") wrong.push([["plan"], /needs Node.js: npx berth plan/]);
      for (const [words, text] of wrong) {
        const said = berth(binary, ...words);
        expect([words[0], said.status, said.out]).toEqual([words[0], 2, ""]);
        expect(said.err).toMatch(text);
      }
    });

    it("says why its answer can't be written", () => {
      const full = fs.openSync("/dev/full", "w");
      const done = spawnSync(binary.path, ["--help"], { stdio: ["ignore", full, "pipe"] });
      fs.closeSync(full);
      expect([done.status, `${done.stderr}`]).toEqual([
        1,
        "berth: the answer can't be written to stdout: no space left on device\n",
      ]);
    });

    it("takes no CNI call for a verb, and no verb for a CNI call", async () => {
      const outcome = await caller.call({
        argv: [binary.path, "show"],
        env: { CNI_COMMAND: "VERSION", PATH: process.env.PATH! },
        stdin: "",
      });
      expect(outcome.exit).toBe(0);
      expect(JSON.parse(outcome.out).supportedVersions).toContain("1.1.0");
    });

    it("answers exit status 1 where there is no network, as JSON if that is wanted", () => {
      const said = run("show");
      expect([said.status, said.out]).toEqual([1, ""]);
      expect(said.err).toContain(`there is no network in ${dir}`);
      const json = run("show", "--json");
      expect([json.status, json.err]).toEqual([1, ""]);
      expect(JSON.parse(json.out).msg).toContain(dir);
    });
  });

  describe("show", () => {
    it("lists what is held and cooling in the order of the addresses", async () => {
      for (const id of ["c", "a", "b"]) await p.given(n, id, { args: args(`web-${id}`) });
      await p.gone(n, "a");
      const said = run("show");
      expect(said.status).toBe(0);
      const rows = lines(said.out).slice(3);
      expect(rows.map((row) => row.split(/ +/).slice(0, 5))).toEqual([
        ["10.77.0.10", "held", "shop/web-c", "c", "eth0"],
        ["10.77.0.11", "cooling", "shop/web-a", "a", "eth0"],
        ["10.77.0.12", "held", "shop/web-b", "b", "eth0"],
        ["2001:db8:77::a", "held", "shop/web-c", "c", "eth0"],
        ["2001:db8:77::b", "cooling", "shop/web-a", "a", "eth0"],
        ["2001:db8:77::c", "held", "shop/web-b", "b", "eth0"],
      ]);
      expect(said.out).toContain("4 held, 0 reserved, 2 cooling");
      const [net] = told(binary, "show", "--data-dir", dir, "--only=cooling");
      const found = net!.addresses as Record<string, string>[];
      expect(found.map((one) => one.address)).toEqual(["10.77.0.11", "2001:db8:77::b"]);
      const ends = Date.parse(found[0]!.until!) - Date.now();
      expect(ends).toBeGreaterThan(590_000);
      expect(ends).toBeLessThan(602_000);
    });

    it("shows every network of the directory, or the one that is named", async () => {
      await p.given(n, "a");
      await p.given({ ...n, name: "blue" }, "b");
      expect(told(binary, "show", "--data-dir", dir).map((net) => net.network)).toEqual([
        "blue",
        "net",
      ]);
      const [net, ...rest] = told(binary, "show", "--data-dir", dir, "--network", "net");
      expect([net!.held, rest]).toEqual([2, []]);
      expect(run("show", "--network", "green").status).toBe(1);
    });

    it("reads a copied state with its log, and changes no byte of it", async () => {
      for (const id of ["a", "b"]) await p.given(n, id);
      const copy = folder();
      for (const name of ["berth.state", "berth.log"])
        fs.copyFileSync(path.join(homeOf(n), name), path.join(copy, name));
      fs.renameSync(path.join(copy, "berth.log"), path.join(copy, "other.log"));
      const before = fs.readdirSync(copy).map((name) => fs.readFileSync(path.join(copy, name)));
      const state = path.join(copy, "berth.state");
      for (const more of [[], ["--log", path.join(copy, "other.log")]]) {
        const [net] = told(binary, "show", "--state", state, ...more);
        expect(net!.held).toBe(4);
        expect(told(binary, "check", "--state", state, ...more)[0]!.faults).toEqual([]);
      }
      const lost = berth(binary, "check", "--state", state, "--log", path.join(copy, "lost"));
      expect([lost.status, lost.out, lost.err]).toEqual([
        1,
        "",
        `berth check: open the log ${copy}/lost: no such file or directory\n`,
      ]);
      const after = fs.readdirSync(copy).map((name) => fs.readFileSync(path.join(copy, name)));
      expect(after.map((bytes, i) => bytes.equals(before[i]!))).toEqual([true, true]);
    });

    it("names a copied file that is damaged, and no way out that is a network's", () => {
      const state = path.join(folder(), "copy");
      fs.writeFileSync(state, "no state");
      for (const verb of ["show", "check", "metrics"]) {
        const said = berth(binary, verb, "--state", state);
        expect([said.status, said.err]).toEqual([
          1,
          `berth ${verb}: the state in ${state} is damaged (it is shorter than its header); nothing was changed\n`,
        ]);
      }
    });

    it("sees whole states only while pods come and go", async () => {
      const rounds_ = rounds(binary, 60, 6);
      let busy = true;
      const storm = (async () => {
        for (let i = 0; busy; i++) {
          await Promise.all([0, 1, 2, 3].map((k) => p.given(n, `${i}-${k}`)));
          await Promise.all([0, 1, 2, 3].map((k) => p.gone(n, `${i}-${k}`)));
        }
      })();
      try {
        for (let i = 0; i < rounds_; i++) {
          const child = spawn(binary.path, ["check", "--data-dir", dir], { env: process.env });
          let text = "";
          child.stdout.on("data", (chunk) => {
            text += chunk;
          });
          child.stderr.on("data", (chunk) => {
            text += chunk;
          });
          const [status] = await once(child, "close");
          if (status !== 0 && !/no (network|state) in/.test(text)) expect(text).toBe("");
        }
      } finally {
        busy = false;
        await storm;
      }
    });

    it("makes control characters of a name harmless for a terminal", async () => {
      await p.given(n, "a", { args: args("\u001b[31mred") });
      const said = run("show");
      expect(said.out).not.toContain("\u001b");
      expect(said.out).toContain("\ufffd[31mred");
    });
  });

  describe("check", () => {
    it("tells every fault of a damaged state, exit status 1", async () => {
      for (const id of ["a", "b"]) await p.given(n, id);
      expect(run("check").out).toMatch(/sound: 2 allocations/);
      const file = path.join(homeOf(n), "berth.state");
      const bytes = fs.readFileSync(file);
      const at = bytes.indexOf("eth0");
      fs.writeFileSync(
        file,
        Buffer.concat([bytes.subarray(0, at), Buffer.from("eth1"), bytes.subarray(at + 4)]),
      );
      const said = run("check");
      expect(said.status).toBe(1);
      expect(said.out).toMatch(/faults:\n {2}an index names what is no cell/);
      const [net] = told(binary, "check", "--data-dir", dir);
      expect(net!.sound).toBe(false);
      expect((net!.faults as unknown[]).length).toBe(net!.faultCount);
    });

    it("names the file where nothing of it can be read", async () => {
      await p.given(n, "a");
      fs.writeFileSync(path.join(homeOf(n), "berth.state"), Buffer.alloc(8192));
      const said = run("check");
      expect([said.status, said.out]).toEqual([1, ""]);
      expect(said.err).toContain(homeOf(n));
      expect(JSON.parse(run("check", "--json").out).code).toBe(102);
    });
  });
});

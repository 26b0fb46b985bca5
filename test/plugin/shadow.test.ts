// `"shadow": "host-local"`: the real plugin answers, Berth watches and writes down.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { copyNetwork } from "../support/check.ts";
import { hostLocal, needsHostLocal } from "../support/needs.ts";
import { berths, rounds } from "./support/binaries.ts";
import { type Answer, Caller } from "./support/caller.ts";
import { Random, seed } from "./support/random.ts";
import { folder, homeOf, type Network, network, pair, removeAll } from "./support/space.ts";

afterAll(removeAll);

interface Side {
  exit: number;
  us: number;
  ips: string[];
  code?: number;
  msg?: string;
}
interface Line {
  time: number;
  command: string;
  container: string;
  began?: boolean;
  same?: boolean;
  plugin: Side;
  berth: Side;
}

describe.each(berths)("[shadow] $name", (binary) => {
  let caller: Caller;
  let n: Network;
  let own: string;

  beforeEach(() => {
    caller = Caller.start(4);
    own = folder();
    n = network(folder(), pair(8));
  });
  afterEach(() => caller.close());

  const trial = (plugin = "host-local"): Network => ({
    ...n,
    ipam: { ...n.ipam, shadow: { plugin, dataDir: own } },
  });
  const run = (program: string, config: object | string, verb: string, id: string, more = {}) =>
    caller.call({
      argv: [program],
      env: {
        PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`,
        CNI_COMMAND: verb,
        CNI_CONTAINERID: id,
        CNI_IFNAME: "eth0",
        CNI_NETNS: "/run/netns/none",
        CNI_PATH: `/nowhere:${path.dirname(hostLocal ?? "/usr/lib/cni/x")}`,
        ...more,
      },
      stdin: typeof config === "string" ? config : JSON.stringify(config),
    });
  const lines = (): Line[] =>
    readFileSync(path.join(own, "net", "berth.shadow"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  const told = (a: Answer) => ({ exit: a.exit, out: a.out, err: a.err });

  const real = needsHostLocal();
  describe.skipIf(real.missing)(`beside the real host-local${real.why}`, () => {
    it("answers byte for byte as host-local alone does, and agrees with it", async () => {
      const alone = { ...n, ipam: { ...n.ipam, dataDir: folder() } };
      const r = new Random(seed, 91);
      const ids = Array.from({ length: 10 }, (_, i) => `pod-${i}`);
      const calls = rounds(binary, 150, 20);
      for (let i = 0; i < calls; i++) {
        const verb = r.pick(["ADD", "ADD", "DEL", "CHECK"]);
        const id = r.pick(ids);
        const want = await run(hostLocal!, alone, verb, id);
        expect(told(await run(binary.path, trial(), verb, id))).toEqual(told(want));
      }
      const all = lines();
      expect(all.length).toBe(calls);
      expect(all[0]!.began).toBe(true);
      const differ = all.slice(1).filter((line) => line.same !== true);
      expect(differ).toEqual([]);
      expect(all.every((line) => line.plugin.us > 0)).toBe(true);
      const [berth, theirs] = [homeOf(n), homeOf(alone)].map((dir) => readdirSync(dir).sort());
      expect(berth).toEqual(theirs);
      expect((await copyNetwork(path.join(own, "net")))!.faults()).toEqual([]);
    });

    it("begins with what host-local holds, marks included", async () => {
      for (const id of ["a", "b"]) await run(hostLocal!, n, "ADD", id);
      await run(binary.path, trial(), "ADD", "c");
      await run(binary.path, trial(), "ADD", "d");
      await run(binary.path, trial(), "ADD", "a");
      await run(binary.path, trial(), "DEL", "b");
      const [first, second, third, fourth] = lines();
      expect(first!.began).toBe(true);
      expect(second).toMatchObject({
        same: true,
        berth: { ips: ["10.77.0.13", "2001:db8:77::d"] },
      });
      expect(third).toMatchObject({ same: true, berth: { code: 999 } });
      expect(fourth).toMatchObject({ same: true, command: "DEL", berth: { exit: 0 } });
    });

    it("tells where the two differ, and why", async () => {
      await run(binary.path, trial(), "ADD", "a");
      const other = trial();
      other.ipam.policy = "sideways";
      expect((await run(binary.path, other, "ADD", "b")).exit).toBe(0);
      expect(lines()[1]).toMatchObject({
        same: false,
        plugin: { exit: 0, ips: ["10.77.0.11", "2001:db8:77::b"] },
        berth: { exit: 1, code: 999, msg: expect.stringContaining("ipam.policy") },
      });
      await run(hostLocal!, n, "ADD", "behind-our-back");
      expect((await run(binary.path, trial(), "ADD", "c")).exit).toBe(0);
      expect(lines()[2]).toMatchObject({
        same: false,
        plugin: { ips: ["10.77.0.13", "2001:db8:77::d"] },
        berth: { ips: ["10.77.0.11", "2001:db8:77::b"] },
      });
    });

    it("lets nothing of ours change the answer: damage, a lock, a place to write", async () => {
      await run(binary.path, trial(), "ADD", "a");
      writeFileSync(path.join(own, "net", "berth.state"), "damaged");
      const after = await run(binary.path, trial(), "ADD", "b");
      expect([after.exit, JSON.parse(after.out).ips[0].address]).toEqual([0, "10.77.0.11/16"]);
      expect(lines()[1]).toMatchObject({ same: false, berth: { exit: 1, code: 102 } });
      own = "/proc/nowhere";
      const later = await run(binary.path, trial(), "ADD", "c");
      expect([later.exit, JSON.parse(later.out).ips[0].address]).toEqual([0, "10.77.0.12/16"]);
      expect(existsSync("/proc/nowhere")).toBe(false);
    });

    it("passes stdin on as it came", async () => {
      const text = JSON.stringify(trial()).replace("{", '{ \t"unused" : "\\u00e9\\ud83d\\ude00" ,');
      const long = text.replace("{", `{"more":"${"x".repeat(300_000)}",`);
      expect((await run(binary.path, long, "ADD", "a")).exit).toBe(0);
    });
  });

  it("passes on stdout, stderr, exit status and environment of whatever it runs", async () => {
    const script = path.join(folder(), "fake");
    const lines = ["#!/bin/sh", "cat >&2", 'echo "<$FOO,$CNI_COMMAND>"', "echo more", "exit 7"];
    writeFileSync(script, lines.join("\n"));
    chmodSync(script, 0o755);
    const config = JSON.stringify(trial(script));
    const said = await run(binary.path, config, "ADD", "a", { FOO: "bar" });
    expect(told(said)).toEqual({ exit: 7, out: "<bar,ADD>\nmore\n", err: config });
  });

  it("keeps berth.shadow under a bound", async () => {
    const script = path.join(folder(), "fake");
    writeFileSync(script, "#!/bin/sh\nexit 0\n");
    chmodSync(script, 0o755);
    const dir = path.join(own, "net");
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, "berth.shadow"), `${"x".repeat(1_048_576)}\n`);
    await run(binary.path, trial(script), "DEL", "a");
    expect(readFileSync(path.join(dir, "berth.shadow"), "utf8").length).toBeLessThan(1000);
    expect(existsSync(path.join(dir, "berth.shadow.1"))).toBe(true);
  });

  it("refuses what can't be run, and itself", async () => {
    const missing = await run(binary.path, trial("no-such-plugin"), "ADD", "a");
    expect(missing.exit).toBe(1);
    expect(JSON.parse(missing.out)).toEqual({
      code: 999,
      msg: expect.stringMatching(
        /^ipam.shadow: can't run no-such-plugin \(CNI_PATH is \/nowhere:.*\): no such file or directory$/,
      ),
    });
    const self = await run(binary.path, trial(binary.path), "ADD", "a");
    expect(JSON.parse(self.out).msg).toContain("berth itself");
    const odd: [unknown, string][] = [
      [5, "5"],
      ["", '""'],
      [{ plugin: "" }, "{...}"],
      [{ plugin: 5 }, "{...}"],
    ];
    for (const [shadow, text] of odd) {
      const said = await run(binary.path, { ...n, ipam: { ...n.ipam, shadow } }, "ADD", "a");
      expect(JSON.parse(said.out).msg).toBe(
        `ipam.shadow ${text} names no plugin: use "host-local" or {"plugin": "host-local"}`,
      );
    }
  });

  it("refuses a dataDir of its own that is no text, and runs nothing", async () => {
    const ran = path.join(own, "ran");
    const plugin = path.join(own, "plugin");
    writeFileSync(plugin, `#!/bin/sh\necho ran >${ran}\n`);
    chmodSync(plugin, 0o755);
    for (const [dataDir, text] of [
      [7, "7"],
      [true, "true"],
      [["/x"], "[...]"],
    ]) {
      const config = { ...n, ipam: { ...n.ipam, shadow: { plugin, dataDir } } };
      for (const verb of ["ADD", "CHECK"]) {
        const said = await run(binary.path, config, verb, "a");
        expect([verb, said.exit, JSON.parse(said.out)]).toEqual([
          verb,
          1,
          {
            code: 999,
            msg: `ipam.shadow.dataDir ${text} is no path: use a text ("/var/lib/cni/berth"), or leave it out`,
          },
        ]);
      }
    }
    expect(existsSync(ran)).toBe(false);
  });
});

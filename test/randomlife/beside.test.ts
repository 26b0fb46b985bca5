// Random lives beside host-local: with `mirror` both programs take turns, with `adopt` host-local has
// been there before and deletes what is its own. In memory with kills, errors, lost locks, reboots
// and power cuts, beside a model of host-local; on real files through both hosts beside the real one.
//
// BERTH_SEED plays other lives, BERTH_LIFE_BESIDE says how many steps in memory (default 9,000).

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { bare, format, parse } from "../plugin/support/address.ts";
import { Random, seed } from "../plugin/support/random.ts";
import { Copy } from "../support/check.ts";
import { buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";
import { freshMemory } from "../support/memoryhost.ts";
import { hostLocal, needsHostLocal } from "../support/needs.ts";
import { randomFrom } from "../support/world.ts";
import { Beside, type Place, type Said, type Side, type Step } from "./beside.ts";
import { type Dump, dumpOf } from "./compare.ts";
import { Files } from "./files.ts";
import { HostLocal, type Span } from "./hostlocal.ts";
import { line } from "./shrink.ts";

const COUNT = Number(process.env.BERTH_LIFE_BESIDE ?? 9_000);
const EACH = 1500;
const OUTSIDE = 150;

function v4(from: number, to: number): Span {
  return { from: `10.77.0.${from}`, to: `10.77.0.${to}`, gateway: "10.77.0.1" };
}

function v6(from: number, to: number): Span {
  const text = (n: number) => `2001:db8:77::${n.toString(16)}`;
  return { from: text(from), to: text(to), gateway: text(1) };
}

/** Overlapping configs of one network: both families, one, two ranges in a set, other ends. */
const SETS: Span[][][] = [
  [[v4(10, 17)], [v6(10, 17)]],
  [[v4(10, 19)], [v6(12, 19)]],
  [[v4(1, 4), v4(12, 16)]],
  [[v6(10, 20)], [v4(14, 21)]],
];

function places(more: Record<string, unknown>, dataDir: string): Place[] {
  return SETS.map((sets) => {
    const ranges = sets.map((set) =>
      set.map(({ from, to }) => ({
        subnet: from.includes(":") ? "2001:db8:77::/64" : "10.77.0.0/24",
        rangeStart: from,
        rangeEnd: to,
      })),
    );
    const ipam = { type: "berth", dataDir, ranges, ...more };
    return { sets, json: { cniVersion: "1.1.0", name: "life", ipam } };
  });
}

const POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=";

function environment(id: string, pod?: string): Record<string, string> {
  const CNI_ARGS = pod === undefined ? "IgnoreUnknown=1" : `${POD}${pod.split("/")[1]}`;
  return { CNI_CONTAINERID: id, CNI_IFNAME: "eth0", CNI_NETNS: "/run/netns/x", CNI_ARGS };
}

function configOf(verb: string, { json }: Place, keep: string[]): object {
  const list = keep.map((containerID) => ({ containerID, ifname: "eth0" }));
  return verb === "GC" ? { ...json, "cni.dev/valid-attachments": list } : json;
}

// biome-ignore lint/suspicious/noExplicitAny: what a call has printed.
function saidOf(ok: boolean, json: any, killed = false): Said {
  const ips = ((json?.ips ?? []) as { address: string }[]).map(({ address }) => bare(address));
  return { ok, killed, code: json?.code ?? 0, msg: json?.msg ?? "", ips: ok ? ips : [] };
}

/** By address as text. */
function byAddress(dump: Dump): Dump {
  const text = (p: { family: number; value: bigint }) =>
    format({ v6: p.family === 6, value: p.value });
  return new Map([...dump.values()].map((p) => [text(p), p]));
}

class Memory implements Side {
  readonly #files = new Files();
  readonly #other = new HostLocal(this.#files.disk);
  #boots = 0;

  async berth(verb: "ADD" | "DEL" | "CHECK" | "GC", step: Step, place: Place, keep: string[]) {
    const env = verb === "GC" ? {} : environment(step.id, step.pod);
    const config = configOf(verb, place, keep);
    const { status, json, killed } = this.#files.call(verb, env, config, step.trouble);
    return saidOf(status === 0 && !killed, json, killed);
  }

  async hostLocal(verb: "ADD" | "DEL", id: string, { sets }: Place) {
    const ips = verb === "ADD" ? this.#other.add(id, "eth0", sets) : [];
    if (verb === "DEL") this.#other.del(id, "eth0");
    return { ...saidOf(ips !== undefined, {}), ips: ips ?? [] };
  }

  files() {
    const all = [...this.#files.disk.names].filter(([name]) => parse(name) !== undefined);
    return new Map(all.map(([name, { cache }]) => [name, `${cache}`]));
  }

  dump() {
    return byAddress(this.#files.dump());
  }

  now() {
    return this.#files.disk.now;
  }

  unlink(name: string) {
    this.#files.disk.names.delete(name);
  }

  pass(seconds: number) {
    this.#files.disk.now += seconds;
  }

  reboot(cut: number | undefined) {
    const { disk } = this.#files;
    if (cut === undefined) disk.flush();
    else disk.cut(randomFrom(cut));
    disk.boot = `cccccccc-cccc-dddd-eeee-${String(++this.#boots).padStart(12, "0")}`;
    disk.wall += disk.now;
    disk.now = 50;
  }
}

class Outside implements Side {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    mkdirSync(join(world.dir, "life"));
  }

  async berth(verb: "ADD" | "DEL" | "CHECK" | "GC", step: Step, place: Place, keep: string[]) {
    const env = verb === "GC" ? {} : environment(step.id, step.pod);
    const config = configOf(verb, place, keep);
    const { status, json } = await this.#world.cni(verb, step.id, config, undefined, env);
    return saidOf(status === 0, json);
  }

  async hostLocal(verb: "ADD" | "DEL", id: string, { json }: Place) {
    const env = { CNI_COMMAND: verb, CNI_PATH: "/x", ...environment(id) };
    const config = { ...json, cniVersion: "0.4.0", ipam: { ...json.ipam, type: "host-local" } };
    try {
      const out = execFileSync(hostLocal!, { env, input: JSON.stringify(config), stdio: "pipe" });
      return saidOf(true, verb === "ADD" ? JSON.parse(`${out}`) : undefined);
    } catch (error) {
      return saidOf(false, JSON.parse(`${(error as { stdout: Buffer }).stdout}`));
    }
  }

  files() {
    const home = join(this.#world.dir, "life");
    const names = readdirSync(home).filter((name) => parse(name) !== undefined);
    return new Map(names.map((name) => [name, readFileSync(join(home, name), "utf8")]));
  }

  dump() {
    const file = (name: string) => join(this.#world.dir, "life", name);
    if (!existsSync(file("berth.state"))) return new Map();
    const read = (name: string) => readFileSync(file(name));
    const copy = new Copy(read("berth.state"), read("berth.log"), freshMemory());
    expect(copy.faults()).toEqual([]);
    return byAddress(dumpOf(copy.places()));
  }

  now() {
    const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    return uptime + Number(this.#world.boot / SECOND);
  }

  unlink(name: string) {
    unlinkSync(join(this.#world.dir, "life", name));
  }

  pass(seconds: number) {
    this.#world.pass(seconds);
  }

  reboot() {
    this.#world.reboot(10);
  }
}

const OWNERS = Array.from({ length: 14 }, (_, n) => `pod-${n}`);

/** What is done next; `trouble`: only in memory. */
function next(r: Random, life: Beside, mirror: boolean, trouble: boolean, adopted: string[]): Step {
  const config = r.below(10) === 0 ? r.below(SETS.length) : 0;
  const dice = r.below(200);
  if (dice < 2) {
    const cut = trouble && r.below(2) === 0 ? { cut: r.below(1e9) } : {};
    return { by: "reboot", id: "", config, ...cut };
  }
  if (dice < 10) return { by: "time", id: "", config, seconds: r.pick([1000, 1000, 100_000]) };
  const plan = { at: r.below(60), ...(r.below(3) === 0 ? { errno: r.pick([5, 28]) } : {}) };
  const broken = trouble && r.below(12) === 0;
  const which = broken ? { trouble: r.below(10) === 0 ? { lock: -11 } : plan } : {};
  if (dice < 18) return { by: "berth", verb: "GC", id: "", config, ...which };
  const held = [...life.held.keys()];
  const old = held.filter((id) => adopted.includes(id));
  const theirs = mirror ? r.below(3) === 0 : old.length > 0 && r.below(12) === 0;
  const by = theirs ? "host-local" : "berth";
  const owner = held.length > 0 && r.below(3) > 0 ? r.pick(held) : r.pick(OWNERS);
  if (theirs && !mirror) return { by, verb: "DEL", id: r.pick(old), config };
  const verb = r.pick(["ADD", "ADD", "ADD", "DEL", "DEL", "CHECK"] as const);
  // A second ADD under other ranges is given by host-local (an upstream defect); and a DEL note of
  // Berth's would still let go what host-local gives the same container before it is applied.
  const isNew = !life.held.has(owner) && !life.doubt.has(owner);
  if (theirs) return { by, verb: verb === "ADD" && isNew ? "ADD" : "DEL", id: owner, config };
  const id = verb === "ADD" && r.below(8) > 0 ? r.pick(OWNERS) : owner;
  const pod = r.below(3) === 0 ? {} : { pod: `shop/${r.pick(["web-0", "web-1", "db-0", "job"])}` };
  return { by, verb, id, config, ...pod, ...which };
}

async function live(number: number, side: Side, dir: string, count: number, trouble: boolean) {
  const r = new Random(seed, 3_000_000 + number);
  const mirror = r.below(3) > 0;
  const keeps = r.below(3) === 0;
  const options = {
    ...(mirror ? { mirror: true } : { adopt: true }),
    cooldown: r.pick([0, 0, 3600]),
    policy: r.pick(["next", "first"]),
    reboot: keeps ? "keep" : "release",
    ...(r.below(2) === 0 ? {} : { reserve: { for: "2h", pods: "ordinal" } }),
  };
  const all = places(options, dir);
  const life = new Beside(side, all, mirror, keeps);
  const steps: Step[] = [];
  try {
    // host-local was there before.
    for (let n = r.below(6); n > 0; n--) {
      steps.push({ by: "host-local", verb: "ADD", id: r.pick(OWNERS), config: r.below(2) });
      await life.play(steps.at(-1)!);
    }
    const adopted = [...life.held.keys()];
    for (let n = 0; n < count; n++) {
      steps.push(next(r, life, mirror, trouble, adopted));
      await life.play(steps.at(-1)!);
      const { by, verb, id } = steps.at(-1)!;
      // Whom Berth gives something is nobody that was there before.
      if (by === "berth" && verb === "ADD" && adopted.includes(id))
        adopted.splice(adopted.indexOf(id), 1);
    }
  } catch (error) {
    const where = `seed ${seed}, life ${number}, ${JSON.stringify(options)}`;
    throw new Error(`${where}: ${error}\n${steps.slice(-40).map(line).join("\n")}`);
  }
}

it("[model] beside host-local no address is held twice, and each file is its owner's", async () => {
  const lives = Math.ceil(COUNT / EACH);
  for (let number = 0; number < lives; number++)
    await live(number, new Memory(), "/d", Math.min(EACH, COUNT - number * EACH), true);
  expect(lives).toBeGreaterThan(0);
}, 600_000);

describe.each(clockHosts)("$name", (host) => {
  let world: World | undefined;
  beforeAll(buildClock, 600_000);
  afterEach(() => world?.end());

  const real = needsHostLocal();
  it.skipIf(real.missing)(
    `[native] the same on real files, beside the real host-local${real.why}`,
    async () => {
      for (const number of [100, 101]) {
        world = host.world();
        const count = host.name === "native" ? OUTSIDE : OUTSIDE / 2;
        await live(number, new Outside(world), world.dir, count, false);
        world.end();
      }
    },
    600_000,
  );
});

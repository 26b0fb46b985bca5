// The same life through both hosts on real files, on clocks and a boot id of the test's own: what
// the model approves in this process is what the native executable and the Node host answer, the
// operator's verbs among it. And what a power cut leaves of a life with every kind of trouble: both
// hosts make the same of it.

import * as fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Random, seed } from "../plugin/support/random.ts";
import { Copy } from "../support/check.ts";
import { type Answer, buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";
import { type Disk, freshMemory } from "../support/memoryhost.ts";
import { configOf, environment, variantOf } from "./calls.ts";
import { type Dump, dumpOf } from "./compare.ts";
import { plainVariants, type Variant, variants } from "./network.ts";
import { wordsOf } from "./operator.ts";
import { Life } from "./play.ts";
import { line } from "./shrink.ts";
import { type Step, Steps } from "./steps.ts";

const COUNT = Number(process.env.BERTH_LIFE_PROCESSES ?? 300);
/** Steps of a life in this process, whose reboots are handed out: about one in 250 is one. */
const CUTS = Number(process.env.BERTH_LIFE_CUTS ?? 4000);
/** Seconds that a call outside may come later. */
const SLACK = 20;
const VERBS = { add: "ADD", del: "DEL", check: "CHECK", status: "STATUS", gc: "GC" } as const;

function isCall(step: Step): step is Extract<Step, { do: keyof typeof VERBS }> {
  return step.do in VERBS;
}

function isByHand(step: Step): step is Parameters<typeof wordsOf>[0] {
  return step.do === "release" || step.do === "let go" || step.do === "reserve";
}

/** What is said, but for where the files lie and what the clocks show. */
function bare({ status, json }: Pick<Answer, "status" | "json">, home: string): unknown {
  if (json === undefined) return { status };
  const text = JSON.stringify(json)
    .replaceAll(home, "HOME")
    .replace(/for \d+ s more/, "for a while");
  return { status, json: JSON.parse(text.replace(/"until":"[^"]*"/g, '"until":""')) };
}

class Outside {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  status(config: Variant): Promise<Answer> {
    return this.world.cni("STATUS", "", config.json);
  }

  /** Plays a step: what is said, or undefined where nobody is asked. */
  async play(step: Step, config: Variant): Promise<unknown> {
    const { world } = this;
    if (step.do === "time") world.pass(step.seconds);
    else if (step.do === "wall") world.real += BigInt(step.seconds) * SECOND;
    else if (step.do === "reboot") {
      world.reboot(step.down);
      // In the same second: what a reboot reserves has its full time from the first call on.
      await this.status(config);
    } else if (isByHand(step)) {
      const where = ["--network", "life", "--data-dir", world.dir, "--json"];
      return bare(await world.verb([...wordsOf(step), ...where]), join(world.dir, "life"));
    } else if (isCall(step)) {
      const owner = "id" in step ? environment(step) : {};
      const id = "id" in step ? step.id : "";
      const json = configOf(step, variantOf(step, config));
      const said = await world.cni(VERBS[step.do], id, json, undefined, owner);
      return bare(said, join(world.dir, "life"));
    }
    return undefined;
  }

  /** The machine comes up with these files, at the moment at which the disk's clocks stand. */
  boot(disk: Disk): void {
    const { world } = this;
    const home = join(world.dir, "life");
    fs.rmSync(home, { recursive: true, force: true });
    fs.mkdirSync(home, { recursive: true });
    for (const [name, file] of disk.names) fs.writeFileSync(join(home, name), file.cache);
    world.reboot();
    world.boot += BigInt(disk.now - 30) * SECOND;
    world.real = BigInt(disk.wall + disk.now) * SECOND - BigInt(Date.now()) * 1_000_000n;
    world.bootId = disk.boot;
  }

  dump(): Dump {
    const read = (name: string) => fs.readFileSync(join(this.world.dir, "life", name));
    const copy = new Copy(read("berth.state"), read("berth.log"), freshMemory());
    expect(copy.faults()).toEqual([]);
    return dumpOf(copy.places());
  }
}

/** What differs between two hosts' states, but for what time has ended meanwhile. */
function differences(mine: Dump, theirs: Dump, now: number): string[] {
  const all: string[] = [];
  for (const key of new Set([...mine.keys(), ...theirs.keys()])) {
    const [a, b] = [mine.get(key), theirs.get(key)];
    const due = (a ?? b)!.due;
    if ((!a || !b) && due > 0 && due <= now + SLACK) continue;
    const near = Math.abs((a?.due ?? 0) - (b?.due ?? 0)) <= SLACK;
    const plain = (p: typeof a) => JSON.stringify({ ...p, due: 0, value: "" });
    if (!a || !b || !near || plain(a) !== plain(b)) all.push(`${key}: ${plain(a)}, ${plain(b)}`);
  }
  return all;
}

describe.each(clockHosts)("$name", (host) => {
  let outer: Outside;
  beforeAll(buildClock, 600_000);
  afterEach(() => outer?.world.end());

  const count = host.name === "native" ? COUNT : Math.ceil(COUNT / 3);
  it(`[native] ${count} steps on real files are answered as in memory`, async () => {
    outer = new Outside(host.world());
    const dice = new Random(seed, 1_000_000);
    const random = (n: number) => dice.below(n);
    const configs = plainVariants(random, outer.world.dir);
    const life = new Life(configs, 1.78e9);
    outer.world.hostName = life.model.node;
    const next = new Steps(random, life.model, configs, { trouble: false, verbs: true });
    for (let n = 0; n < count; n++) {
      const step = next.next();
      const before = life.files.said;
      life.play(step);
      const { said } = life.files;
      // Verbs of which the model can't tell what is right aren't played.
      if (isByHand(step) && said === before) continue;
      const outside = await outer.play(step, configs[step.config]!);
      if (outside === undefined) continue;
      const home = isByHand(step) ? "/var/lib/cni/berth" : outer.world.dir;
      const inside = bare(said!, join(home, "life"));
      expect(outside, `seed ${seed}, step ${n}: ${line(step)}`).toEqual(inside);
    }
    life.check();
  }, 600_000);

  it("[crash] makes of what reboots and power cuts leave what is made of it in memory", async () => {
    outer = new Outside(host.world());
    const dice = new Random(seed, 1_000_001);
    const random = (n: number) => dice.below(n);
    const configs = variants(random, outer.world.dir);
    const life = new Life(configs, 1.78e9);
    outer.world.hostName = life.model.node;
    const next = new Steps(random, life.model, configs, { trouble: true, verbs: true });
    let cuts = 0;
    for (let n = 0; n < CUTS; n++) {
      const step = next.next();
      life.play(step);
      if (step.do !== "reboot" || !life.files.disk.names.has("berth.state")) continue;
      const config = configs[step.config]!;
      outer.boot(life.files.disk);
      const { status, json } = await outer.status(config);
      const where = `seed ${seed}, step ${n}: ${line(step)}`;
      if (status !== 0) expect(json.msg, where).toMatch(/no IP addresses available/);
      const { now } = life.files.disk;
      expect(differences(life.dump(), outer.dump(), now), where).toEqual([]);
      if (step.cut !== undefined) cuts++;
    }
    expect(cuts).toBeGreaterThan(CUTS / 2000);
  }, 600_000);
});

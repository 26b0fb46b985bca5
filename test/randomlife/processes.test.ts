// The same life through processes of the native host, whose clocks and boot id are the test's own:
// what the model approves in this process is what the executable answers.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random, seed } from "../plugin/support/random.ts";
import { buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";
import { configOf, environment, variantOf } from "./calls.ts";
import { plainVariants } from "./network.ts";
import { Life } from "./play.ts";
import { line } from "./shrink.ts";
import { type Step, Steps } from "./steps.ts";

const COUNT = Number(process.env.BERTH_LIFE_PROCESSES ?? 300);
const VERBS = { add: "ADD", del: "DEL", check: "CHECK", status: "STATUS", gc: "GC" } as const;

function isCall(step: Step): step is Extract<Step, { do: keyof typeof VERBS }> {
  return step.do in VERBS;
}

/** Plays a step in the world outside: what is said, or undefined where nobody is asked. */
async function playOutside(world: World, step: Step, config: object): Promise<unknown> {
  if (step.do === "time") world.pass(step.seconds);
  else if (step.do === "wall") world.real += BigInt(step.seconds) * SECOND;
  else if (step.do === "reboot") world.reboot(step.down);
  else if (isCall(step)) {
    const owner = "id" in step ? environment(step) : {};
    const id = "id" in step ? step.id : "";
    const { status, json } = await world.cni(
      VERBS[step.do as keyof typeof VERBS],
      id,
      config,
      undefined,
      owner,
    );
    return { status, json };
  }
  return undefined;
}

describe.each(clockHosts.filter(({ name }) => name === "native"))("$name", (host) => {
  let world: World | undefined;
  beforeAll(buildClock, 600_000);
  afterAll(() => world?.end());

  it(`[native] ${COUNT} steps through processes are answered as in this process`, async () => {
    const outer = host.world();
    world = outer;
    const dice = new Random(seed, 1_000_000);
    const random = (n: number) => dice.below(n);
    const configs = plainVariants(random, outer.dir);
    const life = new Life(configs, 1.78e9);
    outer.hostName = life.model.node;
    const next = new Steps(random, life.model, configs, { trouble: false });
    for (let n = 0; n < COUNT; n++) {
      const step = next.next();
      const config = configs[step.config]!;
      life.play(step);
      const outside = await playOutside(outer, step, configOf(step, variantOf(step, config)));
      if (outside === undefined) continue;
      const { status, json } = life.said!;
      expect(outside, `seed ${seed}, step ${n}: ${line(step)}`).toEqual({ status, json });
    }
    life.check();
  });
});

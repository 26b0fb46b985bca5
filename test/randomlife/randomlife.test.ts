// A random life against the golden model: ADDs (with addresses fixed by annotation, times asked for
// by annotation, in mode static), DELs (late, twice, lost in notes), collections, reboots, power
// cuts, kills, errors, clock jumps, changes of the config, and what an operator releases and
// reserves by hand, on files in memory.
//
// BERTH_SEED plays other lives, BERTH_LIFE_STEPS says how many steps in all (default 100,000),
// BERTH_LIFE plays only the life of that number. A failure prints the steps that lead to it, as few
// as can be found, and the last 30 of the life.

import { expect, it } from "vitest";
import { Random, seed } from "../plugin/support/random.ts";
import { Fault } from "./model.ts";
import { type Variant, variants } from "./network.ts";
import { Life } from "./play.ts";
import { line, shrink } from "./shrink.ts";
import { type Step, Steps } from "./steps.ts";

const total = Number(process.env.BERTH_LIFE_STEPS ?? 100_000);
const only = process.env.BERTH_LIFE;
/** Steps of one life; the next one has other addresses and begins on empty files. */
const EACH = 4000;
const CHECK_EVERY = 25;
const SHRINK_MS = 20_000;

interface Scene {
  configs: Variant[];
  /** How far the wall clock is ahead of the boot's, at first. */
  wall: number;
}

/** Plays a list of steps: what is wrong, or undefined. */
function replay({ configs, wall }: Scene, steps: readonly Step[]): unknown {
  const life = new Life(configs, wall);
  try {
    for (const [n, step] of steps.entries()) {
      life.play(step);
      if (n % 5 === 0) life.check();
    }
    life.check();
    return undefined;
  } catch (error) {
    return error;
  }
}

function told(scene: Scene, steps: Step[], error: unknown): string {
  const words = (e: unknown) => `${e}`.replace(/\S*\d\S*|"[^"]*"/g, "").slice(0, 40);
  const fails = (less: Step[]) => words(replay(scene, less)) === words(error);
  const few = fails(steps) ? shrink(steps, fails, SHRINK_MS) : [];
  const used = [...new Set(few.map((step) => step.config))];
  return [
    `the last of ${steps.length} steps:`,
    ...steps.slice(-30).map(line),
    `${few.length} steps fail as well: ${few.length > 0 ? replay(scene, few) : "none"}`,
    ...few.slice(-60).map(line),
    ...used.map((n) => `config ${n}: ${JSON.stringify(scene.configs[n]!.json.ipam)}`),
  ].join("\n");
}

/** Plays one life; throws what is wrong. */
function live(number: number, count: number): void {
  const dice = new Random(seed, number);
  const random = (n: number) => dice.below(n);
  const configs = variants(random, "/d");
  // A clock that was never set is 2001.
  const wall = random(4) === 0 ? 1e9 : 1.78e9;
  const scene = { configs, wall };
  const life = new Life(configs, wall);
  const next = new Steps(random, life.model, configs, { trouble: true, verbs: true });
  const steps: Step[] = [];
  try {
    for (let n = 0; n < count; n++) {
      const step = next.next();
      steps.push(step);
      life.play(step);
      if (n % CHECK_EVERY === 0) life.check();
    }
    life.check();
  } catch (error) {
    const where = `seed ${seed} (BERTH_SEED), life ${number} (BERTH_LIFE), step ${steps.length}`;
    console.error(`${where}: ${error}\n${told(scene, steps, error)}`);
    throw error instanceof Fault ? new Error(`${where}: ${error.message}`) : error;
  }
}

it("[model] a random life holds what the golden model holds, check finds no fault", {
  timeout: 900_000,
}, () => {
  const lives = Math.ceil(total / EACH);
  for (let number = 0; number < lives; number++)
    if (only === undefined || Number(only) === number)
      live(number, Math.min(EACH, total - number * EACH));
  expect(lives).toBeGreaterThan(0);
});

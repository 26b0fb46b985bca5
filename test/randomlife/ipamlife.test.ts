// A random life of openIpam against a golden model: calls, flushes whose syncs end when they like,
// checkpoints, kills, power cuts, reboots, clocks that jump, full and failing disks, readers, and
// the plugin's calls on the same files, which are in memory.
//
// BERTH_SEED plays other lives, BERTH_IPAM_STEPS says how many steps in all (default 12,000; 100,000
// take some minutes), BERTH_LIFE plays only the life of that number. A failure prints the steps
// that lead to it, as few as can be found.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { Random, seed } from "../plugin/support/random.ts";
import type { Scene } from "./ipamframe.ts";
import { IpamLife } from "./ipamplay.ts";
import { type Step, Steps } from "./ipamsteps.ts";
import { line } from "./shrink.ts";

const total = Number(process.env.BERTH_IPAM_STEPS ?? 12_000);
const only = process.env.BERTH_LIFE;
/** Steps of one life; the next one begins on empty files. */
const EACH = 1000;
const LOOK_EVERY = 10;
const SHRINK_MS = Number(process.env.BERTH_SHRINK_MS ?? 20_000);

const realNow = Date.now;
const directory = mkdtempSync(join(tmpdir(), "berth-ipamlife-"));
/** The life that is played: its clock is performance.now's, so that a seed is always the same. */
let playing: IpamLife | undefined;
let random = new Random(0);

beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => playing?.ms ?? 0);
  vi.spyOn(Date, "now").mockReturnValue(1.8e12);
  vi.spyOn(Math, "random").mockImplementation(() => random.below(2 ** 32) / 2 ** 32);
});

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Plays steps, which `next` draws, until there is none; what is wrong, or undefined. */
async function live(scene: Scene, next: () => Step | undefined): Promise<unknown> {
  random = new Random(seed);
  const life = new IpamLife(scene);
  playing = life;
  try {
    let n = 0;
    for (let step = next(); step; step = next()) {
      await life.play(step);
      if (++n % LOOK_EVERY === 0) life.look();
    }
    life.look();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await life.end();
  }
}

function replay(scene: Scene, steps: readonly Step[]): Promise<unknown> {
  let n = 0;
  return live(scene, () => steps[n++]);
}

// The same without numbers and texts in quotes.
function words(error: unknown): string {
  return `${error}`.replace(/\S*\d\S*|"[^"]*"/g, "").slice(0, 40);
}

/** Cuts a failing list down for as long as there is time. */
async function shrink(scene: Scene, steps: Step[], error: unknown): Promise<Step[]> {
  const end = realNow() + SHRINK_MS;
  let best = steps;
  for (let size = best.length >> 1; size > 0 && realNow() < end; size >>= 1)
    for (let at = best.length; at > 0 && realNow() < end; at -= size) {
      const less = [...best.slice(0, Math.max(0, at - size)), ...best.slice(at)];
      if (words(await replay(scene, less)) === words(error)) best = less;
    }
  return best;
}

it("[model] a random life of an Ipam holds what was promised, check finds no fault", {
  timeout: 3_600_000,
}, async () => {
  const lives = Math.ceil(total / EACH);
  const met = { kill: 0, reboot: 0, cut: 0 };
  for (let number = 0; number < lives; number++) {
    if (only !== undefined && Number(only) !== number) continue;
    const dice = new Random(seed, number);
    const below = (n: number) => dice.below(n);
    const sync = below(3) === 0 ? "never" : "always";
    const reboot = below(2) === 0 ? "release" : "keep";
    const scene: Scene = { directory, sync, reboot, narrow: below(2) === 0 };
    const drawn = new Steps(below);
    const steps: Step[] = [];
    const error = await live(scene, () => {
      if (steps.length === EACH) return undefined;
      steps.push(drawn.next());
      return steps.at(-1);
    });
    for (const key of ["kill", "reboot", "cut"] as const) met[key] += playing!.met[key];
    if (error === undefined) continue;
    const where = `seed ${seed} (BERTH_SEED), life ${number} (BERTH_LIFE), step ${steps.length}`;
    const few = await shrink(scene, steps, error);
    console.error(
      [`${where}: ${error}`, `${JSON.stringify(scene)}, ${few.length} steps:`]
        .concat(few.slice(-120).map(line), `${await replay(scene, few)}`)
        .join("\n"),
    );
    throw error;
  }
  console.log(`${total} steps: ${JSON.stringify(met)}`);
  expect(lives).toBeGreaterThan(0);
  if (lives > 20 && only === undefined)
    for (const key of ["kill", "reboot", "cut"] as const)
      expect(met[key], key).toBeGreaterThan(lives / 10);
});

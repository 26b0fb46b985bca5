// Churn: how soon an address comes back to another pod, by policy, and what the policies cost. An
// address that comes back within seconds meets connections, ARP entries and endpoint lists that
// still mean its last holder; so it is measured how many other allocations lay between (the re-use
// distance) and how long nobody had held it.
import { createPool, type Pool, type PoolOptions } from "../../src/index.ts";
import type { Context, Experiment } from "../method/experiment.ts";
import { ratioOf, takeTurns } from "../method/measure.ts";
import { figuresOf, type Row } from "../method/row.ts";
import { Fnv } from "../peers/sequence.ts";
import { play, SCENES, type Scene, type Stage } from "./scenes.ts";

const suite = "churn";

/** Pods of a node, and a prefix with at least twice the addresses. */
const NODES: readonly [pods: number, prefix: string][] = [
  [110, "10.0.0.0/24"],
  [500, "10.0.0.0/22"],
  [1000, "10.0.0.0/21"],
];

const POLICIES: readonly [who: string, options: PoolOptions][] = [
  ["next", { policy: "next" }],
  ["first", { policy: "first" }],
  ["random", { policy: "random" }],
  ["first, cool-down 60 s", { policy: "first", cooldown: 60 }],
];

/** A pool on a clock of its own, and a node's pods on it. */
class Node implements Stage {
  readonly #pool: Pool;
  readonly #freed: Float64Array;
  readonly #freedAt: Float64Array;
  /** The held slots in the order in which they came, as a ring. */
  readonly #held: Uint32Array;
  #from = 0;
  #count = 0;
  #now = 0;
  #given = 0;
  readonly hash = new Fnv();
  readonly distances: number[] = [];
  readonly seconds: number[] = [];
  noting = false;

  constructor(prefix: string, options: PoolOptions, seed: number) {
    const clock = () => this.#now;
    this.#pool = createPool(prefix, { ...options, seed: BigInt(seed), clock });
    this.#freed = new Float64Array(this.#pool.size);
    this.#freedAt = new Float64Array(this.#pool.size).fill(-1);
    this.#held = new Uint32Array(this.#pool.size);
  }

  come(): void {
    const slot = this.#pool.take();
    this.#held[(this.#from + this.#count++) % this.#held.length] = slot;
    this.#given++;
    if (!this.noting) return;
    this.hash.add(slot);
    if (this.#freedAt[slot]! < 0) return;
    this.distances.push(this.#given - 1 - this.#freed[slot]!);
    this.seconds.push(this.#now - this.#freedAt[slot]!);
  }

  go(): void {
    const slot = this.#held[this.#from]!;
    this.#from = (this.#from + 1) % this.#held.length;
    this.#count--;
    this.#pool.give(slot);
    this.#freed[slot] = this.#given;
    this.#freedAt[slot] = this.#now;
  }

  wait(seconds: number): void {
    this.#now += seconds;
  }

  close(): void {
    this.#pool.close();
  }
}

function noted(scene: Scene, seed: number, nodes: typeof NODES): Row[] {
  const rows: Row[] = [];
  for (const [pods, prefix] of nodes)
    for (const [who, options] of POLICIES) {
      const node = new Node(prefix, options, seed);
      node.noting = true;
      for (let i = 0; i < pods; i++) node.come();
      play(scene, node, pods);
      node.close();
      const what = `${pods.toLocaleString("en-US")} pods in a ${prefix.slice(-3)}, ${scene}`;
      const share = `${Math.round((100 * node.distances.length) / (pods * 10))} % used before`;
      const row = (table: string, unit: "slots" | "s", values: number[]): Row => {
        const note = values.length
          ? `least ${Number(Math.min(...values).toFixed(1))}, ${share}`
          : share;
        const head = {
          suite,
          table,
          what,
          who,
          unit,
          note: `${note}, slots ${node.hash}`,
        } as const;
        // Policies give other slots, so the hash is in the note: the next run's must be the same.
        return values.length ? { ...head, figures: figuresOf(values) } : { ...head, value: 0 };
      };
      rows.push(
        row("re-use distance: allocations since an address was free", "slots", node.distances),
        row("seconds since the last holder", "s", node.seconds),
      );
    }
  return rows;
}

/** The time that a scene's calls take, by policy: one sample plays all of it. */
function cost(scene: Scene, { quick, seed, pass }: Context, nodes: typeof NODES): Row[] {
  const rows: Row[] = [];
  const turns = quick ? { rounds: 3, samples: 1 } : { rounds: 11, samples: 5 };
  for (const [pods, prefix] of nodes) {
    const stages = POLICIES.map(([name, options]) => {
      const node = new Node(prefix, options, seed);
      for (let i = 0; i < pods; i++) node.come();
      return { name, node };
    });
    const tasks = stages.map(({ name, node }) => ({
      name,
      operations: 2 * 10 * pods,
      run: () => play(scene, node, pods),
    }));
    const all = takeTurns(tasks, { ...turns, seed: seed + pass });
    for (const { node } of stages) node.close();
    for (const [at, m] of all.entries())
      rows.push({
        suite,
        table: "cost of a call, by policy",
        what: `${pods.toLocaleString("en-US")} pods, ${scene}`,
        who: m.name,
        unit: "ns",
        figures: m.figures,
        samples: m.samples,
        ...(at > 0 && { ratio: ratioOf(all[0]!, m), beside: all[0]!.name }),
      });
  }
  return rows;
}

export const churns: Experiment[] = SCENES.map((scene) => ({
  suite,
  name: scene,
  run: (context) => {
    const nodes = context.quick ? NODES.slice(0, 1) : NODES;
    // What is noted is counted in a time of its own: it would be the same in every pass.
    const once = context.pass === 0 ? noted(scene, context.seed, nodes) : [];
    const rows = [...once, ...cost(scene, context, nodes)];
    return rows.sort((a, b) => order(a) - order(b));
  },
}));

const TABLES = ["re-use", "seconds", "cost"];

function order(row: Row): number {
  return TABLES.findIndex((word) => row.table.startsWith(word));
}
